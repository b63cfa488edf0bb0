// SPDX-License-Identifier: Apache-2.0
// Purpose: memory that is freed all at once. An arena belongs to one batch, request or query; what
// outlives it is copied out. Chunks double up to ARENA_CHUNK_MAX, so a small request costs little.
// Not thread-safe. Under AddressSanitizer the memory is poisoned on clear, so that a use after it
// is reported.
#ifndef SONDE_CORE_ARENA_H
#define SONDE_CORE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define ARENA_CHUNK_MIN ((size_t)4096)
#define ARENA_CHUNK_MAX ((size_t)1 << 20)

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; // the newest first
    char *at, *end;             // free room in the newest chunk
    size_t held_bytes;          // total size of all chunks
    size_t next_chunk_bytes; // of a new arena: 0, or less than ARENA_CHUNK_MIN for many small ones
};

// An arena that is all zero bytes is valid and empty; nothing is allocated until the first use.
void arena_done(struct arena *a);

// Forgets everything; keeps one chunk for reuse.
void arena_clear(struct arena *a);

// What the arena would take from the heap for `size` bytes more; 0 when it has room for them.
size_t arena_growth(const struct arena *a, size_t size);

// `size` bytes aligned to 8, not zeroed. Never NULL.
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));

// Zeroed room for `count` items of `size` bytes.
void *arena_new(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull));

// A copy of the bytes, with a NUL after them that is not counted.
struct str arena_str(struct arena *a, struct str s);

// A formatted copy.
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
