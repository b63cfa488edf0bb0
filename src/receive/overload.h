// SPDX-License-Identifier: Apache-2.0
// Purpose: what the door does when memory runs short: first it slows the senders down, and when
// that has not helped, it chooses what it keeps. One for all shards; any thread, lock-free; time is
// given by the caller.
//
// States
//
//            over the soft mark                 ... for `shed_after` although senders were told
//     OPEN ----------------------> SLOW -------------------------------------> SHED
//       ^                            |                                           |
//       '---- CALM_SLOW under it ----'                                           |
//       '------------------------ CALM_SHED under the low mark ------------------'
//
//   OPEN  everything is taken.
//   SLOW  above the soft mark (6/8 of the budget) each request is refused with a time to come
//         back: senders keep their data. Under it everything is taken.
//   SHED  requests are taken, but above the low mark (5/8) only spans of traces that matter are
//         kept, above the soft mark only those with errors, above the upper mark (7/8) nothing:
//
//     memory      0 ............. low .......... soft .......... upper ........ limit
//     kept        everything       | errors, slow | errors        | nothing (429)
//
//         A process whose resident bytes are close to its limit (budget_is_crowded()), like a
//         journal that is far behind, counts as above the upper mark.
//         Memory then stays about the low mark, so that there is room for the bodies of requests
//         that are coming in, and few of those that matter are refused.
//
// A trace matters when a span of it has the status error, or lasted at least `slow_trace`. What is
// passed over is lost, counted as dropped/shed by service, and told to its sender as a partial
// success, which OTLP forbids it to send again. The rest between the upper mark and the limit is
// for what is inside already: queries, parts being written.
//
// The store writes parts early above half of the limit (budget_is_filling()), so memory above the
// low mark is always on its way to the disk. The marks look at memory at this moment, the states at
// how long it has been short: memory at the door goes up and down within milliseconds when senders
// offer more than the disk takes. A pause of CALM_* without pressure ends an episode, so that
// senders who do come back later (SDKs wait a second or more) are never shed from.
//
// Traces found to matter are remembered (a hash, in a table of fixed size, about a minute), so that
// batches that come later keep their spans too. The table is shared by the shards without a lock:
// a lost entry costs the later spans of one trace, nothing else.
#ifndef SONDE_RECEIVE_OVERLOAD_H
#define SONDE_RECEIVE_OVERLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ids.h"

#define OVERLOAD_CALM_SLOW_NS ((uint64_t)500000000)
#define OVERLOAD_CALM_SHED_NS ((uint64_t)1000000000)
#define OVERLOAD_WAYS         4u // entries of a bucket
#define OVERLOAD_TRACES       32768u
#define OVERLOAD_REMEMBER_S   60u

enum overload_state { OVERLOAD_OPEN, OVERLOAD_SLOW, OVERLOAD_SHED, OVERLOAD_STATE_COUNT };

// What is taken of a request.
enum overload_take { TAKE_ALL, TAKE_IMPORTANT, TAKE_ERRORS, TAKE_NOTHING };

struct overload {
    size_t low_bytes, soft_bytes, upper_bytes;
    uint64_t shed_after_ns, slow_trace_ns;
    atomic_uint_fast64_t state;      // since when (ns), in the low two bits the state
    atomic_uint_fast64_t pressed_ns; // when memory was last seen above the mark of the state
    atomic_uint_fast64_t entered[OVERLOAD_STATE_COUNT];
    atomic_uint_fast64_t shed_spans;
    atomic_uint_fast64_t traces[OVERLOAD_TRACES];
};

void overload_init(struct overload *o, size_t limit_bytes, size_t soft_bytes,
                   uint64_t shed_after_ns, uint64_t slow_trace_ns); // soft_bytes: of the budget

const char *overload_state_name(enum overload_state s);

// Looks at memory and time, moves on to another state where due (and logs that, once), and says
// what may be taken now.
enum overload_take overload_look(struct overload *o, size_t used_bytes, uint64_t now_ns);

// The state as it was left by the last look, and since when.
enum overload_state overload_state(const struct overload *o, uint64_t *ret_since_ns);

// Remembers the trace when the span makes it matter.
void overload_note(struct overload *o, trace_id trace, bool error, uint64_t duration_ns,
                   uint64_t now_ns);

// Whether the trace is remembered as one that matters enough for `take`.
bool overload_wants(const struct overload *o, trace_id trace, enum overload_take take,
                    uint64_t now_ns);

#endif
