// SPDX-License-Identifier: Apache-2.0
// Purpose: which series are forgotten, and when.
//
// What has a series are parts, sealed heads, the head, and the adder, who may have found it and not
// yet added to it. Who maintains looks from time to time which references no part and no sealed
// head has: at one moment, under the lock, since they hand series on to one another (a flush, a
// merge). What is found is listed for the adder. At its next seal he drops those from the list that
// he found or added to since the head of that moment began, and unlinks the others. No one else
// could bring them back: a part gets series from heads and parts alone. The rest is done in the
// background (index.h), and waits for queries that may have matched them.
//
//     NOTHING -- look, unlock --> FOUND -- the adder's seal --> UNLINKED -- strip --> STRIPPED
//        ^                          |                                                   |
//        +------ none is left ------+                 free, once all before have left --+-->
//        NOTHING
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/state.h"

#define FORGET_MAX ((size_t)1 << 16) // series in a list; the adder takes some 20 ms for so many

// ---- Looking ------------------------------------------------------------------------------------

static uint64_t changes(const struct series_store *s)
{
    const struct series_stats *x = &s->stats;
    return x->flushes + x->merges + x->expired_parts + x->damaged_parts;
}

bool series_forget_is_due(const struct series_store *s)
{
    const struct series_forgetting *f = &s->forgetting;
    switch (f->stage) {
    case FORGET_NOTHING:
        return f->from > 0 || (changes(s) != f->changes &&
                               s->o.mono_ns() - f->looked_ns >= SERIES_FORGET_MS * NS_PER_MS);
    case FORGET_FOUND:
        return false;
    case FORGET_UNLINKED:
        return true;
    case FORGET_STRIPPED:
        return series_index_is_left(s->index);
    }
    ASSERT(false);
    return false;
}

// What has series at one moment.
struct holders {
    struct series_part **parts;
    struct series_head **heads;
    size_t part_count, head_count;
};

static void take_holders(struct series_store *s, struct holders *h)
{
    struct series_forgetting *f = &s->forgetting;
    (void)pthread_mutex_lock(&s->lock);
    h->parts = mem_alloc((s->part_count + 1) * sizeof *h->parts);
    h->heads = mem_alloc((s->sealed_count + 1) * sizeof *h->heads);
    for (size_t i = 0; i < s->part_count; i++) {
        h->parts[h->part_count++] = series_part_ref(s->parts[i].part);
    }
    for (size_t i = 0; i < s->sealed_count; i++) {
        h->heads[h->head_count++] = series_head_ref(s->sealed[i]);
    }
    f->head_number = s->head_number;
    if (f->from == 0) {
        f->looked_ns = s->o.mono_ns();
        f->changes = changes(s);
    }
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(h->part_count + h->head_count < SIZE_MAX);
}

static void free_holders(struct holders *h)
{
    ASSERT(h->parts != NULL && h->heads != NULL);
    for (size_t i = 0; i < h->part_count; i++) {
        series_part_unref(h->parts[i]);
    }
    for (size_t i = 0; i < h->head_count; i++) {
        series_head_unref(h->heads[i]);
    }
    mem_free(h->parts);
    mem_free(h->heads);
}

static void mark(uint64_t *used, size_t end, const uint32_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MUST(list[i] < end);
        used[list[i] / 64] |= (uint64_t)1 << list[i] % 64;
    }
}

// A bit for each reference below *ret_end that a part or a sealed head has; NULL where the store is
// being closed.
static uint64_t *find_used(struct series_store *s, const struct holders *h, size_t *ret_end)
{
    series_index_open(s->index);
    size_t end = series_index_end(s->index);
    series_index_close(s->index);
    uint64_t *used = mem_new(end / 64 + 1, sizeof *used);
    for (size_t i = 0; i < h->part_count && !atomic_load(&s->stop); i++) {
        mark(used, end, h->parts[i]->series, (size_t)h->parts[i]->meta.series);
    }
    for (size_t i = 0; i < h->head_count; i++) {
        const struct series_head *head = h->heads[i];
        uint32_t *list = mem_alloc((head->count + 1) * sizeof *list);
        series_head_list(head, list);
        mark(used, end, list, head->count);
        mem_free(list);
    }
    if (atomic_load(&s->stop)) {
        mem_free(used);
        return NULL;
    }
    *ret_end = end;
    return used;
}

static void look(struct series_store *s)
{
    struct series_forgetting *f = &s->forgetting;
    struct holders h = {.part_count = 0};
    size_t end = 0;
    ASSERT(f->list == NULL);
    take_holders(s, &h);
    uint64_t *used = find_used(s, &h, &end);
    free_holders(&h);
    if (used == NULL) {
        return;
    }
    f->from = f->from < end ? f->from : end;
    f->list = mem_alloc(FORGET_MAX * sizeof *f->list);
    f->count = series_index_unused(s->index, used, &f->from, end, f->list, FORGET_MAX);
    f->from = f->from < end ? f->from : 0;
    mem_free(used);
    if (f->count == 0) {
        mem_free(f->list);
        f->list = NULL;
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    f->stage = FORGET_FOUND;
    (void)pthread_mutex_unlock(&s->lock);
}

// ---- Unlinking ----------------------------------------------------------------------------------

// Whether a series was found or added to since the list was made.
static bool is_wanted(const struct series_store *s, uint32_t series)
{
    ASSERT(s->forgetting.head_number <= s->head_number);
    return series < s->seen_count && s->seen[series] >= s->forgetting.head_number;
}

void series_forget_unlink(struct series_store *s)
{
    struct series_forgetting *f = &s->forgetting;
    size_t kept = 0;
    (void)pthread_mutex_lock(&s->lock);
    bool found = f->stage == FORGET_FOUND, freed = f->freed;
    f->freed = false;
    (void)pthread_mutex_unlock(&s->lock);
    if (freed) {
        series_index_trim(s->index);
    }
    if (!found) {
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        uint32_t series = f->list[i];
        if (is_wanted(s, series)) { // as one is that is held since
            continue;
        }
        series_index_unlink(s->index, series);
        if (series < s->seen_count) {
            s->seen[series] = 0; // for the one that gets the reference next
        }
        f->list[kept++] = series;
    }
    ASSERT(kept <= f->count);
    (void)pthread_mutex_lock(&s->lock);
    f->count = kept;
    f->stage = FORGET_UNLINKED;
    (void)pthread_cond_signal(&s->maintain_wake);
    (void)pthread_mutex_unlock(&s->lock);
}

// ---- Leaving ------------------------------------------------------------------------------------

static void set_stage(struct series_store *s, enum forget_stage stage, size_t forgotten)
{
    (void)pthread_mutex_lock(&s->lock);
    ASSERT(s->forgetting.stage != stage);
    s->forgetting.stage = stage;
    s->forgetting.freed |= forgotten > 0;
    s->stats.forgotten_series += forgotten;
    (void)pthread_mutex_unlock(&s->lock);
}

void series_forget_step(struct series_store *s)
{
    struct series_forgetting *f = &s->forgetting;
    ASSERT(f->count <= FORGET_MAX);
    switch (f->stage) {
    case FORGET_NOTHING:
        look(s);
        break;
    case FORGET_FOUND:
        break; // the adder's turn
    case FORGET_UNLINKED:
        series_index_strip(s->index, f->list, f->count);
        set_stage(s, FORGET_STRIPPED, 0);
        break;
    case FORGET_STRIPPED:
        series_index_free_series(s->index, f->list, f->count);
        mem_free(f->list);
        f->list = NULL;
        set_stage(s, FORGET_NOTHING, f->count);
        break;
    }
}
