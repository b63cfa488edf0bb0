// SPDX-License-Identifier: Apache-2.0
// Purpose: what one series has at several moments, gathered from several places and put together:
// the one way in which a flush, a merge and a query add up.
#ifndef SONDE_SERIES_SAMPLES_H
#define SONDE_SERIES_SAMPLES_H

#include "core/arena.h"
#include "core/buf.h"
#include "series/series.h"

#define SAMPLE_TIME_MAX ((uint64_t)1 << 48) // ms; any time is below

struct sample {
    uint64_t time_ms;
    union {
        double number;
        struct str hist; // bytes of a whole histogram; whoever gathers says how long they live
    };
};

// All zero is an empty list.
struct samples {
    struct sample *at;
    size_t count, capacity;
    struct sample *spare; // for sorting
    size_t spare_capacity;
    struct hist_total *total; // for adding up
    struct buf bytes;
};

void samples_done(struct samples *s);

static inline void samples_clear(struct samples *s)
{
    s->count = 0;
}

void samples_add(struct samples *s, struct sample sample);

// Without those outside of [from, to).
void samples_cut(struct samples *s, uint64_t from_ms, uint64_t to_ms);

// Sorts by time and leaves one sample a time. Numbers: the one that was added last. Histograms: the
// sum of all whose time lies in the same multiple of `width_ms`, at its begin; sums are put in
// `sums`, and one that is nothing is left out.
void samples_fold(struct samples *s, enum series_type type, uint64_t width_ms, struct arena *sums);

#endif
