// SPDX-License-Identifier: Apache-2.0
// Purpose: the tables of OTLP's messages, one per message of the .proto files and in their order of
// field numbers. New fields of the protocol are added here; what is not listed is skipped.
#include "wire/otlp_schema.h"

#include "core/must.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
// clang-format off
#define VALUE(number, type, name, json)        {number, type, false, name, json, NULL, NULL}
#define VALUES(number, type, name, json)       {number, type, true, name, json, NULL, NULL}
#define CHOICE(number, names, name, json)      {number, OTLP_ENUM, false, name, json, NULL, &(names)}
#define MESSAGE(number, message, name, json)   {number, OTLP_MESSAGE, false, name, json, &(message), NULL}
#define MESSAGES(number, message, name, json)  {number, OTLP_MESSAGE, true, name, json, &(message), NULL}
// clang-format on

static const char *const kind_names[] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                         "CLIENT",      "PRODUCER", "CONSUMER"};
static const struct otlp_enum span_kinds = {"SPAN_KIND_", kind_names, COUNT(kind_names)};

static const char *const status_names[] = {"UNSET", "OK", "ERROR"};
static const struct otlp_enum status_codes = {"STATUS_CODE_", status_names, COUNT(status_names)};

static const char *const temporality_names[] = {"UNSPECIFIED", "DELTA", "CUMULATIVE"};
static const struct otlp_enum temporalities = {"AGGREGATION_TEMPORALITY_", temporality_names,
                                               COUNT(temporality_names)};

static const char *const severity_names[] = {
    "UNSPECIFIED", "TRACE",  "TRACE2", "TRACE3", "TRACE4", "DEBUG",  "DEBUG2", "DEBUG3", "DEBUG4",
    "INFO",        "INFO2",  "INFO3",  "INFO4",  "WARN",   "WARN2",  "WARN3",  "WARN4",  "ERROR",
    "ERROR2",      "ERROR3", "ERROR4", "FATAL",  "FATAL2", "FATAL3", "FATAL4"};
static const struct otlp_enum severities = {"SEVERITY_NUMBER_", severity_names,
                                            COUNT(severity_names)};

// These two contain what contains them.
static const struct otlp_message array_value, key_value_list;

static const struct otlp_field any_value_fields[] = {
    VALUE(1, OTLP_STRING, "string_value", "stringValue"),
    VALUE(2, OTLP_BOOL, "bool_value", "boolValue"),
    VALUE(3, OTLP_INT64, "int_value", "intValue"),
    VALUE(4, OTLP_DOUBLE, "double_value", "doubleValue"),
    MESSAGE(5, array_value, "array_value", "arrayValue"),
    MESSAGE(6, key_value_list, "kvlist_value", "kvlistValue"),
    VALUE(7, OTLP_BYTES, "bytes_value", "bytesValue"),
};
const struct otlp_message otlp_any_value = {"AnyValue", any_value_fields, COUNT(any_value_fields),
                                            .nests = true};

static const struct otlp_field array_value_fields[] = {
    MESSAGES(1, otlp_any_value, "values", "values"),
};
static const struct otlp_message array_value = {"ArrayValue", array_value_fields,
                                                COUNT(array_value_fields)};

static const struct otlp_field key_value_list_fields[] = {
    MESSAGES(1, otlp_key_value, "values", "values"),
};
static const struct otlp_message key_value_list = {"KeyValueList", key_value_list_fields,
                                                   COUNT(key_value_list_fields)};

static const struct otlp_field key_value_fields[] = {
    VALUE(1, OTLP_STRING, "key", "key"),
    MESSAGE(2, otlp_any_value, "value", "value"),
};
const struct otlp_message otlp_key_value = {"KeyValue", key_value_fields, COUNT(key_value_fields)};

static const struct otlp_field instrumentation_scope_fields[] = {
    VALUE(1, OTLP_STRING, "name", "name"),
    VALUE(2, OTLP_STRING, "version", "version"),
    MESSAGES(3, otlp_key_value, "attributes", "attributes"),
    VALUE(4, OTLP_UINT32, "dropped_attributes_count", "droppedAttributesCount"),
};
static const struct otlp_message instrumentation_scope = {
    "InstrumentationScope", instrumentation_scope_fields, COUNT(instrumentation_scope_fields)};

static const struct otlp_field resource_fields[] = {
    MESSAGES(1, otlp_key_value, "attributes", "attributes"),
    VALUE(2, OTLP_UINT32, "dropped_attributes_count", "droppedAttributesCount"),
};
static const struct otlp_message resource = {"Resource", resource_fields, COUNT(resource_fields)};

static const struct otlp_field status_fields[] = {
    VALUE(2, OTLP_STRING, "message", "message"),
    CHOICE(3, status_codes, "code", "code"),
};
static const struct otlp_message status = {"Status", status_fields, COUNT(status_fields)};

static const struct otlp_field span_event_fields[] = {
    VALUE(1, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    VALUE(2, OTLP_STRING, "name", "name"),
    MESSAGES(3, otlp_key_value, "attributes", "attributes"),
    VALUE(4, OTLP_UINT32, "dropped_attributes_count", "droppedAttributesCount"),
};
const struct otlp_message otlp_span_event = {"Event", span_event_fields, COUNT(span_event_fields)};

static const struct otlp_field span_link_fields[] = {
    VALUE(1, OTLP_ID, "trace_id", "traceId"),
    VALUE(2, OTLP_ID, "span_id", "spanId"),
    VALUE(3, OTLP_STRING, "trace_state", "traceState"),
    MESSAGES(4, otlp_key_value, "attributes", "attributes"),
    VALUE(5, OTLP_UINT32, "dropped_attributes_count", "droppedAttributesCount"),
    VALUE(6, OTLP_FIXED32, "flags", "flags"),
};
const struct otlp_message otlp_span_link = {"Link", span_link_fields, COUNT(span_link_fields)};

static const struct otlp_field span_fields[] = {
    VALUE(1, OTLP_ID, "trace_id", "traceId"),
    VALUE(2, OTLP_ID, "span_id", "spanId"),
    VALUE(3, OTLP_STRING, "trace_state", "traceState"),
    VALUE(4, OTLP_ID, "parent_span_id", "parentSpanId"),
    VALUE(5, OTLP_STRING, "name", "name"),
    CHOICE(6, span_kinds, "kind", "kind"),
    VALUE(7, OTLP_FIXED64, "start_time_unix_nano", "startTimeUnixNano"),
    VALUE(8, OTLP_FIXED64, "end_time_unix_nano", "endTimeUnixNano"),
    MESSAGES(9, otlp_key_value, "attributes", "attributes"),
    VALUE(10, OTLP_UINT32, "dropped_attributes_count", "droppedAttributesCount"),
    MESSAGES(11, otlp_span_event, "events", "events"),
    VALUE(12, OTLP_UINT32, "dropped_events_count", "droppedEventsCount"),
    MESSAGES(13, otlp_span_link, "links", "links"),
    VALUE(14, OTLP_UINT32, "dropped_links_count", "droppedLinksCount"),
    MESSAGE(15, status, "status", "status"),
    VALUE(16, OTLP_FIXED32, "flags", "flags"),
};
static const struct otlp_message span = {"Span", span_fields, COUNT(span_fields), .counts = true};

static const struct otlp_field scope_spans_fields[] = {
    MESSAGE(1, instrumentation_scope, "scope", "scope"),
    MESSAGES(2, span, "spans", "spans"),
    VALUE(3, OTLP_STRING, "schema_url", "schemaUrl"),
};
static const struct otlp_message scope_spans = {"ScopeSpans", scope_spans_fields,
                                                COUNT(scope_spans_fields)};

static const struct otlp_field resource_spans_fields[] = {
    MESSAGE(1, resource, "resource", "resource"),
    MESSAGES(2, scope_spans, "scope_spans", "scopeSpans"),
    VALUE(3, OTLP_STRING, "schema_url", "schemaUrl"),
};
static const struct otlp_message resource_spans = {"ResourceSpans", resource_spans_fields,
                                                   COUNT(resource_spans_fields)};

static const struct otlp_field traces_request_fields[] = {
    MESSAGES(1, resource_spans, "resource_spans", "resourceSpans"),
};
static const struct otlp_message traces_request = {
    "ExportTraceServiceRequest", traces_request_fields, COUNT(traces_request_fields)};

static const struct otlp_field log_record_fields[] = {
    VALUE(1, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    CHOICE(2, severities, "severity_number", "severityNumber"),
    VALUE(3, OTLP_STRING, "severity_text", "severityText"),
    MESSAGE(5, otlp_any_value, "body", "body"),
    MESSAGES(6, otlp_key_value, "attributes", "attributes"),
    VALUE(7, OTLP_UINT32, "dropped_attributes_count", "droppedAttributesCount"),
    VALUE(8, OTLP_FIXED32, "flags", "flags"),
    VALUE(9, OTLP_ID, "trace_id", "traceId"),
    VALUE(10, OTLP_ID, "span_id", "spanId"),
    VALUE(11, OTLP_FIXED64, "observed_time_unix_nano", "observedTimeUnixNano"),
    VALUE(12, OTLP_STRING, "event_name", "eventName"),
};
static const struct otlp_message log_record = {"LogRecord", log_record_fields,
                                               COUNT(log_record_fields), .counts = true};

static const struct otlp_field scope_logs_fields[] = {
    MESSAGE(1, instrumentation_scope, "scope", "scope"),
    MESSAGES(2, log_record, "log_records", "logRecords"),
    VALUE(3, OTLP_STRING, "schema_url", "schemaUrl"),
};
static const struct otlp_message scope_logs = {"ScopeLogs", scope_logs_fields,
                                               COUNT(scope_logs_fields)};

static const struct otlp_field resource_logs_fields[] = {
    MESSAGE(1, resource, "resource", "resource"),
    MESSAGES(2, scope_logs, "scope_logs", "scopeLogs"),
    VALUE(3, OTLP_STRING, "schema_url", "schemaUrl"),
};
static const struct otlp_message resource_logs = {"ResourceLogs", resource_logs_fields,
                                                  COUNT(resource_logs_fields)};

static const struct otlp_field logs_request_fields[] = {
    MESSAGES(1, resource_logs, "resource_logs", "resourceLogs"),
};
static const struct otlp_message logs_request = {"ExportLogsServiceRequest", logs_request_fields,
                                                 COUNT(logs_request_fields)};

static const struct otlp_field exemplar_fields[] = {
    VALUE(2, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    VALUE(3, OTLP_DOUBLE, "as_double", "asDouble"),
    VALUE(4, OTLP_ID, "span_id", "spanId"),
    VALUE(5, OTLP_ID, "trace_id", "traceId"),
    VALUE(6, OTLP_SFIXED64, "as_int", "asInt"),
    MESSAGES(7, otlp_key_value, "filtered_attributes", "filteredAttributes"),
};
const struct otlp_message otlp_exemplar = {"Exemplar", exemplar_fields, COUNT(exemplar_fields)};

static const struct otlp_field number_data_point_fields[] = {
    VALUE(2, OTLP_FIXED64, "start_time_unix_nano", "startTimeUnixNano"),
    VALUE(3, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    VALUE(4, OTLP_DOUBLE, "as_double", "asDouble"),
    MESSAGES(5, otlp_exemplar, "exemplars", "exemplars"),
    VALUE(6, OTLP_SFIXED64, "as_int", "asInt"),
    MESSAGES(7, otlp_key_value, "attributes", "attributes"),
    VALUE(8, OTLP_UINT32, "flags", "flags"),
};
static const struct otlp_message number_data_point = {
    "NumberDataPoint", number_data_point_fields, COUNT(number_data_point_fields), .counts = true};

static const struct otlp_field histogram_data_point_fields[] = {
    VALUE(2, OTLP_FIXED64, "start_time_unix_nano", "startTimeUnixNano"),
    VALUE(3, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    VALUE(4, OTLP_FIXED64, "count", "count"),
    VALUE(5, OTLP_DOUBLE, "sum", "sum"),
    VALUES(6, OTLP_FIXED64, "bucket_counts", "bucketCounts"),
    VALUES(7, OTLP_DOUBLE, "explicit_bounds", "explicitBounds"),
    MESSAGES(8, otlp_exemplar, "exemplars", "exemplars"),
    MESSAGES(9, otlp_key_value, "attributes", "attributes"),
    VALUE(10, OTLP_UINT32, "flags", "flags"),
    VALUE(11, OTLP_DOUBLE, "min", "min"),
    VALUE(12, OTLP_DOUBLE, "max", "max"),
};
const struct otlp_message otlp_histogram_point = {"HistogramDataPoint", histogram_data_point_fields,
                                                  COUNT(histogram_data_point_fields),
                                                  .counts = true};

static const struct otlp_field buckets_fields[] = {
    VALUE(1, OTLP_SINT32, "offset", "offset"),
    VALUES(2, OTLP_UINT64, "bucket_counts", "bucketCounts"),
};
static const struct otlp_message buckets = {"Buckets", buckets_fields, COUNT(buckets_fields)};

static const struct otlp_field exponential_data_point_fields[] = {
    MESSAGES(1, otlp_key_value, "attributes", "attributes"),
    VALUE(2, OTLP_FIXED64, "start_time_unix_nano", "startTimeUnixNano"),
    VALUE(3, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    VALUE(4, OTLP_FIXED64, "count", "count"),
    VALUE(5, OTLP_DOUBLE, "sum", "sum"),
    VALUE(6, OTLP_SINT32, "scale", "scale"),
    VALUE(7, OTLP_FIXED64, "zero_count", "zeroCount"),
    MESSAGE(8, buckets, "positive", "positive"),
    MESSAGE(9, buckets, "negative", "negative"),
    VALUE(10, OTLP_UINT32, "flags", "flags"),
    MESSAGES(11, otlp_exemplar, "exemplars", "exemplars"),
    VALUE(12, OTLP_DOUBLE, "min", "min"),
    VALUE(13, OTLP_DOUBLE, "max", "max"),
    VALUE(14, OTLP_DOUBLE, "zero_threshold", "zeroThreshold"),
};
const struct otlp_message otlp_exponential_point = {
    "ExponentialHistogramDataPoint", exponential_data_point_fields,
    COUNT(exponential_data_point_fields), .counts = true};

static const struct otlp_field value_at_quantile_fields[] = {
    VALUE(1, OTLP_DOUBLE, "quantile", "quantile"),
    VALUE(2, OTLP_DOUBLE, "value", "value"),
};
static const struct otlp_message value_at_quantile = {"ValueAtQuantile", value_at_quantile_fields,
                                                      COUNT(value_at_quantile_fields)};

static const struct otlp_field summary_data_point_fields[] = {
    VALUE(2, OTLP_FIXED64, "start_time_unix_nano", "startTimeUnixNano"),
    VALUE(3, OTLP_FIXED64, "time_unix_nano", "timeUnixNano"),
    VALUE(4, OTLP_FIXED64, "count", "count"),
    VALUE(5, OTLP_DOUBLE, "sum", "sum"),
    MESSAGES(6, value_at_quantile, "quantile_values", "quantileValues"),
    MESSAGES(7, otlp_key_value, "attributes", "attributes"),
    VALUE(8, OTLP_UINT32, "flags", "flags"),
};
const struct otlp_message otlp_summary_point = {"SummaryDataPoint", summary_data_point_fields,
                                                COUNT(summary_data_point_fields), .counts = true};

static const struct otlp_field gauge_fields[] = {
    MESSAGES(1, number_data_point, "data_points", "dataPoints"),
};
static const struct otlp_message gauge = {"Gauge", gauge_fields, COUNT(gauge_fields)};

static const struct otlp_field sum_fields[] = {
    MESSAGES(1, number_data_point, "data_points", "dataPoints"),
    CHOICE(2, temporalities, "aggregation_temporality", "aggregationTemporality"),
    VALUE(3, OTLP_BOOL, "is_monotonic", "isMonotonic"),
};
static const struct otlp_message sum = {"Sum", sum_fields, COUNT(sum_fields)};

static const struct otlp_field histogram_fields[] = {
    MESSAGES(1, otlp_histogram_point, "data_points", "dataPoints"),
    CHOICE(2, temporalities, "aggregation_temporality", "aggregationTemporality"),
};
static const struct otlp_message histogram = {"Histogram", histogram_fields,
                                              COUNT(histogram_fields)};

static const struct otlp_field exponential_histogram_fields[] = {
    MESSAGES(1, otlp_exponential_point, "data_points", "dataPoints"),
    CHOICE(2, temporalities, "aggregation_temporality", "aggregationTemporality"),
};
static const struct otlp_message exponential_histogram = {
    "ExponentialHistogram", exponential_histogram_fields, COUNT(exponential_histogram_fields)};

static const struct otlp_field summary_fields[] = {
    MESSAGES(1, otlp_summary_point, "data_points", "dataPoints"),
};
static const struct otlp_message summary = {"Summary", summary_fields, COUNT(summary_fields)};

static const struct otlp_field metric_fields[] = {
    VALUE(1, OTLP_STRING, "name", "name"),
    VALUE(2, OTLP_STRING, "description", "description"),
    VALUE(3, OTLP_STRING, "unit", "unit"),
    MESSAGE(5, gauge, "gauge", "gauge"),
    MESSAGE(7, sum, "sum", "sum"),
    MESSAGE(9, histogram, "histogram", "histogram"),
    MESSAGE(10, exponential_histogram, "exponential_histogram", "exponentialHistogram"),
    MESSAGE(11, summary, "summary", "summary"),
    MESSAGES(12, otlp_key_value, "metadata", "metadata"),
};
static const struct otlp_message metric = {"Metric", metric_fields, COUNT(metric_fields)};

static const struct otlp_field scope_metrics_fields[] = {
    MESSAGE(1, instrumentation_scope, "scope", "scope"),
    MESSAGES(2, metric, "metrics", "metrics"),
    VALUE(3, OTLP_STRING, "schema_url", "schemaUrl"),
};
static const struct otlp_message scope_metrics = {"ScopeMetrics", scope_metrics_fields,
                                                  COUNT(scope_metrics_fields)};

static const struct otlp_field resource_metrics_fields[] = {
    MESSAGE(1, resource, "resource", "resource"),
    MESSAGES(2, scope_metrics, "scope_metrics", "scopeMetrics"),
    VALUE(3, OTLP_STRING, "schema_url", "schemaUrl"),
};
static const struct otlp_message resource_metrics = {"ResourceMetrics", resource_metrics_fields,
                                                     COUNT(resource_metrics_fields)};

static const struct otlp_field metrics_request_fields[] = {
    MESSAGES(1, resource_metrics, "resource_metrics", "resourceMetrics"),
};
static const struct otlp_message metrics_request = {
    "ExportMetricsServiceRequest", metrics_request_fields, COUNT(metrics_request_fields)};

const struct otlp_message *otlp_request(enum otlp_signal signal)
{
    switch (signal) {
    case OTLP_TRACES:
        return &traces_request;
    case OTLP_METRICS:
        return &metrics_request;
    case OTLP_LOGS:
        return &logs_request;
    }
    MUST(false);
    return NULL;
}

const struct otlp_field *otlp_field_by_number(const struct otlp_message *m, uint32_t number)
{
    ASSERT(m != NULL);
    // Where the numbers have no gap, as in most messages, the field lies at its number.
    if (number - 1 < m->field_count && m->fields[number - 1].number == number) {
        return &m->fields[number - 1];
    }
    for (size_t i = 0; i < m->field_count; i++) {
        if (m->fields[i].number == number) {
            return &m->fields[i];
        }
    }
    return NULL;
}
