// SPDX-License-Identifier: Apache-2.0
// Purpose: the latency sketch.
#include "core/sketch.h"

#include <math.h>

#include "core/must.h"
#include "core/rank.h"

// Bucket b holds values in (gamma^(b-1), gamma^b]; gamma = (1 + 1%) / (1 - 1%).
static const double log_gamma = 0.020000666706669543;

void sketch_add(struct sketch *s, uint64_t value_ns)
{
    double b = value_ns <= 1 ? 0 : ceil(log((double)value_ns) / log_gamma);
    unsigned at = b >= SKETCH_BUCKETS ? SKETCH_BUCKETS - 1 : (unsigned)b;
    ASSERT(at < SKETCH_BUCKETS);
    s->buckets[at]++;
    s->count++;
}

void sketch_merge(struct sketch *into, const struct sketch *from)
{
    ASSERT(into != from);
    for (unsigned i = 0; i < SKETCH_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
}

uint64_t sketch_quantile(const struct sketch *s, double q)
{
    ASSERT(q >= 0 && q <= 1);
    if (s->count == 0) {
        return 0;
    }
    uint64_t rank = quantile_rank(q, s->count), seen = 0;
    for (unsigned i = 0; i < SKETCH_BUCKETS; i++) {
        seen += s->buckets[i];
        if (seen > rank) {
            // The middle of the bucket in the sense of the relative error: 2 gamma^b / (gamma + 1).
            double gamma = exp(log_gamma);
            return i == 0 ? 1 : (uint64_t)(2 * exp(log_gamma * i) / (gamma + 1) + 0.5);
        }
    }
    return 0;
}
