// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/counted.h by RED: what agents counted before sampling takes the place of
// the calls of kept spans, where it is there and where some were left out, and of nothing else.
#include "test.h"

#include "unit/series/world.h"

#include "model/calls.h"
#include "model/exponential.h"
#include "model/point.h"
#include "query/counted.h"
#include "query/red.h"

#define STEP_MS   10000
#define AT(n)     (T0_MS + (uint64_t)(n)*STEP_MS)
#define REPORT_MS 5000
#define MS        1000000u // ns

// The labels of a series, in the order of their keys.
struct labels {
    struct series_label items[12];
    size_t n;
};

static void put(struct labels *l, const char *key, const char *value)
{
    size_t at = l->n;
    if (value != NULL) {
        for (; at > 0 && str_cmp(l->items[at - 1].key, str_of(key)) > 0; at--) {
            l->items[at] = l->items[at - 1];
        }
        l->items[at] = (struct series_label){str_of(key), str_of(value)};
        l->n++;
    }
}

// An agent that reports: one endpoint, all of whose calls take 20 ms.
struct agent {
    const char *service, *instance, *kind, *entry, *status, *name;
};

static void add(struct world *w, const struct agent *a, const char *metric, const char *bucket,
                uint64_t time_ms, double value)
{
    bool spans = strcmp(metric, "otel.sdk.span.started") != 0;
    struct labels l = {.n = 0};
    uint32_t series;
    put(&l, "__name__", metric);
    put(&l, "bucket.index", bucket);
    put(&l, "bucket.scale", bucket != NULL ? "5" : NULL);
    put(&l, "instance", a->instance);
    put(&l, "otel.span.sampling_result", spans ? NULL : "DROP");
    put(&l, "scope", "sonde-jvm");
    put(&l, "service", a->service);
    put(&l, "sonde.span.entry", spans ? a->entry : NULL);
    put(&l, "span.kind", spans ? a->kind : NULL);
    put(&l, "span.name", spans ? a->name : NULL);
    put(&l, "status.code", spans ? a->status : NULL);
    assert_ok(series_find(w->store, STR("shop"), SERIES_COUNTER, l.items, l.n, &series));
    series_add_number(w->store, series, time_ms, value);
}

// What an agent says in a report: how many calls there were so far, and how many spans were left
// out.
static void report(struct world *w, const struct agent *a, uint64_t time_ms, unsigned calls,
                   unsigned dropped)
{
    // 20 ms lie in (2^(776/32), 2^(777/32)] ns.
    if (calls > 0) {
        add(w, a, "traces.span.metrics.duration_bucket", "776", time_ms, calls);
    }
    add(w, a, "traces.span.metrics.duration_bucket", "all", time_ms, calls);
    add(w, a, "traces.span.metrics.duration_count", NULL, time_ms, calls);
    add(w, a, "traces.span.metrics.duration_sum", NULL, time_ms, calls * 20.0 * MS);
    add(w, a, "otel.sdk.span.started", NULL, time_ms, dropped);
}

// Calls of kept spans.
static void keep_long(struct world *w, const char *service, const char *endpoint, const char *kind,
                      bool counted, uint64_t time_ms, int32_t times, uint64_t duration_ns)
{
    struct labels l = {.n = 0};
    const uint16_t bucket = (uint16_t)hist_bucket(duration_ns);
    struct series_run r = {
        .times = times, .time_ms = time_ms, .sum_ns = duration_ns, .buckets = &bucket, .count = 1};
    put(&l, "__name__", "sonde.calls");
    put(&l, "counted", counted ? "true" : NULL);
    put(&l, "endpoint", endpoint);
    put(&l, "kind", kind);
    put(&l, "of", "endpoint");
    put(&l, "service", service);
    assert_ok(series_find(w->store, STR("shop"), SERIES_HIST, l.items, l.n, &r.series));
    series_add_runs(w->store, &r, 1);
}

// Calls of kept spans, of 20 ms.
static void keep(struct world *w, const char *service, const char *endpoint, const char *kind,
                 bool counted, uint64_t time_ms, int32_t times)
{
    keep_long(w, service, endpoint, kind, counted, time_ms, times, 20 * MS);
}

static struct red *ask(struct world *w, const char *endpoint, enum red_by by, unsigned steps)
{
    struct red *r;
    const struct red_query q = {.store = w->store,
                                .any_line = true,
                                .service = STR("cart"),
                                .endpoint = endpoint != NULL ? str_of(endpoint) : STR_NONE,
                                .by = by,
                                .from_ms = AT(0),
                                .to_ms = AT(steps),
                                .step_ms = STEP_MS};
    assert_ok(red_run(&q, &r));
    return r;
}

static const struct agent front = {"cart", "i-1", "SPAN_KIND_SERVER", NULL, "STATUS_CODE_UNSET",
                                   "GET /"};

// ---- Tests --------------------------------------------------------------------------------------

static void test_counts_take_the_place_of_kept_calls(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i <= 6; i++) { // 5 calls between two reports, of which a few are kept
        report(&w, &front, AT(0) + i * REPORT_MS, i * 5, i * 4);
        keep(&w, "cart", "GET /", "server", true, AT(0) + i * REPORT_MS, 1);
    }
    struct red *r = ask(&w, NULL, RED_BY_ENDPOINT, 3);
    assert_true(r->counted);
    assert_int_equal(r->total.calls, 30);
    assert_int_equal(r->total.errors, 0);
    assert_int_equal(r->total.sum_ns, 30 * 20 * (int64_t)MS);
    assert_int_equal(r->count, 3);
    for (size_t i = 0; i < r->count; i++) {
        assert_int_equal(r->points[i].time_ms, AT(i));
        assert_int_equal(r->points[i].calls.calls, 10);
    }
    assert_int_equal(r->group_count, 1);
    assert_str(r->groups[0].name, "GET /");
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    const double half = 0.5;
    uint64_t p50;
    calls_quantiles(&r->total, scratch, &half, 1, &p50);
    assert_in_range(p50, 20 * MS / 1000 * 983, 20 * MS / 1000 * 1017); // 1.7 %
    mem_free(scratch);
    red_free(r);
    r = ask(&w, "GET /other", RED_BY_NOTHING, 3);
    assert_int_equal(r->total.calls, 0);
    assert_false(r->counted);
    red_free(r);
    world_done(&w);
}

static void test_kept_calls_are_right_where_none_was_left_out(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i <= 4; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, i * 5, 7);
        keep(&w, "cart", "GET /", "server", true, AT(0) + i * REPORT_MS, 3);
    }
    struct red *r = ask(&w, NULL, RED_BY_NOTHING, 2);
    assert_false(r->counted);
    assert_int_equal(r->total.calls, 12);
    red_free(r);
    world_done(&w);
}

static void test_kept_calls_stand_where_no_counts_came(void **state)
{
    (void)state;
    static const unsigned steps[] = {2, (unsigned)(COUNTED_EXACT_MS / STEP_MS) + 1};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, 0);
        for (unsigned k = 0; k <= 4; k++) {
            add(&w, &front, "otel.sdk.span.started", NULL, AT(0) + k * REPORT_MS, k * 10);
        }
        keep(&w, "cart", "GET /", "server", true, AT(0), 3);
        struct red *r = ask(&w, NULL, RED_BY_NOTHING, steps[i]);
        assert_false(r->counted);
        assert_int_equal(r->total.calls, 3);
        red_free(r);
        world_done(&w);
    }
}

static void test_only_calls_of_who_counts_are_replaced(void **state)
{
    (void)state;
    struct world w;
    struct agent other = front, inner = front;
    world_open(&w, 0);
    other.service = "other";
    inner.kind = "SPAN_KIND_CLIENT";
    inner.name = "GET";
    for (unsigned i = 0; i <= 2; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, i * 5, i);
        report(&w, &other, AT(0) + i * REPORT_MS, i * 50, i);
        report(&w, &inner, AT(0) + i * REPORT_MS, i * 500, i); // no entry
    }
    keep(&w, "cart", "GET /", "server", true, AT(0), 2);
    keep(&w, "cart", "GET /", "server", false, AT(0), 7); // of another SDK
    struct red *r = ask(&w, NULL, RED_BY_NOTHING, 1);
    assert_true(r->counted);
    assert_int_equal(r->total.calls, 17);
    red_free(r);
    world_done(&w);
}

static void test_entries_and_failures_are_told_apart(void **state)
{
    (void)state;
    struct world w;
    struct agent root = front, failed = front;
    world_open(&w, 0);
    root.kind = "SPAN_KIND_INTERNAL";
    root.entry = "true";
    root.name = "tick";
    failed.status = "STATUS_CODE_ERROR";
    for (unsigned i = 0; i <= 2; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, i * 5, i);
        report(&w, &failed, AT(0) + i * REPORT_MS, i, i);
        report(&w, &root, AT(0) + i * REPORT_MS, i * 3, i);
    }
    struct red *r = ask(&w, NULL, RED_BY_ENDPOINT, 1);
    assert_int_equal(r->total.calls, 18);
    assert_int_equal(r->total.errors, 2);
    assert_int_equal(r->group_count, 2);
    assert_str(r->groups[0].name, "GET /");
    assert_int_equal(r->groups[0].calls.calls, 12);
    assert_str(r->groups[1].name, "tick");
    assert_int_equal(r->groups[1].calls.calls, 6);
    red_free(r);
    world_done(&w);
}

static void test_kept_calls_stand_where_nobody_reported(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < 6; i++) {
        keep(&w, "cart", "GET /", "server", true, AT(i), 1);
    }
    for (unsigned i = 0; i <= 4; i++) { // from the third step on, for two
        report(&w, &front, AT(2) + i * REPORT_MS, i * 5, i);
    }
    struct red *r = ask(&w, NULL, RED_BY_NOTHING, 6);
    static const int64_t expected[] = {1, 1, 10, 10, 1, 1};
    assert_int_equal(r->count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(r->points[i].calls.calls, expected[i]);
    }
    red_free(r);
    world_done(&w);
}

static void test_long_ranges_have_all_calls_by_the_durations_of_kept_ones(void **state)
{
    (void)state;
    struct world w;
    const unsigned steps = (unsigned)(COUNTED_EXACT_MS / STEP_MS) + 1;
    world_open(&w, 0);
    for (unsigned i = 0; i <= 6; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, i * 50, i * 40);
    }
    keep(&w, "cart", "GET /", "server", true, AT(0), 7);
    keep_long(&w, "cart", "GET /", "server", true, AT(0), 3, 200 * MS);
    keep(&w, "cart", "GET /", "server", true, AT(1), 2);
    keep(&w, "cart", "GET /", "server", true, AT(9), 4); // nobody reported then
    struct red *r = ask(&w, NULL, RED_BY_ENDPOINT, steps);
    static const int64_t expected[] = {100, 100, 100, 4};
    assert_true(r->counted);
    assert_int_equal(r->count, 4);
    for (size_t i = 0; i < 4; i++) { // in the third step no span was kept
        assert_int_equal(r->points[i].calls.calls, expected[i]);
        assert_int_equal(r->points[i].calls.sum_ns, expected[i] * 20 * (int64_t)MS);
    }
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    const double shares[] = {0.7, 0.71};
    uint64_t quantiles[2];
    calls_quantiles(&r->points[0].calls, scratch, shares, 2, quantiles);
    assert_in_range(quantiles[0], 19 * MS, 21 * MS);
    assert_in_range(quantiles[1], 195 * MS, 205 * MS);
    mem_free(scratch);
    assert_int_equal(r->total.calls, 304);
    assert_int_equal(r->group_count, 1);
    assert_int_equal(r->groups[0].calls.calls, 304);
    red_free(r);
    world_done(&w);
}

static void test_a_restart_loses_nothing_that_was_reported(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    static const unsigned calls[] = {0, 40, 90,
                                     0, 5,  6}; // of the second process from the fourth on
    for (unsigned i = 0; i < 6; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, calls[i], calls[i] / 2 + i);
    }
    struct red *r = ask(&w, NULL, RED_BY_NOTHING, 3);
    assert_int_equal(r->total.calls, 96);
    red_free(r);
    world_done(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_take_the_place_of_kept_calls),
        cmocka_unit_test(test_kept_calls_are_right_where_none_was_left_out),
        cmocka_unit_test(test_kept_calls_stand_where_no_counts_came),
        cmocka_unit_test(test_only_calls_of_who_counts_are_replaced),
        cmocka_unit_test(test_entries_and_failures_are_told_apart),
        cmocka_unit_test(test_kept_calls_stand_where_nobody_reported),
        cmocka_unit_test(test_long_ranges_have_all_calls_by_the_durations_of_kept_ones),
        cmocka_unit_test(test_a_restart_loses_nothing_that_was_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
