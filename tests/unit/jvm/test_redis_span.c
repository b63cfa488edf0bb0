// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/redis_span: command names have their numbers, until there are too many, which
// is counted.
#include "agents/jvm/redis_span.h"

#include <stdio.h>

#include "agents/jvm/shortfall.h"
#include "test.h"

static void test_names_beyond_the_table_are_counted(void **state)
{
    char text[REDIS_COMMAND_MAX];
    (void)state;
    for (unsigned i = 0; i < REDIS_COMMANDS_MAX; i++) {
        int n = snprintf(text, sizeof text, "COMMAND%u", i);
        struct str name = {text, (size_t)n};
        assert_int_equal(redis_command_id(name), i + 1);
        assert_int_equal(redis_command_id(name), i + 1);
        assert_true(str_eq(redis_command_get(i + 1), name));
    }
    assert_int_equal(shortfall_counted(SHORTFALL_REDIS_COMMANDS), 0);
    assert_int_equal(redis_command_id(STR("ONE.MORE")), 0);
    assert_int_equal(redis_command_id(STR("ONE.MORE")), 0);
    assert_int_equal(redis_command_id(STR("")), 0);
    assert_int_equal(redis_command_id(STR("COMMAND7")), 8);
    assert_int_equal(shortfall_counted(SHORTFALL_REDIS_COMMANDS), 2);
    assert_str(redis_command_get(0), "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_beyond_the_table_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
