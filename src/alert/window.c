// SPDX-License-Identifier: Apache-2.0
// Purpose: what a group of a strategy has counted lately.
#include "alert/window.h"

#include <math.h>
#include <string.h>

#include "alert/window_state.h"
#include "core/mem.h"
#include "core/must.h"

#define DISTINCT_FIRST ((size_t)16)

struct window_shape window_shape_of(const struct alert_strategy *s)
{
    bool is_compared = s->op == COMPARE_RISE || s->op == COMPARE_FALL;
    uint64_t slot_ms = s->every_ms / WINDOW_SLOTS / 1000 * 1000;
    slot_ms = slot_ms < 1000 ? 1000 : slot_ms;
    uint32_t slots = (uint32_t)((s->every_ms + slot_ms - 1) / slot_ms);
    uint32_t late = (uint32_t)((WINDOW_LATE_MS + slot_ms - 1) / slot_ms);
    ASSERT(slots > 0 && s->every_ms >= ALERT_EVERY_MIN_MS);
    bool is_average = s->op == COMPARE_ABOVE_AVERAGE || s->op == COMPARE_BELOW_AVERAGE;
    return (struct window_shape){
        .strategy = s,
        .slot_ms = slot_ms,
        .slots = slots,
        .ring = slots + late + (is_compared ? slots : 0),
        .has_extremes = s->measure == MEASURE_MIN || s->measure == MEASURE_MAX,
        .has_hist = s->measure == MEASURE_QUANTILE,
        .has_buckets = s->measure == MEASURE_QUANTILE && s->metric.n > 0,
        .has_distinct = s->measure == MEASURE_DISTINCT || s->measure == MEASURE_CAPACITY,
        .has_past = is_average || alert_is_seasonal(s->op) || alert_foresees(s->op),
        .has_season = alert_is_seasonal(s->op),
    };
}

struct window *window_new(const struct window_shape *shape, uint64_t now_ms)
{
    struct window *w = mem_new(1, sizeof *w);
    ASSERT(shape->ring > shape->slots);
    w->slots = mem_new(shape->ring, sizeof *w->slots);
    if (shape->has_extremes) {
        w->extremes = mem_new(shape->ring, sizeof *w->extremes);
    }
    if (shape->has_hist) {
        w->hists = mem_new(shape->ring, sizeof *w->hists);
    }
    if (shape->has_past) {
        w->past = mem_new(WINDOW_PAST, sizeof *w->past);
    }
    w->season = shape->has_season ? season_new() : NULL;
    w->carried = NAN;
    w->newest = w->began = now_ms / shape->slot_ms;
    w->next_past = w->newest / shape->slots + 1;
    return w;
}

void window_free(struct window *w, const struct window_shape *shape)
{
    if (w == NULL) {
        return;
    }
    for (uint32_t i = 0; w->hists != NULL && i < shape->ring; i++) {
        hist_clear(&w->hists[i]);
    }
    mem_free(w->slots);
    mem_free(w->extremes);
    mem_free(w->hists);
    mem_free(w->past);
    season_free(w->season);
    window_buckets_free(w, shape);
    mem_free(w->distinct);
    mem_free(w->seen);
    mem_free(w);
}

void window_set_carried(struct window *w, double carried)
{
    ASSERT(!(carried <= 0));
    w->carried = carried;
}

size_t window_bytes(const struct window *w, const struct window_shape *shape)
{
    size_t bytes = sizeof *w + shape->ring * sizeof *w->slots;
    ASSERT(shape->slots < shape->ring);
    bytes += w->extremes != NULL ? shape->ring * sizeof *w->extremes : 0;
    bytes += w->past != NULL ? WINDOW_PAST * sizeof *w->past : 0;
    bytes += w->season != NULL ? season_bytes(w->season) : 0;
    bytes += window_buckets_bytes(w, shape);
    bytes += w->distinct_size * (sizeof *w->distinct + window_words(shape) * sizeof *w->seen);
    for (uint32_t i = 0; w->hists != NULL && i < shape->ring; i++) {
        bytes += sizeof *w->hists + hist_bytes(&w->hists[i]);
    }
    return bytes;
}

uint64_t window_newest_ms(const struct window *w, const struct window_shape *shape)
{
    ASSERT(w->newest >= w->began || w->newest + shape->ring >= w->began);
    return w->newest * shape->slot_ms;
}

// ---- Moving on ----------------------------------------------------------------------------------

static void clear_slot(struct window *w, const struct window_shape *shape, uint64_t slot)
{
    size_t at = slot % shape->ring;
    ASSERT(shape->slots < shape->ring);
    w->slots[at] = (struct window_slot){0};
    if (w->extremes != NULL) {
        w->extremes[at] = (struct window_extremes){0};
    }
    if (w->hists != NULL) {
        hist_clear(&w->hists[at]);
    }
    window_buckets_clear_slot(w, shape, slot);
}

void window_foresee(struct window *w, const struct window_shape *shape)
{
    double values[WINDOW_PAST];
    size_t n = w->past_count < WINDOW_PAST ? (size_t)w->past_count : WINDOW_PAST;
    ASSERT(shape->has_past);
    for (size_t i = 0; i < n; i++) { // the oldest first
        values[i] = w->past[(w->past_count - n + i) % WINDOW_PAST].value;
    }
    w->trend = trend_of(values, n);
}

// What the measure was of the window that closed: whoever learns from it, does.
static void learn(struct window *w, const struct window_shape *shape, struct window_past *p)
{
    uint64_t first = w->next_past * shape->slots, end = first + shape->slots - 1;
    bool is_whole = first >= w->began && end <= w->newest;
    struct hist_total *scratch = shape->has_hist ? mem_new(1, sizeof *scratch) : NULL;
    ASSERT(shape->has_past);
    p->value = is_whole ? window_value(w, shape, end, scratch) : (double)NAN;
    mem_free(scratch);
    if (w->season != NULL) {
        season_note(w->season, (end + 1) * shape->slot_ms - 1, p->value);
    }
}

// Adds the windows up that are over with this slot the newest.
static void close_past(struct window *w, const struct window_shape *shape)
{
    uint32_t late = shape->ring - shape->slots;
    bool is_learnt = shape->has_season || alert_foresees(shape->strategy->op);
    ASSERT(shape->slots < shape->ring);
    while (w->past != NULL && (w->next_past + 1) * shape->slots - 1 + late <= w->newest) {
        struct window_past *p = &w->past[w->past_count % WINDOW_PAST];
        *p = (struct window_past){0};
        for (uint64_t s = w->next_past * shape->slots; s < (w->next_past + 1) * shape->slots; s++) {
            const struct window_slot *slot = &w->slots[s % shape->ring];
            bool is_there = s + shape->ring > w->newest && s <= w->newest;
            p->count += is_there ? slot->count : 0;
            p->errors += is_there ? slot->errors : 0;
            p->sum += is_there ? slot->sum : 0;
        }
        if (is_learnt) {
            learn(w, shape, p);
        }
        w->past_count++;
        w->next_past++;
    }
}

static void move_to(struct window *w, const struct window_shape *shape, uint64_t slot)
{
    ASSERT(shape->slots < shape->ring);
    if (slot > w->newest + 2 * (uint64_t)shape->ring + (uint64_t)WINDOW_PAST * shape->slots) {
        // Longer away than anything is kept: it begins anew, and what is over was empty.
        for (uint32_t i = 0; i < shape->ring; i++) {
            clear_slot(w, shape, i);
        }
        w->newest = slot;
        w->past_count = 0;
        w->trend = (struct trend){0};
        w->next_past = slot / shape->slots + 1;
        return;
    }
    uint64_t closed = w->past_count;
    while (w->newest < slot) {
        w->newest++;
        clear_slot(w, shape, w->newest);
        close_past(w, shape);
    }
    if (w->past_count != closed && alert_foresees(shape->strategy->op)) {
        window_foresee(w, shape);
    }
}

void window_advance(struct window *w, const struct window_shape *shape, uint64_t time_ms)
{
    uint64_t slot = time_ms / shape->slot_ms;
    ASSERT(shape->slot_ms > 0);
    if (slot > w->newest) {
        move_to(w, shape, slot);
    }
}

void window_resume(struct window *w, const struct window_shape *shape, uint64_t now_ms)
{
    ASSERT(shape->slots < shape->ring);
    window_advance(w, shape, now_ms);
    w->began = w->newest;
    w->past_count = 0;
    w->trend = (struct trend){0};
    w->next_past = w->newest / shape->slots + 1;
}

static uint64_t shifted(uint64_t slot, int64_t by)
{
    uint64_t back = by < 0 ? 0 - (uint64_t)by : 0;
    return by >= 0 ? slot + (uint64_t)by : slot > back ? slot - back : 0;
}

// The places of a ring of so many bytes each, moved on by `by`.
static void *rotated(void *ring, const struct window_shape *shape, size_t bytes, uint64_t by)
{
    char *from = ring, *to = NULL;
    ASSERT(by < shape->ring);
    if (from != NULL) {
        to = mem_new(shape->ring, bytes);
        memcpy(to + by * bytes, from, (shape->ring - by) * bytes);
        memcpy(to, from + (shape->ring - by) * bytes, by * bytes);
        mem_free(from);
    }
    return to;
}

void window_shift(struct window *w, const struct window_shape *shape, int64_t by_ms)
{
    int64_t slot_ms = (int64_t)shape->slot_ms, half = by_ms < 0 ? -slot_ms / 2 : slot_ms / 2;
    int64_t by = (by_ms + half) / slot_ms;
    uint64_t newest = shifted(w->newest, by);
    uint64_t on = (newest % shape->ring + shape->ring - w->newest % shape->ring) % shape->ring;
    ASSERT(shape->slots < shape->ring);
    w->slots = rotated(w->slots, shape, sizeof *w->slots, on);
    w->extremes = rotated(w->extremes, shape, sizeof *w->extremes, on);
    w->hists = rotated(w->hists, shape, sizeof *w->hists, on);
    if (w->buckets != NULL) {
        struct window_buckets *b = w->buckets;
        b->slots = rotated(b->slots, shape, sizeof *b->slots, on);
        for (size_t i = 0; i < b->count; i++) {
            b->bounds[i].slot = shifted(b->bounds[i].slot, by);
        }
    }
    w->newest = newest;
    w->began = shifted(w->began, by);
    w->distinct_swept = shifted(w->distinct_swept, by);
    for (size_t i = 0; i < w->distinct_size; i++) {
        w->distinct[i].slot = shifted(w->distinct[i].slot, by);
    }
    // The next window to be added up is the first that has nothing of what was.
    w->next_past = (shifted(w->next_past * shape->slots, by) + shape->slots - 1) / shape->slots;
}

// ---- Adding -------------------------------------------------------------------------------------

static size_t distinct_place(const struct window *w, uint64_t hash)
{
    size_t at = hash & (w->distinct_size - 1);
    ASSERT(w->slots != NULL);
    while (w->distinct[at].hash != 0 && w->distinct[at].hash != hash) {
        at = (at + 1) & (w->distinct_size - 1);
    }
    return at;
}

// Makes room, leaving out what no window has any more.
static void distinct_rebuild(struct window *w, const struct window_shape *shape)
{
    struct window_distinct *old = w->distinct;
    uint64_t *old_seen = w->seen;
    size_t old_size = w->distinct_size, live = 0, words = window_words(shape);
    ASSERT(shape->slots < shape->ring);
    for (size_t i = 0; i < old_size; i++) {
        live += old[i].hash != 0 && old[i].slot + shape->ring > w->newest;
    }
    w->distinct_size = DISTINCT_FIRST;
    while (w->distinct_size < (live + 1) * 2) {
        w->distinct_size *= 2;
    }
    w->distinct = mem_new(w->distinct_size, sizeof *w->distinct);
    w->seen = mem_new(w->distinct_size * words, sizeof *w->seen);
    w->distinct_count = live;
    w->distinct_swept = w->newest;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].hash != 0 && old[i].slot + shape->ring > w->newest) {
            size_t at = distinct_place(w, old[i].hash);
            w->distinct[at] = old[i];
            memcpy(&w->seen[at * words], &old_seen[i * words], words * sizeof *w->seen);
        }
    }
    mem_free(old);
    mem_free(old_seen);
}

// Bits of slots become those of slots that are so much further back.
static void age_bits(uint64_t *bits, size_t words, uint64_t by)
{
    ASSERT(words > 0);
    for (size_t i = words; i-- > 0;) {
        size_t from = by / 64 <= i ? i - (size_t)(by / 64) : words;
        unsigned rest = by % 64;
        uint64_t high = from < words ? bits[from] << rest : 0;
        uint64_t low = rest > 0 && from < words && from > 0 ? bits[from - 1] >> (64 - rest) : 0;
        bits[i] = high | low;
    }
}

uint64_t *window_add_distinct(struct window *w, const struct window_shape *shape, uint64_t hash,
                              uint64_t slot)
{
    uint64_t h = hash != 0 ? hash : 1;
    bool is_full = w->distinct_count >= DISTINCT_MAX && w->distinct_swept < w->newest;
    ASSERT(shape->slots < shape->ring && slot <= w->newest);
    if (is_full || (w->distinct_count + 1) * 4 > w->distinct_size * 3) {
        distinct_rebuild(w, shape);
    }
    size_t at = distinct_place(w, h), words = window_words(shape);
    struct window_distinct *d = &w->distinct[at];
    uint64_t *bits = &w->seen[at * words];
    if (d->hash == 0) {
        if (w->distinct_count >= DISTINCT_MAX) {
            return NULL;
        }
        w->distinct_count++;
        *d = (struct window_distinct){h, slot};
    } else if (slot > d->slot) {
        age_bits(bits, words, slot - d->slot);
        d->slot = slot;
    }
    uint64_t back = d->slot - slot;
    if (back < (uint64_t)words * 64) {
        bits[back / 64] |= (uint64_t)1 << back % 64;
    }
    return bits;
}

static uint32_t saturated(uint32_t a, uint64_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

uint64_t window_hist(double v, bool is_ns)
{
    double scaled = is_ns ? v : v * WINDOW_MILLION;
    return !(scaled > 0) ? 0 : scaled >= 1.8e19 ? UINT64_MAX : (uint64_t)scaled;
}

bool window_add(struct window *w, const struct window_shape *shape, const struct window_record *r)
{
    uint64_t slot = r->time_ms / shape->slot_ms;
    ASSERT(shape->slots < shape->ring);
    if (slot > w->newest) {
        move_to(w, shape, slot);
    }
    if (slot + shape->ring <= w->newest) {
        return false;
    }
    size_t at = slot % shape->ring;
    struct window_slot *s = &w->slots[at];
    if (w->extremes != NULL && r->count > 0) {
        struct window_extremes *x = &w->extremes[at];
        x->min = s->count == 0 || r->min < x->min ? r->min : x->min;
        x->max = s->count == 0 || r->max > x->max ? r->max : x->max;
    }
    s->count = saturated(s->count, r->count);
    s->errors = saturated(s->errors, r->errors);
    s->sum += r->sum;
    for (size_t i = 0; i < r->bucket_count; i++) {
        window_add_bucket(w, shape, slot, &r->buckets[i]);
    }
    if (w->hists != NULL && r->count > 0 && r->bucket_count == 0) {
        hist_add(&w->hists[at], r->hist, (int32_t)(r->count > INT32_MAX ? INT32_MAX : r->count));
    }
    if (shape->has_distinct) {
        (void)window_add_distinct(w, shape, r->distinct, slot);
    }
    return true;
}
