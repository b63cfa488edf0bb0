// SPDX-License-Identifier: Apache-2.0
// Purpose: Prometheus' remote write: requests -> batches, by prom_rows.h. Pure. Source:
// prometheus.io/docs/specs/prw/remote_write_spec (1.0: prometheus.WriteRequest) and ..._2_0
// (io.prometheus.write.v2.Request).
//
//     1.0   WriteRequest { timeseries = 1, metadata = 3 }
//           TimeSeries { labels = 1 { name = 1, value = 2 },
//                        samples = 2 { value = 1, timestamp = 2 },
//                        exemplars = 3 { labels = 1, value = 2, timestamp = 3 }, histograms = 4 }
//     2.0   Request { symbols = 4, timeseries = 5 }
//           TimeSeries { labels_refs = 1, samples = 2 { .., start_timestamp = 3 }, histograms = 3,
//                        exemplars = 4 { labels_refs = 1, value = 2, timestamp = 3 },
//                        metadata = 5 { type = 1, help_ref = 3, unit_ref = 4 },
//                        created_timestamp = 6 }
// A label of 2.0 is two indexes of symbols, the first of which is empty.
//
// Of 2.0's metadata the type says what counts, unit and help go where OTLP's do. That of 1.0
//           MetricMetadata { type = 1, metric_family_name = 2, help = 4, unit = 5 }
// comes in requests of its own, later than samples, and a unit is a label (model/point.h): were it
// put to its series, each would become another one. It goes to the sink, by the family's name.
// Exemplars go with the first point of their series.
#ifndef SONDE_WIRE_PROM_WRITE_H
#define SONDE_WIRE_PROM_WRITE_H

#include "core/buf.h"
#include "wire/otlp.h"

enum prom_version { PROM_WRITE_1, PROM_WRITE_2 };

struct prom_write_counts {
    uint64_t samples, histograms; // accepted
    uint64_t rejected;            // of both
    uint64_t exemplars;           // of accepted ones, that name a trace
};

// Decodes one request, as otlp_decode_metrics() does: the same sink, and the same errors. `symbols`
// is where the table of 2.0 is kept meanwhile: ERR_LIMIT beyond its maximum, ERR_MEMORY where its
// source refuses.
MUST_CHECK enum err prom_write_decode(enum prom_version version, struct str request,
                                      const struct otlp_sink *sink, struct buf *symbols,
                                      struct prom_write_counts *ret_counts, struct err_at *ret_at);

#endif
