// SPDX-License-Identifier: Apache-2.0
// Purpose: the cache of idle blocks: a list by last use through the blocks themselves, and per part
// an array of what it has there.
#include "store/block_cache.h"

#include <pthread.h>

#include "core/mem.h"
#include "store/block.h"

#define ONE_BLOCK_SHARE 4 // a block that takes more of the cache than this part is not kept

struct block_cache {
    atomic_int refs;
    struct budget *budget;
    size_t bytes_max;
    pthread_mutex_t lock; // over what is below, and over the idle blocks of all parts
    struct block *newest, *oldest;
    struct block_cache_stats stats;
};

struct block_cache *block_cache_new(struct budget *budget, size_t bytes_max)
{
    ASSERT(budget != NULL && bytes_max > 0);
    struct block_cache *c = mem_new(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->budget = budget;
    c->bytes_max = bytes_max;
    MUST(pthread_mutex_init(&c->lock, NULL) == 0);
    return c;
}

void block_cache_unref(struct block_cache *c)
{
    if (c == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before == 1) {
        MUST(c->newest == NULL && c->stats.bytes == 0);
        MUST(pthread_mutex_destroy(&c->lock) == 0);
        mem_free(c);
    }
}

void part_use_cache(struct part *p, struct block_cache *c)
{
    ASSERT(c != NULL);
    MUST(p->cache == NULL);
    (void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    p->cache = c;
    p->idle = mem_new((size_t)p->footer.meta.blocks, sizeof(struct block *));
}

// Under the lock: out of the list and its part's array; the bytes are given back.
static void detach(struct block_cache *c, struct block *b)
{
    ASSERT(b->home->idle[b->index] == b);
    MUST(c->stats.bytes >= b->charged && c->stats.blocks > 0);
    b->home->idle[b->index] = NULL;
    *(b->newer != NULL ? &b->newer->older : &c->newest) = b->older;
    *(b->older != NULL ? &b->older->newer : &c->oldest) = b->newer;
    b->newer = b->older = NULL;
    b->home = NULL;
    c->stats.bytes -= b->charged;
    c->stats.blocks--;
    budget_give(c->budget, ACCOUNT_CACHE, b->charged);
}

// Under the lock.
static void drop(struct block_cache *c, struct block *b)
{
    ASSERT(b->home != NULL && b->part == NULL);
    ASSERT(b != NULL);
    detach(c, b);
    block_unref(b);
}

struct block *block_cache_take(struct part *p, size_t index)
{
    struct block_cache *c = p->cache;
    MUST(index < p->footer.meta.blocks);
    if (c == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&c->lock);
    struct block *b = p->idle[index];
    if (b != NULL) {
        ASSERT(b->index == index && b->part == NULL);
        detach(c, b);
        c->stats.hits++;
    } else {
        c->stats.misses++;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return b;
}

bool block_cache_put(struct part *p, struct block *b)
{
    struct block_cache *c = p->cache;
    MUST(b->part == NULL && b->home == NULL);
    if (c == NULL) {
        return false;
    }
    size_t bytes = block_held_bytes(b);
    bool tight = budget_is_tight(c->budget);
    (void)pthread_mutex_lock(&c->lock);
    while (c->oldest != NULL && (tight || c->stats.bytes + bytes > c->bytes_max)) {
        drop(c, c->oldest);
    }
    // Another thread may have put the same block back meanwhile.
    bool room = !tight && bytes <= c->bytes_max / ONE_BLOCK_SHARE && p->idle[b->index] == NULL &&
                budget_take(c->budget, ACCOUNT_CACHE, bytes);
    if (room) {
        b->home = p;
        b->charged = bytes;
        b->older = c->newest;
        *(c->newest != NULL ? &c->newest->newer : &c->oldest) = b;
        c->newest = b;
        p->idle[b->index] = b;
        c->stats.bytes += bytes;
        c->stats.blocks++;
    }
    ASSERT(c->stats.bytes <= c->bytes_max);
    (void)pthread_mutex_unlock(&c->lock);
    return room;
}

void block_cache_forget(struct part *p)
{
    struct block_cache *c = p->cache;
    if (c == NULL) {
        return;
    }
    ASSERT(atomic_load(&p->refs) == 0);
    ASSERT(p->idle != NULL || p->footer.meta.blocks == 0);
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < p->footer.meta.blocks; i++) {
        if (p->idle[i] != NULL) {
            drop(c, p->idle[i]);
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    mem_free(p->idle);
    p->idle = NULL;
    p->cache = NULL;
    block_cache_unref(c);
}

void block_cache_relieve(struct block_cache *c)
{
    ASSERT(c != NULL);
    if (!budget_is_tight(c->budget)) {
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    while (c->oldest != NULL) {
        drop(c, c->oldest);
    }
    ASSERT(c->stats.bytes == 0 && c->stats.blocks == 0);
    (void)pthread_mutex_unlock(&c->lock);
}

void block_cache_stats(struct block_cache *c, struct block_cache_stats *ret_stats)
{
    ASSERT(c->stats.bytes <= c->bytes_max || c->stats.blocks > 0);
    ASSERT(ret_stats != NULL);
    (void)pthread_mutex_lock(&c->lock);
    *ret_stats = c->stats;
    (void)pthread_mutex_unlock(&c->lock);
}
