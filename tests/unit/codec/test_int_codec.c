// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of codec/int_codec.h and store/text_codec.h.
#include "test.h"

#include "core/mem.h"
#include "store/text_codec.h"
#include "unit/store/gen.h"

enum { N = 5000 };

static void round_trip(const uint64_t *v, size_t n, enum ints_use use, size_t bytes_max)
{
    struct zpack *z = zpack_new(1);
    struct buf out;
    buf_init(&out, 1 << 20);
    ints_encode(z, v, n, use, &out);
    assert_true(out.n <= bytes_max);
    uint64_t *back = mem_alloc(n * sizeof *back);
    struct cursor c = cursor_of(buf_str(&out));
    assert_ok(ints_decode(&c, n, back));
    assert_int_equal(cursor_left(&c), 0);
    assert_memory_equal(back, v, n * sizeof *v);
    // Any stretch of it alone.
    for (size_t first = 0; first < n; first += 1 + n / 9) {
        size_t count = (n - first) / 2 + 1;
        c = cursor_of(buf_str(&out));
        assert_ok(ints_decode_some(&c, n, first, count, back));
        assert_memory_equal(back, v + first, count * sizeof *v);
    }
    // Cut short anywhere, it fails or gives something; it never reads past its end.
    for (size_t cut = 0; cut < out.n; cut += 1 + out.n / 50) {
        c = cursor_of((struct str){out.p, cut});
        assert_err(ints_decode(&c, n, back), ERR_CORRUPT);
    }
    mem_free(back);
    buf_done(&out);
    zpack_free(z);
}

static void test_ints(void **state)
{
    (void)state;
    static uint64_t v[N];
    struct gen g = {.state = 7};
    for (int use = INTS_COLD; use <= INTS_CODES; use++) {
        for (size_t i = 0; i < N; i++) {
            v[i] = (uint64_t)-77;
        }
        round_trip(v, N, (enum ints_use)use, 4);
        round_trip(v, 1, (enum ints_use)use, 4);
        for (unsigned width = 1; width <= 64; width++) {
            for (size_t i = 0; i < N; i++) {
                v[i] = (gen_u64(&g) >> (64 - width)) - 5;
            }
            round_trip(v, N, (enum ints_use)use, N * ((width + 7) / 8) + 40);
            round_trip(v, 3, (enum ints_use)use, 64);
        }
        for (size_t i = 0; i < N; i++) {
            v[i] = 1700000000000000000 + gen_below(&g, 1000) * 1000000;
        }
        round_trip(v, N, (enum ints_use)use, N * 10 / 8 + 30);
    }
}

static void test_table_of_few_values(void **state)
{
    (void)state;
    static uint64_t v[N];
    struct gen g = {.state = 9};
    const uint64_t few[] = {200, 404, 500, (uint64_t)INT64_MIN, (uint64_t)INT64_MAX};
    for (size_t i = 0; i < N; i++) {
        v[i] = few[gen_below(&g, 5)];
    }
    round_trip(v, N, INTS_COLD, N * 3 / 8 + 60);
}

static void test_random_bytes_never_crash(void **state)
{
    (void)state;
    struct gen g = {.state = 11};
    uint64_t out[300];
    uint8_t bytes[128 + 16] = {0};
    for (int i = 0; i < 20000; i++) {
        for (size_t k = 0; k < 128; k++) {
            bytes[k] = (uint8_t)(k == 0 ? gen_below(&g, 5) : gen_u64(&g));
        }
        struct cursor c = cursor_of((struct str){(char *)bytes, (size_t)gen_below(&g, 129)});
        enum err e = ints_decode(&c, 1 + (size_t)gen_below(&g, 300), out);
        assert_true(e == ERR_OK || e == ERR_CORRUPT);
    }
}

static void test_texts(void **state)
{
    (void)state;
    struct gen g = {.state = 3, .text_max = 300};
    struct batch *b = batch_new(STR(""));
    for (int i = 0; i < 2000; i++) {
        (void)gen_text(&g, b);
    }
    struct zpack *z = zpack_new(3);
    struct buf out;
    buf_init(&out, 1 << 22);
    dictionary_encode(z, b->strings, b->string_count, &out);
    struct arena a = {0};
    const struct str *back;
    size_t n;
    struct cursor c = cursor_of(buf_str(&out));
    assert_ok(dictionary_decode(&c, 5000, &a, &back, &n));
    assert_int_equal(n, b->string_count);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(back[i], b->strings[i]));
    }
    c = cursor_of(buf_str(&out));
    assert_err(dictionary_decode(&c, n - 1, &a, &back, &n), ERR_CORRUPT);
    buf_clear(&out);
    dictionary_encode(z, NULL, 0, &out);
    c = cursor_of(buf_str(&out));
    assert_ok(dictionary_decode(&c, 5, &a, &back, &n));
    assert_int_equal(n, 0);
    arena_done(&a);
    buf_done(&out);
    zpack_free(z);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ints),
        cmocka_unit_test(test_table_of_few_values),
        cmocka_unit_test(test_random_bytes_never_crash),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
