// SPDX-License-Identifier: Apache-2.0
// Purpose: the byte format of a part, and the constants that writer and reader share.
// docs/format.md says the same at more length.
//
//   part      = head block* bloom footer tail
//   head      = magic(8) version(u32) zero(u32)
//   tail      = footer length(u32) version(u32) footer checksum(u64) magic(8)
//   block     = regions, back to back, in this order:
//               trace IDs (16 bytes each, sorted) · rows of each trace (ints) · first start of each
//               trace (ints) · shape table · resource table
//               the pages of each hot column: shape, duration, start
//               the dictionary of each column that has one, in column order
//               for each page: the page of each other column, in column order
//               and last the directory: its place and checksum are in the footer
//   directory = varint rows, traces, columns; per column: kind, then for attributes type and key
//               (varint length, bytes), then varint values; then per region, in file order: varint
//               length and, unless that is 0, its XXH3-64
//   bloom     = chunks of BLOOM_CHUNK_BLOCKS blocks of 32 bytes, each chunk followed by its XXH3-64
//
// Columns 0 to COLUMN_BUILTIN - 1 are the fields of a span, the rest attributes. A column holds one
// value per row whose shape says so (a key that stands twice in a span gives two), cut at page
// borders. All numbers are little-endian; "varint" is LEB128; "ints" is described in int_codec.h,
// "strings" and "packed" in text_codec.h.
//
//   shape table    packed { names: strings; varint keysets, each: varint n, n times varint column -
//                  COLUMN_BUILTIN; varint shapes, each: varint resource, scope, name, bits (kind |
//                  status << 3 | SHAPE_* << 5), keyset, rows }
//   resource table packed { texts: strings; varint resources, each: varint service, schema URL,
//                  dropped attributes, n, n attributes; varint scopes, each: varint name, version,
//                  schema URL, dropped, n, n attributes }
//   attribute      varint key, type byte, value: varint text code, or 8 bytes
//   footer         packed { see part_footer.c }
//
// Start: within a page, the distance to the row before it in the same trace; for the first row of a
// trace or of a page, the distance to the first start of the trace (in this block).
// Parent: 0 for a root, 1 when the parent is not among the rows of the trace in this block (its ID
// is the next value of COLUMN_PARENT_ID), else zigzag(parent's row - row) + 1.
#ifndef SONDE_STORE_PART_FORMAT_H
#define SONDE_STORE_PART_FORMAT_H

#include <stdint.h>

#include "codec/zpack.h"
#include "store/part.h"

#define PART_MAGIC        "SONDEPRT"
#define PART_VERSION      2u // 2: the footer says of each page what it says of the block
#define PART_VERSION_MIN  1u // still read
#define PART_HEAD_BYTES   16u
#define PART_TAIL_BYTES   24u
#define PART_FOOTER_MAX   ((size_t)64 << 20)
#define BLOCK_PAGES       (BLOCK_ROWS / PAGE_ROWS)
#define BLOCK_COLUMNS_MAX ((size_t)16384)    // attribute columns; a block is cut short at it
#define BLOCK_TEXT_MAX    ((size_t)64 << 20) // distinct text of a block; likewise
#define PART_BLOCKS_MAX   ((size_t)1 << 20)

#define TRACE_BYTES 16u
#define SPAN_BYTES  8u

enum {
    COLUMN_SHAPE,
    COLUMN_DURATION,
    COLUMN_START,
    COLUMN_ID,
    COLUMN_PARENT,
    COLUMN_PARENT_ID,
    COLUMN_STATUS_MESSAGE,
    COLUMN_TRACE_STATE,
    COLUMN_EVENTS,
    COLUMN_LINKS,
    COLUMN_DROPPED_ATTRS,
    COLUMN_DROPPED_EVENTS,
    COLUMN_DROPPED_LINKS,
    COLUMN_FLAGS,
    COLUMN_BACKWARDS, // end_before_start
    COLUMN_BUILTIN,
    COLUMN_HOT = COLUMN_START + 1
};

// How the values of a column lie in its pages.
enum column_kind {
    COLUMN_INTS,    // ints
    COLUMN_IDS,     // 8 bytes each, as they are
    COLUMN_CODES,   // ints that are codes of the column's dictionary
    COLUMN_STRINGS, // strings
    COLUMN_NONE,    // no bytes (attributes without a value)
    COLUMN_KIND_COUNT
};

// What a shape says besides its attributes: which sparse fields its rows have.
enum {
    SHAPE_STATUS_MESSAGE = 1,
    SHAPE_TRACE_STATE = 2,
    SHAPE_EVENTS = 4,
    SHAPE_LINKS = 8,
    SHAPE_COUNTS = 16, // dropped counts, flags, end_before_start
    SHAPE_BITS_END = 32
};

enum {
    REGION_TRACE_IDS,
    REGION_TRACE_ROWS,
    REGION_TRACE_STARTS,
    REGION_SHAPES,
    REGION_RESOURCES,
    REGION_FIXED
};

#define PARENT_ROOT    0u
#define PARENT_OUTSIDE 1u

#endif
