// SPDX-License-Identifier: Apache-2.0
// Purpose: metric points go to the series store, as model/point.h says.
//
// A point is kept whole or not at all: where one of its series finds no room, none of them gets a
// number. Its exemplars go where they are kept (series/exemplars.h), by the name that the metric
// was sent by and all labels but those of one bucket or quantile.
//
// What agents counted before they sampled goes to agent_counts.h too, where the point can be kept,
// or there is only no room for its series.
//
// The ledger. A point counts as received, and as stored or dropped, when it comes here: it is in
// the head of the series store then. These counts are part of the state that is committed with the
// series (series_seal()), so that a restart counts what is replayed once more and what is committed
// never again.
//
//     state   what others put there; then the counts: varint number, and for each varint length and
//             text of the outcome, of the reason, of the service, varint count; then the length of
//             the counts (u32), then "SNDP". A state without that end has no counts. Behind it
//             lies that of agent_counts.h.
//
// One thread, that which adds to the series store.
#ifndef SONDE_POINT_SINK_H
#define SONDE_POINT_SINK_H

#include "agent_counts.h"
#include "core/arena.h"
#include "core/buf.h"
#include "ledger/ledger.h"
#include "model/point.h"
#include "series/exemplars.h"
#include "series/series.h"

struct point_cell {
    struct str service; // the ledger's
    enum outcome outcome;
    enum reason reason;
    uint64_t count;
};

// A number on its way into a series.
struct point_number {
    uint32_t series;
    uint64_t time_ms;
    double value;
};

// The first three must outlive the sink.
struct point_sink {
    struct series_store *series;
    struct exemplars *exemplars;
    struct ledger *ledger;
    struct point_cell *cells;
    size_t cell_count, cell_capacity;
    struct point_number *numbers; // of the point at hand
    size_t number_count, number_capacity;
    struct agent_counts agents;
    struct arena arena; // texts of its labels
    struct buf text, key;
};

// The budget must outlive the sink as well.
void point_sink_init(struct point_sink *s, struct series_store *series, struct exemplars *exemplars,
                     struct ledger *ledger, struct budget *budget);
void point_sink_done(struct point_sink *s);

// Cuts what is the sink's off a committed state, and restores the ledger from it. ERR_CORRUPT.
MUST_CHECK enum err point_sink_restore(struct point_sink *s, struct str *state);

// Appends the counts to a state.
void point_sink_save(const struct point_sink *s, struct buf *state);

// Adds the points of a batch.
void point_sink_take(struct point_sink *s, const struct batch *b);

#endif
