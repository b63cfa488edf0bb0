// SPDX-License-Identifier: Apache-2.0
// Purpose: realistic load: traces of a shop as OTLP requests, in three span shapes, with arrival
// jitter. Requests are made once and then re-stamped in place (new trace and span IDs, new times),
// so that a client on the same machine costs little beside the server that it measures.
//
// A trace is of server and client halves of calls between services, and of database and cache spans
// below them; durations are log-normal. Each service sends its own batches, as SDKs do. A span
// arrives when it ends, plus a random delay of up to the jitter: that is what scatters the spans of
// one trace over batches. Who calls whom is of one of two kinds:
//   random  12 services; a trace has 5 to 40 spans, and each call goes to any endpoint of any
//           service, from any server span before it: hardly two traces are alike, and all that can
//           call each other do. Each span fails once in a hundred, whatever the others do.
//   system  as programs are: 40 services, 400 endpoints, 40 of which are entries. Each endpoint
//           makes the same calls, with the same statements, each time; a third of the endpoints
//           make them all at once, the others one after the other. A cache that is asked lacks it
//           once in ten times, and then a database is. A trace has 5 to about 60 spans. One trace
//           in a hundred has a call that fails, which half the callers above pass on.
#ifndef SONDE_BENCH_GEN_H
#define SONDE_BENCH_GEN_H

#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

enum gen_shape { GEN_SMALL, GEN_MIDDLE, GEN_LARGE, GEN_SHAPES };
enum gen_graph { GEN_RANDOM, GEN_SYSTEM };

// "small" (about 200 B and 3 attributes), "middle" (450 B, 10), "large" (1.5 KB, 30, and events).
const char *gen_shape_name(enum gen_shape shape);

struct gen_options {
    enum gen_shape shape;
    enum gen_graph graph;
    size_t spans; // made in all; re-stamping makes as many again each round
    size_t spans_per_request;
    uint64_t jitter_ns;
    uint64_t spans_per_second; // nominal rate: how densely traces begin
    uint64_t seed;
};

// What a request must be patched with each round.
struct gen_stamp {
    uint32_t trace, span, parent, start, end; // offsets; parent 0: a root
};

struct gen_request {
    char *bytes; // an ExportTraceServiceRequest, with BUF_PAD zero bytes behind it
    size_t size;
    struct gen_stamp *stamps;
    size_t spans;
};

struct gen {
    struct gen_request *requests; // in order of arrival
    size_t count;
    uint64_t period_ns; // that the requests cover
    size_t bytes;
};

struct gen *gen_new(const struct gen_options *options);
void gen_free(struct gen *g);

// Turns request i into that of round `round`: IDs that no other round has, times that begin at
// base_ns + round * period. The rounds of one request must come in order, 0, 1, 2 ...
void gen_stamp(struct gen *g, size_t i, uint64_t round, uint64_t base_ns);

#endif
