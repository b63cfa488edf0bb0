// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/recount.h and its lanes: records add up over threads and slots, of groups
// that are too many too, and memory is taken for every cell.
#include <stdio.h>

#include "alert/recount.h"
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

// ---- Cells --------------------------------------------------------------------------------------

static const char errors_and_bounds[] =
    "rules: [{name: all, strategies: ["
    "{measure: error_rate, every: 10s, threshold: 1, operator: '>'},"
    "{measure: sum, every: 10s, threshold: 1, operator: '>'},"
    "{measure: min, every: 10s, threshold: 1, operator: '>'},"
    "{measure: max, every: 10s, threshold: 1, operator: '>'},"
    "{measure: p90, every: 10s, threshold: 1, operator: '>'},"
    "{measure: distinct, field: span.user, every: 10s, threshold: 1}]}]";
#define SLOTS      60u
#define RECORDS    60000u // more than a lane has before it is folded
#define STRATEGIES 6u
#define KEYS       40u

static uint64_t below(uint64_t *state, uint64_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % n;
}

// What the cells of each slot must add up to.
struct expected {
    uint64_t count, errors, keys[KEYS]; // of quantiles and distinct values: records of each
    double sum, least, greatest;
};

static void add_random(struct recount *t, size_t strategy, struct expected *to, uint64_t *state)
{
    uint64_t slot = below(state, SLOTS), key = below(state, KEYS);
    struct expected *e = &to[slot];
    const struct recount_record r = {.time_ms = FROM_MS + slot * 1000 + below(state, 1000),
                                     .count = 1,
                                     .errors = below(state, 4) == 0,
                                     .value = (double)(1000000 + key * 1000000),
                                     .hash = key + 1};
    recount_add(t, strategy, 0, &r);
    e->least = e->count == 0 || r.value < e->least ? r.value : e->least;
    e->greatest = e->count == 0 || r.value > e->greatest ? r.value : e->greatest;
    e->count++;
    e->errors += r.errors;
    e->sum += r.value;
    e->keys[key]++;
}

static void check_keyed(const struct recount *t, size_t strategy, const struct expected *e)
{
    size_t count, keys = 0;
    const struct recount_cell *c = recount_cells(t, 0, strategy, &count);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        uint64_t records = 0;
        for (size_t k = 0; k < KEYS; k++) {
            keys += e[slot].keys[k] > 0;
        }
        for (size_t i = 0; i < count; i++) {
            assert_true(i == 0 || c[i - 1].slot <= c[i].slot);
            records += c[i].slot == slot ? c[i].count : 0;
        }
        assert_int_equal(records, e[slot].count);
    }
    assert_int_equal(count, keys); // each once
}

static void check_cells(const struct recount *t, size_t strategy, const struct expected *e)
{
    size_t count;
    const struct recount_cell *c = recount_cells(t, 0, strategy, &count);
    assert_int_equal(count, SLOTS);
    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct window_record r = recount_cell_record(t, strategy, &c[i]);
        assert_int_equal(r.time_ms, FROM_MS + i * 1000);
        assert_int_equal(r.count, e[i].count);
        assert_true(strategy != 0 || r.errors == e[i].errors);
        assert_true(strategy != 1 || r.sum == e[i].sum);
        assert_true(strategy != 2 || r.min == e[i].least);
        assert_true(strategy != 3 || r.max == e[i].greatest);
    }
}

// In no order of time, so many that lanes are folded while more comes, by two threads.
static void test_cells_are_what_records_add_up_to(void **state)
{
    static struct expected expected[STRATEGIES][SLOTS];
    const struct str none[ALERT_GROUP_BY_MAX] = {{0}};
    struct alert_set *set = rules_of(errors_and_bounds);
    struct recount t;
    uint64_t seed = 1;
    (void)state;
    memset(expected, 0, sizeof expected);
    assert_ok(recount_init(&t, &alert_set_file(set)->rules[0], FROM_MS, FROM_MS + RANGE_MS, NULL));
    struct recount *other = recount_fork(&t);
    assert_int_equal(recount_group(&t, none) + recount_group(other, none), 0);
    for (size_t i = 0; i < RECORDS; i++) {
        for (size_t k = 0; k < STRATEGIES; k++) {
            add_random(below(&seed, 3) == 0 ? other : &t, k, expected[k], &seed);
        }
    }
    recount_join(&t, other);
    assert_int_equal(t.records, RECORDS * STRATEGIES);
    assert_ok(recount_fold(&t));
    for (size_t k = 0; k < STRATEGIES; k++) {
        if (k < 4) {
            check_cells(&t, k, expected[k]);
        } else {
            check_keyed(&t, k, expected[k]);
        }
    }
    recount_done(&t);
    alert_set_unref(set);
}

// ---- Memory -------------------------------------------------------------------------------------

// The error of counting and folding so many cells with so much memory.
static enum err count(const struct alert_rule *rule, size_t cells, size_t room_bytes)
{
    struct recount t;
    struct budget budget;
    struct meter meter;
    struct query_control control = {.meter = &meter,
                                    .waited_ns = QUERY_PATIENCE_MS * (uint64_t)NS_PER_MS};
    const struct str none[ALERT_GROUP_BY_MAX] = {{0}};
    budget_init(&budget, room_bytes);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    assert_ok(recount_init(&t, rule, FROM_MS, FROM_MS + RANGE_MS, &control));
    uint32_t group = recount_group(&t, none);
    for (size_t i = 1; i <= cells && t.error == ERR_OK; i++) {
        const struct recount_record r = {.time_ms = FROM_MS + 1000, .count = 1, .hash = i};
        recount_add(&t, 0, group, &r);
    }
    enum err e = t.error == ERR_OK ? recount_fold(&t) : t.error;
    recount_done(&t);
    assert_int_equal(meter.held_bytes, 0);
    meter_done(&meter);
    return e;
}

static size_t room_for(const struct alert_rule *rule, size_t cells)
{
    size_t room = ROOM_STEP;
    enum err e = count(rule, cells, room);
    while (e == ERR_MEMORY) {
        room += ROOM_STEP;
        e = count(rule, cells, room);
    }
    assert_ok(e);
    return room;
}

static void test_every_cell_takes_memory(void **state)
{
    (void)state;
    struct alert_set *set = rules_of(distinct_users);
    const struct alert_rule *rule = &alert_set_file(set)->rules[0];
    size_t few = room_for(rule, 1), many = room_for(rule, 100000);
    assert_true(many >= few + 2 * 100000 * sizeof(struct recount_cell)); // and what folds them
    alert_set_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_refused_groups_are_counted_once),
        cmocka_unit_test(test_cells_are_what_records_add_up_to),
        cmocka_unit_test(test_every_cell_takes_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
