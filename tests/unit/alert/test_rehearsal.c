// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/rehearsal.h: on the same spans, from memory and from parts, on one thread
// and on several, a dry run finds what the engine told as they came; and what it says of groups,
// worst values, example traces, limits and memory.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../query/part_file.h"
#include "core/buf.h"
#include "query/crew.h"
#include "told.h"

#define START_MS     ((uint64_t)1750000200000) // a multiple of all slots here
#define RANGE_MS     ((uint64_t)600000)
#define SEEDS        40
#define SPANS_A_TURN 24
#define BATCHES_MAX  8000
#define MADE_MAX     3000

// ---- Random rules and spans ---------------------------------------------------------------------

static void put_strategy(struct buf *b, const char *every, const char *group_by)
{
    static const char *const measures[] = {"count", "rate",     "error_rate", "average",
                                           "sum",   "min",      "max",        "p90",
                                           "count", "distinct", "average"};
    static const char *const simple[] = {">", ">=", "<", "<=", "rise", "fall"};
    static const char *const averages[] = {"above_average", "below_average"};
    const char *measure = measures[below(11)], *op = simple[below(6)], *threshold = "1",
               *field = "";
    bool has_field = strcmp(measure, "average") == 0 || strcmp(measure, "sum") == 0 ||
                     strcmp(measure, "min") == 0 || strcmp(measure, "max") == 0 ||
                     strcmp(measure, "p90") == 0;
    bool averaged = strcmp(measure, "count") == 0 || strcmp(measure, "error_rate") == 0 ||
                    strcmp(measure, "average") == 0;
    if (below(8) == 0) {
        buf_printf(b,
                   "{measure: absence, filter: '{ name = \"pay\" }', every: %s, group_by: [%s]},",
                   every, group_by);
        return;
    }
    op = averaged && below(3) == 0 ? averages[below(2)] : op;
    bool is_percent = strlen(op) > 2;
    threshold = is_percent                           ? (below(2) == 0 ? "20" : "60")
                : strcmp(measure, "error_rate") == 0 ? (below(2) == 0 ? "10%" : "30%")
                : strcmp(measure, "distinct") == 0   ? "3"
                : strcmp(measure, "rate") == 0       ? "0.8"
                : strcmp(measure, "sum") == 0        ? "1500ms"
                : has_field                          ? (below(2) == 0 ? "60ms" : "150ms")
                                                     : (below(2) == 0 ? "4" : "15");
    field = strcmp(measure, "distinct") == 0 ? ", field: span.user" : "";
    buf_printf(b,
               "{measure: %s%s, filter: '%s', every: %s, operator: '%s', threshold: %s, %s "
               "group_by: [%s]},",
               measure, field, below(2) == 0 ? "{ name = \"pay\" }" : "{ }", every, op, threshold,
               below(3) == 0 ? "at_least: 5," : "", group_by);
}

static void put_rule(struct buf *b, const char **ret_every)
{
    static const char *const everys[] = {"10s", "30s", "1m", "2m"};
    static const char *const groups[] = {"", "instance", "span.user", "name, instance"};
    const char *every = everys[below(4)], *group_by = groups[below(4)];
    buf_printf(b, "rules: [{name: tried, match: %s, strategies: [", below(2) == 0 ? "any" : "all");
    for (size_t n = 1 + below(3); n > 0; n--) {
        put_strategy(b, every, group_by);
    }
    buf_add_str(b, STR("]}]"));
    buf_add_byte(b, 0);
    *ret_every = every;
}

// What came in one turn, in bursts and gaps.
static size_t random_turn(uint64_t end_ms, uint64_t turn_ms, uint64_t seq, struct made *spans)
{
    static const char *const users[] = {"u1", "u2", "u3", "u4", "u5"};
    static const char *const instances[] = {"a", "b"};
    bool is_burst = end_ms / 70000 % 3 == 0, is_gap = end_ms / 110000 % 5 == 4;
    size_t count = is_gap ? 0 : (size_t)below(is_burst ? SPANS_A_TURN : 3);
    for (size_t i = 0; i < count; i++) {
        spans[i] = (struct made){.service = "cart",
                                 .instance = instances[below(2)],
                                 .name = below(3) == 0 ? "buy" : "pay",
                                 .end_ms = end_ms - 1 - below(turn_ms),
                                 .duration_ms = below(is_burst ? 400 : 80),
                                 .failed = below(is_burst ? 3 : 12) == 0,
                                 .key = "user",
                                 .value = users[below(5)],
                                 .trace = seq * 100 + i + 1};
    }
    return count;
}

// ---- The two ------------------------------------------------------------------------------------

struct world {
    struct alert_set *set;
    struct made made[MADE_MAX]; // those that are in a part; the others are in batches
    size_t made_count;
    struct batch *batches[BATCHES_MAX], *of_part;
    size_t count, kept_count; // of batches; those before kept_count are in the part
    uint64_t turn_ms;
    struct part *part;
    struct store_view view;
    struct budget budget;
};

static struct rehearsal *rehearse(struct world *w, struct crew *crew)
{
    const struct rehearsal_query q = {.view = &w->view,
                                      .rule = &alert_set_file(w->set)->rules[0],
                                      .from_ms = START_MS,
                                      .to_ms = START_MS + RANGE_MS};
    return told_rehearse(&q, crew, &w->budget);
}

// What comes is kept, in a part as long as there is room.
static struct batch *next_batch(void *ctx, uint64_t at_ms)
{
    struct world *w = ctx;
    struct made spans[SPANS_A_TURN];
    size_t n = random_turn(at_ms, w->turn_ms, w->count + 1, spans);
    struct batch *b = batch_of(spans, n, w->count + 1);
    assert_true(w->count < BATCHES_MAX);
    if (w->made_count + n <= MADE_MAX && w->kept_count == w->count) {
        memcpy(w->made + w->made_count, spans, n * sizeof spans[0]);
        w->made_count += n;
        w->kept_count++;
    }
    w->batches[w->count++] = b;
    return batch_ref(b);
}

// The first of what came lies in a part, the rest in memory.
static void store_spans(struct world *w)
{
    char path[] = "/tmp/sonde-rehearsal-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
    w->of_part = batch_of(w->made, w->made_count, 1);
    w->part = write_part(path, w->of_part, 0);
    assert_int_equal(unlink(path), 0);
    w->view = (struct store_view){.parts = &w->part,
                                  .part_count = 1,
                                  .hot = w->batches + w->kept_count,
                                  .hot_count = w->count - w->kept_count};
}

static size_t check_seed(uint64_t seed, struct crew *crew)
{
    static struct world w;
    static struct events told, tried;
    struct buf rule;
    const char *every;
    told_seed(seed);
    buf_init(&rule, 1 << 16);
    put_rule(&rule, &every);
    memset(&w, 0, sizeof w);
    budget_init(&w.budget, (size_t)256 << 20);
    w.set = rules_of(rule.p);
    struct rehearsal *empty = rehearse(&w, NULL); // says from when on it looks
    w.turn_ms = strcmp(every, "2m") == 0 ? 2000 : 1000;
    told_live(w.set, &w.budget, empty->scanned_from_ms, START_MS + RANGE_MS, w.turn_ms, next_batch,
              &w, &told);
    rehearsal_free(empty);
    told_leave_out_before(&told, START_MS);
    store_spans(&w);
    struct rehearsal *r = rehearse(&w, crew);
    told_events(r, &alert_set_file(w.set)->rules[0], &tried);
    told_compare(&told, &tried, w.turn_ms, rule.p);
    rehearsal_free(r);
    part_unref(w.part);
    batch_unref(w.of_part);
    for (size_t i = 0; i < w.count; i++) {
        batch_unref(w.batches[i]);
    }
    alert_set_unref(w.set);
    buf_done(&rule);
    return told.count;
}

static void test_finds_what_the_engine_told(void **state)
{
    (void)state;
    check_seeds(SEEDS, check_seed);
}

// ---- What it says -------------------------------------------------------------------------------

static const char slow_rule[] =
    "rules: [{name: slow, strategies: [{measure: max, every: 10s, operator: '>', threshold: 100ms,"
    " group_by: [instance]}]}]";

// One slow span after the other of an instance, at so many seconds of the range.
static struct batch *slow_spans(const char *instance, const uint64_t *durations_ms, size_t count)
{
    struct made spans[16];
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        spans[i] = (struct made){.service = "cart",
                                 .instance = instance,
                                 .name = "pay",
                                 .end_ms = START_MS + 100000 + i * 5000,
                                 .duration_ms = durations_ms[i],
                                 .trace = i + 1};
    }
    return batch_of(spans, count, 1);
}

static void begin(struct world *w, const char *rule, struct batch *b)
{
    memset(w, 0, sizeof *w);
    budget_init(&w->budget, (size_t)256 << 20);
    w->set = rules_of(rule);
    w->batches[0] = b;
    w->view = (struct store_view){.hot = w->batches, .hot_count = 1};
}

static void end(struct world *w)
{
    batch_unref(w->batches[0]);
    alert_set_unref(w->set);
}

static void test_says_how_bad_and_which_trace(void **state)
{
    static struct world w;
    static const uint64_t durations[] = {20, 150, 900, 200, 30};
    trace_id worst = {{3}};
    (void)state;
    begin(&w, slow_rule, slow_spans("a", durations, 5));
    struct rehearsal *r = rehearse(&w, NULL);
    assert_int_equal(r->count, 1);
    assert_int_equal(r->fired, 1);
    assert_int_equal(r->groups_seen, 1);
    assert_int_equal(r->records, 5);
    const struct rehearsal_stretch *s = &r->groups[0].stretches[0];
    assert_str(r->groups[0].values[0], "a");
    assert_int_equal(s->begin_ms, START_MS + 105000);
    assert_int_equal(s->end_ms, START_MS + 115000 + 10999); // the window without any of them
    assert_true(s->value == 150e6 && s->worst == 900e6 && s->limit == 100e6);
    assert_true(s->has_trace);
    assert_memory_equal(&s->trace, &worst, sizeof worst);
    assert_int_equal(r->firing_ms, s->end_ms - s->begin_ms);
    rehearsal_free(r);
    end(&w);
}

static void test_looks_at_its_business_line_alone(void **state)
{
    static struct world w;
    static const uint64_t durations[] = {150, 900};
    (void)state;
    begin(&w,
          "rules: [{name: slow, line: other, strategies: [{measure: count, every: 10s, threshold: "
          "1}]}]",
          slow_spans("a", durations, 2));
    struct rehearsal *r = rehearse(&w, NULL);
    assert_int_equal(r->records + r->fired, 0);
    rehearsal_free(r);
    end(&w);
}

static void test_silence_is_seen_without_any_record(void **state)
{
    static struct world w;
    static const uint64_t durations[] = {1};
    (void)state;
    begin(&w, "rules: [{name: silent, strategies: [{measure: absence, every: 10s}]}]",
          slow_spans("a", durations, 1));
    struct rehearsal *r = rehearse(&w, NULL);
    assert_int_equal(r->fired, 2); // before the only span, and behind it
    assert_true(r->groups[0].stretches[0].begin_ms < START_MS);
    assert_int_equal(r->groups[0].stretches[1].end_ms, 0);
    rehearsal_free(r);
    end(&w);
}

// What is limited: memory, time.
static void test_ends_with_its_memory_and_its_time(void **state)
{
    static struct world w;
    static const uint64_t durations[] = {150, 900};
    struct meter meter;
    struct query_control control = {.meter = &meter};
    struct rehearsal *r = NULL;
    (void)state;
    begin(&w, slow_rule, slow_spans("a", durations, 2));
    const struct rehearsal_query q = {.view = &w.view,
                                      .rule = &alert_set_file(w.set)->rules[0],
                                      .from_ms = START_MS,
                                      .to_ms = START_MS + RANGE_MS,
                                      .control = &control};
    budget_init(&w.budget, 4096);
    meter_init(&meter, &w.budget, ACCOUNT_QUERY);
    assert_err(rehearsal_run(&q, &r), ERR_MEMORY);
    assert_int_equal(meter.held_bytes, 0);
    meter_done(&meter);
    budget_init(&w.budget, (size_t)256 << 20);
    meter_init(&meter, &w.budget, ACCOUNT_QUERY);
    control = (struct query_control){.meter = &meter, .cancelled = true};
    assert_err(rehearsal_run(&q, &r), ERR_CANCELLED);
    assert_int_equal(meter.held_bytes, 0);
    control = (struct query_control){.meter = &meter, .out_of_turn = true};
    assert_ok(rehearsal_run(&q, &r));
    assert_true(control.cut_short);
    rehearsal_free(r);
    assert_int_equal(meter.held_bytes, 0);
    meter_done(&meter);
    assert_null(w.part);
    end(&w);
}

// Too many groups: the others are counted.
static void test_counts_what_has_no_room(void **state)
{
    static struct world w;
    static char values[ALERT_GROUPS_MAX + 5][12];
    struct made *spans = mem_new(ALERT_GROUPS_MAX + 5, sizeof *spans);
    (void)state;
    for (size_t i = 0; i < ALERT_GROUPS_MAX + 5; i++) {
        (void)snprintf(values[i], sizeof values[i], "v%zu", i);
        spans[i] = (struct made){.service = "cart",
                                 .name = "pay",
                                 .end_ms = START_MS + 100000,
                                 .key = "user",
                                 .value = values[i]};
    }
    begin(&w,
          "rules: [{name: many, strategies: [{measure: count, every: 10s, operator: '>=',"
          " threshold: 1, group_by: [span.user]}]}]",
          batch_of(spans, ALERT_GROUPS_MAX + 5, 1));
    struct rehearsal *r = rehearse(&w, NULL);
    assert_int_equal(r->groups_seen, ALERT_GROUPS_MAX);
    assert_int_equal(r->fired, ALERT_GROUPS_MAX);
    assert_int_equal(r->count, REHEARSAL_GROUPS_MAX);
    assert_int_equal(r->refused, 5);
    rehearsal_free(r);
    end(&w);
    mem_free(spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_the_engine_told),
        cmocka_unit_test(test_says_how_bad_and_which_trace),
        cmocka_unit_test(test_looks_at_its_business_line_alone),
        cmocka_unit_test(test_silence_is_seen_without_any_record),
        cmocka_unit_test(test_ends_with_its_memory_and_its_time),
        cmocka_unit_test(test_counts_what_has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
