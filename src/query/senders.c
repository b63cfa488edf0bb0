// SPDX-License-Identifier: Apache-2.0
// Purpose: who counts calls before sampling, and what they tell.
#include "query/senders.h"

#include "core/mem.h"
#include "core/must.h"
#include "model/point.h"
#include "model/semconv.h"
#include "query/calls.h"
#include "query/metric.h"

#define STARTED    STR("otel.sdk.span.started")
#define RESULT_KEY STR("otel.span.sampling_result")

void senders_init(struct senders *s, const struct counted_query *q)
{
    ASSERT(q->service.p != NULL);
    *s = (struct senders){.q = q, .memory = {.control = q->control}};
}

void senders_done(struct senders *s)
{
    ASSERT(s->q != NULL);
    mem_free(s->items);
    arena_done(&s->arena);
    query_memory_give(&s->memory);
}

bool senders_step_between(const struct counted_query *q, uint64_t after_ms, uint64_t until_ms,
                          uint32_t *ret_step)
{
    uint64_t middle_ms = after_ms + (until_ms - after_ms) / 2;
    ASSERT(after_ms < until_ms);
    if (middle_ms < q->from_ms || middle_ms >= q->to_ms) {
        return false;
    }
    *ret_step = (uint32_t)((middle_ms - q->from_ms) / q->step_ms);
    return true;
}

struct sender *senders_find(const struct senders *s, struct str line, struct str service)
{
    for (size_t i = 0; i < s->count; i++) {
        ASSERT(s->items[i].service.n > 0);
        if (str_eq(s->items[i].service, service) && str_eq(s->items[i].line, line)) {
            return &s->items[i];
        }
    }
    return NULL;
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
    struct sender *sender;
    ASSERT(senders_find(s, line, service) == NULL);
    if (!query_memory_need(&s->memory, 2 * sizeof *sender + line.n + service.n)) {
        return NULL;
    }
    s->items = mem_grow(s->items, &s->capacity, s->count + 1, sizeof *s->items);
    sender = &s->items[s->count++];
    *sender = (struct sender){.line = arena_str(&s->arena, line),
                              .service = arena_str(&s->arena, service),
                              .first_ms = UINT64_MAX};
    return sender;
}

// A series of how many spans were left out.
static enum err on_dropped(void *ctx, const struct series_found *found)
{
    struct senders *s = ctx;
    struct str service = series_label(found, POINT_SERVICE);
    if (found->numbers == NULL || found->count == 0 || service.n == 0) {
        return ERR_OK;
    }
    struct sender *of = senders_find(s, found->line, service);
    of = of != NULL ? of : add_sender(s, found->line, service);
    if (of == NULL) {
        return ERR_MEMORY;
    }
    uint64_t last_ms = found->times_ms[found->count - 1];
    of->first_ms = found->times_ms[0] < of->first_ms ? found->times_ms[0] : of->first_ms;
    of->last_ms = last_ms > of->last_ms ? last_ms : of->last_ms;
    for (size_t i = 1; i < found->count; i++) {
        uint32_t step;
        bool grew = found->numbers[i] > 0 && found->numbers[i] != found->numbers[i - 1];
        of->samples |=
            grew && senders_step_between(s->q, found->times_ms[i - 1], found->times_ms[i], &step);
    }
    ASSERT(of->first_ms <= of->last_ms);
    return ERR_OK;
}

enum err senders_read(struct senders *s, uint64_t *damaged_parts)
{
    const struct told dropped = {.metric = STARTED, .with = {{RESULT_KEY, STR("DROP")}}};
    ASSERT(s->count == 0);
    return senders_ask(s->q, &dropped, on_dropped, s, damaged_parts);
}

enum err senders_ask(const struct counted_query *q, const struct told *told,
                     enum err (*each)(void *ctx, const struct series_found *found), void *ctx,
                     uint64_t *damaged_parts)
{
    struct series_label labels[METRIC_LABELS_MAX] = {{POINT_SCOPE, SEM_SDK_COUNTS}};
    struct series_answer answer;
    size_t n = 1;
    for (size_t i = 0; i < sizeof told->with / sizeof told->with[0]; i++) {
        if (told->with[i].key.p != NULL) {
            labels[n++] = told->with[i];
        }
    }
    if (q->instance.p != NULL) {
        labels[n++] = (struct series_label){POINT_INSTANCE, q->instance};
    }
    ASSERT(n <= METRIC_LABELS_MAX);
    const struct metric_query metric = {.store = q->store,
                                        .any_line = q->any_line,
                                        .line = q->line,
                                        .name = told->metric,
                                        .service = q->service,
                                        .labels = labels,
                                        .label_count = n,
                                        .wholes = told->wholes,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .look_ms = COUNTED_LOOK_MS,
                                        .control = q->control};
    enum err e = metric_run(&metric, each, ctx, &answer);
    *damaged_parts += e == ERR_OK ? answer.damaged_parts : 0;
    return e;
}
