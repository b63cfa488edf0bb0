// SPDX-License-Identifier: Apache-2.0
// Purpose: the state of the thread that runs: where it is kept, what a new thread begins with, and
// its end.
//
// A platform thread's state is kept in pthread storage, which costs a few nanoseconds. A virtual
// thread (JDK 21 and later) moves from one operating-system thread to another, its carriers, so its
// state is kept in JVMTI's thread-local storage, which moves along and costs about 60 ns. Which
// storage serves is decided once for each operating-system thread, by the class of the Java thread
// that it is first seen with: carriers (jdk.internal.misc.CarrierThread) carry virtual threads and
// all others never do.
//
// The header of an older JDK does not know virtual threads. Their numbers, from the JVM Tool
// Interface 21 specification: capability can_support_virtual_threads, the bit behind
// can_generate_sampled_object_alloc_events; events VirtualThreadStart 87 and VirtualThreadEnd 88.
// The JVM is asked with GetPotentialCapabilities whether it has them.
//
// A thread started in a trace continues it: Thread.start tags the thread (tasks.h), ThreadStart
// puts the context in force.
//
// States end with their threads. threads_done() cannot free those of threads that still run: it
// makes them stale, and the thread's next use after another threads_init() begins anew.
#ifndef SONDE_JVM_THREAD_H
#define SONDE_JVM_THREAD_H

#include <jvmti.h>

#include "agents/jvm/span.h"

// Adds what threads and tasks need to the capabilities that will be asked for.
void threads_capabilities(jvmtiEnv *jvmti, jvmtiCapabilities *can);

// SetEventCallbacks with the caller's callbacks and those of threads and tasks; threads_events()
// then has their events delivered, or no more.
jvmtiError threads_callbacks(jvmtiEnv *jvmti, const jvmtiEventCallbacks *others);
void threads_events(jvmtiEnv *jvmti, bool enable);

// Before the first probe, after the capabilities were added; again after threads_done().
void threads_init(jvmtiEnv *jvmti);

// After the last probe: forgets every context, and says in the log what tasks_counts() tells.
void threads_done(void);

// The calling thread's state, made at its first use; NULL when memory is out or the agent is not
// there.
struct thread_state *thread_mine(JNIEnv *env);

#endif
