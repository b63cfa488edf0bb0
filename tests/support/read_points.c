// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the points of a batch back.
#include "support/read_points.h"

#include "core/must.h"
#include "model/batch_codec.h"
#include "support/random_batch.h"
#include "wire/exemplar.h"
#include "wire/otlp_point.h"

struct buckets {
    double bound;
    size_t count;
};

static void on_bucket(void *ctx, double bound, uint64_t count)
{
    struct buckets *b = ctx;
    MUST(b->count == 0 || bound > b->bound);
    (void)count;
    b->bound = bound;
    b->count++;
}

static void on_exponential(void *ctx, struct exponential_bucket bucket, uint64_t count)
{
    struct buckets *b = ctx;
    struct exponential_bucket again;
    char room[EXPONENTIAL_TEXT_MAX];
    MUST(count > 0 && bucket.range != EXPONENTIAL_ALL);
    MUST(exponential_parse(exponential_text(bucket, room), &again));
    MUST(again.range == bucket.range && again.index == bucket.index);
    b->count++;
}

static void on_quantile(void *ctx, double quantile, double value)
{
    (void)ctx;
    (void)value;
    MUST(quantile >= 0 && quantile <= 1);
}

void read_points(const struct batch *b)
{
    struct batch *again = NULL;
    struct err_at at;
    struct buf out;
    for (size_t i = 0; i < b->point_count; i++) {
        const struct point *x = &b->points[i];
        unsigned kind = b->metrics[x->metric].kind;
        struct buckets buckets = {0, 0};
        struct exponential_shape shape;
        struct str body = batch_str(b, x->body);
        MUST(x->time_ns > 0 && x->attrs.count <= POINT_ATTRS_MAX);
        MUST(exemplar_each(batch_str(b, x->exemplars), NULL, NULL) <= b->string_count * 1000000);
        if (kind == METRIC_SUMMARY) {
            MUST(otlp_point_quantiles(body, on_quantile, NULL) == NULL);
        } else if (kind == METRIC_EXPONENTIAL) {
            MUST(otlp_point_exponential(body, &shape, on_exponential, &buckets) == NULL);
            MUST(buckets.count <= POINT_BUCKETS_MAX + 1);
        } else if (metric_kind_has_count(kind)) {
            MUST(otlp_point_buckets(body, on_bucket, &buckets) == NULL);
            MUST(buckets.count <= POINT_BUCKETS_MAX + 1);
        }
    }
    buf_init(&out, (size_t)64 << 20);
    batch_encode(b, &out);
    enum err e = batch_decode(buf_str(&out), &again, &at);
    MUST(e == ERR_OK && again->point_count == b->point_count);
    for (size_t i = 0; i < b->point_count; i++) {
        MUST(points_equal(b, i, again, i));
    }
    batch_unref(again);
    buf_done(&out);
}
