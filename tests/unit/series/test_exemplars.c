// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of series/exemplars.h: what is kept and found, once, how long, and that what was
// not written stays.
#include <math.h>

#include "test.h"

#include "unit/series/world.h"

#include "series/exemplars.h"

#define NAME STR("http.duration")

struct rig {
    struct simfs *sim;
    struct budget budget;
    struct exemplars *x;
    struct exemplars_options options;
};

static void start(struct rig *r)
{
    struct err_at at = {0};
    assert_ok(exemplars_open(&r->options, &r->x, &at));
}

static void stop(struct rig *r)
{
    exemplars_close(r->x);
    r->x = NULL;
    assert_int_equal(atomic_load(&r->budget.total), 0);
}

static void rig_open(struct rig *r)
{
    *r = (struct rig){.sim = simfs_new(7)};
    sqlite_fs_register("simulated", simfs_fs(r->sim));
    budget_init(&r->budget, (size_t)64 << 20);
    r->options = (struct exemplars_options){.path = "series/exemplars.db",
                                            .catalog_vfs = "simulated",
                                            .budget = &r->budget,
                                            .bytes_max = (size_t)1 << 20,
                                            .keep_ms = 86400000};
    start(r);
}

static void rig_done(struct rig *r)
{
    stop(r);
    sqlite_fs_register("simulated", NULL);
    simfs_free(r->sim);
}

static struct exemplar exemplar(uint64_t time_ms, double value)
{
    struct exemplar e = {.line = STR("shop"),
                         .name = NAME,
                         .labels = STR("route\0/cart\0service\0cart\0"),
                         .time_ms = time_ms,
                         .value = value};
    memcpy(e.trace.b, &time_ms, sizeof time_ms);
    memcpy(e.trace.b + 8, &value, sizeof value);
    memcpy(e.span.b, &value, sizeof value);
    return e;
}

static bool add(struct rig *r, uint64_t time_ms, double value)
{
    struct exemplar e = exemplar(time_ms, value);
    return exemplars_add(r->x, &e);
}

struct found {
    struct exemplar items[EXEMPLARS_FOUND_MAX];
    char service[16];
    size_t count;
};

static void on_found(void *ctx, const struct exemplar *e)
{
    struct found *f = ctx;
    struct exemplar same = exemplar(e->time_ms, e->value);
    assert_true(str_eq(e->name, same.name) && str_eq(e->labels, same.labels));
    assert_memory_equal(&e->trace, &same.trace, sizeof e->trace);
    assert_memory_equal(&e->span, &same.span, sizeof e->span);
    assert_true(f->count == 0 || f->items[f->count - 1].time_ms <= e->time_ms);
    f->items[f->count++] = *e;
}

// All of it, each in a stretch of its own: one a millisecond.
static size_t find(struct rig *r, struct found *f, uint64_t from_ms, size_t ms)
{
    const struct exemplars_query q = {
        .any_line = true, .name = NAME, .from_ms = from_ms, .to_ms = from_ms + ms, .max = ms};
    f->count = 0;
    assert_ok(exemplars_find(r->x, &q, on_found, f));
    return f->count;
}

static void test_what_is_added_is_found_and_once(void **state)
{
    (void)state;
    struct rig r;
    struct found f;
    rig_open(&r);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(add(&r, T0_MS + i * 10, i));
    }
    assert_int_equal(find(&r, &f, T0_MS, 100), 5); // while they wait
    exemplars_seal(r.x, 3);
    assert_ok(exemplars_write(r.x, 2, T0_MS)); // those of 3 are not asked for
    struct exemplars_stats stats;
    exemplars_stats(r.x, &stats);
    assert_int_equal(stats.waiting, 5);
    assert_ok(exemplars_write(r.x, 3, T0_MS));
    exemplars_stats(r.x, &stats);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(atomic_load(&r.budget.total), 0);
    stop(&r);
    start(&r);
    assert_int_equal(find(&r, &f, T0_MS, 100), 5);
    for (unsigned i = 0; i < 6; i++) { // as after a crash: the same again, and one more
        assert_true(add(&r, T0_MS + i * 10, i));
    }
    exemplars_seal(r.x, 4);
    assert_ok(exemplars_write(r.x, 4, T0_MS));
    assert_int_equal(find(&r, &f, T0_MS, 100), 6);
    assert_int_equal(f.items[5].time_ms, T0_MS + 50);
    assert_true(f.items[5].value == 5);
    rig_done(&r);
}

static void test_the_greatest_of_a_slot_stay(void **state)
{
    (void)state;
    struct rig r;
    struct found f;
    rig_open(&r);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(add(&r, T0_MS + i, i * 37 % 100));
        assert_true(add(&r, T0_MS + EXEMPLARS_SLOT_MS + i, i));
    }
    exemplars_seal(r.x, 1);
    assert_ok(exemplars_write(r.x, 1, T0_MS));
    assert_int_equal(find(&r, &f, T0_MS, 100), EXEMPLARS_OF_SLOT);
    for (size_t i = 0; i < f.count; i++) {
        assert_true(f.items[i].value >= 100 - EXEMPLARS_OF_SLOT);
    }
    assert_int_equal(find(&r, &f, T0_MS + EXEMPLARS_SLOT_MS, 100), EXEMPLARS_OF_SLOT);
    rig_done(&r);
}

static void test_a_stretch_shows_its_greatest(void **state)
{
    (void)state;
    struct rig r;
    struct found f = {.count = 0};
    rig_open(&r);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(add(&r, T0_MS + i * EXEMPLARS_SLOT_MS, (double)(i * 7 % 10)));
    }
    exemplars_seal(r.x, 1);
    assert_ok(exemplars_write(r.x, 1, T0_MS));
    const struct series_label route = {STR("route"), STR("/cart")},
                              other = {STR("route"), STR("/")};
    struct exemplars_query q = {.line = STR("shop"),
                                .name = NAME,
                                .labels = &route,
                                .label_count = 1,
                                .from_ms = T0_MS,
                                .to_ms = T0_MS + 100 * EXEMPLARS_SLOT_MS,
                                .max = 10};
    assert_ok(exemplars_find(r.x, &q, on_found, &f));
    assert_int_equal(f.count, 10);
    for (size_t i = 0; i < f.count; i++) {
        assert_true(f.items[i].value == 9);
        assert_int_equal((f.items[i].time_ms - T0_MS) / (10 * EXEMPLARS_SLOT_MS), i);
    }
    f.count = 0;
    q.labels = &other;
    assert_ok(exemplars_find(r.x, &q, on_found, &f));
    q.label_count = 0;
    q.line = STR("bank");
    assert_ok(exemplars_find(r.x, &q, on_found, &f));
    q.line = STR("shop");
    q.name = STR("http");
    assert_ok(exemplars_find(r.x, &q, on_found, &f));
    q.name = NAME;
    q.to_ms = q.from_ms;
    assert_ok(exemplars_find(r.x, &q, on_found, &f));
    assert_int_equal(f.count, 0);
    rig_done(&r);
}

static void test_what_has_no_room_or_no_trace_is_left_out(void **state)
{
    (void)state;
    struct rig r;
    struct exemplars_stats stats;
    rig_open(&r);
    struct exemplar none = exemplar(T0_MS, 1);
    none.trace = (trace_id){{0}};
    assert_false(exemplars_add(r.x, &none));
    assert_false(add(&r, T0_MS, INFINITY));
    static const char long_text[EXEMPLARS_TEXT_MAX] = {0};
    struct exemplar large = exemplar(T0_MS, 1);
    large.labels = (struct str){long_text, sizeof long_text};
    assert_false(exemplars_add(r.x, &large));
    unsigned taken = 0;
    while (taken < 1000000 && add(&r, T0_MS + taken, taken)) {
        taken++;
    }
    assert_true(taken > 1000 && taken < 100000);
    assert_true(atomic_load(&r.budget.total) <= r.options.bytes_max);
    exemplars_stats(r.x, &stats);
    assert_int_equal(stats.left_out, 4);
    assert_int_equal(stats.added, taken);
    exemplars_seal(r.x, 1);
    assert_ok(exemplars_write(r.x, 1, T0_MS));
    assert_true(add(&r, T0_MS, 1)); // there is room again
    rig_done(&r);
}

static void test_the_old_and_the_many_go(void **state)
{
    (void)state;
    struct rig r;
    struct found f;
    rig_open(&r);
    stop(&r);
    r.options.count_max = 50;
    start(&r);
    assert_true(add(&r, T0_MS, 1));
    exemplars_seal(r.x, 1);
    assert_ok(exemplars_write(r.x, 1, T0_MS));
    for (unsigned i = 0; i < 60; i++) {
        assert_true(add(&r, T0_MS + i * EXEMPLARS_SLOT_MS, 1));
        exemplars_seal(r.x, 2 + i);
        assert_ok(exemplars_write(r.x, 2 + i, T0_MS));
    }
    assert_int_equal(find(&r, &f, T0_MS + 9 * EXEMPLARS_SLOT_MS, 1), 0);
    assert_int_equal(find(&r, &f, T0_MS + 10 * EXEMPLARS_SLOT_MS, 1), 1);
    uint64_t later_ms = T0_MS + 30 * EXEMPLARS_SLOT_MS + r.options.keep_ms;
    assert_true(add(&r, later_ms, 1));
    exemplars_seal(r.x, 100);
    assert_ok(exemplars_write(r.x, 100, later_ms));
    assert_int_equal(find(&r, &f, T0_MS + 29 * EXEMPLARS_SLOT_MS, 1), 0);
    assert_int_equal(find(&r, &f, T0_MS + 30 * EXEMPLARS_SLOT_MS, 1), 1);
    assert_int_equal(find(&r, &f, later_ms, 1), 1);
    rig_done(&r);
}

static void test_what_the_disk_refuses_stays(void **state)
{
    (void)state;
    struct rig r;
    struct found f;
    rig_open(&r);
    assert_true(add(&r, T0_MS, 1));
    exemplars_seal(r.x, 1);
    simfs_set_faults(r.sim, 1000, 1000);
    assert_true(exemplars_write(r.x, 1, T0_MS) != ERR_OK);
    assert_int_equal(find(&r, &f, T0_MS, 1), 1); // it waits on
    simfs_set_faults(r.sim, 0, 0);
    assert_ok(exemplars_write(r.x, 1, T0_MS));
    assert_int_equal(find(&r, &f, T0_MS, 1), 1);
    assert_int_equal(atomic_load(&r.budget.total), 0);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_added_is_found_and_once),
        cmocka_unit_test(test_the_greatest_of_a_slot_stay),
        cmocka_unit_test(test_a_stretch_shows_its_greatest),
        cmocka_unit_test(test_what_has_no_room_or_no_trace_is_left_out),
        cmocka_unit_test(test_the_old_and_the_many_go),
        cmocka_unit_test(test_what_the_disk_refuses_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
