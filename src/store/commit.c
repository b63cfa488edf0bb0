// SPDX-License-Identifier: Apache-2.0
// Purpose: catalog transactions that carry the ledger.
//
// A count is saved in the transaction of the fact that it counts, so the saved ledger and the saved
// parts always agree. Rows that leave the store (expired, copies, lost to damage) are moved: taken
// from `stored` and added to where they went, so that received = pending + stored + sampled +
// expired + dropped holds at every commit.
//
// A transaction that failed may still turn out to have happened: a write or a sync fails, but all
// of it is in the log, and a crash brings it back. Only a later transaction that succeeds takes its
// place in the log and settles that it never was. Until then the file that it would have made known
// stays: after a crash the catalog says whether it is a part or left over.
#include "codec/cursor.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/store_state.h"

struct commit_cell {
    struct commit_cell *next;
    struct ledger_cell cell;
    bool own; // of this change, not taken from the ledger
    bool now;
};

static struct commit_cell *remember(struct commit *c, const struct ledger_cell *cell)
{
    ASSERT(c->store != NULL && (unsigned)cell->outcome < OUTCOME_COUNT);
    ASSERT(cell->count != 0);
    struct commit_cell *x = arena_new(&c->arena, 1, sizeof *x);
    x->cell = *cell;
    x->cell.service = arena_str(&c->arena, cell->service);
    x->next = c->cells;
    c->cells = x;
    return x;
}

static void take_unsaved(void *ctx, const struct ledger_cell *cell)
{
    ASSERT(cell != NULL);
    ASSERT(ctx != NULL);
    (void)remember(ctx, cell);
}

void commit_begin(struct commit *c, struct store *s)
{
    ASSERT(c != NULL);
    ASSERT(s->catalog != NULL);
    *c = (struct commit){.store = s};
    catalog_begin(s->catalog);
    ledger_take_unsaved(s->ledger, take_unsaved, c);
    for (const struct commit_cell *x = c->cells; x != NULL; x = x->next) {
        catalog_add_cell(s->catalog, &x->cell);
    }
}

void commit_count(struct commit *c, enum outcome o, enum reason r, struct str service, uint64_t n,
                  bool now)
{
    ASSERT(o == OUTCOME_DROPPED || r == REASON_NONE);
    ASSERT(c->store != NULL);
    if (n == 0) {
        return;
    }
    service = ledger_service(c->store->ledger, service);
    const struct ledger_cell cell = {SIGNAL_TRACES, o, r, service, n};
    struct commit_cell *x = remember(c, &cell);
    x->own = true;
    x->now = now;
    catalog_add_cell(c->store->catalog, &x->cell);
}

void commit_gone(struct commit *c, enum outcome o, enum reason r, struct str service, uint64_t rows)
{
    ASSERT(c->store != NULL && (o == OUTCOME_DROPPED || r == REASON_NONE));
    ASSERT(o != OUTCOME_STORED && o != OUTCOME_RECEIVED);
    commit_count(c, OUTCOME_STORED, REASON_NONE, service, 0 - rows, true);
    commit_count(c, o, r, service, rows, true);
}

void commit_move(struct commit *c, const struct tally *t, enum outcome o, enum reason r)
{
    ASSERT(c->store != NULL);
    ASSERT(t->counts != NULL || t->services.count == 0);
    for (size_t i = 0; i < t->services.count; i++) {
        commit_gone(c, o, r, t->services.strings[i], t->counts[i]);
    }
}

void catalog_put_part(struct catalog *c, const struct part_entry *entry, struct arena *a)
{
    ASSERT(entry->id > 0 && entry->part != NULL);
    struct catalog_part p = catalog_part_of(part_meta(entry->part), a);
    ASSERT(p.rows > 0);
    p.id = entry->id;
    p.level = entry->level;
    p.state = entry->state;
    p.committed_ns = entry->committed_ns;
    catalog_add_part(c, &p);
}

void commit_add_part(struct commit *c, const struct part_entry *entry)
{
    ASSERT(c->store != NULL);
    catalog_put_part(c->store->catalog, entry, &c->arena);
}

// ---- Files of failed transactions --------------------------------------------------------------

struct doubt {
    struct doubt *next;
    char path[];
};

void commit_doubt(struct store *s, struct str path)
{
    ASSERT(path.p != NULL);
    struct doubt *d = mem_alloc(sizeof *d + path.n + 1);
    ASSERT(path.n > 0);
    memcpy(d->path, path.p, path.n);
    d->path[path.n] = 0;
    (void)pthread_mutex_lock(&s->lock);
    d->next = s->doubts;
    s->doubts = d;
    (void)pthread_mutex_unlock(&s->lock);
}

static struct doubt *take_doubts(struct store *s)
{
    ASSERT(s->fs != NULL);
    (void)pthread_mutex_lock(&s->lock);
    struct doubt *d = s->doubts;
    s->doubts = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return d;
}

static void free_doubts(struct store *s, struct doubt *d, bool remove)
{
    ASSERT(d == NULL || d->path[0] != 0);
    ASSERT(s->fs != NULL);
    while (d != NULL) {
        struct doubt *next = d->next;
        if (remove && s->fs->ops->remove(s->fs, d->path) != ERR_OK) {
            log_write(LOG_WARN, "store", "a failed part could not be removed", "path=%s", d->path);
        }
        mem_free(d);
        d = next;
    }
}

enum err commit_settle(struct store *s)
{
    ASSERT(s->fs != NULL);
    struct commit c;
    ASSERT(s->catalog != NULL);
    (void)pthread_mutex_lock(&s->lock);
    bool settled = s->doubts == NULL;
    (void)pthread_mutex_unlock(&s->lock);
    if (settled) {
        return ERR_OK;
    }
    commit_begin(&c, s);
    return commit_end(&c);
}

void commit_done(struct store *s)
{
    ASSERT(s != NULL);
    free_doubts(s, take_doubts(s), false);
    ASSERT(s->doubts == NULL);
}

enum err commit_end(struct commit *c)
{
    ASSERT(c->store->catalog != NULL);
    ASSERT(c->store != NULL);
    // Only those of transactions before this one: the catalog's lock is held since commit_begin().
    struct doubt *doubts = take_doubts(c->store);
    if (doubts != NULL) {
        catalog_touch(c->store->catalog); // one that writes nothing settles nothing
    }
    enum err e = catalog_end(c->store->catalog);
    for (const struct commit_cell *x = c->cells; x != NULL; x = x->next) {
        const struct ledger_cell *k = &x->cell;
        if (e != ERR_OK && !x->own) {
            ledger_save_later(c->store->ledger, k->signal, k->outcome, k->reason, k->service,
                              k->count);
        } else if (e == ERR_OK && x->own && x->now) {
            ledger_add_volatile(c->store->ledger, k->signal, k->outcome, k->reason, k->service,
                                k->count);
        }
    }
    arena_done(&c->arena);
    if (e == ERR_OK) {
        free_doubts(c->store, doubts, true);
    }
    while (e != ERR_OK && doubts != NULL) {
        struct doubt *next = doubts->next;
        commit_doubt(c->store, str_of(doubts->path));
        mem_free(doubts);
        doubts = next;
    }
    return e;
}
