// SPDX-License-Identifier: Apache-2.0
// Purpose: which numbers of names, paths, statements and data centres something still refers to, at
// one moment (stream/forget.c): a bit for each.
#ifndef SONDE_STREAM_USED_H
#define SONDE_STREAM_USED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"
#include "core/must.h"

struct marks {
    uint64_t *bits;
    size_t count; // numbers from 1 to this
};

struct used {
    struct marks names, paths, statements, centres;
};

static inline void marks_init(struct marks *m, size_t count)
{
    m->bits = mem_new(count / 64 + 1, sizeof *m->bits);
    m->count = count;
}

static inline void marks_done(struct marks *m)
{
    mem_free(m->bits);
    *m = (struct marks){0};
}

// 0 is no number.
static inline void marks_set(struct marks *m, uint32_t number)
{
    ASSERT(number <= m->count);
    m->bits[number / 64] |= (uint64_t)1 << number % 64;
}

static inline bool marks_has(const struct marks *m, uint32_t number)
{
    ASSERT(number > 0 && number <= m->count);
    return (m->bits[number / 64] >> number % 64 & 1) != 0;
}

#endif
