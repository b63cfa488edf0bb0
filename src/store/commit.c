// SPDX-License-Identifier: Apache-2.0
// Purpose: catalog transactions that carry the ledger.
//
// A count is saved in the transaction of the fact that it counts, so the saved ledger and the saved
// parts always agree. Rows that leave the store (expired, copies, lost to damage) are moved: taken
// from `stored` and added to where they went, so that received = pending + stored + sampled +
// expired + dropped holds at every commit.
#include "core/mem.h"
#include "core/must.h"
#include "store/cursor.h"
#include "store/store_state.h"

struct commit_cell {
    struct commit_cell *next;
    struct ledger_cell cell;
    bool own; // of this change, not taken from the ledger
    bool now;
};

static struct commit_cell *remember(struct commit *c, const struct ledger_cell *cell)
{
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
    ASSERT(ctx != NULL);
    (void)remember(ctx, cell);
}

void commit_begin(struct commit *c, struct store *s)
{
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
    ASSERT(c->store != NULL);
    if (n == 0) {
        return;
    }
    const struct ledger_cell cell = {SIGNAL_TRACES, o, r, service, n};
    struct commit_cell *x = remember(c, &cell);
    x->own = true;
    x->now = now;
    catalog_add_cell(c->store->catalog, &x->cell);
}

enum err commit_end(struct commit *c)
{
    ASSERT(c->store != NULL);
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
    return e;
}

// ---- Services of a part ----------------------------------------------------------------------
// bytes = for each service: varint length, name, varint rows

struct str services_encode(const struct part_meta *m, struct arena *a)
{
    ASSERT(m->services != NULL || m->service_count == 0);
    size_t n = 0, room = 0;
    for (size_t i = 0; i < m->service_count; i++) {
        room += m->services[i].name.n + (size_t)2 * VARINT_MAX;
    }
    uint8_t *p = arena_alloc(a, room + 1);
    for (size_t i = 0; i < m->service_count; i++) {
        struct str name = m->services[i].name;
        n += varint_put(p + n, name.n);
        memcpy(p + n, name.n > 0 ? name.p : "", name.n);
        n += name.n;
        n += varint_put(p + n, m->services[i].rows);
    }
    MUST(n <= room);
    return (struct str){(char *)p, n};
}

void services_each(struct str bytes, void (*each)(void *ctx, struct str service, uint64_t rows),
                   void *ctx)
{
    ASSERT(each != NULL);
    struct cursor c = cursor_of(bytes);
    while (!c.failed && cursor_left(&c) > 0) {
        size_t n = (size_t)cursor_varint(&c);
        const char *name = (const char *)cursor_bytes(&c, n);
        uint64_t rows = cursor_varint(&c);
        if (!c.failed) {
            each(ctx, (struct str){name, n}, rows);
        }
    }
}
