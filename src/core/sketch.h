// SPDX-License-Identifier: Apache-2.0
// Purpose: a latency sketch: counts in buckets whose bounds grow by 2% (relative error of any
// quantile at most 1%), mergeable by addition. Source: DDSketch (Masson, Rim, Lee, VLDB 2019), with
// a fixed range of 1 ns to 2^63 ns instead of collapsing buckets. Not thread-safe.
#ifndef SONDE_CORE_SKETCH_H
#define SONDE_CORE_SKETCH_H

#include <stdint.h>

#define SKETCH_BUCKETS 2208

struct sketch {
    uint64_t count;
    uint32_t buckets[SKETCH_BUCKETS];
};

void sketch_add(struct sketch *s, uint64_t value_ns);
void sketch_merge(struct sketch *into, const struct sketch *from);

// The value below or at which the share q (0 to 1) of the values lie; 0 when the sketch is empty.
uint64_t sketch_quantile(const struct sketch *s, double q);

#endif
