// SPDX-License-Identifier: Apache-2.0
// Purpose: the search for traces: those that have a span matching a filter, the best first by one
// of three orders. What ranks a trace is its matching spans, and they alone:
//
//   newest   the latest start
//   slowest  the longest duration
//   errors   how many of them have the status error; traces with none are not found
//
// Memory is bounded: the best are kept while the scan goes on. For the first two that is exact. For
// errors a trace is only known when all of it was seen, so counts are kept of SEARCH_COUNTED_MAX
// traces at least; where there are more, or no memory for them, those with the fewest so far are
// forgotten, and the control's `unsure_order` says that some may be missing or out of place.
//
// A filter that asks for places in trees (filter_match_in_tree()) is asked twice. What it says of
// single spans finds candidates, which by that rank no worse than they do; from the best on they
// are put together, a few at a time, and asked for spans of the range that match, until the next
// candidate could not be among the best. Of more than SEARCH_CANDIDATES_MAX the worst are not
// looked at: where those might have been among the best, `unsure_candidates` says so.
// (search_trees.c)
#ifndef SONDE_QUERY_SEARCH_H
#define SONDE_QUERY_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "model/ids.h"
#include "query/scan.h"

#define SEARCH_LIMIT_MAX      1000
#define SEARCH_COUNTED_MAX    ((size_t)1 << 17)
#define SEARCH_CANDIDATES_MAX ((size_t)8192)

enum search_order { BY_NEWEST, BY_SLOWEST, BY_ERRORS, SEARCH_ORDER_COUNT };

struct search_hit {
    trace_id trace;
    uint64_t rank;     // by order: start, duration or number
    uint64_t start_ns; // of its newest matching span; by duration: of the longest one
};

struct search {
    const struct store_view *view;
    const struct filter *filter;
    uint64_t from_ns, to_ns;
    enum search_order order;
    size_t limit; // 1 to SEARCH_LIMIT_MAX
    struct query_control *control;
};

// Fills *ret_hits (mem_free() it) with at most `limit` traces. ERR_CANCELLED, ERR_MEMORY, or a
// storage error.
MUST_CHECK enum err search_run(const struct search *search, struct search_hit **ret_hits,
                               size_t *ret_count);

// Which of two hits stands before the other; ties by ID.
int search_best_first(const void *a, const void *b);

// search_run() of single spans, with at most SEARCH_CANDIDATES_MAX hits.
MUST_CHECK enum err search_spans(const struct search *search, size_t limit,
                                 struct search_hit **ret_hits, size_t *ret_count);
// search_run() of places in trees.
MUST_CHECK enum err search_trees(const struct search *search, struct search_hit **ret_hits,
                                 size_t *ret_count);

#endif
