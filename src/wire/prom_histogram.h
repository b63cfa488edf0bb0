// SPDX-License-Identifier: Apache-2.0
// Purpose: Prometheus' native histograms -> what a batch keeps of an OTLP histogram. Pure. Source:
// prometheus/prompb/types.proto and io/prometheus/write/v2/types.proto (the same message).
//
//     schema -4..8     exponential: a bucket of index i ends at 2^(i * 2^-schema), one later than
//                      OTLP's of that index; scale is the schema
//     schema -53       explicit bounds (custom_values)
// Integer histograms have the difference of each bucket's count to the one before, float ones the
// counts. Spans say which indexes they are for; what lies between is empty. OTLP's counts are whole
// and of histograms that only grow, so floats that are not whole, and gauge histograms, have no
// place and are rejected.
#ifndef SONDE_WIRE_PROM_HISTOGRAM_H
#define SONDE_WIRE_PROM_HISTOGRAM_H

#include "core/buf.h"
#include "wire/prom_rows.h"

// Reads one Histogram message; `body` is cleared and gets what ret->body points to. False for bytes
// that are no such message. What it says may be wrong all the same: ret->wrong.
MUST_CHECK bool prom_histogram_read(struct str message, struct buf *body,
                                    struct prom_histogram *ret);

#endif
