// SPDX-License-Identifier: Apache-2.0
// Purpose: where a row of values is going.
#include "alert/trend.h"

#include <math.h>

#include "core/must.h"
#include "core/sort.h"

#define PAIRS_MAX (TREND_MAX * (TREND_MAX - 1) / 2)
#define SURE_Z    2.576 // 99 % of a normal distribution

static double median(double *values, size_t count)
{
    ASSERT(count > 0);
    sort_doubles(values, count);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

// The variance of the sum of signs, of a row that goes nowhere. `values` are put in order.
static double variance(double *values, size_t count)
{
    double n = (double)count, v = n * (n - 1) * (2 * n + 5);
    ASSERT(count > 0);
    sort_doubles(values, count);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && values[end] == values[i]; end++) {
        }
        double t = (double)(end - i);
        v -= t * (t - 1) * (2 * t + 5);
    }
    return v / 18;
}

struct trend trend_of(const double *values, size_t count)
{
    double slopes[PAIRS_MAX], rest[TREND_MAX], there[TREND_MAX], signs = 0;
    size_t pairs = 0, n = 0;
    ASSERT(count <= TREND_MAX);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count && isfinite(values[i]); k++) {
            if (isfinite(values[k])) {
                double step = values[k] - values[i];
                slopes[pairs++] = step / (double)(k - i);
                signs += (step > 0) - (step < 0);
            }
        }
        if (isfinite(values[i])) {
            there[n++] = values[i];
        }
    }
    if (n < TREND_MIN) {
        return (struct trend){0};
    }
    double slope = median(slopes, pairs);
    for (size_t i = 0, k = 0; i < count; i++) {
        if (isfinite(values[i])) {
            rest[k++] = values[i] + slope * (double)(count - 1 - i);
        }
    }
    double spread = sqrt(variance(there, n)), z = (fabs(signs) - 1) / spread;
    bool is_sure = spread > 0 && z > SURE_Z && slope * signs > 0;
    return (struct trend){slope, median(rest, n), is_sure};
}
