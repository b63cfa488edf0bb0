// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of receive/families.h: what was told last is known, and no more than there is room
// for.
#include "test.h"

#include <stdio.h>

#include "receive/families.h"

static void note(struct families *f, const char *name, enum prom_type type, const char *help)
{
    const struct prom_family x = {type, str_of(name), STR("s"), str_of(help)};
    families_note(f, &x);
}

static void test_what_was_told_last_is_known(void **state)
{
    (void)state;
    struct families *f = families_new();
    struct arena arena = {0};
    struct prom_family found;
    assert_false(families_find(f, STR("a"), &arena, &found));
    note(f, "a", PROM_GAUGE, "one");
    note(f, "a", PROM_COUNTER, "another");
    assert_true(families_find(f, STR("a"), &arena, &found));
    assert_int_equal(found.type, PROM_COUNTER);
    assert_str(found.unit, "s");
    assert_str(found.help, "another");
    assert_true(families_find(f, STR("a_total"), &arena, &found)); // as OpenMetrics has it
    note(f, "b", PROM_GAUGE, "\xff");
    assert_true(families_find(f, STR("b"), &arena, &found));
    assert_str(found.help, ""); // no text
    assert_false(families_find(f, STR("b_total"), &arena, &found));
    note(f, "", PROM_GAUGE, "nobody's");
    assert_int_equal(families_left_out(f), 0);
    arena_done(&arena);
    families_free(f);
}

static void test_there_is_room_for_so_many(void **state)
{
    (void)state;
    struct families *f = families_new();
    struct arena arena = {0};
    struct prom_family found;
    char name[32];
    for (size_t i = 0; i < FAMILIES_MAX + 2; i++) {
        (void)snprintf(name, sizeof name, "m%zu", i);
        note(f, name, PROM_GAUGE, "");
    }
    assert_int_equal(families_left_out(f), 2);
    assert_false(families_find(f, str_of(name), &arena, &found));
    note(f, "m0", PROM_COUNTER, ""); // which is there
    assert_true(families_find(f, STR("m0"), &arena, &found));
    assert_int_equal(found.type, PROM_COUNTER);
    assert_int_equal(families_left_out(f), 2);
    char help[901];
    memset(help, 'x', sizeof help - 1);
    help[sizeof help - 1] = 0;
    for (size_t i = 0; i < FAMILIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%zu", i);
        note(f, name, PROM_GAUGE, help);
    }
    assert_true(families_left_out(f) > 10000);
    arena_done(&arena);
    families_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_told_last_is_known),
        cmocka_unit_test(test_there_is_room_for_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
