// SPDX-License-Identifier: Apache-2.0
// Purpose: counted allocation.
#include "agents/jvm/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t used, limit = SIZE_MAX;
static atomic_ullong refused;
static atomic_uint fail_every, calls;

void memory_init(size_t limit_bytes)
{
    atomic_store(&limit, limit_bytes);
    atomic_store(&fail_every, 0);
}

void memory_fail_every(unsigned n)
{
    atomic_store(&fail_every, n);
}

static bool is_refused(size_t n)
{
    unsigned every = atomic_load_explicit(&fail_every, memory_order_relaxed);
    if (every != 0 && atomic_fetch_add(&calls, 1) % every == every - 1) {
        return true;
    }
    return n > atomic_load_explicit(&limit, memory_order_relaxed) ||
           atomic_load_explicit(&used, memory_order_relaxed) >
               atomic_load_explicit(&limit, memory_order_relaxed) - n;
}

static void *count(void *p)
{
    if (p == NULL) {
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&used, malloc_usable_size(p), memory_order_relaxed);
    }
    return p;
}

void *memory_get(size_t n)
{
    return count(is_refused(n) ? NULL : malloc(n));
}

void *memory_lines(size_t n)
{
    return count(is_refused(n) ? NULL : aligned_alloc(64, n));
}

void *memory_zeroed(size_t n)
{
    void *p = memory_get(n);
    return p != NULL ? memset(p, 0, n) : NULL;
}

void memory_free(void *p)
{
    if (p != NULL) {
        atomic_fetch_sub_explicit(&used, malloc_usable_size(p), memory_order_relaxed);
        free(p);
    }
}

void memory_counts(struct memory_counts *ret)
{
    *ret = (struct memory_counts){atomic_load(&used), atomic_load(&refused)};
}
