// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the taking of values out of SQL: whatever comes is read within its bounds, and a
// value that is quoted as the dialect has it never shows, and what comes out comes out again.
#include <stdlib.h>

#include "core/must.h"
#include "model/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quoted(struct str value, enum sql_dialect dialect)
{
    static const char head[] = "select a from t where b = '", tail[] = "' and c = 1";
    static const char expected[] = "select a from t where b = ? and c = ?";
    struct sql_text t;
    char *sql = malloc(sizeof head + sizeof tail + 2 * value.n), *p = sql;
    MUST(sql != NULL);
    p = mempcpy(p, head, sizeof head - 1);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\'' || (value.p[i] == '\\' && dialect != SQL_STANDARD)) {
            *p++ = value.p[i];
        }
        *p++ = value.p[i];
    }
    p = mempcpy(p, tail, sizeof tail - 1);
    sql_sanitize((struct str){sql, (size_t)(p - sql)}, dialect, SQL_TEXT_MAX, &t);
    MUST(t.text_n == sizeof expected - 1 && memcmp(t.text, expected, t.text_n) == 0);
    free(sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sql_text once, twice;
    struct str text = {(const char *)data, size};
    for (enum sql_dialect d = SQL_STANDARD; d < SQL_DIALECTS; d++) {
        size_t max = size % 3 == 0 ? 16 + size % 64 : SQL_TEXT_MAX;
        sql_sanitize(text, d, max, &once);
        MUST(once.text_n <= max && once.collection_n <= sizeof once.collection);
        sql_sanitize((struct str){once.text, once.text_n}, d, max, &twice);
        MUST(twice.text_n == once.text_n && memcmp(twice.text, once.text, once.text_n) == 0);
        check_quoted(text, d);
    }
    return 0;
}
