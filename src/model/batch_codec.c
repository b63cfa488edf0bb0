// SPDX-License-Identifier: Apache-2.0
// Purpose: the journal encoding of a batch.
//
// Format, version 1. `v` is a varint, `z` a zigzag varint; a code is the v index of a string.
//
//   byte     version
//   byte     bit 0: the strings are unique
//   v bytes  business line: length, text
//   v        received_ns
//   v v v v  count of strings (without the empty one, which is code 0), resources, scopes, spans
//   v...     the length of each string
//   bytes    the strings, one after another
//   rows     resources, scopes, spans
//
//   list     v count, then per attribute: code of key, byte type, value
//   value    text types: code | BOOL: byte 0 or 1 | INT: z | DOUBLE: 8 bytes | EMPTY: byte 0
//   resource list, v dropped, code schema_url, code service
//   scope    list, v dropped, code name, code version, code schema_url
//   span     byte flags (SPAN_* below)
//            byte kind | status << 4
//            trace    nothing when it is the trace of the span before (SPAN_SAME_TRACE), else v:
//                     0 and 16 bytes for a new trace, else how many new traces back it came
//            8 bytes  span ID
//            parent   v: 0 none, 1 and 8 bytes, else 1 + how many spans back the parent stands
//            z        start, minus the start of the span before
//            v        duration
//            v v      resource, scope, unless SPAN_SAME_ROWS (as the span before)
//            code     name
//            v        shape: 0 and a list without values (v count, then code, byte each), else
//                     1 + index among the lists that came with a 0, of which the first SHAPES_MAX
//                     are counted
//            values   in the order of the list
//            SPAN_TEXTS: codes of status message, trace state, events, links
//            SPAN_NUMBERS: v dropped attributes, events, links, flags
//
// Only strings that rows use are written, in the order of first use. Every attribute costs at least
// one byte and every span more than ten, so that broken counts cannot make the reader allocate far
// more than the bytes it has.
#include "model/batch_codec.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"

#define CODEC_VERSION  1
#define UNIQUE_STRINGS 1

#define SPAN_SAME_TRACE       1
#define SPAN_SAME_ROWS        2
#define SPAN_TEXTS            4
#define SPAN_NUMBERS          8
#define SPAN_END_BEFORE_START 16
#define SPAN_FLAGS            31

#define SHAPES_MAX     ((uint32_t)4096)
#define SHAPE_INDEX    ((size_t)2 * SHAPES_MAX)
#define TRACES_CACHED  ((size_t)512)
#define PARENTS_CACHED ((size_t)2048)
#define SPAN_BYTES_MIN 13
// What a row takes at most without its attributes, and each attribute.
#define ROW_BYTES_MAX  256
#define ATTR_BYTES_MAX 16

struct shape {
    struct attr_run run; // of a span that has it
    uint64_t hash;
};

// A trace that was written, by its hash: which one of the new traces it was, from 1.
struct cached_trace {
    trace_id id;
    uint32_t number; // 0: free
};

struct encoder {
    const struct batch *b;
    uint32_t *map;   // code in the batch -> code in the encoding, 0: not used yet
    uint32_t *order; // the inverse
    uint32_t used;
    uint32_t trace_count, shape_count;
    struct buf rows;
    struct shape shapes[SHAPES_MAX];
    uint16_t shape_index[SHAPE_INDEX]; // shape + 1; 0 is free
    struct cached_trace traces[TRACES_CACHED];
    uint32_t parents[PARENTS_CACHED]; // span + 1 by its ID
};

static uint8_t *put_code(struct encoder *e, uint8_t *p, uint64_t code)
{
    ASSERT(code < e->b->string_count);
    uint32_t mapped = e->map[code];
    if (mapped == 0 && code != 0) {
        mapped = e->map[code] = ++e->used;
        e->order[mapped] = (uint32_t)code;
    }
    return p + varint_put(p, mapped);
}

static uint8_t *put_value(struct encoder *e, uint8_t *p, const struct attr *a)
{
    switch ((enum attr_type)a->type) {
    case ATTR_STRING:
    case ATTR_ARRAY:
    case ATTR_KVLIST:
    case ATTR_BYTES:
        return put_code(e, p, a->code);
    case ATTR_BOOL:
        *p = a->bits != 0;
        return p + 1;
    case ATTR_INT:
        return p + varint_put(p, zigzag(a->i));
    case ATTR_DOUBLE:
        memcpy(p, &a->bits, 8);
        return p + 8;
    case ATTR_EMPTY:
    case ATTR_TYPE_COUNT:
        break;
    }
    MUST(a->type == ATTR_EMPTY);
    *p = 0;
    return p + 1;
}

// Room for one row; false when the output is at its maximum.
static uint8_t *row_room(struct encoder *e, struct attr_run run)
{
    MUST(run.count <= SPAN_ATTRS_MAX && (size_t)run.first + run.count <= e->b->attr_count);
    if (!buf_reserve(&e->rows, ROW_BYTES_MAX + (size_t)run.count * ATTR_BYTES_MAX)) {
        return NULL;
    }
    return (uint8_t *)e->rows.p + e->rows.n;
}

static void row_end(struct encoder *e, const uint8_t *p)
{
    e->rows.n = (size_t)(p - (const uint8_t *)e->rows.p);
    ASSERT(e->rows.n <= e->rows.capacity);
}

static uint8_t *put_list(struct encoder *e, uint8_t *p, struct attr_run run)
{
    p += varint_put(p, run.count);
    ASSERT((size_t)run.first + run.count <= e->b->attr_count);
    for (uint32_t i = run.first; i < run.first + run.count; i++) {
        const struct attr *a = &e->b->attrs[i];
        p = put_code(e, p, a->key);
        *p++ = (uint8_t)a->type;
        p = put_value(e, p, a);
    }
    return p;
}

static void put_resource(struct encoder *e, const struct resource *r)
{
    uint8_t *p = row_room(e, r->attrs);
    if (p == NULL) {
        return;
    }
    ASSERT(r->service < e->b->string_count);
    p = put_list(e, p, r->attrs);
    p += varint_put(p, r->dropped_attrs);
    p = put_code(e, p, r->schema_url);
    p = put_code(e, p, r->service);
    row_end(e, p);
}

static void put_scope(struct encoder *e, const struct scope *s)
{
    uint8_t *p = row_room(e, s->attrs);
    if (p == NULL) {
        return;
    }
    ASSERT(s->name < e->b->string_count);
    p = put_list(e, p, s->attrs);
    p += varint_put(p, s->dropped_attrs);
    p = put_code(e, p, s->name);
    p = put_code(e, p, s->version);
    p = put_code(e, p, s->schema_url);
    row_end(e, p);
}

static uint64_t shape_hash(const struct attr *attrs, uint32_t count)
{
    uint64_t h = count;
    ASSERT(attrs != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++) {
        h = (h ^ ((uint64_t)attrs[i].key << 3 | attrs[i].type)) * 0x9e3779b97f4a7c15U;
        h ^= h >> 29;
    }
    return h;
}

static bool same_keys(const struct attr *a, const struct attr *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(a[i].type < ATTR_TYPE_COUNT);
        if (a[i].key != b[i].key || a[i].type != b[i].type) {
            return false;
        }
    }
    return true;
}

static uint8_t *put_shape(struct encoder *e, uint8_t *p, struct attr_run run)
{
    const struct attr *attrs = run.count > 0 ? e->b->attrs + run.first : NULL;
    uint64_t hash = shape_hash(attrs, run.count);
    size_t at = (size_t)(hash % SHAPE_INDEX);
    ASSERT(e->shape_count <= SHAPES_MAX);
    for (; e->shape_index[at] != 0; at = (at + 1) % SHAPE_INDEX) {
        const struct shape *s = &e->shapes[e->shape_index[at] - 1];
        if (s->hash == hash && s->run.count == run.count &&
            (run.count == 0 || same_keys(e->b->attrs + s->run.first, attrs, run.count))) {
            return p + varint_put(p, e->shape_index[at]);
        }
    }
    if (e->shape_count < SHAPES_MAX) {
        e->shapes[e->shape_count] = (struct shape){run, hash};
        e->shape_index[at] = (uint16_t)++e->shape_count;
    }
    *p++ = 0;
    p += varint_put(p, run.count);
    for (uint32_t i = 0; i < run.count; i++) {
        p = put_code(e, p, attrs[i].key);
        MUST(attrs[i].type < ATTR_TYPE_COUNT);
        *p++ = (uint8_t)attrs[i].type;
    }
    return p;
}

static uint8_t *put_trace(struct encoder *e, uint8_t *p, const trace_id *id)
{
    uint64_t h = (load_u64(id->b) ^ load_u64(id->b + 8)) * 0x9e3779b97f4a7c15U;
    struct cached_trace *slot = &e->traces[(h >> 40) % TRACES_CACHED];
    if (slot->number != 0 && trace_id_cmp(&slot->id, id) == 0) {
        ASSERT(slot->number <= e->trace_count);
        return p + varint_put(p, e->trace_count - slot->number + 1);
    }
    *slot = (struct cached_trace){*id, ++e->trace_count};
    *p++ = 0;
    memcpy(p, id->b, sizeof id->b);
    return p + sizeof id->b;
}

static uint32_t *parent_slot(struct encoder *e, span_id id)
{
    return &e->parents[(load_u64(id.b) * 0x9e3779b97f4a7c15U >> 40) % PARENTS_CACHED];
}

static uint8_t *put_parent(struct encoder *e, uint8_t *p, const struct span *s, uint32_t index)
{
    if (span_id_is_zero(s->parent)) {
        *p = 0;
        return p + 1;
    }
    uint32_t known = *parent_slot(e, s->parent);
    if (known != 0 && span_id_eq(e->b->spans[known - 1].id, s->parent)) {
        ASSERT(known - 1 < index);
        return p + varint_put(p, 1 + (uint64_t)(index - (known - 1)));
    }
    *p++ = 1;
    memcpy(p, s->parent.b, sizeof s->parent.b);
    return p + sizeof s->parent.b;
}

static uint8_t span_flags(const struct span *s, const struct span *before)
{
    uint8_t flags = 0;
    ASSERT(s->end_before_start <= 1);
    if (before != NULL && trace_id_cmp(&s->trace, &before->trace) == 0) {
        flags |= SPAN_SAME_TRACE;
    }
    if (before != NULL && s->resource == before->resource && s->scope == before->scope) {
        flags |= SPAN_SAME_ROWS;
    }
    if ((s->status_message | s->trace_state | s->events | s->links) != 0) {
        flags |= SPAN_TEXTS;
    }
    if ((s->dropped_attrs | s->dropped_events | s->dropped_links | s->flags) != 0) {
        flags |= SPAN_NUMBERS;
    }
    if (s->end_before_start) {
        flags |= SPAN_END_BEFORE_START;
    }
    return flags;
}

static uint8_t *put_rare(struct encoder *e, uint8_t *p, const struct span *s, uint8_t flags)
{
    if (flags & SPAN_TEXTS) {
        p = put_code(e, p, s->status_message);
        p = put_code(e, p, s->trace_state);
        p = put_code(e, p, s->events);
        p = put_code(e, p, s->links);
    }
    if (flags & SPAN_NUMBERS) {
        p += varint_put(p, s->dropped_attrs);
        p += varint_put(p, s->dropped_events);
        p += varint_put(p, s->dropped_links);
        p += varint_put(p, s->flags);
    }
    ASSERT((flags & ~SPAN_FLAGS) == 0);
    return p;
}

static void put_span(struct encoder *e, uint32_t index)
{
    const struct span *s = &e->b->spans[index], *before = index > 0 ? s - 1 : NULL;
    uint8_t *p = row_room(e, s->attrs);
    if (p == NULL) {
        return;
    }
    MUST(s->kind < KIND_COUNT && s->status < STATUS_COUNT);
    uint8_t flags = span_flags(s, before);
    *p++ = flags;
    *p++ = (uint8_t)(s->kind | s->status << 4);
    if (!(flags & SPAN_SAME_TRACE)) {
        p = put_trace(e, p, &s->trace);
    }
    memcpy(p, s->id.b, sizeof s->id.b);
    p = put_parent(e, p + sizeof s->id.b, s, index);
    *parent_slot(e, s->id) = index + 1;
    p += varint_put(p, zigzag((int64_t)(s->start_ns - (before != NULL ? before->start_ns : 0))));
    p += varint_put(p, s->duration_ns);
    if (!(flags & SPAN_SAME_ROWS)) {
        p += varint_put(p, s->resource);
        p += varint_put(p, s->scope);
    }
    p = put_code(e, p, s->name);
    p = put_shape(e, p, s->attrs);
    for (uint32_t i = s->attrs.first; i < s->attrs.first + s->attrs.count; i++) {
        p = put_value(e, p, &e->b->attrs[i]);
    }
    row_end(e, put_rare(e, p, s, flags));
}

static void put_strings(const struct encoder *e, struct buf *out)
{
    size_t total = 0;
    ASSERT(e->used < e->b->string_count);
    for (uint32_t i = 1; i <= e->used; i++) {
        size_t n = batch_str(e->b, e->order[i]).n;
        buf_add_varint(out, n);
        total += n;
    }
    if (!buf_reserve(out, total)) {
        return;
    }
    for (uint32_t i = 1; i <= e->used; i++) {
        struct str s = batch_str(e->b, e->order[i]);
        ASSERT(s.n <= total);
        if (s.n > 0) {
            memcpy(out->p + out->n, s.p, s.n);
            out->n += s.n;
        }
    }
}

void batch_encode(const struct batch *b, struct buf *out)
{
    struct encoder *e = mem_new(1, sizeof *e);
    MUST(b->string_count > 0 && b->span_count <= BATCH_SPANS_MAX);
    e->b = b;
    e->map = mem_new(b->string_count, sizeof *e->map);
    e->order = mem_alloc(b->string_count * sizeof *e->order);
    buf_init(&e->rows, out->max);
    for (size_t i = 0; i < b->resource_count; i++) {
        put_resource(e, &b->resources[i]);
    }
    for (size_t i = 0; i < b->scope_count; i++) {
        put_scope(e, &b->scopes[i]);
    }
    for (uint32_t i = 0; i < b->span_count; i++) {
        put_span(e, i);
    }
    buf_add_byte(out, CODEC_VERSION);
    buf_add_byte(out, b->unique_strings ? UNIQUE_STRINGS : 0);
    buf_add_varint(out, b->line.n);
    buf_add_str(out, b->line);
    buf_add_varint(out, b->received_ns);
    buf_add_varint(out, e->used);
    buf_add_varint(out, b->resource_count);
    buf_add_varint(out, b->scope_count);
    buf_add_varint(out, b->span_count);
    put_strings(e, out);
    buf_add_str(out, buf_str(&e->rows));
    out->failed |= e->rows.failed;
    buf_done(&e->rows);
    mem_free(e->map);
    mem_free(e->order);
    mem_free(e);
}

// ---- Reading ------------------------------------------------------------------------------------

// Where something is wrong `what` is set, and everything read from then on is zero; loops look at
// it once per row.
struct reader {
    const uint8_t *p, *end;
    const char *what;
    const uint8_t *what_at;
    struct batch *b;
    trace_id *traces; // the new ones
    size_t trace_count, trace_capacity;
    struct attr_run shapes[SHAPES_MAX];
    uint32_t shape_count;
};

static uint64_t wrong(struct reader *r, const char *what)
{
    ASSERT(what != NULL);
    if (r->what == NULL) {
        r->what = what;
        r->what_at = r->p;
    }
    r->p = r->end;
    return 0;
}

static inline uint64_t get_varint(struct reader *r)
{
    uint64_t v = 0;
    const uint8_t *next = varint_get(r->p, r->end, &v);
    ASSERT(r->p <= r->end);
    if (next == NULL) {
        return wrong(r, "cut short");
    }
    r->p = next;
    return v;
}

// A number below `limit`.
static inline uint32_t get_below(struct reader *r, uint64_t limit, const char *what)
{
    const uint8_t *at = r->p;
    uint64_t v = get_varint(r);
    ASSERT(limit > 0);
    if (v >= limit) {
        r->p = at;
        return (uint32_t)wrong(r, what);
    }
    return (uint32_t)v;
}

static inline uint32_t get_code(struct reader *r)
{
    return get_below(r, r->b->string_count, "no such string");
}

static inline uint32_t get_u32(struct reader *r)
{
    return get_below(r, (uint64_t)UINT32_MAX + 1, "number out of range");
}

static inline uint8_t get_byte(struct reader *r)
{
    ASSERT(r->p <= r->end);
    if (r->p == r->end) {
        return (uint8_t)wrong(r, "cut short");
    }
    return *r->p++;
}

static void get_bytes(struct reader *r, void *to, size_t n)
{
    if ((size_t)(r->end - r->p) < n) {
        (void)wrong(r, "cut short");
        return;
    }
    ASSERT(to != NULL);
    memcpy(to, r->p, n);
    r->p += n;
}

// A count of things of which each takes at least `size` bytes.
static size_t get_count(struct reader *r, size_t size, size_t max)
{
    size_t left = (size_t)(r->end - r->p) / size;
    ASSERT(size > 0);
    return get_below(r, (left < max ? left : max) + 1, "count out of range");
}

static void get_value(struct reader *r, struct attr *a)
{
    switch ((enum attr_type)a->type) {
    case ATTR_STRING:
    case ATTR_ARRAY:
    case ATTR_KVLIST:
    case ATTR_BYTES:
        a->code = get_code(r);
        break;
    case ATTR_BOOL:
        a->bits = get_below(r, 2, "not a bool");
        break;
    case ATTR_INT:
        a->i = unzigzag(get_varint(r));
        break;
    case ATTR_DOUBLE:
        get_bytes(r, &a->bits, 8);
        break;
    case ATTR_EMPTY:
    case ATTR_TYPE_COUNT:
        ASSERT(a->type == ATTR_EMPTY);
        (void)get_below(r, 1, "not empty");
        break;
    }
}

static struct attr *get_key(struct reader *r)
{
    struct attr *a = batch_add_attr(r->b);
    ASSERT(r->b->string_count > 0);
    a->key = get_code(r);
    a->type = get_below(r, ATTR_TYPE_COUNT, "no such attribute type");
    return a;
}

static struct attr_run get_list(struct reader *r)
{
    struct attr_run run = {(uint32_t)r->b->attr_count, 0};
    run.count = (uint32_t)get_count(r, 3, SPAN_ATTRS_MAX);
    for (uint32_t i = 0; i < run.count; i++) {
        get_value(r, get_key(r));
    }
    ASSERT(run.first + run.count == r->b->attr_count);
    return run;
}

// A span's attributes.
static struct attr_run get_shaped(struct reader *r)
{
    struct attr_run run = {(uint32_t)r->b->attr_count, 0};
    uint32_t shape = get_below(r, (uint64_t)r->shape_count + 1, "no such shape");
    ASSERT(r->shape_count <= SHAPES_MAX);
    if (shape == 0) {
        run.count = (uint32_t)get_count(r, 3, SPAN_ATTRS_MAX);
        for (uint32_t i = 0; i < run.count; i++) {
            (void)get_key(r);
        }
        if (r->shape_count < SHAPES_MAX) {
            r->shapes[r->shape_count++] = run;
        }
    } else {
        struct attr_run like = r->shapes[shape - 1];
        run.count =
            like.count <= (size_t)(r->end - r->p) ? like.count : (uint32_t)wrong(r, "cut short");
        for (uint32_t i = 0; i < run.count; i++) {
            struct attr *a = batch_add_attr(r->b);
            a->key = r->b->attrs[like.first + i].key;
            a->type = r->b->attrs[like.first + i].type;
        }
    }
    for (uint32_t i = 0; i < run.count; i++) {
        get_value(r, &r->b->attrs[run.first + i]);
    }
    return run;
}

static void get_trace(struct reader *r, trace_id *id)
{
    uint32_t back = get_below(r, (uint64_t)r->trace_count + 1, "no such trace");
    if (back > 0) {
        *id = r->traces[r->trace_count - back];
        return;
    }
    get_bytes(r, id->b, sizeof id->b);
    r->traces = mem_grow(r->traces, &r->trace_capacity, r->trace_count + 1, sizeof *r->traces);
    r->traces[r->trace_count++] = *id;
    ASSERT(r->trace_count <= r->b->span_count);
}

static void get_parent(struct reader *r, struct span *s, size_t index)
{
    uint32_t parent = get_below(r, (uint64_t)index + 2, "no such parent");
    if (parent == 1) {
        get_bytes(r, s->parent.b, sizeof s->parent.b);
    } else if (parent > 1) {
        ASSERT(parent - 1 <= index);
        s->parent = r->b->spans[index - (parent - 1)].id;
    }
}

static void get_rare(struct reader *r, struct span *s, uint8_t flags)
{
    if (flags & SPAN_TEXTS) {
        s->status_message = get_code(r);
        s->trace_state = get_code(r);
        s->events = get_code(r);
        s->links = get_code(r);
    }
    if (flags & SPAN_NUMBERS) {
        s->dropped_attrs = get_u32(r);
        s->dropped_events = get_u32(r);
        s->dropped_links = get_u32(r);
        s->flags = get_u32(r);
    }
    ASSERT((flags & ~SPAN_FLAGS) == 0);
    s->end_before_start = (flags & SPAN_END_BEFORE_START) != 0;
}

static void get_span(struct reader *r)
{
    struct span *s = batch_add_span(r->b);
    size_t index = r->b->span_count - 1;
    const struct span *before = index > 0 ? s - 1 : NULL;
    uint8_t flags = (uint8_t)get_below(r, SPAN_FLAGS + 1, "unknown flags");
    uint8_t kinds = get_byte(r);
    if ((kinds & 15) >= KIND_COUNT || kinds >> 4 >= STATUS_COUNT ||
        (before == NULL && (flags & (SPAN_SAME_TRACE | SPAN_SAME_ROWS)) != 0)) {
        (void)wrong(r, "broken span");
        return;
    }
    MUST(s != NULL && r->b->resource_count > 0 && r->b->scope_count > 0);
    s->kind = kinds & 15;
    s->status = kinds >> 4;
    if (flags & SPAN_SAME_TRACE) {
        MUST(before != NULL);
        s->trace = before->trace;
    } else {
        get_trace(r, &s->trace);
    }
    get_bytes(r, s->id.b, sizeof s->id.b);
    get_parent(r, s, index);
    s->start_ns = (before != NULL ? before->start_ns : 0) + (uint64_t)unzigzag(get_varint(r));
    s->duration_ns = get_varint(r);
    if (flags & SPAN_SAME_ROWS) {
        MUST(before != NULL);
        s->resource = before->resource;
        s->scope = before->scope;
    } else {
        s->resource = get_below(r, r->b->resource_count, "no such resource");
        s->scope = get_below(r, r->b->scope_count, "no such scope");
    }
    s->name = get_code(r);
    s->attrs = get_shaped(r);
    get_rare(r, s, flags);
}

static void get_strings(struct reader *r, size_t count)
{
    const uint8_t *lengths = r->p;
    size_t total = 0;
    for (size_t i = 0; i < count && r->what == NULL; i++) {
        uint64_t n = get_varint(r);
        if (n > (size_t)(r->end - r->p) || total + n > (size_t)(r->end - r->p)) {
            (void)wrong(r, "strings longer than the encoding");
        }
        total += n;
    }
    if (r->what != NULL || total > (size_t)(r->end - r->p)) {
        (void)wrong(r, "strings longer than the encoding");
        return;
    }
    // Padded, so that strings may be compared by words.
    char *text = arena_alloc(&r->b->arena, total + 8);
    memcpy(text, r->p, total);
    memset(text + total, 0, 8);
    const uint8_t *rows = r->p + total;
    r->p = lengths;
    for (size_t i = 0; i < count; i++) {
        struct str s = {text, get_varint(r)};
        batch_add_string(r->b, s, str_hash(s));
        text += s.n;
    }
    ASSERT(r->what == NULL && r->b->string_count == count + 1);
    r->p = rows;
}

static void get_resource(struct reader *r)
{
    struct resource row = {.attrs = get_list(r)};
    ASSERT(!r->b->sealed);
    row.dropped_attrs = get_u32(r);
    row.schema_url = get_code(r);
    row.service = get_code(r);
    *batch_add_resource(r->b) = row;
}

static void get_scope(struct reader *r)
{
    struct scope row = {.attrs = get_list(r)};
    ASSERT(!r->b->sealed);
    row.dropped_attrs = get_u32(r);
    row.name = get_code(r);
    row.version = get_code(r);
    row.schema_url = get_code(r);
    *batch_add_scope(r->b) = row;
}

static void get_rows(struct reader *r, size_t resources, size_t scopes, size_t spans)
{
    for (size_t i = 0; i < resources && r->what == NULL; i++) {
        get_resource(r);
    }
    for (size_t i = 0; i < scopes && r->what == NULL; i++) {
        get_scope(r);
    }
    if (spans > 0 && (resources == 0 || scopes == 0)) {
        (void)wrong(r, "spans without a resource or scope");
    }
    for (size_t i = 0; i < spans && r->what == NULL; i++) {
        get_span(r);
    }
    if (r->what == NULL && r->p != r->end) {
        (void)wrong(r, "bytes follow the batch");
    }
    ASSERT(r->b->span_count <= spans);
}

static void get_batch(struct reader *r)
{
    if (get_byte(r) != CODEC_VERSION) {
        (void)wrong(r, "unknown version");
    }
    uint32_t unique = get_below(r, UNIQUE_STRINGS + 1, "unknown flags");
    size_t line_bytes = get_count(r, 1, SIZE_MAX / 4);
    struct str line = {(const char *)r->p, line_bytes};
    if (line.n > (size_t)(r->end - r->p)) {
        line.n = (size_t)wrong(r, "cut short");
    }
    r->b = batch_new(line);
    r->p += line.n;
    r->b->received_ns = get_varint(r);
    size_t strings = get_count(r, 1, BATCH_STRINGS_MAX - 1);
    size_t resources = get_count(r, 4, UINT32_MAX - 1);
    size_t scopes = get_count(r, 5, UINT32_MAX - 1);
    size_t spans = get_count(r, SPAN_BYTES_MIN, BATCH_SPANS_MAX);
    if (r->what == NULL) {
        get_strings(r, strings);
    }
    r->b->unique_strings = unique == UNIQUE_STRINGS;
    if (r->what == NULL) {
        get_rows(r, resources, scopes, spans);
    }
    ASSERT(r->p <= r->end);
}

enum err batch_decode(struct str bytes, struct batch **ret_batch, struct err_at *ret_at)
{
    struct reader *r = mem_new(1, sizeof *r);
    MUST(ret_batch != NULL);
    bytes = bytes.p != NULL ? bytes : STR("");
    r->p = (const uint8_t *)bytes.p;
    r->end = r->p + bytes.n;
    get_batch(r);
    const char *what = r->what;
    uint64_t offset = what != NULL ? (uint64_t)(r->what_at - (const uint8_t *)bytes.p) : 0;
    struct batch *b = r->b;
    mem_free(r->traces);
    mem_free(r);
    if (what != NULL) {
        batch_unref(b);
        return err_at_set(ret_at, ERR_CORRUPT, offset, "batch: %s", what);
    }
    batch_seal(b);
    *ret_batch = b;
    return ERR_OK;
}
