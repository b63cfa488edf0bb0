// SPDX-License-Identifier: Apache-2.0
// Purpose: SQL as it may be shown: without the values in it. Pure; fuzzed (tests/fuzz/fuzz_sql).
//
// Every literal becomes "?": quoted texts, numbers with their signs, dollar-quoted texts, and NULL,
// TRUE and FALSE behind "(", "," or "=". Comments go, white space becomes one blank, semicolons at
// the end go. "?, ?, ?" becomes "?", and equal groups, "(a, ?), (a, ?)", become their first: so
// statements which differ in values or in how many there are look the same. Names and key words
// stay as written. What comes out comes out of itself again.
//
// What a quotation mark means depends on the product. In MySQL's dialect a backslash escapes, and
// "x" is a text; in documents (the queries of MongoDB or Elasticsearch, in JSON) "x" is a text
// unless a colon follows, then it is a name; elsewhere a backslash is itself and "x" is a name. A
// quote that never ends swallows the rest: nothing of a value is ever shown.
//
// A text that is longer than asked for is cut between tokens, and ends in SQL_MARK.
#ifndef SONDE_MODEL_SQL_H
#define SONDE_MODEL_SQL_H

#include <stdbool.h>

#include "core/str.h"

#define SQL_TEXT_MAX 1536 // of what is shown
#define SQL_NAME_MAX 64

#define SQL_MARK STR("\xE2\x80\xA6")

enum sql_dialect { SQL_STANDARD, SQL_MYSQL, SQL_DOCUMENT, SQL_DIALECTS };

struct sql_text {
    char text[SQL_TEXT_MAX];
    char operation[SQL_NAME_MAX];  // "SELECT", in capitals; empty without a first word, and of
                                   // documents
    char collection[SQL_NAME_MAX]; // the first table named behind FROM, INTO, UPDATE, TABLE, CALL
    size_t text_n, operation_n, collection_n;
};

// At most `max` bytes, at most SQL_TEXT_MAX.
void sql_sanitize(struct str sql, enum sql_dialect dialect, size_t max, struct sql_text *ret);

#endif
