// SPDX-License-Identifier: Apache-2.0
// Purpose: what becomes of traces: which stay, which are going, and which are gone, by the hash of
// their IDs (model/keep.h, where the states and their transitions stand).
//
// Bounded: of `max` traces the last ones are remembered, in the order in which they were judged, or
// went. No memory is taken before the first. Any thread; one mutex, held for moments.
#ifndef SONDE_STORE_FATES_H
#define SONDE_STORE_FATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/budget.h"
#include "model/keep.h"

enum fate {
    FATE_NONE, // not known
    FATE_KEPT,
    FATE_GOING,
    FATE_OPEN, // it was going, and its chain is open again
    FATE_GONE,
    FATE_PARTIAL
};

struct fates;

// `max` is rounded down to a power of two.
struct fates *fates_new(struct budget *budget, size_t max);
void fates_free(struct fates *f);

// A verdict. What is gone comes back by KEEP_ERROR and KEEP_SLOW alone, as partial.
void fates_judge(struct fates *f, uint64_t hash, enum keep_why why);

// A span came after the verdict: there will be another.
void fates_reopen(struct fates *f, uint64_t hash);

// A sift has come to the trace: what is going is gone, what is not known, or open, is kept. The
// fate then.
enum fate fates_sift(struct fates *f, uint64_t hash);

// At start: a trace that a sift had left out, or what came back of it.
void fates_restore(struct fates *f, uint64_t hash, bool is_partial);

enum fate fates_of(struct fates *f, uint64_t hash);

// Whether any trace is gone, or was: else nobody needs to ask. No lock.
bool fates_any_gone(const struct fates *f);

struct fates_stats {
    uint64_t known;     // traces whose fate is remembered
    uint64_t forgotten; // verdicts that no sift had carried out yet, for lack of room
    uint64_t returned;  // traces that were gone and are partial now
};
void fates_stats(struct fates *f, struct fates_stats *ret_stats);

#endif
