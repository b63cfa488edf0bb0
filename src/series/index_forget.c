// SPDX-License-Identifier: Apache-2.0
// Purpose: how series leave the index.
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "series/index_state.h"

#define LOOK_STEP  ((size_t)65536) // references looked at in one hold of the lock
#define STRIP_STEP ((size_t)65536) // entries of lists
#define FREE_STEP  ((size_t)4096)  // series

static void lock(struct series_index *x)
{
    int code = pthread_rwlock_wrlock(&x->lock);
    MUST(code == 0);
}

// ---- Who reads ----------------------------------------------------------------------------------

unsigned series_index_enter(struct series_index *x)
{
    series_index_open(x);
    unsigned ticket = x->parity;
    (void)atomic_fetch_add_explicit(&x->inside[ticket], 1, memory_order_relaxed);
    series_index_close(x);
    ASSERT(ticket < 2);
    return ticket;
}

void series_index_leave(struct series_index *x, unsigned ticket)
{
    ASSERT(ticket < 2);
    uint64_t before = atomic_fetch_sub_explicit(&x->inside[ticket], 1, memory_order_release);
    MUST(before > 0);
}

bool series_index_is_left(struct series_index *x)
{
    unsigned before = x->parity ^ 1; // which nobody changes but who asks
    ASSERT(before < 2);
    return atomic_load_explicit(&x->inside[before], memory_order_acquire) == 0;
}

// ---- Choosing -----------------------------------------------------------------------------------

void series_index_hold(struct series_index *x, uint32_t series)
{
    MUST(series < x->count && x->entries[series].key != NULL);
    if (!x->entries[series].held) {
        lock(x);
        x->entries[series].held = true;
        series_index_close(x);
    }
}

void series_index_release(struct series_index *x, uint32_t series)
{
    MUST(series < x->count && x->entries[series].key != NULL && x->entries[series].held);
    lock(x);
    x->entries[series].held = false;
    series_index_close(x);
}

static bool has_bit(const uint64_t *bits, size_t n)
{
    ASSERT(bits != NULL);
    return (bits[n / 64] >> n % 64 & 1) != 0;
}

size_t series_index_unused(struct series_index *x, const uint64_t *used, size_t *from, size_t end,
                           uint32_t *list, size_t max)
{
    size_t n = 0, i = *from;
    ASSERT(*from <= end);
    while (i < end && n < max) {
        size_t stop = end - i < LOOK_STEP ? end : i + LOOK_STEP;
        series_index_open(x);
        for (; i < stop && n < max; i++) {
            bool exists = i < x->count && x->entries[i].key != NULL;
            if (exists && !x->entries[i].held && !has_bit(used, i)) {
                list[n++] = (uint32_t)i;
            }
        }
        series_index_close(x);
    }
    *from = i;
    return n;
}

// ---- By the adder -------------------------------------------------------------------------------

void series_index_unlink(struct series_index *x, uint32_t series)
{
    struct index_entry *e = &x->entries[series];
    MUST(series < x->count && e->key != NULL && !e->held);
    hash_index_remove(&x->by_key, x->hashes, series);
    x->lines[e->line].weight -= e->key_n + WEIGHT_BASE;
    x->weight -= e->key_n + WEIGHT_BASE;
}

// A table that is less than half full becomes smaller.
static void *shrink(void *p, size_t *capacity, size_t count, size_t size)
{
    size_t room = count + count / 8 > INDEX_LEAST ? count + count / 8 : INDEX_LEAST;
    ASSERT(count <= *capacity);
    if (*capacity <= INDEX_LEAST || count >= *capacity / 2) {
        return p;
    }
    *capacity = room;
    return mem_resize(p, room, size);
}

static void shrink_hashes(struct hash_index *h, const uint64_t *hashes, size_t count)
{
    ASSERT(count * 2 <= h->size || h->size == 0);
    if (h->size > 4 * INDEX_LEAST && count < h->size / 8) {
        hash_index_resize(h, hashes, count > INDEX_LEAST ? count : INDEX_LEAST);
    }
}

void series_index_trim(struct series_index *x)
{
    lock(x);
    while (x->count > 0 && x->entries[x->count - 1].key == NULL) {
        x->count--;
        x->free_count--;
    }
    x->free_from = x->free_from < x->count ? x->free_from : x->count;
    ASSERT(x->free_count <= x->count);
    x->entries = shrink(x->entries, &x->capacity, x->count, sizeof *x->entries);
    x->ranks = shrink(x->ranks, &x->rank_capacity, x->count, sizeof *x->ranks);
    x->order = shrink(x->order, &x->order_capacity, x->ranked, sizeof *x->order);
    shrink_hashes(&x->by_key, x->hashes, x->count);
    x->hashes = shrink(x->hashes, &x->hash_capacity, x->count, sizeof *x->hashes);
    series_index_charge(x);
    series_index_close(x);
}

// ---- Stripping ----------------------------------------------------------------------------------

// Those that go: a bit for each reference below `end`. Those beyond came since.
struct going {
    uint64_t *bits;
    size_t end;
};

static bool goes(const struct going *g, uint32_t series)
{
    return series < g->end && has_bit(g->bits, series);
}

// Leaves only the series of a list that do not go.
static size_t keep_others(const struct going *going, uint32_t *list, size_t count)
{
    size_t kept = 0;
    ASSERT(list != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        uint32_t series = list[i];
        list[kept] = series;
        kept += goes(going, series) ? 0 : 1;
    }
    return kept;
}

// The same label in the key of another series.
static const char *find_label(const struct index_entry *e, struct str label)
{
    struct str key = {e->key, e->key_n};
    ASSERT(label.n > 2);
    while (key.n > 0) {
        struct str found = series_key_cut(&key);
        if (str_eq(found, label)) {
            return found.p;
        }
    }
    MUST(false); // the posting lists it for the label
    return NULL;
}

// An empty posting: the last one takes its place.
static void remove_posting(struct series_index *x, size_t at)
{
    size_t last = x->posting_count - 1;
    ASSERT(x->postings[at].count == 0 && at <= last);
    hash_index_remove(&x->by_label, x->posting_hashes, (uint32_t)at);
    if (at < last) {
        hash_index_remove(&x->by_label, x->posting_hashes, (uint32_t)last);
        x->postings[at] = x->postings[last];
        x->posting_hashes[at] = x->posting_hashes[last];
        hash_index_put(&x->by_label, x->posting_hashes[at], (uint32_t)at);
    }
    x->posting_count--;
}

static void strip_posting(struct series_index *x, size_t at, const struct going *going)
{
    struct posting *p = &x->postings[at];
    size_t before = posting_room(p->count);
    uint32_t *list = p->count == 1 ? &p->only : p->series;
    uint32_t kept = (uint32_t)keep_others(going, list, p->count);
    if (kept == p->count) {
        return;
    }
    p->count = kept;
    if (kept > 0 && goes(going, p->owner)) {
        p->owner = list[0];
        p->label = find_label(&x->entries[p->owner], (struct str){p->label, p->label_n});
    }
    size_t room = posting_room(kept);
    ASSERT(room <= before);
    x->list_bytes -= (before - room) * sizeof *list;
    if (room > 0) {
        p->series = room < before ? mem_resize(list, room, sizeof *list) : list;
    } else if (before > 0) {
        p->only = list[0]; // or nothing that counts
        mem_free(list);
    }
    if (kept == 0) {
        remove_posting(x, at);
    }
}

// From the last posting on, so that the one which takes the place of an empty one was stripped or
// came since, and has none of them.
static void strip_postings(struct series_index *x, const struct going *going)
{
    series_index_open(x);
    size_t at = x->posting_count;
    series_index_close(x);
    while (at > 0) {
        size_t work = 0;
        lock(x);
        while (at > 0 && work < STRIP_STEP) {
            at--;
            work += 1 + (size_t)x->postings[at].count;
            strip_posting(x, at, going);
        }
        series_index_charge(x);
        series_index_close(x);
    }
    ASSERT(x->posting_count <= x->posting_capacity);
}

static void strip_lines(struct series_index *x, const struct going *going)
{
    for (size_t i = 0; i < SERIES_LINES_MAX; i++) {
        struct index_line *l = &x->lines[i];
        lock(x);
        l->count = keep_others(going, l->series, l->count);
        l->series = shrink(l->series, &l->capacity, l->count, sizeof *l->series);
        ASSERT(l->count <= l->capacity);
        series_index_close(x);
    }
}

void series_index_strip(struct series_index *x, const uint32_t *list, size_t count)
{
    series_index_rank(x); // so that none of them is among those that came since
    series_index_open(x);
    struct going going = {.end = x->count};
    series_index_close(x);
    going.bits = mem_new(going.end / 64 + 1, sizeof *going.bits);
    for (size_t i = 0; i < count; i++) {
        ASSERT(list[i] < going.end);
        going.bits[list[i] / 64] |= (uint64_t)1 << list[i] % 64;
    }
    strip_postings(x, &going);
    strip_lines(x, &going);
    mem_free(going.bits);
    lock(x);
    x->postings = shrink(x->postings, &x->posting_capacity, x->posting_count, sizeof *x->postings);
    shrink_hashes(&x->by_label, x->posting_hashes, x->posting_count);
    x->posting_hashes = shrink(x->posting_hashes, &x->posting_hash_capacity, x->posting_count,
                               sizeof *x->posting_hashes);
    x->parity ^= 1;
    MUST(atomic_load_explicit(&x->inside[x->parity], memory_order_relaxed) == 0);
    series_index_charge(x);
    series_index_close(x);
}

// ---- Freeing ------------------------------------------------------------------------------------

static void free_one(struct series_index *x, uint32_t series)
{
    struct index_entry *e = &x->entries[series];
    MUST(series < x->count && e->key != NULL && !e->held);
    x->key_bytes -= e->key_n + KEY_OVERHEAD;
    MUST(x->lines[e->line].entries > 0);
    x->lines[e->line].entries--;
    mem_free((void *)(uintptr_t)e->key);
    *e = (struct index_entry){.key = NULL};
    x->ranks[series] = UNRANKED;
    x->free_count++;
    x->free_from = series < x->free_from || x->free_count == 1 ? series : x->free_from;
}

void series_index_free_series(struct series_index *x, const uint32_t *list, size_t count)
{
    ASSERT(list != NULL || count == 0);
    for (size_t i = 0; i < count;) {
        size_t stop = count - i < FREE_STEP ? count : i + FREE_STEP;
        lock(x);
        for (; i < stop; i++) {
            free_one(x, list[i]);
        }
        series_index_charge(x);
        series_index_close(x);
    }
}
