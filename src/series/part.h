// SPDX-License-Identifier: Apache-2.0
// Purpose: one immutable part of the series store: what the series of one line have at one tier in
// one stretch of time. Written once, in order of the series' canonical keys, so that parts merge by
// key order.
//
//   part   = head block* table* footer tail
//   head   = "SONDESER" version(u32) 0(u32)
//   tail   = footer length(u32) version(u32) footer checksum(u64) "SONDESER"
//   block  = packed { for each of its series: varint length of its chunk; then the chunks }
//            a chunk is whole in one block; a block ends at BLOCK_BYTES, or with its first chunk
//   table  = packed { for each of its series: varint bytes that it shares with the key before it
//            (none for the first), varint bytes that follow, these, type byte }; TABLE_SERIES at
//            most
//   footer = packed { line (varint length, bytes), varint tier, series, samples, least time,
//            distance to the greatest; varint blocks, each: varint series, bytes, checksum(u64);
//            varint tables, each: varint series, bytes, checksum(u64) }
//
// Blocks and tables lie back to back; checksums are XXH3-64 of the bytes in the file; "packed" is
// described in codec/zpack.h, a chunk in chunk.h. In a histogram tier times are begins of slots.
//
// A part in memory knows its series by the references of the index (index.h), in its order: what is
// looked for is found by their ranks. Any number of threads read one part at once; a part_cursor
// belongs to one thread.
#ifndef SONDE_SERIES_PART_H
#define SONDE_SERIES_PART_H

#include <stdatomic.h>

#include "codec/zpack.h"
#include "os/file_fate.h"
#include "series/samples.h"

#define SERIES_PART_VERSION 1u

// What the footer says.
struct series_part_meta {
    struct str line;
    enum series_tier tier;
    uint64_t series, samples, file_bytes;
    uint64_t min_ms, max_ms; // times of samples
};

// ---- Writing ------------------------------------------------------------------------------------

struct series_part_options {
    struct fs *fs;
    const char *path;
    struct str line;
    enum series_tier tier;
    int zstd_level;
};

struct series_part_writer;
MUST_CHECK enum err series_part_writer_new(const struct series_part_options *options,
                                           struct series_part_writer **ret_writer);
// Series come in ascending order of key; samples are folded and not empty.
MUST_CHECK enum err series_part_writer_add(struct series_part_writer *w, struct str key,
                                           enum series_type type, const struct samples *samples);
// How many series were added.
uint64_t series_part_writer_count(const struct series_part_writer *w);
// Writes what is left and syncs the file. On failure the file is worthless; the caller removes it.
MUST_CHECK enum err series_part_writer_finish(struct series_part_writer *w);
void series_part_writer_free(struct series_part_writer *w);

// ---- Reading ------------------------------------------------------------------------------------

struct part_section {
    uint64_t offset, first; // of the file; of the series
    uint32_t bytes;
    uint64_t sum;
};

struct series_part {
    atomic_int refs;
    atomic_int fate;     // enum file_fate
    atomic_bool damaged; // a reader met a wrong checksum: the store sets it aside
    struct fs *fs;
    struct file *file;
    const char *path;
    struct arena arena;
    struct series_part_meta meta;
    struct part_section *blocks, *tables; // one more than there are: where the next would begin
    size_t block_count, table_count;
    uint32_t *series;    // references in the order of the part, set by the owner, on the heap
    struct meter *meter; // that they are charged to, 4 bytes each; NULL: to none
};

// Reads and checks the footer. One reference. ERR_CORRUPT, ERR_UNSUPPORTED for another version.
MUST_CHECK enum err series_part_open(struct fs *fs, const char *path, struct series_part **ret_part,
                                     struct err_at *ret_at);
struct series_part *series_part_ref(struct series_part *p);
// With the last reference the file meets its fate.
void series_part_unref(struct series_part *p);

// Every series of the part, in order; an error of `each` ends it. Keys live until `each` returns.
MUST_CHECK enum err
series_part_each(struct series_part *p,
                 enum err (*each)(void *ctx, struct str key, enum series_type type), void *ctx);

// Reads everything. ERR_CORRUPT where something is damaged.
MUST_CHECK enum err series_part_verify(struct series_part *p, struct err_at *ret_at);

// Reads chunks in ascending order of position with little work: the block at hand is kept.
struct part_cursor {
    struct series_part *part;
    struct arena arena; // the block at hand
    struct str bytes;
    size_t block;      // block_count: none
    uint64_t position; // of the chunk at hand
    size_t at;         // its offset in the block
    struct cursor lengths;
};
void part_cursor_init(struct part_cursor *c, struct series_part *p);
void part_cursor_done(struct part_cursor *c);
// The chunk of the series at this position, which lives until the next call. ERR_CORRUPT, and the
// part is marked as damaged.
MUST_CHECK enum err part_cursor_get(struct part_cursor *c, uint64_t position,
                                    struct str *ret_chunk);
// The samples of the series at this position; they live as long.
MUST_CHECK enum err part_cursor_samples(struct part_cursor *c, uint64_t position,
                                        enum series_type type, struct samples *into);
// The same of histograms, as chunk_sum() gives them, and leaves them at ERR_CORRUPT.
struct chunk_steps;
MUST_CHECK enum err part_cursor_sums(struct part_cursor *c, uint64_t position,
                                     const struct chunk_steps *steps, struct samples *into);

#endif
