// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/recount.h and of what playing it takes: records add up over threads, of
// groups that are too many too, and memory is taken for every cell.
#include <stdio.h>

#include "alert/rehearsal_state.h"
#include "world.h"

#define FROM_MS   ((uint64_t)1750000200000)
#define RANGE_MS  ((uint64_t)60000)
#define ROOM_STEP ((size_t)64 << 10)

static const char by_user[] =
    "rules: [{name: many, strategies: [{measure: count, every: 10s, threshold: 1, "
    "group_by: [span.user]}]}]";
static const char distinct_users[] =
    "rules: [{name: many, strategies: [{measure: distinct, field: span.user, every: 10s, "
    "threshold: 1}]}]";

static uint32_t group_of(struct recount *t, size_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "u%zu", number);
    const struct str values[ALERT_GROUP_BY_MAX] = {str_of(text)};
    return recount_group(t, values);
}

static void add(struct recount *t, uint32_t group, uint32_t count)
{
    const struct recount_record r = {.time_ms = FROM_MS + 1000, .count = count};
    assert_true(group != UINT32_MAX);
    recount_add(t, 0, group, &r);
}

static void test_records_of_refused_groups_are_counted_once(void **state)
{
    (void)state;
    struct alert_set *set = rules_of(by_user);
    const struct alert_rule *rule = &alert_set_file(set)->rules[0];
    struct recount t;
    assert_ok(recount_init(&t, rule, FROM_MS, FROM_MS + RANGE_MS, NULL));
    for (size_t i = 0; i < ALERT_GROUPS_MAX; i++) {
        (void)group_of(&t, i);
    }
    struct recount *other = recount_fork(&t);
    add(other, group_of(other, ALERT_GROUPS_MAX), 5); // as a point of a histogram counts
    add(other, group_of(other, ALERT_GROUPS_MAX), 1);
    add(other, group_of(other, 3), 2);
    assert_int_equal(other->records, 8);
    recount_join(&t, other);
    assert_int_equal(t.records, 2);
    assert_int_equal(t.refused, 6);
    recount_done(&t);
    alert_set_unref(set);
}

// The error of playing so many cells with so much memory.
static enum err play(const struct alert_rule *rule, size_t cells, size_t room_bytes)
{
    struct recount t;
    struct budget budget;
    struct meter meter;
    struct query_control control = {.meter = &meter,
                                    .waited_ns = QUERY_PATIENCE_MS * (uint64_t)NS_PER_MS};
    const struct str none[ALERT_GROUP_BY_MAX] = {{0}};
    struct rehearsal_group result = {0};
    budget_init(&budget, room_bytes);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    assert_ok(recount_init(&t, rule, FROM_MS, FROM_MS + RANGE_MS, NULL));
    uint32_t group = recount_group(&t, none);
    for (size_t i = 1; i <= cells; i++) {
        const struct recount_record r = {.time_ms = FROM_MS + 1000, .count = 1, .hash = i};
        recount_add(&t, 0, group, &r);
    }
    assert_ok(recount_sort(&t));
    struct rehearsal_play p = {.recount = &t,
                               .from_ms = FROM_MS,
                               .to_ms = FROM_MS + RANGE_MS,
                               .turn_ms = t.shapes[0].slot_ms,
                               .stride = 1,
                               .cells_max = recount_cells_max(&t),
                               .results = &result,
                               .control = &control};
    rehearsal_play_groups(&p, 0);
    query_give(&control, atomic_load(&p.bytes));
    assert_int_equal(meter.held_bytes, 0);
    mem_free(result.stretches);
    recount_done(&t);
    meter_done(&meter);
    return (enum err)atomic_load(&p.error);
}

static size_t room_for(const struct alert_rule *rule, size_t cells)
{
    size_t room = ROOM_STEP;
    enum err e = play(rule, cells, room);
    while (e == ERR_MEMORY) {
        room += ROOM_STEP;
        e = play(rule, cells, room);
    }
    assert_ok(e);
    return room;
}

static void test_playing_takes_memory_for_every_cell(void **state)
{
    (void)state;
    struct alert_set *set = rules_of(distinct_users);
    const struct alert_rule *rule = &alert_set_file(set)->rules[0];
    size_t few = room_for(rule, 1), many = room_for(rule, 100000);
    assert_true(many >= few + 100000 * sizeof(uint32_t) - ROOM_STEP);
    alert_set_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_refused_groups_are_counted_once),
        cmocka_unit_test(test_playing_takes_memory_for_every_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
