// SPDX-License-Identifier: Apache-2.0
// Purpose: a number that goes with a Java object for as long as it lives, without keeping it alive:
// JVMTI's object tags. An object has one tag; its kind says whose it is. Any thread.
#ifndef SONDE_JVM_TAGS_H
#define SONDE_JVM_TAGS_H

#include <jvmti.h>
#include <stdbool.h>
#include <stdint.h>

enum tag_kind { TAG_NONE, TAG_CONNECTION, TAG_STATEMENT };

#define TAG_BITS 56 // of the number

// Once, at start. Needs the capability can_tag_objects.
void tags_init(jvmtiEnv *jvmti);

// Replaces what tag there was.
void tag_set(jobject object, enum tag_kind kind, uint64_t number);
// False when the object has no tag of that kind.
bool tag_get(jobject object, enum tag_kind kind, uint64_t *ret_number);

#endif
