// SPDX-License-Identifier: Apache-2.0
// Purpose: the running store: taking batches in, views, state.
#include "store/store.h"

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "store/store_state.h"

size_t store_line_index(struct store *s, struct str line)
{
    ASSERT(line.p != NULL || line.n == 0);
    ASSERT(s->line_count <= STORE_LINES_MAX);
    for (size_t i = 0; i < s->line_count; i++) {
        if (str_eq(s->lines[i].name, line)) {
            return i;
        }
    }
    if (s->line_count == STORE_LINES_MAX) {
        return STORE_LINES_MAX - 1;
    }
    struct store_line *x = &s->lines[s->line_count];
    char *name = mem_alloc(line.n);
    memcpy(name, line.n > 0 ? line.p : "", line.n);
    x->name = (struct str){name, line.n};
    return s->line_count++;
}

// ---- Taking in -------------------------------------------------------------------------------

uint64_t store_line_seq(struct store *s, struct str line)
{
    ASSERT(line.p != NULL || line.n == 0);
    ASSERT(s != NULL);
    uint64_t seq = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->line_count; i++) {
        // What does not fit shares the last line and its offset.
        if (str_eq(s->lines[i].name, line) || i + 1 == STORE_LINES_MAX) {
            seq = s->lines[i].seq;
            break;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return seq;
}

uint64_t store_replay_after(struct store *s)
{
    ASSERT(s->catalog != NULL);
    (void)pthread_mutex_lock(&s->lock);
    uint64_t least = s->line_count > 0 && !s->replay_all ? UINT64_MAX : 0;
    for (size_t i = 0; i < s->line_count; i++) {
        least = s->lines[i].seq < least ? s->lines[i].seq : least;
    }
    ASSERT(least <= s->delivered_seq); // what is in a part was delivered
    (void)pthread_mutex_unlock(&s->lock);
    return least;
}

uint64_t store_last_seq(struct store *s)
{
    ASSERT(s->catalog != NULL);
    uint64_t last = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->line_count; i++) {
        last = s->lines[i].seq > last ? s->lines[i].seq : last;
    }
    ASSERT(last <= s->delivered_seq || s->replay_all || s->line_count > 0);
    (void)pthread_mutex_unlock(&s->lock);
    return last;
}

static void count_received(struct store *s, const struct batch *b)
{
    ASSERT(b->resource_count > 0);
    uint64_t *rows = mem_new(b->resource_count, sizeof *rows);
    for (size_t i = 0; i < b->span_count; i++) {
        MUST(b->spans[i].resource < b->resource_count);
        rows[b->spans[i].resource]++;
    }
    for (size_t i = 0; i < b->resource_count; i++) {
        if (rows[i] > 0) {
            ledger_add_volatile(s->ledger, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE,
                                batch_str(b, b->resources[i].service), rows[i]);
        }
    }
    mem_free(rows);
}

// Under `lock`.
static void add_hot(struct store *s, struct batch *b)
{
    ASSERT(b->sealed);
    ASSERT(b->span_count > 0);
    size_t bytes = batch_bytes(b);
    struct store_line *line = &s->lines[store_line_index(s, b->line)];
    // With what writing it will take: a flush must not need memory that is not there.
    size_t charged = bytes + b->span_count * BUDGET_ROW_BYTES;
    budget_force(s->budget, ACCOUNT_STORE, charged);
    line->hot = mem_grow(line->hot, &line->hot_capacity, line->hot_count + 1, sizeof *line->hot);
    if (line->hot_count == 0) {
        line->oldest_ns = clock_mono_ns();
    }
    line->hot[line->hot_count++] = (struct hot_batch){b, s->arrivals++, bytes, charged};
    line->hot_rows += b->span_count;
    line->hot_bytes += bytes;
    if (line->hot_rows >= s->flush_rows || budget_is_filling(s->budget)) {
        (void)pthread_cond_signal(&s->flush_wake);
    }
}

void store_add_record(struct store *s, struct batch *const *batches, size_t count)
{
    ASSERT(s != NULL && count > 0);
    for (size_t i = 0; i < count; i++) {
        MUST(batches[i]->sealed && batches[i]->seq == batches[0]->seq);
        if (batches[i]->span_count > 0) {
            count_received(s, batches[i]);
        }
    }
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        if (batches[i]->span_count > 0) {
            add_hot(s, batches[i]);
        }
    }
    // Only now: a flush that commits offsets sees all of the record or nothing of it.
    s->delivered_seq = batches[0]->seq > s->delivered_seq ? batches[0]->seq : s->delivered_seq;
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        if (batches[i]->span_count == 0) {
            batch_unref(batches[i]); // nobody else has seen it
        }
    }
}

void store_note_seq(struct store *s, uint64_t seq)
{
    ASSERT(s->catalog != NULL);
    (void)pthread_mutex_lock(&s->lock);
    if (seq > 0 && seq - 1 > s->delivered_seq) {
        s->delivered_seq = seq - 1;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

// ---- Views -----------------------------------------------------------------------------------

static int newest_part_first(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    const struct part_meta *x = part_meta(*(struct part *const *)a);
    const struct part_meta *y = part_meta(*(struct part *const *)b);
    ASSERT(x->rows > 0 && y->rows > 0);
    return x->max_start_ns > y->max_start_ns ? -1 : x->max_start_ns < y->max_start_ns;
}

static int newest_batch_first(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    const struct hot_batch *x = a, *y = b;
    ASSERT(x == y || x->arrival != y->arrival);
    return x->arrival > y->arrival ? -1 : x->arrival < y->arrival;
}

struct store_view *store_view(struct store *s)
{
    ASSERT(s != NULL);
    struct store_view *v = mem_new(1, sizeof *v);
    (void)pthread_mutex_lock(&s->lock);
    size_t parts = 0, hot_count = 0;
    for (size_t i = 0; i < s->line_count; i++) {
        parts += s->lines[i].part_count;
        hot_count += s->lines[i].hot_count;
    }
    v->parts = mem_new(parts, sizeof(struct part *));
    struct hot_batch *hot = mem_new(hot_count, sizeof *hot);
    for (size_t i = 0; i < s->line_count; i++) {
        const struct store_line *line = &s->lines[i];
        for (size_t k = 0; k < line->part_count; k++) {
            v->parts[v->part_count++] = part_ref(line->parts[k]->part);
        }
        for (size_t k = 0; k < line->hot_count; k++) {
            hot[v->hot_count] = line->hot[k];
            (void)batch_ref(hot[v->hot_count++].batch);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    v->fates = s->fates;
    v->keep_key = s->keep_key;
    v->is_sampled = fates_any_gone(s->fates);
    ASSERT(v->part_count == parts && v->hot_count == hot_count);
    sort_array(v->parts, v->part_count, sizeof(struct part *), newest_part_first);
    sort_array(hot, v->hot_count, sizeof *hot, newest_batch_first);
    v->hot = mem_new(hot_count, sizeof(struct batch *));
    for (size_t i = 0; i < hot_count; i++) {
        v->hot[i] = hot[i].batch;
    }
    mem_free(hot);
    return v;
}

void store_view_free(struct store_view *v)
{
    ASSERT(v == NULL || v->hot != NULL || v->hot_count == 0);
    ASSERT(v == NULL || v->parts != NULL || v->part_count == 0);
    if (v == NULL) {
        return;
    }
    for (size_t i = 0; i < v->part_count; i++) {
        part_unref(v->parts[i]);
    }
    for (size_t i = 0; i < v->hot_count; i++) {
        batch_unref(v->hot[i]);
    }
    mem_free(v->parts);
    mem_free(v->hot);
    mem_free(v);
}

// ---- State -----------------------------------------------------------------------------------

void store_stats(struct store *s, struct store_stats *ret_stats)
{
    ASSERT(s->catalog != NULL);
    ASSERT(ret_stats != NULL);
    (void)pthread_mutex_lock(&s->lock);
    *ret_stats = s->stats;
    ret_stats->full = s->low_space || s->write_full;
    ret_stats->failing = s->unreachable || s->flush_failing;
    ret_stats->hot_rows = ret_stats->hot_bytes = 0;
    for (size_t i = 0; i < s->line_count; i++) {
        ret_stats->hot_rows += s->lines[i].hot_rows;
        ret_stats->hot_bytes += s->lines[i].hot_bytes;
    }
    (void)pthread_mutex_unlock(&s->lock);
    struct fates_stats fates;
    fates_stats(s->fates, &fates);
    ret_stats->fates = fates.known;
    ret_stats->forgotten_fates = fates.forgotten;
    ret_stats->back_traces = fates.returned;
}

void store_each_part(struct store *s, void (*each)(void *ctx, const struct store_part_info *info),
                     void *ctx)
{
    ASSERT(s->catalog != NULL);
    ASSERT(each != NULL);
    (void)pthread_mutex_lock(&s->lock);
    size_t n = 0;
    struct part_entry *copies = mem_new((size_t)s->stats.parts, sizeof *copies);
    for (size_t i = 0; i < s->line_count; i++) {
        for (size_t k = 0; k < s->lines[i].part_count; k++) {
            copies[n] = *s->lines[i].parts[k];
            (void)part_ref(copies[n++].part);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        const struct store_part_info info = {
            copies[i].id, copies[i].level, copies[i].state == PART_STRIPPED,
            copies[i].state == PART_FRESH, part_meta(copies[i].part)};
        each(ctx, &info);
        part_unref(copies[i].part);
    }
    mem_free(copies);
}
