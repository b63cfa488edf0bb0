// SPDX-License-Identifier: Apache-2.0
// Purpose: the state of the thread that runs: a platform thread's in pthread storage, and where the
// JDK has virtual threads (21 and later) in JVMTI's storage, which moves with them from carrier to
// carrier.
#ifndef SONDE_JVM_THREAD_H
#define SONDE_JVM_THREAD_H

#include <jvmti.h>

#include "agents/jvm/span.h"

// At start. `has_virtual`: the JVM has virtual threads.
void threads_init(jvmtiEnv *jvmti, bool has_virtual);

// Frees the state of every thread, and what it holds. Nobody may be inside (inside.h).
void threads_done(JNIEnv *env);

// The calling thread's state, made at its first use; NULL when memory is out.
struct thread_state *thread_mine(void);

// At the thread's end (events ThreadEnd and VirtualThreadEnd).
void thread_end(JNIEnv *env);

#endif
