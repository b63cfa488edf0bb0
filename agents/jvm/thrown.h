// SPDX-License-Identifier: Apache-2.0
// Purpose: what a Throwable says, as text: its class, its message, and where it comes from. Texts
// are written into the caller's buffers and cut there; no exception is left pending.
#ifndef SONDE_JVM_THROWN_H
#define SONDE_JVM_THROWN_H

#include <jni.h>

#include "core/str.h"

#define THROWN_TYPE_MAX   256
#define THROWN_CAUSES_MAX 4  // behind the first
#define THROWN_LINES_MAX  32 // places of the last cause; of what it is the cause of:
#define THROWN_LINES_FEW  12

struct str thrown_type(JNIEnv *env, jthrowable thrown, char *out, size_t room);
struct str thrown_message(JNIEnv *env, jthrowable thrown, char *out, size_t room);

// As Java prints it: its own text, "\tat shop.Cart.add(Cart.java:12)" a line, "\t... 7 more" for
// those left out, "Caused by: " and the same of its cause; whole lines, as far as there is room.
// *ret_place is the first place, in `out`.
struct str thrown_stack(JNIEnv *env, jthrowable thrown, char *out, size_t room,
                        struct str *ret_place);

#endif
