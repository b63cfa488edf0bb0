// SPDX-License-Identifier: Apache-2.0
// Purpose: gRPC's own part: message frames and the health service.
//
//   frame = 1 byte: 1 when compressed; 4 bytes big-endian: length; the message
//   grpc.health.v1.Health: HealthCheckRequest { service = 1 }, HealthCheckResponse { status = 1 }
#include "core/must.h"
#include "receive/internal.h"
#include "wire/protobuf.h"

#define FRAME_BYTES ((size_t)5)

enum health { HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2, HEALTH_SERVICE_UNKNOWN = 3 };

static bool refuse_frame(struct door *d, const char *why)
{
    struct failure f = {400, GRPC_INTERNAL, false, str_of(why), NULL};
    ASSERT(d->kind == DOOR_GRPC);
    answer_failure(d, &f);
    return false;
}

bool grpc_unwrap(struct door *d, struct str body, struct str *ret_message, bool *ret_compressed)
{
    ASSERT(d->kind == DOOR_GRPC);
    if (body.n < FRAME_BYTES) {
        return refuse_frame(d, "The call carries no whole message.");
    }
    const uint8_t *p = (const uint8_t *)body.p;
    size_t length = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] > 1) {
        return refuse_frame(d, "The message's compressed flag is neither 0 nor 1.");
    }
    if (p[0] == 1 && d->compression == COMPRESSION_NONE) {
        return refuse_frame(d, "The message is compressed, but grpc-encoding does not say how.");
    }
    if (length != body.n - FRAME_BYTES) {
        return refuse_frame(d, "The call must carry exactly one whole message.");
    }
    *ret_message = str_skip(body, FRAME_BYTES);
    *ret_compressed = p[0] == 1;
    return true;
}

void grpc_frame(struct buf *out, struct str message)
{
    ASSERT(message.n <= UINT32_MAX);
    uint8_t head[FRAME_BYTES] = {0, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16),
                                 (uint8_t)(message.n >> 8), (uint8_t)message.n};
    buf_add(out, head, sizeof head);
    buf_add_str(out, message);
}

// ---- Health -------------------------------------------------------------------------------------

// Reads HealthCheckRequest.service; false when the bytes are not one.
static bool read_service(struct str message, struct str *ret_service)
{
    struct pb_reader reader = pb_reader(message);
    struct pb_field f;
    struct str service = STR("");
    ASSERT(ret_service != NULL);
    while (reader.p < reader.end) {
        if (!pb_next(&reader, &f) || (f.number == 1 && f.wire != PB_BYTES)) {
            return false;
        }
        if (f.number == 1) {
            service = f.bytes;
        }
    }
    *ret_service = service;
    return true;
}

static bool is_known_service(struct str service)
{
    static const char *const known[] = {
        "",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        "opentelemetry.proto.collector.logs.v1.LogsService",
    };
    ASSERT(service.n == 0 || service.p != NULL);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_eq(service, str_of(known[i]))) {
            return true;
        }
    }
    return false;
}

static void write_health(struct door *d, enum health status)
{
    char message[7] = {0, 0, 0, 0, 2, 1 << 3 | PB_VARINT, (char)status};
    ASSERT(status <= HEALTH_SERVICE_UNKNOWN);
    http_stream_write(d->request, (struct str){message, sizeof message});
}

static void begin_stream(struct door *d)
{
    struct http_header headers[] = {{STR("content-type"), STR("application/grpc")}};
    ASSERT(d->service != SERVICE_EXPORT);
    http_stream_begin(d->request, 200, headers, 1);
}

static void end_stream(struct door *d)
{
    struct http_header trailers[] = {{STR("grpc-status"), STR("0")}};
    ASSERT(d->service != SERVICE_EXPORT);
    http_stream_end(d->request, trailers, 1);
}

static void watch(struct door *d, bool known)
{
    struct shard *s = d->shard;
    ASSERT(d->watch_next == NULL && d->watch_prev == NULL);
    begin_stream(d);
    write_health(d, known ? HEALTH_SERVING : HEALTH_SERVICE_UNKNOWN);
    if (s->stopping) {
        end_stream(d);
        return;
    }
    d->watch_next = s->watchers;
    if (s->watchers != NULL) {
        s->watchers->watch_prev = d;
    }
    s->watchers = d;
}

void grpc_health(struct door *d)
{
    struct str message, service;
    bool compressed;
    if (!grpc_unwrap(d, http_body(d->request), &message, &compressed)) {
        return;
    }
    if (compressed || !read_service(message, &service)) {
        struct failure f = {400, GRPC_INVALID_ARGUMENT, false,
                            STR("The message is not a HealthCheckRequest."), NULL};
        answer_failure(d, &f);
        return;
    }
    bool known = is_known_service(service);
    if (d->service == SERVICE_HEALTH_WATCH) {
        watch(d, known);
        return;
    }
    ASSERT(d->service == SERVICE_HEALTH_CHECK);
    if (!known) {
        answer_grpc_status(d->request, GRPC_NOT_FOUND, STR("No such service."), false);
        return;
    }
    begin_stream(d);
    write_health(d, HEALTH_SERVING);
    end_stream(d);
}

void grpc_unwatch(struct door *d)
{
    struct shard *s = d->shard;
    if (d->watch_prev == NULL && s->watchers != d) {
        return; // not watching
    }
    ASSERT(d->service == SERVICE_HEALTH_WATCH);
    *(d->watch_prev != NULL ? &d->watch_prev->watch_next : &s->watchers) = d->watch_next;
    if (d->watch_next != NULL) {
        d->watch_next->watch_prev = d->watch_prev;
    }
}

void grpc_end_watches(struct shard *s)
{
    ASSERT(s->stopping);
    while (s->watchers != NULL) {
        struct door *d = s->watchers;
        s->watchers = d->watch_next;
        write_health(d, HEALTH_NOT_SERVING);
        end_stream(d);
    }
}
