// SPDX-License-Identifier: Apache-2.0
// Purpose: a receiver of webhooks for tests: it gives one answer to whatever it is sent, on a port
// of its own.
#ifndef SONDE_TESTS_RECEIVER_H
#define SONDE_TESTS_RECEIVER_H

#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/must.h"

struct receiver {
    int listener;
    unsigned port;
    pthread_t thread;
    const char *answer;
};

static inline bool read_request(int fd)
{
    char bytes[8192];
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes + n, sizeof bytes - 1 - n, 0);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        bytes[n] = 0;
        const char *body = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
        if (body != NULL && length != NULL &&
            n - (size_t)(body + 4 - bytes) >= strtoul(length + 16, NULL, 10)) {
            return true;
        }
    }
}

static inline void *receive(void *ctx)
{
    struct receiver *r = ctx;
    int fd;
    while ((fd = accept(r->listener, NULL, NULL)) >= 0) {
        if (read_request(fd)) {
            MUST(send(fd, r->answer, strlen(r->answer), MSG_NOSIGNAL) > 0);
        }
        (void)close(fd);
    }
    return NULL;
}

static inline void receiver_start_with(struct receiver *r, const char *answer)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    r->answer = answer;
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(r->listener, 128), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&a, &n), 0);
    r->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
}

static inline void receiver_start(struct receiver *r)
{
    receiver_start_with(r, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static inline void receiver_stop(struct receiver *r)
{
    (void)shutdown(r->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(r->thread, NULL), 0);
    (void)close(r->listener);
}

#endif
