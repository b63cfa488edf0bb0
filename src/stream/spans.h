// SPDX-License-Identifier: Apache-2.0
// Purpose: a span as chains keep it: times, IDs, and names as numbers. And how a row of a batch
// becomes one.
//
// An entry is a span where a service is called: of kind server or consumer, or without a parent. It
// has its endpoint: the span's name and kind. A span that calls (client, producer), or takes from a
// queue (consumer), has its peer, read from its attributes by OpenTelemetry's conventions, the
// stable names first, then those of before (semconv 1.27, database and messaging and HTTP):
//     database  db.system.name | db.system, db.namespace | db.name: "postgresql/shop@host:5432"
//     cache     the same, of redis, memcached, valkey and other key-value stores
//     queue     messaging.system, messaging.destination.name: "kafka/orders"
//     external  peer.service, else server.address with server.port, else the host of url.full
// The data centre is its resource's cloud.availability_zone, else its cloud.region.
//
// A database without an address, a client without anything: what is not known is left out of the
// name ("postgresql", "(unknown)").
#ifndef SONDE_STREAM_SPANS_H
#define SONDE_STREAM_SPANS_H

#include "model/batch.h"
#include "stream/names.h"

struct chain_span {
    uint64_t id, parent; // as they lie in memory; parent 0: none
    uint64_t start_ns, duration_ns;
    uint32_t service;
    uint32_t endpoint; // of entries, else 0
    uint32_t peer;     // of callers and consumers, else 0
    uint8_t kind;      // enum span_kind
    bool error;
    uint8_t copies; // how often it came; more than 255 are 255
    uint8_t centre; // number of the data centre that it ran in; 0: not known
};

// One order for all, by start first, in which equal spans are neighbours: two spans are the same
// when nothing that tells spans apart differs. `copies` is no part of it.
int spans_cmp(const struct chain_span *a, const struct chain_span *b);
// Sorts spans, or anything of `size` bytes that begins with one.
void spans_sort(void *spans, size_t count, size_t size);

_Static_assert(sizeof(struct chain_span) == 48, "many are kept");

static inline bool chain_span_is_same(const struct chain_span *a, const struct chain_span *b)
{
    return a->id == b->id && a->kind == b->kind && a->start_ns == b->start_ns &&
           a->duration_ns == b->duration_ns && a->service == b->service;
}

static inline bool chain_span_is_callee(const struct chain_span *s)
{
    return s->kind == KIND_SERVER || s->kind == KIND_CONSUMER;
}

static inline bool chain_span_is_caller(const struct chain_span *s)
{
    return s->kind == KIND_CLIENT || s->kind == KIND_PRODUCER;
}

// What is remembered of the batch that is read, since its rows repeat. One thread.
struct span_reader;
struct span_reader *span_reader_new(struct names *names);
void span_reader_free(struct span_reader *r);

// The rows of this batch are read next; it must outlive the last span_reader_get() of it.
void span_reader_begin(struct span_reader *r, const struct batch *b);
// *ret_instance is the instance that the row's resource names; 0: none.
struct chain_span span_reader_get(struct span_reader *r, uint32_t row, uint32_t *ret_instance);

#endif
