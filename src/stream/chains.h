// SPDX-License-Identifier: Apache-2.0
// Purpose: the chains that are open: spans by trace ID, each once, until nothing came for a while.
//
//     chains_open() --> open --chains_add()--> ... --chains_close()--> closed, and remembered
//
// Due times. A chain is due `idle_ms` after its last span. Open chains hang in a wheel of buckets
// by the time at which they are to be looked at: adding a span changes nothing there, and a chain
// that is not due yet when its bucket comes goes to the bucket of its due time. `first_seq` is the
// journal number of the first batch that a chain has a span of.
//
// Memory of the closed. A span of a trace that was closed before opens its chain again, and then
// what was told of it before must be known. The hashes of the last closed traces (`remembered` of
// them) are kept, in the order of closing, each with what was told. `horizon_ns` is when the newest
// of those that are forgotten closed (at the beginning: when the stream began): a chain with its
// root, all of whose spans began after it, and that is not remembered, is new for certain. One
// without its root is taken for new too: a trace that goes on for longer than that memory reaches
// back is told as two.
//
// Spans of one chain lie in blocks, in order of arrival, and beside each a mark: 32 bits of its
// hash. The first CHAIN_MARKS marks lie in the chain itself, and before them a bit for each of
// them, so that a span that is new is known as new without a look at the others, most often without
// one at the marks; a chain of more spans has an index. At most CHAIN_SPANS_MAX spans; what comes
// beyond is counted, and is no part of it.
//
// Not thread-safe.
#ifndef SONDE_STREAM_CHAINS_H
#define SONDE_STREAM_CHAINS_H

#include "core/hash_index.h"
#include "stream/spans.h"

#define CHAIN_BLOCK      8 // spans
#define CHAIN_MARKS      40u
#define CHAIN_SPANS_MAX  ((uint32_t)1 << 20)
#define CHAINS_BUCKETS   256u
#define CHAINS_BUCKET_MS 64u

struct chain_block {
    struct chain_block *next;
    struct chain_span spans[CHAIN_BLOCK];
};

// The spans of a chain by their hashes, where there are many.
struct chain_index {
    struct hash_index index;
    uint64_t *hashes;
    struct chain_span **spans;
    size_t capacity, spans_capacity;
};

// What an added span touches comes first.
struct chain {
    trace_id id;
    uint64_t hash;
    struct chain *next; // with the same slot of the table
    uint64_t last_ms;   // when its last span came, by the monotonic clock
    uint64_t min_start_ns;
    struct chain_block *last;
    uint32_t count;
    bool was_closed;  // it was open before, and closed
    bool is_whole;    // all of it since the trace began is here for certain
    uint64_t seen[2]; // bits that the hashes of the spans choose
    uint64_t sum;     // their hashes, XORed
    uint32_t marks[CHAIN_MARKS];
    uint64_t first_seq;
    uint64_t opened_ms; // by the monotonic clock
    uint64_t told;      // where it was closed: what was told of it then; 0: not known
    struct chain_block *first;
    struct chain_index *index; // NULL up to CHAIN_MARKS spans
    struct chain *next_due;    // in its bucket
};

struct closed {
    uint64_t hash, at_ns; // of the trace ID; wall clock
    uint64_t told;        // the marks of the spans that were told of, XORed (stream/told.h)
};

struct chains {
    struct chain **slots;
    size_t slot_count; // a power of two
    size_t count, spans;
    size_t bytes; // heap bytes of chains and blocks in use
    uint32_t idle_ms;
    struct chain *buckets[CHAINS_BUCKETS];
    uint64_t bucket; // the one to be looked at next, counted from the beginning of the clock
    struct chain *free_chains;
    struct chain_block *free_blocks;
    size_t free_bytes;
    size_t remembered;     // a power of two
    struct closed *closed; // a ring
    size_t closed_count;
    uint64_t closed_next;
    uint32_t *closed_set; // open addressing, twice as many slots: place in the ring + 1
    uint64_t horizon_ns;
    uint64_t left_out; // spans beyond CHAIN_SPANS_MAX
};

// idle_ms is at most CHAINS_BUCKETS - 2 buckets: 16 s; a longer one is cut. `remembered` is a power
// of two, and takes 32 bytes each.
void chains_init(struct chains *c, uint32_t idle_ms, size_t remembered, uint64_t now_ms,
                 uint64_t horizon_ns);
void chains_done(struct chains *c);

// The hash that the chain of a trace is found by: of this process, since peers choose the IDs.
uint64_t chains_hash(trace_id id);

// The open chain of a trace, opened when there is none.
struct chain *chains_open(struct chains *c, trace_id id, uint64_t hash, uint64_t seq,
                          uint64_t now_ms);

// For a chains_open() and chains_add() soon: brings near the slot of a hash, then, once that has
// had time to come, the first chain in it, and then the room for its next span.
static inline void chains_prefetch_slot(const struct chains *c, uint64_t hash)
{
    __builtin_prefetch(&c->slots[hash & (c->slot_count - 1)]);
}
static inline void chains_prefetch_chain(const struct chains *c, uint64_t hash)
{
    const char *chain = (const char *)c->slots[hash & (c->slot_count - 1)];
    if (chain != NULL) {
        __builtin_prefetch(chain, 1);
        __builtin_prefetch(chain + 64, 1);
        __builtin_prefetch(chain + 128, 1);
    }
}

static inline void chains_prefetch_room(const struct chains *c, uint64_t hash)
{
    const struct chain *chain = c->slots[hash & (c->slot_count - 1)];
    if (chain != NULL && chain->count % CHAIN_BLOCK != 0) {
        const char *room = (const char *)&chain->last->spans[chain->count % CHAIN_BLOCK];
        __builtin_prefetch(room, 1);
        __builtin_prefetch(room + sizeof(struct chain_span) - 1, 1);
    }
}

// False when the chain has the span already (chain_span_is_same(); one more copy is counted), or
// has CHAIN_SPANS_MAX. It is due idle_ms from now, either way.
bool chains_add(struct chains *c, struct chain *chain, const struct chain_span *s, uint64_t now_ms);

// Whether the trace may have been open before, and told of then.
bool chains_may_be_old(const struct chains *c, const struct chain *chain);

// A chain that is due, or NULL. With `early`, where none is: one of those that will be due first,
// about; NULL only when no chain is open. The caller closes it before it asks again.
struct chain *chains_due(struct chains *c, uint64_t now_ms, bool early);

// Forgets the spans of the chain that chains_due() gave last; the trace is remembered as closed at
// `now_ns` (wall clock), with the marks of all spans that were told of it, XORed; 0: not known.
void chains_close(struct chains *c, struct chain *chain, uint64_t now_ns, uint64_t told);

// 64 bits that are a span's own, as long as the process lives.
uint64_t chain_span_mark(const struct chain_span *s);

// Calls `each` for every open chain, in no order.
void chains_each(const struct chains *c, void (*each)(void *ctx, const struct chain *chain),
                 void *ctx);

// The least first_seq of all open chains, or `none` where there is none.
uint64_t chains_oldest_seq(const struct chains *c, uint64_t none);

#endif
