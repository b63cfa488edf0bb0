// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/inquiry.h: which services call one another.
#include "test.h"

#include "unit/series/world.h"

#include "alert/inquiry.h"

static void add_edge(struct world *w, const char *line, const char *from, const char *kind,
                     const char *to, uint64_t time_ms)
{
    const uint16_t bucket = 100;
    const struct series_label labels[] = {
        {STR("__name__"), STR("sonde.calls")},
        {STR("from.kind"), STR("service")},
        {STR("from.line"), str_of(line)},
        {STR("from.service"), str_of(from)},
        {STR("of"), STR("edge")},
        {STR("side"), str_of(strcmp(kind, "service") == 0 ? "server" : "client")},
        {STR("to.kind"), str_of(kind)},
        {STR("to.line"), str_of(line)},
        {STR("to.service"), str_of(to)},
    };
    struct series_run r = {
        .times = 1, .time_ms = time_ms, .sum_ns = 1000, .buckets = &bucket, .count = 1};
    assert_ok(series_find(w->store, str_of(line), SERIES_HIST, labels,
                          sizeof labels / sizeof labels[0], &r.series));
    series_add_runs(w->store, &r, 1);
}

static void test_services_that_call_one_another_are_neighbours(void **state)
{
    static const struct {
        const char *line, *a, *b;
        bool are;
    } pairs[] = {{"shop", "cart", "pay", true},   {"shop", "pay", "cart", true},
                 {"shop", "cart", "ship", false}, {"shop", "pay", "ship", false},
                 {"bank", "cart", "pay", false},  {"bank", "cart", "ship", true},
                 {"shop", "loop", "loop", true},  {"shop", "cart", "cart", false}};
    struct world w;
    (void)state;
    world_open(&w, 0);
    world_now_ms = clock_wall_ns() / NS_PER_MS; // which the inquirer goes by
    uint64_t at = (world_now_ms - 600000) / 10000 * 10000;
    add_edge(&w, "shop", "cart", "service", "pay", at);
    add_edge(&w, "bank", "cart", "service", "ship", at);
    add_edge(&w, "shop", "loop", "service", "loop", at);
    add_edge(&w, "shop", "cart", "database", "ship", at);
    struct inquirer *q =
        inquirer_new((struct store *)&w, w.store, &w.budget); // of traces: none is asked for
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_int_equal(inquirer_are_neighbours(q, str_of(pairs[i].line), str_of(pairs[i].a),
                                                 str_of(pairs[i].b)),
                         pairs[i].are);
    }
    inquirer_free(q);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_that_call_one_another_are_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
