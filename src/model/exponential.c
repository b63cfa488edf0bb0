// SPDX-License-Identifier: Apache-2.0
// Purpose: buckets of exponential histograms.
#include "model/exponential.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/must.h"

#define TEXT_ALL  "all"
#define TEXT_ZERO "zero"

// base ^ index.
static double power(const struct exponential_shape *shape, int64_t index)
{
    ASSERT(shape->scale >= EXPONENTIAL_SCALE_LEAST && shape->scale <= EXPONENTIAL_SCALE_MOST);
    return exp2(ldexp((double)index, -shape->scale));
}

void exponential_bounds(const struct exponential_shape *shape, struct exponential_bucket bucket,
                        double *ret_lower, double *ret_upper)
{
    ASSERT(bucket.range != EXPONENTIAL_ALL);
    if (bucket.range == EXPONENTIAL_ZERO) {
        *ret_lower = 0;
        *ret_upper = shape->zero_threshold;
        return;
    }
    double near = power(shape, bucket.index), far = power(shape, bucket.index + 1);
    bool positive = bucket.range == EXPONENTIAL_POSITIVE;
    *ret_lower = positive ? near : -far;
    *ret_upper = positive ? far : -near;
}

struct exponential_bucket exponential_coarser(struct exponential_bucket bucket, int from, int to)
{
    ASSERT(from >= to && from - to <= EXPONENTIAL_SCALE_MOST - EXPONENTIAL_SCALE_LEAST);
    int64_t merged = (int64_t)1 << (from - to), rest = bucket.index % merged;
    bucket.index = bucket.index / merged - (rest < 0 ? 1 : 0);
    return bucket;
}

struct str exponential_text(struct exponential_bucket bucket, char room[EXPONENTIAL_TEXT_MAX])
{
    if (bucket.range == EXPONENTIAL_ALL) {
        return STR(TEXT_ALL);
    }
    if (bucket.range == EXPONENTIAL_ZERO) {
        return STR(TEXT_ZERO);
    }
    int n = snprintf(room, EXPONENTIAL_TEXT_MAX, "%s%" PRId64,
                     bucket.range == EXPONENTIAL_NEGATIVE ? "n" : "", bucket.index);
    ASSERT(n > 0 && n < EXPONENTIAL_TEXT_MAX);
    return (struct str){room, (size_t)n};
}

bool exponential_parse(struct str text, struct exponential_bucket *ret_bucket)
{
    char copy[EXPONENTIAL_TEXT_MAX] = {0}, again[EXPONENTIAL_TEXT_MAX];
    struct exponential_bucket b = {EXPONENTIAL_POSITIVE, 0};
    if (text.n == 0 || text.n >= sizeof copy) {
        return false;
    }
    ASSERT(text.p != NULL);
    memcpy(copy, text.p, text.n);
    if (str_eq(text, STR(TEXT_ALL))) {
        b.range = EXPONENTIAL_ALL;
    } else if (str_eq(text, STR(TEXT_ZERO))) {
        b.range = EXPONENTIAL_ZERO;
    } else {
        b.range = copy[0] == 'n' ? EXPONENTIAL_NEGATIVE : EXPONENTIAL_POSITIVE;
        b.index = strtoll(copy + (copy[0] == 'n' ? 1 : 0), NULL, 10);
    }
    if (b.index > INT32_MAX + (int64_t)UINT16_MAX || b.index < INT32_MIN ||
        !str_eq(exponential_text(b, again), text)) { // as it is written, and no other way
        return false;
    }
    *ret_bucket = b;
    return true;
}
