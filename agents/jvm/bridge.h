// SPDX-License-Identifier: Apache-2.0
// Purpose: the native side of java/lang/SondeBridge: finds the probe that was hit, guards against
// probes within probes, calls the plug-in and closes what it opened, whatever happens in it.
#ifndef SONDE_JVM_BRIDGE_H
#define SONDE_JVM_BRIDGE_H

#include "agents/jvm/plugin.h"

#define PROBES_MAX 2048

// Gives the method the next probe ID. False when there are PROBES_MAX.
bool bridge_add(struct plugin_method *m);

struct bytes_out;
// A class of the boot loader's, found where an earlier agent left it or defined from what `emit`
// writes. NULL, and no exception pending, when that fails.
jclass bridge_define(JNIEnv *env, const char *name, void (*emit)(struct bytes_out *o));

// Defines the bridge's classes, or finds them where an earlier agent left them, and binds their
// natives to this library. False, and logged, when that fails.
bool bridge_bind(JNIEnv *env);

// The thread's state when a native may act now: the agent is there, the thread not inside it
// already, and there is room for local references; else NULL. bridge_leave() must follow: it clears
// what exception is pending, drops the local references but `result`, and returns that.
struct thread_state *bridge_enter(JNIEnv *env);
jobject bridge_leave(JNIEnv *env, struct thread_state *t, jobject result);

// From now on every probe does nothing: for detaching and for the end of the JVM.
void bridge_silence(void);

#endif
