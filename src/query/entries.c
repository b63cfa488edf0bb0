// SPDX-License-Identifier: Apache-2.0
// Purpose: trees of entries.
#include "query/entries.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/calls.h"

#define MATCHERS_MAX 10

struct entries_run {
    const struct entries_query *query;
    struct entries *out;
    struct calls_adder adder;
    size_t capacity;
};

// ---- Reading ------------------------------------------------------------------------------------

// Each measure of a path is a series: they are put together afterwards.
static enum err on_series(void *ctx, const struct series_found *found)
{
    struct entries_run *run = ctx;
    struct entries *out = run->out;
    struct node entry = node_of_series(found, true), node = node_of_series(found, false);
    struct str measure = series_label(found, CALLS_MEASURE);
    size_t bytes = 2 * sizeof *out->paths + 256;
    ASSERT(found->hists != NULL);
    if (out->count == ENTRIES_PATHS_MAX) {
        return ERR_LIMIT;
    }
    if (!query_need(run->query->control, bytes)) {
        return ERR_MEMORY;
    }
    run->adder.charged_bytes += bytes;
    struct entry_path p = {.entry = node_copy(&out->arena, &entry),
                           .node = node_copy(&out->arena, &node),
                           .path = arena_str(&out->arena, series_label(found, CALLS_PATH)),
                           .parent =
                               arena_str(&out->arena, series_label(found, CALLS_PATH_PARENT))};
    struct calls_sum sum = {.calls = 0};
    enum err e = ERR_OK;
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        e = calls_sum_add(&run->adder, &sum, &found->hists[i], false);
    }
    if (str_eq(measure, CALLS_MEASURE_CALLS)) {
        p.chains = sum.calls;
        p.calls = calls_sum_ns(&sum);
        p.calls_of_chain = calls_sum_read(&sum, &out->arena);
    } else if (str_eq(measure, CALLS_MEASURE_ERRORS)) {
        p.errors = calls_sum_ns(&sum);
    } else {
        p.self_ns = calls_sum_ns(&sum);
    }
    calls_sum_done(&sum);
    out->paths = mem_grow(out->paths, &run->capacity, out->count + 1, sizeof *out->paths);
    out->paths[out->count++] = p;
    return e;
}

static size_t put_matchers(const struct entries_query *q, struct series_matcher *m)
{
    size_t n = 0;
    m[n++] = (struct series_matcher){CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME};
    m[n++] = (struct series_matcher){CALLS_OF, MATCH_EQUAL, CALLS_PATH};
    if (q->service.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_FROM_SERVICE, MATCH_EQUAL, q->service};
    }
    if (q->endpoint.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_FROM_ENDPOINT, MATCH_EQUAL, q->endpoint};
    }
    if (q->load != NULL) {
        bool is_service = str_eq(q->load->kind, STR("service"));
        m[n++] = (struct series_matcher){CALLS_TO_KIND, MATCH_EQUAL, q->load->kind};
        m[n++] = (struct series_matcher){CALLS_TO_LINE, MATCH_EQUAL, q->load->line};
        m[n++] = (struct series_matcher){CALLS_TO_SERVICE, MATCH_EQUAL, q->load->service};
        if (q->load->name.n > 0) {
            m[n++] = (struct series_matcher){is_service ? CALLS_TO_ENDPOINT : CALLS_TO_NAME,
                                             MATCH_EQUAL, q->load->name};
        }
    }
    ASSERT(n <= MATCHERS_MAX);
    return n;
}

static enum err read_paths(struct entries_run *run)
{
    const struct entries_query *q = run->query;
    struct series_matcher matchers[MATCHERS_MAX];
    const struct series_query series = {.any_line = q->any_line,
                                        .line = q->line,
                                        .matchers = matchers,
                                        .matcher_count = put_matchers(q, matchers),
                                        .from_ms = run->out->from_ms,
                                        .to_ms = run->out->to_ms,
                                        .step_ms = calls_whole_step_ms(run->out->to_ms)};
    ASSERT(run->out->from_ms < run->out->to_ms);
    return calls_run(q->store, series, q->control, on_series, run, &run->out->damaged_parts);
}

// ---- Putting together ---------------------------------------------------------------------------

static int by_path(const void *a, const void *b)
{
    const struct entry_path *x = a, *y = b;
    int order = node_cmp(&x->entry, &y->entry);
    return order != 0 ? order : str_cmp(x->path, y->path);
}

static void merge_measures(struct entries *out)
{
    size_t n = 0;
    sort_array(out->paths, out->count, sizeof *out->paths, by_path);
    for (size_t i = 0; i < out->count; i++) {
        const struct entry_path *p = &out->paths[i];
        if (n == 0 || by_path(&out->paths[n - 1], p) != 0) {
            out->paths[n++] = *p;
            continue;
        }
        struct entry_path *to = &out->paths[n - 1];
        to->chains += p->chains;
        to->calls += p->calls;
        to->errors += p->errors;
        to->self_ns = calls_ns_add(to->self_ns, p->self_ns);
        to->calls_of_chain = p->calls_of_chain.hist.n > 0 ? p->calls_of_chain : to->calls_of_chain;
    }
    ASSERT(n <= out->count);
    out->count = n;
}

static int by_parent(const void *a, const void *b)
{
    const struct entry_path *const *x = a, *const *y = b;
    int order = str_cmp((*x)->parent, (*y)->parent);
    if (order != 0) {
        return order;
    }
    if ((*x)->self_ns != (*y)->self_ns) {
        return (*x)->self_ns > (*y)->self_ns ? -1 : 1;
    }
    return str_cmp((*x)->path, (*y)->path);
}

// The first of `order`, which is by parents, that has this parent or a later one.
static size_t first_child(const struct entry_path *const *order, size_t count, struct str parent)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        ASSERT(order[middle] != NULL);
        if (str_cmp(order[middle]->parent, parent) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// What waits to be put into the tree: a path, and where its parent went.
struct waiting {
    const struct entry_path *path;
    size_t parent_at;
};

// Paths of one entry [first, end), in the order of the tree: from its root on, by a stack. What
// hangs below nothing (its parent's series was lost with a damaged part, or it was not asked for)
// is put at the end.
static void order_tree(struct entries *out, size_t first, size_t end)
{
    size_t n = end - first, waiting_count = 0, made = 0;
    const struct entry_path **order = mem_new(n + 1, sizeof(struct entry_path *));
    struct entry_path *tree = mem_new(n, sizeof *tree);
    struct waiting *waiting = mem_new(n + 1, sizeof *waiting);
    bool *placed = mem_new(n, sizeof *placed);
    for (size_t i = 0; i < n; i++) {
        order[i] = &out->paths[first + i];
    }
    sort_array(order, n, sizeof(struct entry_path *), by_parent);
    for (size_t root = 0; root < n && order[root]->parent.n == 0; root++) {
        waiting[waiting_count++] = (struct waiting){order[root], ENTRY_NO_PARENT};
    }
    while (waiting_count > 0) {
        struct waiting w = waiting[--waiting_count];
        size_t from = first_child(order, n, w.path->path), to = from;
        placed[w.path - &out->paths[first]] = true;
        tree[made] = *w.path;
        tree[made].parent_at = w.parent_at;
        while (to < n && str_eq(order[to]->parent, w.path->path)) {
            to++;
        }
        for (size_t i = to; i > from; i--) { // the one with most time is taken first
            waiting[waiting_count++] = (struct waiting){order[i - 1], first + made};
        }
        made++;
    }
    for (size_t i = 0; i < n; i++) {
        if (!placed[i]) {
            tree[made] = out->paths[first + i];
            tree[made++].parent_at = ENTRY_NO_PARENT;
        }
    }
    ASSERT(made == n);
    memcpy(out->paths + first, tree, n * sizeof *tree);
    mem_free(placed);
    mem_free(waiting);
    mem_free(tree);
    mem_free(order);
}

static void order_trees(struct entries *out)
{
    for (size_t first = 0, end; first < out->count; first = end) {
        end = first + 1;
        while (end < out->count &&
               node_cmp(&out->paths[end].entry, &out->paths[first].entry) == 0) {
            end++;
        }
        ASSERT(end > first);
        order_tree(out, first, end);
    }
}

enum err entries_run(const struct entries_query *q, struct entries **ret_entries)
{
    struct entries *out = mem_new(1, sizeof *out);
    struct entries_run run = {.query = q, .out = out};
    ASSERT(q->store != NULL);
    out->control = q->control;
    out->now_ms = q->now_ms;
    calls_cut_range(q->store, q->from_ms, q->to_ms, 0, &out->from_ms, &out->to_ms);
    calls_adder_init(&run.adder, q->control);
    enum err e = out->from_ms < out->to_ms ? read_paths(&run) : ERR_OK;
    calls_adder_done(&run.adder);
    out->charged_bytes = run.adder.charged_bytes;
    if (e != ERR_OK) {
        entries_free(out);
        return e;
    }
    merge_measures(out);
    order_trees(out);
    *ret_entries = out;
    return ERR_OK;
}

void entries_free(struct entries *e)
{
    if (e != NULL) {
        mem_free(e->paths);
        arena_done(&e->arena);
        query_give(e->control, e->charged_bytes);
        mem_free(e);
    }
}
