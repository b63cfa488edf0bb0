// SPDX-License-Identifier: Apache-2.0
// Purpose: calls of endpoints and instances as their senders counted them before sampling.
//
// A sender that keeps one trace in ten has the server see a tenth of its calls. Sonde's agents
// count all of them, and what they tell is kept as series of calls too (model/calls.h), as exact as
// those of spans at every width, and for as long: a quantile of either is off by 0.55 % at most.
//
// Where a service left spans out within the range, and its agents counted what is asked for, that
// takes the place of the calls of kept spans of the same sender (counted="true"), in all steps from
// the service's first report to its last one; nothing else changes. What was counted between two
// reports belongs to the slot in the middle of both.
#ifndef SONDE_QUERY_COUNTED_H
#define SONDE_QUERY_COUNTED_H

#include "query/senders.h"

struct counted_query {
    struct series_store *store;
    bool any_line;
    struct str line;
    struct str service;            // p == NULL: of any
    struct str endpoint, instance; // p == NULL: all; at most one of them is given
    bool instances;                // those of instances; else those of endpoints
    uint64_t from_ms, to_ms;
    uint64_t step_ms;
    // Of each series one histogram of the whole range; steps tell only whose reports were when.
    bool is_sum;
    struct query_control *control;
};

// Calls `each` with the series of calls, in no order; counted_is() tells those that are counted.
// *ret_counted: whether there are any of these. Errors are those of calls_run().
MUST_CHECK enum err counted_run(const struct counted_query *query,
                                enum err (*each)(void *ctx, const struct series_found *found),
                                void *ctx, uint64_t *damaged_parts, bool *ret_counted);

bool counted_is(const struct series_found *found);

#endif
