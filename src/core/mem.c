// SPDX-License-Identifier: Apache-2.0
// Purpose: heap allocation that cannot return NULL.
#include "core/mem.h"

#include <stdint.h>
#include <stdlib.h>
#ifdef SONDE_MIMALLOC
#include <mimalloc.h>
#endif

#include "core/must.h"

// The allocator waits 25 ms by itself, and under overload held much more memory that was free; the
// CPU time of ingestion is the same within its noise.
#define MEM_RETURN_MS 5

void mem_return_early(void)
{
#ifdef SONDE_MIMALLOC
    mi_option_set(mi_option_decommit_delay, MEM_RETURN_MS);
#endif
}

void *mem_new(size_t count, size_t size)
{
    MUST(size > 0);
    void *p = calloc(count > 0 ? count : 1, size);
    MUST(p != NULL);
    return p;
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);
    MUST(p != NULL);
    return p;
}

void *mem_resize(void *p, size_t count, size_t size)
{
    MUST(size > 0 && count <= SIZE_MAX / size);
    void *q = realloc(p, count > 0 ? count * size : 1);
    MUST(q != NULL);
    return q;
}

void mem_free(void *p)
{
    free(p);
}

void *mem_grow(void *p, size_t *capacity, size_t need, size_t size)
{
    ASSERT(capacity != NULL);
    if (p != NULL && need <= *capacity) {
        return p;
    }
    size_t n = *capacity < 16 ? 16 : *capacity;
    while (n < need) {
        MUST(n <= SIZE_MAX / 2);
        n *= 2;
    }
    p = mem_resize(p, n, size);
    *capacity = n;
    return p;
}
