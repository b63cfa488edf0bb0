// SPDX-License-Identifier: Apache-2.0
// Purpose: series of Prometheus -> metric points of a batch, whether they were pushed
// (prom_write.h) or scraped (prom_text.h). Pure. Source: OpenTelemetry's "Prometheus and
// OpenMetrics Compatibility".
//
// What becomes of labels
//     __name__          the metric's name
//     job               service.name; "NAMESPACE/NAME" (one slash) is service.namespace, the
//                       business line, as well
//     instance          service.instance.id
//     otel_scope_name, otel_scope_version   of the scope
//     any other         an attribute of the point. One without a value is absent.
// Points have the kind METRIC_SERIES (model/point.h), native histograms that of OTLP's.
//
// What counts. A series is a counter, that is monotonic, by the type of its family where that is
// told, and by its name where it is not (remote write 1.0 tells types apart from samples, and
// later):
//     counter                all, but NAME_created
//     histogram              NAME_bucket with `le`, NAME_count, NAME_sum
//     summary                NAME_count, NAME_sum
//     unknown                NAME_total, NAME_bucket with `le`, NAME_count, NAME_sum
//     gauge, gauge histogram, info, state set: none
//
// A help text that breaks the limits of texts is left out; nothing is rejected for it.
//
// A stale marker is a point without a value. Samples that cannot be kept (no name, limits of
// model/point.h, a time before 1970) are rejected to the sink one by one.
#ifndef SONDE_WIRE_PROM_ROWS_H
#define SONDE_WIRE_PROM_ROWS_H

#include "core/buf.h"
#include "model/point.h"
#include "wire/otlp.h"

// Of a series: attributes, and what becomes none.
#define PROM_LABELS_MAX (POINT_ATTRS_MAX + 5)

// The numbers of MetricMetadata.MetricType.
enum prom_type {
    PROM_UNKNOWN,
    PROM_COUNTER,
    PROM_GAUGE,
    PROM_HISTOGRAM,
    PROM_GAUGE_HISTOGRAM,
    PROM_SUMMARY,
    PROM_INFO,
    PROM_STATE_SET,
    PROM_TYPE_COUNT
};

// What is said of all series of a name.
struct prom_family {
    enum prom_type type;
    struct str name, unit, help;
};

struct prom_label {
    struct str name, value;
};

struct prom_series {
    struct prom_label labels[PROM_LABELS_MAX]; // in any order
    size_t label_count;
    bool too_many; // labels: the others are not here
    enum prom_type type;
    struct str unit, help;
    uint64_t offset;  // where it was sent
    struct str bytes; // as it was sent
};

// One too many is left out, and noted.
void prom_add_label(struct prom_series *s, struct str name, struct str value);

// A value that one label of the series has; p == NULL: none.
struct str prom_label_value(const struct prom_series *s, struct str name);

// Splits a job into business line and service.
void prom_job(struct str job, struct str *ret_line, struct str *ret_service);

struct prom_sample {
    int64_t time_ms, start_ms; // start_ms 0: not known
    double value;
    struct str exemplars; // concatenated messages (model/point.h)
};

// A native histogram, taken apart (prom_histogram.h).
struct prom_histogram {
    int64_t time_ms, start_ms;
    bool stale;
    enum metric_kind kind; // METRIC_EXPONENTIAL or METRIC_HISTOGRAM
    uint64_t count;
    double sum;
    struct str body; // see model/point.h
    struct str exemplars;
    const char *wrong; // why it cannot be kept, for people; NULL
};

#define PROM_PLACES 16

struct prom_rows {
    const struct otlp_sink *sink;
    uint64_t samples, histograms; // accepted
    uint64_t rejected;
    // Where series of one job, instance and scope go, as far as they were met lately.
    struct prom_place {
        struct str job, instance, scope, version;
        struct batch *batch;
        struct str line;
        uint32_t resource, scope_row;
    } places[PROM_PLACES];
    size_t place_count, place_next;
    // The series at hand.
    const struct prom_series *series;
    const struct prom_place *place; // NULL: it is rejected
    const char *reject;
    struct {
        uint32_t key, text;
    } attrs[POINT_ATTRS_MAX];
    uint32_t attr_count;
    struct metric metric;
    size_t metric_row; // in the batch, once there is a point; SIZE_MAX
};

// The sink's batches must not be sealed until the last sample is in.
void prom_rows_init(struct prom_rows *r, const struct otlp_sink *sink);

// The series that the next samples are of; it lives until the next call. ERR_INVALID for text that
// is not UTF-8, ERR_MEMORY, ERR_LIMIT where the batch is full: the request ends there, and the
// sink's owner rolls it back. *ret_at has the offset of the series, if nothing better.
MUST_CHECK enum err prom_rows_series(struct prom_rows *r, const struct prom_series *series,
                                     struct err_at *ret_at);

// A sample of that series: kept, or rejected. ERR_MEMORY, ERR_LIMIT as above.
MUST_CHECK enum err prom_rows_sample(struct prom_rows *r, const struct prom_sample *x,
                                     struct err_at *ret_at);
MUST_CHECK enum err prom_rows_histogram(struct prom_rows *r, const struct prom_histogram *x,
                                        struct err_at *ret_at);

#endif
