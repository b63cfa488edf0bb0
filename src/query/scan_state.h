// SPDX-License-Identifier: Apache-2.0
// Purpose: a block while it is scanned, as the three files see it that scan it; internal to scan.
//
//   scan_plan.c   what the shapes of the block say of each test, and so of the filter
//   scan_page.c   what the columns of the page at hand say, one bit a row
//   scan_block.c  which pages and rows are looked at, and what becomes of those that match
#ifndef SONDE_QUERY_SCAN_STATE_H
#define SONDE_QUERY_SCAN_STATE_H

#include "core/must.h"
#include "query/scan_block.h"

// What a plan says of a shape: this, or the column (an index into its columns) that decides.
enum { PLAN_UNKNOWN = -3, PLAN_YES = -2, PLAN_NO = -1 };

// A test on an attribute meets columns of its key, one for each type.
struct plan {
    const struct filter_node *test;
    size_t column_count;
    uint32_t columns[ATTR_TYPE_COUNT];
    uint8_t *passes[ATTR_TYPE_COUNT];                // of a column with a dictionary: by code
    bool any[ATTR_TYPE_COUNT], all[ATTR_TYPE_COUNT]; // of its values pass
    int16_t *by_shape;                               // NULL until a page needs it
    uint16_t *takes; // by shape and column: how many values a row has there
};

struct block_scan {
    struct scan_worker *w;
    struct block *block;
    const struct block_meta *meta;
    const struct batch *resources;
    const struct shape *shapes;
    size_t shape_count;
    const struct column *columns;
    size_t column_count;
    const struct shape *shape; // the one that a verdict is being asked for
    struct arena arena;
    struct plan *plans;                        // by index of the test
    uint8_t *verdicts;                         // by shape
    uint32_t *notes;                           // by shape, the visitor's
    bool undecided;                            // some shape's verdict is MAYBE
    uint64_t min_duration_ns, max_duration_ns; // that a match can have
    uint32_t *shape_rows;                      // of the page at hand, by shape
    bool has_shape_rows;
    size_t page, rows; // at hand
    size_t trace_hint;
    size_t paid_bytes; // to the budget: the most that the block and its plans have held so far
    enum err error;
};

// ---- Bits, one a row of a page ------------------------------------------------------------------

static inline bool page_bit(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static inline void page_bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline bool page_bits_any(const uint64_t *bits)
{
    uint64_t some = 0;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        some |= bits[i];
    }
    return some != 0;
}

// The first row from `from` on whose bit is set, or PAGE_ROWS.
static inline size_t page_bit_next(const uint64_t *bits, size_t from)
{
    ASSERT(from <= PAGE_ROWS);
    for (size_t word = from / 64; word < PAGE_WORDS; word++) {
        uint64_t left = bits[word];
        if (word == from / 64) {
            left &= ~(uint64_t)0 << (from % 64);
        }
        if (left != 0) {
            return word * 64 + (size_t)__builtin_ctzll(left);
        }
    }
    return PAGE_ROWS;
}

// ---- scan_plan.c --------------------------------------------------------------------------------

// Makes the plans and decides for the shapes; false when none can match, or on an error (b->error).
// Dictionaries are opened only when values matter.
bool plan_judge(struct block_scan *b);

// Fills in what the plan says by shape; false when that would take too much.
bool plan_complete(struct block_scan *b, struct plan *p);

// ---- scan_page.c --------------------------------------------------------------------------------

// Loads a number of all rows (start or duration), or the shapes; false on an error, into b->error.
bool page_numbers(struct block_scan *b, enum span_field field);
bool page_shapes(struct block_scan *b);

// Keeps the wanted rows whose number lies within [min, max].
void page_keep_within(struct block_scan *b, enum span_field field, uint64_t min, uint64_t max);

// Of the live rows, those for which the node holds, and those for which columns cannot say.
void page_decide(struct block_scan *b, const struct filter_node *n, const uint64_t *live,
                 uint64_t *yes, uint64_t *maybe);

#endif
