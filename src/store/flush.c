// SPDX-License-Identifier: Apache-2.0
// Purpose: hot batches become parts.

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "journal/journal.h"
#include "store/block_cache.h"
#include "store/retain.h"
#include "store/row_sort.h"
#include "store/store_state.h"

// One flush on its way.
struct flush {
    struct store *s;
    size_t line;
    size_t batches; // from the front of the line's hot list
    struct batch **taken;
    struct row *rows;
    size_t row_count;
    uint64_t id;
    struct arena arena;
    struct str path;
    struct part *part;
    struct tally copies;            // of rows that came twice
    uint64_t seqs[STORE_LINES_MAX]; // of each line once this is committed
    size_t line_count;
    uint64_t delivered;
};

// Chooses the batches, under `lock`. They stay in the hot list, which nobody else takes from.
static bool choose(struct flush *f)
{
    ASSERT(f->taken == NULL);
    struct store *s = f->s;
    struct store_line *line = &s->lines[f->line];
    size_t rows = 0;
    (void)pthread_mutex_lock(&s->lock);
    f->taken = mem_new(line->hot_count, sizeof(struct batch *));
    for (; f->batches < line->hot_count; f->batches++) {
        struct batch *b = line->hot[f->batches].batch;
        if (f->batches > 0 && rows + b->span_count > STORE_FLUSH_ROWS_MAX) {
            break;
        }
        f->taken[f->batches] = b;
        rows += b->span_count;
    }
    // Lines that share the last line's storage have several batches of one record: an offset can
    // only stand before or behind all of them.
    while (f->batches > 1 && f->batches < line->hot_count &&
           f->taken[f->batches - 1]->seq == line->hot[f->batches].batch->seq) {
        rows -= f->taken[--f->batches]->span_count;
    }
    f->id = s->next_id++;
    (void)pthread_mutex_unlock(&s->lock);
    f->rows = mem_new(rows, sizeof *f->rows);
    for (size_t i = 0; i < f->batches; i++) {
        for (uint32_t k = 0; k < f->taken[i]->span_count; k++) {
            f->rows[f->row_count++] = (struct row){f->taken[i], k};
        }
    }
    ASSERT(f->row_count == rows);
    return rows > 0;
}

static void count_copy(struct flush *f, struct row row)
{
    ASSERT(f->row_count > 0);
    ASSERT(row.index < row.batch->span_count);
    uint32_t code = batch_resource(row.batch, row_span(row))->service;
    tally_add(&f->copies, row.batch->strings[code], row.batch->hashes[code], 1);
}

static enum err write_rows(struct flush *f, struct part_writer *w)
{
    ASSERT(w != NULL);
    ASSERT(f->row_count > 0);
    struct dedupe dedupe = {0};
    enum err e = ERR_OK;
    for (size_t i = 0; i < f->row_count && e == ERR_OK; i++) {
        if (dedupe_is_copy(&dedupe, f->rows[i])) {
            count_copy(f, f->rows[i]);
        } else {
            e = part_writer_add(w, f->rows[i]);
            MUST(e != ERR_CORRUPT); // they were sorted
        }
    }
    return e == ERR_OK ? part_writer_finish(w) : e;
}

static enum err write_part(struct flush *f)
{
    ASSERT(f->row_count > 0 && f->part == NULL);
    struct store *s = f->s;
    ASSERT(f->batches > 0);
    const struct part_writer_options options = {
        .fs = s->fs,
        .path = f->path.p,
        .line = s->lines[f->line].name,
        .seq_first = f->taken[0]->seq,
        .seq_last = f->taken[f->batches - 1]->seq,
        .zstd_level = 1,
    };
    struct part_writer *w;
    row_sort(f->rows, f->row_count);
    enum err e = part_writer_new(&options, &w);
    if (e != ERR_OK) {
        return e;
    }
    e = write_rows(f, w);
    part_writer_free(w);
    if (e == ERR_OK) {
        e = s->fs->ops->sync_dir(s->fs, s->parts_dir);
    }
    if (e == ERR_OK) {
        e = part_open(s->part_fs, f->path.p, &f->part, NULL);
    }
    return e;
}

static uint64_t before_seq(uint64_t seq)
{
    return seq > 0 ? seq - 1 : 0;
}

// What each line's offset will be once the taken batches, if any, are in a part.
static void find_seqs(struct flush *f)
{
    ASSERT(f->line_count == 0);
    ASSERT(f->batches == 0 || f->part != NULL);
    struct store *s = f->s;
    (void)pthread_mutex_lock(&s->lock);
    f->line_count = s->line_count;
    f->delivered = s->delivered_seq;
    for (size_t i = 0; i < s->line_count; i++) {
        const struct store_line *line = &s->lines[i];
        size_t gone = i == f->line ? f->batches : 0;
        f->seqs[i] = s->delivered_seq;
        if (gone < line->hot_count) {
            f->seqs[i] = before_seq(line->hot[gone].batch->seq);
        }
        f->seqs[i] = f->seqs[i] > line->seq ? f->seqs[i] : line->seq;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void commit_seqs(struct flush *f)
{
    struct store *s = f->s;
    ASSERT(f->line_count <= STORE_LINES_MAX);
    ASSERT(s->catalog != NULL);
    for (size_t i = 0; i < f->line_count; i++) {
        ASSERT(f->seqs[i] >= s->lines[i].seq);
        if (!s->lines[i].recorded || s->lines[i].seq != f->seqs[i]) {
            catalog_set_line(s->catalog, i, s->lines[i].name, f->seqs[i]);
        }
    }
    if (s->replay_all) { // now every line of the journal has its offset, or comes behind all of
                         // them
        catalog_set_fact(s->catalog, FACT_REPLAY_ALL, 0);
    }
}

// Under `lock`, once they are committed: moves the offsets, and returns what the journal may
// forget.
static uint64_t move_seqs(struct flush *f)
{
    struct store *s = f->s;
    uint64_t least = f->line_count > 0 ? UINT64_MAX : f->delivered;
    MUST(f->line_count <= s->line_count);
    ASSERT(f->delivered <= s->delivered_seq);
    for (size_t i = 0; i < f->line_count; i++) {
        ASSERT(f->seqs[i] >= s->lines[i].seq); // offsets never go back
        s->lines[i].recorded = true;
        s->lines[i].seq = f->seqs[i];
        least = f->seqs[i] < least ? f->seqs[i] : least;
    }
    // A line that came meanwhile is not in the catalog yet: it must be replayed from its start.
    for (size_t i = f->line_count; i < s->line_count; i++) {
        const struct store_line *x = &s->lines[i];
        uint64_t seq = x->hot_count > 0 ? before_seq(x->hot[0].batch->seq) : least;
        least = seq < least ? seq : least;
    }
    s->replay_all = false;
    return least;
}

static void commit_services(struct flush *f, struct commit *c)
{
    ASSERT(c->store == f->s);
    ASSERT(f->part != NULL);
    const struct part_meta *m = part_meta(f->part);
    for (size_t i = 0; i < m->service_count; i++) {
        struct str service = m->services[i].name;
        commit_count(c, OUTCOME_RECEIVED, REASON_NONE, service, m->services[i].rows, false);
        commit_count(c, OUTCOME_STORED, REASON_NONE, service, m->services[i].rows, true);
    }
    for (size_t i = 0; i < f->copies.services.count; i++) {
        struct str service = f->copies.services.strings[i];
        commit_count(c, OUTCOME_RECEIVED, REASON_NONE, service, f->copies.counts[i], false);
        commit_count(c, OUTCOME_DROPPED, REASON_DUPLICATE, service, f->copies.counts[i], true);
    }
}

static enum err commit_part(struct flush *f, const struct part_entry *entry)
{
    ASSERT(f->part != NULL);
    struct store *s = f->s;
    struct commit c;
    MUST(part_meta(entry->part)->rows > 0);
    find_seqs(f);
    commit_begin(&c, s);
    commit_add_part(&c, entry);
    commit_seqs(f);
    commit_services(f, &c);
    return commit_end(&c);
}

// Under `lock`: the part takes the place of the batches, and offsets move. Returns what the journal
// may forget.
static uint64_t swap(struct flush *f, struct part_entry *entry)
{
    ASSERT(entry->part == f->part);
    struct store *s = f->s;
    struct store_line *line = &s->lines[f->line];
    MUST(f->batches <= line->hot_count);
    for (size_t i = 0; i < f->batches; i++) {
        MUST(line->hot[i].batch == f->taken[i]);
        line->hot_rows -= f->taken[i]->span_count;
        line->hot_bytes -= line->hot[i].bytes;
        budget_give(s->budget, ACCOUNT_STORE, line->hot[i].charged);
    }
    line->hot_count -= f->batches;
    memmove(line->hot, line->hot + f->batches, line->hot_count * sizeof *line->hot);
    line->oldest_ns = clock_mono_ns();
    store_put_part(s, line, entry);
    s->stats.flushes++;
    s->write_full = s->flush_failing = false;
    return move_seqs(f);
}

static void finish(struct flush *f, const struct part_entry *fresh)
{
    ASSERT(fresh->committed_ns > 0 && f->batches > 0);
    ASSERT(f->part != NULL);
    struct store *s = f->s;
    struct part_entry *entry = mem_new(1, sizeof *entry);
    *entry = *fresh;
    (void)pthread_mutex_lock(&s->lock);
    uint64_t released = swap(f, entry);
    (void)pthread_cond_signal(&s->merge_wake);
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < f->batches; i++) {
        batch_unref(f->taken[i]);
    }
    if (s->on_committed != NULL) {
        s->on_committed(s->ctx, released);
    }
}

// `doubtful`: the transaction failed, and may turn out to have happened.
static void fail(struct flush *f, enum err e, bool doubtful)
{
    ASSERT(f->batches > 0 && f->path.n > 0);
    struct store *s = f->s;
    ASSERT(e != ERR_OK);
    part_unref(f->part);
    // What was written is worthless; a file that cannot be removed now is removed at the next
    // start.
    enum err removed = ERR_OK;
    if (doubtful) {
        commit_doubt(s, f->path);
    } else {
        removed = s->fs->ops->remove(s->fs, f->path.p);
    }
    if (removed != ERR_OK && removed != ERR_NOT_FOUND) {
        log_write(LOG_WARN, "store", "a failed part could not be removed", "path=%s", f->path.p);
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stats.flush_failures++;
    s->flush_failing = true;
    s->write_full = s->write_full || e == ERR_FULL;
    s->flush_retry_ns = clock_mono_ns() + STORE_RETRY_NS;
    (void)pthread_mutex_unlock(&s->lock);
    log_write(LOG_ERROR, "store", "a flush failed; its rows stay in memory and in the journal",
              "error=%s", err_name(e));
}

enum err flush_line(struct store *s, size_t line)
{
    ASSERT(s->catalog != NULL);
    ASSERT(line < STORE_LINES_MAX);
    (void)pthread_mutex_lock(&s->flushing);
    struct flush f = {.s = s, .line = line};
    enum err e = ERR_OK;
    if (choose(&f)) {
        f.path = store_part_path(s, f.id, &f.arena);
        e = commit_settle(s);
        e = e == ERR_OK ? write_part(&f) : e; // its memory was charged with the batches
        bool written = e == ERR_OK;
        const struct part_entry fresh = {
            .id = f.id,
            .committed_ns = s->wall_ns(),
            .part = f.part,
            .state = retain_chooses(s, s->lines[line].name) ? PART_FRESH : PART_LIVE,
            .fresh_ns = clock_mono_ns()};
        e = written ? commit_part(&f, &fresh) : e;
        if (e == ERR_OK) {
            finish(&f, &fresh);
        } else {
            fail(&f, e, written);
        }
    }
    mem_free(f.taken);
    mem_free(f.rows);
    tally_done(&f.copies);
    arena_done(&f.arena);
    (void)pthread_mutex_unlock(&s->flushing);
    return e;
}

// ---- The thread ------------------------------------------------------------------------------

// Under `lock`: the line that should be written now, or line_count. Memory that runs short makes
// the largest line due, unless hot batches are not what fills it.
static size_t due_line(struct store *s, uint64_t now_ns)
{
    ASSERT(s->flush_rows > 0);
    ASSERT(s->line_count <= STORE_LINES_MAX);
    size_t largest = s->line_count;
    uint64_t total = 0, most = 0, age_ns = s->flush_age_ns;
    if (s->hurry != NULL && atomic_load(s->hurry) && age_ns > JOURNAL_HURRY_MS * NS_PER_MS) {
        age_ns = JOURNAL_HURRY_MS * NS_PER_MS;
    }
    if (now_ns < s->flush_retry_ns) {
        return s->line_count;
    }
    for (size_t i = 0; i < s->line_count; i++) {
        const struct store_line *line = &s->lines[i];
        if (line->hot_count > 0 &&
            (line->hot_rows >= s->flush_rows || now_ns - line->oldest_ns >= age_ns)) {
            return i;
        }
        total += line->hot_bytes;
        if (line->hot_bytes > most) {
            most = line->hot_bytes;
            largest = i;
        }
    }
    return budget_is_filling(s->budget) && total > s->budget->soft_bytes / 8 ? largest
                                                                             : s->line_count;
}

void flush_idle(struct store *s)
{
    ASSERT(s->catalog != NULL);
    (void)pthread_mutex_lock(&s->flushing);
    struct flush f = {.s = s, .line = STORE_LINES_MAX};
    bool idle = true, behind = true;
    find_seqs(&f);
    (void)pthread_mutex_lock(&s->lock);
    ASSERT(f.batches == 0 && s->idle_seq <= f.delivered);
    idle = f.delivered > s->idle_seq;
    behind = f.line_count == 0;
    for (size_t i = 0; i < f.line_count; i++) {
        idle = idle && s->lines[i].hot_count == 0;
        behind = behind || s->lines[i].seq < f.seqs[i];
    }
    (void)pthread_mutex_unlock(&s->lock);
    uint64_t released = 0;
    if (idle && behind) {
        struct commit c;
        commit_begin(&c, s);
        commit_seqs(&f);
        if (commit_end(&c) == ERR_OK) { // else it is tried again
            (void)pthread_mutex_lock(&s->lock);
            released = move_seqs(&f);
            ASSERT(released <= f.delivered);
            s->idle_seq = f.delivered;
            (void)pthread_mutex_unlock(&s->lock);
        }
    }
    (void)pthread_mutex_unlock(&s->flushing);
    if (released > 0 && s->on_committed != NULL) {
        s->on_committed(s->ctx, released);
    }
}

// Once a second: room on the disk, dead letters, and the ledger when it has gone unsaved for long.
static void tick(struct store *s, uint64_t now_ns)
{
    ASSERT(s->dir != NULL && now_ns > 0);
    ASSERT(s->catalog != NULL);
    uint64_t free_bytes = UINT64_MAX;
    bool known = s->fs->ops->free_bytes(s->fs, s->dir, &free_bytes) == ERR_OK;
    (void)pthread_mutex_lock(&s->lock);
    s->low_space = known && free_bytes < s->free_bytes_min;
    s->unreachable = !known;
    bool checkpoint = now_ns >= s->checkpoint_ns;
    if (checkpoint) {
        s->checkpoint_ns = now_ns + STORE_CHECKPOINT_NS;
    }
    (void)pthread_mutex_unlock(&s->lock);
    letters_save(s);
    if (checkpoint) {
        flush_idle(s);
        struct commit c;
        commit_begin(&c, s);
        if (now_ns - s->clock_saved_ns >= STORE_CLOCK_SAVE_NS) {
            maintain_save_clock(s);
            s->clock_saved_ns = now_ns; // should the transaction fail, the next turn is soon enough
        }
        enum err e = commit_end(&c);
        if (e != ERR_OK) {
            log_write(LOG_WARN, "store", "the ledger could not be saved", "error=%s", err_name(e));
        }
    }
}

void *flush_thread(void *store)
{
    ASSERT(((struct store *)store)->started);
    ASSERT(store != NULL);
    struct store *s = store;
    ASSERT(s->started && s->pool != NULL);
    ASSERT(s->budget != NULL);
    uint64_t tick_ns = 0;
    while (!atomic_load(&s->stop)) {
        uint64_t now_ns = clock_mono_ns();
        block_cache_relieve(s->cache);
        if (now_ns >= tick_ns) {
            tick(s, now_ns);
            tick_ns = now_ns + NS_PER_S;
        }
        (void)pthread_mutex_lock(&s->lock);
        size_t line = due_line(s, now_ns);
        bool due = line < s->line_count;
        if (!due && !atomic_load(&s->stop)) {
            (void)wake_wait_for(&s->flush_wake, &s->lock, 200 * NS_PER_MS);
        }
        (void)pthread_mutex_unlock(&s->lock);
        if (due) {
            enum err e = flush_line(s, line);
            (void)e; // logged and counted; tried again after STORE_RETRY_NS
        }
    }
    return NULL;
}

// Whether the line holds a batch that came before `mark`.
static bool has_older(struct store *s, size_t line, uint64_t mark)
{
    ASSERT(s->catalog != NULL);
    ASSERT(line < STORE_LINES_MAX);
    (void)pthread_mutex_lock(&s->lock);
    bool has = line < s->line_count && s->lines[line].hot_count > 0 &&
               s->lines[line].hot[0].arrival < mark;
    (void)pthread_mutex_unlock(&s->lock);
    return has;
}

enum err store_flush(struct store *s)
{
    ASSERT(s->catalog != NULL);
    enum err e = ERR_OK;
    (void)pthread_mutex_lock(&s->lock);
    ASSERT(s->line_count <= STORE_LINES_MAX);
    uint64_t mark = s->arrivals; // what comes later is not waited for
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < STORE_LINES_MAX && e == ERR_OK; i++) {
        while (e == ERR_OK && has_older(s, i, mark)) {
            e = flush_line(s, i);
        }
    }
    return e;
}
