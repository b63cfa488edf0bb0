// SPDX-License-Identifier: Apache-2.0
// Purpose: the class files of the bridge's registrar and of the application's API.
#include "agents/jvm/emit.h"

#include "agents/jvm/bytecode.h"
#include "agents/jvm/classfile.h"
#include "core/must.h"

enum {
    ACC_PUBLIC = 0x0001,
    ACC_FINAL = 0x0010,
    ACC_SUPER = 0x0020,
    CLASS_ACCESS = ACC_PUBLIC | ACC_FINAL | ACC_SUPER | ACC_SYNTHETIC,
    NATIVE_ACCESS = ACC_PUBLIC | ACC_STATIC | ACC_NATIVE,
    JAVA_8 = 52,
};

struct native_method {
    const char *name, *descriptor;
};

static const struct native_method TRACE_METHODS[] = {
    {"traceId", "()Ljava/lang/String;"},
    {"spanId", "()Ljava/lang/String;"},
    {"baggage", "(Ljava/lang/String;)Ljava/lang/String;"},
    {"setBaggage", "(Ljava/lang/String;Ljava/lang/String;)Z"},
    {"tag", "(Ljava/lang/String;Ljava/lang/String;)Z"},
    {"tag", "(Ljava/lang/String;J)Z"},
    {"event", "(Ljava/lang/String;)Z"},
};
#define TRACE_METHOD_COUNT (sizeof TRACE_METHODS / sizeof *TRACE_METHODS)

// Everything up to the constants that a class has beside its names: 1 this name, 2 this, 3 super
// name, 4 super.
static void put_head(struct bytes_out *o, const char *name, unsigned constant_count)
{
    ASSERT(constant_count >= 5);
    out_u4(o, 0xCAFEBABE);
    out_u2(o, 0);
    out_u2(o, JAVA_8);
    out_u2(o, constant_count);
    out_utf8(o, str_of(name));
    out_u1(o, CP_CLASS);
    out_u2(o, 1);
    out_utf8(o, STR("java/lang/Object"));
    out_u1(o, CP_CLASS);
    out_u2(o, 3);
}

// Access, names, the interface that it implements (0: none); the fields follow.
static void put_middle(struct bytes_out *o, unsigned interface, unsigned field_count)
{
    ASSERT(field_count <= 1);
    out_u2(o, CLASS_ACCESS);
    out_u2(o, 2);
    out_u2(o, 4);
    out_u2(o, interface != 0);
    if (interface != 0) {
        out_u2(o, interface);
    }
    out_u2(o, field_count);
}

// A field or a method.
static void put_member(struct bytes_out *o, unsigned access, unsigned name, unsigned descriptor,
                       unsigned attributes)
{
    ASSERT(name > 0 && descriptor > 0);
    out_u2(o, access);
    out_u2(o, name);
    out_u2(o, descriptor);
    out_u2(o, attributes);
}

// A class with nothing but native methods.
static void put_natives(struct bytes_out *o, const char *name, const struct native_method *methods,
                        unsigned count)
{
    put_head(o, name, 5 + 2 * count);
    for (unsigned i = 0; i < count; i++) {
        out_utf8(o, str_of(methods[i].name));
        out_utf8(o, str_of(methods[i].descriptor));
    }
    put_middle(o, 0, 0);
    out_u2(o, count);
    for (unsigned i = 0; i < count; i++) {
        put_member(o, NATIVE_ACCESS, 5 + 2 * i, 6 + 2 * i, 0);
    }
    out_u2(o, 0);
}

void emit_trace(struct bytes_out *o)
{
    put_natives(o, TRACE_CLASS, TRACE_METHODS, TRACE_METHOD_COUNT);
}

void emit_boot(struct bytes_out *o)
{
    enum { RUN = 5, INIT, NO_ARGUMENTS, CODE, NEXT_ID, INT, NAME_AND_TYPE, INIT_METHOD, CONSTANTS };
    put_head(o, BOOT_CLASS, CONSTANTS);
    out_utf8(o, STR("run"));
    out_utf8(o, STR("init"));
    out_utf8(o, STR("()V"));
    out_utf8(o, STR("Code"));
    out_utf8(o, STR(BOOT_NEXT_ID));
    out_utf8(o, STR("I"));
    out_u1(o, CP_NAME_AND_TYPE);
    out_u2(o, INIT);
    out_u2(o, NO_ARGUMENTS);
    out_u1(o, CP_METHODREF);
    out_u2(o, 2);
    out_u2(o, NAME_AND_TYPE);
    put_middle(o, 0, 1);
    put_member(o, ACC_PUBLIC | ACC_STATIC, NEXT_ID, INT, 0);
    out_u2(o, 2);
    put_member(o, NATIVE_ACCESS, INIT, NO_ARGUMENTS, 0);
    put_member(o, ACC_PUBLIC | ACC_STATIC, RUN, NO_ARGUMENTS, 1);
    out_u2(o, CODE);
    out_u4(o, 16);
    out_u2(o, 0); // stack
    out_u2(o, 0); // locals
    out_u4(o, 4);
    out_u1(o, OP_INVOKESTATIC);
    out_u2(o, INIT_METHOD);
    out_u1(o, OP_RETURN);
    out_u2(o, 0); // handlers
    out_u2(o, 0); // attributes
    out_u2(o, 0);
}

void emit_waiter(struct bytes_out *o)
{
    enum { INTERFACE_NAME = 5, INTERFACE, HANDLE, LONG, ACCEPT, TWO_OBJECTS, CONSTANTS };
    put_head(o, WAITER_CLASS, CONSTANTS);
    out_utf8(o, STR("java/util/function/BiConsumer"));
    out_u1(o, CP_CLASS);
    out_u2(o, INTERFACE_NAME);
    out_utf8(o, STR(WAITER_HANDLE));
    out_utf8(o, STR("J"));
    out_utf8(o, STR("accept"));
    out_utf8(o, STR(WAITER_ACCEPT_DESCRIPTOR));
    put_middle(o, INTERFACE, 1);
    put_member(o, ACC_PUBLIC, HANDLE, LONG, 0);
    out_u2(o, 1);
    put_member(o, ACC_PUBLIC | ACC_NATIVE, ACCEPT, TWO_OBJECTS, 0);
    out_u2(o, 0);
}
