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
    bool is_open; // the total is a sum that more may come to, and no sample yet
    uint64_t open_ms;
};

void samples_done(struct samples *s);

void samples_clear(struct samples *s);

void samples_add(struct samples *s, struct sample sample);

// Cuts so many histograms off the head of `bytes` and adds what they are together, at this time. A
// single one points into the bytes. The sum of several may get more at the same time, until
// samples_fold() makes it a sample. ERR_CORRUPT, and some of it may have been added: the list is
// good for samples_clear() alone.
MUST_CHECK enum err samples_cut_hists(struct samples *s, uint64_t time_ms, size_t count,
                                      struct str *bytes, struct arena *sums);

// Without those outside of [from, to).
void samples_cut(struct samples *s, uint64_t from_ms, uint64_t to_ms);

// Sorts by time and leaves one sample a time. Numbers: the one that was added last. Histograms: the
// sum of all whose time lies in the same multiple of `width_ms`, at its begin; sums are put in
// `sums`, and one that is nothing is left out.
void samples_fold(struct samples *s, enum series_type type, uint64_t width_ms, struct arena *sums);

#endif
