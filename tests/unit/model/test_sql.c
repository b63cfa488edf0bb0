// SPDX-License-Identifier: Apache-2.0
// Purpose: model/sql: no value of a statement is shown, and what differs in values alone looks
// the same.
#include "model/sql.h"

#include <stdio.h>

#include "test.h"

struct sample {
    enum sql_dialect dialect;
    const char *sql, *text, *operation, *collection;
};

static const struct sample samples[] = {
    {0, "select * from orders where id = 42", "select * from orders where id = ?", "SELECT",
     "orders"},
    {0, "  SELECT\n\ta ,b FROM  shop.\"Order Lines\" o -- the lot\nWHERE x='it''s' AND y=-1.5e-3",
     "SELECT a, b FROM shop.\"Order Lines\" o WHERE x=? AND y=?", "SELECT", "shop.\"Order Lines\""},
    {0, "select 1 where a in (1, 2,3 , 4)", "select ? where a in (?)", "SELECT", ""},
    {0, "insert into t(a,b) values (?, ?), (?,?),(?, 'x')", "insert into t(a, b) values (?)",
     "INSERT", "t"},
    {0, "update only t set a = $1, b = $tag$it's $$ here$tag$ where c::int = 5",
     "update only t set a = ?, b = ? where c::int = ?", "UPDATE", "t"},
    {0, "delete from a.b where c = E'\\'' /* all '*/ or d = 'x\\' or e = 'y'",
     "delete from a.b where c = ? or d = ? or e = ?", "DELETE", "a.b"},
    {0, "create table if not exists stock (n int8, x1 text)",
     "create table if not exists stock (n int8, x1 text)", "CREATE", "stock"},
    {0, "with x as (select 1) select * from x", "with x as (select ?) select * from x", "WITH",
     "x"},
    {0, "call refresh(0x1F, N'secret')", "call refresh(?)", "CALL", "refresh"},
    {0, "select 'never ends", "select ?", "SELECT", ""},
    {1, "select `a b` from t where x = \"it\\\"s\" and y = 'a\\'b' # 'c\n and z = 'd'",
     "select `a b` from t where x = ? and y = ? and z = ?", "SELECT", "t"},
    {0, "select \xE5\x90\x8D from \xE8\xA1\xA8 where a='\xE5\x80\xBC'",
     "select \xE5\x90\x8D from \xE8\xA1\xA8 where a=?", "SELECT", "\xE8\xA1\xA8"},
    {0, "insert into t values (1, now(), NULL), (?, now(), 'x') , (3,now(),true);",
     "insert into t values (?, now(), ?)", "INSERT", "t"},
    {0, "select a - -1, b is not null from t where c = -(+5) and d=-+'6' limit 10 ; ;",
     "select a - ?, b is not null from t where c = -(?) and d=? limit ?", "SELECT", "t"},
    {0, "select ((1)), ((2), (3))", "select ((?))", "SELECT", ""},
    {2,
     "{\"find\": \"orders\", \"filter\": {\"_id\": {\"$in\": [\"a\", \"b\"]}, \"n\": -1, "
     "\"x\":null}}",
     "{\"find\": ?, \"filter\": {\"_id\": {\"$in\": [?]}, \"n\": ?, \"x\":?}}", "", ""},
    {0, "", "", "", ""},
};

static void assert_text(const char *p, size_t n, const char *expected)
{
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(p, expected, n);
}

static void test_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        struct sql_text t;
        sql_sanitize(str_of(s->sql), s->dialect, SQL_TEXT_MAX, &t);
        assert_text(t.text, t.text_n, s->text);
        assert_text(t.operation, t.operation_n, s->operation);
        assert_text(t.collection, t.collection_n, s->collection);
        struct sql_text again;
        sql_sanitize((struct str){t.text, t.text_n}, s->dialect, SQL_TEXT_MAX, &again);
        assert_text(again.text, again.text_n, s->text);
    }
}

// Between tokens, with a mark that says so; and cut again it stays what it is.
static void test_long_statements_are_cut(void **state)
{
    (void)state;
    static char sql[4 * SQL_TEXT_MAX];
    struct sql_text t, again;
    size_t n = 0;
    while (n + 64 < sizeof sql) {
        n += (size_t)snprintf(sql + n, sizeof sql - n, "%s column_%zu", n == 0 ? "select" : ",", n);
    }
    for (size_t max = 16; max <= SQL_TEXT_MAX; max++) {
        sql_sanitize((struct str){sql, n}, SQL_STANDARD, max, &t);
        assert_true(t.text_n <= max && t.text_n > max - 16);
        assert_memory_equal(t.text + t.text_n - SQL_MARK.n, SQL_MARK.p, SQL_MARK.n);
        assert_memory_equal(t.text, sql, t.text_n - SQL_MARK.n - 1);
        assert_memory_equal(t.operation, "SELECT", 6);
        sql_sanitize((struct str){t.text, t.text_n}, SQL_STANDARD, max, &again);
        assert_int_equal(again.text_n, t.text_n);
        assert_memory_equal(again.text, t.text, t.text_n);
    }
    memset(sql + 7, 'a', sizeof sql - 7);
    sql_sanitize((struct str){sql, sizeof sql}, SQL_STANDARD, SQL_TEXT_MAX, &t);
    assert_text(t.text, t.text_n, "select \xE2\x80\xA6");
}

// A name in a document is one by its colon: it goes where that has no room.
static void test_names_in_documents_are_cut_with_their_colons(void **state)
{
    (void)state;
    struct str document = STR("{\"find\": \"users\", \"filter\": {\"name\" : \"a\", \"age\" :1}}");
    struct sql_text t, again;
    for (size_t max = 16; max <= 2 * document.n; max++) {
        sql_sanitize(document, SQL_DOCUMENT, max, &t);
        assert_true(t.text_n <= max);
        sql_sanitize((struct str){t.text, t.text_n}, SQL_DOCUMENT, max, &again);
        assert_int_equal(again.text_n, t.text_n);
        assert_memory_equal(again.text, t.text, t.text_n);
    }
    assert_text(t.text, t.text_n, "{\"find\": ?, \"filter\": {\"name\" : ?, \"age\" :?}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_long_statements_are_cut),
        cmocka_unit_test(test_names_in_documents_are_cut_with_their_colons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
