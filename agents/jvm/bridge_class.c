// SPDX-License-Identifier: Apache-2.0
// Purpose: writing the class files of the bridge and of what it holds.
#include "agents/jvm/bridge_class.h"

#include "agents/jvm/bytecode.h"
#include "agents/jvm/reader_class.h"
#include "agents/jvm/rewrite_internal.h"
#include "core/must.h"

enum {
    ACC_PUBLIC = 0x0001,
    ACC_FINAL = 0x0010,
    ACC_SUPER = 0x0020,
    CLASS_ACCESS = ACC_PUBLIC | ACC_FINAL | ACC_SUPER | ACC_SYNTHETIC,
    READING_ACCESS = ACC_PUBLIC | ACC_SUPER | ACC_ABSTRACT | ACC_SYNTHETIC,
    JAVA_5 = 49,
    METHOD_BYTES = 512,
};

#define OBJECT          "Ljava/lang/Object;"
#define HELD            "L" HELD_CLASS ";"
#define READ_DESCRIPTOR "(I" OBJECT OBJECT ")Ljava/lang/String;"
#define FIND_DESCRIPTOR "(" OBJECT ")" HELD

// A class while it is written: its methods behind one another, its constants as they come.
struct writer {
    struct constants constants;
    struct bytes_out methods, code; // of all; of the one being written
    uint16_t this_class, super, code_name;
    unsigned method_count;
    size_t handler; // where what is thrown in the method arrives; 0: at its caller
};

static void begin(struct writer *w, const char *name, const char *super)
{
    *w = (struct writer){.constants = {.next = 1}};
    out_init(&w->constants.out, CLASS_BYTES_MAX);
    out_init(&w->methods, CLASS_BYTES_MAX);
    out_init(&w->code, METHOD_BYTES);
    w->this_class = constants_class(&w->constants, str_of(name));
    w->super = constants_class(&w->constants, str_of(super));
    w->code_name = constants_utf8(&w->constants, STR("Code"));
}

static uint16_t method_of(struct writer *w, const char *class, const char *name,
                          const char *descriptor)
{
    uint16_t index = constants_class(&w->constants, str_of(class));
    return constants_method(&w->constants, CP_METHODREF, index, str_of(name), str_of(descriptor));
}

static void op(struct writer *w, enum opcode code, unsigned operand)
{
    out_u1(&w->code, code);
    out_u2(&w->code, operand);
}

static void ops(struct writer *w, const uint8_t *codes, size_t n)
{
    out_bytes(&w->code, codes, n);
}
#define OPS(w, ...) ops(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void call(struct writer *w, enum opcode code, const char *class, const char *name,
                 const char *descriptor)
{
    op(w, code, method_of(w, class, name, descriptor));
}

static void field(struct writer *w, enum opcode code, const char *class, const char *name,
                  const char *descriptor)
{
    uint16_t index = constants_class(&w->constants, str_of(class));
    op(w, code,
       constants_method(&w->constants, CP_FIELDREF, index, str_of(name), str_of(descriptor)));
}

// A jump to what land() says later.
static size_t jump(struct writer *w, enum opcode code)
{
    size_t at = w->code.n;
    op(w, code, 0);
    return at;
}

static void land(struct writer *w, size_t jump_at)
{
    out_set_u2(&w->code, jump_at + 1, (unsigned)(w->code.n - jump_at));
}

static void jump_back(struct writer *w, enum opcode code, size_t to)
{
    op(w, code, (uint16_t)(to - w->code.n));
}

static void put_name(struct writer *w, struct bytes_out *o, unsigned access, const char *name,
                     const char *descriptor)
{
    uint16_t n = constants_utf8(&w->constants, str_of(name));
    out_u2(o, access);
    out_u2(o, n);
    out_u2(o, constants_utf8(&w->constants, str_of(descriptor)));
}

static void put_native(struct writer *w, const char *name, const char *descriptor)
{
    put_name(w, &w->methods, ACC_PUBLIC | ACC_STATIC | ACC_NATIVE, name, descriptor);
    out_u2(&w->methods, 0);
    w->method_count++;
}

// The method whose code was written.
static void put_method(struct writer *w, unsigned access, const char *name, const char *descriptor,
                       unsigned stack, unsigned locals)
{
    struct bytes_out *o = &w->methods;
    unsigned handlers = w->handler > 0;
    put_name(w, o, access, name, descriptor);
    out_u2(o, 1);
    out_u2(o, w->code_name);
    out_u4(o, (uint32_t)(12 + 8 * handlers + w->code.n));
    out_u2(o, stack);
    out_u2(o, locals);
    out_u4(o, (uint32_t)w->code.n);
    out_bytes(o, w->code.p, w->code.n);
    out_u2(o, handlers);
    if (handlers > 0) {
        out_u2(o, 0);
        out_u2(o, (unsigned)w->handler);
        out_u2(o, (unsigned)w->handler);
        out_u2(o, 0); // whatever it is
    }
    out_u2(o, 0); // attributes
    w->method_count++;
    out_take_back(&w->code, 0);
    w->handler = 0;
}

// `fields` as written by put_name(), each with its count of attributes.
static void finish(struct writer *w, struct bytes_out *o, unsigned access,
                   const struct bytes_out *fields, unsigned field_count)
{
    struct constants *k = &w->constants;
    out_u4(o, 0xCAFEBABE);
    out_u4(o, JAVA_5);
    out_u2(o, k->next);
    out_bytes(o, k->out.p, k->out.n);
    out_u2(o, access);
    out_u2(o, w->this_class);
    out_u2(o, w->super);
    out_u2(o, 0); // interfaces
    out_u2(o, field_count);
    out_bytes(o, fields->p, fields->n);
    out_u2(o, w->method_count);
    out_bytes(o, w->methods.p, w->methods.n);
    out_u2(o, 0); // attributes
    o->failed = o->failed || k->out.failed || w->methods.failed || w->code.failed || fields->failed;
    constants_done(k);
    out_done(&w->methods);
    out_done(&w->code);
}

// ---- The bridge ------------------------------------------------------------------------------

enum { THIS_METHOD = ACC_PUBLIC | ACC_STATIC, TOKEN_OBJECT = 1, TOKEN_LONG = 2 };

// name(result, token) that calls `native` unless the token is 0. `load` is the instruction for the
// result, which has so many words.
static void put_exit(struct writer *w, const char *name, const char *native, const char *descriptor,
                     uint8_t load, unsigned words)
{
    OPS(w, OP_LLOAD, (uint8_t)words, OP_LCONST_0, OP_LCMP);
    size_t none = jump(w, OP_IFEQ);
    OPS(w, load, 0, OP_LLOAD, (uint8_t)words);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, native, descriptor);
    land(w, none);
    OPS(w, OP_RETURN);
    put_method(w, THIS_METHOD, name, descriptor, 4, words + 2);
}

// Puts on the stack the place in the table of the object in local 0.
static void put_place(struct writer *w)
{
    OPS(w, OP_ALOAD_0);
    call(w, OP_INVOKESTATIC, "java/lang/System", "identityHashCode", "(" OBJECT ")I");
    op(w, OP_SIPUSH, HELD_MAX - 1);
    OPS(w, OP_IAND);
}

static void put_find(struct writer *w)
{
    enum { TABLE = 1, FOUND = 2 };
    field(w, OP_GETSTATIC, BRIDGE_CLASS, BRIDGE_HELD, BRIDGE_HELD_TYPE);
    OPS(w, OP_ASTORE, TABLE, OP_ALOAD, TABLE);
    size_t no_table = jump(w, OP_IFNULL);
    OPS(w, OP_ALOAD, TABLE);
    put_place(w);
    call(w, OP_INVOKEVIRTUAL, HELD_TABLE_CLASS, "get", "(I)" OBJECT);
    op(w, OP_CHECKCAST, constants_class(&w->constants, STR(HELD_CLASS)));
    OPS(w, OP_ASTORE, FOUND, OP_ALOAD, FOUND);
    size_t nothing = jump(w, OP_IFNULL);
    OPS(w, OP_ALOAD, FOUND);
    call(w, OP_INVOKEVIRTUAL, HELD_CLASS, "get", "()" OBJECT);
    OPS(w, OP_ALOAD_0);
    size_t other = jump(w, OP_IF_ACMPNE);
    OPS(w, OP_ALOAD, FOUND, OP_ARETURN);
    land(w, no_table);
    land(w, nothing);
    land(w, other);
    OPS(w, OP_ACONST_NULL, OP_ARETURN);
    put_method(w, THIS_METHOD, "find", FIND_DESCRIPTOR, 3, 3);
}

static void put_enter_held(struct writer *w)
{
    enum { SELF = 1, A, B, C, NUMBER, FOUND = 7 };
    OPS(w, OP_ALOAD, SELF);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "find", FIND_DESCRIPTOR);
    OPS(w, OP_ASTORE, FOUND, OP_LCONST_0, OP_LSTORE, NUMBER, OP_ALOAD, FOUND);
    size_t nothing = jump(w, OP_IFNULL);
    OPS(w, OP_ALOAD, FOUND);
    field(w, OP_GETFIELD, HELD_CLASS, "number", "J");
    OPS(w, OP_LSTORE, NUMBER);
    land(w, nothing);
    OPS(w, OP_ILOAD, 0, OP_ALOAD, SELF, OP_ALOAD, A, OP_ALOAD, B, OP_ALOAD, C, OP_LLOAD, NUMBER);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "enter", BRIDGE_ENTER_DESCRIPTOR);
    OPS(w, OP_LRETURN);
    put_method(w, THIS_METHOD, "enterHeld", BRIDGE_ENTER_DESCRIPTOR, 7, 8);
}

static void put_gone(struct writer *w)
{
    OPS(w, OP_ALOAD_0);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "find", FIND_DESCRIPTOR);
    OPS(w, OP_ASTORE, 1, OP_ALOAD, 1);
    size_t nothing = jump(w, OP_IFNULL);
    OPS(w, OP_ALOAD, 1, OP_ICONST_1);
    field(w, OP_PUTFIELD, HELD_CLASS, "isGone", "Z");
    land(w, nothing);
    OPS(w, OP_RETURN);
    put_method(w, THIS_METHOD, "gone", BRIDGE_GONE_DESCRIPTOR, 2, 2);
}

static void put_hold(struct writer *w)
{
    enum { NUMBER = 1, TABLE = 3, PLACE, MINE, BEFORE };
    field(w, OP_GETSTATIC, BRIDGE_CLASS, BRIDGE_HELD, BRIDGE_HELD_TYPE);
    OPS(w, OP_ASTORE, TABLE, OP_ALOAD, TABLE);
    size_t no_table = jump(w, OP_IFNULL);
    OPS(w, OP_ALOAD_0);
    size_t no_object = jump(w, OP_IFNULL);
    OPS(w, OP_LLOAD, NUMBER, OP_LCONST_0, OP_LCMP);
    size_t no_number = jump(w, OP_IFEQ);
    put_place(w);
    OPS(w, OP_ISTORE, PLACE);
    op(w, OP_NEW, constants_class(&w->constants, STR(HELD_CLASS)));
    OPS(w, OP_DUP, OP_ALOAD_0, OP_LLOAD, NUMBER);
    call(w, OP_INVOKESPECIAL, HELD_CLASS, "<init>", "(" OBJECT "J)V");
    OPS(w, OP_ASTORE, MINE);
    size_t again = w->code.n;
    OPS(w, OP_ALOAD, TABLE, OP_ILOAD, PLACE);
    call(w, OP_INVOKEVIRTUAL, HELD_TABLE_CLASS, "get", "(I)" OBJECT);
    op(w, OP_CHECKCAST, constants_class(&w->constants, STR(HELD_CLASS)));
    OPS(w, OP_ASTORE, BEFORE, OP_ALOAD, BEFORE);
    size_t was_free = jump(w, OP_IFNULL);
    OPS(w, OP_ALOAD, BEFORE);
    field(w, OP_GETFIELD, HELD_CLASS, "isGone", "Z");
    size_t is_gone = jump(w, OP_IFNE);
    OPS(w, OP_ALOAD, BEFORE);
    call(w, OP_INVOKEVIRTUAL, HELD_CLASS, "get", "()" OBJECT);
    OPS(w, OP_ALOAD, BEFORE);
    field(w, OP_GETFIELD, HELD_CLASS, "number", "J");
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "keep", BRIDGE_HOLD_DESCRIPTOR);
    land(w, was_free);
    land(w, is_gone);
    OPS(w, OP_ALOAD, TABLE, OP_ILOAD, PLACE, OP_ALOAD, BEFORE, OP_ALOAD, MINE);
    call(w, OP_INVOKEVIRTUAL, HELD_TABLE_CLASS, "compareAndSet", "(I" OBJECT OBJECT ")Z");
    jump_back(w, OP_IFEQ, again);
    land(w, no_table);
    land(w, no_object);
    land(w, no_number);
    OPS(w, OP_RETURN);
    w->handler = w->code.n;
    OPS(w, OP_POP, OP_RETURN);
    put_method(w, THIS_METHOD, "hold", BRIDGE_HOLD_DESCRIPTOR, 5, 7);
}

static void put_enter_read(struct writer *w)
{
    enum { SELF = 1, A, B, C, NUMBER, READING = 7 };
    OPS(w, OP_ILOAD, 0);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "begins", "(I)I");
    OPS(w, OP_ISTORE, READING, OP_ILOAD, READING);
    size_t goes_on = jump(w, OP_IFGE);
    OPS(w, OP_LCONST_0, OP_LRETURN);
    land(w, goes_on);
    OPS(w, OP_ILOAD, READING);
    size_t reads = jump(w, OP_IFNE);
    OPS(w, OP_ILOAD, 0, OP_ALOAD, SELF, OP_ALOAD, A, OP_ALOAD, B, OP_ALOAD, C, OP_LLOAD, NUMBER);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "enter", BRIDGE_ENTER_DESCRIPTOR);
    OPS(w, OP_LRETURN);
    land(w, reads);
    OPS(w, OP_ILOAD, 0, OP_ALOAD, SELF, OP_ALOAD, A, OP_ALOAD, B, OP_ILOAD, READING, OP_ALOAD, A,
        OP_ALOAD, B);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "read", READ_DESCRIPTOR);
    OPS(w, OP_LLOAD, NUMBER);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "entered", BRIDGE_ENTER_DESCRIPTOR);
    OPS(w, OP_LRETURN);
    put_method(w, THIS_METHOD, "enterRead", BRIDGE_ENTER_DESCRIPTOR, 7, 8);
}

static void put_fail_read(struct writer *w)
{
    enum { THROWN, A, B, TOKEN, READING = 5, TEXT };
    OPS(w, OP_LLOAD, TOKEN, OP_LCONST_0, OP_LCMP);
    size_t none = jump(w, OP_IFEQ);
    OPS(w, OP_LLOAD, TOKEN);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "ending", "(J)I");
    OPS(w, OP_ISTORE, READING, OP_ILOAD, READING);
    size_t stale = jump(w, OP_IFLT);
    OPS(w, OP_ACONST_NULL, OP_ASTORE, TEXT, OP_ILOAD, READING);
    size_t no_reading = jump(w, OP_IFEQ);
    OPS(w, OP_ILOAD, READING, OP_ALOAD, A, OP_ALOAD, B);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "read", READ_DESCRIPTOR);
    OPS(w, OP_ASTORE, TEXT);
    land(w, no_reading);
    OPS(w, OP_ALOAD, TEXT, OP_ALOAD, THROWN, OP_ALOAD, A, OP_ALOAD, B, OP_LLOAD, TOKEN);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "endedRead", BRIDGE_ENDED_READ_DESCRIPTOR);
    land(w, none);
    land(w, stale);
    OPS(w, OP_RETURN);
    put_method(w, THIS_METHOD, "failRead", BRIDGE_FAIL_READ_DESCRIPTOR, 6, 7);
    OPS(w, OP_ACONST_NULL, OP_ALOAD_0, OP_ALOAD_1, OP_LLOAD, 2);
    call(w, OP_INVOKESTATIC, BRIDGE_CLASS, "failRead", BRIDGE_FAIL_READ_DESCRIPTOR);
    OPS(w, OP_RETURN);
    put_method(w, THIS_METHOD, "exitRead", BRIDGE_EXIT_READ_DESCRIPTOR, 5, 4);
}

static void put_read(struct writer *w)
{
    field(w, OP_GETSTATIC, BRIDGE_CLASS, BRIDGE_READINGS, BRIDGE_READINGS_TYPE);
    OPS(w, OP_ILOAD, 0, OP_ICONST_1, OP_ISUB, OP_AALOAD);
    call(w, OP_INVOKEVIRTUAL, "java/lang/ref/WeakReference", "get", "()" OBJECT);
    op(w, OP_CHECKCAST, constants_class(&w->constants, STR(READING_CLASS)));
    OPS(w, OP_ALOAD_1, OP_ALOAD, 2);
    call(w, OP_INVOKEVIRTUAL, READING_CLASS, READING_METHOD, READER_DESCRIPTOR);
    OPS(w, OP_ARETURN);
    w->handler = w->code.n;
    OPS(w, OP_POP, OP_ACONST_NULL, OP_ARETURN);
    put_method(w, THIS_METHOD, "read", READ_DESCRIPTOR, 3, 3);
}

void emit_bridge(struct bytes_out *o)
{
    struct writer w;
    struct bytes_out fields;
    begin(&w, BRIDGE_CLASS, "java/lang/Object");
    out_init(&fields, METHOD_BYTES);
    put_name(&w, &fields, ACC_STATIC, BRIDGE_HELD, BRIDGE_HELD_TYPE);
    out_u2(&fields, 0);
    put_name(&w, &fields, ACC_STATIC, BRIDGE_READINGS, BRIDGE_READINGS_TYPE);
    out_u2(&fields, 0);
#define PUT_NATIVE(name, descriptor) put_native(&w, #name, descriptor);
    BRIDGE_NATIVE_LIST(PUT_NATIVE)
#undef PUT_NATIVE
    put_exit(&w, "exit", "ended", BRIDGE_EXIT_DESCRIPTOR, OP_ALOAD, TOKEN_OBJECT);
    put_exit(&w, "exitP", "endedP", BRIDGE_EXITP_DESCRIPTOR, OP_LLOAD, TOKEN_LONG);
    put_exit(&w, "fail", "failed", BRIDGE_FAIL_DESCRIPTOR, OP_ALOAD, TOKEN_OBJECT);
    put_find(&w);
    put_enter_held(&w);
    put_hold(&w);
    put_gone(&w);
    put_read(&w);
    put_enter_read(&w);
    put_fail_read(&w);
    finish(&w, o, CLASS_ACCESS, &fields, 2);
    out_done(&fields);
}

// ---- What is held ----------------------------------------------------------------------------

void emit_held(struct bytes_out *o)
{
    struct writer w;
    struct bytes_out fields;
    begin(&w, HELD_CLASS, "java/lang/ref/WeakReference");
    out_init(&fields, METHOD_BYTES);
    put_name(&w, &fields, ACC_FINAL, "number", "J");
    out_u2(&fields, 0);
    put_name(&w, &fields, 0, "isGone", "Z");
    out_u2(&fields, 0);
    OPS(&w, OP_ALOAD_0, OP_LLOAD, 2);
    field(&w, OP_PUTFIELD, HELD_CLASS, "number", "J");
    OPS(&w, OP_ALOAD_0, OP_ALOAD_1);
    call(&w, OP_INVOKESPECIAL, "java/lang/ref/WeakReference", "<init>", "(" OBJECT ")V");
    OPS(&w, OP_RETURN);
    put_method(&w, 0, "<init>", "(" OBJECT "J)V", 3, 4);
    finish(&w, o, CLASS_ACCESS, &fields, 2);
    out_done(&fields);
}

// ---- What reads ------------------------------------------------------------------------------

void emit_reading(struct bytes_out *o)
{
    struct writer w;
    struct bytes_out no_fields;
    begin(&w, READING_CLASS, "java/lang/Object");
    out_init(&no_fields, METHOD_BYTES);
    put_name(&w, &w.methods, ACC_PUBLIC | ACC_ABSTRACT, READING_METHOD, READER_DESCRIPTOR);
    out_u2(&w.methods, 0);
    w.method_count++;
    finish(&w, o, READING_ACCESS, &no_fields, 0);
    out_done(&no_fields);
}
