// SPDX-License-Identifier: Apache-2.0
// Purpose: the cells of a table on a terminal. Texts come from whoever sent them: what would move
// the cursor or change colours is replaced, and widths are counted in columns.
#ifndef SONDE_APPS_TABLE_H
#define SONDE_APPS_TABLE_H

#include <stddef.h>
#include <stdint.h>

// How many columns the first n bytes of a text take.
int table_columns(const char *text, size_t n);

// Prints a text, cut to `most` columns with "..." where it is longer, and blanks up to `width`.
void table_put(const char *text, int width, int most);

// Prints two blanks and a duration, in nine columns.
void table_put_duration(uint64_t ns);

#endif
