// SPDX-License-Identifier: Apache-2.0
// Purpose: counting who is inside.
#include "agents/jvm/inside.h"

#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/must.h"

#define SHARDS 64 // a power of two

static struct {
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

static atomic_int *mine(void)
{
    static atomic_uint next;
    static __thread unsigned place; // 1 and on; 0: none yet
    if (place == 0) {
        place = 1 + (atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) & (SHARDS - 1));
    }
    return &shards[place - 1].count;
}

// Counted first, then asked, and inside_close() the other way round (all sequentially consistent):
// one of the two sees the other.
bool inside_begin(void)
{
    atomic_int *count = mine();
    atomic_fetch_add(count, 1);
    if (atomic_load(&is_open)) {
        return true;
    }
    atomic_fetch_sub(count, 1);
    return false;
}

void inside_end(void)
{
    int before = atomic_fetch_sub_explicit(mine(), 1, memory_order_release);
    ASSERT(before > 0);
    (void)before;
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
