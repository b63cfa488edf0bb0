// SPDX-License-Identifier: Apache-2.0
// Purpose: the native side of java/lang/SondeBridge: finds the probe that was hit, guards against
// probes within probes, calls the plug-in and closes what it opened, whatever happens in it.
#ifndef SONDE_JVM_BRIDGE_H
#define SONDE_JVM_BRIDGE_H

#include "agents/jvm/plugin.h"

#define PROBES_MAX 2048

// Gives the method the next probe ID. False when there are PROBES_MAX.
bool bridge_add(struct plugin_method *m);

// Defines the bridge's classes, or finds them where an earlier agent left them, and binds their
// natives to this library. False, and logged, when that fails.
bool bridge_bind(JNIEnv *env);

// From now on every probe does nothing: for detaching and for the end of the JVM.
void bridge_silence(void);

#endif
