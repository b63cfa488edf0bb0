// SPDX-License-Identifier: Apache-2.0
// Purpose: the classes of the JVM: probing those that the plug-ins name, and giving every one back
// as it was.
//
// A class reaches its probes on one of three ways:
//   by name       in the load hook, before anything else sees it;
//   by interface  (a class that has a method of a probed interface's) once it is prepared: its
//                 supertypes can be asked only then. No code of it has run, so no call is missed;
//   late          when the agent comes to a JVM that runs: all classes that are there.
//
// Whenever a class comes through the load hook again (because of this agent or another one), its
// probes are put in anew from the bytes at hand. After classes_stop() the hook leaves them as they
// are: that is what giving back means.
#ifndef SONDE_JVM_CLASSES_H
#define SONDE_JVM_CLASSES_H

#include <jvmti.h>

// The capabilities and events these functions need are the caller's to ask for: retransformation of
// any class; ClassFileLoadHook and ClassPrepare, which call:
void JNICALL classes_on_load(jvmtiEnv *ti, JNIEnv *env, jclass redefined, jobject loader,
                             const char *name, jobject domain, jint n, const unsigned char *bytes,
                             jint *ret_n, unsigned char **ret_bytes);
void JNICALL classes_on_prepare(jvmtiEnv *ti, JNIEnv *env, jthread thread, jclass class);

// After match_init() and bridge_bind(): probes what is loaded, and from now on what will be.
void classes_start(jvmtiEnv *ti, JNIEnv *env);

// Every class back to what it was without the agent. Returns how many could not be changed back
// (0: all were); each is logged.
unsigned classes_stop(jvmtiEnv *ti, JNIEnv *env);

#endif
