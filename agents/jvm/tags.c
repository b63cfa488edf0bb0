// SPDX-License-Identifier: Apache-2.0
// Purpose: tags of Java objects.
#include "agents/jvm/tags.h"

#include "core/must.h"

static jvmtiEnv *jvmti;

void tags_init(jvmtiEnv *env)
{
    ASSERT(env != NULL);
    jvmti = env;
}

void tag_set(jobject object, enum tag_kind kind, uint64_t number)
{
    ASSERT(kind != TAG_NONE && number >> TAG_BITS == 0);
    if (object != NULL) {
        (void)(*jvmti)->SetTag(jvmti, object, (jlong)((uint64_t)kind << TAG_BITS | number));
    }
}

bool tag_get(jobject object, enum tag_kind kind, uint64_t *ret_number)
{
    jlong tag = 0;
    if (object == NULL || (*jvmti)->GetTag(jvmti, object, &tag) != JVMTI_ERROR_NONE ||
        (uint64_t)tag >> TAG_BITS != kind) {
        return false;
    }
    *ret_number = (uint64_t)tag & (((uint64_t)1 << TAG_BITS) - 1);
    return true;
}
