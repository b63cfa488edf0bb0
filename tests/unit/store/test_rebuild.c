// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/rebuild.h: without a catalog every row comes back once, from the parts or
// from the journal, also from what a crash left beside them.
#include "test.h"

#include "store/rebuild.h"
#include "unit/store/world.h"

static const char *const CATALOG[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm"};

struct told {
    int damaged, covered;
};

static void on_left_out(void *ctx, const char *path, enum rebuild_fate fate, const char *why)
{
    struct told *t = ctx;
    assert_true(path[0] != 0 && why[0] != 0);
    *(fate == REBUILD_DAMAGED ? &t->damaged : &t->covered) += 1;
}

static enum err rebuild(struct world *w, struct rebuilt *ret, struct told *told, struct err_at *at)
{
    const struct rebuild_options o = {.fs = w->fs,
                                      .dir = w->dir,
                                      .catalog_vfs = w->options.catalog_vfs,
                                      .on_left_out = on_left_out,
                                      .ctx = told};
    return store_rebuild(&o, ret, at);
}

static void lose_catalog(struct world *w)
{
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, CATALOG[i]);
        (void)w->fs->ops->remove(w->fs, path);
    }
    assert_ok(w->fs->ops->sync_dir(w->fs, w->dir));
}

static void copy_file(const char *from, const char *to)
{
    char bytes[4096];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    while ((n = fread(bytes, 1, sizeof bytes, in)) > 0) {
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void test_every_row_comes_back_once(void **state)
{
    (void)state;
    struct world w;
    struct rebuilt r;
    struct told told = {0};
    struct err_at at = {0};
    world_open(&w, false);
    for (int i = 0; i < 12; i++) {
        add(&w, i % 2 ? STR("shop") : STR("bank"), 60);
        assert_ok(flush_line(w.store, i % 2 ? 1 : 0));
    }
    assert_ok(store_quiesce(w.store));
    add(&w, STR("late"), 30); // the journal alone has these
    add(&w, STR("shop"), 30);
    assert_ok(flush_line(w.store, 1));
    add(&w, STR("bank"), 30);
    kill_store(&w);
    assert_err(rebuild(&w, &r, &told, &at), ERR_EXISTS);
    lose_catalog(&w);
    assert_ok(rebuild(&w, &r, &told, &at));
    assert_int_equal(r.rows, 12 * 60 + 30);
    assert_int_equal(r.lines, 2);
    assert_string_equal(r.kept_as, "");
    for (int round = 0; round < 3; round++) {
        open_store(&w);
        assert_int_equal(store_replay_after(w.store), round < 2 ? 0 : w.seq);
        replay(&w);
        assert_has(&w, w.all, w.count);
        assert_int_equal(balance(&w).received, w.rows);
        if (round == 1) { // from here on the lines have their offsets
            assert_ok(store_flush(w.store));
        }
        kill_store(&w);
    }
    open_store(&w);
    assert_int_equal(balance(&w).stored, w.rows);
    world_done(&w);
}

// A flush of one line after a rebuild must not hide the rows that another line has in the journal.
static void test_a_crash_amid_the_replay(void **state)
{
    (void)state;
    struct world w;
    struct rebuilt r;
    struct told told = {0};
    world_open(&w, false);
    add(&w, STR("late"), 10);
    add(&w, STR("b"), 10);
    add(&w, STR("shop"), 10);
    add(&w, STR("late"), 10);
    assert_ok(flush_line(w.store, 2));
    kill_store(&w);
    lose_catalog(&w);
    assert_ok(rebuild(&w, &r, &told, NULL));
    open_store(&w);
    store_add(w.store, batch_ref(w.all[0]));
    store_note_seq(w.store, 2);
    assert_ok(store_flush(w.store)); // and it stops here
    kill_store(&w);
    open_store(&w);
    replay(&w);
    assert_has(&w, w.all, w.count);
    world_done(&w);
}

// The inputs of a merge or a strip that a crash left: they are not there twice.
static void test_leftovers_of_a_crash(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct world w;
        struct rebuilt r;
        struct told told = {0};
        char from[160], to[128];
        world_open(&w, false);
        for (int i = 0; i < (kind == 0 ? 8 : 1); i++) {
            add(&w, STR("shop"), 60);
            assert_ok(store_flush(w.store));
            part_file(&w, (uint64_t)i + 1, to);
            (void)snprintf(from, sizeof from, "%s.copy", to);
            copy_file(to, from);
        }
        if (kind == 1) {
            const struct store_retention limit = {.age_ms = 1000, .errors_age_ms = UINT64_MAX};
            store_set_retention(w.store, limit, NULL, 0);
        }
        assert_ok(store_quiesce(w.store));
        add(&w, STR("shop"), 60);
        assert_ok(store_flush(w.store));
        kill_store(&w);
        for (int i = 0; i < (kind == 0 ? 8 : 1); i++) {
            part_file(&w, (uint64_t)i + 1, to);
            assert_int_equal(access(to, F_OK), -1);
            (void)snprintf(from, sizeof from, "%s.copy", to);
            assert_int_equal(rename(from, to), 0);
        }
        lose_catalog(&w);
        assert_ok(rebuild(&w, &r, &told, NULL));
        assert_int_equal(r.covered, kind == 0 ? 8 : 1);
        assert_int_equal(told.covered, r.covered);
        open_store(&w);
        assert_has(&w, w.all, w.count);
        assert_int_equal(balance(&w).stored, w.rows);
        part_file(&w, 1, to);
        assert_int_equal(access(to, F_OK), kind == 0 ? -1 : 0);
        world_done(&w);
    }
}

static void test_damage(void **state)
{
    (void)state;
    struct world w;
    struct rebuilt r;
    struct told told = {0};
    struct err_at at = {0};
    char path[256], bad[280];
    world_open(&w, false);
    add_parts(&w, 4, 70);
    close_store(&w);
    part_file(&w, 2, path);
    flip(path, 400);
    part_file(&w, 4, path); // the newest: the journal has its rows still
    flip(path, 0);
    for (int round = 1; round <= 2; round++) {
        (void)snprintf(path, sizeof path, "%s/catalog.db", w.dir);
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        assert_int_equal(fwrite("no catalog any more", 1, 19, f), 19);
        (void)fclose(f);
        w.options.ledger = w.ledger = ledger_new();
        assert_err(store_open(&w.options, &w.store, &at), ERR_CORRUPT);
        ledger_free(w.ledger);
        assert_ok(rebuild(&w, &r, &told, &at));
        assert_string_equal(r.kept_as, round == 1 ? "catalog.db.bad" : "catalog.db.bad2");
        (void)snprintf(bad, sizeof bad, "%s/%s", w.dir, r.kept_as);
        assert_int_equal(access(bad, F_OK), 0);
        assert_int_equal(r.parts, 2);
        assert_int_equal(r.damaged, round == 1 ? 2 : 0);
        part_file(&w, 2, path);
        (void)snprintf(bad, sizeof bad, "%s.bad", path);
        assert_int_equal(access(bad, F_OK), 0);
    }
    open_store(&w);
    assert_int_equal(store_line_seq(w.store, STR("shop")), 3);
    replay(&w);
    struct batch *left[] = {w.all[0], w.all[2], w.all[3]};
    assert_has(&w, left, 3);
    (void)balance(&w);
    world_done(&w);
}

// The power goes at any moment of it: nothing is lost, the server never starts with less than
// everything, and doing it again ends it.
static void test_the_power_goes_meanwhile(void **state)
{
    (void)state;
    size_t interrupted = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        struct rebuilt r;
        struct told told = {0};
        struct err_at at = {0};
        world_open(&w, true);
        choose_fate(&w, seed);
        add_parts(&w, 3, 30);
        kill_store(&w);
        if (seed % 2 == 0) {
            lose_catalog(&w);
        } else {
            char path[256];
            struct file *f;
            (void)snprintf(path, sizeof path, "%s/catalog.db", w.dir);
            assert_ok(w.fs->ops->open(w.fs, path, FS_WRITE, &f));
            assert_ok(f->ops->write_at(f, "no catalog any more", 19, 0));
            assert_ok(f->ops->sync(f));
            f->ops->close(f);
        }
        simfs_power_off_after(w.sim, 1 + simfs_random(w.sim, 90));
        interrupted += rebuild(&w, &r, &told, &at) != ERR_OK;
        simfs_power_off_after(w.sim, 0);
        simfs_crash(w.sim);
        w.options.ledger = w.ledger = ledger_new();
        enum err e = store_open(&w.options, &w.store, &at);
        if (e == ERR_OK) {
            assert_has(&w, w.all, w.count);
            close_store(&w);
        } else {
            assert_err(e, ERR_CORRUPT);
            ledger_free(w.ledger);
            assert_ok(rebuild(&w, &r, &told, &at));
        }
        open_store(&w);
        replay(&w);
        assert_has(&w, w.all, w.count);
        world_done(&w);
    }
    assert_true(interrupted > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_comes_back_once),
        cmocka_unit_test(test_a_crash_amid_the_replay),
        cmocka_unit_test(test_leftovers_of_a_crash),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_the_power_goes_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
