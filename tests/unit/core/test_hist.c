// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/hist.h.
#include "test.h"

#include <math.h>

#include "core/hist.h"
#include "core/mem.h"

static void test_buckets_hold_what_they_say(void **state)
{
    (void)state;
    assert_int_equal(hist_bucket(0), 0);
    assert_int_equal(hist_bucket(1), 0);
    assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
    for (unsigned octave = 0; octave < 64; octave++) { // a power of two begins an octave
        assert_int_equal(hist_bucket((uint64_t)1 << octave), octave * HIST_OCTAVE);
    }
    // Around every bound that is not a whole number, where double can tell.
    for (unsigned i = 20 * HIST_OCTAVE; i < 40 * HIST_OCTAVE; i++) {
        double bound = exp2((double)i / HIST_OCTAVE);
        uint64_t above = (uint64_t)ceil(bound);
        assert_int_equal(hist_bucket(above), i);
        if (i % HIST_OCTAVE != 0) {
            assert_int_equal(hist_bucket(above - 1), i - 1);
        }
    }
}

static void test_value_is_close_to_all_of_its_bucket(void **state)
{
    (void)state;
    for (uint64_t v = 1000; v < (uint64_t)1 << 62; v += v / 700 + 1) {
        double got = (double)hist_value(hist_bucket(v));
        assert_true(fabs(got - (double)v) <= 0.0055 * (double)v + 0.5);
    }
}

static void test_quantiles_of_merged(void **state)
{
    (void)state;
    struct hist odd = {0}, even = {0};
    struct hist_total *t = mem_new(1, sizeof *t);
    assert_int_equal(hist_total_quantile(t, 0.5), 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        hist_add(i % 2 ? &odd : &even, i * 1000, 1);
    }
    hist_merge(&odd, &even);
    hist_total_add(t, &odd);
    assert_int_equal(t->count, 100000);
    assert_int_equal(t->sum_ns, (int64_t)100000 * 100001 / 2 * 1000);
    for (int p = 0; p <= 100; p++) {
        double exact = 1000.0 * (double)(1 + (uint64_t)(p / 100.0 * 99999));
        double got = (double)hist_total_quantile(t, p / 100.0);
        assert_true(fabs(got - exact) <= 0.0055 * exact);
    }
    hist_clear(&odd);
    hist_clear(&even);
    mem_free(t);
}

static void test_taken_back_is_nothing(void **state)
{
    (void)state;
    struct hist h = {0}, minus = {0};
    assert_true(hist_is_nothing(&h));
    for (uint64_t v = 1; v < UINT64_MAX / 9; v *= 7) {
        hist_add(&h, v, 3);
        hist_add(&minus, v, -3);
    }
    assert_false(hist_is_nothing(&h));
    hist_merge(&h, &minus);
    assert_true(hist_is_nothing(&h));
    hist_clear(&h);
    hist_clear(&minus);
    assert_int_equal(hist_bytes(&h), 0);
}

static void test_bytes_come_back(void **state)
{
    (void)state;
    struct hist h = {0};
    struct hist_total *t = mem_new(1, sizeof *t), *direct = mem_new(1, sizeof *direct);
    struct buf out;
    buf_init(&out, 1 << 20);
    uint64_t v = 88172645463325252u;
    for (int i = 0; i < 5000; i++) {
        v ^= v << 13, v ^= v >> 7, v ^= v << 17;
        hist_add(&h, v >> (v % 60), i % 5 == 0 ? -1 : 1);
    }
    hist_add(&h, 0, 1);
    hist_add(&h, UINT64_MAX, INT32_MAX / 2);
    hist_encode(&h, &out);
    buf_add_byte(&out, 7);
    struct str bytes = buf_str(&out);
    assert_int_equal(hist_total_add_bytes(t, &bytes), ERR_OK);
    assert_int_equal(bytes.n, 1); // what follows is not touched
    hist_total_add(direct, &h);
    assert_memory_equal(t, direct, sizeof *t);
    hist_total_merge(direct, t);
    assert_int_equal(direct->count, 2 * h.count);
    // Any cut is refused, and nothing is added.
    for (size_t n = 0; n + 1 < out.n; n++) {
        struct str cut = {out.p, n};
        assert_int_equal(hist_total_add_bytes(direct, &cut), ERR_CORRUPT);
        assert_int_equal(cut.n, n);
    }
    assert_int_equal(direct->count, 2 * h.count);
    hist_clear(&h);
    buf_done(&out);
    mem_free(direct);
    mem_free(t);
}

static void test_bad_bytes(void **state)
{
    (void)state;
    struct hist_total *t = mem_new(1, sizeof *t);
    static const struct str bad[] = {
        {"\x02\x02\x01\x00\x02", 5},     // a distance of 0
        {"\x02\x02\x01\x81\x20\x02", 6}, // a bucket beyond the last
        {"\x02\x02\xff\xff\x7f", 5},     // more cells than there are buckets
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct str bytes = bad[i];
        assert_int_equal(hist_total_add_bytes(t, &bytes), ERR_CORRUPT);
    }
    struct hist_total zero = {0};
    assert_memory_equal(t, &zero, sizeof zero);
    mem_free(t);
}

static void test_bytes_hold_counts_beyond_32_bits(void **state)
{
    (void)state;
    struct hist_total *t = mem_new(1, sizeof *t);
    struct str bytes = {"\x80\x80\x80\x80\x20\x02\x01\x01\x80\x80\x80\x80\x20", 13};
    assert_int_equal(hist_total_add_bytes(t, &bytes), ERR_OK);
    assert_int_equal(t->count, (int64_t)1 << 32);
    assert_int_equal(t->buckets[0], (int64_t)1 << 32);
    mem_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_hold_what_they_say),
        cmocka_unit_test(test_value_is_close_to_all_of_its_bucket),
        cmocka_unit_test(test_quantiles_of_merged),
        cmocka_unit_test(test_taken_back_is_nothing),
        cmocka_unit_test(test_bytes_come_back),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_bytes_hold_counts_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
