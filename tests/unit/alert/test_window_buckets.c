// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of windows of metrics with buckets: what is in the window counts, also after its
// bytes and a clock that was set; bounds are bounded.
#include <math.h>

#include "alert/window.h"
#include "core/hist.h"
#include "core/mem.h"
#include "test.h"

#define BEGIN_MS ((uint64_t)1750000000000)

static struct hist_total scratch;

static struct alert_strategy strategy_of(double quantile)
{
    return (struct alert_strategy){.metric = STR("wait"),
                                   .measure = MEASURE_QUANTILE,
                                   .quantile = quantile,
                                   .every_ms = 10000,
                                   .op = COMPARE_GT,
                                   .threshold = 0,
                                   .at_least = 1};
}

static void add(struct window *w, const struct window_shape *shape, uint64_t at_ms,
                const struct window_bucket *buckets, size_t count)
{
    const struct window_record r = {
        .time_ms = BEGIN_MS + at_ms, .count = 1, .buckets = buckets, .bucket_count = count};
    assert_true(window_has_room(w, shape, &r));
    assert_true(window_add(w, shape, &r));
}

static double value_at(const struct window *w, const struct window_shape *shape,
                       const struct alert_strategy *s, uint64_t at_ms)
{
    return window_judge(w, shape, s, BEGIN_MS + at_ms, &scratch).value;
}

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-9)) {
        fail_msg("%.17g is not %.17g", got, wanted);
    }
}

static void test_what_is_in_the_window_counts(void **state)
{
    const struct alert_strategy s = strategy_of(0.5);
    const struct window_shape shape = window_shape_of(&s);
    const struct window_bucket fast[] = {{NAN, 1, 10}, {NAN, 2, 10}, {NAN, INFINITY, 10}};
    const struct window_bucket slow[] = {{NAN, 1, 0}, {NAN, 2, 10}, {NAN, INFINITY, 10}};
    struct window *w = window_new(&shape, BEGIN_MS), *again;
    struct buf bytes;
    (void)state;
    add(w, &shape, 0, fast, 3);
    near(value_at(w, &shape, &s, 0), 0.5);
    add(w, &shape, 5000, slow, 3);
    near(value_at(w, &shape, &s, 5000), 1);
    near(value_at(w, &shape, &s, 12000), 1.5); // the first has left, and 1 is a bound still
    assert_true(isnan(value_at(w, &shape, &s, 16000)));
    window_shift(w, &shape, 7000);
    near(value_at(w, &shape, &s, 12000), 1);
    buf_init(&bytes, 4096);
    window_encode(w, &shape, &bytes);
    struct str rest = buf_str(&bytes);
    assert_ok(window_decode(&rest, &shape, &again));
    assert_int_equal(rest.n, 0);
    near(value_at(again, &shape, &s, 12000), 1);
    near(value_at(again, &shape, &s, 19000), 1.5);
    for (size_t n = 0; n < bytes.n; n++) { // half of it is none
        struct window *none;
        struct str cut = {bytes.p, n};
        assert_err(window_decode(&cut, &shape, &none), ERR_CORRUPT);
    }
    assert_true(window_bytes(w, &shape) > shape.ring * sizeof(uint64_t));
    buf_done(&bytes);
    window_free(w, &shape);
    window_free(again, &shape);
}

// What a coarser scale took in is taken out of it.
static void test_exponential_buckets(void **state)
{
    const struct alert_strategy s = strategy_of(0.5);
    const struct window_shape shape = window_shape_of(&s);
    const struct window_bucket fine[] = {{1, 2, 4}, {2, 4, 8}};
    const struct window_bucket coarse[] = {{1, 4, 14}, {1, 4, -4}, {1, 4, -8}};
    struct window *w = window_new(&shape, BEGIN_MS);
    (void)state;
    add(w, &shape, 0, fine, 2);
    near(value_at(w, &shape, &s, 0), 2.5);
    add(w, &shape, 8000, coarse, 3);
    near(value_at(w, &shape, &s, 9000), 2.6);
    near(value_at(w, &shape, &s, 15000), 2.5); // bounds of the finer one have left
    window_free(w, &shape);
}

static void test_bounds_are_bounded(void **state)
{
    const struct alert_strategy s = strategy_of(0.5);
    const struct window_shape shape = window_shape_of(&s);
    struct window_bucket *many = mem_new(WINDOW_BOUNDS_MAX, sizeof *many);
    struct window *w = window_new(&shape, BEGIN_MS);
    const struct window_bucket one = {NAN, -1, 1}, known = {NAN, 5, 1};
    struct window_record r = {.time_ms = BEGIN_MS, .buckets = &one, .bucket_count = 1};
    (void)state;
    for (size_t i = 0; i < WINDOW_BOUNDS_MAX; i++) {
        many[i] = (struct window_bucket){NAN, (double)i, (double)i};
    }
    add(w, &shape, 0, many, WINDOW_BOUNDS_MAX);
    assert_false(window_has_room(w, &shape, &r));
    add(w, &shape, 0, &known, 1);
    r.time_ms += (uint64_t)shape.ring * shape.slot_ms;
    window_advance(w, &shape, r.time_ms); // now they are not in the ring any more
    assert_true(window_has_room(w, &shape, &r));
    assert_true(window_add(w, &shape, &r));
    near(value_at(w, &shape, &s, r.time_ms - BEGIN_MS), -1);
    window_free(w, &shape);
    mem_free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_in_the_window_counts),
        cmocka_unit_test(test_exponential_buckets),
        cmocka_unit_test(test_bounds_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
