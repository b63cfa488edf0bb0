// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of OTLP's semantics at the door: encodings, partial success, errors, refusals.
#include "fixture.h"

#include "core/clock.h"
#include "wire/compress.h"

static struct buf traces(const char *service, int good, int bad)
{
    struct buf b;
    buf_init(&b, (size_t)64 << 20);
    put_spans(&b, service, NULL, good, bad);
    return b;
}

static void test_http_protobuf(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf b = traces("cart", 3, 0);
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 0); // an empty message: full success
    assert_string_equal(client_header(&a, "content-type"), "application/x-protobuf");
    assert_int_equal(atomic_load(&f->durable_spans), 3);
    client_answer_done(&a);
    a = post(f, "/v1/traces", PROTOBUF, STR("")); // an empty request is a good one
    assert_int_equal(a.status, 200);
    client_answer_done(&a);
    assert_int_equal(atomic_load(&f->durable_records), 1);
    struct receive_stats stats;
    receive_stats(f->receive, &stats);
    assert_int_equal(stats.requests, 2);
    assert_int_equal(stats.spans, 3);
    assert_true(stats.ack_p50_ns > 0 && stats.ack_p99_ns >= stats.ack_p50_ns);
    buf_done(&b);
    fx_end(f);
}

static void test_compressed_bodies(void **state)
{
    (void)state;
    static const struct {
        enum compression c;
        const char *headers;
    } kinds[] = {
        {COMPRESSION_GZIP, PROTOBUF "content-encoding: gzip\r\n"},
        {COMPRESSION_ZSTD, PROTOBUF "content-encoding: zstd\r\n"},
        {COMPRESSION_DEFLATE, PROTOBUF "content-encoding: deflate\r\n"},
    };
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf b = traces("cart", 500, 0);
    for (size_t i = 0; i < 3; i++) {
        struct buf packed;
        buf_init(&packed, 1 << 20);
        assert_ok(compress(kinds[i].c, buf_str(&b), &packed));
        struct client_answer a = post(f, "/v1/traces", kinds[i].headers, buf_str(&packed));
        assert_int_equal(a.status, 200);
        client_answer_done(&a);
        packed.p[packed.n / 2] ^= 0x55; // and broken
        packed.n -= 4;
        assert_posted(f, "/v1/traces", kinds[i].headers, buf_str(&packed), 400);
        buf_done(&packed);
    }
    assert_int_equal(atomic_load(&f->durable_spans), 1500);
    assert_refused(f, REASON_MALFORMED, 3);
    buf_done(&b);
    fx_end(f);
}

static void test_json(void **state)
{
    (void)state;
    static const char good[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
        "{\"stringValue\":\"web\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":"
        "\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\",\"name\":\"GET\","
        "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\""
        "}]}]}]}";
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_answer a = post(f, "/v1/traces", JSON, str_of(good));
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 2);
    assert_true(body_has(&a, "{}"));
    assert_string_equal(client_header(&a, "content-type"), "application/json");
    client_answer_done(&a);
    assert_int_equal(atomic_load(&f->durable_spans), 1);
    a = post(f, "/v1/traces", JSON, STR("{\"resourceSpans\":[{\"scopeSpans\":7}]}"));
    assert_int_equal(a.status, 400);
    assert_true(body_has(&a, "\"code\":3"));
    assert_true(body_has(&a, "\"error\":\""));
    assert_true(body_has(&a, "\"field\":\"resourceSpans[0].scopeSpans\""));
    assert_true(body_has(&a, "\"offset\":32"));
    client_answer_done(&a);
    assert_int_equal(f->letters, 1);
    assert_string_equal(f->letter_protocol, "otlp/http+json");
    assert_int_equal(f->letter_reason, REASON_MALFORMED);
    assert_int_equal(f->letter_offset, 32);
    assert_refused(f, REASON_MALFORMED, 1);
    fx_end(f);
}

static void test_malformed_leaves_nothing_behind(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf b = traces("cart", 3, 0);
    size_t whole = b.n;
    pb_put_varint(&b, 1, 5); // resource_spans must be a message
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(a.status, 400);
    assert_string_equal(client_header(&a, "content-type"), "application/x-protobuf");
    assert_true(body_has(&a, "resource_spans"));
    char place[32];
    (void)snprintf(place, sizeof place, "(at byte %zu)", whole);
    assert_true(body_has(&a, place));
    client_answer_done(&a);
    assert_int_equal(f->letter_offset, whole);
    struct client_h2 *h = fx_h2(f);
    const struct client_answer *g = call(h, TRACES_PATH, buf_str(&b));
    assert_grpc(g, "3");
    assert_non_null(strstr(client_header(g, "grpc-message"), place));
    b.n = whole;
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 3); // of the last one alone
    assert_refused(f, REASON_MALFORMED, 2);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, "cart"), 0);
    client_h2_free(h);
    buf_done(&b);
    fx_end(f);
}

static void test_partial_success(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf b = traces("cart", 2, 3);
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(a.status, 200);
    assert_memory_equal(a.body.p + 2, "\x08\x03\x12", 3); // rejected_spans = 3, error_message
    assert_true(body_has(&a, "trace_id is missing"));
    client_answer_done(&a);
    struct client_h2 *h = fx_h2(f);
    const struct client_answer *g = call(h, TRACES_PATH, buf_str(&b));
    assert_grpc(g, "0");
    assert_memory_equal(g->body.p + 7, "\x08\x03\x12", 3);
    a = post(f, "/v1/traces", JSON,
             STR("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"x\"}]}]}]}"));
    assert_int_equal(a.status, 200); // nothing of it was good, which is still partial success
    assert_true(body_has(&a, "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"1"));
    client_answer_done(&a);
    assert_int_equal(atomic_load(&f->durable_spans), 4);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_INVALID, "cart"), 6);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, "cart"), 6);
    assert_int_equal(f->letters, 7);
    assert_int_equal(f->letter_reason, REASON_INVALID);
    client_h2_free(h);
    buf_done(&b);
    fx_end(f);
}

static void test_metrics_and_logs_are_counted(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    static const char logs[] = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"
                               "{\"stringValue\":\"a\"}},{\"body\":{\"stringValue\":\"b\"}}]}]}]}";
    struct client_answer a = post(f, "/v1/logs", JSON, str_of(logs));
    assert_int_equal(a.status, 200);
    assert_true(body_has(&a, "\"rejectedLogRecords\":\"2\""));
    assert_true(body_has(&a, "does not store log records yet"));
    client_answer_done(&a);
    assert_posted(f, "/v1/logs", PROTOBUF, STR("\x0a\x05zzz"), 400);
    struct client_h2 *h = fx_h2(f);
    assert_grpc(call(h, METRICS_PATH, STR("")), "0");
    assert_int_equal(fx_count(f, SIGNAL_LOGS, OUTCOME_DROPPED, REASON_UNSUPPORTED, ""), 2);
    assert_int_equal(fx_count(f, SIGNAL_LOGS, OUTCOME_DROPPED, REASON_MALFORMED, ""), 1);
    assert_int_equal(fx_count(f, SIGNAL_LOGS, OUTCOME_RECEIVED, REASON_NONE, ""), 3);
    client_h2_free(h);
    fx_end(f);
}

static void test_wrong_requests(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 200},
        {"GET /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n", 405},
        {"POST /v1/other HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 404},
        {"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 415},
        {"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n\r\n", 415},
        {"POST /v1/traces HTTP/1.1\r\nhost: x\r\n" JSON "content-encoding: br\r\n\r\n", 415},
        {"POST /x HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\n\r\n", 415},
    };
    for (int port = 0; port < 2; port++) {
        const char *address =
            port ? receive_grpc_address(f->receive) : receive_http_address(f->receive);
        struct client *c = client_open(address, NULL);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct client_answer a;
            client_send(c, str_of(cases[i].request));
            assert_true(client_h1_answer(c, false, &a));
            assert_int_equal(a.status, cases[i].status);
            assert_true(a.body.n > 0);
            assert_true(a.status != 405 || strcmp(client_header(&a, "allow"), "POST") == 0);
            client_answer_done(&a);
        }
        client_close(c);
    }
    fx_end(f);
}

static void test_token(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.token = STR("secret")});
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, STR(""));
    assert_int_equal(a.status, 401);
    client_answer_done(&a);
    assert_posted(f, "/v1/traces", PROTOBUF "authorization: Bearer secreT\r\n", STR(""), 401);
    assert_posted(f, "/v1/traces", PROTOBUF "authorization: bearer secret\r\n", STR(""), 200);
    struct client_h2 *h = fx_h2(f);
    assert_grpc(call(h, TRACES_PATH, STR("")), "16");
    assert_refused(f, REASON_UNAUTHORIZED, 3);
    client_h2_free(h);
    fx_end(f);
}

static void test_overload_and_full_disk_say_when_to_retry(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    budget_force(&f->budget, ACCOUNT_STORE, (size_t)60 << 20);
    struct client_answer a = post(f, "/v1/traces", JSON, STR("{}"));
    assert_int_equal(a.status, 429);
    assert_string_equal(client_header(&a, "retry-after"), "1");
    client_answer_done(&a);
    const struct client_answer *g = call(h, TRACES_PATH, STR(""));
    assert_grpc(g, "8");
    assert_true(g->headers_end_stream);
    // base64 of Status { code 8, message, details RetryInfo { 1 s } }
    assert_memory_equal(client_header(g, "grpc-status-details-bin"), "CAgS", 4);
    assert_null(strchr(client_header(g, "grpc-status-details-bin"), '='));
    budget_give(&f->budget, ACCOUNT_STORE, (size_t)60 << 20);
    atomic_store(&f->is_full, true);
    a = post(f, "/v1/traces", JSON, STR("{}"));
    assert_int_equal(a.status, 503);
    assert_string_equal(client_header(&a, "retry-after"), "1");
    client_answer_done(&a);
    assert_grpc(call(h, TRACES_PATH, STR("")), "14");
    atomic_store(&f->is_full, false);
    assert_grpc(call(h, TRACES_PATH, STR("")), "0");
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_OVERLOAD, ""), 2);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_DISK_FULL, ""), 2);
    struct receive_stats stats;
    receive_stats(f->receive, &stats);
    assert_int_equal(stats.requests_refused, 4);
    client_h2_free(h);
    fx_end(f);
}

static void take_memory(struct fixture *f, size_t mib)
{
    budget_force(&f->budget, ACCOUNT_STORE, mib << 20);
}

// Knocks with an empty request until the door sheds: the first answers ask to come back.
static void await_shedding(struct fixture *f)
{
    struct receive_stats stats;
    int refused = 0;
    do {
        struct client_answer a = post(f, "/v1/traces", PROTOBUF, STR(""));
        refused += a.status == 429;
        client_answer_done(&a);
        receive_stats(f->receive, &stats);
    } while (strcmp(stats.overload, "shed") != 0);
    assert_true(refused > 0);
    assert_int_equal(stats.slowed, 1);
    assert_int_equal(stats.shed, 1);
}

static void test_lasting_overload_sheds_by_priority(void **state)
{
    (void)state;
    struct fixture *f =
        fx_start((struct receive_options){.shed_after_ms = 500, .slow_trace_ms = 100});
    struct buf b;
    buf_init(&b, 1 << 20);
    put_span(&b, "plain", 'a', 1000, false);
    put_span(&b, "slow", 'b', 100 * NS_PER_MS, false);
    put_span(&b, "wrong", 'c', 1000, false); // of a trace whose error comes behind it
    put_span(&b, "wrong", 'c', 1000, true);
    take_memory(f, 50); // of 64; low 40, soft 48, upper 56
    await_shedding(f);
    budget_give(&f->budget, ACCOUNT_STORE, (size_t)6 << 20);
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(a.status, 200);
    assert_true(body_has(&a, "1 spans were shed"));
    assert_memory_equal(a.body.p + 2, "\x08\x01\x12", 3); // rejected_spans = 1, error_message
    client_answer_done(&a);
    assert_int_equal(atomic_load(&f->durable_spans), 3);
    take_memory(f, 9);
    struct client_h2 *h = fx_h2(f);
    const struct client_answer *g = call(h, TRACES_PATH, buf_str(&b));
    assert_grpc(g, "0");
    assert_memory_equal(g->body.p + 7, "\x08\x02\x12", 3);
    assert_true(body_has(g, "errors alone"));
    assert_int_equal(atomic_load(&f->durable_spans), 5);
    // A later batch of a trace that had an error, and one of which nothing is kept.
    buf_clear(&b);
    put_span(&b, "late", 'c', 1000, false);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 6);
    buf_clear(&b);
    put_span(&b, "plain", 'd', 1000, false);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0");
    assert_int_equal(atomic_load(&f->durable_spans), 6);
    take_memory(f, 4);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "8"); // above the upper mark
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_SHED, "plain"), 3);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, "plain"), 3);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_SHED, "slow"), 1);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_SHED, "wrong"), 0);
    struct receive_stats stats;
    receive_stats(f->receive, &stats);
    assert_int_equal(stats.spans_shed, 4);
    budget_give(&f->budget, ACCOUNT_STORE, (size_t)57 << 20);
    assert_grpc(call(h, TRACES_PATH, buf_str(&b)), "0"); // at once, whatever the state
    assert_int_equal(atomic_load(&f->durable_spans), 7);
    client_h2_free(h);
    buf_done(&b);
    fx_end(f);
}

static void test_malformed_is_said_while_shedding(void **state)
{
    (void)state;
    struct fixture *f =
        fx_start((struct receive_options){.shed_after_ms = 500, .slow_trace_ms = 100});
    struct buf b;
    buf_init(&b, 1 << 20);
    put_span(&b, "plain", 'a', 1000, false);
    put_spans(&b, "bad", NULL, 0, 1); // no trace ID: invalid, not shed
    take_memory(f, 50);
    await_shedding(f);
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(a.status, 200);
    assert_true(body_has(&a, "trace_id is missing"));
    assert_true(body_has(&a, "1 spans were shed"));
    client_answer_done(&a);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_INVALID, "bad"), 1);
    b.n--; // cut short
    assert_posted(f, "/v1/traces", PROTOBUF, buf_str(&b), 400);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_SHED, "plain"), 1);
    budget_give(&f->budget, ACCOUNT_STORE, (size_t)50 << 20);
    buf_done(&b);
    fx_end(f);
}

// No service answers for what others have lost.
static void test_losses_of_many_services(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf b;
    char name[16];
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "service-%d", i);
        put_spans(&b, name, NULL, 0, 1); // no trace ID
    }
    assert_posted(f, "/v1/traces", PROTOBUF, buf_str(&b), 200);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "service-%d", i);
        assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_INVALID, name), i < 31);
    }
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, "(other)"), 9);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_INVALID, "(other)"), 9);
    buf_done(&b);
    fx_end(f);
}

// Whatever a request grows into is asked for before: the budget never holds more than its limit,
// and what does not fit is answered 429 and leaves nothing behind.
static void test_nothing_is_taken_beyond_the_limit(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    static const char *const kinds[] = {PROTOBUF "content-encoding: gzip\r\n",
                                        JSON "content-encoding: gzip\r\n",
                                        PROTOBUF "content-encoding: zstd\r\n"};
    struct buf b = traces("cart", 60000, 0), json, packed;
    buf_init(&json, (size_t)64 << 20);
    buf_init(&packed, (size_t)64 << 20);
    buf_add_str(&json, STR("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}"));
    while (json.n < (size_t)8 << 20) {
        buf_add_str(&json, STR(",{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":"
                               "\"eee19b7ec3c1b174\",\"name\":\"\\u0041\"}"));
    }
    buf_add_str(&json, STR("]}]}]}"));
    size_t held[] = {47, 45, 40, 30, 20, 0};
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&packed);
        struct str plain = i == 1 ? buf_str(&json) : buf_str(&b);
        assert_ok(compress(i == 2 ? COMPRESSION_ZSTD : COMPRESSION_GZIP, plain, &packed));
        int last = 0;
        for (size_t k = 0; k < sizeof held / sizeof held[0]; k++) {
            take_memory(f, held[k]);
            struct client_answer a = post(f, "/v1/traces", kinds[i], buf_str(&packed));
            assert_true(a.status == 429 || a.status == 200);
            assert_true(a.status == 200 || last != 200); // less in use never takes less
            last = a.status;
            client_answer_done(&a);
            budget_give(&f->budget, ACCOUNT_STORE, held[k] << 20);
        }
        assert_int_equal(last, 200);
    }
    assert_true(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_OVERLOAD, "") > 3);
    assert_true(atomic_load(&f->budget.peak) <= f->budget.limit_bytes);
    buf_done(&b);
    buf_done(&json);
    buf_done(&packed);
    fx_end(f);
}

// What an idle server could not take either is told so: however often it came, it would not fit.
static void test_more_memory_than_is_for_one_request(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct client_h2 *h = fx_h2(f);
    struct buf b = traces("cart", 150000, 0), one = traces("cart", 1, 0), packed;
    buf_init(&packed, (size_t)16 << 20);
    assert_true(b.n < f->budget.limit_bytes / 4); // the body alone would do
    assert_ok(compress(COMPRESSION_GZIP, buf_str(&b), &packed));
    struct client_answer a =
        post(f, "/v1/traces", PROTOBUF "content-encoding: gzip\r\n", buf_str(&packed));
    assert_int_equal(a.status, 413);
    assert_null(client_header(&a, "retry-after"));
    assert_true(body_has(&a, "50331648 bytes of memory"));
    client_answer_done(&a);
    const struct client_answer *g = call(h, TRACES_PATH, buf_str(&b));
    assert_grpc(g, "8");
    assert_null(client_header(g, "grpc-status-details-bin"));
    assert_refused(f, REASON_TOO_LARGE, 2);
    assert_posted(f, "/v1/traces", PROTOBUF, buf_str(&one), 200);
    assert_int_equal(atomic_load(&f->durable_spans), 1);
    buf_done(&packed);
    buf_done(&one);
    buf_done(&b);
    client_h2_free(h);
    fx_end(f);
}

static void test_offsets_in_json_are_the_senders(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    static const char json[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[ {\"traceId\":"
        "\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\","
        "\"startTimeUnixNano\":\"1\"},  {\"name\":"
        "\"no id\"} ]}]}]}";
    size_t at = (size_t)(strstr(json, "{\"name\"") - json);
    struct client_answer a = post(f, "/v1/traces", JSON, str_of(json));
    char text[48];
    (void)snprintf(text, sizeof text, "the first, at byte %zu:", at);
    assert_int_equal(a.status, 200);
    assert_true(body_has(&a, text));
    client_answer_done(&a);
    assert_int_equal(f->letter_offset, at);
    fx_end(f);
}

static void test_too_large(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.body_bytes_max = 20000});
    struct buf b = traces("cart", 400, 0), packed;
    buf_init(&packed, 1 << 20);
    assert_true(b.n > 20000);
    assert_ok(compress(COMPRESSION_GZIP, buf_str(&b), &packed));
    assert_true(packed.n < 20000);
    struct client_answer a = post(f, "/v1/traces", PROTOBUF, buf_str(&b));
    assert_int_equal(a.status, 413);
    client_answer_done(&a);
    a = post(f, "/v1/traces", PROTOBUF "content-encoding: gzip\r\n", buf_str(&packed));
    assert_int_equal(a.status, 413); // a bomb costs no more than the limit
    client_answer_done(&a);
    struct client_h2 *h = fx_h2(f);
    const struct client_answer *g = call(h, TRACES_PATH, buf_str(&b));
    assert_grpc(g, "8");
    assert_null(client_header(g, "grpc-status-details-bin")); // trying again is of no use
    assert_refused(f, REASON_TOO_LARGE, 3);
    client_h2_free(h);
    buf_done(&b);
    buf_done(&packed);
    fx_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_protobuf),
        cmocka_unit_test(test_compressed_bodies),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_malformed_leaves_nothing_behind),
        cmocka_unit_test(test_partial_success),
        cmocka_unit_test(test_metrics_and_logs_are_counted),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_overload_and_full_disk_say_when_to_retry),
        cmocka_unit_test(test_lasting_overload_sheds_by_priority),
        cmocka_unit_test(test_malformed_is_said_while_shedding),
        cmocka_unit_test(test_losses_of_many_services),
        cmocka_unit_test(test_nothing_is_taken_beyond_the_limit),
        cmocka_unit_test(test_more_memory_than_is_for_one_request),
        cmocka_unit_test(test_offsets_in_json_are_the_senders),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
