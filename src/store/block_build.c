// SPDX-License-Identifier: Apache-2.0
// Purpose: taking rows apart into the columns of a block.
#include "store/block_build.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"

#define SLOT_INDEX_MIN  ((size_t)1024)
#define PREFETCH_ROWS   4
#define CACHE_LINE      64
#define PARENT_SCAN_MAX 32 // rows of a trace in which a parent is looked for one by one

static const enum column_kind builtin_kinds[COLUMN_BUILTIN] = {
    [COLUMN_ID] = COLUMN_IDS,
    [COLUMN_PARENT_ID] = COLUMN_IDS,
    [COLUMN_STATUS_MESSAGE] = COLUMN_CODES,
    [COLUMN_TRACE_STATE] = COLUMN_CODES,
    [COLUMN_EVENTS] = COLUMN_CODES,
    [COLUMN_LINKS] = COLUMN_CODES,
};

static struct build_column *add_column(struct block_builder *b, enum column_kind kind)
{
    ASSERT(kind < COLUMN_KIND_COUNT);
    size_t before = b->column_capacity;
    b->columns = mem_grow(b->columns, &b->column_capacity, b->column_count + 1, sizeof *b->columns);
    if (b->column_capacity > before) {
        memset(b->columns + before, 0, (b->column_capacity - before) * sizeof *b->columns);
    }
    struct build_column *c = &b->columns[b->column_count++];
    ASSERT(c->count == 0);
    c->kind = kind;
    memset(c->page_first, 0, sizeof c->page_first);
    return c;
}

static void add_builtins(struct block_builder *b)
{
    ASSERT(b->column_count == 0);
    _Static_assert(COLUMN_INTS == 0, "what builtin_kinds leaves out is integers");
    for (size_t i = 0; i < COLUMN_BUILTIN; i++) {
        (void)add_column(b, builtin_kinds[i]);
    }
}

void block_builder_init(struct block_builder *b)
{
    ASSERT(b != NULL);
    *b = (struct block_builder){0};
    add_builtins(b);
    ASSERT(b->column_count == COLUMN_BUILTIN);
}

static void clear_slots(struct block_builder *b)
{
    ASSERT((b->slot_index_size & (b->slot_index_size - 1)) == 0);
    ASSERT(b->slot_count <= b->slot_capacity);
    for (size_t i = 0; i < b->slot_count; i++) {
        mem_free(b->slots[i].texts);
        mem_free(b->slots[i].columns);
        mem_free(b->slots[i].resources);
        mem_free(b->slots[i].scopes);
    }
    b->slot_count = 0;
    if (b->slot_index_size > 0) {
        memset(b->slot_index, 0, b->slot_index_size * sizeof *b->slot_index);
    }
}

void block_builder_clear(struct block_builder *b)
{
    ASSERT(b->column_count >= COLUMN_BUILTIN);
    clear_slots(b);
    for (size_t i = 0; i < b->column_count; i++) {
        b->columns[i].count = 0;
        b->columns[i].dictionary_count = 0;
    }
    b->column_count = 0;
    strtab_clear(&b->texts);
    tuples_clear(&b->column_keys);
    tuples_clear(&b->keysets);
    tuples_clear(&b->shapes);
    tuples_clear(&b->resources);
    tuples_clear(&b->scopes);
    b->rows = b->pages = b->trace_count = 0;
    add_builtins(b);
    ASSERT(b->column_count == COLUMN_BUILTIN && b->texts.count == 0);
}

void block_builder_done(struct block_builder *b)
{
    ASSERT(b->slots != NULL || b->slot_count == 0);
    ASSERT(b->columns != NULL && b->column_count <= b->column_capacity);
    clear_slots(b);
    for (size_t i = 0; i < b->column_capacity; i++) {
        mem_free(b->columns[i].ints);
        mem_free(b->columns[i].texts);
        mem_free(b->columns[i].dictionary);
    }
    mem_free(b->columns);
    strtab_done(&b->texts);
    tuples_done(&b->column_keys);
    tuples_done(&b->keysets);
    tuples_done(&b->shapes);
    tuples_done(&b->resources);
    tuples_done(&b->scopes);
    mem_free(b->shape_rows);
    mem_free(b->slots);
    mem_free(b->slot_index);
    mem_free(b->traces);
    mem_free(b->trace_rows);
    mem_free(b->trace_starts);
    mem_free(b->scratch);
    mem_free(b->wide);
    mem_free(b->page_texts);
    mem_free(b->local_of);
}

// ---- Batches ---------------------------------------------------------------------------------

static size_t slot_place(const struct block_builder *b, const struct batch *batch)
{
    ASSERT(batch != NULL && b->slot_index != NULL);
    ASSERT(b->slot_index_size > 0 && (b->slot_index_size & (b->slot_index_size - 1)) == 0);
    return (size_t)(((uint64_t)(uintptr_t)batch * 0x9E3779B97F4A7C15ULL) >> 20) &
           (b->slot_index_size - 1);
}

static void grow_slot_index(struct block_builder *b)
{
    ASSERT(b->slot_count <= b->slot_capacity);
    mem_free(b->slot_index);
    b->slot_index_size = b->slot_index_size == 0 ? SLOT_INDEX_MIN : b->slot_index_size * 2;
    b->slot_index = mem_new(b->slot_index_size, sizeof *b->slot_index);
    for (size_t i = 0; i < b->slot_count; i++) {
        size_t at = slot_place(b, b->slots[i].batch);
        while (b->slot_index[at] != 0) {
            at = (at + 1) & (b->slot_index_size - 1);
        }
        b->slot_index[at] = (uint32_t)i + 1;
    }
    ASSERT(b->slot_count * 2 < b->slot_index_size); // a free place ends every search
}

static struct build_slot *slot_of(struct block_builder *b, const struct batch *batch)
{
    ASSERT(batch != NULL);
    if (b->slot_count * 2 >= b->slot_index_size) {
        grow_slot_index(b);
    }
    size_t at = slot_place(b, batch);
    for (; b->slot_index[at] != 0; at = (at + 1) & (b->slot_index_size - 1)) {
        struct build_slot *s = &b->slots[b->slot_index[at] - 1];
        if (s->batch == batch) {
            return s;
        }
    }
    b->slots = mem_grow(b->slots, &b->slot_capacity, b->slot_count + 1, sizeof *b->slots);
    struct build_slot *s = &b->slots[b->slot_count++];
    b->slot_index[at] = (uint32_t)b->slot_count;
    s->batch = batch;
    s->texts = mem_new(batch->string_count, sizeof *s->texts);
    s->columns = mem_new(batch->string_count, sizeof *s->columns);
    s->resources = mem_new(batch->resource_count, sizeof *s->resources);
    s->scopes = mem_new(batch->scope_count, sizeof *s->scopes);
    ASSERT(b->slot_count * 2 <= b->slot_index_size);
    return s;
}

static uint32_t text_of(struct block_builder *b, struct build_slot *s, uint64_t code)
{
    ASSERT(code < s->batch->string_count);
    if (s->texts[code] == 0) {
        s->texts[code] = strtab_add(&b->texts, s->batch->strings[code], s->batch->hashes[code]) + 1;
    }
    ASSERT(s->texts[code] <= b->texts.count);
    return s->texts[code] - 1;
}

static uint32_t *scratch(struct block_builder *b, size_t n)
{
    ASSERT(n > 0);
    b->scratch = mem_grow(b->scratch, &b->scratch_capacity, n, sizeof *b->scratch);
    ASSERT(b->scratch_capacity >= n);
    return b->scratch;
}

static void list_attrs(struct block_builder *b, struct build_slot *s, struct attr_run run,
                       uint32_t *out)
{
    ASSERT(out != NULL && out >= b->scratch);
    MUST((size_t)run.first + run.count <= s->batch->attr_count);
    const struct attr *attrs = s->batch->attrs + run.first;
    for (uint32_t i = 0; i < run.count; i++, out += ATTR_ITEMS) {
        bool text = attr_type_is_text(attrs[i].type);
        uint64_t v = text ? text_of(b, s, attrs[i].code) : attrs[i].bits;
        out[0] = text_of(b, s, attrs[i].key);
        out[1] = attrs[i].type;
        out[2] = (uint32_t)v;
        out[3] = (uint32_t)(v >> 32);
    }
}

static uint32_t resource_of(struct block_builder *b, struct build_slot *s, uint32_t index)
{
    MUST(index < s->batch->resource_count);
    if (s->resources[index] == 0) {
        const struct resource *r = &s->batch->resources[index];
        size_t n = RESOURCE_HEAD + (size_t)r->attrs.count * ATTR_ITEMS;
        uint32_t *items = scratch(b, n);
        items[RESOURCE_AT_SERVICE] = text_of(b, s, r->service);
        items[RESOURCE_AT_SCHEMA] = text_of(b, s, r->schema_url);
        items[RESOURCE_AT_DROPPED] = r->dropped_attrs;
        list_attrs(b, s, r->attrs, items + RESOURCE_HEAD);
        s->resources[index] = tuples_add(&b->resources, items, n) + 1;
    }
    ASSERT(s->resources[index] <= b->resources.count);
    return s->resources[index] - 1;
}

static uint32_t scope_of(struct block_builder *b, struct build_slot *s, uint32_t index)
{
    MUST(index < s->batch->scope_count);
    if (s->scopes[index] == 0) {
        const struct scope *x = &s->batch->scopes[index];
        size_t n = SCOPE_HEAD + (size_t)x->attrs.count * ATTR_ITEMS;
        uint32_t *items = scratch(b, n);
        items[SCOPE_AT_NAME] = text_of(b, s, x->name);
        items[SCOPE_AT_VERSION] = text_of(b, s, x->version);
        items[SCOPE_AT_SCHEMA] = text_of(b, s, x->schema_url);
        items[SCOPE_AT_DROPPED] = x->dropped_attrs;
        list_attrs(b, s, x->attrs, items + SCOPE_HEAD);
        s->scopes[index] = tuples_add(&b->scopes, items, n) + 1;
    }
    ASSERT(s->scopes[index] <= b->scopes.count);
    return s->scopes[index] - 1;
}

// ---- Values ----------------------------------------------------------------------------------

static void put_int(struct build_column *c, uint64_t v)
{
    ASSERT(c->kind == COLUMN_INTS || c->kind == COLUMN_IDS);
    if (c->count == c->int_capacity) {
        c->ints = mem_grow(c->ints, &c->int_capacity, c->count + 1, sizeof *c->ints);
    }
    ASSERT(c->count < c->int_capacity);
    c->ints[c->count++] = v;
}

static void put_text(struct build_column *c, uint32_t text)
{
    ASSERT(c->kind == COLUMN_CODES);
    if (c->count == c->text_capacity) {
        c->texts = mem_grow(c->texts, &c->text_capacity, c->count + 1, sizeof *c->texts);
    }
    ASSERT(c->count < c->text_capacity);
    c->texts[c->count++] = text;
}

static enum column_kind kind_of(uint32_t type)
{
    _Static_assert(ATTR_TYPE_COUNT == 8, "a new type of attribute needs its kind of column");
    ASSERT(type < ATTR_TYPE_COUNT);
    if (attr_type_is_text(type)) {
        return COLUMN_CODES;
    }
    return type == ATTR_EMPTY ? COLUMN_NONE : COLUMN_INTS;
}

// The attribute column of a key and type.
static uint32_t column_of(struct block_builder *b, struct build_slot *s, const struct attr *a)
{
    ASSERT(a->key < s->batch->string_count);
    uint32_t known = s->columns[a->key];
    if (known != 0 && b->columns[COLUMN_BUILTIN + known - 1].type == a->type) {
        return known - 1;
    }
    uint32_t key = text_of(b, s, a->key);
    const uint32_t items[2] = {key, a->type};
    uint32_t column = tuples_add_own(&b->column_keys, items, 2);
    if (COLUMN_BUILTIN + (size_t)column == b->column_count) {
        struct build_column *c = add_column(b, kind_of(a->type));
        c->type = a->type;
        c->key = key;
    }
    ASSERT(COLUMN_BUILTIN + (size_t)column < b->column_count);
    s->columns[a->key] = column + 1;
    return column;
}

static uint32_t put_attrs(struct block_builder *b, struct build_slot *s, struct attr_run run)
{
    ASSERT(run.count <= SPAN_ATTRS_MAX || run.count <= s->batch->attr_count);
    MUST((size_t)run.first + run.count <= s->batch->attr_count);
    const struct attr *attrs = s->batch->attrs + run.first;
    uint32_t *list = scratch(b, run.count + 1);
    for (uint32_t i = 0; i < run.count; i++) {
        list[i] = column_of(b, s, &attrs[i]);
        struct build_column *c = &b->columns[COLUMN_BUILTIN + list[i]];
        if (c->kind == COLUMN_CODES) {
            put_text(c, text_of(b, s, attrs[i].code));
        } else if (c->kind == COLUMN_INTS) {
            put_int(c, attrs[i].bits);
        } else {
            c->count++;
        }
    }
    return tuples_add_own(&b->keysets, list, run.count);
}

static uint32_t put_sparse(struct block_builder *b, struct build_slot *slot, const struct span *s)
{
    ASSERT(slot->batch != NULL);
    uint32_t bits = 0;
    const struct {
        uint32_t code, bit, column;
    } texts[] = {{s->status_message, SHAPE_STATUS_MESSAGE, COLUMN_STATUS_MESSAGE},
                 {s->trace_state, SHAPE_TRACE_STATE, COLUMN_TRACE_STATE},
                 {s->events, SHAPE_EVENTS, COLUMN_EVENTS},
                 {s->links, SHAPE_LINKS, COLUMN_LINKS}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (slot->batch->strings[texts[i].code].n > 0) {
            put_text(&b->columns[texts[i].column], text_of(b, slot, texts[i].code));
            bits |= texts[i].bit;
        }
    }
    if ((s->dropped_attrs | s->dropped_events | s->dropped_links | s->flags |
         s->end_before_start) != 0) {
        bits |= SHAPE_COUNTS;
        put_int(&b->columns[COLUMN_DROPPED_ATTRS], s->dropped_attrs);
        put_int(&b->columns[COLUMN_DROPPED_EVENTS], s->dropped_events);
        put_int(&b->columns[COLUMN_DROPPED_LINKS], s->dropped_links);
        put_int(&b->columns[COLUMN_FLAGS], s->flags);
        put_int(&b->columns[COLUMN_BACKWARDS], s->end_before_start);
    }
    ASSERT(bits < SHAPE_BITS_END);
    return bits;
}

static void put_shape(struct block_builder *b, struct build_slot *slot, const struct span *s)
{
    ASSERT(slot->batch != NULL);
    ASSERT(s->kind < 8 && s->status < 4);
    uint32_t items[SHAPE_ITEMS];
    items[SHAPE_AT_RESOURCE] = resource_of(b, slot, s->resource);
    items[SHAPE_AT_SCOPE] = scope_of(b, slot, s->scope);
    items[SHAPE_AT_NAME] = text_of(b, slot, s->name);
    items[SHAPE_AT_BITS] = s->kind | (uint32_t)s->status << 3 | put_sparse(b, slot, s) << 5;
    items[SHAPE_AT_KEYSET] = put_attrs(b, slot, s->attrs);
    size_t known = b->shapes.count;
    uint32_t shape = tuples_add_own(&b->shapes, items, SHAPE_ITEMS);
    if (b->shapes.count > known) {
        b->shape_rows =
            mem_grow(b->shape_rows, &b->shape_rows_capacity, known + 1, sizeof *b->shape_rows);
        b->shape_rows[shape] = 0;
    }
    b->shape_rows[shape]++;
    put_int(&b->columns[COLUMN_SHAPE], shape);
}

// ---- Traces ----------------------------------------------------------------------------------

// The row of a trace, but not `self`, that has this ID; `n` when there is none.
static size_t scan_id(const uint64_t *ids, size_t n, uint64_t id, size_t self)
{
    ASSERT(id != 0); // a root is not looked for
    ASSERT(self < n && n <= PARENT_SCAN_MAX);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id && i != self) {
            return i;
        }
    }
    return n;
}

struct id_index {
    uint32_t *slots; // row + 1
    size_t mask;
};

static struct id_index index_ids(const uint64_t *ids, size_t n)
{
    ASSERT(n > 0 && n <= BLOCK_ROWS);
    size_t size = 64;
    while (size < 2 * n) {
        size *= 2;
    }
    ASSERT(size >= 2 * n && (size & (size - 1)) == 0);
    struct id_index x = {mem_new(size, sizeof *x.slots), size - 1};
    for (size_t i = 0; i < n; i++) {
        size_t at = (ids[i] * 0x9E3779B97F4A7C15ULL) >> 32 & x.mask;
        // Equal IDs: the first row stands for all, so that copies of one ID cost nothing.
        while (x.slots[at] != 0 && ids[x.slots[at] - 1] != ids[i]) {
            at = (at + 1) & x.mask;
        }
        if (x.slots[at] == 0) {
            x.slots[at] = (uint32_t)i + 1;
        }
    }
    return x;
}

static size_t find_id(const struct id_index *x, const uint64_t *ids, size_t n, uint64_t id,
                      size_t self)
{
    ASSERT(x->slots != NULL);
    ASSERT(n > 0);
    size_t at = (id * 0x9E3779B97F4A7C15ULL) >> 32 & x->mask;
    while (x->slots[at] != 0 && ids[x->slots[at] - 1] != id) {
        at = (at + 1) & x->mask;
    }
    return x->slots[at] == 0 || x->slots[at] - 1 == self ? n : x->slots[at] - 1;
}

// Parents of the rows of one trace: `first` is its first row in the block.
static void put_parents(struct block_builder *b, const struct row *rows, size_t first, size_t n)
{
    ASSERT(first + n <= b->rows);
    ASSERT(n > 0);
    const uint64_t *ids = b->columns[COLUMN_ID].ints + first;
    struct build_column *codes = &b->columns[COLUMN_PARENT];
    struct id_index index = {NULL, 0};
    if (n > PARENT_SCAN_MAX) {
        index = index_ids(ids, n);
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t parent = load_u64(row_span(rows[first + i])->parent.b);
        size_t at = n;
        if (parent != 0) {
            at = n > PARENT_SCAN_MAX ? find_id(&index, ids, n, parent, i)
                                     : scan_id(ids, n, parent, i);
        }
        if (parent == 0) {
            put_int(codes, PARENT_ROOT);
        } else if (at == n) {
            put_int(codes, PARENT_OUTSIDE);
            put_int(&b->columns[COLUMN_PARENT_ID], parent);
        } else {
            put_int(codes, zigzag((int64_t)at - (int64_t)i) + 1);
        }
    }
    mem_free(index.slots);
}

static void add_trace(struct block_builder *b, const struct span *s)
{
    ASSERT(b->trace_count < BLOCK_ROWS);
    size_t need = b->trace_count + 1;
    b->traces = mem_grow(b->traces, &b->trace_capacity, need, sizeof *b->traces);
    b->trace_rows = mem_grow(b->trace_rows, &b->trace_rows_capacity, need, sizeof *b->trace_rows);
    b->trace_starts =
        mem_grow(b->trace_starts, &b->trace_starts_capacity, need, sizeof *b->trace_starts);
    b->traces[b->trace_count] = s->trace;
    b->trace_rows[b->trace_count] = 0;
    b->trace_starts[b->trace_count] = s->start_ns;
    b->trace_count = need;
    ASSERT(b->trace_count <= BLOCK_ROWS);
}

static void note_page(struct page_meta *p, const struct span *s)
{
    ASSERT(p->min_start_ns <= p->max_start_ns || p->max_start_ns == 0);
    uint64_t d = s->duration_ns;
    p->min_start_ns = s->start_ns < p->min_start_ns ? s->start_ns : p->min_start_ns;
    p->max_start_ns = s->start_ns > p->max_start_ns ? s->start_ns : p->max_start_ns;
    p->min_duration_ns = d < p->min_duration_ns ? d : p->min_duration_ns;
    p->max_duration_ns = d > p->max_duration_ns ? d : p->max_duration_ns;
    ASSERT(p->min_start_ns <= p->max_start_ns && p->min_duration_ns <= p->max_duration_ns);
}

// A block's ranges are those of its pages together.
static void sum_pages(struct block_builder *b)
{
    ASSERT(b->pages > 0 && b->pages <= BLOCK_PAGES);
    struct block_meta *m = &b->meta;
    for (size_t i = 0; i < b->pages; i++) {
        const struct page_meta *p = &b->page_metas[i];
        ASSERT(p->min_start_ns <= p->max_start_ns && p->min_duration_ns <= p->max_duration_ns);
        m->min_start_ns = p->min_start_ns < m->min_start_ns ? p->min_start_ns : m->min_start_ns;
        m->max_start_ns = p->max_start_ns > m->max_start_ns ? p->max_start_ns : m->max_start_ns;
        m->min_duration_ns =
            p->min_duration_ns < m->min_duration_ns ? p->min_duration_ns : m->min_duration_ns;
        m->max_duration_ns =
            p->max_duration_ns > m->max_duration_ns ? p->max_duration_ns : m->max_duration_ns;
    }
}

static void begin_page(struct block_builder *b)
{
    ASSERT(b->columns[COLUMN_SHAPE].count == b->pages * PAGE_ROWS); // all before it are full
    MUST(b->pages < BLOCK_PAGES);
    for (size_t i = 0; i < b->column_count; i++) {
        b->columns[i].page_first[b->pages] = b->columns[i].count;
    }
    b->page_metas[b->pages] =
        (struct page_meta){.min_start_ns = UINT64_MAX, .min_duration_ns = UINT64_MAX};
    b->pages++;
}

// The distance to the row before in the trace and page, else to the start of the trace.
static uint64_t start_distance(const struct block_builder *b, const struct row *rows, size_t i,
                               bool new_trace)
{
    ASSERT(new_trace || i > 0);
    ASSERT(b->trace_count > 0);
    uint64_t base = b->trace_starts[b->trace_count - 1];
    if (!new_trace && i % PAGE_ROWS != 0) {
        base = row_span(rows[i - 1])->start_ns;
    }
    return row_span(rows[i])->start_ns - base;
}

static void put_row(struct block_builder *b, const struct row *rows, size_t i)
{
    ASSERT(b->pages > 0 && i / PAGE_ROWS == b->pages - 1);
    ASSERT(i < BLOCK_ROWS);
    const struct span *s = row_span(rows[i]);
    bool new_trace = i == 0 || trace_id_cmp(&s->trace, &row_span(rows[i - 1])->trace) != 0;
    if (new_trace) {
        add_trace(b, s);
    }
    b->trace_rows[b->trace_count - 1]++;
    put_int(&b->columns[COLUMN_START], start_distance(b, rows, i, new_trace));
    put_int(&b->columns[COLUMN_DURATION], s->duration_ns);
    put_int(&b->columns[COLUMN_ID], load_u64(s->id.b));
    note_page(&b->page_metas[b->pages - 1], s);
    b->meta.errors += s->status == STATUS_ERROR;
    put_shape(b, slot_of(b, rows[i].batch), s);
}

// Parents need the IDs of the whole trace, so they come after all rows; their pages are cut here.
static void put_all_parents(struct block_builder *b, const struct row *rows)
{
    ASSERT(b->columns[COLUMN_PARENT].count == 0);
    struct build_column *outside = &b->columns[COLUMN_PARENT_ID];
    struct build_column *codes = &b->columns[COLUMN_PARENT];
    size_t first = 0;
    for (size_t t = 0; t < b->trace_count; t++) {
        put_parents(b, rows, first, (size_t)b->trace_rows[t]);
        first += (size_t)b->trace_rows[t];
    }
    MUST(codes->count == b->rows);
    size_t seen = 0;
    for (size_t i = 0; i < b->rows; i++) {
        if (i % PAGE_ROWS == 0) {
            codes->page_first[i / PAGE_ROWS] = i;
            outside->page_first[i / PAGE_ROWS] = seen;
        }
        seen += codes->ints[i] == PARENT_OUTSIDE;
    }
}

// Rows of one trace come from many batches, so what they are made of is rarely in a cache yet.
static void prefetch(const struct row *rows, size_t i, size_t n)
{
    ASSERT(row_span(rows[i]) != NULL);
    ASSERT(i < n);
    if (i + 2 * PREFETCH_ROWS < n) {
        const char *span = (const char *)row_span(rows[i + 2 * PREFETCH_ROWS]);
        for (size_t at = 0; at < sizeof(struct span); at += CACHE_LINE) {
            __builtin_prefetch(span + at);
        }
    }
    if (i + PREFETCH_ROWS < n) {
        struct row row = rows[i + PREFETCH_ROWS];
        struct attr_run run = row_span(row)->attrs;
        const char *attrs = (const char *)(row.batch->attrs + run.first);
        size_t bytes = run.count * sizeof(struct attr);
        for (size_t at = 0; at < bytes && at < 8 * CACHE_LINE; at += CACHE_LINE) {
            __builtin_prefetch(attrs + at);
        }
    }
}

size_t block_build(struct block_builder *b, const struct row *rows, size_t n)
{
    ASSERT(rows != NULL);
    MUST(n > 0 && n <= BLOCK_ROWS && b->rows == 0);
    b->meta = (struct block_meta){.min_start_ns = UINT64_MAX, .min_duration_ns = UINT64_MAX};
    size_t i = 0;
    for (; i < n; i++) {
        size_t more = row_span(rows[i])->attrs.count;
        if (i > 0 &&
            (b->column_count + more > BLOCK_COLUMNS_MAX || b->texts.bytes > BLOCK_TEXT_MAX)) {
            break;
        }
        if (i % PAGE_ROWS == 0) {
            begin_page(b);
        }
        prefetch(rows, i, n);
        put_row(b, rows, i);
    }
    b->rows = i;
    put_all_parents(b, rows);
    for (size_t c = 0; c < b->column_count; c++) {
        for (size_t p = b->pages; p <= BLOCK_PAGES; p++) {
            b->columns[c].page_first[p] = b->columns[c].count;
        }
    }
    sum_pages(b);
    b->meta.rows = (uint32_t)b->rows;
    b->meta.pages = (uint32_t)b->pages;
    b->meta.first_trace = b->traces[0];
    b->meta.last_trace = b->traces[b->trace_count - 1];
    return b->rows;
}
