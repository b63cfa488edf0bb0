// SPDX-License-Identifier: Apache-2.0
// Purpose: the ledger's cells. A service has one row of counters for every (signal, outcome,
// reason) that can occur; rows are found by hash and never removed.
#include "ledger/ledger.h"

#include <pthread.h>
#include <stdbool.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/names.h"
#include "core/sort.h"

// A service row has one cell per outcome without a reason, and one per reason of OUTCOME_DROPPED.
#define PLAIN_CELLS (OUTCOME_COUNT - 1)
#define CELLS       (PLAIN_CELLS + REASON_COUNT)
#define INDEX_LEAST ((size_t)64)

struct service_row {
    char *name;
    size_t name_bytes;
    uint64_t count[SIGNAL_COUNT][CELLS];
    uint64_t unsaved[SIGNAL_COUNT][CELLS];
};

struct ledger {
    pthread_mutex_t lock;
    struct service_row **rows;
    size_t row_count;
    struct hash_index index;
    uint64_t *hashes; // of each row
    struct agents *agents;
};

const char *signal_name(enum signal s)
{
    static const char *const names[SIGNAL_COUNT] = {"traces", "metrics", "logs"};
    ASSERT((unsigned)s < SIGNAL_COUNT);
    return names[s];
}

NAMES_OF(outcome_name, enum outcome, OUTCOME_LIST)
NAMES_OF(reason_name, enum reason, REASON_LIST)

struct ledger *ledger_new(void)
{
    struct ledger *l = mem_new(1, sizeof *l);
    MUST(pthread_mutex_init(&l->lock, NULL) == 0);
    l->rows = mem_new(LEDGER_SERVICES_MAX + 1, sizeof *l->rows);
    l->hashes = mem_new(LEDGER_SERVICES_MAX + 1, sizeof *l->hashes);
    l->agents = agents_new();
    return l;
}

struct agents *ledger_agents(struct ledger *l)
{
    return l->agents;
}

void ledger_free(struct ledger *l)
{
    ASSERT(l == NULL || l->row_count <= LEDGER_SERVICES_MAX + 1);
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->row_count; i++) {
        mem_free(l->rows[i]->name);
        mem_free(l->rows[i]);
    }
    mem_free(l->rows);
    mem_free(l->hashes);
    agents_free(l->agents);
    hash_index_done(&l->index);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static size_t cell_index(enum outcome o, enum reason r)
{
    MUST((unsigned)o < OUTCOME_COUNT && (unsigned)r < REASON_COUNT);
    MUST(o == OUTCOME_DROPPED || r == REASON_NONE);
    return o == OUTCOME_DROPPED ? PLAIN_CELLS + (size_t)r : (size_t)o;
}

static struct ledger_cell cell_at(const struct service_row *row, size_t signal, size_t cell,
                                  uint64_t count)
{
    ASSERT(signal < SIGNAL_COUNT && cell < CELLS);
    bool dropped = cell >= PLAIN_CELLS;
    return (struct ledger_cell){
        .signal = (enum signal)signal,
        .outcome = dropped ? OUTCOME_DROPPED : (enum outcome)cell,
        .reason = dropped ? (enum reason)(cell - PLAIN_CELLS) : REASON_NONE,
        .service = {row->name, row->name_bytes},
        .count = count,
    };
}

static struct service_row *find_row(const struct ledger *l, struct str service, uint64_t hash)
{
    uint32_t number;
    struct hash_walk walk = hash_index_walk(&l->index, hash);
    while (hash_index_next(&walk, &number)) {
        struct service_row *row = l->rows[number];
        ASSERT(number < l->row_count);
        if (l->hashes[number] == hash &&
            str_eq((struct str){row->name, row->name_bytes}, service)) {
            return row;
        }
    }
    return NULL;
}

static struct service_row *add_row(struct ledger *l, struct str service, uint64_t hash)
{
    struct service_row *row = mem_new(1, sizeof *row);
    MUST(l->row_count <= LEDGER_SERVICES_MAX);
    row->name = mem_alloc(service.n + 1);
    memcpy(row->name, service.n > 0 ? service.p : "", service.n);
    row->name_bytes = service.n;
    hash_index_reserve(&l->index, l->hashes, l->row_count, INDEX_LEAST);
    hash_index_put(&l->index, hash, (uint32_t)l->row_count);
    l->hashes[l->row_count] = hash;
    l->rows[l->row_count++] = row;
    return row;
}

// Finds or makes the row of a service; beyond the limit everything shares one row more.
static struct service_row *row_of(struct ledger *l, struct str service)
{
    service = str_cut(service, LEDGER_NAME_MAX);
    uint64_t hash = str_hash(service);
    struct service_row *row = find_row(l, service, hash);
    if (row == NULL && l->row_count >= LEDGER_SERVICES_MAX) {
        service = LEDGER_OTHER;
        hash = str_hash(service);
        row = find_row(l, service, hash);
    }
    ASSERT(row != NULL || l->row_count <= LEDGER_SERVICES_MAX);
    return row != NULL ? row : add_row(l, service, hash);
}

static void count(struct ledger *l, const struct ledger_cell *c, bool now, bool save)
{
    ASSERT((unsigned)c->signal < SIGNAL_COUNT);
    size_t cell = cell_index(c->outcome, c->reason);
    pthread_mutex_lock(&l->lock);
    struct service_row *row = row_of(l, c->service);
    row->count[c->signal][cell] += now ? c->count : 0;
    row->unsaved[c->signal][cell] += save ? c->count : 0;
    pthread_mutex_unlock(&l->lock);
}

struct str ledger_service(struct ledger *l, struct str service)
{
    ASSERT(l != NULL);
    pthread_mutex_lock(&l->lock);
    const struct service_row *row = row_of(l, service);
    pthread_mutex_unlock(&l->lock);
    return (struct str){row->name, row->name_bytes};
}

void ledger_add(struct ledger *l, enum signal s, enum outcome o, enum reason r, struct str service,
                uint64_t n)
{
    count(l, &(struct ledger_cell){s, o, r, service, n}, true, true);
}

void ledger_add_volatile(struct ledger *l, enum signal s, enum outcome o, enum reason r,
                         struct str service, uint64_t n)
{
    count(l, &(struct ledger_cell){s, o, r, service, n}, true, false);
}

void ledger_save_later(struct ledger *l, enum signal s, enum outcome o, enum reason r,
                       struct str service, uint64_t n)
{
    ASSERT(l != NULL);
    count(l, &(struct ledger_cell){s, o, r, service, n}, false, true);
}

void ledger_restore(struct ledger *l, const struct ledger_cell *cell)
{
    ASSERT(cell != NULL);
    count(l, cell, true, false);
}

void ledger_take_unsaved(struct ledger *l, void (*each)(void *ctx, const struct ledger_cell *cell),
                         void *ctx)
{
    ASSERT(each != NULL);
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->row_count; i++) {
        struct service_row *row = l->rows[i];
        for (size_t s = 0; s < SIGNAL_COUNT; s++) {
            for (size_t c = 0; c < CELLS; c++) {
                if (row->unsaved[s][c] != 0) {
                    struct ledger_cell cell = cell_at(row, s, c, row->unsaved[s][c]);
                    row->unsaved[s][c] = 0;
                    each(ctx, &cell);
                }
            }
        }
    }
    pthread_mutex_unlock(&l->lock);
}

static int by_name(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    const struct service_row *x = *(struct service_row *const *)a;
    const struct service_row *y = *(struct service_row *const *)b;
    return str_cmp((struct str){x->name, x->name_bytes}, (struct str){y->name, y->name_bytes});
}

void ledger_each(struct ledger *l, void (*each)(void *ctx, const struct ledger_cell *cell),
                 void *ctx)
{
    ASSERT(each != NULL);
    pthread_mutex_lock(&l->lock);
    struct service_row **sorted = mem_new(l->row_count, sizeof *sorted);
    memcpy(sorted, l->rows, l->row_count * sizeof *sorted);
    sort_array(sorted, l->row_count, sizeof *sorted, by_name);
    for (size_t s = 0; s < SIGNAL_COUNT; s++) {
        for (size_t i = 0; i < l->row_count; i++) {
            for (size_t c = 0; c < CELLS; c++) {
                if (sorted[i]->count[s][c] != 0) {
                    struct ledger_cell cell = cell_at(sorted[i], s, c, sorted[i]->count[s][c]);
                    each(ctx, &cell);
                }
            }
        }
    }
    pthread_mutex_unlock(&l->lock);
    mem_free(sorted);
}
