// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/spans.h and stream/names.h: what a row is of, and whom it calls.
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "stream/spans.h"

struct fact {
    const char *key, *text; // text NULL: the number
    int64_t number;
};

static void put(struct batch *b, const struct fact *f)
{
    uint32_t key = batch_intern(b, str_of(f->key));
    struct attr a = {.key = key, .type = ATTR_INT, .i = f->number};
    if (f->text != NULL) {
        a.type = ATTR_STRING;
        a.code = batch_intern(b, str_of(f->text));
    }
    *batch_add_attr(b) = a;
}

static void put_span(struct batch *b, const char *name, unsigned kind, const struct fact *facts)
{
    uint32_t first = (uint32_t)b->attr_count, code = batch_intern(b, str_of(name));
    for (; facts != NULL && facts->key != NULL; facts++) {
        put(b, facts);
    }
    struct span *s = batch_add_span(b);
    s->kind = (uint8_t)kind;
    s->name = code;
    s->attrs = (struct attr_run){first, (uint32_t)b->attr_count - first};
    s->id.b[0] = s->parent.b[0] = 1;
}

static struct batch *batch_with_service(void)
{
    struct batch *b = batch_new(STR("shop"));
    const struct fact instance = {"service.instance.id", "cart-1", 0};
    const struct fact host = {"host.name", "web-1", 0}, rack = {"host.rack", "r1", 0};
    const struct fact zone = {"cloud.availability_zone", "west", 0};
    put(b, &instance);
    put(b, &host);
    put(b, &rack);
    put(b, &zone);
    uint32_t service = batch_intern(b, STR("cart"));
    *batch_add_resource(b) = (struct resource){.attrs = {0, 4}, .service = service};
    (void)batch_add_scope(b);
    return b;
}

static void test_peers(void **state)
{
    (void)state;
    static const struct {
        unsigned kind;
        struct fact facts[6];
        enum node_kind node;
        const char *name;
    } cases[] = {
        {KIND_CLIENT,
         {{"db.system.name", "postgresql", 0},
          {"db.namespace", "shop", 0},
          {"server.address", "db-1", 0},
          {"server.port", NULL, 5432}},
         NODE_DATABASE,
         "postgresql/shop@db-1:5432"},
        {KIND_CLIENT,
         {{"db.system", "mysql", 0},
          {"db.name", "bank", 0},
          {"net.peer.name", "old", 0},
          {"net.peer.port", NULL, 3306}},
         NODE_DATABASE,
         "mysql/bank@old:3306"},
        {KIND_CLIENT, {{"db.system", "oracle", 0}}, NODE_DATABASE, "oracle"},
        {KIND_CLIENT,
         {{"db.system", "redis", 0}, {"db.namespace", "0", 0}, {"server.address", "r", 0}},
         NODE_CACHE,
         "redis@r"},
        {KIND_PRODUCER,
         {{"messaging.system", "kafka", 0},
          {"messaging.destination.name", "orders", 0},
          {"server.address", "broker", 0}},
         NODE_QUEUE,
         "kafka/orders"},
        {KIND_CONSUMER,
         {{"messaging.system", "kafka", 0}, {"messaging.destination.name", "orders", 0}},
         NODE_QUEUE,
         "kafka/orders"},
        {KIND_CLIENT,
         {{"url.full", "https://me@api.example.com:8443/v1?x=/", 0}},
         NODE_EXTERNAL,
         "api.example.com:8443"},
        {KIND_CLIENT,
         {{"server.address", "api", 0}, {"server.port", NULL, 80}, {"url.full", "http://no/", 0}},
         NODE_EXTERNAL,
         "api:80"},
        {KIND_CLIENT,
         {{"peer.service", "billing", 0}, {"server.address", "10.0.0.7", 0}},
         NODE_EXTERNAL,
         "billing"},
        {KIND_CLIENT, {{"url.full", "nonsense", 0}}, NODE_EXTERNAL, "(unknown)"},
        {KIND_CLIENT,
         {{"server.address", "h", 0}, {"server.port", NULL, 99999}},
         NODE_EXTERNAL,
         "h"},
        {KIND_CLIENT, {{NULL, NULL, 0}}, NODE_EXTERNAL, "(unknown)"},
    };
    size_t n = sizeof cases / sizeof cases[0];
    struct names names = {0};
    struct span_reader *r = span_reader_new(&names, NULL);
    struct batch *b = batch_with_service();
    for (size_t i = 0; i < 2 * n; i++) { // each twice: the second time it is remembered
        put_span(b, "call", cases[i % n].kind, cases[i % n].facts);
    }
    batch_seal(b);
    span_reader_begin(r, b);
    for (size_t i = 0; i < 2 * n; i++) {
        uint32_t instance;
        struct chain_span s = span_reader_get(r, (uint32_t)i, &instance);
        const struct name *peer = names_at(&names, s.peer);
        assert_int_equal(peer->node.kind, cases[i % n].node);
        assert_int_equal(peer->node.name.n, strlen(cases[i % n].name));
        assert_memory_equal(peer->node.name.p, cases[i % n].name, peer->node.name.n);
    }
    assert_ptr_equal(names_at(&names, 1)->node.service.p, names_at(&names, 3)->node.service.p);
    batch_unref(b);
    span_reader_free(r);
    names_done(&names);
}

static void test_entries_have_endpoints(void **state)
{
    (void)state;
    struct names names = {0};
    struct span_reader *r = span_reader_new(&names, NULL);
    struct batch *b = batch_with_service();
    put_span(b, "GET /cart", KIND_SERVER, NULL);
    put_span(b, "work", KIND_INTERNAL, NULL);
    put_span(b, "job", KIND_INTERNAL, NULL);
    memset(&b->spans[2].parent, 0, sizeof b->spans[2].parent);
    b->spans[2].status = STATUS_ERROR;
    batch_seal(b);
    span_reader_begin(r, b);
    uint32_t instance;
    struct chain_span s = span_reader_get(r, 0, &instance);
    const struct name *name = names_at(&names, s.endpoint);
    assert_true(str_eq(name->node.name, STR("GET /cart")));
    assert_true(str_eq(name->node.service, STR("cart")));
    assert_true(str_eq(name->node.line, STR("shop")));
    assert_int_equal(name->span_kind, KIND_SERVER);
    assert_int_equal(name->service, s.service);
    assert_true(str_eq(names_at(&names, instance)->node.name, STR("cart-1")));
    const struct stream_place place = names_place_at(&names, names_at(&names, instance)->place);
    assert_str(place.host, "web-1");
    assert_str(place.rack, "r1");
    assert_str(place.centre, "west");
    assert_int_equal(s.peer, 0);
    assert_false(s.error);
    assert_int_equal(span_reader_get(r, 1, &instance).endpoint, 0);
    s = span_reader_get(r, 2, &instance);
    assert_true(s.error);
    assert_true(str_eq(names_at(&names, s.endpoint)->node.name, STR("job")));
    batch_unref(b);
    span_reader_free(r);
    names_done(&names);
}

// By both names of each convention; what is not told is made of what is.
static void test_callers_have_statements(void **state)
{
    (void)state;
    static const struct {
        unsigned kind;
        struct fact facts[6];
        const char *system, *text; // NULL: it sends none
    } cases[] = {
        {KIND_CLIENT,
         {{"db.system.name", "postgresql", 0}, {"db.query.text", "select 1", 0}},
         "postgresql",
         "select ?"},
        {KIND_CLIENT,
         {{"db.system", "postgresql", 0}, {"db.statement", "select 22", 0}},
         "postgresql",
         "select ?"},
        {KIND_CLIENT,
         {{"db.system", "mysql", 0}, {"db.statement", "select \"x\"", 0}},
         "mysql",
         "select ?"},
        {KIND_CLIENT,
         {{"db.system", "mysql", 0}, {"db.query.summary", "SELECT t", 0}},
         "mysql",
         "SELECT t"},
        {KIND_CLIENT,
         {{"db.system", "mysql", 0}, {"db.operation", "DELETE", 0}, {"db.sql.table", "t", 0}},
         "mysql",
         "DELETE t"},
        {KIND_CLIENT, {{"db.system", "mysql", 0}}, "mysql", "call"},
        {KIND_CLIENT,
         {{"db.system.name", "redis", 0}, {"db.query.text", "get user:7", 0}},
         "redis",
         "GET user:?"},
        {KIND_PRODUCER,
         {{"messaging.system", "kafka", 0}, {"messaging.destination.name", "orders", 0}},
         "kafka",
         "publish orders"},
        {KIND_CONSUMER,
         {{"messaging.system", "kafka", 0}, {"messaging.destination.name", "orders", 0}},
         "kafka",
         "process orders"},
        {KIND_CLIENT,
         {{"messaging.system", "kafka", 0},
          {"messaging.destination.name", "orders", 0},
          {"messaging.operation", "receive", 0}},
         "kafka",
         "receive orders"},
        {KIND_PRODUCER,
         {{"messaging.system", "rabbitmq", 0},
          {"messaging.destination.template", "reply.{id}", 0},
          {"messaging.destination.name", "reply.4711", 0},
          {"messaging.operation.type", "send", 0}},
         "rabbitmq",
         "send reply.{id}"},
        {KIND_CLIENT,
         {{"rpc.system", "grpc", 0}, {"rpc.service", "a.B", 0}, {"rpc.method", "C", 0}},
         "grpc",
         "a.B/C"},
        {KIND_CLIENT,
         {{"rpc.system", "grpc", 0}, {"rpc.service", "a.B", 0}, {"rpc.method", "a.B/C", 0}},
         "grpc",
         "a.B/C"},
        {KIND_SERVER,
         {{"rpc.system", "grpc", 0}, {"rpc.service", "a.B", 0}, {"rpc.method", "C", 0}},
         NULL,
         NULL},
        {KIND_CLIENT, {{"url.full", "http://a/", 0}}, NULL, NULL},
        {KIND_INTERNAL, {{"db.system", "mysql", 0}}, NULL, NULL},
    };
    size_t n = sizeof cases / sizeof cases[0];
    struct names names = {0};
    struct statements statements;
    statements_init(&statements, 1 << 20);
    struct span_reader *r = span_reader_new(&names, &statements);
    struct batch *b = batch_with_service();
    for (size_t i = 0; i < 2 * n; i++) {
        put_span(b, "call", cases[i % n].kind, cases[i % n].facts);
    }
    batch_seal(b);
    span_reader_begin(r, b);
    for (size_t i = 0; i < 2 * n; i++) {
        uint32_t instance;
        struct chain_span s = span_reader_get(r, (uint32_t)i, &instance);
        assert_int_equal(s.statement != 0, cases[i % n].text != NULL);
        if (s.statement != 0) {
            const struct statement_item *item = statements_at(&statements, s.statement);
            assert_true(str_eq(item->text, str_of(cases[i % n].text)));
            assert_true(str_eq(item->system, str_of(cases[i % n].system)));
            assert_int_equal(item->service, s.service);
        }
    }
    batch_unref(b);
    span_reader_free(r);
    statements_done(&statements);
    names_done(&names);
}

static void test_names_are_bounded(void **state)
{
    (void)state;
    struct names names = {0};
    char text[400];
    uint32_t service = names_service(&names, STR(""), STR("busy")), last = 0;
    for (unsigned i = 0; i < STREAM_ENDPOINTS_MAX + 50; i++) {
        (void)snprintf(text, sizeof text, "GET /item/%u", i);
        last = names_below(&names, service, str_of(text), KIND_SERVER);
    }
    assert_true(str_eq(names_at(&names, last)->node.name, NAMES_OTHER));
    assert_int_equal(names.others, 50);
    // What is known stays known, and another service is not concerned.
    assert_true(names_below(&names, service, STR("GET /item/7"), KIND_SERVER) < last);
    uint32_t calm = names_service(&names, STR(""), STR("calm"));
    uint32_t one = names_below(&names, calm, STR("GET /x"), KIND_SERVER);
    assert_true(str_eq(names_at(&names, one)->node.name, STR("GET /x")));
    memset(text, 'x', sizeof text);
    one = names_below(&names, calm, (struct str){text, sizeof text}, KIND_SERVER);
    assert_int_equal(names_at(&names, one)->node.name.n, NAMES_TEXT_MAX);
    // One name of another kind, or of a line, is another.
    assert_true(names_service(&names, STR("line"), STR("calm")) != calm);
    assert_true(names_peer(&names, NODE_CACHE, STR("x")) !=
                names_peer(&names, NODE_QUEUE, STR("x")));
    names_done(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_entries_have_endpoints),
        cmocka_unit_test(test_callers_have_statements),
        cmocka_unit_test(test_names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
