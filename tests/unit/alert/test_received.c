// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/received.h: what labels become, times, what is refused; and through
// starts: each set of labels is one alert, which fires and ends once.
#include "alert/received.h"

#include <jansson.h>
#include <stdio.h>

#include "desk_folder.h"
#include "world.h"

#define NOW       ((uint64_t)1790000000000000000) // 2026-09-21T14:13:20Z
#define SECOND    NS_PER_S
#define LIMIT     ((size_t)16 << 20)
#define LIST(...) "[" __VA_ARGS__ "]"

static char folder[DESK_FOLDER_MAX];
static struct budget budget;
static struct notify *notify;
static struct desk *desk;
static struct received *received;

static void open_all(void)
{
    struct err_at at = {0};
    const struct notify_options n = {.budget = &budget, .failing_ms = 1000};
    desk_folder_open(folder, n, &notify, &desk);
    const struct received_options r = {.book = desk_book(desk),
                                       .desk = desk,
                                       .budget = &budget,
                                       .channels = STR(" ops,, other "),
                                       .receivers = STR("anna"),
                                       .mark = STR("me")};
    assert_ok(received_open(&r, &received, &at));
}

static void close_all(void)
{
    received_close(received);
    desk_close(desk);
    notify_close(notify);
}

static int setup(void **state)
{
    (void)state;
    desk_folder_make(folder);
    budget_init(&budget, LIMIT);
    open_all();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    assert_int_equal(atomic_load(&budget.total), 0);
    return desk_folder_remove(folder);
}

static struct received_taken put(const char *json, uint64_t now_ns)
{
    struct received_taken taken = {0};
    struct err_at at = {0};
    assert_ok(received_put(received, str_of(json), now_ns, &taken, &at));
    return taken;
}

// ---- Reading ------------------------------------------------------------------------------------

struct described {
    struct received_alert alert;
    struct alert_rule rule;
    struct alert_origin origin;
    struct arena arena;
};

static enum err describe(const char *json, struct described *d, struct err_at *at)
{
    json_t *root = json_loads(json, 0, NULL);
    assert_non_null(root);
    *d = (struct described){.rule = {.level = LEVEL_COUNT}};
    enum err e = received_read(root, NOW, &d->arena, &d->alert, at);
    if (e == ERR_OK) {
        received_describe(&d->alert, &d->arena, &d->rule, &d->origin);
    }
    json_decref(root);
    return e;
}

static void test_what_labels_become(void **state)
{
    struct described d;
    struct err_at at = {0};
    (void)state;
    assert_ok(describe("{\"labels\":{\"alertname\":\"Full\",\"severity\":\"Page\",\"job\":\"db\","
                       "\"namespace\":\"shop\",\"env\":\"prod\",\"pod\":\"p-1\",\"none\":\"\"},"
                       "\"annotations\":{\"description\":\"b\",\"summary\":\"a\",\"x\":\"y\"},"
                       "\"startsAt\":\"2026-09-21T14:13:19.25+00:00\","
                       "\"endsAt\":\"2026-09-21T16:13:21.000000001+02:00\","
                       "\"generatorURL\":\"http://p/\",\"more\":7}",
                       &d, &at));
    assert_str(d.alert.rule, "Full");
    assert_str(d.alert.group, "env=\"prod\", job=\"db\", namespace=\"shop\", pod=\"p-1\", "
                              "severity=\"Page\"");
    assert_str(d.alert.key, "{\"alertname\":\"Full\",\"env\":\"prod\",\"job\":\"db\","
                            "\"namespace\":\"shop\",\"pod\":\"p-1\",\"severity\":\"Page\"}");
    assert_int_equal(d.alert.starts_ns, NOW - SECOND * 3 / 4);
    assert_int_equal(d.alert.ends_ns, NOW + SECOND + 1);
    assert_str(d.alert.generator_url, "http://p/");
    assert_int_equal(d.rule.level, LEVEL_CRITICAL);
    assert_str(d.rule.remedy, "a\nb");
    assert_str(d.origin.line, "shop");
    assert_str(d.origin.service, "db");
    assert_str(d.origin.environment, "prod");
    assert_str(d.origin.instance, "p-1");
    arena_done(&d.arena);
    // As a real Alertmanager has it.
    assert_ok(describe(
        "{\"labels\":{\"severity\":\"page\",\"job\":\"oven\",\"alertname\":\"Hot\"}}", &d, &at));
    assert_true(d.alert.fingerprint == 0x5fcb85db5912e6a6);
    assert_int_equal(d.alert.starts_ns, NOW);
    assert_int_equal(d.alert.ends_ns, NOW + RECEIVED_HOLD_MS * NS_PER_MS);
    arena_done(&d.arena);
    assert_ok(describe("{\"labels\":{\"alertname\":\"A\"},\"startsAt\":\"0001-01-01T00:00:00Z\","
                       "\"endsAt\":\"2026-09-21T14:13:10Z\"}",
                       &d, &at));
    assert_int_equal(d.alert.starts_ns, NOW - 10 * SECOND);
    assert_int_equal(d.rule.level, LEVEL_WARNING);
    assert_str(d.alert.group, "");
    arena_done(&d.arena);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *json, *why;
    } wrong[] = {
        {"[]", "an alert is an object with labels"},
        {"{}", "labels: expected an alertname of 200 bytes at most"},
        {"{\"labels\":[]}", "labels are no object"},
        {"{\"labels\":{\"alertname\":\"a\",\"b c\":\"d\"}}", "labels: 'b c' is no name"},
        {"{\"labels\":{\"alertname\":\"a\",\"1\":\"d\"}}", "labels: '1' is no name"},
        {"{\"labels\":{\"alertname\":1}}", "labels: alertname is no text, or too long"},
        {"{\"labels\":{\"alertname\":\"a\"},\"annotations\":7}", "annotations are no object"},
        {"{\"labels\":{\"alertname\":\"a\"},\"startsAt\":7}",
         "startsAt is no time, such as 2026-11-30T08:00:00.000Z"},
        {"{\"labels\":{\"alertname\":\"a\"},\"endsAt\":\"2026-02-30T00:00:00Z\"}",
         "endsAt is no time, such as 2026-11-30T08:00:00.000Z"},
        {"{\"labels\":{\"alertname\":\"a\"},"
         "\"endsAt\":\"2026-09-21T14:13:20.0Zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         "endsAt is no time"},
        {"{\"labels\":{\"alertname\":\"a\"},\"startsAt\":\"2026-09-21T14:13:20Z\","
         "\"endsAt\":\"2026-09-21T14:13:19Z\"}",
         "endsAt is before startsAt"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct described d;
        struct err_at at = {0};
        assert_err(describe(wrong[i].json, &d, &at), ERR_INVALID);
        assert_string_equal(at.text, wrong[i].why);
        arena_done(&d.arena);
    }
}

// ---- The way of one -----------------------------------------------------------------------------

struct seen {
    size_t incidents, resolved, alerts;
    char text[512];
};

static void see_incident(void *ctx, const struct book_incident *i)
{
    struct seen *s = ctx;
    s->incidents++;
    s->resolved += i->state == INCIDENT_RESOLVED;
    s->alerts += i->alerts;
    (void)snprintf(s->text, sizeof s->text, "%.*s|%s|%.*s|%.*s", STR_FMT(i->title),
                   alert_level_name(i->level), STR_FMT(i->channels), STR_FMT(i->receivers));
}

static void check_seen(size_t incidents, size_t resolved, size_t alerts, size_t kept)
{
    struct seen s = {0};
    struct received_stats stats;
    assert_ok(book_each_incident(desk_book(desk), false, 0, 100, see_incident, &s));
    received_stats(received, &stats);
    assert_int_equal(s.incidents, incidents);
    assert_int_equal(s.resolved, resolved);
    assert_int_equal(s.alerts, alerts);
    assert_int_equal(stats.alerts, kept);
}

static void reopen(void)
{
    close_all();
    open_all();
}

static void test_one_fires_and_ends_once_through_starts(void **state)
{
    static const char a[] = LIST("{\"labels\":{\"alertname\":\"A\",\"x\":\"1\",\"severity\":"
                                 "\"error\"}}");
    struct seen s = {0};
    (void)state;
    assert_int_equal(put(a, NOW).taken, 1);
    check_seen(0, 0, 0, 1);
    reopen(); // it was taken, and not told
    received_tick(received, NOW);
    check_seen(1, 0, 1, 1);
    assert_ok(book_each_incident(desk_book(desk), false, 0, 100, see_incident, &s));
    assert_string_equal(s.text, "A|error|ops\nother\n|anna\n");
    reopen();
    received_tick(received, NOW + SECOND); // it was told
    check_seen(1, 0, 1, 1);
    assert_int_equal(put(a, NOW + 200 * SECOND).taken, 1); // and holds on from then
    received_tick(received, NOW + 400 * SECOND);
    check_seen(1, 0, 1, 1);
    reopen();
    received_tick(received, NOW + 500 * SECOND);
    check_seen(1, 1, 1, 0);
    reopen();
    received_tick(received, NOW + 501 * SECOND);
    check_seen(1, 1, 1, 0);
}

static void test_what_is_over_or_to_come(void **state)
{
    (void)state;
    assert_int_equal(put(LIST("{\"labels\":{\"alertname\":\"A\"},\"endsAt\":"
                              "\"2026-09-21T14:13:20Z\"}"),
                         NOW)
                         .taken,
                     1);
    received_tick(received, NOW);
    check_seen(0, 0, 0, 0);
    assert_int_equal(put(LIST("{\"labels\":{\"alertname\":\"B\"},\"startsAt\":"
                              "\"2026-09-21T14:13:25Z\"}"),
                         NOW)
                         .taken,
                     1);
    received_tick(received, NOW + 4 * SECOND);
    check_seen(0, 0, 0, 1);
    received_tick(received, NOW + 5 * SECOND);
    check_seen(1, 0, 1, 1);
}

static void test_others_are_taken_where_one_is_wrong(void **state)
{
    struct received_taken taken = {0};
    struct err_at at = {0};
    (void)state;
    assert_ok(received_put(received,
                           STR(LIST("{\"labels\":{\"alertname\":\"A\"}},7,{},"
                                    "{\"labels\":{\"alertname\":\"A\"}},"
                                    "{\"labels\":{\"alertname\":\"B\"}}")),
                           NOW, &taken, &at));
    assert_int_equal(taken.taken, 3);
    assert_int_equal(taken.refused, 2);
    assert_string_equal(at.text, "alert 2 of the list: an alert is an object with labels");
    received_tick(received, NOW);
    check_seen(2, 0, 2, 2);
    assert_err(received_put(received, STR("{\"a\":1}"), NOW, &taken, &at), ERR_INVALID);
    assert_string_equal(at.text, "expected a list of alerts");
}

static void test_they_are_bounded(void **state)
{
    char json[256];
    struct received_stats stats;
    size_t refused = 0;
    (void)state;
    for (unsigned i = 0; i < 2000 && refused == 0; i++) {
        (void)snprintf(json, sizeof json, LIST("{\"labels\":{\"alertname\":\"A\",\"n\":\"%u\"}}"),
                       i);
        refused += put(json, NOW).refused;
    }
    received_stats(received, &stats);
    assert_int_equal(refused, 1);
    assert_true(stats.bytes <= LIMIT / RECEIVED_SHARE && stats.bytes > LIMIT / RECEIVED_SHARE / 2);
    // What is there may still end, and gives its room back.
    assert_int_equal(put(LIST("{\"labels\":{\"alertname\":\"A\",\"n\":\"1\"},\"endsAt\":"
                              "\"2026-09-21T14:13:20Z\"}"),
                         NOW)
                         .taken,
                     1);
    received_tick(received, NOW);
    assert_int_equal(put(json, NOW).taken, 1);
}

#define PAIR(severity, ends)                                                                       \
    "{\"labels\":{\"alertname\":\"Full\",\"job\":\"db\",\"severity\":\"" severity "\"}" ends "}"
#define OVER ",\"endsAt\":\"2026-09-21T14:13:21Z\""

static void check_pair(bool restarts_firing, bool restarts_between)
{
    (void)put(LIST(PAIR("warning", "") "," PAIR("critical", "")), NOW);
    received_tick(received, NOW);
    check_seen(1, 0, 2, 2);
    if (restarts_firing) {
        reopen();
        received_tick(received, NOW);
        check_seen(1, 0, 2, 2);
    }
    (void)put(LIST(PAIR("critical", OVER)), NOW + SECOND);
    received_tick(received, NOW + SECOND);
    check_seen(1, 0, 2, 1);
    if (restarts_between) {
        reopen();
    }
    (void)put(LIST(PAIR("warning", OVER)), NOW + 2 * SECOND);
    received_tick(received, NOW + 2 * SECOND);
    check_seen(1, 1, 2, 0);
}

static void test_two_that_differ_in_severity_are_two(void **state)
{
    (void)state;
    check_pair(false, false);
}

static void test_two_that_differ_in_severity_are_two_after_a_start(void **state)
{
    (void)state;
    check_pair(true, false);
}

static void test_two_that_differ_in_severity_are_two_with_a_start_between_their_ends(void **state)
{
    (void)state;
    check_pair(false, true);
}

// As a version left it that left the severity out of the group.
static void test_what_nobody_can_end_ends_at_the_start(void **state)
{
    struct alert_strategy strategy = {.group_by = {{.text = STR(RECEIVED_FIELD)}},
                                      .group_by_count = 1};
    const struct alert_rule rule = {.name = STR("Full"),
                                    .level = LEVEL_WARNING,
                                    .remedy = STR(""),
                                    .strategies = &strategy,
                                    .strategy_count = 1};
    const struct alert_event e = {.rule = &rule,
                                  .strategy = &strategy,
                                  .group = {STR("job=\"db\"")},
                                  .fires = true,
                                  .outside = true,
                                  .event_ns = NOW,
                                  .at_ns = NOW,
                                  .origin = {.service = STR("db")}};
    (void)state;
    assert_ok(desk_tell(desk, &e, 1));
    (void)put(LIST(PAIR("warning", "")), NOW);
    reopen();
    check_seen(1, 0, 1, 1);
    received_tick(received, NOW + SECOND);
    check_seen(2, 1, 2, 1);
}

// Nor do two sets of labels look alike as the text of a group.
static void test_quotes_of_a_label_are_not_those_of_the_group(void **state)
{
    (void)state;
    (void)put(LIST("{\"labels\":{\"alertname\":\"A\",\"a\":\"1\\\", b=\\\"2\"}},"
                   "{\"labels\":{\"alertname\":\"A\",\"a\":\"1\",\"b\":\"2\"}}"),
              NOW);
    received_tick(received, NOW);
    check_seen(1, 0, 2, 2);
    received_tick(received, NOW + RECEIVED_HOLD_MS * NS_PER_MS);
    check_seen(1, 1, 2, 0);
}

static void test_what_a_full_disk_did_not_take_is_not_counted(void **state)
{
    struct received_taken taken = {0};
    struct received_stats stats;
    struct err_at at = {0};
    sqlite3 *db = desk_book(desk)->sql.db;
    (void)state;
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE received RENAME TO away", NULL, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_err(
            received_put(received, STR("[{\"labels\":{\"alertname\":\"A\"}}]"), NOW, &taken, &at),
            ERR_IO);
    }
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE away RENAME TO received", NULL, NULL, NULL), 0);
    assert_int_equal(put(LIST("{\"labels\":{\"alertname\":\"A\"}}"), NOW).taken, 1);
    received_stats(received, &stats);
    assert_int_equal(stats.taken, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_labels_become),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test_setup_teardown(test_one_fires_and_ends_once_through_starts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_over_or_to_come, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others_are_taken_where_one_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_they_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_that_differ_in_severity_are_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_that_differ_in_severity_are_two_after_a_start,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_two_that_differ_in_severity_are_two_with_a_start_between_their_ends, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_what_nobody_can_end_ends_at_the_start, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_quotes_of_a_label_are_not_those_of_the_group, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_a_full_disk_did_not_take_is_not_counted, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
