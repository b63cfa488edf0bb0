// SPDX-License-Identifier: Apache-2.0
// Purpose: the stack of open spans, and writing one as an OTLP Span message. Source of the message:
// opentelemetry/proto/trace/v1/trace.proto.
#include "agents/jvm/span.h"

#include <stdlib.h>
#include <string.h>

#include "agents/jvm/identity.h"
#include "agents/jvm/ring.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/varint.h"

// ---- Protobuf into a fixed space -------------------------------------------------------------

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

// A space that is never outgrown: `full` is set instead.
struct space {
    uint8_t *p;
    size_t n, capacity;
    bool full;
};

static void put_raw(struct space *s, const void *p, size_t n)
{
    if (s->full || n > s->capacity - s->n) {
        s->full = true;
        return;
    }
    memcpy(s->p + s->n, p, n);
    s->n += n;
}

static void put_varint(struct space *s, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    put_raw(s, bytes, varint_put(bytes, v));
}

static void put_tag(struct space *s, unsigned number, enum wire wire)
{
    put_varint(s, (uint64_t)number << 3 | wire);
}

static void put_bytes(struct space *s, unsigned number, const void *p, size_t n)
{
    put_tag(s, number, WIRE_BYTES);
    put_varint(s, n);
    put_raw(s, p, n);
}

static void put_fixed64(struct space *s, unsigned number, uint64_t v)
{
    put_tag(s, number, WIRE_FIXED64);
    put_raw(s, &v, sizeof v);
}

// A message of less than 16,384 bytes: its length is written in two bytes, whatever it is.
static size_t begin_message(struct space *s, unsigned number)
{
    put_tag(s, number, WIRE_BYTES);
    put_raw(s, "\x80\x00", 2);
    return s->n;
}

static void end_message(struct space *s, size_t begin)
{
    if (!s->full) {
        size_t n = s->n - begin;
        ASSERT(n < 1U << 14);
        s->p[begin - 2] = (uint8_t)((n & 0x7F) | 0x80);
        s->p[begin - 1] = (uint8_t)(n >> 7);
    }
}

// ---- The stack -------------------------------------------------------------------------------

static struct frame *push_frame(struct thread_state *t, const struct plugin_method *m)
{
    if (t->depth == FRAMES_MAX) {
        return NULL;
    }
    if (t->frames[t->depth] == NULL) {
        t->frames[t->depth] = malloc(sizeof(struct frame));
        if (t->frames[t->depth] == NULL) {
            return NULL;
        }
    }
    struct frame *f = t->frames[t->depth++];
    memset(f, 0, offsetof(struct frame, name));
    f->method = m;
    f->serial = ++t->serial;
    f->before = t->current; // the references move along
    ASSERT(t->depth <= FRAMES_MAX);
    return f;
}

static void begin_span(struct thread_state *t, struct frame *f, enum span_kind kind)
{
    f->is_span = true;
    f->kind = (uint8_t)kind;
    f->context.span = identity_span();
    f->start_ns = clock_wall_ns();
    f->start_mono_ns = clock_mono_ns();
    t->current = context_copy(&f->context);
}

struct frame *span_open(struct thread_state *t, const struct plugin_method *m, enum span_kind kind)
{
    struct frame *f = push_frame(t, m);
    if (f == NULL) {
        return NULL;
    }
    if (context_is_set(&f->before)) {
        f->context = context_copy(&f->before);
        f->parent = f->before.span;
        f->context.flags &= (uint8_t)~CONTEXT_REMOTE;
    } else {
        f->context = (struct context){.trace = identity_trace(), .flags = CONTEXT_SAMPLED};
    }
    begin_span(t, f, kind);
    return f;
}

struct frame *span_open_remote(struct thread_state *t, const struct plugin_method *m,
                               enum span_kind kind, const struct context *remote)
{
    struct frame *f = push_frame(t, m);
    ASSERT(context_is_set(remote));
    if (f == NULL) {
        return NULL;
    }
    f->context = context_copy(remote);
    f->parent = remote->span;
    begin_span(t, f, kind);
    f->context.flags &= (uint8_t)~CONTEXT_REMOTE;
    return f;
}

struct frame *frame_open(struct thread_state *t, const struct plugin_method *m,
                         const struct context *in_force)
{
    struct frame *f = push_frame(t, m);
    if (f != NULL) {
        t->current = context_copy(in_force != NULL ? in_force : &f->before);
    }
    return f;
}

int64_t frame_token(const struct thread_state *t)
{
    ASSERT(t->depth > 0);
    return (int64_t)((uint64_t)t->frames[t->depth - 1]->serial << 8 | t->depth);
}

static void pop(struct thread_state *t)
{
    ASSERT(t->depth > 0);
    struct frame *f = t->frames[--t->depth];
    context_drop(&t->current);
    t->current = f->before;
    context_drop(&f->context);
    free(f->extra);
    f->extra = NULL;
}

struct frame *frame_find(struct thread_state *t, int64_t token)
{
    unsigned depth = (unsigned)(token & 0xFF);
    uint32_t serial = (uint32_t)(token >> 8);
    if (depth == 0 || depth > t->depth || t->frames[depth - 1]->serial != serial) {
        return NULL;
    }
    while (t->depth > depth) {
        pop(t);
    }
    return t->frames[depth - 1];
}

void frames_drop(struct thread_state *t)
{
    while (t->depth > 0) {
        pop(t);
    }
    context_drop(&t->current);
}

// ---- Writing a span --------------------------------------------------------------------------

enum span_field {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_DROPPED_ATTRIBUTES = 10,
    SPAN_EVENTS = 11,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
};

static void put_head(struct space *s, const struct frame *f)
{
    struct str state = context_tracestate(&f->context);
    put_bytes(s, SPAN_TRACE_ID, f->context.trace.b, sizeof f->context.trace.b);
    put_bytes(s, SPAN_SPAN_ID, f->context.span.b, sizeof f->context.span.b);
    if (state.n > 0) {
        put_bytes(s, SPAN_TRACE_STATE, state.p, state.n);
    }
    if (!span_id_is_zero(f->parent)) {
        put_bytes(s, SPAN_PARENT, f->parent.b, sizeof f->parent.b);
    }
    put_bytes(s, SPAN_NAME, f->name, f->name_n);
    put_tag(s, SPAN_KIND, WIRE_VARINT);
    put_varint(s, f->kind);
    put_fixed64(s, SPAN_START, f->start_ns);
    put_fixed64(s, SPAN_END, f->start_ns + (clock_mono_ns() - f->start_mono_ns));
    if (f->dropped > 0) {
        put_tag(s, SPAN_DROPPED_ATTRIBUTES, WIRE_VARINT);
        put_varint(s, f->dropped);
    }
    if (f->is_error) {
        static const uint8_t error_status[] = {0x18, 2}; // Status.code = STATUS_CODE_ERROR
        put_bytes(s, SPAN_STATUS, error_status, sizeof error_status);
    }
    put_tag(s, SPAN_FLAGS, WIRE_FIXED32);
    put_raw(s, &(uint32_t){f->context.flags & CONTEXT_SAMPLED}, 4);
}

static void queue_span(const struct frame *f)
{
    uint8_t bytes[512 + SPAN_NAME_MAX + TRACESTATE_MAX];
    struct space head = {.p = bytes, .capacity = sizeof bytes};
    struct ring *r = ring_mine();
    put_head(&head, f);
    ASSERT(!head.full);
    if (r != NULL) {
        (void)ring_push(r, (struct str){(const char *)bytes, head.n},
                        (struct str){(const char *)f->bytes, f->bytes_n});
    }
}

static void write_span(const struct frame *f)
{
    if (f->is_span && (f->context.flags & CONTEXT_SAMPLED) != 0) {
        queue_span(f);
    }
}

void frame_close(struct thread_state *t)
{
    ASSERT(t->depth > 0);
    write_span(t->frames[t->depth - 1]);
    pop(t);
}

void frame_move(struct thread_state *t, struct frame *to)
{
    ASSERT(t->depth > 0);
    struct frame *f = t->frames[t->depth - 1];
    ASSERT(f->is_span);
    memcpy(to, f, offsetof(struct frame, bytes) + f->bytes_n);
    to->before = (struct context){0};
    memset(to->globals, 0, sizeof to->globals);
    f->context = (struct context){0}; // its references moved along
    f->extra = NULL;
    pop(t);
}

void frame_end(struct frame *f)
{
    write_span(f);
    context_drop(&f->context);
    free(f->extra);
    f->extra = NULL;
}

// ---- What a span says ------------------------------------------------------------------------

// Cut so that no UTF-8 character is left half.
static struct str cut(struct str s, size_t max)
{
    if (s.n > max) {
        s.n = max;
        while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xC0) == 0x80) {
            s.n--;
        }
    }
    return s;
}

void span_name(struct frame *f, struct str name)
{
    name = cut(name, SPAN_NAME_MAX);
    memcpy(f->name, name.p, name.n);
    f->name_n = (uint16_t)name.n;
}

static struct space rest_of(struct frame *f)
{
    return (struct space){f->bytes, f->bytes_n, sizeof f->bytes, false};
}

// Keeps what was written, or counts an attribute that found no room.
static void keep(struct frame *f, const struct space *s)
{
    if (s->full) {
        f->dropped++;
    } else {
        f->bytes_n = (uint16_t)s->n;
    }
}

enum any_value { ANY_TEXT = 1, ANY_BOOL = 2, ANY_INT = 3 };

static void put_text(struct space *s, unsigned field, const char *key, struct str value)
{
    size_t pair = begin_message(s, field);
    put_bytes(s, 1, key, strlen(key));
    size_t any = begin_message(s, 2);
    put_bytes(s, ANY_TEXT, value.p, value.n);
    end_message(s, any);
    end_message(s, pair);
}

static void put_number(struct frame *f, const char *key, enum any_value type, uint64_t value)
{
    struct space s = rest_of(f);
    size_t pair = begin_message(&s, SPAN_ATTRIBUTES);
    put_bytes(&s, 1, key, strlen(key));
    size_t any = begin_message(&s, 2);
    put_tag(&s, type, WIRE_VARINT);
    put_varint(&s, value);
    end_message(&s, any);
    end_message(&s, pair);
    keep(f, &s);
}

void span_text(struct frame *f, const char *key, struct str value)
{
    struct space s = rest_of(f);
    put_text(&s, SPAN_ATTRIBUTES, key, cut(value, TEXT_VALUE_MAX));
    keep(f, &s);
}

void span_long_text(struct frame *f, const char *key, struct str value)
{
    struct space s = rest_of(f);
    put_text(&s, SPAN_ATTRIBUTES, key, cut(value, LONG_VALUE_MAX));
    keep(f, &s);
}

void span_bool(struct frame *f, const char *key, bool value)
{
    put_number(f, key, ANY_BOOL, value);
}

void span_int(struct frame *f, const char *key, int64_t value)
{
    put_number(f, key, ANY_INT, (uint64_t)value);
}

void span_exception(struct frame *f, struct str type, struct str message, struct str stack)
{
    enum event_field { EVENT_TIME = 1, EVENT_NAME = 2, EVENT_ATTRIBUTES = 3 };
    struct space s = rest_of(f);
    size_t event = begin_message(&s, SPAN_EVENTS);
    put_fixed64(&s, EVENT_TIME, f->start_ns + (clock_mono_ns() - f->start_mono_ns));
    put_bytes(&s, EVENT_NAME, "exception", 9);
    put_text(&s, EVENT_ATTRIBUTES, "exception.type", cut(type, TEXT_VALUE_MAX / 2));
    if (message.n > 0) {
        put_text(&s, EVENT_ATTRIBUTES, "exception.message", cut(message, TEXT_VALUE_MAX));
    }
    if (stack.n > 0 && s.capacity - s.n > stack.n + 64) {
        put_text(&s, EVENT_ATTRIBUTES, "exception.stacktrace", stack);
    }
    end_message(&s, event);
    keep(f, &s);
    f->is_error = true;
}
