// SPDX-License-Identifier: Apache-2.0
// Purpose: what a metric point adds to a window: its value, or where it counts since a start, how
// much it grew since the point before of the same series.
//
//   gauge, sum that may fall           one value
//   sum that only grows                one value: how much it grew (delta: as sent)
//   histogram, summary, exponential    as many values as it grew by, whose sum grew by so much; a
//                                      rate is of these, extremes there are none
//   of the first and the last          for a quantile, how much each bucket grew
//   NAME_bucket of Prometheus          the same of the one bucket that its label `le` names; that
//                                      of +Inf counts the values
// A series' first cumulative point says nothing, unless it began POINT_YOUNG_MS ago at most. One
// that fell began again from 0.
//
// Buckets of cumulative points grow as query/points.h says: those with explicit bounds each by
// itself; those of exponential histograms from one point of the sender to the next, where a bucket
// that was not told of was empty, and what a coarser scale or a wider zero bucket took in is taken
// out of the bucket that took it.
//
// Remembers GROWTH_SERIES_MAX series, of which GROWTH_HISTOGRAMS_MAX with their buckets, and of
// these GROWTH_BUCKETS_MAX; each table is emptied when it is full, which costs each of its series
// one step of growth. Not thread-safe.
#ifndef SONDE_ALERT_GROWTH_H
#define SONDE_ALERT_GROWTH_H

#include "alert/rule.h"
#include "alert/window.h"
#include "model/batch.h"
#include "model/exponential.h"

#define GROWTH_SERIES_MAX     ((size_t)1 << 16)
#define GROWTH_HISTOGRAMS_MAX ((size_t)1 << 13)
#define GROWTH_BUCKETS_MAX    ((size_t)1 << 18) // of all, each of two points

struct growth_series {
    uint64_t hash, time_ns; // hash 0: free
    double count, sum;
    double count_step, sum_step; // of the point at time_ns, for further strategies
    bool has_step;
};

// A bucket as a point had it: of an exponential histogram, else by its bound.
struct growth_bucket {
    struct exponential_bucket bucket;
    double bound, n;
};
struct growth_point {
    uint64_t time_ns;
    double count;
    bool is_exponential;
    struct exponential_shape shape;
    struct growth_bucket *buckets; // ascending
    size_t bucket_count, capacity;
};
// A series' last point with buckets, and the one before.
struct growth_histogram {
    uint64_t hash; // 0: free
    bool has_before;
    struct growth_point before, now;
};

struct growth {
    struct growth_series *slots;
    size_t size, count;
    uint64_t emptied;
    struct growth_histogram *histograms; // open addressing
    size_t histogram_size, histogram_count, bucket_count;
    struct growth_point alone; // of deltas: nothing of it is kept
    struct window_bucket *grown;
    size_t grown_count, grown_capacity;
};
size_t growth_bytes(const struct growth *g);

void growth_done(struct growth *g);

enum growth_verdict { GROWTH_TAKEN, GROWTH_NOTHING, GROWTH_UNFIT };
// Sets all of a record but its time and what is distinct; its buckets live until the next call.
// GROWTH_NOTHING: there is nothing to be added yet.
enum growth_verdict growth_of(struct growth *g, const struct batch *b, uint32_t point,
                              enum alert_measure measure, struct window_record *ret_record);

// ---- growth_buckets.c ---------------------------------------------------------------------------

// Whether it is a point of Prometheus that tells of one bucket; its bound.
bool growth_le(const struct batch *b, const struct point *p, double *ret_bound);
// How much the buckets of a point of a histogram grew, into g->grown. `hash` is of its series.
enum growth_verdict growth_of_buckets(struct growth *g, const struct batch *b,
                                      const struct point *p, uint64_t hash);
void growth_buckets_done(struct growth *g);
size_t growth_buckets_bytes(const struct growth *g);
bool growth_is_young(const struct point *p);

#endif
