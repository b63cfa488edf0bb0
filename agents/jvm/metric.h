// SPDX-License-Identifier: Apache-2.0
// Purpose: writing simple OTLP metrics, gauges and sums, into a message of the agent's. A metric
// that does not fit is taken back as a whole and counted; the message stays valid.
// Source: opentelemetry/proto/metrics/v1.
#ifndef SONDE_JVM_METRIC_H
#define SONDE_JVM_METRIC_H

#include "agents/jvm/otlp.h"

enum metric_kind {
    METRIC_GAUGE,
    METRIC_SUM,     // up and down: what is there now
    METRIC_COUNTER, // since the start
    METRIC_SUMMED,  // a histogram without buckets: how many, and their sum
};

struct metric_writer {
    struct otlp *o;
    uint64_t start_unix_ns, now_unix_ns;
    unsigned left_out;
    // Of the metric being written.
    size_t before, metric, data;
    enum metric_kind kind;
};

struct metric_attribute {
    const char *key;
    struct str value;
};

void metric_begin(struct metric_writer *w, const char *name, const char *unit,
                  enum metric_kind kind);
// Points of the metric; attributes with an empty value are left out.
void metric_int(struct metric_writer *w, int64_t value, const struct metric_attribute *attributes,
                unsigned n);
void metric_double(struct metric_writer *w, double value, const struct metric_attribute *attributes,
                   unsigned n);
void metric_summed(struct metric_writer *w, uint64_t count, double sum,
                   const struct metric_attribute *attributes, unsigned n);
void metric_end(struct metric_writer *w);

// A metric of one point without attributes.
void metric_one(struct metric_writer *w, const char *name, const char *unit, enum metric_kind kind,
                int64_t value);

#endif
