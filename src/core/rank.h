// SPDX-License-Identifier: Apache-2.0
// Purpose: which of many values a quantile is, the same wherever one is told: the nearest rank. Of
// n values it is the ceil(q n)-th: at least the share q of them are no larger.
#ifndef SONDE_CORE_RANK_H
#define SONDE_CORE_RANK_H

#include <math.h>
#include <stdint.h>

// From 0, of `count` values in order; 0 where there are none. q from 0 to 1.
static inline uint64_t quantile_rank(double q, uint64_t count)
{
    double rank = ceil(q * (double)count - 1e-9); // 0.07 * 100 is a little more than 7
    uint64_t n = rank > 1 ? (uint64_t)rank - 1 : 0;
    return count > 0 && n >= count ? count - 1 : n;
}

#endif
