// SPDX-License-Identifier: Apache-2.0
// Purpose: pages of a block back into the rows of a batch.
//
// A shape says which columns hold a value of its rows; values of a column lie one after another.
// So a row's values are found by counting: skipped rows are counted by shape and settled at once
// before the next row that is wanted. Of each column only the values from the first to the last
// wanted row are decoded, as far as its encoding allows.
#include "core/mem.h"
#include "core/must.h"
#include "store/block.h"
#include "store/text_codec.h"

// At most so many rows are read with texts copied; more make the batch keep the block.
#define COPY_ROWS_MAX 256

// One column of the page being read.
struct page_column {
    bool wanted;
    uint64_t count;       // of the page
    uint64_t at;          // next value
    uint64_t first, need; // the values that lie in `ints`, or in `texts` when they are the page's
    const uint64_t *ints; // `need` of them
    const uint8_t *ids;   // all
    const struct str *texts; // of the page, or the dictionary
    uint32_t *codes;         // of each text in the batch, plus one; NULL when texts do not repeat
    uint32_t key;            // in the batch, plus one
};

struct reader {
    struct block *b;
    struct batch *out;
    const struct page_request *request;
    bool copy;
    size_t page, rows, first; // first: of the page, in the block
    size_t from, to;          // rows of the page: before and behind them none is wanted
    uint64_t *shapes;
    struct page_column *columns;
    uint32_t *skipped; // rows by shape, not yet settled
    uint32_t *touched; // shapes with skipped rows
    size_t touched_count;
    uint32_t *names;     // in the batch plus one, by shape; so the next three
    uint32_t *resources; // by resource
    uint32_t *scopes;
    uint32_t *resource_texts; // by string of the block's resources
    uint64_t *starts;         // of rows starts_from to `to`
    size_t starts_from;
    const uint8_t *ids[BLOCK_PAGES]; // span IDs of pages, loaded when first used
    size_t trace;                    // of the row at hand
};

static void *scratch(struct reader *r, size_t n, size_t size)
{
    ASSERT(r->b->part != NULL);
    ASSERT(size > 0);
    return arena_new(&r->b->scratch, n > 0 ? n : 1, size);
}

static uint32_t put_text(struct reader *r, struct str s)
{
    ASSERT(s.p != NULL || s.n == 0);
    ASSERT(!r->out->sealed);
    if (s.n == 0) {
        return 0;
    }
    return r->copy ? batch_intern(r->out, s) : batch_add_string(r->out, s, str_hash(s));
}

// ---- Loading pages ---------------------------------------------------------------------------

static enum err load_ids(struct block *b, size_t column, size_t page, size_t n,
                         const uint8_t **ret_ids)
{
    ASSERT(n > 0);
    ASSERT(b->columns[column].kind == COLUMN_IDS);
    struct str bytes;
    enum err e = block_region(b, block_page_region(b, column, page), &bytes);
    if (e == ERR_OK && bytes.n != n * SPAN_BYTES) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        *ret_ids = (const uint8_t *)arena_str(&b->scratch, bytes).p;
    }
    return e;
}

static enum err load_texts(struct reader *r, size_t column, struct page_column *c)
{
    ASSERT(c->count > 0 && c->first + c->need <= c->count);
    ASSERT(r->b->columns[column].kind == COLUMN_STRINGS);
    struct str bytes;
    size_t n = (size_t)c->count;
    enum err e = block_region(r->b, block_page_region(r->b, column, r->page), &bytes);
    if (e != ERR_OK) {
        return e;
    }
    struct str *texts = scratch(r, (size_t)c->need, sizeof *texts);
    struct cursor at = cursor_of(bytes);
    e = texts_decode_some(&at, n, (size_t)c->first, (size_t)c->need,
                          r->copy ? &r->b->scratch : &r->out->arena, texts);
    c->texts = texts;
    return e;
}

static enum err load_codes(struct reader *r, size_t column, struct page_column *c)
{
    ASSERT(c->count > 0 && c->first + c->need <= c->count);
    ASSERT(r->b->columns[column].kind == COLUMN_CODES);
    enum err e = block_load_dictionary(r->b, column);
    uint64_t *codes = NULL;
    if (e == ERR_OK) {
        e = block_load_ints(r->b, column, r->page, (size_t)c->count, (size_t)c->first,
                            (size_t)c->need, &codes);
    }
    const struct block_column *column_of = &r->b->columns[column];
    for (size_t i = 0; i < c->need && e == ERR_OK; i++) {
        e = codes[i] < column_of->dictionary_count ? ERR_OK : ERR_CORRUPT;
    }
    c->ints = codes;
    c->texts = column_of->dictionary;
    if (!r->copy) { // copied texts are found by their hash
        c->codes = scratch(r, column_of->dictionary_count, sizeof *c->codes);
    }
    return e;
}

static enum err load_column(struct reader *r, size_t column)
{
    ASSERT(r->columns != NULL);
    ASSERT(column < r->b->column_count && !r->columns[column].wanted);
    struct page_column *c = &r->columns[column];
    uint64_t *ints = NULL;
    enum err e = ERR_OK;
    c->wanted = true;
    if (c->count == 0) {
        return ERR_OK;
    }
    switch (r->b->columns[column].kind) {
    case COLUMN_INTS:
        e = block_load_ints(r->b, column, r->page, (size_t)c->count, (size_t)c->first,
                            (size_t)c->need, &ints);
        c->ints = ints;
        return e;
    case COLUMN_IDS:
        return load_ids(r->b, column, r->page, (size_t)c->count, &c->ids);
    case COLUMN_CODES:
        return load_codes(r, column, c);
    case COLUMN_STRINGS:
        return load_texts(r, column, c);
    default:
        return ERR_OK;
    }
}

// ---- Counting values -------------------------------------------------------------------------

static const struct {
    unsigned bit; // SHAPE_*
    unsigned field;
    size_t first, end; // columns
} sparse[] = {
    {SHAPE_STATUS_MESSAGE, FIELD_STATUS_MESSAGE, COLUMN_STATUS_MESSAGE, COLUMN_STATUS_MESSAGE + 1},
    {SHAPE_TRACE_STATE, FIELD_TRACE_STATE, COLUMN_TRACE_STATE, COLUMN_TRACE_STATE + 1},
    {SHAPE_EVENTS, FIELD_EVENTS, COLUMN_EVENTS, COLUMN_EVENTS + 1},
    {SHAPE_LINKS, FIELD_LINKS, COLUMN_LINKS, COLUMN_LINKS + 1},
    {SHAPE_COUNTS, FIELD_COUNTS, COLUMN_DROPPED_ATTRS, COLUMN_BACKWARDS + 1},
};
#define SPARSE_COUNT (sizeof sparse / sizeof *sparse)

size_t block_page_field_bytes(const struct block *b, unsigned fields, size_t page)
{
    size_t bytes = 0;
    ASSERT(page < b->pages);
    ASSERT((fields & ~(unsigned)FIELD_ALL) == 0);
    for (size_t i = 0; i < SPARSE_COUNT; i++) {
        bool wanted = (fields & sparse[i].field) != 0;
        for (size_t c = sparse[i].first; wanted && c < sparse[i].end; c++) {
            bytes += b->regions[block_page_region(b, c, page)].length;
        }
    }
    return bytes;
}

// What rows are counted for.
enum tally { TALLY_COUNT, TALLY_AT, TALLY_NEED };

static void add_to(struct page_column *c, enum tally tally, uint64_t n)
{
    ASSERT(c != NULL && tally <= TALLY_NEED);
    *(tally == TALLY_COUNT ? &c->count : tally == TALLY_AT ? &c->at : &c->need) += n;
}

// Adds what `n` rows of a shape hold to a number of each column.
static void add_rows(struct reader *r, size_t shape, uint64_t n, enum tally tally)
{
    ASSERT(n > 0 && n <= r->rows);
    ASSERT(shape < r->b->shape_count);
    const struct shape *s = &r->b->shapes[shape];
    for (size_t i = 0; i < SPARSE_COUNT; i++) {
        for (size_t k = sparse[i].first;
             (r->b->shape_fields[shape] & sparse[i].bit) != 0 && k < sparse[i].end; k++) {
            add_to(&r->columns[k], tally, n);
        }
    }
    struct page_column *attributes = r->columns + COLUMN_BUILTIN;
    for (size_t i = 0; i < s->column_count; i++) {
        add_to(&attributes[s->columns[i]], tally, n);
    }
}

// Counts what rows [from, to) hold.
static void tally_rows(struct reader *r, size_t from, size_t to, enum tally tally)
{
    ASSERT(r->skipped != NULL && r->shapes != NULL);
    ASSERT(from <= to && to <= r->rows);
    for (size_t i = from; i < to; i++) {
        r->skipped[r->shapes[i]]++;
    }
    for (size_t i = 0; i < r->b->shape_count; i++) {
        if (r->skipped[i] > 0) {
            add_rows(r, i, r->skipped[i], tally);
            if (tally != TALLY_COUNT) {
                add_rows(r, i, r->skipped[i], TALLY_COUNT);
            }
            r->skipped[i] = 0;
        }
    }
}

static void count_values(struct reader *r)
{
    ASSERT(r->from < r->to && r->to <= r->rows);
    ASSERT(r->touched_count == 0);
    tally_rows(r, 0, r->from, TALLY_AT);
    tally_rows(r, r->from, r->to, TALLY_NEED);
    tally_rows(r, r->to, r->rows, TALLY_COUNT);
    for (size_t i = 0; i < r->b->column_count; i++) {
        r->columns[i].first = r->columns[i].at;
    }
    for (size_t i = 0; i <= COLUMN_PARENT; i++) {
        r->columns[i].count = r->rows;
        r->columns[i].first = r->from;
        r->columns[i].need = r->to - r->from;
    }
    // Parents are counted from the first row on, to find those that lie outside.
    r->columns[COLUMN_PARENT].first = 0;
    r->columns[COLUMN_PARENT].need = r->to;
}

static void skip_row(struct reader *r, size_t i)
{
    ASSERT(i >= r->from && i < r->to);
    size_t shape = (size_t)r->shapes[i];
    ASSERT(shape < r->b->shape_count);
    if (r->skipped[shape]++ == 0) {
        r->touched[r->touched_count++] = (uint32_t)shape;
    }
    const struct page_column *parent = &r->columns[COLUMN_PARENT];
    if (parent->wanted && parent->ints[i] == PARENT_OUTSIDE) {
        r->columns[COLUMN_PARENT_ID].at++;
    }
}

static void settle(struct reader *r)
{
    ASSERT(r->touched != NULL);
    ASSERT(r->touched_count <= r->b->shape_count);
    for (size_t i = 0; i < r->touched_count; i++) {
        add_rows(r, r->touched[i], r->skipped[r->touched[i]], TALLY_AT);
        r->skipped[r->touched[i]] = 0;
    }
    r->touched_count = 0;
}

// ---- Resources, scopes, names ----------------------------------------------------------------

static uint32_t resource_text(struct reader *r, uint64_t code)
{
    ASSERT(code < r->b->resources->string_count);
    if (r->resource_texts[code] == 0) {
        r->resource_texts[code] = put_text(r, r->b->resources->strings[code]) + 1;
    }
    ASSERT(r->resource_texts[code] <= r->out->string_count);
    return r->resource_texts[code] - 1;
}

static struct attr_run copy_attrs(struct reader *r, struct attr_run run)
{
    ASSERT((size_t)run.first + run.count <= r->b->resources->attr_count);
    struct attr_run out = {(uint32_t)r->out->attr_count, run.count};
    for (uint32_t i = 0; i < run.count; i++) {
        struct attr a = r->b->resources->attrs[run.first + i];
        a.key = resource_text(r, a.key);
        if (attr_type_is_text(a.type)) {
            a.code = resource_text(r, a.code);
        }
        *batch_add_attr(r->out) = a;
    }
    ASSERT(r->out->attr_count == (size_t)out.first + run.count);
    return out;
}

static uint32_t resource_of(struct reader *r, uint32_t index)
{
    ASSERT(index < r->b->resources->resource_count);
    if (r->resources[index] == 0) {
        struct resource x = r->b->resources->resources[index];
        x.service = resource_text(r, x.service);
        x.schema_url = resource_text(r, x.schema_url);
        x.attrs = copy_attrs(r, x.attrs);
        *batch_add_resource(r->out) = x;
        r->resources[index] = (uint32_t)r->out->resource_count;
    }
    ASSERT(r->resources[index] <= r->out->resource_count);
    return r->resources[index] - 1;
}

static uint32_t scope_of(struct reader *r, uint32_t index)
{
    ASSERT(index < r->b->resources->scope_count);
    if (r->scopes[index] == 0) {
        struct scope x = r->b->resources->scopes[index];
        x.name = resource_text(r, x.name);
        x.version = resource_text(r, x.version);
        x.schema_url = resource_text(r, x.schema_url);
        x.attrs = copy_attrs(r, x.attrs);
        *batch_add_scope(r->out) = x;
        r->scopes[index] = (uint32_t)r->out->scope_count;
    }
    ASSERT(r->scopes[index] <= r->out->scope_count);
    return r->scopes[index] - 1;
}

// ---- Rows ------------------------------------------------------------------------------------

static uint32_t next_text(struct reader *r, struct page_column *c)
{
    ASSERT(c->wanted);
    uint64_t at = c->at++ - c->first;
    MUST(at < c->need);
    if (c->ints == NULL) {
        return put_text(r, c->texts[at]);
    }
    uint64_t code = c->ints[at];
    if (c->codes == NULL) {
        return put_text(r, c->texts[code]);
    }
    if (c->codes[code] == 0) {
        c->codes[code] = put_text(r, c->texts[code]) + 1;
    }
    return c->codes[code] - 1;
}

static void read_sparse(struct reader *r, size_t shape, struct span *s)
{
    ASSERT(shape < r->b->shape_count);
    uint32_t *texts[] = {&s->status_message, &s->trace_state, &s->events, &s->links};
    uint8_t fields = r->b->shape_fields[shape];
    for (size_t i = 0; i + 1 < SPARSE_COUNT; i++) {
        struct page_column *c = &r->columns[sparse[i].first];
        if ((fields & sparse[i].bit) != 0) {
            if (c->wanted) {
                *texts[i] = next_text(r, c);
            } else {
                c->at++;
            }
        }
    }
    struct page_column *counts = &r->columns[COLUMN_DROPPED_ATTRS];
    if ((fields & SHAPE_COUNTS) == 0 || !counts->wanted) {
        return;
    }
    uint64_t at = counts->at++ - counts->first;
    MUST(at < counts->need);
    s->dropped_attrs = (uint32_t)counts[0].ints[at];
    s->dropped_events = (uint32_t)counts[1].ints[at];
    s->dropped_links = (uint32_t)counts[2].ints[at];
    s->flags = (uint32_t)counts[3].ints[at];
    s->end_before_start = counts[4].ints[at] != 0;
}

static void read_attrs(struct reader *r, const struct shape *shape, struct span *s)
{
    struct batch *out = r->out;
    MUST(out->attr_count + shape->column_count < UINT32_MAX);
    out->attrs = mem_grow(out->attrs, &out->attr_capacity, out->attr_count + shape->column_count,
                          sizeof *out->attrs);
    s->attrs.first = (uint32_t)out->attr_count;
    for (size_t i = 0; i < shape->column_count; i++) {
        size_t column = shape->columns[i];
        struct page_column *c = &r->columns[COLUMN_BUILTIN + column];
        if (!c->wanted) {
            c->at++;
            continue;
        }
        if (c->key == 0) {
            c->key = put_text(r, r->b->attributes[column].key) + 1;
        }
        struct attr *a = &out->attrs[out->attr_count++];
        a->key = c->key - 1;
        a->type = r->b->attributes[column].type;
        if (c->texts != NULL) {
            a->code = next_text(r, c);
        } else {
            a->bits = c->ints != NULL ? c->ints[c->at - c->first] : 0;
            c->at++;
        }
    }
    s->attrs.count = (uint32_t)(out->attr_count - s->attrs.first);
    ASSERT(s->attrs.first + (size_t)s->attrs.count == out->attr_count);
}

static enum err ids_of_page(struct reader *r, size_t page)
{
    ASSERT(page != r->page || r->ids[page] != NULL || !r->columns[COLUMN_ID].wanted);
    ASSERT(page < r->b->pages);
    if (r->ids[page] != NULL) {
        return ERR_OK;
    }
    return load_ids(r->b, COLUMN_ID, page, block_page_rows(r->b, page), &r->ids[page]);
}

static enum err read_parent(struct reader *r, size_t i, struct span *s)
{
    ASSERT(i < r->rows);
    uint64_t code = r->columns[COLUMN_PARENT].ints[i];
    if (code == PARENT_ROOT) {
        return ERR_OK;
    }
    if (code == PARENT_OUTSIDE) {
        struct page_column *c = &r->columns[COLUMN_PARENT_ID];
        MUST(c->at < c->count);
        memcpy(s->parent.b, c->ids + c->at++ * SPAN_BYTES, SPAN_BYTES);
        return ERR_OK;
    }
    int64_t row = (int64_t)(r->first + i);
    int64_t low = r->b->trace_first[r->trace], end = r->b->trace_first[r->trace + 1];
    int64_t distance = unzigzag(code - 1);
    if (distance < low - row || distance >= end - row) {
        return ERR_CORRUPT;
    }
    size_t at = (size_t)(row + distance);
    enum err e = ids_of_page(r, at / PAGE_ROWS);
    if (e == ERR_OK) {
        memcpy(s->parent.b, r->ids[at / PAGE_ROWS] + at % PAGE_ROWS * SPAN_BYTES, SPAN_BYTES);
    }
    return e;
}

static enum err read_row(struct reader *r, size_t i)
{
    ASSERT(i >= r->from && i < r->to);
    ASSERT(i < r->rows && r->trace < r->b->traces);
    size_t code = (size_t)r->shapes[i];
    const struct shape *shape = &r->b->shapes[code];
    settle(r);
    uint32_t resource = resource_of(r, shape->resource), scope = scope_of(r, shape->scope);
    if (r->names[code] == 0) {
        r->names[code] = put_text(r, shape->name) + 1;
    }
    struct span *s = batch_add_span(r->out);
    memcpy(s->trace.b, r->b->trace_ids + r->trace * TRACE_BYTES, TRACE_BYTES);
    s->resource = resource;
    s->scope = scope;
    s->name = r->names[code] - 1;
    s->kind = shape->kind;
    s->status = shape->status;
    if (r->starts != NULL) {
        s->start_ns = r->starts[i - r->starts_from];
    }
    if (r->columns[COLUMN_DURATION].wanted) {
        s->duration_ns = r->columns[COLUMN_DURATION].ints[i - r->from];
    }
    if (r->columns[COLUMN_ID].wanted) {
        memcpy(s->id.b, r->columns[COLUMN_ID].ids + i * SPAN_BYTES, SPAN_BYTES);
    }
    read_sparse(r, code, s);
    read_attrs(r, shape, s);
    return r->columns[COLUMN_PARENT].wanted ? read_parent(r, i, s) : ERR_OK;
}

// ---- A page ----------------------------------------------------------------------------------

static enum err load_starts(struct reader *r)
{
    ASSERT(r->from < r->to);
    size_t trace_row = r->b->trace_first[block_trace_of(r->b, r->first + r->from)];
    r->starts_from = trace_row > r->first ? trace_row - r->first : 0;
    ASSERT(r->starts_from <= r->from);
    enum err e = block_load_ints(r->b, COLUMN_START, r->page, r->rows, r->starts_from,
                                 r->to - r->starts_from, &r->starts);
    if (e == ERR_OK) {
        block_add_starts(r->b, r->page, r->starts_from, r->to, r->starts);
    }
    return e;
}

static enum err load_builtins(struct reader *r)
{
    ASSERT(r->columns[COLUMN_SHAPE].count == r->rows);
    ASSERT(r->shapes != NULL);
    static const struct {
        unsigned field;
        size_t column;
    } dense[] = {
        {FIELD_DURATION, COLUMN_DURATION}, {FIELD_ID, COLUMN_ID}, {FIELD_PARENT, COLUMN_PARENT}};
    unsigned fields = r->request->fields;
    enum err e = ERR_OK;
    for (size_t i = 0; i < sizeof dense / sizeof *dense && e == ERR_OK; i++) {
        e = (fields & dense[i].field) != 0 ? load_column(r, dense[i].column) : ERR_OK;
    }
    for (size_t i = 0; i < SPARSE_COUNT; i++) {
        for (size_t k = sparse[i].first;
             e == ERR_OK && (fields & sparse[i].field) != 0 && k < sparse[i].end; k++) {
            e = load_column(r, k);
        }
    }
    if (e == ERR_OK && (fields & FIELD_START) != 0) {
        e = load_starts(r);
    }
    if (e == ERR_OK && r->columns[COLUMN_ID].wanted) {
        r->ids[r->page] = r->columns[COLUMN_ID].ids;
    }
    if (e != ERR_OK || (fields & FIELD_PARENT) == 0) {
        return e;
    }
    struct page_column *outside = &r->columns[COLUMN_PARENT_ID];
    outside->count =
        r->b->regions[block_page_region(r->b, COLUMN_PARENT_ID, r->page)].length / SPAN_BYTES;
    uint64_t used = 0;
    for (size_t i = 0; i < r->to; i++) {
        bool is = r->columns[COLUMN_PARENT].ints[i] == PARENT_OUTSIDE;
        outside->at += is && i < r->from ? 1 : 0;
        used += is ? 1 : 0;
    }
    return used > outside->count ? ERR_CORRUPT : load_column(r, COLUMN_PARENT_ID);
}

static enum err load_attributes(struct reader *r)
{
    ASSERT(r->request->columns != NULL || r->request->column_count == 0 || r->request->all_columns);
    const struct page_request *q = r->request;
    size_t n = q->all_columns ? r->b->column_count - COLUMN_BUILTIN : q->column_count;
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        size_t column = q->all_columns ? i : q->columns[i];
        MUST(column < r->b->column_count - COLUMN_BUILTIN);
        if (!r->columns[COLUMN_BUILTIN + column].wanted) {
            e = load_column(r, COLUMN_BUILTIN + column);
        }
    }
    return e;
}

static enum err read_rows(struct reader *r)
{
    ASSERT(r->b->trace_ids != NULL && r->shapes != NULL);
    ASSERT(r->rows > 0);
    const uint64_t *wanted = r->request->rows;
    enum err e = ERR_OK;
    r->trace = block_trace_of(r->b, r->first + r->from);
    for (size_t i = r->from; i < r->to && e == ERR_OK; i++) {
        r->trace += r->first + i >= r->b->trace_first[r->trace + 1];
        if (wanted == NULL || (wanted[i / 64] >> (i % 64) & 1) != 0) {
            e = read_row(r, i);
        } else {
            skip_row(r, i);
        }
    }
    return e;
}

// Room for all that a whole page will append, so that nothing grows step by step.
static void reserve(struct reader *r)
{
    struct batch *out = r->out;
    size_t attrs = out->attr_count, texts = out->string_count;
    ASSERT(r->request->rows == NULL);
    for (size_t i = COLUMN_BUILTIN; i < r->b->column_count; i++) {
        const struct page_column *c = &r->columns[i];
        attrs += c->wanted ? (size_t)c->count : 0;
        texts += c->wanted && c->texts != NULL && c->codes == NULL ? (size_t)c->count : 0;
    }
    texts += r->b->resources->string_count + r->b->shape_count;
    out->attrs = mem_grow(out->attrs, &out->attr_capacity, attrs, sizeof *out->attrs);
    size_t capacity = out->string_capacity;
    out->strings = mem_grow(out->strings, &capacity, texts, sizeof *out->strings);
    out->hashes = mem_grow(out->hashes, &out->string_capacity, texts, sizeof *out->hashes);
    MUST(capacity == out->string_capacity);
}

static void make_room(struct reader *r)
{
    ASSERT(r->b->resources != NULL && r->b->shape_count > 0);
    ASSERT(r->columns == NULL);
    struct block *b = r->b;
    r->columns = scratch(r, b->column_count, sizeof *r->columns);
    r->skipped = scratch(r, b->shape_count, sizeof *r->skipped);
    r->touched = scratch(r, b->shape_count, sizeof *r->touched);
    r->names = scratch(r, b->shape_count, sizeof *r->names);
    r->resources = scratch(r, b->resources->resource_count, sizeof *r->resources);
    r->scopes = scratch(r, b->resources->scope_count, sizeof *r->scopes);
    r->resource_texts = scratch(r, b->resources->string_count, sizeof *r->resource_texts);
}

// The first and the last row that is wanted; false when there is none.
static bool find_stretch(struct reader *r)
{
    ASSERT(r->from == 0 && r->to == 0);
    const uint64_t *wanted = r->request->rows;
    ASSERT(r->rows > 0);
    r->to = r->rows;
    while (wanted != NULL && r->from < r->rows &&
           (wanted[r->from / 64] >> (r->from % 64) & 1) == 0) {
        r->from++;
    }
    while (wanted != NULL && r->to > r->from &&
           (wanted[(r->to - 1) / 64] >> ((r->to - 1) % 64) & 1) == 0) {
        r->to--;
    }
    return r->from < r->to;
}

enum err block_append_page(struct block *b, size_t page, const struct page_request *request,
                           bool copy, struct batch *out)
{
    ASSERT(!out->sealed);
    MUST(b->part != NULL && page < b->pages);
    arena_clear(&b->scratch);
    struct reader r = {.b = b, .out = out, .request = request, .copy = copy, .page = page};
    r.rows = block_page_rows(b, page);
    r.first = page * PAGE_ROWS;
    if (!find_stretch(&r)) {
        return ERR_OK;
    }
    enum err e = block_load_traces(b);
    if (e == ERR_OK) {
        e = block_load_shapes(b, page, &r.shapes);
    }
    if (e == ERR_OK && request->all_columns) {
        e = block_read_window(b, page);
    }
    if (e != ERR_OK) {
        return e;
    }
    make_room(&r);
    count_values(&r);
    e = load_builtins(&r);
    if (e == ERR_OK) {
        e = load_attributes(&r);
    }
    if (e == ERR_OK && request->rows == NULL) {
        reserve(&r);
    }
    return e == ERR_OK ? read_rows(&r) : e;
}

static size_t count_wanted(const uint64_t *rows, size_t n)
{
    ASSERT(rows != NULL);
    ASSERT(n <= PAGE_ROWS);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += rows[i / 64] >> (i % 64) & 1;
    }
    return count;
}

static void release_block(void *block)
{
    ASSERT(block != NULL);
    block_unref(block);
}

enum err block_read_page(struct block *b, size_t page, const struct page_request *request,
                         struct batch **ret_batch)
{
    ASSERT(b->part != NULL);
    MUST(page < b->pages);
    size_t n = block_page_rows(b, page);
    size_t wanted = request->rows == NULL ? n : count_wanted(request->rows, n);
    bool copy = wanted <= COPY_ROWS_MAX;
    struct batch *out = batch_new(b->part->footer.meta.line);
    out->spans = mem_grow(out->spans, &out->span_capacity, wanted, sizeof *out->spans);
    enum err e = block_append_page(b, page, request, copy, out);
    if (!copy) {
        (void)atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
        out->keep = b;
        out->keep_release = release_block;
    }
    if (e != ERR_OK) {
        batch_unref(out);
        return e;
    }
    batch_seal(out);
    *ret_batch = out;
    return ERR_OK;
}
