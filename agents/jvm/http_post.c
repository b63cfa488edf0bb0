// SPDX-License-Identifier: Apache-2.0
// Purpose: posting over one connection.
#include "agents/jvm/http_post.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/jvm/effort.h"
#include "core/clock.h"
#include "core/must.h"

#define ANSWER_MAX 16384 // of the answer's head and body; more closes the connection

static bool copy_text(char *to, size_t room, struct str from)
{
    if (from.n >= room) {
        return false;
    }
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

bool post_target_parse(struct str url, struct post_target *ret)
{
    struct post_target t = {.port = "80"};
    struct str authority;
    if (!str_starts(url, STR("http://"))) {
        return false;
    }
    struct str path = str_split(str_skip(url, 7), '/', &authority);
    struct str host = authority, port;
    if (authority.n > 0 && authority.p[0] == '[') { // [::1]:4318
        port = str_split(str_skip(authority, 1), ']', &host);
        port = port.n > 0 ? str_skip(port, 1) : STR_NONE;
    } else {
        port = str_split(authority, ':', &host);
    }
    while (path.n > 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    if (host.n == 0 || !copy_text(t.host, sizeof t.host, host) ||
        (port.n > 0 && !copy_text(t.port, sizeof t.port, port)) || path.n + 2 > sizeof t.prefix) {
        return false;
    }
    if (path.n > 0) {
        t.prefix[0] = '/';
        memcpy(t.prefix + 1, path.p, path.n);
    }
    *ret = t;
    return true;
}

void post_close(struct post_connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}

// ---- The socket ------------------------------------------------------------------------------

static bool fail(struct post_answer *a, const char *what, int error)
{
    a->error_number = error;
    snprintf(a->error, sizeof a->error, "%s: %s", what, strerror(error));
    return false;
}

// A slow server may keep every thread of the agent waiting, which must not keep it from judging
// itself.
static bool wait_for(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now = clock_mono_ns();
        uint64_t left_ms = now < deadline_ns ? (deadline_ns - now) / NS_PER_MS + 1 : 0;
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, (int)(left_ms < EFFORT_JUDGE_MS ? left_ms : EFFORT_JUDGE_MS));
        if (n > 0) {
            return true;
        }
        if ((n == 0 && left_ms == 0) || (n < 0 && errno != EINTR)) {
            errno = n == 0 ? ETIMEDOUT : errno;
            return false;
        }
        effort_judge(clock_mono_ns());
    }
}

static bool connect_to(int fd, const struct addrinfo *a)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
        return true;
    }
    if (errno != EINPROGRESS ||
        !wait_for(fd, POLLOUT, clock_mono_ns() + POST_CONNECT_MS * NS_PER_MS) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0) {
        return false;
    }
    errno = error;
    return error == 0;
}

static bool dial(struct post_connection *c, struct post_answer *a)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    int e = getaddrinfo(c->target.host, c->target.port, &hints, &all);
    ASSERT(c->fd < 0);
    if (e != 0) {
        snprintf(a->error, sizeof a->error, "%.100s: %s", c->target.host, gai_strerror(e));
        return false;
    }
    int error = EHOSTUNREACH;
    for (const struct addrinfo *i = all; i != NULL && c->fd < 0; i = i->ai_next) {
        int fd = socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            error = errno;
        } else if (connect_to(fd, i)) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
            c->fd = fd;
        } else {
            error = errno;
            close(fd);
        }
    }
    freeaddrinfo(all);
    return c->fd >= 0 || fail(a, "connect", error);
}

static bool send_all(int fd, struct str bytes, uint64_t deadline_ns)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n > 0) {
            bytes = str_skip(bytes, (size_t)n);
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline_ns)) {
            return false;
        }
    }
    return true;
}

// ---- The answer ------------------------------------------------------------------------------

// The value of a header in an answer's head; n == 0 when it is not there.
static struct str header(struct str head, const char *name)
{
    struct str line, rest = head;
    while (rest.n > 0) {
        struct str key;
        rest = str_split(rest, '\n', &line);
        struct str value = str_split(line, ':', &key);
        if (str_eq_nocase(str_trim(key), str_of(name))) {
            return str_trim(value);
        }
    }
    return STR("");
}

// What has come so far: 0 while more is needed, 1 when the answer is whole, -1 when it is none.
static int parse_answer(struct str in, struct post_answer *a, bool *ret_keep)
{
    const char *end = memmem(in.p, in.n, "\r\n\r\n", 4);
    uint64_t length = 0, after = 0;
    if (end == NULL) {
        return 0;
    }
    struct str head = {in.p, (size_t)(end - in.p)};
    if (!str_starts(head, STR("HTTP/1.")) || head.n < 12) {
        return -1;
    }
    int status = (int)strtol(head.p + 9, NULL, 10);
    if (status >= 100 && status < 200) {
        return -1; // nothing was asked that needs one
    }
    bool has_length = str_to_u64(header(head, "content-length"), &length) == ERR_OK;
    if (has_length && (length > ANSWER_MAX || in.n < head.n + 4 + length)) {
        return length > ANSWER_MAX ? -1 : 0;
    }
    if (str_to_u64(header(head, "retry-after"), &after) == ERR_OK) {
        a->retry_after_s = after < 3600 ? (uint32_t)after : 3600;
    }
    struct str body = str_skip(in, head.n + 4);
    a->body_n = !has_length ? 0 : length < sizeof a->body ? length : sizeof a->body;
    memcpy(a->body, body.p, a->body_n);
    *ret_keep = has_length && !str_eq_nocase(header(head, "connection"), STR("close"));
    a->status = status;
    return 1;
}

static bool receive_answer(struct post_connection *c, struct post_answer *a, bool *ret_keep)
{
    char in[ANSWER_MAX];
    size_t n = 0;
    uint64_t deadline = clock_mono_ns() + POST_ANSWER_MS * NS_PER_MS;
    while (n < sizeof in) {
        ssize_t got = recv(c->fd, in + n, sizeof in - n, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(c->fd, POLLIN, deadline)) {
                return fail(a, "no answer", errno);
            }
            continue;
        }
        if (got <= 0) {
            return fail(a, "connection lost", got < 0 ? errno : ECONNRESET);
        }
        n += (size_t)got;
        int state = parse_answer((struct str){in, n}, a, ret_keep);
        if (state != 0) {
            return state > 0 || fail(a, "answer", EPROTO);
        }
    }
    return fail(a, "answer", EMSGSIZE);
}

static bool exchange(struct post_connection *c, struct str head, struct str body,
                     struct post_answer *a)
{
    bool keep = false;
    uint64_t deadline = clock_mono_ns() + POST_ANSWER_MS * NS_PER_MS;
    bool ok = send_all(c->fd, head, deadline) && send_all(c->fd, body, deadline);
    if (!ok) {
        (void)fail(a, "send", errno);
    }
    ok = ok && receive_answer(c, a, &keep);
    if (!ok || !keep) {
        post_close(c);
    }
    return ok;
}

void post(struct post_connection *c, const char *path, const char *headers, struct str body,
          struct post_answer *ret)
{
    char head[POST_HEADERS_MAX + sizeof c->target + 128];
    *ret = (struct post_answer){0};
    int n = snprintf(head, sizeof head,
                     "POST %s%s HTTP/1.1\r\nHost: %s:%s\r\nContent-Length: %zu\r\n%s\r\n",
                     c->target.prefix, path, c->target.host, c->target.port, body.n, headers);
    ASSERT(n > 0 && (size_t)n < sizeof head);
    bool was_kept = c->fd >= 0;
    if (was_kept &&
        (exchange(c, (struct str){head, (size_t)n}, body, ret) || ret->error_number == ETIMEDOUT)) {
        return;
    }
    // A kept connection may have been closed by the other side in the meantime.
    *ret = (struct post_answer){0};
    if (dial(c, ret)) {
        (void)exchange(c, (struct str){head, (size_t)n}, body, ret);
    }
}
