// SPDX-License-Identifier: Apache-2.0
// Purpose: how the processes and machines of all services are, as far as a state is judged by it
// (query/health.h): of each instance the mean over a range of each such measure.
//
// Whose an instance is the labels of its metrics say; a name that several services have is
// nobody's. Sources of a measure are tried in their order (query/machine_sources.h), until the
// instance told it. A metric of more than MACHINE_STATES_INSTANCES_MAX instances is passed over,
// and counted.
#ifndef SONDE_QUERY_MACHINE_STATES_H
#define SONDE_QUERY_MACHINE_STATES_H

#include "query/health.h"
#include "query/machine.h"

#define MACHINE_STATES_INSTANCES_MAX ((size_t)10000)
#define MACHINE_STATES_STEPS         12u

struct machine_states_query {
    struct series_store *store;
    uint64_t from_ms, to_ms;
    struct query_control *control;
};

// Texts live until `each` returns.
struct machine_state {
    struct str line, service, instance; // line "": it tells none
    enum health_measure measure;
    double share;
};

// ERR_MEMORY where the control's meter refuses, ERR_CANCELLED; else an error of the storage.
MUST_CHECK enum err machine_states(const struct machine_states_query *q,
                                   void (*each)(void *ctx, const struct machine_state *state),
                                   void *ctx, uint64_t *damaged_parts, uint64_t *left_out);

// What a measure is judged as; HEALTH_MEASURES: it is not.
enum health_measure machine_judged(enum machine_measure m);

#endif
