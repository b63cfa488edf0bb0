// SPDX-License-Identifier: Apache-2.0
// Purpose: a growable byte buffer with a mandatory maximum. When an append would pass the maximum
// the buffer keeps what it has, marks itself `failed` and ignores every later append, so that a
// writer checks once at its end. Always followed by BUF_PAD readable zero bytes, so that decoders
// may load whole words past the end. A buffer with a source asks it for every byte before it takes
// it, the new memory while the old is still there: refused, it is `failed` and `denied`. Not
// thread-safe.
#ifndef SONDE_CORE_BUF_H
#define SONDE_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define BUF_PAD ((size_t)32)

struct mem_source;

struct buf {
    char *p;
    size_t n;
    size_t capacity; // without the padding
    size_t max;      // appends beyond it fail
    bool failed;
    bool denied;               // failed because the source had nothing left
    struct mem_source *source; // NULL: not asked
};

// `max` is the largest size in bytes that the buffer may reach. Allocates nothing yet.
void buf_init(struct buf *b, size_t max);
void buf_init_from(struct buf *b, size_t max, struct mem_source *source);
void buf_done(struct buf *b); // empty again, with its maximum and source

// Empties the buffer and clears `failed` and `denied`; keeps the memory.
void buf_clear(struct buf *b);

// Room for `n` more bytes at b->p + b->n; false (and failed) when the maximum would be passed. The
// caller then adds what it wrote to b->n itself.
bool buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_byte(struct buf *b, uint8_t byte);
void buf_add_u32(struct buf *b, uint32_t v); // little-endian
void buf_add_u64(struct buf *b, uint64_t v); // little-endian
void buf_add_varint(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Drops the first `n` bytes: for clients that take answers from the front (bench, tests).
void buf_shift(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

#endif
