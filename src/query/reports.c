// SPDX-License-Identifier: Apache-2.0
// Purpose: reading what senders counted.
#include "query/reports.h"

#include <math.h>
#include <stdlib.h>

#include "core/hist.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/batch.h"
#include "model/point.h"
#include "query/calls.h"

#define BUCKET     STR("traces.span.metrics.duration_bucket")
#define COUNT      STR("traces.span.metrics.duration_count")
#define SUM        STR("traces.span.metrics.duration_sum")
#define NAME_KEY   STR("span.name")
#define KIND_KEY   STR("span.kind")
#define STATUS_KEY STR("status.code")
#define ENTRY_KEY  STR("sonde.span.entry")

#define ITEMS_LEAST 64

void reports_init(struct reports *r, const struct counted_query *q, struct senders *senders)
{
    ASSERT(q->from_ms < q->to_ms && q->step_ms > 0);
    *r = (struct reports){.q = q,
                          .senders = senders,
                          .steps = (size_t)((q->to_ms - q->from_ms) / q->step_ms),
                          .exact = q->to_ms - q->from_ms <= COUNTED_EXACT_MS,
                          .memory = {.control = q->control}};
    exponential_init(&r->sources, q->control);
}

void reports_done(struct reports *r)
{
    ASSERT(r->q != NULL);
    exponential_done(&r->sources);
    mem_free(r->items);
    mem_free(r->hashes);
    mem_free(r->gains);
    hash_index_done(&r->index);
    arena_done(&r->arena);
    query_memory_give(&r->memory);
}

// ---- Items --------------------------------------------------------------------------------------

uint8_t reports_kind(struct str name)
{
    uint8_t kind = KIND_INTERNAL;
    for (unsigned k = KIND_INTERNAL; k < KIND_COUNT; k++) {
        kind = str_eq_nocase(name, str_of(span_kind_name(k))) ? (uint8_t)k : kind;
    }
    ASSERT(kind < KIND_COUNT);
    return kind;
}

static bool is_same(const struct reported *a, const struct reported *b)
{
    return a->kind == b->kind && a->error == b->error && str_eq(a->name, b->name) &&
           str_eq(a->service, b->service) && str_eq(a->line, b->line);
}

static uint64_t hash_of(const struct reported *x)
{
    ASSERT(x->kind < KIND_COUNT);
    return (str_hash(x->name) * 31 + str_hash(x->service)) * 31 + x->kind * 2u + x->error;
}

struct reported *reports_find(const struct reports *r, const struct reported *like)
{
    uint64_t hash = hash_of(like);
    uint32_t at;
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < r->count);
        if (r->hashes[at] == hash && is_same(&r->items[at], like)) {
            return &r->items[at];
        }
    }
    return NULL;
}

static enum err add_item(struct reports *r, struct reported x, uint32_t *ret_at)
{
    size_t n = r->count, texts = x.line.n + x.service.n + x.name.n;
    uint64_t hash = hash_of(&x);
    ASSERT(n < UINT32_MAX);
    if (!query_memory_need(&r->memory, 2 * sizeof x + texts + 64 + 2 * r->steps * sizeof(double))) {
        return ERR_MEMORY;
    }
    x.line = arena_str(&r->arena, x.line);
    x.service = arena_str(&r->arena, x.service);
    x.name = arena_str(&r->arena, x.name);
    x.sum_ns = arena_new(&r->arena, r->steps, sizeof *x.sum_ns);
    x.calls = arena_new(&r->arena, r->steps, sizeof *x.calls);
    r->items = mem_grow(r->items, &r->capacity, n + 1, sizeof *r->items);
    r->hashes = mem_grow(r->hashes, &r->hash_capacity, n + 1, sizeof *r->hashes);
    hash_index_reserve(&r->index, r->hashes, n, ITEMS_LEAST);
    hash_index_put(&r->index, hash, (uint32_t)n);
    r->items[n] = x;
    r->hashes[n] = hash;
    *ret_at = (uint32_t)r->count++;
    return ERR_OK;
}

// The item of a series of the metric.
static enum err item_of(struct reports *r, const struct series_found *found, uint32_t *ret_at)
{
    bool instances = r->q->instances;
    struct str kind = str_skip(series_label(found, KIND_KEY), strlen("SPAN_KIND_"));
    const struct reported x = {
        .line = found->line,
        .service = series_label(found, POINT_SERVICE),
        .name = series_label(found, instances ? POINT_INSTANCE : NAME_KEY),
        .kind = instances ? KIND_UNSPECIFIED : reports_kind(kind),
        .error = str_eq(series_label(found, STATUS_KEY), STR("STATUS_CODE_ERROR"))};
    const struct reported *known = reports_find(r, &x);
    ASSERT(found->label_count > 0);
    if (known == NULL) {
        return add_item(r, x, ret_at);
    }
    *ret_at = (uint32_t)(known - r->items);
    return ERR_OK;
}

// ---- Gains --------------------------------------------------------------------------------------

enum err reports_gain(struct reports *r, struct gain gain)
{
    struct gain *last = r->gain_count > 0 ? &r->gains[r->gain_count - 1] : NULL;
    if (last != NULL && last->of == gain.of && last->step == gain.step &&
        last->bucket == gain.bucket) {
        last->calls += gain.calls;
        return ERR_OK;
    }
    if (r->gain_count == r->gain_capacity &&
        !query_memory_need(&r->memory, (r->gain_count + 16) * sizeof *r->gains)) { // doubles
        return ERR_MEMORY;
    }
    r->gains = mem_grow(r->gains, &r->gain_capacity, r->gain_count + 1, sizeof *r->gains);
    r->gains[r->gain_count++] = gain;
    ASSERT(r->gain_count <= r->gain_capacity);
    return ERR_OK;
}

enum err reports_gain_the_rest(struct reports *r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->count; i++) {
        const struct reported *x = &r->items[i];
        for (size_t step = 0; step < r->steps && e == ERR_OK; step++) {
            double calls = x->calls[step];
            ASSERT(calls >= 0);
            if (calls >= 1) {
                double mean = fmin(x->sum_ns[step] / calls, 0x1p62);
                e = reports_gain(r, (struct gain){.of = (uint32_t)i,
                                                  .step = (uint32_t)step,
                                                  .bucket = hist_bucket((uint64_t)mean),
                                                  .calls = (int64_t)calls});
            }
        }
    }
    return e;
}

static int compare_gains(const void *a, const void *b)
{
    const struct gain *x = a, *y = b;
    if (x->of != y->of) {
        return x->of < y->of ? -1 : 1;
    }
    if (x->step != y->step) {
        return x->step < y->step ? -1 : 1;
    }
    return x->bucket < y->bucket ? -1 : x->bucket > y->bucket;
}

void reports_sort(struct reports *r)
{
    ASSERT(r->gain_count <= r->gain_capacity);
    if (r->gain_count > 1) {
        qsort(r->gains, r->gain_count, sizeof *r->gains, compare_gains);
    }
}

// ---- Reading ------------------------------------------------------------------------------------

// Who tells a series of the metric, if that samples; or NULL.
static struct sender *sampling(const struct reports *r, const struct series_found *found)
{
    struct sender *s = senders_find(r->senders, found->line, series_label(found, POINT_SERVICE));
    ASSERT(found->label_count > 0);
    return s != NULL && s->samples ? s : NULL;
}

static enum err on_whole(void *ctx, const struct series_found *found)
{
    struct reports *r = ctx;
    struct sender *s = sampling(r, found);
    ASSERT(r->steps > 0);
    if (s == NULL) {
        return ERR_OK;
    }
    s->counts = true;
    return exponential_mark(&r->sources, found);
}

static enum err on_growth(void *ctx, const struct exponential_growth *growth)
{
    struct reports *r = ctx;
    double middle = sqrt(growth->lower * growth->upper);
    uint32_t step;
    if (!senders_step_between(r->q, growth->after_ms, growth->until_ms, &step) ||
        !(middle < 0x1p63)) {
        return ERR_OK;
    }
    ASSERT(r->at < r->count);
    return reports_gain(r, (struct gain){.of = r->at,
                                         .step = step,
                                         .bucket = hist_bucket((uint64_t)middle),
                                         .calls = (int64_t)growth->by});
}

static enum err on_bucket(void *ctx, const struct series_found *found)
{
    struct reports *r = ctx;
    if (found->type != SERIES_COUNTER || !exponential_has(found) || sampling(r, found) == NULL) {
        return ERR_OK;
    }
    enum err e = item_of(r, found, &r->at);
    ASSERT(r->steps > 0);
    e = e == ERR_OK ? exponential_grow(&r->sources, found, on_growth, r) : e;
    return e == ERR_INVALID ? ERR_OK : e; // "all"
}

// Adds what a counter of an item grew by, step by step, to its sums or its calls.
static enum err add_counter(struct reports *r, const struct series_found *found, bool is_sum)
{
    uint32_t at, step;
    struct sender *s = sampling(r, found);
    if (found->type != SERIES_COUNTER || s == NULL) {
        return ERR_OK;
    }
    s->counts |= !is_sum;
    enum err e = item_of(r, found, &at);
    for (size_t i = 1; i < found->count && e == ERR_OK; i++) {
        double last = found->numbers[i - 1], v = found->numbers[i];
        ASSERT(at < r->count);
        if (senders_step_between(r->q, found->times_ms[i - 1], found->times_ms[i], &step) &&
            v >= 0) {
            double *to = is_sum ? r->items[at].sum_ns : r->items[at].calls;
            to[step] += v >= last ? v - last : v;
        }
    }
    return e;
}

static enum err on_sum(void *ctx, const struct series_found *found)
{
    return add_counter(ctx, found, true);
}

static enum err on_count(void *ctx, const struct series_found *found)
{
    return add_counter(ctx, found, false);
}

enum err reports_read(struct reports *r, uint64_t *damaged_parts)
{
    // What the service was called for: its entries, by what says that they are.
    const struct series_label entries[] = {{KIND_KEY, STR("SPAN_KIND_SERVER")},
                                           {KIND_KEY, STR("SPAN_KIND_CONSUMER")},
                                           {ENTRY_KEY, STR("true")}};
    const size_t n = sizeof entries / sizeof entries[0];
    const struct counted_query *q = r->q;
    const struct series_label none = {.key = STR_NONE}, endpoint = {NAME_KEY, q->endpoint},
                              also = q->endpoint.p != NULL ? endpoint : none;
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK && r->exact; i++) {
        const struct told whole = {.metric = BUCKET, .with = {entries[i], also}, .wholes = true};
        e = senders_ask(q, &whole, on_whole, r, damaged_parts);
    }
    exponential_settle(&r->sources);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        const struct told calls = {.metric = r->exact ? BUCKET : COUNT, .with = {entries[i], also}};
        const struct told sum = {.metric = SUM, .with = {entries[i], also}};
        e = senders_ask(q, &calls, r->exact ? on_bucket : on_count, r, damaged_parts);
        e = e == ERR_OK ? senders_ask(q, &sum, on_sum, r, damaged_parts) : e;
    }
    ASSERT(r->count <= r->capacity);
    return e;
}
