// SPDX-License-Identifier: Apache-2.0
// Purpose: the request object: what the handler reads and how it answers. Objects are pooled per
// server with their arena and small buffers, so that a small request allocates nothing.
#include "core/mem.h"
#include "core/must.h"
#include "http/internal.h"

// ---- Life ---------------------------------------------------------------------------------------

static void release_body(struct http_request *r)
{
    if (r->body.capacity > HTTP_POOLED_BYTES_MAX) {
        buf_done(&r->body);
    }
    buf_clear(&r->body);
    ASSERT(r->body.n == 0);
}

static size_t footprint(const struct http_request *r)
{
    ASSERT(r->body.n == 0);
    return sizeof *r + r->arena.held_bytes + r->body.capacity + r->out.capacity;
}

static struct http_request *pool_get(struct http_server *s)
{
    struct http_request *r = s->pool;
    if (r == NULL) {
        r = mem_new(1, sizeof *r);
        buf_init_from(&r->body, s->options.body_bytes_max, &s->inbound);
        buf_init_from(&r->out, HTTP_ANSWER_BYTES_MAX, &s->outbound);
        return r;
    }
    ASSERT(s->pool_bytes >= footprint(r));
    s->pool = r->next;
    s->pool_bytes -= footprint(r);
    return r;
}

struct http_request *request_new(struct conn *c)
{
    struct http_server *s = c->server;
    bool charged = memory_take(s, HTTP_REQUEST_CHARGE);
    if (!charged && s->uncharged >= HTTP_UNCHARGED_MAX) {
        stat_add(&s->stats.over_budget, 1);
        stat_add(&s->stats.turned_away, 1);
        return NULL;
    }
    struct http_request *r = pool_get(s);
    ASSERT(r->body.n == 0 && r->out.n == 0);
    r->conn = c;
    r->base_charged = charged ? HTTP_REQUEST_CHARGE : 0;
    s->uncharged += !charged;
    r->next = NULL;
    r->prev = c->last;
    if (c->last != NULL) {
        c->last->next = r;
    } else {
        c->first = r;
    }
    c->last = r;
    c->request_count++;
    r->content_length = UINT64_MAX;
    r->started_ms = loop_now_ms(s->loop);
    return r;
}

// What a request holds beside its answer. The same from the answer's end on: nothing of what still
// comes in is kept.
static size_t answered_bytes(const struct http_request *r)
{
    ASSERT(r->ended);
    return HTTP_REQUEST_CHARGE + r->arena_charged;
}

static void unlink_request(struct conn *c, struct http_request *r)
{
    ASSERT(c->request_count > 0);
    *(r->prev != NULL ? &r->prev->next : &c->first) = r->next;
    *(r->next != NULL ? &r->next->prev : &c->last) = r->prev;
    c->request_count--;
    if (c->request_count == 0) {
        c->idle_since_ms = loop_now_ms(c->server->loop);
    }
}

static void request_destroy(struct http_request *r)
{
    ASSERT(r->arena_charged == 0);
    arena_done(&r->arena);
    buf_done(&r->body);
    buf_done(&r->out);
    mem_free(r);
}

void request_free(struct http_request *r)
{
    struct conn *c = r->conn;
    struct http_server *s = c->server;
    ASSERT(r->out.n >= r->out_at);
    unlink_request(c, r);
    release_body(r);
    c->answered_bytes -= r->ended ? answered_bytes(r) : 0;
    memory_give(s, r->base_charged + r->arena_charged);
    r->arena_charged = 0;
    s->uncharged -= r->base_charged == 0;
    c->pending_bytes -= r->out.n - r->out_at;
    if (r->out.capacity > HTTP_POOLED_BYTES_MAX) {
        buf_done(&r->out);
    }
    buf_clear(&r->out);
    arena_clear(&r->arena);
    if (r->arena.held_bytes > HTTP_POOLED_BYTES_MAX) {
        arena_done(&r->arena);
    }
    if (s->pool_bytes + footprint(r) > HTTP_POOL_BYTES_MAX || memory_is_tight(s)) {
        request_destroy(r);
        return;
    }
    *r = (struct http_request){.arena = r->arena, .body = r->body, .out = r->out, .next = s->pool};
    s->pool = r;
    s->pool_bytes += footprint(r);
}

void request_cancel(struct http_request *r)
{
    const struct http_handler *h = &r->conn->server->options.handler;
    ASSERT(r->conn != NULL);
    if (r->told && !r->ended && h->on_cancel != NULL) {
        r->told = false;
        h->on_cancel(h->ctx, r);
    }
    request_free(r);
}

void request_pool_free(struct http_server *s)
{
    while (s->pool != NULL) {
        struct http_request *r = s->pool;
        s->pool = r->next;
        request_destroy(r);
    }
    ASSERT(s->conns == NULL);
    s->pool_bytes = 0;
}

// ---- What comes in ------------------------------------------------------------------------------

// Whether the arena may grow for `n` bytes more of the request's head.
static bool has_room(struct http_request *r, size_t n)
{
    size_t growth = arena_growth(&r->arena, n);
    ASSERT(n <= 4 * HTTP_HEADER_BYTES_MAX);
    if (growth == 0 || (r->arena.held_bytes == 0 && growth <= ARENA_CHUNK_MIN)) {
        return true; // the first chunk is part of the charge for the request
    }
    if (r->starved || !memory_take(r->conn->server, growth)) {
        r->starved = true;
        return false;
    }
    r->arena_charged += growth;
    return true;
}

bool request_add_header(struct http_request *r, struct str name, struct str value)
{
    r->header_bytes += name.n + value.n + 32; // as HTTP/2 counts
    if (r->header_bytes > HTTP_HEADER_BYTES_MAX || r->header_count >= HTTP_HEADERS_MAX) {
        return false;
    }
    size_t list = r->header_count == r->header_capacity
                      ? (2 * r->header_capacity + 16) * sizeof *r->headers
                      : 0;
    if (!has_room(r, list + name.n + value.n + 16)) {
        return true; // request_headers_done() refuses it
    }
    if (r->header_count == r->header_capacity) {
        size_t capacity = r->header_capacity == 0 ? 16 : 2 * r->header_capacity;
        struct http_header *grown = arena_new(&r->arena, capacity, sizeof *grown);
        if (r->header_count > 0) {
            memcpy(grown, r->headers, r->header_count * sizeof *grown);
        }
        r->headers = grown;
        r->header_capacity = capacity;
    }
    ASSERT(r->header_count < r->header_capacity);
    r->headers[r->header_count++] =
        (struct http_header){arena_str(&r->arena, name), arena_str(&r->arena, value)};
    return true;
}

// False for a bad escape or a NUL.
static bool percent_decode(struct arena *a, struct str s, bool plus_is_blank, struct str *ret)
{
    ASSERT(s.n <= HTTP_HEADER_BYTES_MAX);
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = s.n - i > 2 ? str_hex_digit(s.p[i + 1]) : -1;
            int low = s.n - i > 2 ? str_hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0') {
            return false;
        }
        p[n++] = c;
    }
    ASSERT(n <= s.n);
    p[n] = '\0';
    *ret = (struct str){p, n};
    return true;
}

bool request_set_target(struct http_request *r, struct str target)
{
    struct str scheme = STR("http://");
    if (str_starts(target, STR("https://"))) {
        scheme = STR("https://");
    }
    if (str_starts(target, scheme)) { // absolute form: drop scheme and authority
        target = str_skip(target, scheme.n);
        const char *slash = target.n == 0 ? NULL : memchr(target.p, '/', target.n);
        target = slash == NULL ? STR("/") : str_skip(target, (size_t)(slash - target.p));
    }
    if (target.n == 0 || (target.p[0] != '/' && !str_eq(target, STR("*")))) {
        return false;
    }
    if (!has_room(r, target.n + 32)) {
        r->path = STR("/"); // request_headers_done() refuses it
        return true;
    }
    struct str path;
    struct str query = str_split(target, '?', &path);
    ASSERT(path.n <= target.n);
    struct str fragment_cut;
    (void)str_split(query, '#', &fragment_cut);
    r->query = query.n == 0 ? STR("") : arena_str(&r->arena, fragment_cut);
    return percent_decode(&r->arena, path, false, &r->path);
}

static void answer_error(struct http_request *r, int status, const char *text, bool retry)
{
    struct http_header headers[] = {{STR("content-type"), STR("application/json")},
                                    {STR("retry-after"), STR("1")}};
    ASSERT(text != NULL && strpbrk(text, "\"\\") == NULL);
    struct str body = arena_printf(&r->arena, "{\"error\":\"%s\"}", text);
    http_respond(r, status, headers, retry ? 2 : 1, body);
}

static void answer_grpc_exhausted(struct http_request *r, struct str text)
{
    struct http_header headers[] = {{STR("content-type"), STR("application/grpc")},
                                    {STR("grpc-status"), STR("8")},
                                    {STR("grpc-message"), text}};
    ASSERT(!r->begun);
    http_respond(r, 200, headers, 3, STR(""));
}

static bool is_grpc(const struct http_request *r)
{
    ASSERT(r->conn != NULL);
    return str_starts(http_header(r, STR("content-type")), STR("application/grpc"));
}

static void answer_short_of_memory(struct http_request *r)
{
    static const char text[] = "The server is short of memory, try again.";
    ASSERT(!r->begun);
    if (is_grpc(r)) {
        answer_grpc_exhausted(r, str_of(text));
    } else {
        answer_error(r, 429, text, true);
    }
}

static void request_refuse(struct http_request *r, enum http_refusal why)
{
    struct http_server *s = r->conn->server;
    const struct http_handler *h = &s->options.handler;
    ASSERT(!r->begun);
    bool large = why == HTTP_REFUSAL_TOO_LARGE;
    stat_add(large ? &s->stats.too_large : &s->stats.over_budget, 1);
    release_body(r);
    if (h->on_refused != NULL) {
        h->on_refused(h->ctx, r, why);
    }
    if (r->begun) {
        return;
    }
    struct str text = arena_printf(&r->arena,
                                   "The body is larger than the %zu bytes that the "
                                   "server takes.",
                                   s->options.body_bytes_max);
    if (!large) {
        answer_short_of_memory(r);
    } else if (is_grpc(r)) {
        answer_grpc_exhausted(r, text);
    } else {
        answer_error(r, 413, text.p, false);
    }
}

void request_headers_done(struct http_request *r)
{
    struct http_server *s = r->conn->server;
    const struct http_handler *h = &s->options.handler;
    ASSERT(!r->told && !r->begun);
    stat_add(&s->stats.requests, 1);
    r->is_head = str_eq(r->method, STR("HEAD"));
    r->told = true;
    if (r->starved) {
        stat_add(&s->stats.over_budget, 1);
        stat_add(&s->stats.turned_away, 1);
        answer_short_of_memory(r);
    } else if (h->on_headers != NULL) {
        h->on_headers(h->ctx, r);
    }
    if (!r->begun && r->content_length != UINT64_MAX &&
        r->content_length > s->options.body_bytes_max) {
        request_refuse(r, HTTP_REFUSAL_TOO_LARGE);
    }
    if (!r->begun && r->base_charged == 0) {
        request_refuse(r, HTTP_REFUSAL_BUDGET);
    }
}

void request_body(struct http_request *r, const char *bytes, size_t n)
{
    if (r->begun) {
        return; // answered already: the rest is discarded
    }
    ASSERT(r->told && !r->received);
    if (n > r->conn->server->options.body_bytes_max - r->body.n) {
        request_refuse(r, HTTP_REFUSAL_TOO_LARGE);
        return;
    }
    buf_add(&r->body, bytes, n);
    if (r->body.failed) {
        request_refuse(r, HTTP_REFUSAL_BUDGET);
    }
}

void request_received(struct http_request *r)
{
    const struct http_handler *h = &r->conn->server->options.handler;
    ASSERT(!r->received);
    r->received = true;
    r->wants_continue = false;
    if (!r->begun) {
        h->on_request(h->ctx, r);
    }
}

void request_fail(struct http_request *r, int status, const char *text)
{
    const struct http_handler *h = &r->conn->server->options.handler;
    ASSERT(!r->ended);
    if (r->told && h->on_cancel != NULL) {
        h->on_cancel(h->ctx, r);
    }
    r->told = false;
    if (!r->begun) {
        answer_error(r, status, text, false);
    } else {
        conn_break(r->conn); // half an answer is out
    }
}

// ---- What the handler reads ---------------------------------------------------------------------

struct str http_method(const struct http_request *r)
{
    ASSERT(r->told);
    return r->method;
}

struct str http_path(const struct http_request *r)
{
    ASSERT(r->told);
    return r->path;
}

struct str http_query(const struct http_request *r)
{
    ASSERT(r->told);
    return r->query;
}

struct str http_header(const struct http_request *r, struct str name)
{
    ASSERT(name.n > 0);
    for (size_t i = 0; i < r->header_count; i++) {
        if (str_eq(r->headers[i].name, name)) {
            return r->headers[i].value;
        }
    }
    return STR_NONE;
}

struct str http_body(const struct http_request *r)
{
    static const char padding[BUF_PAD];
    ASSERT(r->received);
    return r->body.p != NULL ? buf_str(&r->body) : (struct str){padding, 0};
}

struct str http_peer(const struct http_request *r)
{
    ASSERT(r->conn != NULL);
    return str_of(r->conn->peer);
}

bool http_is_h2(const struct http_request *r)
{
    ASSERT(r->conn->proto != NULL);
    return r->conn->proto == &http_h2_ops;
}

struct arena *http_arena(struct http_request *r)
{
    ASSERT(r->conn != NULL);
    return &r->arena;
}

void http_set_user(struct http_request *r, void *user)
{
    ASSERT(r->told);
    r->user = user;
}

void *http_user(const struct http_request *r)
{
    ASSERT(r->conn != NULL);
    return r->user;
}

enum err http_next_param(struct http_request *r, struct str *query, struct http_param *ret_param)
{
    struct str pair = STR_NONE, raw_name;
    ASSERT(ret_param != NULL);
    while (query->n > 0 && pair.n == 0) { // "a=1&&b=2"
        *query = str_split(*query, '&', &pair);
    }
    if (pair.n == 0) {
        return ERR_NOT_FOUND;
    }
    struct str raw_value = str_split(pair, '=', &raw_name);
    ret_param->name = raw_name;
    return percent_decode(&r->arena, raw_name, true, &ret_param->name) &&
                   percent_decode(&r->arena, raw_value, true, &ret_param->value)
               ? ERR_OK
               : ERR_INVALID;
}

// ---- What goes out ------------------------------------------------------------------------------

void request_add_out(struct http_request *r, struct str bytes)
{
    struct conn *c = r->conn;
    ASSERT(r->out_at <= r->out.n);
    if (r->out.n == 0) {
        r->moved_ms = loop_now_ms(c->server->loop);
    }
    // One answer may be larger, behind no more than headers.
    if (c->pending_bytes > HTTP_HEADER_BYTES_MAX && c->pending_bytes + bytes.n > HTTP_PENDING_MAX) {
        conn_break(c); // the peer reads too slowly
        return;
    }
    buf_add_str(&r->out, bytes);
    if (r->out.failed) {
        conn_break(c);
        return;
    }
    c->pending_bytes += bytes.n;
}

void request_produced(struct http_request *r, size_t n)
{
    if (n > 0) {
        r->moved_ms = r->conn->moved_ms = loop_now_ms(r->conn->server->loop);
    }
    if (r->out.n == 0) {
        r->lent = str_skip(r->lent, n);
        return;
    }
    ASSERT(n <= r->out.n - r->out_at);
    r->out_at += n;
    r->conn->pending_bytes -= n;
    if (r->out_at == r->out.n) {
        buf_clear(&r->out);
        r->out_at = 0;
    }
}

static void end_answer(struct http_request *r)
{
    struct conn *c = r->conn;
    ASSERT(r->begun && !r->ended);
    r->ended = true;
    r->moved_ms = loop_now_ms(c->server->loop);
    c->answered_bytes += answered_bytes(r);
    c->proto->end(r);
    conn_flush_soon(c);
}

static void respond(struct http_request *r, int status, const struct http_header *headers,
                    size_t header_count, struct str body, bool lent)
{
    MUST(!r->begun);
    ASSERT(status >= 200 && status <= 599);
    r->begun = true;
    r->status = status;
    bool bodiless = status == 204 || status == 304;
    const struct proto_ops *proto = r->conn->proto;
    proto->begin(r, headers, header_count, bodiless ? 0 : (int64_t)body.n);
    if (!bodiless && !r->is_head && body.n > 0) {
        if (lent) {
            r->lent = body;
        } else {
            proto->add(r, body);
        }
    }
    end_answer(r);
}

void http_respond(struct http_request *r, int status, const struct http_header *headers,
                  size_t header_count, struct str body)
{
    respond(r, status, headers, header_count, body, false);
}

void http_respond_lent(struct http_request *r, int status, const struct http_header *headers,
                       size_t header_count, struct str body)
{
    ASSERT(body.p != NULL);
    respond(r, status, headers, header_count, body, true);
}

void http_stream_begin(struct http_request *r, int status, const struct http_header *headers,
                       size_t header_count)
{
    MUST(!r->begun);
    ASSERT(status >= 200 && status <= 599);
    r->begun = true;
    r->status = status;
    r->conn->proto->begin(r, headers, header_count, -1);
    conn_flush_soon(r->conn);
}

void http_stream_write(struct http_request *r, struct str bytes)
{
    MUST(r->begun && !r->ended);
    ASSERT(bytes.n == 0 || bytes.p != NULL);
    if (bytes.n > 0 && !r->is_head) {
        r->conn->proto->add(r, bytes);
        conn_flush_soon(r->conn);
    }
}

size_t http_stream_pending(const struct http_request *r)
{
    ASSERT(r->out.n >= r->out_at);
    const struct conn *c = r->conn;
    return r->out.n - r->out_at + c->out.n + c->sending.n - c->sending_at;
}

bool http_stream_room(const struct http_request *r, size_t n)
{
    struct budget *budget = r->conn->server->options.budget;
    ASSERT(n <= SIZE_MAX / HTTP_OUT_COPIES);
    if (budget == NULL) {
        return true;
    }
    if (!unread_has_room(r->conn->server, n * HTTP_OUT_COPIES)) {
        return false;
    }
    size_t total = atomic_load_explicit(&budget->total, memory_order_relaxed);
    return total <= budget->limit_bytes && budget->limit_bytes - total >= n * HTTP_OUT_COPIES;
}

void http_stream_end(struct http_request *r, const struct http_header *trailers,
                     size_t trailer_count)
{
    MUST(r->begun && !r->ended);
    ASSERT(trailer_count == 0 || trailers != NULL);
    if (trailer_count > 0 && http_is_h2(r)) {
        struct http_header *copy = arena_new(&r->arena, trailer_count, sizeof *copy);
        for (size_t i = 0; i < trailer_count; i++) {
            copy[i] = (struct http_header){arena_str(&r->arena, trailers[i].name),
                                           arena_str(&r->arena, trailers[i].value)};
        }
        r->trailers = copy;
        r->trailer_count = trailer_count;
    }
    end_answer(r);
}
