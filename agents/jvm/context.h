// SPDX-License-Identifier: Apache-2.0
// Purpose: where a piece of work stands in its trace, and how that crosses to other threads and
// processes.
//
// A context is small: trace, the span that later ones are children of, flags, and what travels with
// the request (tracestate, baggage). Threads hold the one in force by value. Its way into and out
// of headers is headers.h.
#ifndef SONDE_JVM_CONTEXT_H
#define SONDE_JVM_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/ids.h"

#define TRACESTATE_MAX 512  // W3C: propagate at least so many bytes
#define BAGGAGE_MAX    8192 // the same of W3C Baggage

enum { CONTEXT_SAMPLED = 1, CONTEXT_REMOTE = 2 };

// What travels along unchanged; shared by every context of a request, reference-counted.
struct luggage;

struct context {
    trace_id trace; // zero: no trace is in force
    span_id span;
    uint8_t flags;
    struct luggage *luggage; // NULL when there is none
};

static inline bool context_is_set(const struct context *c)
{
    return !trace_id_is_zero(c->trace);
}

// Whether both stand at the same place of the same trace.
bool context_is_same(const struct context *a, const struct context *b);

// A copy, holding its own reference of the luggage; and its end.
struct context context_copy(const struct context *c);
void context_drop(struct context *c);

// ---- Luggage ---------------------------------------------------------------------------------

struct str context_tracestate(const struct context *c);
struct str context_baggage(const struct context *c);
// Replaces both; what is too long is left out. Other contexts that share the old ones keep them.
void context_set_luggage(struct context *c, struct str tracestate, struct str baggage);

// One value of the baggage, decoded, in the caller's buffer; p == NULL when there is none or it
// does not fit.
struct str context_baggage_get(const struct context *c, struct str key, char *out, size_t room);
// Sets it for this context and those that are made from it later; an empty value takes it away.
// False, and nothing is changed: the key is no token of HTTP, the value no UTF-8, or the whole
// would be longer than BAGGAGE_MAX.
bool context_baggage_set(struct context *c, struct str key, struct str value);

#endif
