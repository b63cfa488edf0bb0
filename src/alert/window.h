// SPDX-License-Identifier: Apache-2.0
// Purpose: what a group of a strategy has counted lately: a ring of slots by event time, over any
// stretch of which a measure can be taken.
//
// Slots are 1/60 of the window, a second at least. The ring holds two windows (what was before is
// compared with) and WINDOW_LATE_MS. A record that is older than the ring is late: it is not taken,
// and whoever asked counts it. The ring moves on with the newest record or by window_advance().
//
// A slot has a count, how many failed, a sum, least and greatest; for quantiles a histogram
// (core/hist.h) whose values are nanoseconds, or millionths where they are no durations. Distinct
// values are kept once for the window, each with the last slot that had it: exact up to
// DISTINCT_MAX, and no more are kept.
//
// Windows that closed are also added up in a ring of WINDOW_PAST: what above_average and
// below_average compare with.
//
// As bytes (window_encode), varints: the newest slot, what it was closed up to, number of slots
// that have something, then for each its distance to the newest and its numbers; closed windows; distinct
// hashes with their slots. The hashes are made with the key that is given, so that bytes of one
// process serve another.
//
// Not thread-safe.
#ifndef SONDE_ALERT_WINDOW_H
#define SONDE_ALERT_WINDOW_H

#include "alert/rule.h"
#include "core/buf.h"
#include "core/hist.h"

#define WINDOW_SLOTS    60
#define WINDOW_LATE_MS  ((uint64_t)30000)
#define WINDOW_PAST     60
#define AVERAGE_MIN     5 // windows that closed
#define DISTINCT_MAX    ((size_t)4096)
#define WINDOW_MILLION  1e6 // of values that are no durations, in a histogram

struct window;

// What a strategy asks of its windows.
struct window_shape {
    uint64_t slot_ms;
    uint32_t slots; // of a window
    uint32_t ring;  // of all
    bool has_hist, has_distinct, has_past;
    bool is_ns; // the values are nanoseconds
};
struct window_shape window_shape_of(const struct alert_strategy *s);

struct window *window_new(const struct window_shape *shape, uint64_t now_ms);
void window_free(struct window *w, const struct window_shape *shape);
size_t window_bytes(const struct window *w, const struct window_shape *shape);

// What one record adds, or what many add together.
struct window_record {
    uint64_t time_ms; // of the event
    uint64_t count, errors;
    double sum, min, max;
    double value;      // for the histogram
    uint64_t distinct; // hash of the value
};
// False where it is late.
MUST_CHECK bool window_add(struct window *w, const struct window_shape *shape,
                           const struct window_record *r);

// Moves on to the slot of this time: older ones are forgotten, windows that are over are closed.
void window_advance(struct window *w, const struct window_shape *shape, uint64_t time_ms);

// Totals of the window that ends with the slot of end_ms, that slot included.
struct window_value {
    uint64_t count;
    double value;     // of the measure; NAN where there is none
    double reference; // what it is compared with: the threshold, or made from it; NAN: nothing yet
    bool holds;
};
struct window_value window_judge(const struct window *w, const struct window_shape *shape,
                                 const struct alert_strategy *s, uint64_t end_ms);

// The newest slot's time, and the time of the last record.
uint64_t window_newest_ms(const struct window *w, const struct window_shape *shape);

void window_encode(const struct window *w, const struct window_shape *shape, struct buf *out);
// ERR_CORRUPT for bytes that are none.
MUST_CHECK enum err window_decode(struct str *bytes, const struct window_shape *shape,
                                  struct window **ret_window);

#endif
