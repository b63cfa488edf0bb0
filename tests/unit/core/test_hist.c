// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/hist.h.
#include "test.h"

#include <math.h>
#include <stdlib.h>

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

static void total_add(struct hist_total *t, const struct hist *h)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    hist_encode(h, &bytes);
    hist_total_add(t, buf_str(&bytes));
    buf_done(&bytes);
}

static int64_t sum_of(uint64_t value_ns, int32_t times)
{
    struct hist h = {0};
    struct buf bytes;
    buf_init(&bytes, HIST_BYTES_MAX);
    hist_add(&h, 1000, 3);
    hist_add(&h, value_ns, times);
    hist_encode(&h, &bytes);
    int64_t sum = hist_sum_ns(buf_str(&bytes));
    buf_done(&bytes);
    hist_clear(&h);
    return sum;
}

static void test_sums_do_not_wrap(void **state)
{
    (void)state;
    assert_int_equal(sum_of(1000000007, 1000), 1000000010000); // exact, unlike the buckets
    assert_int_equal(sum_of((uint64_t)1 << 60, 3), 3 * ((int64_t)1 << 60) + 3000);
    assert_int_equal(sum_of(UINT64_MAX, 1), INT64_MAX);
    assert_int_equal(sum_of(UINT64_MAX, 300), INT64_MAX);
    assert_int_equal(sum_of(UINT64_MAX, -300), INT64_MIN);
    assert_int_equal(sum_of((uint64_t)1 << 50, 1 << 20), INT64_MAX); // many that are long
    int64_t near = sum_of((uint64_t)1 << 62, 1);
    assert_true(llabs(near - ((int64_t)1 << 62)) < ((int64_t)1 << 62) / 100);
}

static void test_quantiles_of_merged(void **state)
{
    (void)state;
    struct hist odd = {0}, even = {0};
    struct hist_total *t = mem_new(1, sizeof *t);
    double shares[101];
    uint64_t got[101];
    for (int p = 0; p <= 100; p++) {
        shares[p] = p / 100.0;
    }
    hist_total_quantiles(t, shares, 101, got);
    assert_int_equal(got[0], 0);
    assert_int_equal(got[100], 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        hist_add(i % 2 ? &odd : &even, i * 1000, 1);
    }
    total_add(t, &odd);
    total_add(t, &even);
    hist_total_quantiles(t, shares, 101, got);
    assert_int_equal(t->count, 100000);
    assert_int_equal(t->sum_ns, (int64_t)100000 * 100001 / 2 * 1000);
    for (int p = 0; p <= 100; p++) {
        double exact = 1000.0 * (double)(1 + (uint64_t)(p / 100.0 * 99999));
        assert_true(fabs((double)got[p] - exact) <= 0.0055 * exact);
    }
    hist_clear(&odd);
    hist_clear(&even);
    mem_free(t);
}

static void test_a_run_is_its_calls_one_by_one(void **state)
{
    (void)state;
    struct hist runs = {0}, calls = {0};
    struct hist_total *totals = mem_new(2, sizeof *totals);
    for (uint64_t run = 0; run < 40; run++) { // through the list, and beyond it
        uint16_t buckets[20];
        uint64_t sum_ns = 0, n = run % 20 + 1;
        int32_t times = run == 2 || run == 30 ? -1 : run == 35 ? 7 : 1;
        for (uint64_t i = 0; i < n; i++) {
            uint64_t ns = times < 0 ? (i + 1) * 977 : (run * 31 + i + 1) * 977;
            buckets[i] = (uint16_t)hist_bucket(ns);
            sum_ns += ns;
            hist_add(&calls, ns, times);
        }
        hist_add_run(&runs, buckets, n, sum_ns, times);
    }
    total_add(&totals[0], &runs);
    total_add(&totals[1], &calls);
    assert_int_equal(totals[0].count, totals[1].count);
    assert_int_equal(totals[0].sum_ns, totals[1].sum_ns);
    assert_memory_equal(totals[0].buckets, totals[1].buckets, sizeof totals[0].buckets);
    mem_free(totals);
    hist_clear(&runs);
    hist_clear(&calls);
}

static void test_taken_back_is_nothing(void **state)
{
    (void)state;
    struct hist h = {0};
    assert_true(hist_is_nothing(&h));
    for (uint64_t v = 1; v < UINT64_MAX / 9; v *= 7) {
        hist_add(&h, v, 3);
    }
    for (uint64_t v = 1; v < UINT64_MAX / 9; v *= 7) {
        assert_false(hist_is_nothing(&h));
        hist_add(&h, v, -3);
    }
    assert_true(hist_is_nothing(&h));
    hist_clear(&h);
    assert_int_equal(hist_bytes(&h), 0);
}

static uint64_t draw(void)
{
    static uint64_t v = 88172645463325252u;
    v ^= v << 13, v ^= v >> 7, v ^= v << 17;
    return v;
}

// Adds values, takes some of them back, and recounts, at every size around the one from which calls
// are counted by cells.
static void test_few_and_many_count_alike(void **state)
{
    (void)state;
    struct hist_total *t = mem_new(1, sizeof *t);
    int64_t *plain = mem_new(HIST_BUCKETS, sizeof *plain);
    for (unsigned size = 0; size < 3 * HIST_FEW_MAX; size++) {
        struct hist h = {0};
        uint64_t values[3 * HIST_FEW_MAX];
        for (unsigned i = 0; i < size; i++) {
            values[i] = i % 3 == 0 ? 1000 : draw() >> (20 + draw() % 8);
            hist_add(&h, values[i], 1);
            plain[hist_bucket(values[i])]++;
        }
        for (unsigned i = 0; i < size / 2; i++) {
            hist_add(&h, values[2 * i], -1);
            plain[hist_bucket(values[2 * i])]--;
        }
        assert_int_equal(h.count, size - size / 2);
        total_add(t, &h);
        assert_memory_equal(t->buckets, plain, sizeof t->buckets);
        for (unsigned i = 0; i < size; i++) {
            plain[hist_bucket(values[i])] = 0;
            if (i % 2 == 1 || i / 2 >= size / 2) {
                hist_add(&h, values[i], -1);
            }
        }
        assert_true(hist_is_nothing(&h));
        hist_clear(&h);
        hist_total_clear(t);
    }
    mem_free(plain);
    mem_free(t);
}

static void test_few_calls_take_little(void **state)
{
    (void)state;
    struct hist h = {0};
    for (uint64_t i = 1; i <= 32; i++) {
        hist_add(&h, i * i * 1000, 1);
    }
    assert_int_equal(hist_bytes(&h), 64);
    hist_add(&h, 5, -1); // no call of the list
    assert_true(hist_bytes(&h) > 64);
    hist_add(&h, 5, 1);
    assert_int_equal(h.count, 32);
    hist_clear(&h);
}

static void random_hist(struct buf *out, unsigned values)
{
    struct hist h = {0};
    for (unsigned i = 0; i < values; i++) {
        hist_add(&h, draw() >> draw() % 64, draw() % 4 == 0 ? -1 : 1);
    }
    hist_encode(&h, out);
    hist_clear(&h);
}

static void test_bytes_are_the_histogram(void **state)
{
    (void)state;
    struct hist h = {0};
    struct hist_total *t = mem_new(1, sizeof *t);
    int64_t *plain = mem_new(HIST_BUCKETS, sizeof *plain);
    for (int i = 0; i < 5000; i++) {
        uint64_t v = draw() >> draw() % 64;
        int32_t times = i % 5 == 0 ? -1 : 1;
        hist_add(&h, v, times);
        plain[hist_bucket(v)] += times;
    }
    hist_add(&h, 0, 1);
    hist_add(&h, UINT64_MAX, INT32_MAX / 2);
    plain[0] += 1;
    plain[HIST_BUCKETS - 1] += INT32_MAX / 2;
    total_add(t, &h);
    assert_memory_equal(t->buckets, plain, sizeof t->buckets);
    assert_int_equal(t->count, h.count);
    assert_int_equal(t->sum_ns, h.sum_ns);
    hist_total_clear(t);
    struct hist_total *zero = mem_new(1, sizeof *zero);
    assert_memory_equal(t, zero, sizeof *t);
    hist_clear(&h);
    mem_free(zero);
    mem_free(plain);
    mem_free(t);
}

static void test_totals_are_histograms_as_bytes(void **state)
{
    (void)state;
    struct hist_total *both = mem_new(1, sizeof *both), *sum = mem_new(1, sizeof *sum);
    for (unsigned round = 0; round < 1000; round++) {
        struct buf a, b, out;
        struct str bytes, whole;
        struct hist_head head;
        buf_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        buf_init(&out, 1 << 20);
        random_hist(&a, round % 40);
        random_hist(&b, (unsigned)draw() % 40);
        hist_total_add(both, buf_str(&a));
        hist_total_add(both, buf_str(&b));
        hist_total_encode(both, &out);
        buf_add_byte(&out, 7);
        bytes = buf_str(&out);
        assert_ok(hist_cut(&bytes, &whole, &head));
        assert_int_equal(bytes.n, 1); // what follows is not touched
        hist_total_add(sum, whole);
        assert_memory_equal(both->buckets, sum->buckets, sizeof sum->buckets);
        assert_int_equal(head.count, both->count);
        assert_int_equal(head.sum_ns, both->sum_ns);
        for (size_t n = 0; n < whole.n; n++) { // any cut is refused
            struct str cut = {out.p, n}, none;
            assert_err(hist_cut(&cut, &none, &head), ERR_CORRUPT);
            assert_int_equal(cut.n, n);
        }
        hist_total_clear(both);
        hist_total_clear(sum);
        buf_done(&a);
        buf_done(&b);
        buf_done(&out);
    }
    mem_free(both);
    mem_free(sum);
}

static void test_bad_bytes(void **state)
{
    (void)state;
    static const struct str bad[] = {
        {"", 0},
        {"\x02\x02\x01\x00\x02", 5},     // a distance of 0
        {"\x02\x02\x01\x81\x20\x02", 6}, // a bucket beyond the last
        {"\x02\x02\xff\xff\x7f", 5},     // more cells than there are buckets
        {"\x02\x02\x02\x01\x02", 5},     // fewer than it says
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct str bytes = bad[i], whole;
        struct hist_head head;
        assert_err(hist_cut(&bytes, &whole, &head), ERR_CORRUPT);
        assert_int_equal(bytes.n, bad[i].n);
    }
}

// Sixty doublings of three calls.
static void test_totals_hold_counts_beyond_32_bits(void **state)
{
    (void)state;
    struct buf bytes;
    struct hist h = {0};
    struct hist_total *t = mem_new(1, sizeof *t);
    buf_init(&bytes, 1 << 20);
    hist_add(&h, 1000, 3);
    hist_encode(&h, &bytes);
    for (unsigned i = 0; i < 60; i++) {
        hist_total_clear(t);
        hist_total_add(t, buf_str(&bytes));
        hist_total_add(t, buf_str(&bytes));
        buf_clear(&bytes);
        hist_total_encode(t, &bytes);
    }
    assert_true(t->count == (int64_t)3 << 60);
    assert_true(t->buckets[hist_bucket(1000)] == (int64_t)3 << 60);
    hist_clear(&h);
    mem_free(t);
    buf_done(&bytes);
}

// Few calls in a list, many in blocks, and what was taken back.
static void test_totals_take_histograms_as_they_are_kept(void **state)
{
    (void)state;
    for (unsigned calls = 0; calls <= 400; calls += 50) {
        struct hist h = {0};
        struct buf a, b;
        struct hist_total *kept = mem_new(1, sizeof *kept), *coded = mem_new(1, sizeof *coded);
        buf_init(&a, HIST_BYTES_MAX);
        buf_init(&b, HIST_BYTES_MAX);
        for (unsigned i = 0; i < calls; i++) {
            hist_add(&h, 1000 * (uint64_t)i * i, i % 7 == 6 ? -1 : 1);
        }
        hist_encode(&h, &a);
        for (unsigned twice = 0; twice < 2; twice++) {
            hist_total_add(coded, buf_str(&a));
            hist_total_add_kept(kept, &h);
        }
        buf_clear(&a);
        hist_total_encode(coded, &a);
        hist_total_encode(kept, &b);
        assert_true(str_eq(buf_str(&a), buf_str(&b)));
        hist_clear(&h);
        buf_done(&a);
        buf_done(&b);
        mem_free(kept);
        mem_free(coded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_hold_what_they_say),
        cmocka_unit_test(test_value_is_close_to_all_of_its_bucket),
        cmocka_unit_test(test_sums_do_not_wrap),
        cmocka_unit_test(test_quantiles_of_merged),
        cmocka_unit_test(test_a_run_is_its_calls_one_by_one),
        cmocka_unit_test(test_taken_back_is_nothing),
        cmocka_unit_test(test_few_and_many_count_alike),
        cmocka_unit_test(test_few_calls_take_little),
        cmocka_unit_test(test_bytes_are_the_histogram),
        cmocka_unit_test(test_totals_are_histograms_as_bytes),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_totals_take_histograms_as_they_are_kept),
        cmocka_unit_test(test_totals_hold_counts_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
