// SPDX-License-Identifier: Apache-2.0
// Purpose: a window as its own files see it.
#ifndef SONDE_ALERT_WINDOW_STATE_H
#define SONDE_ALERT_WINDOW_STATE_H

#include "alert/window.h"

struct window_slot {
    uint32_t count, errors;
    double sum;
};
struct window_extremes {
    double min, max;
};
struct window_past {
    double count, errors, sum;
    double value; // of the measure; NAN where there is none, or the window was not whole
};
struct window_distinct {
    uint64_t hash, slot; // hash 0: free; the last slot that had it
};

// A bucket that was told of: (lower, upper]; lower NAN: all at or below upper.
struct window_bound {
    double lower, upper;
    uint64_t slot; // the last that was told of it
};
struct window_part {
    uint32_t bound;
    double n;
};
struct window_parts {
    struct window_part *items;
    uint32_t count, capacity;
};
struct window_buckets {
    struct window_bound *bounds; // WINDOW_BOUNDS_MAX at most
    size_t count, capacity, likely;
    struct window_parts *slots; // of the ring: what grew there
};

struct window {
    uint64_t newest, began; // slots
    double carried;         // by an instance in a minute; NAN: not known
    struct window_slot *slots;
    struct window_extremes *extremes; // NULL where the shape has none; so the next two
    struct hist *hists;
    struct window_past *past; // a ring, of the last WINDOW_PAST of past_count
    uint64_t past_count, next_past;
    struct trend trend;               // of these, where the shape foresees
    struct season *season;            // NULL where the shape has none
    struct window_buckets *buckets;   // NULL until there are some
    struct window_distinct *distinct; // open addressing
    uint64_t *seen; // of each of these window_words(): bit k is the slot that is k before its last
    size_t distinct_size, distinct_count;
    uint64_t distinct_swept; // the newest slot when those that are over were left out last
};

// Of a value's bits.
static inline size_t window_words(const struct window_shape *shape)
{
    return (shape->ring + 63) / 64;
}

// window_judge.c: the measure at the end of this slot; NAN where there is none.
double window_value(const struct window *w, const struct window_shape *shape, uint64_t end,
                    struct hist_total *scratch);

// window_buckets.c
void window_buckets_free(struct window *w, const struct window_shape *shape);
size_t window_buckets_bytes(const struct window *w, const struct window_shape *shape);
void window_buckets_clear_slot(struct window *w, const struct window_shape *shape, uint64_t slot);
// There must be room for it.
void window_add_bucket(struct window *w, const struct window_shape *shape, uint64_t slot,
                       const struct window_bucket *bucket);
// Of the window that ends with this slot; NAN where nothing grew. There are buckets.
double window_buckets_quantile(const struct window *w, const struct window_shape *shape,
                               uint64_t end, double q);

// window.c: takes the trend of the windows that are over anew.
void window_foresee(struct window *w, const struct window_shape *shape);

// One value, seen in this slot of the ring. Its bits; NULL where there are DISTINCT_MAX.
uint64_t *window_add_distinct(struct window *w, const struct window_shape *shape, uint64_t hash,
                              uint64_t slot);

#endif
