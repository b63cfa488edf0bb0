// SPDX-License-Identifier: Apache-2.0
// Purpose: histograms added up as bytes are what they are added up as totals, and bad bytes are
// refused.
#include "test.h"

#include <string.h>

#include "core/hist.h"
#include "core/mem.h"
#include "core/varint.h"
#include "series/hist_sum.h"

static uint64_t seed = 88172645463325252u;

static uint64_t draw(uint64_t n)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % n;
}

static void random_hist(struct buf *out)
{
    struct hist h = {0};
    for (uint64_t i = draw(40); i > 0; i--) {
        hist_add(&h, draw(UINT64_MAX) >> draw(64), draw(4) == 0 ? -1 : 1);
    }
    hist_encode(&h, out);
    hist_clear(&h);
}

static void test_sum_is_that_of_totals(void **state)
{
    (void)state;
    struct hist_total *both = mem_new(1, sizeof *both), *sum = mem_new(1, sizeof *sum);
    struct buf a, b, cells, out;
    struct buf *const bufs[] = {&a, &b, &cells, &out};
    for (size_t i = 0; i < 4; i++) {
        buf_init(bufs[i], 1 << 20);
    }
    for (unsigned round = 0; round < 1000; round++) {
        memset(both, 0, sizeof *both);
        memset(sum, 0, sizeof *sum);
        for (size_t i = 0; i < 4; i++) {
            buf_clear(bufs[i]);
        }
        random_hist(&a);
        random_hist(&b);
        hist_sum(buf_str(&a), buf_str(&b), &cells, &out);
        struct str x = buf_str(&a), y = buf_str(&b), z = buf_str(&out), whole;
        struct hist_head head;
        assert_ok(hist_total_add_bytes(both, &x));
        assert_ok(hist_total_add_bytes(both, &y));
        assert_ok(hist_total_add_bytes(sum, &z));
        assert_int_equal(z.n, 0);
        assert_memory_equal(both, sum, sizeof *sum);
        buf_add_byte(&out, 1);
        z = buf_str(&out);
        assert_ok(hist_cut(&z, &whole, &head));
        assert_int_equal(z.n, 1);
        assert_int_equal(head.count, sum->count);
        assert_int_equal(head.sum_ns, sum->sum_ns);
    }
    for (size_t i = 0; i < 4; i++) {
        buf_done(bufs[i]);
    }
    mem_free(both);
    mem_free(sum);
}

// Sixty doublings of three calls.
static void test_counts_beyond_32_bits(void **state)
{
    (void)state;
    struct buf from, to, cells;
    struct hist h = {0};
    struct hist_total *t = mem_new(1, sizeof *t);
    buf_init(&from, 1 << 20);
    buf_init(&to, 1 << 20);
    buf_init(&cells, 1 << 20);
    hist_add(&h, 1000, 3);
    hist_encode(&h, &from);
    for (unsigned i = 0; i < 60; i++) {
        buf_clear(&to);
        hist_sum(buf_str(&from), buf_str(&from), &cells, &to);
        buf_clear(&from);
        buf_add_str(&from, buf_str(&to));
    }
    struct str bytes = buf_str(&from);
    assert_ok(hist_total_add_bytes(t, &bytes));
    assert_true(t->count == (int64_t)3 << 60);
    assert_true(t->buckets[hist_bucket(1000)] == (int64_t)3 << 60);
    hist_clear(&h);
    mem_free(t);
    buf_done(&from);
    buf_done(&to);
    buf_done(&cells);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_is_that_of_totals),
        cmocka_unit_test(test_counts_beyond_32_bits),
        cmocka_unit_test(test_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
