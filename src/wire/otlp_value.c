// SPDX-License-Identifier: Apache-2.0
// Purpose: reading what batches keep in OTLP's wire form: nested values, events and links. The
// bytes were checked when they came in, but they have been on a disk since: whatever they hold,
// reading ends and stays within them.
#include "core/must.h"
#include "wire/base64.h"
#include "wire/json_keys.h"
#include "wire/json_writer.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"

// Reads an AnyValue; false when it is broken.
static bool read_value(struct str any_value, struct otlp_value *ret_value)
{
    struct pb_reader r = pb_reader(any_value);
    struct pb_field f;
    struct otlp_value v = {.type = ATTR_EMPTY};
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return false;
        }
        enum pb_wire wire = f.number == ATTR_DOUBLE                         ? PB_FIXED64
                            : f.number == ATTR_BOOL || f.number == ATTR_INT ? PB_VARINT
                                                                            : PB_BYTES;
        if (f.number >= ATTR_TYPE_COUNT) {
            continue;
        }
        if (f.wire != wire) {
            return false;
        }
        v.type = (enum attr_type)f.number;
        if (wire == PB_BYTES) {
            v.text = v.type == ATTR_ARRAY || v.type == ATTR_KVLIST ? any_value : f.bytes;
        } else {
            v.i = v.type == ATTR_BOOL ? f.value != 0 : (int64_t)f.value; // a double's bits too
        }
    }
    ASSERT(v.type < ATTR_TYPE_COUNT);
    *ret_value = v;
    return true;
}

// The message inside the array or list value.
static struct str list_bytes(const struct otlp_value *v)
{
    struct pb_reader r = pb_reader(v->text);
    struct pb_field f;
    struct str bytes = {v->text.p, 0};
    ASSERT(v->type == ATTR_ARRAY || v->type == ATTR_KVLIST);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == (uint32_t)v->type && f.wire == PB_BYTES) {
            bytes = f.bytes;
        }
    }
    return bytes;
}

// A KeyValue; false when it is broken.
static bool read_pair(struct str bytes, struct str *ret_key, struct str *ret_any_value)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    struct str pair[2] = {{bytes.p, 0}, {bytes.p, 0}};
    ASSERT(bytes.p != NULL || bytes.n == 0);
    while (r.p < r.end) {
        if (!pb_next(&r, &f)) {
            return false;
        }
        if (f.number <= 2 && f.wire == PB_BYTES) {
            pair[f.number - 1] = f.bytes;
        }
    }
    *ret_key = pair[0];
    *ret_any_value = pair[1];
    return true;
}

static void write_value(struct json_writer *w, struct str any_value, unsigned depth);

static void write_array(struct json_writer *w, const struct otlp_value *v, unsigned depth)
{
    struct pb_reader r = pb_reader(list_bytes(v));
    struct pb_field f;
    ASSERT(v->type == ATTR_ARRAY && depth <= OTLP_DEPTH_MAX);
    json_put_array(w);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES) {
            write_value(w, f.bytes, depth + 1);
        }
    }
    json_put_array_end(w);
}

static void write_list(struct json_writer *w, const struct otlp_value *v, unsigned depth)
{
    struct pb_reader r = pb_reader(list_bytes(v));
    struct pb_field f;
    struct json_keys keys;
    struct str key, value;
    ASSERT(v->type == ATTR_KVLIST && depth <= OTLP_DEPTH_MAX);
    json_keys_init(&keys, w->out);
    json_put_object(w);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES && read_pair(f.bytes, &key, &value) &&
            json_keys_add(&keys, key)) {
            json_put_key_str(w, key);
            write_value(w, value, depth + 1);
        }
    }
    json_put_object_end(w);
    json_keys_done(&keys);
}

void otlp_bytes_json(struct str bytes, struct buf *out)
{
    ASSERT(bytes.p != NULL || bytes.n == 0);
    buf_add_str(out, STR("{\"bytes_base64\":\""));
    base64_encode(bytes, out);
    buf_add_str(out, STR("\"}"));
}

static void write_value(struct json_writer *w, struct str any_value, unsigned depth)
{
    struct otlp_value v;
    if (depth > OTLP_DEPTH_MAX || !read_value(any_value, &v)) {
        json_put_null(w);
        return;
    }
    ASSERT(depth > 0);
    switch (v.type) {
    case ATTR_STRING:
        json_put_str(w, v.text);
        break;
    case ATTR_BOOL:
        json_put_bool(w, v.i != 0);
        break;
    case ATTR_INT:
        json_put_i64(w, v.i);
        break;
    case ATTR_DOUBLE:
        json_put_double(w, v.d);
        break;
    case ATTR_ARRAY:
        write_array(w, &v, depth);
        break;
    case ATTR_KVLIST:
        write_list(w, &v, depth);
        break;
    case ATTR_BYTES:
        otlp_bytes_json(v.text, json_put_raw(w));
        break;
    case ATTR_EMPTY:
    case ATTR_TYPE_COUNT:
        json_put_null(w);
        break;
    }
}

void otlp_value_json(struct str any_value, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    write_value(&w, any_value, 1);
    ASSERT(w.depth == 0);
}

void otlp_attr_json(const struct batch *b, const struct attr *a, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    ASSERT(a->type < ATTR_TYPE_COUNT);
    switch ((enum attr_type)a->type) {
    case ATTR_STRING:
        json_put_str(&w, batch_str(b, a->code));
        break;
    case ATTR_BOOL:
        json_put_bool(&w, a->i != 0);
        break;
    case ATTR_INT:
        json_put_i64(&w, a->i);
        break;
    case ATTR_DOUBLE:
        json_put_double(&w, a->d);
        break;
    case ATTR_ARRAY:
    case ATTR_KVLIST:
        write_value(&w, batch_str(b, a->code), 1);
        break;
    case ATTR_BYTES:
        otlp_bytes_json(batch_str(b, a->code), out);
        break;
    case ATTR_EMPTY:
    case ATTR_TYPE_COUNT:
        json_put_null(&w);
        break;
    }
}

// ---- Events, links and their attributes ---------------------------------------------------------

// The next length-delimited message of a concatenation; false at the end or where it is broken.
static bool next_message(struct str *rest, struct str *ret_message)
{
    uint64_t n = 0;
    ASSERT(ret_message != NULL);
    if (rest->n == 0) {
        return false;
    }
    const uint8_t *p = (const uint8_t *)rest->p, *end = p + rest->n;
    const uint8_t *bytes = varint_get(p, end, &n);
    if (bytes == NULL || n > (size_t)(end - bytes)) {
        return false;
    }
    *ret_message = (struct str){(const char *)bytes, (size_t)n};
    *rest = str_skip(*rest, (size_t)(bytes - p) + (size_t)n);
    return true;
}

// The attributes of a message, field `number`, as a concatenation: copied, because tags stand
// between them on the wire.
static void collect_attributes(struct str message, uint32_t number, struct buf *out)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    ASSERT(number > 0);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == number && f.wire == PB_BYTES) {
            buf_add_varint(out, f.bytes.n);
            buf_add_str(out, f.bytes);
        }
    }
}

static void read_event(struct str message, struct otlp_event *event)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    ASSERT(event != NULL);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == PB_FIXED64) {
            event->time_ns = f.value;
        } else if (f.number == 2 && f.wire == PB_BYTES) {
            event->name = f.bytes;
        } else if (f.number == 4 && f.wire == PB_VARINT) {
            event->dropped_attributes = (uint32_t)f.value;
        }
    }
}

void otlp_each_event(struct str events, void (*each)(void *ctx, const struct otlp_event *event),
                     void *ctx)
{
    struct buf attributes;
    struct str message;
    ASSERT(each != NULL);
    buf_init(&attributes, events.n + 1);
    while (next_message(&events, &message)) {
        struct otlp_event event = {.name = STR("")};
        buf_clear(&attributes);
        collect_attributes(message, 3, &attributes);
        event.attributes = buf_str(&attributes);
        read_event(message, &event);
        each(ctx, &event);
    }
    buf_done(&attributes);
}

static void read_link(struct str message, struct otlp_link *link)
{
    struct pb_reader r = pb_reader(message);
    struct pb_field f;
    ASSERT(link != NULL);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES && f.bytes.n == sizeof link->trace.b) {
            memcpy(link->trace.b, f.bytes.p, f.bytes.n);
        } else if (f.number == 2 && f.wire == PB_BYTES && f.bytes.n == sizeof link->span.b) {
            memcpy(link->span.b, f.bytes.p, f.bytes.n);
        } else if (f.number == 3 && f.wire == PB_BYTES) {
            link->trace_state = f.bytes;
        } else if (f.number == 5 && f.wire == PB_VARINT) {
            link->dropped_attributes = (uint32_t)f.value;
        } else if (f.number == 6 && f.wire == PB_FIXED32) {
            link->flags = (uint32_t)f.value;
        }
    }
}

void otlp_each_link(struct str links, void (*each)(void *ctx, const struct otlp_link *link),
                    void *ctx)
{
    struct buf attributes;
    struct str message;
    ASSERT(each != NULL);
    buf_init(&attributes, links.n + 1);
    while (next_message(&links, &message)) {
        struct otlp_link link = {.trace_state = STR("")};
        buf_clear(&attributes);
        collect_attributes(message, 4, &attributes);
        link.attributes = buf_str(&attributes);
        read_link(message, &link);
        each(ctx, &link);
    }
    buf_done(&attributes);
}

void otlp_each_key_value(struct str attributes,
                         void (*each)(void *ctx, struct str key, const struct otlp_value *value),
                         void *ctx)
{
    struct str message, key, any_value;
    ASSERT(each != NULL);
    while (next_message(&attributes, &message)) {
        struct otlp_value value;
        if (read_pair(message, &key, &any_value) && read_value(any_value, &value)) {
            each(ctx, key, &value);
        }
    }
}

void otlp_each_element(struct str any_value,
                       void (*each)(void *ctx, const struct otlp_value *value), void *ctx)
{
    struct otlp_value array, element;
    struct pb_field f;
    ASSERT(each != NULL);
    if (!read_value(any_value, &array) || array.type != ATTR_ARRAY) {
        return;
    }
    struct pb_reader r = pb_reader(list_bytes(&array));
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES && read_value(f.bytes, &element)) {
            each(ctx, &element);
        }
    }
}
