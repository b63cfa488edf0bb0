// SPDX-License-Identifier: Apache-2.0
// Purpose: what a batch keeps of a histogram or summary point in wire form (model/point.h), read
// back. Pure. Source: opentelemetry/proto/metrics/v1/metrics.proto.
#ifndef SONDE_WIRE_OTLP_POINT_H
#define SONDE_WIRE_OTLP_POINT_H

#include "model/exponential.h"
#include "model/point.h"

// What is wrong with a point of a histogram or summary, for people; NULL when nothing is. Those
// below return the same, and where something is wrong call nobody.
const char *otlp_point_check(enum metric_kind kind, struct str body);

// Walks the buckets of a point of an explicit histogram in ascending order: calls `each` with an
// upper bound, and how many values lie at or below it. The last one, above which there is nothing,
// is not among them: it is the point's count.
const char *otlp_point_buckets(struct str body,
                               void (*each)(void *ctx, double bound, uint64_t count), void *ctx);

// Tells the shape of a point of an exponential histogram; *ret_shape is set before `each` (may be
// NULL) is called with each bucket that is not empty, in no order, and how many values lie in it.
const char *otlp_point_exponential(struct str body, struct exponential_shape *ret_shape,
                                   void (*each)(void *ctx, struct exponential_bucket bucket,
                                                uint64_t count),
                                   void *ctx);

// Walks the quantiles of a summary, as they were sent. `each` may be NULL.
const char *otlp_point_quantiles(struct str body,
                                 void (*each)(void *ctx, double quantile, double value), void *ctx);

#endif
