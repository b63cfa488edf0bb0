// SPDX-License-Identifier: Apache-2.0
// Purpose: how much the buckets of a metric grew from point to point.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alert/growth.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/point.h"
#include "wire/otlp_point.h"

#define SIZE_FIRST ((size_t)16)
#define NUMBER_MAX ((size_t)40) // bytes of a bound as text

// ---- One bucket of Prometheus -------------------------------------------------------------------

bool growth_le(const struct batch *b, const struct point *p, double *ret_bound)
{
    const struct metric *m = &b->metrics[p->metric];
    char text[NUMBER_MAX + 1], *end = text;
    ASSERT(b->sealed);
    if (m->kind != METRIC_SERIES || !str_ends(batch_str(b, m->name), POINT_SUFFIX_BUCKET)) {
        return false;
    }
    const struct attr *a = batch_find_attr(b, p->attrs, POINT_LE);
    struct str le = a != NULL && a->type == ATTR_STRING ? batch_str(b, a->code) : STR("");
    if (le.n == 0 || le.n > NUMBER_MAX) {
        return false;
    }
    memcpy(text, le.p, le.n);
    text[le.n] = 0;
    double bound = strtod(text, &end);
    bool is_bound = end == text + le.n && !isnan(bound);
    *ret_bound = is_bound ? bound : *ret_bound;
    return is_bound;
}

// ---- Points -------------------------------------------------------------------------------------

static void add_bucket(struct growth_point *x, const struct growth_bucket *one)
{
    ASSERT(x->bucket_count <= x->capacity);
    x->buckets = mem_grow(x->buckets, &x->capacity, x->bucket_count + 1, sizeof *x->buckets);
    x->buckets[x->bucket_count++] = *one;
}

static void on_bound(void *ctx, double bound, uint64_t count)
{
    const struct growth_bucket one = {.bound = bound, .n = (double)count};
    ASSERT(!isnan(bound));
    add_bucket(ctx, &one);
}

static void on_exponential(void *ctx, struct exponential_bucket bucket, uint64_t count)
{
    const struct growth_bucket one = {.bucket = bucket, .n = (double)count};
    ASSERT(count > 0);
    add_bucket(ctx, &one);
}

static int compare_exponential(struct exponential_bucket a, struct exponential_bucket b)
{
    if (a.range != b.range) {
        return a.range < b.range ? -1 : 1;
    }
    return a.index < b.index ? -1 : a.index > b.index;
}

static int by_bucket(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    return compare_exponential(((const struct growth_bucket *)a)->bucket,
                               ((const struct growth_bucket *)b)->bucket);
}

// False for one that says nothing that can be read.
static bool read_point(struct growth_point *x, const struct batch *b, const struct point *p)
{
    struct str body = batch_str(b, p->body);
    const char *wrong;
    x->bucket_count = 0;
    x->time_ns = p->time_ns;
    x->count = (double)p->count;
    x->is_exponential = b->metrics[p->metric].kind == METRIC_EXPONENTIAL;
    if (x->is_exponential) {
        wrong = otlp_point_exponential(body, &x->shape, on_exponential, x);
        sort_array(x->buckets, x->bucket_count, sizeof *x->buckets, by_bucket);
    } else {
        wrong = otlp_point_buckets(body, on_bound, x);
        on_bound(x, INFINITY, p->count);
    }
    ASSERT(x->bucket_count <= x->capacity);
    return wrong == NULL;
}

// Else it has a count alone.
static bool has_bounds(const struct growth_point *x)
{
    ASSERT(x->bucket_count <= x->capacity);
    return x->is_exponential || x->bucket_count > 1;
}

// What a bucket of this one was in another point; NULL where it had none.
static const struct growth_bucket *find(const struct growth_point *x,
                                        const struct growth_bucket *one)
{
    size_t i = 0, end = x->bucket_count;
    ASSERT(x->bucket_count <= x->capacity);
    while (i < end) {
        size_t middle = i + (end - i) / 2;
        const struct growth_bucket *m = &x->buckets[middle];
        bool is_less = x->is_exponential ? compare_exponential(m->bucket, one->bucket) < 0
                                         : m->bound < one->bound;
        i = is_less ? middle + 1 : i;
        end = is_less ? end : middle;
    }
    if (i == x->bucket_count) {
        return NULL;
    }
    const struct growth_bucket *m = &x->buckets[i];
    bool is_it = x->is_exponential ? compare_exponential(m->bucket, one->bucket) == 0
                                   : !(one->bound < m->bound);
    return is_it ? m : NULL;
}

// ---- Growth -------------------------------------------------------------------------------------

static void grow(struct growth *g, double lower, double upper, double n)
{
    ASSERT(!isnan(upper));
    g->grown = mem_grow(g->grown, &g->grown_capacity, g->grown_count + 1, sizeof *g->grown);
    g->grown[g->grown_count++] = (struct window_bucket){lower, upper, n};
}

static void grow_within(struct growth *g, const struct exponential_shape *shape,
                        struct exponential_bucket bucket, double n)
{
    double lower, upper;
    ASSERT(bucket.range != EXPONENTIAL_ALL);
    exponential_bounds(shape, bucket, &lower, &upper);
    grow(g, lower, upper, n);
}

// `before` NULL: from nothing.
static void grow_explicit(struct growth *g, const struct growth_point *before,
                          const struct growth_point *now)
{
    ASSERT(!now->is_exponential);
    for (size_t i = 0; i < now->bucket_count; i++) {
        const struct growth_bucket *one = &now->buckets[i];
        const struct growth_bucket *had = before != NULL ? find(before, one) : NULL;
        bool is_known = before == NULL || had != NULL;
        double was = had != NULL ? had->n : 0;
        grow(g, NAN, one->bound, !is_known ? 0 : one->n < was ? one->n : one->n - was);
    }
}

static bool is_same_shape(const struct growth_point *a, const struct growth_point *b)
{
    ASSERT(a->is_exponential && b->is_exponential);
    return a->shape.scale == b->shape.scale &&
           !(a->shape.zero_threshold < b->shape.zero_threshold) &&
           !(b->shape.zero_threshold < a->shape.zero_threshold);
}

static void grow_exponential(struct growth *g, const struct growth_point *before,
                             const struct growth_point *now)
{
    bool is_reset = before == NULL || now->count < before->count ||
                    now->shape.scale > before->shape.scale ||
                    now->shape.zero_threshold < before->shape.zero_threshold;
    bool is_compared = !is_reset && is_same_shape(before, now);
    ASSERT(now->is_exponential);
    for (size_t i = 0; i < now->bucket_count; i++) {
        const struct growth_bucket *one = &now->buckets[i];
        const struct growth_bucket *had = is_compared ? find(before, one) : NULL;
        double was = had != NULL && had->n <= one->n ? had->n : 0;
        if (one->n > was) {
            grow_within(g, &now->shape, one->bucket, one->n - was);
        }
    }
    for (size_t i = 0; !is_reset && !is_compared && i < before->bucket_count; i++) {
        struct exponential_shape into = {now->shape.scale, before->shape.zero_threshold};
        const struct growth_bucket *had = &before->buckets[i];
        grow_within(g, &into,
                    exponential_coarser(had->bucket, before->shape.scale, now->shape.scale),
                    -had->n);
    }
}

static void grow_point(struct growth *g, const struct growth_point *before,
                       const struct growth_point *now)
{
    bool is_kind = before == NULL || before->is_exponential == now->is_exponential;
    g->grown_count = 0;
    ASSERT(now->bucket_count <= now->capacity);
    if (is_kind && now->is_exponential) {
        grow_exponential(g, before, now);
    } else if (is_kind) {
        grow_explicit(g, before, now);
    }
}

// ---- What is remembered -------------------------------------------------------------------------

static void free_point(struct growth_point *x)
{
    ASSERT(x->bucket_count <= x->capacity);
    mem_free(x->buckets);
    *x = (struct growth_point){0};
}

static void forget(struct growth *g)
{
    ASSERT(g->histogram_count <= g->histogram_size);
    for (size_t i = 0; i < g->histogram_size; i++) {
        free_point(&g->histograms[i].before);
        free_point(&g->histograms[i].now);
    }
    mem_free(g->histograms);
    g->histograms = NULL;
    g->histogram_size = g->histogram_count = g->bucket_count = 0;
}

void growth_buckets_done(struct growth *g)
{
    ASSERT(g->grown_count <= g->grown_capacity);
    forget(g);
    free_point(&g->alone);
    mem_free(g->grown);
}

size_t growth_buckets_bytes(const struct growth *g)
{
    ASSERT(g->histogram_count <= g->histogram_size);
    return g->histogram_size * sizeof *g->histograms +
           g->bucket_count * sizeof(struct growth_bucket);
}

static size_t place(const struct growth *g, uint64_t hash)
{
    size_t at = hash & (g->histogram_size - 1);
    ASSERT(g->histogram_count <= g->histogram_size);
    while (g->histograms[at].hash != 0 && g->histograms[at].hash != hash) {
        at = (at + 1) & (g->histogram_size - 1);
    }
    return at;
}

static void make_room(struct growth *g)
{
    ASSERT(g->histogram_count <= g->histogram_size);
    if (g->histogram_count >= GROWTH_HISTOGRAMS_MAX || g->bucket_count >= GROWTH_BUCKETS_MAX) {
        forget(g);
        g->emptied++;
    }
    if (g->histogram_size > 0 && (g->histogram_count + 1) * 4 <= g->histogram_size * 3) {
        return;
    }
    struct growth_histogram *old = g->histograms;
    size_t old_size = g->histogram_size;
    g->histogram_size = old_size > 0 ? old_size * 2 : SIZE_FIRST;
    g->histograms = mem_new(g->histogram_size, sizeof *g->histograms);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].hash != 0) {
            g->histograms[place(g, old[i].hash)] = old[i];
        }
    }
    mem_free(old);
}

// The point takes the place of the one before. False where it says nothing.
static bool remember(struct growth *g, struct growth_histogram *h, const struct batch *b,
                     const struct point *p)
{
    struct growth_point was = h->before;
    size_t had = h->before.capacity + h->now.capacity;
    h->before = h->now;
    h->now = was;
    bool is_good = read_point(&h->now, b, p);
    g->bucket_count += h->before.capacity + h->now.capacity - had;
    ASSERT(h->now.time_ns == p->time_ns);
    return is_good;
}

enum growth_verdict growth_of_buckets(struct growth *g, const struct batch *b,
                                      const struct point *p, uint64_t hash)
{
    if (b->metrics[p->metric].temporality == TEMPORALITY_DELTA) {
        bool is_good = read_point(&g->alone, b, p);
        grow_point(g, NULL, &g->alone);
        return !has_bounds(&g->alone) ? GROWTH_UNFIT : is_good ? GROWTH_TAKEN : GROWTH_NOTHING;
    }
    make_room(g);
    struct growth_histogram *h = &g->histograms[place(g, hash)];
    bool is_new = h->hash == 0;
    ASSERT(hash != 0);
    if (!is_new && p->time_ns < h->now.time_ns) {
        return GROWTH_NOTHING; // out of order: what came later has it in it
    }
    if (is_new || p->time_ns > h->now.time_ns) { // else one that another strategy looked at
        g->histogram_count += is_new;
        h->hash = hash;
        h->has_before = !is_new;
        h->now.bucket_count = remember(g, h, b, p) ? h->now.bucket_count : 0;
    }
    if (!has_bounds(&h->now)) {
        return GROWTH_UNFIT;
    }
    if (!h->has_before && !growth_is_young(p)) {
        return GROWTH_NOTHING;
    }
    grow_point(g, h->has_before ? &h->before : NULL, &h->now);
    return g->grown_count > 0 ? GROWTH_TAKEN : GROWTH_NOTHING;
}
