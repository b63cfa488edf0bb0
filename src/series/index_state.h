// SPDX-License-Identifier: Apache-2.0
// Purpose: what index.c and index_match.c share.
#ifndef SONDE_SERIES_INDEX_STATE_H
#define SONDE_SERIES_INDEX_STATE_H

#include <pthread.h>

#include "core/arena.h"
#include "core/hash_index.h"
#include "series/index.h"

#define SERIES_INDEX_MAX ((size_t)UINT32_MAX / 4)

struct index_entry {
    const char *key;
    uint32_t key_n;
    uint16_t line;
    uint8_t type;
};

struct posting {
    const char *label; // key NUL value NUL, in the key of the first series that had it
    uint32_t label_n, line;
    union {
        uint32_t *series; // ascending
        uint32_t only;    // while there is one
    };
    uint32_t count;
};

struct index_line {
    struct str name;
    uint32_t *series;
    size_t count, capacity;
};

struct series_index {
    pthread_rwlock_t lock;
    struct meter meter;
    size_t bytes_max;
    struct arena keys;
    struct index_entry *entries;
    uint64_t *hashes;
    size_t count, capacity, hash_capacity;
    struct hash_index by_key;
    uint32_t *order, *ranks; // series by rank, rank by series
    size_t ranked, rank_capacity;
    struct posting *postings;
    uint64_t *posting_hashes;
    size_t posting_count, posting_capacity, posting_hash_capacity, list_bytes;
    struct hash_index by_label;
    struct index_line lines[SERIES_LINES_MAX];
    uint32_t line_count;
};

// The series with the label in a line, ascending.
const uint32_t *series_index_posting(const struct series_index *x, struct str label, uint32_t line,
                                     size_t *ret_count);

#endif
