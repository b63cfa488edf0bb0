// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/entries.h with times that no honest sender gives; what it adds up is
// compared with a recount in test_stream.c.
#include "test.h"

#include "stream/entries.h"

static void ignore(void *ctx, const struct edge_call *call)
{
    (void)ctx;
    (void)call;
}

static void test_a_root_at_the_end_of_time(void **state)
{
    (void)state;
    struct names names = {0};
    struct paths paths;
    struct edges_room edges = {0};
    struct entries_room room = {0};
    uint32_t web = names_service(&names, STR("shop"), STR("web"));
    struct chain_span spans[] = {
        {.id = 1, .start_ns = UINT64_MAX, .service = SPAN_NAME(web), .kind = KIND_SERVER},
        {.id = 2,
         .parent = 1,
         .start_ns = UINT64_MAX,
         .service = SPAN_NAME(web),
         .kind = KIND_INTERNAL},
    };
    spans[0].endpoint = SPAN_NAME(names_below(&names, web, STR("GET /"), KIND_SERVER));
    paths_init(&paths, &names, SIZE_MAX);
    for (uint32_t count = 1; count <= 2; count++) {
        size_t sums;
        uint64_t start_ns;
        edges_of(&edges, spans, count, ignore, NULL);
        const struct entry_sum *s =
            entries_of(&room, &edges, &paths, spans, count, &sums, &start_ns);
        assert_int_equal(sums, 1);
        assert_int_equal(s->calls, 1);
        assert_int_equal(s->self_ns, 0);
        assert_true(start_ns == UINT64_MAX);
    }
    entries_room_done(&room);
    edges_room_done(&edges);
    paths_done(&paths);
    names_done(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_root_at_the_end_of_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
