// SPDX-License-Identifier: Apache-2.0
// Purpose: one trace put together from its rows: a tree with RpcIds, joined half-spans, exclusive
// times and the critical path. Built for each request that shows a trace; rows are borrowed from
// batches that the trace holds.
//
// Parents: model/kin.h. A span without one becomes a top-level span and is counted as an orphan (a
// true root is not).
//
// RpcId (HIRO): the first top-level span is "0", further ones "1", "2" ...; the n-th child (by
// start) of X is "X.n", n from 1. Below 64 levels only the last 64 are given, behind "...".
//
// Half-spans. A client (producer) span and the server (consumer) span below it are the two halves
// of one call; the difference of their durations is the network and the queueing. A client span
// with several server children (retries below one span) joins with the first.
//
// Clock skew. When the server half does not lie inside its client half, the clocks of the two hosts
// differ: the server half and everything below it are moved into the middle of the client half
// (where it is not longer than it, else to its start); `skew_ns` says by how much.
//
// Critical path: from the end of the root backwards, always into the child that finished last
// before the point reached; what no child covers belongs to the span itself (as in CRISP, USENIX
// ATC 2022). Clocks and roundings make calls overlap that were one after the other: where two
// siblings do so by less than 1/TRACE_OVERLAP_SHARE of their parent, and no third one begins or
// ends meanwhile, both are on the path, each with all of its time.
#ifndef SONDE_QUERY_TRACE_H
#define SONDE_QUERY_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "ledger/budget.h"
#include "model/batch.h"
#include "query/scan.h"
#include "store/store.h"

#define TRACE_SPANS_MAX ((size_t)1 << 20) // of one trace; more are left out, see trace_load_some()

#define TRACE_NONE UINT32_MAX

#define TRACE_OVERLAP_SHARE 100

#define TRACE_DAMAGED_MAX 8 // parts named in a trace; more are counted

struct trace_span {
    struct row row;
    uint32_t parent;                    // index, or TRACE_NONE
    uint32_t first_child, next_sibling; // in order of start, or TRACE_NONE
    uint32_t depth;
    uint32_t peer;      // the other half-span, or TRACE_NONE
    uint32_t rpc_index; // its number among its siblings
    int64_t skew_ns;    // added to the recorded start
    uint64_t start_ns;  // with skew_ns added
    uint64_t self_ns;   // not covered by children
    uint64_t critical_ns;
    uint32_t critical_first, critical_count; // run of trace.segments
};

// A piece of the critical path, as offsets from the start of the trace.
struct trace_segment {
    uint64_t from_ns, to_ns;
};

struct trace {
    trace_id id;
    struct trace_span *spans; // display order: depth first, siblings by start
    size_t count;
    struct trace_segment *segments;
    size_t segment_count;
    uint64_t start_ns, end_ns; // of all spans
    size_t orphans, errors, duplicates, left_out;
    // The batches that are of parts, by the part's place in the view, for trace_whole_row().
    const struct batch **part_batch;
    size_t *part_place;
    size_t part_batch_count;
    // Parts that may have held more of it, but are damaged: how many, and the first by number.
    size_t damaged_parts;
    uint64_t damaged_part[TRACE_DAMAGED_MAX];
    bool is_partial; // earlier spans of it were left out (model/keep.h)
    struct arena arena;
    struct batch **batches;
    size_t batch_count;
    struct meter *meter; // of the query's control; what the load charged is given back to it
    size_t charged_bytes;
};

// What is wanted of a trace: enough to draw it (times, names, kinds, resources, scopes, status,
// IDs, parents), or all of every span.
enum trace_detail { TRACE_OUTLINE, TRACE_WHOLE };

// Finds the trace's rows in the view and puts it together. ERR_NOT_FOUND when no span has the ID,
// ERR_LEFT_OUT when it has some no more, or not for long (model/keep.h), ERR_CORRUPT when there is
// none but a damaged part may have had some. What is read and put together is taken from the
// control's meter first (which outlives the trace; without one it is not accounted for), ERR_MEMORY
// where it refuses; rows of hot batches are the store's. The control (NULL: none) is looked at
// before each page of each part. Where the query is out of turn the spans found by then are the
// trace, and it is said to be cut short; ERR_CANCELLED where there are none, or it is cancelled.
MUST_CHECK enum err trace_load(const struct store_view *view, trace_id id, enum trace_detail detail,
                               struct query_control *control, struct trace **ret_trace);

// The same, but a trace of more than `rows_max` rows, or of more than there is memory for, is cut
// to its earliest: as many as can be had, up to `rows_max`. Since a parent starts before its
// children, what is there hangs together. `left_out` of it counts the others. ERR_MEMORY only where
// other queries have the memory that is set aside for queries, so that asking again helps.
MUST_CHECK enum err trace_load_some(const struct store_view *view, trace_id id,
                                    enum trace_detail detail, size_t rows_max,
                                    struct query_control *control, struct trace **ret_trace);

// Whether other queries hold more than half of what is set aside for queries.
bool trace_memory_is_elsewhere(const struct query_control *control);

// All of one span of a trace that was loaded from this view, perhaps as an outline. What is read is
// of *ret_batch, which the caller gives back to the store, and batch_bytes() of it to the meter.
MUST_CHECK enum err trace_whole_row(const struct store_view *view, const struct trace *t,
                                    uint32_t span, struct query_control *control,
                                    struct row *ret_row, struct batch **ret_batch);

// Calls `each` with the rows that the view has of a trace, whole, one after the other or several at
// once; they live until it returns. Rows that are there twice come twice. ERR_NOT_FOUND where there
// are none, ERR_LEFT_OUT like trace_load(), ERR_CORRUPT where a damaged part may have had some,
// ERR_LIMIT where there are more than `rows_max`, ERR_MEMORY where `meter` (NULL: not accounted
// for) refuses what is read of parts, which it gets back before the return: no row is given then.
MUST_CHECK enum err trace_each_row(const struct store_view *view, trace_id id, size_t rows_max,
                                   struct meter *meter,
                                   void (*each)(void *ctx, const struct row *rows, size_t count),
                                   void *ctx);

// Many traces of one view, for a list of them: hot batches are walked once for all, and several are
// loaded at the same time where there is a crew.
struct trace_list;
struct trace_list *trace_list_new(const struct store_view *view, const trace_id *ids, size_t count);
void trace_list_free(struct trace_list *l);

// Loads traces [first, first + count) of the list into ret_traces, each whole or not at all; NULL
// where the trace lies in a block that is damaged, which is counted in `control`, where it is left
// out, where its turn was over before, which cuts the query short, and where there is no memory for
// it even alone: one trace that is too large must not keep the others from being shown. `control`
// says so then (`left_for_memory`). ERR_CANCELLED, or an error of the storage;
// nothing is left in ret_traces then.
MUST_CHECK enum err trace_list_load(struct trace_list *l, size_t first, size_t count,
                                    enum trace_detail detail, struct query_control *control,
                                    struct trace **ret_traces);

// Puts together a trace from its rows; those of one batch are neighbours. References on the batches
// are taken.
struct trace *trace_assemble(trace_id id, const struct row *rows, size_t count);
void trace_free(struct trace *t);

// The RpcId of a span as text, in `room`.
#define TRACE_RPC_ROOM ((size_t)720)
struct str trace_rpc_id(const struct trace *t, uint32_t span, char room[TRACE_RPC_ROOM]);

// What a list of traces shows of one.
struct trace_summary {
    trace_id id;
    struct str root_service, root_name; // of the first top-level span; live as long as the trace
    uint64_t start_ns, duration_ns;
    size_t spans, errors;
    bool complete; // one root, no orphans
};
struct trace_summary trace_summary(const struct trace *t);

#endif
