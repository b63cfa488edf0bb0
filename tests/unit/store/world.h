// SPDX-License-Identifier: Apache-2.0
// Purpose: what tests of the store share: a store in a folder of its own on the real or a simulated
// disk, everything that was ever added to it, and what must hold of it.
#ifndef SONDE_TESTS_STORE_WORLD_H
#define SONDE_TESTS_STORE_WORLD_H

#include "test.h"

#include <ftw.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/sort.h"
#include "store/store.h"
#include "store/store_state.h"
#include "support/simfs.h"
#include "support/sqlite_fs.h"
#include "unit/store/gen.h"

// One store in a folder of its own, on the real or a simulated disk.
struct world {
    char dir[64];
    struct fs *fs;
    struct simfs *sim;
    struct budget budget;
    struct ledger *ledger;
    struct store *store;
    struct store_options options;
    struct gen gen;
    uint64_t seq, committed;
    struct batch *all[4096]; // everything ever added, with a reference
    size_t count;
    uint64_t rows;
};

static inline void on_committed(void *ctx, uint64_t seq)
{
    ((struct world *)ctx)->committed = seq;
}

static inline void open_store(struct world *w)
{
    struct err_at at = {0};
    w->ledger = ledger_new();
    budget_init(&w->budget, (size_t)256 << 20);
    w->options.fs = w->fs;
    w->options.dir = w->dir;
    w->options.budget = &w->budget;
    w->options.ledger = w->ledger;
    w->options.on_committed = on_committed;
    w->options.ctx = w;
    w->options.free_bytes_min = 1;
    enum err e = store_open(&w->options, &w->store, &at);
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_ok(e);
}

static inline void world_open(struct world *w, bool simulated)
{
    *w = (struct world){.dir = "/tmp/sonde-test-store-XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
    w->gen = (struct gen){.state = 77, .traces = 400, .attrs_max = 4, .text_max = 20};
    w->gen.time_base = 1700000000000000000;
    w->sim = simulated ? simfs_new(5) : NULL;
    w->fs = simulated ? simfs_fs(w->sim) : fs_real();
    if (simulated) {
        sqlite_fs_register("simulated", w->fs);
        w->options.catalog_vfs = "simulated";
    }
    open_store(w);
}

// With a clock of the test's own.
static inline void world_open_at(struct world *w, uint64_t (*wall_ns)(void))
{
    *w = (struct world){.dir = "/tmp/sonde-test-store-XXXXXX", .fs = fs_real()};
    assert_non_null(mkdtemp(w->dir));
    w->gen = (struct gen){.state = 77, .traces = 400, .attrs_max = 4, .text_max = 20};
    w->options.wall_ns = wall_ns;
    open_store(w);
}

static inline void close_store(struct world *w)
{
    store_close(w->store);
    assert_int_equal(atomic_load(&w->budget.total), 0);
    ledger_free(w->ledger);
    w->store = NULL;
}

// Closes without the flush, as a kill would: hot rows and unsaved counts are gone.
static inline void kill_store(struct world *w)
{
    struct store *s = w->store;
    for (size_t i = 0; i < s->line_count; i++) {
        for (size_t k = 0; k < s->lines[i].hot_count; k++) {
            budget_give(s->budget, ACCOUNT_STORE, s->lines[i].hot[k].charged);
            batch_unref(s->lines[i].hot[k].batch);
        }
        s->lines[i].hot_count = 0;
    }
    struct ledger *fresh = ledger_new();
    s->ledger = fresh; // what was not saved is not saved by closing either
    if (w->sim != NULL) {
        simfs_power_off_after(w->sim, 1);
    }
    close_store(w);
    ledger_free(fresh);
    if (w->sim != NULL) {
        simfs_power_off_after(w->sim, 0);
    }
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void world_done(struct world *w)
{
    if (w->store != NULL) {
        close_store(w);
    }
    for (size_t i = 0; i < w->count; i++) {
        batch_unref(w->all[i]);
    }
    if (w->sim != NULL) {
        simfs_free(w->sim);
    }
    assert_int_equal(nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct batch *make(struct world *w, struct str line, size_t spans)
{
    struct batch *b = gen_batch(&w->gen, line, spans);
    b->seq = ++w->seq;
    assert_true(w->count < 4096);
    w->all[w->count++] = batch_ref(b);
    w->rows += spans;
    return b;
}

// A record of one batch.
static inline void store_add(struct store *s, struct batch *b)
{
    store_add_record(s, &b, 1);
}

static inline void add(struct world *w, struct str line, size_t spans)
{
    store_add(w->store, make(w, line, spans));
}

// So many parts of one batch each.
static inline void add_parts(struct world *w, int parts, size_t spans)
{
    for (int i = 0; i < parts; i++) {
        add(w, STR("shop"), spans);
        assert_ok(store_flush(w->store));
    }
}

// As the server does at its start: everything behind the least offset, less what a line has.
static inline void replay(struct world *w)
{
    uint64_t after = store_replay_after(w->store);
    for (size_t i = 0; i < w->count; i++) {
        struct batch *b = w->all[i];
        if (b->seq > after && b->seq > store_line_seq(w->store, b->line)) {
            store_add(w->store, batch_ref(b));
        }
        if (b->seq > after) {
            store_note_seq(w->store, b->seq + 1);
        }
    }
}

// What the simulated disk does from here on is another for each seed.
static inline void choose_fate(struct world *w, uint64_t seed)
{
    while (simfs_random(w->sim, 1000) != seed) {
    }
}

// ---- What must hold --------------------------------------------------------------------------

struct sums {
    uint64_t received, stored, expired, dropped;
};

static inline void sum_cell(void *ctx, const struct ledger_cell *cell)
{
    struct sums *s = ctx;
    assert_int_equal(cell->signal, SIGNAL_TRACES);
    switch (cell->outcome) {
    case OUTCOME_RECEIVED:
        s->received += cell->count;
        break;
    case OUTCOME_STORED:
        s->stored += cell->count;
        break;
    case OUTCOME_EXPIRED:
        s->expired += cell->count;
        break;
    default:
        s->dropped += cell->count;
    }
}

static inline struct sums balance(struct world *w)
{
    struct sums s = {0};
    struct store_stats stats;
    ledger_each(w->ledger, sum_cell, &s);
    store_stats(w->store, &stats);
    assert_int_equal(s.received, stats.hot_rows + s.stored + s.expired + s.dropped);
    assert_int_equal(s.stored, stats.part_rows);
    return s;
}

static inline uint64_t view_rows(const struct store_view *v)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < v->part_count; i++) {
        rows += part_meta(v->parts[i])->rows;
    }
    for (size_t i = 0; i < v->hot_count; i++) {
        rows += v->hot[i]->span_count;
    }
    return rows;
}

// Reads a whole part; the batches are added to `keep` and `rows`.
static inline void read_part(struct part *p, struct rows *rows, struct batch **keep, size_t *count)
{
    static const struct page_request all = {.fields = FIELD_ALL, .all_columns = true};
    for (size_t i = 0; i < part_meta(p)->blocks; i++) {
        struct block *b;
        assert_ok(block_open(p, i, &b));
        for (size_t page = 0; page < block_pages(b); page++) {
            assert_true(*count < 4096);
            assert_ok(block_read_page(b, page, &all, &keep[*count]));
            rows_add(rows, keep[(*count)++]);
        }
        block_free(b);
    }
}

static inline int compare_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static inline uint64_t *row_hashes(const struct rows *rows)
{
    uint64_t *hashes = mem_alloc(rows->count * sizeof *hashes);
    struct buf text;
    buf_init(&text, 1 << 24);
    for (size_t i = 0; i < rows->count; i++) {
        buf_clear(&text);
        row_canonical(rows->rows[i], &text);
        hashes[i] = str_hash(buf_str(&text));
    }
    buf_done(&text);
    sort_array(hashes, rows->count, sizeof *hashes, compare_hash);
    return hashes;
}

// A view has exactly these rows, whatever they are in. Frees them.
static inline void assert_rows(struct world *w, struct rows want)
{
    static struct batch *keep[4096];
    struct rows have = {0};
    size_t kept = 0;
    struct store_view *v = store_view(w->store);
    for (size_t i = 0; i < v->part_count; i++) {
        read_part(v->parts[i], &have, keep, &kept);
    }
    for (size_t i = 0; i < v->hot_count; i++) {
        rows_add(&have, v->hot[i]);
    }
    assert_int_equal(have.count, want.count);
    uint64_t *x = row_hashes(&have), *y = row_hashes(&want);
    assert_memory_equal(x, y, have.count * sizeof *x);
    mem_free(x);
    mem_free(y);
    mem_free(have.rows);
    mem_free(want.rows);
    for (size_t i = 0; i < kept; i++) {
        batch_unref(keep[i]);
    }
    store_view_free(v);
}

// A view has exactly the rows of the batches.
static inline void assert_has(struct world *w, struct batch *const *batches, size_t n)
{
    struct rows want = {0};
    for (size_t i = 0; i < n; i++) {
        rows_add(&want, batches[i]);
    }
    assert_rows(w, want);
}

static inline void part_file(const struct world *w, uint64_t id, char *out)
{
    (void)snprintf(out, 128, "%s/parts/%016llx.part", w->dir, (unsigned long long)id);
}

static inline void flip(const char *path, uint64_t offset)
{
    struct file *f;
    char byte;
    assert_ok(fs_real()->ops->open(fs_real(), path, FS_WRITE, &f));
    assert_ok(f->ops->read_at(f, &byte, 1, offset));
    byte = (char)(byte ^ 16);
    assert_ok(f->ops->write_at(f, &byte, 1, offset));
    f->ops->close(f);
}

#endif
