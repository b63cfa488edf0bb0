// SPDX-License-Identifier: Apache-2.0
// Purpose: writing a sealed head: one part for each line, tier and span of time, and one
// transaction that makes them known together with the seal's number and state.
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/state.h"

#define FLUSH_LEVEL      1 // of zstd
#define RETRY_MIN_NS     NS_PER_S
#define RETRY_DOUBLE_MAX 5u // doublings of it

struct flush {
    struct series_store *s;
    struct series_head *head;
    uint32_t *list; // the head's series, in order
    size_t count;
    struct series_entry *made;
    size_t made_count, made_capacity;
    uint64_t *ids; // of all files that were begun
    size_t id_count, id_capacity;
    struct samples samples;
    struct arena arena;
    struct buf scratch;
    uint64_t late;
    struct retain_clock clock; // as it is saved with the transaction
};

// One part: series [first, end) of the list, at times [from, to).
struct slice {
    uint32_t line;
    enum series_tier tier;
    size_t first, end;
    uint64_t from_ms, to_ms;
};

static struct series_id id_of(struct flush *f, size_t i)
{
    ASSERT(i < f->count);
    series_index_open(f->s->index);
    struct series_id id = series_index_get(f->s->index, f->list[i]);
    series_index_close(f->s->index);
    return id;
}

// What a series has in a stretch of time, as a tier keeps it.
static void gather(struct flush *f, uint32_t series, const struct series_id *id,
                   enum series_tier tier, uint64_t from_ms, uint64_t to_ms)
{
    samples_clear(&f->samples);
    arena_clear(&f->arena);
    ASSERT(from_ms <= to_ms);
    if (id->type != SERIES_HIST && tier != TIER_10S) {
        return;
    }
    series_head_samples(f->head, series, from_ms, to_ms, &f->samples, &f->arena, &f->scratch);
    samples_fold(&f->samples, id->type, series_tier_ms(tier), &f->arena);
}

static enum err begin_part(struct flush *f, const struct slice *x, uint64_t id,
                           struct series_part_writer **ret_writer)
{
    struct arena a = {0};
    series_index_open(f->s->index);
    struct str line = arena_str(&a, series_index_line_name(f->s->index, x->line));
    series_index_close(f->s->index);
    struct str path = series_path(f->s, id, &a);
    const struct series_part_options o = {f->s->o.fs, path.p, line, x->tier, FLUSH_LEVEL};
    f->ids = mem_grow(f->ids, &f->id_capacity, f->id_count + 1, sizeof *f->ids);
    f->ids[f->id_count++] = id;
    enum err e = series_part_writer_new(&o, ret_writer);
    arena_done(&a);
    return e;
}

static enum err end_part(struct flush *f, const struct slice *x, uint64_t id,
                         struct series_part_writer *w, uint32_t *series)
{
    struct arena a = {0};
    struct series_part *part;
    enum err e = series_part_writer_finish(w);
    if (e == ERR_OK) {
        struct str path = series_path(f->s, id, &a);
        e = series_part_open(fs_pool_fs(f->s->pool), path.p, &part, NULL);
        arena_done(&a);
    }
    if (e != ERR_OK) {
        mem_free(series);
        return e;
    }
    part->series = series;
    part->meter = &f->s->meter;
    meter_force(&f->s->meter, part->meta.series * sizeof *series);
    f->made = mem_grow(f->made, &f->made_capacity, f->made_count + 1, sizeof *f->made);
    f->made[f->made_count++] = (struct series_entry){
        .id = id, .ord_first = id, .ord_last = id, .line = x->line, .part = part};
    ASSERT(part->meta.tier == x->tier);
    return ERR_OK;
}

static enum err write_slice(struct flush *f, const struct slice *x)
{
    struct series_part_writer *w = NULL;
    uint64_t part_id = 0;
    uint32_t *series = NULL;
    size_t capacity = 0;
    enum err e = ERR_OK;
    ASSERT(x->first < x->end && x->end <= f->count);
    for (size_t i = x->first; i < x->end && e == ERR_OK; i++) {
        struct series_id id = id_of(f, i);
        gather(f, f->list[i], &id, x->tier, x->from_ms, x->to_ms);
        if (f->samples.count == 0) {
            continue;
        }
        if (w == NULL) {
            part_id = series_new_id(f->s);
            e = begin_part(f, x, part_id, &w);
        }
        if (e == ERR_OK) {
            size_t n = (size_t)series_part_writer_count(w);
            series = mem_grow(series, &capacity, n + 1, sizeof *series);
            series[n] = f->list[i];
            e = series_part_writer_add(w, id.key, id.type, &f->samples);
        }
    }
    if (e == ERR_OK && w != NULL) {
        e = end_part(f, x, part_id, w, series);
    } else {
        mem_free(series);
    }
    series_part_writer_free(w);
    return e;
}

// What is too old for the tier goes unwritten, and is counted.
static void count_late(struct flush *f, struct slice x, uint64_t cutoff_ms)
{
    ASSERT(x.first < x.end);
    for (size_t i = x.first; i < x.end; i++) {
        struct series_id id = id_of(f, i);
        gather(f, f->list[i], &id, x.tier, 0, cutoff_ms);
        f->late += f->samples.count;
    }
}

static enum err write_line(struct flush *f, uint32_t line, size_t first, size_t end)
{
    enum err e = ERR_OK;
    ASSERT(f->head->min_ms <= f->head->max_ms);
    for (enum series_tier tier = 0; tier < TIER_COUNT; tier++) {
        struct slice x = {.line = line, .tier = tier, .first = first, .end = end};
        uint64_t span_ms = series_tier_span_ms(tier), cutoff_ms = series_cutoff_ms(f->s, tier);
        uint64_t from_ms = f->head->min_ms - f->head->min_ms % span_ms;
        if (f->head->min_ms < cutoff_ms) {
            count_late(f, x, cutoff_ms);
            from_ms = cutoff_ms;
        }
        for (x.from_ms = from_ms; x.from_ms <= f->head->max_ms && e == ERR_OK;
             x.from_ms += span_ms) {
            x.to_ms = x.from_ms + span_ms;
            e = write_slice(f, &x);
        }
    }
    return e;
}

static enum err write_parts(struct flush *f)
{
    enum err e = series_settle(f->s);
    f->count = f->head->count;
    f->list = mem_alloc((f->count + 1) * sizeof *f->list);
    series_head_list(f->head, f->list);
    series_index_rank(f->s->index);
    series_index_open(f->s->index);
    series_index_sort(f->s->index, f->list, f->count);
    series_index_close(f->s->index);
    for (size_t i = 0, end; i < f->count && e == ERR_OK; i = end) {
        uint32_t line = id_of(f, i).line;
        for (end = i + 1; end < f->count && id_of(f, end).line == line; end++) {
        }
        e = write_line(f, line, i, end);
    }
    ASSERT(f->made_count <= f->id_count);
    if (e == ERR_OK && f->made_count > 0) {
        e = f->s->o.fs->ops->sync_dir(f->s->o.fs, f->s->parts_dir);
    }
    return e;
}

static enum err commit(struct flush *f)
{
    struct series_catalog *c = &f->s->catalog;
    ASSERT(f->made_count == f->id_count);
    sql_begin(&c->sql);
    for (size_t i = 0; i < f->made_count; i++) {
        struct series_catalog_part p = series_describe(&f->made[i]);
        series_catalog_add(c, &p);
    }
    series_catalog_set_seal(c, f->head->seq, f->head->state);
    series_catalog_set_clock(c, f->clock.believed_ns, f->clock.borne_ns);
    return series_commit(f->s, f->ids, f->id_count);
}

static void finish(struct flush *f)
{
    struct series_store *s = f->s;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < f->made_count; i++) {
        series_put_entry(s, &f->made[i]);
    }
    MUST(s->sealed_count > 0 && s->sealed[0] == f->head);
    s->sealed_count--;
    for (size_t i = 0; i < s->sealed_count; i++) {
        s->sealed[i] = s->sealed[i + 1];
    }
    uint64_t seq = s->seq = f->head->seq;
    s->stats.flushes++;
    s->stats.late_samples += f->late;
    s->stats.failing = false;
    s->flush_tries = 0;
    s->flush_retry_ns = 0;
    (void)pthread_cond_signal(&s->maintain_wake);
    (void)pthread_mutex_unlock(&s->lock);
    series_head_unref(f->head); // the list's
    if (s->o.on_committed != NULL) {
        s->o.on_committed(s->o.ctx, seq);
    }
}

// Everything stays as it was. `doubtful`: the transaction itself failed, and keeps the files.
static void fail(struct flush *f, enum err e, bool doubtful)
{
    struct series_store *s = f->s;
    for (size_t i = 0; i < f->made_count; i++) {
        series_part_unref(f->made[i].part);
    }
    for (size_t i = 0; i < f->id_count && !doubtful; i++) {
        series_remove_file(s, f->ids[i]);
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stats.flush_failures++;
    s->stats.failing = true;
    s->flush_retry_ns = clock_mono_ns() + (RETRY_MIN_NS << s->flush_tries);
    s->flush_tries += s->flush_tries < RETRY_DOUBLE_MAX ? 1 : 0;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(e != ERR_OK);
    log_write(LOG_ERROR, "series", "a flush failed; its samples stay in memory and in the journal",
              "error=%s", err_name(e));
}

enum err series_flush_step(struct series_store *s, bool *ret_did)
{
    struct flush f = {.s = s};
    enum err e = ERR_OK;
    (void)pthread_mutex_lock(&s->flushing);
    (void)pthread_mutex_lock(&s->lock);
    series_step_clock(s);
    f.clock = s->clock;
    f.head = s->sealed_count > 0 ? series_head_ref(s->sealed[0]) : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    *ret_did = f.head != NULL;
    if (f.head != NULL) {
        buf_init(&f.scratch, REGION_MAX);
        e = write_parts(&f);
        if (e == ERR_OK && s->o.before_commit != NULL) {
            e = s->o.before_commit(s->o.ctx, f.head->seq, atomic_load(&s->believed_ms));
        }
        bool written = e == ERR_OK;
        e = written ? commit(&f) : e;
        if (e == ERR_OK) {
            finish(&f);
        } else {
            fail(&f, e, written);
        }
        buf_done(&f.scratch);
        samples_done(&f.samples);
        arena_done(&f.arena);
        mem_free(f.list);
        mem_free(f.made);
        mem_free(f.ids);
        series_head_unref(f.head);
    }
    ASSERT(f.head != NULL || e == ERR_OK);
    (void)pthread_mutex_unlock(&s->flushing);
    return e;
}

enum err series_flush(struct series_store *s)
{
    enum err e = ERR_OK;
    ASSERT(s->catalog.sql.db != NULL);
    (void)pthread_mutex_lock(&s->lock);
    size_t left = s->sealed_count; // what comes later is not waited for
    (void)pthread_mutex_unlock(&s->lock);
    bool did = true;
    for (; left > 0 && did && e == ERR_OK; left--) {
        e = series_flush_step(s, &did);
    }
    return e;
}

void *series_flush_thread(void *store)
{
    struct series_store *s = store;
    ASSERT(s->started);
    while (!atomic_load(&s->stop)) {
        (void)pthread_mutex_lock(&s->lock);
        bool due = s->sealed_count > 0 && clock_mono_ns() >= s->flush_retry_ns;
        if (!due && !atomic_load(&s->stop)) {
            (void)wake_wait_for(&s->flush_wake, &s->lock, NS_PER_S);
        }
        (void)pthread_mutex_unlock(&s->lock);
        if (due) {
            bool did;
            enum err e = series_flush_step(s, &did);
            (void)e; // logged and counted; tried again after flush_retry_ns
        }
    }
    return NULL;
}
