// SPDX-License-Identifier: Apache-2.0
// Purpose: what the stream counts goes to the series store, as model/calls.h says, and the points
// that it passes on to the sink of points.
#ifndef SONDE_CALL_SINK_H
#define SONDE_CALL_SINK_H

#include <pthread.h>

#include "point_sink.h"
#include "series/series.h"
#include "stream/stream.h"

// Seals that wait for their commit; the series store asks for no more of them.
#define CALL_SINK_SEALS 64

// The store and the sink of points must outlive the sink.
struct call_sink {
    struct series_store *series;
    struct point_sink *points;
    pthread_mutex_t lock; // over the next lines
    struct {
        uint64_t seq, oldest;
    } seals[CALL_SINK_SEALS]; // that are not committed, the oldest first
    size_t seal_count;
};
void call_sink_init(struct call_sink *s, struct series_store *series, struct point_sink *points);
void call_sink_done(struct call_sink *s);
struct stream_sink call_sink_of(struct call_sink *s);

// Everything up to `seq` is committed: what the journal must still have is what lies above the
// number returned. Any thread.
uint64_t call_sink_committed(struct call_sink *s, uint64_t seq);

#endif
