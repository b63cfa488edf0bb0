// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/buf.h.
#include "test.h"

#include "core/buf.h"
#include "core/mem.h"

static void test_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_add_str(&b, STR("12345678"));
    assert_false(b.failed);
    buf_add_str(&b, STR("abc"));
    assert_true(b.failed);
    buf_add_byte(&b, 'x'); // would fit, but order would be broken
    assert_str(buf_str(&b), "12345678");
    buf_clear(&b);
    buf_printf(&b, "%d", 42);
    assert_str(buf_str(&b), "42");
    buf_done(&b);
}

static void test_shift_and_pad(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    for (unsigned i = 0; i < 100; i++) {
        buf_add_varint(&b, i);
    }
    assert_int_equal(b.n, 100);
    for (size_t i = 0; i < BUF_PAD; i++) {
        assert_int_equal(b.p[b.n + i], 0);
    }
    buf_shift(&b, 98);
    assert_int_equal(b.n, 2);
    assert_int_equal(b.p[0], 98);
    buf_done(&b);
}

// A source that has `left` bytes.
struct pot {
    struct mem_source source;
    size_t left, most;
};

static bool pot_take(struct mem_source *source, size_t bytes)
{
    struct pot *p = (struct pot *)source;
    if (bytes > p->left) {
        return false;
    }
    p->left -= bytes;
    p->most = p->left < p->most ? p->left : p->most;
    return true;
}

static void pot_give(struct mem_source *source, size_t bytes)
{
    ((struct pot *)source)->left += bytes;
}

static void test_growth_is_asked_for(void **state)
{
    (void)state;
    struct pot pot = {{pot_take, pot_give}, 1000, 1000};
    struct buf b;
    buf_init_from(&b, 1 << 20, &pot.source);
    assert_true(buf_reserve(&b, 200));
    assert_int_equal(pot.left, 1000 - 256);
    assert_true(buf_reserve(&b, 300));
    assert_int_equal(pot.left, 1000 - 512);
    assert_int_equal(pot.most, 1000 - 256 - 512); // the old bytes stood beside the new ones
    buf_add_str(&b, STR("kept"));
    assert_false(buf_reserve(&b, 600));
    assert_true(b.failed && b.denied);
    assert_str(buf_str(&b), "kept");
    buf_clear(&b);
    assert_false(b.failed || b.denied);
    assert_true(buf_reserve(&b, 500));
    buf_done(&b);
    assert_int_equal(pot.left, 1000);
    assert_true(buf_reserve(&b, 100)); // the source stays
    assert_int_equal(pot.left, 1000 - 256);
    buf_done(&b);
    buf_init_from(&b, 100, &pot.source); // beyond the maximum nobody is asked
    assert_false(buf_reserve(&b, 101));
    assert_true(b.failed && !b.denied);
    assert_int_equal(pot.left, 1000);
    buf_done(&b);
}

// Large blocks live elsewhere than small ones: growing from one to the other keeps what is there.
static void test_large_blocks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, (size_t)64 << 20);
    for (uint64_t i = 0; i < (uint64_t)1 << 20; i++) {
        buf_add_u64(&b, i * 0x9e3779b97f4a7c15U);
    }
    for (uint64_t i = 0; i < (uint64_t)1 << 20; i++) {
        uint64_t v;
        memcpy(&v, b.p + i * sizeof v, sizeof v);
        assert_int_equal(v, i * 0x9e3779b97f4a7c15U);
    }
    buf_done(&b);
    unsigned char *zero = mem_new((size_t)3 << 20, 1);
    for (size_t i = 0; i < (size_t)3 << 20; i += 1000) {
        assert_int_equal(zero[i], 0);
    }
    zero[100] = 7;
    zero = mem_resize(zero, 200, 1); // and back
    assert_int_equal(zero[100], 7);
    mem_free(zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_shift_and_pad),
        cmocka_unit_test(test_growth_is_asked_for),
        cmocka_unit_test(test_large_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
