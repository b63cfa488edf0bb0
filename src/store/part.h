// SPDX-License-Identifier: Apache-2.0
// Purpose: one immutable part: a file of spans in columns, written once, read by page. The byte
// format is described in docs/format.md and atop part_format.h.
//
//   part   rows sorted by row_cmp() (trace ID, start, span ID); one business line
//   block  up to BLOCK_ROWS rows with their own dictionaries: shapes, one dictionary per attribute
//          column, the trace table. Cut between traces where a trace fits.
//   page   PAGE_ROWS rows of a block: the unit of compression and of point reads
//   shape  what spans have in common: resource, scope, name, kind, status, and the list of
//          (key, type) of their attributes. A row is a shape code plus the values that its shape
//          says it has, so attribute columns are dense and need no null map.
//
// Readers: any number of threads at once on one `struct part`; a `struct block` belongs to one
// thread. Every byte is under a checksum; a mismatch is ERR_CORRUPT and never a crash.
#ifndef SONDE_STORE_PART_H
#define SONDE_STORE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "model/batch.h"
#include "os/file_fate.h"

#define BLOCK_ROWS ((size_t)65536)
#define PAGE_ROWS  ((size_t)8192)

struct part;
struct part_writer;
struct block;
struct mem_source; // core/mem.h

// ---- Writing ---------------------------------------------------------------------------------

struct part_service {
    struct str name;
    uint64_t rows, errors;
};

// What the footer says of the whole part.
struct part_meta {
    struct str line;
    uint64_t rows, traces, blocks, file_bytes;
    uint64_t min_start_ns, max_start_ns;
    uint64_t min_duration_ns, max_duration_ns;
    uint64_t seq_first, seq_last; // journal range that the rows came from
    const struct part_service *services;
    size_t service_count;
};

struct part_writer_options {
    struct fs *fs;
    const char *path;
    struct str line;
    uint64_t seq_first, seq_last;
    size_t block_rows; // at most; BLOCK_ROWS when 0
    int zstd_level;    // 1 for first parts, 3 for merged ones; 0 compresses nothing
    unsigned version;  // of the format; 0: the newest. Older ones are for tests of the reader
};

MUST_CHECK enum err part_writer_new(const struct part_writer_options *options,
                                    struct part_writer **ret_writer);

// Rows come in row_cmp() order; ERR_CORRUPT for one that does not: what it was read from is
// damaged. The writer holds a reference on the row's batch until the block
// that has the row is written.
MUST_CHECK enum err part_writer_add(struct part_writer *w, struct row row);

// Writes what is left, the bloom filter and the footer, and syncs the file. The part may be opened
// after this. On failure the file is worthless; the caller removes it.
MUST_CHECK enum err part_writer_finish(struct part_writer *w);
void part_writer_free(struct part_writer *w);

// ---- Reading ---------------------------------------------------------------------------------

// Reads and checks the footer. One reference.
MUST_CHECK enum err part_open(struct fs *fs, const char *path, struct part **ret_part,
                              struct err_at *ret_at);
struct part *part_ref(struct part *p);
void part_unref(struct part *p);
const struct part_meta *part_meta(const struct part *p);

// The number that names the file (os/file_number.h, with ".part"); 0 for other names.
uint64_t part_number(const struct part *p);

// A reader that met a wrong checksum has noted it in the part, for the store to set it aside.
void part_note_damage(struct part *p);
bool part_is_damaged(const struct part *p);
void part_clear_damage(struct part *p); // it did not show again

// What becomes of the file once nobody holds the part any more.
void part_retire(struct part *p, enum file_fate fate);

// What the footer says of one page.
struct page_meta {
    uint64_t min_start_ns, max_start_ns;
    uint64_t min_duration_ns, max_duration_ns;
};

// What the footer says of one block, for pruning before anything is read.
struct block_meta {
    uint32_t rows, pages;
    uint64_t min_start_ns, max_start_ns;
    uint64_t min_duration_ns, max_duration_ns;
    uint64_t errors; // rows with status error
    trace_id first_trace, last_trace;
    const struct page_meta *page; // of each page; NULL in parts of version 1
};
const struct block_meta *part_block_meta(const struct part *p, size_t block);

// What is wanted of the rows of a trace, which are in order of their start.
struct trace_request {
    unsigned fields;    // enum span_field bits
    bool attributes;    // without, no attribute column is read
    size_t rows_max;    // where the trace has more, nothing is read of the block that passes it
    size_t skip, first; // of its rows the first so many, after those that are passed over
    struct mem_source *source; // asked for memory before each page; may be NULL
};
#define TRACE_EVERY_ROW                                                                            \
    (&(const struct trace_request){                                                                \
        .fields = FIELD_ALL, .attributes = true, .rows_max = SIZE_MAX, .first = SIZE_MAX})

// Rows of one trace in this part as a sealed batch, or ERR_NOT_FOUND; ERR_LIMIT where there are
// more than `rows_max`. A bloom filter answers most misses with one small read. The source has
// given batch_bytes(*ret_batch) in the end, which the caller gives back; ERR_MEMORY where it
// refuses.
MUST_CHECK enum err part_find_trace(struct part *p, trace_id id,
                                    const struct trace_request *request, struct batch **ret_batch);

// How many rows the part has of a trace, and when the earliest of them start, `most` at most, in
// order; or ERR_NOT_FOUND.
MUST_CHECK enum err part_trace_starts(struct part *p, trace_id id, size_t most,
                                      uint64_t *ret_starts, size_t *ret_rows);

// A shape as a reader sees it; strings live as long as the block.
struct shape {
    uint32_t resource, scope; // index into block_resources()'s batch
    struct str service, name;
    uint8_t kind, status;
    uint32_t rows;           // of the block that have it
    const uint32_t *columns; // attribute columns in attribute order; an index below column_count
    uint32_t column_count;
};

// An attribute column: one key with one type.
struct column {
    struct str key;
    enum attr_type type;
    uint64_t values; // in the block
    bool has_dictionary;
};

MUST_CHECK enum err block_open(struct part *p, size_t index, struct block **ret_block);
// The same from the part's cache of opened blocks where it has one; block_free() puts it back
// there.
MUST_CHECK enum err block_borrow(struct part *p, size_t index, struct block **ret_block);
void block_free(struct block *b);
// What the block and its reader's buffers hold by now; pages and dictionaries that are read add to
// it.
size_t block_used_bytes(const struct block *b);
// What a page of an attribute column takes in the file.
size_t block_page_stored_bytes(const struct block *b, uint32_t column, size_t page);
// What a page of those of the fields (enum span_field) takes there that have no fixed size: texts,
// events, links, counts.
size_t block_page_field_bytes(const struct block *b, unsigned fields, size_t page);
size_t block_pages(const struct block *b);
const struct shape *block_shapes(const struct block *b, size_t *ret_count);
const struct column *block_columns(const struct block *b, size_t *ret_count);

// The dictionary of a text column that has one: its strings, unique, living as long as the block.
MUST_CHECK enum err block_dictionary(struct block *b, size_t column, const struct str **ret_strings,
                                     size_t *ret_count);

// A batch without spans that holds the block's resources and scopes with their attributes, in the
// numbering of struct shape. Belongs to the block.
MUST_CHECK enum err block_resources(struct block *b, const struct batch **ret_batch);

// Shape codes of the rows of one page; `out` has room for PAGE_ROWS.
MUST_CHECK enum err block_page_shapes(struct block *b, size_t page, uint32_t *out,
                                      size_t *ret_rows);

// The same of the rows alone whose bit is set; where they are few.
MUST_CHECK enum err block_pick_shapes(struct block *b, size_t page, const uint64_t *rows,
                                      uint32_t *out);

// What block_read_page() decodes. Shape-borne fields (resource, scope, name, kind, status) and the
// trace ID always are.
enum span_field {
    FIELD_START = 1,
    FIELD_DURATION = 2,
    FIELD_ID = 4,
    FIELD_PARENT = 8,
    FIELD_STATUS_MESSAGE = 16,
    FIELD_TRACE_STATE = 32,
    FIELD_EVENTS = 64,
    FIELD_LINKS = 128,
    FIELD_COUNTS = 256, // dropped counts, flags, end_before_start
    FIELD_ALL = 511
};

// FIELD_START or FIELD_DURATION of all rows of one page without a batch around them, for scans:
// `out` has room for PAGE_ROWS.
MUST_CHECK enum err block_page_numbers(struct block *b, size_t page, enum span_field field,
                                       uint64_t *out, size_t *ret_rows);

// The values of an attribute column in one page, by the type of the column.
struct page_values {
    const uint64_t *ints;    // numbers (a double's bits), or codes of the dictionary; NULL without
    const struct str *texts; // where the column has no dictionary; NULL without
};

// `n` is how many values the page has: what the shapes of its rows say. They are valid until the
// next call of block_page_shapes() or block_read_page().
MUST_CHECK enum err block_page_values(struct block *b, size_t page, size_t column, size_t n,
                                      struct page_values *ret_values);

// Loads the table of traces; then the trace ID of a row of the block. Rows asked in order with the
// same *hint (0 at first) are found at once.
MUST_CHECK enum err block_traces(struct block *b);
trace_id block_row_trace(const struct block *b, size_t row, size_t *hint);

struct page_request {
    unsigned fields;  // enum span_field bits
    bool all_columns; // every attribute column, else the listed ones
    const uint32_t *columns;
    size_t column_count;
    const uint64_t *rows; // bitmap over the page's rows, or NULL for all
};

// The chosen rows of a page as a sealed batch, in row order. What was not asked for is zero or
// absent. *ret_batch is valid after the block is freed.
MUST_CHECK enum err block_read_page(struct block *b, size_t page,
                                    const struct page_request *request, struct batch **ret_batch);

// ---- Checking ---------------------------------------------------------------------------------

// Bytes of the file by what they hold, for `sonde store stats`: `name` is "span_id", "start",
// "attr:http.url:string", "shapes", "bloom", ...
MUST_CHECK enum err part_column_bytes(struct part *p,
                                      void (*each)(void *ctx, const char *name, uint64_t bytes),
                                      void *ctx);

// Reads everything and checks each checksum, each code against its dictionary, the order, and what
// the footer says of all of it.
// ERR_CORRUPT: the part is damaged. Other errors say nothing of it.
MUST_CHECK enum err part_verify(struct part *p, struct err_at *ret_at);

#endif
