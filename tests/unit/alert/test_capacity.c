// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/capacity.h: the busiest minute of any instance is what one carries, but
// for what comes now; nobody waits for it, and so many services are known.
#include "alert/capacity.h"

#include <math.h>

#include "test.h"

#include "unit/series/world.h"

#include "core/clock.h"
#include "core/hist.h"
#include "model/calls.h"

#define DEADLINE_NS (20 * NS_PER_S)
#define MINUTE_MS   ((uint64_t)60000)

// Calls of an instance so many minutes ago; those that failed are a series of their own.
static void call(struct world *w, const char *instance, bool failed, uint64_t minutes_ago,
                 int32_t times)
{
    const uint16_t bucket = (uint16_t)hist_bucket(1000000);
    const struct series_label labels[] = {{CALLS_LABEL_NAME, CALLS_NAME},
                                          {CALLS_ERROR, CALLS_TRUE},
                                          {CALLS_INSTANCE, str_of(instance)},
                                          {CALLS_OF, CALLS_INSTANCE},
                                          {CALLS_SERVICE, STR("cart")}};
    struct series_label kept[5];
    size_t n = 0;
    for (size_t i = 0; i < 5; i++) {
        if (i != 1 || failed) {
            kept[n++] = labels[i];
        }
    }
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    uint64_t minute = now_ms - now_ms % MINUTE_MS - minutes_ago * MINUTE_MS;
    struct series_run r = {.times = times,
                           .time_ms = minute + 10000,
                           .sum_ns = 1000000,
                           .buckets = &bucket,
                           .count = 1};
    assert_ok(series_find(w->store, STR("shop"), SERIES_HIST, kept, n, &r.series));
    series_add_runs(w->store, &r, 1);
}

static double wait_for(struct capacity *c, const char *service)
{
    uint64_t until_ns = clock_mono_ns() + DEADLINE_NS;
    double v = capacity_of(c, STR("shop"), str_of(service));
    while (isnan(v) && clock_mono_ns() < until_ns) {
        v = capacity_of(c, STR("shop"), str_of(service));
    }
    return v;
}

static void test_what_the_busiest_instance_had_in_a_minute(void **state)
{
    static struct world w;
    (void)state;
    world_open(&w, 0);
    world_now_ms = clock_wall_ns() / NS_PER_MS;
    call(&w, "a", false, 30, 40);
    call(&w, "a", true, 30, 2);
    call(&w, "b", false, 30, 30);
    call(&w, "b", false, 2000, 41); // the day before
    call(&w, "a", false, 0, 1000);  // what comes now
    struct capacity *c = capacity_new(w.store, &w.budget);
    assert_true(wait_for(c, "cart") == 42);
    assert_true(isnan(capacity_of(c, STR("other"), STR("cart"))));
    assert_true(isnan(capacity_of(c, STR("shop"), STR(""))));
    capacity_free(c);
    world_done(&w);
}

static void test_so_many_services_are_known(void **state)
{
    static struct world w;
    char name[32];
    (void)state;
    world_open(&w, 0);
    world_now_ms = clock_wall_ns() / NS_PER_MS;
    call(&w, "a", false, 30, 7);
    struct capacity *c = capacity_new(w.store, &w.budget);
    for (size_t i = 0; i < CAPACITY_SERVICES_MAX; i++) {
        (void)snprintf(name, sizeof name, "s-%zu", i);
        assert_true(isnan(capacity_of(c, STR("shop"), str_of(name))));
    }
    assert_true(isnan(capacity_of(c, STR("shop"), STR("cart")))); // logged
    capacity_free(c);                                             // in the middle of it
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_busiest_instance_had_in_a_minute),
        cmocka_unit_test(test_so_many_services_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
