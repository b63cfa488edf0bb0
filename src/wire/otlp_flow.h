// SPDX-License-Identifier: Apache-2.0
// Purpose: what an SDK or agent tells of the spans that it made, out of a metrics request: how many
// were begun, left out by sampling, lost before they were sent, and sent. OpenTelemetry's semantic
// conventions for SDK metrics name them:
//
//   otel.sdk.span.started               otel.span.sampling_result: DROP, RECORD_ONLY or
//                                       RECORD_AND_SAMPLE
//   otel.sdk.span.live
//   otel.sdk.processor.span.processed   error.type: why one was not handed on
//   otel.sdk.exporter.span.exported     error.type: why one was not taken
//
// All but `live` are totals since the sender's start, when it is cumulative; points of delta
// temporality are left out, as is what is no span's.
#ifndef SONDE_WIRE_OTLP_FLOW_H
#define SONDE_WIRE_OTLP_FLOW_H

#include <stdint.h>

#include "core/str.h"

#define FLOW_PART_REASONS_MAX 8 // of the processor, and of the exporter
#define FLOW_REASONS_MAX      (2 * FLOW_PART_REASONS_MAX)
#define FLOW_REASON_MAX       ((size_t)32) // bytes of a reason's name; longer ones are cut

// The four metrics; a message may hold some of them alone.
enum flow_part { FLOW_STARTED = 1, FLOW_LIVE = 2, FLOW_PROCESSED = 4, FLOW_EXPORTED = 8 };

struct flow_reason {
    struct str name;
    uint64_t count;
    enum flow_part part; // FLOW_PROCESSED or FLOW_EXPORTED
};

struct span_flow {
    struct str service, instance, sdk; // service.name, service.instance.id, telemetry.sdk.name
    unsigned parts;                    // of enum flow_part: what is told; the others' numbers are 0
    uint64_t sampled, not_sampled, live, processed, exported;
    struct flow_reason dropped[FLOW_REASONS_MAX]; // by the processor and the exporter
    unsigned dropped_count;
};

// Calls `each` for every resource that tells of its spans. The request is one that
// otlp_count_records() has found whole; its bytes are what the texts point into.
void otlp_read_flow(struct str request, void (*each)(void *ctx, const struct span_flow *flow),
                    void *ctx);

#endif
