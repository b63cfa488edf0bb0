// SPDX-License-Identifier: Apache-2.0
// Purpose: what a window has of metrics with buckets: how much each bucket grew in each slot.
#include <math.h>

#include "alert/window_state.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/buckets.h"

void window_buckets_free(struct window *w, const struct window_shape *shape)
{
    struct window_buckets *b = w->buckets;
    ASSERT(shape->slots < shape->ring);
    if (b == NULL) {
        return;
    }
    for (uint32_t i = 0; i < shape->ring; i++) {
        mem_free(b->slots[i].items);
    }
    mem_free(b->slots);
    mem_free(b->bounds);
    mem_free(b);
    w->buckets = NULL;
}

size_t window_buckets_bytes(const struct window *w, const struct window_shape *shape)
{
    const struct window_buckets *b = w->buckets;
    ASSERT(shape->slots < shape->ring);
    if (b == NULL) {
        return 0;
    }
    size_t bytes = sizeof *b + shape->ring * sizeof *b->slots + b->capacity * sizeof *b->bounds;
    for (uint32_t i = 0; i < shape->ring; i++) {
        bytes += b->slots[i].capacity * sizeof *b->slots[i].items;
    }
    return bytes;
}

void window_buckets_clear_slot(struct window *w, const struct window_shape *shape, uint64_t slot)
{
    ASSERT(shape->slots < shape->ring);
    if (w->buckets != NULL) {
        struct window_parts *p = &w->buckets->slots[slot % shape->ring];
        mem_free(p->items);
        *p = (struct window_parts){0};
    }
}

// ---- Adding -------------------------------------------------------------------------------------

static bool is_bound(const struct window_bound *b, double lower, double upper)
{
    bool is_lower = isnan(lower) ? isnan(b->lower) : b->lower == lower;
    ASSERT(!isnan(upper));
    return b->upper == upper && is_lower;
}

// Its place; `count` where it is not there. Points tell their buckets in one order, so it most
// likely stands where the search before it ended.
static size_t find(struct window_buckets *b, double lower, double upper)
{
    ASSERT(b->count <= WINDOW_BOUNDS_MAX);
    for (size_t i = 0; i < b->count; i++) {
        size_t at = (b->likely + i) % b->count;
        if (is_bound(&b->bounds[at], lower, upper)) {
            b->likely = at + 1;
            return at;
        }
    }
    return b->count;
}

// Leaves out the bounds that no slot of the ring was told of.
static void sweep(struct window *w, const struct window_shape *shape)
{
    struct window_buckets *b = w->buckets;
    uint32_t *moved = mem_new(b->count + 1, sizeof *moved);
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        moved[i] = (uint32_t)kept;
        if (b->bounds[i].slot + shape->ring > w->newest) {
            b->bounds[kept++] = b->bounds[i];
        }
    }
    for (uint32_t i = 0; i < shape->ring && kept < b->count; i++) {
        for (uint32_t k = 0; k < b->slots[i].count; k++) {
            b->slots[i].items[k].bound = moved[b->slots[i].items[k].bound];
        }
    }
    ASSERT(kept <= b->count);
    b->count = kept;
    b->likely = 0;
    mem_free(moved);
}

bool window_has_room(struct window *w, const struct window_shape *shape,
                     const struct window_record *r)
{
    struct window_buckets *b = w->buckets;
    size_t fresh = 0;
    ASSERT(shape->has_buckets || r->bucket_count == 0);
    if (b == NULL) {
        return r->bucket_count <= WINDOW_BOUNDS_MAX;
    }
    if (b->count + r->bucket_count <= WINDOW_BOUNDS_MAX) {
        return true;
    }
    sweep(w, shape);
    for (size_t i = 0; i < r->bucket_count; i++) {
        fresh += find(b, r->buckets[i].lower, r->buckets[i].upper) == b->count;
    }
    return b->count + fresh <= WINDOW_BOUNDS_MAX;
}

static void add_part(struct window_parts *p, uint32_t bound, double n)
{
    ASSERT(p->count <= p->capacity);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->items[i].bound == bound) {
            p->items[i].n += n;
            return;
        }
    }
    size_t capacity = p->capacity;
    p->items = mem_grow(p->items, &capacity, p->count + 1, sizeof *p->items);
    p->capacity = (uint32_t)capacity;
    p->items[p->count++] = (struct window_part){bound, n};
}

void window_add_bucket(struct window *w, const struct window_shape *shape, uint64_t slot,
                       const struct window_bucket *one)
{
    ASSERT(shape->has_buckets && !isnan(one->upper));
    if (w->buckets == NULL) {
        w->buckets = mem_new(1, sizeof *w->buckets);
        w->buckets->slots = mem_new(shape->ring, sizeof *w->buckets->slots);
    }
    struct window_buckets *b = w->buckets;
    size_t at = find(b, one->lower, one->upper);
    if (at == b->count) {
        MUST(b->count < WINDOW_BOUNDS_MAX);
        b->bounds = mem_grow(b->bounds, &b->capacity, b->count + 1, sizeof *b->bounds);
        b->bounds[b->count++] = (struct window_bound){one->lower, one->upper, slot};
    }
    b->bounds[at].slot = slot > b->bounds[at].slot ? slot : b->bounds[at].slot;
    if (one->n != 0) { // that it is a bound counts as well
        add_part(&b->slots[slot % shape->ring], (uint32_t)at, one->n);
    }
}

// ---- Quantiles ----------------------------------------------------------------------------------

static int by_bound(const void *a, const void *b)
{
    double x = ((const struct bucket_mass *)a)->bound, y = ((const struct bucket_mass *)b)->bound;
    ASSERT(!isnan(x) && !isnan(y));
    return x < y ? -1 : x > y;
}

// Each bound once.
static size_t merge(struct bucket_mass *m, size_t count)
{
    size_t kept = 0;
    sort_array(m, count, sizeof *m, by_bound);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && !(m[kept - 1].bound < m[i].bound)) {
            m[kept - 1].below += m[i].below;
            m[kept - 1].within += m[i].within;
            m[kept - 1].has_within = m[kept - 1].has_within || m[i].has_within;
        } else {
            m[kept++] = m[i];
        }
    }
    ASSERT(kept <= count);
    return kept;
}

double window_buckets_quantile(const struct window *w, const struct window_shape *shape,
                               uint64_t end, double q)
{
    const struct window_buckets *b = w->buckets;
    uint64_t first = end + 1 - shape->slots;
    size_t count = 0;
    ASSERT(b != NULL && end + 1 >= shape->slots);
    double *amounts = mem_new(b->count + 1, sizeof *amounts);
    struct bucket_mass *m = mem_new(2 * b->count + 1, sizeof *m);
    for (uint64_t slot = first; slot <= end && slot <= w->newest; slot++) {
        const struct window_parts *p = &b->slots[slot % shape->ring];
        for (uint32_t i = 0; i < p->count; i++) {
            amounts[p->items[i].bound] += p->items[i].n;
        }
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct window_bound *x = &b->bounds[i];
        bool is_below = isnan(x->lower);
        if (x->slot < first) {
            continue; // of a shape that is no longer told
        }
        if (!is_below && x->lower < x->upper && !isinf(x->lower)) {
            m[count++] = (struct bucket_mass){.bound = x->lower}; // where it begins
        }
        m[count++] = (struct bucket_mass){.bound = x->upper,
                                          .below = is_below ? amounts[i] : 0,
                                          .within = is_below ? 0 : amounts[i],
                                          .has_within = !is_below};
    }
    double v = buckets_quantile(m, merge(m, count), q);
    mem_free(amounts);
    mem_free(m);
    return v;
}
