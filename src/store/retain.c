// SPDX-License-Identifier: Apache-2.0
// Purpose: retention.
#include "store/retain.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/part_strip.h"

#define STRIP_BYTES    ((size_t)48 << 20) // a page of rows, the block being written, trace IDs
#define STRIPPED_SHARE 2                  // of the size, one part in so many
#define STRIP_LEVEL    3                  // of compression, as of merged parts

// ---- Choosing -----------------------------------------------------------------------------------

// A sender's clock may run ahead: no part is younger than its commit.
static uint64_t age_mark(const struct part_entry *p)
{
    ASSERT(p->id > 0);
    ASSERT(p->part != NULL);
    uint64_t start = part_meta(p->part)->max_start_ns;
    return start < p->committed_ns ? start : p->committed_ns;
}

static struct store_retention retention_of(const struct store *s, struct str line)
{
    ASSERT(s->retention_count <= STORE_LINES_MAX);
    ASSERT(s->retention != NULL || s->retention_count == 0);
    for (size_t i = 0; i < s->retention_count; i++) {
        if (str_eq(s->retention[i].line, line)) {
            return s->retention[i];
        }
    }
    return s->fallback;
}

static int by_age(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    const struct part_entry *x = *(struct part_entry *const *)a,
                            *y = *(struct part_entry *const *)b;
    ASSERT(x->id != y->id || x == y);
    uint64_t m = age_mark(x), n = age_mark(y);
    return m < n ? -1 : m > n;
}

static bool has_errors(const struct part_entry *p)
{
    ASSERT(p->part != NULL);
    const struct part_meta *m = part_meta(p->part);
    ASSERT(m->services != NULL || m->service_count == 0);
    for (size_t i = 0; i < m->service_count; i++) {
        if (m->services[i].errors > 0) {
            return true;
        }
    }
    return false;
}

static uint64_t bytes_of(const struct part_entry *p)
{
    ASSERT(part_meta(p->part)->file_bytes > 0);
    ASSERT(p->part != NULL);
    return part_meta(p->part)->file_bytes;
}

static void take(struct retain *r, struct part_entry *entry)
{
    ASSERT(entry->part != NULL);
    MUST(r->count < RETAIN_STEP_MAX && !r->strip);
    r->entries[r->count++] = entry;
}

static void take_to_strip(struct retain *r, struct part_entry *entry)
{
    ASSERT(!entry->stripped);
    MUST(r->count == 0);
    r->entries[r->count++] = entry;
    r->strip = true;
    r->id = r->s->next_id++;
}

// Parts over their age. `sorted` is by age, oldest first, like below.
static void choose_by_age(struct retain *r, const struct store_retention *limit,
                          struct part_entry **sorted, size_t n, uint64_t now_ns, bool may_strip)
{
    ASSERT(limit->age_ms != 0 || limit->bytes != 0);
    struct part_entry *strip = NULL;
    ASSERT(r->count == 0);
    uint64_t errors_ms =
        limit->errors_age_ms > limit->age_ms ? limit->errors_age_ms : limit->age_ms;
    for (size_t i = 0; i < n && limit->age_ms != 0 && r->count < RETAIN_STEP_MAX; i++) {
        uint64_t mark = age_mark(sorted[i]);
        uint64_t age_ms = now_ns > mark ? (now_ns - mark) / NS_PER_MS : 0;
        if (age_ms > errors_ms || (age_ms > limit->age_ms && !has_errors(sorted[i]))) {
            take(r, sorted[i]);
        } else if (age_ms > limit->age_ms && !sorted[i]->stripped && strip == NULL) {
            strip = sorted[i];
        }
    }
    if (r->count == 0 && strip != NULL && may_strip) {
        take_to_strip(r, strip);
    }
}

// Parts of a line that is over its size.
static void choose_by_size(struct retain *r, const struct store_retention *limit,
                           struct part_entry **sorted, size_t n, bool may_strip)
{
    ASSERT(limit->bytes != 0 && n > 0);
    uint64_t bytes = 0, stripped = 0;
    struct part_entry *oldest = NULL; // that is not stripped
    ASSERT(r->count == 0);
    for (size_t i = 0; i < n; i++) {
        bytes += bytes_of(sorted[i]);
        stripped += sorted[i]->stripped ? bytes_of(sorted[i]) : 0;
        oldest = oldest == NULL && !sorted[i]->stripped ? sorted[i] : oldest;
    }
    for (size_t i = 0; i < n && r->count < RETAIN_STEP_MAX && bytes > limit->bytes; i++) {
        bool spare = oldest == NULL || stripped > limit->bytes / STRIPPED_SHARE;
        if (sorted[i]->stripped ? spare : !has_errors(sorted[i])) {
            take(r, sorted[i]);
            bytes -= bytes_of(sorted[i]);
            stripped -= sorted[i]->stripped ? bytes_of(sorted[i]) : 0;
        } else if (!sorted[i]->stripped) {
            break; // its turn comes when it has been stripped
        }
    }
    if (r->count == 0 && bytes > limit->bytes && oldest != NULL && may_strip) {
        take_to_strip(r, oldest);
    }
}

bool retain_choose(struct retain *r, size_t index, uint64_t now_ns, bool may_strip)
{
    ASSERT(!r->strip && r->id == 0);
    struct store *s = r->s;
    ASSERT(index < s->line_count && r->count == 0);
    const struct store_line *line = &s->lines[index];
    struct store_retention limit = retention_of(s, line->name);
    size_t n = line->part_count;
    r->line = index;
    if (n == 0 || (limit.age_ms == 0 && limit.bytes == 0)) {
        return false;
    }
    struct part_entry **sorted = mem_new(n, sizeof(struct part_entry *));
    memcpy(sorted, line->parts, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_age);
    choose_by_age(r, &limit, sorted, n, now_ns, may_strip);
    if (r->count == 0 && limit.bytes != 0) {
        choose_by_size(r, &limit, sorted, n, may_strip);
    }
    mem_free(sorted);
    return r->count > 0;
}

// ---- Whole parts --------------------------------------------------------------------------------

static enum err expire(struct retain *r)
{
    ASSERT(!r->strip || r->count == 1);
    struct store *s = r->s;
    struct commit c;
    MUST(r->count > 0 && r->line < STORE_LINES_MAX);
    commit_begin(&c, s);
    for (size_t i = 0; i < r->count; i++) {
        catalog_remove_part(s->catalog, r->entries[i]->id);
        parts_count_gone(&c, part_meta(r->entries[i]->part), OUTCOME_EXPIRED, REASON_NONE);
    }
    enum err e = commit_end(&c);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < r->count; i++) {
        parts_drop(s, r->line, r->entries[i], FILE_IS_REMOVED);
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stats.expired_parts += r->count;
    (void)pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

// ---- Stripping ---------------------------------------------------------------------------------

struct strip_run {
    struct retain *r;
    struct part_entry *old;
    struct part *fresh;
    struct arena arena;
    struct str path;
    struct tally gone;
};

// Every trace has errors: the part stays as it is, and is known to be stripped.
static enum err mark(struct strip_run *x)
{
    ASSERT(x->fresh == NULL);
    struct store *s = x->r->s;
    struct commit c;
    ASSERT(!x->old->stripped);
    commit_begin(&c, s);
    catalog_set_state(s->catalog, x->old->id, PART_STRIPPED);
    enum err e = commit_end(&c);
    if (e == ERR_OK) {
        (void)pthread_mutex_lock(&s->lock);
        x->old->stripped = true;
        (void)pthread_mutex_unlock(&s->lock);
    }
    return e;
}

static enum err commit_strip(struct strip_run *x, const struct part_entry *fresh)
{
    ASSERT(x->fresh != NULL && x->path.n > 0);
    struct store *s = x->r->s;
    struct commit c;
    ASSERT(fresh->id > x->old->id);
    MUST(part_meta(x->fresh)->rows + tally_total(&x->gone) == part_meta(x->old->part)->rows);
    commit_begin(&c, s);
    catalog_remove_part(s->catalog, x->old->id);
    commit_add_part(&c, fresh);
    commit_move(&c, &x->gone, OUTCOME_EXPIRED, REASON_NONE);
    return commit_end(&c);
}

static enum err write_stripped(struct strip_run *x, enum part_strip_result *ret_result)
{
    ASSERT(x->path.n > 0);
    struct store *s = x->r->s;
    const struct part_meta *m = part_meta(x->old->part);
    const struct part_strip work = {.input = x->old->part,
                                    .out = {.fs = s->fs,
                                            .path = x->path.p,
                                            .line = m->line,
                                            .seq_first = m->seq_first,
                                            .seq_last = m->seq_last,
                                            .zstd_level = STRIP_LEVEL},
                                    .stop = &s->stop};
    ASSERT(x->fresh == NULL);
    enum err e = part_strip(&work, ret_result), reading = e;
    if (e == ERR_OK && *ret_result == STRIP_WRITTEN) {
        e = s->fs->ops->sync_dir(s->fs, s->parts_dir);
        e = e == ERR_OK ? part_open(s->part_fs, x->path.p, &x->fresh, NULL) : e;
        if (e == ERR_OK) {
            e = reading = tally_missing(&x->old->part, 1, part_meta(x->fresh), &x->gone);
        }
    }
    if (reading == ERR_CORRUPT) { // and not of what was written, nor of the catalog
        part_note_damage(x->old->part);
    }
    return e;
}

static void swap_in(struct strip_run *x, const struct part_entry *fresh)
{
    ASSERT(x->old != NULL && !x->old->stripped);
    struct store *s = x->r->s;
    struct part_entry *entry = mem_new(1, sizeof *entry);
    ASSERT(x->fresh != NULL);
    *entry = *fresh;
    parts_swap(s, x->r->line, &x->old, 1, entry);
    (void)pthread_mutex_lock(&s->lock);
    s->stats.stripped_parts++;
    (void)pthread_mutex_unlock(&s->lock);
}

// The disk or the catalog is in the way: not again for a while.
static enum err hold_off(struct store *s, enum err e)
{
    ASSERT(s->catalog != NULL);
    ASSERT(e != ERR_OK);
    (void)pthread_mutex_lock(&s->lock);
    s->stats.merge_failures++;
    s->merge_retry_ns = clock_mono_ns() + STORE_MERGE_RETRY_NS;
    (void)pthread_mutex_unlock(&s->lock);
    return e;
}

// What could not be stripped. `doubtful`: the transaction failed, and may turn out to have
// happened.
static enum err give_up(struct strip_run *x, enum err e, bool doubtful)
{
    ASSERT(x->old != NULL);
    struct store *s = x->r->s;
    ASSERT(e != ERR_OK);
    part_unref(x->fresh);
    if (doubtful) {
        commit_doubt(s, x->path);
    } else {
        (void)s->fs->ops->remove(s->fs, x->path.p); // it may not exist; the next start looks again
    }
    if (e == ERR_CANCELLED) {
        return e;
    }
    log_write(LOG_ERROR, "store", "a part could not be stripped of its error-free traces",
              "part=%016llx error=%s", (unsigned long long)x->old->id, err_name(e));
    if (e == ERR_FULL && !doubtful) {
        x->r->strip = false; // no room even for what would stay
        return expire(x->r);
    }
    e = hold_off(s, e);
    // Damage in what was read: the next step looks for itself.
    return e == ERR_CORRUPT && part_is_damaged(x->old->part) ? ERR_OK : e;
}

static enum err strip(struct retain *r)
{
    ASSERT(r->strip);
    struct strip_run x = {.r = r, .old = r->entries[0]};
    enum part_strip_result result = STRIP_WRITTEN;
    MUST(r->count == 1 && r->id > 0);
    x.path = store_part_path(r->s, r->id, &x.arena);
    enum err e = commit_settle(r->s);
    if (e != ERR_OK) { // nothing was written yet
        arena_done(&x.arena);
        return hold_off(r->s, e);
    }
    e = write_stripped(&x, &result);
    bool written = e == ERR_OK && result == STRIP_WRITTEN;
    if (e == ERR_OK && result == STRIP_ALL_KEPT) {
        e = mark(&x);
        e = e == ERR_OK ? e : hold_off(r->s, e);
    } else if (e == ERR_OK && result == STRIP_NONE_KEPT) {
        e = expire(r);
        e = e == ERR_OK ? e : hold_off(r->s, e);
    } else {
        const struct part_entry fresh = {r->id, x.old->level, x.old->committed_ns, x.fresh, true};
        e = written ? commit_strip(&x, &fresh) : e;
        if (e == ERR_OK) {
            swap_in(&x, &fresh);
        } else {
            e = give_up(&x, e, written);
        }
    }
    tally_done(&x.gone);
    arena_done(&x.arena);
    return e;
}

enum err retain_run(struct retain *r, bool patient, bool *ret_did)
{
    ASSERT(r->line < STORE_LINES_MAX);
    struct budget *budget = r->s->budget;
    enum err e;
    ASSERT(r->count > 0 && ret_did != NULL);
    if (!r->strip) {
        e = expire(r);
    } else {
        if (!patient) {
            budget_force(budget, ACCOUNT_STORE, STRIP_BYTES);
        } else if (!budget_take(budget, ACCOUNT_STORE, STRIP_BYTES)) {
            return ERR_OK; // memory is short: this can wait
        }
        e = strip(r);
        budget_give(budget, ACCOUNT_STORE, STRIP_BYTES);
    }
    *ret_did = e == ERR_OK;
    return e;
}

// ---- Limits -------------------------------------------------------------------------------------

void store_set_retention(struct store *s, struct store_retention fallback,
                         const struct store_retention *lines, size_t count)
{
    ASSERT(count <= STORE_LINES_MAX);
    ASSERT(lines != NULL || count == 0);
    struct store_retention *copy = mem_new(count, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        char *name = mem_alloc(lines[i].line.n);
        memcpy(name, lines[i].line.n > 0 ? lines[i].line.p : "", lines[i].line.n);
        copy[i] = lines[i];
        copy[i].line.p = name;
    }
    (void)pthread_mutex_lock(&s->lock);
    struct store_retention *old = s->retention;
    size_t old_count = s->retention_count;
    s->fallback = fallback;
    s->retention = copy;
    s->retention_count = count;
    (void)pthread_cond_signal(&s->merge_wake);
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < old_count; i++) {
        mem_free((void *)(uintptr_t)old[i].line.p);
    }
    mem_free(old);
}
