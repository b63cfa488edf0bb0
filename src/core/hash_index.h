// SPDX-License-Identifier: Apache-2.0
// Purpose: from hashes to numbers: the index beside a table whose rows have numbers 0, 1, 2, ...
// and hashes. Open addressing, at most half full; the table compares its rows itself. Hashes that
// differ are spread by the secret of the process, however much alike they are; that bytes of peers
// do not get equal ones is up to the table. One thread.
#ifndef SONDE_CORE_HASH_INDEX_H
#define SONDE_CORE_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/secret.h"

struct hash_index {
    uint32_t *slots; // number + 1, 0 is free
    size_t size;     // a power of two, or 0
};

// A zeroed index is empty and valid.
void hash_index_done(struct hash_index *x);
void hash_index_clear(struct hash_index *x); // keeps the memory

// Makes room for one row more than the `count` that are in it, whose hashes are given. The first
// time it gets room for `least` rows.
void hash_index_reserve(struct hash_index *x, const uint64_t *hashes, size_t count, size_t least);

// Adds a number that is not in it yet; there must be room.
void hash_index_put(struct hash_index *x, uint64_t hash, uint32_t number);

// Takes a number that is in it out. `hashes` has those of all that are in it.
void hash_index_remove(struct hash_index *x, const uint64_t *hashes, uint32_t number);

// The same numbers in a table for `least` of them at least: a larger or a smaller one, and one that
// need not have all from 0 on.
void hash_index_resize(struct hash_index *x, const uint64_t *hashes, size_t least);

// Walks the numbers whose rows may have the hash: hash_index_next() gives one after the other, and
// false when there are no more.
struct hash_walk {
    const uint32_t *slots;
    size_t mask, at;
};

static inline struct hash_walk hash_index_walk(const struct hash_index *x, uint64_t hash)
{
    return (struct hash_walk){x->slots, x->size - 1,
                              x->size > 0 ? secret_mix(hash) & (x->size - 1) : 0};
}

static inline bool hash_index_next(struct hash_walk *w, uint32_t *ret_number)
{
    uint32_t slot = w->slots != NULL ? w->slots[w->at] : 0;
    if (slot == 0) {
        return false;
    }
    w->at = (w->at + 1) & w->mask;
    *ret_number = slot - 1;
    return true;
}

#endif
