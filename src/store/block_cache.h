// SPDX-License-Identifier: Apache-2.0
// Purpose: opened blocks that queries are done with, kept for the next one: their directory,
// shapes, resources, table of traces, and the dictionaries that were used. Opening a block costs
// more than reading a trace from it.
//
// A block belongs to one thread while it is open, so a cached one is idle: block_borrow() takes it
// out, block_free() puts it back. Bounded by `bytes_max` and charged to the queries' account of the
// memory budget; the one unused for longest goes first, and all go when the budget is tight. Merges
// and checks open blocks past the cache. Any thread.
#ifndef SONDE_STORE_BLOCK_CACHE_H
#define SONDE_STORE_BLOCK_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "ledger/budget.h"
#include "store/part.h"

#define BLOCK_CACHE_SHARE 16 // of the budget at most

struct block_cache;

// One reference, besides those of the parts that use it.
struct block_cache *block_cache_new(struct budget *budget, size_t bytes_max);
void block_cache_unref(struct block_cache *c);

// Before the part is shared; at most once.
void part_use_cache(struct part *p, struct block_cache *c);

// Gives everything back when the budget is tight.
void block_cache_relieve(struct block_cache *c);

struct block_cache_stats {
    size_t blocks, bytes;
    uint64_t hits, misses;
};
void block_cache_stats(struct block_cache *c, struct block_cache_stats *ret_stats);

// ---- For the readers of parts ------------------------------------------------------------------

// An idle block of the part, or NULL.
struct block *block_cache_take(struct part *p, size_t index);

// Takes over the idle block; false where there is no room for it.
bool block_cache_put(struct part *p, struct block *b);

// The part goes: its blocks too.
void block_cache_forget(struct part *p);

#endif
