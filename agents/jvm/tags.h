// SPDX-License-Identifier: Apache-2.0
// Purpose: a number that goes with a Java object for as long as it lives, without keeping it alive:
// JVMTI's object tags. An object has one tag of a task, of whose end tasks.h hears, and one of the
// other kinds; its kind says whose it is. Any thread.
#ifndef SONDE_JVM_TAGS_H
#define SONDE_JVM_TAGS_H

#include <jvmti.h>
#include <stdbool.h>
#include <stdint.h>

enum tag_kind { TAG_NONE, TAG_CONNECTION, TAG_HELD, TAG_TASK, TAG_CALL };

#define TAG_BITS 56 // of the number

// Once, at start. Needs the capability can_tag_objects.
void tags_init(JavaVM *vm, jvmtiEnv *jvmti);
// Forgets every tag. Nobody may be inside (inside.h).
void tags_done(void);

// Replaces what tag there was.
void tag_set(jobject object, enum tag_kind kind, uint64_t number);
void tag_clear(jobject object, enum tag_kind kind);
// False when the object has no tag of that kind.
bool tag_get(jobject object, enum tag_kind kind, uint64_t *ret_number);
// The same for a tag as the event ObjectFree tells it.
bool tag_is(jlong tag, enum tag_kind kind, uint64_t *ret_number);

#endif
