// SPDX-License-Identifier: Apache-2.0
// Purpose: what senders call the measures of machines and processes: OpenTelemetry's semantic
// conventions, those of before (1.20), Micrometer's and Prometheus' client libraries, node-exporter
// and the collector's host receiver. And which metrics are nobody's business but the machine's.
#ifndef SONDE_QUERY_MACHINE_SOURCES_H
#define SONDE_QUERY_MACHINE_SOURCES_H

#include "query/machine.h"

enum machine_how {
    SOURCE_SUM,      // of the series of an instance
    SOURCE_MOST,     // of the greatest of them
    SOURCE_RATE,     // growth by second, of all its series
    SOURCE_FREE,     // 1 - the sum
    SOURCE_IDLE,     // 1 - the mean of the series, one for each CPU
    SOURCE_IDLE_RATE // 1 - growth by second, by series
};

struct machine_source {
    enum machine_measure measure;
    enum machine_how how;
    struct str name;
    struct series_label only; // that series must have; no key: all of them count
    struct str whole;         // of this metric, of the same label, it is a share; empty: of none
    double unit;              // that it counts in; 0: 1
};

// Those of one measure stand together, the first choice first.
extern const struct machine_source machine_sources[];
extern const size_t machine_source_count;

// Whose values are read, and by which steps.
struct machine_reading {
    struct series_store *store;
    bool any_line;
    struct str line, service; // service.p == NULL: of any
    size_t instances_max;
    uint64_t from_ms, to_ms, step_ms;
    struct query_control *control;
};

// What an instance has of a source; texts live until `each` returns.
struct machine_value {
    struct str instance;
    double mean, max;
    uint64_t max_ms;
};

// Calls `each` for every instance that has values, in order of name. ERR_LIMIT for more than
// instances_max; else as points_run(), but what is of another kind than the source is passed over.
// Adds to *damaged_parts.
MUST_CHECK enum err machine_read(const struct machine_reading *r, const struct machine_source *s,
                                 void (*each)(void *ctx, const struct machine_value *value),
                                 void *ctx, uint64_t *damaged_parts);

// Whether a metric of this name is one of a machine, a runtime, a protocol or a collector.
bool machine_is_common(struct str name);

#endif
