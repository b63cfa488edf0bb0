// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the server over HTTP/2 and TLS: streams, trailers, flow control, abuse.
#include "fixture.h"

#include <nghttp2/nghttp2.h>

static const char *const GRPC[] = {"content-type", "application/grpc", "te", "trailers", NULL};

static struct client_h2 *fx_h2(struct fixture *f)
{
    return client_h2_new(fx_client(f));
}

static void test_streams_are_answered(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    int32_t ids[200];
    for (int i = 0; i < 200; i++) {
        ids[i] = client_h2_request(h, i % 2 ? "POST" : "GET", "/p%41", NULL,
                                   i % 2 ? STR("body") : STR(""), false);
    }
    for (int i = 0; i < 200; i++) {
        const struct client_answer *a = client_h2_wait(h, ids[i]);
        assert_int_equal(a->status, 200);
        assert_body(a, i % 2 ? "POST /pA body" : "GET /pA ");
        assert_non_null(client_header(a, "date"));
    }
    client_h2_free(h);
    fx_end(f);
}

static void test_trailers_and_trailers_only(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    int32_t with = client_h2_request(h, "POST", "/grpc", GRPC, STR("x"), false);
    int32_t bare = client_h2_request(h, "POST", "/bare", GRPC, STR("x"), false);
    int32_t head = client_h2_request(h, "HEAD", "/x", NULL, STR(""), false);
    const struct client_answer *a = client_h2_wait(h, with);
    assert_string_equal(client_header(a, "grpc-status"), "0");
    assert_int_equal(a->body.n, 5);
    assert_false(a->headers_end_stream);
    a = client_h2_wait(h, bare);
    assert_string_equal(client_header(a, "grpc-status"), "12");
    assert_true(a->headers_end_stream);
    a = client_h2_wait(h, head);
    assert_string_equal(client_header(a, "content-length"), "8");
    assert_true(a->headers_end_stream);
    client_h2_free(h);
    fx_end(f);
}

static void test_large_bodies_both_ways(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    struct str large = {f->large, LARGE_BYTES};
    int32_t up = client_h2_request(h, "POST", "/e", NULL, large, false);
    int32_t down = client_h2_request(h, "GET", "/large", NULL, STR(""), false);
    const struct client_answer *a = client_h2_wait(h, up);
    assert_int_equal(a->body.n, LARGE_BYTES + 8); // "POST /e "
    assert_memory_equal(a->body.p + 8, f->large, LARGE_BYTES);
    a = client_h2_wait(h, down);
    assert_memory_equal(a->body.p, f->large, LARGE_BYTES);
    client_h2_free(h);
    fx_end(f);
}

static void test_body_over_the_limit(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.body_bytes_max = 100000});
    struct client_h2 *h = fx_h2(f);
    struct str large = {f->large, 300000};
    int32_t plain = client_h2_request(h, "POST", "/e", NULL, large, false);
    int32_t grpc = client_h2_request(h, "POST", "/grpc", GRPC, large, false);
    const struct client_answer *a = client_h2_wait(h, plain);
    assert_int_equal(a->status, 413);
    a = client_h2_wait(h, grpc);
    assert_int_equal(a->status, 200);
    assert_string_equal(client_header(a, "grpc-status"), "8");
    int32_t fine = client_h2_request(h, "POST", "/e", NULL, STR("ok"), false);
    assert_body(client_h2_wait(h, fine), "POST /e ok");
    client_h2_free(h);
    fx_end(f);
}

static void test_refused_request_does_not_upload(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    int32_t id = client_h2_request(h, "POST", "/refuse", NULL, STR("part"), true);
    const struct client_answer *a = client_h2_wait(h, id);
    assert_int_equal(a->status, 401);
    assert_int_equal(a->error_code, NGHTTP2_NO_ERROR);
    client_h2_free(h);
    fx_end(f);
}

static void test_reset_and_lost_connection_cancel(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    int32_t first = client_h2_request(h, "GET", "/hold", NULL, STR(""), false);
    (void)client_h2_request(h, "GET", "/hold", NULL, STR(""), false);
    client_h2_flush(h);
    sem_wait_or_fail(&f->held);
    sem_wait_or_fail(&f->held);
    client_h2_reset(h, first);
    client_h2_flush(h);
    sem_wait_or_fail(&f->cancelled);
    client_h2_free(h); // the second goes with the connection
    sem_wait_or_fail(&f->cancelled);
    fx_end(f);
}

static void test_stop_says_goaway_and_lets_requests_end(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    int32_t open = client_h2_request(h, "POST", "/e", NULL, STR("x"), true);
    int32_t held = client_h2_request(h, "GET", "/hold", NULL, STR(""), false);
    client_h2_flush(h);
    sem_wait_or_fail(&f->held);
    fx_begin_stop(f, 100);
    assert_int_equal(client_h2_wait_goaway(h), NGHTTP2_NO_ERROR);
    assert_false(client_h2_wait(h, held)->closed); // cut after the grace
    (void)open;
    sem_wait_or_fail(&f->cancelled);
    sem_wait_or_fail(&f->cancelled);
    fx_join(f);
    client_h2_free(h);
}

static void test_slow_stream_is_timed_out(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.request_timeout_ms = 60});
    struct client_h2 *h = fx_h2(f);
    int32_t slow = client_h2_request(h, "POST", "/e", NULL, STR("x"), true);
    assert_int_equal(client_h2_wait(h, slow)->status, 408);
    sem_wait_or_fail(&f->cancelled);
    int32_t fine = client_h2_request(h, "POST", "/e", NULL, STR("ok"), false);
    assert_body(client_h2_wait(h, fine), "POST /e ok");
    client_h2_free(h);
    fx_end(f);
}

// Appends the frames of a GET of "/" on `stream_id`, and a reset of it where asked.
static void put_raw_get(struct buf *b, uint32_t stream_id, bool reset)
{
    char frames[] = "\0\0\6\1\5....\x82\x86\x84\1\1x\0\0\4\3\0....\0\0\0\x8";
    for (int k = 0; k < 4; k++) {
        frames[5 + k] = frames[20 + k] = (char)(stream_id >> (24 - 8 * k));
    }
    buf_add(b, frames, reset ? sizeof frames - 1 : 15);
}

static void put_raw_preface(struct buf *b)
{
    buf_add_str(b, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    buf_add(b, "\0\0\0\4\0\0\0\0\0", 9);
}

static void test_requests_beyond_the_budget(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 1); // room for nothing
    struct fixture *f = fx_start((struct http_server_options){.budget = &budget});
    struct client *c = fx_client(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    put_raw_preface(&b);
    for (uint32_t i = 0; i < 600; i++) {
        put_raw_get(&b, 2 * i + 1, false);
    }
    client_send(c, buf_str(&b)); // all in one turn: some get an answer, the rest not even that
    const struct http_server_stats *stats = http_server_stats(f->server);
    char bytes[65536];
    while (atomic_load(&stats->over_budget) < 600) {
        assert_true(client_receive(c, bytes, sizeof bytes) > 0);
    }
    assert_in_range(atomic_load(&stats->turned_away), 1, 600 - 256);
    client_close(c);
    c = fx_client(f);
    client_send(c, STR("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    expect_h1(c, 429, NULL);
    client_close(c);
    buf_done(&b);
    fx_end(f);
}

static void test_floods_are_cut(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *h = fx_h2(f);
    for (int i = 0; i < 3000; i++) {
        client_h2_ping(h);
        if (i % 100 == 0) {
            client_h2_flush(h);
        }
    }
    uint32_t code;
    if (client_h2_wait_cut(h, &code)) {
        assert_int_equal(code, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    client_h2_free(h);
    // Rapid reset, in raw frames: HEADERS (":method: GET", ":scheme: http", ":path: /"), RST.
    struct client *c = fx_client(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    put_raw_preface(&b);
    for (uint32_t i = 0; i < 3000; i++) {
        put_raw_get(&b, 2 * i + 1, true);
    }
    client_send(c, buf_str(&b));
    buf_clear(&b);
    char bytes[4096];
    size_t n;
    while ((n = client_receive(c, bytes, sizeof bytes)) > 0) {
        buf_add(&b, bytes, n);
    }
    // The last frame is a GOAWAY that asks for calm, unless a reset has overtaken it.
    if (b.n >= 17) {
        assert_non_null(memmem(b.p, b.n, "\0\0\0\x0b", 4));
    }
    assert_true(atomic_load(&http_server_stats(f->server)->requests) < 2500);
    assert_true(atomic_load(&http_server_stats(f->server)->protocol_errors) >= 2);
    buf_done(&b);
    client_close(c);
    fx_end(f);
}

// Appends a HEADERS frame that ends its stream.
static void put_raw_headers(struct buf *b, uint32_t stream_id, struct str block)
{
    uint8_t head[9] = {(uint8_t)(block.n >> 16), (uint8_t)(block.n >> 8), (uint8_t)block.n, 1, 5};
    for (int k = 0; k < 4; k++) {
        head[5 + k] = (uint8_t)(stream_id >> (24 - 8 * k));
    }
    buf_add(b, head, sizeof head);
    buf_add_str(b, block);
}

#define RAW_GET STR("\x82\x86\x84\1\1x") // of "/"

// Appends to a block of headers those of `get` and one of `n` bytes, which stays in the compression
// table where `kept`. `n` is 127 at least.
static void put_raw_large_header(struct buf *block, struct str get, size_t n, uint8_t last,
                                 bool kept)
{
    buf_add_str(block, get);
    buf_add_byte(block, kept ? 0x40 : 0);
    buf_add(block, "\1z\x7f", 3);
    buf_add_byte(block, (uint8_t)(0x80 | ((n - 127) & 0x7f)));
    buf_add_byte(block, (uint8_t)((n - 127) >> 7));
    for (size_t i = 1; i < n; i++) {
        buf_add_byte(block, 'v');
    }
    buf_add_byte(block, last);
}

// A large header in the compression table and thousands of references of one byte to it: the
// connection is ended long before the server has looked at them all.
static void assert_references_are_cut(uint8_t last_byte)
{
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client *c = fx_client(f);
    struct buf b, block;
    buf_init(&b, 2 << 20);
    buf_init(&block, 1 << 20);
    put_raw_preface(&b);
    put_raw_large_header(&block, RAW_GET, 4000, last_byte, true);
    put_raw_headers(&b, 1, buf_str(&block));
    buf_clear(&block);
    buf_add_str(&block, RAW_GET);
    for (int i = 0; i < 4000; i++) {
        buf_add_byte(&block, 0xbe);
    }
    for (uint32_t i = 1; i < 200; i++) {
        put_raw_headers(&b, 2 * i + 1, buf_str(&block));
    }
    client_send(c, buf_str(&b));
    char bytes[4096];
    while (client_receive(c, bytes, sizeof bytes) > 0) {
    }
    assert_true(atomic_load(&http_server_stats(f->server)->protocol_errors) > 0);
    assert_in_range(atomic_load(&http_server_stats(f->server)->requests), 0, 1);
    buf_done(&b);
    buf_done(&block);
    client_close(c);
    fx_end(f);
}

static void test_references_to_a_large_header_are_cut(void **state)
{
    (void)state;
    assert_references_are_cut('v');
    assert_references_are_cut('\x01'); // one that is left out, since a value may not have this byte
}

static void test_many_requests_with_large_headers_are_answered(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    const struct http_server_stats *stats = http_server_stats(f->server);
    struct client *c = fx_client(f);
    struct buf b, block;
    buf_init(&b, 1 << 20);
    buf_init(&block, 1 << 20);
    put_raw_large_header(&block, RAW_GET, 1800, 'v', false);
    put_raw_preface(&b);
    for (uint32_t i = 0; i < 3000; i++) {
        put_raw_headers(&b, 2 * i + 1, buf_str(&block));
        if (i % 100 == 99) {
            char bytes[65536];
            client_send(c, buf_str(&b));
            buf_clear(&b);
            while (atomic_load(&stats->requests) <= i) {
                assert_true(client_receive(c, bytes, sizeof bytes) > 0);
            }
        }
    }
    assert_int_equal(atomic_load(&stats->protocol_errors), 0);
    buf_done(&b);
    buf_done(&block);
    client_close(c);
    fx_end(f);
}

#define GATEWAY_STREAMS 600

// A gateway has many requests open at once, with 2 KiB of headers each, written out or (`indexed`)
// as a reference of one byte to what its first request had.
static void assert_a_gateway_is_served(bool indexed)
{
    struct fixture *f = fx_start((struct http_server_options){0});
    const struct http_server_stats *stats = http_server_stats(f->server);
    struct client *c = fx_client(f);
    struct buf b, block, answer;
    const struct str held = STR("\x82\x86\4\5/hold\1\1x");
    buf_init(&b, 2 << 20);
    buf_init(&block, 1 << 20);
    buf_init(&answer, 1 << 20);
    put_raw_preface(&b);
    for (uint32_t i = 0; i < GATEWAY_STREAMS; i++) {
        buf_clear(&block);
        if (!indexed || i == 0) {
            put_raw_large_header(&block, held, 2048, 'v', indexed);
        } else {
            buf_add_str(&block, held);
            buf_add_byte(&block, 0xbe);
        }
        put_raw_headers(&b, 2 * i + 1, buf_str(&block));
    }
    put_raw_headers(&b, 2 * GATEWAY_STREAMS + 1, RAW_GET);
    client_send(c, buf_str(&b));
    char bytes[4096];
    while (answer.n == 0 || memmem(answer.p, answer.n, "GET / ", 6) == NULL) {
        size_t n = client_receive(c, bytes, sizeof bytes);
        assert_true(n > 0);
        buf_add(&answer, bytes, n);
    }
    assert_int_equal(atomic_load(&stats->requests), GATEWAY_STREAMS + 1);
    assert_int_equal(atomic_load(&stats->protocol_errors), 0);
    buf_done(&answer);
    buf_done(&b);
    buf_done(&block);
    client_close(c);
    fx_end(f);
}

static void test_a_gateway_with_many_open_requests_is_served(void **state)
{
    (void)state;
    assert_a_gateway_is_served(false);
    assert_a_gateway_is_served(true);
}

static void test_bad_frames_end_only_their_connection(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    struct client_h2 *other = fx_h2(f);
    struct client *c = fx_client(f);
    client_send(c, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is not a frame at all, is it?"));
    char bytes[4096];
    while (client_receive(c, bytes, sizeof bytes) > 0) {
    }
    client_close(c);
    int32_t id = client_h2_request(other, "GET", "/f", NULL, STR(""), false);
    assert_body(client_h2_wait(other, id), "GET /f ");
    client_h2_free(other);
    fx_end(f);
}

static void test_connections_over_the_limit_are_refused(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.connections_max = 2});
    struct client_h2 *a = fx_h2(f), *b = fx_h2(f);
    int32_t id = client_h2_request(a, "GET", "/", NULL, STR(""), false);
    assert_int_equal(client_h2_wait(a, id)->status, 200);
    id = client_h2_request(b, "GET", "/", NULL, STR(""), false);
    assert_int_equal(client_h2_wait(b, id)->status, 200);
    struct client *third = fx_client(f);
    expect_end(third);
    client_close(third);
    assert_int_equal(atomic_load(&http_server_stats(f->server)->refused_connections), 1);
    client_h2_free(a);
    client_h2_free(b);
    fx_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_are_answered),
        cmocka_unit_test(test_trailers_and_trailers_only),
        cmocka_unit_test(test_large_bodies_both_ways),
        cmocka_unit_test(test_body_over_the_limit),
        cmocka_unit_test(test_refused_request_does_not_upload),
        cmocka_unit_test(test_reset_and_lost_connection_cancel),
        cmocka_unit_test(test_stop_says_goaway_and_lets_requests_end),
        cmocka_unit_test(test_slow_stream_is_timed_out),
        cmocka_unit_test(test_requests_beyond_the_budget),
        cmocka_unit_test(test_floods_are_cut),
        cmocka_unit_test(test_references_to_a_large_header_are_cut),
        cmocka_unit_test(test_many_requests_with_large_headers_are_answered),
        cmocka_unit_test(test_a_gateway_with_many_open_requests_is_served),
        cmocka_unit_test(test_bad_frames_end_only_their_connection),
        cmocka_unit_test(test_connections_over_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
