// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/buf.h.
#include "test.h"

#include "core/buf.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_shift_and_pad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
