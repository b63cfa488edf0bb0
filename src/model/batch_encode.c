// SPDX-License-Identifier: Apache-2.0
// Purpose: batches as bytes for the journal. Format in batch_format.h.
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "model/batch_codec.h"
#include "model/batch_format.h"

#define SHAPE_INDEX    ((size_t)2 * SHAPES_MAX)
#define TRACES_CACHED  ((size_t)512)
#define PARENTS_CACHED ((size_t)2048)
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

static inline uint8_t *put_value(struct encoder *e, uint8_t *p, const struct attr *a)
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

static inline uint8_t *put_shape(struct encoder *e, uint8_t *p, struct attr_run run)
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

// ---- Points -------------------------------------------------------------------------------------

static void put_metric(struct encoder *e, const struct metric *m)
{
    uint8_t *p = row_room(e, (struct attr_run){0, 0});
    if (p == NULL) {
        return;
    }
    MUST(m->kind < METRIC_KIND_END && m->temporality < TEMPORALITY_COUNT && m->monotonic <= 1);
    *p++ = (uint8_t)(m->kind | m->temporality << 4 | m->monotonic << 7);
    p = put_code(e, p, m->name);
    p = put_code(e, p, m->description);
    p = put_code(e, p, m->unit);
    row_end(e, p);
}

static uint8_t *put_double(uint8_t *p, double d)
{
    memcpy(p, &d, sizeof d);
    return p + sizeof d;
}

static uint8_t *put_point_value(uint8_t *p, const struct point *x, const struct metric *m)
{
    if (metric_kind_has_count(m->kind)) {
        p += varint_put(p, x->count);
    } else if (x->says & POINT_INT) {
        p += varint_put(p, zigzag(x->i));
    } else {
        p = put_double(p, x->d);
    }
    p = x->says & POINT_SUM ? put_double(p, x->sum) : p;
    p = x->says & POINT_MIN ? put_double(p, x->min) : p;
    p = x->says & POINT_MAX ? put_double(p, x->max) : p;
    ASSERT((x->says & ~POINT_SAYS) == 0);
    return p;
}

static void put_point(struct encoder *e, uint32_t index)
{
    static const struct point none;
    const struct point *x = &e->b->points[index], *before = index > 0 ? x - 1 : &none;
    uint8_t *p = row_room(e, x->attrs);
    if (p == NULL) {
        return;
    }
    MUST(x->metric < e->b->metric_count);
    bool same = index > 0 && x->metric == before->metric && x->resource == before->resource &&
                x->scope == before->scope;
    bool texts = (x->body | x->exemplars | x->flags) != 0;
    *p++ = (uint8_t)(x->says | (same ? POINT_SAME_ROWS : 0) | (texts ? POINT_TEXTS : 0));
    if (!same) {
        p += varint_put(p, x->metric);
        p += varint_put(p, x->resource);
        p += varint_put(p, x->scope);
    }
    p += varint_put(p, zigzag((int64_t)(x->time_ns - before->time_ns)));
    p += varint_put(p, zigzag((int64_t)(x->start_ns - before->start_ns)));
    p = put_point_value(p, x, &e->b->metrics[x->metric]);
    p = put_shape(e, p, x->attrs);
    for (uint32_t i = x->attrs.first; i < x->attrs.first + x->attrs.count; i++) {
        p = put_value(e, p, &e->b->attrs[i]);
    }
    if (texts) {
        p = put_code(e, p, x->body);
        p = put_code(e, p, x->exemplars);
        p += varint_put(p, x->flags);
    }
    row_end(e, p);
}

// ---- The whole ----------------------------------------------------------------------------------

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

static void put_rows(struct encoder *e)
{
    const struct batch *b = e->b;
    ASSERT(e->rows.n == 0);
    for (size_t i = 0; i < b->resource_count; i++) {
        put_resource(e, &b->resources[i]);
    }
    for (size_t i = 0; i < b->scope_count; i++) {
        put_scope(e, &b->scopes[i]);
    }
    for (uint32_t i = 0; i < b->span_count; i++) {
        put_span(e, i);
    }
    for (size_t i = 0; i < b->metric_count; i++) {
        put_metric(e, &b->metrics[i]);
    }
    for (uint32_t i = 0; i < b->point_count; i++) {
        put_point(e, i);
    }
}

static void put_head(const struct encoder *e, struct buf *out)
{
    const struct batch *b = e->b;
    bool points = b->point_count > 0 || b->metric_count > 0;
    buf_add_byte(out, points ? VERSION_POINTS : VERSION_SPANS);
    buf_add_byte(out, b->unique_strings ? UNIQUE_STRINGS : 0);
    buf_add_varint(out, b->line.n);
    buf_add_str(out, b->line);
    buf_add_varint(out, b->received_ns);
    buf_add_varint(out, e->used);
    buf_add_varint(out, b->resource_count);
    buf_add_varint(out, b->scope_count);
    buf_add_varint(out, b->span_count);
    if (points) {
        buf_add_varint(out, b->metric_count);
        buf_add_varint(out, b->point_count);
    }
    ASSERT(e->used < b->string_count);
}

void batch_encode(const struct batch *b, struct buf *out)
{
    struct encoder *e = mem_new(1, sizeof *e);
    MUST(b->string_count > 0 && b->span_count <= BATCH_SPANS_MAX);
    MUST(b->point_count <= BATCH_POINTS_MAX);
    e->b = b;
    e->map = mem_new(b->string_count, sizeof *e->map);
    e->order = mem_alloc(b->string_count * sizeof *e->order);
    buf_init(&e->rows, out->max);
    put_rows(e);
    put_head(e, out);
    put_strings(e, out);
    buf_add_str(out, buf_str(&e->rows));
    out->failed |= e->rows.failed;
    buf_done(&e->rows);
    mem_free(e->map);
    mem_free(e->order);
    mem_free(e);
}
