// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of groups and durability: acknowledged only when durable, many requests in one
// record, lost peers, a failing disk, stopping with requests in flight, replay.
#include "fixture.h"

#include <nghttp2/nghttp2.h>

#include "support/certificate.h"
#include "wire/compress.h"

static struct buf one_span(void)
{
    struct buf b, framed;
    buf_init(&b, 1 << 20);
    buf_init(&framed, 1 << 20);
    put_spans(&b, "cart", NULL, 1, 0);
    frame(&framed, buf_str(&b), false);
    buf_done(&b);
    return framed;
}

static void test_acknowledged_only_when_durable(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    struct buf span = one_span();
    gatefs_shut(f->gate);
    int32_t id = client_h2_request(h, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    int32_t health = client_h2_request(h, "POST", "/grpc.health.v1.Health/Check", GRPC,
                                       (struct str){"\0\0\0\0\0", 5}, false);
    client_h2_flush(h);
    gatefs_await(f->gate); // written, not synced
    assert_grpc(client_h2_wait(h, health), "0");
    struct client_answer const *a = client_h2_peek(h, id);
    assert_false(a->closed); // others are answered meanwhile, this one is not
    assert_int_equal(a->status, 0);
    assert_int_equal(atomic_load(&f->durable_spans), 0);
    gatefs_open(f->gate);
    assert_grpc(client_h2_wait(h, id), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 1);
    buf_done(&span);
    client_h2_free(h);
    fx_end(f);
}

static void test_small_requests_share_records(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    struct buf span = one_span();
    int32_t ids[100];
    client_h2_flush(h);
    gatefs_shut(f->gate);
    for (int i = 0; i < 100; i++) {
        ids[i] = client_h2_request(h, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    }
    client_h2_flush(h);
    gatefs_await(f->gate);
    gatefs_open(f->gate);
    for (int i = 0; i < 100; i++) {
        assert_grpc(client_h2_wait(h, ids[i]), "0");
    }
    assert_int_equal(atomic_load(&f->durable_spans), 100);
    assert_in_range(atomic_load(&f->durable_records), 1, 60);
    buf_done(&span);
    client_h2_free(h);
    fx_end(f);
}

static void test_lines_are_kept_apart(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    put_spans(&b, "cart", "shop", 1, 0);
    put_spans(&b, "ledger", "bank", 1, 0);
    put_spans(&b, "orders", "shop", 1, 0);
    put_spans(&b, "nobody", "empty", 0, 1); // leaves no batch
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    assert_string_equal(f->lines, "shop;bank;");
    assert_int_equal(atomic_load(&f->durable_records), 1);
    // More lines than are kept apart: the rest goes to the line "".
    buf_clear(&b);
    for (int i = 0; i < 400; i++) {
        char line[16];
        (void)snprintf(line, sizeof line, "line-%d", i);
        put_spans(&b, "cart", line, 1, 0);
    }
    uint64_t before = atomic_load(&f->durable_batches);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    assert_int_equal(atomic_load(&f->durable_batches) - before, 256);
    assert_int_equal(atomic_load(&f->durable_spans), 403);
    buf_done(&b);
    client_h2_free(h);
    fx_end(f);
}

static void test_peer_gone_while_waiting(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf span = one_span();
    gatefs_shut(f->gate);
    struct client_h2 *gone = fx_h2(f), *reset = fx_h2(f), *h = fx_h2(f);
    (void)client_h2_request(gone, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    int32_t id = client_h2_request(reset, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    client_h2_flush(gone);
    client_h2_flush(reset);
    gatefs_await(f->gate);
    client_h2_free(gone);
    client_h2_reset(reset, id);
    // Half a request, then gone.
    struct client *half = client_open(receive_http_address(f->receive), NULL);
    client_send(half, STR("POST /v1/traces HTTP/1.1\r\nhost: x\r\n" PROTOBUF
                          "content-length: 100\r\n\r\nabc"));
    client_abort(half);
    int32_t check = client_h2_request(reset, "POST", "/grpc.health.v1.Health/Check", GRPC,
                                      (struct str){"\0\0\0\0\0", 5}, false);
    assert_grpc(client_h2_wait(reset, check), "0"); // so the reset has been seen
    gatefs_open(f->gate);
    int32_t last = client_h2_request(h, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    assert_grpc(client_h2_wait(h, last), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 3); // what was decoded is kept
    client_h2_free(reset);
    client_h2_free(h);
    buf_done(&span);
    fx_end(f);
}

static void test_failing_disk_is_said_and_counted(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    put_spans(&b, "cart", NULL, 2, 0);
    simfs_set_faults(f->disk, 1000, 1000);
    const struct client_answer *a = call(h, TRACES_PATH, buf_str(&b));
    assert_grpc(a, "14");
    assert_non_null(client_header(a, "grpc-status-details-bin"));
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_JOURNAL, "cart"), 2);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, "cart"), 2);
    struct client_answer p = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(p.status, 503);
    client_answer_done(&p);
    simfs_set_faults(f->disk, 0, 0);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0"); // and it comes back by itself
    assert_int_equal(atomic_load(&f->durable_spans), 2);
    buf_done(&b);
    client_h2_free(h);
    fx_end(f);
}

// What no record can hold is not to be sent again: 413, and RESOURCE_EXHAUSTED without a time to
// come back. A request that waits beside it is none the worse for it.
static void test_larger_than_a_record(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.record_bytes_max = 100000});
    struct client_h2 *h = fx_h2(f);
    struct buf b, span = one_span(), large;
    buf_init(&b, 4 << 20);
    buf_init(&large, 4 << 20);
    put_spans(&b, "cart", NULL, 20000, 0);
    frame(&large, buf_str(&b), false);
    gatefs_shut(f->gate);
    int32_t small = client_h2_request(h, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    int32_t id = client_h2_request(h, "POST", TRACES_PATH, GRPC, buf_str(&large), false);
    client_h2_flush(h);
    gatefs_await(f->gate);
    gatefs_open(f->gate);
    const struct client_answer *a = client_h2_wait(h, id);
    assert_grpc(a, "8");
    assert_null(client_header(a, "grpc-status-details-bin"));
    assert_grpc(client_h2_wait(h, small), "0");
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_TOO_LARGE, "cart"), 20000);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, "cart"), 20000);
    struct client_answer p = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(p.status, 413);
    assert_null(client_header(&p, "retry-after"));
    assert_true(body_has(&p, "smaller batches"));
    client_answer_done(&p);
    assert_int_equal(atomic_load(&f->durable_spans), 1);
    buf_done(&b);
    buf_done(&large);
    buf_done(&span);
    client_h2_free(h);
    fx_end(f);
}

static void *stop_receive(void *arg)
{
    receive_stop(((struct fixture *)arg)->receive);
    return NULL;
}

static void test_stop_answers_what_is_in_flight(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.shards = 2});
    struct client_h2 *h = fx_h2(f), *watcher = fx_h2(f);
    struct buf span = one_span();
    gatefs_shut(f->gate);
    int32_t watch = client_h2_request(watcher, "POST", "/grpc.health.v1.Health/Watch", GRPC,
                                      (struct str){"\0\0\0\0\0", 5}, false);
    while (client_h2_peek(watcher, watch)->body.n < 7) {
        assert_true(client_h2_pump(watcher));
    }
    assert_memory_equal(client_h2_peek(watcher, watch)->body.p, "\0\0\0\0\2\x8\1", 7);
    int32_t id = client_h2_request(h, "POST", TRACES_PATH, GRPC, buf_str(&span), false);
    client_h2_flush(h);
    gatefs_await(f->gate);
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_receive, f);
    assert_int_equal(client_h2_wait_goaway(h), NGHTTP2_NO_ERROR);
    assert_false(client_h2_peek(h, id)->closed);
    gatefs_open(f->gate);
    assert_grpc(client_h2_wait(h, id), "0");
    const struct client_answer *a = client_h2_wait(watcher, watch);
    assert_grpc(a, "0");
    assert_memory_equal(a->body.p + 7, "\0\0\0\0\2\x8\2", 7); // NOT_SERVING, then the end
    client_h2_free(h);
    client_h2_free(watcher);
    pthread_join(stopper, NULL);
    buf_done(&span);
    journal_close(f->journal);
    fx_free(f);
}

static void test_health_and_unknown_methods(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.token = STR("secret")});
    struct client_h2 *h = fx_h2(f);
    const struct client_answer *a = call(h, "/grpc.health.v1.Health/Check", STR(""));
    assert_grpc(a, "0"); // no token needed
    assert_memory_equal(a->body.p, "\0\0\0\0\2\x8\1", 7);
    assert_grpc(call(h, "/grpc.health.v1.Health/Check", STR("\x0a\x03xyz")), "5");
    assert_grpc(call(h, "/grpc.health.v1.Health/Check", STR("\x0a\x09x")), "3");
    assert_grpc(call(h, "/some.Service/Method", STR("")), "12");
    client_h2_free(h);
    fx_end(f);
}

// Pumps until the watcher was told so many times; the last status.
static char told(struct client_h2 *watcher, int32_t watch, size_t times)
{
    while (client_h2_peek(watcher, watch)->body.n < 7 * times) {
        assert_true(client_h2_pump(watcher));
    }
    const struct client_answer *a = client_h2_peek(watcher, watch);
    assert_int_equal(a->body.n, 7 * times);
    return a->body.p[7 * times - 1];
}

// What /readyz says is what watchers and checks are told; of an unknown service nothing changes.
static void test_health_follows_trouble(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.shards = 1});
    struct client_h2 *h = fx_h2(f);
    int32_t watch[2] = {client_h2_request(h, "POST", "/grpc.health.v1.Health/Watch", GRPC,
                                          (struct str){"\0\0\0\0\0", 5}, false),
                        client_h2_request(h, "POST", "/grpc.health.v1.Health/Watch", GRPC,
                                          (struct str){"\0\0\0\0\5\x0a\x03xyz", 10}, false)};
    assert_int_equal(told(h, watch[0], 1), 1);
    assert_int_equal(told(h, watch[1], 1), 3);
    atomic_store(&f->is_troubled, true);
    assert_int_equal(told(h, watch[0], 2), 2);
    const struct client_answer *a = call(h, "/grpc.health.v1.Health/Check", STR(""));
    assert_grpc(a, "0");
    assert_memory_equal(a->body.p, "\0\0\0\0\2\x8\2", 7);
    atomic_store(&f->is_troubled, false);
    assert_int_equal(told(h, watch[0], 3), 1);
    assert_int_equal(told(h, watch[1], 1), 3);
    client_h2_free(h);
    fx_end(f);
}

static void test_frames(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    static const char *const zip[] = {
        "content-type", "application/grpc+proto", "te", "trailers", "grpc-encoding", "gzip", NULL};
    static const char *const odd[] = {"content-type",  "application/grpc", "te", "trailers",
                                      "grpc-encoding", "snappy",           NULL};
    static const struct {
        const char *bytes;
        size_t n;
        const char *status;
    } cases[] = {{"\0\0\0", 3, "13"},
                 {"\1\0\0\0\0", 5, "13"}, // compressed, but how?
                 {"\2\0\0\0\0", 5, "13"},
                 {"\0\0\0\0\1", 5, "13"},
                 {"\0\0\0\0\0x", 6, "13"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t id = client_h2_request(h, "POST", TRACES_PATH, GRPC,
                                       (struct str){cases[i].bytes, cases[i].n}, false);
        assert_grpc(client_h2_wait(h, id), cases[i].status);
    }
    int32_t id = client_h2_request(h, "POST", TRACES_PATH, odd, STR(""), false);
    const struct client_answer *a = client_h2_wait(h, id);
    assert_grpc(a, "12");
    assert_non_null(strstr(client_header(a, "grpc-accept-encoding"), "gzip"));
    struct buf b, packed, framed;
    buf_init(&b, 1 << 20);
    buf_init(&packed, 1 << 20);
    buf_init(&framed, 1 << 20);
    put_spans(&b, "cart", NULL, 5, 0);
    assert_ok(compress(COMPRESSION_GZIP, buf_str(&b), &packed));
    frame(&framed, buf_str(&packed), true);
    id = client_h2_request(h, "POST", TRACES_PATH, zip, buf_str(&framed), false);
    assert_grpc(client_h2_wait(h, id), "0");
    buf_clear(&framed);
    frame(&framed, buf_str(&b), false); // not every message of a gzip call is compressed
    id = client_h2_request(h, "POST", TRACES_PATH, zip, buf_str(&framed), false);
    assert_grpc(client_h2_wait(h, id), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 10);
    buf_done(&b);
    buf_done(&packed);
    buf_done(&framed);
    client_h2_free(h);
    fx_end(f);
}

static void test_grpc_over_tls(void **state)
{
    (void)state;
    struct certificate cert;
    struct http_tls *tls = NULL;
    struct err_at at;
    certificate_make(&cert);
    assert_ok(http_tls_new(cert.path, cert.key, &tls, &at));
    struct fixture *f = fx_start((struct receive_options){.tls = tls, .token = STR("secret")});
    static const char *const headers[] = {"content-type",  "application/grpc", "te", "trailers",
                                          "authorization", "Bearer secret",    NULL};
    struct client_h2 *h = client_h2_new(client_open(receive_grpc_address(f->receive), "h2"));
    struct buf b, framed;
    buf_init(&b, 1 << 22);
    buf_init(&framed, 1 << 22);
    put_spans(&b, "cart", NULL, 5000, 1); // many TLS records
    frame(&framed, buf_str(&b), false);
    for (int i = 0; i < 3; i++) {
        int32_t id = client_h2_request(h, "POST", TRACES_PATH, headers, buf_str(&framed), false);
        const struct client_answer *a = client_h2_wait(h, id);
        assert_grpc(a, "0");
        assert_memory_equal(a->body.p + 7, "\x08\x01\x12", 3); // rejected_spans = 1
    }
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "16"); // without the token
    assert_grpc(call(h, "/grpc.health.v1.Health/Check", STR("")), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 15000);
    buf_done(&b);
    buf_done(&framed);
    client_h2_free(h);
    fx_end(f);
    http_tls_free(tls);
    certificate_remove(&cert);
}

struct replayed {
    uint64_t spans, batches, last_seq;
    struct buf last;
};

static enum err replay_one(void *ctx, uint64_t seq, struct str payload)
{
    struct replayed *r = ctx;
    struct batch **batches = NULL;
    size_t count = 0;
    struct err_at at;
    assert_ok(receive_decode_record(payload, seq, &batches, &count, &at));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(batches[i]->seq, seq);
        assert_true(batches[i]->sealed);
        r->spans += batches[i]->span_count;
        batch_unref(batches[i]);
    }
    mem_free(batches);
    r->batches += count;
    r->last_seq = seq;
    buf_clear(&r->last);
    buf_add_str(&r->last, payload);
    return ERR_OK;
}

static void test_records_replay(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    struct buf b;
    struct replayed r = {0};
    buf_init(&b, 1 << 20);
    buf_init(&r.last, 1 << 20);
    put_spans(&b, "cart", "shop", 3, 0);
    put_spans(&b, "ledger", "bank", 4, 0);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    client_h2_free(h);
    receive_stop(f->receive);
    journal_close(f->journal);
    fx_open_journal(f);
    assert_ok(journal_replay(f->journal, 0, replay_one, &r));
    assert_int_equal(r.spans, 14);
    assert_int_equal(r.batches, 4);
    assert_int_equal(r.last_seq, 2);
    // Every cut of a record, and bytes behind it, are refused.
    struct batch **batches = NULL;
    size_t count = 0;
    struct err_at at;
    for (size_t n = 0; n < r.last.n; n++) {
        assert_err(receive_decode_record((struct str){r.last.p, n}, 1, &batches, &count, &at),
                   ERR_CORRUPT);
    }
    buf_add_byte(&r.last, 0);
    assert_err(receive_decode_record(buf_str(&r.last), 1, &batches, &count, &at), ERR_CORRUPT);
    assert_null(batches);
    buf_done(&r.last);
    buf_done(&b);
    journal_close(f->journal);
    fx_free(f);
}

static void test_start_fails_cleanly(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct receive_options o = {.otlp_grpc_address = "127.0.0.1:0",
                                .otlp_http_address = receive_http_address(f->receive),
                                .shards = 1,
                                .journal = f->journal,
                                .budget = &f->budget,
                                .ledger = f->ledger};
    struct receive *second = NULL;
    struct err_at at;
    assert_err(receive_start(&o, &second, &at), ERR_BUSY);
    assert_non_null(strstr(at.text, receive_http_address(f->receive)));
    assert_null(second);
    fx_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_only_when_durable),
        cmocka_unit_test(test_small_requests_share_records),
        cmocka_unit_test(test_lines_are_kept_apart),
        cmocka_unit_test(test_peer_gone_while_waiting),
        cmocka_unit_test(test_failing_disk_is_said_and_counted),
        cmocka_unit_test(test_larger_than_a_record),
        cmocka_unit_test(test_stop_answers_what_is_in_flight),
        cmocka_unit_test(test_health_and_unknown_methods),
        cmocka_unit_test(test_health_follows_trouble),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_grpc_over_tls),
        cmocka_unit_test(test_records_replay),
        cmocka_unit_test(test_start_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
