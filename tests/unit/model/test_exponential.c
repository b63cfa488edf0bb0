// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of model/exponential.h.
#include "test.h"

#include <math.h>

#include "model/exponential.h"

static void test_bounds_meet_and_hold_what_the_scale_says(void **state)
{
    (void)state;
    for (int scale = EXPONENTIAL_SCALE_LEAST; scale <= EXPONENTIAL_SCALE_MOST; scale++) {
        const struct exponential_shape shape = {scale, 0};
        double lower, upper, next, end;
        for (int64_t i = -3; i <= 3; i++) {
            exponential_bounds(&shape, (struct exponential_bucket){EXPONENTIAL_POSITIVE, i}, &lower,
                               &upper);
            exponential_bounds(&shape, (struct exponential_bucket){EXPONENTIAL_POSITIVE, i + 1},
                               &next, &end);
            assert_true(upper == next && lower >= 0);
            assert_true(upper > lower || upper == 0 || isinf(lower));
            assert_true(i != 0 || lower == 1);
            exponential_bounds(&shape, (struct exponential_bucket){EXPONENTIAL_NEGATIVE, i}, &next,
                               &end);
            assert_true(next == -upper && end == -lower);
        }
    }
    const struct exponential_shape shape = {1, 0.25};
    double lower, upper;
    exponential_bounds(&shape, (struct exponential_bucket){EXPONENTIAL_POSITIVE, 2}, &lower,
                       &upper);
    assert_true(lower == 2 && fabs(upper - 2 * sqrt(2)) < 1e-12);
    exponential_bounds(&shape, (struct exponential_bucket){EXPONENTIAL_ZERO, 0}, &lower, &upper);
    assert_true(lower == 0 && upper == 0.25);
}

static void test_a_coarser_bucket_holds_the_finer_ones(void **state)
{
    (void)state;
    for (int64_t i = -40; i <= 40; i++) {
        for (int to = -2; to <= 3; to++) {
            const struct exponential_shape fine = {3, 0}, coarse = {to, 0};
            struct exponential_bucket b = {i % 2 == 0 ? EXPONENTIAL_POSITIVE : EXPONENTIAL_NEGATIVE,
                                           i};
            double low, high, lower, upper;
            exponential_bounds(&fine, b, &low, &high);
            exponential_bounds(&coarse, exponential_coarser(b, 3, to), &lower, &upper);
            assert_true(lower <= low && high <= upper);
        }
    }
    struct exponential_bucket zero = {EXPONENTIAL_ZERO, 0};
    zero = exponential_coarser(zero, 3, 0);
    assert_true(zero.range == EXPONENTIAL_ZERO && zero.index == 0);
}

static void test_texts_read_back(void **state)
{
    (void)state;
    static const struct {
        struct exponential_bucket bucket;
        const char *text;
    } all[] = {
        {{EXPONENTIAL_ALL, 0}, "all"},
        {{EXPONENTIAL_ZERO, 0}, "zero"},
        {{EXPONENTIAL_POSITIVE, 0}, "0"},
        {{EXPONENTIAL_POSITIVE, -7}, "-7"},
        {{EXPONENTIAL_NEGATIVE, 12}, "n12"},
        {{EXPONENTIAL_NEGATIVE, INT32_MIN}, "n-2147483648"},
        {{EXPONENTIAL_POSITIVE, (int64_t)INT32_MAX + 1024}, "2147484671"},
    };
    static const char *const none[] = {"",    "n",   "zeros", "07",  "1.5", "+3",
                                       "-0",  "nan", "Inf",   "n 3", "3 ",  "99999999999999999999",
                                       "all3"};
    struct exponential_bucket b;
    char room[EXPONENTIAL_TEXT_MAX];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_true(str_eq(exponential_text(all[i].bucket, room), str_of(all[i].text)));
        assert_true(exponential_parse(str_of(all[i].text), &b));
        assert_true(b.range == all[i].bucket.range && b.index == all[i].bucket.index);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(exponential_parse(str_of(none[i]), &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_meet_and_hold_what_the_scale_says),
        cmocka_unit_test(test_a_coarser_bucket_holds_the_finer_ones),
        cmocka_unit_test(test_texts_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
