// SPDX-License-Identifier: Apache-2.0
// Purpose: stable codes for what the filter parser expected, so that a client can say it in the
// language of its reader. The sentences in English are filter_parse()'s; this knows how they begin.
#ifndef SONDE_FILTER_CODE_H
#define SONDE_FILTER_CODE_H

#include "core/str.h"

// The code of an error text of filter_parse(): "operator", "duration", ... Static storage; "other"
// for a text that is not known.
const char *filter_error_code(struct str text);

#endif
