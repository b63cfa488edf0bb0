// SPDX-License-Identifier: Apache-2.0
// Purpose: what becomes of a delivery after an attempt: through, again and when, or given up.
//
//     attempt that failed    again after 1 s, 2 s, 4 s ... 5 min, and up to a quarter more by
//     chance,
//                            so that what failed together does not come together; later where the
//                            receiver says when (up to an hour)
//     too many (429)         the same; where the receiver does not say when, a minute later at
//     least refused                as many attempts as SCHEDULE_REFUSALS_MAX, then it is lost 24
//     hours after it was put   lost with the attempt that fails next
//
// Of a delivery of several steps (one SMS a number) each has its own attempts; one that is lost
// does not keep the others back, but the delivery counts as given up in the end. Pure; any thread.
#ifndef SONDE_NOTIFY_SCHEDULE_H
#define SONDE_NOTIFY_SCHEDULE_H

#include "notify/message.h"
#include "notify/outbox.h"

#define SCHEDULE_FIRST_MS     ((uint64_t)1000)
#define SCHEDULE_LONGEST_MS   ((uint64_t)5 * 60 * 1000)
#define SCHEDULE_SLOWER_MS    ((uint64_t)60 * 1000)
#define SCHEDULE_GIVE_UP_MS   ((uint64_t)24 * 3600 * 1000)
#define SCHEDULE_REFUSALS_MAX 3

struct attempt {
    enum verdict verdict;
    bool may_be_delivered;   // although the verdict is another
    uint64_t retry_after_ms; // 0: the receiver did not say
    uint64_t steps;          // of the delivery
    struct str error;
};

// `random` is any number.
void schedule_outcome(const struct outbox_delivery *d, const struct attempt *a, uint64_t now_ms,
                      uint64_t random, struct outbox_outcome *ret_outcome);

#endif
