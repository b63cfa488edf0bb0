// SPDX-License-Identifier: Apache-2.0
// Purpose: growth of a histogram by bucket, and its quantiles (model/buckets.h).
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "model/buckets.h"
#include "model/point.h"
#include "query/calls.h"
#include "query/points_state.h"

static enum err bucket_at(struct points_run *r, struct points_growing *g, double bound,
                          struct points_bucket **ret_bucket)
{
    size_t i = 0, end = g->bucket_count;
    ASSERT(!isnan(bound));
    while (i < end) {
        size_t middle = i + (end - i) / 2;
        if (g->buckets[middle].bound < bound) {
            i = middle + 1;
        } else {
            end = middle;
        }
    }
    if (i == g->bucket_count || g->buckets[i].bound > bound) {
        if (!query_memory_need(&r->out->memory, 2 * sizeof(struct points_bucket))) {
            return ERR_MEMORY;
        }
        g->buckets =
            mem_grow(g->buckets, &g->bucket_capacity, g->bucket_count + 1, sizeof *g->buckets);
        memmove(g->buckets + i + 1, g->buckets + i, (g->bucket_count - i) * sizeof *g->buckets);
        g->buckets[i] = (struct points_bucket){.bound = bound};
        g->bucket_count++;
    }
    ASSERT(i < g->bucket_count);
    *ret_bucket = &g->buckets[i];
    return ERR_OK;
}

// Adds the growth in r->one to that of *growth.
static enum err add_one(struct points_run *r, double **growth)
{
    ASSERT(r->steps > 0);
    if (*growth == NULL) {
        if (!query_memory_need(&r->out->memory, r->steps * sizeof(double))) {
            return ERR_MEMORY;
        }
        *growth = mem_new(r->steps, sizeof(double));
    }
    for (size_t i = 0; i < r->steps; i++) {
        (*growth)[i] += r->one[i].increase;
    }
    return ERR_OK;
}

// Adds the growth in r->one to what lies in (lower, upper].
static enum err add_within(struct points_run *r, struct points_growing *g, double lower,
                           double upper)
{
    struct points_bucket *b;
    ASSERT(lower <= upper);
    if (lower < upper && !isinf(lower)) { // where it begins, whatever bucket is before it
        enum err e = bucket_at(r, g, lower, &b);
        if (e != ERR_OK) {
            return e;
        }
    }
    enum err e = bucket_at(r, g, upper, &b);
    return e == ERR_OK ? add_one(r, &b->within) : e;
}

enum err points_add_below(struct points_run *r, const struct series_found *found,
                          struct points_growing *g)
{
    struct points_bucket *b;
    double bound = series_label_number(found, POINT_LE);
    if (isnan(bound)) {
        r->out->left_out++;
        return ERR_OK;
    }
    enum err e = bucket_at(r, g, bound, &b);
    if (e != ERR_OK) {
        return e;
    }
    ASSERT(g->bucket_count > 0);
    memset(r->one, 0, r->steps * sizeof *r->one);
    points_add_growth(r, found, r->one);
    return add_one(r, &b->below);
}

// Growth of one bucket, gathered in r->one.
struct gathering {
    struct points_run *r;
    struct points_growing *g;
    double lower, upper;
    bool any;
};

static enum err put_gathered(struct gathering *x)
{
    ASSERT(x->r->one != NULL);
    return x->any ? add_within(x->r, x->g, x->lower, x->upper) : ERR_OK;
}

static enum err on_growth(void *ctx, const struct exponential_growth *growth)
{
    struct gathering *x = ctx;
    if (!x->any || x->lower != growth->lower || x->upper != growth->upper) {
        enum err e = put_gathered(x);
        if (e != ERR_OK) {
            return e;
        }
        x->any = true;
        x->lower = growth->lower;
        x->upper = growth->upper;
        memset(x->r->one, 0, x->r->steps * sizeof *x->r->one);
    }
    ASSERT(growth->after_ms < growth->until_ms);
    points_spread(x->r, x->r->one, growth->after_ms, growth->until_ms, growth->by);
    return ERR_OK;
}

enum err points_add_exponential(struct points_run *r, const struct series_found *found,
                                struct points_growing *g)
{
    struct gathering x = {.r = r, .g = g};
    struct exponential_shape shape;
    struct exponential_bucket bucket;
    if (!exponential_read(found, &shape, &bucket)) {
        r->out->left_out++;
        return ERR_OK;
    }
    if (bucket.range == EXPONENTIAL_ALL) {
        return ERR_OK;
    }
    ASSERT(found->type == SERIES_COUNTER || found->type == SERIES_DELTA);
    if (found->type == SERIES_DELTA) {
        memset(r->one, 0, r->steps * sizeof *r->one);
        points_add_growth(r, found, r->one);
        exponential_bounds(&shape, bucket, &x.lower, &x.upper);
        x.any = true;
        return put_gathered(&x);
    }
    enum err e = exponential_grow(&r->sources, found, on_growth, &x);
    if (e == ERR_INVALID) { // its points are not told of
        r->out->left_out++;
        return ERR_OK;
    }
    return e == ERR_OK ? put_gathered(&x) : e;
}

void points_take_quantiles(const struct points_growing *g, size_t step,
                           double ret_quantiles[POINTS_QUANTILES])
{
    struct bucket_mass *masses = mem_new(g->bucket_count + 1, sizeof *masses);
    ASSERT(g->buckets != NULL || g->bucket_count == 0);
    for (size_t i = 0; i < g->bucket_count; i++) {
        const struct points_bucket *b = &g->buckets[i];
        masses[i] = (struct bucket_mass){.bound = b->bound,
                                         .below = b->below != NULL ? b->below[step] : 0,
                                         .within = b->within != NULL ? b->within[step] : 0,
                                         .has_within = b->within != NULL};
    }
    for (size_t i = 0; i < POINTS_QUANTILES; i++) {
        ret_quantiles[i] = buckets_quantile(masses, g->bucket_count, points_quantiles[i]);
    }
    mem_free(masses);
}

void points_free_buckets(struct points_growing *g)
{
    ASSERT(g->buckets != NULL || g->bucket_count == 0);
    for (size_t i = 0; i < g->bucket_count; i++) {
        mem_free(g->buckets[i].below);
        mem_free(g->buckets[i].within);
    }
    mem_free(g->buckets);
}
