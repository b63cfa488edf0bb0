// SPDX-License-Identifier: Apache-2.0
// Purpose: tags of Java objects.
#include "agents/jvm/tags.h"

#include "core/must.h"

// The JVM keeps a table of tags for each environment, and tells those that ask for ObjectFree of
// every tagged object that dies: prepared statements, of which there are many, are tagged where
// nobody asks.
static jvmtiEnv *heard, *unheard;

void tags_init(JavaVM *vm, jvmtiEnv *env)
{
    static const jvmtiCapabilities can = {.can_tag_objects = 1};
    jvmtiEnv *other = NULL;
    ASSERT(env != NULL);
    heard = unheard = env;
    if ((*vm)->GetEnv(vm, (void **)&other, JVMTI_VERSION_1_2) != JNI_OK) {
        return;
    }
    if ((*other)->AddCapabilities(other, &can) == JVMTI_ERROR_NONE) {
        unheard = other;
    } else {
        (void)(*other)->DisposeEnvironment(other);
    }
}

void tags_done(void)
{
    if (unheard != heard) {
        (void)(*unheard)->DisposeEnvironment(unheard);
    }
    heard = unheard = NULL; // the other one is not ours
}

static jvmtiEnv *of(enum tag_kind kind)
{
    return kind == TAG_TASK ? heard : unheard;
}

void tag_set(jobject object, enum tag_kind kind, uint64_t number)
{
    ASSERT(kind != TAG_NONE && number >> TAG_BITS == 0);
    if (object != NULL) {
        jvmtiEnv *env = of(kind);
        (void)(*env)->SetTag(env, object, (jlong)((uint64_t)kind << TAG_BITS | number));
    }
}

void tag_clear(jobject object, enum tag_kind kind)
{
    if (object != NULL) {
        jvmtiEnv *env = of(kind);
        (void)(*env)->SetTag(env, object, 0);
    }
}

bool tag_is(jlong tag, enum tag_kind kind, uint64_t *ret_number)
{
    if ((uint64_t)tag >> TAG_BITS != kind) {
        return false;
    }
    *ret_number = (uint64_t)tag & (((uint64_t)1 << TAG_BITS) - 1);
    return true;
}

bool tag_get(jobject object, enum tag_kind kind, uint64_t *ret_number)
{
    jlong tag = 0;
    jvmtiEnv *env = of(kind);
    return object != NULL && (*env)->GetTag(env, object, &tag) == JVMTI_ERROR_NONE &&
           tag_is(tag, kind, ret_number);
}
