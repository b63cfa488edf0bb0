// SPDX-License-Identifier: Apache-2.0
// Purpose: HTTP/2 over an nghttp2 server session. nghttp2 does the framing, header compression and
// flow control; here are limits, requests and answers. Names and values of answers are copied once
// into the request's arena and lent to nghttp2 until the stream closes.
//
// Abuse is counted: resets, control frames and the bytes of headers draw on buckets that refill
// with time and with every answered request, so that a client that only resets (CVE-2023-44487) or
// only pings is cut. Headers count as they are decoded, not as they came: a byte on the wire can
// stand for 4 KiB of the compression table, and whoever says that byte often costs the server what
// it does not cost the client. A gateway says it too, once a request, for a token that all its
// requests carry; so there is room for as many requests as may be open at once, each with
// HEADER_BYTES_USUAL, and each that is answered gives as much back.
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "http/internal.h"

#define STREAM_WINDOW_MIN    ((size_t)65535)
#define STREAM_WINDOW_MAX    ((size_t)4 << 20)
#define CONNECTION_WINDOW    (16 << 20)
#define OUTBOUND_ACKS_MAX    1000
#define SETTINGS_ENTRIES_MAX 32
#define ANSWER_HEADERS_MAX   64
#define HEADER_BYTES_USUAL   4096 // of a request with tokens and cookies, 32 a field included

struct allowance {
    double burst, per_ms, per_request; // most of it, and what comes back
};
static const struct allowance RESETS = {1000, 0.033, 1}, CONTROLS = {1000, 0.1, 4},
                              HEADER_BYTES = {HTTP_STREAMS_MAX * HEADER_BYTES_USUAL, 2048,
                                              HEADER_BYTES_USUAL};

struct bucket {
    const struct allowance *of;
    double left;
    uint64_t filled_ms;
};

struct h2 {
    nghttp2_session *session;
    struct bucket resets, controls, header_bytes;
    struct buf held; // input that arrived while paused
    bool paused;     // the socket is full and much is answered
    bool flooded;
};

static bool draw(struct bucket *b, uint64_t now_ms, double n)
{
    ASSERT(b->of->burst > n);
    b->left += (double)(now_ms - b->filled_ms) * b->of->per_ms;
    b->left = b->left < b->of->burst ? b->left : b->of->burst;
    b->filled_ms = now_ms;
    if (b->left < n) {
        return false;
    }
    b->left -= n;
    return true;
}

// Ends a session that costs more than it brings: what is still to come is not even decoded.
static void cut(struct conn *c)
{
    struct h2 *h = c->state;
    ASSERT(h != NULL);
    if (!h->flooded) {
        h->flooded = true;
        stat_add(&c->server->stats.protocol_errors, 1);
        (void)nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static struct http_request *request_of(nghttp2_session *session, int32_t stream_id)
{
    ASSERT(session != NULL);
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

// ---- Receiving ----------------------------------------------------------------------------------

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    ASSERT(c->proto == &http_h2_ops);
    const struct h2 *h = c->state;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || h->flooded) {
        return 0; // trailers, or nothing that is still served
    }
    if (c->unread_bytes > HTTP_UNREAD_MAX) {
        stat_add(&c->server->stats.unread_refused, 1);
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM);
    }
    struct http_request *r = request_new(c);
    if (r == NULL) {
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM);
    }
    r->stream_id = frame->hd.stream_id;
    return nghttp2_session_set_stream_user_data(session, r->stream_id, r);
}

static bool take_pseudo_header(struct http_request *r, struct str name, struct str value)
{
    ASSERT(name.n > 0);
    if (str_eq(name, STR(":method"))) {
        r->method = arena_str(&r->arena, value);
    } else if (str_eq(name, STR(":path"))) {
        r->header_bytes += value.n;
        return request_set_target(r, value);
    } else if (str_eq(name, STR(":authority"))) {
        return request_add_header(r, STR("host"), value);
    }
    return true;
}

// Counts the decoded bytes of a header, whoever it is for. `kept`: the request takes it, which
// counts it for itself against what one request may have; else that is done here. Not 0: nghttp2 is
// to look at no more of this block.
static int count_header(struct conn *c, struct http_request *r, size_t name_n, size_t value_n,
                        bool kept)
{
    struct h2 *h = c->state;
    size_t n = name_n + value_n + 32; // as HTTP/2 counts
    if (n >= (size_t)HEADER_BYTES.burst ||
        !draw(&h->header_bytes, loop_now_ms(c->server->loop), (double)n)) {
        cut(c);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (r == NULL || kept) {
        return 0;
    }
    ASSERT(r->conn == c);
    r->header_bytes += n;
    return r->header_bytes > 2 * HTTP_HEADER_BYTES_MAX ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

// One that breaks the rules of HTTP is left out, yet was decoded and looked at.
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_n, const uint8_t *value,
                             size_t value_n, uint8_t flags, void *user)
{
    (void)name;
    (void)value;
    (void)flags;
    ASSERT(frame != NULL);
    return count_header(user, request_of(session, frame->hd.stream_id), name_n, value_n, false);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    struct http_request *r = request_of(session, frame->hd.stream_id);
    (void)flags;
    ASSERT(name_n > 0);
    bool kept = r != NULL && !r->told && !r->begun; // else trailers, or refused already
    int failed = count_header(user, r, name_n, value_n, kept);
    if (failed != 0 || !kept) {
        return failed;
    }
    struct str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (n.p[0] == ':') {
        if (!take_pseudo_header(r, n, v)) {
            request_fail(r, 400, "The request target is not valid.");
        }
        return 0;
    }
    if (str_eq(n, STR("content-length")) && str_to_u64(v, &r->content_length) != ERR_OK) {
        request_fail(r, 400, "The content-length is not a number.");
    } else if (!request_add_header(r, n, v)) {
        request_fail(r, 431, "The request's headers are too large.");
    }
    return 0;
}

static void headers_done(struct conn *c, struct http_request *r)
{
    ASSERT(!r->told);
    if (r->begun) {
        return; // failed while they came in
    }
    if (r->path.n == 0) { // CONNECT
        request_fail(r, 400, "The request has no path.");
        return;
    }
    r->wants_continue = str_eq_nocase(http_header(r, STR("expect")), STR("100-continue"));
    request_headers_done(r);
    if (r->wants_continue && !r->begun) {
        struct h2 *h = c->state;
        nghttp2_nv nv = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};
        (void)nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, r->stream_id, NULL, &nv, 1,
                                     NULL);
    }
}

// Frames that cost the server and bring it nothing.
static bool is_control(const nghttp2_frame *frame)
{
    ASSERT(frame != NULL);
    switch (frame->hd.type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
        return true;
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    default:
        return false;
    }
}

static void count_abuse(struct conn *c, const nghttp2_frame *frame)
{
    struct h2 *h = c->state;
    uint64_t now_ms = loop_now_ms(c->server->loop);
    ASSERT(h != NULL);
    bool fine = true;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        fine = draw(&h->resets, now_ms, 1);
    } else if (is_control(frame)) {
        fine = draw(&h->controls, now_ms, 1);
    }
    if (!fine) {
        cut(c);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    count_abuse(c, frame);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    struct http_request *r = request_of(session, frame->hd.stream_id);
    if (r == NULL) {
        return 0;
    }
    ASSERT(r->conn == c);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        headers_done(c, r);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !r->received) {
        if (r->told) {
            request_received(r);
        } else {
            r->received = true;
        }
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t n, void *user)
{
    struct http_request *r = request_of(session, stream_id);
    (void)flags;
    (void)user;
    ASSERT(bytes != NULL || n == 0);
    if (r != NULL) {
        request_body(r, (const char *)bytes, n);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    struct conn *c = user;
    struct h2 *h = c->state;
    struct http_request *r = request_of(session, stream_id);
    if (r != NULL) {
        ASSERT(r->conn == c);
        if (r->ended && code == NGHTTP2_NO_ERROR) {
            h->resets.left += RESETS.per_request;
            h->controls.left += CONTROLS.per_request;
            h->header_bytes.left += HEADER_BYTES.per_request;
        }
        (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        request_cancel(r);
    }
    return 0;
}

// A refused request whose body still comes: its answer is out, so the peer may stop.
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    ASSERT(session != NULL);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)) {
        return 0;
    }
    struct http_request *r = request_of(session, frame->hd.stream_id);
    if (r != NULL && !r->received) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, r->stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
                            void *user)
{
    struct conn *c = user;
    (void)session;
    (void)frame;
    (void)code;
    ASSERT(c->server != NULL);
    stat_add(&c->server->stats.protocol_errors, 1);
    return 0;
}

// ---- The session --------------------------------------------------------------------------------

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *cb = NULL;
    MUST(nghttp2_session_callbacks_new(&cb) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    return cb;
}

static nghttp2_session *make_session(struct conn *c)
{
    nghttp2_session_callbacks *cb = make_callbacks();
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    MUST(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_server_fallback_rfc7540_priorities(option, 0);
    MUST(nghttp2_session_server_new2(&session, cb, c, option) == 0);
    ASSERT(session != NULL);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    return session;
}

static void h2_start(struct conn *c)
{
    struct h2 *h = mem_new(1, sizeof *h);
    uint64_t now_ms = loop_now_ms(c->server->loop);
    h->session = make_session(c);
    buf_init_from(&h->held, HTTP_HELD_MAX, &c->server->inbound);
    h->resets = (struct bucket){&RESETS, RESETS.burst, now_ms};
    h->controls = (struct bucket){&CONTROLS, CONTROLS.burst, now_ms};
    h->header_bytes = (struct bucket){&HEADER_BYTES, HEADER_BYTES.burst, now_ms};
    size_t window = c->server->options.body_bytes_max;
    window = window > STREAM_WINDOW_MIN ? window : STREAM_WINDOW_MIN;
    window = window < STREAM_WINDOW_MAX ? window : STREAM_WINDOW_MAX;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)HTTP_HEADER_BYTES_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    MUST(nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                 sizeof settings / sizeof *settings) == 0);
    MUST(nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                               CONNECTION_WINDOW) == 0);
    ASSERT(c->state == NULL);
    c->state = h;
    conn_flush_soon(c);
}

// Much is answered that has not left.
static bool is_full(const struct conn *c)
{
    return c->answered_bytes + c->pending_bytes > HTTP_OUT_HIGH;
}

// Feeds the session until what is answered waits behind a full socket; the rest is held and reading
// stops.
static bool feed(struct conn *c, struct str bytes)
{
    struct h2 *h = c->state;
    ASSERT(!h->paused);
    while (bytes.n > 0 && !h->flooded) {
        size_t n = bytes.n < HTTP_FEED_BYTES ? bytes.n : HTTP_FEED_BYTES;
        if (nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.p, n) < 0) {
            stat_add(&c->server->stats.protocol_errors, 1);
            return false;
        }
        bytes = str_skip(bytes, n);
        if (is_full(c)) {
            if (!conn_flush_now(c)) {
                return true;
            }
            if (c->writing && is_full(c)) {
                h->paused = true;
                buf_add_str(&h->held, bytes);
                conn_pause(c);
                return !h->held.failed;
            }
        }
    }
    return true;
}

static bool h2_receive(struct conn *c, const char *bytes, size_t n)
{
    struct h2 *h = c->state;
    ASSERT(h != NULL);
    if (h->flooded) {
        return true; // it has been told to go
    }
    conn_flush_soon(c); // acknowledgements, window updates
    if (!h->paused) {
        return feed(c, (struct str){bytes, n});
    }
    buf_add(&h->held, bytes, n);
    if (h->held.failed || (c->writing && is_full(c))) {
        conn_pause(c);
        return !h->held.failed;
    }
    // Resumed: take up what was held. What is held again goes into a fresh buffer.
    struct buf held = h->held;
    buf_init_from(&h->held, HTTP_HELD_MAX, held.source);
    h->paused = false;
    bool fine = feed(c, buf_str(&held));
    buf_done(&held);
    return fine;
}

static void h2_produce(struct conn *c)
{
    struct h2 *h = c->state;
    ASSERT(h != NULL);
    while (c->out.n < HTTP_OUT_HIGH) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
        if (n < 0) {
            c->broken = true;
            return;
        }
        if (n == 0) {
            break;
        }
        buf_add(&c->out, bytes, (size_t)n);
    }
    if (h->paused) { // nothing is being written: what is still answered waits for its window
        conn_resume_later(c);
    }
    bool over =
        nghttp2_session_want_read(h->session) == 0 && nghttp2_session_want_write(h->session) == 0;
    if (c->out.n < HTTP_OUT_HIGH && (over || (c->going_away && c->first == NULL))) {
        conn_finish(c, true);
    }
}

// ---- Answering ----------------------------------------------------------------------------------

// What nghttp2 takes of the body now.
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user);

static nghttp2_nv lend(struct http_request *r, struct str name, struct str value, bool copy)
{
    ASSERT(name.n > 0);
    struct str n = copy ? arena_str(&r->arena, name) : name;
    struct str v = copy ? arena_str(&r->arena, value) : value;
    return (nghttp2_nv){(uint8_t *)n.p, (uint8_t *)v.p, n.n, v.n,
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static struct str number_str(struct http_request *r, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    ASSERT(n > 0);
    return arena_str(&r->arena, (struct str){text, (size_t)n});
}

static void h2_begin(struct http_request *r, const struct http_header *headers, size_t count,
                     int64_t content_length)
{
    nghttp2_nv nv[ANSWER_HEADERS_MAX + 3];
    size_t n = 0;
    struct h2 *h = r->conn->state;
    MUST(count <= ANSWER_HEADERS_MAX);
    bool is_grpc = false;
    struct str status = r->status == 200 ? STR("200") : number_str(r, (uint64_t)r->status);
    nv[n++] = lend(r, STR(":status"), status, false);
    for (size_t i = 0; i < count; i++) {
        is_grpc = is_grpc || (str_eq(headers[i].name, STR("content-type")) &&
                              str_starts(headers[i].value, STR("application/grpc")));
        nv[n++] = lend(r, headers[i].name, headers[i].value, true);
    }
    if (!is_grpc) { // gRPC has no use for these
        nv[n++] = lend(r, STR("date"), str_of(server_date(r->conn->server)), true);
        if (content_length >= 0 && r->status != 204 && r->status != 304) {
            struct str length = number_str(r, (uint64_t)content_length);
            nv[n++] = lend(r, STR("content-length"), length, false);
        }
    }
    nghttp2_data_provider body = {.source.ptr = r, .read_callback = read_body};
    bool with_body = content_length != 0 && !r->is_head && r->status != 204 && r->status != 304;
    if (nghttp2_submit_response(h->session, r->stream_id, nv, n, with_body ? &body : NULL) != 0) {
        conn_break(r->conn);
    }
}

static void h2_add(struct http_request *r, struct str bytes)
{
    struct h2 *h = r->conn->state;
    ASSERT(bytes.n > 0);
    request_add_out(r, bytes);
    (void)nghttp2_session_resume_data(h->session, r->stream_id); // fails when it was not waiting
}

static void h2_end(struct http_request *r)
{
    struct h2 *h = r->conn->state;
    ASSERT(r->ended);
    (void)nghttp2_session_resume_data(h->session, r->stream_id);
}

static void submit_trailers(nghttp2_session *session, struct http_request *r)
{
    nghttp2_nv nv[ANSWER_HEADERS_MAX];
    MUST(r->trailer_count <= ANSWER_HEADERS_MAX);
    for (size_t i = 0; i < r->trailer_count; i++) {
        nv[i] = lend(r, r->trailers[i].name, r->trailers[i].value, false);
    }
    if (nghttp2_submit_trailer(session, r->stream_id, nv, r->trailer_count) != 0) {
        conn_break(r->conn);
    }
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http_request *r = source->ptr;
    (void)stream_id;
    (void)user;
    ASSERT(r->begun);
    struct str bytes = request_out(r);
    if (bytes.n == 0 && !r->ended) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t n = bytes.n < room ? bytes.n : room;
    if (n > 0) {
        memcpy(to, bytes.p, n);
    }
    request_produced(r, n);
    if (r->ended && request_out(r).n == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (r->trailer_count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(session, r);
        }
    }
    return (ssize_t)n;
}

static void h2_time_out(struct http_request *r)
{
    struct h2 *h = r->conn->state;
    ASSERT(!r->received);
    if (!r->begun) {
        request_fail(r, 408, "The request did not arrive in time.");
    } else {
        (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, r->stream_id,
                                        NGHTTP2_CANCEL);
        conn_flush_soon(r->conn);
    }
}

static bool h2_is_shut(const struct http_request *r)
{
    const struct h2 *h = r->conn->state;
    ASSERT(r->stream_id > 0);
    return nghttp2_session_get_stream_remote_window_size(h->session, r->stream_id) <= 0;
}

static void h2_go_away(struct conn *c)
{
    struct h2 *h = c->state;
    ASSERT(c->going_away);
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

static void h2_release(struct conn *c)
{
    struct h2 *h = c->state;
    ASSERT(c->first == NULL);
    nghttp2_session_del(h->session);
    buf_done(&h->held);
    mem_free(h);
    c->state = NULL;
}

const struct proto_ops http_h2_ops = {
    .start = h2_start,
    .receive = h2_receive,
    .produce = h2_produce,
    .begin = h2_begin,
    .add = h2_add,
    .end = h2_end,
    .time_out = h2_time_out,
    .is_shut = h2_is_shut,
    .go_away = h2_go_away,
    .release = h2_release,
};
