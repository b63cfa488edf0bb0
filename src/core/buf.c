// SPDX-License-Identifier: Apache-2.0
// Purpose: the growable byte buffer.
#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"

#define BUF_EXACT_MIN ((size_t)64 << 10)

void buf_init(struct buf *b, size_t max)
{
    ASSERT(max > 0 && max <= SIZE_MAX / 4);
    *b = (struct buf){.max = max};
}

void buf_init_from(struct buf *b, size_t max, struct mem_source *source)
{
    ASSERT(source == NULL || (source->take != NULL && source->give != NULL));
    buf_init(b, max);
    b->source = source;
}

void buf_done(struct buf *b)
{
    ASSERT(b->n <= b->capacity);
    mem_free(b->p);
    if (b->source != NULL && b->capacity > 0) {
        b->source->give(b->source, b->capacity);
    }
    *b = (struct buf){.max = b->max, .source = b->source};
}

void buf_clear(struct buf *b)
{
    ASSERT(b->max > 0 && b->n <= b->capacity);
    b->n = 0;
    b->failed = b->denied = false;
}

// Old and new memory stand side by side while the bytes move.
static bool grow(struct buf *b, size_t capacity)
{
    size_t before = b->capacity;
    ASSERT(capacity >= before && capacity <= b->max);
    if (b->source != NULL && !b->source->take(b->source, capacity)) {
        b->failed = b->denied = true;
        return false;
    }
    b->p = mem_resize(b->p, capacity + BUF_PAD, 1);
    memset(b->p + b->n, 0, capacity + BUF_PAD - b->n);
    b->capacity = capacity;
    if (b->source != NULL && before > 0) {
        b->source->give(b->source, before);
    }
    return true;
}

bool buf_reserve(struct buf *b, size_t n)
{
    ASSERT(b->max > 0);
    if (b->failed || n > b->max - b->n) {
        b->failed = true;
        return false;
    }
    if (b->n + n <= b->capacity && b->p != NULL) {
        return true;
    }
    size_t capacity = b->capacity < 256 ? 256 : b->capacity;
    while (capacity < b->n + n) {
        capacity *= 2;
    }
    // What is asked for at once and is large is not rounded up: decompressors say how much it is.
    if (b->n == 0 && n > BUF_EXACT_MIN) {
        capacity = n;
    }
    return grow(b, capacity < b->max ? capacity : b->max);
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    ASSERT(n == 0 || bytes != NULL);
    if (n > 0 && buf_reserve(b, n)) {
        memcpy(b->p + b->n, bytes, n);
        b->n += n;
    }
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_byte(struct buf *b, uint8_t byte)
{
    buf_add(b, &byte, 1);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

void buf_add_varint(struct buf *b, uint64_t v)
{
    if (buf_reserve(b, VARINT_MAX)) {
        b->n += varint_put((uint8_t *)b->p + b->n, v);
        ASSERT(b->n <= b->capacity);
    }
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    MUST(n >= 0);
    if (!buf_reserve(b, (size_t)n + 1)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
    ASSERT(b->n < b->capacity);
}

void buf_shift(struct buf *b, size_t n)
{
    ASSERT(n <= b->n);
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
