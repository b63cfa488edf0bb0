// SPDX-License-Identifier: Apache-2.0
// Purpose: the classes that the agent defines, written as bytes because the agent has no Java
// source (the bridge is bridge_class.h). Pure.
//
// sonde/Boot { static int nextId; static native void init(); static void run() { init(); } }.
// nextId is the first probe ID that no agent of this JVM has taken. Natives of a class in
// java.* must be registered by a caller that the boot loader has loaded, or JDK 17 and later warn
// "Re-registering of platform native method": so the agent calls run(), and its init() registers
// the bridge's natives.
//
// sonde/Waiter implements BiConsumer { long handle; native void accept(Object, Object); } is what a
// future is asked to call at its end (future.h). It has no constructor: JNI allocates it.
#ifndef SONDE_JVM_EMIT_H
#define SONDE_JVM_EMIT_H

#include "agents/jvm/bytes_out.h"

// sonde/Trace is for the application: natives alone, those of api.h.
#define BOOT_CLASS               "sonde/Boot"
#define BOOT_NEXT_ID             "nextId"
#define TRACE_CLASS              "sonde/Trace"
#define WAITER_CLASS             "sonde/Waiter"
#define WAITER_HANDLE            "handle"
#define WAITER_ACCEPT_DESCRIPTOR "(Ljava/lang/Object;Ljava/lang/Object;)V"

// Append the class file; `failed` is set when memory ran out.
void emit_boot(struct bytes_out *o);
void emit_trace(struct bytes_out *o);
void emit_waiter(struct bytes_out *o);

#endif
