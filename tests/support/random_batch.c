// SPDX-License-Identifier: Apache-2.0
// Purpose: random batches and their comparison.
#include "support/random_batch.h"

#include <stdio.h>

#include "core/buf.h"
#include "model/semconv.h"
#include "wire/protobuf.h"

uint64_t random_u64(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state * 0x2545f4914f6cdd1dU;
}

size_t random_below(struct random *r, size_t below)
{
    return (size_t)(random_u64(r) >> 33) % below;
}

// Text of all lengths; some of it repeats, some is not ASCII.
static struct str random_text(struct random *r, char text[300])
{
    static const char *const words[] = {
        "",          "GET",      "h\xc3\xa9llo", "\xe6\x8e\xa2\xe9\x92\x88", "\xf0\x9f\x98\x80",
        "a\tb\"c\\", "12345678", "1234567"};
    size_t kind = random_below(r, 10);
    if (kind < 8) {
        return str_of(words[random_below(r, 8)]);
    }
    size_t n = kind == 8 ? random_below(r, 20) : random_below(r, 300);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)(' ' + random_below(r, 95));
    }
    return (struct str){text, n};
}

static uint64_t random_number(struct random *r)
{
    return random_u64(r) >> random_below(r, 64);
}

static void random_any_value(struct random *r, struct buf *out, unsigned depth);

static void random_key_value(struct random *r, struct buf *out, uint32_t number, unsigned depth)
{
    char text[300];
    size_t pair = pb_begin(out, number);
    pb_put_bytes(out, 1, random_text(r, text));
    size_t value = pb_begin(out, 2);
    random_any_value(r, out, depth);
    pb_end(out, value);
    pb_end(out, pair);
}

static void random_list(struct random *r, struct buf *out, uint32_t type, unsigned depth)
{
    size_t list = pb_begin(out, type);
    for (size_t i = random_below(r, 4); i > 0; i--) {
        if (type == ATTR_ARRAY) {
            size_t value = pb_begin(out, 1);
            random_any_value(r, out, depth + 1);
            pb_end(out, value);
        } else {
            random_key_value(r, out, 1, depth + 1);
        }
    }
    pb_end(out, list);
}

static double random_double(struct random *r)
{
    static const double special[] = {0, -0.0, 1.5, -1e300, 0.1, 1.0 / 0.0, -1.0 / 0.0};
    size_t i = random_below(r, 10);
    return i < 7 ? special[i] : (double)random_u64(r) / 7;
}

static void random_any_value(struct random *r, struct buf *out, unsigned depth)
{
    char text[300];
    double d = random_double(r);
    uint64_t bits;
    size_t type = random_below(r, depth > 4 ? ATTR_ARRAY : ATTR_TYPE_COUNT);
    switch (type) {
    case ATTR_STRING:
    case ATTR_BYTES:
        pb_put_bytes(out, (uint32_t)type, random_text(r, text));
        break;
    case ATTR_BOOL:
        pb_put_varint(out, ATTR_BOOL, random_below(r, 2));
        break;
    case ATTR_INT:
        pb_put_varint(out, ATTR_INT, random_number(r));
        break;
    case ATTR_DOUBLE:
        memcpy(&bits, &d, sizeof bits);
        pb_put_fixed64(out, ATTR_DOUBLE, bits);
        break;
    case ATTR_ARRAY:
    case ATTR_KVLIST:
        random_list(r, out, (uint32_t)type, depth);
        break;
    default:
        break;
    }
}

static void random_attr(struct random *r, struct batch *b)
{
    char text[300];
    struct buf out;
    buf_init(&out, 1 << 20);
    uint32_t key = batch_intern(b, random_text(r, text));
    struct attr a = {.key = key, .type = (uint32_t)random_below(r, ATTR_TYPE_COUNT)};
    if (a.type == ATTR_STRING) {
        a.code = batch_intern(b, random_text(r, text));
    } else if (a.type == ATTR_BYTES) {
        a.code = batch_intern(b, random_below(r, 2) ? STR("\xff\x00\x80") : STR("bytes"));
    } else if (a.type == ATTR_ARRAY || a.type == ATTR_KVLIST) {
        random_list(r, &out, a.type, 1);
        a.code = batch_intern(b, buf_str(&out));
    } else if (a.type == ATTR_BOOL) {
        a.bits = random_below(r, 2);
    } else if (a.type == ATTR_INT) {
        a.bits = random_number(r);
    } else if (a.type == ATTR_DOUBLE) {
        a.d = random_double(r);
    }
    *batch_add_attr(b) = a;
    buf_done(&out);
}

static void add_text(struct batch *b, struct str key, struct str value)
{
    struct attr a = {.key = batch_intern(b, key), .type = ATTR_STRING};
    a.code = batch_intern(b, value);
    *batch_add_attr(b) = a;
}

static struct attr_run random_attrs(struct random *r, struct batch *b, size_t below)
{
    struct attr_run run = {(uint32_t)b->attr_count, (uint32_t)random_below(r, below)};
    for (uint32_t i = 0; i < run.count; i++) {
        random_attr(r, b);
    }
    return run;
}

static void random_resource(struct random *r, struct batch *b, size_t i)
{
    char text[300];
    struct resource row = {.dropped_attrs = (uint32_t)random_below(r, 3)};
    row.attrs.first = (uint32_t)b->attr_count;
    add_text(b, SEM_SERVICE_NAMESPACE, STR("shop"));
    row.service = batch_intern(b, SEM_UNKNOWN_SERVICE);
    if (i % 3 != 0) {
        (void)snprintf(text, sizeof text, "service-%zu", i);
        add_text(b, SEM_SERVICE_NAME, str_of(text));
        row.service = batch_intern(b, str_of(text));
    }
    (void)random_attrs(r, b, 5);
    row.attrs.count = (uint32_t)b->attr_count - row.attrs.first;
    row.schema_url = batch_intern(b, random_text(r, text));
    *batch_add_resource(b) = row;
}

static void random_scope(struct random *r, struct batch *b)
{
    char text[300];
    struct scope row = {.dropped_attrs = (uint32_t)random_below(r, 3)};
    row.attrs = random_attrs(r, b, 3);
    row.name = batch_intern(b, random_text(r, text));
    row.version = batch_intern(b, random_text(r, text));
    row.schema_url = batch_intern(b, random_text(r, text));
    *batch_add_scope(b) = row;
}

static uint32_t random_messages(struct random *r, struct batch *b, bool links)
{
    char text[300];
    struct buf out, one;
    buf_init(&out, 1 << 20);
    buf_init(&one, 1 << 20);
    for (size_t i = random_below(r, 12); i > 9; i--) {
        buf_clear(&one);
        if (links) {
            pb_put_bytes(&one, 1, STR("0123456789abcdef"));
            pb_put_bytes(&one, 2, STR("01234567"));
            random_key_value(r, &one, 4, 1);
            pb_put_fixed32(&one, 6, 257);
        } else {
            pb_put_fixed64(&one, 1, random_number(r));
            pb_put_bytes(&one, 2, random_text(r, text));
            random_key_value(r, &one, 3, 1);
            random_key_value(r, &one, 3, 1);
        }
        buf_add_varint(&out, one.n);
        buf_add_str(&out, buf_str(&one));
    }
    uint32_t code = batch_intern(b, buf_str(&out));
    buf_done(&out);
    buf_done(&one);
    return code;
}

static void random_span(struct random *r, struct batch *b)
{
    char text[300];
    struct span s = {0};
    for (size_t i = 0; i < sizeof s.trace.b; i++) {
        s.trace.b[i] = (uint8_t)(random_below(r, 2) + 1);
    }
    for (size_t i = 0; i < sizeof s.id.b; i++) {
        s.id.b[i] = (uint8_t)(random_below(r, 255) + 1);
        s.parent.b[i] = (uint8_t)(b->span_count % 3 == 0 ? 0 : random_below(r, 255) + 1);
    }
    if (b->span_count > 0 && random_below(r, 3) > 0) {
        s.trace = b->spans[b->span_count - 1].trace;
        s.parent = b->spans[random_below(r, b->span_count)].id;
    }
    s.start_ns = random_number(r) / 2 + 1;
    s.duration_ns = random_number(r) / 2;
    if (random_below(r, 20) == 0) {
        s.end_before_start = 1;
        s.duration_ns = 0;
    }
    s.resource = (uint32_t)random_below(r, b->resource_count);
    s.scope = (uint32_t)random_below(r, b->scope_count);
    s.name = batch_intern(b, random_text(r, text));
    s.status_message = batch_intern(b, random_text(r, text));
    s.trace_state = batch_intern(b, random_text(r, text));
    s.events = random_messages(r, b, false);
    s.links = random_messages(r, b, true);
    s.attrs = random_attrs(r, b, 12);
    s.dropped_attrs = (uint32_t)random_number(r);
    s.dropped_events = (uint32_t)random_below(r, 2);
    s.dropped_links = (uint32_t)random_below(r, 2);
    s.flags = (uint32_t)random_number(r);
    s.kind = (uint8_t)random_below(r, KIND_COUNT);
    s.status = (uint8_t)random_below(r, STATUS_COUNT);
    *batch_add_span(b) = s;
}

struct batch *random_batch(struct random *r, size_t span_count)
{
    struct batch *b = batch_new(STR("shop"));
    b->received_ns = random_number(r);
    for (size_t i = random_below(r, 4) + 1; i > 0; i--) {
        random_resource(r, b, i);
        random_scope(r, b);
    }
    for (size_t i = 0; i < span_count; i++) {
        random_span(r, b);
    }
    return b;
}

static void random_metric(struct random *r, struct batch *b)
{
    char text[300];
    struct metric m = {.kind = (uint8_t)(1 + random_below(r, METRIC_KIND_END - 1)),
                       .temporality = (uint8_t)random_below(r, TEMPORALITY_COUNT),
                       .monotonic = (uint8_t)random_below(r, 2)};
    m.name = batch_intern(b, random_text(r, text));
    m.description = batch_intern(b, random_text(r, text));
    m.unit = batch_intern(b, random_text(r, text));
    *batch_add_metric(b) = m;
}

static void random_point(struct random *r, struct batch *b)
{
    char text[300];
    struct point x = {.metric = (uint32_t)random_below(r, b->metric_count)};
    if (b->point_count > 0 && random_below(r, 2) == 0) {
        x = b->points[b->point_count - 1]; // of the same rows
    }
    bool counted = metric_kind_has_count(b->metrics[x.metric].kind);
    x.resource = random_below(r, 3) > 0 ? x.resource : (uint32_t)random_below(r, b->resource_count);
    x.scope = random_below(r, 3) > 0 ? x.scope : (uint32_t)random_below(r, b->scope_count);
    x.time_ns = random_number(r);
    x.start_ns = random_number(r);
    x.says = (uint8_t)(random_u64(r) & (counted ? POINT_SAYS & ~POINT_INT : POINT_SAYS));
    x.bits = random_number(r);
    x.sum = x.says & POINT_SUM ? random_double(r) : 0;
    x.min = x.says & POINT_MIN ? random_double(r) : 0;
    x.max = x.says & POINT_MAX ? random_double(r) : 0;
    x.attrs = random_attrs(r, b, 6);
    x.body = batch_intern(b, random_text(r, text));
    x.exemplars = random_messages(r, b, false);
    x.flags = (uint32_t)random_below(r, 2);
    *batch_add_point(b) = x;
}

void random_points(struct random *r, struct batch *b, size_t point_count)
{
    for (size_t i = random_below(r, 4) + 1; i > 0 && point_count > 0; i--) {
        random_metric(r, b);
    }
    for (size_t i = 0; i < point_count; i++) {
        random_point(r, b);
    }
}

static bool text_equal(const struct batch *a, uint64_t x, const struct batch *b, uint64_t y)
{
    return str_eq(batch_str(a, x), batch_str(b, y));
}

static bool runs_equal(const struct batch *a, struct attr_run x, const struct batch *b,
                       struct attr_run y)
{
    if (x.count != y.count) {
        return false;
    }
    for (uint32_t i = 0; i < x.count; i++) {
        const struct attr *p = &a->attrs[x.first + i], *q = &b->attrs[y.first + i];
        if (p->type != q->type || !text_equal(a, p->key, b, q->key) ||
            (attr_type_is_text(p->type) ? !text_equal(a, p->code, b, q->code)
                                        : p->bits != q->bits)) {
            return false;
        }
    }
    return true;
}

static bool resources_equal(const struct batch *a, const struct resource *x, const struct batch *b,
                            const struct resource *y)
{
    return runs_equal(a, x->attrs, b, y->attrs) && x->dropped_attrs == y->dropped_attrs &&
           text_equal(a, x->schema_url, b, y->schema_url) &&
           text_equal(a, x->service, b, y->service);
}

static bool scopes_equal(const struct batch *a, const struct scope *x, const struct batch *b,
                         const struct scope *y)
{
    return runs_equal(a, x->attrs, b, y->attrs) && x->dropped_attrs == y->dropped_attrs &&
           text_equal(a, x->schema_url, b, y->schema_url) && text_equal(a, x->name, b, y->name) &&
           text_equal(a, x->version, b, y->version);
}

bool spans_equal(const struct batch *a, size_t i, const struct batch *b, size_t j)
{
    const struct span *x = &a->spans[i], *y = &b->spans[j];
    return trace_id_cmp(&x->trace, &y->trace) == 0 && span_id_eq(x->id, y->id) &&
           span_id_eq(x->parent, y->parent) && x->start_ns == y->start_ns &&
           x->duration_ns == y->duration_ns && x->end_before_start == y->end_before_start &&
           resources_equal(a, &a->resources[x->resource], b, &b->resources[y->resource]) &&
           scopes_equal(a, &a->scopes[x->scope], b, &b->scopes[y->scope]) &&
           text_equal(a, x->name, b, y->name) &&
           text_equal(a, x->status_message, b, y->status_message) &&
           text_equal(a, x->trace_state, b, y->trace_state) &&
           text_equal(a, x->events, b, y->events) && text_equal(a, x->links, b, y->links) &&
           runs_equal(a, x->attrs, b, y->attrs) && x->dropped_attrs == y->dropped_attrs &&
           x->dropped_events == y->dropped_events && x->dropped_links == y->dropped_links &&
           x->flags == y->flags && x->kind == y->kind && x->status == y->status;
}

bool points_equal(const struct batch *a, size_t i, const struct batch *b, size_t j)
{
    const struct point *x = &a->points[i], *y = &b->points[j];
    const struct metric *m = &a->metrics[x->metric], *n = &b->metrics[y->metric];
    return m->kind == n->kind && m->temporality == n->temporality && m->monotonic == n->monotonic &&
           text_equal(a, m->name, b, n->name) && text_equal(a, m->description, b, n->description) &&
           text_equal(a, m->unit, b, n->unit) &&
           resources_equal(a, &a->resources[x->resource], b, &b->resources[y->resource]) &&
           scopes_equal(a, &a->scopes[x->scope], b, &b->scopes[y->scope]) &&
           x->time_ns == y->time_ns && x->start_ns == y->start_ns && x->bits == y->bits &&
           x->says == y->says && memcmp(&x->sum, &y->sum, sizeof x->sum) == 0 &&
           memcmp(&x->min, &y->min, sizeof x->min) == 0 &&
           memcmp(&x->max, &y->max, sizeof x->max) == 0 && x->flags == y->flags &&
           runs_equal(a, x->attrs, b, y->attrs) && text_equal(a, x->body, b, y->body) &&
           text_equal(a, x->exemplars, b, y->exemplars);
}
