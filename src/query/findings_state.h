// SPDX-License-Identifier: Apache-2.0
// Purpose: what the parts of the search for findings share: candidates, and how they are ordered.
#ifndef SONDE_QUERY_FINDINGS_STATE_H
#define SONDE_QUERY_FINDINGS_STATE_H

#include "core/hist.h"
#include "query/findings.h"

#define REPEATED_CALLS 5
#define FAN_OUT_CALLS  50
#define DEAD_CALLS     10
#define SERIAL_SHARE   0.2
#define SERIAL_MIN_NS  ((uint64_t)5000000)

// A finding in the making.
struct candidate {
    struct finding finding;
    uint64_t path, caller_path; // IDs
    size_t entry;               // index of the entry's first path; SIZE_MAX: of none
    // Of traces that were looked at: how many have the caller, and of those that show it the sums
    // that its value is made of.
    size_t looked_at, shown;
    double proof, of_proof;
};

struct findings_run {
    const struct findings_query *query;
    struct findings *out;
    struct candidate *items;
    size_t count, capacity;
    struct hist_total *scratch;
    bool is_short;                 // of memory
    size_t traces_left, deep_left; // that may be looked at, and such searches
};

// The next candidate, all of it zero; NULL, and run->is_short, where memory is short.
struct candidate *findings_next(struct findings_run *run);

// The ID of a path, as samples have it (query/sample.h).
uint64_t findings_path_id(struct str text);

// For qsort() of findings, and of candidates, which begin with one: what takes most time first.
int findings_by_time(const void *a, const void *b);

// Adds candidates: endpoints that nobody calls.
MUST_CHECK enum err findings_dead(struct findings_run *run);

// Looks for traces that show candidates, and in them for what only traces say.
MUST_CHECK enum err findings_examples(struct findings_run *run);

#endif
