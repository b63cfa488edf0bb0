// SPDX-License-Identifier: Apache-2.0
// Purpose: a histogram of durations that adds up: every rate and every quantile of the server comes
// from totals and from merged histograms of this kind, never from an average of averages.
//
// Buckets. Bucket i holds the values v (ns) with 2^(i/64) <= v < 2^((i+1)/64): the exponential
// histogram of OpenTelemetry's metrics data model at scale 6, but closed below instead of above,
// which matters to exact powers only. 0 counts as 1. A quantile is given as the value between a
// bucket's bounds that is off by the same ratio from both: at most 0.55 %.
//
// Counts are signed, so that what was counted too early can be taken back: a histogram may be a
// correction of another. Adding is exact and in any order; a histogram and its negative are
// nothing.
//
// Shape. Most histograms are of few calls, so that the first ones are kept as they came: the bucket
// of each, two bytes in a list. With more than HIST_FEW_MAX, or with what no list can say (several
// calls at once, one taken back that is not in the list), buckets are kept by blocks of 16 (a
// quarter of an octave, one line of memory) with a count each; a histogram stays so. A cell beyond
// 32 bits is an error of the caller: what may grow so far is merged into a hist_total.
//
// The bytes of a histogram (hist_encode): varints; zigzag where signed: count, sum, number of cells
// that are not 0, then for each the distance to the bucket before (from -1) and the zigzag count.
// Bytes that were added up from many (hist_total_encode) may hold counts beyond 32 bits.
//
// Not thread-safe.
#ifndef SONDE_CORE_HIST_H
#define SONDE_CORE_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define HIST_OCTAVE  64u // buckets
#define HIST_BUCKETS (64u * HIST_OCTAVE)
#define HIST_BLOCK   16u  // buckets
#define HIST_FEW_MAX 128u // calls

// No histogram is longer as bytes: three numbers of ten bytes, and each cell of ten and a distance.
#define HIST_BYTES_MAX ((size_t)HIST_BUCKETS * 20 + 30)

// What is kept for each series and moment. All zero is an empty one.
struct hist {
    int64_t count;
    int64_t sum_ns; // wraps
    uint16_t few_count, few_room;
    bool is_many;
    union {
        uint16_t *few; // buckets, in no order
        struct hist_many *many;
    };
};

// The bucket of a value.
unsigned hist_bucket(uint64_t value_ns);
// The value that stands for a bucket.
uint64_t hist_value(unsigned bucket);

// Adds `times` calls of this duration; a negative number takes them back.
void hist_add(struct hist *h, uint64_t value_ns, int32_t times);
// The same of `count` calls at once, whose buckets and whose sum are given. The sum may wrap.
void hist_add_run(struct hist *h, const uint16_t *buckets, size_t count, uint64_t sum_ns,
                  int32_t times);
// Whether every cell of a histogram that hist_cut() took is one that a struct hist may have.
bool hist_fits(struct str hist);
// Adds a histogram that hist_encode() gave and hist_cut() took, and that fits.
void hist_add_encoded(struct hist *h, struct str hist);
// For a hist_add() soon: brings near what it touches first.
void hist_prefetch(const struct hist *h);
void hist_clear(struct hist *h); // frees what it holds
// No count and no cell that is not 0: adding it to anything changes nothing.
bool hist_is_nothing(const struct hist *h);
size_t hist_bytes(const struct hist *h); // heap bytes held

// The buffer gets room for the longest bytes there may be: several times of what is written.
void hist_encode(const struct hist *h, struct buf *out);

// ---- As bytes -----------------------------------------------------------------------------------

// What stands before the cells.
struct hist_head {
    int64_t count, sum_ns;
    uint64_t used; // cells that are not 0
};

// Cuts the histogram at the head of `bytes` off; every cell is checked. ERR_CORRUPT, and nothing
// cut, for bytes that are none.
MUST_CHECK enum err hist_cut(struct str *bytes, struct str *ret_hist, struct hist_head *ret_head);

// Of a histogram that hist_cut() gave.
struct hist_head hist_head_of(struct str hist);

// The sum of the values of a histogram that hist_cut() gave, or hist_encode(): its `sum_ns`, as
// long as that cannot have wrapped; else about the sum by its buckets, and INT64_MAX where it is
// more.
int64_t hist_sum_ns(struct str hist);

// What many histograms are added up into. All zero is an empty one. Numbers wrap.
struct hist_total {
    int64_t count, sum_ns;
    uint64_t words;                     // bits: which words of `added` have any
    uint64_t added[HIST_BUCKETS / 64u]; // bits: buckets where something was added
    int64_t buckets[HIST_BUCKETS];
};

// Takes the time of what was added to it, not of all buckets.
void hist_total_clear(struct hist_total *t);

// Adds a histogram that hist_cut() gave, or hist_encode().
void hist_total_add(struct hist_total *t, struct str hist);

// hist_cut() and hist_total_add() in one. After ERR_CORRUPT the total is to be cleared: some cells
// may have been added.
MUST_CHECK enum err hist_total_cut(struct hist_total *t, struct str *bytes);

// Adds a histogram as it is kept.
void hist_total_add_kept(struct hist_total *t, const struct hist *h);

// The total as bytes. hist_cut() takes it for a histogram.
void hist_total_encode(const struct hist_total *t, struct buf *out);

// The values of the shares q (0 to 1, ascending), by nearest rank (core/rank.h); 0 where there are
// none. Buckets with a negative count (a correction whose original is not part of the total)
// count as 0.
void hist_total_quantiles(const struct hist_total *t, const double *q, size_t count,
                          uint64_t *ret_ns);

#endif
