// SPDX-License-Identifier: Apache-2.0
// Purpose: senders that count calls before they sample: who left spans out, and asking for what
// they told. Internal to counted.h, where the metrics stand.
#ifndef SONDE_QUERY_SENDERS_H
#define SONDE_QUERY_SENDERS_H

#include "core/arena.h"
#include "query/counted.h"

// A service whose agents report; all times are those of reports.
struct sender {
    struct str line, service;
    uint64_t first_ms, last_ms;
    bool samples; // it left spans out within the range
    bool counts;  // and there are counts of its calls: said by who reads them
};

struct senders {
    const struct counted_query *q;
    struct sender *items;
    size_t count, capacity;
    struct arena arena;
    struct query_memory memory;
};

// The query lives until senders_done().
void senders_init(struct senders *s, const struct counted_query *q);
void senders_done(struct senders *s);

// Finds those of the query. Adds the parts that had to be left out to *damaged_parts, as all that
// reads here does. Errors are those of counted_run().
MUST_CHECK enum err senders_read(struct senders *s, uint64_t *damaged_parts);

// Whether any of them samples.
bool senders_sample(const struct senders *s);

// Once they are read; it lives until senders_done(). NULL: there is none.
struct sender *senders_find(const struct senders *s, struct str line, struct str service);

// ---- What they tell -----------------------------------------------------------------------------

// A metric of agents, of the series with these labels.
struct told {
    struct str metric;           // with its suffix
    struct series_label with[2]; // and with the instance that is asked for; key.p == NULL: none
    bool wholes;                 // as in query/metric.h
};

// Calls `each` with the series of a metric that agents of the query's service tell, with what they
// reported shortly before and after the range too.
MUST_CHECK enum err senders_ask(const struct counted_query *q, const struct told *told,
                                enum err (*each)(void *ctx, const struct series_found *found),
                                void *ctx, uint64_t *damaged_parts);

// The step that has the middle between two reports; false outside of the range.
bool senders_step_between(const struct counted_query *q, uint64_t after_ms, uint64_t until_ms,
                          uint32_t *ret_step);

#endif
