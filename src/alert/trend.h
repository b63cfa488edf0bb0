// SPDX-License-Identifier: Apache-2.0
// Purpose: where a row of values is going.
//
// The slope is the median of the slopes between all pairs (Theil 1950, Sen 1968), so that single
// values that stand out do not turn it; the level is the median of what the slope leaves, at the
// last value. A trend is sure where the Mann-Kendall test, with ties corrected for (Kendall 1975),
// would find it in fewer than one in a hundred rows that go nowhere.
#ifndef SONDE_ALERT_TREND_H
#define SONDE_ALERT_TREND_H

#include <stdbool.h>
#include <stddef.h>

#define TREND_MIN 12 // values
#define TREND_MAX 60

struct trend {
    double slope; // a step
    double level; // at the last step
    bool is_sure;
};

// Of values at even steps, TREND_MAX at most; NAN is a step without one. Not sure with fewer than
// TREND_MIN of them.
struct trend trend_of(const double *values, size_t count);

#endif
