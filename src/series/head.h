// SPDX-License-Identifier: Apache-2.0
// Purpose: what was added since the last seal. While it is added to, whoever reads it shares the
// adder's lock; once sealed it never changes.
#ifndef SONDE_SERIES_HEAD_H
#define SONDE_SERIES_HEAD_H

#include <stdatomic.h>

#include "series/samples.h"

struct head_series;

struct series_head {
    atomic_int refs;
    struct meter meter; // ACCOUNT_SERIES
    struct head_series *series;
    size_t count, capacity;
    uint32_t *places; // by reference: place in `series` + 1
    size_t place_count;
    uint64_t samples; // slots and numbers
    uint64_t born_ns; // monotonic
    uint64_t min_ms, max_ms;
    // From the seal on:
    uint64_t seq;
    struct str state; // on the heap
};

// One reference.
struct series_head *series_head_new(struct budget *budget, uint64_t now_ns);
struct series_head *series_head_ref(struct series_head *h);
void series_head_unref(struct series_head *h); // NULL is fine

void series_head_add_number(struct series_head *h, uint32_t series, uint64_t time_ms, double value);
// Those of before `end_ms`; returns how many durations are not.
size_t series_head_add_runs(struct series_head *h, const struct series_run *runs, size_t count,
                            uint64_t end_ms);

// The references of all series, in order of their first sample; `list` has room for h->count.
void series_head_list(const struct series_head *h, uint32_t *list);
bool series_head_has(const struct series_head *h, uint32_t series);

// Adds what the series has in [from, to); histograms are encoded into `a`. `scratch` is cleared.
void series_head_samples(const struct series_head *h, uint32_t series, uint64_t from_ms,
                         uint64_t to_ms, struct samples *into, struct arena *a,
                         struct buf *scratch);

#endif
