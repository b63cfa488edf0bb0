// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/log_choice and partial: which log records are chosen, what is wrong with
// rules, and what a server's answer says of records that it has not kept.
#include <stdlib.h>

#include "agents/jvm/log_choice.h"
#include "agents/jvm/partial.h"
#include "test.h"

static bool takes(const struct log_choice *c, enum severity severity, const char *logger)
{
    return log_choice_takes(c, severity, str_of(logger));
}

static void test_levels(void **state)
{
    struct log_choice c;
    enum severity s = SEVERITY_NONE;
    (void)state;
    assert_true(log_level_parse(STR("Warn"), &s) && s == SEVERITY_WARN);
    assert_true(log_level_parse(STR("off"), &s) && s == SEVERITY_NONE);
    assert_false(log_level_parse(STR("loud"), &s));
    assert_null(log_choice_set(&c, SEVERITY_WARN, STR("")));
    assert_true(takes(&c, SEVERITY_WARN, "a") && takes(&c, SEVERITY_FATAL, ""));
    assert_false(takes(&c, SEVERITY_INFO, "a"));
    assert_true(log_choice_may_take(&c, SEVERITY_WARN));
    assert_false(log_choice_may_take(&c, SEVERITY_INFO));
    assert_null(log_choice_set(&c, SEVERITY_NONE, STR("")));
    assert_false(log_choice_may_take(&c, SEVERITY_FATAL));
}

static void test_first_rule_that_fits_counts(void **state)
{
    struct log_choice c;
    (void)state;
    assert_null(log_choice_set(&c, SEVERITY_ERROR,
                               STR("shop.pay.Card ; shop.pay.*=debug;noise*=off;;shop.*=info")));
    assert_true(takes(&c, SEVERITY_TRACE, "shop.pay.Card"));
    assert_true(takes(&c, SEVERITY_DEBUG, "shop.pay.Cash"));
    assert_false(takes(&c, SEVERITY_TRACE, "shop.pay.Cash"));
    assert_false(takes(&c, SEVERITY_DEBUG, "shop.pay"));
    assert_true(takes(&c, SEVERITY_INFO, "shop.pay"));
    assert_false(takes(&c, SEVERITY_FATAL, "noise.of.any"));
    assert_false(takes(&c, SEVERITY_WARN, "other"));
    assert_true(takes(&c, SEVERITY_ERROR, "other"));
    assert_true(log_choice_may_take(&c, SEVERITY_TRACE));
}

static void test_bad_rules(void **state)
{
    char many[4 * (LOG_RULES_MAX + 2)];
    struct log_choice c;
    size_t n = 0;
    (void)state;
    assert_non_null(log_choice_set(&c, SEVERITY_WARN, STR("a=loud")));
    assert_non_null(log_choice_set(&c, SEVERITY_WARN, STR("a=")));
    assert_non_null(log_choice_set(&c, SEVERITY_WARN, STR("=debug")));
    for (; n < 2 * LOG_RULES_MAX; n += 2) {
        memcpy(many + n, "a;", 2);
    }
    assert_null(log_choice_set(&c, SEVERITY_WARN, (struct str){many, n}));
    memcpy(many + n, "b", 1);
    assert_non_null(log_choice_set(&c, SEVERITY_WARN, (struct str){many, n + 1}));
}

static void test_partial_success(void **state)
{
    static const char answer[] = "\x0a\x08\x08\xac\x02\x12\x03why";
    (void)state;
    struct partial p = partial_success((struct str){answer, sizeof answer - 1});
    assert_int_equal(p.rejected, 300);
    assert_true(str_eq(p.message, STR("why")));
    p = partial_success(STR(""));
    assert_int_equal(p.rejected, 0);
    for (size_t n = 0; n < sizeof answer - 1; n++) { // cut short: nothing is read beyond the end
        char *cut = malloc(n + 1);
        memcpy(cut, answer, n);
        p = partial_success((struct str){cut, n});
        assert_true(p.rejected == 0 && p.message.n == 0);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_first_rule_that_fits_counts),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_partial_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
