// SPDX-License-Identifier: Apache-2.0
// Purpose: what was added since the last seal.
#include "series/head.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define GROUP 16u // values whose memory is waited for together

struct head_slot {
    uint64_t time_ms;
    struct hist hist;
};

// One of the two lists is in use; slots ascend, numbers are as they came.
struct head_series {
    uint32_t series, count;
    size_t capacity;
    struct head_slot *slots;
    struct sample *numbers;
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
        for (size_t k = 0; k < h->series[i].count && h->series[i].slots != NULL; k++) {
            hist_clear(&h->series[i].slots[k].hist);
        }
        mem_free(h->series[i].slots);
        mem_free(h->series[i].numbers);
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

// Room for one more in one of the lists; small ones are the rule.
static void *grow(struct series_head *h, struct head_series *s, void *list, size_t size)
{
    ASSERT(s->count <= s->capacity);
    if (s->count < s->capacity) {
        return list;
    }
    size_t more = s->capacity > 0 ? s->capacity : 2;
    s->capacity += more;
    meter_force(&h->meter, more * size);
    return mem_resize(list, s->capacity, size);
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
    ASSERT(s->slots == NULL);
    s->numbers = grow(h, s, s->numbers, sizeof *s->numbers);
    s->numbers[s->count++] = (struct sample){.time_ms = time_ms, .number = value};
    h->samples++;
    note_time(h, time_ms);
}

// The place of the first slot at or after the time.
static uint32_t slot_place(const struct head_series *s, uint64_t time_ms)
{
    uint32_t low = 0, high = s->count;
    ASSERT(s->count == 0 || s->slots != NULL);
    if (high > 0 && s->slots[high - 1].time_ms < time_ms) {
        return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->slots[middle].time_ms < time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct hist *slot_of(struct series_head *h, struct head_series *s, uint64_t slot_ms)
{
    uint32_t at = slot_place(s, slot_ms);
    ASSERT(s->numbers == NULL);
    if (s->slots == NULL || at == s->count || s->slots[at].time_ms != slot_ms) {
        s->slots = grow(h, s, s->slots, sizeof *s->slots);
        memmove(s->slots + at + 1, s->slots + at, (s->count - at) * sizeof *s->slots);
        s->slots[at] = (struct head_slot){.time_ms = slot_ms};
        s->count++;
        h->samples++;
        note_time(h, slot_ms);
    }
    return &s->slots[at].hist;
}

static void add_value(struct series_head *h, const struct series_value *v)
{
    struct hist *hist =
        slot_of(h, find_or_make(h, v->series), v->time_ms - v->time_ms % SERIES_SLOT_MS);
    size_t before = hist_bytes(hist);
    hist_add(hist, v->value_ns, v->times);
    size_t more = hist_bytes(hist) - before;
    if (more > 0) {
        meter_force(&h->meter, more);
    }
}

// Brings near what adding the values will touch: where each series is, then its last slots, then
// the cell; each step for all of them, so that memory is waited for once a step.
static void prefetch(const struct series_head *h, const struct series_value *values, size_t n)
{
    const struct head_series *found[GROUP];
    ASSERT(n <= GROUP);
    for (size_t i = 0; i < n; i++) {
        found[i] = find(h, values[i].series);
        __builtin_prefetch(found[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (found[i] != NULL && found[i]->count > 0) {
            __builtin_prefetch(&found[i]->slots[found[i]->count - 1], 1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (found[i] != NULL && found[i]->count > 0) {
            hist_prefetch(&found[i]->slots[found[i]->count - 1].hist, values[i].value_ns);
        }
    }
}

size_t series_head_add_values(struct series_head *h, const struct series_value *values,
                              size_t count, uint64_t end_ms)
{
    size_t early = 0;
    ASSERT(values != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        if (i % GROUP == 0) {
            prefetch(h, values + i, count - i < GROUP ? count - i : GROUP);
        }
        if (values[i].time_ms < end_ms && values[i].time_ms < SAMPLE_TIME_MAX) {
            add_value(h, &values[i]);
        } else {
            early++;
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

void series_head_samples(const struct series_head *h, uint32_t series, uint64_t from_ms,
                         uint64_t to_ms, struct samples *into, struct arena *a, struct buf *scratch)
{
    const struct head_series *s = find(h, series);
    ASSERT(a != NULL && scratch != NULL);
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->count && s->numbers != NULL; i++) {
        if (s->numbers[i].time_ms >= from_ms && s->numbers[i].time_ms < to_ms) {
            samples_add(into, s->numbers[i]);
        }
    }
    for (uint32_t i = s->slots != NULL ? slot_place(s, from_ms) : s->count;
         i < s->count && s->slots[i].time_ms < to_ms; i++) {
        if (hist_is_nothing(&s->slots[i].hist)) { // all of it was taken back
            continue;
        }
        buf_clear(scratch);
        hist_encode(&s->slots[i].hist, scratch);
        MUST(!scratch->failed);
        samples_add(into, (struct sample){.time_ms = s->slots[i].time_ms,
                                          .hist = arena_str(a, buf_str(scratch))});
    }
}
