// SPDX-License-Identifier: Apache-2.0
// Purpose: what has been counted since it was last handed to the sink: calls by subject and slot. A
// subject (an endpoint, an instance, an edge, with or without error) is numbered here, and asks the
// sink for its number there once. Not thread-safe.
//
// Subjects are many and lie anywhere in memory, so that counting one call waits for memory several
// times. Calls are therefore noted in a log first; when it is full, or handed over, it is counted
// in groups, each step for a whole group, and what the next step needs is brought near meanwhile.
//
// Subjects are at most RED_SUBJECTS_MAX; those of one too many, and those that the sink refuses,
// are counted in `refused_calls` and go nowhere.
#ifndef SONDE_STREAM_RED_H
#define SONDE_STREAM_RED_H

#include "core/hash_index.h"
#include "stream/edges.h"

#define RED_SUBJECTS_MAX ((size_t)1 << 19)
#define RED_BYTES_MAX    ((size_t)16 << 20) // red_is_large() above
#define RED_LOG          2048u              // calls

// Who is counted for.
struct red_key {
    uint32_t from, to; // numbers of names
    uint8_t kind;      // enum subject_kind
    uint8_t from_kind; // enum node_kind, where `from` is 0
    bool at_client, error;
};

struct red_call {
    struct red_key key;
    int32_t times; // 1, or -1: it is taken back
    uint64_t slot_ms, duration_ns;
};

// Calls of one subject that began in one slot.
struct red_cell {
    struct red_cell *next; // of the same subject
    uint64_t slot_ms;
    struct hist hist;
};

struct red_subject {
    struct red_key key;
    uint32_t sink_number;
    uint32_t next_dirty; // subject + 1
    bool refused, is_dirty;
    struct red_cell cell; // the first; what else there is hangs from it
};

struct red {
    const struct names *names;
    struct red_call *log;
    size_t log_count;
    struct red_subject *subjects;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    uint32_t dirty;    // head of the list, subject + 1
    size_t cell_bytes; // about, of the cells
    uint64_t refused_calls;
};

void red_init(struct red *r, const struct names *names);
void red_done(struct red *r);

// An entry counts for its endpoint and its instance (0: none is known); any other span for nothing.
// -1 takes it back.
void red_count_span(struct red *r, const struct chain_span *s, uint32_t instance, int32_t times);
void red_count_edge(struct red *r, const struct edge_call *call, int32_t times);

bool red_is_large(const struct red *r);
size_t red_bytes(const struct red *r); // heap bytes held, about

// Hands everything over; nothing is counted afterwards.
void red_drain(struct red *r, const struct stream_sink *sink);

#endif
