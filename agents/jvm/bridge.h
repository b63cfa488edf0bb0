// SPDX-License-Identifier: Apache-2.0
// Purpose: the native side of java/lang/SondeBridge2: finds the probe that was hit, guards against
// probes within probes, calls the plug-in and closes what it opened, whatever happens in it.
#ifndef SONDE_JVM_BRIDGE_H
#define SONDE_JVM_BRIDGE_H

#include "agents/jvm/plugin.h"

#define PROBES_MAX 2048

struct bytes_out;
// A class of the boot loader's, found where an earlier agent left it or defined from what `emit`
// writes. NULL, and no exception pending, when that fails.
jclass bridge_define(JNIEnv *env, const char *name, void (*emit)(struct bytes_out *o));

// The thread's state when a native may act now: the agent is there, the thread not inside it
// already, and there is room for local references; else NULL. bridge_leave() must follow: it clears
// what exception is pending. Local references end with the native, as JNI has it: a frame of their
// own would cost as much as several calls of Java's.
struct thread_state *bridge_enter(JNIEnv *env);
void bridge_leave(JNIEnv *env, struct thread_state *t);

// The object's method without arguments (java_object()), for a callback that asks, and keeps for
// the application, what that would ask itself: its probes act meanwhile as they would without the
// callback, and what it takes is not the agent's.
jobject bridge_ask_outside(struct call *c, struct java_method *m, jobject object);

// Has the bridge read by an instance of a reader's class, at this place (from 1) of its readings.
bool bridge_publish(JNIEnv *env, unsigned place, jclass reader_class);

// Says on a span what was thrown.
void bridge_exception(JNIEnv *env, struct frame *f, jthrowable thrown);

// Defines the bridge's classes, or finds them where an earlier agent left them, and binds their
// natives to this library. NULL, or a sentence that says why not. May be called again after
// bridge_unbind(). Whether probes act is said by inside.h.
const char *bridge_bind(JNIEnv *env);

// After bridge_bind(). Gives the method a probe ID: at its first call the next one, later the same,
// because calls that run while the agent is away come back with it. IDs are never shared with
// another library's agent in the same JVM. False when there are PROBES_MAX.
bool bridge_add(struct plugin_method *m);

// Lets go of what it holds of the JVM. The natives stay bound, for what still runs in old code.
// `is_quiet`: nobody is inside; otherwise what a callback may be using stays, once.
void bridge_unbind(JNIEnv *env, bool is_quiet);

#endif
