// SPDX-License-Identifier: Apache-2.0
// Purpose: what is left of a JVM that runs out of heap or threads: a span "OutOfMemoryError" with
// the exception and the stack that asked for too much, in the trace in force if there is one, kept
// whatever is sampled. It is on its way before the JVM is restarted by whoever watches it.
//
// At most one in EXHAUSTION_QUIET_S: a JVM at its end throws thousands, the next one kept says how
// many were left out.
#ifndef SONDE_JVM_EXHAUSTION_H
#define SONDE_JVM_EXHAUSTION_H

#include <jvmti.h>

#define EXHAUSTION_QUIET_S    10
#define EXHAUSTION_FRAMES_MAX 32
#define EXHAUSTION_STACK_MAX  2048 // bytes of its text

// Adds the capabilities that this JVM can give to those that will be asked for.
void exhaustion_capabilities(jvmtiEnv *ti, jvmtiCapabilities *can);

// The event ResourceExhausted.
void JNICALL exhaustion_on_event(jvmtiEnv *ti, JNIEnv *env, jint flags, const void *reserved,
                                 const char *description);

#endif
