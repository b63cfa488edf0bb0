// SPDX-License-Identifier: Apache-2.0
// Purpose: what is usual at this time of the day.
#include "alert/season.h"

#include <math.h>
#include <string.h>

#include "codec/cursor.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"

#define DAY_MS   (SEASON_CELL_MS * SEASON_CELLS)
#define DAYS     (SEASON_DAYS + 1) // and today
#define DAYS_MAX (UINT64_MAX / DAY_MS)

struct cell {
    float low, high; // low > high: nothing
};

struct day {
    uint64_t number; // since 1970
    struct cell cells[SEASON_CELLS];
};

struct season {
    struct day *days[DAYS]; // by number; NULL: none yet
};

struct season *season_new(void)
{
    return mem_new(1, sizeof(struct season));
}

void season_free(struct season *s)
{
    for (size_t i = 0; s != NULL && i < DAYS; i++) {
        mem_free(s->days[i]);
    }
    mem_free(s);
}

size_t season_bytes(const struct season *s)
{
    size_t bytes = sizeof *s;
    ASSERT(s != NULL);
    for (size_t i = 0; i < DAYS; i++) {
        bytes += s->days[i] != NULL ? sizeof *s->days[i] : 0;
    }
    return bytes;
}

static bool is_nothing(const struct cell *c)
{
    return !(c->low <= c->high);
}

// The day of this number, emptied first where it was an older one's; NULL where a newer one has its
// place.
static struct day *day_for(struct season *s, uint64_t number)
{
    struct day **at = &s->days[number % DAYS];
    ASSERT(number <= DAYS_MAX);
    if (*at != NULL && (*at)->number >= number) {
        return (*at)->number == number ? *at : NULL;
    }
    *at = *at != NULL ? *at : mem_alloc(sizeof **at);
    (*at)->number = number;
    for (size_t i = 0; i < SEASON_CELLS; i++) {
        (*at)->cells[i] = (struct cell){1, 0};
    }
    return *at;
}

void season_note(struct season *s, uint64_t at_ms, double value)
{
    ASSERT(s != NULL);
    float v = (float)value;
    struct day *day = isfinite(v) ? day_for(s, at_ms / DAY_MS) : NULL;
    if (day == NULL) {
        return;
    }
    struct cell *c = &day->cells[at_ms % DAY_MS / SEASON_CELL_MS];
    *c = is_nothing(c) ? (struct cell){v, v} : (struct cell){fminf(c->low, v), fmaxf(c->high, v)};
}

// Of all cells from one moment to another.
static bool span_of(const struct season *s, uint64_t from_ms, uint64_t to_ms,
                    struct season_band *ret_band)
{
    struct season_band b = {INFINITY, -INFINITY};
    ASSERT(from_ms <= to_ms);
    for (uint64_t c = from_ms / SEASON_CELL_MS; c <= to_ms / SEASON_CELL_MS; c++) {
        uint64_t number = c / SEASON_CELLS;
        const struct day *day = s->days[number % DAYS];
        if (day != NULL && day->number == number && !is_nothing(&day->cells[c % SEASON_CELLS])) {
            b.low = fmin(b.low, (double)day->cells[c % SEASON_CELLS].low);
            b.high = fmax(b.high, (double)day->cells[c % SEASON_CELLS].high);
        }
    }
    if (b.low <= b.high) {
        *ret_band = b;
    }
    return b.low <= b.high;
}

bool season_band(const struct season *s, uint64_t at_ms, uint64_t jitter_ms,
                 struct season_band *ret_band)
{
    double low[SEASON_DAYS], high[SEASON_DAYS];
    struct season_band b = {0};
    size_t n = 0;
    bool has_week = false;
    ASSERT(jitter_ms < DAY_MS / 2);
    for (uint64_t d = 1; d <= SEASON_DAYS && at_ms >= d * DAY_MS + jitter_ms; d++) {
        uint64_t then = at_ms - d * DAY_MS;
        has_week = span_of(s, then - jitter_ms, then + jitter_ms, &b);
        if (has_week) {
            low[n] = b.low;
            high[n++] = b.high;
        }
        has_week = has_week && d == SEASON_DAYS;
    }
    if (n < SEASON_DAYS_MIN) {
        return false;
    }
    sort_doubles(low, n);
    sort_doubles(high, n);
    // Of two in the middle the wider.
    struct season_band m = {low[(n - 1) / 2], high[n / 2]};
    *ret_band = has_week ? (struct season_band){fmin(m.low, b.low), fmax(m.high, b.high)} : m;
    return true;
}

// ---- As bytes -----------------------------------------------------------------------------------

void season_encode(const struct season *s, struct buf *out)
{
    uint64_t days = 0;
    ASSERT(s != NULL);
    for (size_t i = 0; i < DAYS; i++) {
        days += s->days[i] != NULL;
    }
    buf_add_varint(out, days);
    for (size_t i = 0; i < DAYS; i++) {
        const struct day *day = s->days[i];
        uint64_t used = 0, last = 0;
        for (size_t k = 0; day != NULL && k < SEASON_CELLS; k++) {
            used += !is_nothing(&day->cells[k]);
        }
        if (day != NULL) {
            buf_add_varint(out, day->number);
            buf_add_varint(out, used);
        }
        for (size_t k = 0; day != NULL && k < SEASON_CELLS; k++) {
            if (!is_nothing(&day->cells[k])) {
                buf_add_varint(out, k - last);
                buf_add(out, &day->cells[k], sizeof day->cells[k]);
                last = k;
            }
        }
    }
}

static void get_day(struct cursor *c, struct season *s)
{
    uint64_t number = cursor_varint(c), used = cursor_below(c, SEASON_CELLS + 1);
    struct day *day = c->failed || number > DAYS_MAX ? NULL : day_for(s, number);
    uint64_t at = 0;
    ASSERT(s != NULL);
    c->failed = c->failed || day == NULL;
    for (uint64_t i = 0; i < used && !c->failed; i++) {
        at += cursor_below(c, SEASON_CELLS);
        const uint8_t *p = cursor_bytes(c, sizeof(struct cell));
        struct cell cell = {0};
        if (p == NULL || at >= SEASON_CELLS) {
            c->failed = true;
            return;
        }
        memcpy(&cell, p, sizeof cell);
        c->failed = is_nothing(&cell) || !isfinite(cell.low) || !isfinite(cell.high);
        day->cells[at] = cell;
    }
}

enum err season_decode(struct str *bytes, struct season **ret_season)
{
    struct cursor c = cursor_of(*bytes);
    uint64_t days = cursor_below(&c, DAYS + 1);
    struct season *s = season_new();
    ASSERT(ret_season != NULL);
    for (uint64_t i = 0; i < days && !c.failed; i++) {
        get_day(&c, s);
    }
    if (c.failed) {
        season_free(s);
        return ERR_CORRUPT;
    }
    *bytes = (struct str){(const char *)c.p, cursor_left(&c)};
    *ret_season = s;
    return ERR_OK;
}
