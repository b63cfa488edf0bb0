// SPDX-License-Identifier: Apache-2.0
// Purpose: growth of cumulative exponential histograms.
//
// First the buckets "all" are read. They say of each source, which is a series but for its bucket,
// when it had points, what they counted and in which shape. So what grew in a bucket from one point
// to the next is known, though its series has no number where it was empty:
//
//     the same shape         the later number less the one before; or the later one, where it is
//                            less: the bucket began again
//     the sender reset       the later number. It did where the point's count is less, and where
//                            its shape became finer: what was put together cannot be taken apart
//     a coarser shape        the later number, less what was before in each bucket that is part of
//                            the new one
// In the last case no series says alone what grew. But it is a sum, so each series adds its part to
// the bucket of the coarser scale: one of the old shape what it had, as less, and one of the new
// shape what it has. Where the zero bucket got wider, what was in buckets that it took in is less
// in those, and more in it: right from its threshold on.
#include "query/exponential.h"

#include <math.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/point.h"
#include "query/calls.h"

#define TABLE_LEAST 16
#define NO_NUMBER   UINT32_MAX

// Of a series, with its line.
#define KEY_BYTES_MAX (2 * SERIES_LABELS_MAX * (SERIES_LABEL_BYTES_MAX + 1) + ((size_t)64 << 10))

void exponential_init(struct exponential_sources *x, struct query_control *control)
{
    *x = (struct exponential_sources){.memory = {.control = control}};
    buf_init(&x->key, KEY_BYTES_MAX);
    ASSERT(x->source_table.count == 0);
}

bool exponential_has(const struct series_found *found)
{
    ASSERT(found->label_count > 0);
    return series_label(found, POINT_BUCKET_SCALE).n > 0;
}

static bool shape_of(const struct series_found *found, struct exponential_shape *ret_shape)
{
    double scale = series_label_number(found, POINT_BUCKET_SCALE);
    double zero = series_label_number(found, POINT_BUCKET_ZERO);
    if (!(scale >= EXPONENTIAL_SCALE_LEAST && scale <= EXPONENTIAL_SCALE_MOST) || zero < 0 ||
        isinf(zero)) {
        return false;
    }
    ASSERT(zero >= 0 || isnan(zero));
    *ret_shape = (struct exponential_shape){(int)scale, isnan(zero) ? 0 : zero};
    return true;
}

// ---- Sources ------------------------------------------------------------------------------------

// What the series that belong together have in common: their labels but for the bucket, and, of a
// source, for the shape.
static struct str key_of(struct exponential_sources *x, const struct series_found *found,
                         bool with_shape)
{
    struct buf *key = &x->key;
    buf_clear(key);
    buf_add_varint(key, found->line.n);
    buf_add_str(key, found->line);
    for (size_t i = 0; i < found->label_count; i++) {
        const struct series_label *l = &found->labels[i];
        bool is_shape = str_eq(l->key, POINT_BUCKET_SCALE) || str_eq(l->key, POINT_BUCKET_ZERO);
        if (!str_eq(l->key, POINT_BUCKET_INDEX) && (with_shape || !is_shape)) {
            buf_add_str(key, l->key);
            buf_add_byte(key, 0);
            buf_add_str(key, l->value);
            buf_add_byte(key, 0);
        }
    }
    ASSERT(!key->failed);
    return buf_str(key);
}

static uint32_t find_source(const struct exponential_sources *x, struct str key, uint64_t hash)
{
    uint32_t i;
    struct hash_walk walk = hash_index_walk(&x->source_table.index, hash);
    while (hash_index_next(&walk, &i)) {
        ASSERT(i < x->source_table.count);
        if (x->source_table.hashes[i] == hash && str_eq(x->sources[i].key, key)) {
            return i;
        }
    }
    return NO_NUMBER;
}

static uint32_t find_shaped(const struct exponential_sources *x, struct str key, uint64_t hash)
{
    uint32_t i;
    struct hash_walk walk = hash_index_walk(&x->shaped_table.index, hash);
    while (hash_index_next(&walk, &i)) {
        ASSERT(i < x->shaped_table.count);
        if (x->shaped_table.hashes[i] == hash && str_eq(x->shaped[i].key, key)) {
            return i;
        }
    }
    return NO_NUMBER;
}

// Makes room for one row more, and says its number.
static uint32_t add_row(struct exponential_table *t, uint64_t hash)
{
    t->hashes = mem_grow(t->hashes, &t->capacity, t->count + 1, sizeof *t->hashes);
    hash_index_reserve(&t->index, t->hashes, t->count, TABLE_LEAST);
    hash_index_put(&t->index, hash, (uint32_t)t->count);
    t->hashes[t->count] = hash;
    ASSERT(t->count < NO_NUMBER);
    return (uint32_t)t->count++;
}

static enum err source_of(struct exponential_sources *x, const struct series_found *found,
                          uint32_t *ret_source)
{
    struct str key = key_of(x, found, false);
    uint64_t hash = str_hash(key);
    uint32_t i = find_source(x, key, hash);
    if (i == NO_NUMBER) {
        if (!query_memory_need(&x->memory, 2 * sizeof(struct exponential_source) + key.n + 64)) {
            return ERR_MEMORY;
        }
        i = add_row(&x->source_table, hash);
        x->sources = mem_grow(x->sources, &x->source_capacity, i + 1, sizeof *x->sources);
        x->sources[i] = (struct exponential_source){.key = arena_str(&x->arena, key)};
    }
    ASSERT(i < x->source_table.count);
    *ret_source = i;
    return ERR_OK;
}

static enum err add_shaped(struct exponential_sources *x, const struct series_found *found,
                           uint32_t source, const struct exponential_shape *shape,
                           uint32_t *ret_shaped)
{
    struct str key = key_of(x, found, true);
    uint64_t hash = str_hash(key);
    ASSERT(find_shaped(x, key, hash) == NO_NUMBER); // a series is told once
    if (!query_memory_need(&x->memory, 2 * sizeof(struct exponential_shaped) + key.n + 64)) {
        return ERR_MEMORY;
    }
    uint32_t i = add_row(&x->shaped_table, hash);
    x->shaped = mem_grow(x->shaped, &x->shaped_capacity, i + 1, sizeof *x->shaped);
    x->shaped[i] = (struct exponential_shaped){arena_str(&x->arena, key), *shape, source};
    *ret_shaped = i;
    return ERR_OK;
}

enum err exponential_mark(struct exponential_sources *x, const struct series_found *found)
{
    struct exponential_shape shape;
    uint32_t source, shaped;
    if (found->type != SERIES_COUNTER || !shape_of(found, &shape)) {
        return ERR_OK; // deltas; anything else is seen as a bucket again
    }
    enum err e = source_of(x, found, &source);
    e = e == ERR_OK ? add_shaped(x, found, source, &shape, &shaped) : e;
    if (e != ERR_OK) {
        return e;
    }
    struct exponential_source *s = &x->sources[source];
    if (!query_memory_need(&x->memory, 2 * found->count * sizeof *s->marks)) {
        return ERR_MEMORY;
    }
    s->marks = mem_grow(s->marks, &s->capacity, s->count + found->count, sizeof *s->marks);
    for (size_t i = 0; i < found->count; i++) {
        if (!isnan(found->numbers[i])) {
            s->marks[s->count++] =
                (struct exponential_mark){found->times_ms[i], found->numbers[i], shaped, false};
        }
    }
    ASSERT(s->count <= s->capacity);
    s->shapes++;
    return ERR_OK;
}

// By time; of one time the one that counted more comes first.
static int compare_marks(const void *a, const void *b)
{
    const struct exponential_mark *x = a, *y = b;
    ASSERT(x != NULL && y != NULL);
    if (x->time_ms != y->time_ms) {
        return x->time_ms < y->time_ms ? -1 : 1;
    }
    return x->count != y->count ? (x->count > y->count ? -1 : 1) : 0;
}

static bool is_reset(const struct exponential_sources *x, const struct exponential_mark *from,
                     const struct exponential_mark *to)
{
    const struct exponential_shape *a = &x->shaped[from->shape].shape;
    const struct exponential_shape *b = &x->shaped[to->shape].shape;
    ASSERT(from->time_ms < to->time_ms);
    return to->count < from->count || b->scale > a->scale || b->zero_threshold < a->zero_threshold;
}

void exponential_settle(struct exponential_sources *x)
{
    for (size_t i = 0; i < x->source_table.count; i++) {
        struct exponential_source *s = &x->sources[i];
        size_t kept = 0;
        if (s->shapes > 1) { // the samples of one series are in order
            sort_array(s->marks, s->count, sizeof *s->marks, compare_marks);
        }
        for (size_t k = 0; k < s->count; k++) {
            if (kept == 0 || s->marks[kept - 1].time_ms < s->marks[k].time_ms) {
                s->marks[kept++] = s->marks[k];
            }
        }
        ASSERT(kept <= s->count);
        s->count = kept;
        for (size_t k = 1; k < kept; k++) {
            s->marks[k].reset = is_reset(x, &s->marks[k - 1], &s->marks[k]);
        }
    }
}

// ---- Growth of a bucket -------------------------------------------------------------------------

// The numbers of a series, asked for by ascending time; 0 where there is none.
struct reader {
    const struct series_found *found;
    size_t at;
};

static double number_at(struct reader *r, uint64_t time_ms)
{
    const struct series_found *f = r->found;
    while (r->at < f->count && f->times_ms[r->at] < time_ms) {
        r->at++;
    }
    bool there = r->at < f->count && f->times_ms[r->at] == time_ms;
    ASSERT(f->numbers != NULL);
    return there && !isnan(f->numbers[r->at]) ? f->numbers[r->at] : 0;
}

// A bucket's series while its growth is told.
struct telling {
    const struct exponential_source *source;
    uint32_t shape;
    const struct series_found *found;
    enum err (*each)(void *ctx, const struct exponential_growth *growth);
    void *ctx;
};

// What came to a bucket of this shape between points, as far as its own series says.
static enum err tell_own(const struct telling *t, struct exponential_growth *g)
{
    const struct exponential_source *s = t->source;
    struct reader reader = {t->found, 0};
    enum err e = ERR_OK;
    double last = 0;
    for (size_t i = 0; i < s->count && e == ERR_OK; i++) {
        const struct exponential_mark *m = &s->marks[i];
        double v = m->shape == t->shape ? number_at(&reader, m->time_ms) : 0;
        bool compared = i > 0 && s->marks[i - 1].shape == t->shape && !m->reset && v >= last;
        g->by = compared ? v - last : v;
        if (i > 0 && m->shape == t->shape && g->by > 0) {
            g->after_ms = s->marks[i - 1].time_ms;
            g->until_ms = m->time_ms;
            e = t->each(t->ctx, g);
        }
        last = v;
    }
    ASSERT(!isnan(last));
    return e;
}

// What a bucket of this shape had when a coarser one followed, as less.
static enum err tell_left(const struct exponential_sources *x, const struct telling *t,
                          struct exponential_bucket bucket)
{
    const struct exponential_source *s = t->source;
    struct reader reader = {t->found, 0};
    const struct exponential_shape *mine = &x->shaped[t->shape].shape;
    enum err e = ERR_OK;
    for (size_t i = 0; i + 1 < s->count && e == ERR_OK; i++) {
        const struct exponential_mark *m = &s->marks[i], *next = m + 1;
        if (m->shape != t->shape || next->shape == t->shape || next->reset) {
            continue;
        }
        double had = number_at(&reader, m->time_ms);
        struct exponential_shape into = {x->shaped[next->shape].shape.scale, mine->zero_threshold};
        struct exponential_bucket whole = exponential_coarser(bucket, mine->scale, into.scale);
        struct exponential_growth g = {.after_ms = m->time_ms, .until_ms = next->time_ms};
        ASSERT(into.scale <= mine->scale);
        if (had > 0) {
            g.by = -had;
            exponential_bounds(&into, whole, &g.lower, &g.upper);
            e = t->each(t->ctx, &g);
        }
    }
    return e;
}

bool exponential_read(const struct series_found *found, struct exponential_shape *ret_shape,
                      struct exponential_bucket *ret_bucket)
{
    struct exponential_bucket bucket;
    ASSERT(found->label_count > 0);
    if (!exponential_parse(series_label(found, POINT_BUCKET_INDEX), &bucket) ||
        !shape_of(found, ret_shape)) {
        return false;
    }
    *ret_bucket = bucket;
    return true;
}

enum err exponential_grow(struct exponential_sources *x, const struct series_found *found,
                          enum err (*each)(void *ctx, const struct exponential_growth *growth),
                          void *ctx)
{
    struct exponential_bucket bucket;
    struct exponential_shape shape;
    struct str key = key_of(x, found, true);
    uint32_t shaped = find_shaped(x, key, str_hash(key));
    struct exponential_growth g;
    if (shaped == NO_NUMBER || !exponential_read(found, &shape, &bucket) ||
        bucket.range == EXPONENTIAL_ALL) {
        return ERR_INVALID;
    }
    const struct telling t = {&x->sources[x->shaped[shaped].source], shaped, found, each, ctx};
    ASSERT(x->shaped[shaped].source < x->source_table.count);
    enum err e = t.source->shapes > 1 ? tell_left(x, &t, bucket) : ERR_OK;
    exponential_bounds(&shape, bucket, &g.lower, &g.upper);
    return e == ERR_OK ? tell_own(&t, &g) : e;
}

static void free_table(struct exponential_table *t)
{
    mem_free(t->hashes);
    hash_index_done(&t->index);
    ASSERT(t->count <= t->capacity);
}

void exponential_done(struct exponential_sources *x)
{
    ASSERT(x->sources != NULL || x->source_table.count == 0);
    for (size_t i = 0; i < x->source_table.count; i++) {
        mem_free(x->sources[i].marks);
    }
    mem_free(x->sources);
    mem_free(x->shaped);
    free_table(&x->source_table);
    free_table(&x->shaped_table);
    buf_done(&x->key);
    arena_done(&x->arena);
    query_memory_give(&x->memory);
}
