// SPDX-License-Identifier: Apache-2.0
// Purpose: batches of random spans and points for round-trip tests, the same for the same seed, and
// their comparison by what they say instead of by their codes.
#ifndef SONDE_TESTS_RANDOM_BATCH_H
#define SONDE_TESTS_RANDOM_BATCH_H

#include "model/batch.h"

struct random {
    uint64_t state; // not 0
};

uint64_t random_u64(struct random *r);
// In [0, below).
size_t random_below(struct random *r, size_t below);

// An open batch of line "shop" with every kind of attribute, events, links and extreme numbers.
struct batch *random_batch(struct random *r, size_t span_count);

// Adds points of every kind, with metrics of their own.
void random_points(struct random *r, struct batch *b, size_t point_count);

// Whether two points say the same, their metrics, resources and scopes included.
bool points_equal(const struct batch *a, size_t i, const struct batch *b, size_t j);

// Whether two spans say the same, their resources and scopes included.
bool spans_equal(const struct batch *a, size_t i, const struct batch *b, size_t j);

#endif
