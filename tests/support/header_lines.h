// SPDX-License-Identifier: Apache-2.0
// Purpose: headers as lines "name: value", for what reads them by name.
#ifndef SONDE_TESTS_HEADER_LINES_H
#define SONDE_TESTS_HEADER_LINES_H

#include "core/str.h"

// A header_get of agents/jvm/headers.h; `lines` is a struct str. Values of one name are joined by
// commas; empty ones are left out.
struct str header_lines_get(void *lines, const char *name, char *out, size_t room);

#endif
