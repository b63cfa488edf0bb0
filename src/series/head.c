// SPDX-License-Identifier: Apache-2.0
// Purpose: what was added since the last seal.
#include "series/head.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define GROUP       16u // runs whose memory is waited for together
#define BLOCK_SLOTS 128u

struct head_slot {
    uint64_t time_ms;
    struct hist hist;
};

// Slots ascend, numbers are as they came.
struct head_block {
    uint32_t count, capacity;
    union {
        struct head_slot *slots;
        struct sample *numbers;
    };
};

// Blocks of at most BLOCK_SLOTS slots, none of them empty, that ascend.
struct head_older {
    size_t count, capacity;
    struct head_block *blocks;
};

// The newest slots are in `last`, and mostly that is all of them. Those before them are in blocks,
// so that a slot in front of others, wherever it is, moves few of them. Numbers are all in `last`.
struct head_series {
    uint32_t series;
    bool has_numbers;
    struct head_block last;
    struct head_older *older; // NULL where `last` has all
};

struct series_head *series_head_new(struct budget *budget, uint64_t now_ns)
{
    struct series_head *h = mem_new(1, sizeof *h);
    ASSERT(budget != NULL);
    atomic_init(&h->refs, 1);
    meter_init(&h->meter, budget, ACCOUNT_SERIES);
    h->born_ns = now_ns;
    h->min_ms = UINT64_MAX;
    return h;
}

struct series_head *series_head_ref(struct series_head *h)
{
    int before = atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    MUST(before > 0);
    return h;
}

// The blocks of a series by their order: those in `older`, and then `last`.
static size_t block_count(const struct head_series *s)
{
    return s->older != NULL ? s->older->count + 1 : 1;
}

static struct head_block *block_at(const struct head_series *s, size_t n)
{
    ASSERT(n < block_count(s));
    bool older = s->older != NULL && n < s->older->count;
    return older ? &s->older->blocks[n] : (struct head_block *)&s->last;
}

static void series_free(struct head_series *s)
{
    for (size_t n = 0; n < block_count(s) && !s->has_numbers; n++) {
        struct head_block *b = block_at(s, n);
        for (uint32_t i = 0; i < b->count; i++) {
            hist_clear(&b->slots[i].hist);
        }
        mem_free(b->slots);
    }
    if (s->has_numbers) {
        ASSERT(s->older == NULL);
        mem_free(s->last.numbers);
    }
    if (s->older != NULL) {
        mem_free(s->older->blocks);
        mem_free(s->older);
    }
}

void series_head_unref(struct series_head *h)
{
    if (h == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before > 1) {
        return;
    }
    for (size_t i = 0; i < h->count; i++) {
        series_free(&h->series[i]);
    }
    mem_free(h->series);
    mem_free(h->places);
    mem_free((void *)(uintptr_t)h->state.p);
    meter_done(&h->meter);
    mem_free(h);
}

static struct head_series *find(const struct series_head *h, uint32_t series)
{
    ASSERT(h->count <= h->capacity);
    uint32_t place = series < h->place_count ? h->places[series] : 0;
    return place > 0 ? &h->series[place - 1] : NULL;
}

static struct head_series *find_or_make(struct series_head *h, uint32_t series)
{
    struct head_series *s = find(h, series);
    if (s != NULL) {
        return s;
    }
    if (series >= h->place_count) {
        size_t room = h->place_count, old = h->place_count;
        h->places = mem_grow(h->places, &room, (size_t)series + 1, sizeof *h->places);
        memset(h->places + old, 0, (room - old) * sizeof *h->places);
        h->place_count = room;
        meter_force(&h->meter, (room - old) * sizeof *h->places);
    }
    size_t before = h->capacity;
    h->series = mem_grow(h->series, &h->capacity, h->count + 1, sizeof *h->series);
    meter_force(&h->meter, (h->capacity - before) * sizeof *h->series);
    MUST(h->count < UINT32_MAX);
    h->series[h->count] = (struct head_series){.series = series};
    h->places[series] = (uint32_t)++h->count;
    return &h->series[h->count - 1];
}

// The list of a block, with room for one more; small ones are the rule.
static void *grow(struct series_head *h, struct head_block *b, void *list, size_t size)
{
    ASSERT(b->count <= b->capacity);
    if (b->count < b->capacity) {
        return list;
    }
    uint32_t more = b->capacity > 0 ? b->capacity : 2;
    MUST(more <= UINT32_MAX / 2);
    b->capacity += more;
    meter_force(&h->meter, more * size);
    return mem_resize(list, b->capacity, size);
}

static void note_time(struct series_head *h, uint64_t time_ms)
{
    ASSERT(time_ms < SAMPLE_TIME_MAX);
    h->min_ms = time_ms < h->min_ms ? time_ms : h->min_ms;
    h->max_ms = time_ms > h->max_ms ? time_ms : h->max_ms;
}

void series_head_add_number(struct series_head *h, uint32_t series, uint64_t time_ms, double value)
{
    struct head_series *s = find_or_make(h, series);
    struct head_block *b = &s->last;
    ASSERT(s->has_numbers || b->count == 0);
    s->has_numbers = true;
    b->numbers = grow(h, b, b->numbers, sizeof *b->numbers);
    b->numbers[b->count++] = (struct sample){.time_ms = time_ms, .number = value};
    h->samples++;
    note_time(h, time_ms);
}

// The place of the first slot at or after the time.
static uint32_t slot_place(const struct head_block *b, uint64_t time_ms)
{
    uint32_t low = 0, high = b->count;
    ASSERT(b->count == 0 || b->slots != NULL);
    if (high > 0 && b->slots[high - 1].time_ms < time_ms) {
        return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (b->slots[middle].time_ms < time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// The block that a slot is in or belongs to: the last one that begins no later, else the first.
static size_t block_of(const struct head_series *s, uint64_t time_ms)
{
    size_t low = 0, high = block_count(s);
    if (high == 1 || s->last.slots[0].time_ms <= time_ms) {
        return high - 1;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        ASSERT(block_at(s, middle)->count > 0);
        if (block_at(s, middle)->slots[0].time_ms <= time_ms) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// An empty block before the n-th.
static void insert_block(struct series_head *h, struct head_series *s, size_t n)
{
    if (s->older == NULL) {
        s->older = mem_new(1, sizeof *s->older);
        meter_force(&h->meter, sizeof *s->older);
    }
    struct head_older *o = s->older;
    size_t before = o->capacity;
    ASSERT(n <= o->count);
    o->blocks = mem_grow(o->blocks, &o->capacity, o->count + 1, sizeof *o->blocks);
    meter_force(&h->meter, (o->capacity - before) * sizeof *o->blocks);
    memmove(o->blocks + n + 1, o->blocks + n, (o->count - n) * sizeof *o->blocks);
    o->blocks[n] = (struct head_block){.count = 0};
    o->count++;
}

// Makes two of the n-th block, which is full, where one more slot is to go to `at`; the block that
// it belongs to now, which may be empty. In order or against it, blocks stay full.
static struct head_block *split(struct series_head *h, struct head_series *s, size_t n, uint32_t at)
{
    insert_block(h, s, n);
    struct head_block *low = block_at(s, n), *high = block_at(s, n + 1);
    ASSERT(high->count == BLOCK_SLOTS && at <= BLOCK_SLOTS);
    if (at == 0) {
        return low;
    }
    if (at == BLOCK_SLOTS) {
        *low = *high;
        *high = (struct head_block){.count = 0};
        return high;
    }
    const uint32_t half = BLOCK_SLOTS / 2;
    MUST(high->slots != NULL); // it is full
    low->slots = mem_alloc(half * sizeof *low->slots);
    meter_force(&h->meter, half * sizeof *low->slots);
    low->count = low->capacity = half;
    memcpy(low->slots, high->slots, half * sizeof *low->slots);
    high->count -= half;
    memmove(high->slots, high->slots + half, high->count * sizeof *high->slots);
    return at < half ? low : high;
}

static struct hist *slot_of(struct series_head *h, struct head_series *s, uint64_t slot_ms)
{
    size_t n = block_of(s, slot_ms);
    struct head_block *b = block_at(s, n);
    uint32_t at = slot_place(b, slot_ms);
    ASSERT(!s->has_numbers);
    if (b->slots == NULL || at == b->count || b->slots[at].time_ms != slot_ms) {
        if (b->count == BLOCK_SLOTS) {
            b = split(h, s, n, at);
            at = slot_place(b, slot_ms);
        }
        b->slots = grow(h, b, b->slots, sizeof *b->slots);
        memmove(b->slots + at + 1, b->slots + at, (b->count - at) * sizeof *b->slots);
        b->slots[at] = (struct head_slot){.time_ms = slot_ms};
        b->count++;
        h->samples++;
        note_time(h, slot_ms);
    }
    return &b->slots[at].hist;
}

static void add_run(struct series_head *h, const struct series_run *r)
{
    struct hist *hist =
        slot_of(h, find_or_make(h, r->series), r->time_ms - r->time_ms % SERIES_SLOT_MS);
    size_t before = hist_bytes(hist);
    hist_add_run(hist, r->buckets, r->count, r->sum_ns, r->times);
    size_t after = hist_bytes(hist);
    if (after > before) {
        meter_force(&h->meter, after - before);
    } else if (after < before) {
        meter_give(&h->meter, before - after);
    }
}

// Brings near what adding the runs will touch: where each series is, then its last slots, then
// what the slot holds; each step for all of them, so that memory is waited for once a step.
static void prefetch(const struct series_head *h, const struct series_run *runs, size_t n)
{
    const struct head_series *found[GROUP];
    ASSERT(n <= GROUP);
    for (size_t i = 0; i < n; i++) {
        found[i] = find(h, runs[i].series);
        __builtin_prefetch(found[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (found[i] != NULL && found[i]->last.count > 0) {
            __builtin_prefetch(&found[i]->last.slots[found[i]->last.count - 1], 1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (found[i] != NULL && found[i]->last.count > 0) {
            hist_prefetch(&found[i]->last.slots[found[i]->last.count - 1].hist);
        }
    }
}

size_t series_head_add_runs(struct series_head *h, const struct series_run *runs, size_t count,
                            uint64_t end_ms)
{
    size_t early = 0;
    ASSERT(runs != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        if (i % GROUP == 0) {
            prefetch(h, runs + i, count - i < GROUP ? count - i : GROUP);
        }
        if (runs[i].time_ms < end_ms && runs[i].time_ms < SAMPLE_TIME_MAX) {
            add_run(h, &runs[i]);
        } else {
            early += runs[i].count;
        }
    }
    return early;
}

void series_head_list(const struct series_head *h, uint32_t *list)
{
    ASSERT(list != NULL || h->count == 0);
    for (size_t i = 0; i < h->count; i++) {
        list[i] = h->series[i].series;
    }
}

bool series_head_has(const struct series_head *h, uint32_t series)
{
    ASSERT(h->count <= h->capacity);
    return find(h, series) != NULL;
}

static void add_samples(const struct head_block *b, uint64_t from_ms, uint64_t to_ms,
                        struct samples *into, struct arena *a, struct buf *scratch)
{
    for (uint32_t i = slot_place(b, from_ms); i < b->count && b->slots[i].time_ms < to_ms; i++) {
        if (hist_is_nothing(&b->slots[i].hist)) { // all of it was taken back
            continue;
        }
        buf_clear(scratch);
        hist_encode(&b->slots[i].hist, scratch);
        MUST(!scratch->failed);
        samples_add(into, (struct sample){.time_ms = b->slots[i].time_ms,
                                          .hist = arena_str(a, buf_str(scratch))});
    }
}

void series_head_samples(const struct series_head *h, uint32_t series, uint64_t from_ms,
                         uint64_t to_ms, struct samples *into, struct arena *a, struct buf *scratch)
{
    const struct head_series *s = find(h, series);
    ASSERT(a != NULL && scratch != NULL);
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->last.count && s->has_numbers; i++) {
        const struct sample *number = &s->last.numbers[i];
        if (number->time_ms >= from_ms && number->time_ms < to_ms) {
            samples_add(into, *number);
        }
    }
    for (size_t n = s->has_numbers ? block_count(s) : block_of(s, from_ms); n < block_count(s);
         n++) {
        if (block_at(s, n)->slots[0].time_ms >= to_ms) {
            break;
        }
        add_samples(block_at(s, n), from_ms, to_ms, into, a, scratch);
    }
}
