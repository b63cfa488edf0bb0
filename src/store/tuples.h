// SPDX-License-Identifier: Apache-2.0
// Purpose: a set of distinct lists of numbers, numbered in the order in which they came: the key
// sets, shapes, resources, scopes and columns of a block being written. One thread.
#ifndef SONDE_STORE_TUPLES_H
#define SONDE_STORE_TUPLES_H

#include <stddef.h>
#include <stdint.h>

#include "core/hash_index.h"

struct tuples {
    uint32_t *items; // of all lists, back to back
    size_t item_count, item_capacity;
    size_t *ends; // of each list in items
    uint64_t *hashes;
    size_t count, end_capacity, hash_capacity;
    struct hash_index index;
};

// A zeroed set is empty and valid.
void tuples_done(struct tuples *t);
void tuples_clear(struct tuples *t);

// The number of the list; it is new when t->count grew.
uint32_t tuples_add(struct tuples *t, const uint32_t *items, size_t n);

// The same with a hash that is cheaper for a few numbers. One set uses one of the two.
uint32_t tuples_add_own(struct tuples *t, const uint32_t *items, size_t n);

const uint32_t *tuples_get(const struct tuples *t, size_t number, size_t *ret_n);

#endif
