// SPDX-License-Identifier: Apache-2.0
// Purpose: gRPC's health service. It says what /readyz says: SERVING while what is received can be
// kept. A watcher is told at once, and again within HEALTH_PERIOD_MS of a change.
//
//   grpc.health.v1.Health: HealthCheckRequest { service = 1 }, HealthCheckResponse { status = 1 }
#include <uv.h>

#include "core/must.h"
#include "receive/internal.h"
#include "wire/protobuf.h"

#define HEALTH_PERIOD_MS 500

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

static void tell(struct door *d, enum health_status status)
{
    char message[7] = {0, 0, 0, 0, 2, 1 << 3 | PB_VARINT, (char)status};
    ASSERT(status <= HEALTH_SERVICE_UNKNOWN);
    http_stream_write(d->request, (struct str){message, sizeof message});
    d->health_told = status;
}

static enum health_status status_now(const struct shard *s)
{
    const struct receive_options *o = &s->receive->options;
    ASSERT(s->receive->shard_count > 0);
    return o->trouble == NULL || o->trouble(o->ctx) == NULL ? HEALTH_SERVING : HEALTH_NOT_SERVING;
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

// The timer runs while somebody watches.
static void on_health(uv_timer_t *timer)
{
    struct shard *s = timer->data;
    ASSERT(s->watchers != NULL);
    enum health_status status = status_now(s);
    for (struct door *d = s->watchers, *next; d != NULL; d = next) {
        next = d->watch_next;
        if (d->health_told != HEALTH_SERVICE_UNKNOWN && d->health_told != status) {
            tell(d, status);
        }
    }
}

static void watch(struct door *d, bool known)
{
    struct shard *s = d->shard;
    ASSERT(d->watch_next == NULL && d->watch_prev == NULL);
    begin_stream(d);
    tell(d, known ? status_now(s) : HEALTH_SERVICE_UNKNOWN);
    if (s->stopping) {
        end_stream(d);
        return;
    }
    if (s->watchers == NULL) {
        MUST(uv_timer_start(&s->health, on_health, HEALTH_PERIOD_MS, HEALTH_PERIOD_MS) == 0);
    }
    d->watch_next = s->watchers;
    if (s->watchers != NULL) {
        s->watchers->watch_prev = d;
    }
    s->watchers = d;
}

void health_answer(struct door *d)
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
    tell(d, status_now(d->shard));
    end_stream(d);
}

void health_unwatch(struct door *d)
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
    if (s->watchers == NULL) {
        MUST(uv_timer_stop(&s->health) == 0);
    }
}

void health_init(struct shard *s)
{
    MUST(uv_timer_init(loop_uv(s->loop), &s->health) == 0);
    s->health.data = s;
    ASSERT(s->watchers == NULL);
}

void health_done(struct shard *s)
{
    ASSERT(s->stopping);
    uv_close((uv_handle_t *)&s->health, NULL);
    while (s->watchers != NULL) {
        struct door *d = s->watchers;
        s->watchers = d->watch_next;
        tell(d, HEALTH_NOT_SERVING);
        end_stream(d);
    }
}
