// SPDX-License-Identifier: Apache-2.0
// Purpose: model/statement: calls that differ in values alone have one fingerprint, and no value
// shows in it.
#include "model/statement.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/sql.h"

struct sample {
    const char *system, *text, *expected;
};

static void assert_fingerprint(const struct statement_facts *f, const char *expected)
{
    struct statement_text t;
    statement_fingerprint(f, &t);
    if (t.n != strlen(expected) || memcmp(t.bytes, expected, t.n) != 0) {
        fail_msg("'%.*s' is not '%s'", (int)t.n, t.bytes, expected);
    }
}

static void assert_samples(enum statement_kind kind, const struct sample *s, size_t count)
{
    for (; count > 0; count--, s++) {
        struct statement_facts f = {
            .kind = kind, .system = str_of(s->system), .text = str_of(s->text)};
        assert_fingerprint(&f, s->expected);
        f.text = str_of(s->expected); // its own
        assert_fingerprint(&f, s->expected);
    }
}

static void test_sql_of_databases(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"postgresql", "SELECT id, name FROM goods WHERE id = 42 AND sku = 'x''y'",
         "SELECT id, name FROM goods WHERE id = ? AND sku = ?"},
        {"postgresql", "SELECT id, name FROM goods WHERE id = $1 AND sku = $2",
         "SELECT id, name FROM goods WHERE id = ? AND sku = ?"},
        {"postgresql",
         "/* trace 00-4bf92f3577b34da6-01 */ select *\n  from goods -- all\n where id in (1,2, 3)",
         "select * from goods where id in (?)"},
        {"postgresql", "INSERT INTO stock (id, n) VALUES (1, 2), (3, 4), (5, NULL)",
         "INSERT INTO stock (id, n) VALUES (?)"},
        {"postgresql", "INSERT INTO t VALUES (1, now(), DEFAULT), (2, now(), DEFAULT) RETURNING id",
         "INSERT INTO t VALUES (?, now(), DEFAULT) RETURNING id"},
        {"postgresql", "UPDATE t SET a = -1, b = NULL, c = TRUE WHERE d IS NOT NULL;",
         "UPDATE t SET a = ?, b = ?, c = ? WHERE d IS NOT NULL"},
        {"postgresql",
         "select data->>'name' from t where tags @> array['a','b'] and ts > now() - "
         "interval '1 day'",
         "select data->>? from t where tags @> array[?] and ts > now() - interval ?"},
        {"postgresql", "select * from t where x = ANY('{1,2,3}'::int[]) limit 10 offset 20",
         "select * from t where x = ANY(?::int[]) limit ? offset ?"},
        {"postgresql", "DO $body$ begin perform 1; end $body$", "DO ?"},
        {"postgresql", "BEGIN", "BEGIN"},
        {"mysql", "SELECT `a` FROM `t` WHERE s = \"it's\" AND h = 0xFF AND b = b'01' # note",
         "SELECT `a` FROM `t` WHERE s = ? AND h = ? AND b = ?"},
        {"mysql", "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a), b = 'x\\'y'",
         "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a), b = ?"},
        {"mysql", "select 1.5e-3, .5, 1e10 from dual", "select ? from dual"},
        {"oracle", "select * from t where a = :1 and b = :name", // parameters by place and name
         "select * from t where a = :? and b = :name"},
        {"mssql", "EXEC dbo.find @id = 7, @n = N'x'", "EXEC dbo.find @id = ?, @n = ?"},
        {"mongodb", "{\"find\":\"goods\",\"filter\":{\"_id\":{\"$in\":[\"5f\",\"6a\"]},\"n\":3}}",
         "{\"find\":?, \"filter\":{\"_id\":{\"$in\":[?]}, \"n\":?}}"},
        {"", "select 'never ends", "select ?"},
        {"postgresql", "select \xE5\x90\x8D from \xE8\xA1\xA8 where a='\xE5\x80\xBC'",
         "select \xE5\x90\x8D from \xE8\xA1\xA8 where a=?"},
        {"postgresql", "", ""},
    };
    assert_samples(STATEMENT_DATABASE, samples, sizeof samples / sizeof samples[0]);
}

static void test_commands_of_caches(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"redis", "GET user:1234", "GET user:?"},
        {"redis", "get user:99", "GET user:?"},
        {"redis", "SET user:1234:name Miller EX 60", "SET user:?:name ?"},
        {"redis", "SET ? ?", "SET ? ?"},
        {"redis", "HMSET cart:6ba7b810-9dad-11d1-80b4-00c04fd430c8 a 1 b 2", "HMSET cart:? ?"},
        {"redis", "GET session:9f86d081884c7d659a2feaa0c55ad015", "GET session:?"},
        {"redis", "GET token:eyJhbGciOiJIUzI1NiJ9x", "GET token:?"},
        {"redis", "GET feed:deadbeefcafe", "GET feed:deadbeefcafe"}, // letters alone: a word
        {"redis", "GET {user:42}.profile-v2", "GET {user:?}.profile-v?"},
        {"redis", "AUTH default hunter2", "AUTH ?"},
        {"redis", "EVALSHA 6b1bf486c81ceb7edf3c093f4c48582e38c0e791 1 lock:7", "EVALSHA ?"},
        {"redis", "PING", "PING"},
        {"redis", "GET a:1\nGET a:2\nGET a:3\nINCR n:4\n", "GET a:?\nINCR n:?"},
        {"redis", "SET note:1 two lines\nof secret text", "SET note:? ?"},
        {"memcached", "get user_77", "GET user_?"},
        {"redis", "GET \xE7\x94\xA8\xE6\x88\xB7:12", "GET \xE7\x94\xA8\xE6\x88\xB7:?"},
        {"redis", "{not a command}", ""},
    };
    assert_samples(STATEMENT_CACHE, samples, sizeof samples / sizeof samples[0]);
}

static void test_queues_and_rpc(void **state)
{
    (void)state;
    static const struct {
        struct statement_facts facts;
        const char *expected;
    } samples[] = {
        {{.kind = STATEMENT_QUEUE,
          .system = {"kafka", 5},
          .operation = {"publish", 7},
          .collection = {"orders-v2", 9}},
         "publish orders-v2"},
        {{.kind = STATEMENT_QUEUE,
          .operation = {"receive", 7},
          .collection = {"reply.6ba7b810-9dad-11d1-80b4-00c04fd430c8", 42}},
         "receive reply.?"},
        {{.kind = STATEMENT_QUEUE, .name = {"poll", 4}}, "poll"},
        {{.kind = STATEMENT_RPC, .operation = {"Place", 5}, .collection = {"shop.Orders", 11}},
         "shop.Orders/Place"},
        {{.kind = STATEMENT_RPC, .operation = {"shop.Orders/Place", 17}}, "shop.Orders/Place"},
        {{.kind = STATEMENT_RPC, .name = {"call", 4}}, "call"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        assert_fingerprint(&samples[i].facts, samples[i].expected);
    }
}

static void test_what_stands_for_a_text_that_is_not_told(void **state)
{
    (void)state;
    struct statement_facts f = {.kind = STATEMENT_DATABASE,
                                .summary = STR("SELECT goods"),
                                .operation = STR("SELECT"),
                                .collection = STR("stock"),
                                .name = STR("shop")};
    assert_fingerprint(&f, "SELECT goods");
    f.summary = STR_NONE;
    assert_fingerprint(&f, "SELECT stock");
    f.operation = f.collection = STR_NONE;
    assert_fingerprint(&f, "shop");
    f.name = STR_NONE;
    assert_fingerprint(&f, "");
}

static void test_connections_are_no_statements(void **state)
{
    (void)state;
    struct statement_facts f = {.kind = STATEMENT_DATABASE, .name = STR("pg-pool.connect")};
    assert_fingerprint(&f, "");
    f.kind = STATEMENT_CACHE;
    assert_fingerprint(&f, "");
    f.name = STR("CONNECT");
    assert_fingerprint(&f, "");
    f.operation = STR("connect");
    assert_fingerprint(&f, "connect");
    f = (struct statement_facts){.kind = STATEMENT_QUEUE, .name = STR("pg-pool.connect")};
    assert_fingerprint(&f, "pg-pool.connect");
    f = (struct statement_facts){.kind = STATEMENT_DATABASE, .name = STR("find")};
    assert_fingerprint(&f, "find");
}

// Whatever comes, and wherever it is cut.
static void test_bounds(void **state)
{
    (void)state;
    static char text[STATEMENT_READ_MAX + 1000];
    struct statement_text once, twice;
    srand(7);
    for (unsigned round = 0; round < 200; round++) {
        size_t n = round % 2 == 0 ? sizeof text : (size_t)rand() % 2000;
        for (size_t i = 0; i < n; i++) {
            static const char some[] = "abc ,()?'\"\\\n:;.-$#*/19";
            text[i] = some[(size_t)rand() % (sizeof some - 1)];
            if (rand() % 8 == 0 && i + 3 <= n) {
                memcpy(text + i, "\xE5\x90\x8D", 3);
                i += 2;
            }
        }
        for (enum statement_kind k = STATEMENT_DATABASE; k <= STATEMENT_CACHE; k++) {
            struct statement_facts f = {.kind = k, .text = {text, n}};
            statement_fingerprint(&f, &once);
            assert_true(once.n <= STATEMENT_MAX);
            assert_true(str_utf8_valid((struct str){once.bytes, once.n}, NULL));
            f.text = (struct str){once.bytes, once.n};
            statement_fingerprint(&f, &twice);
            assert_int_equal(once.n, twice.n);
            assert_memory_equal(once.bytes, twice.bytes, once.n);
        }
    }
}

// What the agent shows of a statement (model/sql.h) counts as the statement itself.
static void test_fingerprints_of_sanitized_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "select a from t where b = 'x' and c in (1, -2) limit 5",
        "insert into t(a,b) values (1,'x'),(2,'y'),(3,null)",
        "update t set a = a + 1 where b = E'\\'' or c = $tag$x$tag$ -- y",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sql_text sql;
        struct statement_text raw, shown;
        struct statement_facts f = {.kind = STATEMENT_DATABASE, .text = str_of(texts[i])};
        statement_fingerprint(&f, &raw);
        sql_sanitize(f.text, SQL_STANDARD, SQL_TEXT_MAX, &sql);
        f.text = (struct str){sql.text, sql.text_n};
        statement_fingerprint(&f, &shown);
        assert_int_equal(raw.n, shown.n);
        assert_memory_equal(raw.bytes, shown.bytes, raw.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sql_of_databases),
        cmocka_unit_test(test_commands_of_caches),
        cmocka_unit_test(test_queues_and_rpc),
        cmocka_unit_test(test_what_stands_for_a_text_that_is_not_told),
        cmocka_unit_test(test_connections_are_no_statements),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_fingerprints_of_sanitized_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
