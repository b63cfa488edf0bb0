// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts in the headers of HTTP requests, RPC calls and messages: the one place that all
// plug-ins call to continue a trace and to send it on.
//
// Read, the first that is whole and valid wins:
//   1. traceparent, with tracestate     W3C Trace Context
//   2. b3                               B3, one header: trace-span[-sampled[-parent]]
//   3. X-B3-TraceId, X-B3-SpanId ...    B3, several
//   4. sw8, with sw8-correlation        SkyWalking 8
// baggage (W3C) is read beside any of them; members of sw8-correlation are added to it where it has
// not their key. Sent: traceparent, tracestate, baggage.
//
// B3: trace IDs of 64 bits are padded with zeros on the left. Sampled "0" and "false" clear the
// flag; "1", "true", "d", X-B3-Flags: 1, and nothing at all set it.
//
// SkyWalking's IDs are texts. A trace ID of 32 hexadecimal digits is taken as it is; of any other,
// the ID is its XXH3-64 and that of "sw8" and it, 8 bytes each, big-endian: the same text gives the
// same ID in every process, so all spans of one trace join. The parent's span ID is the XXH3-64 of
// "<segment ID>-<span index>". The text itself is `origin`, for an attribute of the span that is
// opened.
//
// Limits: tracestate TRACESTATE_MAX bytes and 32 members, cut at whole members, first those over
// 128 bytes and then from the end; one with a malformed member is left out whole, as W3C has it.
// baggage as baggage.h has it. A header longer than HEADER_MAX is as if it were not there.
#ifndef SONDE_JVM_HEADERS_H
#define SONDE_JVM_HEADERS_H

#include "agents/jvm/context.h"

#define HEADER_MAX       8192
#define ORIGIN_MAX       256 // of a foreign ID's text; a longer one is not valid
#define TRACEPARENT_SIZE 56  // with its NUL

// Tells the value of a header, in `out` or elsewhere; of several lines, all values with a comma
// between them. Empty: it is not there, or longer than `room`.
typedef struct str header_get(void *ctx, const char *name, char *out, size_t room);
typedef void header_put(void *ctx, const char *name, const char *value);

// False when there is no trace to continue: *ret is unset but for baggage, and `origin` empty.
// What *ret holds is the caller's to drop.
bool context_extract(header_get *get, void *ctx, struct context *ret, char origin[ORIGIN_MAX + 1]);

void context_inject(const struct context *c, header_put *put, void *ctx);

void context_traceparent(const struct context *c, char out[TRACEPARENT_SIZE]);

#endif
