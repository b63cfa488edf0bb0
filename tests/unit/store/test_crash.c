// SPDX-License-Identifier: Apache-2.0
// Purpose: journal, parts and catalog together on one simulated disk: seeded lives with power cuts,
// torn and failing writes. After each cut every acknowledged span is there, none is there twice,
// and the ledger balances. In one life of four retention strips and expires parts.
#include "test.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/logger.h"
#include "core/mem.h"
#include "journal/journal.h"
#include "model/batch_codec.h"
#include "store/store.h"
#include "store/store_state.h"
#include "support/simfs.h"
#include "support/sqlite_fs.h"
#include "unit/store/gen.h"

#define SPANS_MAX 20000

struct life {
    struct simfs *disk;
    struct gen gen;
    struct budget budget;
    struct ledger *ledger;
    struct store *store;
    struct journal *journal;
    sem_t sem;
    // Of each span ever sent: its number is its ID.
    bool acked[SPANS_MAX];
    uint8_t times[SPANS_MAX];
    uint32_t next;
    uint64_t acked_total, failed_flushes, expired;
    bool retains; // with a size that strips and expires parts
};

struct record {
    struct journal_entry entry;
    struct life *life;
    struct batch *batch;
    struct buf payload;
    uint32_t first, count;
};

// ---- The server in small -----------------------------------------------------------------------

static void on_durable(void *ctx, struct journal_entry *entry)
{
    struct life *l = ctx;
    struct batch *b = entry->attachment;
    b->seq = entry->seq;
    (void)batch_ref(b);
    store_add_record(l->store, &b, 1);
}

static void on_done(struct journal_entry *entry)
{
    struct record *r = (struct record *)entry;
    for (uint32_t i = 0; i < r->count && entry->result == ERR_OK; i++) {
        r->life->acked[r->first + i] = true;
        r->life->acked_total++;
    }
    sem_post(&r->life->sem);
}

static void on_committed(void *ctx, uint64_t seq)
{
    struct life *l = ctx;
    if (l->journal != NULL) {
        journal_release(l->journal, seq);
    }
}

static enum err on_replay(void *ctx, uint64_t seq, struct str payload)
{
    struct life *l = ctx;
    struct batch *b;
    assert_ok(batch_decode(payload, &b, NULL));
    b->seq = seq;
    if (seq > store_line_seq(l->store, b->line)) {
        store_add_record(l->store, &b, 1);
    } else {
        batch_unref(b);
    }
    store_note_seq(l->store, seq + 1);
    return ERR_OK;
}

static void start(struct life *l)
{
    struct err_at at = {0};
    l->ledger = ledger_new();
    budget_init(&l->budget, (size_t)256 << 20);
    const struct store_options so = {.fs = simfs_fs(l->disk),
                                     .dir = "store",
                                     .catalog_vfs = "simulated",
                                     .budget = &l->budget,
                                     .ledger = l->ledger,
                                     .merge_rows_max = 2000,
                                     .retention_default.bytes = l->retains ? 60000 : 0,
                                     .free_bytes_min = 1,
                                     .on_committed = on_committed,
                                     .ctx = l};
    enum err e = store_open(&so, &l->store, &at);
    if (e == ERR_OK) {
        const struct journal_options jo = {.fs = simfs_fs(l->disk),
                                           .dir = "journal",
                                           .segment_bytes = 64 << 10,
                                           .disk_bytes_max = 8 << 20,
                                           .seq_floor = store_last_seq(l->store),
                                           .on_durable = on_durable,
                                           .ctx = l};
        e = journal_open(&jo, &l->journal, &at);
    }
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_ok(e);
    assert_ok(journal_replay(l->journal, store_replay_after(l->store), on_replay, l));
}

static void stop(struct life *l)
{
    struct journal *j = l->journal;
    store_close(l->store);
    l->journal = NULL;
    journal_close(j);
    ledger_free(l->ledger);
    assert_int_equal(atomic_load(&l->budget.total), 0);
}

static void send(struct life *l)
{
    static const char *const lines[] = {"", "shop", "play"};
    struct record r = {.entry.done = on_done, .life = l, .first = l->next};
    r.count = 1 + (uint32_t)simfs_random(l->disk, 40);
    if (l->next + r.count > SPANS_MAX) {
        return;
    }
    r.batch = batch_new(str_of(lines[simfs_random(l->disk, 3)]));
    gen_resources(&l->gen, r.batch);
    for (uint32_t i = 0; i < r.count; i++, l->next++) {
        gen_span(&l->gen, r.batch);
        struct span *s = &r.batch->spans[i];
        memset(&s->id, 0, sizeof s->id);
        memcpy(s->id.b, &l->next, sizeof l->next);
        s->id.b[7] = 1;
    }
    batch_seal(r.batch);
    buf_init(&r.payload, (size_t)16 << 20);
    batch_encode(r.batch, &r.payload);
    r.entry.payload = buf_str(&r.payload);
    r.entry.attachment = r.batch;
    journal_append(l->journal, &r.entry);
    sem_wait(&l->sem);
    buf_done(&r.payload);
    batch_unref(r.batch);
}

// ---- What must hold ----------------------------------------------------------------------------

static void see_batch(struct life *l, const struct batch *b)
{
    for (size_t i = 0; i < b->span_count; i++) {
        uint32_t number;
        memcpy(&number, b->spans[i].id.b, sizeof number);
        assert_true(number < l->next);
        l->times[number]++;
    }
}

static void see_part(struct life *l, struct part *p)
{
    static const struct page_request ids = {.fields = FIELD_ALL, .all_columns = true};
    for (size_t i = 0; i < part_meta(p)->blocks; i++) {
        struct block *b;
        assert_ok(block_open(p, i, &b));
        for (size_t page = 0; page < block_pages(b); page++) {
            struct batch *rows;
            assert_ok(block_read_page(b, page, &ids, &rows));
            see_batch(l, rows);
            batch_unref(rows);
        }
        block_free(b);
    }
}

struct sums {
    uint64_t of[OUTCOME_COUNT];
};

static void sum_cell(void *ctx, const struct ledger_cell *cell)
{
    ((struct sums *)ctx)->of[cell->outcome] += cell->count;
}

static void check(struct life *l)
{
    struct sums sums = {0};
    struct store_stats stats;
    struct store_view *v = store_view(l->store);
    uint64_t rows = 0, missing = 0;
    memset(l->times, 0, sizeof l->times);
    for (size_t i = 0; i < v->hot_count; i++) {
        see_batch(l, v->hot[i]);
    }
    for (size_t i = 0; i < v->part_count; i++) {
        see_part(l, v->parts[i]);
    }
    store_view_free(v);
    for (uint32_t i = 0; i < l->next; i++) {
        rows += l->times[i];
        assert_true(l->times[i] <= 1);
        missing += l->acked[i] && l->times[i] == 0;
    }
    ledger_each(l->ledger, sum_cell, &sums);
    store_stats(l->store, &stats);
    assert_int_equal(sums.of[OUTCOME_STORED], stats.part_rows);
    l->expired = sums.of[OUTCOME_EXPIRED];
    assert_int_equal(sums.of[OUTCOME_DROPPED], 0);
    assert_true(missing <= l->expired && (l->retains || l->expired == 0));
    assert_int_equal(stats.hot_rows + stats.part_rows, rows);
    assert_int_equal(sums.of[OUTCOME_RECEIVED], rows + l->expired);
}

// ---- Lives -------------------------------------------------------------------------------------

struct totals {
    uint64_t acked, failed, expired;
};

static void live(uint64_t seed, struct totals *t)
{
    struct life *l = mem_new(1, sizeof *l);
    l->disk = simfs_new(seed);
    l->retains = seed % 4 == 0;
    l->gen = (struct gen){.state = seed, .traces = 200, .attrs_max = 2, .text_max = 10};
    l->gen.time_base = 1700000000000000000;
    assert_int_equal(sem_init(&l->sem, 0, 0), 0);
    sqlite_fs_register("simulated", simfs_fs(l->disk));
    for (unsigned round = 0; round < 6; round++) {
        start(l);
        check(l);
        simfs_set_faults(l->disk, seed % 3 == 1 ? 15 : 0, seed % 3 == 2 ? 15 : 0);
        simfs_power_off_after(l->disk, 1 + simfs_random(l->disk, 1500));
        journal_start(l->journal);
        for (unsigned i = 0; i < 40; i++) {
            uint64_t what = simfs_random(l->disk, 12);
            enum err e = ERR_OK;
            if (what == 0) {
                e = store_quiesce(l->store);
            } else if (what < 4) {
                e = store_flush(l->store);
            } else {
                send(l);
            }
            l->failed_flushes += e != ERR_OK;
        }
        simfs_set_faults(l->disk, 0, 0);
        if (simfs_random(l->disk, 4) != 0) {
            simfs_power_off_after(l->disk, 1);
        }
        stop(l);
        simfs_crash(l->disk);
    }
    start(l);
    check(l);
    assert_ok(store_quiesce(l->store));
    check(l);
    stop(l);
    t->acked += l->acked_total;
    t->failed += l->failed_flushes;
    t->expired += l->expired;
    sqlite_fs_register("simulated", NULL);
    simfs_free(l->disk);
    sem_destroy(&l->sem);
    mem_free(l);
}

static void test_power_cuts(void **state)
{
    (void)state;
    struct totals t = {0};
    const char *one = getenv("SONDE_TEST_SEED");
    for (uint64_t seed = 1; seed <= 90 && one == NULL; seed++) {
        live(seed, &t);
    }
    if (one != NULL) {
        live(strtoull(one, NULL, 10), &t);
    } else {
        assert_true(t.acked > 20000 && t.failed > 50 && t.expired > 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power_cuts)};
    log_set_level(LOG_SILENT); // failing disks are the point here
    return cmocka_run_group_tests(tests, NULL, NULL);
}
