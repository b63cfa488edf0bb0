// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of TLS (with a certificate made here), of listening, and of the refusal hook.
#include "fixture.h"

#include <unistd.h>

#include "support/certificate.h"

static struct certificate cert;

static int make_certificate(void **state)
{
    (void)state;
    certificate_make(&cert);
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    certificate_remove(&cert);
    return 0;
}

static void test_both_protocols_over_tls(void **state)
{
    (void)state;
    struct http_tls *tls = NULL;
    struct err_at at;
    assert_ok(http_tls_new(cert.path, cert.key, &tls, &at));
    struct fixture *f = fx_start((struct http_server_options){.tls = tls});
    struct client *c = client_open(http_server_address(f->server), "http/1.1");
    client_send(c, STR("GET /one HTTP/1.1\r\nhost: x\r\n\r\n"
                       "GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    expect_h1(c, 200, "GET /one ");
    struct client_answer a;
    assert_true(client_h1_answer(c, false, &a));
    assert_int_equal(a.body.n, LARGE_BYTES);
    assert_memory_equal(a.body.p, f->large, LARGE_BYTES);
    client_answer_done(&a);
    expect_end(c);
    client_close(c);
    c = client_open(http_server_address(f->server), "http/1.1");
    client_send(c, STR("GET /two HTTP/1.1\r\nhost: x\r\n\r\n"));
    client_end_sending(c); // says that nothing more comes
    expect_h1(c, 200, "GET /two ");
    expect_end(c);
    client_close(c);
    struct client_h2 *h = client_h2_new(client_open(http_server_address(f->server), "h2"));
    int32_t id = client_h2_request(h, "POST", "/e", NULL, (struct str){f->large, 300000}, false);
    const struct client_answer *answer = client_h2_wait(h, id);
    assert_int_equal(answer->body.n, 300000 + 8);
    client_h2_free(h);
    fx_end(f);
    http_tls_free(tls);
}

static void test_bad_handshakes_end(void **state)
{
    (void)state;
    struct http_tls *tls = NULL;
    struct err_at at;
    assert_ok(http_tls_new(cert.path, cert.key, &tls, &at));
    struct fixture *f =
        fx_start((struct http_server_options){.tls = tls, .request_timeout_ms = 60});
    struct client *plain = fx_client(f), *silent = fx_client(f);
    char bytes[4096];
    client_send(plain, STR("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    while (client_receive(plain, bytes, sizeof bytes) > 0) {
    }
    assert_int_equal(client_receive(silent, bytes, sizeof bytes), 0); // no hello: timed out
    client_close(plain);
    client_close(silent);
    fx_end(f);
    http_tls_free(tls);
}

static void test_unusable_files_are_named(void **state)
{
    (void)state;
    struct http_tls *tls = NULL;
    struct err_at at;
    assert_err(http_tls_new("/nonexistent/cert.pem", cert.key, &tls, &at), ERR_INVALID);
    assert_non_null(strstr(at.text, "/nonexistent/cert.pem"));
    assert_err(http_tls_new(cert.path, cert.other_key, &tls, &at), ERR_INVALID);
    assert_non_null(strstr(at.text, "other.pem"));
    assert_null(tls);
}

static void test_addresses(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct http_server *s = NULL;
    struct err_at at;
    struct fixture *f = fx_start((struct http_server_options){.reuse_port = true});
    struct http_server_options o = {.loop = loop, .handler.on_request = fx_on_request};
    static const char *const bad[] = {"localhost", "127.0.0.1:", ":80", "[::1]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.address = bad[i];
        assert_err(http_server_new(&o, &s, &at), ERR_INVALID);
        assert_non_null(strstr(at.text, bad[i]));
    }
    o.address = http_server_address(f->server);
    assert_err(http_server_new(&o, &s, &at), ERR_BUSY); // without reuse_port
    o.reuse_port = true;
    assert_ok(http_server_new(&o, &s, &at)); // with it, they share
    assert_string_equal(http_server_address(s), http_server_address(f->server));
    http_server_stop(s, 0, NULL, NULL);
    loop_free(loop);
    http_server_free(s);
    fx_end(f);
}

static void refuse_kindly(void *ctx, struct http_request *r, enum http_refusal why)
{
    (void)ctx;
    struct http_header h[] = {{STR("x-why"), why == HTTP_REFUSAL_BUDGET ? STR("b") : STR("l")}};
    http_respond(r, 503, h, 1, STR("kindly"));
}

static void test_handler_may_word_the_refusal(void **state)
{
    (void)state;
    struct fixture *f = fx_start(
        (struct http_server_options){.body_bytes_max = 5, .handler.on_refused = refuse_kindly});
    struct client *c = fx_client(f);
    client_send(c, STR("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n123456"));
    struct client_answer a;
    assert_true(client_h1_answer(c, false, &a));
    assert_int_equal(a.status, 503);
    assert_string_equal(client_header(&a, "x-why"), "l");
    assert_body(&a, "kindly");
    client_answer_done(&a);
    client_close(c);
    fx_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_protocols_over_tls),
        cmocka_unit_test(test_bad_handshakes_end),
        cmocka_unit_test(test_unusable_files_are_named),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_handler_may_word_the_refusal),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
