// SPDX-License-Identifier: Apache-2.0
// Purpose: the time that retention goes by. A wall clock that leaps ahead (a fault of the time
// service, a machine that starts with a wrong date) must not expire a week of data in a second.
//
//   The believed time is never ahead of the wall clock. It follows the wall clock while that is
//   ahead of what the monotonic clock says by an hour at most. A greater lead is a leap: from then
//   on the believed time goes on with the monotonic clock, until the wall clock has kept its lead
//   for six hours of running; then it is believed. A wall clock that comes back is believed at
//   once.
//
// A stop looks like a leap, since nobody knows for how long the server was down: after a longer one
// data expires up to six hours of running late. Both numbers are kept in the catalogs, so
// that a restart neither believes a leap nor begins the six hours anew: a server that runs a few
// hours a day gets there as well.
#ifndef SONDE_CORE_RETAIN_CLOCK_H
#define SONDE_CORE_RETAIN_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"

#define RETAIN_LEAD_NS  (3600 * NS_PER_S)
#define RETAIN_BORNE_NS (6 * 3600 * NS_PER_S)

struct retain_clock {
    uint64_t believed_ns;
    uint64_t borne_ns; // for how long a leap has been borne out; 0 without one
    uint64_t mono_ns;  // at the last step
    bool leaping;
};

// With what the catalog had kept; believed_ns 0: nothing yet, the wall clock is all there is.
struct retain_clock retain_clock_from(uint64_t believed_ns, uint64_t borne_ns, uint64_t wall_ns,
                                      uint64_t mono_ns);

// Goes on to now, and returns the believed time.
uint64_t retain_clock_step(struct retain_clock *c, uint64_t wall_ns, uint64_t mono_ns);

#endif
