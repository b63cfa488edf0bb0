// SPDX-License-Identifier: Apache-2.0
// Purpose: the plainest of streams for tests that look at neither its counts nor at statements: a
// sink that takes all and keeps nothing, and records of one span.
#ifndef SONDE_TESTS_UNIT_STREAM_PLAIN_H
#define SONDE_TESTS_UNIT_STREAM_PLAIN_H

#include "core/clock.h"
#include "stream/stream.h"

static inline enum err find_any(void *ctx, const struct stream_subject *subject,
                                uint32_t *ret_number)
{
    (void)ctx;
    *ret_number = subject->kind;
    return ERR_OK;
}

static inline void count_nothing(void *ctx, const struct stream_count *counts, size_t n)
{
    (void)ctx;
    (void)counts;
    (void)n;
}

// Hands a record of one entry over.
static inline void add_entry(struct stream *s, uint64_t seq, trace_id trace, span_id id)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    uint32_t text = batch_intern(b, STR("front"));
    batch_add_resource(b)->service = text;
    *batch_add_span(b) = (struct span){.trace = trace,
                                       .id = id,
                                       .start_ns = clock_wall_ns(),
                                       .duration_ns = 1000,
                                       .name = text,
                                       .kind = KIND_SERVER};
    b->seq = seq;
    batch_seal(b);
    stream_add_record(s, &b, 1);
    batch_unref(b);
}

#endif
