// SPDX-License-Identifier: Apache-2.0
// Purpose: the StackMapTable of a probed method: every old frame as a full_frame at its new place,
// for a span with the token in its locals, and the handler's frame behind them. Source: The Java
// Virtual Machine Specification, section 4.7.4.
//
//   frame_type 0..63       same: the locals of the frame before, no stack; delta = type
//   64..127                the same with one stack item; delta = type - 64
//   247                    the same with one stack item, u2 delta
//   248..250               chop: 251 - type locals fewer, u2 delta
//   251                    same, u2 delta
//   252..254               append: type - 251 locals more, u2 delta
//   255                    full: u2 delta, u2 count, locals, u2 count, stack
//   verification_type: u1 tag; 7 (Object) u2 class index; 8 (Uninitialized) u2 place of its `new`
// The first frame's place is its delta; each later one's is the last place + delta + 1.
#include <stdlib.h>

#include "agents/jvm/rewrite_internal.h"
#include "core/must.h"

enum type_tag {
    TYPE_TOP,
    TYPE_INTEGER,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_LONG,
    TYPE_NULL,
    TYPE_UNINITIALIZED_THIS,
    TYPE_OBJECT,
    TYPE_UNINITIALIZED
};

struct type {
    uint8_t tag;
    uint16_t detail; // class index, or the old place of a `new`
};

// The frames while they are walked: the locals in force, one entry a value (a long is one).
struct frames {
    struct method_edit *e;
    struct type *locals;
    size_t count, capacity;
    int64_t old_place, new_last; // of the frame before; -1 at first
    unsigned written;
};

static unsigned slots_of(struct type t)
{
    return t.tag == TYPE_LONG || t.tag == TYPE_DOUBLE ? 2 : 1;
}

static bool push_local(struct frames *f, struct type t)
{
    ASSERT(f->count <= f->capacity);
    if (f->count == f->capacity) {
        return false; // more locals than max_locals
    }
    f->locals[f->count++] = t;
    return true;
}

// ---- The frame that a method begins with --------------------------------------------------------

static bool push_argument(struct frames *f, char kind, struct str type_text, struct str class_name)
{
    struct constants *k = f->e->constants;
    switch (kind) {
    case 'J':
        return push_local(f, (struct type){TYPE_LONG, 0});
    case 'D':
        return push_local(f, (struct type){TYPE_DOUBLE, 0});
    case 'F':
        return push_local(f, (struct type){TYPE_FLOAT, 0});
    case 'L':
        return push_local(f, (struct type){TYPE_OBJECT, constants_class(k, class_name)});
    case '[':
        return push_local(f, (struct type){TYPE_OBJECT, constants_class(k, type_text)});
    default:
        return push_local(f, (struct type){TYPE_INTEGER, 0});
    }
}

static bool push_arguments(struct frames *f)
{
    const struct class_method *m = f->e->m;
    if ((m->access & ACC_STATIC) == 0) {
        struct type self = {TYPE_OBJECT, f->e->c->this_index};
        if (is_constructor(m)) {
            self = (struct type){TYPE_UNINITIALIZED_THIS, 0};
        }
        if (!push_local(f, self)) {
            return false;
        }
    }
    for (size_t at = 1; at < m->descriptor.n && m->descriptor.p[at] != ')';) {
        size_t begin = at;
        struct str class_name = STR_NONE;
        char kind = descriptor_next(m->descriptor, &at, &class_name);
        ASSERT(kind != 0); // descriptor_slots() has walked over it
        struct str text = {m->descriptor.p + begin, at - begin};
        if (!push_argument(f, kind, text, class_name)) {
            return false;
        }
    }
    return true;
}

// ---- Writing ------------------------------------------------------------------------------------

static bool put_type(struct frames *f, struct type t)
{
    struct bytes_out *o = f->e->out;
    out_u1(o, t.tag);
    if (t.tag == TYPE_OBJECT) {
        out_u2(o, t.detail);
    } else if (t.tag == TYPE_UNINITIALIZED) {
        uint32_t place = new_place(f->e, t.detail);
        if (place > UINT16_MAX) { // NO_PLACE too
            return false;
        }
        out_u2(o, place);
    }
    return true;
}

// What stands behind the method's own locals; how many types that is.
static unsigned put_more_locals(const struct frames *f)
{
    struct bytes_out *o = f->e->out;
    unsigned objects = is_read(f->e->probe) ? OBJECTS_READ : 0;
    out_u1(o, TYPE_LONG);
    for (unsigned i = 0; i < objects; i++) {
        out_u1(o, TYPE_OBJECT);
        out_u2(o, f->e->constants->object);
    }
    return 1 + objects;
}

// The locals in force, and for a span the token behind all of the method's own.
static bool put_locals(struct frames *f)
{
    struct bytes_out *o = f->e->out;
    size_t count_at = o->n;
    unsigned slots = 0, count = (unsigned)f->count;
    out_u2(o, 0);
    for (size_t i = 0; i < f->count; i++) {
        slots += slots_of(f->locals[i]);
        if (!put_type(f, f->locals[i])) {
            return false;
        }
    }
    if (slots > f->e->old.max_locals) {
        return false;
    }
    if (has_token(f->e->probe)) {
        for (; slots < f->e->old.max_locals; slots++, count++) {
            out_u1(o, TYPE_TOP);
        }
        count += put_more_locals(f);
    }
    out_set_u2(o, count_at, count);
    return true;
}

static void put_head(struct frames *f, size_t place)
{
    ASSERT((int64_t)place > f->new_last && place <= UINT16_MAX);
    out_u1(f->e->out, 255);
    out_u2(f->e->out, (unsigned)((int64_t)place - f->new_last - 1));
    f->new_last = (int64_t)place;
    f->written++;
}

// Only what was put behind the locals and what was thrown are known where anything may have
// happened.
static void put_handler_frame(struct frames *f)
{
    struct bytes_out *o = f->e->out;
    put_head(f, f->e->handler);
    size_t count_at = o->n;
    out_u2(o, 0);
    for (unsigned i = 0; i < f->e->old.max_locals; i++) {
        out_u1(o, TYPE_TOP);
    }
    out_set_u2(o, count_at, f->e->old.max_locals + put_more_locals(f));
    out_u2(o, 1);
    out_u1(o, TYPE_OBJECT);
    out_u2(o, f->e->constants->throwable);
}

// ---- Walking the old frames ---------------------------------------------------------------------

static struct type read_type(struct class_cursor *r)
{
    struct type t = {.tag = read_u1(r)};
    if (t.tag == TYPE_OBJECT || t.tag == TYPE_UNINITIALIZED) {
        t.detail = read_u2(r);
    }
    r->bad = r->bad || t.tag > TYPE_UNINITIALIZED;
    return t;
}

static unsigned read_delta(uint8_t frame_type, struct class_cursor *r)
{
    return frame_type < 64 ? frame_type : frame_type < 128 ? frame_type - 64U : read_u2(r);
}

// Brings the locals in force up to this frame's. False when it is malformed.
static bool read_locals(struct frames *f, uint8_t frame_type, struct class_cursor *r)
{
    unsigned more = 0;
    if (frame_type >= 248 && frame_type <= 250) {
        unsigned fewer = 251U - frame_type;
        if (fewer > f->count) {
            return false;
        }
        f->count -= fewer;
    } else if (frame_type >= 252 && frame_type <= 254) {
        more = frame_type - 251U;
    } else if (frame_type == 255) {
        f->count = 0;
        more = read_u2(r);
    }
    for (unsigned i = 0; i < more && !r->bad; i++) {
        if (!push_local(f, read_type(r))) {
            return false;
        }
    }
    return !r->bad;
}

static bool convert_frame(struct frames *f, struct class_cursor *r)
{
    uint8_t frame_type = read_u1(r);
    if (frame_type >= 128 && frame_type < 247) {
        return false; // reserved
    }
    f->old_place += read_delta(frame_type, r) + 1;
    if (r->bad || !read_locals(f, frame_type, r)) {
        return false;
    }
    bool has_one = (frame_type >= 64 && frame_type < 128) || frame_type == 247;
    unsigned stack = has_one ? 1 : frame_type == 255 ? read_u2(r) : 0;
    uint32_t place = new_place(f->e, (size_t)f->old_place);
    if (r->bad || place == NO_PLACE || f->old_place >= (int64_t)f->e->old.n) {
        return false;
    }
    put_head(f, place);
    if (!put_locals(f)) {
        return false;
    }
    out_u2(f->e->out, stack);
    for (unsigned i = 0; i < stack && !r->bad; i++) {
        if (!put_type(f, read_type(r))) {
            return false;
        }
    }
    return !r->bad;
}

static enum class_result convert_frames(struct frames *f, struct str table)
{
    struct class_cursor r = class_cursor((const uint8_t *)table.p, table.n);
    unsigned entries = table.n > 0 ? read_u2(&r) : 0;
    if (entries > 0 && !push_arguments(f)) {
        return CLASS_MALFORMED;
    }
    for (unsigned i = 0; i < entries; i++) {
        if (!convert_frame(f, &r)) {
            return CLASS_MALFORMED;
        }
        if (f->e->out->failed) { // the frames to come may be thousands, each of thousands
            return why_failed(f->e->out);
        }
    }
    if (f->e->probe->kind == PROBE_SPAN) {
        put_handler_frame(f);
    }
    return f->written <= UINT16_MAX ? CLASS_OK : CLASS_TOO_LARGE;
}

enum class_result write_frames(struct method_edit *e, struct str table)
{
    struct bytes_out *o = e->out;
    struct frames f = {.e = e, .old_place = -1, .new_last = -1, .capacity = e->old.max_locals};
    ASSERT(e->handler <= UINT16_MAX);
    f.locals = malloc((f.capacity + 1) * sizeof *f.locals);
    if (f.locals == NULL) {
        return CLASS_NO_MEMORY;
    }
    out_u2(o, e->constants->stack_map_table);
    out_u4(o, 0);
    size_t begin = o->n;
    out_u2(o, 0);
    enum class_result result = convert_frames(&f, table);
    if (result == CLASS_OK) {
        out_set_u2(o, begin, f.written);
        out_set_u4(o, begin - 4, (uint32_t)(o->n - begin));
    }
    free(f.locals);
    return result;
}
