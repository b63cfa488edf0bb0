// SPDX-License-Identifier: Apache-2.0
// Purpose: merging parts, and the thread that merges, sifts, expires and sets aside.
//
// Merging is tiered by size: parts of one line whose rows lie between 8^k and 8^(k + 1) are of one
// tier; MERGE_INPUTS_MIN of them, neighbours in time, become one part of the next tier. So a row is
// written again once per tier, and a line has at most a handful of parts per tier. Under load first
// parts have an eighth of merge_rows_max, so every row is merged once. Parts that retention has
// stripped are merged with one another only, and fresh ones are sifted first (store/sift.h).
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "store/part_merge.h"
#include "store/retain.h"
#include "store/room.h"
#include "store/sift.h"
#include "store/store_state.h"

#define MERGE_INPUTS_MIN 8
#define MERGE_LARGE_MIN  2 // where the limit of rows does not allow more
#define MERGE_NICE       10

// ---- Choosing a merge --------------------------------------------------------------------------

struct merge {
    struct store *s;
    size_t line;
    struct part_entry *inputs[MERGE_INPUTS_MAX];
    size_t count;
    uint64_t id, rows;
    struct room room;
    uint32_t level;
    enum part_state state; // of inputs and output
    struct arena arena;
    struct str path;
    struct part *part;
    struct tally copies;
};

static unsigned tier_of(uint64_t rows)
{
    _Static_assert(sizeof(unsigned long long) == sizeof(uint64_t), "the builtin counts 64 bits");
    return rows == 0 ? 0 : (63u - (unsigned)__builtin_clzll(rows)) / 3;
}

static int by_time(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    const struct part_entry *x = *(struct part_entry *const *)a,
                            *y = *(struct part_entry *const *)b;
    ASSERT(x->part != NULL && y->part != NULL);
    uint64_t m = part_meta(x->part)->min_start_ns, n = part_meta(y->part)->min_start_ns;
    return m < n ? -1 : m > n;
}

// Copies that were dropped do not make a part worth another merge.
static bool is_final(const struct store *s, uint64_t rows)
{
    ASSERT(s->merge_rows_max > 0);
    return rows >= s->merge_rows_max - s->merge_rows_max / 8;
}

// The first parts of a tier in time order, as many as one merge may take.
static bool choose_tier(const struct store *s, struct part_entry **sorted, size_t n, unsigned tier,
                        enum part_state state, struct merge *m)
{
    ASSERT(sorted != NULL && m->part == NULL);
    ASSERT(n > 0);
    bool full = false;
    m->count = 0;
    m->rows = 0;
    m->state = state;
    for (size_t i = 0; i < n && !full; i++) {
        uint64_t rows = part_meta(sorted[i]->part)->rows;
        if (sorted[i]->state != state || is_final(s, rows) || tier_of(rows) != tier) {
            continue;
        }
        full = m->count == MERGE_INPUTS_MAX || m->rows + rows > 2 * s->merge_rows_max;
        if (!full) {
            m->inputs[m->count++] = sorted[i];
            m->rows += rows;
        }
    }
    return m->count >= (full ? MERGE_LARGE_MIN : MERGE_INPUTS_MIN);
}

// Under `lock`.
static bool choose_merge(struct store *s, size_t index, struct merge *m)
{
    ASSERT(m->s == s && m->id == 0);
    ASSERT(index < s->line_count && m->count == 0);
    struct store_line *line = &s->lines[index];
    bool found = false;
    m->line = index;
    if (line->part_count < MERGE_LARGE_MIN) {
        return false;
    }
    struct part_entry **sorted = mem_new(line->part_count, sizeof(struct part_entry *));
    memcpy(sorted, line->parts, line->part_count * sizeof *sorted);
    sort_array(sorted, line->part_count, sizeof *sorted, by_time);
    for (unsigned tier = 0; tier <= tier_of(UINT64_MAX) && !found; tier++) {
        found = choose_tier(s, sorted, line->part_count, tier, PART_LIVE, m) ||
                choose_tier(s, sorted, line->part_count, tier, PART_STRIPPED, m);
    }
    mem_free(sorted);
    return found;
}

// ---- Merging ---------------------------------------------------------------------------------

static enum err write_merged(struct merge *m, size_t *ret_bad)
{
    ASSERT(m->part == NULL);
    struct store *s = m->s;
    struct part *parts[MERGE_INPUTS_MAX];
    ASSERT(m->count <= MERGE_INPUTS_MAX);
    struct part_merge work = {
        .inputs = parts,
        .input_count = m->count,
        .out = {.fs = s->fs,
                .path = m->path.p,
                .line = s->lines[m->line].name,
                .seq_first = UINT64_MAX,
                .block_rows = m->room.block_rows,
                .zstd_level = STORE_REWRITE_LEVEL},
        .stop = &s->stop,
    };
    for (size_t i = 0; i < m->count; i++) {
        const struct part_meta *meta = part_meta(m->inputs[i]->part);
        parts[i] = m->inputs[i]->part;
        m->level = m->inputs[i]->level >= m->level ? m->inputs[i]->level + 1 : m->level;
        uint64_t first = meta->seq_first, last = meta->seq_last;
        work.out.seq_first = first < work.out.seq_first ? first : work.out.seq_first;
        work.out.seq_last = last > work.out.seq_last ? last : work.out.seq_last;
    }
    enum err e = part_merge(&work, ret_bad);
    if (e == ERR_OK) {
        e = s->fs->ops->sync_dir(s->fs, s->parts_dir);
    }
    if (e == ERR_OK) {
        e = part_open(s->part_fs, m->path.p, &m->part, NULL);
    }
    if (e == ERR_OK && tally_missing(parts, m->count, part_meta(m->part), &m->copies) != ERR_OK) {
        *ret_bad = m->count; // one of them, and nobody knows which
        e = ERR_CORRUPT;
    }
    return e;
}

static enum err commit_merged(struct merge *m, const struct part_entry *fresh)
{
    ASSERT(m->part != NULL);
    struct store *s = m->s;
    struct commit c;
    commit_begin(&c, s);
    for (size_t i = 0; i < m->count; i++) {
        catalog_remove_part(s->catalog, m->inputs[i]->id);
    }
    commit_add_part(&c, fresh);
    commit_move(&c, &m->copies, OUTCOME_DROPPED, REASON_DUPLICATE);
    MUST(part_meta(m->part)->rows + tally_total(&m->copies) == m->rows);
    return commit_end(&c);
}

// The merged part takes the place of its inputs.
static void swap_merged(struct merge *m, const struct part_entry *fresh)
{
    ASSERT(fresh->committed_ns > 0 && m->id > 0);
    ASSERT(m->part != NULL && m->count > 0);
    struct store *s = m->s;
    struct part_entry *entry = mem_new(1, sizeof *entry);
    *entry = *fresh;
    parts_swap(s, m->line, m->inputs, m->count, entry);
    (void)pthread_mutex_lock(&s->lock);
    s->stats.merges++;
    s->stats.merged_rows += m->rows;
    (void)pthread_mutex_unlock(&s->lock);
}

// `doubtful`: the transaction failed, and may turn out to have happened.
static enum err fail_merge(struct merge *m, enum err e, size_t bad, bool doubtful)
{
    ASSERT(m->count > 0 && m->path.n > 0);
    struct store *s = m->s;
    ASSERT(e != ERR_OK);
    part_unref(m->part);
    if (doubtful) {
        commit_doubt(s, m->path);
    } else {
        (void)s->fs->ops->remove(s->fs, m->path.p); // it may not exist; the next start looks again
    }
    if (e == ERR_CANCELLED) {
        return e;
    }
    (void)pthread_mutex_lock(&s->lock);
    maintain_hold_off(s);
    s->sifts_again = s->strips_again = true;
    (void)pthread_mutex_unlock(&s->lock);
    log_write(LOG_ERROR, "store", "a merge failed", "error=%s", err_name(e));
    for (size_t i = 0; i < m->count && e == ERR_CORRUPT; i++) {
        if (bad == i || bad == m->count) {
            part_note_damage(m->inputs[i]->part); // the next steps look for themselves
        }
    }
    if (e == ERR_CORRUPT && bad <= m->count) {
        return ERR_OK;
    }
    return e;
}

static enum err run_merge(struct merge *m)
{
    ASSERT(m->part == NULL && m->rows > 0);
    ASSERT(m->count >= MERGE_LARGE_MIN);
    size_t bad = SIZE_MAX;
    uint64_t committed_ns = 0;
    for (size_t i = 0; i < m->count; i++) {
        uint64_t ns = m->inputs[i]->committed_ns;
        committed_ns = ns > committed_ns ? ns : committed_ns;
    }
    m->id = store_new_part_id(m->s);
    m->path = store_part_path(m->s, m->id, &m->arena);
    enum err e = commit_settle(m->s);
    e = e == ERR_OK ? write_merged(m, &bad) : e;
    bool written = e == ERR_OK;
    const struct part_entry fresh = {.id = m->id,
                                     .level = m->level,
                                     .committed_ns = committed_ns,
                                     .part = m->part,
                                     .state = m->state};
    e = written ? commit_merged(m, &fresh) : e;
    if (e == ERR_OK) {
        swap_merged(m, &fresh);
    } else {
        e = fail_merge(m, e, bad, written);
    }
    tally_done(&m->copies);
    arena_done(&m->arena);
    return e;
}

// ---- Damage -------------------------------------------------------------------------------------

// Under `lock`: a part in which some reader has met damage.
static struct part_entry *find_damaged(const struct store *s, size_t *ret_line)
{
    ASSERT(s->line_count <= STORE_LINES_MAX);
    ASSERT(ret_line != NULL);
    for (size_t i = 0; i < s->line_count; i++) {
        const struct store_line *line = &s->lines[i];
        for (size_t k = 0; k < line->part_count; k++) {
            if (part_is_damaged(line->parts[k]->part)) {
                *ret_line = i;
                return line->parts[k];
            }
        }
    }
    return NULL;
}

// Looks for itself, since all of a part's rows are at stake: what a query, a merge or a strip met
// may have been a fault of memory, or one that the disk has mended by reading again.
static enum err check_damaged(struct store *s, size_t line, struct part_entry *entry)
{
    ASSERT(line < STORE_LINES_MAX && entry->id > 0);
    struct err_at at = {0};
    ASSERT(entry->part != NULL);
    enum err e = part_verify(entry->part, &at);
    if (e == ERR_CORRUPT) {
        return parts_quarantine(s, line, entry);
    }
    part_clear_damage(entry->part);
    log_write(LOG_WARN, "store", "damage in a part did not show again", "part=%016llx error=%s",
              (unsigned long long)entry->id, err_name(e));
    return ERR_OK;
}

// ---- Steps -----------------------------------------------------------------------------------

// Where memory is short the first of the inputs are merged; where there is none for two of them,
// merging waits.
static enum err merge_in_budget(struct merge *m, bool patient, bool *ret_did)
{
    ASSERT(ret_did != NULL);
    ASSERT(m->count >= MERGE_LARGE_MIN);
    while (!room_take(m->s, m->count * ROOM_INPUT_BYTES, patient, &m->room)) {
        if (m->count == MERGE_LARGE_MIN) {
            room_put_off(m->s);
            (void)pthread_mutex_lock(&m->s->lock);
            m->s->sifts_again = m->s->strips_again = true; // which need less
            (void)pthread_mutex_unlock(&m->s->lock);
            return ERR_OK;
        }
        m->rows -= part_meta(m->inputs[--m->count]->part)->rows;
    }
    enum err e = run_merge(m);
    room_give(m->s, &m->room);
    *ret_did = e == ERR_OK;
    return e;
}

void maintain_hold_off(struct store *s)
{
    ASSERT(s->catalog != NULL);
    s->stats.merge_failures++;
    s->merge_retry_ns = clock_mono_ns() + STORE_MERGE_RETRY_NS;
    ASSERT(s->merge_retry_ns > STORE_MERGE_RETRY_NS);
}

void maintain_save_clock(struct store *s)
{
    ASSERT(s->clock.mono_ns > 0);
    (void)pthread_mutex_lock(&s->lock);
    struct retain_clock c = s->clock;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(c.believed_ns > 0);
    catalog_set_fact(s->catalog, FACT_BELIEVED_NS, c.believed_ns);
    catalog_set_fact(s->catalog, FACT_BORNE_NS, c.borne_ns);
}

// The time that retention goes by now. Logs what it makes of the wall clock.
static uint64_t believed_ns(struct store *s)
{
    uint64_t wall_ns = s->wall_ns();
    ASSERT(wall_ns > 0);
    (void)pthread_mutex_lock(&s->lock);
    bool before = s->clock.leaping;
    uint64_t now_ns = retain_clock_step(&s->clock, wall_ns, clock_mono_ns());
    bool leaping = s->clock.leaping;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(now_ns <= wall_ns);
    if (leaping && !before) {
        log_write(LOG_WARN, "store",
                  "the wall clock has leapt ahead; retention waits before it believes it",
                  "ahead_s=%llu", (unsigned long long)((wall_ns - now_ns) / NS_PER_S));
    } else if (before && !leaping) {
        log_write(LOG_INFO, "store", "retention goes by the wall clock again", "%s", "");
    }
    return now_ns;
}

// What is to be done next, the first of these that there is.
struct step {
    struct part_entry *damaged;
    size_t line; // of it
    struct retain retain;
    struct sift sift;
    struct merge merge;
    bool is_retain, is_sift, is_merge;
    bool may_write; // else what is due waits after a failure
};

// Under `lock`. Sifts go before merges, but not those that failed: what finds no room must not hold
// back what needs less or gives some back. And a merge that failed lets one of them go before it.
static void choose_write(struct store *s, struct step *x, uint64_t mono_ns, bool patient)
{
    bool is_due = sift_choose(&x->sift, mono_ns, patient);
    x->is_sift = is_due && (s->sifts_again || !sift_failed_before(&x->sift));
    ASSERT(s->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < s->line_count && !x->is_sift && !x->is_merge; i++) {
        x->is_merge = choose_merge(s, i, &x->merge);
    }
    x->is_sift = x->is_sift || (is_due && !x->is_merge);
    if (x->is_sift) {
        s->sifts_again = false;
    }
    ASSERT(!x->is_merge || !x->is_sift);
}

// Under `lock`.
static void choose_step(struct store *s, struct step *x, uint64_t now_ns, bool patient)
{
    uint64_t mono_ns = clock_mono_ns();
    x->may_write = !patient || mono_ns >= s->merge_retry_ns;
    ASSERT(s->line_count <= STORE_LINES_MAX);
    x->damaged = find_damaged(s, &x->line);
    bool is_due = x->damaged == NULL && retain_choose(&x->retain, now_ns, x->may_write);
    // What was to be stripped and failed lets sifts and merges go first, as those do one another.
    x->is_retain = is_due && (s->strips_again || !retain_failed_before(&x->retain));
    if (x->damaged == NULL && !x->is_retain && x->may_write) {
        choose_write(s, x, mono_ns, patient);
    }
    x->is_retain = x->is_retain || (is_due && !x->is_sift && !x->is_merge);
    if (x->is_retain && x->retain.strip) {
        s->strips_again = false;
    }
    ASSERT(x->may_write || (!x->is_merge && !x->is_sift));
}

enum err maintain_step(struct store *s, bool patient, bool *ret_did)
{
    ASSERT(s->catalog != NULL);
    ASSERT(ret_did != NULL);
    struct step x = {.retain = {.s = s}, .sift = {.s = s}, .merge = {.s = s}};
    enum err e = ERR_OK;
    *ret_did = false;
    (void)pthread_mutex_lock(&s->maintaining);
    uint64_t now_ns = believed_ns(s);
    (void)pthread_mutex_lock(&s->lock);
    choose_step(s, &x, now_ns, patient);
    s->stats.merging = x.is_retain || x.is_sift || x.is_merge || (s->stats.merging && !x.may_write);
    (void)pthread_mutex_unlock(&s->lock);
    if (x.damaged != NULL) {
        e = check_damaged(s, x.line, x.damaged);
        *ret_did = e == ERR_OK;
    } else if (x.is_retain) {
        e = retain_run(&x.retain, patient, ret_did);
    } else if (x.is_sift) {
        e = sift_run(&x.sift, patient, ret_did);
    } else if (x.is_merge) {
        e = merge_in_budget(&x.merge, patient, ret_did);
    }
    if (e == ERR_OK && !*ret_did) { // there is nothing to do, or it is put off
        (void)pthread_mutex_lock(&s->lock);
        s->stats.merging = s->stats.merging && !x.may_write;
        (void)pthread_mutex_unlock(&s->lock);
    }
    (void)pthread_mutex_unlock(&s->maintaining);
    return e;
}

void *merge_thread(void *store)
{
    ASSERT(store != NULL);
    struct store *s = store;
    ASSERT(s->started);
    // The priority of this thread alone, as Linux has it.
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), MERGE_NICE);
    while (!atomic_load(&s->stop)) {
        bool did = false;
        enum err e = maintain_step(s, true, &did);
        if (e != ERR_OK && e != ERR_CANCELLED) {
            log_write(LOG_WARN, "store", "merging waits after an error", "error=%s", err_name(e));
        }
        (void)pthread_mutex_lock(&s->lock);
        if (!did && !atomic_load(&s->stop)) {
            (void)wake_wait_for(&s->merge_wake, &s->lock, NS_PER_S);
        }
        (void)pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

enum err store_quiesce(struct store *s)
{
    ASSERT(!atomic_load(&s->stop));
    ASSERT(s->catalog != NULL);
    enum err e = store_flush(s);
    flush_idle(s);
    bool did = true;
    while (e == ERR_OK && did) {
        e = maintain_step(s, false, &did);
    }
    return e;
}
