// SPDX-License-Identifier: Apache-2.0
// Purpose: the tests' HTTP client.
#include "support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/must.h"

struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    struct buf in; // read, not used yet
};

static void start_tls(struct client *c, const char *alpn)
{
    unsigned char list[32];
    size_t n = strlen(alpn);
    list[0] = (unsigned char)n;
    memcpy(list + 1, alpn, n);
    c->ctx = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->ctx);
    MUST(SSL_set_alpn_protos(c->ssl, list, (unsigned)n + 1) == 0);
    MUST(SSL_set_fd(c->ssl, c->fd) == 1);
    MUST(SSL_connect(c->ssl) == 1);
    const unsigned char *chosen = NULL;
    unsigned chosen_n = 0;
    SSL_get0_alpn_selected(c->ssl, &chosen, &chosen_n);
    MUST(chosen_n == n && memcmp(chosen, alpn, n) == 0);
}

struct client *client_open(const char *address, const char *alpn)
{
    struct client *c = mem_new(1, sizeof *c);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    struct timeval timeout = {CLIENT_TIMEOUT_MS / 1000, 0};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(c->fd >= 0);
    MUST(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
    MUST(setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0);
    MUST(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    MUST(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0);
    buf_init(&c->in, (size_t)256 << 20);
    if (alpn != NULL) {
        start_tls(c, alpn);
    }
    return c;
}

void client_close(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
    buf_done(&c->in);
    mem_free(c);
}

void client_abort(struct client *c)
{
    struct linger hard = {1, 0};
    MUST(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
    client_close(c);
}

void client_send(struct client *c, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, bytes.p, (int)bytes.n)
                                   : send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0) {
            return; // the peer is gone; what it had to say is read next
        }
        bytes = str_skip(bytes, (size_t)n);
    }
}

void client_end_sending(struct client *c)
{
    if (c->ssl != NULL) {
        MUST(SSL_shutdown(c->ssl) >= 0);
    } else {
        MUST(shutdown(c->fd, SHUT_WR) == 0);
    }
}

size_t client_receive(struct client *c, char *bytes, size_t room)
{
    ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, bytes, (int)room) : recv(c->fd, bytes, room, 0);
    MUST(n >= 0 || c->ssl != NULL || (errno != EAGAIN && errno != EWOULDBLOCK)); // timed out
    return n > 0 ? (size_t)n : 0;
}

static bool fill(struct client *c)
{
    MUST(buf_reserve(&c->in, 65536));
    size_t n = client_receive(c, c->in.p + c->in.n, 65536);
    c->in.n += n;
    return n > 0;
}

const char *client_header(const struct client_answer *a, const char *name)
{
    for (size_t i = 0; i < a->header_count; i++) {
        if (strcmp(a->headers[i].name, name) == 0) {
            return a->headers[i].value;
        }
    }
    return NULL;
}

static void add_header(struct client_answer *a, struct str name, struct str value)
{
    MUST(a->header_count < CLIENT_HEADERS_MAX);
    struct client_header *h = &a->headers[a->header_count++];
    MUST(name.n < sizeof h->name && value.n < sizeof h->value);
    memcpy(h->name, name.p, name.n);
    memcpy(h->value, value.p, value.n);
}

void client_answer_done(struct client_answer *a)
{
    buf_done(&a->body);
}

// ---- HTTP/1.1 -----------------------------------------------------------------------------------

// Takes one line, without its end, into `line`; false at the end of the connection.
static bool take_line(struct client *c, char *line, size_t size)
{
    for (;;) {
        char *end = c->in.n < 2 ? NULL : memmem(c->in.p, c->in.n, "\r\n", 2);
        if (end != NULL) {
            size_t n = (size_t)(end - c->in.p);
            MUST(n < size);
            memcpy(line, c->in.p, n);
            line[n] = '\0';
            buf_shift(&c->in, n + 2);
            return true;
        }
        if (!fill(c)) {
            return false;
        }
    }
}

static void take_body(struct client *c, struct client_answer *a, size_t n)
{
    while (c->in.n < n) {
        MUST(fill(c));
    }
    buf_add(&a->body, c->in.p, n);
    buf_shift(&c->in, n);
}

static void take_chunks(struct client *c, struct client_answer *a)
{
    char line[64];
    for (;;) {
        MUST(take_line(c, line, sizeof line));
        size_t n = strtoul(line, NULL, 16);
        take_body(c, a, n);
        MUST(take_line(c, line, sizeof line));
        if (n == 0) {
            return;
        }
    }
}

bool client_h1_answer(struct client *c, bool head, struct client_answer *ret_answer)
{
    char line[1024];
    memset(ret_answer, 0, sizeof *ret_answer);
    buf_init(&ret_answer->body, (size_t)256 << 20);
    if (!take_line(c, line, sizeof line)) {
        return false;
    }
    MUST(strncmp(line, "HTTP/1.1 ", 9) == 0);
    ret_answer->status = (int)strtoul(line + 9, NULL, 10);
    for (;;) {
        MUST(take_line(c, line, sizeof line));
        if (line[0] == '\0') {
            break;
        }
        struct str name;
        struct str value = str_split(str_of(line), ':', &name);
        add_header(ret_answer, name, str_trim(value));
    }
    const char *length = client_header(ret_answer, "content-length");
    if (head || ret_answer->status == 100 || ret_answer->status == 204) {
        return true;
    }
    if (length != NULL) {
        take_body(c, ret_answer, strtoul(length, NULL, 10));
    } else if (client_header(ret_answer, "transfer-encoding") != NULL) {
        take_chunks(c, ret_answer);
    } else {
        while (fill(c)) {
        }
        take_body(c, ret_answer, c->in.n);
    }
    return true;
}

// ---- HTTP/2 -------------------------------------------------------------------------------------

struct body_source {
    struct buf bytes;
    size_t at;
    bool open;
};

struct client_h2 {
    struct client *client;
    nghttp2_session *session;
    struct client_answer answers[CLIENT_ANSWERS_MAX]; // of stream 2 * index + 1
    struct body_source sources[CLIENT_ANSWERS_MAX];
    bool goaway, over;
    uint32_t goaway_code;
};

static struct client_answer *answer_of(struct client_h2 *h, int32_t stream_id)
{
    MUST(stream_id > 0 && (size_t)stream_id / 2 < CLIENT_ANSWERS_MAX);
    return &h->answers[stream_id / 2];
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)s;
    (void)flags;
    struct client_answer *a = answer_of(user, f->hd.stream_id);
    struct str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (str_eq(n, STR(":status"))) {
        a->status = (int)strtoul(v.p, NULL, 10);
    } else {
        add_header(a, n, v);
    }
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
    struct client_h2 *h = user;
    (void)s;
    if (f->hd.type == NGHTTP2_GOAWAY) {
        h->goaway = true;
        h->goaway_code = f->goaway.error_code;
    }
    if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_RESPONSE) {
        answer_of(h, f->hd.stream_id)->headers_end_stream =
            (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n,
                   void *user)
{
    (void)s;
    (void)flags;
    buf_add(&answer_of(user, id)->body, bytes, n);
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
    (void)s;
    struct client_answer *a = answer_of(user, id);
    a->closed = true;
    a->error_code = code;
    return 0;
}

struct client_h2 *client_h2_new(struct client *c)
{
    struct client_h2 *h = mem_new(1, sizeof *h);
    nghttp2_session_callbacks *cb = NULL;
    h->client = c;
    for (size_t i = 0; i < CLIENT_ANSWERS_MAX; i++) {
        buf_init(&h->answers[i].body, (size_t)256 << 20);
    }
    MUST(nghttp2_session_callbacks_new(&cb) == 0);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    MUST(nghttp2_session_client_new(&h->session, cb, h) == 0);
    nghttp2_session_callbacks_del(cb);
    MUST(nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    return h;
}

void client_h2_free(struct client_h2 *h)
{
    nghttp2_session_del(h->session);
    for (size_t i = 0; i < CLIENT_ANSWERS_MAX; i++) {
        buf_done(&h->answers[i].body);
        mem_free(h->sources[i].bytes.p);
    }
    client_close(h->client);
    mem_free(h);
}

static ssize_t read_source(nghttp2_session *s, int32_t id, uint8_t *to, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct body_source *b = source->ptr;
    (void)s;
    (void)id;
    (void)user;
    size_t n = b->bytes.n - b->at < room ? b->bytes.n - b->at : room;
    if (n == 0 && b->open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0) {
        memcpy(to, b->bytes.p + b->at, n);
    }
    b->at += n;
    if (b->at == b->bytes.n && !b->open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

int32_t client_h2_request(struct client_h2 *h, const char *method, const char *path,
                          const char *const *headers, struct str body, bool open)
{
    nghttp2_nv list[CLIENT_HEADERS_MAX];
    size_t n = 0;
    list[n++] = nv(":method", method);
    list[n++] = nv(":path", path);
    list[n++] = nv(":scheme", "http");
    list[n++] = nv(":authority", "localhost");
    for (; headers != NULL && headers[0] != NULL; headers += 2) {
        list[n++] = nv(headers[0], headers[1]);
    }
    int32_t id = (int32_t)nghttp2_session_get_next_stream_id(h->session);
    (void)answer_of(h, id);
    struct body_source *b = &h->sources[id / 2];
    buf_init(&b->bytes, (size_t)256 << 20);
    buf_add_str(&b->bytes, body);
    b->open = open;
    nghttp2_data_provider provider = {.source.ptr = b, .read_callback = read_source};
    bool with_body = body.n > 0 || open;
    MUST(nghttp2_submit_request(h->session, NULL, list, n, with_body ? &provider : NULL, NULL) ==
         id);
    return id;
}

void client_h2_reset(struct client_h2 *h, int32_t stream_id)
{
    MUST(nghttp2_submit_rst_stream(h->session, 0, stream_id, NGHTTP2_CANCEL) == 0);
}

void client_h2_ping(struct client_h2 *h)
{
    MUST(nghttp2_submit_ping(h->session, 0, NULL) == 0);
}

void client_h2_flush(struct client_h2 *h)
{
    for (;;) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
        if (n <= 0) {
            return;
        }
        client_send(h->client, (struct str){(const char *)bytes, (size_t)n});
    }
}

bool client_h2_pump(struct client_h2 *h)
{
    char bytes[65536];
    client_h2_flush(h);
    size_t n = client_receive(h->client, bytes, sizeof bytes);
    if (n == 0 || nghttp2_session_mem_recv(h->session, (uint8_t *)bytes, n) < 0) {
        h->over = true;
    }
    if (!h->over) {
        client_h2_flush(h);
    }
    return !h->over;
}

const struct client_answer *client_h2_wait(struct client_h2 *h, int32_t stream_id)
{
    struct client_answer *a = answer_of(h, stream_id);
    while (!a->closed && client_h2_pump(h)) {
    }
    return a;
}

const struct client_answer *client_h2_peek(struct client_h2 *h, int32_t stream_id)
{
    return answer_of(h, stream_id);
}

uint32_t client_h2_wait_goaway(struct client_h2 *h)
{
    while (!h->goaway && client_h2_pump(h)) {
    }
    MUST(h->goaway);
    return h->goaway_code;
}

bool client_h2_wait_cut(struct client_h2 *h, uint32_t *ret_goaway_code)
{
    while (client_h2_pump(h)) {
    }
    if (h->goaway) {
        *ret_goaway_code = h->goaway_code;
    }
    return h->goaway;
}
