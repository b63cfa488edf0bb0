// SPDX-License-Identifier: Apache-2.0
// Purpose: what is wrong with how calls are made, found in the trees of all entries of a range
// (query/entries.h), each with the number that proves it and with traces that show it.
//
//     n_plus_one      a database or cache is asked one statement again and again: at least 5 calls
//                     for one of the caller, in half of the chains that have it, and as many with
//                     the same statement in a trace that is looked at; of 10 chains or more
//     repeated_calls  the same of a service or something else: at least 5 for one of the caller;
//                     of 10 chains or more
//     serial_calls    services or external ones are called one after the other which could be
//                     called at the same time (query/serial.h): for at least 5 ms, and a fifth of
//                     the entry's time, in half of the traces that are looked at and have the
//                     caller; of 10 chains or more
//     fan_out         1 in 100 chains calls it at least 50 times, and 5 times as often as half of
//                     them do; of 100 chains or more
//     rare_path       at most 1 in 100 chains of an entry goes there, though half of them or more
//                     come to the caller; of 1,000 chains or more
//     missing_path    at least 99 in 100 chains of an entry go there, but not all that come to the
//                     caller; of 1,000 chains or more
//     dead_endpoint   nobody calls it, where 10 calls or more were to be expected from the 7 days
//                     before the range
//
// Of one tree what is "(other)" is not looked at, and no chain goes from a database, or what else
// is no service, to itself: that is a client's span within another. Examples are looked for among
// the newest FINDINGS_LOOKED_AT traces of FINDINGS_ENTRIES entries, and then, for what few chains
// show, among FINDINGS_LOOKED_DEEP each, what takes most time first, by FINDINGS_SEARCHES searches;
// of FINDINGS_TRACES traces in all, and as long as the query has its turn (the control's
// `cut_short` says that it had not). n_plus_one and serial_calls need one, and have their number
// from them; others may come without.
//
// Errors are those of entries_run().
#ifndef SONDE_QUERY_FINDINGS_H
#define SONDE_QUERY_FINDINGS_H

#include "query/entries.h"
#include "query/serial.h"
#include "store/store.h"

#define FINDINGS_MAX         200 // of one answer, those that take most time first
#define FINDING_EXAMPLES     3
#define FINDINGS_LOOKED_AT   50 // traces of an entry
#define FINDINGS_LOOKED_DEEP 1000
#define FINDINGS_ENTRIES     20 // that traces are looked at of
#define FINDINGS_SEARCHES    20 // for single findings
#define FINDINGS_TRACES      ((size_t)5000)

enum finding_kind {
    FINDING_N_PLUS_ONE,
    FINDING_REPEATED,
    FINDING_SERIAL,
    FINDING_FAN_OUT,
    FINDING_RARE,
    FINDING_MISSING,
    FINDING_DEAD,
    FINDING_KIND_COUNT
};
const char *finding_name(enum finding_kind k); // "n_plus_one"; static

struct finding {
    enum finding_kind kind;
    struct node entry, caller, node; // of a dead endpoint `node` alone
    double value, limit;             // calls for one of the caller, calls in one chain, a share of
                                     // chains or of the entry's time, or calls that were expected
    int64_t chains;                  // of the entry that show it; of a dead endpoint 0
    int64_t self_ns;                 // that is spent there; of serial calls: that would be saved
    struct str statement;            // "" where there is none
    struct node serial[SERIAL_PATHS_MAX]; // that are called one after the other, in this order
    size_t serial_count;
    trace_id examples[FINDING_EXAMPLES];
    size_t example_count;
};

struct findings_query {
    struct series_store *series;
    const struct store_view *view;
    uint64_t from_ms, to_ms;
    struct query_control *control;
};

// The control lives until it is freed.
struct findings {
    struct finding *items; // what takes most time first
    size_t count;
    uint64_t from_ms, to_ms, damaged_parts;
    struct entries *entries; // whose texts the findings name
    struct arena arena;
    struct query_memory memory;
};

MUST_CHECK enum err findings_run(const struct findings_query *query, struct findings **ret);
void findings_free(struct findings *f);

#endif
