// SPDX-License-Identifier: Apache-2.0
// Purpose: OTLP trace and metrics requests between bytes and batches. Pure: no I/O, no clock.
// Source: opentelemetry-proto 1.5 (collector/*/v1, trace/v1, metrics/v1, common/v1, resource/v1)
// and the OTLP specification's JSON mapping (hexadecimal IDs, integers as strings or numbers, enums
// as numbers, lowerCamelCase names, unknown fields ignored).
#ifndef SONDE_WIRE_OTLP_H
#define SONDE_WIRE_OTLP_H

#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "model/batch.h"

// Nesting of AnyValue; deeper input is refused.
#define OTLP_DEPTH_MAX 32

enum otlp_signal { OTLP_TRACES, OTLP_METRICS, OTLP_LOGS };

// Where decoded records go, spans or metric points: `batch_for` gives the open batch for a business
// line (the sink keeps ownership). Called once per ResourceSpans or ResourceMetrics. Never NULL.
struct prom_family;

struct otlp_sink {
    struct batch *(*batch_for)(void *ctx, struct str line);
    // A single record that breaks the specification (no or wrong-sized trace or span ID, attributes
    // over SPAN_ATTRS_MAX; a point without a time or value, or over the limits of model/point.h):
    // it is left out and the rest of the request goes on. `message` is for people, `bytes` is the
    // record's own encoding.
    void (*reject)(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes);
    void *ctx;
    // Whether `b` may grow by up to `bytes` for the next row (model/batch.h, batch_growth()). False
    // ends the request with ERR_MEMORY. NULL: it may.
    bool (*admit)(void *ctx, struct batch *b, size_t bytes);
    // Whether spans of this trace are wanted. One that is not is passed over without a look at the
    // rest of it and told to `shed`. NULL: all are. Not for metrics.
    bool (*wants)(void *ctx, trace_id trace);
    void (*shed)(void *ctx, struct str service);
    // Where the request was translated from JSON: the offset of each record in the JSON (8 bytes
    // each), which errors then give. NULL: the request is what the sender sent.
    const struct buf *offsets;
    // Told what remote write says of metrics by their names (wire/prom_rows.h); texts live until it
    // returns. NULL: nobody wants to know.
    void (*family)(void *ctx, const struct prom_family *family);
};

struct otlp_counts {
    uint64_t accepted, rejected, shed;
};

// Decodes one ExportTraceServiceRequest. On ERR_INVALID or ERR_LIMIT (malformed bytes, wrong wire
// type, text that is not UTF-8, too deep) or ERR_MEMORY rows of this request may already stand in
// the batches: the sink's owner rolls them back (batch_mark). ret_at names the field as a path,
// "resource_spans[0].scope_spans[0].spans[3].name", and the offset of the offending byte.
// `request` must be followed by BUF_PAD readable bytes.
MUST_CHECK enum err otlp_decode_traces(struct str request, const struct otlp_sink *sink,
                                       struct otlp_counts *ret_counts, struct err_at *ret_at);

// The same for one ExportMetricsServiceRequest.
MUST_CHECK enum err otlp_decode_metrics(struct str request, const struct otlp_sink *sink,
                                        struct otlp_counts *ret_counts, struct err_at *ret_at);

// What decides whether a trace matters, of each span in order. Walks no deeper than that; malformed
// bytes end the walk (otlp_decode_traces() then says what is wrong).
struct otlp_head {
    trace_id trace;
    uint64_t duration_ns;
    bool error; // its status says so
};
void otlp_each_head(struct str request, void (*each)(void *ctx, const struct otlp_head *head),
                    void *ctx);

// Checks a metrics or logs request the same way and counts its data points or log records.
MUST_CHECK enum err otlp_count_records(enum otlp_signal signal, struct str request,
                                       uint64_t *ret_records, struct err_at *ret_at);

// Turns an OTLP/JSON request of any signal into the protobuf of the same message, so that one
// decoder serves both. ret_at has the offset in the JSON text and the JSON path of the field.
// ERR_LIMIT when the result is over out->max, ERR_MEMORY when the source of `out` refuses.
// `offsets` (may be NULL) gets the offset of each record in the text, 8 bytes each.
MUST_CHECK enum err otlp_json_to_protobuf(enum otlp_signal signal, struct str json, struct buf *out,
                                          struct buf *offsets, struct err_at *ret_at);

// The rows of one or more batches as an ExportTraceServiceRequest (protobuf), grouped by resource
// and scope as far as neighbours allow. The inverse of the decoder: decoding it gives equal rows.
void otlp_encode_traces(const struct row *rows, size_t count, struct buf *out);

// The same as OTLP/JSON.
void otlp_encode_traces_json(const struct row *rows, size_t count, struct buf *out);

// ---- Reading what batches keep in wire form -----------------------------------------------------

// Walks the OTLP AnyValue / KeyValue bytes of a stored array or list and appends it as plain JSON:
// [1,"a",{"k":true}]; bytes become {"bytes_base64":"..."}; of a key that a list has twice the first
// stands there. Bad bytes (cannot come from our own decoder) append null.
void otlp_value_json(struct str any_value, struct buf *out);

// Appends {"bytes_base64":"..."}.
void otlp_bytes_json(struct str bytes, struct buf *out);

// One attribute's value as plain JSON: "text", 12, 1.5, true, [..]. NaN and infinities are strings.
void otlp_attr_json(const struct batch *b, const struct attr *a, struct buf *out);

// Events and links of a span (concatenated messages, see model/batch.h), one call each; attribute
// bytes are handed on as concatenated length-delimited KeyValue messages for otlp_each_key_value().
struct otlp_event {
    uint64_t time_ns;
    struct str name;
    struct str attributes;
    uint32_t dropped_attributes;
};
void otlp_each_event(struct str events, void (*each)(void *ctx, const struct otlp_event *event),
                     void *ctx);

struct otlp_link {
    trace_id trace;
    span_id span;
    struct str trace_state;
    struct str attributes;
    uint32_t dropped_attributes, flags;
};
void otlp_each_link(struct str links, void (*each)(void *ctx, const struct otlp_link *link),
                    void *ctx);

// A key with a value as it lies in the wire form.
struct otlp_value {
    enum attr_type type;
    union {
        int64_t i; // also bool
        double d;
        struct str text; // string, bytes; the AnyValue's own bytes for arrays and lists
    };
};
// The elements of an array, given the AnyValue's bytes; those that are broken are left out.
void otlp_each_element(struct str any_value,
                       void (*each)(void *ctx, const struct otlp_value *value), void *ctx);

void otlp_each_key_value(struct str attributes,
                         void (*each)(void *ctx, struct str key, const struct otlp_value *value),
                         void *ctx);

#endif
