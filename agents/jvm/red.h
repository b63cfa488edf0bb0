// SPDX-License-Identifier: Apache-2.0
// Purpose: rate, errors and duration of everything that is called, counted before sampling: exact
// however few traces are kept. One series for each name and kind of span and its outcome, as the
// span metrics of OpenTelemetry's collector have them: traces.span.metrics.duration, an exponential
// histogram in nanoseconds, cumulative since it was first counted for, with span.name, span.kind
// and status.code. What a trace of this process begins with, and no call from outside, is a series
// of its own, with sonde.span.entry: servers and consumers are entries anyway, so that those and
// these are what was called of the service.
//
// Buckets are those of OTLP's exponential histogram at scale 6: bounds grow by 2^(1/64), so that a
// quantile is off by 0.55 % at most, and the server adds them up as they are (core/hist.h). Source:
// opentelemetry/proto/metrics/v1, and the data model's "Exponential Scale".
//
// There are RED_SERIES_MAX series; names beyond them are counted together, one series for each
// kind, entry and outcome, under the name RED_OTHER. Any thread; adding takes a few atomic
// additions.
#ifndef SONDE_JVM_RED_H
#define SONDE_JVM_RED_H

#include "agents/jvm/otlp.h"

#define RED_SERIES_MAX 512
#define RED_NAME_MAX   128 // as long as a span's name may be
#define RED_OTHER      "(others)"
#define RED_SCALE      6
#define RED_BUCKETS    2560 // from 1 ns to 2^40 ns, 18 minutes; what is longer is in the last

// `kind` as in OTLP's Span; is_root: it has no parent.
void red_add(struct str name, unsigned kind, bool is_root, bool is_error, uint64_t duration_ns);

// Appends the metric, as a field of ScopeMetrics, with all series; the first ones that fit.
void red_write(struct otlp *o, uint64_t now_unix_ns);

// The bucket of a duration: 0 to RED_BUCKETS - 1; bucket i holds (2^(i/64), 2^((i+1)/64)].
unsigned red_bucket(uint64_t duration_ns);

// Forgets everything: the agent stops.
void red_done(void);

#endif
