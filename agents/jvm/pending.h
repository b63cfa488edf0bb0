// SPDX-License-Identifier: Apache-2.0
// Purpose: spans that end on another thread than they began on, or later than the call that opened
// them: asynchronous requests and calls. A span is moved here from its thread's stack; whoever
// learns of its end takes it out by its handle, says what is to be said, and gives it back.
//
// A handle is a slot and its generation: one that comes twice, or too late, finds nothing. It fits
// an object's tag (tags.h). A span whose end is not known after PENDING_AGE_S (options.h) is
// written as it stands. There are PENDING_MAX slots; when all are taken, the new span is written at
// once. Both are counted. Any thread; the lock is held for a few instructions.
#ifndef SONDE_JVM_PENDING_H
#define SONDE_JVM_PENDING_H

#include "agents/jvm/span.h"

#define PENDING_MAX 2048

// Moves the thread's top frame, a span, here. 0 when the span had to be written at once instead.
uint64_t pending_put(struct thread_state *t);

// A copy of the span's context, holding its own references; false when the handle is stale.
bool pending_context(uint64_t handle, struct context *ret);

// The same of the context it was opened in, unset when it began a trace.
bool pending_outer(uint64_t handle, struct context *ret);

// The span, the caller's alone until pending_end(); NULL when the handle is stale.
struct frame *pending_take(uint64_t handle);
// Writes it and frees its slot.
void pending_end(struct frame *f);

// Writes those that have waited for `age_s`: PENDING_AGE_S, unless a test cannot wait so long. The
// reporting thread calls it now and then: it waits for room in its ring, a second in all.
void pending_sweep(uint64_t age_s);

// Writes what is still waiting and frees everything: the agent stops, no probe acts any more, the
// sender still runs. There may be far more of it than a ring holds: waits for room, so long at most
// in all, and drops what comes then (counted as others are). A sweep under way is waited for.
void pending_done(unsigned limit_ms);

// Whether any span waits.
bool pending_is_any(void);

struct pending_counts {
    uint64_t waiting, ended_early; // now; written before their end was known
};
void pending_counts(struct pending_counts *ret);

#endif
