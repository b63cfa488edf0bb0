// SPDX-License-Identifier: Apache-2.0
// Purpose: quantiles of what is told by buckets: one reckoning for whoever asks, queries over time
// (query/points.h) and windows of alerts (alert/window.h) alike. Pure.
//
// Within a bucket values count as evenly spread; in the last one, which has no upper bound, they
// count as its lower bound. The lowest bucket begins at 0 where its bound is above that.
#ifndef SONDE_MODEL_BUCKETS_H
#define SONDE_MODEL_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>

// How much there is at a bound: what was told so, and what was told by bucket. Histograms of both
// kinds may be taken together.
struct bucket_mass {
    double bound;    // may be infinite, never NAN
    double below;    // at or below it; 0 where nothing was told so
    double within;   // between the bound before and this one; 0 where nothing was told so
    bool has_within; // something was
};

// Of masses by ascending bound, each once. `q` is from 0 to 1. NAN where there is nothing. What
// lies at or below a bound counts as no less than what lies at or below those before: the series of
// one histogram may end apart.
double buckets_quantile(const struct bucket_mass *masses, size_t count, double q);

#endif
