// SPDX-License-Identifier: Apache-2.0
// Purpose: buckets of exponential histograms: which there are, where they lie, and the labels by
// which they are kept (model/point.h). Pure. Source: opentelemetry/proto/metrics/v1/metrics.proto
// and Prometheus' native histograms, which are the same but for names.
//
// At a scale s the base is 2^(2^-s).
//     positive range   bucket i holds (base^i, base^(i+1)]
//     negative range   bucket i holds [-base^(i+1), -base^i)
//     zero bucket      what lies no further from 0 than the zero threshold
// A sender that runs out of buckets goes to a coarser scale: two buckets of a scale are one of the
// scale below, with half of the index. Or it widens the zero bucket. So what two points have in a
// bucket may be compared only where both have one shape.
#ifndef SONDE_MODEL_EXPONENTIAL_H
#define SONDE_MODEL_EXPONENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define EXPONENTIAL_SCALE_LEAST (-10)
#define EXPONENTIAL_SCALE_MOST  20

struct exponential_shape {
    int scale;             // EXPONENTIAL_SCALE_LEAST to EXPONENTIAL_SCALE_MOST
    double zero_threshold; // finite, 0 or more
};

enum exponential_range {
    EXPONENTIAL_ALL, // no bucket, but all of the point
    EXPONENTIAL_NEGATIVE,
    EXPONENTIAL_ZERO,
    EXPONENTIAL_POSITIVE,
};

struct exponential_bucket {
    enum exponential_range range;
    int64_t index; // 0 for all and the zero bucket
};

// Where a bucket (not all) lies: below *ret_lower none of it does, above *ret_upper neither. Either
// may be infinite where a double holds no more. The zero bucket counts as 0 and above.
void exponential_bounds(const struct exponential_shape *shape, struct exponential_bucket bucket,
                        double *ret_lower, double *ret_upper);

// The bucket that holds this one at a scale that is no finer than `from`.
struct exponential_bucket exponential_coarser(struct exponential_bucket bucket, int from, int to);

// The label's text: "all", "zero", "3" or "-2" in the positive range, "n3" or "n-2" in the
// negative. It lives as long as `room`.
#define EXPONENTIAL_TEXT_MAX 24
struct str exponential_text(struct exponential_bucket bucket, char room[EXPONENTIAL_TEXT_MAX]);

// Reads that text back; false for any other.
MUST_CHECK bool exponential_parse(struct str text, struct exponential_bucket *ret_bucket);

#endif
