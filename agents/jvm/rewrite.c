// SPDX-License-Identifier: Apache-2.0
// Purpose: a class with probes: its Code attributes written anew, the rest copied.
//
//   Code: u2 name_index; u4 length; u2 max_stack, max_locals; u4 code_length; u1[code_length];
//         u2 exception_table_length; { u2 start, end, handler, catch_type }[]; u2 attributes_count;
//         attribute_info[]
//   LineNumberTable: u2 count; { u2 start, line }[]
//   LocalVariableTable, LocalVariableTypeTable: u2 count; { u2 start, length, name, descriptor,
//   local
//   }[]
#include "agents/jvm/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "agents/jvm/bytecode.h"
#include "agents/jvm/rewrite_internal.h"
#include "core/must.h"

// What the probe's calls need on the stack beside what the method has there: a note's arguments
// (id, four objects, a long) before a return of two words.
#define STACK_MORE      9
#define STACK_MAP_SINCE 50 // class file version: Java 6

static enum class_result parse_code(const struct class_file *c, const struct class_method *m,
                                    struct code *ret)
{
    ASSERT(m->code_end >= m->code_begin + 6); // the header of an attribute
    struct class_cursor r =
        class_cursor(c->bytes + m->code_begin + 6, m->code_end - m->code_begin - 6);
    struct code k = {.max_stack = read_u2(&r)};
    k.max_locals = read_u2(&r);
    k.n = read_u4(&r);
    k.code = read_bytes(&r, k.n);
    k.handler_count = read_u2(&r);
    k.handlers = read_bytes(&r, 8 * (size_t)k.handler_count);
    k.attribute_count = read_u2(&r);
    if (r.bad || k.n == 0 || k.n > UINT16_MAX) {
        return CLASS_MALFORMED;
    }
    k.attributes = r.p;
    k.attributes_n = (size_t)(r.end - r.p);
    int arguments = descriptor_slots(m->descriptor);
    if (arguments < 0 || arguments + ((m->access & ACC_STATIC) == 0) > k.max_locals) {
        return CLASS_MALFORMED;
    }
    if (k.max_locals > UINT16_MAX - LOCALS_MORE_MAX || k.max_stack > UINT16_MAX - STACK_MORE ||
        k.handler_count == UINT16_MAX || k.attribute_count == UINT16_MAX) { // one more of each
        return CLASS_TOO_LARGE;
    }
    *ret = k;
    return CLASS_OK;
}

// ---- Tables that name places --------------------------------------------------------------------

static bool put_handlers(struct method_edit *e)
{
    struct class_cursor r = class_cursor(e->old.handlers, 8 * (size_t)e->old.handler_count);
    bool is_span = e->probe->kind == PROBE_SPAN;
    out_u2(e->out, e->old.handler_count + (unsigned)is_span);
    for (unsigned i = 0; i < e->old.handler_count; i++) {
        uint32_t start = new_place(e, read_u2(&r));
        uint32_t end = new_place(e, read_u2(&r));
        uint32_t handler = new_place(e, read_u2(&r));
        if (start == NO_PLACE || end == NO_PLACE || handler == NO_PLACE || start >= end) {
            return false;
        }
        out_u2(e->out, start);
        out_u2(e->out, end);
        out_u2(e->out, handler);
        out_u2(e->out, read_u2(&r));
    }
    if (is_span) { // last: whatever the method catches itself is not a failure
        out_u2(e->out, (unsigned)e->body);
        out_u2(e->out, (unsigned)e->handler);
        out_u2(e->out, (unsigned)e->handler);
        out_u2(e->out, 0);
    }
    return true;
}

static bool put_line_numbers(struct method_edit *e, struct class_cursor r)
{
    unsigned count = read_u2(&r);
    out_u2(e->out, count);
    for (unsigned i = 0; i < count && !r.bad; i++) {
        uint16_t old = read_u2(&r);
        uint32_t start = old == 0 ? 0 : new_place(e, old); // the prologue is on the first line
        if (start == NO_PLACE) {
            return false;
        }
        out_u2(e->out, start);
        out_u2(e->out, read_u2(&r));
    }
    return !r.bad;
}

static bool put_local_variables(struct method_edit *e, struct class_cursor r)
{
    unsigned count = read_u2(&r);
    out_u2(e->out, count);
    for (unsigned i = 0; i < count && !r.bad; i++) {
        uint16_t old = read_u2(&r);
        uint16_t length = read_u2(&r);
        uint32_t start = new_place(e, old), end = new_place(e, (size_t)old + length);
        const uint8_t *rest = read_bytes(&r, 6);
        if (start == NO_PLACE || end == NO_PLACE || rest == NULL) {
            return false;
        }
        out_u2(e->out, start);
        out_u2(e->out, end - start);
        out_bytes(e->out, rest, 6);
    }
    return !r.bad;
}

// Writes one of the old attributes; *ret_table gets what a StackMapTable holds, which comes last.
// *ret_kept: whether it was written.
static bool put_code_attribute(struct method_edit *e, uint16_t name_index, struct str content,
                               struct str *ret_table, bool *ret_kept)
{
    struct str name = class_utf8(e->c, name_index);
    struct class_cursor r = class_cursor((const uint8_t *)content.p, content.n);
    bool is_lines = str_eq(name, STR("LineNumberTable"));
    *ret_kept = false;
    if (str_eq(name, STR("StackMapTable"))) {
        *ret_table = content;
        return true;
    }
    if (!is_lines && !str_eq(name, STR("LocalVariableTable")) &&
        !str_eq(name, STR("LocalVariableTypeTable"))) {
        return true;
    }
    out_u2(e->out, name_index);
    out_u4(e->out, (uint32_t)content.n);
    size_t begin = e->out->n;
    *ret_kept = is_lines ? put_line_numbers(e, r) : put_local_variables(e, r);
    return *ret_kept && (e->out->failed || e->out->n - begin == content.n);
}

static enum class_result put_code_attributes(struct method_edit *e)
{
    struct class_cursor r = class_cursor(e->old.attributes, e->old.attributes_n);
    struct str table = STR_NONE;
    size_t count_at = e->out->n;
    unsigned count = 0;
    out_u2(e->out, 0);
    for (unsigned i = 0; i < e->old.attribute_count; i++) {
        uint16_t name = read_u2(&r);
        size_t n = read_u4(&r);
        const uint8_t *p = read_bytes(&r, n);
        bool kept;
        if (p == NULL ||
            !put_code_attribute(e, name, (struct str){(const char *)p, n}, &table, &kept)) {
            return CLASS_MALFORMED;
        }
        count += kept;
    }
    bool is_span = e->probe->kind == PROBE_SPAN && e->c->major >= STACK_MAP_SINCE;
    if (table.n > 0 || is_span) {
        enum class_result result = write_frames(e, table);
        if (result != CLASS_OK) {
            return result;
        }
        count++;
    }
    out_set_u2(e->out, count_at, count);
    return CLASS_OK;
}

// ---- Methods ------------------------------------------------------------------------------------

static enum class_result put_code(struct method_edit *e)
{
    struct bytes_out *o = e->out;
    size_t begin = o->n;
    out_bytes(o, e->c->bytes + e->m->code_begin, 2); // "Code"
    out_u4(o, 0);
    out_u2(o, e->old.max_stack + STACK_MORE);
    out_u2(o, e->old.max_locals + more_locals(e->probe));
    size_t length_at = o->n;
    out_u4(o, 0);
    enum class_result result = relocate_code(e);
    if (result != CLASS_OK) {
        return result;
    }
    out_set_u4(o, length_at, (uint32_t)(o->n - length_at - 4));
    if (!put_handlers(e)) {
        return CLASS_MALFORMED;
    }
    result = put_code_attributes(e);
    out_set_u4(o, begin + 2, (uint32_t)(o->n - begin - 6));
    return result;
}

static enum class_result put_probed_method(struct method_edit *e)
{
    const uint8_t *bytes = e->c->bytes;
    if (is_constructor(e->m) && has_token(e->probe)) {
        return CLASS_UNSUPPORTED;
    }
    enum class_result result = parse_code(e->c, e->m, &e->old);
    if (result != CLASS_OK) {
        return result;
    }
    e->place = malloc((e->old.n + 1) * sizeof *e->place);
    if (e->place == NULL) {
        return CLASS_NO_MEMORY;
    }
    out_bytes(e->out, bytes + e->m->begin, e->m->code_begin - e->m->begin);
    result = put_code(e);
    out_bytes(e->out, bytes + e->m->code_end, e->m->end - e->m->code_end);
    free(e->place);
    ASSERT(result != CLASS_OK || e->out->failed || e->out->n > 0);
    return result == CLASS_OK && e->out->failed ? why_failed(e->out) : result;
}

// The method of this class that is called last, with what it gives returned, where nothing jumps;
// false when the code is otherwise.
static bool last_call(const struct class_file *c, const struct code *k, struct str *ret_name,
                      struct str *ret_descriptor)
{
    struct str class;
    size_t size, last = 0;
    for (size_t pc = 0; pc < k->n; pc += size) {
        uint8_t op = k->code[pc];
        size = instruction_size(k->code, k->n, pc);
        bool jumps = is_branch(op) || op == OP_GOTO_W || op == OP_TABLESWITCH ||
                     op == OP_LOOKUPSWITCH || is_subroutine(op);
        if (size == 0 || jumps || (is_return(op) && pc + size < k->n)) {
            return false;
        }
        last = pc + size < k->n ? pc : last;
    }
    return k->n > 3 && k->code[k->n - 1] == OP_ARETURN && k->code[last] == OP_INVOKEVIRTUAL &&
           class_method_at(c, (uint16_t)(k->code[last + 1] << 8 | k->code[last + 2]), &class,
                           ret_name, ret_descriptor) &&
           str_eq(class, c->name);
}

// Whether the method does nothing but what leads to a call of another one of its name, which is
// probed in its stead.
static bool is_delegate(const struct class_file *c, const struct class_method *m, probe_for *which,
                        void *ctx)
{
    struct code k;
    struct class_method of;
    struct str name, descriptor;
    size_t at = c->methods + 2;
    if (parse_code(c, m, &k) != CLASS_OK || k.handler_count > 0 ||
        !last_call(c, &k, &name, &descriptor) || !str_eq(name, m->name) ||
        str_eq(descriptor, m->descriptor)) {
        return false;
    }
    for (uint16_t i = 0; i < c->method_count && class_next_method(c, &at, i, &of); i++) {
        if (str_eq(of.name, name) && str_eq(of.descriptor, descriptor)) {
            const struct probe *probe = of.code_end != 0 ? which(ctx, c, &of) : NULL;
            return probe != NULL && probe->kind == PROBE_MADE;
        }
    }
    return false;
}

// A method that cannot be probed is copied as it was, and counted.
static void put_method(const struct class_file *c, const struct class_method *m,
                       const struct probe *probe, struct constants *constants,
                       struct bytes_out *out, struct rewritten *counts)
{
    size_t begin = out->n;
    if (probe != NULL) {
        struct method_edit e = {.c = c, .m = m, .probe = probe, .constants = constants, .out = out};
        enum class_result result = put_probed_method(&e);
        if (result == CLASS_OK && !constants_too_large(constants)) {
            counts->probed++;
            return;
        }
        counts->declined++;
        counts->why_declined = result == CLASS_OK ? CLASS_TOO_LARGE : result;
        out_take_back(out, begin);
    }
    out_bytes(out, c->bytes + m->begin, m->end - m->begin);
}

// How much all methods may grow to. Few grow by half.
static size_t methods_max(const struct class_file *c)
{
    ASSERT(c->n <= CLASS_BYTES_MAX);
    return ((size_t)1 << 20) + 4 * c->n;
}

static enum class_result put_methods(const struct class_file *c, probe_for *which, void *ctx,
                                     struct constants *constants, struct bytes_out *out,
                                     struct rewritten *counts)
{
    size_t at = c->methods + 2;
    for (uint16_t i = 0; i < c->method_count; i++) {
        struct class_method m;
        if (!class_next_method(c, &at, i, &m)) {
            return CLASS_MALFORMED;
        }
        const struct probe *probe = m.code_end != 0 ? which(ctx, c, &m) : NULL;
        if (probe != NULL && probe->kind == PROBE_MADE && is_delegate(c, &m, which, ctx)) {
            probe = NULL;
        }
        put_method(c, &m, probe, constants, out, counts);
    }
    if (constants_too_large(constants)) {
        return CLASS_TOO_LARGE;
    }
    if (out->failed || constants->out.failed) {
        return why_failed(out->failed ? out : &constants->out);
    }
    return CLASS_OK;
}

// ---- The class ----------------------------------------------------------------------------------

static enum class_result assemble(const struct class_file *c, const struct constants *constants,
                                  const struct bytes_out *methods, struct rewritten *counts)
{
    struct bytes_out o;
    enum { COUNT_AT = 8, POOL_AT = 10 };
    out_init(&o, c->n + constants->out.n + methods->n);
    out_bytes(&o, c->bytes, COUNT_AT);
    out_u2(&o, constants->next);
    out_bytes(&o, c->bytes + POOL_AT, c->cp_end - POOL_AT);
    out_bytes(&o, constants->out.p, constants->out.n);
    out_bytes(&o, c->bytes + c->cp_end, c->methods + 2 - c->cp_end);
    out_bytes(&o, methods->p, methods->n);
    out_bytes(&o, c->bytes + c->methods_end, c->n - c->methods_end);
    if (o.failed) {
        enum class_result result = why_failed(&o);
        out_done(&o);
        return result;
    }
    counts->bytes = o.p;
    counts->n = o.n;
    return CLASS_OK;
}

enum class_result rewrite_class(const struct class_file *c, probe_for *which, void *ctx,
                                struct rewritten *ret)
{
    struct constants constants;
    struct bytes_out methods;
    struct rewritten counts = {0};
    ASSERT(which != NULL && ret != NULL);
    constants_init(&constants, c);
    out_init(&methods, methods_max(c));
    enum class_result result = put_methods(c, which, ctx, &constants, &methods, &counts);
    if (result == CLASS_OK && counts.probed > 0) {
        result = assemble(c, &constants, &methods, &counts);
    }
    if (result == CLASS_OK) {
        *ret = counts;
    }
    out_done(&methods);
    constants_done(&constants);
    return result;
}
