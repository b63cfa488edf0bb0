// SPDX-License-Identifier: Apache-2.0
// Purpose: counting who is inside.
#include "agents/jvm/inside.h"

#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"

#define SHARDS 64 // a power of two

static struct inside_place {
    _Alignas(64) atomic_int count;
} shards[SHARDS];
static atomic_bool is_open;

void inside_open(void)
{
    atomic_store(&is_open, true);
}

void inside_close(void)
{
    atomic_store(&is_open, false);
}

struct inside_place *inside_mine(void)
{
    static atomic_uint next;
    static __thread struct inside_place *mine;
    if (mine == NULL) {
        mine = &shards[atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) & (SHARDS - 1)];
    }
    return mine;
}

// Counted first, then asked, and inside_close() the other way round (all sequentially consistent):
// one of the two sees the other.
bool inside_begin_at(struct inside_place *p)
{
    atomic_fetch_add(&p->count, 1);
    if (atomic_load(&is_open)) {
        return true;
    }
    atomic_fetch_sub(&p->count, 1);
    return false;
}

void inside_end_at(struct inside_place *p)
{
    int before = atomic_fetch_sub_explicit(&p->count, 1, memory_order_release);
    ASSERT(before > 0);
    (void)before;
}

bool inside_begin(void)
{
    return inside_begin_at(inside_mine());
}

void inside_end(void)
{
    inside_end_at(inside_mine());
}

static bool is_empty(void)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        if (atomic_load(&shards[i].count) != 0) {
            return false;
        }
    }
    return true;
}

bool inside_wait_empty(unsigned limit_ms)
{
    uint64_t until = clock_mono_ns() + limit_ms * NS_PER_MS;
    ASSERT(!atomic_load(&is_open));
    while (!is_empty()) {
        if (clock_mono_ns() > until) {
            return false;
        }
        (void)usleep(1000);
    }
    return true;
}
