// SPDX-License-Identifier: Apache-2.0
// Purpose: templates of SMS gateways.
#include "notify/template.h"

#include "test.h"

static struct str values[TEMPLATE_NAME_COUNT];

static void check_filled(const char *text, enum template_place place, const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    template_fill(str_of(text), place, values, &out);
    buf_add_byte(&out, 0);
    assert_string_equal(out.p, expected);
    buf_done(&out);
}

static void test_values_are_encoded_by_their_place(void **state)
{
    (void)state;
    values[TEMPLATE_PHONE] = STR("+86 1");
    values[TEMPLATE_RULE] = STR("a\"b\\c\n&x=1\xe8\xad\xa6\xff");
    check_filled("http://x/?to={phone}&r={rule}", TEMPLATE_QUERY,
                 "http://x/?to=%2B86%201&r=a%22b%5Cc%0A%26x%3D1%E8%AD%A6%FF");
    check_filled("{\"to\":\"{phone}\",\"r\":\"{rule}\"}", TEMPLATE_JSON,
                 "{\"to\":\"+86 1\",\"r\":\"a\\\"b\\\\c\\n&x=1\xe8\xad\xa6\xef\xbf\xbd\"}");
}

static void test_other_braces_are_themselves(void **state)
{
    (void)state;
    values[TEMPLATE_PHONE] = STR("{rule}"); // what is put in is not looked at again
    check_filled("{{phone}}{}{ phone }{Phone}{phone", TEMPLATE_JSON,
                 "{{rule}}{}{ phone }{Phone}{phone");
    check_filled("", TEMPLATE_JSON, "");
    assert_true(template_has(STR("a{b{text}"), TEMPLATE_TEXT));
    assert_false(template_has(STR("{phones}"), TEMPLATE_PHONE));
}

static void test_a_name_that_is_not_there_is_told_with_its_place(void **state)
{
    struct err_at at;
    (void)state;
    assert_ok(template_check(STR("{\"a\":{}} {text} {1} {a b}"), &at));
    assert_err(template_check(STR("{text}{txt}"), &at), ERR_INVALID);
    assert_int_equal(at.offset, 6);
    assert_string_equal(at.text, "There is nothing that {txt} stands for.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_encoded_by_their_place),
        cmocka_unit_test(test_other_braces_are_themselves),
        cmocka_unit_test(test_a_name_that_is_not_there_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
