// SPDX-License-Identifier: Apache-2.0
// Purpose: how much each bucket of cumulative exponential histograms grew, from one point of its
// sender to the next; of the series that model/point.h says. One thread.
//
// First each series of a bucket "all" is told to exponential_mark(), then exponential_settle(), and
// then each series of another bucket can be asked for its growth. Series of deltas tell their
// growth themselves.
#ifndef SONDE_QUERY_EXPONENTIAL_H
#define SONDE_QUERY_EXPONENTIAL_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/hash_index.h"
#include "model/exponential.h"
#include "query/scan.h"
#include "series/series.h"

// A point of an exponential histogram: when, in which shape (a number of exponential_shaped).
struct exponential_mark {
    uint64_t time_ms;
    double count;
    uint32_t shape;
    bool reset; // it began again from 0 after the one before
};

// A sender of an exponential histogram, with its points by time; and the shapes that it had. A key
// is what the labels say that its buckets have in common.
struct exponential_source {
    struct str key;
    struct exponential_mark *marks;
    size_t count, capacity;
    uint32_t shapes;
};
struct exponential_shaped {
    struct str key;
    struct exponential_shape shape;
    uint32_t source;
};

// By number, found by key.
struct exponential_table {
    uint64_t *hashes;
    size_t count, capacity;
    struct hash_index index;
};

struct exponential_sources {
    struct query_memory memory;
    struct exponential_source *sources;
    struct exponential_shaped *shaped;
    size_t source_capacity, shaped_capacity;
    struct exponential_table source_table, shaped_table;
    struct arena arena;
    struct buf key;
};

void exponential_init(struct exponential_sources *x, struct query_control *control);
void exponential_done(struct exponential_sources *x);

// Whether a series is of a bucket of an exponential histogram; and of which: false where its labels
// do not say.
bool exponential_has(const struct series_found *found);
MUST_CHECK bool exponential_read(const struct series_found *found,
                                 struct exponential_shape *ret_shape,
                                 struct exponential_bucket *ret_bucket);

// ERR_MEMORY where the control has none left.
MUST_CHECK enum err exponential_mark(struct exponential_sources *x,
                                     const struct series_found *found);
void exponential_settle(struct exponential_sources *x);

// What came to (lower, upper] between two times; a negative number takes back what is part of
// another growth of this time, and is told of before or after it.
struct exponential_growth {
    double lower, upper;
    uint64_t after_ms, until_ms;
    double by;
};

// Calls `each` with all growth of a series of a counter; all of one bucket are told together.
// ERR_INVALID where no point of its sender is known, or its labels are wrong; or what `each`
// returned.
MUST_CHECK enum err
exponential_grow(struct exponential_sources *x, const struct series_found *found,
                 enum err (*each)(void *ctx, const struct exponential_growth *growth), void *ctx);

#endif
