// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the server over HTTP/1.1: requests, answers, limits, timeouts, bad input.
#include "fixture.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"

#define GET(path) "GET " path " HTTP/1.1\r\nhost: x\r\n\r\n"

static void test_answers_and_keeps_alive(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/a%20b?c=d")));
    expect_h1(c, 200, "GET /a b ");
    client_send(c, STR("POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe"));
    client_send(c, STR("llo"));
    expect_h1(c, 200, "POST /x hello");
    client_send(c, STR("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    expect_h1(c, 200, "GET / ");
    expect_end(c);
    client_close(c);
    assert_int_equal(atomic_load(&http_server_stats(f->server)->requests), 3);
    fx_end(f);
}

static void test_pipelined_answers_keep_their_order(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++) { // far more than HTTP_PIPELINE_MAX at once
        buf_printf(&b, "POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nb", i);
    }
    client_send(c, buf_str(&b));
    for (int i = 0; i < 1000; i++) {
        char body[32];
        (void)snprintf(body, sizeof body, "POST /%d b", i);
        expect_h1(c, 200, body);
    }
    buf_done(&b);
    client_close(c);
    fx_end(f);
}

static void test_chunked_request_and_streamed_answer(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    const char text[] = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nx-trailer: 1\r\n\r\n";
    for (size_t i = 0; i < sizeof text - 1; i++) { // every split
        client_send(c, (struct str){text + i, 1});
    }
    expect_h1(c, 200, "POST /c abc0123456789abcdef");
    client_send(c, STR(GET("/stream")));
    struct client_answer a;
    assert_true(client_h1_answer(c, false, &a));
    assert_string_equal(client_header(&a, "transfer-encoding"), "chunked");
    assert_body(&a, "one,two,three");
    client_answer_done(&a);
    client_send(c, STR("GET /stream HTTP/1.0\r\n\r\n"));
    assert_true(client_h1_answer(c, false, &a)); // to the end of the connection
    assert_null(client_header(&a, "transfer-encoding"));
    assert_body(&a, "one,two,three");
    client_answer_done(&a);
    client_close(c);
    fx_end(f);
}

static void test_expect_continue_and_head(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR("POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
                       "content-length: 2\r\n\r\n"));
    expect_h1(c, 100, NULL);
    client_send(c, STR("ok"));
    expect_h1(c, 200, "POST /e ok");
    client_send(c, STR("HEAD /h HTTP/1.1\r\nhost: x\r\n\r\n" GET("/after")));
    struct client_answer a;
    assert_true(client_h1_answer(c, true, &a));
    assert_string_equal(client_header(&a, "content-length"), "8"); // "HEAD /h "
    client_answer_done(&a);
    expect_h1(c, 200, "GET /after ");
    client_close(c);
    fx_end(f);
}

static void test_query_parameters_are_decoded(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/query?b=1&a=x%2By+z%C3%A9&&aa=2") GET("/query?aa=1&b") GET("/query?")
                           GET("/query?%61=ok&=&a=2=3") GET("/query?a=1&b=%zz&c=1")
                               GET("/query?a=x%00") GET("/query?%4=1")));
    expect_h1(c, 200, "b=1;a=x+y z\xc3\xa9;aa=2;");
    expect_h1(c, 200, "aa=1;b=;");
    expect_h1(c, 200, "");
    expect_h1(c, 200, "a=ok;=;a=2=3;");
    expect_h1(c, 200, "a=1;wrong b");
    expect_h1(c, 200, "wrong a");
    expect_h1(c, 200, "wrong %4");
    client_close(c);
    fx_end(f);
}

static void test_refusal_before_the_body(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    // A short body is discarded and the connection lives on.
    client_send(c, STR("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"));
    expect_h1(c, 401, "no");
    // A body that was never sent cannot be waited for.
    client_send(c, STR("POST /refuse HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
                       "content-length: 3\r\n\r\n"));
    expect_h1(c, 401, "no");
    expect_end(c);
    client_close(c);
    fx_end(f);
}

static void test_body_over_the_limit_is_413(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.body_bytes_max = 10});
    struct client *c = fx_client(f);
    client_send(c, STR("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\n01234567890"));
    expect_h1(c, 413,
              "{\"error\":\"The body is larger than the 10 bytes that the server takes.\"}");
    client_send(c, STR("POST /y HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n0123456789"));
    expect_h1(c, 200, "POST /y 0123456789");
    client_send(c, STR("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
                       "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n"));
    expect_h1(c, 413, NULL);
    assert_int_equal(atomic_load(&http_server_stats(f->server)->too_large), 2);
    client_close(c);
    fx_end(f);
}

static void test_body_over_the_budget_is_429(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 100000);
    struct fixture *f = fx_start((struct http_server_options){.budget = &budget});
    struct client *c = fx_client(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add_str(&b, STR("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n"));
    for (int i = 0; i < 200000; i++) {
        buf_add_byte(&b, 'x');
    }
    client_send(c, buf_str(&b));
    struct client_answer a;
    assert_true(client_h1_answer(c, false, &a));
    assert_int_equal(a.status, 429);
    assert_string_equal(client_header(&a, "retry-after"), "1");
    client_answer_done(&a);
    client_send(c, STR("POST /s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"));
    expect_h1(c, 200, "POST /s hi");
    assert_int_equal(atomic_load(&http_server_stats(f->server)->over_budget), 1);
    buf_done(&b);
    client_close(c);
    fx_end(f);
}

static void test_small_requests_are_answered_when_memory_is_out(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, (size_t)64 << 20);
    struct fixture *f = fx_start((struct http_server_options){.budget = &budget});
    struct client *c = fx_client(f), *large = fx_client(f);
    client_send(c, STR("GET /a HTTP/1.1\r\nhost: x\r\n\r\n"));
    expect_h1(c, 200, "GET /a ");
    size_t rest = f->budget.limit_bytes - f->budget.query_bytes - atomic_load(&f->budget.total);
    assert_true(budget_take(&f->budget, ACCOUNT_STORE, rest));
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add_str(&b, STR("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n"));
    for (int i = 0; i < 900000; i++) {
        buf_add_byte(&b, 'x');
    }
    client_send(large, buf_str(&b));
    struct client_answer a;
    assert_true(client_h1_answer(large, false, &a));
    assert_int_equal(a.status, 429);
    client_answer_done(&a);
    for (int i = 0; i < 100; i++) {
        client_send(c, STR("POST /s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"));
        expect_h1(c, 200, "POST /s hi");
    }
    budget_give(&f->budget, ACCOUNT_STORE, rest);
    buf_done(&b);
    client_close(c);
    client_close(large);
    fx_end(f);
}

static void test_malformed_input_is_400_and_harms_nobody(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x01\x02garbage\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", // no host
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length : 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET foo HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1x\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "PRI * HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    };
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *other = fx_client(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct client *c = fx_client(f);
        struct client_answer a;
        client_send(c, str_of(bad[i]));
        assert_true(client_h1_answer(c, false, &a));
        assert_int_equal(a.status, 400);
        assert_memory_equal(a.body.p, "{\"error\":\"", 10);
        client_answer_done(&a);
        expect_end(c);
        client_close(c);
        client_send(other, STR(GET("/fine")));
        expect_h1(other, 200, "GET /fine ");
    }
    client_close(other);
    fx_end(f);
}

// http_parser swallows what stands in the place of the line ends around a chunk's data; whoever
// sent it gets an answer at once, however it is cut into pieces.
static void test_chunks_without_their_line_ends(void **state)
{
    (void)state;
    static const char head[] = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    static const struct {
        const char *body, *said;
    } bad[] = {
        {"5\r\nhello0\r\n\r\n", "not followed by CRLF: its size is wrong"},
        {"5\r\nhelloGET / HTTP/1.1\r\nhost: x\r\n\r\n", "its size is wrong"},
        {"3\r\nhello\r\n0\r\n\r\n", "its size is wrong"},
        {"5\r\nhello\rX0\r\n\r\n", "its size is wrong"},
        {"5\rXhello\r\n0\r\n\r\n", "The size of a chunk is not followed by CRLF"},
    };
    struct fixture *f = fx_start((struct http_server_options){0});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t cut = 0; cut < 9; cut++) {
            struct client *c = fx_client(f);
            struct client_answer a;
            client_send(c, str_of(head));
            client_send(c, (struct str){bad[i].body, cut});
            client_send(c, str_skip(str_of(bad[i].body), cut));
            assert_true(client_h1_answer(c, false, &a));
            assert_int_equal(a.status, 400);
            assert_non_null(memmem(a.body.p, a.body.n, bad[i].said, strlen(bad[i].said)));
            client_answer_done(&a);
            client_close(c);
        }
    }
    fx_end(f);
}

static void test_other_transfer_codings_are_501(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked"
        "\r\n\r\n0\r\n\r\n",
    };
    struct fixture *f = fx_start((struct http_server_options){0});
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct client *c = fx_client(f);
        client_send(c, str_of(unknown[i]));
        expect_h1(c, 501, NULL);
        expect_end(c);
        client_close(c);
    }
    fx_end(f);
}

static void test_errors_come_after_the_answers_before_them(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/1") GET("/2") "nonsense\r\n\r\n"));
    expect_h1(c, 200, "GET /1 ");
    expect_h1(c, 200, "GET /2 ");
    expect_h1(c, 400, NULL);
    expect_end(c);
    client_close(c);
    fx_end(f);
}

static void test_headers_over_the_limit_are_431(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add_str(&b, STR("GET / HTTP/1.1\r\nhost: x\r\n"));
    for (int i = 0; i < 200; i++) {
        buf_printf(&b, "x-header-%d: some value\r\n", i);
    }
    buf_add_str(&b, STR("\r\n"));
    client_send(c, buf_str(&b));
    expect_h1(c, 431, NULL);
    client_close(c);
    buf_done(&b);
    fx_end(f);
}

static void test_slow_request_is_cut(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.request_timeout_ms = 60});
    struct client *c = fx_client(f);
    client_send(c, STR("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nslow"));
    expect_h1(c, 408, "{\"error\":\"The request did not arrive in time.\"}");
    expect_end(c);
    client_close(c);
    sem_wait_or_fail(&f->cancelled); // the handler had seen its headers
    c = fx_client(f);
    client_send(c, STR("PRI")); // not even the protocol is told
    expect_end(c);
    client_close(c);
    assert_int_equal(atomic_load(&http_server_stats(f->server)->timeouts), 2);
    fx_end(f);
}

static void test_idle_connection_is_closed(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.idle_timeout_ms = 50});
    struct client *silent = fx_client(f), *c = fx_client(f);
    client_send(c, STR(GET("/x")));
    expect_h1(c, 200, "GET /x ");
    expect_end(c);
    expect_end(silent);
    client_close(c);
    client_close(silent);
    fx_end(f);
}

// Peers that hold all connections without using them keep nobody out for long.
static void test_idle_connections_give_way(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.connections_max = 2});
    struct client *silent = fx_client(f), *second = fx_client(f);
    bool answered = false;
    for (uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
         !answered && clock_mono_ns() < until_ns;) {
        struct client *c = fx_client(f);
        struct client_answer a;
        client_send(c, STR(GET("/x")));
        answered = client_h1_answer(c, false, &a);
        if (answered) {
            client_answer_done(&a);
        }
        client_close(c);
    }
    assert_true(answered);
    assert_true(atomic_load(&http_server_stats(f->server)->refused_connections) > 0);
    expect_end(silent);
    client_close(silent);
    client_close(second);
    fx_end(f);
}

// Nothing is taken, nothing is lost, and the loop does not spin: the connection waits.
static void test_connections_wait_while_there_are_no_descriptors(void **state)
{
    (void)state;
    enum { LIMIT = 200 };
    struct fixture *f = fx_start((struct http_server_options){.request_timeout_ms = 400});
    const struct http_server_stats *stats = http_server_stats(f->server);
    struct rlimit before, low;
    int held[LIMIT], n = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){.rlim_cur = LIMIT, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((held[n] = dup(STDERR_FILENO)) >= 0) {
        n++;
    }
    close(held[--n]);
    struct client *c = fx_client(f);                       // takes the last one
    while (atomic_load(&stats->refused_connections) < 2) { // tried, and tried again
        (void)sched_yield();
    }
    assert_int_equal(atomic_load(&stats->connections), 0);
    close(held[--n]);
    client_send(c, STR(GET("/late")));
    expect_h1(c, 200, "GET /late ");
    client_close(c);
    while (n > 0) {
        close(held[--n]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    fx_end(f);
}

static void test_peer_gone_cancels(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/hold") GET("/hold")));
    sem_wait_or_fail(&f->held);
    sem_wait_or_fail(&f->held);
    client_close(c);
    sem_wait_or_fail(&f->cancelled);
    sem_wait_or_fail(&f->cancelled);
    c = fx_client(f);
    client_send(c, STR(GET("/hold")));
    sem_wait_or_fail(&f->held);
    client_abort(c);
    sem_wait_or_fail(&f->cancelled);
    fx_end(f);
}

static void test_peer_that_ended_its_side_is_answered(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/x") GET("/lent") "GET /not-whole HT"));
    client_end_sending(c);
    expect_h1(c, 200, "GET /x ");
    expect_h1(c, 200, NULL);
    expect_end(c);
    client_close(c);
    c = fx_client(f); // an answer that is not there yet is waited for, yet not for ever
    client_send(c, STR(GET("/x") GET("/hold")));
    client_end_sending(c);
    sem_wait_or_fail(&f->held);
    expect_h1(c, 200, "GET /x ");
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += soon.tv_nsec >= 700000000;
    soon.tv_nsec = (soon.tv_nsec + 300000000) % 1000000000;
    assert_int_not_equal(sem_timedwait(&f->cancelled, &soon), 0);
    expect_end(c);
    sem_wait_or_fail(&f->cancelled);
    client_close(c);
    struct timespec begin, end; // unless it costs too much
    c = fx_client(f);
    client_send(c, STR(GET("/hold?costly")));
    sem_wait_or_fail(&f->held);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    client_end_sending(c);
    sem_wait_or_fail(&f->cancelled);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 < 900);
    client_close(c);
    fx_end(f);
}

static void test_lent_bodies_are_whole(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    struct client_answer a;
    client_send(c, STR(GET("/lent") "HEAD /lent HTTP/1.1\r\nhost: x\r\n\r\n" GET("/lent")));
    for (int i = 0; i < 3; i++) {
        assert_true(client_h1_answer(c, i == 1, &a));
        assert_string_equal(client_header(&a, "content-length"), "65536");
        assert_int_equal(a.body.n, i == 1 ? 0 : LENT_BYTES);
        assert_memory_equal(a.body.n == 0 ? f->large : a.body.p, f->large, a.body.n);
        client_answer_done(&a);
    }
    client_close(c);
    fx_end(f);
}

static void test_peer_gone_while_it_is_answered(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    for (int i = 0; i < 20; i++) {
        struct client *c = fx_client(f);
        char byte;
        client_send(c, STR(GET("/large") GET("/large")));
        assert_int_equal(client_receive(c, &byte, 1), 1);
        client_abort(c); // the server writes into a closed socket
    }
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/x")));
    expect_h1(c, 200, "GET /x ");
    client_close(c);
    fx_end(f);
}

static void test_slow_reader_is_cut(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.request_timeout_ms = 50});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/large") GET("/large") GET("/large") GET("/large")));
    char byte;
    assert_int_equal(client_receive(c, &byte, 1), 1); // it has begun; take no more
    while (atomic_load(&http_server_stats(f->server)->open_connections) > 0) {
        struct timespec pause = {0, 5000000};
        nanosleep(&pause, NULL);
    }
    assert_int_equal(atomic_load(&http_server_stats(f->server)->timeouts), 1);
    client_close(c);
    fx_end(f);
}

static void test_stream_without_pacing_is_cut(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/flood"))); // 160 MiB at once, 64 MiB may wait
    size_t got = 0, n = 0;
    char bytes[65536];
    while ((n = client_receive(c, bytes, sizeof bytes)) > 0) {
        got += n;
    }
    assert_true(got < 20 * LARGE_BYTES);
    assert_int_equal(atomic_load(&http_server_stats(f->server)->timeouts), 0);
    client_close(c);
    fx_end(f);
}

static void test_pipelined_large_answers_wait_their_turn(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    struct client_answer a;
    for (int i = 0; i < 12; i++) { // 96 MiB: more than may wait at once
        client_send(c, STR(GET("/large")));
    }
    for (int i = 0; i < 12; i++) {
        assert_true(client_h1_answer(c, false, &a));
        assert_int_equal(a.body.n, LARGE_BYTES);
        client_answer_done(&a);
    }
    client_close(c);
    fx_end(f);
}

static void test_large_answer_is_whole(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    client_send(c, STR(GET("/large") GET("/x")));
    struct client_answer a;
    assert_true(client_h1_answer(c, false, &a));
    assert_int_equal(a.body.n, LARGE_BYTES);
    assert_memory_equal(a.body.p, f->large, LARGE_BYTES);
    client_answer_done(&a);
    expect_h1(c, 200, "GET /x ");
    client_close(c);
    fx_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_keeps_alive),
        cmocka_unit_test(test_pipelined_answers_keep_their_order),
        cmocka_unit_test(test_chunked_request_and_streamed_answer),
        cmocka_unit_test(test_expect_continue_and_head),
        cmocka_unit_test(test_query_parameters_are_decoded),
        cmocka_unit_test(test_refusal_before_the_body),
        cmocka_unit_test(test_body_over_the_limit_is_413),
        cmocka_unit_test(test_body_over_the_budget_is_429),
        cmocka_unit_test(test_small_requests_are_answered_when_memory_is_out),
        cmocka_unit_test(test_malformed_input_is_400_and_harms_nobody),
        cmocka_unit_test(test_chunks_without_their_line_ends),
        cmocka_unit_test(test_other_transfer_codings_are_501),
        cmocka_unit_test(test_errors_come_after_the_answers_before_them),
        cmocka_unit_test(test_headers_over_the_limit_are_431),
        cmocka_unit_test(test_slow_request_is_cut),
        cmocka_unit_test(test_idle_connection_is_closed),
        cmocka_unit_test(test_idle_connections_give_way),
        cmocka_unit_test(test_connections_wait_while_there_are_no_descriptors),
        cmocka_unit_test(test_peer_gone_cancels),
        cmocka_unit_test(test_peer_that_ended_its_side_is_answered),
        cmocka_unit_test(test_lent_bodies_are_whole),
        cmocka_unit_test(test_peer_gone_while_it_is_answered),
        cmocka_unit_test(test_slow_reader_is_cut),
        cmocka_unit_test(test_stream_without_pacing_is_cut),
        cmocka_unit_test(test_pipelined_large_answers_wait_their_turn),
        cmocka_unit_test(test_large_answer_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
