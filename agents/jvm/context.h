// SPDX-License-Identifier: Apache-2.0
// Purpose: where a piece of work stands in its trace, and how that crosses to other threads and
// processes.
//
// A context is small and immutable: trace, the span that later ones are children of, flags, and
// what travels with the request (tracestate, baggage). Threads hold the one in force by value.
// Headers: W3C Trace Context.
#ifndef SONDE_JVM_CONTEXT_H
#define SONDE_JVM_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/ids.h"

#define TRACESTATE_MAX 512 // W3C: propagate at least so many bytes
#define BAGGAGE_MAX    1024

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

// ---- Headers ---------------------------------------------------------------------------------

// Sets trace, span and flags from a traceparent; false and untouched when it is not valid.
bool context_from_traceparent(struct context *c, struct str header);
// Takes along tracestate and baggage as they came, when they are not too long.
void context_add_luggage(struct context *c, struct str tracestate, struct str baggage);

#define TRACEPARENT_SIZE 56 // with its NUL
void context_traceparent(const struct context *c, char out[TRACEPARENT_SIZE]);
struct str context_tracestate(const struct context *c);
struct str context_baggage(const struct context *c);

#endif
