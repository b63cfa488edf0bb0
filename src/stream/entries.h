// SPDX-License-Identifier: Apache-2.0
// Purpose: what one chain adds to the tree of its entry: for each path (stream/paths.h) how often
// it was called, how often that failed, and how much time was spent there and nowhere below. A
// function of the set of spans alone.
//
// Where a span lies. A span where a service is called (stream/edges.h) lies at its own node, below
// the span that calls; a client without a callee, and a producer, lie at what they call; any other
// span lies where its parent does. A consumer lies below the queue of its producer. What hangs
// below a root that is not there lies nowhere, and is counted: of which entry it is is not known.
//
// Calls of a path are the spans that lie at their own node, or at what they call. Its own time is
// what of its spans' durations none of their children covers; where children run at the same time,
// or reach beyond their parent, what they cover of it counts once.
//
// All that a chain adds begins in one slot: that of its first root. So calls of a path and calls of
// its entry are of the same chains, in any range.
#ifndef SONDE_STREAM_ENTRIES_H
#define SONDE_STREAM_ENTRIES_H

#include "stream/edges.h"
#include "stream/paths.h"

struct entry_sum {
    uint32_t path;
    uint32_t calls, errors;
    uint64_t self_ns;
};

struct entry_span {
    uint64_t start_ns, end_ns;
    uint64_t self_ns, covered_ns; // until when its children cover it
    uint32_t at;                  // path where it is called, or that its parent lies at
    uint32_t path;                // where it lies
};

// Room that is used again for the next chain.
struct entries_room {
    struct entry_span *spans;
    uint32_t *order; // of starts
    size_t capacity;
    struct entry_sum *sums;
    size_t sum_count, sum_capacity;
    uint32_t *places; // by path: place in `sums` + 1
    size_t place_count;
    uint64_t rootless_spans;
};
void entries_room_done(struct entries_room *room);
size_t entries_room_bytes(const struct entries_room *room);

// The sums of a chain, whose edges were just told with `edges` (edges_of()). They live until the
// next call. *ret_start_ns is when the first root began; 0 sums where there is no root.
const struct entry_sum *entries_of(struct entries_room *room, const struct edges_room *edges,
                                   struct paths *paths, const struct chain_span *spans,
                                   uint32_t count, size_t *ret_sums, uint64_t *ret_start_ns);

#endif
