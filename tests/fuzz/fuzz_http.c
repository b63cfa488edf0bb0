// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the HTTP server through a real socket: the first byte chooses how the rest is
// cut into pieces, the rest is what a client sends (the first bytes choose HTTP/1.1 or HTTP/2).
// Every connection must end, every request be answered or cancelled, all memory be given back.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "core/must.h"
#include "http/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct http_server *server;
static struct budget budget;
static int open_requests;

// Requests that wait for their client to go. A client that pipelines more than the server takes at
// once is not read any further, so its going is not seen: those are answered in the end.
#define HELD_MAX 1024
static struct http_request *held[HELD_MAX];
static int held_count;

static void on_headers(void *ctx, struct http_request *r)
{
    (void)ctx;
    open_requests++;
    if (http_query(r).n == 3) { // some are refused before their body
        open_requests--;
        http_respond(r, 401, NULL, 0, STR("no"));
    }
}

static void on_request(void *ctx, struct http_request *r)
{
    (void)ctx;
    struct http_header h[] = {{STR("x-path"), http_path(r)}};
    struct str query = http_query(r);
    struct http_param param;
    enum err e = ERR_OK;
    while (e == ERR_OK) {
        e = http_next_param(r, &query, &param);
    }
    MUST(e == ERR_NOT_FOUND || e == ERR_INVALID);
    if (str_eq(http_path(r), STR("/hold")) && held_count < HELD_MAX) {
        held[held_count++] = r;
        return; // cancelled when the client goes
    }
    open_requests--;
    if (str_eq(http_path(r), STR("/s"))) {
        http_stream_begin(r, 200, h, 1);
        http_stream_write(r, http_body(r));
        http_stream_end(r, h, 1);
    } else {
        http_respond(r, 200, h, 1, http_body(r));
    }
}

static void on_cancel(void *ctx, struct http_request *r)
{
    (void)ctx;
    open_requests--;
    for (int i = 0; i < held_count; i++) {
        if (held[i] == r) {
            held[i--] = held[--held_count];
        }
    }
}

static void on_refused(void *ctx, struct http_request *r, enum http_refusal why)
{
    (void)ctx, (void)why;
    open_requests--;
    if (http_query(r).n == 5) { // else the server answers
        http_respond(r, 413, NULL, 0, STR("too large"));
    }
}

static void answer_held(void)
{
    while (held_count > 0) {
        open_requests--;
        http_respond(held[--held_count], 200, NULL, 0, STR("late"));
    }
}

static void start(void)
{
    struct err_at at;
    loop = loop_new();
    budget_init(&budget, (size_t)1 << 20);
    struct http_server_options o = {
        .loop = loop,
        .address = "127.0.0.1:0",
        .handler = {.on_headers = on_headers,
                    .on_request = on_request,
                    .on_cancel = on_cancel,
                    .on_refused = on_refused},
        .budget = &budget,
        .body_bytes_max = 16 << 10,
    };
    enum err e = http_server_new(&o, &server, &at);
    MUST(e == ERR_OK);
}

// Where the server closes first, a pair of addresses waits for a minute: thousands of connections a
// second need more pairs than one address has ports. So none is used twice.
static struct sockaddr_in next_source(void)
{
    enum { FIRST_PORT = 1024, PORTS = 60000 };
    static uint32_t dialled;
    uint32_t host = (uint32_t)getpid() << 8 | (dialled / PORTS & 0xFF);
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl((127U << 24) | (host & 0xFFFFFF));
    from.sin_port = htons((uint16_t)(FIRST_PORT + dialled++ % PORTS));
    return from;
}

// A socket that is connected from the next source; -1, and said, when that one cannot be used.
static int dial_once(const struct sockaddr_in *to)
{
    struct sockaddr_in from = next_source();
    struct linger hard = {1, 0}; // where this side closes first, nothing waits
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    MUST(fd >= 0);
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        connect(fd, (const struct sockaddr *)to, sizeof *to) == 0) {
        return fd;
    }
    perror("dial");
    close(fd);
    return -1;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *port = strrchr(http_server_address(server), ':') + 1;
    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    int fd = -1;
    for (int tries = 0; fd < 0; tries++) { // somebody else may have a port on all addresses
        MUST(tries < 16);
        fd = dial_once(&to);
    }
    return fd;
}

static void drain(int fd)
{
    char bytes[65536];
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
}

static void send_pieces(int fd, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0) {
        size_t n = size < piece ? size : piece;
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN) {
            return; // the server has closed
        }
        (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
        drain(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_server_stats *stats;
    if (server == NULL) {
        start();
    }
    if (size < 2) {
        return 0;
    }
    stats = http_server_stats(server);
    uint64_t before = stats->connections;
    int fd = dial();
    size_t piece = data[0] < 64 ? (size_t)data[0] + 1 : (size_t)data[0] * 64;
    send_pieces(fd, data + 1, size - 1 < 4096 || piece > 63 ? size - 1 : 4096, piece);
    shutdown(fd, SHUT_WR);
    for (int turn = 0; turn < 20; turn++) {
        (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
        drain(fd);
    }
    while (stats->connections == before || stats->open_connections > 0) {
        answer_held();
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        drain(fd);
    }
    close(fd);
    MUST(open_requests == 0);
    return 0;
}
