// SPDX-License-Identifier: Apache-2.0
// Purpose: HTTP/1.1 over http_parser: keep-alive, pipelining (answers leave in the order of the
// requests), chunked bodies both ways, Expect: 100-continue.
//
// http_parser takes any two bytes for the CRLF behind a chunk's data, and any byte for the LF
// before it: what is swallowed there may be the next request, for which the peer then waits in
// vain. So the bytes around a chunk's data are looked at here, as it passes.
//
// Only the connection's first request is on the wire; the answers of later ones wait in their
// `out`. With HTTP_PIPELINE_MAX requests open, or HTTP_OUT_HIGH bytes of answers waiting, the
// parser pauses, the rest of the input is held and reading stops until answers have left.
#include <http_parser.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "http/internal.h"

#define HEAD_KEPT_BYTES ((size_t)4 << 10) // of a connection's buffers for heads, between requests

struct h1 {
    http_parser parser;
    struct conn *conn;
    struct http_request *current; // being received
    struct buf url;
    struct buf header; // name, then value, of the header being received
    size_t name_bytes;
    bool in_value;
    struct str input;      // what the parser is reading
    char last_byte;        // of the input before it
    bool chunk_begins;     // no data of the chunk has come yet
    size_t chunk_end_left; // bytes of the CRLF behind it that are still to come
    struct buf held;       // input that arrived while paused
    bool paused;
    bool dead;      // no further input is understood; what was answered is the end
    bool last_sent; // nothing may follow on the wire
};

// ---- Receiving ----------------------------------------------------------------------------------

// Answers an error in place of the request being received, and takes no more.
static void fail(struct h1 *h, int status, const char *text)
{
    struct http_request *r = h->current;
    ASSERT(!h->dead);
    h->dead = true;
    stat_add(&h->conn->server->stats.protocol_errors, status == 408 ? 0 : 1);
    if (r == NULL) {
        r = request_new(h->conn);
    }
    if (r == NULL) { // no memory left to say so
        conn_break(h->conn);
        return;
    }
    h->current = NULL;
    r->received = true;
    r->close_after = true;
    if (!r->ended) {
        request_fail(r, status, text);
    }
    conn_flush_soon(h->conn);
}

// The request's head does not fit: its own fault, or memory is short.
static void fail_head(struct h1 *h, bool denied, int status, const char *text)
{
    ASSERT(status >= 400 && text != NULL);
    fail(h, denied ? 429 : status, denied ? "The server is short of memory, try again." : text);
}

static int on_message_begin(http_parser *p)
{
    struct h1 *h = p->data;
    ASSERT(h->current == NULL);
    h->current = request_new(h->conn);
    if (h->current == NULL) {
        h->dead = true;
        conn_break(h->conn);
        return -1;
    }
    buf_clear(&h->url);
    buf_clear(&h->header);
    h->name_bytes = 0;
    h->in_value = false;
    return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
    struct h1 *h = p->data;
    ASSERT(h->current != NULL);
    buf_add(&h->url, at, n);
    if (h->url.failed) {
        fail_head(h, h->url.denied, 414, "The request target is too long.");
        return -1;
    }
    return 0;
}

// The header that was being received is whole.
static bool commit_header(struct h1 *h)
{
    struct str name = {h->header.p, h->name_bytes};
    ASSERT(h->name_bytes <= h->header.n);
    if (h->header.n == 0) {
        return true;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = h->header.p[i];
        if (c == ' ') { // http_parser lets it pass; a proxy may read another name (RFC 9112, 5.1)
            fail(h, 400, "A header's name has a blank.");
            return false;
        }
        if (c >= 'A' && c <= 'Z') {
            h->header.p[i] = (char)(c + ('a' - 'A'));
        }
    }
    struct str value = str_trim(str_skip(buf_str(&h->header), name.n));
    bool fits = !h->header.failed && request_add_header(h->current, name, value);
    bool denied = h->header.denied;
    if (h->header.capacity > HEAD_KEPT_BYTES) {
        buf_done(&h->header);
    }
    buf_clear(&h->header);
    h->name_bytes = 0;
    h->in_value = false;
    if (!fits) {
        fail_head(h, denied, 431, "The request's headers are too large.");
    }
    return fits;
}

static int on_header_field(http_parser *p, const char *at, size_t n)
{
    struct h1 *h = p->data;
    ASSERT(h->current != NULL);
    if (h->current->told) {
        return 0; // a trailer
    }
    if (h->in_value && !commit_header(h)) {
        return -1;
    }
    buf_add(&h->header, at, n);
    h->name_bytes = h->header.n;
    return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t n)
{
    struct h1 *h = p->data;
    ASSERT(h->current != NULL);
    if (!h->current->told) {
        h->in_value = true;
        buf_add(&h->header, at, n);
    }
    return 0;
}

// What two servers may read in two ways is refused (RFC 9112, 3.2 and 6.1): http_parser takes the
// last of several hosts, and undoes no transfer coding but the last.
static bool is_unambiguous(struct h1 *h)
{
    size_t hosts = 0, codings = 0;
    ASSERT(h->current != NULL);
    for (size_t i = 0; i < h->current->header_count; i++) {
        struct http_header x = h->current->headers[i];
        hosts += str_eq(x.name, STR("host"));
        if (str_eq(x.name, STR("transfer-encoding")) &&
            (++codings > 1 || !str_eq_nocase(x.value, STR("chunked")))) {
            fail(h, 501, "The only transfer-encoding taken is chunked, once.");
            return false;
        }
    }
    if (hosts > 1 || (hosts == 0 && !h->current->is_http10)) {
        fail(h, 400, "An HTTP/1.1 request needs one host header.");
        return false;
    }
    return true;
}

static int on_headers_complete(http_parser *p)
{
    struct h1 *h = p->data;
    struct http_request *r = h->current;
    if (!commit_header(h)) {
        return -1;
    }
    p->upgrade = 0; // nothing to upgrade to: the request is served as it is
    r->method = str_of(http_method_str((enum http_method)p->method));
    r->content_length = p->content_length;
    r->is_http10 = p->http_major == 1 && p->http_minor == 0;
    r->keep_alive = http_should_keep_alive(p) != 0;
    if (p->http_major != 1) {
        fail(h, 505, "This version of HTTP is not spoken here.");
        return -1;
    }
    if (!request_set_target(r, buf_str(&h->url))) {
        fail(h, 400, "The request target is not valid.");
        return -1;
    }
    if (!is_unambiguous(h)) {
        return -1;
    }
    if (h->url.capacity > HEAD_KEPT_BYTES) {
        buf_done(&h->url);
    }
    r->has_body =
        (p->flags & F_CHUNKED) != 0 || (r->content_length != UINT64_MAX && r->content_length > 0);
    r->wants_continue = r->has_body && !r->is_http10 &&
                        str_eq_nocase(http_header(r, STR("expect")), STR("100-continue"));
    request_headers_done(r);
    if (r->wants_continue) {
        conn_flush_soon(h->conn);
    }
    return 0;
}

static int on_chunk_header(http_parser *p)
{
    struct h1 *h = p->data;
    ASSERT(h->current != NULL && h->chunk_end_left == 0);
    h->chunk_begins = true;
    return 0;
}

// The bytes that come after a chunk's data: they must be the rest of its CRLF.
static bool is_chunk_end(struct h1 *h, struct str bytes)
{
    static const char crlf[] = "\r\n";
    ASSERT(h->chunk_end_left <= 2);
    for (size_t i = 0; i < bytes.n && h->chunk_end_left > 0; i++, h->chunk_end_left--) {
        if (bytes.p[i] != crlf[2 - h->chunk_end_left]) {
            fail(h, 400, "The data of a chunk is not followed by CRLF: its size is wrong.");
            return false;
        }
    }
    return true;
}

// Looks at what stands before and after a piece of a chunk's data.
static bool is_framed(struct h1 *h, const char *at, size_t n)
{
    const char *end = h->input.p + h->input.n;
    ASSERT(at >= h->input.p && at + n <= end);
    if (h->chunk_begins && (at > h->input.p ? at[-1] : h->last_byte) != '\n') {
        fail(h, 400, "The size of a chunk is not followed by CRLF.");
        return false;
    }
    h->chunk_begins = false;
    if (h->parser.content_length > 0) { // more of it is to come
        return true;
    }
    h->chunk_end_left = 2;
    return is_chunk_end(h, (struct str){at + n, (size_t)(end - at) - n});
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct h1 *h = p->data;
    ASSERT(h->current != NULL);
    if ((p->flags & F_CHUNKED) != 0 && !is_framed(h, at, n)) {
        return -1;
    }
    h->current->wants_continue = false; // it did not wait
    request_body(h->current, at, n);
    if (h->current->close_after) { // refused, and too long to be read to its end
        h->dead = true;
        return -1;
    }
    return 0;
}

static bool is_crowded(const struct conn *c, size_t requests_max)
{
    ASSERT(requests_max > 0);
    return c->request_count >= requests_max || c->pending_bytes > HTTP_OUT_HIGH;
}

static int on_message_complete(http_parser *p)
{
    struct h1 *h = p->data;
    struct http_request *r = h->current;
    ASSERT(r != NULL);
    h->current = NULL;
    if (!r->keep_alive || r->close_after) {
        h->dead = true;
    }
    request_received(r);
    conn_flush_soon(h->conn); // a refused request may only wait for its end
    if (is_crowded(h->conn, HTTP_PIPELINE_MAX) || h->dead) {
        http_parser_pause(p, 1);
    }
    return 0;
}

static const http_parser_settings SETTINGS = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static void h1_start(struct conn *c)
{
    struct h1 *h = mem_new(1, sizeof *h);
    ASSERT(c->state == NULL);
    http_parser_init(&h->parser, HTTP_REQUEST);
    h->parser.data = h;
    h->conn = c;
    struct mem_source *source = &c->server->inbound;
    buf_init_from(&h->url, HTTP_HEADER_BYTES_MAX, source);
    buf_init_from(&h->header, HTTP_HEADER_BYTES_MAX, source);
    buf_init_from(&h->held, HTTP_HELD_MAX, source);
    c->state = h;
}

static bool parse(struct h1 *h, const char *bytes, size_t n)
{
    ASSERT(!h->paused && !h->dead && n > 0);
    if (!is_chunk_end(h, (struct str){bytes, n})) {
        return true;
    }
    h->input = (struct str){bytes, n};
    size_t used = http_parser_execute(&h->parser, &SETTINGS, bytes, n);
    h->last_byte = bytes[n - 1];
    enum http_errno why = HTTP_PARSER_ERRNO(&h->parser);
    if (h->dead || why == HPE_OK) {
        return true;
    }
    if (why == HPE_PAUSED) {
        h->paused = true;
        buf_add(&h->held, bytes + used, n - used);
        conn_pause(h->conn);
        return !h->held.failed;
    }
    char text[160];
    const char *description = http_errno_description(why);
    (void)snprintf(text, sizeof text, "This is not HTTP: %s.", description);
    fail(h, why == HPE_HEADER_OVERFLOW ? 431 : 400, text);
    return true;
}

static bool h1_receive(struct conn *c, const char *bytes, size_t n)
{
    struct h1 *h = c->state;
    ASSERT(h != NULL);
    if (h->dead) {
        return true; // discarded; the last answer is on its way
    }
    if (n > 0 && h->paused) {
        buf_add(&h->held, bytes, n);
        return !h->held.failed;
    }
    if (!h->paused) {
        return n == 0 || parse(h, bytes, n);
    }
    if (is_crowded(c, HTTP_PIPELINE_MAX)) {
        return true;
    }
    // Resumed: take up what was held. What is held again goes into a fresh buffer.
    struct buf held = h->held;
    buf_init_from(&h->held, HTTP_HELD_MAX, held.source);
    h->paused = false;
    http_parser_pause(&h->parser, 0);
    bool fine = held.n == 0 || parse(h, held.p, held.n);
    buf_done(&held);
    return fine;
}

// ---- Answering ----------------------------------------------------------------------------------

static const char *reason_phrase(int status)
{
    ASSERT(status >= 100);
    switch (status) {
#define PHRASE(number, name, text)                                                                 \
    case number:                                                                                   \
        return #text;
        HTTP_STATUS_MAP(PHRASE)
#undef PHRASE
    default:
        return "Status";
    }
}

static void add_header(struct buf *b, struct str name, struct str value)
{
    ASSERT(name.n > 0);
    buf_add_str(b, name);
    buf_add_str(b, STR(": "));
    size_t from = b->n;
    buf_add_str(b, value);
    for (size_t i = from; i < b->n; i++) { // a value must not start a header of its own
        if (b->p[i] == '\r' || b->p[i] == '\n') {
            b->p[i] = ' ';
        }
    }
    buf_add_str(b, STR("\r\n"));
}

// Whether this answer is the connection's last.
static bool is_last(const struct http_request *r, int64_t content_length)
{
    const struct conn *c = r->conn;
    const struct h1 *h = c->state;
    ASSERT(h != NULL);
    if (!r->keep_alive || r->close_after || c->going_away || h->dead) {
        return true;
    }
    if (content_length < 0 && r->is_http10) {
        return true; // only the end of the connection ends the body
    }
    // Refused before it was there: its rest is discarded when it is short and surely coming.
    return !r->received && r->has_body &&
           (r->wants_continue || r->content_length > HTTP_DISCARD_MAX);
}

static void h1_begin(struct http_request *r, const struct http_header *headers, size_t count,
                     int64_t content_length)
{
    struct buf *b = &r->out;
    size_t before = b->n;
    char text[64];
    r->close_after = is_last(r, content_length);
    bool bodiless = r->status == 204 || r->status == 304;
    r->chunked = content_length < 0 && !r->is_http10 && !bodiless;
    ASSERT(before == 0 && r->out_at == 0);
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\n", r->status, reason_phrase(r->status));
    buf_add(b, text, (size_t)n);
    for (size_t i = 0; i < count; i++) {
        add_header(b, headers[i].name, headers[i].value);
    }
    add_header(b, STR("date"), str_of(server_date(r->conn->server)));
    if (r->chunked) {
        add_header(b, STR("transfer-encoding"), STR("chunked"));
    } else if (content_length >= 0 && !bodiless) {
        n = snprintf(text, sizeof text, "%lld", (long long)content_length);
        add_header(b, STR("content-length"), (struct str){text, (size_t)n});
    }
    if (r->close_after) {
        add_header(b, STR("connection"), STR("close"));
    } else if (r->is_http10) {
        add_header(b, STR("connection"), STR("keep-alive"));
    }
    buf_add_str(b, STR("\r\n"));
    r->conn->pending_bytes += b->n - before;
}

static void h1_add(struct http_request *r, struct str bytes)
{
    ASSERT(bytes.n > 0 && !r->is_head);
    if (!r->chunked) {
        request_add_out(r, bytes);
        return;
    }
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    request_add_out(r, (struct str){size, (size_t)n});
    request_add_out(r, bytes);
    request_add_out(r, STR("\r\n"));
}

static void h1_end(struct http_request *r)
{
    ASSERT(r->ended);
    if (r->chunked && !r->is_head) {
        request_add_out(r, STR("0\r\n\r\n"));
    }
}

// Moves the first request's bytes; true when its answer is whole and the next one's turn has come.
static bool produce_first(struct conn *c, struct http_request *r)
{
    ASSERT(c->first == r);
    if (r->wants_continue && !r->begun) {
        buf_add_str(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
        r->wants_continue = false;
    }
    for (struct str bytes; (bytes = request_out(r)).n > 0 && c->out.n < HTTP_OUT_HIGH;) {
        bytes.n = bytes.n < HTTP_OUT_HIGH ? bytes.n : HTTP_OUT_HIGH;
        buf_add_str(&c->out, bytes);
        request_produced(r, bytes.n);
    }
    return r->ended && request_out(r).n == 0 && (r->received || r->close_after);
}

static void h1_produce(struct conn *c)
{
    struct h1 *h = c->state;
    ASSERT(h != NULL);
    while (c->first != NULL && c->out.n < HTTP_OUT_HIGH && !h->last_sent) {
        struct http_request *r = c->first;
        if (!produce_first(c, r)) {
            break;
        }
        bool last = r->close_after;
        bool linger = !r->received || h->dead;
        if (h->current == r) {
            h->current = NULL;
        }
        request_free(r);
        if (last) {
            h->dead = h->last_sent = true;
            conn_finish(c, linger);
            return;
        }
    }
    if (h->paused && !h->dead && !is_crowded(c, HTTP_PIPELINE_MAX / 2)) {
        conn_resume_later(c);
    }
    if (c->going_away && c->first == NULL) {
        conn_finish(c, false);
    }
}

static void h1_time_out(struct http_request *r)
{
    struct h1 *h = r->conn->state;
    if (h->current == r && !h->dead) {
        fail(h, 408, "The request did not arrive in time.");
    } else {
        ASSERT(h->dead);
        conn_break(r->conn);
    }
}

static bool h1_is_shut(const struct http_request *r)
{
    ASSERT(r->conn->proto == &http_h1_ops);
    return false;
}

static void h1_go_away(struct conn *c)
{
    ASSERT(c->going_away);
    conn_flush_soon(c); // idle connections end there; others when their last answer has left
}

static void h1_release(struct conn *c)
{
    struct h1 *h = c->state;
    ASSERT(c->first == NULL);
    buf_done(&h->url);
    buf_done(&h->header);
    buf_done(&h->held);
    mem_free(h);
    c->state = NULL;
}

const struct proto_ops http_h1_ops = {
    .start = h1_start,
    .receive = h1_receive,
    .produce = h1_produce,
    .begin = h1_begin,
    .add = h1_add,
    .end = h1_end,
    .time_out = h1_time_out,
    .is_shut = h1_is_shut,
    .go_away = h1_go_away,
    .release = h1_release,
};
