// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers come back bit by bit, in as many bytes as they deserve, and bad bytes are
// refused.
#include "test.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "series/number_codec.h"

static uint64_t seed = 88172645463325252u;

static uint64_t draw(uint64_t n)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % n;
}

// Encodes, decodes and compares; gives the number of bytes.
static size_t round_trip(const struct sample *s, size_t n)
{
    struct zpack *z = zpack_new(3);
    struct buf out;
    struct samples got = {0};
    buf_init(&out, REGION_MAX);
    numbers_encode(s, n, z, &out);
    assert_false(out.failed);
    size_t bytes = out.n;
    assert_ok(numbers_decode(buf_str(&out), &got));
    assert_int_equal(got.count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got.at[i].time_ms, s[i].time_ms);
        assert_memory_equal(&got.at[i].number, &s[i].number, sizeof(double));
    }
    // Any cut is refused.
    for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 50) {
        samples_clear(&got);
        struct buf copy; // so that nothing readable follows but padding
        buf_init(&copy, REGION_MAX);
        buf_add(&copy, out.p, cut);
        assert_err(numbers_decode(buf_str(&copy), &got), ERR_CORRUPT);
        buf_done(&copy);
    }
    samples_done(&got);
    buf_done(&out);
    zpack_free(z);
    return bytes;
}

enum { N = 240 };

static void fill_times(struct sample *s, size_t n, uint64_t every_ms, uint64_t jitter_ms)
{
    for (size_t i = 0; i < n; i++) {
        s[i].time_ms = 1700000000123u + i * every_ms + (jitter_ms > 0 ? draw(jitter_ms) : 0);
    }
}

static void test_regular_series_are_small(void **state)
{
    (void)state;
    struct sample s[N];
    double load = 40;
    fill_times(s, N, 30000, 0);
    for (size_t i = 0; i < N; i++) {
        load += (double)draw(41) / 100 - 0.2;
        s[i].number = floor(load * 100) / 100;
    }
    assert_true(round_trip(s, N) < N);
    for (size_t i = 0; i < N; i++) {
        s[i].number = 123456789 + (double)(i * 500 + draw(60)); // a counter
    }
    assert_true(round_trip(s, N) < N + 20);
    for (size_t i = 0; i < N; i++) {
        s[i].number = 1024;
    }
    assert_true(round_trip(s, N) < 24);
}

static void test_any_double_comes_back(void **state)
{
    (void)state;
    static const double odd[] = {0.0,
                                 -0.0,
                                 1e300,
                                 -1e300,
                                 5e-324,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 0.1,
                                 1e9 / 3,
                                 9007199254740993.0,
                                 -1,
                                 1e-9,
                                 123456.7,
                                 0.30000000000000004};
    struct sample s[N];
    fill_times(s, N, 1000, 900);
    for (size_t n = 1; n <= sizeof odd / sizeof *odd; n++) {
        for (size_t i = 0; i < n; i++) {
            s[i].number = odd[n - 1 - i];
        }
        (void)round_trip(s, n);
        s[0].number = odd[n - 1];
        (void)round_trip(s, 1);
    }
    for (unsigned round = 0; round < 300; round++) {
        size_t n = 1 + draw(N);
        unsigned kind = (unsigned)draw(4);
        for (size_t i = 0; i < n; i++) {
            uint64_t bits = draw(UINT64_MAX);
            double decimal = (double)(int64_t)(bits >> 30) / pow(10, kind * 3);
            memcpy(&s[i].number, &bits, sizeof bits);
            s[i].number = kind < 3 ? decimal : s[i].number;
        }
        fill_times(s, n, 15000, draw(15000));
        (void)round_trip(s, n);
    }
}

static void test_odd_bytes_are_refused_or_read(void **state)
{
    (void)state;
    struct zpack *z = zpack_new(3);
    struct sample s[N];
    struct buf out;
    unsigned refused = 0;
    buf_init(&out, REGION_MAX);
    fill_times(s, N, 1000, 900);
    for (size_t i = 0; i < N; i++) {
        s[i].number = (double)draw(100000) / 100;
    }
    for (unsigned round = 0; round < 3000; round++) {
        struct samples got = {0};
        buf_clear(&out);
        numbers_encode(s, 1 + draw(N), z, &out);
        for (uint64_t k = draw(3); k < 3; k++) {
            out.p[draw(draw(2) == 0 ? 12 : out.n) % out.n] = (char)draw(256);
        }
        out.p[0] = (char)(out.p[0] & 0x7f); // not millions
        enum err e = numbers_decode(buf_str(&out), &got);
        assert_true(e == ERR_OK || e == ERR_CORRUPT);
        for (size_t i = 1; i < got.count && e == ERR_OK; i++) {
            assert_true(got.at[i].time_ms > got.at[i - 1].time_ms);
        }
        refused += e != ERR_OK;
        samples_done(&got);
    }
    assert_true(refused > 100);
    buf_done(&out);
    zpack_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regular_series_are_small),
        cmocka_unit_test(test_any_double_comes_back),
        cmocka_unit_test(test_odd_bytes_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
