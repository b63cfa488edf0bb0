// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/sift.h: what stays of fresh parts, what readers are told meanwhile, what
// a restart knows, and that power cuts leave each trace whole or not at all.
#include "test.h"

#include "store/sift.h"
#include "unit/store/world.h"

enum { GOES, STAYS, NOT_JUDGED, KINDS };

static unsigned kind_of(const trace_id *trace)
{
    return (unsigned)(trace_id_hash(*trace) % KINDS);
}

static void choose_traces(struct world *w)
{
    const struct store_retention chosen = {.is_chosen = 1};
    w->options.retention_default = chosen;
    store_set_retention(w->store, chosen, NULL, 0);
}

static void judge_all(struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        for (size_t k = 0; k < w->all[i]->span_count; k++) {
            trace_id trace = w->all[i]->spans[k].trace;
            if (kind_of(&trace) != NOT_JUDGED) {
                store_judge(w->store, trace, kind_of(&trace) == GOES ? KEEP_NOT : KEEP_ERROR);
            }
        }
    }
    store_judged_up_to(w->store, w->seq);
}

static struct rows rows_that_stay(const struct world *w)
{
    struct rows all = {0};
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        rows_add(&all, w->all[i]);
    }
    for (size_t i = 0; i < all.count; i++) {
        if (kind_of(&row_span(all.rows[i])->trace) != GOES) {
            all.rows[kept++] = all.rows[i];
        }
    }
    assert_true(kept > 0 && kept < all.count);
    all.count = kept;
    return all;
}

static size_t fresh_parts(struct world *w)
{
    struct store_stats stats;
    store_stats(w->store, &stats);
    return (size_t)stats.fresh_parts;
}

static void test_traces_that_go_are_left_out_and_known(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    choose_traces(&w);
    add_parts(&w, 10, 200);
    assert_int_equal(fresh_parts(&w), 10);
    assert_ok(store_quiesce(w.store)); // nobody has judged so far
    assert_int_equal(fresh_parts(&w), 10);
    assert_has(&w, w.all, w.count);
    judge_all(&w);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(fresh_parts(&w), 0);
    assert_rows(&w, rows_that_stay(&w));
    uint64_t gone = balance(&w).dropped;
    assert_true(gone > 0);
    for (int round = 0; round < 2; round++) {
        struct store_view *v = store_view(w.store);
        assert_true(v->is_sampled);
        for (size_t k = 0; k < w.all[0]->span_count; k++) {
            trace_id trace = w.all[0]->spans[k].trace;
            assert_int_equal(store_view_fate(v, trace),
                             kind_of(&trace) == GOES ? TRACE_IS_LEFT_OUT : TRACE_IS_WHOLE);
        }
        store_view_free(v);
        close_store(&w);
        open_store(&w);
        assert_int_equal(balance(&w).dropped, gone);
    }
    world_done(&w);
}

// A world of spans of one trace alone, which it gives.
static trace_id open_with_one_trace(struct world *w)
{
    world_open(w, false);
    choose_traces(w);
    w->gen.traces = 1;
    add(w, STR("shop"), 10);
    return w->all[0]->spans[0].trace;
}

static void sift_all(struct world *w)
{
    store_judged_up_to(w->store, w->seq);
    assert_ok(store_quiesce(w->store));
}

static void test_late_spans_of_a_gone_trace_stay_by_an_error_alone(void **state)
{
    (void)state;
    struct world w;
    trace_id trace = open_with_one_trace(&w);
    store_judge(w.store, trace, KEEP_NOT);
    sift_all(&w);
    assert_has(&w, w.all, 0);
    static const enum keep_why whys[] = {KEEP_NOT, KEEP_RARE, KEEP_ERROR, KEEP_NOT};
    size_t stays = 0;
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
        add(&w, STR("shop"), 3);
        store_judge(w.store, trace, whys[i]);
        sift_all(&w);
        stays += i >= 2 ? 1 : 0;
        assert_has(&w, w.all + w.count - stays, stays);
    }
    close_store(&w);
    open_store(&w);
    struct store_view *v = store_view(w.store);
    assert_int_equal(store_view_fate(v, trace), TRACE_IS_PARTIAL);
    store_view_free(v);
    world_done(&w);
}

static void test_a_trace_that_is_open_again_stays(void **state)
{
    (void)state;
    struct world w;
    trace_id trace = open_with_one_trace(&w);
    store_judge(w.store, trace, KEEP_NOT);
    store_judge_again(w.store, trace);
    sift_all(&w);
    add(&w, STR("shop"), 10);
    store_judge(w.store, trace, KEEP_NOT); // too late
    sift_all(&w);
    assert_has(&w, w.all, 2);
    world_done(&w);
}

// ---- Power cuts ---------------------------------------------------------------------------------

static size_t count_trace(const struct rows *rows, const trace_id *trace)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        count += trace_id_cmp(&row_span(rows->rows[i])->trace, trace) == 0 ? 1 : 0;
    }
    return count;
}

// What readers may show of each trace is all of it or nothing. Returns how many spans are hidden.
static size_t assert_whole_or_nothing(struct world *w)
{
    static struct batch *keep[4096];
    struct rows have = {0}, all = {0};
    size_t kept = 0, hidden = 0;
    struct store_view *v = store_view(w->store);
    for (size_t i = 0; i < v->part_count; i++) {
        read_part(v->parts[i], &have, keep, &kept);
    }
    for (size_t i = 0; i < v->hot_count; i++) {
        rows_add(&have, v->hot[i]);
    }
    for (size_t i = 0; i < w->count; i++) {
        rows_add(&all, w->all[i]);
    }
    for (size_t i = 0; i < all.count; i++) {
        const trace_id *trace = &row_span(all.rows[i])->trace;
        size_t there = count_trace(&have, trace), sent = count_trace(&all, trace);
        if (store_view_fate(v, *trace) == TRACE_IS_LEFT_OUT) {
            assert_int_equal(kind_of(trace), GOES);
            hidden += there > 0 ? 1 : 0;
        } else {
            assert_int_equal(there, sent);
        }
    }
    mem_free(have.rows);
    mem_free(all.rows);
    for (size_t i = 0; i < kept; i++) {
        batch_unref(keep[i]);
    }
    store_view_free(v);
    return hidden;
}

static void test_power_cuts_leave_traces_whole_or_gone(void **state)
{
    (void)state;
    size_t interrupted = 0, hidden = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        world_open(&w, true);
        choose_fate(&w, seed);
        choose_traces(&w);
        w.gen.traces = 12;
        add_parts(&w, 3, 30);
        judge_all(&w);
        simfs_power_off_after(w.sim, 1 + simfs_random(w.sim, 120));
        interrupted += store_quiesce(w.store) != ERR_OK;
        kill_store(&w);
        simfs_crash(w.sim);
        open_store(&w);
        replay(&w);
        hidden += assert_whole_or_nothing(&w);
        (void)balance(&w);
        store_judged_up_to(w.store, w.seq);
        assert_ok(store_quiesce(w.store));
        assert_int_equal(assert_whole_or_nothing(&w), 0);
        (void)balance(&w);
        world_done(&w);
    }
    assert_true(interrupted > 20);
    assert_true(hidden > 0);
}

// ---- A full disk --------------------------------------------------------------------------------

// A part of traces of one kind, which a sift need not write: it keeps it as it is, or removes it.
static void add_part_of_kind(struct world *w, unsigned kind)
{
    struct batch *b = make(w, STR("shop"), 20);
    for (size_t i = 0; i < b->span_count; i++) {
        while (kind_of(&b->spans[i].trace) != kind) {
            b->spans[i].trace.b[8]++;
        }
    }
    store_add(w->store, b);
    assert_ok(store_flush(w->store));
}

static void count_file(void *ctx, const char *name)
{
    (void)name;
    ++*(size_t *)ctx;
}

// Files in the folder of parts that are none.
static size_t files_too_many(struct world *w)
{
    struct store_stats stats;
    size_t files = 0;
    store_stats(w->store, &stats);
    assert_ok(w->fs->ops->list(w->fs, w->store->parts_dir, count_file, &files));
    assert_true(files >= stats.parts);
    return files - (size_t)stats.parts;
}

static uint64_t merge_failures(struct world *w)
{
    struct store_stats stats;
    store_stats(w->store, &stats);
    return stats.merge_failures;
}

// Twice, as the thread does after a while. Whether the disk had no room.
static bool sift_without_room(struct world *w)
{
    bool is_full = false;
    for (uint64_t i = 1; i <= 2; i++) {
        uint64_t before = merge_failures(w);
        is_full = store_quiesce(w->store) != ERR_OK;
        assert_int_equal(merge_failures(w) - before, is_full ? 1 : 0);
        (void)assert_whole_or_nothing(w);
        (void)balance(w);
        // What a failed transaction was about stays until another has succeeded.
        assert_true(files_too_many(w) <= (w->store->doubts != NULL ? 1 : 0));
    }
    return is_full;
}

// The disk has room for `writes` while parts are sifted, and then again.
static bool sift_with_room_for(uint64_t writes, bool restarts)
{
    struct world w;
    world_open(&w, true);
    choose_traces(&w);
    w.gen.traces = 12;
    add_parts(&w, 1, 30);
    add_part_of_kind(&w, GOES);
    add_part_of_kind(&w, STAYS);
    add_parts(&w, 1, 30);
    judge_all(&w);
    simfs_fill_after(w.sim, writes);
    bool was_full = sift_without_room(&w);
    simfs_fill_after(w.sim, 0);
    if (restarts) {
        kill_store(&w);
        simfs_crash(w.sim);
        open_store(&w);
        replay(&w);
        (void)assert_whole_or_nothing(&w);
        judge_all(&w);
    }
    assert_ok(store_quiesce(w.store));
    assert_int_equal(fresh_parts(&w), 0);
    assert_rows(&w, rows_that_stay(&w));
    (void)balance(&w);
    assert_int_equal(files_too_many(&w), 0);
    world_done(&w);
    return was_full;
}

static void test_a_full_disk_at_every_write_costs_nothing(void **state)
{
    (void)state;
    uint64_t writes = 1;
    while (sift_with_room_for(writes, false)) {
        assert_true(sift_with_room_for(writes, true));
        writes++;
    }
    assert_true(writes > 10);
}

// One that finds no room does not hold back another that may need none.
static void test_a_part_without_room_lets_others_go_first(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, true);
    choose_traces(&w);
    w.gen.traces = 12;
    add_parts(&w, 2, 30);
    judge_all(&w);
    simfs_set_full(w.sim, true);
    for (size_t i = 0; i < 4; i++) {
        struct sift next = {.s = w.store};
        assert_true(sift_choose(&next, clock_mono_ns(), false));
        assert_ptr_equal(next.entry, w.store->lines[0].parts[i % 2]);
        assert_err(store_quiesce(w.store), ERR_FULL);
    }
    simfs_set_full(w.sim, false);
    assert_ok(store_quiesce(w.store));
    assert_rows(&w, rows_that_stay(&w));
    world_done(&w);
}

static void add_part_of_line(struct world *w, struct str line)
{
    add(w, line, 30);
    assert_ok(store_flush(w->store));
}

// Also not one of another line.
static void test_a_part_without_room_lets_other_lines_go_first(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, true);
    choose_traces(&w);
    w.gen.traces = 12;
    add_part_of_line(&w, STR("bank"));
    add_part_of_line(&w, STR("shop"));
    judge_all(&w);
    simfs_set_full(w.sim, true);
    for (size_t i = 0; i < 4; i++) {
        struct sift next = {.s = w.store};
        assert_true(sift_choose(&next, clock_mono_ns(), false));
        assert_int_equal(next.line, i % 2);
        assert_ptr_equal(next.entry, w.store->lines[i % 2].parts[0]);
        assert_err(store_quiesce(w.store), ERR_FULL);
    }
    simfs_set_full(w.sim, false);
    assert_ok(store_quiesce(w.store));
    assert_rows(&w, rows_that_stay(&w));
    world_done(&w);
}

// A sift that failed and a merge that fails take turns; one that did not fail goes before both.
static void test_a_part_without_room_lets_merges_go_first(void **state)
{
    (void)state;
    struct world w;
    static const uint32_t failures[] = {1, 1, 2, 2, 3};
    struct store_retention chosen = {.line = STR("bank"), .is_chosen = 1};
    world_open(&w, true);
    store_set_retention(w.store, (struct store_retention){0}, &chosen, 1);
    w.gen.traces = 12;
    add_part_of_line(&w, STR("bank"));
    add_parts(&w, 8, 30);
    judge_all(&w);
    simfs_set_full(w.sim, true);
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        assert_err(store_quiesce(w.store), ERR_FULL);
        assert_int_equal(w.store->lines[0].parts[0]->rewrite_failures, failures[i]);
        assert_int_equal(merge_failures(&w), i + 1);
    }
    simfs_set_full(w.sim, false);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(w.store->lines[1].part_count, 1);
    assert_int_equal(fresh_parts(&w), 0);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_that_go_are_left_out_and_known),
        cmocka_unit_test(test_late_spans_of_a_gone_trace_stay_by_an_error_alone),
        cmocka_unit_test(test_a_trace_that_is_open_again_stays),
        cmocka_unit_test(test_power_cuts_leave_traces_whole_or_gone),
        cmocka_unit_test(test_a_full_disk_at_every_write_costs_nothing),
        cmocka_unit_test(test_a_part_without_room_lets_others_go_first),
        cmocka_unit_test(test_a_part_without_room_lets_other_lines_go_first),
        cmocka_unit_test(test_a_part_without_room_lets_merges_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
