// SPDX-License-Identifier: Apache-2.0
// Purpose: calls as senders that sample reported them: of each endpoint or instance, by step.
// Internal to counted.h, where the metric stands.
#ifndef SONDE_QUERY_REPORTS_H
#define SONDE_QUERY_REPORTS_H

#include "core/hash_index.h"
#include "query/exponential.h"
#include "query/senders.h"

// Who was called, with what result.
struct reported {
    struct str line, service, name;
    uint8_t kind;
    bool error;
    double *sum_ns; // by step
    double *calls;  // the same, where buckets are not read; none any more once they are given
};

// What came to a bucket of one of them in a step.
struct gain {
    uint32_t of, step;
    uint32_t bucket; // hist_bucket()
    int64_t calls;
};

struct reports {
    const struct counted_query *q;
    struct senders *senders;
    size_t steps;
    bool exact; // durations are read by buckets
    struct reported *items;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    struct gain *gains; // as they came
    size_t gain_count, gain_capacity;
    struct exponential_sources sources;
    uint32_t at; // the item of the series that is read
    struct arena arena;
    struct query_memory memory;
};

// The query and the senders live until reports_done().
void reports_init(struct reports *r, const struct counted_query *q, struct senders *senders);
void reports_done(struct reports *r);

// Reads what the senders that sample have reported, and notes which of them count. Adds the parts
// that had to be left out to *damaged_parts. Errors are those of counted_run().
MUST_CHECK enum err reports_read(struct reports *r, uint64_t *damaged_parts);

// That of these names and this result, until the next is read; NULL: nothing was reported of it.
struct reported *reports_find(const struct reports *r, const struct reported *like);

MUST_CHECK enum err reports_gain(struct reports *r, struct gain gain);

// Of what reports_read() read without buckets, calls that are left: all as long as their mean.
MUST_CHECK enum err reports_gain_the_rest(struct reports *r);

// Orders gains by item, step and bucket.
void reports_sort(struct reports *r);

// A span's kind by its name, whatever its case; KIND_INTERNAL for any other.
uint8_t reports_kind(struct str name);

#endif
