// SPDX-License-Identifier: Apache-2.0
// Purpose: which services send metrics.
#include <string.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/point.h"
#include "query/calls.h"
#include "query/metric.h"
#include "query/points.h"

#define SERVICES_LEAST 64

struct listing {
    struct points_services *out;
    struct points_service *items;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    bool is_short; // of memory
};

static bool has(const struct listing *l, struct points_service service, uint64_t hash)
{
    uint32_t i;
    struct hash_walk walk = hash_index_walk(&l->index, hash);
    while (hash_index_next(&walk, &i)) {
        ASSERT(i < l->count);
        if (l->hashes[i] == hash && str_eq(l->items[i].name, service.name) &&
            str_eq(l->items[i].line, service.line)) {
            return true;
        }
    }
    return false;
}

static void on_series(void *ctx, const struct series_found *found)
{
    struct listing *l = ctx;
    struct points_service service = {found->line, series_label(found, POINT_SERVICE)};
    uint64_t hash = str_hash(service.name) * 31 + str_hash(service.line);
    if (found->type == SERIES_HIST || service.name.n == 0 || has(l, service, hash)) {
        return;
    }
    if (l->count == POINTS_SERVICES_MAX) {
        l->out->more = true;
        return;
    }
    size_t bytes = 3 * (sizeof service + 16) + service.name.n + service.line.n;
    if (!query_memory_take(&l->out->memory, bytes)) { // the index is open: no time to wait
        l->is_short = true;
        return;
    }
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof *l->items);
    l->hashes = mem_grow(l->hashes, &l->hash_capacity, l->count + 1, sizeof *l->hashes);
    hash_index_reserve(&l->index, l->hashes, l->count, SERVICES_LEAST);
    hash_index_put(&l->index, hash, (uint32_t)l->count);
    l->hashes[l->count] = hash;
    l->items[l->count++] = (struct points_service){arena_str(&l->out->arena, service.line),
                                                   arena_str(&l->out->arena, service.name)};
    ASSERT(l->count <= POINTS_SERVICES_MAX);
}

static int compare(const void *a, const void *b)
{
    const struct points_service *x = a, *y = b;
    int c = str_cmp(x->line, y->line);
    ASSERT(x->name.n > 0 && y->name.n > 0);
    return c != 0 ? c : str_cmp(x->name, y->name);
}

static void finish(struct listing *l)
{
    struct points_services *out = l->out;
    out->items = arena_new(&out->arena, l->count + 1, sizeof *out->items);
    out->count = l->count;
    ASSERT(out->count <= POINTS_SERVICES_MAX);
    if (out->count > 0) {
        memcpy(out->items, l->items, out->count * sizeof *out->items);
        sort_array(out->items, out->count, sizeof *out->items, compare);
    }
}

enum err points_list_services(const struct points_query *q, struct points_services **ret_services)
{
    struct listing l = {.out = mem_new(1, sizeof *l.out)};
    const struct metric_query metric = {.store = q->store,
                                        .any_line = q->any_line,
                                        .line = q->line,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .control = q->control};
    l.out->memory.control = q->control;
    enum err e = metric_list(&metric, on_series, &l);
    e = e == ERR_OK && l.is_short ? ERR_MEMORY : e;
    if (e == ERR_OK) {
        finish(&l);
    }
    mem_free(l.items);
    mem_free(l.hashes);
    hash_index_done(&l.index);
    if (e != ERR_OK) {
        points_services_free(l.out);
        return e;
    }
    *ret_services = l.out;
    return ERR_OK;
}

void points_services_free(struct points_services *s)
{
    if (s != NULL) {
        arena_done(&s->arena);
        query_memory_give(&s->memory);
        mem_free(s);
    }
}
