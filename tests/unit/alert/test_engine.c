// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/alert.h: what fires, when, once, and what ends; across crashes, with late
// and future records, clocks that leap, rules that change.
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/sort.h"
#include "world.h"

#define START_MS    ((uint64_t)1750000000000)
#define TOLD_MAX    4000
#define JOURNAL_MAX 4000

static atomic_uint_fast64_t wall_ms, mono_ms;

static uint64_t wall_ns(void)
{
    return atomic_load(&wall_ms) * NS_PER_MS;
}
static uint64_t mono_ns(void)
{
    return atomic_load(&mono_ms) * NS_PER_MS;
}
static void pass(uint64_t ms)
{
    atomic_fetch_add(&wall_ms, ms);
    atomic_fetch_add(&mono_ms, ms);
}
static uint64_t now(void)
{
    return atomic_load(&wall_ms);
}

// What the sink was told, and has on its disk.
struct told {
    char text[200];
    struct alert_told kept;
    char rule[64], group[64];
};
struct world {
    struct budget budget;
    struct alert_engine *engine;
    struct told told[TOLD_MAX];
    size_t count;
    enum err result;
    uint64_t (*mono)(void);    // NULL: mono_ns
    atomic_bool holds;         // a call to tell does not return
    atomic_bool is_dead;       // what is committed or told from now on is lost
    atomic_bool loses_commits; // only what is committed
    atomic_bool hurry;         // the journal is filling
    _Atomic double carried;    // by an instance of cart; 0: not known
    atomic_uint_fast64_t committed;
    struct buf state;
    uint64_t seq, next;
    struct batch *journal[JOURNAL_MAX]; // by number
};

static enum err tell(void *ctx, const struct alert_event *events, size_t count)
{
    struct world *w = ctx;
    while (atomic_load(&w->holds)) {
        (void)sched_yield();
    }
    enum err result = w->is_dead ? ERR_IO : w->result;
    for (size_t i = 0; i < count && result == ERR_OK; i++) {
        const struct alert_event *e = &events[i];
        struct told *t = &w->told[w->count++];
        assert_true(w->count <= TOLD_MAX);
        (void)snprintf(t->text, sizeof t->text, "%.*s %.*s %s %g %g %zu", STR_FMT(e->rule->name),
                       e->group[0].p != NULL ? (int)e->group[0].n : 0,
                       e->group[0].p != NULL ? e->group[0].p : "", e->fires ? "fires" : "ends",
                       e->value, e->limit, e->trace_count);
        (void)snprintf(t->rule, sizeof t->rule, "%.*s", STR_FMT(e->rule->name));
        (void)snprintf(t->group, sizeof t->group, "%.*s", (int)e->group[0].n,
                       e->group[0].n > 0 ? e->group[0].p : "");
        t->kept = (struct alert_told){.rule = str_of(t->rule),
                                      .group = {str_of(t->group)},
                                      .group_count = e->strategy->group_by_count,
                                      .fires = e->fires,
                                      .event_ns = e->event_ns};
    }
    return result;
}

static void commit(void *ctx, uint64_t seq, struct str state)
{
    struct world *w = ctx;
    if (w->is_dead || w->loses_commits) {
        return;
    }
    buf_clear(&w->state);
    buf_add_str(&w->state, state);
    w->seq = seq;
    atomic_store(&w->committed, seq);
}

static void tick(void *ctx, uint64_t now_ns)
{
    (void)ctx;
    assert_true(now_ns > 0);
}

static void done(void *ctx, uint64_t seq)
{
    (void)ctx;
    (void)seq;
}

static void begin(struct world *w)
{
    atomic_store(&wall_ms, START_MS);
    atomic_store(&mono_ms, 1000000);
    *w = (struct world){.next = 1};
    budget_init(&w->budget, (size_t)256 << 20);
    buf_init(&w->state, (size_t)64 << 20);
}

// The last thing that was told of each rule and group.
static size_t latest(const struct world *w, struct alert_told *out)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        size_t k = 0;
        while (k < n && !(str_eq(out[k].rule, w->told[i].kept.rule) &&
                          str_eq(out[k].group[0], w->told[i].kept.group[0]))) {
            k++;
        }
        out[k] = w->told[i].kept;
        n += k == n;
    }
    return n;
}

static double carried_by(void *ctx, struct str line, struct str service)
{
    double carried = *(const _Atomic double *)ctx;
    bool is_known = carried > 0 && str_eq(line, STR("shop")) && str_eq(service, STR("cart"));
    return is_known ? carried : (double)NAN;
}

static void start(struct world *w, const char *rules)
{
    static struct alert_told told[TOLD_MAX];
    struct alert_set *set = rules_of(rules);
    struct alert_options o = {.budget = &w->budget,
                              .sink = {tell, tick, commit, done, w},
                              .set = set,
                              .clock = {wall_ns, w->mono != NULL ? w->mono : mono_ns},
                              .hurry = &w->hurry,
                              .carried = {carried_by, &w->carried},
                              .seq = w->seq,
                              .state = buf_str(&w->state),
                              .told = told,
                              .told_count = latest(w, told)};
    w->engine = alert_new(&o);
    alert_set_unref(set);
}

// A record of the journal.
static void send_batch(struct world *w, struct batch *b)
{
    assert_true(b->seq == w->next && w->next < JOURNAL_MAX);
    w->journal[w->next++] = b;
    alert_add_record(w->engine, &b, 1);
}

static void send(struct world *w, const struct made *spans, size_t count)
{
    send_batch(w, batch_of(spans, count, w->next));
}

static void end(struct world *w)
{
    alert_close(w->engine);
    for (uint64_t i = 0; i < w->next; i++) {
        if (w->journal[i] != NULL) {
            batch_unref(w->journal[i]);
        }
    }
    buf_done(&w->state);
}

// Ends, and begins again with what was committed and the journal from there.
static void restart(struct world *w, const char *rules)
{
    w->is_dead = true;
    alert_close(w->engine);
    w->is_dead = false;
    start(w, rules);
    for (uint64_t i = alert_replay_after(w->engine) + 1; i < w->next; i++) {
        alert_replay(w->engine, &w->journal[i], 1);
    }
    alert_start(w->engine);
}

static void pass_and_judge(struct world *w, uint64_t ms)
{
    pass(ms);
    alert_quiesce(w->engine);
}

// How many were told; the last begins like this.
static void check_told_at(const struct world *w, size_t count, const char *last, int line)
{
    bool is_right = w->count == count &&
                    (count == 0 || strncmp(w->told[count - 1].text, last, strlen(last)) == 0);
    for (size_t i = 0; !is_right && i < w->count; i++) {
        print_error("told: %s\n", w->told[i].text);
    }
    _assert_true(is_right, "what was told", __FILE__, line);
}

#define check_told(w, count, last) check_told_at(w, count, last, __LINE__)

static struct alert_stats stats(struct world *w)
{
    struct alert_stats s;
    alert_stats(w->engine, &s);
    return s;
}

static const char count_rule[] = "rules: [{name: many, strategies: [{filter: '{ name = \"pay\" }',"
                                 " measure: count, every: 10s, operator: '>', threshold: 3,"
                                 " group_by: [instance]}]}]";

static void calls(struct world *w, size_t n, uint64_t end_ms, const char *instance)
{
    struct made spans[64];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        spans[i] = (struct made){"cart", instance, "pay", end_ms, 5, i % 2 == 0, .trace = i + 1};
    }
    send(w, spans, n);
}

static void test_a_count_fires_at_once_and_ends(void **state)
{
    static struct world w;
    (void)state;
    begin(&w);
    start(&w, count_rule);
    alert_start(w.engine);
    calls(&w, 3, now(), "a");
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 0);
    calls(&w, 1, now(), "a");
    calls(&w, 2, now(), "b");
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 1);
    assert_string_equal(w.told[0].text, "many a fires 4 3 3");
    calls(&w, 9, now(), "a");
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 1); // it fires already
    pass(15000);
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 1); // the window that is over still has them
    pass(10000);
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 2);
    assert_string_equal(w.told[1].text, "many a ends 0 3 9");
    end(&w);
}

static void begin_with(struct world *w, const char *rules)
{
    begin(w);
    start(w, rules);
    alert_start(w->engine);
}

// A share that is told by half of a window is not taken back by the other half before it is over.
static void test_what_is_told_early_stays_until_its_window_is_over(void **state)
{
    static struct world w;
    struct made spans[20];
    (void)state;
    begin_with(
        &w, "rules: [{name: errors, strategies: [{measure: error_rate, every: 10s, operator: '>',"
            " threshold: 50%, at_least: 4, group_by: [instance]}]}]");
    for (size_t i = 0; i < 20; i++) {
        spans[i] = (struct made){"cart", "a", "pay", now(), 5, i < 4, .trace = i + 1};
    }
    send(&w, spans, 4);
    alert_quiesce(w.engine);
    check_told(&w, 1, "errors a fires 1 ");
    send(&w, spans + 4, 16);
    for (int second = 0; second < 9; second++) {
        pass_and_judge(&w, 1000);
        check_told(&w, 1, "errors a fires 1 ");
    }
    pass_and_judge(
        &w,
        3000); // the window with which it was told ended with its slot, and ten seconds have passed
    check_told(&w, 2, "errors a ends 0.2 ");
    end(&w);
}

static const char unkeyed_rule[] =
    ", {name: slow, strategies: [{filter: '{ duration > 1s }', every: 10s, threshold: 0}]}]";

// Who is told of alerts does not come back for long: the server goes on taking in, and is not shed.
static void test_what_is_far_behind_is_passed_over(void **state)
{
    static struct world w;
    char rules[1000];
    uint64_t sent = 0;
    (void)state;
    begin(&w);
    budget_init(&w.budget, (size_t)1 << 20);
    (void)snprintf(rules, sizeof rules, "%.*s%s", (int)strlen(count_rule) - 1, count_rule,
                   unkeyed_rule);
    start(&w, rules);
    alert_start(w.engine);
    atomic_store(&w.holds, true);
    calls(&w, 9, now(), "a");
    for (; stats(&w).queued_bytes < (size_t)512 << 10; sent += 10) {
        calls(&w, 10, now(), "a");
    }
    atomic_store(&w.holds, false);
    alert_quiesce(w.engine);
    struct alert_stats s = stats(&w);
    assert_int_equal(w.count, 1);
    assert_true(s.passed > 0 && s.spared > 0 && s.passed + s.spared <= sent);
    assert_int_equal(s.queued_bytes, 0);
    struct made span = {"cart", "b", "pay", now(), 2000, false, .trace = 1};
    send(&w, &span, 1); // it is no longer behind
    alert_quiesce(w.engine);
    check_told(&w, 2, "slow  fires 1 0");
    assert_int_equal(stats(&w).passed, s.passed);
    end(&w);
}

// Each look at the clock takes a while.
static uint64_t slow_mono_ns(void)
{
    return atomic_fetch_add(&mono_ms, 500) * NS_PER_MS;
}

static void test_a_start_does_not_wait_for_alerts(void **state)
{
    static struct world w;
    (void)state;
    begin(&w);
    w.mono = slow_mono_ns;
    start(&w, count_rule);
    for (size_t i = 0; i < 30; i++) {
        struct made span = {"cart", "b", "pay", now(), 2000, false, .trace = 1};
        struct batch *b = batch_of(&span, 1, w.next);
        w.journal[w.next++] = b;
        alert_replay(w.engine, &b, 1);
    }
    alert_start(w.engine);
    alert_quiesce(w.engine);
    struct alert_stats s = stats(&w);
    assert_true(s.passed > 10 && s.passed < 30);
    assert_int_equal(s.records + s.passed, 30);
    assert_int_equal(w.seq, 30); // none of it is waited for again
    end(&w);
}

// While the journal is filling windows are committed soon, so that it need not keep their records.
static void test_windows_are_committed_while_the_journal_fills(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 1, now(), "a");
    alert_quiesce(w.engine); // which commits
    uint64_t before = atomic_load(&w.committed);
    calls(&w, 1, now(), "a");
    pass(600);
    for (int i = 0; i < 2000 && stats(&w).records < 2; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(&w.committed), before); // every 10 s is enough
    atomic_store(&w.hurry, true);
    for (int i = 0; i < 20000 && atomic_load(&w.committed) == before; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(&w.committed), before + 1);
    end(&w);
}

static void test_a_late_record_completes_a_window(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 3, now(), "a");
    alert_quiesce(w.engine);
    calls(&w, 1, now() - 5000, "a");
    alert_quiesce(w.engine);
    check_told(&w, 1, "many a fires 4 3");
    end(&w);
}

static void test_late_and_future_records(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 1, now() + ALERT_FUTURE_MS, "a"); // a clock that is ahead, as far as it may be
    calls(&w, 3, now() - 5000, "a");            // does not make others late
    alert_quiesce(w.engine);
    assert_int_equal(stats(&w).late + stats(&w).future, 0);
    calls(&w, 5, now() + ALERT_FUTURE_MS + 1, "b"); // counts when it came
    alert_quiesce(w.engine);
    assert_int_equal(stats(&w).future, 5);
    check_told(&w, 1, "many b fires 5 3");
    assert_int_equal(w.told[0].kept.event_ns / NS_PER_MS, now());
    calls(&w, 9, now() - 41000, "c");
    alert_quiesce(w.engine);
    assert_int_equal(stats(&w).late, 9);
    check_told(&w, 1, "");
    end(&w);
}

// ---- Several strategies -------------------------------------------------------------------------

#define TWO(match)                                                                                 \
    "rules: [{name: two, match: " match ", strategies: ["                                          \
    "{filter: '{ name = \"pay\" }', every: 10s, threshold: 3, group_by: instance},"                \
    "{filter: '{ name = \"buy\" }', every: 10s, threshold: 2, group_by: instance}]}]"

static void buy(struct world *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        send(w, &(struct made){"cart", "a", "buy", now(), 5, false, .trace = i + 1}, 1);
    }
    alert_quiesce(w->engine);
}

static void test_all_hold_at_one_time(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, TWO("all"));
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    pass_and_judge(&w, 60000); // the first holds no more
    buy(&w, 3);
    check_told(&w, 0, "");
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    check_told(&w, 1, "two a fires 4 3");
    pass_and_judge(&w, 9000);
    buy(&w, 3);
    pass_and_judge(&w, 12000); // one of them still holds
    check_told(&w, 2, "two a ends");
    end(&w);
}

static void test_any_is_enough(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, TWO("any"));
    buy(&w, 3);
    check_told(&w, 1, "two a fires 3 2");
    pass_and_judge(&w, 9000);
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    pass_and_judge(&w, 12000);
    check_told(&w, 1, "");
    pass_and_judge(&w, 10000);
    check_told(&w, 2, "two a ends");
    end(&w);
}

// ---- What is absent -----------------------------------------------------------------------------

static const char absence_rule[] = "rules: [{name: gone, strategies: [{filter: '{ name = \"pay\" "
                                   "}', measure: absence, every: 10s}]}]";

static void test_absence_without_groups(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, absence_rule);
    alert_quiesce(w.engine);
    size_t at = w.state.n - 20; // the groups are behind their length, and begin with how many
    while ((size_t)(uint8_t)w.state.p[at] != w.state.n - 1 - at) {
        at--;
    }
    assert_int_equal(w.state.p[at + 1], 1);
    w.state.p[at + 1] = 0; // a group that is lost is watched all the same
    restart(&w, absence_rule);
    pass_and_judge(&w, 19000);
    check_told(&w, 0, ""); // no window is over
    pass_and_judge(&w, 2000);
    check_told(&w, 1, "gone  fires 0 0");
    pass(40000);
    restart(&w, absence_rule); // nobody has come since
    alert_quiesce(w.engine);
    pass_and_judge(&w, 60000);
    check_told(&w, 1, "");
    calls(&w, 1, now(), "a");
    pass_and_judge(&w, 11000);
    check_told(&w, 2, "gone  ends 1 0");
    end(&w);
}

static void test_more_than_an_instance_has_carried(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, "rules: [{name: full, service: cart, strategies: [{measure: capacity, every: "
                   "10s, threshold: 120%}]}]");
    calls(&w, 20, now(), "a");
    calls(&w, 10, now(), "b");  // 15 of each are 90 a minute
    calls(&w, 60, now(), NULL); // whose they are nobody knows
    pass_and_judge(&w, 20000);
    check_told(&w, 0, ""); // nothing is known of it
    for (size_t i = 0; i < 12; i++) {
        calls(&w, i == 0 ? 20 : 0, now(), "a");
        calls(&w, i == 0 ? 10 : 0, now(), "b");
        w.carried = 60;
        pass_and_judge(&w, 2000);
    }
    check_told(&w, 2, "full  ends");
    assert_true(strncmp(w.told[0].text, "full  fires 1.5 1.2", 19) == 0);
    end(&w);
}

static void test_too_few_distinct_values(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w,
               "rules: [{name: few, strategies: [{measure: distinct, field: instance, every: 10s,"
               " operator: '<', threshold: 2}]}]");
    for (size_t i = 0; i < 40; i++) {
        calls(&w, 1, now(), "a");
        calls(&w, 1, now(), "b");
        pass_and_judge(&w, 1000);
    }
    check_told(&w, 0, "");
    for (size_t i = 0; i < 25; i++) {
        calls(&w, 1, now(), "a");
        pass_and_judge(&w, 1000);
    }
    check_told(&w, 1, "few  fires 1 2");
    end(&w);
}

static void test_groups_that_are_gone_go(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 1, now(), "a");
    alert_quiesce(w.engine);
    assert_int_equal(stats(&w).groups, 1);
    pass_and_judge(&w, 640000);
    assert_int_equal(stats(&w).groups, 1);
    pass_and_judge(&w, 20000);
    assert_int_equal(stats(&w).groups, 0);
    end(&w);
    begin_with(&w, "rules: [{name: gone, strategies: [{measure: absence, every: 10s, group_by: "
                   "instance}]}]");
    calls(&w, 1, now(), "a");
    alert_quiesce(w.engine);
    pass_and_judge(&w, 25000);
    check_told(&w, 1, "gone a fires 0 0");
    pass_and_judge(&w, ALERT_GONE_MS - 26000);
    check_told(&w, 1, "");
    pass_and_judge(&w, 3000);
    check_told(&w, 2, "gone a ends");
    pass_and_judge(&w, 100000);
    pass_and_judge(&w, 700000);
    check_told(&w, 2, "");
    assert_int_equal(stats(&w).groups, 0);
    end(&w);
}

// ---- Flapping, a sink that fails ----------------------------------------------------------------

// How many seconds after the last record it ends.
static size_t seconds_until_it_ends(struct world *w)
{
    size_t told = w->count, n = 0;
    calls(w, 4, now(), "a");
    alert_quiesce(w->engine);
    assert_int_equal(w->count, told + 1);
    while (w->count == told + 1 && n < 4000) {
        pass_and_judge(w, 1000);
        n++;
    }
    pass_and_judge(w, 1000);
    return n;
}

static void test_what_flaps_ends_later_each_time(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    size_t first = seconds_until_it_ends(&w);
    assert_true(first >= 10 && first <= 22);
    for (size_t hold = 10; hold <= 1280; hold *= 2) {
        size_t n = seconds_until_it_ends(&w);
        assert_true(n >= first + hold - 1 && n <= first + hold + 1);
    }
    size_t most = seconds_until_it_ends(&w); // half an hour is the most
    assert_true(most >= first + 1799 && most <= first + 1801);
    pass_and_judge(&w, 2 * 3600 * 1000);
    assert_int_equal(seconds_until_it_ends(&w), first); // forgotten
    size_t again = seconds_until_it_ends(&w);
    pass_and_judge(&w, 1000 * 1000);
    assert_int_equal(seconds_until_it_ends(&w), again); // not yet
    end(&w);
}

static void test_what_a_sink_could_not_take_is_told_later(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    w.result = ERR_IO;
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    for (size_t i = 0; i < 60; i++) { // and is over by then
        pass_and_judge(&w, 1000);
    }
    check_told(&w, 0, "");
    assert_true(stats(&w).tell_failures > 10);
    w.result = ERR_OK;
    pass_and_judge(&w, 1000);
    check_told(&w, 1, "many a fires 4 3");
    w.result = ERR_IO;
    pass_and_judge(&w, 1000);
    check_told(&w, 1, "");
    w.result = ERR_OK;
    pass_and_judge(&w, 1000);
    check_told(&w, 2, "many a ends 0 3");
    assert_int_equal(stats(&w).firing, 0);
    end(&w);
}

static void test_ends_of_rules_that_are_gone_are_told_later(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    check_told(&w, 1, "many a fires 4 3");
    w.result = ERR_IO;
    struct alert_set *none = rules_of("rules: []");
    alert_set_rules(w.engine, none);
    alert_set_unref(none);
    for (size_t i = 0; i < 3; i++) {
        pass_and_judge(&w, 1000);
    }
    check_told(&w, 1, "");
    assert_int_equal(stats(&w).firing, 1);
    // The rule comes back, and fires before the next tick: that is told behind the end.
    struct alert_set *same = rules_of(count_rule);
    alert_set_rules(w.engine, same);
    alert_set_unref(same);
    pass_and_judge(&w, 1000);
    check_told(&w, 1, "");
    w.result = ERR_OK;
    calls(&w, 5, now(), "a");
    alert_quiesce(w.engine);
    check_told(&w, 3, "many a fires 5 3");
    assert_string_equal(w.told[1].text, "many a ends 0 0 0");
    assert_int_equal(stats(&w).firing, 1);
    assert_int_equal(stats(&w).ended, 1);
    end(&w);
}

// ---- Clocks -------------------------------------------------------------------------------------

static const char leap_rules[] =
    "rules: [{name: many, strategies: [{every: 10s, threshold: 3}]},"
    " {name: few, strategies: [{every: 10s, operator: '<', threshold: 20}]},"
    " {name: gone, strategies: [{measure: absence, every: 30s}]},"
    " {name: rise, strategies: [{every: 10s, operator: rise, threshold: 50%}]}]";

static void run_for(struct world *w, size_t seconds)
{
    for (size_t i = 0; i < seconds; i++) {
        calls(w, 4, now(), "a");
        pass_and_judge(w, 1000);
    }
}

static void leap(struct world *w, int64_t ms)
{
    begin_with(w, leap_rules);
    run_for(w, 60);
    check_told(w, 1, "many  fires");
    atomic_fetch_add(&wall_ms, (uint64_t)ms);
    run_for(w, 50);
    check_told(w, 1, "");
    assert_int_equal(stats(w).leaps, 1);
    run_for(w, 60); // taken over
    check_told(w, 1, "");
    assert_int_equal(stats(w).late, 0);
    pass_and_judge(w, 35000);
    pass_and_judge(w, 10000);
    check_told(w, 4, ""); // many ends, few and gone fire
    size_t n = w->count;
    run_for(w, 30);
    assert_true(w->count >= n + 3);
    end(w);
}

static void test_a_clock_that_leaps_changes_nothing(void **state)
{
    static struct world w;
    (void)state;
    leap(&w, 3600 * 1000);
    leap(&w, -3600 * 1000);
    leap(&w, 86400000LL * 400);
    leap(&w, -17321);
}

static void test_a_clock_set_back_while_the_server_is_away(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    pass_and_judge(&w, 40000);
    check_told(&w, 2, "many a ends");
    atomic_fetch_sub(&wall_ms, 3600 * 1000);
    restart(&w, count_rule);
    pass_and_judge(&w, 15000);
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    assert_int_equal(stats(&w).late, 0);
    check_told(&w, 3, "many a fires 4 3");
    end(&w);
}

// ---- Rules that change --------------------------------------------------------------------------

static void set_rules(struct world *w, const char *rules)
{
    struct alert_set *set = rules_of(rules);
    alert_set_rules(w->engine, set);
    alert_set_unref(set);
    alert_quiesce(w->engine);
}

static void test_windows_of_rules_that_stay_are_kept(void **state)
{
#define MANY(name, threshold, more)                                                                \
    "{name: " name ", " more                                                                       \
    "strategies: [{filter: '{ name = \"pay\" }', every: 10s, threshold: " #threshold               \
    ", group_by: instance}]}"
    static struct world w;
    (void)state;
    begin_with(&w, "rules: [" MANY("stays", 5, "") ", " MANY("changes", 5, "") ", " MANY(
                       "goes", 2, "") ", " MANY("off", 2, "") "]");
    calls(&w, 3, now(), "a");
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 2);
    set_rules(&w, "rules: [" MANY("new", 2, "") ", " MANY("off", 2, "enabled: false, ") ", " MANY(
                      "changes", 4, "") ", " MANY("stays", 5, "remedy: x, ") "]");
    assert_int_equal(w.count, 4);
    assert_true(!w.told[2].kept.fires && !w.told[3].kept.fires);
    assert_int_equal(stats(&w).firing, 0);
    calls(&w, 3, now(), "a");
    alert_quiesce(w.engine);
    assert_int_equal(w.count, 6);
    for (size_t i = 4; i < 6; i++) {
        bool is_old = strncmp(w.told[i].text, "stays a fires 6 5", 17) == 0;
        assert_true(is_old || strncmp(w.told[i].text, "new a fires 3 2", 15) == 0);
    }
    end(&w);
#undef MANY
}

static void test_what_fires_of_a_rule_that_went_ends_at_the_start(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    restart(&w, TWO("all"));
    check_told(&w, 2, "many a ends");
    restart(&w, TWO("all"));
    check_told(&w, 2, "");
    end(&w);
}

// ---- Crashes ------------------------------------------------------------------------------------

static const char crash_rules[] =
    "rules: [{name: many, strategies: [{filter: '{ name = \"pay\" }', every: 10s, threshold: 3,"
    " group_by: instance}]},"
    " {name: errors, strategies: [{measure: error_rate, every: 20s, threshold: 40%, at_least: 4,"
    " group_by: instance}]},"
    " {name: gone, strategies: [{measure: absence, every: 10s, group_by: instance}]}]";

// The same script whatever happens between: bursts of instances, each of its own.
static void run_script(struct world *w, size_t crash_at, size_t lag)
{
    begin_with(w, crash_rules);
    for (size_t i = 0; i < 40; i++) {
        char instance[16];
        (void)snprintf(instance, sizeof instance, "i%zu", i / 3);
        w->loses_commits = i + lag >= crash_at && i < crash_at;
        calls(w, 1 + i * 7 % 4, now() - i % 3 * 1000, instance);
        if (i == crash_at) {
            restart(w, crash_rules);
        }
        alert_quiesce(w->engine);
        pass_and_judge(w, 500 + i * 977 % 3500);
    }
    pass_and_judge(w, 30000);
    pass_and_judge(w, 30000);
}

static void test_what_ended_since_is_not_told_again(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, count_rule);
    w.loses_commits = true;
    calls(&w, 4, now(), "a");
    alert_quiesce(w.engine);
    pass_and_judge(&w, 15000);
    pass_and_judge(&w, 10000);
    check_told(&w, 2, "many a ends");
    restart(&w, count_rule);
    alert_quiesce(w.engine);
    check_told(&w, 2, "");
    assert_int_equal(stats(&w).firing, 0);
    end(&w);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t take_texts(struct world *w, char texts[TOLD_MAX][200])
{
    size_t n = w->count;
    for (size_t i = 0; i < n; i++) {
        memcpy(texts[i], w->told[i].text, sizeof texts[i]);
    }
    end(w);
    sort_array(texts, n, sizeof texts[0], compare_text);
    return n;
}

static void test_a_crash_tells_nothing_twice_and_loses_nothing(void **state)
{
    static struct world w;
    static char expected[TOLD_MAX][200], got[TOLD_MAX][200];
    (void)state;
    run_script(&w, SIZE_MAX, 0);
    size_t n = take_texts(&w, expected);
    assert_true(n > 30);
    for (size_t at = 0; at < 40; at++) {
        for (size_t lag = 0; lag < 6; lag++) {
            run_script(&w, at, lag);
            assert_int_equal(take_texts(&w, got), n);
            for (size_t i = 0; i < n; i++) {
                assert_string_equal(got[i], expected[i]);
            }
        }
    }
}

// ---- Metrics ------------------------------------------------------------------------------------

struct measured {
    uint8_t kind, temporality;
    uint64_t start_ms, time_ms, value; // or count
    double sum;
};

static void measured(struct world *w, const struct measured *m)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    uint32_t service = batch_intern(b, STR("cart")), name = batch_intern(b, STR("calls"));
    *batch_add_resource(b) = (struct resource){.service = service};
    *batch_add_metric(b) = (struct metric){
        .name = name, .kind = m->kind, .temporality = m->temporality, .monotonic = 1};
    struct point *p = batch_add_point(b);
    *p = (struct point){.start_ns = m->start_ms * NS_PER_MS,
                        .time_ns = m->time_ms * NS_PER_MS,
                        .count = m->value,
                        .sum = m->sum,
                        .says = m->kind == METRIC_SUM ? POINT_INT : POINT_SUM};
    batch_seal(b);
    b->seq = w->next;
    send_batch(w, b);
    alert_quiesce(w->engine);
}

#define OF_METRIC(name, measure, threshold)                                                        \
    "{name: " name ", strategies: [{metric: calls, measure: " measure ", every: 10s, "             \
    "operator: '>=', threshold: " threshold "}]}"

static void test_what_a_counter_grew_by(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, "rules: [" OF_METRIC("fast", "rate", "10") "]");
    struct measured m = {METRIC_SUM, TEMPORALITY_CUMULATIVE, 1000, now(), 5000, 0};
    measured(&w, &m); // that it is 5,000 says nothing of how much it grew
    check_told(&w, 0, "");
    m.time_ms += 1000;
    m.value += 99;
    measured(&w, &m);
    check_told(&w, 0, "");
    m.time_ms += 1000;
    m.value = 1; // began anew
    measured(&w, &m);
    check_told(&w, 1, "fast  fires 10 10");
    end(&w);
    begin_with(&w, "rules: [" OF_METRIC("fast", "rate", "10") "]");
    m = (struct measured){METRIC_SUM, TEMPORALITY_CUMULATIVE, now() - 1000, now(), 100, 0};
    measured(&w, &m); // all of it is of the last second
    check_told(&w, 1, "fast  fires 10 10");
    end(&w);
    begin_with(&w, "rules: [" OF_METRIC("fast", "rate", "10") "]");
    m = (struct measured){METRIC_SUM, TEMPORALITY_DELTA, now() - 90000, now(), 50, 0};
    measured(&w, &m);
    m.time_ms++;
    measured(&w, &m);
    check_told(&w, 1, "fast  fires 10 10");
    end(&w);
}

static void test_what_a_histogram_grew_by(void **state)
{
    static struct world w;
    (void)state;
    begin_with(&w, "rules: [" OF_METRIC("slow", "average", "5") ", " OF_METRIC(
                       "tail", "p99", "1") ", " OF_METRIC("fast", "rate", "2") "]");
    struct measured m = {METRIC_HISTOGRAM, TEMPORALITY_CUMULATIVE, 1000, now(), 1000, 90000};
    measured(&w, &m);
    assert_int_equal(stats(&w).unfit, 1);
    m.time_ms += 1000;
    m.value += 10;
    m.sum += 49;
    measured(&w, &m);
    check_told(&w, 0, ""); // 4.9 on average, one a second
    m.time_ms += 1000;
    m.value += 9;
    m.sum += 46;
    measured(&w, &m);
    check_told(&w, 1, "slow  fires 5 5");
    m.time_ms += 1000;
    m.value += 1;
    m.sum += 5;
    measured(&w, &m);
    check_told(&w, 2, "fast  fires 2 2");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_count_fires_at_once_and_ends),
        cmocka_unit_test(test_what_is_told_early_stays_until_its_window_is_over),
        cmocka_unit_test(test_what_is_far_behind_is_passed_over),
        cmocka_unit_test(test_a_start_does_not_wait_for_alerts),
        cmocka_unit_test(test_windows_are_committed_while_the_journal_fills),
        cmocka_unit_test(test_a_late_record_completes_a_window),
        cmocka_unit_test(test_late_and_future_records),
        cmocka_unit_test(test_all_hold_at_one_time),
        cmocka_unit_test(test_any_is_enough),
        cmocka_unit_test(test_absence_without_groups),
        cmocka_unit_test(test_more_than_an_instance_has_carried),
        cmocka_unit_test(test_too_few_distinct_values),
        cmocka_unit_test(test_groups_that_are_gone_go),
        cmocka_unit_test(test_what_flaps_ends_later_each_time),
        cmocka_unit_test(test_what_a_sink_could_not_take_is_told_later),
        cmocka_unit_test(test_ends_of_rules_that_are_gone_are_told_later),
        cmocka_unit_test(test_a_clock_that_leaps_changes_nothing),
        cmocka_unit_test(test_a_clock_set_back_while_the_server_is_away),
        cmocka_unit_test(test_windows_of_rules_that_stay_are_kept),
        cmocka_unit_test(test_what_fires_of_a_rule_that_went_ends_at_the_start),
        cmocka_unit_test(test_what_ended_since_is_not_told_again),
        cmocka_unit_test(test_a_crash_tells_nothing_twice_and_loses_nothing),
        cmocka_unit_test(test_what_a_counter_grew_by),
        cmocka_unit_test(test_what_a_histogram_grew_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
