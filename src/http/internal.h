// SPDX-License-Identifier: Apache-2.0
// Purpose: what the files of the HTTP server share: the connection, the request, and the table
// between a connection (socket, TLS, timeouts, writing) and the protocol that speaks on it.
//
// One turn of the loop: bytes come in (conn.c), the protocol (h1.c, h2.c) turns them into requests,
// handlers answer some of them into each request's `out`, and the deferred flush at the end of the
// turn lets the protocol produce the connection's bytes and writes them with one system call.
// Requests and protocol state are freed only while producing, receiving or closing, so never below
// a handler that still uses them.
#ifndef SONDE_HTTP_INTERNAL_H
#define SONDE_HTTP_INTERNAL_H

#include <stdint.h>
#include <uv.h>

#include "core/arena.h"
#include "core/buf.h"
#include "http/server.h"

#define HTTP_HEADER_BYTES_MAX ((size_t)64 << 10) // of one request, target included; then 431
#define HTTP_HEADERS_MAX      ((size_t)128)
#define HTTP_STREAMS_MAX      ((uint32_t)1024) // requests at once on one HTTP/2 connection
#define HTTP_PIPELINE_MAX     ((size_t)64)     // on HTTP/1.1; more wait in the socket
#define HTTP_READ_BYTES       ((size_t)256 << 10)
#define HTTP_OUT_HIGH         ((size_t)256 << 10) // produced ahead of the socket at most
#define HTTP_PENDING_MAX      ((size_t)64 << 20)  // answers that one peer has not taken yet
#define HTTP_ANSWER_BYTES_MAX ((size_t)1 << 30)   // one answer
#define HTTP_HELD_MAX         ((size_t)2 << 20)   // input beyond what is answered for now
#define HTTP_UNREAD_MAX       ((size_t)4 << 20) // unread answers of a peer; then streams are refused
#define HTTP_FEED_BYTES       ((size_t)4 << 10)   // of HTTP/2 between two looks at what is answered
#define HTTP_DISCARD_MAX      ((uint64_t)1 << 20) // rest of a refused body that is read to its end
#define HTTP_POOL_BYTES_MAX   ((size_t)1 << 20)   // idle request objects of a server, in all
#define HTTP_POOLED_BYTES_MAX ((size_t)16 << 10)  // buffers kept by an idle request object
#define HTTP_BODY_CREDIT_STEP ((size_t)256 << 10) // taken from the budget at once
#define HTTP_REQUEST_CHARGE   ((size_t)6 << 10)   // what an open request costs beside its buffers
#define HTTP_CONN_CHARGE      ((size_t)4 << 10)   // what a connection costs beside its buffers
#define HTTP_H2_CHARGE        ((size_t)16 << 10)  // the same, of HTTP/2
#define HTTP_TLS_CHARGE       ((size_t)32 << 10)  // and under TLS
#define HTTP_SURE_BYTES       ((size_t)512 << 10) // of the budget that a server holds always
#define HTTP_SMALL_BYTES      ((size_t)8 << 10)   // pieces of memory that it is for
#define HTTP_SURE_SHARE       ((size_t)128)       // and at most this part of it
#define HTTP_CONNS_SURE       ((size_t)64)        // connections that the budget never refuses
#define HTTP_OUT_COPIES       ((size_t)3)         // an answer's bytes on their way, at most
#define HTTP_UNCHARGED_MAX    ((size_t)256)       // open requests beyond the budget; then no answer
#define HTTP_EVICT_IDLE_MS    ((uint64_t)1000) // idle so long, a connection may give way to a new one
#define HTTP_LINGER_MS        ((uint64_t)1000) // for the peer to read a last answer
#define HTTP_HALF_CLOSED_MS   ((uint64_t)1000) // for the answers to a peer that ended its side
#define HTTP_STALL_FACTOR     ((uint64_t)3)    // no byte taken for this many request timeouts
#define HTTP_H2_PREFACE_BYTES ((size_t)24)

struct conn;
struct tls_session;

struct http_request {
    struct conn *conn;
    struct http_request *next, *prev; // oldest first in the connection; `next` in the pool

    // What came in.
    struct arena arena;
    struct str method, path, query;
    struct http_header *headers;
    size_t header_count, header_capacity, header_bytes;
    uint64_t content_length; // UINT64_MAX when not said
    struct buf body;
    size_t base_charged;  // HTTP_REQUEST_CHARGE, or 0 where the budget had no room
    size_t arena_charged; // what the arena holds beyond its first chunk
    uint64_t started_ms;
    int32_t stream_id; // HTTP/2

    // What goes out.
    struct buf out;    // HTTP/1.1: as it goes on the wire; HTTP/2: the body alone
    size_t out_at;     // bytes of `out` that are produced already
    struct str lent;   // comes behind `out`: the rest of a body that is not copied
    uint64_t moved_ms; // when it was answered, or bytes of the answer were produced last
    const struct http_header *trailers;
    size_t trailer_count;
    int status;
    void *user;

    bool is_head;        // the method is HEAD
    bool starved;        // the budget had no room for its headers, which are not all there
    bool told;           // the handler knows the request
    bool received;       // the whole request is there
    bool timed_out;      // ran into request_timeout_ms
    bool begun;          // the answer has a status
    bool ended;          // the answer is complete
    bool chunked;        // HTTP/1.1: the answer is
    bool keep_alive;     // HTTP/1.1: the peer wants it
    bool is_http10;      // HTTP/1.0
    bool wants_continue; // Expect: 100-continue, not answered yet
    bool close_after;    // HTTP/1.1: this answer is the last
    bool has_body;       // HTTP/1.1: the request announces one
};

// What a protocol does for a connection. Static tables in h1.c and h2.c.
struct proto_ops {
    void (*start)(struct conn *c);
    // Takes bytes in. False when the connection is broken beyond an answer: it is closed after a
    // last flush.
    bool (*receive)(struct conn *c, const char *bytes, size_t n);
    // Appends to c->out until it holds HTTP_OUT_HIGH or nothing is left to say.
    void (*produce)(struct conn *c);
    // The answer's head. `content_length` is -1 for a stream.
    void (*begin)(struct http_request *r, const struct http_header *headers, size_t count,
                  int64_t content_length);
    void (*add)(struct http_request *r, struct str bytes); // more of the answer's body
    void (*end)(struct http_request *r);                   // r->trailers are set
    void (*time_out)(struct http_request *r);              // it did not arrive whole in time
    // Whether the peer takes no bytes of this answer, whatever it does about its others.
    bool (*is_shut)(const struct http_request *r);
    void (*go_away)(struct conn *c); // no new requests; end when the running ones have
    void (*release)(struct conn *c); // frees c->state
};
extern const struct proto_ops http_h1_ops, http_h2_ops;

enum conn_phase {
    CONN_OPEN,
    CONN_FINISHING, // writes what is there, then closes
    CONN_LINGERING, // has written and shut down; reads and discards until the peer closes
    CONN_CLOSING,   // uv_close() is under way
};

struct conn {
    struct http_server *server;
    struct conn *next, *prev;
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct loop_task flush, resume; // `resume`: take up held input in a turn of its own
    const struct proto_ops *proto;  // NULL until the first bytes tell
    void *state;                    // the protocol's
    struct tls_session *tls;        // NULL: plain text
    struct http_request *first, *last;
    size_t request_count;
    size_t pending_bytes;  // of all requests' `out`
    size_t answered_bytes; // that answered requests hold beside it
    size_t unread_bytes;   // of all that, what the peer does not take (unread.c)
    uint64_t moved_ms;     // when bytes of an answer were produced last
    uint64_t input_ended_ms;
    struct buf out;     // plain bytes for the peer
    struct buf sending; // bytes on the wire, held by a write that did not go through at once
    size_t sending_at;
    size_t charged; // for the connection itself
    uint64_t opened_ms, idle_since_ms, sent_ms, linger_until_ms;
    char peer[64];
    char first_bytes[HTTP_H2_PREFACE_BYTES];
    size_t first_count;
    enum conn_phase phase;
    bool linger;      // the peer may still be sending: close gently
    bool broken;      // cut at the next flush
    bool going_away;  // go_away() was called
    bool input_ended; // the peer has ended its side; what is whole is answered yet
    bool reading;     // uv_read_start() is in force
    bool writing;     // `sending` is held by libuv
    bool flush_posted, resume_posted;
    bool closed; // libuv let go of the handle
};

struct http_server {
    struct http_server_options options;
    struct loop *loop;
    char address[80];
    uv_poll_t listener;
    int listener_fd;
    uv_timer_t sweep, grace;
    int open_handles; // of the three above
    struct conn *conns;
    size_t conn_count;
    struct http_request *pool;
    size_t pool_bytes;
    size_t uncharged;  // open requests that the budget had no room for
    size_t unread;     // of all connections' unread_bytes
    size_t credit;     // taken from the budget, held by nobody
    size_t sure_bytes; // the least of it that is kept
    // Of what comes in, which the budget may refuse; and of what goes out, which it never does.
    struct mem_source inbound, outbound;
    char *read_bytes; // HTTP_READ_BYTES for input, as much again for decrypted input
    char date[32];    // "Sun, 06 Nov 1994 08:49:37 GMT"
    uint64_t date_s;
    uint64_t told_ms; // when the log last said that connections are refused; 0: never
    bool paused;      // accepts none until the next sweep
    bool stopping;
    bool stopped;
    void (*done)(void *ctx);
    void *done_ctx;
    struct http_server_stats stats;
};

// Only the loop's thread writes a server's statistics, so a plain add suffices.
static inline void stat_add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

// ---- server.c
const char *server_date(struct http_server *s);
// Counts a connection that is refused, and tells the log at most once a minute.
void server_refused(struct http_server *s, const char *why);
// After a connection is gone: a stopping server may be done.
void server_conn_gone(struct http_server *s);

// ---- conn.c
void conn_accept(struct http_server *s, int fd); // `fd` is the connection's from here on
// Closes the connection that has been idle longest, so that peers that hold connections without
// using them keep nobody out. False when none has been idle long enough.
bool conn_evict(struct http_server *s);
void conn_flush_soon(struct conn *c);
// The same at once, for a protocol between two pieces of input; never below a handler. False when
// the connection takes no more input.
bool conn_flush_now(struct conn *c);
// Ends the connection once everything produced is written. `linger` gives the peer a moment to
// read the answer while it still sends.
void conn_finish(struct conn *c, bool linger);
// Cuts the connection at the end of this turn.
void conn_break(struct conn *c);
// Cuts it now; never below a handler.
void conn_close(struct conn *c);
void conn_sweep(struct conn *c, uint64_t now_ms);
void conn_go_away(struct conn *c);
void conn_pause(struct conn *c);        // stops reading
void conn_resume_later(struct conn *c); // takes up reading and held input in a new turn

// ---- memory.c
void memory_init(struct http_server *s);
void memory_done(struct http_server *s);
bool memory_take(struct http_server *s, size_t n);
void memory_force(struct http_server *s, size_t n);
void memory_give(struct http_server *s, size_t n);
bool memory_is_tight(const struct http_server *s);
// Charges a connection with more; false when the budget has no room and it is not a sure one.
bool memory_conn(struct conn *c, size_t n);

// ---- unread.c
// After a flush: notes what the connection's peer has not taken, and ends connections, this one
// perhaps, where that is too much. Never below a handler.
void unread_note(struct conn *c);
// Ends connections of this server as long as unread answers hold too much.
void unread_limit(struct http_server *s);
// The connection is closed.
void unread_forget(struct conn *c);
// Whether an answer has waited for its peer too long.
bool unread_is_late(const struct conn *c, uint64_t now_ms);
// Whether there is room for another `n`.
bool unread_has_room(const struct http_server *s, size_t n);

// ---- request.c
// Appended to the connection's list; NULL when even a refusal would cost too much memory.
struct http_request *request_new(struct conn *c);
void request_free(struct http_request *r);   // back to the pool
void request_cancel(struct http_request *r); // tells the handler where due, then frees
void request_pool_free(struct http_server *s);
// A header of `r`; false when it breaks a limit.
bool request_add_header(struct http_request *r, struct str name, struct str value);
// Splits and decodes a target ("/a%20b?c=d"); false when it is not valid.
bool request_set_target(struct http_request *r, struct str target);
// The three steps of a request, the same for both protocols.
void request_headers_done(struct http_request *r);
void request_body(struct http_request *r, const char *bytes, size_t n);
void request_received(struct http_request *r);
// Answers {"error": text} in the server's own name; the handler is told of a cancel where due.
void request_fail(struct http_request *r, int status, const char *text);
// Appends to r->out within the limit on pending bytes; breaks the connection beyond it.
void request_add_out(struct http_request *r, struct str bytes);
// `n` bytes of request_out() are produced.
void request_produced(struct http_request *r, size_t n);
// What is to be produced next; empty when nothing is there.
static inline struct str request_out(const struct http_request *r)
{
    return r->out.n == 0 ? r->lent : str_skip(buf_str(&r->out), r->out_at);
}

// ---- tls.c: one TLS session over memory
struct tls_session *tls_session_new(struct http_tls *t);
void tls_session_free(struct tls_session *t);
// Encrypted bytes from the peer. False when they do not fit.
bool tls_session_feed(struct tls_session *t, const char *bytes, size_t n);
// Decrypted bytes, at most `room`: their number, 0 when there are none now, -1 when the session is
// broken or tls_session_ended().
int tls_session_read(struct tls_session *t, char *bytes, size_t room);
// Encrypts; false when the session is broken. What the peer is to get is appended to `out`.
bool tls_session_write(struct tls_session *t, struct str bytes);
void tls_session_shut(struct tls_session *t); // says close_notify
void tls_session_take(struct tls_session *t, struct buf *out);
bool tls_session_ready(const struct tls_session *t); // the handshake is over
bool tls_session_ended(const struct tls_session *t); // the peer said close_notify

#endif
