// SPDX-License-Identifier: Apache-2.0
// Purpose: the fake JVM's functions.
#include "support/fake_jvm.h"

#include <string.h>

atomic_int fake_references;

static jobject JNICALL new_local(JNIEnv *env, jobject object)
{
    (void)env;
    return object;
}

static void JNICALL delete_local(JNIEnv *env, jobject object)
{
    (void)env, (void)object;
}

static jobject JNICALL new_reference(JNIEnv *env, jobject object)
{
    (void)env;
    atomic_fetch_add(&fake_references, object != NULL);
    return object;
}

static void JNICALL delete_reference(JNIEnv *env, jobject object)
{
    (void)env;
    atomic_fetch_sub(&fake_references, object != NULL);
}

static jboolean JNICALL is_same(JNIEnv *env, jobject a, jobject b)
{
    (void)env;
    return a == b;
}

static jboolean JNICALL has_thrown(JNIEnv *env)
{
    (void)env;
    return JNI_FALSE;
}

static jvmtiError JNICALL get_capabilities(jvmtiEnv *ti, jvmtiCapabilities *ret)
{
    (void)ti;
    memset(ret, 0, sizeof *ret);
    return JVMTI_ERROR_NONE;
}

void fake_jvm_init(struct fake_jvm *f)
{
    memset(f, 0, sizeof *f);
    f->jni.NewLocalRef = new_local;
    f->jni.DeleteLocalRef = delete_local;
    f->jni.NewGlobalRef = new_reference;
    f->jni.DeleteGlobalRef = delete_reference;
    f->jni.NewWeakGlobalRef = new_reference;
    f->jni.DeleteWeakGlobalRef = delete_reference;
    f->jni.IsSameObject = is_same;
    f->jni.ExceptionCheck = has_thrown;
    f->ti.GetCapabilities = get_capabilities;
    f->ti.GetPotentialCapabilities = get_capabilities;
    f->env = &f->jni;
    f->jvmti = &f->ti;
    atomic_store(&fake_references, 0);
}
