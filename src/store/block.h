// SPDX-License-Identifier: Apache-2.0
// Purpose: an open part and an open block as their readers see them; private to the store.
//
// A block has two lives: its room and the file reference end with block_free(); tables and
// dictionaries live on while a batch that block_read_page() made points into them, or while it lies
// idle in the cache (block_cache.h).
#ifndef SONDE_STORE_BLOCK_H
#define SONDE_STORE_BLOCK_H

#include <stdatomic.h>

#include "core/must.h"
#include "store/part_footer.h"

struct part {
    atomic_int refs;
    atomic_int fate; // enum part_fate
    atomic_bool damaged;
    struct fs *fs;
    const char *path;
    struct file *file;
    struct arena arena;
    struct part_footer footer;
    uint64_t footer_bytes;     // with the tail
    struct block_cache *cache; // NULL: none
    struct block **idle;       // by block, what lies in the cache; under its lock
};

struct region {
    uint64_t offset; // in the file
    uint32_t length;
    uint64_t sum;
};

struct block_column {
    enum column_kind kind;
    uint64_t values;
    uint32_t dictionary_region;   // when kind is COLUMN_CODES
    const struct str *dictionary; // loaded when first used
    size_t dictionary_count;
};

// What one reader needs besides the block; kept for the next reader.
struct block_room {
    struct arena scratch;
    struct buf io;     // one region
    struct buf window; // a run of regions read at once
};

struct block {
    atomic_int refs;
    struct part *part; // NULL after block_free()
    size_t index;
    bool borrowed; // goes to the cache afterwards
    struct arena arena;
    struct arena scratch; // this and the buffers below are the room's
    uint32_t rows, pages, traces;
    struct block_column *columns; // built-in ones first
    size_t column_count;
    struct column *attributes; // the columns after the built-in ones, for outside
    struct region *regions;
    size_t region_count, cold_first; // index of the first region that is a page of a cold column
    struct shape *shapes;
    uint8_t *shape_fields; // SHAPE_* bits
    size_t shape_count;
    struct batch *resources;
    const uint8_t *trace_ids; // loaded when first used, like the next two
    uint32_t *trace_first;    // first row of each trace, and the end
    uint64_t *trace_starts;
    struct buf io;     // one region
    struct buf window; // a run of regions read at once, starting at window_offset of the file
    uint64_t window_offset;
    struct part *home;           // while idle in the cache: not a reference
    struct block *newer, *older; // likewise
    size_t charged;
};

// Bytes of a region, checked against its sum, with REGION_PAD readable bytes after them; valid
// until the next call.
MUST_CHECK enum err block_region(struct block *b, size_t region, struct str *ret_bytes);

// Index of the region that holds a page of a column.
size_t block_page_region(const struct block *b, size_t column, size_t page);

// Reads all cold pages of a page at once; block_region() then finds them in memory.
MUST_CHECK enum err block_read_window(struct block *b, size_t page);

MUST_CHECK enum err block_load_traces(struct block *b);

// Values [first, first + count) of the n that a page of a column of integers or codes has; into
// scratch, like the next. Shape codes are checked.
MUST_CHECK enum err block_load_ints(struct block *b, size_t column, size_t page, size_t n,
                                    size_t first, size_t count, uint64_t **ret);
MUST_CHECK enum err block_load_shapes(struct block *b, size_t page, uint64_t **ret_shapes);

// The trace that a row of the block belongs to. The table of traces is loaded, here and below.
size_t block_trace_of(const struct block *b, size_t row);

// Adds up the distances of rows [from, to) of the page, see part_format.h; in place. `from` is the
// first row of its trace or of the page.
void block_add_starts(const struct block *b, size_t page, size_t from, size_t to, uint64_t *values);
MUST_CHECK enum err block_load_dictionary(struct block *b, size_t column);

// Bytes that an idle block holds.
size_t block_held_bytes(const struct block *b);

// Drops a reference; frees what batches pointed to at the last.
void block_unref(struct block *b);

// The rows of a block's page are appended to an open batch. With `copy` all texts are interned;
// else they point into the block, which the caller makes the batch keep.
MUST_CHECK enum err block_append_page(struct block *b, size_t page,
                                      const struct page_request *request, bool copy,
                                      struct batch *out);

static inline size_t block_page_rows(const struct block *b, size_t page)
{
    size_t first = page * PAGE_ROWS;
    ASSERT(first < b->rows);
    return b->rows - first < PAGE_ROWS ? b->rows - first : PAGE_ROWS;
}

#endif
