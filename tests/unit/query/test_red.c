// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/red.h over weeks: the calls of an instance are those that a plain recount
// of them has, though only the widest tier is kept of most days, and though it moved meanwhile.
#include "test.h"

#include "unit/series/world.h"

#include "core/hist.h"
#include "model/calls.h"
#include "query/red.h"

#define DAYS      20u
#define HOUR_MS   ((uint64_t)3600000)
#define DAY_MS    (24 * HOUR_MS)
#define INSTANCES 3u

// What one instance has, by hour, and together.
struct recount {
    int64_t calls[DAYS * 24], errors[DAYS * 24], sum_ns[DAYS * 24];
    struct hist all;
};

static uint32_t find_calls(struct world *w, const char *of, unsigned instance, const char *host,
                           bool error)
{
    struct series_label labels[8];
    size_t n = 0;
    uint32_t series;
    char name[16];
    bool is_endpoint = strcmp(of, "endpoint") == 0;
    (void)snprintf(name, sizeof name, "pod-%u", instance);
    labels[n++] = (struct series_label){CALLS_LABEL_NAME, CALLS_NAME};
    if (is_endpoint) {
        labels[n++] = (struct series_label){CALLS_ENDPOINT, STR("GET /")};
    }
    if (error) {
        labels[n++] = (struct series_label){CALLS_ERROR, CALLS_TRUE};
    }
    if (is_endpoint) {
        labels[n++] = (struct series_label){CALLS_KIND, STR("server")};
    } else {
        labels[n++] = (struct series_label){CALLS_HOST, str_of(host)};
        labels[n++] = (struct series_label){CALLS_INSTANCE, str_of(name)};
    }
    labels[n++] = (struct series_label){CALLS_OF, str_of(of)};
    labels[n++] = (struct series_label){CALLS_SERVICE, STR("cart")};
    assert_ok(series_find(w->store, STR("shop"), SERIES_HIST, labels, n, &series));
    return series;
}

// One call, as the stream counts it: for its endpoint and for its instance.
static void call(struct world *w, struct recount *r, unsigned instance, uint64_t hour)
{
    uint64_t duration_ns = 1000000 + draw(w, 50000000);
    const char *host = instance == 0 && hour >= DAYS * 12 ? "node-9" : "node-1"; // it moves
    bool error = draw(w, 5) == 0;
    const uint16_t bucket = (uint16_t)hist_bucket(duration_ns);
    const char *const of[] = {"endpoint", "instance"};
    uint64_t time_ms = T0_MS + hour * HOUR_MS + draw(w, HOUR_MS);
    for (unsigned i = 0; i < 2; i++) {
        const struct series_run run = {.series = find_calls(w, of[i], instance, host, error),
                                       .times = 1,
                                       .time_ms = time_ms,
                                       .sum_ns = duration_ns,
                                       .buckets = &bucket,
                                       .count = 1};
        series_add_runs(w->store, &run, 1);
    }
    r[instance].calls[hour]++;
    r[instance].errors[hour] += error ? 1 : 0;
    r[instance].sum_ns[hour] += (int64_t)duration_ns;
    hist_add(&r[instance].all, duration_ns, 1);
}

static struct red *ask(struct world *w, const char *instance, enum red_by by, uint64_t from_ms)
{
    struct red *r;
    const struct red_query q = {.store = w->store,
                                .line = STR("shop"),
                                .service = STR("cart"),
                                .endpoint = STR_NONE,
                                .instance = instance != NULL ? str_of(instance) : STR_NONE,
                                .by = by,
                                .from_ms = from_ms,
                                .to_ms = T0_MS + DAYS * DAY_MS};
    assert_ok(red_run(&q, &r));
    return r;
}

// The points of one instance are what the recount has of their hours.
static void assert_points(const struct red *r, const struct recount *own)
{
    uint64_t hours = r->step_ms / HOUR_MS, first = (r->from_ms - T0_MS) / HOUR_MS;
    size_t at = 0;
    assert_true(hours > 0 && r->step_ms % HOUR_MS == 0 && r->from_ms >= T0_MS);
    for (uint64_t h = first; h < DAYS * 24; h += hours) {
        int64_t calls = 0, errors = 0, sum_ns = 0;
        for (uint64_t k = h; k < h + hours && k < DAYS * 24; k++) {
            calls += own->calls[k];
            errors += own->errors[k];
            sum_ns += own->sum_ns[k];
        }
        if (calls > 0) {
            assert_true(at < r->count);
            assert_int_equal(r->points[at].time_ms, T0_MS + h * HOUR_MS);
            assert_int_equal(r->points[at].calls.calls, calls);
            assert_int_equal(r->points[at].calls.errors, errors);
            assert_int_equal(r->points[at].calls.sum_ns, sum_ns);
            at++;
        }
    }
    assert_int_equal(at, r->count);
}

static void assert_total(const struct calls *total, const struct recount *own)
{
    struct buf bytes;
    buf_init(&bytes, HIST_BYTES_MAX);
    hist_encode(&own->all, &bytes);
    assert_int_equal(total->hist.n, bytes.n);
    assert_memory_equal(total->hist.p, bytes.p, bytes.n);
    buf_done(&bytes);
}

static void test_weeks_of_an_instance_equal_a_recount(void **state)
{
    (void)state;
    struct world w;
    struct recount *r = mem_new(INSTANCES, sizeof *r);
    int64_t all = 0;
    world_open(&w, 0);
    for (uint64_t hour = 0; hour < DAYS * 24; hour++) {
        world_now_ms = T0_MS + (hour + 1) * HOUR_MS;
        for (uint64_t n = draw(&w, 20); n > 0; n--) {
            call(&w, r, (unsigned)draw(&w, INSTANCES), hour);
        }
        if (hour % 24 == 23) {
            seal_and_flush(&w);
        }
    }
    assert_ok(series_quiesce(w.store));
    assert_int_equal(series_finest_ms(w.store, T0_MS), HOUR_MS); // of the first days nothing finer
    for (unsigned i = 0; i < INSTANCES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "pod-%u", i);
        struct red *red = ask(&w, name, RED_BY_NOTHING, T0_MS);
        assert_points(red, &r[i]);
        assert_total(&red->total, &r[i]);
        all += red->total.calls;
        red_free(red);
        red = ask(&w, name, RED_BY_NOTHING, T0_MS + 3 * DAY_MS + 5 * HOUR_MS);
        assert_points(red, &r[i]);
        red_free(red);
    }
    struct red *whole = ask(&w, NULL, RED_BY_INSTANCE, T0_MS);
    assert_int_equal(whole->group_count, INSTANCES);
    for (size_t i = 0; i < whole->group_count; i++) {
        assert_total(&whole->groups[i].calls, &r[whole->groups[i].name.p[4] - '0']);
    }
    assert_int_equal(whole->total.calls, all);
    red_free(whole);
    whole = ask(&w, NULL, RED_BY_NOTHING, T0_MS); // by its endpoints
    assert_int_equal(whole->total.calls, all);
    red_free(whole);
    for (unsigned i = 0; i < INSTANCES; i++) {
        hist_clear(&r[i].all);
    }
    mem_free(r);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weeks_of_an_instance_equal_a_recount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
