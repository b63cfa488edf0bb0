// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/alert.h: what fires, when, once, and what ends; across crashes, with late
// and future records, clocks that leap, rules that change.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/buf.h"
#include "world.h"

#define START_MS ((uint64_t)1750000000000)
#define TOLD_MAX 4000

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
    struct buf state;
    uint64_t seq, next;
};

static enum err tell(void *ctx, const struct alert_event *events, size_t count)
{
    struct world *w = ctx;
    for (size_t i = 0; i < count && w->result == ERR_OK; i++) {
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
                                      .fires = e->fires,
                                      .event_ns = e->event_ns};
    }
    return w->result;
}

static void commit(void *ctx, uint64_t seq, struct str state)
{
    struct world *w = ctx;
    buf_clear(&w->state);
    buf_add_str(&w->state, state);
    w->seq = seq;
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

static void start(struct world *w, const char *rules)
{
    static struct alert_told told[TOLD_MAX];
    struct alert_set *set = rules_of(rules);
    struct alert_options o = {.budget = &w->budget,
                              .sink = {tell, tick, commit, done, w},
                              .set = set,
                              .clock = {wall_ns, mono_ns},
                              .seq = w->seq,
                              .state = buf_str(&w->state),
                              .told = told,
                              .told_count = latest(w, told)};
    w->engine = alert_new(&o);
    alert_set_unref(set);
}

static void send(struct world *w, const struct made *spans, size_t count)
{
    struct batch *b = batch_of(spans, count, w->next++);
    alert_add_record(w->engine, &b, 1);
    batch_unref(b);
}

static void end(struct world *w)
{
    alert_close(w->engine);
    buf_done(&w->state);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_count_fires_at_once_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
