// SPDX-License-Identifier: Apache-2.0
// Purpose: writing the class file of a reader.
#include "agents/jvm/reader_class.h"

#include <string.h>

#include "agents/jvm/bridge_class.h"
#include "agents/jvm/bytecode.h"
#include "agents/jvm/rewrite_internal.h"
#include "core/must.h"

#define STACK      4 // a builder, an object, and two arguments
#define VALUE_ROOM 8 // of a value in a builder's first array, which grows by copies

enum { PUBLIC = 0x0001, FINAL = 0x0010, SUPER = 0x0020, JAVA_8 = 52 };

#define OBJECT  "Ljava/lang/Object;"
#define STRING  "Ljava/lang/String;"
#define BUILDER "Ljava/lang/StringBuilder;"

struct writer {
    struct constants constants;
    struct bytes_out code;
    uint16_t builder, objects;                            // Class
    uint16_t add_text, add_int, add_bool, add_char, text; // Methodref
    uint16_t empty;                                       // String
};

static void op(struct writer *w, enum opcode code, unsigned operand)
{
    out_u1(&w->code, code);
    out_u2(&w->code, operand);
}

static uint16_t builder_method(struct writer *w, const char *name, const char *descriptor)
{
    return constants_method(&w->constants, CP_METHODREF, w->builder, str_of(name),
                            str_of(descriptor));
}

static void begin(struct writer *w, unsigned count)
{
    struct constants *k = &w->constants;
    *k = (struct constants){.next = 1};
    out_init(&k->out, CLASS_BYTES_MAX);
    out_init(&w->code, UINT16_MAX);
    w->builder = constants_class(k, STR("java/lang/StringBuilder"));
    w->objects = constants_class(k, STR("java/util/Objects"));
    w->add_text = builder_method(w, "append", "(" STRING ")" BUILDER);
    w->add_int = builder_method(w, "append", "(I)" BUILDER);
    w->add_bool = builder_method(w, "append", "(Z)" BUILDER);
    w->add_char = builder_method(w, "append", "(C)" BUILDER);
    w->text = constants_method(k, CP_METHODREF, w->objects, STR("toString"),
                               STR("(" OBJECT STRING ")" STRING));
    w->empty = constants_string(k, STR(""));
    op(w, OP_NEW, w->builder);
    out_u1(&w->code, OP_DUP);
    op(w, OP_SIPUSH, count * VALUE_ROOM);
    op(w, OP_INVOKESPECIAL, builder_method(w, "<init>", "(I)V"));
}

// The call: its result is on the stack.
static void call(struct writer *w, const struct reader_step *s)
{
    uint16_t owner = constants_class(&w->constants, str_of(s->owner));
    uint16_t method = constants_method(&w->constants, CP_INTERFACE_METHODREF, owner,
                                       str_of(s->method), str_of(s->descriptor));
    if (s->of != READER_LINK) {
        out_u1(&w->code, s->of == READER_A ? OP_ALOAD_0 : OP_ALOAD_1);
        op(w, OP_CHECKCAST, owner);
    }
    const char *arguments[] = {s->argument, s->second};
    unsigned words = 1;
    for (; words <= 2 && arguments[words - 1] != NULL; words++) {
        op(w, OP_LDC_W, constants_string(&w->constants, str_of(arguments[words - 1])));
    }
    op(w, OP_INVOKEINTERFACE, method);
    out_u1(&w->code, words);
    out_u1(&w->code, 0);
}

static void append(struct writer *w, const struct reader_step *s)
{
    char type = strchr(s->descriptor, ')')[1];
    ASSERT(type == 'L' || type == 'I' || type == 'Z' || type == 'V');
    if (type == 'V') {
        return;
    }
    if (type == 'L') {
        op(w, OP_LDC_W, w->empty);
        op(w, OP_INVOKESTATIC, w->text);
    }
    op(w, OP_INVOKEVIRTUAL, type == 'L' ? w->add_text : type == 'I' ? w->add_int : w->add_bool);
}

static void separate(struct writer *w)
{
    op(w, OP_SIPUSH, READER_SEPARATOR);
    op(w, OP_INVOKEVIRTUAL, w->add_char);
}

static void put_steps(struct writer *w, const struct reader_step *steps, unsigned count,
                      uint32_t left_out)
{
    for (unsigned i = 0; i < count; i++) {
        bool is_out = (left_out >> i & 1) != 0;
        bool is_link = i + 1 < count && steps[i + 1].of == READER_LINK;
        ASSERT(i > 0 || steps[i].of != READER_LINK);
        if (is_link && !is_out) { // the builder stays below what the next step is called on
            separate(w);
            call(w, &steps[i]);
            continue;
        }
        if (!is_out) {
            call(w, &steps[i]);
            append(w, &steps[i]);
        }
        separate(w);
    }
    op(w, OP_INVOKEVIRTUAL, builder_method(w, "toString", "()" STRING));
    out_u1(&w->code, OP_ARETURN);
}

// Its only jump, if any, goes to `target`, where locals are as at the beginning and the stack is
// empty; 0: none.
static void put_method(struct bytes_out *o, unsigned access, const uint16_t names[4],
                       const struct bytes_out *code, unsigned stack, unsigned locals,
                       unsigned target)
{
    const unsigned map_n = target > 0 ? 6 + 3 : 0;
    ASSERT(target < 64); // what a frame of one byte says
    out_u2(o, access);
    out_u2(o, names[0]); // its name, its descriptor
    out_u2(o, names[1]);
    out_u2(o, 1);
    out_u2(o, names[2]); // "Code"
    out_u4(o, (uint32_t)(12 + code->n + map_n));
    out_u2(o, stack);
    out_u2(o, locals);
    out_u4(o, (uint32_t)code->n);
    out_bytes(o, code->p, code->n);
    out_u2(o, 0); // handlers
    out_u2(o, target > 0);
    if (target > 0) {
        out_u2(o, names[3]); // "StackMapTable"
        out_u4(o, map_n - 6);
        out_u2(o, 1);
        out_u1(o, target);
    }
}

// The code of get(), which calls read(), and where it gives null.
static unsigned put_get(struct writer *w, struct bytes_out *get, const char *owner,
                        uint16_t this_class)
{
    uint16_t read = constants_method(&w->constants, CP_METHODREF, this_class, STR(READER_METHOD),
                                     STR(READER_DESCRIPTOR));
    uint16_t interface = constants_class(&w->constants, str_of(owner));
    enum { JUMP = 4, NOTHING = 14 };
    const uint8_t code[] = {
        OP_ALOAD_1,
        OP_INSTANCEOF,
        (uint8_t)(interface >> 8),
        (uint8_t)interface,
        OP_IFEQ,
        0,
        NOTHING - JUMP,
        OP_ALOAD_1,
        OP_ALOAD,
        2,
        OP_INVOKESTATIC,
        (uint8_t)(read >> 8),
        (uint8_t)read,
        OP_ARETURN,
        OP_ACONST_NULL,
        OP_ARETURN,
    };
    out_init(get, sizeof code);
    out_bytes(get, code, sizeof code);
    return NOTHING;
}

// Names come last: every constant is there then.
static void assemble(struct bytes_out *o, struct writer *w, struct str class_name,
                     const char *owner)
{
    struct constants *k = &w->constants;
    struct bytes_out get;
    uint16_t this_class = constants_class(k, class_name);
    uint16_t super = constants_class(k, STR(READING_CLASS));
    unsigned nothing = put_get(w, &get, owner, this_class);
    uint16_t names[] = {constants_utf8(k, STR(READER_METHOD)),
                        constants_utf8(k, STR(READER_DESCRIPTOR)), constants_utf8(k, STR("Code")),
                        constants_utf8(k, STR("StackMapTable"))};
    uint16_t get_names[] = {constants_utf8(k, STR(READING_METHOD)), names[1], names[2], names[3]};
    uint16_t self = constants_utf8(k, STR(READER_SELF)), object = constants_utf8(k, STR(OBJECT));
    out_u4(o, 0xCAFEBABE);
    out_u4(o, JAVA_8);
    out_u2(o, k->next);
    out_bytes(o, k->out.p, k->out.n);
    out_u2(o, PUBLIC | FINAL | SUPER | ACC_SYNTHETIC);
    out_u2(o, this_class);
    out_u2(o, super);
    out_u2(o, 0); // interfaces
    out_u2(o, 1);
    out_u2(o, ACC_STATIC);
    out_u2(o, self);
    out_u2(o, object);
    out_u2(o, 0);
    out_u2(o, 2);
    put_method(o, PUBLIC | ACC_STATIC, names, &w->code, STACK, 2, 0);
    put_method(o, PUBLIC, get_names, &get, 2, 3, nothing);
    out_u2(o, 0);
    o->failed =
        o->failed || k->out.failed || w->code.failed || get.failed || constants_too_large(k);
    out_done(&get);
}

void emit_reader(struct bytes_out *o, struct str class_name, const struct reader_step *steps,
                 unsigned count, uint32_t left_out)
{
    struct writer w;
    ASSERT(count > 0 && count <= READER_STEPS_MAX);
    ASSERT(steps[0].of == READER_A);
    begin(&w, count);
    put_steps(&w, steps, count, left_out);
    assemble(o, &w, class_name, steps[0].owner);
    constants_done(&w.constants);
    out_done(&w.code);
}
