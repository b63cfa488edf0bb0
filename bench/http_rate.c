// SPDX-License-Identifier: Apache-2.0
// Purpose: an open-loop HTTP/1.1 load client for bench/jvm: requests at a constant rate, whatever
// the answers do, and each latency counted from the time at which the request was meant to be sent,
// so that a server that stalls is charged for those who would have waited. Prints one JSON line.
//
// Usage: http_rate --port N --path /cart?item= --rate N --seconds N --lead N
//
// For the first seconds (--lead) the load is the same and latencies are not counted: connections
// are opened, caches get warm. The path gets a number from 1 to 1000 behind it. Answers need a
// Content-Length or chunks; anything but a whole 200 is counted as failed, and its connection is
// opened anew. Single-threaded.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"
#include "core/sketch.h"

#define CONNECTIONS   16
#define ANSWER_MAX    4096
#define REQUEST_MAX   512
#define ITEMS         1000
#define PATIENCE_NS   5000000000 // for the last answers
#define POLL_SLACK_NS 100000     // shorter waits are spun: poll() is late by as much

struct connection {
    int fd; // -1: to be opened
    bool busy;
    uint64_t meant_ns;
    char answer[ANSWER_MAX];
    size_t n;
};

struct client {
    uint16_t port;
    const char *path;
    uint64_t rate, seconds, lead;
    struct connection connections[CONNECTIONS];
    uint64_t measured_from_ns;
    uint64_t sent, answered, failed;
    struct sketch latencies;
};

static bool open_connection(struct connection *c, uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(c->fd >= 0);
    if (connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    const int one = 1;
    MUST(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    return true;
}

static void finish(struct client *t, struct connection *c, bool good)
{
    c->busy = false;
    if (good) {
        t->answered++;
        if (c->meant_ns >= t->measured_from_ns)
            sketch_add(&t->latencies, clock_mono_ns() - c->meant_ns);
        return;
    }
    t->failed++;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void send_request(struct client *t, struct connection *c, uint64_t meant_ns)
{
    char text[REQUEST_MAX];
    const int n =
        snprintf(text, sizeof text, "GET %s%" PRIu64 " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                 t->path, t->sent * 7 % ITEMS + 1);
    MUST(n > 0 && (size_t)n < sizeof text);
    t->sent++;
    c->meant_ns = meant_ns;
    c->busy = true;
    c->n = 0;
    if ((c->fd < 0 && !open_connection(c, t->port)) ||
        send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        finish(t, c, false);
}

// Whether the answer so far is whole: chunked ones end with an empty chunk.
static bool is_whole(const struct connection *c)
{
    const char *body = strstr(c->answer, "\r\n\r\n");
    if (body == NULL)
        return false;
    body += 4;
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    const size_t got = c->n - (size_t)(body - c->answer);
    if (length != NULL && length < body)
        return got >= strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return got >= 5 && memcmp(c->answer + c->n - 5, "0\r\n\r\n", 5) == 0;
}

static void receive(struct client *t, struct connection *c)
{
    const ssize_t n = recv(c->fd, c->answer + c->n, sizeof c->answer - 1 - c->n, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { // ended by the server, or longer than an answer may be
        finish(t, c, false);
        return;
    }
    c->n += (size_t)n;
    c->answer[c->n] = '\0';
    if (is_whole(c))
        finish(t, c, strncmp(c->answer, "HTTP/1.1 200", 12) == 0);
}

static void wait_and_receive(struct client *t, uint64_t until_ns)
{
    struct pollfd fds[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i] = (struct pollfd){.fd = t->connections[i].busy ? t->connections[i].fd : -1,
                                 .events = POLLIN};
    const uint64_t now = clock_mono_ns();
    const uint64_t left = until_ns > now + POLL_SLACK_NS ? until_ns - now - POLL_SLACK_NS : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_S),
                                     .tv_nsec = (long)(left % NS_PER_S)};
    if (ppoll(fds, CONNECTIONS, &timeout, NULL) <= 0)
        return;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (fds[i].revents != 0)
            receive(t, &t->connections[i]);
    }
}

static struct connection *idle(struct client *t)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (!t->connections[i].busy)
            return &t->connections[i];
    }
    return NULL;
}

static void run(struct client *t)
{
    const uint64_t begun = clock_mono_ns(), total = t->rate * (t->lead + t->seconds);
    t->measured_from_ns = begun + t->lead * NS_PER_S;
    while (t->sent < total) {
        const uint64_t meant = begun + t->sent * NS_PER_S / t->rate;
        struct connection *c = idle(t);
        if (c != NULL && clock_mono_ns() >= meant)
            send_request(t, c, meant);
        else
            wait_and_receive(t, c != NULL ? meant : clock_mono_ns() + NS_PER_S);
    }
    const uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while (t->answered + t->failed < t->sent && clock_mono_ns() < end)
        wait_and_receive(t, end);
    t->failed += t->sent - t->answered - t->failed;
}

static uint64_t number(const char *name, const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (*end != '\0' || value == 0) {
        fprintf(stderr, "http_rate: %s is '%s', expected a number above 0\n", name, text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static struct client t;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--path") == 0)
            t.path = argv[i + 1];
        else if (strcmp(argv[i], "--port") == 0)
            t.port = (uint16_t)number("--port", argv[i + 1]);
        else if (strcmp(argv[i], "--rate") == 0)
            t.rate = number("--rate", argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            t.seconds = number("--seconds", argv[i + 1]);
        else if (strcmp(argv[i], "--lead") == 0)
            t.lead = number("--lead", argv[i + 1]);
    }
    if (argc != 11 || t.path == NULL || t.port == 0 || t.rate == 0 || t.seconds == 0 ||
        t.lead == 0 || strlen(t.path) > REQUEST_MAX / 2) {
        fprintf(stderr, "usage: http_rate --port N --path PATH --rate N --seconds N --lead N\n");
        return 2;
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        t.connections[i].fd = -1;
    run(&t);
    printf("{\"sent\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           t.sent, t.failed, (double)sketch_quantile(&t.latencies, 0.5) / 1e6,
           (double)sketch_quantile(&t.latencies, 0.99) / 1e6);
    return t.failed == 0 ? 0 : 1;
}
