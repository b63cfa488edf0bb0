// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/incident.c: what an alert joins where no more incidents may be open.
#include <stdio.h>

#include "desk_folder.h"

#define NOW ((uint64_t)1790000000000000000)

static char folder[DESK_FOLDER_MAX];
static struct budget budget;
static struct notify *notify;
static struct desk *desk;

static int setup(void **state)
{
    const struct notify_options n = {.budget = &budget, .failing_ms = 1000};
    (void)state;
    desk_folder_make(folder);
    budget_init(&budget, (size_t)16 << 20);
    desk_folder_open(folder, n, &notify, &desk);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    desk_close(desk);
    notify_close(notify);
    return desk_folder_remove(folder);
}

// An alert of a rule and a service of its own.
struct raised {
    char name[32];
    struct alert_rule rule;
    struct alert_event event;
};

static struct alert_event raise_one(struct raised *r, const char *line, size_t number)
{
    static struct alert_strategy strategy;
    (void)snprintf(r->name, sizeof r->name, "%s-%zu", line, number);
    r->rule = (struct alert_rule){.name = str_of(r->name),
                                  .level = LEVEL_WARNING,
                                  .remedy = STR(""),
                                  .strategies = &strategy,
                                  .strategy_count = 1};
    return (struct alert_event){.rule = &r->rule,
                                .strategy = &strategy,
                                .fires = true,
                                .outside = true,
                                .event_ns = NOW,
                                .at_ns = NOW,
                                .origin = {.line = str_of(line), .service = str_of(r->name)}};
}

static void take_alerts(void *ctx, const struct book_incident *i)
{
    *(uint64_t *)ctx = i->alerts;
}

static void check_alerts(uint64_t incident, uint64_t alerts)
{
    uint64_t found = 0;
    assert_ok(book_incident(desk_book(desk), incident, take_alerts, &found));
    assert_int_equal(found, alerts);
}

static void check_stats(uint64_t open, uint64_t crowded)
{
    struct desk_stats stats;
    desk_stats(desk, &stats);
    assert_int_equal(stats.open, open);
    assert_int_equal(stats.crowded, crowded);
}

static void test_where_no_more_may_be_open_it_joins_one_of_its_line(void **state)
{
    static struct raised raised[DESK_OPEN_MAX + 2];
    static struct alert_event events[DESK_OPEN_MAX];
    (void)state;
    for (size_t i = 0; i < DESK_OPEN_MAX; i++) {
        events[i] = raise_one(&raised[i], i < 2 ? "shop" : "bank", i);
    }
    assert_ok(desk_tell(desk, events, DESK_OPEN_MAX));
    check_stats(DESK_OPEN_MAX, 0);
    struct alert_event more = raise_one(&raised[DESK_OPEN_MAX], "shop", 7777);
    sqlite3 *db = desk_book(desk)->sql.db;
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE alerts RENAME TO away", NULL, NULL, NULL), 0);
    assert_err(desk_tell(desk, &more, 1), ERR_IO);
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE away RENAME TO alerts", NULL, NULL, NULL), 0);
    check_stats(DESK_OPEN_MAX, 0); // it is told again
    assert_ok(desk_tell(desk, &more, 1));
    check_alerts(2, 2);
    check_alerts(DESK_OPEN_MAX, 1);
    check_stats(DESK_OPEN_MAX, 1);
    more = raise_one(&raised[DESK_OPEN_MAX + 1], "else", 1); // of no line that has any
    assert_ok(desk_tell(desk, &more, 1));
    check_alerts(DESK_OPEN_MAX, 2);
    check_stats(DESK_OPEN_MAX, 2);
}

// The alerts of one turn: what ends comes before what fires, and both are of one rule.
static void test_what_fires_with_the_end_of_an_incident_opens_another(void **state)
{
    static struct raised raised;
    struct alert_event events[2];
    (void)state;
    events[0] = events[1] = raise_one(&raised, "shop", 1);
    assert_ok(desk_tell(desk, events, 1));
    check_stats(1, 0);
    events[0].fires = false;
    assert_ok(desk_tell(desk, events, 2));
    check_alerts(1, 1);
    check_alerts(2, 1);
    check_stats(1, 0);
    assert_ok(desk_tell(desk, events, 1));
    check_stats(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_where_no_more_may_be_open_it_joins_one_of_its_line,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_fires_with_the_end_of_an_incident_opens_another,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
