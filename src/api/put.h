// SPDX-License-Identifier: Apache-2.0
// Purpose: a key with its value, the way most of the API's JSON is written.
#ifndef SONDE_API_PUT_H
#define SONDE_API_PUT_H

#include <math.h>

#include "core/str.h"
#include "model/ids.h"
#include "query/node.h"
#include "query/points.h"
#include "wire/json_writer.h"

static inline void put_str(struct json_writer *w, const char *key, struct str value)
{
    json_put_key(w, key);
    json_put_str(w, value);
}

static inline void put_u64(struct json_writer *w, const char *key, uint64_t value)
{
    json_put_key(w, key);
    json_put_u64(w, value);
}

// A duration, which senders may say is anything: at most INT64_MAX, as far as integers of most
// readers go.
static inline void put_ns(struct json_writer *w, const char *key, uint64_t ns)
{
    json_put_key(w, key);
    json_put_u64(w, ns < INT64_MAX ? ns : INT64_MAX);
}

static inline void put_i64(struct json_writer *w, const char *key, int64_t value)
{
    json_put_key(w, key);
    json_put_i64(w, value);
}

static inline void put_double(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_double(w, value);
}

// What has no value is null.
static inline void put_number(struct json_writer *w, const char *key, double v)
{
    json_put_key(w, key);
    if (isfinite(v)) {
        json_put_double(w, v);
    } else {
        json_put_null(w);
    }
}

static inline void put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

// Nanoseconds as milliseconds with their microseconds as fraction, which a double holds exactly.
static inline void put_ms(struct json_writer *w, const char *key, uint64_t ns)
{
    uint64_t us = ns / 1000;
    json_put_key(w, key);
    json_put_double(w, (double)us / 1000.0);
}

static inline void put_trace_id(struct json_writer *w, const char *key, trace_id id)
{
    char text[TRACE_ID_HEX + 1];
    trace_id_hex(id, text);
    put_str(w, key, (struct str){text, TRACE_ID_HEX});
}

// Absent IDs (a root's parent) are the empty text.
static inline void put_span_id(struct json_writer *w, const char *key, span_id id)
{
    char text[SPAN_ID_HEX + 1];
    span_id_hex(id, text);
    put_str(w, key, (struct str){text, span_id_is_zero(id) ? 0 : SPAN_ID_HEX});
}

// The range that calls were added up over, and whether parts of it could not be read.
static inline void put_range(struct json_writer *w, uint64_t from_ms, uint64_t to_ms,
                             uint64_t damaged_parts)
{
    put_u64(w, "from_unix_ms", from_ms);
    put_u64(w, "to_unix_ms", to_ms);
    put_bool(w, "partial", damaged_parts > 0);
}

static inline void put_node_names(struct json_writer *w, const struct node *n)
{
    put_str(w, "kind", n->kind);
    put_str(w, "namespace", n->line);
    put_str(w, "service", n->service);
    put_str(w, "name", n->name);
}

// What is said of a metric, in JSON's objects: type, unit and help. `unit` is that of its series.
struct metric_said {
    enum points_kind kind; // POINTS_NONE: nothing
    struct str unit, help;
};

static inline void put_metric_said(struct json_writer *w, enum points_kind kind, struct str unit,
                                   const struct metric_said *said)
{
    put_str(w, "type", str_of(points_kind_name(points_said(kind, said->kind))));
    put_str(w, "unit", unit.n > 0 ? unit : said->unit);
    put_str(w, "help", said->help);
}

// One of a list of metrics.
static inline void put_metric_name(struct json_writer *w, const struct points_name *n,
                                   const struct metric_said *said)
{
    json_put_object(w);
    put_str(w, "name", n->name);
    put_metric_said(w, n->kind, n->unit, said);
    put_u64(w, "series", n->series);
    json_put_object_end(w);
}

// The same, and its ID.
static inline void put_node_identity(struct json_writer *w, const struct node *n)
{
    struct arena arena = {0};
    put_str(w, "id", node_id(&arena, n));
    put_node_names(w, n);
    arena_done(&arena);
}

#endif
