// SPDX-License-Identifier: Apache-2.0
// Purpose: which metrics there are: series, put together by what was sent; and whose.
#include <stdlib.h>
#include <string.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/calls.h"
#include "model/point.h"
#include "query/calls.h"
#include "query/points.h"

#define NAMES_LEAST 64

// Series of one name, unit and kind.
struct entry {
    struct points_name name;
    bool gone; // part of a histogram or summary, which has its series
};

// Whose series there are, each once.
struct senders {
    struct points_sender *items;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
};

struct listing {
    struct points_names *out;
    struct entry *entries;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    struct senders senders;
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

static bool has_sender(const struct senders *s, struct points_sender sender, uint64_t hash)
{
    uint32_t i;
    struct hash_walk walk = hash_index_walk(&s->index, hash);
    while (hash_index_next(&walk, &i)) {
        ASSERT(i < s->count);
        if (s->hashes[i] == hash && str_eq(s->items[i].service, sender.service) &&
            str_eq(s->items[i].line, sender.line)) {
            return true;
        }
    }
    return false;
}

static void note_sender(struct listing *l, const struct series_found *found)
{
    struct senders *s = &l->senders;
    struct points_sender sender = {found->line, series_label(found, POINT_SERVICE)};
    uint64_t hash = str_hash(sender.service) * 31 + str_hash(sender.line);
    if (sender.service.n == 0 || has_sender(s, sender, hash)) {
        return;
    }
    if (s->count == POINTS_SENDERS_MAX) {
        l->out->more = true;
        return;
    }
    s->items = mem_grow(s->items, &s->capacity, s->count + 1, sizeof *s->items);
    s->hashes = mem_grow(s->hashes, &s->hash_capacity, s->count + 1, sizeof *s->hashes);
    hash_index_reserve(&s->index, s->hashes, s->count, NAMES_LEAST);
    hash_index_put(&s->index, hash, (uint32_t)s->count);
    s->hashes[s->count] = hash;
    s->items[s->count++] = (struct points_sender){arena_str(&l->out->arena, sender.line),
                                                  arena_str(&l->out->arena, sender.service)};
}

static void on_series(void *ctx, const struct series_found *found)
{
    struct listing *l = ctx;
    if (found->type == SERIES_HIST) {
        return; // calls, which have routes of their own
    }
    note_sender(l, found);
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
    if (e == NULL) {
        l->entries = mem_grow(l->entries, &l->capacity, l->count + 1, sizeof *l->entries);
        l->hashes = mem_grow(l->hashes, &l->hash_capacity, l->count + 1, sizeof *l->hashes);
        hash_index_reserve(&l->index, l->hashes, l->count, NAMES_LEAST);
        hash_index_put(&l->index, hash, (uint32_t)l->count);
        l->hashes[l->count] = hash;
        e = &l->entries[l->count++];
        *e = (struct entry){
            .name = {arena_str(&l->out->arena, name), arena_str(&l->out->arena, unit), kind, 0}};
    }
    ASSERT(e->name.series < UINT64_MAX);
    e->name.series++;
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

static int compare_senders(const void *a, const void *b)
{
    const struct points_sender *x = a, *y = b;
    int c = str_cmp(x->line, y->line);
    ASSERT(x->service.n > 0 && y->service.n > 0);
    return c != 0 ? c : str_cmp(x->service, y->service);
}

static void finish_senders(struct listing *l)
{
    struct points_names *out = l->out;
    out->senders = arena_new(&out->arena, l->senders.count + 1, sizeof *out->senders);
    out->sender_count = l->senders.count;
    ASSERT(out->sender_count <= POINTS_SENDERS_MAX);
    if (out->sender_count > 0) {
        memcpy(out->senders, l->senders.items, out->sender_count * sizeof *out->senders);
        qsort(out->senders, out->sender_count, sizeof *out->senders, compare_senders);
    }
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
    if (out->count > 1) {
        qsort(out->names, out->count, sizeof *out->names, compare);
    }
}

enum err points_list(const struct points_query *q, struct points_names **ret_names)
{
    struct listing l = {.out = mem_new(1, sizeof *l.out)};
    struct series_matcher matchers[METRIC_LABELS_MAX + 2] = {
        {POINT_NAME, MATCH_NOT_EQUAL, CALLS_NAME}};
    size_t n = 1;
    ASSERT(q->label_count <= METRIC_LABELS_MAX);
    if (q->service.p != NULL) {
        matchers[n++] = (struct series_matcher){POINT_SERVICE, MATCH_EQUAL, q->service};
    }
    for (size_t i = 0; i < q->label_count; i++) {
        matchers[n++] = (struct series_matcher){q->labels[i].key, MATCH_EQUAL, q->labels[i].value};
    }
    const struct series_query series = {.any_line = q->any_line,
                                        .line = q->line,
                                        .matchers = matchers,
                                        .matcher_count = n,
                                        .from_ms = q->from_ms,
                                        .to_ms = q->to_ms,
                                        .step_ms = SERIES_SLOT_MS,
                                        .meter = q->control != NULL ? q->control->meter : NULL,
                                        .cancelled =
                                            q->control != NULL ? &q->control->cancelled : NULL};
    enum err e = series_list(q->store, &series, on_series, &l);
    if (e == ERR_OK) {
        finish(&l);
        finish_senders(&l);
    }
    mem_free(l.senders.items);
    mem_free(l.senders.hashes);
    hash_index_done(&l.senders.index);
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
        mem_free(n);
    }
}
