// SPDX-License-Identifier: Apache-2.0
// Purpose: what a metric point adds to a window: its value, or where it counts since a start, how
// much it grew since the point before of the same series.
//
//   gauge, sum that may fall           one value
//   sum that only grows                one value: how much it grew (delta: as sent)
//   histogram, summary, exponential    as many values as it grew by, whose sum grew by so much; a
//                                      rate is of these, quantiles and extremes there are none
// A series' first cumulative point says nothing, unless it began POINT_YOUNG_MS ago at most. One
// that fell began again from 0.
//
// Remembers GROWTH_SERIES_MAX series; the table is emptied when it is full, which costs each series
// one step of growth. Not thread-safe.
#ifndef SONDE_ALERT_GROWTH_H
#define SONDE_ALERT_GROWTH_H

#include "alert/rule.h"
#include "alert/window.h"
#include "model/batch.h"

#define GROWTH_SERIES_MAX ((size_t)1 << 16)

struct growth_series {
    uint64_t hash, time_ns; // hash 0: free
    double count, sum;
    double count_step, sum_step; // of the point at time_ns, for further strategies
    bool has_step;
};
struct growth {
    struct growth_series *slots;
    size_t size, count;
    uint64_t emptied;
};

void growth_done(struct growth *g);

enum growth_verdict { GROWTH_TAKEN, GROWTH_NOTHING, GROWTH_UNFIT };
// Sets all of a record but its time and what is distinct. GROWTH_NOTHING: there is nothing to be
// added yet.
enum growth_verdict growth_of(struct growth *g, const struct batch *b, uint32_t point,
                              enum alert_measure measure, struct window_record *ret_record);

#endif
