// SPDX-License-Identifier: Apache-2.0
// Purpose: where a piece of work stands in its trace, and how that crosses to other threads and
// processes.
//
// A context is small and immutable: trace, the span that later ones are children of, flags, and
// what travels with the request (tracestate, baggage). Threads hold the one in force by value;
// tasks that wait in a queue hold a copy in a bounded table (context_keep), named by a handle that
// is a slot and a generation, so that a stale handle finds nothing instead of a stranger's trace.
//
// Headers: W3C Trace Context and Baggage in and out; B3 (single and multiple) and sw8 read.
#ifndef SONDE_JVM_CONTEXT_H
#define SONDE_JVM_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/ids.h"

#define TRACESTATE_MAX 512 // W3C: propagate at least so many bytes
#define BAGGAGE_MAX    1024
#define CONTEXTS_MAX   65536 // kept for tasks; beyond it a task starts a trace of its own, counted

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

// A copy, holding its own reference of the luggage; and its end.
struct context context_copy(const struct context *c);
void context_drop(struct context *c);

// Keeps a copy for a task; 0 when the table is full. Any thread.
uint64_t context_keep(const struct context *c);
// Takes the kept copy out; an unset context when the handle is stale.
struct context context_take(uint64_t handle);
// A copy of the kept one, which stays.
struct context context_peek(uint64_t handle);

// ---- Headers ---------------------------------------------------------------------------------

// Sets trace, span and flags from a traceparent; false and untouched when it is not valid.
bool context_from_traceparent(struct context *c, struct str header);
bool context_from_b3(struct context *c, struct str single);
bool context_from_b3_multiple(struct context *c, struct str trace, struct str span,
                              struct str sampled);
bool context_from_sw8(struct context *c, struct str header);
// Takes along tracestate and baggage as they came, when they are not too long.
void context_add_luggage(struct context *c, struct str tracestate, struct str baggage);

#define TRACEPARENT_SIZE 56 // with its NUL
void context_traceparent(const struct context *c, char out[TRACEPARENT_SIZE]);
struct str context_tracestate(const struct context *c);
struct str context_baggage(const struct context *c);

#endif
