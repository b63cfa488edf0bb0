// SPDX-License-Identifier: Apache-2.0
// Purpose: reading stored bytes front to back. The first read past the end marks the cursor as
// failed and gives zeros from then on, so that a parser may check once per item.
#ifndef SONDE_CODEC_CURSOR_H
#define SONDE_CODEC_CURSOR_H

#include <stdbool.h>

#include "core/must.h"
#include "core/str.h"
#include "core/varint.h"

struct cursor {
    const uint8_t *p, *end;
    bool failed;
};

static inline struct cursor cursor_of(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    return (struct cursor){p, p + s.n, false};
}

static inline size_t cursor_left(const struct cursor *c)
{
    ASSERT(c->p <= c->end);
    return (size_t)(c->end - c->p);
}

// The next n bytes, or NULL.
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (c->failed || cursor_left(c) < n) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}

static inline uint64_t cursor_varint(struct cursor *c)
{
    uint64_t v = 0;
    const uint8_t *next = c->failed ? NULL : varint_get(c->p, c->end, &v);
    if (next == NULL) {
        c->failed = true;
        return 0;
    }
    c->p = next;
    return v;
}

// A varint that must be below `limit`; fails otherwise.
static inline uint32_t cursor_below(struct cursor *c, uint64_t limit)
{
    ASSERT(limit <= (uint64_t)UINT32_MAX + 1);
    uint64_t v = cursor_varint(c);
    if (v >= limit) {
        c->failed = true;
        return 0;
    }
    return (uint32_t)v;
}

static inline uint8_t cursor_byte(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 1);
    return p != NULL ? *p : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, sizeof(uint32_t));
    return p != NULL ? load_u32(p) : 0;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, sizeof(uint64_t));
    return p != NULL ? load_u64(p) : 0;
}

#endif
