// SPDX-License-Identifier: Apache-2.0
// Purpose: rows of batches -> ExportTraceServiceRequest, in protobuf and, by way of the tables, in
// OTLP/JSON. Fields with protobuf's default value are left out, except inside AnyValue, where
// presence is the type.
#include "core/must.h"
#include "wire/base64.h"
#include "wire/json_writer.h"
#include "wire/otlp.h"
#include "wire/otlp_schema.h"
#include "wire/protobuf.h"

static void put_text(struct buf *out, uint32_t number, const struct batch *b, uint32_t code)
{
    ASSERT(code < b->string_count);
    struct str s = batch_str(b, code);
    if (s.n > 0) {
        pb_put_bytes(out, number, s);
    }
}

static void put_number(struct buf *out, uint32_t number, uint64_t v)
{
    ASSERT(number > 0);
    if (v != 0) {
        pb_put_varint(out, number, v);
    }
}

static void put_value(struct buf *out, const struct batch *b, const struct attr *a)
{
    ASSERT(a->type < ATTR_TYPE_COUNT);
    switch ((enum attr_type)a->type) {
    case ATTR_STRING:
    case ATTR_BYTES:
        pb_put_bytes(out, a->type, batch_str(b, a->code));
        break;
    case ATTR_BOOL:
    case ATTR_INT:
        pb_put_varint(out, a->type, a->bits);
        break;
    case ATTR_DOUBLE:
        pb_put_fixed64(out, a->type, a->bits);
        break;
    case ATTR_ARRAY:
    case ATTR_KVLIST:
        buf_add_str(out, batch_str(b, a->code));
        break;
    case ATTR_EMPTY:
    case ATTR_TYPE_COUNT:
        ASSERT(a->type == ATTR_EMPTY);
        break;
    }
}

static void put_attrs(struct buf *out, uint32_t number, const struct batch *b, struct attr_run run)
{
    ASSERT((size_t)run.first + run.count <= b->attr_count);
    for (uint32_t i = run.first; i < run.first + run.count; i++) {
        const struct attr *a = &b->attrs[i];
        size_t pair = pb_begin(out, number);
        put_text(out, 1, b, a->key);
        size_t value = pb_begin(out, 2);
        put_value(out, b, a);
        pb_end(out, value);
        pb_end(out, pair);
    }
}

static void put_id(struct buf *out, uint32_t number, const uint8_t *id, size_t size)
{
    ASSERT(size == sizeof(trace_id) || size == sizeof(span_id));
    pb_put_bytes(out, number, (struct str){(const char *)id, size});
}

// Events or links: each stored length is followed by its message, so that only tags are missing.
static void put_messages(struct buf *out, uint32_t number, struct str messages)
{
    const uint8_t *p = (const uint8_t *)messages.p, *end = p + messages.n;
    while (p < end) {
        uint64_t n = 0;
        const uint8_t *bytes = varint_get(p, end, &n);
        if (bytes == NULL || n > (size_t)(end - bytes)) {
            return;
        }
        ASSERT(bytes > p);
        pb_put_bytes(out, number, (struct str){(const char *)bytes, (size_t)n});
        p = bytes + n;
    }
}

static void put_span(struct buf *out, const struct batch *b, const struct span *s)
{
    size_t span = pb_begin(out, 2);
    ASSERT(s->kind < KIND_COUNT && s->status < STATUS_COUNT);
    put_id(out, 1, s->trace.b, sizeof s->trace.b);
    put_id(out, 2, s->id.b, sizeof s->id.b);
    put_text(out, 3, b, s->trace_state);
    if (!span_id_is_zero(s->parent)) {
        put_id(out, 4, s->parent.b, sizeof s->parent.b);
    }
    put_text(out, 5, b, s->name);
    put_number(out, 6, s->kind);
    pb_put_fixed64(out, 7, s->start_ns);
    // How far the end lay before the start is not kept; that it did is.
    pb_put_fixed64(out, 8, s->end_before_start ? s->start_ns - 1 : s->start_ns + s->duration_ns);
    put_attrs(out, 9, b, s->attrs);
    put_number(out, 10, s->dropped_attrs);
    put_messages(out, 11, batch_str(b, s->events));
    put_number(out, 12, s->dropped_events);
    put_messages(out, 13, batch_str(b, s->links));
    put_number(out, 14, s->dropped_links);
    if (s->status != STATUS_UNSET || s->status_message != 0) {
        size_t status = pb_begin(out, 15);
        put_text(out, 2, b, s->status_message);
        put_number(out, 3, s->status);
        pb_end(out, status);
    }
    if (s->flags != 0) {
        pb_put_fixed32(out, 16, s->flags);
    }
    pb_end(out, span);
}

static void put_resource(struct buf *out, const struct batch *b, const struct resource *r)
{
    size_t resource = pb_begin(out, 1);
    ASSERT(r->service < b->string_count);
    put_attrs(out, 1, b, r->attrs);
    put_number(out, 2, r->dropped_attrs);
    pb_end(out, resource);
    put_text(out, 3, b, r->schema_url);
}

static void put_scope(struct buf *out, const struct batch *b, const struct scope *s)
{
    size_t scope = pb_begin(out, 1);
    ASSERT(s->name < b->string_count);
    put_text(out, 1, b, s->name);
    put_text(out, 2, b, s->version);
    put_attrs(out, 3, b, s->attrs);
    put_number(out, 4, s->dropped_attrs);
    pb_end(out, scope);
    put_text(out, 3, b, s->schema_url);
}

void otlp_encode_traces(const struct row *rows, size_t count, struct buf *out)
{
    ASSERT(rows != NULL || count == 0);
    for (size_t i = 0; i < count;) {
        const struct batch *b = rows[i].batch;
        uint32_t resource = row_span(rows[i])->resource;
        size_t resource_spans = pb_begin(out, 1);
        put_resource(out, b, &b->resources[resource]);
        while (i < count && rows[i].batch == b && row_span(rows[i])->resource == resource) {
            uint32_t scope = row_span(rows[i])->scope;
            size_t scope_spans = pb_begin(out, 2);
            put_scope(out, b, &b->scopes[scope]);
            for (; i < count && rows[i].batch == b && row_span(rows[i])->resource == resource &&
                   row_span(rows[i])->scope == scope;
                 i++) {
                put_span(out, b, row_span(rows[i]));
            }
            pb_end(out, scope_spans);
        }
        pb_end(out, resource_spans);
    }
}

// ---- OTLP/JSON ----------------------------------------------------------------------------------

static void print_quoted(struct json_writer *w, struct str bytes,
                         void (*encode)(struct str bytes, struct buf *out))
{
    struct buf *out = json_put_raw(w);
    ASSERT(encode != NULL);
    buf_add_byte(out, '"');
    encode(bytes, out);
    buf_add_byte(out, '"');
}

// 64-bit integers are strings in protobuf's JSON.
static void print_decimal(struct json_writer *w, uint64_t v, bool is_signed)
{
    struct buf *out = json_put_raw(w);
    ASSERT(out != NULL);
    if (is_signed) {
        buf_printf(out, "\"%lld\"", (long long)v);
    } else {
        buf_printf(out, "\"%llu\"", (unsigned long long)v);
    }
}

static void print_message(struct json_writer *w, const struct otlp_message *m, struct str bytes);

static void print_value(struct json_writer *w, const struct otlp_field *known,
                        const struct pb_field *f)
{
    double number;
    ASSERT(known->number == f->number);
    switch ((enum otlp_type)known->type) {
    case OTLP_STRING:
        json_put_str(w, f->bytes);
        break;
    case OTLP_BYTES:
        print_quoted(w, f->bytes, base64_encode);
        break;
    case OTLP_ID:
        print_quoted(w, f->bytes, hex_encode);
        break;
    case OTLP_BOOL:
        json_put_bool(w, f->value != 0);
        break;
    case OTLP_INT64:
    case OTLP_SFIXED64:
        print_decimal(w, f->value, true);
        break;
    case OTLP_UINT64:
    case OTLP_FIXED64:
        print_decimal(w, f->value, false);
        break;
    case OTLP_UINT32:
    case OTLP_FIXED32:
    case OTLP_ENUM:
        json_put_u64(w, (uint32_t)f->value);
        break;
    case OTLP_SINT32:
        json_put_i64(w, unzigzag(f->value));
        break;
    case OTLP_DOUBLE:
        memcpy(&number, &f->value, sizeof number);
        json_put_double(w, number);
        break;
    case OTLP_MESSAGE:
        // Deeper than anything that was let in: only a damaged disk says so.
        if (w->depth + 3 > JSON_DEPTH_MAX) {
            json_put_null(w);
        } else {
            print_message(w, known->of, f->bytes);
        }
        break;
    }
}

// All values of one field: the last one of a singular field.
static void print_field(struct json_writer *w, const struct otlp_field *known, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f, last = {.number = known->number};
    json_put_key(w, known->json_name);
    if (known->repeated) {
        json_put_array(w);
    }
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number != known->number) {
            continue;
        }
        ASSERT(f.at != NULL);
        if (known->repeated) {
            print_value(w, known, &f);
        }
        last = f;
    }
    if (known->repeated) {
        json_put_array_end(w);
    } else {
        print_value(w, known, &last);
    }
}

// What is broken in `bytes` ends the message there.
static void print_message(struct json_writer *w, const struct otlp_message *m, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    uint64_t present = 0; // numbers, as bits
    uint32_t last = 0;
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number < 64 && otlp_field_by_number(m, f.number) != NULL) {
            present |= (uint64_t)1 << f.number;
            last = f.number;
        }
    }
    if (m->nests) {
        present &= (uint64_t)1 << last; // the fields of an AnyValue exclude one another
    }
    json_put_object(w);
    for (size_t i = 0; i < m->field_count; i++) {
        ASSERT(m->fields[i].number < 64);
        if (present >> m->fields[i].number & 1) {
            print_field(w, &m->fields[i], bytes);
        }
    }
    json_put_object_end(w);
}

void otlp_encode_traces_json(const struct row *rows, size_t count, struct buf *out)
{
    struct buf request;
    struct json_writer w;
    buf_init_from(&request, out->max, out->source);
    otlp_encode_traces(rows, count, &request);
    if (request.failed) {
        out->failed = true; // its JSON is longer still
        out->denied = request.denied;
    } else {
        json_writer_init(&w, out);
        print_message(&w, otlp_request(OTLP_TRACES), buf_str(&request));
        ASSERT(w.depth == 0);
    }
    buf_done(&request);
}
