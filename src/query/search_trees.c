// SPDX-License-Identifier: Apache-2.0
// Purpose: the search for traces by places in their trees: candidates are put together and asked.
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "query/search.h"
#include "query/trace.h"

#define LIST  ((size_t)512) // candidates whose hot rows are looked up at a time
#define PIECE ((size_t)8)   // traces that stand in memory at a time

struct tree_search {
    const struct search *search;
    enum trace_detail detail;
    struct search_hit *candidates; // the best first
    size_t count, next;
    struct search_hit *found; // the first `limit` are the best, in order, after settle()
    size_t found_count;
    bool done; // no candidate that was not looked at is better
};

// What a filter asks for that an outline does not have.
static enum trace_detail detail_of(const struct filter *f)
{
    const uint32_t whole = 1u << ON_SPAN_ATTR | 1u << ON_ANY_ATTR | 1u << ON_EVENT_ATTR |
                           1u << ON_LINK_ATTR | 1u << ON_EVENT_NAME | 1u << ON_STATUS_MESSAGE;
    ASSERT(f->tree != NULL);
    return (f->fields & whole) != 0 ? TRACE_WHOLE : TRACE_OUTLINE;
}

// A matching span, as search.c ranks traces by them.
static void add_span(enum search_order order, struct search_hit *hit, const struct span *s)
{
    struct search_hit one = {hit->trace, s->start_ns, s->start_ns};
    ASSERT(order < SEARCH_ORDER_COUNT);
    if (order == BY_ERRORS) {
        hit->rank++;
        hit->start_ns = s->start_ns > hit->start_ns ? s->start_ns : hit->start_ns;
        return;
    }
    one.rank = order == BY_SLOWEST ? s->duration_ns : s->start_ns;
    if (search_best_first(&one, hit) < 0) {
        *hit = one;
    }
}

// Adds the trace to what was found, where one of its spans matches.
static void look_at(struct tree_search *t, const struct trace *trace)
{
    const struct search *s = t->search;
    struct search_hit hit = {.trace = trace->id};
    bool found = false;
    ASSERT(trace->count > 0 && t->found_count < t->count);
    for (uint32_t i = 0; i < trace->count; i++) {
        char room[TRACE_RPC_ROOM];
        const struct span *span = row_span(trace->spans[i].row);
        bool counts = span->start_ns >= s->from_ns && span->start_ns < s->to_ns &&
                      (s->order != BY_ERRORS || span->status == STATUS_ERROR);
        if (counts &&
            filter_match_in_tree(s->filter, trace->spans[i].row, trace_rpc_id(trace, i, room))) {
            add_span(s->order, &hit, span);
            found = true;
        }
    }
    if (found) {
        t->found[t->found_count++] = hit;
    }
}

// Puts what was found in order, and sees whether it is enough.
static void settle(struct tree_search *t)
{
    size_t limit = t->search->limit;
    sort_array(t->found, t->found_count, sizeof *t->found, search_best_first);
    t->found_count = t->found_count < limit ? t->found_count : limit;
    ASSERT(t->next <= t->count);
    t->done = t->found_count == limit && t->next < t->count &&
              search_best_first(&t->found[limit - 1], &t->candidates[t->next]) < 0;
}

static enum err look_at_piece(struct tree_search *t, struct trace_list *list, size_t first,
                              size_t count)
{
    struct query_control *control = t->search->control;
    struct trace *traces[PIECE];
    ASSERT(count <= PIECE);
    enum err e = trace_list_load(list, first, count, t->detail, control, traces);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        if (traces[i] == NULL) {
            continue;
        }
        if (control != NULL) {
            (void)atomic_fetch_add(&control->damaged_blocks, traces[i]->damaged_parts);
        }
        look_at(t, traces[i]);
        trace_free(traces[i]);
    }
    return e;
}

static enum err look_at_list(struct tree_search *t)
{
    size_t n = t->count - t->next < LIST ? t->count - t->next : LIST;
    trace_id *ids = mem_new(n, sizeof *ids);
    enum err e = ERR_OK;
    ASSERT(n > 0);
    for (size_t i = 0; i < n; i++) {
        ids[i] = t->candidates[t->next + i].trace;
    }
    struct trace_list *list = trace_list_new(t->search->view, ids, n);
    for (size_t at = 0; at < n && e == ERR_OK && !t->done; at += PIECE) {
        size_t piece = n - at < PIECE ? n - at : PIECE;
        e = query_must_end(t->search->control) ? ERR_CANCELLED : look_at_piece(t, list, at, piece);
        t->next += piece;
        settle(t);
    }
    trace_list_free(list);
    mem_free(ids);
    return e;
}

static enum err look_at_all(struct tree_search *t)
{
    struct query_control *control = t->search->control;
    enum err e = ERR_OK;
    ASSERT(t->next == 0);
    while (t->next < t->count && e == ERR_OK && !t->done) {
        e = look_at_list(t);
    }
    if (e == ERR_CANCELLED && !atomic_load(&control->cancelled)) {
        atomic_store(&control->cut_short, true);
        e = ERR_OK;
    }
    if (t->count == SEARCH_CANDIDATES_MAX && !t->done && control != NULL) {
        atomic_store(&control->unsure_candidates, true);
    }
    return e;
}

enum err search_trees(const struct search *search, struct search_hit **ret_hits, size_t *ret_count)
{
    struct tree_search t = {.search = search, .detail = detail_of(search->filter)};
    struct query_memory memory = {.control = search->control};
    uint64_t given_up = 0;
    ASSERT(search->filter->tree != NULL);
    enum err e = search_spans(search, SEARCH_CANDIDATES_MAX, &t.candidates, &t.count);
    if (e != ERR_OK) {
        return e;
    }
    if (!query_memory_need(&memory, 2 * t.count * sizeof *t.found)) {
        mem_free(t.candidates);
        return ERR_MEMORY;
    }
    t.found = mem_new(t.count, sizeof *t.found);
    given_up = filter_given_up(search->filter);
    e = look_at_all(&t);
    if (search->control != NULL) {
        (void)atomic_fetch_add(&search->control->given_up_values,
                               filter_given_up(search->filter) - given_up);
    }
    mem_free(t.candidates);
    query_memory_give(&memory);
    if (e != ERR_OK) {
        mem_free(t.found);
        return e;
    }
    *ret_hits = t.found;
    *ret_count = t.found_count;
    return ERR_OK;
}
