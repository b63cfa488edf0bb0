// SPDX-License-Identifier: Apache-2.0
// Purpose: heap allocation that cannot return NULL. Every large consumer asks the memory budget
// (ledger/budget.h) before it allocates, so a failure here means that the machine itself is out of
// memory: the process says so and aborts; what was acknowledged is in the journal.
//
// What is large goes past the allocator to the system: freed, it is given back at once, by any
// thread, and it grows in place, so that the process has what the budget says and not what it once
// had. An allocator keeps freed memory until the thread that it came from allocates again, which a
// shard that nobody calls never does.
#ifndef SONDE_CORE_MEM_H
#define SONDE_CORE_MEM_H

#include <stdbool.h>
#include <stddef.h>

// Who is asked before a buffer grows, where what it holds is accounted for: ledger/budget.h has
// one. A buffer without a source is accounted for by its owner, or too small to matter.
struct mem_source {
    bool (*take)(struct mem_source *s, size_t bytes); // false: the buffer must not grow
    void (*give)(struct mem_source *s, size_t bytes); // what was taken before
};

// For a process that is to stay within so many resident bytes: the allocator gives freed memory
// back soon rather than late, and where the limit is small, blocks count as large that are less so.
// Call it before threads are started.
void mem_limit(size_t resident_bytes);

// Whether freed memory leaves the process. A sanitizer's allocator keeps it, so that resident bytes
// say nothing of what is in use.
bool mem_is_given_back(void);

// Zeroed memory for `count` items of `size` bytes; freed with mem_free(). Aborts on overflow.
void *mem_new(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

// Memory for `size` bytes, not zeroed.
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

// Resizes an array to `count` items of `size` bytes; p may be NULL. New bytes are not zeroed.
void *mem_resize(void *p, size_t count, size_t size) __attribute__((returns_nonnull));

void mem_free(void *p);

// Makes room in a growable array: returns `p` resized so that at least `need` items fit, doubling
// *capacity (at least 16). The caller checks its own limit before it calls.
void *mem_grow(void *p, size_t *capacity, size_t need, size_t size)
    __attribute__((returns_nonnull));

#endif
