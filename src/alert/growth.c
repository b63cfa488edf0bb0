// SPDX-License-Identifier: Apache-2.0
// Purpose: what a metric point adds to a window.
#include "alert/growth.h"

#include <math.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"
#include "model/point.h"

#define SIZE_FIRST ((size_t)64)

void growth_done(struct growth *g)
{
    ASSERT(g->count <= g->size);
    mem_free(g->slots);
    growth_buckets_done(g);
    *g = (struct growth){0};
}

size_t growth_bytes(const struct growth *g)
{
    ASSERT(g->count <= g->size);
    return g->size * sizeof *g->slots + growth_buckets_bytes(g);
}

static uint64_t hash_attrs(const struct batch *b, struct attr_run run, uint64_t h)
{
    ASSERT(b->sealed);
    for (uint32_t i = 0; i < run.count; i++) {
        const struct attr *a = &b->attrs[run.first + i];
        uint64_t value = attr_type_is_text(a->type) ? b->hashes[a->code] : a->bits;
        h ^= secret_fold(b->hashes[a->key], secret_fold(value, a->type)); // in whatever order
    }
    return h;
}

static uint64_t series_hash(const struct batch *b, const struct point *p)
{
    const struct metric *m = &b->metrics[p->metric];
    uint64_t h = secret_fold(b->hashes[m->name], b->hashes[b->scopes[p->scope].name]);
    ASSERT(b->sealed);
    h = secret_fold(h, hash_attrs(b, b->resources[p->resource].attrs, str_hash(b->line)));
    h = secret_fold(h, hash_attrs(b, p->attrs, 1));
    return h != 0 ? h : 1;
}

static size_t place(const struct growth *g, uint64_t hash)
{
    size_t at = hash & (g->size - 1);
    ASSERT(g->count <= g->size);
    while (g->slots[at].hash != 0 && g->slots[at].hash != hash) {
        at = (at + 1) & (g->size - 1);
    }
    return at;
}

static void make_room(struct growth *g)
{
    struct growth_series *old = g->slots;
    size_t old_size = g->size;
    ASSERT(g->count <= g->size);
    if (g->size > 0 && (g->count + 1) * 4 <= g->size * 3) {
        return;
    }
    if (g->count >= GROWTH_SERIES_MAX) {
        memset(g->slots, 0, g->size * sizeof *g->slots);
        g->count = 0;
        g->emptied++;
        return;
    }
    g->size = old_size > 0 ? old_size * 2 : SIZE_FIRST;
    g->slots = mem_new(g->size, sizeof *g->slots);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].hash != 0) {
            g->slots[place(g, old[i].hash)] = old[i];
        }
    }
    mem_free(old);
}

bool growth_is_young(const struct point *p)
{
    ASSERT(p != NULL);
    return p->start_ns > 0 && p->start_ns < p->time_ns &&
           p->time_ns - p->start_ns <= POINT_YOUNG_MS * NS_PER_MS;
}

// The growth of a cumulative point; false where it is not known.
static bool take_step(struct growth *g, const struct batch *b, const struct point *p, double count,
                      double sum, double *ret_count, double *ret_sum)
{
    ASSERT(g->count <= g->size);
    make_room(g);
    uint64_t hash = series_hash(b, p);
    struct growth_series *s = &g->slots[place(g, hash)];
    bool is_new = s->hash == 0;
    if (is_new || p->time_ns > s->time_ns) {
        bool fell = !is_new && (count < s->count || (sum < s->sum && count <= s->count));
        bool from_zero = is_new || fell;
        s->has_step = !is_new || growth_is_young(p);
        s->count_step = from_zero ? count : count - s->count;
        s->sum_step = from_zero ? sum : sum - s->sum;
        g->count += is_new;
        s->hash = hash;
        s->time_ns = p->time_ns;
        s->count = count;
        s->sum = sum;
    } else if (p->time_ns < s->time_ns) {
        return false; // out of order: what came later has it in it
    }
    *ret_count = s->count_step;
    *ret_sum = s->sum_step;
    return s->has_step;
}

static enum growth_verdict one_value(double v, struct window_record *r)
{
    ASSERT(r != NULL);
    if (isnan(v)) {
        return GROWTH_NOTHING;
    }
    *r = (struct window_record){.count = 1,
                                .sum = v,
                                .min = v,
                                .max = v,
                                .hist = window_hist(v, false),
                                .time_ms = r->time_ms};
    return GROWTH_TAKEN;
}

static enum growth_verdict of_number(struct growth *g, const struct batch *b, const struct point *p,
                                     struct window_record *r)
{
    const struct metric *m = &b->metrics[p->metric];
    double v = (p->says & POINT_INT) != 0 ? (double)p->i : p->d, count, step;
    bool grows = m->kind != METRIC_GAUGE && m->monotonic != 0;
    ASSERT(g->count <= g->size);
    if (!grows || m->temporality == TEMPORALITY_DELTA) {
        return one_value(v, r);
    }
    return take_step(g, b, p, v, v, &count, &step) ? one_value(step, r) : GROWTH_NOTHING;
}

// One bucket, of a series of its own.
static enum growth_verdict of_le(struct growth *g, const struct batch *b, const struct point *p,
                                 double bound, struct window_record *r)
{
    double v = (p->says & POINT_INT) != 0 ? (double)p->i : p->d, count, step;
    ASSERT(!isnan(bound));
    if (isnan(v) || !take_step(g, b, p, v, v, &count, &step)) {
        return GROWTH_NOTHING;
    }
    g->grown = mem_grow(g->grown, &g->grown_capacity, 1, sizeof *g->grown);
    g->grown[0] = (struct window_bucket){NAN, bound, step};
    *r = (struct window_record){.time_ms = r->time_ms,
                                .count = isinf(bound) && step > 0 ? (uint64_t)step : 0,
                                .buckets = g->grown,
                                .bucket_count = 1};
    return GROWTH_TAKEN;
}

// Of a point with buckets, for a quantile.
static enum growth_verdict of_buckets(struct growth *g, const struct batch *b,
                                      const struct point *p, struct window_record *r)
{
    enum growth_verdict v = growth_of_buckets(g, b, p, series_hash(b, p));
    double count = 0;
    ASSERT(g->grown_count <= g->grown_capacity);
    if (v != GROWTH_TAKEN) {
        return v;
    }
    for (size_t i = 0; i < g->grown_count; i++) {
        const struct window_bucket *one = &g->grown[i];
        bool is_all = isnan(one->lower) && isinf(one->upper) && one->upper > 0;
        count += is_all || !isnan(one->lower) ? one->n : 0;
    }
    *r = (struct window_record){.time_ms = r->time_ms,
                                .count = count > 0 ? (uint64_t)count : 0,
                                .buckets = g->grown,
                                .bucket_count = g->grown_count};
    return GROWTH_TAKEN;
}

static enum growth_verdict of_many(struct growth *g, const struct batch *b, const struct point *p,
                                   enum alert_measure measure, struct window_record *r)
{
    const struct metric *m = &b->metrics[p->metric];
    double count = (double)p->count, sum = (p->says & POINT_SUM) != 0 ? p->sum : 0;
    ASSERT(g->count <= g->size);
    bool is_summary = m->kind == METRIC_SUMMARY;
    bool has_values = (measure == MEASURE_QUANTILE && is_summary) || measure == MEASURE_MIN ||
                      measure == MEASURE_MAX || measure == MEASURE_DISTINCT;
    bool needs_sum = measure == MEASURE_AVERAGE || measure == MEASURE_SUM;
    if (has_values || (needs_sum && (p->says & POINT_SUM) == 0)) {
        return GROWTH_UNFIT;
    }
    if (measure == MEASURE_QUANTILE) {
        return of_buckets(g, b, p, r);
    }
    if (m->temporality != TEMPORALITY_DELTA && !take_step(g, b, p, count, sum, &count, &sum)) {
        return GROWTH_NOTHING;
    }
    *r = (struct window_record){.time_ms = r->time_ms,
                                .count = count > 0 ? (uint64_t)count : 0,
                                .sum = measure == MEASURE_RATE ? count : sum};
    return GROWTH_TAKEN;
}

enum growth_verdict growth_of(struct growth *g, const struct batch *b, uint32_t point,
                              enum alert_measure measure, struct window_record *ret_record)
{
    const struct point *p = &b->points[point];
    ASSERT(point < b->point_count);
    if ((p->says & POINT_NO_VALUE) != 0) {
        return GROWTH_NOTHING;
    }
    double bound;
    if (measure == MEASURE_QUANTILE && growth_le(b, p, &bound)) {
        return of_le(g, b, p, bound, ret_record);
    }
    return metric_kind_has_count(b->metrics[p->metric].kind) ? of_many(g, b, p, measure, ret_record)
                                                             : of_number(g, b, p, ret_record);
}
