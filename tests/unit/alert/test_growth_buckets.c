// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of how much buckets grew: from point to point, across restarts of a sender and
// changes of its shape; bucket by bucket where Prometheus tells them so.
#include <math.h>
#include <stdio.h>

#include "alert/growth.h"
#include "core/clock.h"
#include "model/point.h"
#include "test.h"

#define NOW_NS ((uint64_t)1750000000 * NS_PER_S)

static struct growth growth;

// What a point says, field by field of OTLP's message.
struct told {
    uint8_t kind, temporality;
    uint64_t start_s, time_s, count;
    const uint64_t *counts;
    const double *bounds; // one less; NULL: exponential, with `scale` and offset 0
    size_t count_count;
    int scale;
    const char *le; // of Prometheus; the value is `count`
};

static void put_bytes(struct buf *b, uint8_t field, struct str bytes)
{
    buf_add_byte(b, (uint8_t)(field << 3 | 2));
    buf_add_varint(b, bytes.n);
    buf_add_str(b, bytes);
}

static void put_body(struct buf *out, const struct told *t)
{
    struct buf inner, run;
    buf_init(&inner, 1024);
    buf_init(&run, 1024);
    if (t->bounds != NULL) {
        put_bytes(out, 6, (struct str){(const char *)t->counts, t->count_count * 8});
        put_bytes(out, 7, (struct str){(const char *)t->bounds, (t->count_count - 1) * 8});
    } else if (t->kind == METRIC_EXPONENTIAL) {
        for (size_t i = 0; i < t->count_count; i++) {
            buf_add_varint(&run, t->counts[i]);
        }
        put_bytes(&inner, 2, buf_str(&run));
        buf_add_byte(out, 6 << 3);
        buf_add_varint(out, t->scale < 0 ? (uint64_t)(-t->scale * 2 - 1) : (uint64_t)t->scale * 2);
        put_bytes(out, 8, buf_str(&inner));
    }
    buf_done(&inner);
    buf_done(&run);
}

// "<=1:4 ..2-4:-3"; what grew, in order.
static const char *grew(const struct told *t)
{
    static char text[512];
    struct window_record r = {.time_ms = 1};
    struct batch *b = batch_new(STR("shop"));
    struct buf body;
    size_t n = 0;
    buf_init(&body, 4096);
    put_body(&body, t);
    (void)batch_add_scope(b);
    *batch_add_resource(b) = (struct resource){.service = batch_intern(b, STR("cart"))};
    uint32_t name = batch_intern(b, t->le != NULL ? STR("wait_bucket") : STR("wait"));
    *batch_add_metric(b) =
        (struct metric){.name = name, .kind = t->kind, .temporality = t->temporality};
    struct point *p = batch_add_point(b);
    *p = (struct point){.start_ns = t->start_s > 0 ? NOW_NS + t->start_s * NS_PER_S : 0,
                        .time_ns = NOW_NS + t->time_s * NS_PER_S,
                        .count = t->count,
                        .body = batch_intern(b, body.n > 0 ? buf_str(&body) : STR(""))};
    if (t->le != NULL) {
        p->d = (double)t->count;
        p->attrs = (struct attr_run){(uint32_t)b->attr_count, 1};
        struct attr *a = batch_add_attr(b);
        uint32_t key = batch_intern(b, STR("le")), value = batch_intern(b, str_of(t->le));
        *a = (struct attr){.key = key, .type = ATTR_STRING, .code = value};
    }
    batch_seal(b);
    enum growth_verdict v = growth_of(&growth, b, 0, MEASURE_QUANTILE, &r);
    n += (size_t)snprintf(text, sizeof text, "%s",
                          v == GROWTH_UNFIT     ? "unfit"
                          : v == GROWTH_NOTHING ? "nothing"
                                                : "");
    for (size_t i = 0; v == GROWTH_TAKEN && i < r.bucket_count; i++) {
        const struct window_bucket *g = &r.buckets[i];
        n += (size_t)(isnan(g->lower)
                          ? snprintf(text + n, sizeof text - n, "<=%g:%g ", g->upper, g->n)
                          : snprintf(text + n, sizeof text - n, "%g-%g:%g ", g->lower, g->upper,
                                     g->n));
    }
    if (v == GROWTH_TAKEN) {
        (void)snprintf(text + n, sizeof text - n, "n=%llu", (unsigned long long)r.count);
    }
    batch_unref(b);
    buf_done(&body);
    return text;
}

static int teardown(void **state)
{
    (void)state;
    growth_done(&growth);
    return 0;
}

static void test_explicit_bounds(void **state)
{
    static const double bounds[] = {1, 2};
    const uint64_t first[] = {4, 1, 5}, then[] = {6, 4, 5}, restarted[] = {1, 0, 8};
    struct told t = {.kind = METRIC_HISTOGRAM,
                     .temporality = TEMPORALITY_CUMULATIVE,
                     .time_s = 10,
                     .count = 10,
                     .counts = first,
                     .bounds = bounds,
                     .count_count = 3};
    (void)state;
    assert_string_equal(grew(&t), "nothing"); // it counted since nobody knows when
    t.time_s = 20;
    t.count = 15;
    t.counts = then;
    assert_string_equal(grew(&t), "<=1:2 <=2:5 <=inf:5 n=5");
    assert_string_equal(grew(&t), "<=1:2 <=2:5 <=inf:5 n=5"); // to the next strategy as well
    t.time_s = 15;
    assert_string_equal(grew(&t), "nothing"); // out of order
    t.time_s = 30;
    t.count = 9;
    t.counts = restarted;
    assert_string_equal(grew(&t), "<=1:1 <=2:1 <=inf:9 n=9");
    t.temporality = TEMPORALITY_DELTA;
    assert_string_equal(grew(&t), "<=1:1 <=2:1 <=inf:9 n=9");
    t.bounds = NULL;
    assert_string_equal(grew(&t), "unfit");
}

static void test_a_young_histogram_began_from_nothing(void **state)
{
    static const double bounds[] = {1};
    const uint64_t counts[] = {4, 1};
    const struct told t = {.kind = METRIC_HISTOGRAM,
                           .temporality = TEMPORALITY_CUMULATIVE,
                           .start_s = 5,
                           .time_s = 10,
                           .count = 5,
                           .counts = counts,
                           .bounds = bounds,
                           .count_count = 2};
    (void)state;
    assert_string_equal(grew(&t), "<=1:4 <=inf:5 n=5");
}

static void test_exponential_buckets(void **state)
{
    const uint64_t first[] = {4, 1}, then[] = {5, 1, 2}, coarse[] = {8, 3}, few[] = {1};
    struct told t = {.kind = METRIC_EXPONENTIAL,
                     .temporality = TEMPORALITY_CUMULATIVE,
                     .time_s = 10,
                     .count = 5,
                     .counts = first,
                     .count_count = 2};
    (void)state;
    assert_string_equal(grew(&t), "nothing");
    t.time_s = 20;
    t.count = 8;
    t.counts = then;
    t.count_count = 3;
    assert_string_equal(grew(&t), "1-2:1 4-8:2 n=3"); // that of 4 to 8 had been empty
    t.time_s = 30;
    t.count = 11;
    t.counts = coarse;
    t.count_count = 2;
    t.scale = -1;
    // From 1 to 4 and to 16 there are 8 and 3, of which 6 and 2 were in finer ones.
    assert_string_equal(grew(&t), "1-4:8 4-16:3 1-4:-5 1-4:-1 4-16:-2 n=3");
    t.time_s = 40;
    t.scale = 0;
    t.counts = few;
    t.count_count = 1;
    t.count = 1;
    assert_string_equal(grew(&t), "1-2:1 n=1"); // it began again
}

static void test_buckets_of_prometheus(void **state)
{
    struct told t = {.kind = METRIC_SERIES, .time_s = 10, .count = 3, .le = "0.5"};
    (void)state;
    assert_string_equal(grew(&t), "nothing");
    t.le = "+Inf";
    assert_string_equal(grew(&t), "nothing");
    t.time_s = 20;
    t.count = 10;
    assert_string_equal(grew(&t), "<=inf:7 n=7");
    t.le = "0.5";
    assert_string_equal(grew(&t), "<=0.5:7 n=0");
    t.le = "fast"; // no bound: a number like any other
    assert_string_equal(grew(&t), "n=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_explicit_bounds, teardown),
        cmocka_unit_test_teardown(test_a_young_histogram_began_from_nothing, teardown),
        cmocka_unit_test_teardown(test_exponential_buckets, teardown),
        cmocka_unit_test_teardown(test_buckets_of_prometheus, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
