// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/retain_clock.h: what a leap of the wall clock does to retention's time.
#include "test.h"

#include "core/retain_clock.h"

#define HOUR  (3600 * NS_PER_S)
#define BEGIN (1700000000 * NS_PER_S)

static void test_it_follows_a_clock_that_runs(void **state)
{
    (void)state;
    struct retain_clock c = retain_clock_from(0, 0, BEGIN, HOUR);
    for (uint64_t i = 1; i < 1000; i++) {
        uint64_t wall = BEGIN + i * 60 * NS_PER_S + i % 7 * NS_PER_S; // with some jitter
        assert_int_equal(retain_clock_step(&c, wall, HOUR + i * 60 * NS_PER_S), wall);
        assert_false(c.leaping);
    }
    // The time service sets it by a little, either way; and it comes back from a leap.
    assert_int_equal(retain_clock_step(&c, BEGIN + 18 * HOUR, 18 * HOUR), BEGIN + 18 * HOUR);
    assert_int_equal(retain_clock_step(&c, BEGIN + 15 * HOUR, 19 * HOUR), BEGIN + 15 * HOUR);
}

static void test_a_leap_is_believed_once_it_is_borne_out(void **state)
{
    (void)state;
    struct retain_clock c = retain_clock_from(0, 0, BEGIN, HOUR);
    const uint64_t days = 30 * 24 * HOUR;
    for (uint64_t h = 1; h < 6; h++) {
        assert_int_equal(retain_clock_step(&c, BEGIN + days + h * HOUR, (1 + h) * HOUR),
                         BEGIN + h * HOUR);
        assert_true(c.leaping);
    }
    struct retain_clock mended = c;
    assert_int_equal(retain_clock_step(&mended, BEGIN + 6 * HOUR, 7 * HOUR), BEGIN + 6 * HOUR);
    assert_int_equal(mended.borne_ns, 0);
    assert_int_equal(retain_clock_step(&c, BEGIN + days + 6 * HOUR, 7 * HOUR),
                     BEGIN + days + 6 * HOUR);
    assert_false(c.leaping);
}

// A restart amid a leap begins no new six hours, and does not end them either.
static void test_a_restart_changes_nothing(void **state)
{
    (void)state;
    struct retain_clock c = retain_clock_from(BEGIN, 0, BEGIN + 100 * HOUR, HOUR);
    for (uint64_t run = 0; run < 5; run++) {
        assert_true(c.leaping);
        (void)retain_clock_step(&c, BEGIN + 101 * HOUR + run * 24 * HOUR, 2 * HOUR);
        assert_int_equal(c.borne_ns, (run + 1) * HOUR);
        c = retain_clock_from(c.believed_ns, c.borne_ns, BEGIN + 124 * HOUR + run * 24 * HOUR,
                              HOUR);
    }
    assert_int_equal(retain_clock_step(&c, BEGIN + 221 * HOUR, 2 * HOUR), BEGIN + 221 * HOUR);
    assert_false(c.leaping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_follows_a_clock_that_runs),
        cmocka_unit_test(test_a_leap_is_believed_once_it_is_borne_out),
        cmocka_unit_test(test_a_restart_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
