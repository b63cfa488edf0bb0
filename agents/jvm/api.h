// SPDX-License-Identifier: Apache-2.0
// Purpose: what an application may call: the class sonde.Trace, which is there when the agent is,
// so that nothing needs to be linked. It is found by reflection or through a class of the same name
// and methods to compile against.
//
//   String  traceId(), spanId()          of the context in force; null outside a trace
//   String  baggage(key)                 null when there is none
//   boolean setBaggage(key, value)       for what this thread calls and hands over until the call
//                                        ends that is traced around it; "" or null takes it away
//   boolean tag(key, text or long)       an attribute of the innermost span open on this thread
//   boolean event(name)                  an event of that span
//
// False, and nothing is done: outside a trace, no span of it is open on this thread (a task on a
// pool's thread has a context, no span), a key longer than API_KEY_MAX bytes or empty, a baggage
// value longer than API_BAGGAGE_MAX bytes or a key that is no HTTP token, or the baggage is full.
// Longer texts of tags and events are cut (span.h). Once the agent is detached: null and false.
#ifndef SONDE_JVM_API_H
#define SONDE_JVM_API_H

#include <jni.h>

#define API_KEY_MAX     128
#define API_BAGGAGE_MAX 1024

// Defines the class, or finds it, and binds its natives to this library. To be called by a caller
// that the boot loader has loaded (emit.h). Without it the agent traces all the same.
void api_bind(JNIEnv *env);

#endif
