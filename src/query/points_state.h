// SPDX-License-Identifier: Apache-2.0
// Purpose: metrics while they are read, as the files see it that read them; internal to points.
//
//   points.c           series by series: values, growth of counters, what the answer is made of
//   points_buckets.c   growth by bucket, and the quantiles that come from it
#ifndef SONDE_QUERY_POINTS_STATE_H
#define SONDE_QUERY_POINTS_STATE_H

#include "core/hash_index.h"
#include "query/exponential.h"
#include "query/points.h"

// What a step has so far.
struct points_cell {
    uint64_t samples, last_ms;
    double last, total, min, max, sum;
    double increase, hist_sum;
    bool grows; // its increase is known
};

// Growth by step of what lies at or below a bound, as it was sent, and of what lies between the
// bound before and this one. NULL where nothing was told so.
struct points_bucket {
    double bound;
    double *below, *within;
};

struct points_growing {
    struct str value;
    struct points_cell *cells;
    uint64_t series;
    struct points_bucket *buckets; // by bound
    size_t bucket_count, bucket_capacity;
};

// What of a series goes where.
enum points_aspect { ASPECT_NUMBERS, ASPECT_COUNT, ASPECT_SUM, ASPECT_ALL, ASPECT_BUCKET };

struct points_run {
    const struct points_query *q;
    struct points *out;
    size_t steps;
    struct points_growing *groups;
    uint64_t *group_hashes;
    size_t group_count, group_capacity, group_hash_capacity;
    struct hash_index group_index;
    enum points_aspect aspect;
    struct points_cell *one; // of a series
    struct exponential_sources sources;
};

// ---- points.c -----------------------------------------------------------------------------------

// Adds growth between two times to cells, spread over the steps that lie there.
void points_spread(const struct points_run *r, struct points_cell *cells, uint64_t after_ms,
                   uint64_t until_ms, double by);

// Adds the growth of a series of numbers to cells.
void points_add_growth(const struct points_run *r, const struct series_found *found,
                       struct points_cell *cells);

// ---- points_buckets.c ---------------------------------------------------------------------------

// Adds a series of a bucket with `le`.
MUST_CHECK enum err points_add_below(struct points_run *r, const struct series_found *found,
                                     struct points_growing *g);

// Adds a series of a bucket of an exponential histogram. What is none is counted as left out.
MUST_CHECK enum err points_add_exponential(struct points_run *r, const struct series_found *found,
                                           struct points_growing *g);

// Those of points_quantiles; NAN where nothing grew.
void points_take_quantiles(const struct points_growing *g, size_t step,
                           double ret_quantiles[POINTS_QUANTILES]);

void points_free_buckets(struct points_growing *g);

#endif
