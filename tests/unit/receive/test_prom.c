// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the door for Prometheus: answers to remote write, acknowledged only when
// durable, and batches that the process puts in itself.
#include "fixture.h"

#include <snappy-c.h>

#include "model/point.h"

#define WRITE   "/api/v1/write"
#define SNAPPY  "content-encoding: snappy\r\n"
#define WRITE_1 "content-type: application/x-protobuf\r\n" SNAPPY
#define WRITE_2                                                                                    \
    "content-type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n" SNAPPY

static void put_sample(struct buf *out, uint64_t time_ms)
{
    size_t sample = pb_begin(out, 2);
    pb_put_fixed64(out, 1, 0x3ff0000000000000);
    pb_put_varint(out, 2, time_ms);
    pb_end(out, sample);
}

static struct buf packed(struct buf *plain)
{
    struct buf out;
    size_t n = snappy_max_compressed_length(plain->n);
    buf_init(&out, n + 1);
    assert_true(buf_reserve(&out, n));
    assert_int_equal(snappy_compress(plain->p, plain->n, out.p, &n), SNAPPY_OK);
    out.n = n;
    buf_done(plain);
    return out;
}

// A series of the job "cart" with so many samples, the last `bad` of which have no time.
static struct buf series_1(int good, int bad)
{
    static const char *const labels[][2] = {{"__name__", "up"}, {"job", "cart"}};
    struct buf b;
    buf_init(&b, 1 << 20);
    size_t series = pb_begin(&b, 1);
    for (int i = 0; i < 2; i++) {
        size_t label = pb_begin(&b, 1);
        pb_put_bytes(&b, 1, str_of(labels[i][0]));
        pb_put_bytes(&b, 2, str_of(labels[i][1]));
        pb_end(&b, label);
    }
    for (int i = 0; i < good + bad; i++) {
        put_sample(&b, i < good ? 1700000000000 + (uint64_t)i : 0);
    }
    pb_end(&b, series);
    return packed(&b);
}

static struct buf series_2(int good, int bad)
{
    static const uint8_t refs[] = {1, 2, 3, 4};
    static const char *const symbols[] = {"", "__name__", "up", "job", "cart"};
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < 5; i++) {
        pb_put_bytes(&b, 4, str_of(symbols[i]));
    }
    size_t series = pb_begin(&b, 5);
    pb_put_bytes(&b, 1, (struct str){(const char *)refs, sizeof refs});
    for (int i = 0; i < good + bad; i++) {
        put_sample(&b, i < good ? 1700000000000 + (uint64_t)i : 0);
    }
    pb_end(&b, series);
    return packed(&b);
}

static void assert_written(const struct client_answer *a, const char *samples)
{
    assert_string_equal(client_header(a, "x-prometheus-remote-write-samples-written"), samples);
    assert_string_equal(client_header(a, "x-prometheus-remote-write-histograms-written"), "0");
    assert_string_equal(client_header(a, "x-prometheus-remote-write-exemplars-written"), "0");
}

static void test_what_is_durable_is_answered_without_content(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf one = series_1(3, 0), two = series_2(2, 0);
    struct client_answer a = post(f, WRITE, WRITE_1, buf_str(&one));
    assert_int_equal(a.status, 204);
    assert_int_equal(a.body.n, 0);
    assert_null(client_header(&a, "x-prometheus-remote-write-samples-written"));
    client_answer_done(&a);
    a = post(f, WRITE, WRITE_2, buf_str(&two));
    assert_int_equal(a.status, 204);
    assert_written(&a, "2");
    client_answer_done(&a);
    assert_int_equal(atomic_load(&f->durable_points), 5);
    struct receive_stats stats;
    receive_stats(f->receive, &stats);
    assert_int_equal(stats.points, 5);
    buf_done(&one);
    buf_done(&two);
    fx_end(f);
}

static void test_a_partial_refusal_is_400_and_the_rest_is_kept(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct buf two = series_2(2, 3);
    struct client_answer a = post(f, WRITE, WRITE_2, buf_str(&two));
    assert_int_equal(a.status, 400);
    assert_written(&a, "2");
    assert_string_equal(client_header(&a, "content-type"), "text/plain; charset=utf-8");
    assert_non_null(memmem(a.body.p, a.body.n, "3 metric data points were rejected", 34));
    assert_null(client_header(&a, "retry-after"));
    client_answer_done(&a);
    assert_int_equal(atomic_load(&f->durable_points), 2);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_INVALID, "cart"), 3);
    assert_int_equal(f->letters, 3);
    assert_string_equal(f->letter_protocol, "prometheus/remote-write-2.0");
    buf_done(&two);
    fx_end(f);
}

static void test_refusals_say_whether_to_come_back(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.token = STR("secret")});
    struct buf two = series_2(1, 0);
    struct client_answer a = post(f, WRITE, WRITE_2, buf_str(&two));
    assert_int_equal(a.status, 401);
    assert_string_equal(client_header(&a, "www-authenticate"), "Bearer");
    client_answer_done(&a);
#define TOKEN "authorization: Bearer secret\r\n"
    budget_force(&f->budget, ACCOUNT_STORE, (size_t)60 << 20);
    a = post(f, WRITE, WRITE_2 TOKEN, buf_str(&two));
    assert_int_equal(a.status, 429);
    assert_string_equal(client_header(&a, "retry-after"), "1");
    assert_written(&a, "0");
    client_answer_done(&a);
    budget_give(&f->budget, ACCOUNT_STORE, (size_t)60 << 20);
    atomic_store(&f->is_full, true);
    a = post(f, WRITE, WRITE_2 TOKEN, buf_str(&two));
    assert_int_equal(a.status, 503);
    assert_string_equal(client_header(&a, "retry-after"), "1");
    client_answer_done(&a);
    atomic_store(&f->is_full, false);
    assert_posted(f, WRITE, TOKEN SNAPPY, STR(""), 415);
    assert_posted(f, WRITE, WRITE_1 TOKEN, STR("x"), 400);
    assert_posted(f, WRITE, WRITE_2 TOKEN, buf_str(&two), 204);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_OVERLOAD, ""), 1);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_DISK_FULL, ""), 1);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_UNAUTHORIZED, ""), 1);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_MALFORMED, ""), 1);
    buf_done(&two);
    fx_end(f);
}

static void test_a_bomb_is_too_large(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.body_bytes_max = 1 << 20});
    struct buf zeros;
    buf_init(&zeros, 8 << 20);
    assert_true(buf_reserve(&zeros, 8 << 20));
    memset(zeros.p, 0, 8 << 20);
    zeros.n = 8 << 20;
    struct buf bomb = packed(&zeros);
    assert_posted(f, WRITE, WRITE_1, buf_str(&bomb), 413);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_TOO_LARGE, ""), 1);
    buf_done(&bomb);
    fx_end(f);
}

// ---- receive_put() ------------------------------------------------------------------------------

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int done;
    enum err result;
};

static void on_put(void *ctx, enum err result)
{
    struct waiting *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->done++;
    w->result = result;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static struct batch *points(int count)
{
    struct batch *b = batch_new(STR("shop"));
    batch_add_resource(b)->service = batch_intern(b, STR("cart"));
    (void)batch_add_scope(b);
    batch_add_metric(b)->kind = METRIC_GAUGE;
    for (int i = 0; i < count; i++) {
        batch_add_point(b)->time_ns = 1;
    }
    return b;
}

static enum err put_in(struct fixture *f, struct batch *b)
{
    struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    receive_put(f->receive, b, on_put, &w);
    pthread_mutex_lock(&w.lock);
    while (w.done == 0) {
        pthread_cond_wait(&w.cond, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    assert_int_equal(w.done, 1);
    return w.result;
}

static void test_what_is_put_in_is_durable_or_told(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){.shards = 2});
    assert_ok(put_in(f, points(3)));
    assert_int_equal(atomic_load(&f->durable_points), 3);
    assert_string_equal(f->lines, "shop;");
    budget_force(&f->budget, ACCOUNT_STORE, (size_t)60 << 20);
    assert_err(put_in(f, points(4)), ERR_MEMORY);
    budget_give(&f->budget, ACCOUNT_STORE, (size_t)60 << 20);
    atomic_store(&f->is_full, true);
    assert_err(put_in(f, points(5)), ERR_FULL);
    atomic_store(&f->is_full, false);
    assert_ok(put_in(f, points(1)));
    assert_int_equal(atomic_load(&f->durable_points), 4);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_OVERLOAD, "cart"), 4);
    assert_int_equal(fx_count(f, SIGNAL_METRICS, OUTCOME_DROPPED, REASON_DISK_FULL, "cart"), 5);
    fx_end(f);
}

static void test_stopping_waits_for_what_was_put_in(void **state)
{
    (void)state;
    struct fixture *f = fx_start((struct receive_options){0});
    struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    gatefs_shut(f->gate);
    receive_put(f->receive, points(2), on_put, &w);
    gatefs_await(f->gate); // written, not synced
    assert_int_equal(w.done, 0);
    gatefs_open(f->gate);
    receive_stop(f->receive);
    assert_int_equal(w.done, 1);
    assert_ok(w.result);
    journal_close(f->journal);
    fx_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_durable_is_answered_without_content),
        cmocka_unit_test(test_a_partial_refusal_is_400_and_the_rest_is_kept),
        cmocka_unit_test(test_refusals_say_whether_to_come_back),
        cmocka_unit_test(test_a_bomb_is_too_large),
        cmocka_unit_test(test_what_is_put_in_is_durable_or_told),
        cmocka_unit_test(test_stopping_waits_for_what_was_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
