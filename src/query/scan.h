// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the rows of a view that match a filter within a time range, newest storage
// first. Parts are pruned by time, by shape (what a filter says of a shape decides for all its rows
// at once), by dictionary, and only then row by row; hot batches are read row by row.
#ifndef SONDE_QUERY_SCAN_H
#define SONDE_QUERY_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "query/filter.h"
#include "store/store.h"

// Shared between the thread that runs a query and whoever watches or cancels it.
struct query_control {
    atomic_bool cancelled;
    atomic_uint_fast64_t scanned_spans, total_spans;
    atomic_uint_fast64_t damaged_blocks;  // left out since their checksums are wrong
    atomic_uint_fast64_t given_up_values; // on which a regular expression took too many steps
};

struct scan {
    const struct store_view *view;
    const struct filter *filter;
    uint64_t from_ns, to_ns; // start of a span: from <= start < to
    unsigned fields;         // enum span_field that `visit` reads, besides the start
    bool all_attributes;     // whether `visit` reads span attributes
    struct query_control *control;
    // A row that matches; the row and its batch are valid during the call. False ends the scan.
    bool (*visit)(void *ctx, struct row row);
    // The start below which rows no longer matter; asked before each piece of storage. May be NULL.
    uint64_t (*floor_ns)(void *ctx);
    void *ctx;
};

// ERR_CANCELLED, or an error of the storage (what was visited before stands). The rest of a block
// that fails its checksums is left out, and counted.
MUST_CHECK enum err scan_run(const struct scan *scan);

// Whether a query goes on past this error, since it is damage to one block: counts it then. Without
// a control nobody would be told, so the error stands.
bool scan_passes_over(struct query_control *control, enum err e);

#endif
