// SPDX-License-Identifier: Apache-2.0
// Purpose: one block within a scan; internal to scan.
//
// For each test of the filter a plan says, by shape, what is known of it: true, false, unknown, or
// that the row's value in a certain column decides. A page is then decided column by column, one
// bit a row: `yes` for rows that match, `maybe` for rows that must be read as rows to know (tests
// on events, links and IDs).
#ifndef SONDE_QUERY_SCAN_BLOCK_H
#define SONDE_QUERY_SCAN_BLOCK_H

#include "query/scan.h"
#include "store/part.h"

#define PAGE_WORDS (PAGE_ROWS / 64)

// What one thread needs to scan blocks; about 162 KiB.
struct scan_worker {
    const struct scan *s;
    void *ctx; // of the visits
    // Of the page at hand.
    uint32_t shapes[PAGE_ROWS]; // of the wanted rows at least; of all when has_shapes
    uint64_t durations[PAGE_ROWS], starts[PAGE_ROWS];
    uint64_t wanted[PAGE_WORDS], sure[PAGE_WORDS];
    bool has_shapes, has_durations, has_starts;
};

// What rows must reach at least to matter.
struct scan_floor {
    uint64_t start_ns, duration_ns;
};

// Visits the matching rows of a block. `floor_of` is asked before each page.
MUST_CHECK enum err scan_block(struct scan_worker *w, struct part *p, size_t index,
                               struct scan_floor (*floor_of)(void *run, struct scan_worker *w),
                               void *run);

// Values or rows tested between two looks whether to go on: a regular expression may take its time.
#define SCAN_TESTS_A_LOOK 64

// Why the scan must not go on; ERR_OK when it may.
static inline enum err scan_stopped(const struct scan *s)
{
    if (query_must_end(s->control)) {
        return ERR_CANCELLED;
    }
    bool short_of_memory = s->control != NULL && atomic_load(&s->control->short_of_memory);
    return short_of_memory ? ERR_MEMORY : ERR_OK;
}

static inline void scan_count(const struct scan *s, uint64_t rows)
{
    if (s->control != NULL) {
        atomic_fetch_add(&s->control->scanned_spans, rows);
    }
}

#endif
