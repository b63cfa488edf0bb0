// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/statements: numbers find what they were given for or nothing, in bounded
// space, and JDBC URLs are read.
#include <stdio.h>

#include "agents/jvm/shortfall.h"
#include "agents/jvm/statements.h"
#include "test.h"

static bool holds(struct str bytes, const char *text)
{
    return memmem(bytes.p, bytes.n, text, strlen(text)) != NULL;
}

static void check_statement(void *text, const struct statement *s)
{
    const char *bytes = (const char *)s->bytes;
    struct str name = {bytes, s->name_n}, all = {bytes + s->name_n, s->encoded_n};
    assert_true(str_eq(name, STR("SELECT t")));
    assert_true(holds(all, text) && holds(all, "db.query.text"));
    assert_true(holds((struct str){all.p, s->essential_n}, "db.query.summary"));
    assert_false(holds((struct str){all.p, s->essential_n}, "db.query.text"));
}

static void test_a_number_finds_its_statement_or_nothing(void **state)
{
    (void)state;
    enum { MANY = 4 * STATEMENTS_MAX };
    static uint32_t ids[MANY];
    char sql[64];
    unsigned found = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(sql, sizeof sql, "select a%d from t where b = %d", i, i);
        ids[i] = statement_id(str_of(sql), SQL_STANDARD);
        assert_int_not_equal(ids[i], 0);
        assert_int_equal(statement_id(str_of(sql), SQL_STANDARD), ids[i]);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(sql, sizeof sql, "select a%d from t where b = ?", i);
        found += statement_tell(ids[i], check_statement, sql);
    }
    assert_in_range(found, STATEMENTS_MAX / 2, STATEMENTS_MAX);
    statements_done();
    for (int i = 0; i < MANY; i++) {
        assert_false(statement_tell(ids[i], check_statement, NULL));
    }
}

static void test_what_is_used_stays(void **state)
{
    (void)state;
    char sql[64];
    uint32_t hot = statement_id(STR("select hot"), SQL_STANDARD);
    for (int i = 0; i < 8 * STATEMENTS_MAX; i++) {
        snprintf(sql, sizeof sql, "select a%d", i);
        (void)statement_id(str_of(sql), SQL_STANDARD);
        assert_int_equal(statement_id(STR("select hot"), SQL_STANDARD), hot);
    }
    statements_done();
}

static void test_databases(void **state)
{
    (void)state;
    static const struct {
        const char *url, *system, *host, *name;
        int port;
    } samples[] = {
        {"jdbc:postgresql://db.example:5433/shop?user=x&password=y", "postgresql", "db.example",
         "shop", 5433},
        {"jdbc:mysql://u:p@[::1]:3306/a", "mysql", "::1", "a", 3306},
        {"jdbc:mysql:loadbalance://one:1,two:2/b", "mysql", "one", "b", 1},
        {"jdbc:sqlserver://h:1433;databaseName=c;encrypt=true", "microsoft.sql_server", "h", "c",
         1433},
        {"jdbc:h2:mem:test;DB_CLOSE_DELAY=-1", "h2database", "", "mem:test", 0},
        {"jdbc:oracle:thin:scott/tiger@h:1521:orcl", "oracle.db", "", "h:1521:orcl", 0},
        {"jdbc:db2://h:50000/DB:password=x;user=y", "ibm.db2", "h", "DB", 50000},
        // Secrets, wherever drivers allow them, are no part of what is told.
        {"jdbc:postgresql://db:5432/shop?user=u&password=p@ssw0rd", "postgresql", "db", "shop",
         5432},
        {"jdbc:sqlserver://h:1433;databaseName=shop;user=sa;password=P@ssw0rd",
         "microsoft.sql_server", "h", "shop", 1433},
        {"jdbc:h2:mem:shop;PASSWORD=a@topsecret", "h2database", "", "mem:shop", 0},
        {"jdbc:mysql://db/shop?user=me@corp.com&x=y", "mysql", "db", "shop", 0},
        {"jdbc:mysql://address=(host=a)(user=u)(password=secret)/db", "mysql", "", "db", 0},
        {"jdbc:mysql://u:s@@host:1/db", "mysql", "host", "db", 1},
        {"jdbc:oracle:thin:scott/ti?g;er@h:1521:orcl", "oracle.db", "", "h:1521:orcl", 0},
        {"jdbc:strange", "other_sql", "", "", 0},
        {"", "other_sql", "", "", 0},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        uint32_t id = database_id(str_of(samples[i].url));
        const struct database *d = database_get(id);
        assert_non_null(d);
        assert_int_equal(database_id(str_of(samples[i].url)), id);
        assert_string_equal(d->system, samples[i].system);
        assert_string_equal(d->host, samples[i].host);
        assert_string_equal(d->name, samples[i].name);
        assert_int_equal(d->port, samples[i].port);
        struct str encoded = {(const char *)d->encoded, d->encoded_n};
        assert_true(holds(encoded, "db.system.name") && holds(encoded, d->system));
        assert_int_equal(holds(encoded, "server.port"), d->port > 0);
    }
    assert_null(database_get(0));
    char url[64];
    for (int i = 0; i < 2 * DATABASES_MAX; i++) {
        snprintf(url, sizeof url, "jdbc:postgresql://h/%d", i);
        (void)database_id(str_of(url));
    }
    uint64_t before = shortfall_counted(SHORTFALL_DATABASES);
    assert_in_range(before, DATABASES_MAX, 2 * DATABASES_MAX);
    assert_int_equal(database_id(STR("jdbc:postgresql://h/one-too-many")), 0);
    assert_int_equal(shortfall_counted(SHORTFALL_DATABASES), before + 1);
    assert_int_not_equal(database_id(STR("jdbc:postgresql://h/0")), 0);
    assert_int_equal(shortfall_counted(SHORTFALL_DATABASES), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_finds_its_statement_or_nothing),
        cmocka_unit_test(test_what_is_used_stays),
        cmocka_unit_test(test_databases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
