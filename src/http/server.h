// SPDX-License-Identifier: Apache-2.0
// Purpose: one HTTP server for every port of Sonde: HTTP/1.1 and HTTP/2 (h2c with prior knowledge,
// or by ALPN under TLS) on the same listener, told apart by the first bytes. Receivers and the API
// are handlers over it and never see a socket.
//
// Everything of one server happens on its loop's thread: handlers are called there and must answer
// there (loop_post() brings other threads' results back). Several servers on several loops may
// listen on one address (SO_REUSEPORT): that is how the receivers use all cores.
//
// Limits, each counted: connections, header bytes, body bytes, requests at once per connection,
// time to send the headers and the body (a slow-loris client is cut), idle time, bytes waiting to
// be sent to a slow reader, and what answers hold that peers do not read: per connection, in time,
// and of the memory budget (unread.c).
#ifndef SONDE_HTTP_SERVER_H
#define SONDE_HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "ledger/budget.h"
#include "os/loop.h"

struct http_server;
struct http_request;
struct http_tls; // certificate and key, shared by servers

struct http_header {
    struct str name; // lower case
    struct str value;
};

// Why the server itself refuses a body that the handler had not refused.
enum http_refusal {
    HTTP_REFUSAL_TOO_LARGE, // over body_bytes_max
    HTTP_REFUSAL_BUDGET,    // the memory budget has no room for it
};

// What a server is for. Called on the loop's thread.
struct http_handler {
    // The headers are there, the body is not. Answer at once with http_respond() (401, 404, 413,
    // 429 ...) to refuse the body, or do nothing to have it read. May be NULL.
    void (*on_headers)(void *ctx, struct http_request *r);
    // The whole request is there. Answer now or later, exactly once, with http_respond() or
    // http_stream_begin().
    void (*on_request)(void *ctx, struct http_request *r);
    // The peer went away before the answer was complete (http_respond() or http_stream_end()):
    // release what the request holds in http_user(). May come before on_request. No call on the
    // request is allowed after this returns. Requests that were answered completely get no cancel.
    // May be NULL.
    void (*on_cancel)(void *ctx, struct http_request *r);
    // The peer ended its side of the connection behind this whole request. It may be gone, or wait
    // for the answer, which looks the same. True: the request is cancelled now; else when
    // HTTP_HALF_CLOSED_MS have passed without the answer. May be NULL, which is false.
    bool (*is_given_up)(void *ctx, struct http_request *r);
    // The body cannot be taken (on_headers was called before, on_request will not be). Answer at
    // once with http_respond(), or do nothing: the server then answers 413 or 429 with retry-after
    // (to gRPC: 200 with grpc-status 8). May be NULL.
    void (*on_refused)(void *ctx, struct http_request *r, enum http_refusal why);
    void *ctx;
};

struct http_server_options {
    struct loop *loop;
    const char *address;  // "127.0.0.1:4317", "[::1]:0", "0.0.0.0:4317"; port 0 picks one
    bool reuse_port;      // several servers share the address
    struct http_tls *tls; // NULL: plain text
    struct http_handler handler;
    // What connections and requests hold is taken from `account`. NULL: unlimited. Before it is
    // allocated: connections, headers, bodies. Answers may pass the limit (they end what holds
    // memory), which http_stream_room() lets their makers avoid.
    struct budget *budget;
    enum account account;
    size_t body_bytes_max; // 64 MiB when 0; over it 413 (gRPC: RESOURCE_EXHAUSTED)
    // 1024 when 0, and at most; beyond it the connection that has been idle longest, a second at
    // least, gives way
    size_t connections_max;
    uint32_t request_timeout_ms; // from the first byte to the whole request; 10 s when 0
    uint32_t idle_timeout_ms;    // 5 min when 0
};

// Binds and listens. On failure ret_at says which address and why. Before loop_run(), or on the
// loop's thread.
MUST_CHECK enum err http_server_new(const struct http_server_options *options,
                                    struct http_server **ret_server, struct err_at *ret_at);

// The address in force, with the real port: "127.0.0.1:41873". Lives as long as the server.
const char *http_server_address(const struct http_server *s);

// Takes no new connections, tells HTTP/2 peers GOAWAY and HTTP/1.1 peers "connection: close", lets
// running requests end, and calls `done` when the last connection is gone or after `grace_ms`, when
// what is left is cut. On the loop's thread.
void http_server_stop(struct http_server *s, uint32_t grace_ms, void (*done)(void *ctx), void *ctx);
void http_server_free(struct http_server *s); // after `done`

struct http_server_stats { // since the start; read from any thread
    atomic_uint_fast64_t connections, requests, bytes_in, bytes_out;
    // A connection that waits since there is no descriptor for it is counted as refused each time.
    atomic_uint_fast64_t refused_connections, timeouts, protocol_errors, too_large, over_budget;
    // Requests that were turned away unread (429 without asking the handler; HTTP/2:
    // REFUSED_STREAM, HTTP/1.1: cut) because not even their headers, or a refusal, fitted the
    // budget. Part of over_budget.
    atomic_uint_fast64_t turned_away;
    // HTTP/2 streams that were refused, and connections that were ended before their time, since
    // their peer did not read the answers to what it had asked before.
    atomic_uint_fast64_t unread_refused, unread_cut;
    atomic_uint_fast64_t open_connections;
};
const struct http_server_stats *http_server_stats(const struct http_server *s);

// PEM files. Minimum TLS 1.2; ALPN offers h2 and http/1.1.
MUST_CHECK enum err http_tls_new(const char *certificate_file, const char *key_file,
                                 struct http_tls **ret_tls, struct err_at *ret_at);
void http_tls_free(struct http_tls *t);

// ---- A request --------------------------------------------------------------------------------
// Strings live until the request is answered completely (http_respond() or http_stream_end()) or
// cancelled; the request is not touched after that.

struct str http_method(const struct http_request *r);
struct str http_path(const struct http_request *r);  // without the query, percent-decoded
struct str http_query(const struct http_request *r); // raw, without '?'
struct str http_header(const struct http_request *r, struct str name); // p == NULL when absent
struct str http_body(const struct http_request *r); // followed by BUF_PAD readable bytes
struct str http_peer(const struct http_request *r); // "127.0.0.1:52114"
bool http_is_h2(const struct http_request *r);
struct arena *http_arena(struct http_request *r); // freed with the request
void http_set_user(struct http_request *r, void *user);
void *http_user(const struct http_request *r);

// Cuts the next parameter off a query (http_query()) and decodes it ('+' is a blank) into the
// request's arena; both parts have p != NULL. ERR_NOT_FOUND after the last one, ERR_INVALID where
// its percent escapes are wrong or stand for a NUL; its name is left as it was sent then.
struct http_param {
    struct str name, value;
};
MUST_CHECK enum err http_next_param(struct http_request *r, struct str *query,
                                    struct http_param *ret_param);

// A whole answer. Copies headers and body. content-length is added; `date` and `connection` too
// where they belong.
void http_respond(struct http_request *r, int status, const struct http_header *headers,
                  size_t header_count, struct str body);

// The same for a body that lives as long as the server: it is lent, and not copied however slowly
// it is read.
void http_respond_lent(struct http_request *r, int status, const struct http_header *headers,
                       size_t header_count, struct str body);

// An answer in pieces: begin, any number of writes, end. HTTP/1.1 uses chunked encoding. Trailers
// are sent on HTTP/2 (gRPC needs them) and dropped on HTTP/1.1. http_stream_write() copies;
// http_stream_pending() tells how many bytes the peer has not taken yet, for pacing, and
// http_stream_room() whether the memory budget has room for another `n`, and unread answers theirs.
void http_stream_begin(struct http_request *r, int status, const struct http_header *headers,
                       size_t header_count);
void http_stream_write(struct http_request *r, struct str bytes);
size_t http_stream_pending(const struct http_request *r);
bool http_stream_room(const struct http_request *r, size_t n);
void http_stream_end(struct http_request *r, const struct http_header *trailers,
                     size_t trailer_count);

#endif
