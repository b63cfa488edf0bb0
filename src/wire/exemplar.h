// SPDX-License-Identifier: Apache-2.0
// Purpose: the exemplars that a batch keeps of a point in wire form (model/point.h), written and
// read. Pure. Sources: Exemplar of opentelemetry/proto/metrics/v1/metrics.proto; OpenMetrics 1.0,
// whose exemplars name their trace and span by the labels trace_id and span_id in hexadecimal.
#ifndef SONDE_WIRE_EXEMPLAR_H
#define SONDE_WIRE_EXEMPLAR_H

#include "core/buf.h"
#include "model/ids.h"

#define EXEMPLAR_BYTES_MAX ((size_t)48) // of one that is written here

struct wire_exemplar {
    uint64_t time_ns;
    double value;
    trace_id trace; // zero: not told
    span_id span;
};

// Takes the trace or span of a label of OpenMetrics; passes over any other, and what is no ID.
void exemplar_take_label(struct wire_exemplar *e, struct str name, struct str value);

// Appends one, as a length and a message.
void exemplar_put(struct buf *out, const struct wire_exemplar *e);

// Calls `each` (may be NULL) with those of a point, in order. Returns how many there are.
size_t exemplar_each(struct str exemplars, void (*each)(void *ctx, const struct wire_exemplar *e),
                     void *ctx);

#endif
