// SPDX-License-Identifier: Apache-2.0
// Purpose: what an entry called N times as often would need.
#include <math.h>

#include "core/must.h"
#include "model/calls.h"
#include "query/entries.h"

#define MINUTE_MS     ((uint64_t)60000)
#define INSTANCES_MAX ((size_t)256) // of one service

// The seconds that rates are by: those that have been.
static double seconds_of(const struct entries *e, uint64_t from_ms, uint64_t to_ms)
{
    uint64_t end_ms = e->now_ms > 0 && e->now_ms < to_ms ? e->now_ms : to_ms;
    ASSERT(from_ms <= to_ms);
    return end_ms > from_ms + 1000 ? (double)(end_ms - from_ms) / 1000 : 1;
}

// ---- Who is called ------------------------------------------------------------------------------

static struct entry_need *need_of(struct entry_need *needs, size_t *count, const struct node *n)
{
    const struct node service = {
        .kind = n->kind, .line = n->line, .service = n->service, .name = STR("")};
    size_t i = 0;
    while (i < *count && node_cmp(&needs[i].node, &service) != 0) {
        i++;
    }
    if (i == ENTRIES_NEEDS_MAX) {
        return NULL;
    }
    if (i == *count) {
        needs[(*count)++] = (struct entry_need){.node = service};
    }
    ASSERT(i < *count);
    return &needs[i];
}

static size_t find_services(const struct entries *e, uint64_t times, struct entry_need *needs)
{
    size_t count = 0;
    double seconds = seconds_of(e, e->from_ms, e->to_ms);
    ASSERT(times > 0);
    for (size_t i = 0; i < e->count; i++) {
        const struct entry_path *p = &e->paths[i];
        struct entry_need *need = str_eq(p->node.kind, STR("service")) && p->node.name.n > 0
                                      ? need_of(needs, &count, &p->node)
                                      : NULL;
        if (need != NULL) {
            need->added_per_s += (double)p->calls * (double)(times - 1) / seconds;
        }
    }
    return count;
}

// ---- What they carry ----------------------------------------------------------------------------

struct instance {
    struct str name;
    int64_t *calls; // by minute
};

// Calls of one service by minute, in the minutes that the range touches.
struct minutes {
    uint64_t from_ms, to_ms;
    double seconds; // that have been
    size_t count;
    int64_t *calls; // of all instances
    struct instance *instances;
    size_t instance_count;
    struct arena arena;
};

static void add_minutes(const struct minutes *m, const struct series_found *found, int64_t *calls)
{
    ASSERT(found->hists != NULL);
    for (size_t i = 0; i < found->count; i++) {
        size_t at = (size_t)((found->times_ms[i] - m->from_ms) / MINUTE_MS);
        MUST(at < m->count);
        calls[at] += found->hists[i].count;
    }
}

static enum err on_endpoint(void *ctx, const struct series_found *found)
{
    struct minutes *m = ctx;
    ASSERT(m->calls != NULL);
    add_minutes(m, found, m->calls);
    return ERR_OK;
}

// Calls that failed are series of their own. Instances too many are left out.
static enum err on_instance(void *ctx, const struct series_found *found)
{
    struct minutes *m = ctx;
    struct str name = series_label(found, CALLS_INSTANCE);
    size_t i = 0;
    while (i < m->instance_count && !str_eq(m->instances[i].name, name)) {
        i++;
    }
    if (i == INSTANCES_MAX) {
        return ERR_OK;
    }
    if (i == m->instance_count) {
        m->instances[m->instance_count++] = (struct instance){
            arena_str(&m->arena, name), arena_new(&m->arena, m->count, sizeof(int64_t))};
    }
    ASSERT(m->instance_count <= INSTANCES_MAX);
    add_minutes(m, found, m->instances[i].calls);
    return ERR_OK;
}

// The most calls of a minute. The last one may not be over, but can only become more.
static int64_t busiest(const int64_t *calls, size_t count)
{
    int64_t most = 0;
    ASSERT(calls != NULL);
    for (size_t i = 0; i < count; i++) {
        most = calls[i] > most ? calls[i] : most;
    }
    return most;
}

static void judge(struct entry_need *need, const struct minutes *m)
{
    for (size_t i = 0; i < m->count; i++) {
        need->calls_per_s += (double)m->calls[i] / m->seconds;
    }
    for (size_t i = 0; i < m->instance_count; i++) {
        int64_t most = busiest(m->instances[i].calls, m->count);
        need->busiest_instance_calls =
            most > need->busiest_instance_calls ? most : need->busiest_instance_calls;
    }
    need->instances = m->instance_count;
    need->busiest_calls = busiest(m->calls, m->count);
    if (need->busiest_instance_calls > 0) {
        double minute = (double)need->busiest_calls + need->added_per_s * 60;
        uint64_t wanted = (uint64_t)ceil(minute / (double)need->busiest_instance_calls);
        need->instances_needed = wanted > need->instances ? wanted : need->instances;
    }
    ASSERT(need->instances_needed >= need->instances || need->busiest_instance_calls == 0);
}

// Who is asked, and how.
struct asking {
    struct series_store *store;
    struct query_control *control;
    struct str line, service;
    uint64_t *damaged_parts;
};

static enum err ask(const struct asking *a, struct minutes *m, struct str of,
                    enum err (*each)(void *ctx, const struct series_found *found))
{
    const struct series_matcher matchers[] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                              {CALLS_OF, MATCH_EQUAL, of},
                                              {CALLS_SERVICE, MATCH_EQUAL, a->service}};
    const struct series_query q = {.line = a->line,
                                   .matchers = matchers,
                                   .matcher_count = 3,
                                   .from_ms = m->from_ms,
                                   .to_ms = m->to_ms,
                                   .step_ms = MINUTE_MS};
    ASSERT(m->count > 0);
    return calls_run(a->store, q, a->control, each, m, a->damaged_parts);
}

// Room for the minutes that the range touches.
static void minutes_init(struct minutes *m, uint64_t from_ms, uint64_t to_ms)
{
    *m = (struct minutes){.from_ms = from_ms - from_ms % MINUTE_MS,
                          .to_ms = (to_ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS};
    ASSERT(from_ms < to_ms);
    m->count = (size_t)((m->to_ms - m->from_ms) / MINUTE_MS);
    m->calls = arena_new(&m->arena, m->count, sizeof *m->calls);
    m->instances = arena_new(&m->arena, INSTANCES_MAX, sizeof *m->instances);
}

static enum err find_need(struct entries *e, struct series_store *store, struct entry_need *need)
{
    uint64_t day_ms = 24 * 60 * MINUTE_MS;
    const struct asking a = {store, e->control, need->node.line, need->node.service,
                             &e->damaged_parts};
    struct minutes m;
    minutes_init(&m, e->to_ms - e->from_ms > day_ms ? e->to_ms - day_ms : e->from_ms, e->to_ms);
    m.seconds = seconds_of(e, m.from_ms, m.to_ms);
    enum err err = ask(&a, &m, CALLS_ENDPOINT, on_endpoint);
    err = err == ERR_OK ? ask(&a, &m, CALLS_INSTANCE, on_instance) : err;
    if (err == ERR_OK) {
        judge(need, &m);
    }
    ASSERT(m.instance_count <= INSTANCES_MAX);
    arena_done(&m.arena);
    return err;
}

static size_t minutes_bytes(void)
{
    return INSTANCES_MAX * (24 * 60 * sizeof(int64_t) + sizeof(struct instance));
}

enum err entries_carried(const struct carried_query *q, int64_t *ret_calls)
{
    uint64_t damaged_parts = 0;
    const struct asking a = {q->store, q->control, q->line, q->service, &damaged_parts};
    int64_t most = 0;
    enum err err = ERR_OK;
    ASSERT(q->from_ms < q->to_ms);
    if (!query_need(q->control, minutes_bytes())) {
        return ERR_MEMORY;
    }
    for (uint64_t from = q->from_ms; from < q->to_ms && err == ERR_OK; from += CARRIED_PIECE_MS) {
        struct minutes m;
        bool is_last = q->to_ms - from <= CARRIED_PIECE_MS;
        minutes_init(&m, from, is_last ? q->to_ms : from + CARRIED_PIECE_MS);
        err = ask(&a, &m, CALLS_INSTANCE, on_instance);
        for (size_t i = 0; i < m.instance_count; i++) {
            int64_t calls = busiest(m.instances[i].calls, m.count);
            most = calls > most ? calls : most;
        }
        arena_done(&m.arena);
    }
    query_give(q->control, minutes_bytes());
    *ret_calls = err == ERR_OK ? most : *ret_calls;
    return err;
}

enum err entries_times(struct entries *e, struct series_store *store, uint64_t times,
                       struct entry_need **ret_needs, size_t *ret_count)
{
    enum err err = ERR_OK;
    size_t bytes = minutes_bytes();
    ASSERT(times >= 1 && times <= ENTRY_TIMES_MAX);
    if (!query_need(e->control, bytes)) {
        return ERR_MEMORY;
    }
    struct entry_need *needs = arena_new(&e->arena, ENTRIES_NEEDS_MAX, sizeof *needs);
    size_t count = find_services(e, times, needs);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        err = find_need(e, store, &needs[i]);
    }
    query_give(e->control, bytes);
    *ret_needs = needs;
    *ret_count = count;
    return err;
}
