// SPDX-License-Identifier: Apache-2.0
// Purpose: the big-endian writer.
#include "agents/jvm/bytes_out.h"

#include <stdlib.h>
#include <string.h>

#include "core/must.h"

void out_init(struct bytes_out *o, size_t max)
{
    ASSERT(max > 0);
    *o = (struct bytes_out){.max = max};
}

void out_done(struct bytes_out *o)
{
    free(o->p);
    *o = (struct bytes_out){.max = o->max};
}

static bool reserve(struct bytes_out *o, size_t n)
{
    if (o->failed || n > o->max - o->n) {
        o->is_full = o->is_full || !o->failed;
        o->failed = true;
        return false;
    }
    if (o->n + n > o->capacity) {
        size_t capacity = o->capacity < 128 ? 256 : o->capacity * 2;
        capacity = capacity < o->n + n ? o->n + n : capacity;
        uint8_t *p = realloc(o->p, capacity);
        if (p == NULL) {
            o->failed = true;
            return false;
        }
        o->p = p;
        o->capacity = capacity;
    }
    ASSERT(o->n + n <= o->capacity);
    return true;
}

void out_bytes(struct bytes_out *o, const void *p, size_t n)
{
    ASSERT(p != NULL || n == 0);
    if (n > 0 && reserve(o, n)) {
        memcpy(o->p + o->n, p, n);
        o->n += n;
    }
}

void out_u1(struct bytes_out *o, unsigned v)
{
    ASSERT(v <= UINT8_MAX);
    out_bytes(o, &(uint8_t){(uint8_t)v}, 1);
}

void out_u2(struct bytes_out *o, unsigned v)
{
    ASSERT(v <= UINT16_MAX);
    out_bytes(o, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

void out_u4(struct bytes_out *o, uint32_t v)
{
    out_u2(o, v >> 16);
    out_u2(o, v & 0xFFFF);
}

void out_utf8(struct bytes_out *o, struct str s)
{
    ASSERT(s.n <= UINT16_MAX);
    out_u1(o, 1);
    out_u2(o, (unsigned)s.n);
    out_bytes(o, s.p, s.n);
}

void out_take_back(struct bytes_out *o, size_t n)
{
    ASSERT(n <= o->n);
    o->n = n;
    o->failed = o->failed && !o->is_full;
    o->is_full = false;
}

void out_set_u2(struct bytes_out *o, size_t at, unsigned v)
{
    if (!o->failed) {
        ASSERT(at + 2 <= o->n && v <= UINT16_MAX);
        o->p[at] = (uint8_t)(v >> 8);
        o->p[at + 1] = (uint8_t)v;
    }
}

void out_set_u4(struct bytes_out *o, size_t at, uint32_t v)
{
    out_set_u2(o, at, v >> 16);
    out_set_u2(o, at + 2, v & 0xFFFF);
}
