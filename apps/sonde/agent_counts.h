// SPDX-License-Identifier: Apache-2.0
// Purpose: calls that agents counted before they sampled become series of calls (model/calls.h), in
// which they add up at every width as the calls of spans do.
//
// An agent tells totals since it began to count: traces.span.metrics.duration, an exponential
// histogram with span.name, span.kind, status.code and, where the kind does not say that a span is
// an entry (stream/spans.h), sonde.span.entry; and otel.sdk.span.started, of which the result DROP
// is what it left out. What a total grew by since the report before is added to the slot in the
// middle of both, so that what all slots have is what was counted. A report of DROP adds one number
// to its service's series at its own time, that growth, and where it is the first one another where
// its time begins: from the first to the last one agents count, and where their sum is not 0 they
// sample. Buckets of durations go to those of core/hist.h by their middles.
//
// Sources. A total of one agent, known by a hash of its labels, with what it was last: its time and
// its buckets. It began again where it counts less, or began after it was last heard of. A source
// that is not known counts from 0 if it began after `since_ms`: every source since then is known,
// but for those that were refused. Of others the first report only says where they stand. Those
// that nothing was heard of for AGENT_COUNTS_IDLE_MS are forgotten, and since_ms moves behind them.
// A report that is not later than the last one tells nothing: the next one makes up for it.
//
// At most AGENT_COUNTS_SOURCES_MAX sources, and AGENT_COUNTS_CELLS_MAX buckets of them all; points
// beyond are counted in `refused`, as those that the series store has no room for.
//
// The state is committed with the series (series_seal()), so that a restart counts what is replayed
// once more and what is committed never again.
//     state   what others put there; then varint since_ms, number of sources; of each its hash (two
//             u64), varint last time, sum (zigzag), number of buckets, and of each of these the
//             distance to the one before (from -1) and its count; then the length of that (u32),
//             then "SNDA". A state without that end knows no source.
//
// One thread, that which adds to the series store.
#ifndef SONDE_AGENT_COUNTS_H
#define SONDE_AGENT_COUNTS_H

#include <stdatomic.h>

#include "core/buf.h"
#include "core/hash_index.h"
#include "ledger/budget.h"
#include "model/batch.h"
#include "series/series.h"

#define AGENT_COUNTS_SOURCES_MAX ((size_t)100000)
#define AGENT_COUNTS_CELLS_MAX   ((size_t)2 << 20)
#define AGENT_COUNTS_IDLE_MS     ((uint64_t)60 * 60 * 1000)

// A bucket of core/hist.h in the low 12 bits, above it how many lie there.
typedef uint64_t agent_cell;

struct agent_source {
    uint64_t hash[2];
    uint64_t time_ms; // of the last report
    uint64_t seen_ms; // when it came, by the wall clock
    int64_t sum;
    agent_cell *cells; // ascending
    size_t cell_count;
};

struct agent_counts {
    struct series_store *series;
    struct meter memory;
    struct agent_source *sources;
    uint64_t *hashes; // the first halves
    size_t count, capacity, hash_capacity;
    size_t cell_count; // of them all
    struct hash_index index;
    uint64_t since_ms, swept_ms;
    atomic_ullong refused; // points; read by any thread
    agent_cell *told;      // of the point at hand
    size_t told_count, told_capacity;
    struct buf key; // of a source
    uint64_t (*wall_ns)(void);
};

// The store and the budget must outlive it.
void agent_counts_init(struct agent_counts *c, struct series_store *series, struct budget *budget);
void agent_counts_done(struct agent_counts *c);

// What of a point's resource and attributes its calls are kept by. Texts live until the call ends.
struct agent_point {
    struct str line, service, instance, centre, rack, host;
    const struct series_label *labels; // of the point, by key, without the metric's name
    size_t label_count;
    struct str metric;
};

// Takes a point of an agent; any other metric is nothing. `body` as model/point.h says.
void agent_counts_take(struct agent_counts *c, const struct agent_point *of, const struct point *x,
                       enum metric_kind kind, struct str body);

void agent_counts_save(const struct agent_counts *c, struct buf *state);
// Cuts what is its own off a committed state. ERR_CORRUPT.
MUST_CHECK enum err agent_counts_restore(struct agent_counts *c, struct str *state);

// Forgets sources that have long been silent; looks at them now and then.
void agent_counts_sweep(struct agent_counts *c);

#endif
