// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/varint.h.
#include "test.h"

#include "core/varint.h"

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = ((uint64_t)1 << bits) + (uint64_t)(int64_t)delta, got = 0;
            uint8_t bytes[VARINT_MAX];
            size_t n = varint_put(bytes, v);
            assert_ptr_equal(varint_get(bytes, bytes + n, &got), bytes + n);
            assert_true(got == v);
            got = 42;
            assert_null(varint_get(bytes, bytes + n - 1, &got));
            assert_true(got == 42);
            assert_true(unzigzag(zigzag((int64_t)v)) == (int64_t)v);
        }
    }
}

static void test_too_long(void **state)
{
    (void)state;
    uint64_t got = 42;
    const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1};
    const uint8_t overflow[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
    assert_null(varint_get(eleven, eleven + sizeof eleven, &got));
    assert_null(varint_get(overflow, overflow + sizeof overflow, &got));
    assert_true(got == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
