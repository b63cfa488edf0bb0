// SPDX-License-Identifier: Apache-2.0
// Purpose: what the agent is told: key=value pairs behind -agentpath:...= or `sonde attach
// --options` (commas between them), and where a key is absent OpenTelemetry's environment variables
// of the JVM.
//
//   service=NAME       OTEL_SERVICE_NAME, then service.name of OTEL_RESOURCE_ATTRIBUTES; else the
//                      main class or jar
//   endpoint=URL       OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (used as it is, without /v1/traces),
//                      OTEL_EXPORTER_OTLP_ENDPOINT; http://127.0.0.1:4318
//   token=TEXT         sent as "authorization: Bearer TEXT"; any header may stand in
//                      OTEL_EXPORTER_OTLP_TRACES_HEADERS, OTEL_EXPORTER_OTLP_HEADERS
//   attributes=k:v;k:v of the resource, percent-encoded where needed; added to those of
//                      OTEL_RESOURCE_ATTRIBUTES, which they override
//   sample=RATIO       0 to 1, of traces that begin here; what comes with a traceparent follows it.
//                      OTEL_TRACES_SAMPLER (always_on, always_off, traceidratio, parentbased_...)
//                      and OTEL_TRACES_SAMPLER_ARG; 1
//   sample_entries=GET /health=0;GET /pay/*=1   other ratios for requests with which traces begin;
//                      a star at the end stands for any rest, the first that fits counts
//   sample_rate=N      at most N new traces a second
//   max_cpu_percent=N  of the CPUs, that the agent may take; it does less before it takes more; 10
//   max_memory_mb=N    that the agent may keep; 30
//   slow_sql_ms=N      statements that take longer are marked (sonde.slow); 500
//   plugins=a:b | -a   only these, or all but those
//   logs=LEVEL         the application's log records from this level on are sent: trace, debug,
//   info,
//                      warn, error, fatal, off. OTEL_LOGS_EXPORTER (otlp: trace; none: off); off
//   logs_classes=com.shop.pay.*=debug;com.shop.Cart   other levels for loggers by their names; a
//                      star at the end stands for any rest, without a level all is sent, the first
//                      that fits counts
//   logs_rate=N        at most N log records a second; 200
//   log=...            FILE, info, warn, off: where the agent's own messages go and which;
//                      standard error, info
//
// OTEL_SDK_DISABLED=true and OTEL_TRACES_EXPORTER=none switch the agent off. OTEL_PROPAGATORS and
// OTEL_EXPORTER_OTLP_PROTOCOL are heeded only so far as what they ask for and the agent does not do
// is said.
//
// A key that is not known, or a value that cannot be, is said in the log with the name, the value
// and what is expected, and changes nothing else: an agent that refuses to start would take the
// application's monitoring with it.
#ifndef SONDE_JVM_OPTIONS_H
#define SONDE_JVM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "agents/jvm/http_post.h"
#include "agents/jvm/log_records.h"
#include "agents/jvm/sample.h"

#define OPTION_PAIRS_MAX 2048
#define OPTION_NAMES                                                                               \
    "service endpoint token attributes sample sample_entries sample_rate max_cpu_percent "         \
    "max_memory_mb slow_sql_ms plugins logs logs_classes logs_rate log"

// Keys and values, each ended by a NUL; a key stands once.
struct option_pairs {
    char text[OPTION_PAIRS_MAX];
    size_t n;
};
// The pair at *at, and moves on; false at the end. *at begins at 0.
bool option_pairs_next(const struct option_pairs *p, size_t *at, struct str *ret_key,
                       struct str *ret_value);

#define REPORT_S      5   // from one report to the next; see report.h
#define PENDING_AGE_S 300 // until a span is written whose end has not come; see pending.h

struct options {
    bool is_disabled;
    struct sample_settings sample; // its rules lie in sample_rules
    char sample_rules[1024];
    struct log_settings logs; // its rules lie in log_rules
    char log_rules[LOG_RULES_TEXT_MAX];
    double max_cpu_percent, max_memory_mb, slow_sql_ms;
    double fail_every;    // allocations; see memory.h; for tests, as are the next
    double report_s;      // see report.h
    double pending_age_s; // see pending.h
    char service[256];
    char token[256];
    char plugins[256];
    struct option_pairs attributes; // of the resource
    struct option_pairs headers;    // of each request
    struct post_target target;
    char complaint[512]; // what was wrong last, as it is logged; empty: nothing was
};

// `text` may be NULL. Sets where the log goes first; complaints go there.
void options_parse(struct options *o, const char *text);

#endif
