// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/edges.h: each rule of its header, and that order changes nothing.
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "core/sort.h"
#include "stream/edges.h"

// Names: 1 web, 2 cart, 3 web's endpoint, 4 cart's, 5 another of cart, 8 a database, 9 a queue.
enum { WEB = 1, CART, WEB_GET, CART_ADD, CART_PAY, DATABASE = 8, QUEUE };

struct told {
    char lines[32][96];
    unsigned count;
};

static void note(void *ctx, const struct edge_call *call)
{
    struct told *t = ctx;
    assert_true(t->count < 32);
    (void)snprintf(t->lines[t->count++], sizeof t->lines[0], "%u:%u>%u %s%s %llu",
                   call->from == 0 ? (unsigned)call->from_kind : 0, call->from, call->to,
                   call->at_client ? "client" : "server", call->error ? " error" : "",
                   (unsigned long long)call->duration_ns);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

// The spans in this order, and in the reverse: the same calls.
static void check(const struct chain_span *spans, uint32_t count, const char *const *expected)
{
    struct edges_room room = {0};
    for (unsigned reverse = 0; reverse < 2; reverse++) {
        struct chain_span order[16];
        struct told told = {.count = 0};
        assert_true(count <= 16);
        for (uint32_t i = 0; i < count; i++) {
            order[i] = spans[reverse ? count - 1 - i : i];
        }
        edges_of(&room, order, count, note, &told);
        sort_array(told.lines, told.count, sizeof told.lines[0], by_text);
        unsigned n = 0;
        for (; expected[n] != NULL; n++) {
            assert_true(n < told.count);
            assert_string_equal(told.lines[n], expected[n]);
        }
        assert_int_equal(told.count, n);
    }
    edges_room_done(&room);
}

static void test_both_halves_of_a_call(void **state)
{
    (void)state;
    const struct chain_span spans[] = {
        {.id = 1,
         .start_ns = 10,
         .duration_ns = 90,
         .service = WEB,
         .endpoint = WEB_GET,
         .kind = KIND_SERVER},
        {.id = 2,
         .parent = 1,
         .start_ns = 20,
         .duration_ns = 50,
         .service = WEB,
         .peer = 7,
         .kind = KIND_CLIENT,
         .error = true},
        {.id = 3,
         .parent = 2,
         .start_ns = 25,
         .duration_ns = 40,
         .service = CART,
         .endpoint = CART_ADD,
         .kind = KIND_SERVER},
    };
    static const char *const calls[] = {"0:3>4 client error 50", "0:3>4 server 40",
                                        "1:0>3 server 90", NULL};
    check(spans, 3, calls);
}

static void test_retries_below_one_client(void **state)
{
    (void)state;
    const struct chain_span spans[] = {
        {.id = 1,
         .start_ns = 10,
         .duration_ns = 90,
         .service = WEB,
         .endpoint = WEB_GET,
         .peer = 7,
         .kind = KIND_CLIENT},
        {.id = 2,
         .parent = 1,
         .start_ns = 60,
         .duration_ns = 30,
         .service = CART,
         .endpoint = CART_PAY,
         .kind = KIND_SERVER},
        {.id = 3,
         .parent = 1,
         .start_ns = 20,
         .duration_ns = 30,
         .service = CART,
         .endpoint = CART_ADD,
         .kind = KIND_SERVER},
    };
    static const char *const calls[] = {"0:3>4 client 90", "0:3>4 server 30", "0:3>5 server 30",
                                        NULL};
    check(spans, 3, calls);
}

static void test_peers_without_spans(void **state)
{
    (void)state;
    const struct chain_span spans[] = {
        {.id = 1,
         .start_ns = 1,
         .duration_ns = 9,
         .service = CART,
         .endpoint = CART_ADD,
         .peer = QUEUE,
         .kind = KIND_CONSUMER,
         .parent = 99},
        {.id = 2,
         .parent = 1,
         .start_ns = 2,
         .duration_ns = 3,
         .service = CART,
         .kind = KIND_INTERNAL},
        {.id = 3,
         .parent = 2,
         .start_ns = 3,
         .duration_ns = 1,
         .service = CART,
         .peer = DATABASE,
         .kind = KIND_CLIENT},
        {.id = 4,
         .parent = 2,
         .start_ns = 4,
         .duration_ns = 2,
         .service = CART,
         .peer = QUEUE,
         .kind = KIND_PRODUCER},
    };
    static const char *const calls[] = {"0:4>8 client 1", "0:4>9 client 2", "0:9>4 server 9", NULL};
    check(spans, 4, calls);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    const struct chain_span spans[] = {
        // Its caller is not here: an unknown service.
        {.id = 1,
         .parent = 50,
         .start_ns = 1,
         .duration_ns = 9,
         .service = CART,
         .endpoint = CART_ADD,
         .kind = KIND_SERVER},
        // Without an entry above it: the service stands alone.
        {.id = 2,
         .parent = 51,
         .start_ns = 2,
         .duration_ns = 5,
         .service = WEB,
         .kind = KIND_INTERNAL},
        {.id = 3,
         .parent = 2,
         .start_ns = 3,
         .duration_ns = 4,
         .service = WEB,
         .peer = DATABASE,
         .kind = KIND_CLIENT},
        // Work that begins by itself is no call, and neither is work inside.
        {.id = 4,
         .start_ns = 4,
         .duration_ns = 8,
         .service = WEB,
         .endpoint = WEB_GET,
         .kind = KIND_INTERNAL},
        {.id = 5,
         .parent = 4,
         .start_ns = 5,
         .duration_ns = 1,
         .service = WEB,
         .kind = KIND_INTERNAL},
        // Another service without a span of kind server.
        {.id = 6,
         .parent = 5,
         .start_ns = 5,
         .duration_ns = 1,
         .service = CART,
         .kind = KIND_INTERNAL},
    };
    static const char *const calls[] = {"0:0>4 server 9", "0:1>8 client 4", "0:3>2 server 1", NULL};
    check(spans, 6, calls);
}

static void test_halves_that_share_an_id(void **state)
{
    (void)state;
    const struct chain_span spans[] = {
        {.id = 1,
         .start_ns = 1,
         .duration_ns = 20,
         .service = WEB,
         .endpoint = WEB_GET,
         .kind = KIND_SERVER},
        {.id = 2,
         .parent = 1,
         .start_ns = 2,
         .duration_ns = 15,
         .service = WEB,
         .peer = 7,
         .kind = KIND_CLIENT},
        {.id = 2,
         .parent = 1,
         .start_ns = 3,
         .duration_ns = 12,
         .service = CART,
         .endpoint = CART_ADD,
         .kind = KIND_SERVER},
        {.id = 3,
         .parent = 2,
         .start_ns = 4,
         .duration_ns = 6,
         .service = CART,
         .peer = DATABASE,
         .kind = KIND_CLIENT},
    };
    static const char *const calls[] = {"0:3>4 client 15", "0:3>4 server 12", "0:4>8 client 6",
                                        "1:0>3 server 20", NULL};
    check(spans, 4, calls);
}

static void test_circles_end(void **state)
{
    (void)state;
    const struct chain_span spans[] = {
        {.id = 1,
         .parent = 3,
         .start_ns = 1,
         .duration_ns = 3,
         .service = WEB,
         .kind = KIND_INTERNAL},
        {.id = 2,
         .parent = 1,
         .start_ns = 2,
         .duration_ns = 2,
         .service = WEB,
         .kind = KIND_INTERNAL},
        {.id = 3,
         .parent = 2,
         .start_ns = 3,
         .duration_ns = 1,
         .service = WEB,
         .peer = DATABASE,
         .kind = KIND_CLIENT},
        {.id = 4,
         .parent = 4,
         .start_ns = 4,
         .duration_ns = 1,
         .service = WEB,
         .peer = DATABASE,
         .kind = KIND_CLIENT},
    };
    static const char *const calls[] = {"0:1>8 client 1", "0:1>8 client 1", NULL};
    check(spans, 4, calls);
}

static void note_statement(void *ctx, const struct edge_call *call)
{
    struct told *t = ctx;
    assert_true(t->count < 32);
    if (call->statement != 0) {
        (void)snprintf(t->lines[t->count++], sizeof t->lines[0], "%u: %u>%u %s", call->statement,
                       call->service, call->called, call->at_client ? "client" : "server");
    }
}

// Once each: by who sends it, to the service that answers or else to the peer; by consumers too.
static void test_statements_are_told_with_their_calls(void **state)
{
    (void)state;
    static const char *const expected[] = {"11: 1>8 client", "12: 1>2 client", "13: 2>9 server"};
    struct chain_span spans[] = {
        {.id = 1, .service = WEB, .endpoint = WEB_GET, .kind = KIND_SERVER},
        {.id = 2,
         .parent = 1,
         .service = WEB,
         .peer = DATABASE,
         .statement = 11,
         .kind = KIND_CLIENT},
        {.id = 3, .parent = 1, .service = WEB, .peer = 7, .statement = 12, .kind = KIND_CLIENT},
        {.id = 4, .parent = 3, .service = CART, .endpoint = CART_ADD, .kind = KIND_SERVER},
        {.id = 5,
         .parent = 1,
         .service = CART,
         .endpoint = CART_PAY,
         .peer = QUEUE,
         .statement = 13,
         .kind = KIND_CONSUMER},
    };
    struct edges_room room = {0};
    struct told told = {.count = 0};
    edges_of(&room, spans, 5, note_statement, &told);
    sort_array(told.lines, told.count, sizeof told.lines[0], by_text);
    assert_int_equal(told.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(told.lines[i], expected[i]);
    }
    edges_room_done(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements_are_told_with_their_calls),
        cmocka_unit_test(test_both_halves_of_a_call),
        cmocka_unit_test(test_retries_below_one_client),
        cmocka_unit_test(test_peers_without_spans),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_halves_that_share_an_id),
        cmocka_unit_test(test_circles_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
