// SPDX-License-Identifier: Apache-2.0
// Purpose: answers in the encoding of the request.
//
//   success   gRPC: one message, grpc-status 0. HTTP: 200 with the same message, protobuf or JSON.
//             Export*ServiceResponse { partial_success = 1 { rejected = 1, error_message = 2 } }
//   failure   gRPC: headers only, with grpc-status, grpc-message (percent-encoded) and, where the
//             sender should try again, grpc-status-details-bin. HTTP: google.rpc.Status, protobuf
//             or JSON; the JSON also has "error", "field" and "offset".
//   Status    { code = 1, message = 2, details = 3: Any { type_url = 1, value = 2 } }
//   RetryInfo { retry_delay = 1: Duration { seconds = 1 } }
#include <stdio.h>

#include "core/must.h"
#include "receive/internal.h"
#include "wire/base64.h"
#include "wire/json_writer.h"
#include "wire/protobuf.h"

#define RETRY_S          1
#define ANSWER_BYTES_MAX ((size_t)64 << 10)
#define GRPC_MESSAGE_MAX ((size_t)1024) // of grpc-message before percent-encoding
#define FAILURE_HEADERS  3

static const struct str CONTENT_TYPES[] = {
    [DOOR_PROTOBUF] = {"application/x-protobuf", 22},
    [DOOR_JSON] = {"application/json", 16},
    [DOOR_GRPC] = {"application/grpc", 16},
};

// ---- Success ------------------------------------------------------------------------------------

static void partial_protobuf(const struct door *d, struct buf *out)
{
    ASSERT(d->rejected > 0 || d->message.n > 0);
    size_t partial = pb_begin(out, 1);
    if (d->rejected > 0) {
        pb_put_varint(out, 1, d->rejected);
    }
    pb_put_bytes(out, 2, d->message);
    pb_end(out, partial);
}

static void partial_json(const struct door *d, struct buf *out)
{
    static const char *const names[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "rejectedSpans",
        [SIGNAL_METRICS] = "rejectedDataPoints",
        [SIGNAL_LOGS] = "rejectedLogRecords",
    };
    struct json_writer w;
    char number[24];
    ASSERT(d->signal < SIGNAL_COUNT);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)d->rejected);
    json_writer_init(&w, out);
    json_put_object(&w);
    json_put_key(&w, "partialSuccess");
    json_put_object(&w);
    json_put_key(&w, names[d->signal]);
    json_put_str(&w, str_of(number));
    json_put_key(&w, "errorMessage");
    json_put_str(&w, d->message);
    json_put_object_end(&w);
    json_put_object_end(&w);
}

static void send_success(struct door *d, struct str message)
{
    struct http_header headers[] = {{STR("content-type"), CONTENT_TYPES[d->kind]}};
    struct http_header trailers[] = {{STR("grpc-status"), STR("0")}};
    ASSERT(d->kind <= DOOR_GRPC);
    if (d->kind != DOOR_GRPC) {
        http_respond(d->request, 200, headers, 1, message);
        return;
    }
    http_stream_begin(d->request, 200, headers, 1);
    http_stream_write(d->request, message);
    http_stream_end(d->request, trailers, 1);
}

void answer_success(struct door *d)
{
    static const struct str plain[] = {
        [DOOR_PROTOBUF] = {"", 0}, [DOOR_JSON] = {"{}", 2}, [DOOR_GRPC] = {"\0\0\0\0\0", 5}};
    ASSERT(d->group == NULL);
    if (door_is_write(d->kind)) {
        write_success(d);
        return;
    }
    if (d->message.n == 0) {
        send_success(d, plain[d->kind]);
        return;
    }
    struct buf message, framed;
    buf_init(&message, ANSWER_BYTES_MAX);
    buf_init(&framed, ANSWER_BYTES_MAX);
    if (d->kind == DOOR_JSON) {
        partial_json(d, &message);
    } else {
        partial_protobuf(d, &message);
    }
    if (d->kind == DOOR_GRPC) {
        grpc_frame(&framed, buf_str(&message));
    }
    send_success(d, buf_str(d->kind == DOOR_GRPC ? &framed : &message));
    buf_done(&message);
    buf_done(&framed);
}

// ---- Failure ------------------------------------------------------------------------------------

static void put_retry_info(struct buf *out)
{
    size_t any = pb_begin(out, 3);
    ASSERT(RETRY_S > 0);
    pb_put_bytes(out, 1, STR("type.googleapis.com/google.rpc.RetryInfo"));
    size_t value = pb_begin(out, 2);
    size_t duration = pb_begin(out, 1);
    pb_put_varint(out, 1, RETRY_S);
    pb_end(out, duration);
    pb_end(out, value);
    pb_end(out, any);
}

static void put_status(struct buf *out, enum grpc_status status, struct str message, bool retry)
{
    ASSERT(status != GRPC_OK);
    pb_put_varint(out, 1, status);
    pb_put_bytes(out, 2, message);
    if (retry) {
        put_retry_info(out);
    }
}

static struct str percent_encode(struct arena *a, struct str s)
{
    static const char digits[] = "0123456789ABCDEF";
    s.n = s.n < GRPC_MESSAGE_MAX ? s.n : GRPC_MESSAGE_MAX;
    char *p = arena_alloc(a, s.n * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f && c != '%') {
            p[n++] = (char)c;
            continue;
        }
        p[n++] = '%';
        p[n++] = digits[c >> 4];
        p[n++] = digits[c & 15];
    }
    ASSERT(n <= s.n * 3);
    return (struct str){p, n};
}

void answer_grpc_status(struct http_request *r, enum grpc_status status, struct str message,
                        bool retry)
{
    struct arena *a = http_arena(r);
    struct http_header headers[] = {
        {STR("content-type"), STR("application/grpc")},
        {STR("grpc-status"), arena_printf(a, "%d", (int)status)},
        {STR("grpc-message"), percent_encode(a, message)},
        {STR("grpc-accept-encoding"), STR("identity,gzip,deflate,zstd")},
        {STR("grpc-status-details-bin"), STR("")},
    };
    struct buf details, text;
    ASSERT(status != GRPC_OK);
    buf_init(&details, ANSWER_BYTES_MAX);
    buf_init(&text, ANSWER_BYTES_MAX);
    if (retry) {
        put_status(&details, status, message, true);
        base64_encode(buf_str(&details), &text);
        while (text.n > 0 && text.p[text.n - 1] == '=') { // gRPC sends it unpadded
            text.n--;
        }
        headers[4].value = buf_str(&text);
    }
    http_respond(r, 200, headers, retry ? 5 : 4, STR(""));
    buf_done(&details);
    buf_done(&text);
}

// The message of an error with its place: "resource_spans[0].schema_url: ... (at byte 12)".
static struct str whole_message(struct door *d, const struct failure *f)
{
    ASSERT(f->message.n > 0 || f->at != NULL);
    if (f->at == NULL) {
        return f->message;
    }
    return arena_printf(http_arena(d->request), "%s (at byte %llu)", f->at->text,
                        (unsigned long long)f->at->offset);
}

// A decoder's text is "path: what", or "what" alone.
static struct str field_of(const struct err_at *at)
{
    const char *colon = strstr(at->text, ": ");
    ASSERT(at->text[0] != '\0');
    if (colon == NULL || memchr(at->text, ' ', (size_t)(colon - at->text)) != NULL) {
        return STR_NONE;
    }
    return (struct str){at->text, (size_t)(colon - at->text)};
}

static void failure_json(const struct failure *f, struct str message, struct buf *out)
{
    struct json_writer w;
    ASSERT(f->grpc_status != GRPC_OK);
    json_writer_init(&w, out);
    json_put_object(&w);
    json_put_key(&w, "code");
    json_put_u64(&w, f->grpc_status);
    json_put_key(&w, "message");
    json_put_str(&w, message);
    json_put_key(&w, "error");
    json_put_str(&w, message);
    if (f->at != NULL) {
        struct str field = field_of(f->at);
        if (field.p != NULL) {
            json_put_key(&w, "field");
            json_put_str(&w, field);
        }
        json_put_key(&w, "offset");
        json_put_u64(&w, f->at->offset);
    }
    json_put_object_end(&w);
}

void answer_failure(struct door *d, const struct failure *f)
{
    struct str message = whole_message(d, f);
    ASSERT(f->http_status >= 400);
    if (d->kind == DOOR_GRPC) {
        answer_grpc_status(d->request, f->grpc_status, message, f->retry);
        return;
    }
    if (door_is_write(d->kind)) {
        write_failure(d, f, message);
        return;
    }
    struct buf body;
    buf_init(&body, ANSWER_BYTES_MAX);
    if (d->kind == DOOR_JSON) {
        failure_json(f, message, &body);
    } else {
        put_status(&body, f->grpc_status, message, f->retry);
    }
    struct http_header headers[FAILURE_HEADERS] = {{STR("content-type"), CONTENT_TYPES[d->kind]}};
    size_t n = 1;
    if (f->retry) {
        headers[n++] = (struct http_header){STR("retry-after"), STR("1")};
    }
    if (f->http_status == 401) {
        headers[n++] = (struct http_header){STR("www-authenticate"), STR("Bearer")};
    }
    http_respond(d->request, f->http_status, headers, n, buf_str(&body));
    buf_done(&body);
}

void answer_plain_error(struct http_request *r, int status, const char *text)
{
    struct http_header headers[] = {{STR("content-type"), STR("application/json")},
                                    {STR("allow"), STR("POST")}};
    ASSERT(status >= 400);
    struct str body = arena_printf(http_arena(r), "{\"error\":\"%s\"}", text);
    http_respond(r, status, headers, status == 405 ? 2 : 1, body);
}
