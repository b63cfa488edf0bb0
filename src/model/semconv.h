// SPDX-License-Identifier: Apache-2.0
// Purpose: names from the OpenTelemetry semantic conventions that the server itself reads.
// Source: opentelemetry.io/docs/specs/semconv (1.27).
#ifndef SONDE_MODEL_SEMCONV_H
#define SONDE_MODEL_SEMCONV_H

#include "core/str.h"

#define SEM_SERVICE_NAME        STR("service.name")
#define SEM_SERVICE_NAMESPACE   STR("service.namespace") // the business line
#define SEM_SERVICE_INSTANCE_ID STR("service.instance.id")
#define SEM_HOST_NAME           STR("host.name")
#define SEM_HOST_ID             STR("host.id")   // where no name is given
#define SEM_HOST_RACK           STR("host.rack") // ours: no convention has one
#define SEM_PROCESS_PID         STR("process.pid")
#define SEM_ENVIRONMENT         STR("deployment.environment.name")
#define SEM_AVAILABILITY_ZONE   STR("cloud.availability_zone") // the data centre
#define SEM_SDK_NAME            STR("telemetry.sdk.name")
#define SEM_REGION              STR("cloud.region") // where no zone is given

// The SDK of senders that tell traces.span.metrics.duration, of all that they follow.
#define SEM_SDK_COUNTS STR("sonde-jvm")

// What the specification tells SDKs to use where service.name is absent.
#define SEM_UNKNOWN_SERVICE STR("unknown_service")

#endif
