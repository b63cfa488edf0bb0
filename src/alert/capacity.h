// SPDX-License-Identifier: Apache-2.0
// Purpose: what one instance of a service was seen to carry in a minute, for rules that warn before
// there is more to carry: the most calls that any instance had within one minute of the last
// CAPACITY_RANGE_MS, as the capacity of an entry is reckoned (query/entries.h). What an instance
// could carry nobody knows: a load test shows more, and then more is what was seen.
//
// The last CAPACITY_APART_MS do not count: what comes now must not be held against itself.
//
// Life. A service is known from when it is asked for first; a thread measures it then, and anew
// each CAPACITY_EVERY_MS, one service after the other, beside everything else. One that nobody
// asked for in CAPACITY_FORGET_MS is forgotten. A measurement that fails (no memory, a disk) leaves
// what was known, and comes again. CAPACITY_SERVICES_MAX services are known; of others nothing is,
// which is logged.
//
// Threads: capacity_of() from any; it never waits for a measurement.
#ifndef SONDE_ALERT_CAPACITY_H
#define SONDE_ALERT_CAPACITY_H

#include "core/str.h"
#include "ledger/budget.h"
#include "series/series.h"

#define CAPACITY_RANGE_MS     ((uint64_t)7 * 24 * 3600 * 1000)
#define CAPACITY_APART_MS     ((uint64_t)5 * 60 * 1000)
#define CAPACITY_EVERY_MS     ((uint64_t)5 * 60 * 1000)
#define CAPACITY_FORGET_MS    ((uint64_t)3600 * 1000)
#define CAPACITY_SERVICES_MAX ((size_t)1000)

struct capacity;
struct capacity *capacity_new(struct series_store *series, struct budget *budget);
void capacity_free(struct capacity *c); // breaks a measurement off; NULL is fine

// Calls; NAN: not known, or not yet.
double capacity_of(struct capacity *c, struct str line, struct str service);

#endif
