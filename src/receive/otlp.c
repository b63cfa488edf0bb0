// SPDX-License-Identifier: Apache-2.0
// Purpose: the routes over gRPC and HTTP, of OTLP and remote write (prom.c): who is let in, what is
// decoded, what is refused and how that is counted. What is refused before it is decoded counts as
// one record of its signal, since nobody knows how many it held.
#include <openssl/crypto.h>

#include "core/clock.h"
#include "core/must.h"
#include "http/host.h"
#include "receive/internal.h"

_Static_assert((int)OTLP_TRACES == (int)SIGNAL_TRACES && (int)OTLP_METRICS == (int)SIGNAL_METRICS &&
                   (int)OTLP_LOGS == (int)SIGNAL_LOGS,
               "a signal has one number");

// Of Prometheus' remote write: where it takes it itself, and so does all that speaks it. It stands
// beside OTLP's paths, since senders are let in there, by their token.
#define WRITE_PATH "/api/v1/write"

struct route {
    const char *path;
    enum door_service service;
    enum signal signal;
};

static const struct route GRPC_ROUTES[] = {
    {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", SERVICE_EXPORT, SIGNAL_TRACES},
    {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", SERVICE_EXPORT,
     SIGNAL_METRICS},
    {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", SERVICE_EXPORT, SIGNAL_LOGS},
    {"/grpc.health.v1.Health/Check", SERVICE_HEALTH_CHECK, SIGNAL_TRACES},
    {"/grpc.health.v1.Health/Watch", SERVICE_HEALTH_WATCH, SIGNAL_TRACES},
};

static const struct route HTTP_ROUTES[] = {
    {"/v1/traces", SERVICE_EXPORT, SIGNAL_TRACES},
    {"/v1/metrics", SERVICE_EXPORT, SIGNAL_METRICS},
    {"/v1/logs", SERVICE_EXPORT, SIGNAL_LOGS},
    {WRITE_PATH, SERVICE_EXPORT, SIGNAL_METRICS},
};

static const struct route *find_route(const struct route *routes, size_t count, struct str path)
{
    ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(path, str_of(routes[i].path))) {
            return &routes[i];
        }
    }
    return NULL;
}

// ---- Refusing -----------------------------------------------------------------------------------

// Counts the request as received and dropped, and answers.
static void refuse(struct door *d, enum reason reason, const struct failure *f)
{
    struct ledger *ledger = d->shard->receive->options.ledger;
    ASSERT(reason != REASON_NONE);
    atomic_fetch_add_explicit(&d->shard->refused, 1, memory_order_relaxed);
    if (d->service == SERVICE_EXPORT) {
        ledger_add(ledger, d->signal, OUTCOME_RECEIVED, REASON_NONE, STR(""), 1);
        ledger_add(ledger, d->signal, OUTCOME_DROPPED, reason, STR(""), 1);
    }
    answer_failure(d, f);
}

void door_dead_letter(struct door *d, enum reason reason, struct str message, uint64_t offset,
                      uint64_t records, struct str body)
{
    static const char *const protocols[] = {[DOOR_PROTOBUF] = "otlp/http+protobuf",
                                            [DOOR_JSON] = "otlp/http+json",
                                            [DOOR_GRPC] = "otlp/grpc",
                                            [DOOR_WRITE_1] = "prometheus/remote-write-1.0",
                                            [DOOR_WRITE_2] = "prometheus/remote-write-2.0"};
    const struct dead_letter_sink *sink = &d->shard->receive->options.dead_letters;
    ASSERT(d->kind < DOOR_KIND_COUNT);
    if (sink->put == NULL) {
        return;
    }
    body.n = body.n < DEAD_LETTER_BODY_MAX ? body.n : DEAD_LETTER_BODY_MAX;
    struct dead_letter letter = {
        .received_ns = clock_wall_ns(),
        .signal = d->signal,
        .reason = reason,
        .protocol = str_of(protocols[d->kind]),
        .peer = http_peer(d->request),
        .message = message,
        .offset = offset,
        .records = records,
        .body = body,
    };
    sink->put(sink->ctx, &letter);
}

static void refuse_malformed(struct door *d, const struct err_at *at, struct str decoded)
{
    struct failure f = {400, GRPC_INVALID_ARGUMENT, false, STR_NONE, at};
    ASSERT(at != NULL);
    door_dead_letter(d, REASON_MALFORMED, str_of(at->text), at->offset, 0, decoded);
    refuse(d, REASON_MALFORMED, &f);
}

static void refuse_large(struct door *d)
{
    const struct receive *x = d->shard->receive;
    struct str message = arena_printf(
        http_arena(d->request),
        "The request is larger than the server takes, send smaller batches. A body may have %zu "
        "bytes, decompressed as well, and a request with its records %zu bytes of memory.",
        x->options.body_bytes_max, x->request_memory_max);
    struct failure f = {413, GRPC_RESOURCE_EXHAUSTED, false, message, NULL};
    refuse(d, REASON_TOO_LARGE, &f);
}

static void refuse_overload(struct door *d)
{
    struct failure f = {429, GRPC_RESOURCE_EXHAUSTED, true,
                        STR("The server is overloaded, try again."), NULL};
    ASSERT(d->request != NULL);
    refuse(d, REASON_OVERLOAD, &f);
}

void door_lost(struct door *d, enum err why, const struct err_at *at, struct str decoded)
{
    ASSERT(why != ERR_OK);
    if (why == ERR_LIMIT) {
        refuse_large(d);
    } else if (why == ERR_MEMORY) {
        refuse_overload(d);
    } else {
        refuse_malformed(d, at, decoded);
    }
}

// ---- Admission: what the headers decide ---------------------------------------------------------

static bool is_authorized(struct door *d)
{
    struct str token = d->shard->receive->options.token;
    struct str given = http_header(d->request, STR("authorization"));
    if (token.n == 0) {
        return true;
    }
    if (given.n < 7 || !str_eq_nocase((struct str){given.p, 7}, STR("Bearer "))) {
        return false;
    }
    given = str_trim(str_skip(given, 7));
    ASSERT(token.p != NULL);
    return given.n == token.n && CRYPTO_memcmp(given.p, token.p, token.n) == 0;
}

// A page that a browser takes for one of this machine must not send where no token is demanded.
static bool is_foreign_page(struct door *d)
{
    const struct receive_options *o = &d->shard->receive->options;
    struct str origin = http_header(d->request, STR("origin"));
    const char *address =
        o->otlp_http_address != NULL ? o->otlp_http_address : o->otlp_grpc_address;
    ASSERT(address != NULL && (o->token.n == 0 || o->token.p != NULL));
    return o->token.n == 0 && origin.p != NULL && !origin_is_local(origin, address);
}

static void admit(struct door *d)
{
    const struct receive_options *o = &d->shard->receive->options;
    ASSERT(d->service == SERVICE_EXPORT);
    if (is_foreign_page(d)) {
        struct failure f = {403, GRPC_PERMISSION_DENIED, false,
                            STR("Web pages of other hosts may not send here without a token."),
                            NULL};
        refuse(d, REASON_UNAUTHORIZED, &f);
    } else if (!is_authorized(d)) {
        struct failure f = {401, GRPC_UNAUTHENTICATED, false,
                            STR("A valid ingest token is needed."), NULL};
        refuse(d, REASON_UNAUTHORIZED, &f);
    } else if (o->is_full != NULL && o->is_full(o->ctx)) {
        struct failure f = {503, GRPC_UNAVAILABLE, true,
                            STR("The disk is full, nothing can be kept."), NULL};
        refuse(d, REASON_DISK_FULL, &f);
    } else if (shard_look(d->shard, d->started_ns) == TAKE_NOTHING) {
        refuse_overload(d);
    }
}

static struct door *door_new(struct shard *s, struct http_request *r, const struct route *route,
                             enum door_kind kind)
{
    struct door *d = arena_new(http_arena(r), 1, sizeof *d);
    d->shard = s;
    d->request = r;
    d->kind = kind;
    d->service = route->service;
    d->signal = route->signal;
    d->started_ns = clock_mono_ns();
    ASSERT(http_user(r) == NULL);
    http_set_user(r, d);
    return d;
}

static void grpc_headers(struct shard *s, struct http_request *r, struct str content_type)
{
    struct str rest = str_skip(content_type, STR("application/grpc").n);
    bool is_protobuf = rest.n == 0 || rest.p[0] == ';' || str_starts(rest, STR("+proto"));
    if (!http_is_h2(r) || !str_eq(http_method(r), STR("POST")) || !is_protobuf) {
        answer_plain_error(r, 415, "gRPC needs HTTP/2, POST and application/grpc.");
        return;
    }
    const struct route *route =
        find_route(GRPC_ROUTES, sizeof GRPC_ROUTES / sizeof *GRPC_ROUTES, http_path(r));
    if (route == NULL) {
        answer_grpc_status(r, GRPC_UNIMPLEMENTED, STR("No such method."), false);
        return;
    }
    struct door *d = door_new(s, r, route, DOOR_GRPC);
    struct str encoding = http_header(r, STR("grpc-encoding"));
    if (compression_from_name(encoding, &d->compression) != ERR_OK) {
        answer_grpc_status(r, GRPC_UNIMPLEMENTED, STR("This grpc-encoding is not known."), false);
    } else if (d->service == SERVICE_EXPORT) {
        admit(d);
    }
    ASSERT(d->kind == DOOR_GRPC);
}

static bool kind_of(struct str content_type, enum door_kind *ret_kind)
{
    struct str media;
    (void)str_split(content_type, ';', &media);
    media = str_trim(media);
    ASSERT(ret_kind != NULL);
    if (str_eq_nocase(media, STR("application/x-protobuf"))) {
        *ret_kind = DOOR_PROTOBUF;
    } else if (str_eq_nocase(media, STR("application/json"))) {
        *ret_kind = DOOR_JSON;
    } else {
        return false;
    }
    return true;
}

static void answer_root(struct http_request *r)
{
    struct http_header headers[] = {{STR("content-type"), STR("text/plain; charset=utf-8")}};
    ASSERT(http_path(r).n == 1);
    http_respond(r, 200, headers, 1,
                 STR("Sonde takes OpenTelemetry here: OTLP over gRPC, and POST /v1/traces, "
                     "/v1/metrics, /v1/logs; and Prometheus' remote write, POST " WRITE_PATH
                     ".\n"));
}

// What is demanded of the content's headers; false when the request has been answered.
static bool otlp_headers(struct http_request *r, struct str content_type, enum door_kind *ret_kind,
                         enum compression *ret_compression)
{
    ASSERT(ret_kind != NULL);
    if (!kind_of(content_type, ret_kind)) {
        answer_plain_error(r, 415,
                           "The content-type must be application/x-protobuf or "
                           "application/json.");
        return false;
    }
    struct str encoding = http_header(r, STR("content-encoding"));
    if (compression_from_name(encoding, ret_compression) != ERR_OK) {
        answer_plain_error(r, 415, "The content-encoding must be gzip, deflate, zstd or identity.");
        return false;
    }
    return true;
}

static void plain_headers(struct shard *s, struct http_request *r, struct str content_type)
{
    struct str method = http_method(r);
    bool reads = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
    enum door_kind kind;
    if (reads && str_eq(http_path(r), STR("/"))) {
        answer_root(r);
        return;
    }
    const struct route *route =
        find_route(HTTP_ROUTES, sizeof HTTP_ROUTES / sizeof *HTTP_ROUTES, http_path(r));
    if (route == NULL) {
        answer_plain_error(r, 404, "There is nothing at this path.");
        return;
    }
    if (!str_eq(method, STR("POST"))) {
        answer_plain_error(r, 405, "This path takes POST alone.");
        return;
    }
    enum compression compression = COMPRESSION_SNAPPY;
    if (str_eq(http_path(r), STR(WRITE_PATH))
            ? !write_headers(r, content_type, &kind)
            : !otlp_headers(r, content_type, &kind, &compression)) {
        return;
    }
    struct door *d = door_new(s, r, route, kind);
    d->compression = compression;
    ASSERT(d->service == SERVICE_EXPORT);
    admit(d);
}

static void on_headers(void *ctx, struct http_request *r)
{
    struct shard *s = ctx;
    struct str content_type = http_header(r, STR("content-type"));
    ASSERT(s->receive != NULL);
    atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
    if (str_starts(content_type, STR("application/grpc"))) {
        grpc_headers(s, r, content_type);
    } else {
        plain_headers(s, r, content_type);
    }
}

// ---- The body -----------------------------------------------------------------------------------

static void tell_agents(void *ctx, const struct span_flow *flow)
{
    agents_tell(ledger_agents(ctx), flow, clock_wall_ns());
}

// What agents tell of their spans among their metrics is the ledger's as well.
static void take_metrics(struct door *d, struct str request)
{
    struct ledger *ledger = d->shard->receive->options.ledger;
    struct err_at at = {0};
    uint64_t n = 0;
    ASSERT(d->signal == SIGNAL_METRICS);
    if (!door_is_write(d->kind) && otlp_count_records(OTLP_METRICS, request, &n, &at) == ERR_OK) {
        otlp_read_flow(request, tell_agents, ledger);
    }
    shard_take(d, request);
}

// Logs are checked and counted; a later version stores them.
static void take_logs(struct door *d, struct str request)
{
    struct ledger *ledger = d->shard->receive->options.ledger;
    struct err_at at = {0};
    uint64_t n = 0;
    ASSERT(d->signal == SIGNAL_LOGS);
    if (otlp_count_records(OTLP_LOGS, request, &n, &at) != ERR_OK) {
        door_lost(d, ERR_INVALID, &at, request);
        return;
    }
    if (n > 0) {
        ledger_add(ledger, d->signal, OUTCOME_RECEIVED, REASON_NONE, STR(""), n);
        ledger_add(ledger, d->signal, OUTCOME_DROPPED, REASON_UNSUPPORTED, STR(""), n);
        d->rejected = n;
        d->message = STR("This version of the server does not store log records yet.");
    }
    answer_success(d);
}

static void shrink(struct buf *b, size_t kept_bytes)
{
    buf_clear(b);
    if (b->capacity > kept_bytes) {
        buf_done(b);
    }
    ASSERT(b->n == 0);
}

// Between requests a shard keeps little, and nothing while memory is short.
static void release_scratch(struct shard *s)
{
    size_t kept = budget_is_tight(s->receive->options.budget) ? 0 : SCRATCH_KEPT_BYTES;
    shrink(&s->plain, kept);
    shrink(&s->protobuf, kept);
    shrink(&s->offsets, kept);
    ASSERT(s->scratch.held_bytes <= 3 * SCRATCH_KEPT_BYTES);
}

// Decompresses where due, then translates JSON where due: *body is then what is to be decoded.
// False when the door has been answered.
static bool prepare_body(struct door *d, bool compressed, struct str *body)
{
    struct shard *s = d->shard;
    struct err_at at = {0};
    enum err e = ERR_OK;
    struct str bytes = *body;
    if (compressed) {
        e = decompress(d->compression, bytes, &s->plain, &at);
        bytes = e == ERR_OK ? buf_str(&s->plain) : bytes;
    }
    if (e == ERR_OK && d->kind == DOOR_JSON) {
        e = otlp_json_to_protobuf((enum otlp_signal)d->signal, bytes, &s->protobuf, &s->offsets,
                                  &at);
        bytes = e == ERR_OK ? buf_str(&s->protobuf) : bytes;
    }
    if (e != ERR_OK) {
        door_lost(d, s->is_too_large ? ERR_LIMIT : e, &at, bytes);
        return false;
    }
    ASSERT(bytes.p != NULL);
    *body = bytes;
    return true;
}

static void on_request(void *ctx, struct http_request *r)
{
    struct shard *s = ctx;
    struct door *d = http_user(r);
    struct str body = http_body(r);
    MUST(d != NULL); // everything else was answered by its headers
    atomic_fetch_add_explicit(&s->bytes, body.n, memory_order_relaxed);
    if (d->service != SERVICE_EXPORT) {
        health_answer(d);
        return;
    }
    s->body_has = body.n;
    s->is_too_large = false;
    bool compressed = d->compression != COMPRESSION_NONE;
    if (d->kind == DOOR_GRPC && !grpc_unwrap(d, body, &body, &compressed)) {
        return;
    }
    if (prepare_body(d, compressed, &body)) {
        if (d->signal == SIGNAL_TRACES) {
            shard_take(d, body);
        } else if (d->signal == SIGNAL_METRICS) {
            take_metrics(d, body);
        } else {
            take_logs(d, body);
        }
    }
    release_scratch(s);
}

static void on_refused(void *ctx, struct http_request *r, enum http_refusal why)
{
    struct door *d = http_user(r);
    ASSERT(ctx != NULL);
    if (d == NULL) {
        return;
    }
    if (why == HTTP_REFUSAL_TOO_LARGE) {
        refuse_large(d);
    } else {
        refuse_overload(d);
    }
}

static void on_cancel(void *ctx, struct http_request *r)
{
    struct door *d = http_user(r);
    ASSERT(ctx != NULL);
    if (d != NULL) {
        shard_forget(d);
        health_unwatch(d);
    }
}

const struct http_handler receive_handler = {
    .on_headers = on_headers,
    .on_request = on_request,
    .on_cancel = on_cancel,
    .on_refused = on_refused,
};
