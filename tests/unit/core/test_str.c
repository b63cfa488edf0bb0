// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/str.h.
#include "test.h"

#include "core/str.h"

static void test_split_and_trim(void **state)
{
    (void)state;
    struct str head;
    struct str rest = str_split(STR("a=b=c"), '=', &head);
    assert_str(head, "a");
    assert_str(rest, "b=c");
    rest = str_split(STR("plain"), '=', &head);
    assert_str(head, "plain");
    assert_null(rest.p);
    assert_str(str_trim(STR(" \t x y ")), "x y");
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
}

static void test_hex_digits(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    for (int c = -128; c < 128; c++) {
        const char *at = c != 0 ? strchr(digits, c) : NULL;
        int value = at == NULL ? -1 : (int)(at - digits);
        assert_int_equal(str_hex_digit((char)c), value < 16 ? value : value - 6);
    }
}

static void test_to_u64(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_ok(str_to_u64(STR("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    v = 7;
    assert_err(str_to_u64(STR("18446744073709551616"), &v), ERR_INVALID);
    assert_err(str_to_u64(STR(""), &v), ERR_INVALID);
    assert_err(str_to_u64(STR("12x"), &v), ERR_INVALID);
    assert_err(str_to_u64(STR("-1"), &v), ERR_INVALID);
    assert_true(v == 7);
}

static void test_utf8(void **state)
{
    (void)state;
    size_t at = 99;
    assert_true(str_utf8_valid(STR("plain ascii, long enough for words"), &at));
    assert_true(str_utf8_valid(STR("\xe8\xb0\x83\xe7\x94\xa8\xe9\x93\xbe \xf0\x9f\x98\x80"), &at));
    assert_false(str_utf8_valid(STR("abcdefgh\xff"), &at));
    assert_int_equal(at, 8);
    assert_false(str_utf8_valid(STR("\xc0\xaf"), &at));     // overlong
    assert_false(str_utf8_valid(STR("\xed\xa0\x80"), &at)); // surrogate
    assert_false(str_utf8_valid(STR("ok\xe8\xb0"), &at));   // cut short
    assert_int_equal(at, 2);
    assert_false(str_utf8_valid(STR("\xf4\x90\x80\x80"), &at)); // beyond U+10FFFF
}

static void test_cut(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xA4\xE4\xB8\xAD\xF0\x9F\x98\x80z"; // 1, 2, 3, 4 and 1 bytes
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < sizeof whole / sizeof *whole; max++) {
        assert_int_equal(str_cut(str_of(text), max).n, whole[max]);
    }
    assert_int_equal(str_cut((struct str){"\x80\x80\x80\x80\x80", 5}, 4).n, 4); // no text at all
    assert_int_equal(str_cut(STR(""), 4).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_and_trim),
        cmocka_unit_test(test_hex_digits),
        cmocka_unit_test(test_to_u64),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
