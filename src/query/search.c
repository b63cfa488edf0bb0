// SPDX-License-Identifier: Apache-2.0
// Purpose: the search for traces. Matching spans are collected without order; whenever the
// collection is full it is reduced to the newest `limit` traces, and the oldest of those is the
// floor below which the scan need not look.
#include "query/search.h"

#include <stdlib.h>

#include "core/mem.h"
#include "core/must.h"

// Collected at most between two reductions, beyond the limit itself.
#define SLACK 4096

struct collection {
    struct search_hit *hits;
    size_t count, capacity, limit;
    uint64_t floor_ns;
    bool changed; // since it was reduced
};

static int by_trace(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    int c = trace_id_cmp(&x->trace, &y->trace);
    if (c != 0) {
        return c;
    }
    return x->start_ns > y->start_ns ? -1 : x->start_ns < y->start_ns;
}

static int newest_first(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    if (x->start_ns != y->start_ns) {
        return x->start_ns > y->start_ns ? -1 : 1;
    }
    return trace_id_cmp(&x->trace, &y->trace);
}

static void reduce(struct collection *c)
{
    ASSERT(c->count <= c->capacity && c->limit > 0);
    size_t kept = 0;
    MUST(c->hits != NULL);
    qsort(c->hits, c->count, sizeof *c->hits, by_trace);
    for (size_t i = 0; i < c->count; i++) {
        if (kept == 0 || trace_id_cmp(&c->hits[kept - 1].trace, &c->hits[i].trace) != 0) {
            c->hits[kept++] = c->hits[i];
        }
    }
    qsort(c->hits, kept, sizeof *c->hits, newest_first);
    c->count = kept < c->limit ? kept : c->limit;
    c->changed = false;
    if (c->count == c->limit) {
        c->floor_ns = c->hits[c->count - 1].start_ns;
    }
}

static void add_hit(struct collection *c, trace_id trace, uint64_t start_ns)
{
    MUST(c->hits != NULL);
    if (start_ns < c->floor_ns) {
        return;
    }
    // Rows of one trace are neighbours in parts.
    struct search_hit *last = c->count > 0 ? &c->hits[c->count - 1] : NULL;
    if (last != NULL && trace_id_cmp(&last->trace, &trace) == 0) {
        last->start_ns = start_ns > last->start_ns ? start_ns : last->start_ns;
        c->changed = true;
        return;
    }
    if (c->count == c->capacity) {
        reduce(c);
        MUST(c->count < c->capacity);
    }
    c->hits[c->count++] = (struct search_hit){trace, start_ns};
    c->changed = true;
}

static void see_row(void *ctx, const struct scan_row *row)
{
    add_hit(ctx, row->trace, row->start_ns);
}

// Before each piece of storage the floor is brought up to date, so that older storage is skipped.
static uint64_t current_floor(void *ctx)
{
    struct collection *c = ctx;
    if (c->count >= c->limit && c->changed) {
        reduce(c);
    }
    return c->floor_ns;
}

static void collection_init(struct collection *c, size_t limit)
{
    ASSERT(limit > 0 && limit <= SEARCH_LIMIT_MAX);
    *c = (struct collection){.limit = limit, .capacity = limit + SLACK};
    c->hits = mem_new(c->capacity, sizeof *c->hits);
}

static void *fork_collection(const void *ctx)
{
    const struct collection *c = ctx;
    struct collection *made = mem_new(1, sizeof *made);
    collection_init(made, c->limit);
    return made;
}

static void join_collection(void *ctx, void *forked)
{
    struct collection *c = ctx, *from = forked;
    ASSERT(c->limit == from->limit);
    for (size_t i = 0; i < from->count; i++) {
        add_hit(c, from->hits[i].trace, from->hits[i].start_ns);
    }
    mem_free(from->hits);
    mem_free(from);
}

enum err search_run(const struct search *search, struct search_hit **ret_hits, size_t *ret_count)
{
    struct collection c;
    collection_init(&c, search->limit);
    const struct scan scan = {.view = search->view,
                              .filter = search->filter,
                              .from_ns = search->from_ns,
                              .to_ns = search->to_ns,
                              .control = search->control,
                              .visit = see_row,
                              .floor_ns = current_floor,
                              .ctx = &c,
                              .fork = fork_collection,
                              .join = join_collection};
    enum err e = scan_run(&scan);
    if (e != ERR_OK) {
        mem_free(c.hits);
        return e;
    }
    reduce(&c);
    *ret_hits = c.hits;
    *ret_count = c.count;
    return ERR_OK;
}
