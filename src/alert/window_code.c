// SPDX-License-Identifier: Apache-2.0
// Purpose: windows as bytes, and back.
#include <math.h>
#include <string.h>

#include "alert/window_state.h"
#include "codec/cursor.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

static void put_double(struct buf *out, double v)
{
    ASSERT(out != NULL);
    buf_add(out, &v, sizeof v);
}

static double get_double(struct cursor *c)
{
    double v = 0;
    const uint8_t *p = cursor_bytes(c, sizeof v);
    ASSERT(c->p <= c->end);
    if (p != NULL) {
        memcpy(&v, p, sizeof v);
    }
    return v;
}

static void put_slot(const struct window *w, const struct window_shape *shape, uint64_t slot,
                     struct buf *out)
{
    size_t at = slot % shape->ring;
    const struct window_slot *s = &w->slots[at];
    ASSERT(slot <= w->newest);
    buf_add_varint(out, w->newest - slot);
    buf_add_varint(out, s->count);
    buf_add_varint(out, s->errors);
    put_double(out, s->sum);
    if (shape->has_extremes) {
        put_double(out, w->extremes[at].min);
        put_double(out, w->extremes[at].max);
    }
    if (shape->has_hist) {
        hist_encode(&w->hists[at], out);
    }
}

static void put_past(const struct window *w, struct buf *out)
{
    uint64_t n = w->past_count < WINDOW_PAST ? w->past_count : WINDOW_PAST;
    ASSERT(w->slots != NULL);
    buf_add_varint(out, n);
    for (uint64_t i = w->past_count - n; i < w->past_count; i++) { // the oldest first
        const struct window_past *p = &w->past[i % WINDOW_PAST];
        put_double(out, p->count);
        put_double(out, p->errors);
        put_double(out, p->sum);
        put_double(out, p->value);
    }
}

static void put_buckets(const struct window *w, const struct window_shape *shape, struct buf *out)
{
    static const struct window_buckets none = {.count = 0};
    const struct window_buckets *b = w->buckets != NULL ? w->buckets : &none;
    uint64_t used = 0;
    ASSERT(b->count <= WINDOW_BOUNDS_MAX);
    buf_add_varint(out, b->count);
    for (size_t i = 0; i < b->count; i++) {
        put_double(out, b->bounds[i].lower);
        put_double(out, b->bounds[i].upper);
        buf_add_varint(out, b->bounds[i].slot);
    }
    for (uint32_t i = 0; b->count > 0 && i < shape->ring; i++) {
        used += b->slots[i].count > 0;
    }
    buf_add_varint(out, used);
    for (uint32_t i = 0; used > 0 && i < shape->ring; i++) {
        const struct window_parts *p = &b->slots[i];
        if (p->count > 0) {
            buf_add_varint(out, i);
            buf_add_varint(out, p->count);
        }
        for (uint32_t k = 0; k < p->count; k++) {
            buf_add_varint(out, p->items[k].bound);
            put_double(out, p->items[k].n);
        }
    }
}

static void put_distinct(const struct window *w, const struct window_shape *shape, struct buf *out)
{
    size_t words = window_words(shape);
    ASSERT(w->slots != NULL);
    buf_add_varint(out, w->distinct_count);
    for (size_t i = 0; i < w->distinct_size; i++) {
        if (w->distinct[i].hash != 0) {
            buf_add_u64(out, w->distinct[i].hash);
            buf_add_varint(out, w->distinct[i].slot);
            buf_add(out, &w->seen[i * words], words * sizeof *w->seen);
        }
    }
}

// A sum may grow by what is no record.
static bool has_something(const struct window_slot *s)
{
    ASSERT(s != NULL);
    return s->count > 0 || s->errors > 0 || s->sum != 0;
}

static uint64_t oldest(const struct window *w, const struct window_shape *shape)
{
    ASSERT(shape->slots < shape->ring);
    return w->newest + 1 >= shape->ring ? w->newest + 1 - shape->ring : 0;
}

void window_encode(const struct window *w, const struct window_shape *shape, struct buf *out)
{
    uint64_t used = 0;
    ASSERT(shape->slots < shape->ring);
    buf_add_varint(out, w->newest);
    buf_add_varint(out, w->began);
    buf_add_varint(out, w->next_past);
    for (uint64_t s = oldest(w, shape); s <= w->newest; s++) {
        used += has_something(&w->slots[s % shape->ring]);
    }
    buf_add_varint(out, used);
    for (uint64_t s = oldest(w, shape); s <= w->newest; s++) {
        if (has_something(&w->slots[s % shape->ring])) {
            put_slot(w, shape, s, out);
        }
    }
    if (shape->has_past) {
        put_past(w, out);
    }
    if (shape->has_season) {
        season_encode(w->season, out);
    }
    if (shape->has_buckets) {
        put_buckets(w, shape, out);
    }
    if (shape->has_distinct) {
        put_distinct(w, shape, out);
    }
}

static void get_hist(struct cursor *c, struct hist *to)
{
    struct str rest = {(const char *)c->p, cursor_left(c)}, hist;
    struct hist_head head;
    ASSERT(c->p <= c->end);
    if (c->failed || hist_cut(&rest, &hist, &head) != ERR_OK || !hist_fits(hist)) {
        c->failed = true;
        return;
    }
    hist_add_encoded(to, hist);
    c->p = (const uint8_t *)rest.p;
}

// Slots are nearer to the newest each time.
static void get_slot(struct cursor *c, struct window *w, const struct window_shape *shape,
                     uint64_t *below)
{
    uint64_t distance = cursor_below(c, *below);
    ASSERT(shape->slots < shape->ring);
    if (c->failed || distance > w->newest) {
        c->failed = true;
        return;
    }
    *below = distance;
    size_t at = (w->newest - distance) % shape->ring;
    w->slots[at].count = (uint32_t)cursor_below(c, (uint64_t)UINT32_MAX + 1);
    w->slots[at].errors = (uint32_t)cursor_below(c, (uint64_t)UINT32_MAX + 1);
    w->slots[at].sum = get_double(c);
    if (shape->has_extremes) {
        w->extremes[at].min = get_double(c);
        w->extremes[at].max = get_double(c);
    }
    if (shape->has_hist) {
        get_hist(c, &w->hists[at]);
    }
}

static void get_past(struct cursor *c, struct window *w)
{
    ASSERT(w->slots != NULL);
    w->past_count = cursor_below(c, WINDOW_PAST + 1);
    for (uint64_t i = 0; i < w->past_count; i++) {
        w->past[i].count = get_double(c);
        w->past[i].errors = get_double(c);
        w->past[i].sum = get_double(c);
        w->past[i].value = get_double(c);
    }
}

static void get_season(struct cursor *c, struct window *w)
{
    struct str rest = {(const char *)c->p, cursor_left(c)};
    struct season *s = NULL;
    ASSERT(c->p <= c->end);
    if (c->failed || season_decode(&rest, &s) != ERR_OK) {
        c->failed = true;
        return;
    }
    season_free(w->season);
    w->season = s;
    c->p = (const uint8_t *)rest.p;
}

// Bounds first, so that parts find theirs.
static void get_buckets(struct cursor *c, struct window *w, const struct window_shape *shape)
{
    uint64_t bounds = cursor_below(c, WINDOW_BOUNDS_MAX + 1);
    struct window_bound *b = mem_new(bounds + 1, sizeof *b);
    ASSERT(shape->has_buckets);
    for (uint64_t i = 0; i < bounds && !c->failed; i++) {
        b[i].lower = get_double(c);
        b[i].upper = get_double(c);
        b[i].slot = cursor_below(c, w->newest + 1);
        c->failed = c->failed || isnan(b[i].upper);
        const struct window_bucket told = {b[i].lower, b[i].upper, 0};
        if (!c->failed) {
            window_add_bucket(w, shape, b[i].slot, &told);
        }
    }
    uint64_t used = cursor_below(c, (uint64_t)shape->ring + 1);
    for (uint64_t i = 0; i < used && !c->failed; i++) {
        uint64_t slot = cursor_below(c, shape->ring), parts = cursor_below(c, bounds + 1);
        for (uint64_t k = 0; k < parts && !c->failed; k++) {
            uint64_t at = cursor_below(c, bounds);
            double n = get_double(c);
            if (!c->failed) {
                const struct window_bucket grew = {b[at].lower, b[at].upper, n};
                window_add_bucket(w, shape, slot, &grew);
            }
        }
    }
    mem_free(b);
}

static void get_distinct(struct cursor *c, struct window *w, const struct window_shape *shape)
{
    uint64_t n = cursor_below(c, DISTINCT_MAX + 1);
    size_t words = window_words(shape);
    ASSERT(shape->slots < shape->ring);
    for (uint64_t i = 0; i < n && !c->failed; i++) {
        const uint8_t *hash = cursor_bytes(c, sizeof(uint64_t));
        uint64_t slot = cursor_varint(c), h;
        if (hash == NULL || slot > w->newest) {
            c->failed = true;
            return;
        }
        memcpy(&h, hash, sizeof h);
        const uint8_t *seen = cursor_bytes(c, words * sizeof(uint64_t));
        uint64_t *bits = seen != NULL ? window_add_distinct(w, shape, h, slot) : NULL;
        if (bits != NULL) {
            memcpy(bits, seen, words * sizeof(uint64_t));
        }
    }
}

enum err window_decode(struct str *bytes, const struct window_shape *shape,
                       struct window **ret_window)
{
    struct cursor c = cursor_of(*bytes);
    uint64_t newest = cursor_varint(&c), began = cursor_varint(&c), next = cursor_varint(&c);
    uint64_t used = cursor_below(&c, (uint64_t)shape->ring + 1);
    ASSERT(shape->slots < shape->ring);
    // Slots are of times that fit nanoseconds.
    if (c.failed || newest > UINT64_MAX / NS_PER_MS / shape->slot_ms || began > newest) {
        return ERR_CORRUPT;
    }
    struct window *w = window_new(shape, newest * shape->slot_ms);
    w->began = began;
    w->next_past = shape->has_past ? next : w->next_past;
    uint64_t below = shape->ring;
    for (uint64_t i = 0; i < used && !c.failed; i++) {
        get_slot(&c, w, shape, &below);
    }
    if (shape->has_past) {
        get_past(&c, w);
    }
    if (shape->has_season) {
        get_season(&c, w);
    }
    if (shape->has_buckets) {
        get_buckets(&c, w, shape);
    }
    if (alert_foresees(shape->strategy->op)) {
        window_foresee(w, shape);
    }
    if (shape->has_distinct) {
        get_distinct(&c, w, shape);
    }
    uint64_t now = newest / shape->slots; // one that is over waits for late records
    bool is_next = next <= now + 2 && next + shape->ring / shape->slots + 1 >= now;
    if (c.failed || (shape->has_past && !is_next)) {
        window_free(w, shape);
        return ERR_CORRUPT;
    }
    bytes->n = cursor_left(&c);
    bytes->p = (const char *)c.p;
    *ret_window = w;
    return ERR_OK;
}
