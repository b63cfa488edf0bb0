// SPDX-License-Identifier: Apache-2.0
// Purpose: measures of all instances that there are.
#include "query/machine_states.h"

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/point.h"
#include "query/machine_sources.h"
#include "query/metric.h"

#define STEP_LEAST_MS ((uint64_t)10000)
#define OWNERS_LEAST  64

struct owner {
    struct str line, service, instance;
    bool several;  // services have it
    uint32_t told; // bits: measures
};

struct states_run {
    const struct machine_states_query *q;
    void (*each)(void *ctx, const struct machine_state *state);
    void *ctx;
    struct owner *owners;
    uint64_t *hashes; // of their names
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    const struct machine_source *source; // that is read
    size_t named;                        // series of it
    bool is_short;                       // of memory
    struct arena arena;
    struct query_memory memory;
};

enum health_measure machine_judged(enum machine_measure m)
{
    ASSERT(m < MACHINE_MEASURES);
    return m == MACHINE_CPU           ? HEALTH_CPU
           : m == MACHINE_HEAP_LIVE   ? HEALTH_HEAP
           : m == MACHINE_HOST_CPU    ? HEALTH_HOST_CPU
           : m == MACHINE_HOST_MEMORY ? HEALTH_HOST_MEMORY
           : m == MACHINE_HOST_DISK   ? HEALTH_HOST_DISK
                                      : HEALTH_MEASURES;
}

// ---- Whose instances are ------------------------------------------------------------------------

static struct owner *find(const struct states_run *r, struct str instance, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < r->count);
        if (r->hashes[at] == hash && str_eq(r->owners[at].instance, instance)) {
            return &r->owners[at];
        }
    }
    return NULL;
}

static void on_name(void *ctx, const struct series_found *found)
{
    struct states_run *r = ctx;
    struct str instance = series_label(found, POINT_INSTANCE);
    struct str service = series_label(found, POINT_SERVICE);
    uint64_t hash = str_hash(instance);
    struct owner *known = find(r, instance, hash);
    size_t n = r->count;
    r->named++;
    if (known != NULL) {
        known->several |= !str_eq(known->service, service) || !str_eq(known->line, found->line);
        return;
    }
    size_t texts = found->line.n + service.n + instance.n;
    if (!query_memory_take(&r->memory, 2 * (sizeof *r->owners + 16) + texts)) {
        r->is_short = true; // the index is open: no time to wait
        return;
    }
    r->owners = mem_grow(r->owners, &r->capacity, n + 1, sizeof *r->owners);
    r->hashes = mem_grow(r->hashes, &r->hash_capacity, n + 1, sizeof *r->hashes);
    hash_index_reserve(&r->index, r->hashes, n, OWNERS_LEAST);
    r->owners[n] = (struct owner){.line = arena_str(&r->arena, found->line),
                                  .service = arena_str(&r->arena, service),
                                  .instance = arena_str(&r->arena, instance)};
    r->hashes[n] = hash;
    hash_index_put(&r->index, hash, (uint32_t)n);
    ASSERT(r->count == n);
    r->count++;
}

// Notes who has series of the source; there may be none.
static enum err list(struct states_run *r)
{
    const struct machine_source *s = r->source;
    const struct metric_query q = {.store = r->q->store,
                                   .any_line = true,
                                   .name = s->name,
                                   .service = STR_NONE,
                                   .labels = &s->only,
                                   .label_count = s->only.key.n > 0 ? 1 : 0,
                                   .from_ms = r->q->from_ms,
                                   .to_ms = r->q->to_ms,
                                   .control = r->q->control};
    r->named = 0;
    enum err e = metric_list(&q, on_name, r);
    ASSERT(r->count <= r->capacity);
    return e == ERR_OK && r->is_short ? ERR_MEMORY : e;
}

// ---- What they tell -----------------------------------------------------------------------------

static void on_value(void *ctx, const struct machine_value *value)
{
    struct states_run *r = ctx;
    enum machine_measure measure = r->source->measure;
    struct owner *o = find(r, value->instance, str_hash(value->instance));
    ASSERT(measure < MACHINE_MEASURES);
    if (o == NULL || o->several || o->service.n == 0 || (o->told & 1u << measure) != 0) {
        return;
    }
    o->told |= 1u << measure;
    const struct machine_state state = {o->line, o->service, o->instance, machine_judged(measure),
                                        value->mean};
    r->each(r->ctx, &state);
}

static enum err read_source(struct states_run *r, uint64_t *damaged_parts, uint64_t *left_out)
{
    const struct machine_states_query *q = r->q;
    uint64_t step_ms = ((q->to_ms - q->from_ms) / MACHINE_STATES_STEPS + 999) / 1000 * 1000;
    const struct machine_reading reading = {.store = q->store,
                                            .any_line = true,
                                            .service = STR_NONE,
                                            .instances_max = MACHINE_STATES_INSTANCES_MAX,
                                            .from_ms = q->from_ms,
                                            .to_ms = q->to_ms,
                                            .step_ms =
                                                step_ms > STEP_LEAST_MS ? step_ms : STEP_LEAST_MS,
                                            .control = q->control};
    enum err e = list(r);
    if (e != ERR_OK || r->named == 0) {
        return e;
    }
    e = machine_read(&reading, r->source, on_value, r, damaged_parts);
    *left_out += e == ERR_LIMIT ? 1 : 0;
    ASSERT(reading.step_ms >= STEP_LEAST_MS);
    return e == ERR_LIMIT ? ERR_OK : e;
}

enum err machine_states(const struct machine_states_query *q,
                        void (*each)(void *ctx, const struct machine_state *state), void *ctx,
                        uint64_t *damaged_parts, uint64_t *left_out)
{
    struct states_run r = {.q = q, .each = each, .ctx = ctx, .memory = {.control = q->control}};
    enum err e = ERR_OK;
    _Static_assert(MACHINE_MEASURES <= 32, "a bit for each");
    ASSERT(q->from_ms < q->to_ms);
    for (size_t i = 0; i < machine_source_count && e == ERR_OK; i++) {
        r.source = &machine_sources[i];
        if (machine_judged(r.source->measure) != HEALTH_MEASURES) {
            e = read_source(&r, damaged_parts, left_out);
        }
    }
    mem_free(r.owners);
    mem_free(r.hashes);
    hash_index_done(&r.index);
    arena_done(&r.arena);
    query_memory_give(&r.memory);
    return e;
}
