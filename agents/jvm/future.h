// SPDX-License-Identifier: Apache-2.0
// Purpose: spans that last until a java.util.concurrent.CompletableFuture ends: an object of a
// class that the agent defines (emit.h) is registered with the future's whenComplete(). Any thread.
//
//   enter ---> on the stack ---exit, future_watch()---> pending ---the future ends---> written
//
// How it ended is what the future itself tells, also when it had ended before: nothing that the
// agent asks of it counts. A future that ends while it is being watched is seen by both sides, and
// pending_take() gives the span to one.
#ifndef SONDE_JVM_FUTURE_H
#define SONDE_JVM_FUTURE_H

#include "agents/jvm/plugin.h"

// Of bridge_bind() and bridge_unbind(). Without memory for it, spans end with the call.
void future_bind(JNIEnv *env);
void future_unbind(JNIEnv *env);

// For a plug-in's exit. Moves the thread's top frame, a span, to where it waits for the future's
// end; its method's `ended` is called then. The span ends with the call, and
// says nothing of how, when that cannot be: whenComplete() throws.
void future_watch(struct call *c, jobject future);

#endif
