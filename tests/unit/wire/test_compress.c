// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of wire/compress.h.
#include "test.h"

#include "core/mem.h"
#include "ledger/budget.h"
#include "wire/compress.h"

#define BODY_BYTES ((size_t)300000)

static const enum compression kinds[] = {COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_DEFLATE,
                                         COMPRESSION_ZSTD};

// Half text that repeats, half noise.
static struct str body_new(void)
{
    char *p = mem_alloc(BODY_BYTES);
    uint64_t x = 88172645463325252U;
    for (size_t i = 0; i < BODY_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = i % 2000 < 1000 ? (char)('a' + i % 23) : (char)x;
    }
    return (struct str){p, BODY_BYTES};
}

static void test_names(void **state)
{
    (void)state;
    enum compression c = COMPRESSION_NONE;
    assert_ok(compression_from_name(STR(" GZip "), &c));
    assert_int_equal(c, COMPRESSION_GZIP);
    assert_ok(compression_from_name(STR(""), &c));
    assert_int_equal(c, COMPRESSION_NONE);
    assert_ok(compression_from_name(STR("zstd"), &c));
    assert_err(compression_from_name(STR("br"), &c), ERR_UNSUPPORTED);
    assert_int_equal(c, COMPRESSION_ZSTD);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct str body = body_new();
    for (size_t k = 0; k < 4; k++) {
        for (size_t n = 0; n <= BODY_BYTES; n = n * 7 + 1) {
            struct buf packed, back;
            struct err_at at;
            buf_init(&packed, 1 << 20);
            buf_init(&back, n + 3);
            assert_ok(compress(kinds[k], (struct str){body.p, n}, &packed));
            buf_add_str(&back, STR("pre"));
            assert_ok(decompress(kinds[k], buf_str(&packed), &back, &at));
            assert_int_equal(back.n, n + 3);
            assert_memory_equal(back.p + 3, body.p, n);
            for (size_t i = 0; i < BUF_PAD; i++) {
                assert_int_equal(back.p[back.n + i], 0);
            }
            buf_done(&packed);
            buf_done(&back);
        }
    }
    mem_free((void *)(uintptr_t)body.p);
}

static void test_limit_and_broken(void **state)
{
    (void)state;
    struct str body = body_new();
    for (size_t k = 0; k < 4; k++) {
        struct buf packed, back;
        struct err_at at;
        buf_init(&packed, 1 << 20);
        assert_ok(compress(kinds[k], body, &packed));
        buf_init(&back, BODY_BYTES - 1);
        assert_err(decompress(kinds[k], buf_str(&packed), &back, &at), ERR_LIMIT);
        assert_true(back.capacity < BODY_BYTES);
        buf_done(&back);
        if (kinds[k] != COMPRESSION_NONE) {
            buf_init(&back, 1 << 20);
            struct str cut = {packed.p, packed.n - 1};
            assert_err(decompress(kinds[k], cut, &back, &at), ERR_INVALID);
            buf_clear(&back);
            packed.p[0] ^= 0x55;
            assert_err(decompress(kinds[k], buf_str(&packed), &back, &at), ERR_INVALID);
            buf_clear(&back);
            assert_err(decompress(kinds[k], STR(""), &back, &at), ERR_INVALID);
            buf_done(&back);
        }
        buf_init(&back, 16);
        assert_err(compress(kinds[k], body, &back), ERR_LIMIT);
        buf_done(&back);
        buf_done(&packed);
    }
    mem_free((void *)(uintptr_t)body.p);
}

// What decompressing takes is asked for before, the window of zstd too: with less than the body, or
// the body alone, it is refused as a lack of memory and everything is given back.
static void test_memory_is_asked_for(void **state)
{
    (void)state;
    struct str body = body_new();
    for (size_t k = 0; k < 4; k++) {
        struct buf packed, back;
        struct err_at at;
        struct budget budget;
        struct meter meter;
        buf_init(&packed, 1 << 20);
        assert_ok(compress(kinds[k], body, &packed));
        for (size_t limit = 1; limit < (size_t)64 << 20; limit *= 2) {
            budget_init(&budget, limit);
            meter_init(&meter, &budget, ACCOUNT_BODIES);
            buf_init_from(&back, 1 << 20, &meter.source);
            enum err e = decompress(kinds[k], buf_str(&packed), &back, &at);
            assert_true(atomic_load(&budget.peak) <= limit);
            assert_true(e == ERR_MEMORY ? back.denied : e == ERR_OK);
            assert_true(e == ERR_MEMORY || limit >= BODY_BYTES);
            assert_true(e == ERR_OK || limit < 4 * BODY_BYTES + ((size_t)1 << 20));
            buf_done(&back);
            assert_int_equal(atomic_load(&budget.total), 0);
        }
        buf_done(&packed);
    }
    mem_free((void *)(uintptr_t)body.p);
}

static void test_members(void **state)
{
    (void)state;
    struct buf packed, back;
    struct err_at at;
    buf_init(&packed, 4096);
    buf_init(&back, 4096);
    assert_ok(compress(COMPRESSION_GZIP, STR("one "), &packed));
    size_t first = packed.n;
    assert_ok(compress(COMPRESSION_GZIP, STR("two"), &packed));
    assert_ok(decompress(COMPRESSION_GZIP, buf_str(&packed), &back, &at));
    assert_str(buf_str(&back), "one two");
    buf_add_byte(&packed, 'x');
    assert_err(decompress(COMPRESSION_GZIP, buf_str(&packed), &back, &at), ERR_INVALID);
    assert_int_equal(at.offset, packed.n - 1);
    assert_true(first > 0 && first < at.offset);
    buf_done(&packed);
    buf_done(&back);
}

// A block whose length says `said`, of 61 literal bytes and copies of them.
static void snappy_block(struct buf *out, uint64_t said, size_t copies)
{
    buf_clear(out);
    buf_add_varint(out, said);
    buf_add_byte(out, 60 << 2);
    buf_add_byte(out, 60);
    for (int i = 0; i < 61; i++) {
        buf_add_byte(out, (uint8_t)('0' + i));
    }
    for (size_t i = 0; i < copies; i++) { // of 64 bytes, 61 before
        buf_add(out, "\xfe\x3d\0", 3);
    }
}

static void test_snappy_blocks_are_bounded(void **state)
{
    (void)state;
    struct buf packed, back;
    struct err_at at;
    buf_init(&packed, 1 << 20);
    buf_init(&back, 61 + 64 * 1000);
    snappy_block(&packed, 61 + 64 * 1000, 1000);
    assert_ok(decompress(COMPRESSION_SNAPPY, buf_str(&packed), &back, &at));
    assert_int_equal(back.n, 61 + 64 * 1000);
    assert_int_equal(back.p[61 * 7 + 3], '3');
    for (size_t i = 0; i < BUF_PAD; i++) {
        assert_int_equal(back.p[back.n + i], 0);
    }
    buf_clear(&back);
    for (size_t n = 0; n < packed.n; n++) {
        assert_err(decompress(COMPRESSION_SNAPPY, (struct str){packed.p, n}, &back, &at),
                   ERR_INVALID);
    }
    snappy_block(&packed, 61 + 64 * 1001, 1001); // over the limit
    assert_err(decompress(COMPRESSION_SNAPPY, buf_str(&packed), &back, &at), ERR_LIMIT);
    snappy_block(&packed, 0xffffffff, 1000); // cannot have been packed so small
    assert_err(decompress(COMPRESSION_SNAPPY, buf_str(&packed), &back, &at), ERR_INVALID);
    snappy_block(&packed, 100, 1000);
    assert_err(decompress(COMPRESSION_SNAPPY, buf_str(&packed), &back, &at), ERR_INVALID);
    assert_int_equal(back.n, 0);
    enum compression c;
    assert_err(compression_from_name(STR("snappy"), &c), ERR_UNSUPPORTED); // the framed format
    buf_done(&packed);
    buf_done(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limit_and_broken),
        cmocka_unit_test(test_memory_is_asked_for),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_snappy_blocks_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
