// SPDX-License-Identifier: Apache-2.0
// Purpose: what happens in the background: damaged parts are set aside, old ones expire, small ones
// merge, and series that none has are forgotten (forget.c).
//
// Parts of one line, tier and span merge when they follow one another in the order in which they
// were flushed, so that of two numbers of one time the later one still counts: MERGE_RUN or more of
// at most one level become one of the next. A span that lies behind (no more is to come but what is
// late) becomes one part; what comes late is merged with it once it is worth writing it all again.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/state.h"

#define MERGE_NICE     10
#define MERGE_RUN      8
#define MERGE_INPUTS   32
#define MERGE_LEVEL    3 // of zstd
#define MERGE_RETRY_NS (10 * NS_PER_S)
// After its end a span still gets what comes late; then it is made one part.
#define SETTLED_MS ((uint64_t)10 * 60 * 1000)

struct merge {
    struct series_store *s;
    struct series_entry inputs[MERGE_INPUTS]; // by ord_first, each with a reference on its part
    size_t count;
    struct part_cursor cursors[MERGE_INPUTS];
    uint64_t at[MERGE_INPUTS]; // positions
    struct samples samples;
    struct arena arena;
    uint32_t *series; // of the output
    size_t series_count, series_capacity;
};

static uint64_t span_of(const struct series_entry *x)
{
    ASSERT(x->part != NULL);
    return x->part->meta.min_ms / series_tier_span_ms(x->part->meta.tier);
}

static bool is_together(const struct series_entry *x, const struct series_entry *y)
{
    ASSERT(x->part != NULL && y->part != NULL);
    return x->line == y->line && x->part->meta.tier == y->part->meta.tier &&
           span_of(x) == span_of(y);
}

// ---- Choosing (under `lock`) --------------------------------------------------------------------

// The run of parts that go together with the one at `first` and follow one another, none above the
// level.
static size_t collect(struct series_store *s, size_t first, uint32_t level, struct merge *m)
{
    m->count = 0;
    ASSERT(first < s->part_count);
    for (size_t i = first; i < s->part_count && m->count < MERGE_INPUTS; i++) {
        if (!is_together(&s->parts[first], &s->parts[i])) {
            continue;
        }
        if (s->parts[i].level > level) {
            break;
        }
        m->inputs[m->count++] = s->parts[i];
    }
    return m->count;
}

static bool is_settled(const struct series_entry *x, uint64_t now_ms)
{
    uint64_t span_ms = series_tier_span_ms(x->part->meta.tier);
    ASSERT(span_ms > 0);
    return (span_of(x) + 1) * span_ms + SETTLED_MS <= now_ms;
}

// Whether the largest of the run is not written again for little.
static bool is_worth(const struct merge *m)
{
    uint64_t all = 0, largest = 0;
    ASSERT(m->count <= MERGE_INPUTS);
    for (size_t i = 0; i < m->count; i++) {
        uint64_t bytes = m->inputs[i].part->meta.file_bytes;
        all += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return m->count > 1 && all - largest >= largest / 8;
}

static bool choose_merge(struct series_store *s, uint64_t now_ms, struct merge *m)
{
    ASSERT(s->part_count == 0 || s->parts != NULL);
    for (size_t i = 0; i < s->part_count; i++) {
        bool due = collect(s, i, s->parts[i].level, m) >= MERGE_RUN;
        if (!due && is_settled(&s->parts[i], now_ms)) {
            (void)collect(s, i, UINT32_MAX, m);
            due = is_worth(m);
        }
        if (due) {
            for (size_t k = 0; k < m->count; k++) {
                (void)series_part_ref(m->inputs[k].part);
            }
            return true;
        }
    }
    m->count = 0;
    return false;
}

static const struct series_entry *find_damaged(const struct series_store *s)
{
    ASSERT(s->part_count <= s->part_capacity);
    for (size_t i = 0; i < s->part_count; i++) {
        if (atomic_load_explicit(&s->parts[i].part->damaged, memory_order_relaxed)) {
            return &s->parts[i];
        }
    }
    return NULL;
}

static const struct series_entry *find_expired(const struct series_store *s)
{
    ASSERT(s->part_count <= s->part_capacity);
    for (size_t i = 0; i < s->part_count; i++) {
        const struct series_part_meta *m = &s->parts[i].part->meta;
        if (m->max_ms < series_cutoff_ms(s, m->tier)) {
            return &s->parts[i];
        }
    }
    return NULL;
}

// ---- Leaving ------------------------------------------------------------------------------------

static enum err set_aside(struct series_store *s, uint64_t id)
{
    ASSERT(id > 0);
    sql_begin(&s->catalog.sql);
    series_catalog_set_bad(&s->catalog, id);
    enum err e = series_commit(s, NULL, 0);
    if (e == ERR_OK) {
        log_write(LOG_ERROR, "series", "a part is damaged and is set aside", "path=%s/%016llx.part",
                  s->parts_dir, (unsigned long long)id);
        (void)pthread_mutex_lock(&s->lock);
        series_take_entry(s, id, FILE_IS_SET_ASIDE);
        s->stats.damaged_parts++;
        (void)pthread_mutex_unlock(&s->lock);
    }
    return e;
}

static enum err expire(struct series_store *s, uint64_t id)
{
    ASSERT(id > 0);
    sql_begin(&s->catalog.sql);
    series_catalog_remove(&s->catalog, id);
    enum err e = series_commit(s, NULL, 0);
    if (e == ERR_OK) {
        (void)pthread_mutex_lock(&s->lock);
        series_take_entry(s, id, FILE_IS_REMOVED);
        s->stats.expired_parts++;
        (void)pthread_mutex_unlock(&s->lock);
    }
    return e;
}

// ---- Merging ------------------------------------------------------------------------------------

// The least series that any input stands at; false at the end of all.
static bool next_series(struct merge *m, uint32_t *ret_series, struct series_id *ret_id)
{
    bool found = false;
    uint32_t least = 0;
    ASSERT(m->count > 0);
    series_index_open(m->s->index);
    for (size_t i = 0; i < m->count; i++) {
        const struct series_part *p = m->inputs[i].part;
        if (m->at[i] < p->meta.series) {
            uint32_t series = p->series[m->at[i]];
            least = !found || series_index_cmp(m->s->index, series, least) < 0 ? series : least;
            found = true;
        }
    }
    if (found) {
        *ret_series = least;
        *ret_id = series_index_get(m->s->index, least);
    }
    series_index_close(m->s->index);
    return found;
}

static enum err merge_series(struct merge *m, struct series_part_writer *w, uint32_t series,
                             const struct series_id *id)
{
    enum series_tier tier = m->inputs[0].part->meta.tier;
    enum err e = ERR_OK;
    samples_clear(&m->samples);
    arena_clear(&m->arena);
    ASSERT(m->count <= MERGE_INPUTS);
    for (size_t i = 0; i < m->count && e == ERR_OK; i++) {
        const struct series_part *p = m->inputs[i].part;
        if (m->at[i] < p->meta.series && p->series[m->at[i]] == series) {
            e = part_cursor_samples(&m->cursors[i], m->at[i]++, id->type, &m->samples);
        }
    }
    if (e == ERR_OK) {
        samples_fold(&m->samples, id->type, series_tier_ms(tier), &m->arena);
    }
    if (e != ERR_OK || m->samples.count == 0) {
        return e;
    }
    m->series = mem_grow(m->series, &m->series_capacity, m->series_count + 1, sizeof *m->series);
    m->series[m->series_count++] = series;
    return series_part_writer_add(w, id->key, id->type, &m->samples);
}

// Writes the output. *ret_part is NULL where nothing is left of the inputs.
static enum err write_merged(struct merge *m, uint64_t id, struct series_part **ret_part)
{
    struct arena a = {0};
    struct series_store *s = m->s;
    struct str path = series_path(s, id, &a);
    const struct series_part_meta *first = &m->inputs[0].part->meta;
    const struct series_part_options o = {s->o.fs, path.p, first->line, first->tier, MERGE_LEVEL};
    struct series_part_writer *w = NULL;
    uint32_t series;
    struct series_id what;
    enum err e = series_part_writer_new(&o, &w);
    ASSERT(m->count > 1);
    while (e == ERR_OK && next_series(m, &series, &what)) {
        e = merge_series(m, w, series, &what);
        e = atomic_load(&s->stop) && e == ERR_OK ? ERR_CANCELLED : e;
    }
    if (e == ERR_OK && m->series_count > 0) {
        e = series_part_writer_finish(w);
        e = e == ERR_OK ? s->o.fs->ops->sync_dir(s->o.fs, s->parts_dir) : e;
        e = e == ERR_OK ? series_part_open(fs_pool_fs(s->pool), path.p, ret_part, NULL) : e;
    }
    series_part_writer_free(w);
    arena_done(&a);
    return e;
}

static enum err commit_merge(struct merge *m, const struct series_entry *fresh, uint64_t id)
{
    struct series_store *s = m->s;
    ASSERT(m->count > 1);
    sql_begin(&s->catalog.sql);
    for (size_t i = 0; i < m->count; i++) {
        series_catalog_remove(&s->catalog, m->inputs[i].id);
    }
    if (fresh->part != NULL) {
        struct series_catalog_part p = series_describe(fresh);
        series_catalog_add(&s->catalog, &p);
    }
    enum err e = series_commit(s, &id, 1);
    if (e != ERR_OK) {
        return e;
    }
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < m->count; i++) {
        series_take_entry(s, m->inputs[i].id, FILE_IS_REMOVED);
    }
    if (fresh->part != NULL) {
        series_put_entry(s, fresh);
    }
    s->stats.merges++;
    (void)pthread_mutex_unlock(&s->lock);
    if (fresh->part == NULL) {
        series_remove_file(s, id);
    }
    return ERR_OK;
}

static enum err merge(struct merge *m)
{
    struct series_store *s = m->s;
    uint64_t id = series_new_id(s);
    struct series_entry fresh = {.id = id,
                                 .ord_first = m->inputs[0].ord_first,
                                 .ord_last = m->inputs[m->count - 1].ord_last,
                                 .line = m->inputs[0].line};
    enum err e = series_settle(s);
    for (size_t i = 0; i < m->count; i++) {
        fresh.level = m->inputs[i].level > fresh.level ? m->inputs[i].level : fresh.level;
        part_cursor_init(&m->cursors[i], m->inputs[i].part);
    }
    fresh.level++;
    e = e == ERR_OK ? write_merged(m, id, &fresh.part) : e;
    bool written = e == ERR_OK;
    if (fresh.part != NULL) {
        fresh.part->series = m->series;
        m->series = NULL;
        fresh.part->meter = &s->meter;
        meter_force(&s->meter, m->series_count * sizeof *m->series);
    }
    e = written ? commit_merge(m, &fresh, id) : e;
    if (e != ERR_OK) {
        series_part_unref(fresh.part);
    }
    if (e != ERR_OK && !written) {
        series_remove_file(s, id);
    }
    for (size_t i = 0; i < m->count; i++) {
        part_cursor_done(&m->cursors[i]);
    }
    return e;
}

static enum err run_merge(struct merge *m)
{
    ASSERT(m->count > 0);
    enum err e = merge(m);
    for (size_t i = 0; i < m->count; i++) {
        series_part_unref(m->inputs[i].part);
    }
    samples_done(&m->samples);
    arena_done(&m->arena);
    mem_free(m->series);
    return e;
}

// ---- The thread ---------------------------------------------------------------------------------

enum err series_maintain_step(struct series_store *s, bool *ret_did)
{
    struct merge *m = mem_new(1, sizeof *m);
    enum err e = ERR_OK;
    m->s = s;
    ASSERT(ret_did != NULL);
    (void)pthread_mutex_lock(&s->maintaining);
    (void)pthread_mutex_lock(&s->lock);
    series_step_clock(s);
    const struct series_entry *damaged = find_damaged(s);
    const struct series_entry *expired = damaged == NULL ? find_expired(s) : NULL;
    uint64_t id = damaged != NULL ? damaged->id : expired != NULL ? expired->id : 0;
    bool forgets = id == 0 && series_forget_is_due(s);
    bool due = id == 0 && !forgets && choose_merge(s, atomic_load(&s->believed_ms), m);
    (void)pthread_mutex_unlock(&s->lock);
    if (damaged != NULL) {
        e = set_aside(s, id);
    } else if (expired != NULL) {
        e = expire(s, id);
    } else if (forgets) {
        series_forget_step(s);
    } else if (due) {
        e = run_merge(m);
    }
    // A merge that found damage has done something: the part is set aside next.
    (void)pthread_mutex_lock(&s->lock);
    bool found = due && e == ERR_CORRUPT && find_damaged(s) != NULL;
    if (e != ERR_OK && !found) {
        s->stats.merge_failures += e != ERR_CANCELLED ? 1 : 0;
        s->merge_retry_ns = clock_mono_ns() + MERGE_RETRY_NS;
    }
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_mutex_unlock(&s->maintaining);
    *ret_did = id != 0 || forgets || due;
    mem_free(m);
    return found ? ERR_OK : e;
}

enum err series_quiesce(struct series_store *s)
{
    enum err e = series_flush(s);
    bool did = true;
    ASSERT(!atomic_load(&s->stop));
    while (e == ERR_OK && did) {
        e = series_maintain_step(s, &did);
    }
    return e;
}

void *series_maintain_thread(void *store)
{
    struct series_store *s = store;
    ASSERT(s->started);
    // The priority of this thread alone, as Linux has it.
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), MERGE_NICE);
    while (!atomic_load(&s->stop)) {
        bool did = false;
        (void)pthread_mutex_lock(&s->lock);
        bool may = clock_mono_ns() >= s->merge_retry_ns;
        (void)pthread_mutex_unlock(&s->lock);
        enum err e = may ? series_maintain_step(s, &did) : ERR_OK;
        if (e != ERR_OK && e != ERR_CANCELLED) {
            log_write(LOG_WARN, "series", "merging waits after an error", "error=%s", err_name(e));
        }
        (void)pthread_mutex_lock(&s->lock);
        if (!did && !atomic_load(&s->stop)) {
            (void)wake_wait_for(&s->maintain_wake, &s->lock, NS_PER_S);
        }
        (void)pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}
