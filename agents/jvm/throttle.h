// SPDX-License-Identifier: Apache-2.0
// Purpose: letting the same thing be said only now and then, and counting how often it was not.
// Things are told apart by a hash; THROTTLE_KINDS_MAX of them are remembered, each until its time
// is over. Pure: the caller locks, and tells the time.
#ifndef SONDE_JVM_THROTTLE_H
#define SONDE_JVM_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_KINDS_MAX 64

struct throttle {
    struct {
        uint64_t hash, until_ns;
        unsigned left_out;
    } kinds[THROTTLE_KINDS_MAX]; // a place whose time is over is free
    unsigned left_out;           // of kinds that found no place
};

// Whether this kind is due now. If so, it is not again for quiet_ns, and *ret_left_out is how many
// were not due before: of it, of the kind that had its place, and of those that found none.
bool throttle_is_due(struct throttle *t, uint64_t hash, uint64_t now_ns, uint64_t quiet_ns,
                     unsigned *ret_left_out);

#endif
