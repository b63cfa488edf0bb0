// SPDX-License-Identifier: Apache-2.0
// Purpose: the fake JVM's functions.
#include "support/fake_jvm.h"

#include <stddef.h>
#include <string.h>

#include "test.h"

atomic_int fake_references;

static struct _jmethodID {
    char unused;
} method;

static const struct fake_jvm *jvm_of_env(JNIEnv *env)
{
    return (const struct fake_jvm *)((const char *)env - offsetof(struct fake_jvm, env));
}

static const struct fake_jvm *jvm_of_ti(jvmtiEnv *ti)
{
    return (const struct fake_jvm *)((const char *)ti - offsetof(struct fake_jvm, jvmti));
}

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

static jclass JNICALL class_of(JNIEnv *env, jobject object)
{
    (void)object;
    return jvm_of_env(env)->class;
}

static jmethodID JNICALL get_method(JNIEnv *env, jclass class, const char *name, const char *type)
{
    (void)env, (void)name, (void)type;
    assert_non_null(class);
    return &method;
}

// Its bytes are the test's: there is nothing to be given back.
static jvmtiError JNICALL get_signature(jvmtiEnv *ti, jclass class, char **ret, char **generic)
{
    (void)class, (void)generic;
    *ret = (char *)jvm_of_ti(ti)->signature;
    return JVMTI_ERROR_NONE;
}

static jvmtiError JNICALL deallocate(jvmtiEnv *ti, unsigned char *bytes)
{
    (void)ti, (void)bytes;
    return JVMTI_ERROR_NONE;
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
    f->jni.GetObjectClass = class_of;
    f->jni.GetMethodID = f->jni.GetStaticMethodID = get_method;
    f->ti.GetClassSignature = get_signature;
    f->ti.Deallocate = deallocate;
    f->ti.GetCapabilities = get_capabilities;
    f->ti.GetPotentialCapabilities = get_capabilities;
    f->env = &f->jni;
    f->jvmti = &f->ti;
    atomic_store(&fake_references, 0);
}
