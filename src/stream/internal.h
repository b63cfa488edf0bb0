// SPDX-License-Identifier: Apache-2.0
// Purpose: the stream as its own files see it.
#ifndef SONDE_STREAM_INTERNAL_H
#define SONDE_STREAM_INTERNAL_H

#include "core/buf.h"
#include "stream/chains.h"
#include "stream/judge.h"
#include "stream/red.h"

// Spans of one trace that are asked back from the store at most.
#define HISTORY_SPANS_MAX ((uint32_t)1 << 16)
// What closing takes for a span of the chain or of its history, everything at once: as it is stored
// and as it is told, each with its copy while it is sorted; its edges, its place below the entry.
#define CLOSE_SPAN_BYTES (2 * sizeof(struct stored_span) + 3 * sizeof(struct chain_span) + 128)
#define FORGET_STEPS     ((size_t)4096)
// Asking the store takes at most this part of the time.
#define HISTORY_TIME_SHARE 10

// A growing run of spans.
struct span_list {
    struct chain_span *items;
    size_t count, capacity;
};

// A span as the store has it.
struct stored_span {
    struct chain_span span;
    uint32_t instance;
};

// Spans that came since the chain opened, and may have been told of before: places in what is
// stored, their marks, and the answer.
struct doubts {
    uint32_t *places;
    uint64_t *marks;
    bool *told;
    size_t count, capacity, mark_capacity, told_capacity;
};

// All of this belongs to the thread that takes batches in.
struct analysis {
    struct names names;
    struct statements statements;
    struct span_reader *reader;
    struct chains chains;
    struct paths paths;
    struct red red;
    struct stream_history history;
    struct meter *closing; // of what closing takes; NULL: it is not accounted for
    bool no_room;          // for the history that is being read
    struct edges_room edges;
    struct entries_room entries;
    struct judge judge;
    struct stream_keeper keeper;
    struct sent *sent; // of the chain that closes
    size_t sent_count, sent_capacity;
    uint64_t seq; // of the last batch taken in: what the store has beyond it is yet to come
    // Of the chain that closes: its spans, what the store has of the trace, and what of that was
    // told before.
    struct span_list own, base;
    struct stored_span *stored;
    size_t stored_count, stored_capacity;
    struct doubts doubts;
    uint32_t swept_minute; // when tables were swept last (forget.c)
    bool looked_at_all;    // subjects, since then
    uint64_t sweeps;
    uint64_t history_ns, began_ns; // spent asking the store, and since when; monotonic
    uint64_t spans, duplicates, closed_chains, reopened_chains, unjoined_spans;
};

// kept_bytes: for names, statements, paths and subjects, which are kept until they are forgotten;
// what is beyond counts as "(other)", or nowhere.
void analysis_init(struct analysis *a, const struct stream_sink *sink,
                   const struct stream_history *history, uint32_t idle_ms, size_t remembered,
                   size_t kept_bytes);
void analysis_done(struct analysis *a);

// Takes the rows of a batch into their chains and counts them. With `only`, nothing is counted, and
// rows of other traces than those in it are passed over.
struct open_set;
void analysis_take(struct analysis *a, const struct batch *b, const struct open_set *only,
                   uint64_t now_ms);

// Tells the edges of a chain and closes it.
void analysis_close(struct analysis *a, struct chain *chain);

// Right after red_flush(): forgets some of what nothing came of for STREAM_FORGET_MS (forget.c). It
// looks at FORGET_STEPS subjects at most, and once a minute at all names, paths and statements.
void analysis_forget(struct analysis *a, uint64_t now_ms);

// Heap bytes, about.
size_t analysis_bytes(const struct analysis *a);

// The state that is committed with the metrics: which chains are open, and the journal number that
// a replay for them starts behind. Bytes: varint replay_after, varint count, then for each chain
// the hash of its trace ID, 8 bytes; how many records behind replay_after it opened, 4 bytes; and a
// byte: 1 when it may have been closed before it opened. What the trace has in records before that
// was told when it closed.
struct open_chain {
    uint64_t hash; // 0: free (a hash of 0 is kept as 1)
    uint64_t first_seq;
    bool may_be_old;
};
struct open_set {
    struct open_chain *slots; // open addressing
    size_t size, count;
};
void state_write(const struct chains *c, uint64_t seq, struct buf *out);
// ERR_CORRUPT for bytes that are none; an empty state is one without open chains.
MUST_CHECK enum err state_read(struct str bytes, uint64_t seq, uint64_t *ret_replay_after,
                               struct open_set *ret_open);
// The trace's chain; NULL where it was not open.
const struct open_chain *open_set_find(const struct open_set *s, uint64_t hash);
void open_set_done(struct open_set *s);

#endif
