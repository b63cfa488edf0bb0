// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the taking of values out of SQL: whatever comes is read within its bounds, and a
// value that is quoted as the dialect has it never shows.
#include <stdlib.h>

#include "agents/jvm/sql.h"
#include "core/must.h"

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
        if (value.p[i] == '\'' || (value.p[i] == '\\' && dialect == SQL_MYSQL)) {
            *p++ = value.p[i];
        }
        *p++ = value.p[i];
    }
    p = mempcpy(p, tail, sizeof tail - 1);
    sql_sanitize((struct str){sql, (size_t)(p - sql)}, dialect, &t);
    MUST(t.text_n == sizeof expected - 1 && memcmp(t.text, expected, t.text_n) == 0);
    free(sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sql_text once;
    struct str text = {(const char *)data, size};
    for (enum sql_dialect d = SQL_STANDARD; d <= SQL_MYSQL; d++) {
        sql_sanitize(text, d, &once);
        MUST(once.text_n <= sizeof once.text && once.collection_n <= sizeof once.collection);
        check_quoted(text, d);
    }
    return 0;
}
