// SPDX-License-Identifier: Apache-2.0
// Purpose: who counts calls before sampling.
#include "query/senders.h"

#include "core/mem.h"
#include "core/must.h"
#include "model/calls.h"

#define SENDERS_LEAST 16

void senders_init(struct senders *s, struct query_control *control)
{
    *s = (struct senders){.memory = {.control = control}};
    ASSERT(s->count == 0);
}

void senders_done(struct senders *s)
{
    ASSERT(s->count <= s->capacity);
    mem_free(s->items);
    mem_free(s->hashes);
    hash_index_done(&s->index);
    arena_done(&s->arena);
    query_memory_give(&s->memory);
}

uint64_t senders_step_ms(uint64_t from_ms, uint64_t to_ms)
{
    const uint64_t minute_ms = 60000, hour_ms = 60 * minute_ms;
    ASSERT(from_ms < to_ms);
    if (to_ms - from_ms > 24 * hour_ms && from_ms % hour_ms == 0 && to_ms % hour_ms == 0) {
        return hour_ms;
    }
    return from_ms % minute_ms == 0 && to_ms % minute_ms == 0 ? minute_ms : SERIES_SLOT_MS;
}

static uint64_t hash_of(struct str line, struct str service)
{
    ASSERT(service.p != NULL || service.n == 0);
    return str_hash(line) * 31 + str_hash(service);
}

struct sender *senders_find(const struct senders *s, struct str line, struct str service)
{
    uint64_t hash = hash_of(line, service);
    struct hash_walk walk = hash_index_walk(&s->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < s->count);
        if (str_eq(s->items[at].service, service) && str_eq(s->items[at].line, line)) {
            return &s->items[at];
        }
    }
    return NULL;
}

bool senders_has_sampled(const struct senders *s, struct str line, struct str service)
{
    const struct sender *found = senders_find(s, line, service);
    ASSERT(found == NULL || found->first_ms < found->last_ms);
    return found != NULL && found->samples;
}

bool senders_sample(const struct senders *s)
{
    bool any = false;
    ASSERT(s->count <= s->capacity);
    for (size_t i = 0; i < s->count; i++) {
        any |= s->items[i].samples;
    }
    return any;
}

// NULL where memory is short.
static struct sender *add_sender(struct senders *s, struct str line, struct str service)
{
    size_t n = s->count;
    uint64_t hash = hash_of(line, service);
    ASSERT(senders_find(s, line, service) == NULL);
    if (!query_memory_need(&s->memory,
                           2 * (sizeof *s->items + sizeof hash + 8) + line.n + service.n)) {
        return NULL;
    }
    s->items = mem_grow(s->items, &s->capacity, n + 1, sizeof *s->items);
    s->hashes = mem_grow(s->hashes, &s->hash_capacity, n + 1, sizeof *s->hashes);
    hash_index_reserve(&s->index, s->hashes, n, SENDERS_LEAST);
    s->items[n] = (struct sender){.line = arena_str(&s->arena, line),
                                  .service = arena_str(&s->arena, service),
                                  .first_ms = UINT64_MAX};
    s->hashes[n] = hash;
    hash_index_put(&s->index, hash, (uint32_t)n);
    return &s->items[s->count++];
}

static enum err on_reports(void *ctx, const struct series_found *found)
{
    struct senders *s = ctx;
    struct str service = series_label(found, CALLS_SERVICE);
    if (found->hists == NULL || found->count == 0) {
        return ERR_OK;
    }
    struct sender *of = senders_find(s, found->line, service);
    of = of != NULL ? of : add_sender(s, found->line, service);
    if (of == NULL) {
        return ERR_MEMORY;
    }
    uint64_t last_ms = found->times_ms[found->count - 1] + s->step_ms;
    of->first_ms = found->times_ms[0] < of->first_ms ? found->times_ms[0] : of->first_ms;
    of->last_ms = last_ms > of->last_ms ? last_ms : of->last_ms;
    for (size_t i = 0; i < found->count; i++) {
        of->samples |= found->hists[i].sum_ns != 0;
    }
    ASSERT(of->first_ms < of->last_ms);
    return ERR_OK;
}

enum err senders_read(struct senders *s, const struct senders_query *q, uint64_t *damaged_parts)
{
    const struct series_matcher m[] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                       {CALLS_OF, MATCH_EQUAL, CALLS_AGENT_REPORT},
                                       {CALLS_SERVICE, MATCH_EQUAL, q->service}};
    const struct series_query series = {.any_line = q->any_line,
                                        .line = q->line,
                                        .matchers = m,
                                        .matcher_count = q->service.p != NULL ? 3 : 2,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .step_ms = q->step_ms};
    ASSERT(s->count == 0 && q->step_ms > 0);
    s->step_ms = q->step_ms;
    return calls_run(q->store, series, q->control, on_reports, s, damaged_parts);
}

enum err senders_of_range(struct senders *s, struct series_store *store, uint64_t from_ms,
                          uint64_t to_ms, struct query_control *control, uint64_t *damaged_parts)
{
    senders_init(s, control);
    ASSERT(from_ms <= to_ms);
    if (from_ms == to_ms) {
        return ERR_OK;
    }
    const struct senders_query q = {.store = store,
                                    .any_line = true,
                                    .service = STR_NONE,
                                    .from_ms = from_ms,
                                    .to_ms = to_ms,
                                    .step_ms = senders_step_ms(from_ms, to_ms),
                                    .control = control};
    return senders_read(s, &q, damaged_parts);
}
