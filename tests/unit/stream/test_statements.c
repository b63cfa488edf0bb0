// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/statements.h: what is known keeps its number, and whoever sends millions
// of texts takes a bounded share, and harms nobody else.
#include "test.h"

#include <stdio.h>

#include "stream/statements.h"

static uint32_t number(struct statements *s, uint32_t service, uint32_t peer, const char *text)
{
    const struct statement_facts f = {
        .kind = STATEMENT_DATABASE, .system = STR("postgresql"), .text = str_of(text)};
    return statements_number(s, service, peer, &f);
}

static void test_values_change_nothing(void **state)
{
    (void)state;
    struct statements s;
    statements_init(&s, 1 << 20);
    uint32_t first = number(&s, 1, 2, "select a from t where b = 1");
    for (unsigned i = 0; i < 20000; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "select a from t where b = %u", i);
        assert_int_equal(number(&s, 1, 2, text), first);
    }
    assert_true(str_eq(statements_at(&s, first)->text, STR("select a from t where b = ?")));
    assert_int_equal(number(&s, 1, 3, "select a from t where b = 1"), first);
    assert_true(number(&s, 4, 2, "select a from t where b = 1") != first);
    assert_true(number(&s, 1, 2, "select a from t where c = 1") != first);
    assert_int_equal(number(&s, 1, 2, ""), 0);
    assert_int_equal(s.count, 4); // "(other)" among them
    statements_done(&s);
}

static void test_millions_of_texts_are_bounded(void **state)
{
    (void)state;
    struct statements s;
    const size_t most = (size_t)4 << 20, texts = 1000000;
    size_t others = 0;
    statements_init(&s, most);
    uint32_t known = number(&s, 1, 2, "select a from t");
    for (size_t i = 0; i < texts; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "select a from t_%zu", i);
        others += number(&s, 1, 2 + (uint32_t)(i % 8), text) == STATEMENT_OTHER ? 1 : 0;
    }
    assert_int_equal(others, texts + 1 - STATEMENTS_OF_SERVICE_MAX);
    assert_int_equal(s.count, STATEMENTS_OF_SERVICE_MAX + 1);
    assert_true(statements_bytes(&s) < most);
    assert_int_equal(number(&s, 1, 2, "select a from t"), known);
    assert_true(number(&s, 9, 2, "select a from t_1") > STATEMENT_OTHER); // another service's
    statements_done(&s);
}

static void test_one_store_does_not_take_all_of_a_service(void **state)
{
    (void)state;
    struct statements s;
    char text[64];
    statements_init(&s, 4 << 20);
    for (unsigned i = 0; i < 2 * STATEMENTS_OF_NODE_MAX; i++) {
        (void)snprintf(text, sizeof text, "select a from t_%u", i);
        assert_int_equal(number(&s, 1, 2, text) == STATEMENT_OTHER, i >= STATEMENTS_OF_NODE_MAX);
    }
    assert_true(number(&s, 1, 3, "select b from t") > STATEMENT_OTHER);
    statements_done(&s);
}

// Many services send many texts: at the end of the memory, new ones are "(other)".
static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct statements s;
    const size_t most = (size_t)1 << 20;
    size_t others = 0;
    char text[300];
    statements_init(&s, most);
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(text, sizeof text, "select %0200u_a from t_%u", 7, i);
        others += number(&s, 1 + i % 500, 2, text) == STATEMENT_OTHER ? 1 : 0;
    }
    assert_true(others > 0 && s.count > 1000);
    assert_true(statements_bytes(&s) < 2 * most);
    statements_done(&s);
}

static void forget(struct statements *s, uint32_t used_number, struct used *used)
{
    *used = (struct used){0};
    marks_init(&used->statements, s->count);
    marks_init(&used->names, 16);
    marks_set(&used->statements, used_number);
    statements_forget(s, used, 60);
    marks_done(&used->statements);
}

static void test_what_is_forgotten_leaves_its_number(void **state)
{
    (void)state;
    struct statements s;
    struct used used;
    statements_init(&s, 1 << 20);
    uint32_t old = number(&s, 1, 2, "select a from old");
    uint32_t held = number(&s, 3, 4, "select a from held");
    s.minute += 59;
    uint32_t young = number(&s, 5, 6, "select a from young");
    forget(&s, held, &used);
    assert_int_equal(s.free_count, 0); // not for long enough
    marks_done(&used.names);
    s.minute += 1;
    forget(&s, held, &used);
    assert_int_equal(s.free_count, 1);
    assert_true(marks_has(&used.names, 3) && marks_has(&used.names, 4));
    assert_true(marks_has(&used.names, 5) && marks_has(&used.names, 6));
    assert_false(marks_has(&used.names, 1) || marks_has(&used.names, 2));
    marks_done(&used.names);
    assert_int_equal(s.group_count, 4);
    assert_int_equal(number(&s, 1, 2, "select a from other"), old); // its number, not its text
    assert_true(number(&s, 1, 2, "select a from old") > young);
    assert_int_equal(number(&s, 3, 4, "select a from held"), held);
    assert_int_equal(number(&s, 5, 6, "select a from young"), young);
    assert_true(str_eq(statements_at(&s, old)->text, STR("select a from other")));
    statements_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_change_nothing),
        cmocka_unit_test(test_millions_of_texts_are_bounded),
        cmocka_unit_test(test_one_store_does_not_take_all_of_a_service),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_what_is_forgotten_leaves_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
