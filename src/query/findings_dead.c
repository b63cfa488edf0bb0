// SPDX-License-Identifier: Apache-2.0
// Purpose: endpoints that nobody calls any more.

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/calls.h"
#include "query/counted.h"
#include "query/findings_state.h"

#define DAY_MS        ((uint64_t)86400000)
#define DEAD_AFTER_MS (7 * DAY_MS)

struct endpoint_calls {
    struct node node;
    int64_t before, now;
};

struct dead_run {
    struct findings_run *run;
    struct endpoint_calls *items; // by series, of which an endpoint has several
    size_t count, capacity;
    bool now;
};

static enum err on_endpoint(void *ctx, const struct series_found *found)
{
    struct dead_run *d = ctx;
    struct arena *arena = &d->run->out->arena;
    struct node node = {.kind = STR("service"),
                        .line = found->line,
                        .service = series_label(found, CALLS_SERVICE),
                        .name = series_label(found, CALLS_ENDPOINT)};
    int64_t calls = 0;
    ASSERT(found->hists != NULL);
    size_t texts = node.kind.n + node.line.n + node.service.n + node.name.n;
    if (d->count == ENTRIES_PATHS_MAX) {
        return ERR_LIMIT;
    }
    if (!query_memory_need(&d->run->out->memory, 2 * sizeof *d->items + texts)) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < found->count; i++) {
        calls += found->hists[i].count;
    }
    d->items = mem_grow(d->items, &d->capacity, d->count + 1, sizeof *d->items);
    d->items[d->count++] =
        (struct endpoint_calls){node_copy(arena, &node), d->now ? 0 : calls, d->now ? calls : 0};
    return ERR_OK;
}

static int by_node(const void *a, const void *b)
{
    const struct endpoint_calls *x = a, *y = b;
    return node_cmp(&x->node, &y->node);
}

static enum err ask_endpoints(struct dead_run *d, uint64_t from_ms, uint64_t to_ms)
{
    const struct findings_query *q = d->run->query;
    const struct counted_query counted = {.store = q->series,
                                          .any_line = true,
                                          .service = STR_NONE,
                                          .endpoint = STR_NONE,
                                          .instance = STR_NONE,
                                          .from_ms = from_ms,
                                          .to_ms = to_ms,
                                          .step_ms = senders_step_ms(from_ms, to_ms),
                                          .is_sum = true,
                                          .control = q->control};
    bool any;
    ASSERT(from_ms < to_ms);
    return counted_run(&counted, on_endpoint, d, &d->run->out->damaged_parts, &any);
}

static void add_dead(struct findings_run *run, const struct endpoint_calls *c, double expected)
{
    struct candidate *made = findings_next(run);
    ASSERT(expected >= DEAD_CALLS);
    if (made == NULL) {
        return;
    }
    made->finding = (struct finding){.kind = FINDING_DEAD,
                                     .node = c->node,
                                     .value = expected,
                                     .limit = DEAD_CALLS,
                                     .statement = STR("")};
    made->entry = SIZE_MAX;
}

static void judge_dead(struct dead_run *d)
{
    const struct findings *out = d->run->out;
    double part = (double)(out->to_ms - out->from_ms) / (double)DEAD_AFTER_MS;
    sort_array(d->items, d->count, sizeof *d->items, by_node);
    for (size_t first = 0, end; first < d->count && !d->run->is_short; first = end) {
        struct endpoint_calls sum = d->items[first];
        for (end = first + 1; end < d->count && by_node(&sum, &d->items[end]) == 0; end++) {
            sum.before += d->items[end].before;
            sum.now += d->items[end].now;
        }
        ASSERT(end > first);
        if (sum.now <= 0 && (double)sum.before * part >= DEAD_CALLS) {
            add_dead(d->run, &sum, (double)sum.before * part);
        }
    }
}

enum err findings_dead(struct findings_run *run)
{
    struct dead_run d = {.run = run, .now = true};
    const struct findings *out = run->out;
    uint64_t hour_ms = DAY_MS / 24, until_ms = out->from_ms / hour_ms * hour_ms;
    if (out->from_ms >= out->to_ms || until_ms < DEAD_AFTER_MS) {
        return ERR_OK;
    }
    enum err e = ask_endpoints(&d, out->from_ms, out->to_ms);
    d.now = false;
    e = e == ERR_OK ? ask_endpoints(&d, until_ms - DEAD_AFTER_MS, until_ms) : e;
    if (e == ERR_OK) {
        judge_dead(&d);
    }
    ASSERT(d.count <= ENTRIES_PATHS_MAX);
    mem_free(d.items);
    return e;
}
