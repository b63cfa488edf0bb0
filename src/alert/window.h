// SPDX-License-Identifier: Apache-2.0
// Purpose: what a group of a strategy has counted lately: a ring of slots by event time, over any
// stretch of which a measure can be taken.
//
// Slots are 1/60 of the window, a second at least, and numbered by the time since 1970. The ring
// holds the window and WINDOW_LATE_MS, and the window before where that is compared with. A record
// that is older than the ring is late: it is not taken, and whoever asked counts it. The ring moves
// on with the newest record, or by window_advance().
//
// A slot has a count, how many failed and a sum; where they are asked for, least and greatest, and
// a histogram (core/hist.h) whose values are nanoseconds, or millionths of what is no duration.
// Of a metric with buckets it has, for quantiles, how much each bucket grew, by bounds as they were
// told: what is reckoned from them is what a query says of the same points (model/buckets.h), as
// far as growth counts here at the time of the later of two points, and is spread there. The
// bounds of a window are WINDOW_BOUNDS_MAX at most.
//
// Distinct values are kept once, each with the slots of the ring that had it: exact up to
// DISTINCT_MAX, and no more are kept.
//
// Windows side by side (numbered by the time as well) are added up once they are over and
// WINDOW_LATE_MS have passed: the last WINDOW_PAST are what above_average and below_average compare
// with. A window that began before `began_ms` is not whole: less is not told of it, and nothing is
// compared with it. They also are what a season (season.h) learns from, and a trend (trend.h) is
// taken of: each has the value of the measure, NAN where it is not whole.
//
// As bytes (window_encode): varints but for numbers of 8 bytes: the newest slot, the slot it began
// at, the next window to be added up; the number of slots with something, and for each its distance
// to the newest, the oldest first, and its numbers; the windows that are over; the season, as its
// bytes; the bounds of buckets, each with the last slot that was told of it, and for each slot with
// growth which grew by how much; distinct hashes with the last of their slots and a bit for each of
// the ring back from there. The hashes are stable (core/str.h), so that bytes of one process serve
// another.
//
// Not thread-safe.
#ifndef SONDE_ALERT_WINDOW_H
#define SONDE_ALERT_WINDOW_H

#include "alert/rule.h"
#include "alert/season.h"
#include "alert/trend.h"
#include "core/buf.h"
#include "core/hist.h"

#define WINDOW_SLOTS      60
#define WINDOW_LATE_MS    ((uint64_t)30000)
#define WINDOW_PAST       TREND_MAX
#define AVERAGE_MIN       5 // windows that closed
#define DISTINCT_MAX      ((size_t)4096)
#define WINDOW_BOUNDS_MAX ((size_t)2048)
#define WINDOW_MILLION    1e6 // of values that are no durations, in a histogram

struct window;

// What a strategy asks of its windows. The strategy must live as long as the shape is used.
struct window_shape {
    const struct alert_strategy *strategy;
    uint64_t slot_ms;
    uint32_t slots; // of a window
    uint32_t ring;  // of all
    bool has_extremes, has_hist, has_buckets, has_distinct, has_past, has_season;
};
struct window_shape window_shape_of(const struct alert_strategy *s);

// A window that began with the slot of now_ms.
struct window *window_new(const struct window_shape *shape, uint64_t now_ms);
void window_free(struct window *w, const struct window_shape *shape); // NULL is fine
size_t window_bytes(const struct window *w, const struct window_shape *shape);

// How much a bucket grew: what lies in (lower, upper], or, lower being NAN, at or below upper.
struct window_bucket {
    double lower, upper, n;
};

// What one instance was seen to carry in a minute, for the measure capacity; NAN: not known. Until
// it is set again.
void window_set_carried(struct window *w, double carried);

// What one record adds, or what many add together.
struct window_record {
    uint64_t time_ms; // of the event
    uint64_t count, errors;
    double sum, min, max;
    uint64_t hist;                       // the value, for the histogram
    uint64_t distinct;                   // stable hash of the value
    const struct window_bucket *buckets; // where it has some, `hist` counts for nothing
    size_t bucket_count;
};
// A value as `hist` has it.
uint64_t window_hist(double v, bool is_ns);
// Whether its buckets fit. Where they do not it is not to be added.
MUST_CHECK bool window_has_room(struct window *w, const struct window_shape *shape,
                                const struct window_record *r);
// False where it is late.
MUST_CHECK bool window_add(struct window *w, const struct window_shape *shape,
                           const struct window_record *r);

// Moves on to the slot of this time; back never.
void window_advance(struct window *w, const struct window_shape *shape, uint64_t time_ms);

// Nothing was taken in from the last record until now (the server was not there): windows from
// before are no longer whole.
void window_resume(struct window *w, const struct window_shape *shape, uint64_t now_ms);

// Moves all that it has by so much, in whole slots: a clock was set, not time passed.
void window_shift(struct window *w, const struct window_shape *shape, int64_t by_ms);

uint64_t window_newest_ms(const struct window *w, const struct window_shape *shape);

// What the window says that ends with the slot of end_ms, that slot included.
struct window_verdict {
    uint64_t count;
    double value; // of the measure; NAN where there is none
    double limit; // what it is compared with; NAN: there is nothing yet
    bool holds;
    bool is_whole; // it has all that there was in its time
};
struct hist_total;
struct window_verdict window_judge(const struct window *w, const struct window_shape *shape,
                                   const struct alert_strategy *s, uint64_t end_ms,
                                   struct hist_total *scratch);

void window_encode(const struct window *w, const struct window_shape *shape, struct buf *out);
// Cuts a window off the head of `bytes`. ERR_CORRUPT for bytes that are none of this shape.
MUST_CHECK enum err window_decode(struct str *bytes, const struct window_shape *shape,
                                  struct window **ret_window);

#endif
