// SPDX-License-Identifier: Apache-2.0
// Purpose: single columns of a page, without rows around them: what scans decide by.
#include "core/must.h"
#include "store/block.h"
#include "store/text_codec.h"

// ---- For block_read.c too ----------------------------------------------------------------------

enum err block_load_ints(struct block *b, size_t column, size_t page, size_t n, size_t first,
                         size_t count, uint64_t **ret)
{
    ASSERT(page < b->pages);
    ASSERT(first <= n && count <= n - first);
    struct str bytes;
    enum err e = block_region(b, block_page_region(b, column, page), &bytes);
    if (e != ERR_OK) {
        return e;
    }
    if (n == 0) {
        return bytes.n == 0 ? ERR_OK : ERR_CORRUPT;
    }
    uint64_t *values = arena_alloc(&b->scratch, (count + 1) * sizeof *values);
    struct cursor c = cursor_of(bytes);
    e = ints_decode_some(&c, n, first, count, values);
    if (e == ERR_OK) {
        *ret = values;
    }
    return e;
}

enum err block_load_shapes(struct block *b, size_t page, uint64_t **ret_shapes)
{
    ASSERT(b->shape_count > 0);
    ASSERT(ret_shapes != NULL);
    size_t n = block_page_rows(b, page);
    enum err e = block_load_ints(b, COLUMN_SHAPE, page, n, 0, n, ret_shapes);
    uint64_t most = 0;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        most = (*ret_shapes)[i] > most ? (*ret_shapes)[i] : most;
    }
    return e == ERR_OK && most >= b->shape_count ? ERR_CORRUPT : e;
}

size_t block_trace_of(const struct block *b, size_t row)
{
    ASSERT(b->traces > 0 && b->trace_first != NULL);
    size_t low = 0, high = b->traces;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (b->trace_first[middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    ASSERT(b->trace_first[low] <= row && row < b->trace_first[low + 1]);
    return low;
}

void block_add_starts(const struct block *b, size_t page, size_t from, size_t to, uint64_t *values)
{
    ASSERT(page * PAGE_ROWS + to <= b->rows);
    ASSERT(b->trace_starts != NULL && from < to);
    size_t first = page * PAGE_ROWS;
    size_t trace = block_trace_of(b, first + from);
    for (size_t i = from; i < to; i++) {
        bool begins = i == from;
        if (first + i >= b->trace_first[trace + 1]) {
            trace++;
            begins = true;
        }
        values[i - from] += begins ? b->trace_starts[trace] : values[i - from - 1];
    }
}

// ---- Columns -----------------------------------------------------------------------------------

enum err block_page_shapes(struct block *b, size_t page, uint32_t *out, size_t *ret_rows)
{
    ASSERT(out != NULL);
    MUST(page < b->pages);
    uint64_t *shapes = NULL;
    arena_clear(&b->scratch);
    enum err e = block_load_shapes(b, page, &shapes);
    if (e != ERR_OK) {
        return e;
    }
    size_t n = block_page_rows(b, page);
    MUST(shapes != NULL);
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint32_t)shapes[i];
    }
    *ret_rows = n;
    return ERR_OK;
}

enum err block_pick_shapes(struct block *b, size_t page, const uint64_t *rows, uint32_t *out)
{
    ASSERT(out != NULL && rows != NULL);
    MUST(page < b->pages);
    struct str bytes;
    size_t n = block_page_rows(b, page);
    enum err e = block_region(b, block_page_region(b, COLUMN_SHAPE, page), &bytes);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (i % 64 == 0 && rows[i / 64] == 0) {
            i += 63;
            continue;
        }
        if ((rows[i / 64] >> (i % 64) & 1) != 0) {
            uint64_t shape = 0;
            struct cursor c = cursor_of(bytes);
            e = ints_decode_some(&c, n, i, 1, &shape);
            if (e == ERR_OK && shape >= b->shape_count) {
                e = ERR_CORRUPT;
            }
            out[i] = (uint32_t)shape;
        }
    }
    return e;
}

enum err block_page_numbers(struct block *b, size_t page, enum span_field field, uint64_t *out,
                            size_t *ret_rows)
{
    ASSERT(out != NULL);
    MUST(page < b->pages && (field == FIELD_START || field == FIELD_DURATION));
    struct str bytes;
    size_t n = block_page_rows(b, page);
    size_t column = field == FIELD_START ? COLUMN_START : COLUMN_DURATION;
    enum err e = field == FIELD_START ? block_load_traces(b) : ERR_OK;
    if (e == ERR_OK) {
        e = block_region(b, block_page_region(b, column, page), &bytes);
    }
    if (e != ERR_OK) {
        return e;
    }
    struct cursor c = cursor_of(bytes);
    e = ints_decode(&c, n, out);
    if (e == ERR_OK && field == FIELD_START) {
        block_add_starts(b, page, 0, n, out);
    }
    if (e == ERR_OK) {
        *ret_rows = n;
    }
    return e;
}

static enum err load_page_texts(struct block *b, size_t region, size_t n, const struct str **ret)
{
    ASSERT(region < b->region_count);
    ASSERT(ret != NULL && n > 0);
    struct str bytes;
    enum err e = block_region(b, region, &bytes);
    if (e != ERR_OK) {
        return e;
    }
    struct str *texts = arena_alloc(&b->scratch, n * sizeof *texts);
    struct cursor at = cursor_of(bytes);
    e = texts_decode(&at, n, &b->scratch, texts);
    *ret = texts;
    return e;
}

enum err block_page_values(struct block *b, size_t page, size_t column, size_t n,
                           struct page_values *ret_values)
{
    ASSERT(ret_values != NULL && n > 0);
    MUST(page < b->pages && column + COLUMN_BUILTIN < b->column_count);
    struct page_values v = {0};
    uint64_t *ints = NULL;
    enum err e = ERR_OK;
    size_t at = column + COLUMN_BUILTIN;
    struct block_column *c = &b->columns[at];
    switch (c->kind) {
    case COLUMN_INTS:
        e = block_load_ints(b, at, page, n, 0, n, &ints);
        break;
    case COLUMN_CODES:
        e = block_load_dictionary(b, at);
        if (e == ERR_OK) {
            e = block_load_ints(b, at, page, n, 0, n, &ints);
        }
        for (size_t i = 0; i < n && e == ERR_OK; i++) {
            e = ints[i] < c->dictionary_count ? ERR_OK : ERR_CORRUPT;
        }
        break;
    case COLUMN_STRINGS:
        e = load_page_texts(b, block_page_region(b, at, page), n, &v.texts);
        break;
    default:
        break; // values without bytes
    }
    v.ints = ints;
    if (e == ERR_OK) {
        *ret_values = v;
    }
    return e;
}

enum err block_traces(struct block *b)
{
    ASSERT(b->part != NULL);
    MUST(b->traces > 0);
    return block_load_traces(b);
}

trace_id block_row_trace(const struct block *b, size_t row, size_t *hint)
{
    trace_id id;
    ASSERT(hint != NULL);
    MUST(b->trace_ids != NULL && row < b->rows);
    if (*hint >= b->traces || row < b->trace_first[*hint]) {
        *hint = block_trace_of(b, row);
    }
    for (unsigned near = 0; row >= b->trace_first[*hint + 1]; near++) {
        *hint = near < 8 ? *hint + 1 : block_trace_of(b, row);
    }
    memcpy(id.b, b->trace_ids + *hint * TRACE_BYTES, TRACE_BYTES);
    return id;
}
