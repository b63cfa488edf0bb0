// SPDX-License-Identifier: Apache-2.0
// Purpose: RED over time.
#include "query/red.h"

#include <string.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/calls.h"
#include "query/counted.h"

#define SECOND_MS ((uint64_t)1000)

struct group_sum {
    struct str name;
    struct calls_sum sum;
};

struct red_run {
    const struct red_query *query;
    struct red *out;
    struct calls_adder adder;
    uint64_t from_ms, step_ms;
    struct calls_sum *sums; // by step, and one behind them for all
    size_t count;
    struct group_sum *groups;
    uint64_t *hashes; // of their names
    size_t group_count, group_capacity, hash_capacity;
    struct hash_index index;
};

uint64_t red_step_ms(uint64_t range_ms)
{
    static const uint64_t seconds[] = {10, 30, 60, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600};
    size_t n = sizeof seconds / sizeof seconds[0], i = 0;
    while (i + 1 < n && range_ms / (seconds[i] * SECOND_MS) > RED_POINTS) {
        i++;
    }
    ASSERT(i < n);
    return seconds[i] * SECOND_MS;
}

// ---- Groups -------------------------------------------------------------------------------------

static enum err group_of(struct red_run *run, struct str name, uint32_t *ret_group)
{
    uint64_t hash = str_hash(name);
    struct hash_walk walk = hash_index_walk(&run->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        if (run->hashes[at] == hash && str_eq(run->groups[at].name, name)) {
            *ret_group = at;
            return ERR_OK;
        }
    }
    if (run->group_count == RED_GROUPS_MAX) {
        return ERR_LIMIT;
    }
    size_t n = run->group_count, bytes = 2 * (sizeof *run->groups + sizeof *run->hashes + 8);
    if (!query_need(run->query->control, bytes + name.n)) {
        return ERR_MEMORY;
    }
    run->adder.charged_bytes += bytes + name.n;
    run->groups = mem_grow(run->groups, &run->group_capacity, n + 1, sizeof *run->groups);
    run->hashes = mem_grow(run->hashes, &run->hash_capacity, n + 1, sizeof *run->hashes);
    hash_index_reserve(&run->index, run->hashes, n, 64);
    run->groups[n] = (struct group_sum){.name = arena_str(&run->out->arena, name)};
    run->hashes[n] = hash;
    hash_index_put(&run->index, hash, (uint32_t)n);
    ASSERT(run->group_count < RED_GROUPS_MAX);
    *ret_group = (uint32_t)run->group_count++;
    return ERR_OK;
}

static enum err add_to_group(struct red_run *run, const struct series_found *found, bool error)
{
    bool endpoint = run->query->by == RED_BY_ENDPOINT;
    uint32_t at;
    enum err e =
        group_of(run, series_label(found, endpoint ? CALLS_ENDPOINT : CALLS_INSTANCE), &at);
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        ASSERT(at < run->group_count);
        e = calls_sum_add(&run->adder, &run->groups[at].sum, &found->hists[i], error);
    }
    return e;
}

static int by_calls(const void *a, const void *b)
{
    const struct group_sum *x = a, *y = b;
    if (x->sum.calls != y->sum.calls) {
        return x->sum.calls > y->sum.calls ? -1 : 1;
    }
    return str_cmp(x->name, y->name);
}

static void read_groups(struct red_run *run, struct red *out)
{
    sort_array(run->groups, run->group_count, sizeof *run->groups, by_calls);
    size_t most = run->group_count < RED_GROUPS ? run->group_count : RED_GROUPS;
    out->groups = arena_new(&out->arena, most + 1, sizeof *out->groups);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct group_sum *g = &run->groups[i];
        if (g->sum.hist.n == 0) {
            continue; // all was taken back
        }
        if (out->group_count == most) {
            out->left_out_groups++;
        } else {
            out->groups[out->group_count++] =
                (struct red_group){g->name, calls_sum_read(&g->sum, &out->arena)};
        }
    }
    ASSERT(out->group_count + out->left_out_groups <= run->group_count);
}

static void groups_done(struct red_run *run)
{
    for (size_t i = 0; i < run->group_count; i++) {
        calls_sum_done(&run->groups[i].sum);
    }
    ASSERT(run->group_count <= RED_GROUPS_MAX);
    mem_free(run->groups);
    mem_free(run->hashes);
    hash_index_done(&run->index);
}

// ---- Steps --------------------------------------------------------------------------------------

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct red_run *run = ctx;
    bool error = str_eq(series_label(found, CALLS_ERROR), CALLS_TRUE);
    enum err e = run->query->by != RED_BY_NOTHING ? add_to_group(run, found, error) : ERR_OK;
    ASSERT(found->hists != NULL);
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        size_t at = (size_t)((found->times_ms[i] - run->from_ms) / run->step_ms);
        MUST(at < run->count);
        e = calls_sum_add(&run->adder, &run->sums[at], &found->hists[i], error);
        if (e == ERR_OK) {
            e = calls_sum_add(&run->adder, &run->sums[run->count], &found->hists[i], error);
        }
    }
    return e;
}

static enum err ask(const struct red_query *q, struct red_run *run, struct red *out)
{
    bool instances = q->instance.p != NULL || q->by == RED_BY_INSTANCE;
    const struct counted_query counted = {.store = q->store,
                                          .any_line = q->any_line,
                                          .line = q->line,
                                          .service = q->service,
                                          .endpoint = q->endpoint,
                                          .instance = q->instance,
                                          .instances = instances,
                                          .from_ms = out->from_ms,
                                          .to_ms = out->to_ms,
                                          .step_ms = out->step_ms,
                                          .control = q->control};
    ASSERT(out->step_ms > 0);
    return counted_run(&counted, on_series, run, &out->damaged_parts, &out->counted);
}

static void read_points(const struct red_run *run, struct red *out)
{
    out->points = arena_new(&out->arena, run->count + 1, sizeof *out->points);
    for (size_t i = 0; i < run->count; i++) {
        if (run->sums[i].hist.n > 0) {
            out->points[out->count++] = (struct red_point){
                run->from_ms + i * run->step_ms, calls_sum_read(&run->sums[i], &out->arena)};
        }
    }
    ASSERT(out->count <= run->count);
    out->total = calls_sum_read(&run->sums[run->count], &out->arena);
}

// Cuts the range to whole steps.
static enum err set_range(const struct red_query *q, struct red *out)
{
    uint64_t range_ms = q->to_ms > q->from_ms ? q->to_ms - q->from_ms : 0;
    uint64_t step_ms = q->step_ms > 0 ? q->step_ms : red_step_ms(range_ms);
    if (step_ms % SERIES_SLOT_MS != 0) {
        return ERR_INVALID;
    }
    out->step_ms = step_ms;
    out->from_ms = q->from_ms / step_ms * step_ms;
    out->to_ms = (q->to_ms + step_ms - 1) / step_ms * step_ms;
    ASSERT(range_ms == 0 || out->from_ms < out->to_ms);
    return range_ms / step_ms > RED_POINTS_MAX ? ERR_LIMIT : ERR_OK;
}

enum err red_run(const struct red_query *q, struct red **ret_red)
{
    struct red *out = mem_new(1, sizeof *out);
    ASSERT((q->endpoint.p != NULL) + (q->instance.p != NULL) + (q->by != RED_BY_NOTHING) <= 1);
    enum err e = set_range(q, out);
    if (e != ERR_OK) {
        mem_free(out);
        return e;
    }
    size_t count =
        out->to_ms > out->from_ms ? (size_t)((out->to_ms - out->from_ms) / out->step_ms) : 0;
    struct red_run run = {
        .query = q, .out = out, .from_ms = out->from_ms, .step_ms = out->step_ms, .count = count};
    calls_adder_init(&run.adder, q->control);
    run.sums = mem_new(count + 1, sizeof *run.sums);
    e = count > 0 ? ask(q, &run, out) : ERR_OK;
    out->control = q->control;
    if (e == ERR_OK) {
        read_points(&run, out);
        read_groups(&run, out);
    }
    for (size_t i = 0; i <= count; i++) {
        calls_sum_done(&run.sums[i]);
    }
    mem_free(run.sums);
    groups_done(&run);
    calls_adder_done(&run.adder);
    out->charged_bytes = run.adder.charged_bytes;
    if (e != ERR_OK) {
        red_free(out);
        return e;
    }
    *ret_red = out;
    return ERR_OK;
}

void red_free(struct red *r)
{
    if (r != NULL) {
        arena_done(&r->arena);
        query_give(r->control, r->charged_bytes);
        mem_free(r);
    }
}
