// SPDX-License-Identifier: Apache-2.0
// Purpose: the native side of java/lang/SondeBridge: finds the probe that was hit, guards against
// probes within probes, calls the plug-in and closes what it opened, whatever happens in it.
#ifndef SONDE_JVM_BRIDGE_H
#define SONDE_JVM_BRIDGE_H

#include "agents/jvm/plugin.h"

#define PROBES_MAX 2048

// Defines the bridge's classes, or finds them where an earlier agent left them, and binds their
// natives to this library. NULL, or a sentence that says why not. May be called again after
// bridge_unbind(). Whether probes act is said by inside.h.
const char *bridge_bind(JNIEnv *env);

// After bridge_bind(). Gives the method a probe ID: at its first call the next one, later the same,
// because calls that run while the agent is away come back with it. IDs are never shared with
// another library's agent in the same JVM. False when there are PROBES_MAX.
bool bridge_add(struct plugin_method *m);

// Lets go of what it holds of the JVM. The natives stay bound, for what still runs in old code.
void bridge_unbind(JNIEnv *env);

#endif
