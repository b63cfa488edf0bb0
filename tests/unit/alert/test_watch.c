// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/watch.h with a real channel to a port that nobody has, and to one that
// somebody has: it is told over the other channels of its rules, once, and ends when the channel
// delivers, or is gone; a start in between changes nothing.
#include "alert/watch.h"

#include <stdio.h>

#include "desk_folder.h"
#include "support/receiver.h"
#include "world.h"

#define DEADLINE_NS (20 * NS_PER_S)
#define FAILING_MS  200

static const char rules[] =
    "rules:\n"
    "  - {name: a, channels: [bad, good], receivers: [anna], strategies: [{every: 1m, threshold: "
    "1}]}\n"
    "  - {name: b, channels: [bad, good, other], strategies: [{every: 1m, threshold: 1}]}\n"
    "  - {name: c, channels: [third], strategies: [{every: 1m, threshold: 1}]}\n";

static char folder[DESK_FOLDER_MAX];
static struct budget budget;
static struct notify *notify;
static struct desk *desk;
static struct watch *watch;
static struct alert_set *set;
static struct receiver receiver;

static void trouble(void *ctx, enum notify_trouble what, struct str channel, struct str key,
                    struct str error)
{
    (void)ctx;
    (void)key;
    if (what == NOTIFY_FAILING) {
        watch_failing(watch, channel, error);
    } else if (what == NOTIFY_RECOVERED) {
        watch_recovered(watch, channel);
    }
}

static void open_all(void)
{
    watch = watch_new();
    const struct notify_options n = {
        .budget = &budget, .failing_ms = FAILING_MS, .trouble = trouble};
    desk_folder_open(folder, n, &notify, &desk);
    desk_set_rules(desk, set);
    assert_ok(watch_load(watch, desk_book(desk)));
}

static void close_all(void)
{
    notify_close(notify);
    desk_close(desk);
    watch_free(watch);
}

static void set_webhook(const char *name, unsigned port)
{
    char json[128];
    struct channel c;
    struct err_at at = {0};
    enum channel_key key;
    (void)snprintf(json, sizeof json,
                   "{\"name\":\"%s\",\"type\":\"webhook\",\"url\":\"http://127.0.0.1:%u/\"}", name,
                   port);
    channel_init(&c);
    assert_ok(channel_from_json(&c, str_of(json), &at));
    assert_ok(notify_set_channels(notify, &c, 1, &key, &at));
}

static int setup(void **state)
{
    (void)state;
    desk_folder_make(folder);
    budget_init(&budget, (size_t)16 << 20);
    set = rules_of(rules);
    receiver_start(&receiver);
    open_all();
    set_webhook("good", receiver.port);
    set_webhook("other", receiver.port);
    set_webhook("third", receiver.port);
    set_webhook("bad", 9); // discard: nobody has it
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    receiver_stop(&receiver);
    alert_set_unref(set);
    return desk_folder_remove(folder);
}

static void tick(void)
{
    if (watch_is_due(watch)) {
        watch_tick(watch, desk, notify, alert_set_file(set), clock_wall_ns());
    }
    desk_tick(desk, clock_wall_ns());
}

// Incidents, and what of the only one there is.
struct seen {
    size_t count, resolved;
    char text[512];
};

static void see_incident(void *ctx, const struct book_incident *i)
{
    struct seen *s = ctx;
    s->count++;
    s->resolved += i->state == INCIDENT_RESOLVED;
    (void)snprintf(s->text, sizeof s->text, "%.*s|%s|%.*s|%.*s|%.*s", STR_FMT(i->title),
                   alert_level_name(i->level), STR_FMT(i->services), STR_FMT(i->channels),
                   STR_FMT(i->receivers));
}

static struct seen all_seen(void)
{
    struct seen s = {0};
    assert_ok(book_each_incident(desk_book(desk), false, 0, 100, see_incident, &s));
    return s;
}

static void tick_until(size_t count, size_t resolved)
{
    uint64_t until = clock_mono_ns() + DEADLINE_NS;
    struct seen s;
    do {
        tick();
        s = all_seen();
        assert_true(clock_mono_ns() < until);
        (void)usleep(10000);
    } while (s.count != count || s.resolved != resolved);
}

static void put(const char *key)
{
    struct notice n;
    enum outbox_taken taken;
    notice_make_test(&n, clock_wall_ns());
    const struct notify_item item = {str_of(key), STR("bad"), &n};
    assert_ok(notify_put(notify, &item, 1, &taken));
    assert_int_equal(taken, OUTBOX_TAKEN);
}

static void test_it_is_told_over_the_others_and_ends_when_it_delivers(void **state)
{
    (void)state;
    put("k");
    tick_until(1, 0);
    assert_string_equal(all_seen().text,
                        "sonde: channel bad fails|error|sonde\n|good\nother\n|anna\n");
    watch_failing(watch, STR("bad"), STR("again"));
    tick();
    assert_int_equal(all_seen().count, 1); // once
    set_webhook("bad", receiver.port);
    tick_until(1, 1);
    assert_false(watch_is_due(watch));
}

static void test_it_outlives_a_start_and_ends_when_it_delivers_then(void **state)
{
    (void)state;
    put("k");
    tick_until(1, 0);
    close_all();
    open_all();
    assert_true(watch_is_due(watch));
    tick();
    assert_int_equal(all_seen().resolved, 0); // it has not delivered
    set_webhook("bad", receiver.port);
    tick_until(1, 1);
}

static void test_it_ends_with_its_channel(void **state)
{
    (void)state;
    watch_failing(watch, STR("bad"), STR("no"));
    watch_failing(watch, STR("none such"), STR("no"));
    tick_until(1, 0);
    assert_ok(notify_remove_channel(notify, STR("bad")));
    tick_until(1, 1);
    assert_int_equal(all_seen().count, 1);
}

static void test_what_recovers_at_once_is_not_told(void **state)
{
    (void)state;
    watch_failing(watch, STR("bad"), STR("no"));
    watch_recovered(watch, STR("bad"));
    tick();
    assert_int_equal(all_seen().count, 0);
    assert_false(watch_is_due(watch));
}

static void nothing(void *ctx, const struct alert_told *t)
{
    (void)t;
    ++*(int *)ctx;
}

// Or the engine, which has no such rule, would end it at the next start.
static void test_the_engine_is_not_told_of_it(void **state)
{
    int count = 0;
    (void)state;
    watch_failing(watch, STR("bad"), STR("no"));
    tick_until(1, 0);
    assert_ok(book_each_told(desk_book(desk), 0, nothing, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_is_told_over_the_others_and_ends_when_it_delivers,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_outlives_a_start_and_ends_when_it_delivers_then,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_ends_with_its_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_recovers_at_once_is_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_engine_is_not_told_of_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
