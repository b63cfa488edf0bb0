// SPDX-License-Identifier: Apache-2.0
// Purpose: parts come and go: their files, their entries, and the transactions between.
#include <string.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/state.h"

struct str series_path(const struct series_store *s, uint64_t id, struct arena *a)
{
    ASSERT(id > 0);
    return arena_printf(a, "%s/%016llx.part", s->parts_dir, (unsigned long long)id);
}

uint64_t series_new_id(struct series_store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    uint64_t id = s->next_id++;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(id > 0);
    return id;
}

void series_step_clock(struct series_store *s)
{
    ASSERT(s->o.wall_ns != NULL && s->o.mono_ns != NULL);
    uint64_t believed_ns = retain_clock_step(&s->clock, s->o.wall_ns(), s->o.mono_ns());
    atomic_store(&s->believed_ms, believed_ns / NS_PER_MS);
}

uint64_t series_cutoff_ms(const struct series_store *s, enum series_tier tier)
{
    uint64_t now_ms = atomic_load(&s->believed_ms), keep_ms = s->o.keep_ms[tier];
    ASSERT(tier < TIER_COUNT);
    uint64_t from_ms = now_ms > keep_ms ? now_ms - keep_ms : 0;
    return from_ms - from_ms % series_tier_span_ms(tier);
}

// ---- Transactions -------------------------------------------------------------------------------

void series_remove_file(struct series_store *s, uint64_t id)
{
    struct arena a = {0};
    struct str path = series_path(s, id, &a);
    ASSERT(s->o.fs != NULL);
    enum err e = s->o.fs->ops->remove(s->o.fs, path.p);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "series", "an unfinished part could not be removed", "path=%s", path.p);
    }
    arena_done(&a);
}

enum err series_commit(struct series_store *s, const uint64_t *ids, size_t count)
{
    // Only those of transactions before this one: the catalog's lock is held since it began.
    (void)pthread_mutex_lock(&s->lock);
    uint64_t *doubts = s->doubts;
    size_t doubt_count = s->doubt_count;
    s->doubts = NULL;
    s->doubt_count = s->doubt_capacity = 0;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(doubts != NULL || doubt_count == 0);
    if (doubt_count > 0) {
        series_catalog_touch(&s->catalog); // one that writes nothing settles nothing
    }
    enum err e = sql_end(&s->catalog.sql);
    if (e == ERR_OK) {
        for (size_t i = 0; i < doubt_count; i++) {
            series_remove_file(s, doubts[i]);
        }
        mem_free(doubts);
        return ERR_OK;
    }
    (void)pthread_mutex_lock(&s->lock);
    size_t all = s->doubt_count + doubt_count + count;
    if (all > 0) {
        s->doubts = mem_grow(s->doubts, &s->doubt_capacity, all, sizeof *s->doubts);
    }
    for (size_t i = 0; i < doubt_count; i++) {
        s->doubts[s->doubt_count++] = doubts[i];
    }
    for (size_t i = 0; i < count; i++) {
        s->doubts[s->doubt_count++] = ids[i];
    }
    (void)pthread_mutex_unlock(&s->lock);
    mem_free(doubts);
    return e;
}

enum err series_settle(struct series_store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool settled = s->doubt_count == 0;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(s->catalog.sql.db != NULL);
    if (settled) {
        return ERR_OK;
    }
    sql_begin(&s->catalog.sql);
    return series_commit(s, NULL, 0);
}

// ---- Entries ------------------------------------------------------------------------------------

struct loading {
    struct series_store *s;
    uint32_t line;
    uint32_t *series;
    size_t count, capacity;
};

static enum err load_series(void *ctx, struct str key, enum series_type type)
{
    struct loading *l = ctx;
    uint32_t at;
    const struct series_id id = {key, l->line, type};
    ASSERT(l->s->index != NULL);
    enum err e = series_index_find(l->s->index, &id, &at);
    if (e == ERR_NOT_FOUND) {
        e = series_index_add(l->s->index, &id, true, &at);
    }
    if (e != ERR_OK) {
        return e == ERR_INVALID ? ERR_CORRUPT : e;
    }
    l->series = mem_grow(l->series, &l->capacity, l->count + 1, sizeof *l->series);
    l->series[l->count++] = at;
    return ERR_OK;
}

enum err series_load_part(struct series_store *s, uint64_t id, struct series_part **ret_part,
                          struct err_at *ret_at)
{
    struct arena a = {0};
    struct loading l = {.s = s};
    struct series_part *p = NULL;
    ASSERT(ret_part != NULL);
    struct str path = series_path(s, id, &a);
    enum err e = series_part_open(fs_pool_fs(s->pool), path.p, &p, ret_at);
    if (e == ERR_OK) {
        e = series_index_line(s->index, p->meta.line, &l.line);
        e = e == ERR_OK ? series_part_each(p, load_series, &l) : e;
        if (e != ERR_OK) {
            (void)err_at_set(ret_at, e, 0, "The table of series cannot be read.");
        }
    }
    arena_done(&a);
    if (e != ERR_OK) {
        mem_free(l.series);
        series_part_unref(p);
        return e;
    }
    MUST(l.count == p->meta.series);
    p->series = l.series;
    p->meter = &s->meter;
    meter_force(&s->meter, l.count * sizeof *l.series);
    *ret_part = p;
    return ERR_OK;
}

static void count_part(struct series_store *s, const struct series_part *p, uint64_t sign)
{
    enum series_tier tier = p->meta.tier;
    ASSERT(sign == 1 || sign == UINT64_MAX);
    s->stats.parts[tier] += sign;
    s->stats.part_bytes[tier] += sign * p->meta.file_bytes;
    s->stats.part_samples[tier] += sign * p->meta.samples;
}

void series_put_entry(struct series_store *s, const struct series_entry *entry)
{
    size_t at = s->part_count;
    MUST(entry->part != NULL && entry->id > 0);
    s->parts = mem_grow(s->parts, &s->part_capacity, s->part_count + 1, sizeof *s->parts);
    while (at > 0 && s->parts[at - 1].ord_first > entry->ord_first) {
        s->parts[at] = s->parts[at - 1];
        at--;
    }
    s->parts[at] = *entry;
    s->part_count++;
    count_part(s, entry->part, 1);
}

void series_note_lost(struct series_store *s, enum series_tier tier, uint64_t min_ms,
                      uint64_t max_ms)
{
    ASSERT(min_ms <= max_ms);
    struct series_lost *last = s->lost_count > 0 ? &s->lost[s->lost_count - 1] : NULL;
    if (s->lost_count < SERIES_LOST_MAX) {
        s->lost[s->lost_count++] = (struct series_lost){tier, min_ms, max_ms};
        return;
    }
    MUST(last != NULL);
    last->min_ms = min_ms < last->min_ms ? min_ms : last->min_ms;
    last->max_ms = max_ms > last->max_ms ? max_ms : last->max_ms;
}

void series_take_entry(struct series_store *s, uint64_t id, enum file_fate fate)
{
    size_t at = 0;
    while (at < s->part_count && s->parts[at].id != id) {
        at++;
    }
    MUST(at < s->part_count);
    struct series_part *p = s->parts[at].part;
    s->part_count--;
    memmove(s->parts + at, s->parts + at + 1, (s->part_count - at) * sizeof *s->parts);
    count_part(s, p, UINT64_MAX);
    if (fate == FILE_IS_SET_ASIDE) {
        series_note_lost(s, p->meta.tier, p->meta.min_ms, p->meta.max_ms);
    }
    atomic_store(&p->fate, (int)fate);
    series_part_unref(p);
}

struct series_catalog_part series_describe(const struct series_entry *entry)
{
    const struct series_part_meta *m = &entry->part->meta;
    ASSERT(entry->ord_first <= entry->ord_last);
    return (struct series_catalog_part){
        .id = entry->id,
        .line = m->line,
        .tier = m->tier,
        .level = entry->level,
        .ord_first = entry->ord_first,
        .ord_last = entry->ord_last,
        .series = m->series,
        .samples = m->samples,
        .bytes = m->file_bytes,
        .min_ms = m->min_ms,
        .max_ms = m->max_ms,
    };
}
