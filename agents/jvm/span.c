// SPDX-License-Identifier: Apache-2.0
// Purpose: the stack of open spans, and writing one as an OTLP Span message. Source of the message:
// opentelemetry/proto/trace/v1/trace.proto.
#include "agents/jvm/span.h"

#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/otlp.h"
#include "agents/jvm/red.h"
#include "agents/jvm/ring.h"
#include "agents/jvm/sample.h"
#include "core/clock.h"
#include "core/must.h"

// ---- Counting --------------------------------------------------------------------------------

static atomic_ullong sampled, not_sampled, abandoned, no_ring, too_deep, no_memory;

static void count(atomic_ullong *what)
{
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
}

void span_counts(struct span_counts *ret)
{
    struct ring_counts written; // first, so that nothing is over that is not counted as begun
    rings_counts(&written);
    uint64_t over = written.queued + written.dropped_full + written.dropped_busy;
    *ret = (struct span_counts){
        .sampled = atomic_load(&sampled),
        .not_sampled = atomic_load(&not_sampled),
        .abandoned = atomic_load(&abandoned),
        .no_ring = atomic_load(&no_ring),
        .too_deep = atomic_load(&too_deep),
        .no_memory = atomic_load(&no_memory),
    };
    over += ret->no_ring + ret->abandoned;
    ret->live = ret->sampled > over ? ret->sampled - over : 0;
}

// ---- The stack -------------------------------------------------------------------------------

#define SERIAL_MASK (UINT64_MAX >> 8) // the token's low byte is the depth

static struct frame *push_frame(struct thread_state *t, const struct plugin_method *m)
{
    if (t->depth == FRAMES_MAX) {
        count(&too_deep);
        return NULL;
    }
    if (t->frames[t->depth] == NULL) {
        t->frames[t->depth] = memory_get(sizeof(struct frame));
        if (t->frames[t->depth] == NULL) {
            count(&no_memory);
            return NULL;
        }
    }
    struct frame *f = t->frames[t->depth++];
    memset(f, 0, offsetof(struct frame, name));
    f->method = m;
    f->serial = ++t->serial & SERIAL_MASK;
    f->before = t->current; // the references move along
    ASSERT(t->depth <= FRAMES_MAX);
    return f;
}

#define WALL_AGE_NS (50 * NS_PER_MS)

// The time of day at a moment of the other clock: what is between them is asked for now and then,
// so that a span reads one clock at each end.
static uint64_t wall_at(uint64_t mono_ns)
{
    static atomic_ullong between, asked_at;
    uint64_t asked = atomic_load_explicit(&asked_at, memory_order_acquire);
    if (asked == 0 || mono_ns - asked > WALL_AGE_NS) {
        atomic_store_explicit(&between, clock_wall_ns() - clock_mono_ns(), memory_order_relaxed);
        atomic_store_explicit(&asked_at, mono_ns, memory_order_release);
    }
    return mono_ns + atomic_load_explicit(&between, memory_order_relaxed);
}

static void begin_span(struct thread_state *t, struct frame *f, enum span_kind kind)
{
    f->is_span = true;
    f->kind = (uint8_t)kind;
    f->context.span = identity_span();
    f->start_mono_ns = clock_mono_ns();
    f->start_ns = wall_at(f->start_mono_ns);
    t->current = context_copy(&f->context);
    count(span_is_kept(f) ? &sampled : &not_sampled);
}

bool span_is_kept(const struct frame *f)
{
    return (f->context.flags & CONTEXT_SAMPLED) != 0;
}

bool span_has_details(const struct frame *f)
{
    return span_is_kept(f) && effort_has_details();
}

static void set_kept(struct thread_state *t, struct frame *f, bool keep)
{
    ASSERT(t->depth > 0 && t->frames[t->depth - 1] == f && f->is_span);
    if (keep != span_is_kept(f)) {
        f->context.flags ^= CONTEXT_SAMPLED;
        t->current.flags ^= CONTEXT_SAMPLED;
        atomic_fetch_sub_explicit(keep ? &not_sampled : &sampled, 1, memory_order_relaxed);
        count(keep ? &sampled : &not_sampled);
    }
}

void span_keep(struct thread_state *t, struct frame *f)
{
    set_kept(t, f, true);
}

void span_entry(struct thread_state *t, struct frame *f, struct str method, struct str path)
{
    bool keep;
    if (span_id_is_zero(f->parent) && sample_entry(f->context.trace, method, path, &keep)) {
        set_kept(t, f, keep);
    }
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
        f->context.trace = identity_trace();
        f->context.flags = sample_new(f->context.trace) ? CONTEXT_SAMPLED : 0;
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
    f->context.flags = sample_remote(remote->trace, (remote->flags & CONTEXT_SAMPLED) != 0)
                           ? CONTEXT_SAMPLED | CONTEXT_REMOTE
                           : CONTEXT_REMOTE;
    f->parent = remote->span;
    begin_span(t, f, kind);
    f->context.flags &= (uint8_t)~CONTEXT_REMOTE;
    return f;
}

void context_replace(struct thread_state *t, struct context c)
{
    if (t->depth > 0) {
        context_drop(&c);
        return;
    }
    context_drop(&t->current);
    t->current = c;
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

struct frame *frame_open_in(struct thread_state *t, const struct plugin_method *m,
                            struct context in_force)
{
    struct frame *f = push_frame(t, m);
    if (f != NULL) {
        t->current = in_force;
    } else {
        context_drop(&in_force);
    }
    return f;
}

int64_t frame_token(const struct thread_state *t)
{
    ASSERT(t->depth > 0);
    return (int64_t)(t->frames[t->depth - 1]->serial << 8 | t->depth);
}

static void pop(struct thread_state *t)
{
    ASSERT(t->depth > 0);
    struct frame *f = t->frames[--t->depth];
    context_drop(&t->current);
    t->current = f->before;
    context_drop(&f->context);
}

// Pops a frame whose end will not be seen.
static void abandon(struct thread_state *t)
{
    if (t->frames[t->depth - 1]->is_span && span_is_kept(t->frames[t->depth - 1])) {
        count(&abandoned);
    }
    pop(t);
}

unsigned frame_find(const struct thread_state *t, int64_t token)
{
    unsigned depth = (unsigned)(token & 0xFF);
    uint64_t serial = (uint64_t)token >> 8;
    bool is_there = depth > 0 && depth <= t->depth && t->frames[depth - 1]->serial == serial;
    return is_there ? depth : 0;
}

void frames_drop(struct thread_state *t, unsigned depth)
{
    ASSERT(depth <= t->depth);
    while (t->depth > depth) {
        abandon(t);
    }
}

struct frame *span_current(const struct thread_state *t)
{
    for (unsigned i = t->depth; i > 0; i--) {
        struct frame *f = t->frames[i - 1];
        if (f->is_span) {
            bool in_force = trace_id_cmp(&f->context.trace, &t->current.trace) == 0 &&
                            span_id_eq(f->context.span, t->current.span);
            return in_force ? f : NULL;
        }
    }
    return NULL;
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
    SPAN_DROPPED_ATTRIBUTES = 10,
    SPAN_EVENTS = 11,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
};

static void put_head(struct otlp *s, const struct frame *f, uint64_t duration_ns)
{
    struct str state = context_tracestate(&f->context);
    otlp_bytes(s, SPAN_TRACE_ID, f->context.trace.b, sizeof f->context.trace.b);
    otlp_bytes(s, SPAN_SPAN_ID, f->context.span.b, sizeof f->context.span.b);
    if (state.n > 0) {
        otlp_bytes(s, SPAN_TRACE_STATE, state.p, state.n);
    }
    if (!span_id_is_zero(f->parent)) {
        otlp_bytes(s, SPAN_PARENT, f->parent.b, sizeof f->parent.b);
    }
    otlp_bytes(s, SPAN_NAME, f->name, f->name_n);
    otlp_number(s, SPAN_KIND, f->kind);
    otlp_fixed64(s, SPAN_START, f->start_ns);
    otlp_fixed64(s, SPAN_END, f->start_ns + duration_ns);
    if (f->dropped > 0) {
        otlp_number(s, SPAN_DROPPED_ATTRIBUTES, f->dropped);
    }
    if (f->is_error) {
        static const uint8_t error_status[] = {0x18, 2}; // Status.code = STATUS_CODE_ERROR
        otlp_bytes(s, SPAN_STATUS, error_status, sizeof error_status);
    }
    otlp_tag(s, SPAN_FLAGS, WIRE_FIXED32);
    otlp_raw(s, &(uint32_t){f->context.flags & CONTEXT_SAMPLED}, 4);
}

static void queue_span(const struct frame *f, struct ring *r, uint64_t duration_ns)
{
    uint8_t bytes[512 + SPAN_NAME_MAX + TRACESTATE_MAX];
    struct otlp head = {.p = bytes, .capacity = sizeof bytes};
    put_head(&head, f, duration_ns);
    ASSERT(!head.full);
    if (r == NULL) {
        count(&no_ring);
        return;
    }
    (void)ring_push(r, (struct str){(const char *)bytes, head.n},
                    (struct str){(const char *)f->bytes, f->bytes_n});
}

static void end_span(const struct frame *f)
{
    if (!f->is_span) {
        return;
    }
    uint64_t end_ns = f->end_mono_ns != 0 ? f->end_mono_ns : clock_mono_ns();
    uint64_t duration_ns = end_ns - f->start_mono_ns;
    red_add((struct str){f->name, f->name_n}, f->kind, span_id_is_zero(f->parent), f->is_error,
            duration_ns);
    if (span_is_kept(f)) {
        queue_span(f, ring_mine(), duration_ns);
    }
}

void span_fetch(const struct frame *f)
{
    struct ring *r = span_is_kept(f) ? ring_mine() : NULL;
    if (r != NULL) {
        ring_fetch(r);
    }
}

void frame_close(struct thread_state *t)
{
    ASSERT(t->depth > 0);
    end_span(t->frames[t->depth - 1]);
    pop(t);
}

void frame_move(struct thread_state *t, struct frame *to)
{
    ASSERT(t->depth > 0);
    struct frame *f = t->frames[t->depth - 1];
    ASSERT(f->is_span);
    memcpy(to, f, offsetof(struct frame, bytes) + f->bytes_n);
    to->before = (struct context){0};
    to->end_mono_ns = 0;
    memset(to->globals, 0, sizeof to->globals);
    f->context = (struct context){0}; // its references moved along
    pop(t);
}

void frame_end(struct frame *f)
{
    end_span(f);
    context_drop(&f->context);
}

struct context frame_outer(const struct frame *f)
{
    struct context c = {0};
    if (!span_id_is_zero(f->parent)) {
        c = context_copy(&f->context);
        c.span = f->parent;
    }
    return c;
}

// ---- What a span says ------------------------------------------------------------------------

void span_name(struct frame *f, struct str name)
{
    name = str_cut(name, SPAN_NAME_MAX);
    memcpy(f->name, name.p, name.n);
    f->name_n = (uint16_t)name.n;
}

// What is written into a span that is not kept finds no room, and is not counted as left out.
static struct otlp rest_of(struct frame *f)
{
    return (struct otlp){f->bytes, f->bytes_n, sizeof f->bytes, !span_is_kept(f)};
}

// Keeps what was written, or counts an attribute that found no room.
static void keep(struct frame *f, const struct otlp *s)
{
    if (s->full) {
        f->dropped += span_is_kept(f);
    } else {
        f->bytes_n = (uint16_t)s->n;
    }
}

void span_text(struct frame *f, const char *key, struct str value)
{
    struct otlp s = rest_of(f);
    otlp_text(&s, SPAN_ATTRIBUTES, key, str_cut(value, TEXT_VALUE_MAX));
    keep(f, &s);
}

void span_long_text(struct frame *f, const char *key, struct str value)
{
    struct otlp s = rest_of(f);
    otlp_text(&s, SPAN_ATTRIBUTES, key, str_cut(value, LONG_VALUE_MAX));
    keep(f, &s);
}

void span_encoded(struct frame *f, const uint8_t *bytes, size_t n)
{
    struct otlp s = rest_of(f);
    otlp_raw(&s, bytes, n);
    keep(f, &s);
}

void span_bool(struct frame *f, const char *key, bool value)
{
    struct otlp s = rest_of(f);
    otlp_bool(&s, SPAN_ATTRIBUTES, key, value);
    keep(f, &s);
}

void span_int(struct frame *f, const char *key, int64_t value)
{
    struct otlp s = rest_of(f);
    otlp_int(&s, SPAN_ATTRIBUTES, key, value);
    keep(f, &s);
}

enum event_field { EVENT_TIME = 1, EVENT_NAME = 2, EVENT_ATTRIBUTES = 3 };

static size_t begin_event(struct otlp *s, const struct frame *f, struct str name)
{
    size_t event = otlp_begin(s, SPAN_EVENTS);
    otlp_fixed64(s, EVENT_TIME, f->start_ns + (clock_mono_ns() - f->start_mono_ns));
    otlp_bytes(s, EVENT_NAME, name.p, name.n);
    return event;
}

void span_event(struct frame *f, struct str name)
{
    struct otlp s = rest_of(f);
    size_t event = begin_event(&s, f, str_cut(name, TEXT_VALUE_MAX / 2));
    otlp_end(&s, event);
    keep(f, &s);
}

void span_exception(struct frame *f, struct str type, struct str message, struct str stack)
{
    struct otlp s = rest_of(f);
    size_t event = begin_event(&s, f, STR("exception"));
    otlp_text(&s, EVENT_ATTRIBUTES, "exception.type", str_cut(type, TEXT_VALUE_MAX / 2));
    if (message.n > 0) {
        otlp_text(&s, EVENT_ATTRIBUTES, "exception.message", str_cut(message, TEXT_VALUE_MAX));
    }
    if (stack.n > 0 && s.capacity - s.n > stack.n + 64) {
        otlp_text(&s, EVENT_ATTRIBUTES, "exception.stacktrace", stack);
    }
    otlp_end(&s, event);
    keep(f, &s);
    f->is_error = true;
}
