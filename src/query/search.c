// SPDX-License-Identifier: Apache-2.0
// Purpose: the search for traces. Matching spans are collected without order; whenever the
// collection is full it is reduced to its best traces, and the worst of those is the floor below
// which the scan need not look.
#include "query/search.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"

// Collected at most between two reductions, beyond the limit itself; by number of errors at first,
// before the collection grows.
#define SLACK 4096

struct collection {
    const struct store_view *view;
    struct search_hit *hits;
    size_t count, capacity, limit;
    enum search_order order;
    struct query_control *control;
    uint64_t floor;
    bool changed; // since it was reduced
};

static int by_trace(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    return trace_id_cmp(&x->trace, &y->trace);
}

static bool is_better(const struct search_hit *x, const struct search_hit *y)
{
    return x->rank != y->rank ? x->rank > y->rank : x->start_ns > y->start_ns;
}

int search_best_first(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    if (x->rank != y->rank || x->start_ns != y->start_ns) {
        return is_better(x, y) ? -1 : 1;
    }
    return trace_id_cmp(&x->trace, &y->trace);
}

// Puts together what is known of one trace.
static void combine(enum search_order order, struct search_hit *into, const struct search_hit *from)
{
    ASSERT(trace_id_cmp(&into->trace, &from->trace) == 0);
    if (order == BY_ERRORS) {
        into->rank += from->rank;
        into->start_ns = from->start_ns > into->start_ns ? from->start_ns : into->start_ns;
    } else if (is_better(from, into)) {
        *into = *from;
    }
}

// Leaves one hit a trace, and at most `most` of them, best first.
static void reduce(struct collection *c, size_t most)
{
    ASSERT(c->count <= c->capacity && most >= c->limit);
    size_t kept = 0;
    MUST(c->hits != NULL);
    sort_array(c->hits, c->count, sizeof *c->hits, by_trace);
    for (size_t i = 0; i < c->count; i++) {
        if (kept > 0 && trace_id_cmp(&c->hits[kept - 1].trace, &c->hits[i].trace) == 0) {
            combine(c->order, &c->hits[kept - 1], &c->hits[i]);
        } else {
            c->hits[kept++] = c->hits[i];
        }
    }
    sort_array(c->hits, kept, sizeof *c->hits, search_best_first);
    c->count = kept < most ? kept : most;
    c->changed = false;
    if (c->order != BY_ERRORS && c->count >= c->limit) {
        c->floor = c->hits[c->limit - 1].rank;
    }
    if (c->order == BY_ERRORS && kept > most && c->control != NULL) {
        atomic_store(&c->control->unsure_order, true);
    }
}

// Makes room for a hit. Counts are forgotten only when there cannot be more of them.
static void make_room(struct collection *c)
{
    ASSERT(c->count == c->capacity);
    reduce(c, c->order == BY_ERRORS ? c->capacity : c->limit);
    if (c->order != BY_ERRORS || c->count <= c->capacity / 2) {
        return;
    }
    size_t bytes = c->capacity * sizeof *c->hits;
    if (c->capacity < 2 * SEARCH_COUNTED_MAX && query_take(c->control, bytes)) {
        c->capacity *= 2;
        c->hits = mem_resize(c->hits, c->capacity, sizeof *c->hits);
    } else {
        reduce(c, c->capacity / 2);
    }
}

static void add_hit(struct collection *c, const struct search_hit *hit)
{
    MUST(c->hits != NULL);
    if (hit->rank < c->floor) {
        return;
    }
    // Rows of one trace are neighbours in parts.
    struct search_hit *last = c->count > 0 ? &c->hits[c->count - 1] : NULL;
    if (last != NULL && trace_id_cmp(&last->trace, &hit->trace) == 0) {
        c->changed = true;
        combine(c->order, last, hit);
        return;
    }
    if (store_view_fate(c->view, hit->trace) == TRACE_IS_LEFT_OUT) {
        return;
    }
    c->changed = true;
    if (c->count == c->capacity) {
        make_room(c);
        MUST(c->count < c->capacity);
    }
    c->hits[c->count++] = *hit;
}

static void see_row(void *ctx, const struct scan_row *row)
{
    struct collection *c = ctx;
    struct search_hit hit = {row->trace, row->start_ns, row->start_ns};
    ASSERT(c->order < SEARCH_ORDER_COUNT);
    if (c->order == BY_ERRORS) {
        if (row->status != STATUS_ERROR) {
            return;
        }
        hit.rank = 1;
    } else if (c->order == BY_SLOWEST) {
        hit.rank = row->duration_ns;
    }
    add_hit(c, &hit);
}

// Before each piece of storage the floor is brought up to date, so that what cannot matter is
// skipped.
static uint64_t current_floor(void *ctx)
{
    struct collection *c = ctx;
    if (c->order != BY_ERRORS && c->count >= c->limit && c->changed) {
        reduce(c, c->limit);
    }
    return c->floor;
}

// False where there is no memory for it.
static bool collection_init(struct collection *c, const struct collection *like,
                            bool (*take)(struct query_control *control, size_t bytes))
{
    ASSERT(like->limit > 0 && like->limit <= SEARCH_CANDIDATES_MAX);
    *c = (struct collection){
        .view = like->view, .limit = like->limit, .order = like->order, .control = like->control};
    c->capacity = 2 * (c->limit + SLACK);
    if (!take(c->control, c->capacity * sizeof *c->hits)) {
        return false;
    }
    c->hits = mem_alloc(c->capacity * sizeof *c->hits);
    return true;
}

static void collection_done(struct collection *c)
{
    ASSERT(c->hits != NULL);
    query_give(c->control, c->capacity * sizeof *c->hits);
    mem_free(c->hits);
}

static void *fork_collection(const void *ctx)
{
    struct collection *made = mem_new(1, sizeof *made);
    if (!collection_init(made, ctx, query_take)) {
        mem_free(made);
        return NULL;
    }
    return made;
}

static void join_collection(void *ctx, void *forked)
{
    struct collection *c = ctx, *from = forked;
    ASSERT(c->limit == from->limit && c->order == from->order);
    for (size_t i = 0; i < from->count; i++) {
        add_hit(c, &from->hits[i]);
    }
    collection_done(from);
    mem_free(from);
}

enum err search_spans(const struct search *search, size_t limit, struct search_hit **ret_hits,
                      size_t *ret_count)
{
    struct collection c;
    const struct collection like = {
        .view = search->view, .limit = limit, .order = search->order, .control = search->control};
    if (!collection_init(&c, &like, query_need)) {
        return ERR_MEMORY;
    }
    const struct scan scan = {.view = search->view,
                              .filter = search->filter,
                              .from_ns = search->from_ns,
                              .to_ns = search->to_ns,
                              .durations = search->order == BY_SLOWEST,
                              .control = search->control,
                              .visit = see_row,
                              .floor_ns = search->order != BY_ERRORS ? current_floor : NULL,
                              .floor_of_durations = search->order == BY_SLOWEST,
                              .ctx = &c,
                              .fork = fork_collection,
                              .join = join_collection};
    enum err e = scan_run(&scan);
    if (e == ERR_OK) {
        reduce(&c, c.capacity);
        *ret_count = c.count < c.limit ? c.count : c.limit;
        *ret_hits = mem_new(*ret_count, sizeof **ret_hits);
        memcpy(*ret_hits, c.hits, *ret_count * sizeof **ret_hits);
    }
    collection_done(&c);
    return e;
}

enum err search_run(const struct search *search, struct search_hit **ret_hits, size_t *ret_count)
{
    ASSERT(search->limit > 0 && search->limit <= SEARCH_LIMIT_MAX);
    return search->filter->tree != NULL ? search_trees(search, ret_hits, ret_count)
                                        : search_spans(search, search->limit, ret_hits, ret_count);
}
