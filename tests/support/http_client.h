// SPDX-License-Identifier: Apache-2.0
// Purpose: a small blocking HTTP client for tests: raw bytes for HTTP/1.1, an nghttp2 session for
// HTTP/2, over plain sockets or TLS. Everything fails the test after CLIENT_TIMEOUT_MS.
#ifndef SONDE_TESTS_SUPPORT_HTTP_CLIENT_H
#define SONDE_TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

#define CLIENT_TIMEOUT_MS  10000
#define CLIENT_HEADERS_MAX 32
#define CLIENT_ANSWERS_MAX 512

struct client; // a connection

// `alpn` is NULL for plain text, "h2" or "http/1.1" for TLS.
struct client *client_open(const char *address, const char *alpn);
void client_close(struct client *c);
void client_abort(struct client *c); // resets the connection, then frees
void client_send(struct client *c, struct str bytes);
void client_end_sending(struct client *c); // answers still come
// Reads what is there, at least one byte; 0 at the end or a reset.
size_t client_receive(struct client *c, char *bytes, size_t room);

struct client_header {
    char name[64], value[512];
};

struct client_answer {
    int status;
    struct client_header headers[CLIENT_HEADERS_MAX]; // trailers included
    size_t header_count;
    struct buf body;
    bool closed;         // HTTP/2: the stream is over
    uint32_t error_code; // HTTP/2: why
    bool headers_end_stream;
};

// The value of a header or trailer, NULL when absent.
const char *client_header(const struct client_answer *a, const char *name);
void client_answer_done(struct client_answer *a);

// ---- HTTP/1.1
// Reads one whole answer (content-length, chunked or to the end). False when the connection ends
// before one starts. `head`: an answer to HEAD, without a body.
bool client_h1_answer(struct client *c, bool head, struct client_answer *ret_answer);

// ---- HTTP/2
struct client_h2;
struct client_h2 *client_h2_new(struct client *c);
void client_h2_free(struct client_h2 *h); // and its connection
// Sends a request; `headers` are name, value pairs ended by NULL. With `open` the request does not
// end: client_h2_reset() it, or leave it. Returns the stream ID; bytes leave at the next wait.
int32_t client_h2_request(struct client_h2 *h, const char *method, const char *path,
                          const char *const *headers, struct str body, bool open);
void client_h2_reset(struct client_h2 *h, int32_t stream_id);
void client_h2_ping(struct client_h2 *h);
void client_h2_flush(struct client_h2 *h);
// Waits for the stream's end; the answer belongs to `h`.
const struct client_answer *client_h2_wait(struct client_h2 *h, int32_t stream_id);
// The stream's answer as far as it has come.
const struct client_answer *client_h2_peek(struct client_h2 *h, int32_t stream_id);
// Waits for a GOAWAY; its error code.
uint32_t client_h2_wait_goaway(struct client_h2 *h);

// Reads until the server has cut the connection. Whether a GOAWAY was seen, and its code: a client
// that still sends and does not run while the server lingers meets a reset, which takes with it
// what had not been read.
bool client_h2_wait_cut(struct client_h2 *h, uint32_t *ret_goaway_code);
bool client_h2_pump(struct client_h2 *h); // one exchange; false when the connection is over

#endif
