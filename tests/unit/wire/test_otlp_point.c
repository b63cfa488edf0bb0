// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of decoding metrics requests: what becomes of each kind of point, what is rejected
// and refused, and how buckets and quantiles are read back.
#include "test.h"

#include <math.h>
#include <stdio.h>

#include "unit/wire/sink.h"

#include "support/random_batch.h"
#include "wire/exemplar.h"
#include "wire/otlp_point.h"

#define REQUEST_MAX ((size_t)1 << 20)

static enum err decode(struct sink *sink, const struct buf *request, struct otlp_counts *counts,
                       struct err_at *at)
{
    const struct otlp_sink table = sink_table(sink);
    *sink = (struct sink){.batch = NULL};
    enum err e = otlp_decode_metrics(buf_str(request), &table, counts, at);
    sink_check(sink);
    return e;
}

static void put_attribute(struct buf *out, uint32_t number, const char *key, const char *text)
{
    size_t pair = pb_begin(out, number);
    pb_put_bytes(out, 1, str_of(key));
    size_t value = pb_begin(out, 2);
    pb_put_bytes(out, 1, str_of(text));
    pb_end(out, value);
    pb_end(out, pair);
}

// A request of one metric whose data `fill` writes in field `number`.
static void one_metric(struct buf *out, uint32_t number, void (*fill)(struct buf *out, int variant),
                       int variant)
{
    buf_clear(out);
    size_t resource_metrics = pb_begin(out, 1);
    size_t scope_metrics = pb_begin(out, 2);
    size_t metric = pb_begin(out, 2);
    size_t data = pb_begin(out, number);
    fill(out, variant);
    pb_end(out, data);
    pb_put_bytes(out, 1, STR("queue.length")); // behind its points
    pb_put_bytes(out, 2, STR("How many wait"));
    pb_put_bytes(out, 3, STR("{item}"));
    pb_end(out, metric);
    size_t scope = pb_begin(out, 1);
    pb_put_bytes(out, 1, STR("lib"));
    pb_end(out, scope);
    pb_end(out, scope_metrics);
    size_t resource = pb_begin(out, 1);
    put_attribute(out, 1, "service.name", "cart");
    pb_end(out, resource);
    pb_end(out, resource_metrics);
    bool room = buf_reserve(out, 0);
    assert_true(room);
}

static void fill_numbers(struct buf *out, int variant)
{
    (void)variant;
    size_t point = pb_begin(out, 1);
    pb_put_fixed64(out, 2, 100);
    pb_put_fixed64(out, 3, 200);
    pb_put_fixed64(out, 6, (uint64_t)-7);
    put_attribute(out, 7, "k", "v");
    size_t exemplar = pb_begin(out, 5);
    pb_put_fixed64(out, 2, 150);
    pb_end(out, exemplar);
    pb_end(out, point);
    point = pb_begin(out, 1);
    pb_put_fixed64(out, 3, 300);
    pb_put_double(out, 4, 0.5);
    pb_end(out, point);
    point = pb_begin(out, 1);
    pb_put_fixed64(out, 3, 400);
    pb_put_varint(out, 8, 1); // no recorded value, and so none is missing
    pb_end(out, point);
    pb_put_varint(out, 2, 2); // cumulative
    pb_put_varint(out, 3, 1); // monotonic
}

static void test_numbers(void **state)
{
    (void)state;
    struct sink sink;
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    one_metric(&out, 7, fill_numbers, 0);
    assert_ok(decode(&sink, &out, &counts, &at));
    const struct batch *b = sink.batch;
    assert_int_equal(counts.accepted, 3);
    assert_int_equal(b->metric_count, 1);
    assert_str(batch_str(b, b->metrics[0].name), "queue.length");
    assert_str(batch_str(b, b->metrics[0].unit), "{item}");
    assert_int_equal(b->metrics[0].kind, METRIC_SUM);
    assert_int_equal(b->metrics[0].temporality, TEMPORALITY_CUMULATIVE);
    assert_int_equal(b->metrics[0].monotonic, 1);
    assert_int_equal(b->points[0].says, POINT_INT);
    assert_int_equal(b->points[0].i, -7);
    assert_int_equal(b->points[0].start_ns, 100);
    assert_int_equal(b->points[0].attrs.count, 1);
    assert_int_equal(exemplar_each(batch_str(b, b->points[0].exemplars), NULL, NULL), 1);
    assert_int_equal(b->points[1].says, 0);
    assert_true(b->points[1].d == 0.5);
    assert_int_equal(b->points[2].says, POINT_NO_VALUE);
    assert_str(batch_str(b, b->scopes[b->points[2].scope].name), "lib");
    one_metric(&out, 5, fill_numbers, 0); // a gauge has neither
    batch_unref(sink.batch);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(sink.batch->metrics[0].kind, METRIC_GAUGE);
    assert_int_equal(sink.batch->metrics[0].temporality, TEMPORALITY_UNSPECIFIED);
    assert_int_equal(sink.batch->metrics[0].monotonic, 0);
    batch_unref(sink.batch);
    buf_done(&out);
}

enum {
    BAD_TIME,
    BAD_VALUE,
    BAD_ATTRIBUTES,
    BAD_KEY,
    BAD_TWICE,
    BAD_LONG,
    BAD_NUL,
    BAD_TEMPORALITY,
    BAD_COUNT
};

static void fill_bad(struct buf *out, int variant)
{
    char text[1100], nul[] = "a";
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    size_t point = pb_begin(out, 1);
    pb_put_fixed64(out, 3, variant == BAD_TIME ? 0 : 200);
    if (variant != BAD_VALUE) {
        pb_put_double(out, 4, 1);
    }
    for (int i = 0; i < (variant == BAD_ATTRIBUTES ? 57 : 1); i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        put_attribute(out, 7, key, "v");
    }
    if (variant == BAD_KEY) {
        put_attribute(out, 7, "", "v");
    } else if (variant == BAD_TWICE) {
        put_attribute(out, 7, "k0", "w");
    } else if (variant == BAD_LONG) {
        put_attribute(out, 7, "long", text);
    } else if (variant == BAD_NUL) {
        size_t pair = pb_begin(out, 7), value;
        nul[0] = 0;
        pb_put_bytes(out, 1, STR("nul"));
        value = pb_begin(out, 2);
        pb_put_bytes(out, 1, (struct str){nul, 1});
        pb_end(out, value);
        pb_end(out, pair);
    }
    pb_end(out, point);
    point = pb_begin(out, 1); // a good one
    pb_put_fixed64(out, 3, 200);
    pb_put_double(out, 4, 1);
    pb_end(out, point);
    pb_put_varint(out, 2, variant == BAD_TEMPORALITY ? 0 : 1);
}

static void test_rejected(void **state)
{
    static const char *const messages[BAD_COUNT] = {
        "time_unix_nano is missing or zero",
        "as_double or as_int is missing",
        "more than 56 attributes",
        "an attribute has no key",
        "two attributes have the same key",
        "a key or value of an attribute is longer than 1,000 bytes",
        "an attribute has a NUL byte",
        "aggregation_temporality is neither delta nor cumulative",
    };
    struct sink sink;
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    (void)state;
    buf_init(&out, REQUEST_MAX);
    for (int i = 0; i < BAD_COUNT; i++) {
        one_metric(&out, 7, fill_bad, i);
        assert_ok(decode(&sink, &out, &counts, &at));
        assert_string_equal(sink.message, messages[i]);
        unsigned good = i == BAD_TEMPORALITY ? 0 : 1;
        assert_int_equal(counts.accepted, good);
        assert_int_equal(counts.rejected, 2 - good);
        assert_int_equal(sink.batch->point_count, good);
        assert_int_equal(sink.batch->metric_count, good);
        assert_int_equal(sink.batch->attr_count, 1); // the resource's
        batch_unref(sink.batch);
    }
    buf_done(&out);
}

// ---- Distributions ------------------------------------------------------------------------------

struct seen {
    double bounds[16];
    uint64_t counts[16];
    size_t n;
};

static void on_bucket(void *ctx, double bound, uint64_t count)
{
    struct seen *s = ctx;
    assert_true(s->n < 16);
    s->bounds[s->n] = bound;
    s->counts[s->n++] = count;
}

static void on_quantile(void *ctx, double quantile, double value)
{
    on_bucket(ctx, quantile, (uint64_t)value);
}

static void fill_histogram(struct buf *out, int variant)
{
    static const double bounds[] = {-1, 0.5, 10};
    size_t point = pb_begin(out, 1), packed;
    pb_put_fixed64(out, 3, 200);
    pb_put_fixed64(out, 4, 10);
    pb_put_double(out, 5, 3.5);
    pb_put_double(out, 11, -2);
    pb_put_double(out, 12, 12);
    packed = pb_begin(out, 6);
    for (uint64_t i = 1; i <= (variant == 1 ? 3 : 4); i++) {
        buf_add_u64(out, i);
    }
    pb_end(out, packed);
    for (int i = 0; i < 3; i++) { // not packed
        pb_put_double(out, 7, bounds[variant == 2 ? 2 - i : i]);
    }
    pb_end(out, point);
    pb_put_varint(out, 2, 1);
}

static void test_histogram(void **state)
{
    (void)state;
    struct sink sink;
    struct otlp_counts counts;
    struct err_at at;
    struct seen seen = {.n = 0};
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    one_metric(&out, 9, fill_histogram, 0);
    assert_ok(decode(&sink, &out, &counts, &at));
    const struct point *x = &sink.batch->points[0];
    assert_int_equal(counts.accepted, 1);
    assert_int_equal(x->says, POINT_SUM | POINT_MIN | POINT_MAX);
    assert_int_equal(x->count, 10);
    assert_true(x->sum == 3.5 && x->min == -2 && x->max == 12);
    struct str body = batch_str(sink.batch, x->body);
    assert_null(otlp_point_buckets(body, on_bucket, &seen));
    assert_int_equal(seen.n, 3);
    assert_true(seen.bounds[0] == -1 && seen.bounds[1] == 0.5 && seen.bounds[2] == 10);
    assert_true(seen.counts[0] == 1 && seen.counts[1] == 3 && seen.counts[2] == 6);
    batch_unref(sink.batch);
    one_metric(&out, 9, fill_histogram, 1);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_string_equal(sink.message, "bucket_counts is not one longer than explicit_bounds");
    batch_unref(sink.batch);
    one_metric(&out, 9, fill_histogram, 2);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_string_equal(sink.message, "explicit_bounds do not ascend");
    batch_unref(sink.batch);
    buf_done(&out);
}

static void fill_exponential(struct buf *out, int variant)
{
    size_t point = pb_begin(out, 1), run, packed;
    pb_put_fixed64(out, 3, 200);
    pb_put_fixed64(out, 4, 12);
    pb_put_varint(out, 6, zigzag(variant == 1 ? 21 : 1)); // base is the root of 2
    pb_put_fixed64(out, 7, 2);
    run = pb_begin(out, 8);
    pb_put_varint(out, 1, zigzag(-2));
    packed = pb_begin(out, 2);
    buf_add_varint(out, 3);
    buf_add_varint(out, 0);
    buf_add_varint(out, 4);
    pb_end(out, packed);
    pb_end(out, run);
    run = pb_begin(out, 9);
    pb_put_varint(out, 1, zigzag(1));
    pb_put_varint(out, 2, 1);
    pb_put_varint(out, 2, 2);
    pb_end(out, run);
    pb_put_double(out, 14, 0.25);
    pb_end(out, point);
    pb_put_varint(out, 2, 2);
}

struct seen_exponential {
    struct exponential_bucket buckets[8];
    uint64_t counts[8];
    size_t n;
};

static void on_exponential(void *ctx, struct exponential_bucket bucket, uint64_t count)
{
    struct seen_exponential *s = ctx;
    assert_true(s->n < 8);
    s->buckets[s->n] = bucket;
    s->counts[s->n++] = count;
}

static void test_exponential(void **state)
{
    (void)state;
    const struct {
        struct exponential_bucket bucket;
        uint64_t count;
    } expected[] = {
        {{EXPONENTIAL_NEGATIVE, 1}, 1},  {{EXPONENTIAL_NEGATIVE, 2}, 2}, {{EXPONENTIAL_ZERO, 0}, 2},
        {{EXPONENTIAL_POSITIVE, -2}, 3}, {{EXPONENTIAL_POSITIVE, 0}, 4},
    };
    struct sink sink;
    struct otlp_counts counts;
    struct err_at at;
    struct seen_exponential seen = {.n = 0};
    struct exponential_shape shape;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    one_metric(&out, 10, fill_exponential, 0);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(counts.accepted, 1);
    struct str body = batch_str(sink.batch, sink.batch->points[0].body);
    assert_null(otlp_point_exponential(body, &shape, on_exponential, &seen));
    assert_int_equal(shape.scale, 1);
    assert_true(shape.zero_threshold == 0.25);
    assert_int_equal(seen.n, 5); // of which none is empty
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(seen.buckets[i].range, expected[i].bucket.range);
        assert_int_equal(seen.buckets[i].index, expected[i].bucket.index);
        assert_int_equal(seen.counts[i], expected[i].count);
    }
    batch_unref(sink.batch);
    one_metric(&out, 10, fill_exponential, 1);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_string_equal(sink.message, "scale is not between -10 and 20");
    batch_unref(sink.batch);
    buf_done(&out);
}

static void fill_summary(struct buf *out, int variant)
{
    size_t point = pb_begin(out, 1);
    pb_put_fixed64(out, 3, 200);
    pb_put_fixed64(out, 4, 5);
    pb_put_double(out, 5, 40);
    for (int i = 0; i < 2; i++) {
        size_t quantile = pb_begin(out, 6);
        pb_put_double(out, 1, variant == 1 ? 1.5 : i * 0.5);
        pb_put_double(out, 2, 7 + i);
        pb_end(out, quantile);
    }
    pb_end(out, point);
}

static void test_summary(void **state)
{
    (void)state;
    struct sink sink;
    struct otlp_counts counts;
    struct err_at at;
    struct seen seen = {.n = 0};
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    one_metric(&out, 11, fill_summary, 0);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(counts.accepted, 1);
    struct str body = batch_str(sink.batch, sink.batch->points[0].body);
    assert_null(otlp_point_quantiles(body, on_quantile, &seen));
    assert_int_equal(seen.n, 2);
    assert_true(seen.bounds[0] == 0 && seen.bounds[1] == 0.5 && seen.counts[1] == 8);
    batch_unref(sink.batch);
    one_metric(&out, 11, fill_summary, 1);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_string_equal(sink.message, "a quantile is not between 0 and 1");
    batch_unref(sink.batch);
    buf_done(&out);
}

// ---- Refused ------------------------------------------------------------------------------------

static void fill_wrong_wire(struct buf *out, int variant)
{
    size_t point = pb_begin(out, 1);
    pb_put_varint(out, 3, (uint64_t)variant);
    pb_end(out, point);
}

static void test_place_of_problem(void **state)
{
    (void)state;
    struct sink sink;
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    one_metric(&out, 5, fill_wrong_wire, 1);
    assert_err(decode(&sink, &out, &counts, &at), ERR_INVALID);
    assert_string_equal(at.text,
                        "resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]."
                        "time_unix_nano: wrong wire type");
    batch_unref(sink.batch);
    buf_done(&out);
}

// Bytes changed anywhere are refused with their place, or taken as something else.
static void test_mutated(void **state)
{
    static void (*const fills[])(struct buf * out, int variant) = {fill_numbers, fill_histogram,
                                                                   fill_exponential, fill_summary};
    static const uint32_t numbers[] = {7, 9, 10, 11};
    struct random r = {4711};
    struct buf out;
    (void)state;
    buf_init(&out, REQUEST_MAX);
    size_t bad = 0;
    for (size_t round = 0; round < 8000; round++) {
        struct sink sink;
        struct otlp_counts counts;
        struct err_at at = {0};
        one_metric(&out, numbers[round % 4], fills[round % 4], 0);
        out.p[random_below(&r, out.n)] = (char)random_u64(&r);
        enum err e = decode(&sink, &out, &counts, &at);
        if (e != ERR_OK) {
            assert_err(e, ERR_INVALID);
            assert_true(at.offset <= out.n && at.text[0] != 0);
            bad++;
        }
        batch_unref(sink.batch);
    }
    assert_true(bad > 500 && bad < 8000);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_histogram), cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_summary),   cmocka_unit_test(test_place_of_problem),
        cmocka_unit_test(test_mutated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
