// SPDX-License-Identifier: Apache-2.0
// Purpose: OTLP's messages as tables: what the checker and the JSON transcoder walk by. Private to
// src/wire.
// Source: opentelemetry-proto 1.5 (collector/*/v1, trace/v1, metrics/v1, logs/v1, common/v1,
// resource/v1).
#ifndef SONDE_WIRE_OTLP_SCHEMA_H
#define SONDE_WIRE_OTLP_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#include "wire/otlp.h"

enum otlp_type {
    OTLP_STRING,
    OTLP_BYTES,
    OTLP_ID, // bytes that JSON writes in hexadecimal
    OTLP_BOOL,
    OTLP_INT64,
    OTLP_UINT64,
    OTLP_UINT32,
    OTLP_SINT32,
    OTLP_FIXED64,
    OTLP_SFIXED64,
    OTLP_FIXED32,
    OTLP_DOUBLE,
    OTLP_ENUM,
    OTLP_MESSAGE,
};

struct otlp_message;

// What an enum's names begin with, and the rest of each name by its number.
struct otlp_enum {
    const char *prefix;
    const char *const *names;
    size_t count;
};

struct otlp_field {
    uint8_t number;
    uint8_t type; // enum otlp_type
    bool repeated;
    const char *name;              // snake_case, as in the .proto file
    const char *json_name;         // lowerCamelCase
    const struct otlp_message *of; // OTLP_MESSAGE
    const struct otlp_enum *names; // OTLP_ENUM
};

struct otlp_message {
    const char *name;
    const struct otlp_field *fields;
    size_t field_count;
    bool counts; // a record: a span, a log record, a data point
    bool nests;  // an AnyValue: what OTLP_DEPTH_MAX limits
};

extern const struct otlp_message otlp_any_value, otlp_key_value, otlp_span_event, otlp_span_link;
extern const struct otlp_message otlp_exemplar, otlp_histogram_point, otlp_exponential_point,
    otlp_summary_point;

// The export request of a signal.
const struct otlp_message *otlp_request(enum otlp_signal signal);

// NULL when the message has no such field.
const struct otlp_field *otlp_field_by_number(const struct otlp_message *m, uint32_t number);

#endif
