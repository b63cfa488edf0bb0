// SPDX-License-Identifier: Apache-2.0
// Purpose: the series that metrics are kept as (model/point.h), asked of the series store.
#ifndef SONDE_QUERY_METRIC_H
#define SONDE_QUERY_METRIC_H

#include "query/scan.h"
#include "series/series.h"

#define METRIC_LABELS_MAX ((size_t)8)

struct metric_query {
    struct series_store *store;
    bool any_line;
    struct str line;
    struct str name;    // of the series, with its suffix; p == NULL: of any but those of calls
    struct str service; // p == NULL: of any
    const struct series_label *labels; // that it has besides
    size_t label_count;                // METRIC_LABELS_MAX at most
    bool wholes;                       // buckets "all" of exponential histograms alone
    uint64_t from_ms, to_ms;
    uint64_t look_ms; // samples that lie so much before and behind the range are given too
    struct query_control *control;
};

// series_run() and series_list() of a metric: what they take is the control's, and they end when
// that is cancelled.
MUST_CHECK enum err metric_run(const struct metric_query *query,
                               enum err (*each)(void *ctx, const struct series_found *found),
                               void *ctx, struct series_answer *ret_answer);
MUST_CHECK enum err metric_list(const struct metric_query *query,
                                void (*each)(void *ctx, const struct series_found *found),
                                void *ctx);

#endif
