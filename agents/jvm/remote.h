// SPDX-License-Identifier: Apache-2.0
// Purpose: the span that continues a trace from headers, for every plug-in that serves or consumes.
#ifndef SONDE_JVM_REMOTE_H
#define SONDE_JVM_REMOTE_H

#include "agents/jvm/headers.h"
#include "agents/jvm/span.h"

// Opens a span that continues what the headers say. Without a trace in them it begins one, with
// their baggage, whatever context the thread has: who serves or consumes serves everybody, also on
// a thread that some request has started. `get` may be NULL: there are no headers. A foreign trace
// ID that is a text is kept as attribute "skywalking.trace_id". NULL as span_open().
struct frame *span_open_entry(struct thread_state *t, const struct plugin_method *m,
                              enum span_kind kind, header_get *get, void *ctx);

#endif
