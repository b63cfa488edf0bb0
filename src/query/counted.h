// SPDX-License-Identifier: Apache-2.0
// Purpose: calls of endpoints and instances as their senders counted them before sampling.
//
// A sender that keeps one trace in ten has the server see a tenth of its calls. Sonde's agents
// count all of them, and tell it as a metric (model/point.h): traces.span.metrics.duration, an
// exponential histogram with span.name, span.kind, status.code and, where the kind does not say
// that a span is an entry (stream/spans.h), sonde.span.entry. otel.sdk.span.started with the
// result DROP says whether they left any out.
//
// Where a service left spans out within the range, and what its agents counted of what is asked for
// is there, that takes the place of what is kept as counted="true" (model/calls.h), in all steps
// from the first report of the service to its last one; nothing else changes. What was counted
// between two reports belongs to the step in the middle of both. It is read from the numbers
// themselves, whatever restarts there were, so it is there for as long as numbers are kept
// (series/series.h); before, the calls of kept spans are what is known.
//
// Durations of ranges up to COUNTED_EXACT_MS are those of all calls, by the sender's buckets: a
// quantile is off by 1.7 % at most. Of longer ones, where buckets are too many to be read and kept
// spans are many, calls, errors and the sum of durations are exact, and the shares of durations are
// those of the kept spans.
#ifndef SONDE_QUERY_COUNTED_H
#define SONDE_QUERY_COUNTED_H

#include "query/calls.h"

#define COUNTED_EXACT_MS ((uint64_t)2 * 60 * 60 * 1000)
#define COUNTED_LOOK_MS  ((uint64_t)2 * 60 * 1000) // beyond the range, for the reports around it

struct counted_query {
    struct series_store *store;
    bool any_line;
    struct str line, service;
    struct str endpoint, instance; // p == NULL: all; at most one of them is given
    bool instances;                // those of instances; else those of endpoints
    uint64_t from_ms, to_ms, step_ms;
    struct query_control *control;
};

// Calls `each` with the series of calls, in no order; those that are counted have the same labels.
// *ret_counted: whether there are any of these. Errors are those of calls_run().
MUST_CHECK enum err counted_run(const struct counted_query *query,
                                enum err (*each)(void *ctx, const struct series_found *found),
                                void *ctx, uint64_t *damaged_parts, bool *ret_counted);

#endif
