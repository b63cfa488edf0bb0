// SPDX-License-Identifier: Apache-2.0
// Purpose: what every client of Redis says of a command in its span, by the conventions. Keys and
// values are an application's data: a command's name is shown, and one mark an argument.
#ifndef SONDE_JVM_REDIS_SPAN_H
#define SONDE_JVM_REDIS_SPAN_H

#include <stdint.h>

#include "agents/jvm/plugin.h"

#define REDIS_COMMAND_MAX 32 // of a name

// A command's name, from what goes over the wire, in the caller's buffer; empty when it is none.
struct str redis_command_name(JNIEnv *env, jbyteArray raw, char out[REDIS_COMMAND_MAX]);
// A name kept under a number, for a call whose answer is read elsewhere; 0 for none, and for those
// beyond REDIS_COMMANDS_MAX, counted: Redis itself has some 400. Any thread.
#define REDIS_COMMANDS_MAX 512
uint32_t redis_command_id(struct str name);
struct str redis_command_get(uint32_t id);
void redis_span_command(struct frame *f, struct str name, jint arguments);
// Of an exception with the text that Redis has answered, or another of the client's.
void redis_span_error(JNIEnv *env, struct frame *f, jthrowable failure);
// At the end: whether it was slow.
void redis_span_end(struct frame *f);

#endif
