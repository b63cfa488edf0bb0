// SPDX-License-Identifier: Apache-2.0
// Purpose: which metrics there are: series, put together by what was sent.

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/point.h"
#include "query/calls.h"
#include "query/metric.h"
#include "query/points.h"

#define NAMES_LEAST 64

// Series of one name, unit and kind.
struct entry {
    struct points_name name;
    bool gone; // part of a histogram or summary, which has its series
};

struct listing {
    struct points_names *out;
    struct entry *entries;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    bool is_short; // of memory
};

// A series of buckets or quantiles tells what it is of.
static enum points_kind kind_of(const struct series_found *found)
{
    struct str name = series_label(found, POINT_NAME);
    ASSERT(found->type != SERIES_HIST);
    bool bucket =
        series_label(found, POINT_LE).n > 0 || series_label(found, POINT_BUCKET_INDEX).n > 0;
    if (bucket && str_ends(name, POINT_SUFFIX_BUCKET)) {
        return POINTS_HISTOGRAM;
    }
    if (series_label(found, POINT_QUANTILE).n > 0) {
        return POINTS_SUMMARY;
    }
    return found->type == SERIES_GAUGE     ? POINTS_GAUGE
           : found->type == SERIES_COUNTER ? POINTS_COUNTER
                                           : POINTS_DELTA;
}

static struct entry *find(const struct listing *l, struct str name, struct str unit,
                          enum points_kind kind, uint64_t hash)
{
    uint32_t i;
    struct hash_walk walk = hash_index_walk(&l->index, hash);
    while (hash_index_next(&walk, &i)) {
        struct entry *e = &l->entries[i];
        ASSERT(i < l->count);
        if (l->hashes[i] == hash && e->name.kind == kind && str_eq(e->name.name, name) &&
            str_eq(e->name.unit, unit)) {
            return e;
        }
    }
    return NULL;
}

static uint64_t hash_of(struct str name, struct str unit, enum points_kind kind)
{
    return (str_hash(name) * 31 + str_hash(unit)) * 31 + (uint64_t)kind;
}

// NULL where memory is short. The index of series is open: no time to wait for it.
static struct entry *add(struct listing *l, struct str name, struct str unit, enum points_kind kind,
                         uint64_t hash)
{
    struct points_names *out = l->out;
    if (!query_memory_take(&out->memory, 3 * (sizeof *l->entries + 16) + name.n + unit.n)) {
        return NULL;
    }
    l->entries = mem_grow(l->entries, &l->capacity, l->count + 1, sizeof *l->entries);
    l->hashes = mem_grow(l->hashes, &l->hash_capacity, l->count + 1, sizeof *l->hashes);
    hash_index_reserve(&l->index, l->hashes, l->count, NAMES_LEAST);
    hash_index_put(&l->index, hash, (uint32_t)l->count);
    l->hashes[l->count] = hash;
    l->entries[l->count] = (struct entry){
        .name = {arena_str(&out->arena, name), arena_str(&out->arena, unit), kind, 0}};
    ASSERT(l->count < l->capacity);
    return &l->entries[l->count++];
}

static void on_series(void *ctx, const struct series_found *found)
{
    struct listing *l = ctx;
    if (found->type == SERIES_HIST) {
        return; // calls, which have routes of their own
    }
    struct str name = series_label(found, POINT_NAME), unit = series_label(found, POINT_UNIT);
    enum points_kind kind = kind_of(found);
    if (kind == POINTS_HISTOGRAM) {
        name.n -= POINT_SUFFIX_BUCKET.n;
    }
    uint64_t hash = hash_of(name, unit, kind);
    struct entry *e = find(l, name, unit, kind, hash);
    if (e == NULL && l->count >= POINTS_NAMES_MAX) {
        l->out->more = true;
        return;
    }
    e = e != NULL ? e : add(l, name, unit, kind, hash);
    l->is_short |= e == NULL;
    if (e != NULL) {
        e->name.series++;
    }
    ASSERT(l->count <= POINTS_NAMES_MAX);
}

// Takes the series of NAME_count and the like to their histogram or summary.
static void take_part(struct listing *l, struct entry *whole, struct str suffix)
{
    struct buf name;
    buf_init(&name, SERIES_LABEL_BYTES_MAX + suffix.n + 1);
    buf_add_str(&name, whole->name.name);
    buf_add_str(&name, suffix);
    for (enum points_kind k = POINTS_GAUGE; k <= POINTS_DELTA && !name.failed; k++) {
        struct str text = buf_str(&name);
        struct entry *part = find(l, text, whole->name.unit, k, hash_of(text, whole->name.unit, k));
        if (part != NULL && !part->gone) {
            part->gone = true;
            whole->name.series += part->name.series;
        }
    }
    ASSERT(whole->name.kind >= POINTS_HISTOGRAM);
    buf_done(&name);
}

static int compare(const void *a, const void *b)
{
    const struct points_name *x = a, *y = b;
    int c = str_cmp(x->name, y->name);
    c = c != 0 ? c : str_cmp(x->unit, y->unit);
    ASSERT(x->kind != POINTS_NONE && y->kind != POINTS_NONE);
    return c != 0 ? c : (int)x->kind - (int)y->kind;
}

static void finish(struct listing *l)
{
    struct points_names *out = l->out;
    for (size_t i = 0; i < l->count; i++) {
        if (l->entries[i].name.kind >= POINTS_HISTOGRAM) {
            take_part(l, &l->entries[i], POINT_SUFFIX_COUNT);
            take_part(l, &l->entries[i], POINT_SUFFIX_SUM);
            take_part(l, &l->entries[i], POINT_SUFFIX_MIN);
            take_part(l, &l->entries[i], POINT_SUFFIX_MAX);
        }
    }
    out->names = arena_new(&out->arena, l->count + 1, sizeof *out->names);
    for (size_t i = 0; i < l->count; i++) {
        if (!l->entries[i].gone) {
            out->names[out->count++] = l->entries[i].name;
        }
    }
    ASSERT(out->count <= l->count);
    sort_array(out->names, out->count, sizeof *out->names, compare);
}

enum err points_list(const struct points_query *q, struct points_names **ret_names)
{
    struct listing l = {.out = mem_new(1, sizeof *l.out)};
    const struct metric_query metric = {.store = q->store,
                                        .any_line = q->any_line,
                                        .line = q->line,
                                        .service = q->service,
                                        .labels = q->labels,
                                        .label_count = q->label_count,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .control = q->control};
    ASSERT(q->label_count <= METRIC_LABELS_MAX);
    l.out->memory.control = q->control;
    enum err e = metric_list(&metric, on_series, &l);
    e = e == ERR_OK && l.is_short ? ERR_MEMORY : e;
    if (e == ERR_OK) {
        finish(&l);
    }
    mem_free(l.entries);
    mem_free(l.hashes);
    hash_index_done(&l.index);
    if (e != ERR_OK) {
        points_names_free(l.out);
        return e;
    }
    *ret_names = l.out;
    return ERR_OK;
}

void points_names_free(struct points_names *n)
{
    if (n != NULL) {
        arena_done(&n->arena);
        query_memory_give(&n->memory);
        mem_free(n);
    }
}
