// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of os/file_number.h.
#include "test.h"

#include "os/file_number.h"

static void test_names_with_a_number(void **state)
{
    (void)state;
    uint64_t number = 0;
    assert_ok(file_number_parse("0000000000000001.part", ".part", &number));
    assert_int_equal(number, 1);
    assert_ok(file_number_parse("fedcba9876543210.seg", ".seg", &number));
    assert_int_equal(number, 0xfedcba9876543210u);
    assert_ok(file_number_parse("fffffffffffffffe.part", ".part", &number));
    assert_int_equal(number, UINT64_MAX - 1);
}

static void test_every_other_name_is_none(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        ".part",
        "1.part",
        "-1.part",
        "0x1.part",
        " 000000000000001.part",
        "+000000000000001.part",
        "0x00000000000001.part",
        "000000000000000a",
        "000000000000000A.part",
        "000000000000000g.part",
        "00000000000000001.part",
        "000000000000001.part",
        "0000000000000001.part.bad",
        "0000000000000001.seg",
        "0000000000000000.part",
        "ffffffffffffffff.part",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint64_t number = 7;
        assert_err(file_number_parse(names[i], ".part", &number), ERR_INVALID);
        assert_int_equal(number, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_with_a_number),
        cmocka_unit_test(test_every_other_name_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
