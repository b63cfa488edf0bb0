// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/calls.h: the steps that a range is cut to.
#include "test.h"

#include "unit/series/world.h"

#include "query/calls.h"

#define SECOND_MS ((uint64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

static void assert_cut(struct world *w, uint64_t from_ms, uint64_t to_ms, uint64_t cut_from_ms,
                       uint64_t cut_to_ms)
{
    uint64_t from, to;
    calls_cut_range(w->store, from_ms, to_ms, 0, &from, &to);
    assert_int_equal(from, cut_from_ms);
    assert_int_equal(to, cut_to_ms);
}

// A range of a minute counts little that was not asked for, a long one is read from a wide tier.
static void test_ranges_are_cut_by_their_length(void **state)
{
    struct world w;
    const uint64_t at = T0_MS + HOUR_MS + 8 * MINUTE_MS; // in the range's last minute
    (void)state;
    world_open(&w, 0);
    assert_cut(&w, at - 6 * SECOND_MS, at + 54 * SECOND_MS, at - 10 * SECOND_MS, at + MINUTE_MS);
    assert_cut(&w, at, at + 20 * SECOND_MS, at, at + 20 * SECOND_MS);
    assert_cut(&w, at + 1, at + 10 * MINUTE_MS, at, at + 10 * MINUTE_MS);
    assert_cut(&w, at + 1, at + 10 * MINUTE_MS + 1, at, at + 11 * MINUTE_MS);
    assert_cut(&w, at - DAY_MS, at, at - DAY_MS, at);
    assert_cut(&w, at - DAY_MS - 1, at, T0_MS - DAY_MS + HOUR_MS, T0_MS + 2 * HOUR_MS);
    assert_cut(&w, at + 1, at + 1, at, at);
    world_done(&w);
}

// What no tier of 10 s holds any more cannot be told by 10 s.
static void test_old_ranges_are_cut_to_what_is_kept(void **state)
{
    struct world w;
    const uint64_t days3 = T0_MS - 3 * DAY_MS, days20 = T0_MS - 20 * DAY_MS;
    (void)state;
    world_open(&w, 0);
    assert_cut(&w, days3 + 10 * SECOND_MS, days3 + 80 * SECOND_MS, days3, days3 + 2 * MINUTE_MS);
    assert_cut(&w, days20 + MINUTE_MS, days20 + 2 * MINUTE_MS, days20, days20 + HOUR_MS);
    world_done(&w);
}

// Else a minute would be compared with what began within it a week before: one minute or two.
static void test_what_is_compared_is_cut_alike(void **state)
{
    struct world w;
    uint64_t from, to;
    const uint64_t at = T0_MS + HOUR_MS;
    (void)state;
    world_open(&w, 0);
    calls_cut_range(w.store, at + 10 * SECOND_MS, at + 80 * SECOND_MS, HOUR_MS, &from, &to);
    assert_int_equal(from, at + 10 * SECOND_MS);
    assert_int_equal(to, at + 80 * SECOND_MS);
    calls_cut_range(w.store, at + 10 * SECOND_MS, at + 80 * SECOND_MS, 7 * DAY_MS, &from, &to);
    assert_int_equal(from, at);
    assert_int_equal(to, at + 2 * MINUTE_MS);
    world_done(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_are_cut_by_their_length),
        cmocka_unit_test(test_old_ranges_are_cut_to_what_is_kept),
        cmocka_unit_test(test_what_is_compared_is_cut_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
