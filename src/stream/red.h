// SPDX-License-Identifier: Apache-2.0
// Purpose: who is counted for: calls by subject (an endpoint, an instance, an edge, a statement, a
// path, with or without error) on their way to the sink. A subject is numbered here, and asks the
// sink for its number there once. Not thread-safe.
//
// Subjects are many and lie anywhere in memory, so that counting one call waits for memory several
// times. Calls are therefore noted in a log first; when it is full, or flushed, it is worked off
// in groups, each step for a whole group, and what the next step needs is brought near meanwhile.
//
// Subjects are at most RED_SUBJECTS_MAX, and take bytes_max at most; calls of those beyond, and of
// those that the sink refuses, are counted in `refused_calls` and go nowhere.
#ifndef SONDE_STREAM_RED_H
#define SONDE_STREAM_RED_H

#include "core/hash_index.h"
#include "stream/entries.h"

#define RED_SUBJECTS_MAX ((size_t)1 << 19)
#define RED_LOG          2048u // calls

// Who is counted for.
struct red_key {
    uint32_t from, to;  // numbers of names; of paths `to` is that of the path
    uint32_t statement; // of statements
    uint8_t kind;       // enum subject_kind
    uint8_t from_kind;  // enum node_kind, where `from` is 0; of paths: enum path_measure
    bool at_client, error, cross_dc, counted;
};

struct red_call {
    struct red_key key;
    int32_t times; // 1, or -1: it is taken back
    uint64_t slot_ms, duration_ns;
};

struct red_subject {
    struct red_key key;
    uint32_t sink_number;
    bool refused;
};

struct red {
    const struct names *names;
    const struct paths *paths;
    const struct statements *statements;
    struct stream_sink sink;
    size_t bytes_max;
    struct red_call *log;
    size_t log_count;
    struct stream_count *counts; // room for those of a whole log
    struct red_subject *subjects;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    uint64_t refused_calls;
    int64_t other_statements; // calls that counted as STATEMENT_OTHER, less those taken back
};

void red_init(struct red *r, const struct names *names, const struct paths *paths,
              const struct statements *statements, const struct stream_sink *sink,
              size_t bytes_max);
void red_done(struct red *r);

// An entry counts for its endpoint and its instance (0: none is known); any other span for nothing.
// -1 takes it back.
void red_count_span(struct red *r, const struct chain_span *s, uint32_t instance, int32_t times);
// And for the statement that the call sends.
void red_count_edge(struct red *r, const struct edge_call *call, int32_t times);
// A statement that a chain has `calls` times, the first of them at `start_ns`.
void red_count_repeats(struct red *r, struct red_key key, uint64_t start_ns, uint64_t calls,
                       int32_t times);
// The key of a statement.
struct red_key red_statement(const struct red *r, uint32_t statement, uint32_t service,
                             uint32_t called);
void red_count_entry(struct red *r, const struct entry_sum *sum, uint64_t start_ns, int32_t times);

size_t red_bytes(const struct red *r); // heap bytes held, about

// Everything counted so far is the sink's.
void red_flush(struct red *r);

#endif
