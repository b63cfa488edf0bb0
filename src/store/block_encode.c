// SPDX-License-Identifier: Apache-2.0
// Purpose: the bytes of a block, see part_format.h.
#include "codec/checksum.h"
#include "codec/int_codec.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/block_build.h"
#include "store/text_codec.h"

// A text column gets a dictionary unless most of its values are distinct and that makes it large.
#define DICTIONARY_MAX       ((size_t)8192)
#define DICTIONARY_BYTES_MAX ((size_t)256 << 10)

struct encoder {
    struct block_builder *b;
    struct zpack *z;
    struct buf *out, *directory;
    size_t region_first;
};

static void begin_region(struct encoder *e)
{
    ASSERT(e->region_first <= e->out->n); // regions follow one another
    ASSERT(!e->out->failed);
    e->region_first = e->out->n;
}

static void end_region(struct encoder *e)
{
    ASSERT(!e->directory->failed);
    ASSERT(e->out->n >= e->region_first);
    size_t n = e->out->n - e->region_first;
    buf_add_varint(e->directory, n);
    if (n > 0) {
        buf_add_u64(e->directory, checksum(e->out->p + e->region_first, n));
    }
}

// ---- Lists of texts --------------------------------------------------------------------------

// The texts of one list in the order of first use; local_of is zero outside of a list's making.
struct text_list {
    uint32_t *texts;
    size_t count, capacity;
};

static uint32_t *local_of(struct block_builder *b)
{
    ASSERT(b->texts.count > 0);
    if (b->local_capacity < b->texts.count || b->local_of == NULL) {
        mem_free(b->local_of);
        b->local_capacity = b->texts.count * 2;
        b->local_of = mem_new(b->local_capacity, sizeof *b->local_of);
    }
    ASSERT(b->local_capacity >= b->texts.count);
    return b->local_of;
}

static uint32_t list_add(struct text_list *l, uint32_t *local, uint32_t text)
{
    ASSERT(l->count <= l->capacity);
    if (local[text] == 0) {
        if (l->count == l->capacity) {
            l->texts = mem_grow(l->texts, &l->capacity, l->count + 1, sizeof *l->texts);
        }
        l->texts[l->count++] = text;
        local[text] = (uint32_t)l->count;
    }
    ASSERT(local[text] <= l->count);
    return local[text] - 1;
}

static void list_forget(const struct text_list *l, uint32_t *local)
{
    ASSERT(l->texts != NULL || l->count == 0);
    ASSERT(local != NULL);
    for (size_t i = 0; i < l->count; i++) {
        local[l->texts[i]] = 0;
    }
}

static void put_dictionary(struct encoder *e, const uint32_t *texts, size_t n, struct buf *out)
{
    ASSERT(texts != NULL || n == 0);
    struct block_builder *b = e->b;
    b->page_texts = mem_grow(b->page_texts, &b->page_texts_capacity, n + 1, sizeof *b->page_texts);
    for (size_t i = 0; i < n; i++) {
        ASSERT(texts[i] < b->texts.count);
        b->page_texts[i] = b->texts.strings[texts[i]];
    }
    dictionary_encode(e->z, b->page_texts, n, out);
}

// ---- Tables ----------------------------------------------------------------------------------

static void put_keysets(const struct block_builder *b, struct buf *out)
{
    ASSERT(b->keysets.count > 0 && b->keysets.count <= b->shapes.count);
    buf_add_varint(out, b->keysets.count);
    for (size_t i = 0; i < b->keysets.count; i++) {
        size_t n;
        const uint32_t *columns = tuples_get(&b->keysets, i, &n);
        ASSERT(n <= SPAN_ATTRS_MAX);
        buf_add_varint(out, n);
        for (size_t k = 0; k < n; k++) {
            buf_add_varint(out, columns[k]);
        }
    }
}

static void put_shapes(struct encoder *e)
{
    ASSERT(e->b->shapes.count > 0);
    struct block_builder *b = e->b;
    struct text_list names = {0};
    struct buf rows, raw;
    buf_init(&rows, REGION_MAX);
    buf_init(&raw, REGION_MAX);
    uint32_t *local = local_of(b);
    buf_add_varint(&rows, b->shapes.count);
    for (size_t i = 0; i < b->shapes.count; i++) {
        size_t n;
        const uint32_t *s = tuples_get(&b->shapes, i, &n);
        MUST(n == SHAPE_ITEMS);
        buf_add_varint(&rows, s[SHAPE_AT_RESOURCE]);
        buf_add_varint(&rows, s[SHAPE_AT_SCOPE]);
        buf_add_varint(&rows, list_add(&names, local, s[SHAPE_AT_NAME]));
        buf_add_varint(&rows, s[SHAPE_AT_BITS]);
        buf_add_varint(&rows, s[SHAPE_AT_KEYSET]);
        buf_add_varint(&rows, b->shape_rows[i]);
    }
    list_forget(&names, local);
    put_dictionary(e, names.texts, names.count, &raw);
    put_keysets(b, &raw);
    buf_add_str(&raw, buf_str(&rows));
    MUST(!raw.failed);
    zpack_add(e->z, buf_str(&raw), e->out);
    buf_done(&rows);
    buf_done(&raw);
    mem_free(names.texts);
}

static void put_attrs(const uint32_t *items, size_t n, struct text_list *texts, uint32_t *local,
                      struct buf *out)
{
    ASSERT(n % ATTR_ITEMS == 0);
    buf_add_varint(out, n / ATTR_ITEMS);
    for (size_t i = 0; i < n; i += ATTR_ITEMS) {
        uint32_t type = items[i + 1];
        ASSERT(type < ATTR_TYPE_COUNT);
        buf_add_varint(out, list_add(texts, local, items[i]));
        buf_add_byte(out, (uint8_t)type);
        if (attr_type_is_text(type)) {
            buf_add_varint(out, list_add(texts, local, items[i + 2]));
        } else {
            buf_add_u64(out, items[i + 2] | (uint64_t)items[i + 3] << 32);
        }
    }
}

// Resources when head is RESOURCE_HEAD, scopes when it is SCOPE_HEAD: all but the last number of
// the head are texts.
static void put_things(const struct tuples *things, size_t head, struct text_list *texts,
                       uint32_t *local, struct buf *out)
{
    ASSERT(head == RESOURCE_HEAD || head == SCOPE_HEAD);
    buf_add_varint(out, things->count);
    for (size_t i = 0; i < things->count; i++) {
        size_t n;
        const uint32_t *items = tuples_get(things, i, &n);
        ASSERT(n >= head && (n - head) % ATTR_ITEMS == 0);
        for (size_t k = 0; k + 1 < head; k++) {
            buf_add_varint(out, list_add(texts, local, items[k]));
        }
        buf_add_varint(out, items[head - 1]);
        put_attrs(items + head, n - head, texts, local, out);
    }
}

static void put_resources(struct encoder *e)
{
    ASSERT(e->b->resources.count > 0);
    struct text_list texts = {0};
    struct buf rows, raw;
    buf_init(&rows, REGION_MAX);
    buf_init(&raw, REGION_MAX);
    uint32_t *local = local_of(e->b);
    put_things(&e->b->resources, RESOURCE_HEAD, &texts, local, &rows);
    put_things(&e->b->scopes, SCOPE_HEAD, &texts, local, &rows);
    list_forget(&texts, local);
    put_dictionary(e, texts.texts, texts.count, &raw);
    buf_add_str(&raw, buf_str(&rows));
    MUST(!raw.failed);
    zpack_add(e->z, buf_str(&raw), e->out);
    buf_done(&rows);
    buf_done(&raw);
    mem_free(texts.texts);
}

// ---- Columns ---------------------------------------------------------------------------------

// Turns the block's text numbers into codes of a dictionary, or leaves them for string pages.
static void choose_text_kind(struct block_builder *b, struct build_column *c)
{
    ASSERT(c->texts != NULL || c->count == 0);
    ASSERT(c->kind == COLUMN_CODES);
    uint32_t *local = local_of(b);
    struct text_list list = {c->dictionary, 0, c->dictionary_capacity};
    size_t bytes = 0;
    bool plain = false;
    for (size_t i = 0; i < c->count && !plain; i++) {
        size_t before = list.count;
        (void)list_add(&list, local, c->texts[i]);
        bytes += list.count > before ? b->texts.strings[c->texts[i]].n : 0;
        plain = (list.count > DICTIONARY_MAX || bytes > DICTIONARY_BYTES_MAX) &&
                list.count > c->count / 2;
    }
    for (size_t i = 0; i < c->count && !plain; i++) {
        c->texts[i] = local[c->texts[i]] - 1;
    }
    list_forget(&list, local);
    c->kind = plain ? COLUMN_STRINGS : COLUMN_CODES;
    c->dictionary = list.texts;
    c->dictionary_capacity = list.capacity;
    c->dictionary_count = plain ? 0 : list.count;
}

static uint64_t *widened(struct block_builder *b, const uint32_t *v, size_t n)
{
    ASSERT(v != NULL || n == 0);
    b->wide = mem_grow(b->wide, &b->wide_capacity, n, sizeof *b->wide);
    ASSERT(b->wide_capacity >= n);
    for (size_t i = 0; i < n; i++) {
        b->wide[i] = v[i];
    }
    return b->wide;
}

static enum ints_use use_of(size_t column)
{
    _Static_assert(COLUMN_SHAPE < COLUMN_HOT, "shapes are scanned");
    ASSERT(column < COLUMN_BUILTIN + BLOCK_COLUMNS_MAX + SPAN_ATTRS_MAX);
    if (column == COLUMN_SHAPE) {
        return INTS_CODES;
    }
    return column < COLUMN_HOT ? INTS_HOT : INTS_COLD;
}

static void put_strings_page(struct encoder *e, const uint32_t *texts, size_t n)
{
    ASSERT(n > 0 && n <= PAGE_ROWS * SPAN_ATTRS_MAX);
    struct block_builder *b = e->b;
    b->page_texts = mem_grow(b->page_texts, &b->page_texts_capacity, n, sizeof *b->page_texts);
    for (size_t i = 0; i < n; i++) {
        ASSERT(texts[i] < b->texts.count);
        b->page_texts[i] = b->texts.strings[texts[i]];
    }
    texts_encode(e->z, b->page_texts, n, e->out);
}

static void put_page(struct encoder *e, size_t column, size_t page)
{
    ASSERT(column < e->b->column_count && page < e->b->pages);
    struct build_column *c = &e->b->columns[column];
    size_t first = c->page_first[page], n = c->page_first[page + 1] - first;
    ASSERT(c->page_first[page + 1] >= first && first + n <= c->count);
    begin_region(e);
    if (n > 0) {
        switch (c->kind) {
        case COLUMN_INTS:
            ints_encode(e->z, c->ints + first, n, use_of(column), e->out);
            break;
        case COLUMN_IDS:
            buf_add(e->out, c->ints + first, n * sizeof *c->ints);
            break;
        case COLUMN_CODES:
            ints_encode(e->z, widened(e->b, c->texts + first, n), n, INTS_COLD, e->out);
            break;
        case COLUMN_STRINGS:
            put_strings_page(e, c->texts + first, n);
            break;
        case COLUMN_NONE:
        case COLUMN_KIND_COUNT:
            break;
        }
    }
    end_region(e);
}

static void put_directory_head(const struct block_builder *b, struct buf *out)
{
    ASSERT(b->rows > 0 && b->trace_count > 0 && b->trace_count <= b->rows);
    buf_add_varint(out, b->rows);
    buf_add_varint(out, b->trace_count);
    buf_add_varint(out, b->column_count);
    for (size_t i = 0; i < b->column_count; i++) {
        const struct build_column *c = &b->columns[i];
        ASSERT(c->kind < COLUMN_KIND_COUNT);
        buf_add_byte(out, (uint8_t)c->kind);
        if (i >= COLUMN_BUILTIN) {
            struct str key = b->texts.strings[c->key];
            buf_add_byte(out, (uint8_t)c->type);
            buf_add_varint(out, key.n);
            buf_add_str(out, key);
        }
        buf_add_varint(out, c->count);
    }
}

static void put_fixed(struct encoder *e)
{
    ASSERT(e->b->trace_rows != NULL && e->b->trace_starts != NULL);
    ASSERT(e->b->trace_count > 0 && e->b->traces != NULL);
    struct block_builder *b = e->b;
    begin_region(e);
    buf_add(e->out, b->traces, b->trace_count * sizeof *b->traces);
    end_region(e);
    begin_region(e);
    ints_encode(e->z, b->trace_rows, b->trace_count, INTS_COLD, e->out);
    end_region(e);
    begin_region(e);
    ints_encode(e->z, b->trace_starts, b->trace_count, INTS_COLD, e->out);
    end_region(e);
    begin_region(e);
    put_shapes(e);
    end_region(e);
    begin_region(e);
    put_resources(e);
    end_region(e);
}

static void put_columns(struct encoder *e)
{
    ASSERT(e->b->pages > 0 && e->b->pages <= BLOCK_PAGES);
    ASSERT(e->b->column_count >= COLUMN_BUILTIN);
    struct block_builder *b = e->b;
    for (size_t i = 0; i < COLUMN_HOT; i++) {
        for (size_t page = 0; page < b->pages; page++) {
            put_page(e, i, page);
        }
    }
    for (size_t i = 0; i < b->column_count; i++) {
        if (b->columns[i].kind == COLUMN_CODES) {
            begin_region(e);
            put_dictionary(e, b->columns[i].dictionary, b->columns[i].dictionary_count, e->out);
            end_region(e);
        }
    }
    for (size_t page = 0; page < b->pages; page++) {
        for (size_t i = COLUMN_HOT; i < b->column_count; i++) {
            put_page(e, i, page);
        }
    }
}

size_t block_encode(struct block_builder *b, struct zpack *z, struct buf *out)
{
    MUST(b->rows > 0 && z != NULL);
    struct buf directory;
    buf_init(&directory, REGION_MAX);
    struct encoder e = {.b = b, .z = z, .out = out, .directory = &directory};
    for (size_t i = 0; i < b->column_count; i++) {
        if (b->columns[i].kind == COLUMN_CODES) {
            choose_text_kind(b, &b->columns[i]);
        }
    }
    put_directory_head(b, &directory);
    put_fixed(&e);
    put_columns(&e);
    MUST(!out->failed && !directory.failed);
    size_t n = directory.n;
    buf_add_str(out, buf_str(&directory));
    MUST(!out->failed);
    buf_done(&directory);
    return n;
}
