// SPDX-License-Identifier: Apache-2.0
// Purpose: the pace of one entry: which of its chains are among its slowest, counted over the last
// ones. A histogram of 16 buckets an octave (4.4 %), whose counts are halved when there are
// PACE_CHAINS_MAX of them, so that it follows what changes; and the bucket above which the share of
// slow chains lies, moved along with every chain. One thread.
#ifndef SONDE_STREAM_PACE_H
#define SONDE_STREAM_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_BUCKETS    1024u
#define PACE_CHAINS_MAX 16384u
#define PACE_LEAST      100u // chains before it is known what is slow

// All zero is one without chains.
struct pace {
    uint32_t count, above; // above: in buckets behind `limit`
    uint32_t limit;
    uint16_t buckets[PACE_BUCKETS];
};

// Counts a chain of this duration.
void pace_add(struct pace *p, uint64_t duration_ns, uint32_t slow_ppm);

// Whether enough chains were counted to know what is slow.
bool pace_is_known(const struct pace *p);

// Whether a chain, most often one that was counted, is among the share `slow_ppm` of those counted
// that took the longest; none is where that is not known.
bool pace_is_slow(const struct pace *p, uint64_t duration_ns);

#endif
