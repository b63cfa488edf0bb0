// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/throttle: the same at most once in its time, and what was left out is
// counted.
#include "agents/jvm/throttle.h"
#include "test.h"

enum { QUIET = 100 };

static void test_same_is_left_out(void **state)
{
    struct throttle t = {0};
    unsigned left_out = 9;
    (void)state;
    assert_true(throttle_is_due(&t, 1, 10, QUIET, &left_out));
    assert_int_equal(left_out, 0);
    assert_true(throttle_is_due(&t, 2, 10, QUIET, &left_out));
    for (uint64_t now = 10; now < 10 + QUIET; now++) {
        assert_false(throttle_is_due(&t, 1, now, QUIET, &left_out));
    }
    assert_true(throttle_is_due(&t, 2, 10 + QUIET, QUIET, &left_out));
    assert_int_equal(left_out, 0);
    assert_true(throttle_is_due(&t, 1, 10 + QUIET, QUIET, &left_out));
    assert_int_equal(left_out, QUIET);
}

static void test_more_kinds_than_places(void **state)
{
    struct throttle t = {0};
    unsigned left_out = 0, due = 0;
    (void)state;
    for (uint64_t kind = 1; kind <= 3 * THROTTLE_KINDS_MAX; kind++) {
        due += throttle_is_due(&t, kind, 10, QUIET, &left_out);
    }
    assert_int_equal(due, THROTTLE_KINDS_MAX);
    assert_true(throttle_is_due(&t, 1000, 10 + QUIET, QUIET, &left_out));
    assert_int_equal(left_out, 2 * THROTTLE_KINDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_is_left_out),
        cmocka_unit_test(test_more_kinds_than_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
