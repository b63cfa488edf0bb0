// SPDX-License-Identifier: Apache-2.0
// Purpose: the chains that are open: spans by trace ID, each once, until nothing came for a while.
//
//     chains_open() --> open --chains_add()--> ... --chains_close()--> closed, and remembered
//
// Order. Open chains are listed by when their last span came, so that the one to close next is the
// head of the list. `first_seq` is the journal number of the first batch that a chain has a span
// of.
//
// Memory of the closed. A span of a trace that was closed before opens its chain again, and then
// what was told of it before must be known. The hashes of the last CHAINS_REMEMBERED closed traces
// are kept, in the order of closing. `horizon_ns` is when the newest of those that are forgotten
// closed (at the beginning: when the stream began): a chain with its root, all of whose spans began
// after it, and that is not remembered, is new for certain. One without its root is taken for new
// too: a trace that goes on for longer than that memory reaches back is told as two.
//
// Spans of one chain lie in blocks, in order of arrival. A chain of more than CHAIN_INDEXED spans
// has an index of their IDs, so that one of 100,000 costs no more a span. At most CHAIN_SPANS_MAX;
// what comes beyond is counted, and is no part of it.
//
// Not thread-safe.
#ifndef SONDE_STREAM_CHAINS_H
#define SONDE_STREAM_CHAINS_H

#include "core/hash_index.h"
#include "stream/spans.h"

#define CHAINS_REMEMBERED ((size_t)1 << 18)
#define CHAIN_BLOCK       8 // spans
#define CHAIN_INDEXED     64
#define CHAIN_SPANS_MAX   ((uint32_t)1 << 20)

struct chain_block {
    struct chain_block *next;
    struct chain_span spans[CHAIN_BLOCK];
};

struct chain {
    trace_id id;
    uint64_t hash;
    uint64_t first_seq;
    uint64_t last_ms; // when its last span came, by the monotonic clock
    uint64_t min_start_ns;
    struct chain_block *first, *last;
    uint32_t count;
    bool was_closed;         // it was open before, and closed
    bool is_whole;           // all of it since the trace began is here for certain
    struct hash_index index; // of span IDs, when there are many
    uint64_t *index_hashes;
    struct chain_span **index_spans;
    size_t index_capacity, index_spans_capacity;
    struct chain *newer, *older; // in the list by last_ms
    struct chain *next;          // with the same slot of the table
};

struct closed {
    uint64_t hash, at_ns; // of the trace ID; wall clock
};

struct chains {
    struct chain **slots;
    size_t slot_count; // a power of two
    size_t count, spans;
    size_t bytes; // heap bytes of chains and blocks in use
    struct chain *oldest, *newest;
    struct chain *free_chains;
    struct chain_block *free_blocks;
    size_t free_bytes;
    struct closed *closed; // a ring
    size_t closed_count;
    uint64_t closed_next;
    uint64_t *closed_set; // open addressing over them; 0 is free
    uint64_t horizon_ns;
    uint64_t left_out; // spans beyond CHAIN_SPANS_MAX
};

void chains_init(struct chains *c, uint64_t horizon_ns);
void chains_done(struct chains *c);

// The open chain of a trace, opened when there is none.
struct chain *chains_open(struct chains *c, trace_id id, uint64_t hash, uint64_t seq);
// NULL when it is not open.
struct chain *chains_find(const struct chains *c, trace_id id, uint64_t hash);
// Brings the slot of a hash near, for a chains_open() soon.
static inline void chains_prefetch(const struct chains *c, uint64_t hash)
{
    __builtin_prefetch(&c->slots[hash & (c->slot_count - 1)]);
}

// False when the chain has the span already (chain_span_is_same(); one more copy is counted), or
// has CHAIN_SPANS_MAX. It is the newest now, either way.
bool chains_add(struct chains *c, struct chain *chain, const struct chain_span *s, uint64_t now_ms);

// Whether the trace may have been open before, and told of then.
bool chains_may_be_old(const struct chains *c, const struct chain *chain);

// Forgets the spans; the trace is remembered as closed at `now_ns` (wall clock).
void chains_close(struct chains *c, struct chain *chain, uint64_t now_ns);

// The least first_seq of all open chains, or `none` where there is none.
uint64_t chains_oldest_seq(const struct chains *c, uint64_t none);

#endif
