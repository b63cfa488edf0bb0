// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/store.h: nothing lost, nothing twice, the ledger balances.
#include "test.h"

#include <pthread.h>
#include <sys/resource.h>

#include "unit/store/world.h"

// ---- Tests -----------------------------------------------------------------------------------

static void test_flush_and_reopen(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    for (int i = 0; i < 20; i++) {
        add(&w, i % 3 ? STR("shop") : STR(""), 100);
    }
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).stored, 0);
    assert_int_equal(w.committed, 0);
    assert_ok(store_flush(w.store));
    assert_int_equal(w.committed, 20);
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).stored, 2000);
    add(&w, STR("shop"), 50);
    kill_store(&w);

    open_store(&w);
    assert_has(&w, w.all, w.count - 1);
    assert_int_equal(balance(&w).received, 2000);
    assert_int_equal(store_line_seq(w.store, STR("shop")), 20);
    assert_int_equal(store_line_seq(w.store, STR("")), 20);
    assert_int_equal(store_line_seq(w.store, STR("new")), 0);
    assert_int_equal(store_replay_after(w.store), 20);
    store_add(w.store, batch_ref(w.all[w.count - 1]));
    close_store(&w);

    open_store(&w);
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).stored, 2050);
    world_done(&w);
}

// Parts without the catalog that knew them are not taken for what a crash left: nothing is removed,
// however often the server is started.
static void test_lost_catalog(void **state)
{
    (void)state;
    struct world w;
    static const char *const files[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm"};
    char from[256], to[256];
    world_open(&w, false);
    add(&w, STR("shop"), 100);
    assert_ok(store_flush(w.store));
    close_store(&w);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(from, sizeof from, "%s/%s", w.dir, files[i]);
        (void)snprintf(to, sizeof to, "%s/kept-%s", w.dir, files[i]);
        (void)rename(from, to);
    }
    for (int i = 0; i < 2; i++) {
        struct err_at at = {0};
        w.ledger = ledger_new();
        w.options.ledger = w.ledger;
        assert_int_equal(store_open(&w.options, &w.store, &at), ERR_CORRUPT);
        assert_non_null(strstr(at.text, "catalog.db"));
        ledger_free(w.ledger);
    }
    for (int i = 0; i < 3; i++) {
        (void)snprintf(from, sizeof from, "%s/kept-%s", w.dir, files[i]);
        (void)snprintf(to, sizeof to, "%s/%s", w.dir, files[i]);
        (void)remove(to);
        (void)rename(from, to);
    }
    open_store(&w);
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

// Replaying from the least offset, skipping what a line has, restores every row once; a commit in
// the middle of the replay must not hide what the other lines have still to get.
static void test_replay_of_uneven_lines(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    for (int i = 0; i < 4; i++) {
        add(&w, STR("a"), 10);
        add(&w, STR("b"), 10);
    }
    assert_ok(flush_line(w.store, 0)); // line a: 1 3 5 7; b has 2 4 6 8 hot
    assert_int_equal(w.committed, 1);
    kill_store(&w);
    for (int round = 0; round < 2; round++) {
        open_store(&w);
        assert_int_equal(store_replay_after(w.store), round == 0 ? 1 : 2);
        for (size_t i = 0; i < w.count; i++) {
            struct batch *b = w.all[i];
            if (b->seq > store_replay_after(w.store) && b->seq > store_line_seq(w.store, b->line)) {
                store_add(w.store, batch_ref(b));
                if (round == 0) { // killed after one batch of b
                    assert_ok(store_flush(w.store));
                    break;
                }
            }
        }
        if (round == 0) {
            kill_store(&w);
        }
    }
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).received, 80);
    world_done(&w);
}

// Two lines of one record come at once: when one of them is flushed, the other, whose rows only the
// journal holds, keeps the offset before the record.
static void test_a_record_of_two_lines_is_taken_as_one(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    add(&w, STR("a"), 10);
    add(&w, STR("b"), 10);
    assert_ok(store_flush(w.store));
    struct batch *record[] = {make(&w, STR("a"), 10), make(&w, STR("b"), 10),
                              make(&w, STR("new"), 10)};
    record[1]->seq = record[2]->seq = w.seq = record[0]->seq;
    store_add_record(w.store, record, 3);
    assert_ok(flush_line(w.store, 0));
    assert_int_equal(w.committed, 2);
    assert_int_equal(store_line_seq(w.store, STR("a")), 3);
    assert_int_equal(store_line_seq(w.store, STR("b")), 2);
    assert_int_equal(store_replay_after(w.store), 2);
    kill_store(&w);
    open_store(&w);
    for (size_t i = w.count - 3; i < w.count; i++) {
        if (w.all[i]->seq > store_line_seq(w.store, w.all[i]->line)) {
            store_add(w.store, batch_ref(w.all[i]));
        }
    }
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

static void test_idle_lines_do_not_hold_the_journal(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    add(&w, STR("idle"), 10);
    assert_ok(store_flush(w.store));
    add(&w, STR("busy"), 10);
    w.seq = 500;
    store_note_seq(w.store, 501);
    assert_ok(store_flush(w.store));
    assert_int_equal(w.committed, 500);
    assert_int_equal(store_line_seq(w.store, STR("idle")), 500);
    world_done(&w);
}

// A record that has metric points alone: the store has nothing of it, and tells so.
static void add_without_spans(struct world *w, struct str line)
{
    struct batch *b = batch_new(line);
    batch_seal(b);
    b->seq = ++w->seq;
    store_add_record(w->store, &b, 1);
}

static void test_records_without_spans_do_not_hold_the_journal(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    add_without_spans(&w, STR("points"));
    assert_ok(store_quiesce(w.store)); // no line was ever heard of
    assert_int_equal(w.committed, 1);
    add(&w, STR("spans"), 10);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(w.committed, 2);
    for (unsigned i = 0; i < 5; i++) {
        add_without_spans(&w, i % 2 == 0 ? STR("points") : STR("spans"));
    }
    assert_ok(store_quiesce(w.store));
    assert_int_equal(w.committed, 7);
    add(&w, STR("spans"), 10); // hot: what follows waits for it
    add_without_spans(&w, STR("points"));
    struct store_stats stats;
    store_stats(w.store, &stats);
    assert_int_equal(stats.hot_rows, 10);
    kill_store(&w);
    open_store(&w);
    assert_int_equal(store_line_seq(w.store, STR("spans")), 7);
    assert_int_equal(store_replay_after(w.store), 7);
    world_done(&w);
}

static void test_more_lines_than_fit_share_the_last(void **state)
{
    (void)state;
    struct world w;
    char name[32];
    world_open(&w, false);
    for (int i = 0; i < STORE_LINES_MAX + 5; i++) {
        (void)snprintf(name, sizeof name, "line-%d", i);
        add(&w, str_of(name), 3);
    }
    assert_ok(store_flush(w.store));
    struct store_stats stats;
    store_stats(w.store, &stats);
    assert_int_equal(stats.parts, STORE_LINES_MAX);
    kill_store(&w);
    open_store(&w);
    assert_has(&w, w.all, w.count);
    assert_int_equal(store_line_seq(w.store, STR("line-66")), STORE_LINES_MAX + 5);
    world_done(&w);
}

static void test_merging_keeps_every_row(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    for (int i = 0; i < 40; i++) {
        w.gen.time_base += 1000000;
        add(&w, STR("shop"), 60);
        assert_ok(store_flush(w.store));
    }
    struct store_stats before, after;
    store_stats(w.store, &before);
    struct store_view *old = store_view(w.store);
    assert_ok(store_quiesce(w.store));
    store_stats(w.store, &after);
    assert_int_equal(before.parts, 40);
    assert_true(after.parts < 16);
    assert_true(after.merges >= 2);
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).stored, 2400);
    // A view from before still reads the parts that were merged away.
    struct rows rows = {0};
    struct batch *keep[64];
    size_t kept = 0;
    for (size_t i = 0; i < old->part_count; i++) {
        read_part(old->parts[i], &rows, keep, &kept);
    }
    assert_int_equal(rows.count, 2400);
    for (size_t i = 0; i < kept; i++) {
        batch_unref(keep[i]);
    }
    mem_free(rows.rows);
    store_view_free(old);
    close_store(&w);
    open_store(&w);
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

static void test_copies_are_dropped_and_counted(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    for (int i = 0; i < 8; i++) {
        add(&w, STR("shop"), 100);
        if (i > 0) { // the batch of the first round again, in another record and part
            w.all[0]->seq = ++w.seq;
            store_add(w.store, batch_ref(w.all[0]));
        }
        assert_ok(store_flush(w.store));
    }
    struct batch *twice = make(&w, STR("shop"), 50);
    store_add(w.store, batch_ref(twice));
    store_add(w.store, twice); // and one twice in one part
    assert_ok(store_flush(w.store));
    assert_int_equal(balance(&w).dropped, 50);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(balance(&w).dropped, 50 + 700);
    assert_int_equal(balance(&w).stored, 850);
    assert_has(&w, w.all, w.count);
    close_store(&w);
    open_store(&w);
    assert_int_equal(balance(&w).dropped, 750);
    world_done(&w);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    world_open(&w, true);
    add(&w, STR("shop"), 100);
    assert_ok(store_flush(w.store));
    simfs_set_full(w.sim, true);
    add(&w, STR("shop"), 100);
    assert_err(store_flush(w.store), ERR_FULL);
    assert_err(store_flush(w.store), ERR_FULL);
    store_stats(w.store, &stats);
    assert_true(stats.full);
    assert_int_equal(stats.flush_failures, 2);
    assert_int_equal(stats.hot_rows, 100);
    assert_int_equal(w.committed, 1);
    assert_has(&w, w.all, w.count); // queries go on
    (void)balance(&w);
    simfs_set_full(w.sim, false);
    assert_ok(store_flush(w.store));
    store_stats(w.store, &stats);
    assert_false(stats.full);
    assert_int_equal(w.committed, 2);
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).stored, 200);
    world_done(&w);
}

// Writes and syncs that fail by chance, and the power going, never lose or double a committed row.
static void test_failing_disk(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, true);
    size_t failures = 0;
    for (int round = 0; round < 60; round++) {
        simfs_set_faults(w.sim, 60, 60);
        add(&w, STR("shop"), 40);
        failures += store_flush(w.store) != ERR_OK;
        failures += round % 10 == 9 && store_quiesce(w.store) != ERR_OK;
        (void)balance(&w);
        simfs_set_faults(w.sim, 0, 0);
        if (round % 15 == 14) {
            kill_store(&w);
            simfs_crash(w.sim);
            open_store(&w);
            replay(&w);
            assert_has(&w, w.all, w.count);
            (void)balance(&w);
        }
    }
    assert_true(failures > 5);
    assert_ok(store_flush(w.store));
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).received, w.rows);
    world_done(&w);
}

// A commit whose sync fails may be on the disk all the same. When a crash brings it back, the part
// that it names is there; when a later commit has settled that it never was, its file goes.
static void test_a_failed_commit_may_come_back(void **state)
{
    (void)state;
    size_t came_back = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct world w;
        world_open(&w, true);
        add_parts(&w, 1, 40);
        choose_fate(&w, seed);
        add(&w, STR("shop"), 40);
        simfs_set_faults(w.sim, 0, 500);
        enum err e = store_flush(w.store);
        simfs_set_faults(w.sim, 0, 0);
        if (e == ERR_OK || seed % 4 != 0) {
            kill_store(&w);
        } else {
            assert_ok(store_flush(w.store));
            assert_null(w.store->doubts);
            kill_store(&w);
        }
        simfs_crash(w.sim);
        open_store(&w);
        came_back += e != ERR_OK && seed % 4 != 0 && store_line_seq(w.store, STR("shop")) == 2;
        replay(&w);
        assert_has(&w, w.all, w.count);
        assert_int_equal(balance(&w).dropped, 0);
        world_done(&w);
    }
    assert_true(came_back > 5);
}

// A commit that has nothing to write does not take the place of the one that failed in the log, so
// that alone it must not settle anything.
static void test_an_empty_commit_settles_too(void **state)
{
    (void)state;
    size_t failed = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct world w;
        struct commit empty;
        world_open(&w, true);
        add_parts(&w, 1, 40);
        choose_fate(&w, seed);
        add(&w, STR("shop"), 40);
        simfs_set_faults(w.sim, 0, 500);
        enum err e = store_flush(w.store);
        simfs_set_faults(w.sim, 0, 0);
        failed += w.store->doubts != NULL;
        commit_begin(&empty, w.store); // the ledger's, when nothing was counted meanwhile
        assert_ok(commit_end(&empty));
        assert_null(w.store->doubts);
        kill_store(&w);
        simfs_crash(w.sim);
        open_store(&w);
        assert_true(e == ERR_OK || store_line_seq(w.store, STR("shop")) == 1);
        if (e != ERR_OK) {
            store_add(w.store, batch_ref(w.all[1]));
        }
        assert_has(&w, w.all, w.count);
        assert_int_equal(balance(&w).dropped, 0);
        world_done(&w);
    }
    assert_true(failed > 5);
}

// Only names that the store gives are its own: others' files stay, and number nothing.
static void test_files_of_other_names_stay(void **state)
{
    (void)state;
    static const char *const names[] = {"1.part", "-1.part", "00000000000000FE.part",
                                        "ffffffffffffffff.part", "0000000000000000.part"};
    struct world w;
    char path[128];
    world_open(&w, false);
    add_parts(&w, 2, 10);
    close_store(&w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/parts/%s", w.dir, names[i]);
        FILE *other = fopen(path, "w");
        assert_non_null(other);
        assert_int_equal(fclose(other), 0);
    }
    open_store(&w);
    assert_int_equal(w.store->next_id, 3);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/parts/%s", w.dir, names[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

static void test_damaged_parts_are_set_aside(void **state)
{
    (void)state;
    struct world w;
    char path[128], bad[160];
    world_open(&w, false);
    add_parts(&w, 10, 70);
    close_store(&w);
    part_file(&w, 1, path); // gone
    assert_int_equal(unlink(path), 0);
    part_file(&w, 2, path); // does not begin as a part
    flip(path, 0);
    part_file(&w, 3, path); // opens, but a page is damaged
    flip(path, 400);
    (void)snprintf(bad, sizeof bad, "%s/parts/00000000000000ff.part", w.dir);
    FILE *orphan = fopen(bad, "w");
    assert_non_null(orphan);
    (void)fclose(orphan);

    open_store(&w);
    assert_int_equal(access(bad, F_OK), -1); // the orphan
    assert_int_equal(balance(&w).dropped, 140);
    assert_ok(store_quiesce(w.store)); // merging meets the third
    assert_int_equal(balance(&w).dropped, 210);
    (void)snprintf(bad, sizeof bad, "%s.bad", path);
    assert_int_equal(access(bad, F_OK), 0);
    assert_has(&w, w.all + 3, w.count - 3);
    close_store(&w);
    open_store(&w);
    assert_has(&w, w.all + 3, w.count - 3);
    assert_int_equal(balance(&w).dropped, 210);
    world_done(&w);
}

// A disk that reads well but for a while: with a wrong bit, or not at all.
static struct fs_ops lying_ops;
static struct fs liar = {.ops = &lying_ops};
static enum { TELLS_TRUTH, LIES_ONCE, SAYS_NOTHING } mood;

static enum err read_lying(struct file *f, void *bytes, size_t n, uint64_t offset)
{
    enum err e = mood == SAYS_NOTHING ? ERR_IO : fs_real()->ops->read_at(f, bytes, n, offset);
    if (mood == LIES_ONCE && e == ERR_OK && n > 0) {
        *(char *)bytes = (char)(*(char *)bytes ^ 16);
        mood = TELLS_TRUTH;
    }
    return e;
}

static void world_open_lying(struct world *w)
{
    lying_ops = *fs_real()->ops;
    lying_ops.read_at = read_lying;
    mood = TELLS_TRUTH;
    world_open(w, false);
    close_store(w);
    w->fs = &liar;
    open_store(w);
}

// What was read wrong once, by a merge or by retention, is read again before all of it is given up.
static void test_a_fault_that_does_not_stay_costs_nothing(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    world_open_lying(&w);
    add_parts(&w, 8, 70);
    mood = LIES_ONCE;
    assert_ok(store_quiesce(w.store));
    assert_int_equal(mood, TELLS_TRUTH);
    store_stats(w.store, &stats);
    assert_int_equal(stats.merge_failures, 1);
    assert_int_equal(stats.merges, 1);
    assert_has(&w, w.all, w.count);
    const struct store_retention limit = {.age_ms = 1000, .errors_age_ms = UINT64_MAX};
    store_set_retention(w.store, limit, NULL, 0);
    mood = LIES_ONCE;
    assert_ok(store_quiesce(w.store));
    assert_int_equal(mood, TELLS_TRUTH);
    store_stats(w.store, &stats);
    assert_int_equal(stats.merge_failures, 2);
    assert_int_equal(stats.stripped_parts, 1);
    assert_int_equal(stats.damaged_parts, 0);
    assert_int_equal(balance(&w).dropped, 0);
    world_done(&w);
}

// A disk that does not answer says nothing of what it holds.
static void test_silence_is_no_damage(void **state)
{
    (void)state;
    struct world w;
    struct err_at at = {0};
    bool did = false;
    world_open_lying(&w);
    add_parts(&w, 3, 70);
    part_note_damage(w.store->lines[0].parts[1]->part);
    mood = SAYS_NOTHING;
    assert_ok(maintain_step(w.store, true, &did));
    assert_err(part_verify(w.store->lines[0].parts[1]->part, &at), ERR_IO);
    mood = TELLS_TRUTH;
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).dropped, 0);
    close_store(&w);
    // Nor at the start, which fails rather than that it sets everything aside.
    w.options.ledger = w.ledger = ledger_new();
    mood = SAYS_NOTHING;
    assert_err(store_open(&w.options, &w.store, &at), ERR_IO);
    assert_non_null(strstr(at.text, "0000000000000001.part"));
    mood = TELLS_TRUTH;
    assert_int_equal(atomic_load(&w.budget.total), 0);
    ledger_free(w.ledger);
    open_store(&w);
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).dropped, 0);
    world_done(&w);
}

// What a query meets is looked at again by the store and set aside, once, with its rows counted;
// views that have the part keep it until they go.
static void test_damage_that_a_query_meets(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    char path[128], bad[160];
    bool did = false;
    world_open(&w, false);
    add_parts(&w, 3, 70);
    part_file(&w, 2, path);
    flip(path, 400);
    (void)snprintf(bad, sizeof bad, "%s.bad", path);
    struct store_view *v = store_view(w.store);
    size_t damaged = 0;
    for (size_t i = 0; i < v->part_count; i++) {
        struct batch *found = NULL;
        enum err e =
            part_find_trace(v->parts[i], w.all[1]->spans[0].trace, TRACE_EVERY_ROW, &found);
        damaged += e == ERR_CORRUPT;
        assert_true(e != ERR_CORRUPT || part_number(v->parts[i]) == 2);
        batch_unref(found);
    }
    assert_int_equal(damaged, 1);
    assert_ok(maintain_step(w.store, true, &did));
    assert_true(did);
    assert_int_equal(balance(&w).dropped, 70);
    assert_int_equal(access(bad, F_OK), -1); // the view has it still
    store_view_free(v);
    assert_int_equal(access(bad, F_OK), 0);
    store_stats(w.store, &stats);
    assert_int_equal(stats.damaged_parts, 1);
    // A fault that does not show again costs nothing.
    part_note_damage(w.store->lines[0].parts[0]->part);
    assert_ok(maintain_step(w.store, true, &did));
    assert_false(part_is_damaged(w.store->lines[0].parts[0]->part));
    assert_int_equal(balance(&w).dropped, 70);
    assert_int_equal(balance(&w).stored, 140);
    kill_store(&w);
    open_store(&w);
    assert_int_equal(balance(&w).dropped, 70);
    world_done(&w);
}

// Far more parts than the process may open files.
static void test_many_parts_and_few_descriptors(void **state)
{
    (void)state;
    struct world w;
    struct rlimit before, low;
    world_open(&w, false);
    add_parts(&w, 1500, 2);
    close_store(&w);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    open_store(&w);
    assert_int_equal(balance(&w).stored, 3000);
    struct store_view *v = store_view(w.store);
    assert_int_equal(v->part_count, 1500);
    for (size_t i = 0; i < w.count; i += 7) {
        size_t spans = 0;
        for (size_t k = 0; k < v->part_count; k++) {
            struct batch *found = NULL;
            enum err e =
                part_find_trace(v->parts[k], w.all[i]->spans[0].trace, TRACE_EVERY_ROW, &found);
            assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
            spans += e == ERR_OK ? found->span_count : 0;
            batch_unref(found);
        }
        assert_true(spans > 0);
    }
    store_view_free(v);
    assert_ok(store_quiesce(w.store)); // merging needs descriptors as well
    assert_int_equal(balance(&w).stored + balance(&w).dropped, 3000);
    close_store(&w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    world_done(&w);
}

// ---- Threads ---------------------------------------------------------------------------------

struct producer {
    struct world *w;
    atomic_uint_least64_t added, adding; // rows that are in, and that are or will be in next
    atomic_bool done;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (int i = 0; i < 1500; i++) {
        struct batch *b = make(p->w, i % 2 ? STR("a") : STR("b"), 20);
        struct store_stats stats;
        do { // not so fast that one flush takes all
            (void)usleep(100);
            store_stats(p->w->store, &stats);
        } while (stats.hot_rows > 1000);
        atomic_fetch_add(&p->adding, 20);
        store_add(p->w->store, b);
        atomic_fetch_add(&p->added, 20);
    }
    atomic_store(&p->done, true);
    return NULL;
}

// While rows come in, are written and are merged, every view has all that was there, once.
static void test_views_are_exact_under_load(void **state)
{
    (void)state;
    static struct world w;
    world_open(&w, false);
    close_store(&w);
    w.options.flush_rows = 400;
    open_store(&w);
    store_start(w.store);
    struct producer p = {.w = &w};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
    size_t views = 0;
    while (!atomic_load(&p.done) || views < 100) {
        uint64_t least = atomic_load(&p.added);
        struct store_view *v = store_view(w.store);
        uint64_t most = atomic_load(&p.adding), rows = view_rows(v);
        assert_true(rows >= least && rows <= most);
        store_view_free(v);
        views++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(store_quiesce(w.store));
    struct store_stats stats;
    store_stats(w.store, &stats);
    assert_true(stats.flushes > 10 && stats.merges > 1);
    assert_has(&w, w.all, w.count);
    (void)balance(&w);
    assert_int_equal(w.committed, w.seq);
    world_done(&w);
}

static void await_flush(struct world *w)
{
    struct store_stats stats = {.hot_rows = 1};
    for (int i = 0; i < 20000 && stats.hot_rows > 0; i++) {
        (void)usleep(1000);
        store_stats(w->store, &stats);
    }
    assert_int_equal(stats.hot_rows, 0);
}

static void test_age_and_shortage_make_a_flush(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    close_store(&w);
    w.options.flush_age_ms = 1;
    open_store(&w);
    store_start(w.store);
    add(&w, STR("shop"), 10);
    await_flush(&w);
    close_store(&w);
    w.options.flush_age_ms = 0; // 30 s, but for the journal's sake
    static atomic_bool hurry = true;
    w.options.hurry = &hurry;
    open_store(&w);
    store_start(w.store);
    add(&w, STR("shop"), 10);
    await_flush(&w);
    close_store(&w);
    w.options.hurry = NULL;
    open_store(&w);
    budget_init(&w.budget, 40000); // the rows alone are over the soft mark
    store_start(w.store);
    add(&w, STR("shop"), 200);
    await_flush(&w);
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

// ---- Dead letters ----------------------------------------------------------------------------

struct seen {
    uint64_t count, last_id, bytes;
};

static void see_letter(void *ctx, uint64_t id, const struct dead_letter *l)
{
    struct seen *s = ctx;
    assert_true(s->count == 0 || id < s->last_id);
    if (s->count == 0) {
        assert_int_equal(l->reason, REASON_MALFORMED);
        assert_int_equal(l->signal, SIGNAL_LOGS);
        assert_str(l->peer, "127.0.0.1:9");
        assert_str(l->message, "bad");
        assert_int_equal(l->body.n, DEAD_LETTER_BODY_MAX);
        assert_int_equal(l->offset, 12);
    }
    s->last_id = id;
    s->count++;
    s->bytes += l->body.n;
}

static void test_dead_letters_are_bounded(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    char *body = mem_new(2 * DEAD_LETTER_BODY_MAX, 1);
    struct dead_letter_sink sink = store_dead_letter_sink(w.store);
    struct dead_letter letter = {.signal = SIGNAL_LOGS,
                                 .reason = REASON_MALFORMED,
                                 .protocol = STR("otlp/grpc"),
                                 .peer = STR("127.0.0.1:9"),
                                 .message = STR("bad"),
                                 .offset = 12,
                                 .body = {body, 2 * DEAD_LETTER_BODY_MAX}};
    struct seen seen = {0};
    for (int i = 0; i < 1200; i++) {
        sink.put(sink.ctx, &letter);
        if (i % 50 == 0) {
            assert_ok(store_dead_letters(w.store, 1, see_letter, &(struct seen){0}));
        }
    }
    assert_ok(store_dead_letters(w.store, 5000, see_letter, &seen));
    assert_true(seen.bytes <= STORE_DEAD_LETTER_BYTES && seen.bytes > STORE_DEAD_LETTER_BYTES / 2);
    close_store(&w);
    open_store(&w);
    struct store_stats stats;
    store_stats(w.store, &stats);
    assert_int_equal(stats.dead_letters, seen.count);
    mem_free(body);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush_and_reopen),
        cmocka_unit_test(test_lost_catalog),
        cmocka_unit_test(test_replay_of_uneven_lines),
        cmocka_unit_test(test_a_record_of_two_lines_is_taken_as_one),
        cmocka_unit_test(test_idle_lines_do_not_hold_the_journal),
        cmocka_unit_test(test_records_without_spans_do_not_hold_the_journal),
        cmocka_unit_test(test_more_lines_than_fit_share_the_last),
        cmocka_unit_test(test_merging_keeps_every_row),
        cmocka_unit_test(test_copies_are_dropped_and_counted),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_a_failed_commit_may_come_back),
        cmocka_unit_test(test_an_empty_commit_settles_too),
        cmocka_unit_test(test_files_of_other_names_stay),
        cmocka_unit_test(test_damaged_parts_are_set_aside),
        cmocka_unit_test(test_damage_that_a_query_meets),
        cmocka_unit_test(test_a_fault_that_does_not_stay_costs_nothing),
        cmocka_unit_test(test_silence_is_no_damage),
        cmocka_unit_test(test_many_parts_and_few_descriptors),
        cmocka_unit_test(test_views_are_exact_under_load),
        cmocka_unit_test(test_age_and_shortage_make_a_flush),
        cmocka_unit_test(test_dead_letters_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
