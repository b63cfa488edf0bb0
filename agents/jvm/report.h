// SPDX-License-Identifier: Apache-2.0
// Purpose: what the agent tells in numbers every REPORT_S: the JVM (jvm_metrics.h), what
// was called (red.h), and the span-flow ledger of the agent itself, by OpenTelemetry's conventions
// for SDK metrics:
//
//   otel.sdk.span.started               by otel.span.sampling_result: what was begun
//   otel.sdk.span.live                  sampled, begun and not ended
//   otel.sdk.processor.span.processed   ended and sampled; error.type says why one was not queued:
//                                       queue_full, queue_busy, no_memory, abandoned
//   otel.sdk.exporter.span.exported     taken by the server; error.type: refused, rejected (in
//                                       part), unsent (left when the agent ended)
//   otel.sdk.log.created                log records that were chosen, where any are
//   otel.sdk.processor.log.processed    error.type: rate_limited, queue_full, no_memory
//   otel.sdk.exporter.log.exported      as of spans
//   sonde.agent.span.pending            those that end on another thread or later, by now
//   sonde.agent.span.ended_early        such as were written before their end was known: after
//                                       PENDING_AGE_S, or because PENDING_MAX waited
//   sonde.agent.shortfall               where less is told than is meant to be (shortfall.h)
//   sonde.agent.effort, .cpu.time, .cpu.utilization, .memory.used, .probe.skipped
//
// All sums are cumulative: a report that does not arrive is made up for by the next one. A thread
// of its own, attached to the JVM as a daemon, reads and posts; its messages have REPORT_BYTES_MAX.
#ifndef SONDE_JVM_REPORT_H
#define SONDE_JVM_REPORT_H

#include <jvmti.h>

#include "agents/jvm/sender.h"

#define REPORT_BYTES_MAX ((size_t)512 << 10)

// Starts the thread; false when memory or threads are out. Copies what it needs of the options.
bool report_start(JavaVM *vm, jvmtiEnv *jvmti, const struct options *o,
                  const struct java_facts *java);

// Sends a last report and ends the thread; false when it has not ended within `limit_ms`.
bool report_stop(unsigned limit_ms);

#endif
