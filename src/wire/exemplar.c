// SPDX-License-Identifier: Apache-2.0
// Purpose: exemplars of points.
#include "wire/exemplar.h"

#include "core/must.h"
#include "core/varint.h"
#include "wire/protobuf.h"

enum { TIME = 2, AS_DOUBLE = 3, SPAN = 4, TRACE = 5, AS_INT = 6 };

void exemplar_take_label(struct wire_exemplar *e, struct str name, struct str value)
{
    trace_id trace;
    span_id span;
    ASSERT(e != NULL);
    if (str_eq(name, STR("trace_id")) && trace_id_parse(value, &trace) == ERR_OK) {
        e->trace = trace;
    } else if (str_eq(name, STR("span_id")) && span_id_parse(value, &span) == ERR_OK) {
        e->span = span;
    }
}

void exemplar_put(struct buf *out, const struct wire_exemplar *e)
{
    bool has_trace = !trace_id_is_zero(e->trace), has_span = !span_id_is_zero(e->span);
    size_t number_n = 9, trace_n = 2 + sizeof e->trace, span_n = 2 + sizeof e->span;
    size_t n = 2 * number_n + (has_trace ? trace_n : 0) + (has_span ? span_n : 0);
    ASSERT(n < EXEMPLAR_BYTES_MAX);
    buf_add_varint(out, n);
    pb_put_fixed64(out, TIME, e->time_ns);
    pb_put_double(out, AS_DOUBLE, e->value);
    if (has_span) {
        pb_put_bytes(out, SPAN, (struct str){(const char *)e->span.b, sizeof e->span.b});
    }
    if (has_trace) {
        pb_put_bytes(out, TRACE, (struct str){(const char *)e->trace.b, sizeof e->trace.b});
    }
}

static struct wire_exemplar read_one(struct str bytes)
{
    struct wire_exemplar e = {0};
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(bytes.p != NULL || bytes.n == 0);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == TIME) {
            e.time_ns = f.value;
        } else if (f.number == AS_DOUBLE) {
            e.value = pb_double(f.value);
        } else if (f.number == AS_INT) {
            e.value = (double)(int64_t)f.value;
        } else if (f.number == SPAN && f.bytes.n == sizeof e.span) {
            memcpy(&e.span, f.bytes.p, sizeof e.span);
        } else if (f.number == TRACE && f.bytes.n == sizeof e.trace) {
            memcpy(&e.trace, f.bytes.p, sizeof e.trace);
        }
    }
    return e;
}

size_t exemplar_each(struct str exemplars, void (*each)(void *ctx, const struct wire_exemplar *e),
                     void *ctx)
{
    const uint8_t *p = (const uint8_t *)exemplars.p, *end = p + exemplars.n;
    size_t count = 0;
    uint64_t n;
    ASSERT(exemplars.p != NULL || exemplars.n == 0);
    while (p != NULL && p < end) {
        p = varint_get(p, end, &n);
        if (p == NULL || n > (size_t)(end - p)) {
            break;
        }
        struct wire_exemplar e = read_one((struct str){(const char *)p, (size_t)n});
        if (each != NULL) {
            each(ctx, &e);
        }
        p += n;
        count++;
    }
    return count;
}
