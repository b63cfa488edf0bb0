// SPDX-License-Identifier: Apache-2.0
// Purpose: the door. Receivers turn requests into batches, hand them to the journal and answer once
// they are durable. Each shard (one thread, one loop) decodes into batches of its own, one per
// business line; at the end of a loop turn, or when they are large enough, they are sealed and
// appended to the journal as one record, so that many small requests cost one record. A request is
// answered when the record that has its rows is durable.
//
// Memory. Every byte that a request needs on its way is taken from the budget before it is
// allocated: its body, what it is decompressed into, the protobuf that JSON is translated to, the
// growth of the batches it is decoded into, its share of the journal record. Where the budget
// refuses, the request is rolled back and answered 429. overload.h says what is done when that
// lasts. A request that alone would take more than the door is open for (budget.soft_bytes) is
// answered 413: it would meet the same however often it came.
//
// What is counted where. Accepted spans are counted as received by the store, when it sees them,
// and accepted metric points by the sink of points. Here: single records that break the
// specification count as received and dropped/invalid, by service; records that the journal did not
// take as received and dropped/disk_full or dropped/journal_failed, by service; spans that were
// passed over while memory stays short as received and dropped/shed, by service; logs as received
// and dropped/unsupported. A request that was refused before it was decoded (unauthorized,
// overload, disk_full, too_large) or could not be decoded (malformed) counts as ONE record received
// and dropped, of service "", since nobody knows how many it held.
#ifndef SONDE_RECEIVE_RECEIVE_H
#define SONDE_RECEIVE_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "http/server.h"
#include "journal/journal.h"
#include "ledger/budget.h"
#include "ledger/dead_letter.h"
#include "ledger/ledger.h"
#include "model/batch.h"

struct receive;
struct families;

// What one journal record carries; entry->attachment in journal_options.on_durable points to it.
// The consumer sets the batches' seq to the entry's and takes its own references. At most 256 lines
// are kept apart in one group; spans of further ones go to the line "".
struct receive_group {
    struct batch **batches; // sealed, one per business line
    size_t count;
};

// Called by the consumer in on_durable before it accounts for the batches itself: gives back what
// the door has taken for them, BUDGET_ROW_BYTES a span included. Without it that happens when the
// requests have been answered.
void receive_hand_over(struct receive_group *g);

struct receive_options {
    const char *otlp_grpc_address; // "127.0.0.1:4317"; NULL: off
    const char *otlp_http_address; // "127.0.0.1:4318"; NULL: off
    size_t shards;                 // 0: one per core, at most 8
    struct http_tls *tls;          // NULL: plain text
    struct str token;              // the ingest token; empty: none demanded
    size_t connections_max;        // of an address, over all shards; 0: 1024 a shard, and at most
    size_t body_bytes_max;         // at most a quarter of the budget's limit is taken
    size_t record_bytes_max;       // of the journal; JOURNAL_RECORD_MAX when 0, and at most
    // Under memory that stays short (overload.h): how long senders are only slowed down, and from
    // what duration on a span makes its trace matter.
    uint64_t shed_after_ms, slow_trace_ms;
    struct journal *journal;
    struct budget *budget;
    struct ledger *ledger;
    struct dead_letter_sink dead_letters;
    struct families *families; // NULL: what is said of them is passed over
    // Whether storage refuses for lack of disk; asked for each request. May be NULL.
    bool (*is_full)(void *ctx);
    // Why what is received cannot be kept now, for the health service; NULL when it can. Asked from
    // every shard's thread. May be NULL.
    const char *(*trouble)(void *ctx);
    void *ctx;
};

// How many shards there will be where so many are wanted (receive_options.shards).
size_t receive_shard_count(size_t wanted);

// Starts the shards; requests are taken when this returns.
MUST_CHECK enum err receive_start(const struct receive_options *options,
                                  struct receive **ret_receive, struct err_at *ret_at);

// The addresses in force, with real ports; NULL where off.
const char *receive_grpc_address(const struct receive *r);
const char *receive_http_address(const struct receive *r);

// GOAWAY, running requests answered, threads joined. The journal must still be running.
void receive_stop(struct receive *r);

// Decodes a journal record's payload into its batches (sealed, seq set, one reference each for the
// caller); for replay. *ret_count of them in an array that the caller frees with mem_free().
MUST_CHECK enum err receive_decode_record(struct str payload, uint64_t seq,
                                          struct batch ***ret_batches, size_t *ret_count,
                                          struct err_at *ret_at);

// Makes a batch durable that was not sent but made in the process (the scraper's). Takes the
// caller's reference along; nobody else has one, and it is not sealed. `done` is called once, on a
// thread of the door: ERR_OK when it is durable, ERR_MEMORY or ERR_FULL when the door would have
// refused it, ERR_CLOSED while it stops, or the journal's error. What is lost is counted by
// service. Any thread, between receive_start() and receive_stop(), which waits for it.
void receive_put(struct receive *r, struct batch *b, void (*done)(void *ctx, enum err result),
                 void *ctx);

struct receive_stats {
    uint64_t requests, requests_refused, spans, points, bytes;
    uint64_t ack_p50_ns, ack_p99_ns; // whole request to acknowledgement, last minute
    uint64_t open_connections, refused_connections;
    const char *overload;  // "open", "slow" or "shed"
    uint64_t overload_ms;  // for how long; 0 where that was always so
    uint64_t slowed, shed; // times that state was entered
    uint64_t spans_shed;
};
void receive_stats(const struct receive *r, struct receive_stats *ret_stats);

#endif
