// SPDX-License-Identifier: Apache-2.0
// Purpose: one connection: socket, TLS, telling the protocol by the first bytes, writing once a
// turn, timeouts and the ways it ends.
//
//   OPEN --conn_finish()--> FINISHING --all written--> LINGERING --peer closes or 1 s--> CLOSING
//     |                         '------------- no need to linger -----------------------------^
//     '--conn_close(): peer gone, timeout, broken -------------------------------------------^
#include <netdb.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "http/internal.h"

#define SENDING_BYTES_MAX (HTTP_ANSWER_BYTES_MAX * 2)
#define KEPT_BYTES_MAX    ((size_t)16 << 10) // buffers larger than this are freed when empty

static const char H2_PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
_Static_assert(sizeof H2_PREFACE - 1 == HTTP_H2_PREFACE_BYTES, "the preface has 24 bytes");

static void flush(struct conn *c);

// ---- The end ------------------------------------------------------------------------------------

static void free_when_let_go(struct conn *c)
{
    if (!c->closed || c->flush_posted || c->resume_posted) {
        return; // libuv or the loop still holds a part of it
    }
    struct http_server *s = c->server;
    ASSERT(c->first == NULL);
    *(c->prev != NULL ? &c->prev->next : &s->conns) = c->next;
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    s->conn_count--;
    atomic_store(&s->stats.open_connections, s->conn_count);
    tls_session_free(c->tls);
    buf_done(&c->out);
    buf_done(&c->sending);
    memory_give(s, c->charged);
    mem_free(c);
    server_conn_gone(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    ASSERT(c->phase == CONN_CLOSING);
    c->closed = true;
    free_when_let_go(c);
}

void conn_close(struct conn *c)
{
    if (c->phase == CONN_CLOSING) {
        return;
    }
    c->phase = CONN_CLOSING;
    while (c->first != NULL) {
        request_cancel(c->first);
    }
    if (c->proto != NULL) {
        c->proto->release(c);
    }
    ASSERT(c->request_count == 0 && c->pending_bytes == 0 && c->answered_bytes == 0);
    unread_forget(c);
    memory_give(c->server, c->charged); // now, for the one that it gives way to
    c->charged = 0;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_break(struct conn *c)
{
    ASSERT(c->server != NULL);
    c->broken = true;
    conn_flush_soon(c);
}

void conn_finish(struct conn *c, bool linger)
{
    if (c->phase == CONN_OPEN) {
        c->phase = CONN_FINISHING;
        c->linger = linger;
        conn_flush_soon(c);
    }
    ASSERT(c->phase != CONN_OPEN);
}

void conn_go_away(struct conn *c)
{
    ASSERT(c->server->stopping);
    if (c->phase != CONN_OPEN || c->going_away) {
        return;
    }
    c->going_away = true;
    if (c->proto == NULL) {
        conn_finish(c, false);
    } else {
        c->proto->go_away(c);
    }
    conn_flush_soon(c);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    ASSERT(req->data != NULL);
}

// Everything is written: close, or wait a moment for the peer to read it.
static void end_after_flush(struct conn *c)
{
    ASSERT(c->phase == CONN_FINISHING && !c->writing);
    if (!c->linger) {
        conn_close(c);
        return;
    }
    c->phase = CONN_LINGERING;
    c->linger_until_ms = loop_now_ms(c->server->loop) + HTTP_LINGER_MS;
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
        conn_close(c);
    } else if (!c->reading) {
        conn_resume_later(c);
    }
}

// ---- Writing ------------------------------------------------------------------------------------

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;
    ASSERT(c->writing);
    c->writing = false;
    c->sent_ms = loop_now_ms(c->server->loop);
    stat_add(&c->server->stats.bytes_out, c->sending.n - c->sending_at);
    buf_clear(&c->sending);
    c->sending_at = 0;
    if (status != 0) {
        conn_close(c);
    } else {
        flush(c);
    }
}

// Moves what was produced into `sending`, encrypted where due. False when the session is broken.
static bool prepare_sending(struct conn *c)
{
    ASSERT(!c->writing && c->sending.n == 0);
    if (c->tls == NULL) {
        struct buf empty = c->sending;
        c->sending = c->out;
        c->out = empty;
        return true;
    }
    bool fine =
        tls_session_ready(c->tls) ? tls_session_write(c->tls, buf_str(&c->out)) : c->out.n == 0;
    buf_clear(&c->out);
    if (fine && c->phase == CONN_FINISHING && (c->proto == NULL || c->first == NULL)) {
        tls_session_shut(c->tls);
    }
    tls_session_take(c->tls, &c->sending);
    return fine && !c->sending.failed;
}

// Writes `sending`; what the socket does not take at once is left to libuv. False when broken.
static bool send_some(struct conn *c)
{
    ASSERT(c->sending.n > 0 && !c->writing);
    uv_buf_t bytes = uv_buf_init(c->sending.p, (unsigned)c->sending.n);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &bytes, 1);
    if (n < 0 && n != UV_EAGAIN) {
        return false;
    }
    c->sending_at = n > 0 ? (size_t)n : 0;
    stat_add(&c->server->stats.bytes_out, c->sending_at);
    c->sent_ms = loop_now_ms(c->server->loop);
    if (c->sending_at == c->sending.n) {
        buf_clear(&c->sending);
        c->sending_at = 0;
        return true;
    }
    bytes = uv_buf_init(c->sending.p + c->sending_at, (unsigned)(c->sending.n - c->sending_at));
    c->write.data = c;
    c->writing = uv_write(&c->write, (uv_stream_t *)&c->tcp, &bytes, 1, on_written) == 0;
    return c->writing;
}

static void shrink(const struct conn *c, struct buf *b)
{
    ASSERT(b->n == 0);
    if (b->capacity > (memory_is_tight(c->server) ? 0 : KEPT_BYTES_MAX)) {
        buf_done(b);
    }
}

// Whether a whole request waits for its answer.
static bool is_awaited(const struct conn *c)
{
    ASSERT(c->phase != CONN_CLOSING);
    const struct http_request *r = c->first;
    while (r != NULL && (r->ended || !r->received)) {
        r = r->next;
    }
    return r != NULL;
}

static void write_all(struct conn *c)
{
    while (c->phase == CONN_OPEN || c->phase == CONN_FINISHING) {
        if (c->broken) {
            conn_close(c);
            return;
        }
        if (c->writing) {
            return; // on_written() goes on
        }
        if (c->proto != NULL) {
            c->proto->produce(c);
        }
        if (!prepare_sending(c)) {
            c->broken = true;
        }
        if (c->sending.n == 0 && !c->broken) {
            if (c->input_ended && c->phase == CONN_OPEN && !is_awaited(c)) {
                conn_finish(c, false);
                continue; // says so under TLS
            }
            break;
        }
        if (c->sending.n > 0 && !send_some(c)) {
            c->broken = true;
        }
        ASSERT(c->phase != CONN_CLOSING);
    }
    if (c->phase != CONN_CLOSING) {
        shrink(c, &c->out);
        if (!c->writing) {
            shrink(c, &c->sending);
        }
    }
    if (c->phase == CONN_FINISHING && !c->writing) {
        end_after_flush(c);
    }
}

static void flush(struct conn *c)
{
    write_all(c);
    unread_note(c);
    ASSERT(c->phase != CONN_CLOSING || c->first == NULL);
}

bool conn_flush_now(struct conn *c)
{
    ASSERT(c->proto != NULL);
    flush(c);
    return c->phase == CONN_OPEN;
}

static void run_flush(struct loop_task *task)
{
    struct conn *c = (struct conn *)((char *)task - offsetof(struct conn, flush));
    ASSERT(c->flush_posted);
    c->flush_posted = false;
    flush(c);
    free_when_let_go(c);
}

void conn_flush_soon(struct conn *c)
{
    ASSERT(c->flush.run != NULL);
    if (!c->flush_posted && c->phase != CONN_CLOSING) {
        c->flush_posted = true;
        loop_defer(c->server->loop, &c->flush);
    }
}

// ---- Reading ------------------------------------------------------------------------------------

// Tells the protocol by the first bytes, then hands them over. False as proto_ops.receive.
static bool receive_plain(struct conn *c, const char *bytes, size_t n)
{
    if (c->phase != CONN_OPEN) {
        return true; // nothing more is wanted; read only so that the peer gets the answer
    }
    if (c->proto != NULL) {
        return c->proto->receive(c, bytes, n);
    }
    size_t take = HTTP_H2_PREFACE_BYTES - c->first_count;
    take = take < n ? take : n;
    memcpy(c->first_bytes + c->first_count, bytes, take);
    if (c->first_count == 0) {
        c->opened_ms = loop_now_ms(c->server->loop); // from the first byte
    }
    c->first_count += take;
    bool is_h2 = memcmp(c->first_bytes, H2_PREFACE, c->first_count) == 0;
    if (is_h2 && c->first_count < HTTP_H2_PREFACE_BYTES) {
        return true; // may still be either
    }
    if (is_h2 && !memory_conn(c, HTTP_H2_CHARGE)) {
        server_refused(c->server, "the memory budget has no room");
        return false;
    }
    c->proto = is_h2 ? &http_h2_ops : &http_h1_ops;
    c->proto->start(c);
    ASSERT(c->first_count > 0);
    return c->proto->receive(c, c->first_bytes, c->first_count) &&
           (n == take || receive_plain(c, bytes + take, n - take));
}

static void on_peer_closed(struct conn *c);

static bool receive_tls(struct conn *c, const char *bytes, size_t n)
{
    char *plain = c->server->read_bytes + HTTP_READ_BYTES;
    ASSERT(c->tls != NULL);
    if (!tls_session_feed(c->tls, bytes, n)) {
        return false;
    }
    conn_flush_soon(c); // the handshake may have something to say
    while (c->phase != CONN_CLOSING) {
        int got = tls_session_read(c->tls, plain, HTTP_READ_BYTES);
        if (got < 0 && tls_session_ended(c->tls)) {
            on_peer_closed(c);
            return true;
        }
        if (got <= 0) {
            return got == 0;
        }
        if (!receive_plain(c, plain, (size_t)got)) {
            return false;
        }
    }
    return true;
}

static bool is_given_up(const struct conn *c)
{
    const struct http_handler *h = &c->server->options.handler;
    ASSERT(c->phase != CONN_CLOSING);
    struct http_request *r = h->is_given_up != NULL ? c->first : NULL;
    while (r != NULL && (r->ended || !r->received || !h->is_given_up(h->ctx, r))) {
        r = r->next;
    }
    return r != NULL;
}

// The peer ended its side. It may be gone, or still want the answers to what it sent whole: those
// are given, for HTTP_HALF_CLOSED_MS, unless a handler gives up one that costs much. What is not
// whole is cancelled, what is answered gets written.
static void on_peer_closed(struct conn *c)
{
    ASSERT(c->phase != CONN_CLOSING);
    if (c->phase == CONN_LINGERING) {
        conn_close(c);
        return;
    }
    conn_pause(c);
    if (is_given_up(c)) {
        conn_close(c);
        return;
    }
    if (!c->input_ended) {
        c->input_ended = true;
        c->input_ended_ms = loop_now_ms(c->server->loop);
    }
    conn_flush_soon(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct conn *c = stream->data;
    ASSERT(c->phase != CONN_CLOSING);
    if (n == UV_EOF) {
        on_peer_closed(c);
    } else if (n < 0) {
        conn_close(c);
    } else if (n > 0) {
        stat_add(&c->server->stats.bytes_in, (uint64_t)n);
        bool fine = c->tls == NULL ? receive_plain(c, bytes->base, (size_t)n)
                                   : receive_tls(c, bytes->base, (size_t)n);
        if (!fine) {
            conn_finish(c, true);
        }
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_bytes)
{
    struct conn *c = handle->data;
    (void)suggested;
    ASSERT(c->server->read_bytes != NULL);
    *ret_bytes = uv_buf_init(c->server->read_bytes, HTTP_READ_BYTES);
}

static void start_reading(struct conn *c)
{
    ASSERT(c->phase != CONN_CLOSING);
    if (!c->reading) {
        c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
    }
    if (!c->reading) {
        conn_break(c);
    }
}

void conn_pause(struct conn *c)
{
    ASSERT(c->phase != CONN_CLOSING);
    (void)uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

static void run_resume(struct loop_task *task)
{
    struct conn *c = (struct conn *)((char *)task - offsetof(struct conn, resume));
    ASSERT(c->resume_posted);
    c->resume_posted = false;
    if (c->phase == CONN_OPEN || c->phase == CONN_LINGERING) {
        start_reading(c);
        if (c->phase == CONN_OPEN && !c->proto->receive(c, "", 0)) { // which may pause again
            conn_finish(c, true);
        }
    }
    free_when_let_go(c);
}

void conn_resume_later(struct conn *c)
{
    ASSERT(c->resume.run != NULL);
    if (!c->resume_posted && c->phase != CONN_CLOSING) {
        c->resume_posted = true;
        loop_post(c->server->loop, &c->resume);
    }
}

// ---- Timeouts -----------------------------------------------------------------------------------

static bool is_stalled(const struct conn *c, uint64_t now_ms)
{
    uint64_t stall_ms = c->server->options.request_timeout_ms * HTTP_STALL_FACTOR;
    ASSERT(stall_ms > 0);
    return c->writing && now_ms - c->sent_ms > stall_ms;
}

// Whether the handshake or the first bytes take too long.
static bool is_late_to_start(const struct conn *c, uint64_t now_ms)
{
    bool handshaking = c->tls != NULL && !tls_session_ready(c->tls);
    bool undecided = c->proto == NULL && c->first_count > 0;
    ASSERT(c->opened_ms <= now_ms);
    return (handshaking || undecided) &&
           now_ms - c->opened_ms > c->server->options.request_timeout_ms;
}

static void sweep_requests(struct conn *c, uint64_t now_ms)
{
    uint32_t limit_ms = c->server->options.request_timeout_ms;
    for (struct http_request *r = c->first; r != NULL; r = r->next) {
        if (!r->received && !r->timed_out && now_ms - r->started_ms > limit_ms) {
            ASSERT(r->conn == c);
            r->timed_out = true;
            stat_add(&c->server->stats.timeouts, 1);
            c->proto->time_out(r);
        }
    }
}

void conn_sweep(struct conn *c, uint64_t now_ms)
{
    const struct http_server_options *o = &c->server->options;
    ASSERT(now_ms >= c->opened_ms);
    if (c->phase == CONN_CLOSING) {
        return;
    }
    if (c->phase == CONN_LINGERING) {
        if (now_ms >= c->linger_until_ms) {
            conn_close(c);
        }
        return;
    }
    if (c->input_ended && is_awaited(c) && now_ms - c->input_ended_ms > HTTP_HALF_CLOSED_MS) {
        conn_close(c); // gone, as far as can be told
        return;
    }
    if (is_stalled(c, now_ms) || unread_is_late(c, now_ms) || is_late_to_start(c, now_ms)) {
        stat_add(&c->server->stats.timeouts, 1);
        conn_close(c);
        return;
    }
    if (c->request_count > 0) {
        sweep_requests(c, now_ms);
    } else if (now_ms - c->idle_since_ms > o->idle_timeout_ms) {
        if (c->proto == NULL || c->going_away) {
            conn_finish(c, false);
        } else {
            c->going_away = true;
            c->proto->go_away(c);
            conn_flush_soon(c);
        }
    }
}

// ---- The beginning ------------------------------------------------------------------------------

static void read_peer(struct conn *c)
{
    struct sockaddr_storage addr = {0}; // read below even where there is no peer any more
    int n = sizeof addr;
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
    ASSERT(c->peer[0] == '\0');
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&addr, &n) == 0) {
        (void)getnameinfo((struct sockaddr *)&addr, (socklen_t)n, host, sizeof host, port,
                          sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    }
    const char *format = addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s";
    (void)snprintf(c->peer, sizeof c->peer, format, host, port);
}

static struct conn *conn_new(struct http_server *s)
{
    struct conn *c = mem_new(1, sizeof *c);
    MUST(uv_tcp_init(loop_uv(s->loop), &c->tcp) == 0);
    c->tcp.data = c;
    c->server = s;
    c->flush.run = run_flush;
    c->resume.run = run_resume;
    c->opened_ms = c->idle_since_ms = c->sent_ms = c->moved_ms = loop_now_ms(s->loop);
    buf_init_from(&c->out, SENDING_BYTES_MAX, &s->outbound);
    buf_init_from(&c->sending, SENDING_BYTES_MAX, &s->outbound);
    c->next = s->conns;
    if (s->conns != NULL) {
        s->conns->prev = c;
    }
    s->conns = c;
    s->conn_count++;
    return c;
}

bool conn_evict(struct http_server *s)
{
    uint64_t now_ms = loop_now_ms(s->loop);
    struct conn *oldest = NULL;
    ASSERT(s->conn_count > 0 || s->conns == NULL);
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        if (c->phase == CONN_OPEN && c->request_count == 0 && !c->writing &&
            now_ms - c->idle_since_ms >= HTTP_EVICT_IDLE_MS &&
            (oldest == NULL || c->idle_since_ms <= oldest->idle_since_ms)) {
            oldest = c;
        }
    }
    if (oldest == NULL) {
        return false;
    }
    stat_add(&s->stats.timeouts, 1);
    conn_close(oldest);
    return true;
}

void conn_accept(struct http_server *s, int fd)
{
    struct conn *c = conn_new(s);
    ASSERT(!s->stopping);
    size_t charge = HTTP_CONN_CHARGE + (s->options.tls != NULL ? HTTP_TLS_CHARGE : 0);
    bool full = s->conn_count > s->options.connections_max && !conn_evict(s);
    bool refused = full || (!memory_conn(c, charge) && !(conn_evict(s) && memory_conn(c, charge)));
    atomic_store(&s->stats.open_connections, s->conn_count);
    MUST(uv_tcp_open(&c->tcp, fd) == 0);
    if (refused) {
        server_refused(s, full ? "all are in use" : "the memory budget has no room");
        conn_close(c);
        return;
    }
    stat_add(&s->stats.connections, 1);
    (void)uv_tcp_nodelay(&c->tcp, 1);
    read_peer(c);
    if (s->options.tls != NULL) {
        c->tls = tls_session_new(s->options.tls);
    }
    start_reading(c);
}
