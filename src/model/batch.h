// SPDX-License-Identifier: Apache-2.0
// Purpose: the span batch, the currency of the whole server. Whatever arrives is decoded into a
// batch; the journal stores batches; the hot store is a list of batches; the part writer takes rows
// of batches; a part reader gives batches back; queries evaluate rows of batches.
//
// Shape
//   strings    every distinct text of the batch, with its hash; everything else names a string by
//              its code (index). Code 0 is always the empty string.
//   attrs      one flat array; a resource, scope or span names a run of it. Order and duplicates
//              are kept as received.
//   resources, scopes, spans   plain arrays of rows.
//   metrics, points            of a metrics request, see model/point.h; most batches have spans or
//                              points, not both.
// Values that are not scalar (arrays, key-value lists) are kept as the bytes of OTLP's protobuf
// AnyValue message, and a span's events and links as concatenated length-delimited OTLP Span.Event
// and Span.Link messages (each: varint length, then the message): the wire form is the canonical
// form, complete by construction, and wire/otlp.h reads it back for display and for filters.
//
// Business line: a batch belongs to exactly one (service.namespace of its resources, "" when
// absent), because storage and retention are separate per line.
//
// Life: batch_new() gives one reference and a batch open for appending by one thread. After
// batch_seal() it is immutable and any thread may read it. The last batch_unref() frees it; what it
// holds is in its arena. String bytes may also lie in memory that `keep` keeps alive (a part's
// dictionary).
//
// Uniqueness: strings added with batch_intern() are unique in the batch; strings added with
// batch_add_string() (part readers) may repeat. Never compare codes of different batches, and
// compare codes within one batch only where `unique_strings` is true.
#ifndef SONDE_MODEL_BATCH_H
#define SONDE_MODEL_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "model/ids.h"

#define BATCH_SPANS_MAX   ((size_t)1 << 20) // rows of one batch
#define BATCH_POINTS_MAX  ((size_t)1 << 20)
#define BATCH_STRINGS_MAX ((size_t)1 << 24)
#define SPAN_ATTRS_MAX    ((size_t)1024) // of one span, resource or scope; more are refused

// The types of OTLP's AnyValue. The numbers are stored: never change them.
enum attr_type {
    ATTR_EMPTY = 0, // an AnyValue without a value
    ATTR_STRING = 1,
    ATTR_BOOL = 2,
    ATTR_INT = 3,
    ATTR_DOUBLE = 4,
    ATTR_ARRAY = 5,  // bytes of the AnyValue
    ATTR_KVLIST = 6, // bytes of the AnyValue
    ATTR_BYTES = 7,
    ATTR_TYPE_COUNT
};

// Types whose value is a string code.
static inline bool attr_type_is_text(uint32_t type)
{
    return type == ATTR_STRING || type >= ATTR_ARRAY;
}

struct attr {
    uint32_t key;  // string code
    uint32_t type; // enum attr_type
    union {
        uint64_t bits; // any of the below, as stored
        uint64_t code; // text types
        int64_t i;     // ATTR_INT; ATTR_BOOL as 0 or 1
        double d;
    };
};
_Static_assert(sizeof(struct attr) == 16, "attributes are packed");

// Run of `attrs`.
struct attr_run {
    uint32_t first, count;
};

struct resource {
    struct attr_run attrs;
    uint32_t dropped_attrs;
    uint32_t schema_url; // string code of ResourceSpans.schema_url
    uint32_t service;    // string code of service.name; "unknown_service" where it is absent
};

struct scope {
    struct attr_run attrs;
    uint32_t dropped_attrs;
    uint32_t name, version;
    uint32_t schema_url; // of ScopeSpans
};

// OTLP's numbers.
enum span_kind {
    KIND_UNSPECIFIED,
    KIND_INTERNAL,
    KIND_SERVER,
    KIND_CLIENT,
    KIND_PRODUCER,
    KIND_CONSUMER,
    KIND_COUNT
};
enum span_status { STATUS_UNSET, STATUS_OK, STATUS_ERROR, STATUS_COUNT };

// The words of the filter language and the API: "server", "error". Static storage.
const char *span_kind_name(unsigned kind);
const char *span_status_name(unsigned status);

struct span {
    trace_id trace;
    span_id id;
    span_id parent;       // all zero: a root
    uint64_t start_ns;    // Unix time
    uint64_t duration_ns; // end - start; 0 where the end lies before the start (`end_before_start`)
    uint32_t resource, scope; // index
    uint32_t name;            // string code
    uint32_t status_message;  // string code
    uint32_t trace_state;     // string code
    uint32_t events, links;   // string codes of concatenated messages, see above
    struct attr_run attrs;
    uint32_t dropped_attrs, dropped_events, dropped_links;
    uint32_t flags;           // W3C trace flags and OTLP's remote bits
    uint8_t kind;             // enum span_kind
    uint8_t status;           // enum span_status
    uint8_t end_before_start; // 1 when the sender's end lay before its start
    uint8_t spare;
};

// Kinds and temporalities of metrics, by OTLP's numbers where it has any. Stored: never change
// them.
enum metric_kind {
    METRIC_GAUGE = 1,
    METRIC_SUM = 2,
    METRIC_HISTOGRAM = 3,
    METRIC_EXPONENTIAL = 4,
    METRIC_SUMMARY = 5,
    METRIC_SERIES = 6, // not OTLP's: a number of one series of Prometheus, see model/point.h
    METRIC_KIND_END
};
// Points of these have a count, and no value.
static inline bool metric_kind_has_count(unsigned kind)
{
    return kind >= METRIC_HISTOGRAM && kind <= METRIC_SUMMARY;
}

enum temporality {
    TEMPORALITY_UNSPECIFIED, // of gauges and summaries
    TEMPORALITY_DELTA,
    TEMPORALITY_CUMULATIVE,
    TEMPORALITY_COUNT
};

struct metric {
    uint32_t name, description, unit; // string codes
    uint8_t kind;                     // enum metric_kind
    uint8_t temporality;              // enum temporality
    uint8_t monotonic;                // of sums and series: 0 or 1
    uint8_t spare;
};

// What a point says beside its count.
enum {
    POINT_INT = 1, // of gauges and sums: the value is `i`
    POINT_SUM = 2, // of the others
    POINT_MIN = 4,
    POINT_MAX = 8,
    POINT_NO_VALUE = 16, // none was recorded: its numbers say nothing
    POINT_SAYS = 31
};

struct point {
    uint64_t start_ns, time_ns; // Unix time; start_ns 0: not known
    union {
        uint64_t bits;
        int64_t i;
        double d;
        uint64_t count; // of histograms and summaries
    };
    double sum, min, max;
    uint32_t metric, resource, scope; // index
    struct attr_run attrs;
    uint32_t body, exemplars; // string codes, see model/point.h
    uint32_t flags;           // OTLP's
    uint8_t says;             // POINT_*
};

struct batch {
    atomic_int refs;
    bool sealed;
    bool unique_strings;
    struct str line;      // business line
    uint64_t received_ns; // wall clock at the door
    uint64_t seq;         // journal sequence number once it is durable; 0 before

    struct str *strings;
    uint64_t *hashes; // str_hash() of each string
    size_t string_count, string_capacity;
    uint64_t *index;   // open addressing over strings, see batch.c
    size_t index_size; // power of two

    struct attr *attrs;
    size_t attr_count, attr_capacity;
    struct resource *resources;
    size_t resource_count, resource_capacity;
    struct scope *scopes;
    size_t scope_count, scope_capacity;
    struct span *spans;
    size_t span_count, span_capacity;
    struct metric *metrics;
    size_t metric_count, metric_capacity;
    struct point *points;
    size_t point_count, point_capacity;

    uint64_t min_start_ns, max_start_ns; // over the spans; set by batch_seal()

    struct arena arena;
    void *keep; // released with keep_release(keep) when the batch is freed
    void (*keep_release)(void *keep);
};

struct batch *batch_new(struct str line);
struct batch *batch_ref(struct batch *b);
void batch_unref(struct batch *b);

// Ends appending: computes the time range and frees the string index.
void batch_seal(struct batch *b);

// Heap bytes that the batch holds, for the memory budget.
size_t batch_bytes(const struct batch *b);

// Heap bytes that are allocated at most when one more row of each kind but points and metrics (but
// spans) is appended whose encoding has `bytes` bytes: arrays that grow (the old one lives until
// the new one is filled), the string index, the arena. 0 while what the batch has is enough.
size_t batch_growth(const struct batch *b, size_t bytes);
size_t batch_growth_of_points(const struct batch *b, size_t bytes);

// The code of a string, copied in when it is new. Requires unique_strings.
uint32_t batch_intern(struct batch *b, struct str s);

// The same for text that came from a peer: false, and nothing is added, when it is not UTF-8. Only
// a string that is not known as text yet is looked at.
MUST_CHECK bool batch_intern_text(struct batch *b, struct str s, uint32_t *ret_code);

// Adds a string without looking for an equal one and without copying: the bytes live in b->arena or
// in what b->keep holds. Clears unique_strings.
uint32_t batch_add_string(struct batch *b, struct str s, uint64_t hash);

// Append one zeroed row and return it; the pointer is valid until the next append of that kind.
struct attr *batch_add_attr(struct batch *b) __attribute__((returns_nonnull));
struct resource *batch_add_resource(struct batch *b) __attribute__((returns_nonnull));
struct scope *batch_add_scope(struct batch *b) __attribute__((returns_nonnull));
struct span *batch_add_span(struct batch *b) __attribute__((returns_nonnull));
struct metric *batch_add_metric(struct batch *b) __attribute__((returns_nonnull));
struct point *batch_add_point(struct batch *b) __attribute__((returns_nonnull));

static inline struct str batch_str(const struct batch *b, uint64_t code)
{
    return b->strings[code];
}

// The first attribute of the run with this key, or NULL.
const struct attr *batch_find_attr(const struct batch *b, struct attr_run run, struct str key);

static inline const struct resource *batch_resource(const struct batch *b, const struct span *s)
{
    return &b->resources[s->resource];
}

// Where a batch stands, so that a request that proves bad halfway leaves no row behind. Strings
// interned since stay; they harm nothing.
struct batch_mark {
    size_t attrs, resources, scopes, spans, metrics, points;
};
struct batch_mark batch_mark(const struct batch *b);
void batch_rollback(struct batch *b, struct batch_mark mark);

// One row of one batch, by reference; does not own the batch.
struct row {
    const struct batch *batch;
    uint32_t index;
};

static inline const struct span *row_span(struct row r)
{
    return &r.batch->spans[r.index];
}

// The store's order: trace ID, start, then span ID.
int row_cmp(struct row a, struct row b);

#endif
