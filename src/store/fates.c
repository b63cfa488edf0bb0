// SPDX-License-Identifier: Apache-2.0
// Purpose: what becomes of traces: a ring of the last ones and an open table of places in it.
#include "store/fates.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/mem.h"
#include "core/must.h"

struct fate_item {
    uint64_t hash;
    enum fate fate; // FATE_NONE: it has another place by now
};

struct fates {
    pthread_mutex_t lock;
    struct budget *budget;
    size_t max;
    struct fate_item *items; // a ring; NULL before the first
    uint32_t *slots;         // open addressing, twice as many: place in the ring + 1
    size_t next;
    bool is_round; // the ring has been filled once
    atomic_bool any_gone;
    struct fates_stats stats;
};

struct fates *fates_new(struct budget *budget, size_t max)
{
    struct fates *f = mem_new(1, sizeof *f);
    ASSERT(budget != NULL && max > 1 && max < UINT32_MAX);
    f->budget = budget;
    for (f->max = 2; f->max * 2 <= max;) {
        f->max *= 2;
    }
    MUST(pthread_mutex_init(&f->lock, NULL) == 0);
    return f;
}

static size_t room_bytes(const struct fates *f)
{
    ASSERT(f->max > 1 && (f->max & (f->max - 1)) == 0);
    return f->max * (sizeof *f->items + 2 * sizeof *f->slots);
}

void fates_free(struct fates *f)
{
    ASSERT(f == NULL || f->max > 1);
    if (f == NULL) {
        return;
    }
    ASSERT(f->budget != NULL);
    if (f->items != NULL) {
        budget_give(f->budget, ACCOUNT_STORE, room_bytes(f));
    }
    mem_free(f->items);
    mem_free(f->slots);
    (void)pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

// ---- The table ----------------------------------------------------------------------------------

static struct fate_item *item_at(const struct fates *f, size_t slot)
{
    ASSERT(f->items != NULL);
    ASSERT(f->slots[slot] > 0 && f->slots[slot] <= f->max);
    return &f->items[f->slots[slot] - 1];
}

// The slot of a hash, or the first free one where it would be.
static size_t slot_of(const struct fates *f, uint64_t hash)
{
    size_t mask = f->max * 2 - 1, at = (size_t)hash & mask;
    ASSERT(f->slots != NULL);
    while (f->slots[at] != 0 && item_at(f, at)->hash != hash) {
        at = (at + 1) & mask;
    }
    ASSERT(at <= mask);
    return at;
}

// Frees a slot and moves those behind it up that would not be found any more.
static void clear_slot(struct fates *f, size_t hole)
{
    size_t mask = f->max * 2 - 1;
    ASSERT(hole <= mask);
    for (size_t at = (hole + 1) & mask; f->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = (size_t)item_at(f, at)->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            f->slots[hole] = f->slots[at];
            hole = at;
        }
    }
    ASSERT(f->slots[hole] != 0);
    f->slots[hole] = 0;
}

// The oldest item makes room.
static void forget_next(struct fates *f)
{
    struct fate_item *x = &f->items[f->next];
    ASSERT(f->is_round && f->next < f->max);
    if (x->fate != FATE_NONE) {
        size_t slot = slot_of(f, x->hash);
        MUST(f->slots[slot] == f->next + 1);
        f->stats.forgotten += x->fate == FATE_GOING ? 1 : 0;
        f->stats.known--;
        clear_slot(f, slot);
    }
    ASSERT(f->stats.known < f->max);
}

// Under the lock: as the newest.
static void put(struct fates *f, uint64_t hash, enum fate fate)
{
    ASSERT(fate != FATE_NONE);
    if (f->items == NULL) {
        budget_force(f->budget, ACCOUNT_STORE, room_bytes(f));
        f->items = mem_new(f->max, sizeof *f->items);
        f->slots = mem_new(f->max * 2, sizeof *f->slots);
    }
    if (f->is_round) {
        forget_next(f);
    }
    size_t slot = slot_of(f, hash);
    if (f->slots[slot] != 0) {
        item_at(f, slot)->fate = FATE_NONE;
    } else {
        f->stats.known++;
    }
    ASSERT(f->next < f->max);
    f->items[f->next] = (struct fate_item){hash, fate};
    f->slots[slot] = (uint32_t)f->next + 1;
    f->next = (f->next + 1) & (f->max - 1);
    f->is_round = f->is_round || f->next == 0;
}

// Under the lock; NULL where it is not known.
static struct fate_item *find(const struct fates *f, uint64_t hash)
{
    ASSERT(f->max > 1);
    if (f->items == NULL) {
        return NULL;
    }
    size_t slot = slot_of(f, hash);
    ASSERT(f->slots[slot] == 0 || item_at(f, slot)->fate != FATE_NONE);
    return f->slots[slot] != 0 ? item_at(f, slot) : NULL;
}

// ---- Transitions --------------------------------------------------------------------------------

void fates_judge(struct fates *f, uint64_t hash, enum keep_why why)
{
    ASSERT((unsigned)why < KEEP_WHY_COUNT);
    (void)pthread_mutex_lock(&f->lock);
    struct fate_item *x = find(f, hash);
    if (x == NULL) {
        put(f, hash, why == KEEP_NOT ? FATE_GOING : FATE_KEPT);
    } else if (x->fate == FATE_GOING || x->fate == FATE_OPEN) {
        x->fate = why == KEEP_NOT ? FATE_GOING : FATE_KEPT;
    } else if (x->fate == FATE_GONE && (why == KEEP_ERROR || why == KEEP_SLOW)) {
        put(f, hash, FATE_PARTIAL);
        f->stats.returned++;
    }
    ASSERT(f->items != NULL);
    (void)pthread_mutex_unlock(&f->lock);
}

void fates_reopen(struct fates *f, uint64_t hash)
{
    ASSERT(f->max > 1);
    (void)pthread_mutex_lock(&f->lock);
    struct fate_item *x = find(f, hash);
    if (x != NULL && x->fate == FATE_GOING) {
        x->fate = FATE_OPEN;
    }
    ASSERT(x == NULL || x->hash == hash);
    (void)pthread_mutex_unlock(&f->lock);
}

enum fate fates_sift(struct fates *f, uint64_t hash)
{
    (void)pthread_mutex_lock(&f->lock);
    const struct fate_item *x = find(f, hash);
    enum fate fate = x == NULL || x->fate == FATE_OPEN ? FATE_KEPT
                     : x->fate == FATE_GOING           ? FATE_GONE
                                                       : x->fate;
    if (x == NULL || fate != x->fate) {
        put(f, hash, fate);
    }
    if (fate == FATE_GONE) {
        atomic_store(&f->any_gone, true);
    }
    ASSERT(fate != FATE_NONE && fate != FATE_GOING && fate != FATE_OPEN);
    ASSERT(f->stats.known > 0);
    (void)pthread_mutex_unlock(&f->lock);
    return fate;
}

void fates_restore(struct fates *f, uint64_t hash, bool is_partial)
{
    ASSERT(f->max > 1);
    (void)pthread_mutex_lock(&f->lock);
    put(f, hash, is_partial ? FATE_PARTIAL : FATE_GONE);
    ASSERT(f->stats.known > 0);
    atomic_store(&f->any_gone, true);
    (void)pthread_mutex_unlock(&f->lock);
}

enum fate fates_of(struct fates *f, uint64_t hash)
{
    (void)pthread_mutex_lock(&f->lock);
    const struct fate_item *x = find(f, hash);
    enum fate fate = x != NULL ? x->fate : FATE_NONE;
    (void)pthread_mutex_unlock(&f->lock);
    ASSERT(fate <= FATE_PARTIAL);
    return fate;
}

bool fates_any_gone(const struct fates *f)
{
    ASSERT(f != NULL);
    return atomic_load_explicit(&f->any_gone, memory_order_acquire);
}

void fates_stats(struct fates *f, struct fates_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    (void)pthread_mutex_lock(&f->lock);
    *ret_stats = f->stats;
    ASSERT(ret_stats->known <= f->max);
    (void)pthread_mutex_unlock(&f->lock);
}
