// SPDX-License-Identifier: Apache-2.0
// Purpose: what the agent is told: key=value pairs behind -agentpath:...= (commas between them),
// and where a key is absent OpenTelemetry's environment variables.
//
//   service=NAME       OTEL_SERVICE_NAME, then service.name of OTEL_RESOURCE_ATTRIBUTES; else the
//                      main class or jar
//   endpoint=URL       OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (used as it is, without /v1/traces),
//                      OTEL_EXPORTER_OTLP_ENDPOINT; http://127.0.0.1:4318
//   token=TEXT         sent as "authorization: Bearer TEXT"
//   plugins=a:b | -a   only these, or all but those
//   log=FILE | off     where the agent's own messages go; standard error
//   attributes=k:v;k:v added to OTEL_RESOURCE_ATTRIBUTES
//
// A key that is not known, or a value that cannot be, is said in the log and changes nothing else:
// an agent that refuses to start would take the application's monitoring with it.
#ifndef SONDE_JVM_OPTIONS_H
#define SONDE_JVM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "agents/jvm/http_post.h"

#define OPTION_TEXT_MAX 1024

struct options {
    char service[256];
    char attributes[OPTION_TEXT_MAX]; // of the resource, as OTEL_RESOURCE_ATTRIBUTES has them
    char token[256];
    char plugins[256];
    char log[512];
    struct post_target target;
};

// `text` may be NULL. Complaints go to agent_log().
void options_parse(struct options *o, const char *text);

#endif
