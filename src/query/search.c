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
    if (c->count == c->limit) {
        c->floor_ns = c->hits[c->count - 1].start_ns;
    }
}

static bool see_row(void *ctx, struct row row)
{
    struct collection *c = ctx;
    const struct span *s = row_span(row);
    MUST(c->hits != NULL);
    if (s->start_ns < c->floor_ns) {
        return true;
    }
    // Rows of one trace are neighbours in parts.
    struct search_hit *last = c->count > 0 ? &c->hits[c->count - 1] : NULL;
    if (last != NULL && trace_id_cmp(&last->trace, &s->trace) == 0) {
        last->start_ns = s->start_ns > last->start_ns ? s->start_ns : last->start_ns;
        return true;
    }
    if (c->count == c->capacity) {
        reduce(c);
        MUST(c->count < c->capacity);
    }
    c->hits[c->count++] = (struct search_hit){s->trace, s->start_ns};
    return true;
}

// Before each piece of storage the floor is brought up to date, so that older storage is skipped.
static uint64_t current_floor(void *ctx)
{
    struct collection *c = ctx;
    if (c->count >= c->limit) {
        reduce(c);
    }
    return c->floor_ns;
}

enum err search_run(const struct search *search, struct search_hit **ret_hits, size_t *ret_count)
{
    ASSERT(search->limit > 0 && search->limit <= SEARCH_LIMIT_MAX);
    struct collection c = {.limit = search->limit, .capacity = search->limit + SLACK};
    c.hits = mem_new(c.capacity, sizeof *c.hits);
    const struct scan scan = {.view = search->view,
                              .filter = search->filter,
                              .from_ns = search->from_ns,
                              .to_ns = search->to_ns,
                              .control = search->control,
                              .visit = see_row,
                              .floor_ns = current_floor,
                              .ctx = &c};
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
