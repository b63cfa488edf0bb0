// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the rows of a view that match a filter within a time range, newest storage
// first. Parts are pruned by time and duration (of parts, blocks and pages), by shape (what a
// filter says of a shape decides for all its rows at once), by dictionary, and then by columns, one
// bit a row; what remains undecided is read as rows. Hot batches are read row by row.
//
// With a crew the pieces (hot batches and blocks) are shared out to several threads. Each visits
// with a state of its own, and the states are put together at the end; so what is found is the same
// as on one thread, whatever order the pieces come in.
#ifndef SONDE_QUERY_SCAN_H
#define SONDE_QUERY_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "filter/filter.h"
#include "ledger/budget.h"
#include "query/crew.h"
#include "store/store.h"

// Shared between the thread that runs a query and whoever watches or cancels it.
struct query_control {
    atomic_bool cancelled;
    atomic_bool out_of_turn; // others wait: what was found so far shall be the answer
    atomic_bool cut_short;   // it is
    atomic_uint_fast64_t scanned_spans, total_spans;
    atomic_uint_fast64_t damaged_blocks;  // left out since their checksums are wrong
    atomic_uint_fast64_t given_up_values; // on which a regular expression took too many steps
    atomic_bool unsure_order;             // a search for the most errors may have missed some
    atomic_bool unsure_candidates;        // a search by places in trees may have missed some
    atomic_bool short_of_memory;          // query_need() has failed
    atomic_bool left_for_memory;          // a trace or a group is missing, for lack of memory
    atomic_uint_fast64_t waited_ns;       // for memory, by query_need(): while any thread did
    atomic_uint_fast64_t waited_until_ns; // of clock_mono_ns(): what is counted of it
    struct crew *crew;                    // NULL: the query has its own thread alone
    struct meter *meter;                  // NULL: its memory is not accounted for
};

// Whether the query must not go on: it is cancelled, or out of turn. `control` may be NULL.
bool query_must_end(const struct query_control *control);

// Takes memory from the budget before the state of a query grows; false where there is none left.
// query_need() is for what the query cannot do without: it waits until there is some, since under
// overload memory comes and goes. The query has QUERY_PATIENCE_MS for it in all, and time in which
// several of its threads wait counts once; after that query_need() fails, and the scan ends with
// ERR_MEMORY. For a query that is cancelled or out of turn it does not wait: its answer is cut
// short. Any thread of the query; `control` may be NULL.
#define QUERY_PATIENCE_MS 500
MUST_CHECK bool query_take(struct query_control *control, size_t bytes);
MUST_CHECK bool query_need(struct query_control *control, size_t bytes);
void query_give(struct query_control *control, size_t bytes);

// Memory that is taken bit by bit and given back as a whole. One thread.
struct query_memory {
    struct query_control *control; // may be NULL
    size_t bytes;
};
MUST_CHECK bool query_memory_take(struct query_memory *m, size_t bytes);
MUST_CHECK bool query_memory_need(struct query_memory *m, size_t bytes);
void query_memory_give(struct query_memory *m);

// A row that matches. Valid during the call, its texts too.
struct scan_row {
    trace_id trace;
    uint64_t start_ns;
    uint64_t duration_ns; // where it was asked for
    struct str line, service, name;
    uint8_t kind, status;
    struct row row;                // where rows were asked for; else without a batch
    const struct batch *resources; // whose `resource` it is of: attributes and service
    uint32_t resource;
    // For the visitor to note what these rows have in common: one number, 0 at first, for all rows
    // of this state with equal line, resource, service, name, kind and status that follow one
    // another in a block. NULL where there is none.
    uint32_t *note;
};

struct scan {
    const struct store_view *view;
    const struct filter *filter;
    uint64_t from_ns, to_ns; // start of a span: from <= start < to
    bool durations;          // whether `visit` reads them
    bool rows;               // whether it reads `row`, with the attributes that the filter reads
    bool all_attributes;     // ... with all of them
    struct query_control *control;
    void (*visit)(void *ctx, const struct scan_row *row);
    // The start, or the duration, below which rows no longer matter; asked before each piece. May
    // be NULL.
    uint64_t (*floor_ns)(void *ctx);
    bool floor_of_durations;
    void *ctx;
    // Another state like the one that ctx had before the scan, for another thread; and its end:
    // what it has is put into ctx and it is freed. NULL where only one thread may visit. fork() is
    // called on the other thread, join() on the thread of scan_run(). fork() gives NULL where
    // query_take() refuses: the query then goes on without that thread.
    void *(*fork)(const void *ctx);
    void (*join)(void *ctx, void *forked);
};

// ERR_CANCELLED, ERR_MEMORY, or an error of the storage (what was visited before stands). Where the
// query is out of turn the rest is left out, and said to be. The rest
// of a block that fails its checksums is left out, and counted.
MUST_CHECK enum err scan_run(const struct scan *scan);

// Whether a query goes on past this error, since it is damage to one block: counts it then. Without
// a control nobody would be told, so the error stands.
bool scan_passes_over(struct query_control *control, enum err e);

#endif
