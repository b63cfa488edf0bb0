// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of http/unread.c: peers that ask and do not read the answers hold little, not for
// long, and others are served meanwhile.
#include "fixture.h"

#include <unistd.h>

#include "http/internal.h"

#define GETS         1000
#define BUDGET_BYTES ((size_t)32 << 20)

static void put_frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t stream_id,
                      struct str payload)
{
    const uint8_t head[] = {(uint8_t)(payload.n >> 16),
                            (uint8_t)(payload.n >> 8),
                            (uint8_t)payload.n,
                            type,
                            flags,
                            (uint8_t)(stream_id >> 24),
                            (uint8_t)(stream_id >> 16),
                            (uint8_t)(stream_id >> 8),
                            (uint8_t)stream_id};
    buf_add(b, head, sizeof head);
    buf_add_str(b, payload);
}

// A preface with windows for the streams: none, or as large as they get.
static void put_preface(struct buf *b, bool open)
{
    buf_add_str(b, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    put_frame(b, 4, 0, 0, open ? STR("\0\4\x7f\xff\xff\xff") : STR("\0\4\0\0\0\0"));
    if (open) {
        put_frame(b, 8, 0, 0, STR("\x7f\xff\0\0"));
    }
}

// GETs of "/" or of "/lent".
static void put_gets(struct buf *b, uint32_t first, uint32_t count, bool lent)
{
    struct str block = lent ? STR("\x82\x86\4\5/lent\1\1x") : STR("\x82\x86\x84\1\1x");
    for (uint32_t i = 0; i < count; i++) {
        put_frame(b, 1, 5, 2 * (first + i) + 1, block);
    }
}

static struct client *ask(struct fixture *f, bool open, bool lent)
{
    struct client *c = fx_client(f);
    struct buf b;
    buf_init(&b, 1 << 20);
    put_preface(&b, open);
    put_gets(&b, 0, GETS, lent);
    client_send(c, buf_str(&b));
    buf_done(&b);
    return c;
}

static void pause_ms(unsigned ms)
{
    assert_int_equal(usleep(ms * 1000), 0);
}

static uint64_t seen(struct fixture *f)
{
    const struct http_server_stats *stats = http_server_stats(f->server);
    return atomic_load(&stats->requests) + atomic_load(&stats->unread_refused);
}

// All that came in was looked at: `n` requests, those that were refused among them.
static void wait_for_requests(struct fixture *f, uint64_t n)
{
    for (int i = 0; seen(f) < n; i++) {
        assert_true(i < CLIENT_TIMEOUT_MS);
        pause_ms(1);
    }
}

static void expect_service(struct fixture *f)
{
    struct client *c = fx_client(f);
    client_send(c, STR("GET /x HTTP/1.1\r\nhost: x\r\n\r\n"));
    expect_h1(c, 200, "GET /x ");
    client_close(c);
}

// Reads `n` bytes more, and what comes with them.
static void drain(struct client *c, size_t n)
{
    static char bytes[65536];
    for (size_t got = 0, more; got < n; got += more) {
        more = client_receive(c, bytes, sizeof bytes);
        assert_true(more > 0);
    }
}

static void test_streams_are_refused_until_answers_are_read(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, (size_t)1 << 30);
    struct fixture *f = fx_start((struct http_server_options){.budget = &budget});
    const struct http_server_stats *stats = http_server_stats(f->server);
    struct client *c = ask(f, false, false);
    wait_for_requests(f, GETS);
    uint64_t begun = atomic_load(&stats->requests), refused = atomic_load(&stats->unread_refused);
    assert_in_range(begun, HTTP_UNREAD_MAX / HTTP_REQUEST_CHARGE / 2, GETS * 9 / 10);
    assert_int_equal(begun + refused, GETS);
    expect_service(f);
    struct buf b; // the windows open: they are read, and the peer is served again
    buf_init(&b, 1 << 20);
    put_frame(&b, 4, 0, 0, STR("\0\4\0\0\xff\xff"));
    client_send(c, buf_str(&b));
    for (int i = 0; atomic_load(&f->budget.unread) > 0; i++) {
        assert_true(i < CLIENT_TIMEOUT_MS);
        pause_ms(1);
    }
    drain(c, begun * strlen("GET / "));
    buf_clear(&b);
    put_gets(&b, GETS, 100, false);
    client_send(c, buf_str(&b));
    wait_for_requests(f, GETS + 100 + 1);
    assert_int_equal(atomic_load(&stats->unread_refused), refused);
    assert_int_equal(atomic_load(&stats->unread_cut), 0);
    buf_done(&b);
    client_close(c);
    fx_end(f);
}

static void test_all_together_hold_a_share_of_the_budget(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, BUDGET_BYTES);
    struct fixture *f = fx_start((struct http_server_options){.budget = &budget});
    const struct http_server_stats *stats = http_server_stats(f->server);
    struct client *c[12];
    for (size_t i = 0; i < 12; i++) {
        uint64_t before = seen(f), cut = atomic_load(&stats->unread_cut);
        c[i] = ask(f, false, false);
        for (int k = 0; seen(f) < before + GETS && atomic_load(&stats->unread_cut) == cut; k++) {
            assert_true(k < CLIENT_TIMEOUT_MS);
            pause_ms(1);
        }
        expect_service(f);
        assert_true(atomic_load(&f->budget.unread) <= f->budget.unread_bytes_max);
        assert_true(atomic_load(&f->budget.total) < f->budget.limit_bytes / 4);
    }
    assert_true(atomic_load(&stats->unread_cut) >= 6);
    assert_int_equal(atomic_load(&stats->over_budget), 0);
    for (size_t i = 0; i < 12; i++) {
        client_close(c[i]);
    }
    fx_end(f);
}

static void test_pipelining_holds_a_share_of_the_budget(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, BUDGET_BYTES);
    struct fixture *f = fx_start((struct http_server_options){.budget = &budget});
    struct client *c[12];
    for (size_t i = 0; i < 12; i++) {
        c[i] = fx_client(f);
        client_send(c[i], STR("GET /large HTTP/1.1\r\nhost: x\r\n\r\n"));
        wait_for_requests(f, 2 * i + 1);
        expect_service(f);
        assert_true(atomic_load(&f->budget.unread) <= f->budget.unread_bytes_max);
    }
    assert_true(atomic_load(&http_server_stats(f->server)->unread_cut) > 0);
    for (size_t i = 0; i < 12; i++) {
        client_close(c[i]);
    }
    fx_end(f);
}

static void test_nothing_is_read_ahead_of_a_full_socket(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){0});
    const struct http_server_stats *stats = http_server_stats(f->server);
    struct client *c = ask(f, true, true);
    uint64_t before = 0, now = 0;
    do { // until it does not go on: the socket is full
        before = now;
        pause_ms(200);
        now = atomic_load(&stats->requests);
    } while (now == 0 || now != before);
    assert_in_range(now, 1, GETS * 4 / 5);
    assert_int_equal(atomic_load(&stats->unread_refused), 0);
    drain(c, GETS * LENT_BYTES); // it goes on as it is read
    assert_int_equal(atomic_load(&stats->requests), GETS);
    client_close(c);
    fx_end(f);
}

static void test_an_answer_that_is_not_taken_ends_its_connection(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct http_server_options){.request_timeout_ms = 50});
    struct client *c = fx_client(f);
    struct buf b;
    char bytes[4096];
    buf_init(&b, 1 << 16);
    put_preface(&b, false);
    put_gets(&b, 0, 1, false);
    client_send(c, buf_str(&b));
    buf_clear(&b);
    put_frame(&b, 6, 0, 0, STR("12345678")); // what is read otherwise does not matter
    for (size_t n = 1, i = 0; n > 0; i++) {
        assert_true(i < 900);
        pause_ms(5);
        client_send(c, buf_str(&b));
        n = client_receive(c, bytes, sizeof bytes);
    }
    assert_int_equal(atomic_load(&http_server_stats(f->server)->timeouts), 1);
    buf_done(&b);
    client_close(c);
    fx_end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_are_refused_until_answers_are_read),
        cmocka_unit_test(test_all_together_hold_a_share_of_the_budget),
        cmocka_unit_test(test_pipelining_holds_a_share_of_the_budget),
        cmocka_unit_test(test_nothing_is_read_ahead_of_a_full_socket),
        cmocka_unit_test(test_an_answer_that_is_not_taken_ends_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
