// SPDX-License-Identifier: Apache-2.0
// Purpose: what a rule would have seen of what is stored: its records, counted by group and slot of
// time. Internal to alert/; rehearsal.h says what for.
//
// A cell is what the records of one group, one strategy and one slot of its windows add up to: how
// many, and one number more, which is what the measure needs: the sum, the least or the greatest,
// how many failed, of quantiles the bucket (a cell for each), of distinct values the hash (a cell
// for each). Feeding cells to a window gives what feeding the records gives.
//
// Cells are written down in lanes, one of each group and strategy (recount_lane.h). Each thread
// that scans has a recount of its own; their lanes are put together at the end, and folded.
//
// Examples. Of each strategy of the first RECOUNT_EXAMPLED groups the range is cut into
// RECOUNT_EXAMPLES pieces, and of each piece one trace is kept: that of the record which speaks
// most for the alert (failed, slow, ...), of several the one with the greatest ID, so that threads
// do not matter.
//
// Bounds. ALERT_GROUPS_MAX groups; records of others are counted as refused. What cells and groups
// take is taken from the query's budget first; where there is none, that ends the query.
#ifndef SONDE_ALERT_RECOUNT_H
#define SONDE_ALERT_RECOUNT_H

#include "alert/groups.h"
#include "alert/recount_lane.h"
#include "alert/rehearsal.h"
#include "core/hash_index.h"
#include "query/scan.h"
#include "series/series.h"

#define RECOUNT_EXAMPLES  256
#define RECOUNT_EXAMPLED  ((size_t)1000)
#define RECOUNT_SLOTS_MAX ((uint64_t)1 << 24) // of the range; longer ones are refused
#define RECOUNT_LONG_MS   ((uint64_t)3600000) // a span may begin so long before the range it ends in

struct recount_example {
    trace_id trace;
    uint64_t time_ms; // 0: there is none
    double score;
};

struct recount_group {
    struct recount_example *examples; // RECOUNT_EXAMPLES of each strategy; NULL: none are kept
    struct recount_lane lanes[ALERT_STRATEGIES_MAX];
    struct str values[ALERT_GROUP_BY_MAX];
};

// How a strategy's records become cells.
struct recount_way {
    struct window_shape shape;
    enum lane_kind kind;
    bool is_ns;     // values are durations
    uint64_t base;  // the slot of from_ms
    uint32_t slots; // from that one on
};

struct recount {
    const struct alert_rule *rule;
    uint64_t from_ms, to_ms; // ends of spans, and times of points: from <= t < to
    uint64_t piece_ms;       // of which one example is kept
    struct recount_way ways[ALERT_STRATEGIES_MAX];
    struct query_memory memory;
    struct arena arena;
    struct recount_group *groups;
    uint64_t *hashes;
    size_t group_count, group_capacity, hash_capacity;
    struct hash_index index;
    struct lane_scratch scratch;
    uint64_t records, refused, unfit;      // a point of a histogram is as many records as it counts
    uint64_t first_ms;                     // of the earliest record; UINT64_MAX: none
    struct str lacks[REHEARSAL_LACKS_MAX]; // fields of resources that points are kept without
    size_t lack_count;
    enum err error;
    size_t cell_count; // after recount_fold()
};

// ERR_LIMIT for a range of too many slots.
MUST_CHECK enum err recount_init(struct recount *t, const struct alert_rule *rule, uint64_t from_ms,
                                 uint64_t to_ms, struct query_control *control);
void recount_done(struct recount *t);

// Counts the spans of the view, or the points of the store, that the strategy is of. Errors as of
// scan_run(), series_run().
MUST_CHECK enum err recount_spans(struct recount *t, size_t strategy,
                                  const struct store_view *view);
MUST_CHECK enum err recount_points(struct recount *t, size_t strategy, struct series_store *store);

// Once all is counted: brings the cells in order, on the caller's thread and idle ones of the
// control's crew. ERR_MEMORY; ERR_CANCELLED where the query is cancelled (one that is out of turn
// goes on).
MUST_CHECK enum err recount_fold(struct recount *t);

// ---- Cells --------------------------------------------------------------------------------------

// After that: of a group and strategy, by slot, each slot (and key) once.
const struct recount_cell *recount_cells(const struct recount *t, size_t group, size_t strategy,
                                         size_t *ret_count);

// What the cell adds to a window; its time is the first of its slot.
struct window_record recount_cell_record(const struct recount *t, size_t strategy,
                                         const struct recount_cell *c);

// The trace that speaks most for a strategy between two times; false where none is known.
MUST_CHECK bool recount_example(const struct recount *t, size_t group, size_t strategy,
                                uint64_t from_ms, uint64_t to_ms, trace_id *ret_trace);

// ---- For recount_spans.c and recount_points.c ---------------------------------------------------

// One record as a cell takes it; `score` of the example.
struct recount_record {
    uint64_t time_ms;
    uint32_t count, errors;
    double value, score;
    uint64_t hash;         // of what is distinct
    const trace_id *trace; // NULL: none
};
// The group of these values; UINT32_MAX, and counted, where there are too many.
uint32_t recount_group(struct recount *t, const struct str *values);
void recount_add(struct recount *t, size_t strategy, uint32_t group,
                 const struct recount_record *r);
// Another for a thread; NULL where there is no memory. recount_join() takes what it has and frees
// it.
struct recount *recount_fork(const struct recount *t);
void recount_join(struct recount *t, struct recount *from);

#endif
