// SPDX-License-Identifier: Apache-2.0
// Purpose: what a batch keeps of a histogram or summary point in wire form (model/point.h), read
// back. Pure. Source: opentelemetry/proto/metrics/v1/metrics.proto.
#ifndef SONDE_WIRE_OTLP_POINT_H
#define SONDE_WIRE_OTLP_POINT_H

#include "model/point.h"

// Walks the buckets of a point of an explicit or exponential histogram in ascending order: calls
// `each` (may be NULL) with an upper bound, and how many values lie at or below it. The last one,
// above which there is nothing, is not among them: it is the point's count. Returns NULL, or what
// is wrong with the point, for people; then `each` was not called.
const char *otlp_point_buckets(enum metric_kind kind, struct str body,
                               void (*each)(void *ctx, double bound, uint64_t count), void *ctx);

// The same for the quantiles of a summary, as they were sent.
const char *otlp_point_quantiles(struct str body,
                                 void (*each)(void *ctx, double quantile, double value), void *ctx);

// How many messages lie in concatenated exemplars.
size_t otlp_point_exemplars(struct str exemplars);

#endif
