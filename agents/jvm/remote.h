// SPDX-License-Identifier: Apache-2.0
// Purpose: the span that continues a trace from headers, for every plug-in that serves or consumes.
#ifndef SONDE_JVM_REMOTE_H
#define SONDE_JVM_REMOTE_H

#include "agents/jvm/headers.h"
#include "agents/jvm/span.h"

// Opens a span that continues what the headers say; without a trace in them, one as span_open()
// does, with their baggage. A foreign trace ID that is a text is kept as attribute
// "skywalking.trace_id". NULL as span_open().
struct frame *span_open_from(struct thread_state *t, const struct plugin_method *m,
                             enum span_kind kind, header_get *get, void *ctx);

// The same for a server whose threads serve everybody: without a trace in the headers it begins
// one, whatever context the thread has kept from the request that started it.
struct frame *span_open_entry(struct thread_state *t, const struct plugin_method *m,
                              header_get *get, void *ctx);

#endif
