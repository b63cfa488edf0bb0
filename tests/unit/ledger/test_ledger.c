// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of ledger/ledger.h.
#include "test.h"

#include <stdio.h>

#include "ledger/ledger.h"

struct sums {
    uint64_t received, stored, dropped, cells, other;
};

static void add_up(void *ctx, const struct ledger_cell *cell)
{
    struct sums *s = ctx;
    s->cells++;
    s->received += cell->outcome == OUTCOME_RECEIVED ? cell->count : 0;
    s->stored += cell->outcome == OUTCOME_STORED ? cell->count : 0;
    s->dropped += cell->outcome == OUTCOME_DROPPED ? cell->count : 0;
    s->other += str_eq(cell->service, STR("(other)")) ? cell->count : 0;
}

static void test_saving(void **state)
{
    (void)state;
    struct ledger *l = ledger_new();
    struct str shop = STR("shop");
    struct sums now = {0}, saved = {0}, again = {0};
    ledger_add(l, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, shop, 3);
    ledger_add(l, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_INVALID, shop, 3);
    ledger_add_volatile(l, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, shop, 10);
    ledger_each(l, add_up, &now);
    assert_int_equal(now.received, 13);
    ledger_take_unsaved(l, add_up, &saved);
    assert_int_equal(saved.received, 3);
    assert_int_equal(saved.dropped, 3);
    ledger_save_later(l, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, shop, 10);
    ledger_add(l, SIGNAL_TRACES, OUTCOME_STORED, REASON_NONE, shop, 10);
    ledger_take_unsaved(l, add_up, &again);
    assert_int_equal(again.received, 10);
    assert_int_equal(again.stored, 10);
    now = (struct sums){0};
    ledger_each(l, add_up, &now);
    assert_int_equal(now.received, now.stored + now.dropped);
    ledger_free(l);
}

static void test_many_services(void **state)
{
    (void)state;
    struct ledger *l = ledger_new();
    char name[32];
    for (int i = 0; i < LEDGER_SERVICES_MAX + 100; i++) {
        (void)snprintf(name, sizeof name, "service-%d", i);
        ledger_add(l, SIGNAL_LOGS, OUTCOME_RECEIVED, REASON_NONE, str_of(name), 1);
    }
    struct sums all = {0};
    ledger_each(l, add_up, &all);
    assert_int_equal(all.received, LEDGER_SERVICES_MAX + 100);
    assert_int_equal(all.cells, LEDGER_SERVICES_MAX + 1);
    assert_int_equal(all.other, 100);
    ledger_free(l);
}

static void note_name(void *ctx, const struct ledger_cell *cell)
{
    *(struct str *)ctx = cell->service;
}

// A name is kept for good, so it is cut: behind a whole character, and the same one counts on.
static void test_long_names(void **state)
{
    (void)state;
    struct ledger *l = ledger_new();
    char name[1000];
    struct str kept = {0}, of_two = {name, sizeof name};
    struct sums all = {0};
    memset(name, 'a', sizeof name);
    memcpy(name + LEDGER_NAME_MAX - 1, "\xe6\x8e\xa2", 3); // would be cut in two
    ledger_add(l, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, of_two, 1);
    name[sizeof name - 1] = 'b'; // differs where it is not kept
    ledger_add(l, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, of_two, 2);
    ledger_each(l, add_up, &all);
    assert_int_equal(all.cells, 1);
    assert_int_equal(all.received, 3);
    ledger_each(l, note_name, &kept);
    assert_int_equal(kept.n, LEDGER_NAME_MAX - 1);
    assert_true(str_eq(ledger_service(l, of_two), kept));
    memset(name, 0x80, sizeof name); // no text at all
    assert_in_range(ledger_service(l, of_two).n, LEDGER_NAME_MAX - 4, LEDGER_NAME_MAX);
    ledger_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_many_services),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
