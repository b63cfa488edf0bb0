// SPDX-License-Identifier: Apache-2.0
// Purpose: the listener: binding, accepting within the limit, the sweep over timeouts, and
// stopping.
//
// Connections are accepted here and not by libuv, whose way out of a process without descriptors
// (one kept in reserve by each loop) fails where another thread takes it in that moment: it then
// tries for ever and its loop does nothing else any more.
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "http/internal.h"

#define BODY_BYTES_DEFAULT         ((size_t)64 << 20)
#define CONNECTIONS_MOST           ((size_t)1024)
#define REQUEST_TIMEOUT_DEFAULT_MS 10000
#define IDLE_TIMEOUT_DEFAULT_MS    300000
#define LISTEN_BACKLOG             1024
#define SWEEP_MS_MIN               10
#define SWEEP_MS_MAX               1000
#define ACCEPTS_A_TURN             64
#define TELL_MS                    60000

// Splits "host:port" or "[v6]:port"; false when it is neither.
static bool split_address(const char *address, char *host, size_t host_size, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    ASSERT(host_size > 0);
    if (colon == NULL || colon[1] == '\0') {
        return false;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    if (colon[1 + digits] != '\0' || strtoul(colon + 1, NULL, 10) > UINT16_MAX) {
        return false; // getaddrinfo() takes 99999 for 34463
    }
    const char *from = address;
    size_t n = (size_t)(colon - address);
    if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    }
    if (n == 0 || n >= host_size) {
        return false;
    }
    memcpy(host, from, n);
    host[n] = '\0';
    *ret_port = colon + 1;
    return true;
}

static int bind_socket(const struct addrinfo *ai, bool reuse_port)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    ASSERT(ai->ai_addr != NULL);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        bind(fd, ai->ai_addr, ai->ai_addrlen) != 0) {
        int kept = errno;
        close(fd);
        errno = kept;
        return -1;
    }
    return fd;
}

static enum err open_socket(const struct http_server_options *o, int *ret_fd, struct err_at *ret_at)
{
    char host[256];
    const char *port;
    if (!split_address(o->address, host, sizeof host, &port)) {
        return err_at_set(ret_at, ERR_INVALID, 0, "The address %s is not HOST:PORT.", o->address);
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        return err_at_set(ret_at, ERR_INVALID, 0, "The address %s does not resolve: %s.",
                          o->address, gai_strerror(failed));
    }
    ASSERT(found != NULL);
    int fd = bind_socket(found, o->reuse_port);
    int why = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        enum err e = why == EADDRINUSE ? ERR_BUSY : err_from_errno(why);
        return err_at_set(ret_at, e, 0, "Cannot listen on %s: %s.", o->address, strerror(why));
    }
    *ret_fd = fd;
    return ERR_OK;
}

static void format_address(struct http_server *s)
{
    struct sockaddr_storage addr = {0};
    socklen_t n = sizeof addr;
    char host[64] = "", port[16] = "";
    MUST(getsockname(s->listener_fd, (struct sockaddr *)&addr, &n) == 0);
    (void)getnameinfo((struct sockaddr *)&addr, n, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    const char *format = addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s";
    (void)snprintf(s->address, sizeof s->address, format, host, port);
}

void server_refused(struct http_server *s, const char *why)
{
    uint64_t now_ms = loop_now_ms(s->loop);
    ASSERT(why != NULL);
    stat_add(&s->stats.refused_connections, 1);
    if (s->told_ms == 0 || now_ms - s->told_ms >= TELL_MS) {
        s->told_ms = now_ms;
        log_write(LOG_WARN, "http", "connections are refused",
                  "address=%s why=\"%s\" open=%zu most=%zu refused=%llu", s->address, why,
                  s->conn_count, s->options.connections_max,
                  (unsigned long long)atomic_load(&s->stats.refused_connections));
    }
}

static void on_connection(uv_poll_t *listener, int status, int events);

static void set_accepting(struct http_server *s, bool accepting)
{
    ASSERT(!s->stopping);
    s->paused = !accepting;
    if (accepting) {
        MUST(uv_poll_start(&s->listener, UV_READABLE, on_connection) == 0);
    } else {
        (void)uv_poll_stop(&s->listener);
    }
}

// Takes what waits, some of it a turn so that a flood of connections leaves time for others. When
// the process or the system has no descriptor left, the next one waits for the sweep.
static void on_connection(uv_poll_t *listener, int status, int events)
{
    struct http_server *s = listener->data;
    (void)events;
    ASSERT(!s->stopping && !s->paused);
    for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(s->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_accept(s, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            server_refused(s, strerror(errno));
            status = conn_evict(s) ? 0 : -1;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return; // there is none, or it was gone before it was taken
        }
    }
    if (status != 0) {
        set_accepting(s, false);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    uint64_t now_ms = loop_now_ms(s->loop);
    ASSERT(s->loop != NULL);
    for (struct conn *c = s->conns; c != NULL;) {
        struct conn *next = c->next;
        conn_sweep(c, now_ms);
        c = next;
    }
    unread_limit(s);
    if (s->paused && !s->stopping) {
        set_accepting(s, true);
    }
}

static void set_defaults(struct http_server_options *o)
{
    ASSERT(o->loop != NULL && o->handler.on_request != NULL);
    o->body_bytes_max = o->body_bytes_max == 0 ? BODY_BYTES_DEFAULT : o->body_bytes_max;
    if (o->connections_max == 0 || o->connections_max > CONNECTIONS_MOST) {
        o->connections_max = CONNECTIONS_MOST;
    }
    if (o->request_timeout_ms == 0) {
        o->request_timeout_ms = REQUEST_TIMEOUT_DEFAULT_MS;
    }
    if (o->idle_timeout_ms == 0) {
        o->idle_timeout_ms = IDLE_TIMEOUT_DEFAULT_MS;
    }
}

static uint64_t sweep_period_ms(const struct http_server_options *o)
{
    uint64_t shortest =
        o->request_timeout_ms < o->idle_timeout_ms ? o->request_timeout_ms : o->idle_timeout_ms;
    ASSERT(shortest > 0);
    uint64_t period = shortest / 4;
    period = period > SWEEP_MS_MIN ? period : SWEEP_MS_MIN;
    return period < SWEEP_MS_MAX ? period : SWEEP_MS_MAX;
}

static void open_handles(struct http_server *s)
{
    uv_loop_t *uv = loop_uv(s->loop);
    MUST(uv_poll_init_socket(uv, &s->listener, s->listener_fd) == 0);
    MUST(uv_timer_init(uv, &s->sweep) == 0);
    MUST(uv_timer_init(uv, &s->grace) == 0);
    s->listener.data = s->sweep.data = s->grace.data = s;
    s->open_handles = 3;
    uint64_t period = sweep_period_ms(&s->options);
    MUST(uv_timer_start(&s->sweep, on_sweep, period, period) == 0);
}

enum err http_server_new(const struct http_server_options *options, struct http_server **ret_server,
                         struct err_at *ret_at)
{
    int fd = -1;
    ASSERT(options->address != NULL);
    enum err e = open_socket(options, &fd, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    if (listen(fd, LISTEN_BACKLOG) != 0) {
        e = err_at_set(ret_at, errno == EADDRINUSE ? ERR_BUSY : err_from_errno(errno), 0,
                       "Cannot listen on %s: %s.", options->address, strerror(errno));
        close(fd);
        return e;
    }
    struct http_server *s = mem_new(1, sizeof *s);
    s->options = *options;
    set_defaults(&s->options);
    s->options.address = NULL; // may not outlive this call; see s->address
    s->loop = options->loop;
    memory_init(s);
    s->read_bytes = mem_alloc(2 * HTTP_READ_BYTES);
    s->listener_fd = fd;
    open_handles(s);
    format_address(s);
    set_accepting(s, true);
    *ret_server = s;
    return ERR_OK;
}

const char *http_server_address(const struct http_server *s)
{
    ASSERT(s != NULL);
    return s->address;
}

const struct http_server_stats *http_server_stats(const struct http_server *s)
{
    ASSERT(s != NULL);
    return &s->stats;
}

const char *server_date(struct http_server *s)
{
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    if (now_s != s->date_s) {
        time_t t = (time_t)now_s;
        struct tm tm;
        MUST(gmtime_r(&t, &tm) != NULL);
        MUST(strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
        s->date_s = now_s;
    }
    return s->date;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    ASSERT(s->open_handles > 0);
    s->open_handles--;
    if (s->open_handles == 0) {
        s->stopped = true;
        if (s->done != NULL) {
            s->done(s->done_ctx);
        }
    }
}

void server_conn_gone(struct http_server *s)
{
    ASSERT(s->conn_count > 0 || s->conns == NULL);
    if (s->stopping && s->conns == NULL && !uv_is_closing((uv_handle_t *)&s->grace)) {
        uv_close((uv_handle_t *)&s->grace, on_handle_closed);
        uv_close((uv_handle_t *)&s->sweep, on_handle_closed);
    }
}

static void on_grace_over(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    ASSERT(s->stopping);
    for (struct conn *c = s->conns; c != NULL;) {
        struct conn *next = c->next;
        conn_close(c);
        c = next;
    }
}

void http_server_stop(struct http_server *s, uint32_t grace_ms, void (*done)(void *ctx), void *ctx)
{
    MUST(!s->stopping);
    s->stopping = true;
    s->done = done;
    s->done_ctx = ctx;
    uv_close((uv_handle_t *)&s->listener, on_handle_closed);
    close(s->listener_fd); // nobody watches it any more
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        conn_go_away(c);
    }
    MUST(uv_timer_start(&s->grace, on_grace_over, grace_ms, 0) == 0);
    server_conn_gone(s); // there may be none
}

void http_server_free(struct http_server *s)
{
    if (s == NULL) {
        return;
    }
    MUST(s->stopped);
    request_pool_free(s);
    memory_done(s);
    mem_free(s->read_bytes);
    mem_free(s);
}
