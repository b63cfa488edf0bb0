// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/machine.h: each instance's numbers are those that its series say, by
// whatever name its runtime calls them, and the worst instance is named.
#include "test.h"

#include <math.h>

#include "unit/series/world.h"

#include "model/point.h"
#include "query/machine.h"
#include "query/machine_sources.h"

#define RANGE_MS ((uint64_t)600000) // steps of 10 s
#define BEGIN_MS (T0_MS + 1200000)
#define EVERY_MS ((uint64_t)10000)

// A series of a line and service.
struct sender {
    struct world *w;
    const char *line, *service, *instance;
};

static uint32_t series_of(struct sender s, const char *name, enum series_type type, const char *key,
                          const char *value)
{
    struct series_label labels[4] = {{POINT_NAME, str_of(name)}};
    size_t n = 1;
    uint32_t series;
    if (key != NULL && strcmp(key, "instance") < 0) {
        labels[n++] = (struct series_label){str_of(key), str_of(value)};
    }
    labels[n++] = (struct series_label){POINT_INSTANCE, str_of(s.instance)};
    if (key != NULL && strcmp(key, "instance") > 0) {
        labels[n++] = (struct series_label){str_of(key), str_of(value)};
    }
    labels[n++] = (struct series_label){POINT_SERVICE, str_of(s.service)};
    for (size_t i = n - 1; i > 0 && str_cmp(labels[i].key, labels[i - 1].key) < 0; i--) {
        struct series_label other = labels[i];
        labels[i] = labels[i - 1];
        labels[i - 1] = other;
    }
    assert_ok(series_find(s.w->store, str_of(s.line), type, labels, n, &series));
    return series;
}

// A number every 10 s of the whole range: begin + by * its place.
static void add_line(struct sender s, const char *name, enum series_type type, const char *key,
                     const char *value, double begin, double by)
{
    uint32_t series = series_of(s, name, type, key, value);
    for (uint64_t i = 0; i < RANGE_MS / EVERY_MS; i++) {
        series_add_number(s.w->store, series, BEGIN_MS + i * EVERY_MS, begin + by * (double)i);
    }
}

static struct machine *ask(struct world *w, const char *line, const char *service)
{
    struct machine *m;
    const struct machine_query q = {.store = w->store,
                                    .line = str_of(line),
                                    .service = str_of(service),
                                    .from_ms = BEGIN_MS,
                                    .to_ms = BEGIN_MS + RANGE_MS};
    assert_ok(machine_run(&q, &m));
    assert_int_equal(m->step_ms, EVERY_MS);
    return m;
}

static const struct machine_number *number_of(const struct machine *m, enum machine_measure measure)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->numbers[i].measure == measure) {
            return &m->numbers[i];
        }
    }
    return NULL;
}

static void assert_name(struct str got, const char *name)
{
    assert_true(str_eq(got, str_of(name)));
}

static void assert_number(const struct machine *m, enum machine_measure measure, double mean,
                          const char *worst, double worst_mean, double worst_max)
{
    const struct machine_number *n = number_of(m, measure);
    assert_non_null(n);
    assert_true(fabs(n->mean - mean) < 1e-9 * (1 + fabs(mean)));
    assert_name(n->worst, worst);
    assert_true(fabs(n->worst_mean - worst_mean) < 1e-9 * (1 + fabs(worst_mean)));
    assert_true(fabs(n->worst_max - worst_max) < 1e-9 * (1 + fabs(worst_max)));
}

static void test_the_worst_instance_is_the_one_with_the_greatest_value(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    const struct sender a = {&w, "shop", "orders", "a"}, b = {&w, "shop", "orders", "b"};
    add_line(a, "jvm.cpu.recent_utilization", SERIES_GAUGE, NULL, NULL, 0.5, 0);
    uint32_t series = series_of(b, "jvm.cpu.recent_utilization", SERIES_GAUGE, NULL, NULL);
    for (uint64_t i = 0; i < RANGE_MS / EVERY_MS; i++) { // calm but for one moment
        double v = i == 7 ? 0.9 : 0.1;
        series_add_number(w.store, series, BEGIN_MS + i * EVERY_MS, v);
    }
    struct machine *m = ask(&w, "shop", "orders");
    double calm = (59 * 0.1 + 0.9) / 60;
    assert_number(m, MACHINE_CPU, (0.5 + calm) / 2, "b", calm, 0.9);
    const struct machine_number *n = number_of(m, MACHINE_CPU);
    assert_int_equal(n->worst_ms, BEGIN_MS + 7 * EVERY_MS);
    assert_int_equal(n->instances, 2);
    assert_str(n->metric, "jvm.cpu.recent_utilization");
    assert_int_equal(m->count, 1);
    machine_free(m);
    world_done(&w);
}

static void test_the_pools_of_a_heap_add_up_and_are_a_share_of_what_they_may_have(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    const struct sender a = {&w, "shop", "orders", "a"};
    add_line(a, "jvm_memory_used_bytes", SERIES_GAUGE, "area", "heap", 100, 1);
    add_line(a, "jvm_memory_used_bytes", SERIES_GAUGE, "area", "nonheap", 5000, 0);
    add_line(a, "jvm_memory_max_bytes", SERIES_GAUGE, "area", "heap", 200, 0);
    struct machine *m = ask(&w, "shop", "orders");
    assert_number(m, MACHINE_HEAP, 129.5, "a", 129.5, 159);
    assert_number(m, MACHINE_HEAP_SHARE, 129.5 / 200, "a", 129.5 / 200, 159.0 / 200);
    assert_int_equal(m->count, 2);
    machine_free(m);
    world_done(&w);
}

// 2.5 s of CPU in each 10 s; 60 samples, of which the growth between two is known.
static void test_a_counter_is_read_by_second_where_its_growth_is_known(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    const struct sender a = {&w, "shop", "orders", "a"};
    uint32_t series = series_of(a, "process_cpu_seconds_total", SERIES_COUNTER, NULL, NULL);
    for (uint64_t i = 0; i < 20; i++) { // begins and ends within steps of the range
        series_add_number(w.store, series, BEGIN_MS + 64000 + i * EVERY_MS, 7 + 2.5 * (double)i);
    }
    add_line(a, "jvm.gc.duration_sum", SERIES_COUNTER, NULL, NULL, 1, 0.1);
    struct machine *m = ask(&w, "shop", "orders");
    assert_number(m, MACHINE_CPU_CORES, 0.25, "a", 0.25, 0.25);
    assert_number(m, MACHINE_GC, 0.01, "a", 0.01, 0.01);
    machine_free(m);
    world_done(&w);
}

static void test_idle_time_tells_how_busy_a_host_is(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    const struct sender a = {&w, "", "node", "web-1"}, b = {&w, "", "node", "web-2"};
    add_line(a, "node_cpu_seconds_total", SERIES_COUNTER, "mode", "idle", 0, 4);
    add_line(a, "node_cpu_seconds_total", SERIES_COUNTER, "mode", "user", 0, 6);
    add_line(a, "node_memory_MemAvailable_bytes", SERIES_GAUGE, NULL, NULL, 250, 0);
    add_line(a, "node_memory_MemTotal_bytes", SERIES_GAUGE, NULL, NULL, 1000, 0);
    add_line(b, "node_cpu_seconds_total", SERIES_COUNTER, "mode", "idle", 0, 9);
    struct machine *m = ask(&w, "", "node");
    assert_number(m, MACHINE_HOST_CPU, (0.6 + 0.1) / 2, "web-1", 0.6, 0.6);
    assert_number(m, MACHINE_HOST_MEMORY, 0.75, "web-1", 0.75, 0.75);
    assert_int_equal(m->metric_count, 0);
    assert_int_equal(m->other_metrics, 3);
    machine_free(m);
    world_done(&w);
}

static void test_metrics_of_the_business_are_told_apart(void **state)
{
    static const char *const own[] = {"cart.size", "goods_sold_total", "httpd.lines", "ups"};
    static const char *const others[] = {"go_goroutines",   "http.server.request.duration",
                                         "jvm.class.count", "process_open_fds",
                                         "target_info",     "up"};
    struct world w;
    (void)state;
    world_open(&w, 0);
    const struct sender a = {&w, "shop", "orders", "a"}, elsewhere = {&w, "play", "orders", "a"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        add_line(a, own[i], SERIES_GAUGE, NULL, NULL, 1, 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        add_line(a, others[i], SERIES_GAUGE, NULL, NULL, 1, 0);
    }
    add_line(elsewhere, "scores", SERIES_GAUGE, NULL, NULL, 1, 0);
    struct machine *m = ask(&w, "shop", "orders");
    assert_int_equal(m->metric_count, sizeof own / sizeof *own);
    for (size_t i = 0; i < m->metric_count; i++) {
        assert_name(m->metrics[i].name, own[i]);
    }
    assert_int_equal(m->other_metrics, sizeof others / sizeof *others);
    machine_free(m);
    world_done(&w);
}

static void test_metrics_without_a_line_are_of_the_service_that_has_none_in_its_own(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    const struct sender scraped = {&w, "", "orders", "10.0.0.1:9090"};
    add_line(scraped, "process_resident_memory_bytes", SERIES_GAUGE, NULL, NULL, 64, 0);
    struct machine *m = ask(&w, "shop", "orders");
    assert_number(m, MACHINE_MEMORY, 64, "10.0.0.1:9090", 64, 64);
    machine_free(m);
    const struct sender own = {&w, "shop", "orders", "a"};
    add_line(own, "process_resident_memory_bytes", SERIES_GAUGE, NULL, NULL, 32, 0);
    m = ask(&w, "shop", "orders");
    assert_number(m, MACHINE_MEMORY, 32, "a", 32, 32);
    machine_free(m);
    world_done(&w);
}

static void test_a_measure_of_too_many_instances_is_left_out_and_counted(void **state)
{
    struct world w;
    char instance[16];
    (void)state;
    world_open(&w, 0);
    for (size_t i = 0; i <= MACHINE_INSTANCES_MAX; i++) {
        (void)snprintf(instance, sizeof instance, "i-%zu", i);
        const struct sender s = {&w, "shop", "orders", instance};
        uint32_t series = series_of(s, "jvm.thread.count", SERIES_GAUGE, NULL, NULL);
        series_add_number(w.store, series, BEGIN_MS, 20);
    }
    const struct sender one = {&w, "shop", "orders", "i-0"};
    add_line(one, "process.memory.usage", SERIES_GAUGE, NULL, NULL, 5, 0);
    struct machine *m = ask(&w, "shop", "orders");
    assert_null(number_of(m, MACHINE_THREADS));
    assert_int_equal(m->left_out, 1);
    assert_number(m, MACHINE_MEMORY, 5, "i-0", 5, 5);
    machine_free(m);
    world_done(&w);
}

// Read one after the other, so that the first that there is can be taken.
static void test_the_sources_of_a_measure_stand_together(void **state)
{
    bool seen[MACHINE_MEASURES] = {false};
    (void)state;
    for (size_t i = 0; i < machine_source_count; i++) {
        enum machine_measure measure = machine_sources[i].measure;
        bool goes_on = i > 0 && machine_sources[i - 1].measure == measure;
        assert_true(goes_on || !seen[measure]);
        assert_true(machine_is_common(machine_sources[i].name));
        seen[measure] = true;
    }
    for (size_t m = 0; m < MACHINE_MEASURES; m++) {
        assert_true(seen[m]);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_worst_instance_is_the_one_with_the_greatest_value),
        cmocka_unit_test(test_the_pools_of_a_heap_add_up_and_are_a_share_of_what_they_may_have),
        cmocka_unit_test(test_a_counter_is_read_by_second_where_its_growth_is_known),
        cmocka_unit_test(test_idle_time_tells_how_busy_a_host_is),
        cmocka_unit_test(test_metrics_of_the_business_are_told_apart),
        cmocka_unit_test(test_metrics_without_a_line_are_of_the_service_that_has_none_in_its_own),
        cmocka_unit_test(test_a_measure_of_too_many_instances_is_left_out_and_counted),
        cmocka_unit_test(test_the_sources_of_a_measure_stand_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
