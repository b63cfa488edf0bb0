// SPDX-License-Identifier: Apache-2.0
// Purpose: a server on a thread of its own with a handler whose behaviour the path chooses, for the
// tests of the HTTP server.
//   /echo    answers method, path and body        /query   the parameter "a"
//   /hold    never answers (counts cancels; "?costly" is given up when the peer ends its side)
//   /stream  three pieces and a trailer
//   /refuse  401 before the body                  /large   8 MiB
//   /flood   160 MiB at once, without a look at what is pending
//   /lent    64 KiB that are not copied
//   /grpc    an answer with trailers              /bare    trailers only
#ifndef SONDE_TESTS_UNIT_HTTP_FIXTURE_H
#define SONDE_TESTS_UNIT_HTTP_FIXTURE_H

#include "test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "core/mem.h"
#include "core/must.h"
#include "http/server.h"
#include "support/http_client.h"

#define LARGE_BYTES ((size_t)8 << 20)
#define LENT_BYTES  ((size_t)64 << 10)

struct fixture {
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    struct budget budget;
    struct loop_task stop;
    uint32_t grace_ms;
    sem_t held, cancelled; // one post for each request held and each cancel
    char *large;
};

static inline void sem_wait_or_fail(sem_t *sem)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLIENT_TIMEOUT_MS / 1000;
    MUST(sem_timedwait(sem, &until) == 0);
}

static inline void fx_on_headers(void *ctx, struct http_request *r)
{
    (void)ctx;
    if (str_eq(http_path(r), STR("/refuse"))) {
        struct http_header h[] = {{STR("content-type"), STR("text/plain")}};
        http_respond(r, 401, h, 1, STR("no"));
    }
}

static inline void fx_grpc(struct http_request *r, bool bare)
{
    struct http_header h[] = {{STR("content-type"), STR("application/grpc")},
                              {STR("grpc-status"), STR("12")}};
    struct http_header trailers[] = {{STR("grpc-status"), STR("0")}};
    if (bare) {
        http_respond(r, 200, h, 2, STR(""));
        return;
    }
    http_stream_begin(r, 200, h, 1);
    http_stream_write(r, (struct str){"\0\0\0\0\0", 5});
    http_stream_end(r, trailers, 1);
}

static inline void fx_stream(struct http_request *r)
{
    struct http_header h[] = {{STR("content-type"), STR("text/plain")}};
    struct http_header trailers[] = {{STR("x-sum"), STR("3")}};
    http_stream_begin(r, 200, h, 1);
    http_stream_write(r, STR("one,"));
    http_stream_write(r, STR("two,"));
    http_stream_write(r, STR("three"));
    http_stream_end(r, trailers, 1);
}

// All parameters: "name=value;", and "wrong NAME" where one cannot be read.
static inline struct str fx_params(struct http_request *r)
{
    struct str rest = http_query(r), all = STR("");
    struct http_param p;
    enum err e;
    while ((e = http_next_param(r, &rest, &p)) == ERR_OK) {
        all = arena_printf(http_arena(r), "%.*s%.*s=%.*s;", STR_FMT(all), STR_FMT(p.name),
                           STR_FMT(p.value));
    }
    return e == ERR_NOT_FOUND
               ? all
               : arena_printf(http_arena(r), "%.*swrong %.*s", STR_FMT(all), STR_FMT(p.name));
}

static inline void fx_on_request(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    struct str path = http_path(r);
    struct http_header h[] = {{STR("content-type"), STR("text/plain")}};
    http_set_user(r, f);
    if (str_eq(path, STR("/hold"))) {
        sem_post(&f->held);
    } else if (str_eq(path, STR("/stream"))) {
        fx_stream(r);
    } else if (str_eq(path, STR("/flood"))) {
        http_stream_begin(r, 200, h, 1);
        for (int i = 0; i < 20; i++) {
            http_stream_write(r, (struct str){f->large, LARGE_BYTES});
        }
        http_stream_end(r, NULL, 0);
    } else if (str_eq(path, STR("/grpc")) || str_eq(path, STR("/bare"))) {
        fx_grpc(r, str_eq(path, STR("/bare")));
    } else if (str_eq(path, STR("/large"))) {
        http_respond(r, 200, h, 1, (struct str){f->large, LARGE_BYTES});
    } else if (str_eq(path, STR("/lent"))) {
        http_respond_lent(r, 200, h, 1, (struct str){f->large, LENT_BYTES});
    } else if (str_eq(path, STR("/query"))) {
        http_respond(r, 200, h, 1, fx_params(r));
    } else {
        struct str body =
            arena_printf(http_arena(r), "%.*s %.*s ", STR_FMT(http_method(r)), STR_FMT(path));
        struct str all = {arena_alloc(http_arena(r), body.n + http_body(r).n),
                          body.n + http_body(r).n};
        memcpy((char *)all.p, body.p, body.n);
        memcpy((char *)all.p + body.n, http_body(r).p, http_body(r).n);
        http_respond(r, 200, h, 1, all);
    }
}

static inline void fx_on_cancel(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    assert_true(http_user(r) == f || http_user(r) == NULL);
    sem_post(&f->cancelled);
}

static inline bool fx_is_given_up(void *ctx, struct http_request *r)
{
    assert_true(http_user(r) == ctx);
    return str_eq(http_query(r), STR("costly"));
}

static inline void *fx_run(void *arg)
{
    loop_run(((struct fixture *)arg)->loop);
    return NULL;
}

// Fields of `o` that are not zero hold.
static inline struct fixture *fx_start(struct http_server_options o)
{
    struct fixture *f = mem_new(1, sizeof *f);
    struct err_at at = {0};
    f->loop = loop_new();
    f->large = mem_new(LARGE_BYTES, 1);
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        f->large[i] = (char)('a' + i % 23);
    }
    sem_init(&f->held, 0, 0);
    sem_init(&f->cancelled, 0, 0);
    if (o.budget != NULL) {
        f->budget = *o.budget;
        o.budget = &f->budget;
    }
    o.loop = f->loop;
    o.address = "127.0.0.1:0";
    o.handler.on_headers = fx_on_headers;
    o.handler.on_request = fx_on_request;
    o.handler.on_cancel = fx_on_cancel;
    o.handler.is_given_up = fx_is_given_up;
    o.handler.ctx = f;
    assert_ok(http_server_new(&o, &f->server, &at));
    f->grace_ms = 5000;
    pthread_create(&f->thread, NULL, fx_run, f);
    return f;
}

static inline void fx_done(void *ctx)
{
    struct fixture *f = ctx;
    loop_stop(f->loop);
}

static inline void fx_stop_now(struct loop_task *task)
{
    struct fixture *f = (struct fixture *)((char *)task - offsetof(struct fixture, stop));
    http_server_stop(f->server, f->grace_ms, fx_done, f);
}

static inline void fx_begin_stop(struct fixture *f, uint32_t grace_ms)
{
    f->grace_ms = grace_ms;
    f->stop.run = fx_stop_now;
    loop_post(f->loop, &f->stop);
}

static inline void fx_join(struct fixture *f)
{
    pthread_join(f->thread, NULL);
    http_server_free(f->server);
    loop_free(f->loop);
    assert_int_equal(atomic_load(&f->budget.total), 0); // everything was given back
    sem_destroy(&f->held);
    sem_destroy(&f->cancelled);
    mem_free(f->large);
    mem_free(f);
}

static inline void fx_end(struct fixture *f)
{
    fx_begin_stop(f, 5000);
    fx_join(f);
}

static inline struct client *fx_client(struct fixture *f)
{
    return client_open(http_server_address(f->server), NULL);
}

static inline void assert_body(const struct client_answer *a, const char *text)
{
    assert_int_equal(a->body.n, strlen(text));
    assert_memory_equal(a->body.p, text, a->body.n);
}

// Reads the next HTTP/1.1 answer and compares.
static inline void expect_h1(struct client *c, int status, const char *body)
{
    struct client_answer a;
    assert_true(client_h1_answer(c, false, &a));
    assert_int_equal(a.status, status);
    if (body != NULL) {
        assert_body(&a, body);
    }
    client_answer_done(&a);
}

static inline void expect_end(struct client *c)
{
    struct client_answer a;
    assert_false(client_h1_answer(c, false, &a));
    client_answer_done(&a);
}

#endif
