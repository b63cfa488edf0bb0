// SPDX-License-Identifier: Apache-2.0
// Purpose: growth of a histogram by bucket, and its quantiles.
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
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

// What there is up to each bound, as one walks up: what was told so, which never falls though
// series may end apart, and what was told by bucket.
struct climb {
    double below, within;
};

static double climb(struct climb *c, const struct points_bucket *b, size_t step)
{
    ASSERT(!isnan(b->bound));
    if (b->below != NULL && b->below[step] > c->below) {
        c->below = b->below[step];
    }
    c->within += b->within != NULL ? b->within[step] : 0;
    return c->below + c->within;
}

double points_quantile(const struct points_growing *g, size_t step, double q)
{
    const struct points_bucket *b = g->buckets;
    struct climb c = {0, 0};
    double all = 0, before = 0;
    for (size_t i = 0; i < g->bucket_count; i++) {
        double n = climb(&c, &b[i], step);
        all = n > all ? n : all;
    }
    ASSERT(q >= 0 && q <= 1);
    double rank = q * all;
    c = (struct climb){0, 0};
    for (size_t i = 0; i < g->bucket_count && all > 0; i++) {
        double n = climb(&c, &b[i], step);
        n = n > before ? n : before;
        if (n >= rank && n > 0) {
            if (isinf(b[i].bound)) {
                return i > 0 ? b[i - 1].bound : NAN;
            }
            bool zeros = b[i].bound == 0 && b[i].within != NULL; // no more than 0 itself
            double lower = i > 0 && !zeros ? b[i - 1].bound : b[i].bound > 0 ? 0 : b[i].bound;
            return n > before ? lower + (b[i].bound - lower) * (rank - before) / (n - before)
                              : b[i].bound;
        }
        before = n;
    }
    return NAN;
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
