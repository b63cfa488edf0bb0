// SPDX-License-Identifier: Apache-2.0
// Purpose: the state of the thread that runs: where it is kept, what a new thread begins with, and
// its end.
//
// A platform thread's state is kept in pthread storage, which costs a few nanoseconds. A virtual
// thread (JDK 21 and later) moves from one operating-system thread to another, its carriers, so its
// state is kept in JVMTI's thread-local storage, which moves along and costs some 60 ns. Which
// storage serves is decided once for each operating-system thread, by the class of the Java thread
// that it is first seen with: carriers (jdk.internal.misc.CarrierThread) carry virtual threads and
// all others never do.
//
// The header of an older JDK does not know virtual threads. Their numbers, from the JVM Tool
// Interface 21 specification: capability can_support_virtual_threads, the bit behind
// can_generate_sampled_object_alloc_events; events VirtualThreadStart 87 and VirtualThreadEnd 88.
// The JVM is asked with GetPotentialCapabilities whether it has them.
//
// A thread started in a trace continues it: Thread.start gives it the context as a task's
// (tasks.h), ThreadStart and VirtualThreadStart put it in force.
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

// At start, after the capabilities were added.
void threads_init(jvmtiEnv *jvmti);

// Frees the state of every thread, what it holds, and every kept context. Nobody may be inside
// (inside.h).
void threads_done(JNIEnv *env);

// A reading (bridge.c) whose end was not seen is given up: the thread is not inside any more.
void thread_stop_reading(struct thread_state *t);

// For a thread that comes back from a reading and does not know whether that was given up, nor,
// therefore, whether it is inside: its state when it is, of this life of the agent's; else NULL,
// and no state was touched that might be freed. Takes a lock: for when inside_begin() says false.
struct thread_state *thread_reading(JNIEnv *env);

// Pops the frames above `depth` without writing a span, and lets go of what plug-ins hold with
// them: their ends were not seen.
void thread_drop_frames(JNIEnv *env, struct thread_state *t, unsigned depth);

// The calling thread's state, made at its first use; NULL when memory is out.
struct thread_state *thread_mine(JNIEnv *env);

#endif
