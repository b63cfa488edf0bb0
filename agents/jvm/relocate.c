// SPDX-License-Identifier: Apache-2.0
// Purpose: a method's instructions with the probe's calls among them, every jump mended.
#include "agents/jvm/bytecode.h"
#include "agents/jvm/rewrite_internal.h"
#include "core/must.h"

#define LOCAL_MAX 65535

// ---- The probe's own instructions ---------------------------------------------------------------

static void put_local(struct bytes_out *o, uint8_t op, unsigned local)
{
    ASSERT(local <= LOCAL_MAX);
    if (local > UINT8_MAX) {
        out_u1(o, OP_WIDE);
        out_u1(o, op);
        out_u2(o, local);
    } else {
        out_u1(o, op);
        out_u1(o, local);
    }
}

static void put_call(struct bytes_out *o, uint16_t method)
{
    out_u1(o, OP_INVOKESTATIC);
    out_u2(o, method);
}

// The local slot and type letter of the argument with this number; 0 when there is none.
static char argument(const struct method_edit *e, unsigned number, unsigned *ret_local)
{
    size_t at = 1;
    unsigned local = (e->m->access & ACC_STATIC) != 0 ? 0 : 1;
    ASSERT(number > 0);
    for (unsigned i = 1; at < e->m->descriptor.n && e->m->descriptor.p[at] != ')'; i++) {
        char kind = descriptor_next(e->m->descriptor, &at, NULL);
        if (i == number) {
            *ret_local = local;
            return kind;
        }
        local += kind == 'J' || kind == 'D' ? 2 : 1;
    }
    return 0;
}

static void put_object(struct bytes_out *o, const struct method_edit *e, unsigned number)
{
    unsigned local = 0;
    char kind = number > 0 ? argument(e, number, &local) : 0;
    if (kind == 'L' || kind == '[') {
        put_local(o, OP_ALOAD, local);
    } else {
        out_u1(o, OP_ACONST_NULL);
    }
}

static void put_number(struct bytes_out *o, const struct method_edit *e)
{
    unsigned local = 0;
    char kind = e->probe->number > 0 ? argument(e, e->probe->number, &local) : 0;
    if (kind == 'J') {
        put_local(o, OP_LLOAD, local);
    } else if (kind == 'I' || kind == 'Z' || kind == 'B' || kind == 'C' || kind == 'S') {
        put_local(o, OP_ILOAD, local);
        out_u1(o, OP_I2L);
    } else {
        out_u1(o, OP_LCONST_0);
    }
}

static void put_id(struct bytes_out *o, const struct method_edit *e)
{
    ASSERT(e->probe->id <= PROBE_ID_MAX);
    out_u1(o, OP_SIPUSH);
    out_u2(o, e->probe->id);
}

// `this`, or null where there is none, or where it may not be touched yet.
static void put_this(struct bytes_out *o, const struct method_edit *e)
{
    bool untouchable = is_constructor(e->m) && e->probe->kind != PROBE_LEAVE;
    if (untouchable || (e->m->access & ACC_STATIC) != 0) {
        out_u1(o, OP_ACONST_NULL);
    } else {
        put_local(o, OP_ALOAD, 0);
    }
}

// What is called first where there is a token.
static uint16_t enter_of(const struct method_edit *e)
{
    const struct constants *k = e->constants;
    return e->probe->kind == PROBE_MADE ? k->number
           : e->probe->is_held          ? k->enter_held
           : e->probe->is_read          ? k->enter_read
                                        : k->enter;
}

static void put_prologue(struct bytes_out *o, const struct method_edit *e)
{
    if (e->probe->kind == PROBE_LEAVE) {
        return;
    }
    if (e->probe->kind == PROBE_GONE) {
        put_this(o, e);
        put_call(o, e->constants->gone);
        return;
    }
    put_id(o, e);
    put_this(o, e);
    for (int i = 0; i < PROBE_OBJECTS; i++) {
        put_object(o, e, e->probe->objects[i]);
    }
    put_number(o, e);
    if (has_token(e->probe)) {
        put_call(o, enter_of(e));
        put_local(o, OP_LSTORE, e->old.max_locals);
    } else {
        put_call(o, e->constants->note);
    }
    for (unsigned i = 0; is_read(e->probe) && i < OBJECTS_READ; i++) {
        put_object(o, e, e->probe->objects[i]);
        put_local(o, OP_ASTORE, e->old.max_locals + 2U + i);
    }
}

// The objects that the method keeps, and the token.
static void put_kept(struct bytes_out *o, const struct method_edit *e)
{
    for (unsigned i = 0; is_read(e->probe) && i < OBJECTS_READ; i++) {
        put_local(o, OP_ALOAD, e->old.max_locals + 2U + i);
    }
    put_local(o, OP_LLOAD, e->old.max_locals);
}

// What stands before a return: the result stays on the stack.
static void put_before_return(struct bytes_out *o, const struct method_edit *e, uint8_t op)
{
    ASSERT(is_return(op));
    if (e->probe->kind == PROBE_LEAVE) {
        if (op == OP_ARETURN) {
            out_u1(o, OP_DUP);  // result, result
            put_id(o, e);       // result, result, id
            out_u1(o, OP_SWAP); // result, id, result
            put_this(o, e);     // result, id, result, this
            out_u1(o, OP_SWAP); // result, id, this, result
        } else {
            put_id(o, e);
            put_this(o, e);
            out_u1(o, OP_ACONST_NULL);
        }
        out_u1(o, OP_ACONST_NULL);
        out_u1(o, OP_ACONST_NULL);
        out_u1(o, OP_LCONST_0);
        put_call(o, e->constants->note);
    } else if (e->probe->kind == PROBE_MADE && op == OP_ARETURN) {
        out_u1(o, OP_DUP);
        put_local(o, OP_LLOAD, e->old.max_locals);
        put_call(o, e->constants->hold);
    } else if (is_read(e->probe) && op != OP_IRETURN && op != OP_LRETURN) {
        put_kept(o, e);
        put_call(o, e->constants->exit_read);
    } else if (e->probe->kind == PROBE_SPAN) {
        bool is_number = op == OP_IRETURN || op == OP_LRETURN;
        if (op == OP_ARETURN) {
            out_u1(o, OP_DUP);
        } else if (op == OP_IRETURN) {
            out_u1(o, OP_DUP);
            out_u1(o, OP_I2L);
        } else if (op == OP_LRETURN) {
            out_u1(o, OP_DUP2);
        } else {
            out_u1(o, OP_ACONST_NULL);
        }
        put_local(o, OP_LLOAD, e->old.max_locals);
        put_call(o, is_number ? e->constants->exitp : e->constants->exit);
    }
}

static void put_handler(struct bytes_out *o, const struct method_edit *e)
{
    ASSERT(e->probe->kind == PROBE_SPAN);
    out_u1(o, OP_DUP);
    put_kept(o, e);
    put_call(o, is_read(e->probe) ? e->constants->fail_read : e->constants->fail);
    out_u1(o, OP_ATHROW);
}

// ---- The old instructions in their new places ---------------------------------------------------

// Copies an instruction. Jumps are copied as they are and mended when all places are known.
static void put_instruction(struct method_edit *e, size_t pc, size_t size, size_t start)
{
    const uint8_t *code = e->old.code;
    uint8_t op = code[pc];
    if (is_return(op)) {
        put_before_return(e->out, e, op);
    }
    if (op != OP_TABLESWITCH && op != OP_LOOKUPSWITCH) {
        out_bytes(e->out, code + pc, size);
        return;
    }
    static const uint8_t zeros[3];
    size_t old_head = 1 + switch_padding(pc);
    ASSERT(size >= old_head);
    size_t padding = switch_padding(e->out->n - start);
    out_u1(e->out, op);
    out_bytes(e->out, zeros, padding);
    out_bytes(e->out, code + pc + old_head, size - old_head);
}

static enum class_result put_body(struct method_edit *e, size_t start)
{
    // A note at the return tells `this`, which must still be in local 0.
    bool has_this = e->probe->kind == PROBE_LEAVE && (e->m->access & ACC_STATIC) == 0;
    size_t size;
    for (size_t pc = 0; pc < e->old.n; pc += size) {
        size = instruction_size(e->old.code, e->old.n, pc);
        if (size == 0) {
            return CLASS_MALFORMED;
        }
        if (is_subroutine(e->old.code[pc]) || (has_this && stores_local_0(e->old.code, pc))) {
            return CLASS_UNSUPPORTED;
        }
        ASSERT(e->place[pc] == NO_PLACE);
        e->place[pc] = (uint32_t)(e->out->n - start);
        put_instruction(e, pc, size, start);
    }
    return CLASS_OK;
}

// The new distance of a jump at old place `pc`; false when it leads to no instruction.
static bool new_distance(const struct method_edit *e, size_t pc, int32_t old, int64_t *ret)
{
    int64_t target = (int64_t)pc + old;
    if (target < 0 || target >= (int64_t)e->old.n || new_place(e, (size_t)target) == NO_PLACE) {
        return false;
    }
    *ret = (int64_t)new_place(e, (size_t)target) - (int64_t)new_place(e, pc);
    return true;
}

// Mends the four-byte distance that stands `at` bytes behind the new instruction's beginning.
static bool mend_wide(struct method_edit *e, size_t start, size_t pc, size_t old_at, size_t new_at)
{
    struct class_cursor c = class_cursor(e->old.code + pc + old_at, 4);
    int64_t distance;
    if (!new_distance(e, pc, (int32_t)read_u4(&c), &distance)) {
        return false;
    }
    out_set_u4(e->out, start + new_place(e, pc) + new_at, (uint32_t)distance);
    return true;
}

static bool mend_switch(struct method_edit *e, size_t start, size_t pc, size_t size)
{
    bool is_table = e->old.code[pc] == OP_TABLESWITCH;
    size_t old_at = 1 + switch_padding(pc), new_at = 1 + switch_padding(new_place(e, pc));
    // Table: default, low, high, then distances. Lookup: default, count, then pairs of match and
    // distance: either way the first distance stands 12 bytes behind the default.
    size_t first = 12, step = is_table ? 4 : 8;
    ASSERT(size >= old_at + 8);
    bool ok = mend_wide(e, start, pc, old_at, new_at);
    for (size_t i = first; ok && old_at + i + 4 <= size; i += step) {
        ok = mend_wide(e, start, pc, old_at + i, new_at + i);
    }
    return ok;
}

static enum class_result mend_jumps(struct method_edit *e, size_t start)
{
    const uint8_t *code = e->old.code;
    size_t size;
    for (size_t pc = 0; pc < e->old.n; pc += size) {
        size = instruction_size(code, e->old.n, pc);
        ASSERT(size > 0);
        bool ok = true;
        if (is_branch(code[pc])) {
            int64_t distance;
            ok = new_distance(e, pc, (int16_t)(code[pc + 1] << 8 | code[pc + 2]), &distance);
            if (ok && distance != (int16_t)distance) {
                return CLASS_UNSUPPORTED;
            }
            if (ok) {
                out_set_u2(e->out, start + new_place(e, pc) + 1, (uint16_t)distance);
            }
        } else if (code[pc] == OP_GOTO_W) {
            ok = mend_wide(e, start, pc, 1, 1);
        } else if (code[pc] == OP_TABLESWITCH || code[pc] == OP_LOOKUPSWITCH) {
            ok = mend_switch(e, start, pc, size);
        }
        if (!ok) {
            return CLASS_MALFORMED;
        }
    }
    return CLASS_OK;
}

enum class_result relocate_code(struct method_edit *e)
{
    size_t start = e->out->n;
    for (size_t i = 0; i <= e->old.n; i++) {
        e->place[i] = NO_PLACE;
    }
    put_prologue(e->out, e);
    e->body = e->out->n - start;
    enum class_result result = put_body(e, start);
    if (result != CLASS_OK) {
        return result;
    }
    e->handler = e->out->n - start;
    e->place[e->old.n] = (uint32_t)e->handler;
    if (e->probe->kind == PROBE_SPAN) {
        put_handler(e->out, e);
    }
    if (e->out->failed) {
        return why_failed(e->out);
    }
    return e->out->n - start > UINT16_MAX ? CLASS_TOO_LARGE : mend_jumps(e, start);
}
