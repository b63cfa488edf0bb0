// SPDX-License-Identifier: Apache-2.0
// Purpose: one block in the making: rows of batches taken apart into columns, with every text
// numbered once for the whole block. block_encode.c turns the result into bytes.
#ifndef SONDE_STORE_BLOCK_BUILD_H
#define SONDE_STORE_BLOCK_BUILD_H

#include "codec/zpack.h"
#include "core/buf.h"
#include "store/part_format.h"
#include "store/strtab.h"
#include "store/tuples.h"

// One column: integers, or numbers of texts.
struct build_column {
    enum column_kind kind; // COLUMN_CODES stands for any text until block_encode() decides
    uint32_t type;         // enum attr_type; attributes only
    uint32_t key;          // text
    uint64_t *ints;
    uint32_t *texts;
    size_t count, int_capacity, text_capacity;
    size_t page_first[BLOCK_PAGES + 1]; // first value of each page
    uint32_t *dictionary;               // texts, when kind is COLUMN_CODES after block_encode()
    size_t dictionary_count, dictionary_capacity;
};

// What the builder knows of a batch: its codes in the block's numbering, plus one; 0 is unknown.
struct build_slot {
    const struct batch *batch;
    uint32_t *texts;
    uint32_t *columns; // by code of the key; right only when the type is too
    uint32_t *resources, *scopes;
};

struct block_builder {
    struct strtab texts;
    struct tuples column_keys; // (key, type) -> attribute column
    struct tuples keysets, shapes, resources, scopes;
    struct build_column *columns;
    size_t column_count, column_capacity;
    uint32_t *shape_rows;
    size_t shape_rows_capacity;

    struct build_slot *slots;
    size_t slot_count, slot_capacity;
    uint32_t *slot_index; // open addressing by batch: number + 1
    size_t slot_index_size;

    size_t rows, pages;
    trace_id *traces;
    uint64_t *trace_rows, *trace_starts;
    size_t trace_count, trace_capacity, trace_rows_capacity, trace_starts_capacity;

    uint32_t *scratch; // attribute columns of the row, or a resource
    size_t scratch_capacity;
    uint64_t *wide; // of one page
    size_t wide_capacity;
    struct str *page_texts;
    size_t page_texts_capacity;
    uint32_t *local_of; // text -> its code in the list at hand + 1
    size_t local_capacity;
    struct block_meta meta;
    struct page_meta page_metas[BLOCK_PAGES];
};

void block_builder_init(struct block_builder *b);
void block_builder_done(struct block_builder *b);

// Takes rows in row_cmp() order from an empty (or cleared) builder; returns how many of them the
// block holds: at least one, fewer than `n` when a limit of the block is reached. The rows' batches
// stay alive until the block is encoded.
size_t block_build(struct block_builder *b, const struct row *rows, size_t n);
void block_builder_clear(struct block_builder *b);

// Numbers that block_build() gave to what a resource or shape is made of.
enum {
    SHAPE_AT_RESOURCE,
    SHAPE_AT_SCOPE,
    SHAPE_AT_NAME,
    SHAPE_AT_BITS,
    SHAPE_AT_KEYSET,
    SHAPE_ITEMS
};
enum { RESOURCE_AT_SERVICE, RESOURCE_AT_SCHEMA, RESOURCE_AT_DROPPED, RESOURCE_HEAD };
enum { SCOPE_AT_NAME, SCOPE_AT_VERSION, SCOPE_AT_SCHEMA, SCOPE_AT_DROPPED, SCOPE_HEAD };
#define ATTR_ITEMS 4 // key, type, low and high half of the value

// Appends the block to `out`: regions and then the directory, whose length is returned.
size_t block_encode(struct block_builder *b, struct zpack *z, struct buf *out);

#endif
