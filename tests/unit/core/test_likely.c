// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/likely.h.
#include "test.h"

#include "core/likely.h"

static const char *meant(const char *name)
{
    static const char *const names[] = {"channels", "strategies", "service", "services", "line"};
    struct likely l = {.name = name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)likely_try(&l, names[i]);
    }
    return l.best;
}

static void test_the_closest_name_is_meant(void **state)
{
    (void)state;
    assert_string_equal(meant("chanels"), "channels");
    assert_string_equal(meant("Service"), "service");
    assert_string_equal(meant("servicesx"), "services");
    assert_string_equal(meant("strategys"), "strategies");
    assert_string_equal(meant("line"), "line");
}

static void test_nothing_is_meant_by_what_is_far(void **state)
{
    (void)state;
    char long_name[4 * LIKELY_NAME_MAX];
    memset(long_name, 'l', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_null(meant(""));
    assert_null(meant("lime wood"));
    assert_null(meant("pigeon"));
    assert_null(meant(long_name));
    struct likely l = {.name = "line"};
    assert_false(likely_try(&l, long_name));
}

static void test_the_first_of_equals_is_meant(void **state)
{
    (void)state;
    struct likely l = {.name = "cart"};
    assert_true(likely_try(&l, "carts"));
    assert_false(likely_try(&l, "carto"));
    assert_true(likely_try(&l, "cart"));
    assert_string_equal(l.best, "cart");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_closest_name_is_meant),
        cmocka_unit_test(test_nothing_is_meant_by_what_is_far),
        cmocka_unit_test(test_the_first_of_equals_is_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
