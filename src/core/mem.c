// SPDX-License-Identifier: Apache-2.0
// Purpose: heap allocation that cannot return NULL.
#include "core/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef SONDE_MIMALLOC
#include <mimalloc.h>
#include <sys/mman.h>
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

// ---- Large blocks -------------------------------------------------------------------------------
//
//   mapping = 64 bytes: its length; then what the caller gets
//
// Only beside mimalloc, which tells its own blocks from others; other allocators (a sanitizer's)
// do everything themselves. Where the system gives no mapping the allocator is asked.

#ifdef SONDE_MIMALLOC

#define LARGE_BYTES ((size_t)1 << 20)
#define HEAD_BYTES  ((size_t)64)
#define PAGE_BYTES  ((size_t)4096)

static size_t mapping_bytes(size_t size)
{
    ASSERT(size >= LARGE_BYTES);
    return (size + HEAD_BYTES + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static void *large_new(size_t size)
{
    if (size < LARGE_BYTES || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t n = mapping_bytes(size);
    ASSERT(n > size && n % PAGE_BYTES == 0);
    void *base = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    memcpy(base, &n, sizeof n);
    return (char *)base + HEAD_BYTES;
}

static bool is_large(const void *p)
{
    return ((uintptr_t)p & (PAGE_BYTES - 1)) == HEAD_BYTES && !mi_is_in_heap_region(p);
}

static size_t large_bytes(const void *p)
{
    size_t n;
    ASSERT(is_large(p));
    memcpy(&n, (const char *)p - HEAD_BYTES, sizeof n);
    return n;
}

// Grows or shrinks in place or by moving pages; NULL where it must be copied.
static void *large_resize(void *p, size_t size)
{
    ASSERT(is_large(p));
    if (size < LARGE_BYTES || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t n = mapping_bytes(size);
    void *base = mremap((char *)p - HEAD_BYTES, large_bytes(p), n, MREMAP_MAYMOVE);
    if (base == MAP_FAILED) {
        return NULL;
    }
    memcpy(base, &n, sizeof n);
    return (char *)base + HEAD_BYTES;
}

static void large_free(void *p)
{
    int code = munmap((char *)p - HEAD_BYTES, large_bytes(p));
    MUST(code == 0);
}

#else

static void *large_new(size_t size)
{
    (void)size;
    return NULL;
}

#endif

void *mem_new(size_t count, size_t size)
{
    MUST(size > 0 && count <= SIZE_MAX / size);
    void *p = large_new(count * size);
    if (p == NULL) {
        p = calloc(count > 0 ? count : 1, size);
    }
    MUST(p != NULL);
    return p;
}

void *mem_alloc(size_t size)
{
    void *p = large_new(size);
    if (p == NULL) {
        p = malloc(size > 0 ? size : 1);
    }
    MUST(p != NULL);
    return p;
}

#ifdef SONDE_MIMALLOC

// Copies into a new block of `size` bytes what was in one of `had` bytes.
static void *move(void *p, size_t had, size_t size)
{
    void *q = mem_alloc(size);
    ASSERT(p != NULL);
    memcpy(q, p, had < size ? had : size);
    mem_free(p);
    return q;
}

#endif

void *mem_resize(void *p, size_t count, size_t size)
{
    MUST(size > 0 && count <= SIZE_MAX / size);
    size_t n = count * size;
    if (p == NULL) {
        return mem_alloc(n);
    }
#ifdef SONDE_MIMALLOC
    if (is_large(p)) {
        void *moved = large_resize(p, n);
        return moved != NULL ? moved : move(p, large_bytes(p) - HEAD_BYTES, n);
    }
    if (n >= LARGE_BYTES) {
        return move(p, mi_usable_size(p), n);
    }
#endif
    void *q = realloc(p, n > 0 ? n : 1);
    MUST(q != NULL);
    return q;
}

void mem_free(void *p)
{
#ifdef SONDE_MIMALLOC
    if (p != NULL && is_large(p)) {
        large_free(p);
        return;
    }
#endif
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
