// SPDX-License-Identifier: Apache-2.0
// Purpose: so many a second at most: a bucket that holds one second's worth, as the time up to
// which it is used up. Without a lock; any thread. All zero is a full one.
#ifndef SONDE_JVM_RATE_H
#define SONDE_JVM_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
    atomic_ullong used_until_ns;
};

// Takes one; false when there is none. `per_second` may be less than one.
bool rate_take(struct rate *r, double per_second, uint64_t now_ns);

#endif
