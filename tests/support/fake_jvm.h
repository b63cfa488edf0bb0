// SPDX-License-Identifier: Apache-2.0
// Purpose: as much of JNI and JVMTI as unit tests of the agent need, without a JVM: references are
// pointers of the test's own, global and weak ones are counted, all objects are of one class, which
// has every method, nothing ever throws. What a test needs beyond that it puts into its copy of the
// tables. Not for several tests at once; any thread.
#ifndef SONDE_TESTS_FAKE_JVM_H
#define SONDE_TESTS_FAKE_JVM_H

#include <jvmti.h>
#include <stdatomic.h>

struct fake_jvm {
    struct JNINativeInterface_ jni;
    struct jvmtiInterface_1_ ti;
    const struct JNINativeInterface_ *env; // a JNIEnv is where this stands
    const struct jvmtiInterface_1_ *jvmti;
    // The test's.
    jclass class;          // of every object
    const char *signature; // of every class
};

// Global and weak references that are held now.
extern atomic_int fake_references;

void fake_jvm_init(struct fake_jvm *f);

#endif
