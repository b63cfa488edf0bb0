// SPDX-License-Identifier: Apache-2.0
// Purpose: who is counted for: calls by subject (an endpoint, an instance, an edge, a statement, a
// path, with or without error) on their way to the sink. A subject is numbered here, and asks the
// sink for its number there once. Not thread-safe.
//
// Subjects are many and lie anywhere in memory, and so does what the sink has of them, so that
// counting one call waits for memory several times. Three things are done about that.
//   Tables. Endpoints, instances and paths are numbered, so that a table says which subject is
//     theirs.
//   The log. Calls of other subjects, which have to be looked for, are noted first; when the log is
//   full it is worked off in groups, each step for
//     a whole group, and what the next step needs is brought near meanwhile.
//   Lines. A call goes to the line of its subject and slot: as much as the cache fetches at
//     once, with the buckets of the calls that the sink does not have yet, and their sum. A line
//     that is full, or that another subject or slot needs, is handed over as one run of calls; the
//     others are with red_flush(). All lines fit in the cache of a core.
// A call that is taken back is a run of its own.
//
// Subjects are at most RED_SUBJECTS_MAX, and take bytes_max at most, and lines a quarter of that
// beside it; calls of subjects beyond, and of those that the sink refuses, are counted in
// `refused_calls` and go nowhere. red_forget() asks the sink again for those that it refused, and
// gives it back and forgets those that nothing was counted for in STREAM_FORGET_MS.
#ifndef SONDE_STREAM_RED_H
#define SONDE_STREAM_RED_H

#include "core/hash_index.h"
#include "stream/entries.h"

#define RED_SUBJECTS_MAX ((size_t)1 << 19)
#define RED_LOG          1024u // calls
#define RED_LINES_LEAST  ((size_t)1 << 8)
#define RED_LINES_MAX    ((size_t)1 << 14)
#define RED_LINE_CALLS   23u
#define RED_RUNS         256u // handed over at once

// A subject as one number: who is counted for, all of it.
//   bits 0-19 from, 20-39 to: numbers of names; of paths `to` is that of the path
//   bits 40-56 of endpoints and instances: counted; of edges: enum node_kind where `from` is 0, and
//     RED_AT_CLIENT, RED_CROSS_DC, RED_PASSED_ON; of paths: enum path_measure; of statements the
//     statement
//   bits 57-59 enum subject_kind; bit 60 error; bit 61 of statements: repeats
typedef uint64_t red_key;

struct red_call {
    uint64_t duration_ns;
    uint32_t slot; // STREAM_SLOT_MS each, since 1970
    int32_t times; // 1, or -1: it is taken back
};
struct red_noted {
    red_key key;
    struct red_call call;
};

// Subjects + 1 by a number; 0: not known yet.
struct red_table {
    uint32_t *subjects;
    size_t count;
};

struct red_line {
    uint32_t subject, slot;
    uint64_t sum_ns; // wraps
    uint16_t count;  // 0: free
    uint16_t buckets[RED_LINE_CALLS];
};
_Static_assert(sizeof(struct red_line) == 64, "one line of memory");

// A call with a statement.
struct sent {
    uint32_t statement, service, called;
    uint64_t start_ns;
};

struct red {
    const struct names *names;
    const struct paths *paths;
    const struct statements *statements;
    struct stream_sink sink;
    size_t bytes_max;
    struct red_noted *log;
    size_t log_count;
    struct red_line *lines; // by the lowest bits of subject and slot
    size_t line_count;      // a power of two
    size_t held;            // lines that are not free
    struct red_line *runs;  // that are on their way to the sink
    struct stream_count *counts;
    size_t run_count;
    red_key *subjects;      // by number; also their hashes
    uint32_t *sink_numbers; // of them; of what is forgotten the next one, or NONE
    uint32_t *touched;      // of them: the minute in which calls were handed over last
    size_t count, capacity, number_capacity, touched_capacity; // count: those forgotten included
    uint32_t first_free; // subject that is forgotten + 1; 0: none is
    uint32_t minute;     // now, of a clock that never goes back
    size_t forget_at;    // the subject that red_forget() looks at next
    struct hash_index index;
    struct red_table by_name; // endpoints and instances: number * 4 + error * 2 + counted
    struct red_table by_path; // number * PATH_MEASURE_COUNT + measure
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
void red_count_edge(struct red *r, const struct edge_call *edge, int32_t times);
// A statement that a chain has `calls` times; its first call is given.
void red_count_repeats(struct red *r, const struct sent *first, uint64_t calls, int32_t times);
void red_count_entry(struct red *r, const struct entry_sum *sum, uint64_t start_ns, int32_t times);

size_t red_bytes(const struct red *r); // heap bytes held, about

// Everything counted so far is the sink's.
void red_flush(struct red *r);

// Right after that: looks at so many subjects for what is to be forgotten. Whether it looked at the
// last one.
bool red_forget(struct red *r, size_t steps);
// Marks what subjects refer to.
void red_mark(const struct red *r, struct used *used);

#endif
