// SPDX-License-Identifier: Apache-2.0
// Purpose: opening a block: its directory, shapes and resources. Every number from the file is
// checked here, so that block_read.c may index with them.
#include "store/block.h"

#include <pthread.h>

#include "codec/checksum.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/block_cache.h"
#include "store/text_codec.h"

// ---- Regions ---------------------------------------------------------------------------------

static enum err read_into(struct block *b, struct buf *to, uint64_t offset, size_t n)
{
    ASSERT(to != NULL);
    ASSERT(b->part != NULL);
    buf_clear(to);
    if (!buf_reserve(to, n)) {
        return ERR_CORRUPT;
    }
    enum err e = b->part->file->ops->read_at(b->part->file, to->p, n, offset);
    to->n = e == ERR_OK ? n : 0;
    if (e == ERR_END || e == ERR_CORRUPT) {
        part_note_damage(b->part);
        e = ERR_CORRUPT;
    }
    return e;
}

enum err block_region(struct block *b, size_t region, struct str *ret_bytes)
{
    ASSERT(b->part != NULL);
    _Static_assert(BUF_PAD >= REGION_PAD, "regions in a buf may be read past their end");
    MUST(region < b->region_count);
    const struct region *r = &b->regions[region];
    const char *p;
    if (r->length == 0) {
        *ret_bytes = STR("");
        return ERR_OK;
    }
    if (r->offset >= b->window_offset && r->offset + r->length <= b->window_offset + b->window.n) {
        p = b->window.p + (r->offset - b->window_offset);
    } else {
        enum err e = read_into(b, &b->io, r->offset, r->length);
        if (e != ERR_OK) {
            return e;
        }
        p = b->io.p;
    }
    if (!checksum_fits(p, r->length, r->sum)) {
        part_note_damage(b->part);
        return ERR_CORRUPT;
    }
    *ret_bytes = (struct str){p, r->length};
    return ERR_OK;
}

size_t block_page_region(const struct block *b, size_t column, size_t page)
{
    ASSERT(b->cold_first >= REGION_FIXED);
    MUST(column < b->column_count && page < b->pages);
    if (column < COLUMN_HOT) {
        return REGION_FIXED + column * b->pages + page;
    }
    return b->cold_first + page * (b->column_count - COLUMN_HOT) + column - COLUMN_HOT;
}

enum err block_read_window(struct block *b, size_t page)
{
    ASSERT(page < b->pages && b->column_count >= COLUMN_BUILTIN);
    const struct region *first = &b->regions[block_page_region(b, COLUMN_HOT, page)];
    const struct region *last = &b->regions[block_page_region(b, b->column_count - 1, page)];
    ASSERT(last >= first);
    b->window_offset = first->offset;
    return read_into(b, &b->window, first->offset,
                     (size_t)(last->offset + last->length - first->offset));
}

// ---- Directory -------------------------------------------------------------------------------

static bool kind_fits(size_t column, enum attr_type type, enum column_kind kind)
{
    ASSERT(column >= COLUMN_BUILTIN || type == 0);
    ASSERT(kind < COLUMN_KIND_COUNT);
    bool text = kind == COLUMN_CODES || kind == COLUMN_STRINGS;
    if (column >= COLUMN_BUILTIN) {
        if (attr_type_is_text(type)) {
            return text;
        }
        return kind == (type == ATTR_EMPTY ? COLUMN_NONE : COLUMN_INTS);
    }
    switch (column) {
    case COLUMN_ID:
    case COLUMN_PARENT_ID:
        return kind == COLUMN_IDS;
    case COLUMN_STATUS_MESSAGE:
    case COLUMN_TRACE_STATE:
    case COLUMN_EVENTS:
    case COLUMN_LINKS:
        return text;
    default:
        return kind == COLUMN_INTS;
    }
}

static bool get_column(struct block *b, struct cursor *c, size_t i, size_t *dictionaries)
{
    ASSERT(i < b->column_count);
    ASSERT(dictionaries != NULL);
    struct block_column *column = &b->columns[i];
    struct column *outside = NULL;
    column->kind = cursor_byte(c);
    if (column->kind >= COLUMN_KIND_COUNT) {
        return false;
    }
    if (i >= COLUMN_BUILTIN) {
        outside = &b->attributes[i - COLUMN_BUILTIN];
        outside->type = cursor_byte(c);
        size_t n = (size_t)cursor_varint(c);
        const char *key = (const char *)cursor_bytes(c, n);
        if (key == NULL || outside->type >= ATTR_TYPE_COUNT) {
            return false;
        }
        outside->key = arena_str(&b->arena, (struct str){key, n});
        outside->has_dictionary = column->kind == COLUMN_CODES;
    }
    column->values = cursor_varint(c);
    if (outside != NULL) {
        outside->values = column->values;
    }
    if (column->kind == COLUMN_CODES) {
        column->dictionary_region =
            (uint32_t)(REGION_FIXED + COLUMN_HOT * b->pages + *dictionaries);
        ++*dictionaries;
    }
    return !c->failed && kind_fits(i, outside != NULL ? outside->type : 0, column->kind);
}

static enum err get_regions(struct block *b, struct cursor *c, size_t dictionaries)
{
    ASSERT(b->columns != NULL && b->regions == NULL);
    ASSERT(dictionaries <= b->column_count);
    const struct block_place *place = &b->part->footer.places[b->index];
    uint64_t at = 0;
    b->cold_first = REGION_FIXED + COLUMN_HOT * (size_t)b->pages + dictionaries;
    b->region_count = b->cold_first + b->pages * (b->column_count - COLUMN_HOT);
    if (b->region_count > cursor_left(c)) {
        return ERR_CORRUPT;
    }
    b->regions = arena_new(&b->arena, b->region_count, sizeof *b->regions);
    for (size_t i = 0; i < b->region_count && !c->failed; i++) {
        struct region *r = &b->regions[i];
        r->offset = place->offset + at;
        r->length = cursor_below(c, UINT32_MAX);
        r->sum = r->length > 0 ? cursor_u64(c) : 0;
        at += r->length;
        c->failed = c->failed || at > place->region_bytes;
    }
    return c->failed || at != place->region_bytes || cursor_left(c) != 0 ? ERR_CORRUPT : ERR_OK;
}

static enum err read_directory(struct block *b)
{
    ASSERT(b->columns == NULL);
    const struct block_place *place = &b->part->footer.places[b->index];
    const struct block_meta *meta = &b->part->footer.blocks[b->index];
    enum err e = read_into(b, &b->io, place->offset + place->region_bytes, place->directory_bytes);
    if (e != ERR_OK) {
        return e;
    }
    if (!checksum_fits(b->io.p, b->io.n, place->directory_sum)) {
        return ERR_CORRUPT;
    }
    struct cursor c = cursor_of(buf_str(&b->io));
    b->rows = cursor_below(&c, BLOCK_ROWS + 1);
    b->pages = meta->pages;
    b->traces = cursor_below(&c, (uint64_t)b->rows + 1);
    b->column_count = cursor_below(&c, COLUMN_BUILTIN + BLOCK_COLUMNS_MAX + SPAN_ATTRS_MAX + 1);
    if (c.failed || b->rows != meta->rows || b->traces == 0 || b->column_count < COLUMN_BUILTIN ||
        b->column_count > cursor_left(&c)) {
        return ERR_CORRUPT;
    }
    ASSERT(b->pages > 0);
    b->columns = arena_new(&b->arena, b->column_count, sizeof *b->columns);
    b->attributes =
        arena_new(&b->arena, b->column_count - COLUMN_BUILTIN + 1, sizeof *b->attributes);
    size_t dictionaries = 0;
    for (size_t i = 0; i < b->column_count; i++) {
        if (!get_column(b, &c, i, &dictionaries)) {
            return ERR_CORRUPT;
        }
    }
    return get_regions(b, &c, dictionaries);
}

// ---- Resources and scopes --------------------------------------------------------------------

// Text k of the file is string k + 1 of the batch, whose string 0 is the empty one.
static uint32_t get_text(struct cursor *c, const struct batch *b)
{
    ASSERT(c != NULL);
    ASSERT(b->string_count > 0);
    return cursor_below(c, b->string_count - 1) + 1;
}

static struct attr_run get_attrs(struct cursor *c, struct batch *b)
{
    ASSERT(c != NULL);
    ASSERT(!b->sealed);
    uint32_t n = cursor_below(c, SPAN_ATTRS_MAX + 1);
    struct attr_run run = {(uint32_t)b->attr_count, n};
    for (uint32_t i = 0; i < n && !c->failed; i++) {
        struct attr *a = batch_add_attr(b);
        a->key = get_text(c, b);
        a->type = cursor_byte(c);
        c->failed = c->failed || a->type >= ATTR_TYPE_COUNT;
        if (attr_type_is_text(a->type)) {
            a->code = get_text(c, b);
        } else {
            a->bits = cursor_u64(c);
        }
    }
    return run;
}

static void get_resources(struct cursor *c, struct batch *b)
{
    ASSERT(c != NULL && !b->sealed);
    ASSERT(b->resource_count == 0 && b->scope_count == 0);
    size_t n = cursor_below(c, BLOCK_ROWS + 1);
    for (size_t i = 0; i < n && !c->failed; i++) {
        struct resource *r = batch_add_resource(b);
        r->service = get_text(c, b);
        r->schema_url = get_text(c, b);
        r->dropped_attrs = cursor_below(c, (uint64_t)UINT32_MAX + 1);
        r->attrs = get_attrs(c, b);
    }
    n = cursor_below(c, BLOCK_ROWS + 1);
    for (size_t i = 0; i < n && !c->failed; i++) {
        struct scope *s = batch_add_scope(b);
        s->name = get_text(c, b);
        s->version = get_text(c, b);
        s->schema_url = get_text(c, b);
        s->dropped_attrs = cursor_below(c, (uint64_t)UINT32_MAX + 1);
        s->attrs = get_attrs(c, b);
    }
}

static enum err read_packed(struct block *b, size_t region, struct str *ret_raw)
{
    ASSERT(ret_raw != NULL);
    ASSERT(region < REGION_FIXED);
    struct str bytes;
    enum err e = block_region(b, region, &bytes);
    if (e != ERR_OK) {
        return e;
    }
    struct cursor c = cursor_of(bytes);
    return zpack_get(&c, &b->scratch, ret_raw);
}

static enum err read_resources(struct block *b)
{
    ASSERT(b->resources == NULL && b->part != NULL);
    struct str raw;
    const struct str *texts;
    size_t n;
    enum err e = read_packed(b, REGION_RESOURCES, &raw);
    if (e != ERR_OK) {
        return e;
    }
    struct cursor c = cursor_of(raw);
    e = dictionary_decode(&c, BATCH_STRINGS_MAX - 1, &b->arena, &texts, &n);
    if (e != ERR_OK) {
        return e;
    }
    struct batch *out = batch_new(b->part->footer.meta.line);
    b->resources = out;
    for (size_t i = 0; i < n; i++) {
        (void)batch_add_string(out, texts[i], str_hash(texts[i]));
    }
    ASSERT(out->string_count == n + 1 || n == 0); // the batch begins with ""
    get_resources(&c, out);
    batch_seal(out);
    return c.failed || cursor_left(&c) != 0 ? ERR_CORRUPT : ERR_OK;
}

// ---- Shapes ----------------------------------------------------------------------------------

struct keyset {
    const uint32_t *columns;
    uint32_t count;
};

static struct keyset *get_keysets(struct block *b, struct cursor *c, size_t *ret_n)
{
    ASSERT(ret_n != NULL);
    ASSERT(b->column_count >= COLUMN_BUILTIN);
    size_t n = cursor_below(c, BLOCK_ROWS + 1);
    size_t attributes = b->column_count - COLUMN_BUILTIN;
    struct keyset *sets = arena_new(&b->scratch, n + 1, sizeof *sets);
    for (size_t i = 0; i < n && !c->failed; i++) {
        uint32_t count = cursor_below(c, SPAN_ATTRS_MAX + 1);
        uint32_t *columns = arena_alloc(&b->arena, (count + (size_t)1) * sizeof *columns);
        for (uint32_t k = 0; k < count; k++) {
            columns[k] = cursor_below(c, attributes);
        }
        sets[i] = (struct keyset){columns, count};
    }
    *ret_n = n;
    return sets;
}

static void get_shape(struct block *b, struct cursor *c, const struct str *names, size_t name_count,
                      const struct keyset *sets, size_t set_count, struct shape *s)
{
    ASSERT(s >= b->shapes && s < b->shapes + b->shape_count);
    ASSERT(b->resources != NULL);
    s->resource = cursor_below(c, b->resources->resource_count);
    s->scope = cursor_below(c, b->resources->scope_count);
    uint32_t name = cursor_below(c, name_count);
    uint32_t bits = cursor_below(c, SHAPE_BITS_END << 5);
    uint32_t set = cursor_below(c, set_count);
    s->rows = cursor_below(c, BLOCK_ROWS + 1);
    s->kind = bits & 7;
    s->status = bits >> 3 & 3;
    if (c->failed || s->kind >= KIND_COUNT || s->status >= STATUS_COUNT) {
        c->failed = true;
        return;
    }
    s->name = names[name];
    s->service = batch_str(b->resources, b->resources->resources[s->resource].service);
    s->columns = sets[set].columns;
    s->column_count = sets[set].count;
    b->shape_fields[s - b->shapes] = (uint8_t)(bits >> 5);
}

static enum err read_shapes(struct block *b)
{
    ASSERT(b->rows > 0);
    ASSERT(b->shapes == NULL && b->resources != NULL);
    struct str raw;
    const struct str *names;
    size_t name_count, set_count;
    enum err e = read_packed(b, REGION_SHAPES, &raw);
    if (e != ERR_OK) {
        return e;
    }
    struct cursor c = cursor_of(raw);
    e = dictionary_decode(&c, BLOCK_ROWS, &b->arena, &names, &name_count);
    if (e != ERR_OK) {
        return e;
    }
    const struct keyset *sets = get_keysets(b, &c, &set_count);
    b->shape_count = cursor_below(&c, (uint64_t)b->rows + 1);
    b->shapes = arena_new(&b->arena, b->shape_count + 1, sizeof *b->shapes);
    b->shape_fields = arena_new(&b->arena, b->shape_count + 1, 1);
    for (size_t i = 0; i < b->shape_count && !c.failed; i++) {
        get_shape(b, &c, names, name_count, sets, set_count, &b->shapes[i]);
    }
    return c.failed || cursor_left(&c) != 0 ? ERR_CORRUPT : ERR_OK;
}

// ---- Life ------------------------------------------------------------------------------------

// Rooms that no reader has at the moment: buffers that come and go with every look-up would cost
// more than filling them.
#define ROOMS_MAX      8
#define ROOM_BYTES_MAX ((size_t)1 << 20)

static pthread_mutex_t rooms_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct block_room rooms[ROOMS_MAX];
static size_t room_count;

static void take_room(struct block *b)
{
    struct block_room room = {0};
    ASSERT(b->part != NULL);
    buf_init(&room.io, REGION_MAX);
    buf_init(&room.window, REGION_MAX);
    (void)pthread_mutex_lock(&rooms_mutex);
    ASSERT(room_count <= ROOMS_MAX);
    if (room_count > 0) {
        room = rooms[--room_count];
    }
    (void)pthread_mutex_unlock(&rooms_mutex);
    b->scratch = room.scratch;
    b->io = room.io;
    b->window = room.window;
}

static void give_room(struct block *b)
{
    ASSERT(b->scratch.held_bytes <= SIZE_MAX / 2);
    struct block_room room = {b->scratch, b->io, b->window};
    ASSERT(b->part != NULL);
    b->scratch = (struct arena){0};
    b->io = b->window = (struct buf){0};
    arena_clear(&room.scratch);
    buf_clear(&room.io);
    buf_clear(&room.window);
    bool keep = false;
    if (room.scratch.held_bytes + room.io.capacity + room.window.capacity <= ROOM_BYTES_MAX) {
        (void)pthread_mutex_lock(&rooms_mutex);
        keep = room_count < ROOMS_MAX;
        if (keep) {
            rooms[room_count++] = room;
        }
        (void)pthread_mutex_unlock(&rooms_mutex);
    }
    if (!keep) {
        arena_done(&room.scratch);
        buf_done(&room.io);
        buf_done(&room.window);
    }
}

enum err block_open(struct part *p, size_t index, struct block **ret_block)
{
    ASSERT(ret_block != NULL);
    MUST(index < p->footer.meta.blocks);
    struct block *b = mem_new(1, sizeof *b);
    atomic_init(&b->refs, 1);
    b->part = part_ref(p);
    b->index = index;
    take_room(b);
    enum err e = read_directory(b);
    if (e == ERR_OK) {
        e = read_resources(b);
    }
    if (e == ERR_OK) {
        e = read_shapes(b);
    }
    if (e == ERR_CORRUPT) {
        part_note_damage(p);
    }
    if (e != ERR_OK) {
        block_free(b);
        return e;
    }
    arena_clear(&b->scratch);
    *ret_block = b;
    return ERR_OK;
}

enum err block_borrow(struct part *p, size_t index, struct block **ret_block)
{
    ASSERT(ret_block != NULL);
    struct block *b = block_cache_take(p, index);
    enum err e = ERR_OK;
    if (b != NULL) {
        b->part = part_ref(p);
        b->window_offset = 0;
        take_room(b);
    } else {
        e = block_open(p, index, &b);
    }
    if (e == ERR_OK) {
        ASSERT(b->index == index);
        b->borrowed = true;
        *ret_block = b;
    }
    return e;
}

size_t block_held_bytes(const struct block *b)
{
    ASSERT(b->part == NULL || b->borrowed);
    ASSERT(b->resources != NULL);
    return sizeof *b + b->arena.held_bytes + batch_bytes(b->resources);
}

size_t block_used_bytes(const struct block *b)
{
    ASSERT(b->part != NULL);
    ASSERT(b->scratch.held_bytes <= SIZE_MAX / 2);
    return block_held_bytes(b) + b->scratch.held_bytes + b->io.capacity + b->window.capacity;
}

size_t block_page_stored_bytes(const struct block *b, uint32_t column, size_t page)
{
    ASSERT(page < b->pages);
    ASSERT(COLUMN_BUILTIN + column < b->column_count);
    return b->regions[block_page_region(b, COLUMN_BUILTIN + column, page)].length;
}

void block_unref(struct block *b)
{
    int before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before == 1) {
        ASSERT(b->part == NULL);
        batch_unref(b->resources);
        arena_done(&b->arena);
        mem_free(b);
    }
}

void block_free(struct block *b)
{
    ASSERT(b == NULL || atomic_load(&b->refs) > 0);
    if (b == NULL) {
        return;
    }
    MUST(b->part != NULL);
    struct part *p = b->part;
    give_room(b);
    b->part = NULL;
    if (!b->borrowed || !block_cache_put(p, b)) {
        block_unref(b);
    }
    part_unref(p);
}

// ---- What it holds ---------------------------------------------------------------------------

size_t block_pages(const struct block *b)
{
    ASSERT(b->part != NULL);
    ASSERT(b->pages > 0 && b->pages <= BLOCK_PAGES);
    return b->pages;
}

const struct shape *block_shapes(const struct block *b, size_t *ret_count)
{
    ASSERT(ret_count != NULL);
    ASSERT(b->shapes != NULL);
    *ret_count = b->shape_count;
    return b->shapes;
}

const struct column *block_columns(const struct block *b, size_t *ret_count)
{
    ASSERT(ret_count != NULL);
    ASSERT(b->column_count >= COLUMN_BUILTIN);
    *ret_count = b->column_count - COLUMN_BUILTIN;
    return b->attributes;
}

enum err block_resources(struct block *b, const struct batch **ret_batch)
{
    ASSERT(ret_batch != NULL);
    ASSERT(b->resources != NULL);
    *ret_batch = b->resources;
    return ERR_OK;
}

enum err block_load_dictionary(struct block *b, size_t column)
{
    ASSERT(b->part != NULL);
    MUST(column < b->column_count);
    struct block_column *c = &b->columns[column];
    if (c->kind != COLUMN_CODES || c->dictionary != NULL) {
        return ERR_OK;
    }
    struct str bytes;
    enum err e = block_region(b, c->dictionary_region, &bytes);
    if (e != ERR_OK) {
        return e;
    }
    struct cursor at = cursor_of(bytes);
    return dictionary_decode(&at, BATCH_STRINGS_MAX - 1, &b->arena, &c->dictionary,
                             &c->dictionary_count);
}

enum err block_dictionary(struct block *b, size_t column, const struct str **ret_strings,
                          size_t *ret_count)
{
    ASSERT(ret_strings != NULL && ret_count != NULL);
    MUST(column + COLUMN_BUILTIN < b->column_count);
    const struct block_column *c = &b->columns[column + COLUMN_BUILTIN];
    if (c->kind != COLUMN_CODES) {
        return ERR_NOT_FOUND;
    }
    enum err e = block_load_dictionary(b, column + COLUMN_BUILTIN);
    if (e == ERR_OK) {
        *ret_strings = c->dictionary;
        *ret_count = c->dictionary_count;
    }
    return e;
}

static enum err load_trace_numbers(struct block *b, size_t region, uint64_t *out)
{
    ASSERT(out != NULL);
    ASSERT(region == REGION_TRACE_ROWS || region == REGION_TRACE_STARTS);
    struct str bytes;
    enum err e = block_region(b, region, &bytes);
    if (e != ERR_OK) {
        return e;
    }
    struct cursor c = cursor_of(bytes);
    return ints_decode(&c, b->traces, out);
}

enum err block_load_traces(struct block *b)
{
    ASSERT(b->part != NULL && b->traces > 0);
    if (b->trace_ids != NULL) {
        return ERR_OK;
    }
    struct str ids;
    enum err e = block_region(b, REGION_TRACE_IDS, &ids);
    if (e == ERR_OK && ids.n != (size_t)b->traces * TRACE_BYTES) {
        e = ERR_CORRUPT;
    }
    if (e != ERR_OK) {
        return e;
    }
    const uint8_t *copy = (const uint8_t *)arena_str(&b->arena, ids).p;
    b->trace_starts = arena_new(&b->arena, b->traces, sizeof *b->trace_starts);
    b->trace_first = arena_new(&b->arena, b->traces + (size_t)1, sizeof *b->trace_first);
    uint64_t *rows = arena_new(&b->scratch, b->traces, sizeof *rows);
    e = load_trace_numbers(b, REGION_TRACE_STARTS, b->trace_starts);
    if (e == ERR_OK) {
        e = load_trace_numbers(b, REGION_TRACE_ROWS, rows);
    }
    uint64_t at = 0;
    for (size_t i = 0; i < b->traces && e == ERR_OK; i++) {
        if (rows[i] == 0 || rows[i] > b->rows - at) {
            e = ERR_CORRUPT;
            break;
        }
        at += rows[i];
        b->trace_first[i + 1] = (uint32_t)at;
    }
    if (e != ERR_OK || at != b->rows) {
        return e != ERR_OK ? e : ERR_CORRUPT;
    }
    ASSERT(b->trace_first[0] == 0 && b->trace_first[b->traces] == b->rows);
    b->trace_ids = copy;
    return ERR_OK;
}
