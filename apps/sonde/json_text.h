// SPDX-License-Identifier: Apache-2.0
// Purpose: a text as a string of JSON on standard output, in its quotes.
#ifndef SONDE_APPS_JSON_TEXT_H
#define SONDE_APPS_JSON_TEXT_H

// Bytes that are not UTF-8 become U+FFFD, as in every answer of the server.
void json_text_put(const char *text);

#endif
