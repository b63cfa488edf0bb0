// SPDX-License-Identifier: Apache-2.0
// Purpose: services whose agents count calls before they sample (model/calls.h): when they reported
// within a range, and whether they left spans out. What is known of such a service by its spans
// alone is a sample of it.
#ifndef SONDE_QUERY_SENDERS_H
#define SONDE_QUERY_SENDERS_H

#include "core/arena.h"
#include "core/hash_index.h"
#include "query/calls.h"

struct senders_query {
    struct series_store *store;
    bool any_line;
    struct str line;
    struct str service; // p == NULL: of any
    uint64_t from_ms, to_ms;
    uint64_t step_ms; // how finely it is told when they reported
    struct query_control *control;
};

struct sender {
    struct str line, service;
    uint64_t first_ms, last_ms; // begin of the first step with a report, end of the last one
    bool samples;               // it left spans out within the range
    bool counts;                // and there are counts of its calls: said by who reads them
};

struct senders {
    struct sender *items;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index index;
    struct arena arena;
    struct query_memory memory;
    uint64_t step_ms;
};

// The control lives until senders_done().
void senders_init(struct senders *s, struct query_control *control);
void senders_done(struct senders *s);

// Finds those of the query. Adds the parts that had to be left out to *damaged_parts. ERR_MEMORY
// where the control's meter refuses, ERR_CANCELLED; else an error of the storage.
MUST_CHECK enum err senders_read(struct senders *s, const struct senders_query *q,
                                 uint64_t *damaged_parts);

// The same of all services of a range that calls_cut_range() gave; it is made, and is to be done
// with after an error too. Of an empty range there are none.
MUST_CHECK enum err senders_of_range(struct senders *s, struct series_store *store,
                                     uint64_t from_ms, uint64_t to_ms,
                                     struct query_control *control, uint64_t *damaged_parts);

// Whether any of them samples.
bool senders_sample(const struct senders *s);

// Once they are read; it lives until senders_done(). NULL: there is none.
struct sender *senders_find(const struct senders *s, struct str line, struct str service);

// Whether this one samples, so that its spans are a sample.
bool senders_has_sampled(const struct senders *s, struct str line, struct str service);

// How finely reports are told of a range that calls_cut_range() gave: its unit.
uint64_t senders_step_ms(uint64_t from_ms, uint64_t to_ms);

#endif
