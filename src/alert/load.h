// SPDX-License-Identifier: Apache-2.0
// Purpose: how busy the instance of an alert and its host were when it fired, for its message: as
// far as the metrics say, from the same sources as the topology (query/machine_sources.h).
//
// The process: what the instance itself tells. The host: what the instance tells of it, else what
// the host tells under its name or its address ("web-1", "10.0.0.7:9100"): the name is that which
// the instance has among calls (model/calls.h). Both are means of the last LOAD_RANGE_MS; what
// nobody told in it, or more instances than LOAD_INSTANCES_MAX did, is not there.
//
// No state; any thread.
#ifndef SONDE_ALERT_LOAD_H
#define SONDE_ALERT_LOAD_H

#include "alert/desk.h"
#include "series/series.h"

#define LOAD_RANGE_MS      ((uint64_t)180000)
#define LOAD_INSTANCES_MAX ((size_t)10000)

void load_measure(struct series_store *series, const struct alert_origin *origin, uint64_t at_ns,
                  struct inquiry *ret_inquiry);

#endif
