// SPDX-License-Identifier: Apache-2.0
// Purpose: SQL as it may be shown: without the values in it. Pure; fuzzed (tests/fuzz/fuzz_sql).
//
// Every literal becomes "?": quoted texts, numbers, dollar-quoted texts. Comments go, white space
// becomes one blank, "?, ?, ?" becomes "?" and "(?), (?)" becomes "(?)", so that statements which
// differ in values or in how many there are look the same. Names and key words stay as written.
//
// What a quotation mark means depends on the product: in MySQL's dialect a backslash escapes, and
// "x" is a text; elsewhere a backslash is itself and "x" is a name. A quote that never ends
// swallows the rest: nothing of a value is ever shown.
#ifndef SONDE_JVM_SQL_H
#define SONDE_JVM_SQL_H

#include <stdbool.h>

#include "core/str.h"

#define SQL_TEXT_MAX 1536 // of what is shown; longer statements are cut
#define SQL_NAME_MAX 64

enum sql_dialect { SQL_STANDARD, SQL_MYSQL };

struct sql_text {
    char text[SQL_TEXT_MAX];
    char operation[SQL_NAME_MAX];  // "SELECT", in capitals; empty when there is no first word
    char collection[SQL_NAME_MAX]; // the first table named behind FROM, INTO, UPDATE, TABLE, CALL
    size_t text_n, operation_n, collection_n;
};

void sql_sanitize(struct str sql, enum sql_dialect dialect, struct sql_text *ret);

#endif
