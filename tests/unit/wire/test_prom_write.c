// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of wire/prom_write.h, by requests made by hand: what becomes of labels, types and
// native histograms, what is rejected, and where bad requests are said to be bad.
#include "test.h"

#include <math.h>
#include <stdio.h>

#include "unit/wire/sink.h"

#include "wire/otlp_point.h"
#include "wire/prom_rows.h"
#include "wire/prom_write.h"

#define REQUEST_MAX ((size_t)1 << 20)
#define TIME_MS     1700000000123

static enum err decode(struct sink *sink, enum prom_version version, const struct buf *request,
                       struct prom_write_counts *n, struct err_at *at)
{
    const struct otlp_sink table = sink_table(sink);
    struct buf symbols;
    *sink = (struct sink){.batch = NULL};
    buf_init(&symbols, 1 << 16);
    enum err e = prom_write_decode(version, buf_str(request), &table, &symbols, n, at);
    sink_check(sink);
    buf_done(&symbols);
    return e;
}

static void put_sample(struct buf *out, int64_t time_ms, double value)
{
    size_t sample = pb_begin(out, 2);
    pb_put_double(out, 1, value);
    pb_put_varint(out, 2, (uint64_t)time_ms);
    pb_end(out, sample);
}

// "name=value name=value"
static void put_labels(struct buf *out, const char *labels)
{
    struct str rest = str_of(labels), one, name;
    while (rest.n > 0) {
        rest = str_split(rest, ' ', &one);
        struct str value = str_split(one, '=', &name);
        size_t label = pb_begin(out, 1);
        pb_put_bytes(out, 1, name);
        pb_put_bytes(out, 2, value);
        pb_end(out, label);
    }
}

static void put_series(struct buf *out, const char *labels, double value)
{
    size_t series = pb_begin(out, 1);
    put_sample(out, TIME_MS, value); // before its labels
    put_labels(out, labels);
    pb_end(out, series);
}

static const struct metric *metric_of(const struct batch *b, size_t point)
{
    return &b->metrics[b->points[point].metric];
}

static void assert_attr(const struct batch *b, struct attr_run run, const char *key,
                        const char *value)
{
    const struct attr *a = batch_find_attr(b, run, str_of(key));
    assert_non_null(a);
    struct str text = batch_str(b, a->code);
    assert_int_equal(text.n, strlen(value));
    assert_memory_equal(text.p, value, text.n);
}

static void test_labels_become_a_resource_and_attributes(void **state)
{
    (void)state;
    struct sink sink;
    struct prom_write_counts n;
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    put_series(&out, "__name__=up job=shop/cart instance=a:1 zone=z empty=", 1);
    put_series(&out, "__name__=x_total otel_scope_name=lib otel_scope_version=2", 2);
    size_t metadata = pb_begin(&out, 3);
    pb_put_varint(&out, 1, 1);
    pb_put_bytes(&out, 2, STR("x"));
    pb_end(&out, metadata);
    assert_true(buf_reserve(&out, 0));
    assert_ok(decode(&sink, PROM_WRITE_1, &out, &n, &at));
    const struct batch *b = sink.batch;
    assert_int_equal(n.samples, 2);
    assert_int_equal(n.histograms + n.rejected, 0);
    assert_str(b->line, "shop");
    const struct point *x = &b->points[0];
    assert_str(batch_str(b, b->resources[x->resource].service), "cart");
    assert_attr(b, b->resources[x->resource].attrs, "service.instance.id", "a:1");
    assert_attr(b, b->resources[x->resource].attrs, "service.namespace", "shop");
    assert_int_equal(x->attrs.count, 1);
    assert_attr(b, x->attrs, "zone", "z");
    assert_true(x->time_ns == TIME_MS * UINT64_C(1000000) && x->start_ns == 0 && x->d == 1);
    assert_int_equal(metric_of(b, 0)->kind, METRIC_SERIES);
    assert_int_equal(metric_of(b, 0)->monotonic, 0);
    assert_int_equal(metric_of(b, 1)->monotonic, 1);
    assert_str(batch_str(b, metric_of(b, 1)->name), "x_total");
    x = &b->points[1];
    assert_str(batch_str(b, b->resources[x->resource].service), "unknown_service");
    assert_str(batch_str(b, b->scopes[x->scope].name), "lib");
    assert_str(batch_str(b, b->scopes[x->scope].version), "2");
    batch_unref(sink.batch);
    buf_done(&out);
}

static void test_a_job_names_line_and_service(void **state)
{
    (void)state;
    const char *const jobs[][3] = {{"a/b", "a", "b"}, {"b", "", "b"},   {"a/b/c", "", "a/b/c"},
                                   {"/b", "", "/b"},  {"b/", "", "b/"}, {"", "", ""}};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        struct str line, service;
        prom_job(str_of(jobs[i][0]), &line, &service);
        assert_true(str_eq(line, str_of(jobs[i][1])) && str_eq(service, str_of(jobs[i][2])));
    }
}

static void test_a_stale_marker_is_no_value(void **state)
{
    (void)state;
    struct sink sink;
    struct prom_write_counts n;
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    put_series(&out, "__name__=up", point_stale());
    put_series(&out, "__name__=up", (double)NAN);
    assert_ok(decode(&sink, PROM_WRITE_1, &out, &n, &at));
    assert_int_equal(n.samples, 2);
    assert_int_equal(sink.batch->points[0].says, POINT_NO_VALUE);
    assert_int_equal(sink.batch->points[1].says, 0);
    batch_unref(sink.batch);
    buf_done(&out);
}

static void test_single_series_are_rejected(void **state)
{
    (void)state;
    char long_label[1200] = "__name__=a job=j long=", many[1200] = "__name__=a job=j";
    memset(long_label + strlen(long_label), 'x', 1001);
    for (int i = 0; i < 57; i++) {
        size_t at = strlen(many);
        (void)snprintf(many + at, sizeof many - at, " l%d=v", i);
    }
    const char *const bad[][2] = {
        {"job=j", "the series has no __name__"},
        {"__name__=a job=j =v", "a label has no name"},
        {"__name__=a job=j a=1 a=2", "two labels have the same name"},
        {many, "more than 56 labels"},
        {long_label, "a label is longer than 1,000 bytes or has a NUL byte"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sink sink;
        struct prom_write_counts n;
        struct err_at at;
        struct buf out;
        buf_init(&out, REQUEST_MAX);
        put_series(&out, "__name__=good job=j", 1);
        put_series(&out, bad[i][0], 1);
        put_series(&out, "__name__=good job=j", 1);
        assert_ok(decode(&sink, PROM_WRITE_1, &out, &n, &at));
        assert_int_equal(n.samples, 2);
        assert_int_equal(n.rejected, 1);
        assert_int_equal(sink.rejected, 1);
        assert_string_equal(sink.message, bad[i][1]);
        assert_string_equal(sink.service, "j");
        batch_unref(sink.batch);
        buf_done(&out);
    }
}

static void test_a_sample_without_a_time_is_rejected(void **state)
{
    (void)state;
    struct sink sink;
    struct prom_write_counts n;
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    size_t series = pb_begin(&out, 1);
    put_labels(&out, "__name__=a job=j");
    put_sample(&out, 0, 1);
    put_sample(&out, -5, 1);
    put_sample(&out, INT64_MAX, 1);
    put_sample(&out, TIME_MS, 1);
    pb_end(&out, series);
    assert_ok(decode(&sink, PROM_WRITE_1, &out, &n, &at));
    assert_int_equal(n.samples, 1);
    assert_int_equal(n.rejected, 3);
    batch_unref(sink.batch);
    buf_done(&out);
}

// ---- 2.0 ----------------------------------------------------------------------------------------

enum { NAME_REF = 1, VALUE_REF, JOB_REF, JOB_VALUE_REF, HELP_REF, UNIT_REF };

static void put_symbols(struct buf *out, const char *name, const char *help)
{
    const char *const symbols[] = {"", "__name__", name, "job", "cart", help, "seconds"};
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        pb_put_bytes(out, 4, str_of(symbols[i]));
    }
}

static void put_head(struct buf *out, enum prom_type type)
{
    static const uint8_t refs[] = {NAME_REF, VALUE_REF, JOB_REF, JOB_VALUE_REF};
    pb_put_bytes(out, 1, (struct str){(const char *)refs, sizeof refs});
    size_t metadata = pb_begin(out, 5);
    pb_put_varint(out, 1, type);
    pb_put_varint(out, 3, HELP_REF);
    pb_put_varint(out, 4, UNIT_REF);
    pb_end(out, metadata);
}

static void test_types_say_what_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum prom_type type;
        bool monotonic;
    } cases[] = {
        {"requests", PROM_COUNTER, true},          {"requests_total", PROM_COUNTER, true},
        {"requests_created", PROM_COUNTER, false}, {"level_total", PROM_GAUGE, false},
        {"d_sum", PROM_HISTOGRAM, true},           {"d_created", PROM_HISTOGRAM, false},
        {"d_count", PROM_SUMMARY, true},           {"d", PROM_SUMMARY, false},
        {"d_count", PROM_GAUGE_HISTOGRAM, false},  {"x_total", PROM_UNKNOWN, true},
        {"x_bucket", PROM_UNKNOWN, false},         {"build_info", PROM_INFO, false},
        {"requests", (enum prom_type)99, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sink sink;
        struct prom_write_counts n;
        struct err_at at;
        struct buf out;
        buf_init(&out, REQUEST_MAX);
        size_t series = pb_begin(&out, 5);
        put_head(&out, cases[i].type);
        put_sample(&out, TIME_MS, 7);
        pb_put_varint(&out, 6, TIME_MS - 1000);
        pb_end(&out, series);
        put_symbols(&out, cases[i].name, "How long"); // behind the series
        assert_ok(decode(&sink, PROM_WRITE_2, &out, &n, &at));
        const struct batch *b = sink.batch;
        assert_int_equal(n.samples, 1);
        assert_int_equal(metric_of(b, 0)->monotonic, cases[i].monotonic);
        assert_str(batch_str(b, metric_of(b, 0)->unit), "seconds");
        assert_str(batch_str(b, metric_of(b, 0)->description), "How long");
        assert_str(batch_str(b, b->resources[0].service), "cart");
        assert_true(b->points[0].start_ns == (TIME_MS - 1000) * UINT64_C(1000000));
        batch_unref(sink.batch);
        buf_done(&out);
    }
}

// Any number of series may say the same one, of any length.
static void test_a_help_text_that_is_too_long_is_left_out(void **state)
{
    (void)state;
    struct sink sink;
    struct prom_write_counts n;
    struct err_at at;
    struct buf out;
    static char help[POINT_TEXT_BYTES_MAX + 2];
    buf_init(&out, REQUEST_MAX);
    memset(help, 'h', sizeof help - 1);
    put_symbols(&out, "requests", help);
    size_t series = pb_begin(&out, 5);
    put_head(&out, PROM_COUNTER);
    put_sample(&out, TIME_MS, 7);
    pb_end(&out, series);
    assert_ok(decode(&sink, PROM_WRITE_2, &out, &n, &at));
    assert_int_equal(n.samples, 1);
    assert_int_equal(n.rejected, 0);
    assert_str(batch_str(sink.batch, metric_of(sink.batch, 0)->unit), "seconds");
    assert_int_equal(metric_of(sink.batch, 0)->description, 0);
    batch_unref(sink.batch);
    buf_done(&out);
}

// ---- Native histograms --------------------------------------------------------------------------

static void put_span(struct buf *out, uint32_t number, int64_t offset, uint64_t length)
{
    size_t span = pb_begin(out, number);
    pb_put_varint(out, 1, zigzag(offset));
    pb_put_varint(out, 2, length);
    pb_end(out, span);
}

enum variant { WHOLE, FLOATS, HALF, GAUGE, SCHEMA, FEW, MANY, BELOW, WIDE, CUSTOM, STALE };

static void put_head_of_histogram(struct buf *out, enum variant v)
{
    if (v == FLOATS || v == HALF) {
        pb_put_double(out, 2, v == HALF ? 9.5 : 9);
    } else {
        pb_put_varint(out, 1, 9);
    }
    if (v == STALE) {
        pb_put_double(out, 3, point_stale());
    } else {
        pb_put_double(out, 3, 21.5);
    }
    pb_put_varint(out, 4, zigzag(v == SCHEMA ? 9 : v == CUSTOM ? -53 : 0));
    pb_put_double(out, 5, 0.001);
    if (v == FLOATS || v == HALF) {
        pb_put_double(out, 7, 2);
    } else if (v != CUSTOM) {
        pb_put_varint(out, 6, 2);
    }
    pb_put_varint(out, 14, v == GAUGE ? 3 : 0);
    pb_put_varint(out, 15, TIME_MS);
}

// Two at index 0 and 3 at index 1, none at 2 and 3, and 1 at 4; one at index 1 below zero.
static void put_histogram(struct buf *out, enum variant v)
{
    static const int64_t deltas[] = {2, 1, -2, 5};
    put_head_of_histogram(out, v);
    put_span(out, 11, 0, 2);
    put_span(out, 11, v == WIDE ? 5000 : v == CUSTOM ? 0 : 2, 1);
    size_t packed = pb_begin(out, v == FLOATS ? 13 : 12);
    for (int i = 0; i < (v == FEW ? 2 : v == MANY ? 4 : 3); i++) {
        static const double floats[] = {2, 3, 1};
        uint64_t bits;
        if (v == FLOATS) {
            memcpy(&bits, &floats[i], sizeof bits);
            buf_add_u64(out, bits);
        } else {
            buf_add_varint(out, zigzag(v == BELOW ? deltas[i] - 2 : deltas[i]));
        }
    }
    pb_end(out, packed);
    if (v == CUSTOM) {
        pb_put_double(out, 16, 1);
        pb_put_double(out, 16, 2.5);
    } else {
        put_span(out, 8, 1, 1);
        if (v == FLOATS) {
            pb_put_double(out, 10, 1);
        } else {
            pb_put_varint(out, 9, zigzag(1));
        }
    }
}

struct found {
    double bounds[16];
    uint64_t counts[16];
    size_t n;
};

static void on_bucket(void *ctx, double bound, uint64_t count)
{
    struct found *f = ctx;
    assert_true(f->n < 16);
    f->bounds[f->n] = bound;
    f->counts[f->n++] = count;
}

static void decode_histogram(struct sink *sink, enum prom_version version, enum variant v,
                             struct prom_write_counts *n)
{
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    if (version == PROM_WRITE_2) {
        put_symbols(&out, "d", "How long");
    }
    size_t series = pb_begin(&out, version == PROM_WRITE_2 ? 5 : 1);
    if (version == PROM_WRITE_2) {
        put_head(&out, PROM_HISTOGRAM);
    } else {
        put_labels(&out, "__name__=d job=cart");
    }
    size_t histogram = pb_begin(&out, version == PROM_WRITE_2 ? 3 : 4);
    put_histogram(&out, v);
    pb_end(&out, histogram);
    pb_end(&out, series);
    assert_ok(decode(sink, version, &out, n, &at));
    buf_done(&out);
}

static void on_exponential(void *ctx, struct exponential_bucket bucket, uint64_t count)
{
    on_bucket(ctx, (double)bucket.index + 1000 * (double)bucket.range, count);
}

static void test_native_histograms(void **state)
{
    (void)state;
    // OTLP's indexes, one less than Prometheus'.
    static const double indexes[] = {1000 * EXPONENTIAL_NEGATIVE, 1000 * EXPONENTIAL_ZERO,
                                     1000 * EXPONENTIAL_POSITIVE - 1, 1000 * EXPONENTIAL_POSITIVE,
                                     1000 * EXPONENTIAL_POSITIVE + 3};
    static const uint64_t counts[] = {1, 2, 2, 3, 1};
    for (int version = PROM_WRITE_1; version <= PROM_WRITE_2; version++) {
        for (int v = WHOLE; v <= FLOATS; v++) {
            struct sink sink;
            struct prom_write_counts n;
            struct found f = {.n = 0};
            struct exponential_shape shape;
            decode_histogram(&sink, (enum prom_version)version, (enum variant)v, &n);
            assert_int_equal(n.histograms, 1);
            const struct batch *b = sink.batch;
            const struct point *x = &b->points[0];
            assert_int_equal(metric_of(b, 0)->kind, METRIC_EXPONENTIAL);
            assert_int_equal(metric_of(b, 0)->temporality, TEMPORALITY_CUMULATIVE);
            assert_true(x->count == 9 && x->sum == 21.5 && x->says == POINT_SUM);
            assert_null(otlp_point_exponential(batch_str(b, x->body), &shape, on_exponential, &f));
            assert_true(shape.scale == 0 && shape.zero_threshold == 0.001);
            assert_int_equal(f.n, 5);
            for (size_t i = 0; i < f.n; i++) {
                assert_true(f.bounds[i] == indexes[i] && f.counts[i] == counts[i]);
            }
            batch_unref(sink.batch);
        }
    }
}

static void test_native_histograms_of_explicit_bounds(void **state)
{
    (void)state;
    struct sink sink;
    struct prom_write_counts n;
    struct found f = {.n = 0};
    decode_histogram(&sink, PROM_WRITE_2, CUSTOM, &n);
    const struct batch *b = sink.batch;
    assert_int_equal(n.histograms, 1);
    assert_int_equal(metric_of(b, 0)->kind, METRIC_HISTOGRAM);
    assert_null(otlp_point_buckets(batch_str(b, b->points[0].body), on_bucket, &f));
    assert_int_equal(f.n, 2);
    assert_true(f.bounds[0] == 1 && f.counts[0] == 2 && f.bounds[1] == 2.5 && f.counts[1] == 5);
    batch_unref(sink.batch);
}

static void test_native_histograms_end_and_are_rejected(void **state)
{
    (void)state;
    static const struct {
        enum variant v;
        const char *why;
    } bad[] = {
        {HALF, "a float histogram whose counts are not whole"},
        {GAUGE, "a gauge histogram: what it counts may become less"},
        {SCHEMA, "a histogram of an unknown schema"},
        {FEW, "fewer buckets than its spans say"},
        {MANY, "more buckets than its spans say"},
        {BELOW, "a bucket counts less than nothing"},
        {WIDE, "more than 1024 buckets"},
    };
    struct sink sink;
    struct prom_write_counts n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        decode_histogram(&sink, PROM_WRITE_1, bad[i].v, &n);
        assert_int_equal(n.histograms, 0);
        assert_int_equal(n.rejected, 1);
        assert_string_equal(sink.message, bad[i].why);
        batch_unref(sink.batch);
    }
    decode_histogram(&sink, PROM_WRITE_1, STALE, &n);
    assert_int_equal(n.histograms, 1);
    assert_int_equal(sink.batch->points[0].says, POINT_NO_VALUE);
    batch_unref(sink.batch);
}

// ---- Bad requests -------------------------------------------------------------------------------

static void assert_bad(enum prom_version version, const char *bytes, size_t size, uint64_t offset,
                       const char *text)
{
    struct sink sink;
    struct prom_write_counts n;
    struct err_at at;
    struct buf out;
    buf_init(&out, REQUEST_MAX);
    buf_add(&out, bytes, size);
    assert_err(decode(&sink, version, &out, &n, &at), ERR_INVALID);
    assert_string_equal(at.text, text);
    assert_int_equal(at.offset, offset);
    batch_unref(sink.batch);
    buf_done(&out);
}

#define BAD(version, bytes, offset, text)                                                          \
    assert_bad(version, bytes, sizeof(bytes) - 1, offset, text)

static void test_bad_requests_say_where(void **state)
{
    (void)state;
    BAD(PROM_WRITE_1, "\x0a\x05", 0, "the request is cut short, or of no known wire type");
    BAD(PROM_WRITE_1, "\x0a\x00\x0a\x02\x08\x01", 4, "timeseries[1].a field: of another wire type");
    BAD(PROM_WRITE_1, "\x0a\x0f\x0a\x0d\x0a\x08__name__\x12\x01\xff", 2, "a label is not UTF-8");
    BAD(PROM_WRITE_1, "\x0a\x04\x12\x02\x09\x01", 4,
        "timeseries[0].samples: not a message of this kind");
    BAD(PROM_WRITE_2, "\x22\x01x", 2, "symbols: the first is not empty");
    BAD(PROM_WRITE_2, "\x22\x00\x2a\x04\x0a\x02\x00\x07", 7,
        "timeseries[0].labels_refs: no such symbol");
    BAD(PROM_WRITE_2, "\x22\x00\x2a\x03\x0a\x01\x00", 7,
        "timeseries[0].labels_refs: not pairs of numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_become_a_resource_and_attributes),
        cmocka_unit_test(test_a_job_names_line_and_service),
        cmocka_unit_test(test_a_stale_marker_is_no_value),
        cmocka_unit_test(test_single_series_are_rejected),
        cmocka_unit_test(test_a_sample_without_a_time_is_rejected),
        cmocka_unit_test(test_types_say_what_counts),
        cmocka_unit_test(test_a_help_text_that_is_too_long_is_left_out),
        cmocka_unit_test(test_native_histograms),
        cmocka_unit_test(test_native_histograms_of_explicit_bounds),
        cmocka_unit_test(test_native_histograms_end_and_are_rejected),
        cmocka_unit_test(test_bad_requests_say_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
