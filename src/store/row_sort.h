// SPDX-License-Identifier: Apache-2.0
// Purpose: bringing rows into the order of parts, and recognising a row that came twice.
#ifndef SONDE_STORE_ROW_SORT_H
#define SONDE_STORE_ROW_SORT_H

#include "model/batch.h"

// Sorts by row_cmp().
void row_sort(struct row *rows, size_t n);

// Rows with the same trace, span ID and start that dedupe_is_copy() remembers; more are let
// through.
#define DEDUPE_GROUP_MAX 16

struct dedupe_row {
    uint64_t duration_ns, name_hash;
    uint8_t kind;
};

// A zeroed one is ready.
struct dedupe {
    trace_id trace;
    span_id id;
    uint64_t start_ns;
    struct dedupe_row group[DEDUPE_GROUP_MAX];
    size_t count;
};

// Whether the row is the same span as one before: equal trace, span ID, start, duration, kind and
// name. Rows come in row_cmp() order.
bool dedupe_is_copy(struct dedupe *d, struct row row);

#endif
