// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of model/buckets.h: what lies between bounds counts as evenly spread, by whichever
// of the two ways it was told.
#include "model/buckets.h"

#include <math.h>

#include "test.h"

static void near(double got, double wanted)
{
    assert_true(fabs(got - wanted) < 1e-9);
}

static void test_quantiles_of_bounds(void **state)
{
    const struct bucket_mass m[] = {{.bound = 1, .below = 10},
                                    {.bound = 2, .below = 30},
                                    {.bound = 4, .below = 40},
                                    {.bound = INFINITY, .below = 50}};
    (void)state;
    near(buckets_quantile(m, 4, 0.1), 0.5);
    near(buckets_quantile(m, 4, 0.5), 1.75);
    near(buckets_quantile(m, 4, 0.8), 4);
    near(buckets_quantile(m, 4, 0.99), 4); // no more is known of it
    near(buckets_quantile(m, 3, 1), 4);
    assert_true(isnan(buckets_quantile(&m[3], 1, 0.5)));
    assert_true(isnan(buckets_quantile(m, 0, 0.5)));
}

// A bound that was told of late has less than those before it.
static void test_what_falls_counts_as_what_was_before(void **state)
{
    const struct bucket_mass m[] = {
        {.bound = 1, .below = 10}, {.bound = 2, .below = 4}, {.bound = 4, .below = 20}};
    (void)state;
    near(buckets_quantile(m, 3, 0.5), 1);
    near(buckets_quantile(m, 3, 0.75), 3);
}

static void test_quantiles_of_buckets(void **state)
{
    const struct bucket_mass m[] = {{.bound = -1, .within = 0},
                                    {.bound = 0, .within = 4, .has_within = true},
                                    {.bound = 2, .within = 0},
                                    {.bound = 4, .within = 4, .has_within = true}};
    const struct bucket_mass both[] = {{.bound = 1, .below = 4},
                                       {.bound = 2, .within = 4, .has_within = true},
                                       {.bound = 3, .below = 8}};
    (void)state;
    near(buckets_quantile(m, 4, 0.25), 0); // the zero bucket has no width
    near(buckets_quantile(m, 4, 0.75), 3);
    near(buckets_quantile(both, 3, 1), 3);
    near(buckets_quantile(both, 3, 0.5), 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_of_bounds),
        cmocka_unit_test(test_what_falls_counts_as_what_was_before),
        cmocka_unit_test(test_quantiles_of_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
