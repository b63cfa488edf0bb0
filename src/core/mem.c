// SPDX-License-Identifier: Apache-2.0
// Purpose: heap allocation that cannot return NULL.
#include "core/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef SONDE_MIMALLOC
#include <mimalloc.h>
#include <sys/mman.h>
#endif

#include "core/must.h"
#include "core/secret.h"

// The allocator waits 25 ms by itself, and under overload held much more memory that was free; the
// CPU time of ingestion is the same within its noise.
#define MEM_RETURN_MS 5

// Blocks from here on are large. The smaller limit halves what the allocator keeps, and costs a
// fifth more CPU time of ingestion: page faults.
#define LARGE_BYTES        ((size_t)1 << 20)
#define LARGE_BYTES_THRIFT ((size_t)128 << 10)
#define THRIFT_BELOW_BYTES ((size_t)512 << 20)

static _Atomic size_t large_from = LARGE_BYTES;

void mem_limit(size_t resident_bytes)
{
    atomic_store(&large_from,
                 resident_bytes < THRIFT_BELOW_BYTES ? LARGE_BYTES_THRIFT : LARGE_BYTES);
#ifdef SONDE_MIMALLOC
    mi_option_set(mi_option_decommit_delay, MEM_RETURN_MS);
#endif
}

// ---- Large blocks -------------------------------------------------------------------------------
//
//   mapping = 64 bytes: its length, a seal over length and address; then what the caller gets
//
// What stands 64 bytes behind a page's begin is one of these where the seal fits: it is made with a
// number that the process drew and tells nobody, so that no bytes of another block can have it.
// Only beside mimalloc; other allocators (a sanitizer's) do everything themselves. Where the system
// gives no mapping the allocator is asked.

#ifdef SONDE_MIMALLOC

#define HEAD_BYTES ((size_t)64)
#define PAGE_BYTES ((size_t)4096)

struct large_head {
    size_t bytes;
    uint64_t seal;
};

static _Atomic uint64_t large_secret; // 0: there is no mapping yet

static uint64_t secret_drawn(void)
{
    uint64_t secret = secret_word();
    ASSERT(secret != 0);
    atomic_store_explicit(&large_secret, secret, memory_order_relaxed);
    return secret;
}

static uint64_t seal_of(const void *base, size_t bytes, uint64_t secret)
{
    ASSERT(secret != 0);
    return (secret ^ (uint64_t)(uintptr_t)base) * (bytes | 1);
}

static void *large_begin(void *base, size_t bytes)
{
    const struct large_head head = {bytes, seal_of(base, bytes, secret_drawn())};
    ASSERT(bytes % PAGE_BYTES == 0);
    memcpy(base, &head, sizeof head);
    return (char *)base + HEAD_BYTES;
}

static size_t mapping_bytes(size_t size)
{
    ASSERT(size > 0);
    return (size + HEAD_BYTES + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static bool is_for_system(size_t size)
{
    return size >= atomic_load_explicit(&large_from, memory_order_relaxed);
}

static void *large_new(size_t size)
{
    if (!is_for_system(size) || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t n = mapping_bytes(size);
    ASSERT(n > size && n % PAGE_BYTES == 0);
    void *base = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    return large_begin(base, n);
}

// The bytes before `p` are of its own page: they can be read whatever block they belong to.
static bool is_large(const void *p)
{
    uint64_t secret = atomic_load_explicit(&large_secret, memory_order_relaxed);
    if (((uintptr_t)p & (PAGE_BYTES - 1)) != HEAD_BYTES || secret == 0) {
        return false;
    }
    struct large_head head;
    const char *base = (const char *)p - HEAD_BYTES;
    memcpy(&head, base, sizeof head);
    return head.seal == seal_of(base, head.bytes, secret);
}

static size_t large_bytes(const void *p)
{
    struct large_head head;
    ASSERT(is_large(p));
    memcpy(&head, (const char *)p - HEAD_BYTES, sizeof head);
    return head.bytes;
}

// Grows or shrinks in place or by moving pages; NULL where it must be copied.
static void *large_resize(void *p, size_t size)
{
    ASSERT(is_large(p));
    if (!is_for_system(size) || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t n = mapping_bytes(size);
    void *base = mremap((char *)p - HEAD_BYTES, large_bytes(p), n, MREMAP_MAYMOVE);
    if (base == MAP_FAILED) {
        return NULL;
    }
    return large_begin(base, n);
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

bool mem_is_given_back(void)
{
#ifdef SONDE_MIMALLOC
    return true;
#else
    return false;
#endif
}

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
    if (is_for_system(n)) {
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
