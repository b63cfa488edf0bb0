// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/counted.h by RED and by the topology: what agents counted before sampling
// takes the place of the calls of kept spans, where it is there and where some were left out, and
// of nothing else.
#include "test.h"

#include "unit/series/world.h"

#include "model/calls.h"
#include "query/counted.h"
#include "query/red.h"
#include "query/topology.h"

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
    const char *service, *kind, *name;
    bool error;
};

static void add(struct world *w, const struct labels *l, uint64_t time_ms, int32_t times,
                uint64_t value)
{
    const uint16_t bucket = (uint16_t)hist_bucket(value);
    struct series_run r = {
        .times = times, .time_ms = time_ms, .sum_ns = value, .buckets = &bucket, .count = 1};
    assert_ok(series_find(w->store, STR("shop"), SERIES_HIST, l->items, l->n, &r.series));
    series_add_runs(w->store, &r, 1);
}

static void leave_out(struct world *w, const char *service, uint64_t time_ms, unsigned dropped)
{
    struct labels l = {.n = 0};
    put(&l, "__name__", "sonde.calls");
    put(&l, "of", "agent.report");
    put(&l, "service", service);
    add(w, &l, time_ms, 1, dropped);
}

// What the sink makes of the report of an agent (apps/sonde/agent_counts.h): the calls since the
// one before, and how many spans were left out.
static void report(struct world *w, const struct agent *a, uint64_t time_ms, int32_t calls,
                   unsigned dropped)
{
    struct labels l = {.n = 0};
    put(&l, "__name__", "sonde.calls");
    put(&l, "endpoint", a->name);
    put(&l, "error", a->error ? "true" : NULL);
    put(&l, "kind", a->kind);
    put(&l, "of", "agent.endpoint");
    put(&l, "service", a->service);
    add(w, &l, time_ms, calls, 20 * MS);
    leave_out(w, a->service, time_ms, dropped);
}

// Calls of kept spans.
static void keep_long(struct world *w, const char *service, const char *endpoint, const char *kind,
                      bool counted, uint64_t time_ms, int32_t times, uint64_t duration_ns)
{
    struct labels l = {.n = 0};
    put(&l, "__name__", "sonde.calls");
    put(&l, "counted", counted ? "true" : NULL);
    put(&l, "endpoint", endpoint);
    put(&l, "kind", kind);
    put(&l, "of", "endpoint");
    put(&l, "service", service);
    add(w, &l, time_ms, times, duration_ns);
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

static const struct agent front = {"cart", "server", "GET /", false};

// ---- Tests --------------------------------------------------------------------------------------

static void test_counts_take_the_place_of_kept_calls(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < 6; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, 5, 4);
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
    for (unsigned i = 0; i < 4; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, 5, 0);
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
    struct world w;
    world_open(&w, 0);
    for (unsigned k = 0; k < 4; k++) {
        leave_out(&w, "cart", AT(0) + k * REPORT_MS, 10);
    }
    keep(&w, "cart", "GET /", "server", true, AT(0), 3);
    struct red *r = ask(&w, NULL, RED_BY_NOTHING, 2);
    assert_false(r->counted);
    assert_int_equal(r->total.calls, 3);
    red_free(r);
    world_done(&w);
}

static void test_only_calls_of_who_counts_are_replaced(void **state)
{
    (void)state;
    struct world w;
    struct agent other = front;
    world_open(&w, 0);
    other.service = "other";
    for (unsigned i = 0; i < 2; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, 5, 1);
        report(&w, &other, AT(0) + i * REPORT_MS, 50, 1);
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
    root.kind = "internal";
    root.name = "tick";
    failed.error = true;
    for (unsigned i = 0; i < 2; i++) {
        report(&w, &front, AT(0) + i * REPORT_MS, 5, 1);
        report(&w, &failed, AT(0) + i * REPORT_MS, 1, 1);
        report(&w, &root, AT(0) + i * REPORT_MS, 3, 1);
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
    for (unsigned i = 0; i < 4; i++) { // from the third step on, for two
        report(&w, &front, AT(2) + i * REPORT_MS, 5, 1);
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

// Days of reports, read from the tier of hours: quantiles are those of all calls.
static void test_quantiles_of_days(void **state)
{
    (void)state;
    struct world w;
    struct red *r;
    const uint64_t hour_ms = 3600000;
    world_open(&w, 0);
    world_now_ms = T0_MS + 100 * hour_ms;
    for (unsigned h = 0; h < 96; h++) {
        report(&w, &front, T0_MS + h * hour_ms, 98, 90);
        report(&w, &front, T0_MS + h * hour_ms + 10000, 2, 1);
        keep_long(&w, "cart", "GET /", "server", true, T0_MS + h * hour_ms, 10, 900 * MS);
    }
    series_seal(w.store, ++w.seq, STR(""));
    assert_ok(series_flush(w.store));
    const struct red_query q = {.store = w.store,
                                .any_line = true,
                                .service = STR("cart"),
                                .from_ms = T0_MS,
                                .to_ms = T0_MS + 96 * hour_ms,
                                .step_ms = hour_ms};
    assert_ok(red_run(&q, &r));
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    const double shares[] = {0.5, 0.99, 1};
    uint64_t ns[3];
    assert_true(r->counted);
    assert_int_equal(r->count, 96);
    assert_int_equal(r->total.calls, 9600);
    calls_quantiles(&r->total, scratch, shares, 3, ns);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(ns[i], 20 * MS / 1000 * 990, 20 * MS / 1000 * 1010); // 1 %
    }
    mem_free(scratch);
    red_free(r);
    world_now_ms = T0_MS + hour_ms;
    world_done(&w);
}

// ---- Topology -----------------------------------------------------------------------------------

static void keep_edge(struct world *w, const char *from, const char *to, uint64_t time_ms,
                      int32_t times)
{
    struct labels l = {.n = 0};
    put(&l, "__name__", "sonde.calls");
    put(&l, "from.kind", "service");
    put(&l, "from.line", "shop");
    put(&l, "from.service", from);
    put(&l, "of", "edge");
    put(&l, "side", "client");
    put(&l, "to.kind", "database");
    put(&l, "to.name", to);
    add(w, &l, time_ms, times, 20 * MS);
}

static const struct topology_node *node_of(const struct topology *t, const char *id)
{
    for (size_t i = 0; i < t->node_count; i++) {
        if (str_eq(t->nodes[i].id, str_of(id))) {
            return &t->nodes[i];
        }
    }
    fail_msg("no node %s", id);
    return NULL;
}

static void assert_topology(struct world *w, enum topology_level level, const char *cart,
                            int64_t calls)
{
    struct topology *t;
    const struct topology_query q = {
        .store = w->store, .level = level, .from_ms = T0_MS, .to_ms = T0_MS + 600000};
    assert_ok(topology_run(&q, &t));
    const struct topology_node *n = node_of(t, cart);
    assert_int_equal(n->calls.calls, calls);
    assert_true(n->counted);
    assert_false(n->sampled);
    n = node_of(t, "database//db");
    assert_int_equal(n->calls.calls, 2);
    assert_true(n->sampled);
    assert_int_equal(t->edge_count, 2);
    for (size_t i = 0; i < 2; i++) { // of cart and of other
        assert_int_equal(t->edges[i].sampled,
                         str_eq(t->nodes[t->edges[i].to].node.name, STR("db")));
    }
    topology_free(t);
}

static void test_topology_has_all_calls_and_says_what_is_a_sample(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    keep(&w, "cart", "GET /", "server", true, T0_MS, 2);          // before the first report
    keep(&w, "cart", "GET /", "server", true, T0_MS + 120000, 7); // that are counted
    for (unsigned i = 0; i < 6; i++) {
        report(&w, &front, T0_MS + 120000 + i * REPORT_MS, 5, 4);
    }
    keep(&w, "cart", "GET /", "server", true, T0_MS + 300000, 1); // behind the last
    keep(&w, "cart", "GET /", "server", false, T0_MS + 120000, 3);
    keep(&w, "other", "GET /", "server", true, T0_MS, 4);
    keep_edge(&w, "cart", "db", T0_MS + 120000, 2);
    keep_edge(&w, "other", "db2", T0_MS, 2);
    assert_topology(&w, TOPOLOGY_ENDPOINT, "service/shop/cart/GET /", 36);
    assert_topology(&w, TOPOLOGY_SERVICE, "service/shop/cart", 36);
    assert_topology(&w, TOPOLOGY_LINE, "line/shop", 40);
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
        cmocka_unit_test(test_quantiles_of_days),
        cmocka_unit_test(test_topology_has_all_calls_and_says_what_is_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
