// SPDX-License-Identifier: Apache-2.0
// Purpose: what has been counted since it was last handed to the sink: calls by subject and slot. A
// subject (an endpoint, an instance, an edge, with or without error) is numbered here, and asks the
// sink for its number there once. Not thread-safe.
//
// Subjects are at most RED_SUBJECTS_MAX; those of one too many, and those that the sink refuses,
// are counted in `refused_calls` and go nowhere.
#ifndef SONDE_STREAM_RED_H
#define SONDE_STREAM_RED_H

#include "core/hash_index.h"
#include "stream/edges.h"

#define RED_SUBJECTS_MAX ((size_t)1 << 19)
#define RED_BYTES_MAX    ((size_t)16 << 20) // red_is_large() above

// Calls of one subject that began in one slot.
struct red_cell {
    struct red_cell *next; // of the same subject
    uint64_t slot_ms;
    struct hist hist;
};

struct red_subject {
    uint32_t from, to; // numbers of names
    uint8_t kind;      // enum subject_kind
    uint8_t from_kind; // enum node_kind, where `from` is 0
    bool at_client, error;
    bool refused;
    uint32_t sink_number;
    uint32_t next_dirty; // subject + 1, when it has cells
    struct red_cell *cells;
};

struct red {
    const struct names *names;
    struct red_subject *subjects;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    uint32_t *of_endpoint[2]; // subject + 1 by number of the name, without and with error
    size_t of_endpoint_capacity[2];
    uint32_t *of_instance[2];
    size_t of_instance_capacity[2];
    uint32_t dirty;    // head of the list, subject + 1
    size_t cell_bytes; // about, of the cells
    uint64_t refused_calls;
};

void red_init(struct red *r, const struct names *names);
void red_done(struct red *r);

// An entry counts for its endpoint and its instance; any other span for nothing. -1 takes it back.
void red_count_span(struct red *r, const struct chain_span *s, int32_t times);
void red_count_edge(struct red *r, const struct edge_call *call, int32_t times);

bool red_is_large(const struct red *r);

// Hands everything over; nothing is counted afterwards.
void red_drain(struct red *r, const struct stream_sink *sink);

#endif
