// SPDX-License-Identifier: Apache-2.0
// Purpose: gauges and sums as OTLP has them.
#include "agents/jvm/metric.h"

#include <string.h>

#include "core/must.h"

enum {
    SCOPE_METRICS = 2, // ScopeMetrics.metrics
    METRIC_NAME = 1,
    METRIC_UNIT = 3,
    METRIC_DATA_GAUGE = 5,
    METRIC_DATA_SUM = 7,
    METRIC_DATA_HISTOGRAM = 9,
    DATA_POINTS = 1,
    DATA_TEMPORALITY = 2,
    SUM_IS_MONOTONIC = 3,
    CUMULATIVE = 2,
    POINT_START = 2,
    POINT_TIME = 3,
    POINT_DOUBLE = 4,
    POINT_INT = 6,
    POINT_ATTRIBUTES = 7,
    HISTOGRAM_POINT_COUNT = 4,
    HISTOGRAM_POINT_SUM = 5,
    HISTOGRAM_POINT_ATTRIBUTES = 9,
};

void metric_begin(struct metric_writer *w, const char *name, const char *unit,
                  enum metric_kind kind)
{
    static const unsigned fields[] = {METRIC_DATA_GAUGE, METRIC_DATA_SUM, METRIC_DATA_SUM,
                                      METRIC_DATA_HISTOGRAM};
    struct otlp *o = w->o;
    ASSERT(!o->full);
    w->before = o->n;
    w->kind = kind;
    w->metric = otlp_begin_large(o, SCOPE_METRICS);
    otlp_bytes(o, METRIC_NAME, name, strlen(name));
    otlp_bytes(o, METRIC_UNIT, unit, strlen(unit));
    w->data = otlp_begin_large(o, fields[kind]);
    if (kind != METRIC_GAUGE) {
        otlp_number(o, DATA_TEMPORALITY, CUMULATIVE);
    }
    if (kind == METRIC_COUNTER) {
        otlp_number(o, SUM_IS_MONOTONIC, 1);
    }
}

static size_t begin_point(struct metric_writer *w, const struct metric_attribute *a, unsigned n)
{
    unsigned field = w->kind == METRIC_SUMMED ? HISTOGRAM_POINT_ATTRIBUTES : POINT_ATTRIBUTES;
    size_t point = otlp_begin(w->o, DATA_POINTS);
    for (unsigned i = 0; i < n; i++) {
        if (a[i].value.n > 0) {
            otlp_text(w->o, field, a[i].key, a[i].value);
        }
    }
    if (w->kind != METRIC_GAUGE) {
        otlp_fixed64(w->o, POINT_START, w->start_unix_ns);
    }
    otlp_fixed64(w->o, POINT_TIME, w->now_unix_ns);
    return point;
}

void metric_int(struct metric_writer *w, int64_t value, const struct metric_attribute *attributes,
                unsigned n)
{
    size_t point = begin_point(w, attributes, n);
    ASSERT(w->kind != METRIC_SUMMED);
    otlp_fixed64(w->o, POINT_INT, (uint64_t)value);
    otlp_end(w->o, point);
}

void metric_double(struct metric_writer *w, double value, const struct metric_attribute *attributes,
                   unsigned n)
{
    size_t point = begin_point(w, attributes, n);
    ASSERT(w->kind != METRIC_SUMMED);
    otlp_double(w->o, POINT_DOUBLE, value);
    otlp_end(w->o, point);
}

void metric_summed(struct metric_writer *w, uint64_t count, double sum,
                   const struct metric_attribute *attributes, unsigned n)
{
    size_t point = begin_point(w, attributes, n);
    ASSERT(w->kind == METRIC_SUMMED);
    otlp_fixed64(w->o, HISTOGRAM_POINT_COUNT, count);
    otlp_double(w->o, HISTOGRAM_POINT_SUM, sum);
    otlp_end(w->o, point);
}

void metric_end(struct metric_writer *w)
{
    otlp_end_large(w->o, w->data);
    otlp_end_large(w->o, w->metric);
    if (w->o->full) {
        w->o->full = false;
        w->o->n = w->before;
        w->left_out++;
    }
}

void metric_one(struct metric_writer *w, const char *name, const char *unit, enum metric_kind kind,
                int64_t value)
{
    metric_begin(w, name, unit, kind);
    metric_int(w, value, NULL, 0);
    metric_end(w);
}
