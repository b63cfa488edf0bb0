// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of os/descriptors.h: shares never add up to more than there is.
#include "test.h"

#include <sys/resource.h>

#include "os/descriptors.h"

static void test_shares_leave_what_the_rest_needs(void **state)
{
    (void)state;
    for (size_t shards = 1; shards <= 64; shards++) {
        size_t loops = 1 + shards, listeners = 1 + 2 * shards;
        size_t least = descriptors_least(loops, listeners, 3);
        assert_true(least >= DESCRIPTORS_MIN);
        for (size_t limit = least; limit < 100000; limit += limit / 3) {
            size_t each = descriptors_for_connections(limit, loops, listeners, 3);
            size_t used = 3 * each + descriptors_for_reading(limit) + DESCRIPTORS_FIXED +
                          DESCRIPTORS_PER_LOOP * loops + DESCRIPTORS_PER_LISTENER * listeners;
            assert_true(each >= listeners);
            assert_true(used <= limit);
        }
    }
    assert_int_equal(descriptors_for_reading(1024), 256);
    assert_int_equal(descriptors_for_reading(1 << 20), DESCRIPTORS_READING_MAX);
}

static void test_the_least_serves_a_common_server_and_grows_with_listeners(void **state)
{
    (void)state;
    assert_int_equal(descriptors_least(9, 17, 3), DESCRIPTORS_MIN); // eight shards, two doors
    assert_true(descriptors_for_connections(DESCRIPTORS_MIN, 3, 5, 3) >= 20);
    size_t least = descriptors_least(65, 129, 3);
    assert_true(least > 3 * 129);
    assert_true(descriptors_for_connections(least, 65, 129, 3) >= 129);
}

static void test_the_limit_is_raised_to_the_hard_one(void **state)
{
    (void)state;
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(descriptors_limit(), 100);
    assert_int_equal(descriptors_raise(), before.rlim_max);
    assert_int_equal(descriptors_limit(), before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_leave_what_the_rest_needs),
        cmocka_unit_test(test_the_least_serves_a_common_server_and_grows_with_listeners),
        cmocka_unit_test(test_the_limit_is_raised_to_the_hard_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
