// SPDX-License-Identifier: Apache-2.0
// Purpose: nanoseconds per span of the OTLP decoder, the JSON transcoder and the journal encoding,
// for three shapes of span, beside a copy of the same bytes. One thread; the best of the rounds.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/mem.h"
#include "core/must.h"
#include "model/batch_codec.h"
#include "wire/otlp.h"

#define REQUESTS      ((size_t)8)
#define ROUNDS        100
#define REQUEST_BYTES ((size_t)8 << 20)

static uint64_t random_state = 88172645463325252U;

static uint32_t rnd(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

struct shape {
    const char *name;
    unsigned attributes; // of the list in fill_span()
    bool events;
    size_t spans_per_request;
};

static const struct shape shapes[] = {
    {"small (4 attributes)", 4, false, 500},
    {"middle (10 attributes)", 10, false, 500},
    {"large (16 attributes, events)", 16, true, 500},
    {"middle, 20 spans a request", 10, false, 20},
};

static void add_text(struct batch *b, const char *key, struct str value)
{
    struct attr a = {.key = batch_intern(b, str_of(key)), .type = ATTR_STRING};
    a.code = batch_intern(b, value);
    *batch_add_attr(b) = a;
}

static void add_int(struct batch *b, const char *key, int64_t value)
{
    struct attr a = {.key = batch_intern(b, str_of(key)), .type = ATTR_INT, .i = value};
    *batch_add_attr(b) = a;
}

static void add_attribute(struct batch *b, unsigned which)
{
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT"};
    static const char *const routes[] = {"/api/orders/{id}", "/api/cart", "/api/products/{id}",
                                         "/api/checkout", "/api/users/{id}/profile"};
    static const uint16_t codes[] = {200, 200, 200, 200, 201, 404, 500};
    char text[96];
    switch (which % 10) {
    case 0:
        add_text(b, "http.request.method", str_of(methods[rnd(5)]));
        break;
    case 1:
        add_text(b, "http.route", str_of(routes[rnd(5)]));
        break;
    case 2:
        (void)snprintf(text, sizeof text, "https://shop.example.com/api/orders/%u?user=%u",
                       rnd(10000000), rnd(100000));
        add_text(b, "url.full", str_of(text));
        break;
    case 3:
        add_int(b, "http.response.status_code", codes[rnd(7)]);
        break;
    case 4:
        (void)snprintf(text, sizeof text, "cart-%u.shop.svc.cluster.local", rnd(30));
        add_text(b, "server.address", str_of(text));
        break;
    case 5:
        add_int(b, "server.port", 8080);
        break;
    case 6:
        (void)snprintf(text, sizeof text, "10.1.%u.%u", rnd(4), rnd(250));
        add_text(b, "network.peer.address", str_of(text));
        break;
    case 7:
        add_text(b, "url.scheme", STR("https"));
        break;
    case 8:
        add_text(b, "network.protocol.version", STR("1.1"));
        break;
    default:
        add_text(b, "user_agent.original", STR("okhttp/4.12.0"));
        break;
    }
    if (which >= 10) {
        struct attr *a = &b->attrs[b->attr_count - 1];
        (void)snprintf(text, sizeof text, "app.%u.%.*s", which, STR_FMT(batch_str(b, a->key)));
        a->key = batch_intern(b, str_of(text));
    }
}

static void fill_span(struct batch *b, const struct shape *shape, size_t index)
{
    static const char *const names[] = {"GET /api/orders/{id}", "POST /api/checkout",
                                        "SELECT shop.orders", "GET /api/cart", "publish orders"};
    // A batch of 500 spans from a busy service holds about 28 traces of 18 spans, interleaved.
    static trace_id traces[32];
    struct span s = {.kind = (uint8_t)(rnd(3) + 1), .flags = 257};
    trace_id *trace = &traces[rnd(28)];
    if (trace_id_is_zero(*trace) || rnd(18) == 0) {
        for (size_t i = 0; i < sizeof trace->b; i++) {
            trace->b[i] = (uint8_t)(rnd(255) + 1);
        }
    }
    s.trace = *trace;
    for (size_t i = 0; i < sizeof s.id.b; i++) {
        s.id.b[i] = (uint8_t)(rnd(255) + 1);
        s.parent.b[i] = (uint8_t)(rnd(255) + 1);
    }
    if (b->span_count > 0 && rnd(2) == 0) {
        s.parent = b->spans[b->span_count - 1 - rnd((uint32_t)b->span_count)].id;
    }
    s.start_ns = 1717750000000000000U + index * 1000000 + rnd(5000000);
    s.duration_ns = rnd(50000000);
    s.name = batch_intern(b, str_of(names[rnd(5)]));
    s.status = (uint8_t)(rnd(50) == 0 ? STATUS_ERROR : STATUS_UNSET);
    s.attrs = (struct attr_run){(uint32_t)b->attr_count, shape->attributes};
    for (unsigned i = 0; i < shape->attributes; i++) {
        add_attribute(b, i);
    }
    if (shape->events && rnd(4) == 0) {
        s.events = batch_intern(b, STR("\x21\x09\x01\x02\x03\x04\x05\x06\x07\x08\x12\x09"
                                       "exception\x1a\x0b\x0a\x01k\x12\x06\x0a\x04"
                                       "text"));
    }
    *batch_add_span(b) = s;
}

static struct buf *requests_new(const struct shape *shape)
{
    struct buf *requests = mem_new(REQUESTS, sizeof *requests);
    for (size_t i = 0; i < REQUESTS; i++) {
        struct batch *b = batch_new(STR("shop"));
        struct row *rows = mem_new(shape->spans_per_request, sizeof *rows);
        struct resource r = {.attrs = {0, 3}};
        add_text(b, "service.namespace", STR("shop"));
        add_text(b, "service.name", STR("orders"));
        add_text(b, "host.name", STR("node-17.example.com"));
        r.service = batch_intern(b, STR("orders"));
        *batch_add_resource(b) = r;
        batch_add_scope(b)->name = batch_intern(b, STR("io.opentelemetry.okhttp"));
        for (size_t k = 0; k < shape->spans_per_request; k++) {
            fill_span(b, shape, k);
            rows[k] = (struct row){b, (uint32_t)k};
        }
        buf_init(&requests[i], REQUEST_BYTES);
        otlp_encode_traces(rows, shape->spans_per_request, &requests[i]);
        MUST(!requests[i].failed);
        mem_free(rows);
        batch_unref(b);
    }
    return requests;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct batch *batch_for(void *ctx, struct str line)
{
    struct batch **batch = ctx;
    if (*batch == NULL) {
        *batch = batch_new(line);
    }
    return *batch;
}

static void reject(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes)
{
    (void)ctx;
    (void)service;
    (void)offset;
    (void)bytes;
    (void)fprintf(stderr, "rejected: %s\n", message);
    abort();
}

// All requests into one batch, as the receiver groups them.
static struct batch *decode_all(const struct buf *requests)
{
    struct batch *batch = NULL;
    const struct otlp_sink sink = {batch_for, reject, &batch};
    for (size_t i = 0; i < REQUESTS; i++) {
        struct otlp_counts counts;
        struct err_at at;
        enum err e = otlp_decode_traces(buf_str(&requests[i]), &sink, &counts, &at);
        MUST(e == ERR_OK);
    }
    return batch;
}

struct best {
    uint64_t copy, decode, encode_batch, decode_batch, transcode;
};

static void keep_best(uint64_t *best, uint64_t from)
{
    uint64_t took = now_ns() - from;
    *best = *best == 0 || took < *best ? took : *best;
}

static void round_json(const struct buf *json, struct best *best)
{
    struct buf out;
    struct err_at at;
    buf_init(&out, REQUEST_BYTES);
    uint64_t from = now_ns();
    enum err e = otlp_json_to_protobuf(OTLP_TRACES, buf_str(json), &out, NULL, &at);
    keep_best(&best->transcode, from);
    MUST(e == ERR_OK);
    buf_done(&out);
}

static size_t round_batch(const struct buf *requests, struct buf *json, char *room,
                          struct best *best)
{
    struct buf out;
    struct err_at at;
    struct batch *back = NULL;
    uint64_t from = now_ns();
    for (size_t i = 0; i < REQUESTS; i++) {
        memcpy(room, requests[i].p, requests[i].n);
        __asm__ volatile("" ::: "memory");
    }
    keep_best(&best->copy, from);
    from = now_ns();
    struct batch *batch = decode_all(requests);
    keep_best(&best->decode, from);
    buf_init(&out, REQUEST_BYTES * REQUESTS);
    from = now_ns();
    batch_encode(batch, &out);
    keep_best(&best->encode_batch, from);
    from = now_ns();
    enum err e = batch_decode(buf_str(&out), &back, &at);
    keep_best(&best->decode_batch, from);
    MUST(e == ERR_OK && back->span_count == batch->span_count);
    if (json->n == 0) {
        struct row rows[20];
        for (uint32_t i = 0; i < 20; i++) {
            rows[i] = (struct row){back, i};
        }
        otlp_encode_traces_json(rows, 20, json);
    }
    size_t bytes = out.n;
    buf_done(&out);
    batch_unref(batch);
    batch_unref(back);
    return bytes;
}

static void run(const struct shape *shape)
{
    struct buf *requests = requests_new(shape);
    struct best best = {0};
    struct buf json;
    size_t bytes = 0, encoded = 0;
    char *room = mem_alloc(REQUEST_BYTES);
    buf_init(&json, REQUEST_BYTES);
    for (size_t i = 0; i < REQUESTS; i++) {
        bytes += requests[i].n;
    }
    for (int round = 0; round < ROUNDS; round++) {
        encoded = round_batch(requests, &json, room, &best);
        round_json(&json, &best);
    }
    double spans = (double)(REQUESTS * shape->spans_per_request);
    (void)printf("%s: %.0f B a span as OTLP, %.0f B in the journal; ns a span: copy %.1f, "
                 "decode %.0f, batch encode %.0f, batch decode %.0f, JSON to protobuf %.0f\n",
                 shape->name, (double)bytes / spans, (double)encoded / spans,
                 (double)best.copy / spans, (double)best.decode / spans,
                 (double)best.encode_batch / spans, (double)best.decode_batch / spans,
                 (double)best.transcode / 20);
    buf_done(&json);
    mem_free(room);
    for (size_t i = 0; i < REQUESTS; i++) {
        buf_done(&requests[i]);
    }
    mem_free(requests);
}

int main(void)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        run(&shapes[i]);
    }
    return 0;
}
