// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/trend.h: known lines, values that stand out, steps without a value; a row
// that goes nowhere is told to go somewhere no more often than promised.
#include <math.h>

#include "alert/trend.h"
#include "support/random_batch.h"
#include "test.h"

#define ROWS 4000

static double noise(struct random *r) // about normal, of deviation 1
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += (double)random_below(r, 1000000) / 1e6;
    }
    return sum - 6;
}

static void test_a_line_goes_where_it_goes(void **state)
{
    double v[TREND_MAX];
    (void)state;
    for (size_t i = 0; i < TREND_MAX; i++) {
        v[i] = 5 + 0.25 * (double)i;
    }
    struct trend t = trend_of(v, TREND_MAX);
    assert_true(t.is_sure && fabs(t.slope - 0.25) < 1e-12 && fabs(t.level - v[59]) < 1e-9);
    v[3] = 1e9; // what stands out does not turn it
    v[40] = -1e9;
    v[17] = NAN;
    t = trend_of(v, TREND_MAX);
    assert_true(t.is_sure && fabs(t.slope - 0.25) < 1e-3 && fabs(t.level - v[59]) < 1e-2);
    for (size_t i = 0; i < TREND_MAX; i++) {
        v[i] = -v[i];
    }
    t = trend_of(v, TREND_MAX);
    assert_true(t.is_sure && fabs(t.slope + 0.25) < 1e-3);
    assert_false(trend_of(v, TREND_MIN - 1).is_sure);
}

static void test_what_stands_still_goes_nowhere(void **state)
{
    double v[TREND_MAX];
    (void)state;
    for (size_t i = 0; i < TREND_MAX; i++) {
        v[i] = 7;
    }
    struct trend t = trend_of(v, TREND_MAX);
    assert_true(!t.is_sure && t.slope == 0 && t.level == 7);
    v[59] = 8; // one step is no trend
    assert_false(trend_of(v, TREND_MAX).is_sure);
    for (size_t i = 0; i < TREND_MAX; i++) {
        v[i] = NAN;
    }
    assert_false(trend_of(v, TREND_MAX).is_sure);
    assert_false(trend_of(v, 0).is_sure);
}

static void test_rows_without_a_trend_seldom_have_one(void **state)
{
    struct random r = {31};
    double v[TREND_MAX], error = 0;
    size_t wrong = 0, found = 0;
    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < TREND_MAX; i++) {
            v[i] = 100 + noise(&r);
        }
        wrong += trend_of(v, TREND_MAX).is_sure;
        for (size_t i = 0; i < TREND_MAX; i++) {
            v[i] = 100 + noise(&r) + 0.05 * (double)i; // three deviations over all
        }
        struct trend t = trend_of(v, TREND_MAX);
        found += t.is_sure;
        error += t.slope - 0.05;
    }
    print_message("of %d rows without a trend %zu have one, of those with one %zu\n", ROWS, wrong,
                  found);
    assert_true(wrong > 0 && wrong < ROWS * 15 / 1000);
    assert_true(found > ROWS * 95 / 100 && fabs(error / ROWS) < 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_goes_where_it_goes),
        cmocka_unit_test(test_what_stands_still_goes_nowhere),
        cmocka_unit_test(test_rows_without_a_trend_seldom_have_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
