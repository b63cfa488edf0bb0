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
// The data centre is its resource's cloud.availability_zone, else its cloud.region; the host its
// host.name, else its host.id; the rack its host.rack. The instance is service.instance.id, else
// host.name and process.pid ("host:pid"), as it is of metrics (model/point.h).
//
// A database without an address, a client without anything: what is not known is left out of the
// name ("postgresql", "(unknown)").
//
// What a span sends to a database, a cache or a queue, takes from a queue, or calls by RPC
// (rpc.system) has a statement too (stream/statements.h; a span that only connects has none), of
// what its attributes say, the first that is there:
//     text        db.query.text | db.statement, db.query.summary
//     operation   db.operation.name | db.operation; messaging.operation.name |
//                 messaging.operation.type | messaging.operation, else publish or process by the
//                 span's kind; rpc.method
//     collection  db.collection.name | db.sql.table | db.mongodb.collection;
//                 messaging.destination.template, else .name; rpc.service, unless the method names
//                 it
#ifndef SONDE_STREAM_SPANS_H
#define SONDE_STREAM_SPANS_H

#include "model/batch.h"
#include "stream/names.h"
#include "stream/statements.h"

#define SPAN_NAME_BITS 24 // of the number of a name

struct chain_span {
    uint64_t id, parent; // as they lie in memory; parent 0: none
    uint64_t start_ns, duration_ns;
    uint32_t service : SPAN_NAME_BITS;
    uint32_t kind : 7;                  // enum span_kind
    uint32_t counted : 1;               // by its sender, before it samples
    uint32_t endpoint : SPAN_NAME_BITS; // of entries, else 0
    uint32_t copies : 8;                // how often it came; more than 255 are 255
    uint32_t peer : SPAN_NAME_BITS;     // of callers and consumers, else 0
    uint32_t centre : 8;                // number of the data centre that it ran in; 0: not known
    uint32_t statement : 31;            // of those whose peer is sent one, else 0
    uint32_t error : 1;
};

// A number of a name, as a span has it; a macro, so that compilers see that it fits.
#define SPAN_NAME(number) ((number) & (((uint32_t)1 << SPAN_NAME_BITS) - 1))
_Static_assert(2 * STREAM_NAMES_MAX < (size_t)1 << SPAN_NAME_BITS, "each name has room");

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
// Without a table of statements no span has any.
struct span_reader *span_reader_new(struct names *names, struct statements *statements);
void span_reader_free(struct span_reader *r);

// The rows of this batch are read next; it must outlive the last span_reader_get() of it.
void span_reader_begin(struct span_reader *r, const struct batch *b);
// *ret_instance is the instance, at its place, that the row's resource names; 0: none.
struct chain_span span_reader_get(struct span_reader *r, uint32_t row, uint32_t *ret_instance);

#endif
