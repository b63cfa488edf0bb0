// SPDX-License-Identifier: Apache-2.0
// Purpose: the search for traces: those that have a span matching a filter, the newest matching
// span first.
#ifndef SONDE_QUERY_SEARCH_H
#define SONDE_QUERY_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "model/ids.h"
#include "query/scan.h"

#define SEARCH_LIMIT_MAX 1000

struct search_hit {
    trace_id trace;
    uint64_t start_ns; // of its newest matching span
};

struct search {
    const struct store_view *view;
    const struct filter *filter;
    uint64_t from_ns, to_ns;
    size_t limit; // 1 to SEARCH_LIMIT_MAX
    struct query_control *control;
};

// Fills *ret_hits (mem_free() it) with at most `limit` traces. ERR_CANCELLED, or a storage error.
MUST_CHECK enum err search_run(const struct search *search, struct search_hit **ret_hits,
                               size_t *ret_count);

#endif
