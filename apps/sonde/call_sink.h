// SPDX-License-Identifier: Apache-2.0
// Purpose: what the stream counts goes to the series store, as model/calls.h says.
#ifndef SONDE_CALL_SINK_H
#define SONDE_CALL_SINK_H

#include "series/series.h"
#include "stream/stream.h"

// The store must outlive the sink. `on_seal` is told what the journal must still have: everything
// behind this number. It may be NULL.
struct call_sink {
    struct series_store *series;
    void (*on_seal)(void *ctx, uint64_t oldest);
    void *ctx;
};
struct stream_sink call_sink_of(struct call_sink *s);

#endif
