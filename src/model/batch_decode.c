// SPDX-License-Identifier: Apache-2.0
// Purpose: batches out of the bytes of the journal. Format in batch_format.h.
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "model/batch_codec.h"
#include "model/batch_format.h"

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

static inline void get_value(struct reader *r, struct attr *a)
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
static inline struct attr_run get_shaped(struct reader *r)
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

// ---- Points -------------------------------------------------------------------------------------

static void get_metric(struct reader *r)
{
    uint8_t byte = get_byte(r);
    struct metric row = {.kind = byte & 15, .temporality = byte >> 4 & 7, .monotonic = byte >> 7};
    if (row.kind == 0 || row.kind >= METRIC_KIND_END || row.temporality >= TEMPORALITY_COUNT) {
        (void)wrong(r, "broken metric");
        return;
    }
    ASSERT(!r->b->sealed);
    row.name = get_code(r);
    row.description = get_code(r);
    row.unit = get_code(r);
    *batch_add_metric(r->b) = row;
}

static void get_point_value(struct reader *r, struct point *x, const struct metric *m)
{
    if (metric_kind_has_count(m->kind)) {
        x->count = get_varint(r);
    } else if (x->says & POINT_INT) {
        x->i = unzigzag(get_varint(r));
    } else {
        get_bytes(r, &x->d, sizeof x->d);
    }
    if (x->says & POINT_SUM) {
        get_bytes(r, &x->sum, sizeof x->sum);
    }
    if (x->says & POINT_MIN) {
        get_bytes(r, &x->min, sizeof x->min);
    }
    if (x->says & POINT_MAX) {
        get_bytes(r, &x->max, sizeof x->max);
    }
    ASSERT((x->says & ~POINT_SAYS) == 0);
}

static void get_point(struct reader *r)
{
    struct point *x = batch_add_point(r->b);
    const struct point *before = r->b->point_count > 1 ? x - 1 : NULL;
    uint8_t flags = get_byte(r);
    if ((flags & ~(POINT_SAYS | POINT_SAME_ROWS | POINT_TEXTS)) != 0 ||
        (before == NULL && (flags & POINT_SAME_ROWS) != 0)) {
        (void)wrong(r, "broken point");
        return;
    }
    MUST(x != NULL && r->b->metric_count > 0 && r->b->resource_count > 0 && r->b->scope_count > 0);
    x->says = flags & POINT_SAYS;
    if (flags & POINT_SAME_ROWS) {
        MUST(before != NULL);
        x->metric = before->metric;
        x->resource = before->resource;
        x->scope = before->scope;
    } else {
        x->metric = get_below(r, r->b->metric_count, "no such metric");
        x->resource = get_below(r, r->b->resource_count, "no such resource");
        x->scope = get_below(r, r->b->scope_count, "no such scope");
    }
    x->time_ns = (before != NULL ? before->time_ns : 0) + (uint64_t)unzigzag(get_varint(r));
    x->start_ns = (before != NULL ? before->start_ns : 0) + (uint64_t)unzigzag(get_varint(r));
    get_point_value(r, x, &r->b->metrics[x->metric]);
    x->attrs = get_shaped(r);
    if (flags & POINT_TEXTS) {
        x->body = get_code(r);
        x->exemplars = get_code(r);
        x->flags = get_u32(r);
    }
}

// ---- The whole ----------------------------------------------------------------------------------

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

// How many rows there are of each kind.
struct row_counts {
    size_t resources, scopes, spans, metrics, points;
};

static void get_rows(struct reader *r, const struct row_counts *n)
{
    for (size_t i = 0; i < n->resources && r->what == NULL; i++) {
        get_resource(r);
    }
    for (size_t i = 0; i < n->scopes && r->what == NULL; i++) {
        get_scope(r);
    }
    if (n->spans + n->points > 0 && (n->resources == 0 || n->scopes == 0)) {
        (void)wrong(r, "spans or points without a resource or scope");
    }
    for (size_t i = 0; i < n->spans && r->what == NULL; i++) {
        get_span(r);
    }
    for (size_t i = 0; i < n->metrics && r->what == NULL; i++) {
        get_metric(r);
    }
    if (n->points > 0 && n->metrics == 0) {
        (void)wrong(r, "points without a metric");
    }
    for (size_t i = 0; i < n->points && r->what == NULL; i++) {
        get_point(r);
    }
    if (r->what == NULL && r->p != r->end) {
        (void)wrong(r, "bytes follow the batch");
    }
    ASSERT(r->b->span_count <= n->spans && r->b->point_count <= n->points);
}

static void get_batch(struct reader *r)
{
    uint8_t version = get_byte(r);
    if (version != VERSION_SPANS && version != VERSION_POINTS) {
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
    struct row_counts n = {0};
    size_t strings = get_count(r, 1, BATCH_STRINGS_MAX - 1);
    n.resources = get_count(r, 4, UINT32_MAX - 1);
    n.scopes = get_count(r, 5, UINT32_MAX - 1);
    n.spans = get_count(r, SPAN_BYTES_MIN, BATCH_SPANS_MAX);
    if (version == VERSION_POINTS) {
        n.metrics = get_count(r, METRIC_BYTES_MIN, BATCH_POINTS_MAX);
        n.points = get_count(r, POINT_BYTES_MIN, BATCH_POINTS_MAX);
    }
    if (r->what == NULL) {
        get_strings(r, strings);
    }
    r->b->unique_strings = unique == UNIQUE_STRINGS;
    if (r->what == NULL) {
        get_rows(r, &n);
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
