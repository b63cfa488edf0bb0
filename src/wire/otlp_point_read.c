// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the buckets and quantiles of points. The bytes were checked against OTLP's
// tables (otlp_check.h) when they came; what the numbers say is checked here.
#include <math.h>

#include "core/must.h"
#include "wire/otlp_point.h"
#include "wire/protobuf.h"

// Numbers of a repeated field, packed or not.
struct number_list {
    uint64_t items[POINT_BUCKETS_MAX + 1];
    size_t count;
    bool too_many;
};

static void list_add(struct number_list *l, uint64_t bits)
{
    if (l->count == sizeof l->items / sizeof l->items[0]) {
        l->too_many = true;
        return;
    }
    ASSERT(l->count < sizeof l->items / sizeof l->items[0]);
    l->items[l->count++] = bits;
}

static void list_field(struct number_list *l, const struct pb_field *f, enum pb_wire wire)
{
    struct pb_reader r = pb_reader(f->bytes);
    struct pb_field one;
    if (f->wire == wire) {
        list_add(l, f->value);
        return;
    }
    ASSERT(f->wire == PB_BYTES);
    while (r.p < r.end && pb_value(&r, &one, wire)) {
        list_add(l, one.value);
    }
}

// ---- Explicit bounds ----------------------------------------------------------------------------

enum { HISTOGRAM_COUNTS = 6, HISTOGRAM_BOUNDS = 7 };

static const char *check_explicit(const struct number_list *counts,
                                  const struct number_list *bounds)
{
    ASSERT(bounds->count <= POINT_BUCKETS_MAX + 1);
    if (counts->too_many || bounds->count > POINT_BUCKETS_MAX) {
        return "more than 1024 buckets";
    }
    if (counts->count > 0 ? counts->count != bounds->count + 1 : bounds->count > 0) {
        return "bucket_counts is not one longer than explicit_bounds";
    }
    for (size_t i = 0; i < bounds->count; i++) {
        double bound = pb_double(bounds->items[i]);
        if (isnan(bound) || (i > 0 && !(pb_double(bounds->items[i - 1]) < bound))) {
            return "explicit_bounds do not ascend";
        }
    }
    return NULL;
}

const char *otlp_point_buckets(struct str body,
                               void (*each)(void *ctx, double bound, uint64_t count), void *ctx)
{
    struct number_list counts, bounds;
    struct pb_reader r = pb_reader(body);
    struct pb_field f;
    counts.count = bounds.count = 0;
    counts.too_many = bounds.too_many = false;
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == HISTOGRAM_COUNTS) {
            list_field(&counts, &f, PB_FIXED64);
        } else if (f.number == HISTOGRAM_BOUNDS) {
            list_field(&bounds, &f, PB_FIXED64);
        }
    }
    const char *wrong = check_explicit(&counts, &bounds);
    uint64_t sum = 0;
    for (size_t i = 0; wrong == NULL && each != NULL && i < bounds.count && i < counts.count; i++) {
        ASSERT(bounds.count + 1 == counts.count);
        sum += counts.items[i];
        double bound = pb_double(bounds.items[i]);
        if (!isinf(bound) || bound < 0) { // the last is the count itself
            each(ctx, bound, sum);
        }
    }
    return wrong;
}

// ---- Exponential --------------------------------------------------------------------------------

enum {
    FIELD_SCALE = 6,
    FIELD_ZEROS = 7,
    FIELD_POSITIVE = 8,
    FIELD_NEGATIVE = 9,
    FIELD_THRESHOLD = 14,
    BUCKETS_OFFSET = 1,
    BUCKETS_COUNTS = 2,
};

struct bucket_run {
    int64_t offset;
    struct number_list counts;
};

struct exponential {
    int64_t scale;
    uint64_t zeros;
    double threshold;
    struct bucket_run positive, negative;
};

static void read_run(struct bucket_run *run, struct str bytes)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(run->counts.count <= POINT_BUCKETS_MAX + 1);
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == BUCKETS_OFFSET) {
            run->offset = (int32_t)unzigzag(f.value);
        } else if (f.number == BUCKETS_COUNTS) {
            list_field(&run->counts, &f, PB_VARINT);
        }
    }
}

static void read_exponential(struct exponential *x, struct str body)
{
    struct pb_reader r = pb_reader(body);
    struct pb_field f;
    x->scale = 0;
    x->zeros = 0;
    x->threshold = 0;
    x->positive.offset = x->negative.offset = 0;
    x->positive.counts.count = x->negative.counts.count = 0;
    x->positive.counts.too_many = x->negative.counts.too_many = false;
    while (r.p < r.end && pb_next(&r, &f)) {
        switch (f.number) {
        case FIELD_SCALE:
            x->scale = (int32_t)unzigzag(f.value);
            break;
        case FIELD_ZEROS:
            x->zeros = f.value;
            break;
        case FIELD_POSITIVE:
            read_run(&x->positive, f.bytes);
            break;
        case FIELD_NEGATIVE:
            read_run(&x->negative, f.bytes);
            break;
        default:
            ASSERT(f.number == FIELD_THRESHOLD);
            x->threshold = pb_double(f.value);
            break;
        }
    }
}

static const char *check_exponential(const struct exponential *x)
{
    size_t n = x->positive.counts.count + x->negative.counts.count;
    if (x->positive.counts.too_many || x->negative.counts.too_many || n > POINT_BUCKETS_MAX) {
        return "more than 1024 buckets";
    }
    if (x->scale < EXPONENTIAL_SCALE_LEAST || x->scale > EXPONENTIAL_SCALE_MOST) {
        return "scale is not between -10 and 20";
    }
    if (!(x->threshold >= 0) || isinf(x->threshold)) {
        return "zero_threshold is not a number from 0 on";
    }
    return NULL;
}

static void walk_run(const struct bucket_run *run, enum exponential_range range,
                     void (*each)(void *ctx, struct exponential_bucket bucket, uint64_t count),
                     void *ctx)
{
    ASSERT(run->counts.count <= POINT_BUCKETS_MAX);
    for (size_t i = 0; i < run->counts.count; i++) {
        if (run->counts.items[i] > 0) {
            each(ctx, (struct exponential_bucket){range, run->offset + (int64_t)i},
                 run->counts.items[i]);
        }
    }
}

const char *otlp_point_exponential(struct str body, struct exponential_shape *ret_shape,
                                   void (*each)(void *ctx, struct exponential_bucket bucket,
                                                uint64_t count),
                                   void *ctx)
{
    struct exponential x;
    read_exponential(&x, body);
    const char *wrong = check_exponential(&x);
    if (wrong != NULL) {
        return wrong;
    }
    ASSERT(x.scale >= EXPONENTIAL_SCALE_LEAST && x.scale <= EXPONENTIAL_SCALE_MOST);
    *ret_shape = (struct exponential_shape){(int)x.scale, x.threshold};
    if (each != NULL) {
        walk_run(&x.negative, EXPONENTIAL_NEGATIVE, each, ctx);
        if (x.zeros > 0) {
            each(ctx, (struct exponential_bucket){EXPONENTIAL_ZERO, 0}, x.zeros);
        }
        walk_run(&x.positive, EXPONENTIAL_POSITIVE, each, ctx);
    }
    return NULL;
}

// ---- Summaries ----------------------------------------------------------------------------------

enum { SUMMARY_QUANTILES = 6, QUANTILE = 1, QUANTILE_VALUE = 2 };

static void read_quantile(struct str bytes, double *ret_quantile, double *ret_value)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    ASSERT(ret_quantile != ret_value);
    *ret_quantile = *ret_value = 0;
    while (r.p < r.end && pb_next(&r, &f)) {
        if (f.number == QUANTILE) {
            *ret_quantile = pb_double(f.value);
        } else if (f.number == QUANTILE_VALUE) {
            *ret_value = pb_double(f.value);
        }
    }
}

const char *otlp_point_quantiles(struct str body,
                                 void (*each)(void *ctx, double quantile, double value), void *ctx)
{
    double quantile, value;
    for (unsigned pass = 0; pass < 2; pass++) {
        struct pb_reader r = pb_reader(body);
        struct pb_field f;
        size_t n = 0;
        while (r.p < r.end && pb_next(&r, &f)) {
            ASSERT(f.number == SUMMARY_QUANTILES);
            read_quantile(f.bytes, &quantile, &value);
            if (!(quantile >= 0 && quantile <= 1)) {
                return "a quantile is not between 0 and 1";
            }
            if (++n > POINT_BUCKETS_MAX) {
                return "more than 1024 quantiles";
            }
            if (pass == 1 && each != NULL) {
                each(ctx, quantile, value);
            }
        }
    }
    return NULL;
}

const char *otlp_point_check(enum metric_kind kind, struct str body)
{
    struct exponential_shape shape;
    ASSERT(metric_kind_has_count(kind));
    return kind == METRIC_SUMMARY     ? otlp_point_quantiles(body, NULL, NULL)
           : kind == METRIC_HISTOGRAM ? otlp_point_buckets(body, NULL, NULL)
                                      : otlp_point_exponential(body, &shape, NULL, NULL);
}
