// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of apps/sonde/agent_counts.h: what the slots of all series have is what agents
// counted, however these and the server begin again.
#include "test.h"

#include "unit/series/world.h"

#include "apps/sonde/agent_counts.h"
#include "model/calls.h"
#include "model/point.h"
#include "wire/protobuf.h"

#define MS     1000000u // ns
#define AGENTS 6u

// 2 ms and 20 ms at scale 6, which are buckets of core/hist.h too.
#define SHORT_BUCKET 1339u
#define LONG_BUCKET  1552u

struct rig {
    struct world w;
    struct agent_counts counts;
};

static uint64_t now_ms = T0_MS;

static uint64_t wall_ns(void)
{
    return now_ms * NS_PER_MS;
}

static void begin(struct rig *rig)
{
    agent_counts_init(&rig->counts, rig->w.store, &rig->w.budget);
    rig->counts.wall_ns = wall_ns;
}

static void rig_open(struct rig *rig)
{
    now_ms = T0_MS;
    world_open(&rig->w, 0);
    begin(rig);
}

static void rig_done(struct rig *rig)
{
    agent_counts_done(&rig->counts);
    world_done(&rig->w);
}

// What an agent says: how many calls of each duration there were so far.
struct told {
    const char *instance, *kind, *status, *entry;
    uint64_t start_ms, time_ms, shorts, longs;
};

static void put_buckets(struct buf *body, const struct told *t)
{
    struct buf positive, counts;
    buf_init(&positive, 4096);
    buf_init(&counts, 4096);
    for (unsigned i = SHORT_BUCKET; i <= LONG_BUCKET; i++) {
        buf_add_varint(&counts, i == SHORT_BUCKET ? t->shorts : i == LONG_BUCKET ? t->longs : 0);
    }
    pb_put_varint(&positive, 1, SHORT_BUCKET * 2); // zigzag
    pb_put_bytes(&positive, 2, buf_str(&counts));
    pb_put_varint(body, 6, 12);
    pb_put_bytes(body, 8, buf_str(&positive));
    buf_done(&positive);
    buf_done(&counts);
}

static void tell(struct rig *rig, const struct told *t)
{
    struct series_label labels[6];
    struct buf body;
    size_t n = 0;
    labels[n++] = (struct series_label){POINT_INSTANCE, str_of(t->instance)};
    labels[n++] = (struct series_label){POINT_SERVICE, STR("cart")};
    if (t->entry != NULL) {
        labels[n++] = (struct series_label){STR("sonde.span.entry"), str_of(t->entry)};
    }
    labels[n++] = (struct series_label){STR("span.kind"), str_of(t->kind)};
    labels[n++] = (struct series_label){STR("span.name"), STR("GET /")};
    labels[n++] = (struct series_label){STR("status.code"), str_of(t->status)};
    const struct agent_point of = {.line = STR("shop"),
                                   .service = STR("cart"),
                                   .instance = str_of(t->instance),
                                   .host = STR("web-1"),
                                   .labels = labels,
                                   .label_count = n,
                                   .metric = STR("traces.span.metrics.duration")};
    const struct point x = {.time_ns = t->time_ms * NS_PER_MS,
                            .start_ns = t->start_ms * NS_PER_MS,
                            .count = t->shorts + t->longs,
                            .sum = (double)t->shorts * 2 * MS + (double)t->longs * 20 * MS};
    buf_init(&body, 8192);
    put_buckets(&body, t);
    agent_counts_take(&rig->counts, &of, &x, METRIC_EXPONENTIAL, buf_str(&body));
    buf_done(&body);
}

static void tell_dropped(struct rig *rig, uint64_t time_ms, uint64_t dropped)
{
    const struct series_label labels[] = {{POINT_INSTANCE, STR("a")},
                                          {STR("otel.span.sampling_result"), STR("DROP")},
                                          {POINT_SERVICE, STR("cart")}};
    const struct agent_point of = {.line = STR("shop"),
                                   .service = STR("cart"),
                                   .instance = STR("a"),
                                   .labels = labels,
                                   .label_count = 3,
                                   .metric = STR("otel.sdk.span.started")};
    const struct point x = {.time_ns = time_ms * NS_PER_MS,
                            .start_ns = (T0_MS + 1) * NS_PER_MS,
                            .says = POINT_INT,
                            .i = (int64_t)dropped};
    agent_counts_take(&rig->counts, &of, &x, METRIC_SUM, STR(""));
}

// ---- What the store has -------------------------------------------------------------------------

struct sum {
    int64_t calls, sum_ns, errors;
    size_t slots;
    struct hist_total total;
};

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct sum *s = ctx;
    for (size_t i = 0; i < found->count; i++) {
        for (size_t k = 0; k < found->label_count; k++) {
            bool error = str_eq(found->labels[k].key, CALLS_ERROR);
            s->errors += error ? found->hists[i].count : 0;
        }
        s->calls += found->hists[i].count;
        s->sum_ns += found->hists[i].sum_ns;
        hist_total_add(&s->total, found->hists[i].bytes);
        s->slots++;
    }
    return ERR_OK;
}

static struct sum sum_of(struct rig *rig, struct str of)
{
    struct sum s = {.calls = 0};
    struct series_answer answer;
    const struct series_matcher m[] = {{CALLS_OF, MATCH_EQUAL, of}};
    const struct series_query q = {.any_line = true,
                                   .matchers = m,
                                   .matcher_count = 1,
                                   .from_ms = T0_MS - 86400000,
                                   .to_ms = T0_MS + 86400000,
                                   .step_ms = SERIES_SLOT_MS};
    assert_ok(series_run(rig->w.store, &q, on_series, &s, &answer));
    return s;
}

static struct told front = {"a", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET", NULL, 0, 0, 0, 0};

// ---- Tests --------------------------------------------------------------------------------------

static void test_growth_lies_between_two_reports(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct told t = front;
    t.start_ms = T0_MS + 1000;
    for (unsigned i = 1; i <= 6; i++) { // every 10 s, so each middle has a slot of its own
        t.time_ms = T0_MS + i * 10000;
        t.shorts = i * 10;
        t.longs = i;
        tell(&rig, &t);
        tell(&rig, &t); // what comes twice counts once
    }
    struct sum s = sum_of(&rig, CALLS_AGENT_ENDPOINT);
    assert_int_equal(s.calls, 66);
    assert_int_equal(s.sum_ns, (int64_t)60 * 2 * MS + 6 * 20 * (int64_t)MS);
    assert_int_equal(s.slots, 6);
    assert_int_equal(s.total.buckets[SHORT_BUCKET], 60);
    assert_int_equal(s.total.buckets[LONG_BUCKET], 6);
    s = sum_of(&rig, CALLS_AGENT_INSTANCE);
    assert_int_equal(s.calls, 66);
    rig_done(&rig);
}

static void test_only_entries_count_and_failures_are_told_apart(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct told t = front;
    t.start_ms = T0_MS + 1000;
    t.time_ms = T0_MS + 5000;
    t.shorts = 3;
    tell(&rig, &t);
    t.kind = "SPAN_KIND_CLIENT";
    tell(&rig, &t);
    t.kind = "SPAN_KIND_INTERNAL";
    tell(&rig, &t);
    t.entry = "true";
    tell(&rig, &t);
    t.status = "STATUS_CODE_ERROR";
    tell(&rig, &t);
    struct sum s = sum_of(&rig, CALLS_AGENT_ENDPOINT);
    assert_int_equal(s.calls, 9);
    assert_int_equal(s.errors, 3);
    rig_done(&rig);
}

static void test_what_was_before_is_not_counted(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct told t = front;
    t.start_ms = T0_MS - 3600000; // long before the first report that comes here
    t.time_ms = T0_MS + 5000;
    t.shorts = 1000;
    tell(&rig, &t);
    assert_int_equal(sum_of(&rig, CALLS_AGENT_ENDPOINT).calls, 0);
    t.time_ms += 5000;
    t.shorts += 7;
    tell(&rig, &t);
    assert_int_equal(sum_of(&rig, CALLS_AGENT_ENDPOINT).calls, 7);
    // Silent for long, it is forgotten; what follows is known from its next report on.
    now_ms += AGENT_COUNTS_IDLE_MS + 600000;
    agent_counts_sweep(&rig.counts);
    assert_int_equal(rig.counts.count, 0);
    t.time_ms += 5000;
    t.shorts += 100;
    tell(&rig, &t);
    assert_int_equal(sum_of(&rig, CALLS_AGENT_ENDPOINT).calls, 7);
    rig_done(&rig);
}

static void test_reports_say_what_was_left_out(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 1; i <= 4; i++) {
        tell_dropped(&rig, T0_MS + i * 10000, i < 3 ? 0 : i * 100);
    }
    struct sum s = sum_of(&rig, CALLS_AGENT_REPORT);
    assert_int_equal(s.calls, 5); // and the begin
    assert_int_equal(s.sum_ns, 400);
    assert_int_equal(s.slots, 4); // from 0 to 40 s
    rig_done(&rig);
}

static void test_what_finds_no_room_is_counted(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct told t = front;
    t.start_ms = T0_MS + 1000;
    t.time_ms = T0_MS + 5000;
    t.shorts = 3;
    rig.counts.cell_count = AGENT_COUNTS_CELLS_MAX;
    tell(&rig, &t);
    assert_int_equal(rig.counts.refused, 1);
    rig.counts.cell_count = 0;
    tell(&rig, &t); // no later than that: nothing of it was kept
    assert_int_equal(rig.counts.refused, 1);
    assert_int_equal(sum_of(&rig, CALLS_AGENT_ENDPOINT).calls, 3);
    rig_done(&rig);
}

static void restart(struct rig *rig, const struct buf *saved, enum err expected)
{
    struct str state = buf_str(saved);
    agent_counts_done(&rig->counts);
    begin(rig);
    assert_int_equal(agent_counts_restore(&rig->counts, &state), expected);
    if (expected == ERR_OK) {
        assert_str(state, "others");
    }
}

// Agents that report, and begin again; the server begins again, with what it has saved.
static void test_restarts_of_either_side(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    static const char *const names[AGENTS] = {"a", "b", "c", "d", "e", "f"};
    struct told agents[AGENTS];
    int64_t calls = 0, sum_ns = 0;
    for (unsigned i = 0; i < AGENTS; i++) {
        agents[i] = front;
        agents[i].instance = names[i];
        agents[i].start_ms = T0_MS + 1;
    }
    for (unsigned round = 1; round < 400; round++) {
        struct told *t = &agents[draw(&rig.w, AGENTS)];
        if (draw(&rig.w, 10) == 0) {
            t->start_ms = T0_MS + round * 1000 - 500;
            t->shorts = t->longs = 0;
        }
        uint64_t shorts = draw(&rig.w, 300), longs = draw(&rig.w, 3);
        t->shorts += shorts;
        t->longs += longs;
        t->time_ms = T0_MS + round * 1000;
        calls += (int64_t)(shorts + longs);
        sum_ns += (int64_t)((shorts * 2 + longs * 20) * MS);
        tell(&rig, t);
        if (draw(&rig.w, 20) == 0) {
            struct buf saved;
            buf_init(&saved, 1 << 20);
            buf_add_str(&saved, STR("others"));
            agent_counts_save(&rig.counts, &saved);
            restart(&rig, &saved, ERR_OK);
            buf_done(&saved);
        }
    }
    struct sum s = sum_of(&rig, CALLS_AGENT_INSTANCE);
    assert_int_equal(s.calls, calls);
    assert_int_equal(s.sum_ns, sum_ns);
    assert_int_equal(rig.counts.refused, 0);
    rig_done(&rig);
}

static void test_bad_states(void **state)
{
    (void)state;
    struct rig rig;
    struct buf saved;
    rig_open(&rig);
    struct told t = front;
    t.start_ms = T0_MS + 1;
    t.time_ms = T0_MS + 5000;
    t.shorts = 300;
    t.longs = 2;
    tell(&rig, &t);
    buf_init(&saved, 1 << 20);
    agent_counts_save(&rig.counts, &saved);
    for (size_t i = 0; i + 4 < saved.n; i++) { // never a crash, whatever is made of it
        struct str text = buf_str(&saved);
        saved.p[i] = (char)~saved.p[i];
        agent_counts_done(&rig.counts);
        begin(&rig);
        enum err e = agent_counts_restore(&rig.counts, &text);
        assert_true(e == ERR_OK || e == ERR_CORRUPT);
        saved.p[i] = (char)~saved.p[i];
    }
    saved.p[saved.n - 8] += 1; // a length that does not fit
    restart(&rig, &saved, ERR_CORRUPT);
    struct str none = STR("no end");
    assert_ok(agent_counts_restore(&rig.counts, &none));
    assert_str(none, "no end");
    buf_done(&saved);
    rig_done(&rig);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_lies_between_two_reports),
        cmocka_unit_test(test_only_entries_count_and_failures_are_told_apart),
        cmocka_unit_test(test_what_was_before_is_not_counted),
        cmocka_unit_test(test_reports_say_what_was_left_out),
        cmocka_unit_test(test_what_finds_no_room_is_counted),
        cmocka_unit_test(test_restarts_of_either_side),
        cmocka_unit_test(test_bad_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
