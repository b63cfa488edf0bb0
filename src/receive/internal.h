// SPDX-License-Identifier: Apache-2.0
// Purpose: what the files of the door share: the shard, the group of batches that it fills, and the
// request on its way through.
//
//   on_headers --admission--> on_request --decode--> rows in the shard's open group
//        |                        |                        | turn's end, or large enough
//        '-- refused, answered    '-- malformed: rolled    v
//                                     back, answered    sealed, encoded, journal_append()
//                                                          | journal's thread: done -> loop_post()
//                                                          v
//                                                   every waiting request is answered
#ifndef SONDE_RECEIVE_INTERNAL_H
#define SONDE_RECEIVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "core/buf.h"
#include "core/sketch.h"
#include "receive/overload.h"
#include "receive/receive.h"
#include "wire/compress.h"
#include "wire/otlp.h"
#include "wire/prom_write.h"

#define SHARDS_MAX         ((size_t)8)
#define GROUP_SPANS_SEAL   ((size_t)8192) // a group of so many rows does not wait for the turn's end
#define GROUP_BYTES_SEAL   ((size_t)1 << 20) // the same, in bytes of requests
#define GROUP_LINES_MAX    ((size_t)256)     // business lines apart in one group; then line ""
#define GROUPS_POOLED_MAX  ((size_t)8)       // idle groups of a shard, while memory is not short
#define GROUP_POOLED_BYTES ((size_t)2 << 20) // payload kept by an idle group
#define JOURNAL_QUEUED_MAX                                                                         \
    ((size_t)32 << 20) // of one shard in the journal; then as if memory was short
#define SCRATCH_KEPT_BYTES ((size_t)512 << 10) // of a decoding buffer between requests
#define BODY_SHARE         ((size_t)4)         // of the budget: the largest body that can ever fit
#define TALLY_SERVICES_MAX ((size_t)32)        // services told apart among one request's losses
#define REJECT_LETTERS_MAX ((size_t)16) // rejected records of one request kept as dead letters
#define STOP_GRACE_MS      5000
#define LATENCY_WINDOW_NS  (60 * NS_PER_S)

struct shard;
struct group;
struct failure;

enum door_kind {
    DOOR_PROTOBUF,
    DOOR_JSON,
    DOOR_GRPC,
    DOOR_WRITE_1, // Prometheus' remote write (prom.c)
    DOOR_WRITE_2,
    DOOR_KIND_COUNT
};
enum door_service { SERVICE_EXPORT, SERVICE_HEALTH_CHECK, SERVICE_HEALTH_WATCH };

// HealthCheckResponse.ServingStatus.
enum health_status { HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2, HEALTH_SERVICE_UNKNOWN = 3 };

// One request on its way through; lives in the request's arena.
struct door {
    struct shard *shard;
    struct http_request *request;
    enum door_kind kind;
    enum door_service service;
    enum signal signal;
    enum compression compression;
    uint64_t started_ns;
    struct group *group;                     // whose durability it awaits, or NULL
    size_t group_index;                      // in group->doors
    uint64_t rejected;                       // for partial success
    uint64_t samples, histograms, exemplars; // of remote write: accepted
    struct str message;
    enum health_status health_told;       // the last of a watcher
    struct door *watch_next, *watch_prev; // health watchers
};

// A batch on its way into a group of its own (receive_put()).
struct put {
    struct loop_task task;
    struct shard *shard;
    struct batch *batch;
    void (*done)(void *ctx, enum err result);
    void *ctx;
};

struct slot {
    struct batch_mark mark; // before the request `touched_by`
    uint64_t touched_by;
    size_t charged; // of ACCOUNT_BATCHES; may be ahead of what the batch holds while it grows
};

// Batches that become one journal record.
struct group {
    struct journal_entry entry;
    struct receive_group content; // entry.attachment
    struct loop_task finish;
    struct shard *shard;
    struct group *next; // in the pool
    struct batch *batches[GROUP_LINES_MAX];
    struct slot slots[GROUP_LINES_MAX];
    struct door **doors; // waiting; NULL where cancelled
    size_t door_count, door_capacity;
    struct put *put; // waits as well, or NULL
    size_t spans, points, request_bytes;
    size_t charged; // for the batches
    // Takes its memory from what the requests reserved for it when they were taken, by `room`.
    struct buf payload;
    struct mem_source room;
    size_t reserved;
};

// Lost records by service.
struct tally {
    struct {
        struct str service;
        uint64_t count;
    } services[TALLY_SERVICES_MAX];
    size_t service_count;
    uint64_t count;
};

// Records that one request lost, until it is known that the rest of it is good.
struct rejects {
    struct tally tally;
    struct {
        uint64_t offset;
        const char *message;
        struct str bytes;
    } letters[REJECT_LETTERS_MAX];
    size_t letter_count;
};

struct shard {
    struct receive *receive;
    struct loop *loop;
    struct http_server *grpc, *http; // NULL where off
    pthread_t thread;
    struct loop_task stop;
    bool stopping;
    int servers_open;
    struct group *open; // being filled, or NULL
    struct group *pool;
    size_t pool_count;
    size_t in_flight;    // groups in the journal
    size_t queued_bytes; // payloads in the journal
    // Of the request at hand: the memory that its body has, that it and the group had before it was
    // decoded, and whether it needs more than one request may have.
    uint64_t request_number;
    size_t body_has, request_had, group_had;
    bool is_too_large;
    size_t slot;                         // of the batch that is being decoded into
    struct meter scratch;                // what the three buffers below hold
    struct mem_source scratch_room;      // gives it, as much as one request may have
    struct buf plain, protobuf, offsets; // decompressed; translated from JSON, its records' offsets
    struct rejects rejects;
    struct tally shed;
    enum overload_take take; // of the request that is being decoded
    uint64_t now_ns;         // when it was begun
    uint64_t turned_away;    // by the HTTP servers unread, as counted so far
    struct door *watchers;
    uv_timer_t health; // runs while there are watchers
    atomic_uint_fast64_t requests, refused, spans, points, bytes;
    pthread_mutex_t latency_lock;
    struct sketch latency[2]; // this window and the one before
    uint64_t latency_from_ns;
};

struct receive {
    struct receive_options options;
    struct overload *overload;
    size_t request_memory_max; // that one request may take, from its body to its rows
    char *token;
    char *grpc_address, *http_address;
    struct shard *shards;
    size_t shard_count;
};

// ---- shard.c
// Decodes a request of traces or metrics into the open group; the door is answered when that is
// durable, or at once when there is nothing to wait for or the request is bad.
void shard_take(struct door *d, struct str request);
void shard_forget(struct door *d); // its peer is gone
void shard_put(struct put *p);     // takes it into a group of its own, or ends it at once
void shard_turn_end(void *ctx);    // seals the open group
// What the state of memory and journal lets the door take now.
enum overload_take shard_look(struct shard *s, uint64_t now_ns);
bool shard_is_idle(const struct shard *s);
void shard_done(struct shard *s);
void shard_maybe_end(struct shard *s); // receive.c: leaves the loop once nothing is left

// ---- group_codec.c
void group_encode(const struct receive_group *g, struct buf *out);

// ---- otlp.c
extern const struct http_handler receive_handler; // `ctx` is the shard
// Counts the request as lost and answers for what became of it: ERR_LIMIT (it is larger
// than any that is taken) 413, ERR_MEMORY 429, anything else 400, for which it is kept as a dead
// letter.
void door_lost(struct door *d, enum err why, const struct err_at *at, struct str decoded);
void door_dead_letter(struct door *d, enum reason reason, struct str message, uint64_t offset,
                      uint64_t records, struct str body);

// ---- prom.c
static inline bool door_is_write(enum door_kind kind)
{
    return kind == DOOR_WRITE_1 || kind == DOOR_WRITE_2;
}
// What the headers of a remote write say: its kind; false when the request has been answered.
bool write_headers(struct http_request *r, struct str content_type, enum door_kind *ret_kind);
// With d->samples, d->histograms, d->exemplars, d->rejected and d->message.
void write_success(struct door *d);
void write_failure(struct door *d, const struct failure *f, struct str message);

// ---- answer.c
// gRPC's status codes, as far as the door uses them.
enum grpc_status {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

struct failure {
    int http_status;
    enum grpc_status grpc_status;
    bool retry; // says when: retry-after, RetryInfo
    struct str message;
    const struct err_at *at; // NULL where there is no place
};

void answer_success(struct door *d); // with d->rejected and d->message
void answer_failure(struct door *d, const struct failure *f);
// Before there is a door: JSON.
void answer_plain_error(struct http_request *r, int status, const char *text);
void answer_grpc_status(struct http_request *r, enum grpc_status status, struct str message,
                        bool retry);

// ---- grpc.c
// Takes the one message out of its frame; false when the door has been answered.
bool grpc_unwrap(struct door *d, struct str body, struct str *ret_message, bool *ret_compressed);
void grpc_frame(struct buf *out, struct str message);

// ---- health.c
void health_init(struct shard *s);
void health_answer(struct door *d);
void health_unwatch(struct door *d); // its peer is gone
void health_done(struct shard *s);   // the shard stops: tells every watcher, and ends its stream

#endif
