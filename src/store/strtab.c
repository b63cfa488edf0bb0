// SPDX-License-Identifier: Apache-2.0
// Purpose: a set of distinct strings.
#include "store/strtab.h"

#include "core/mem.h"
#include "core/must.h"

#define INDEX_MIN ((size_t)1024)

void strtab_done(struct strtab *t)
{
    ASSERT(t != NULL);
    mem_free(t->strings);
    mem_free(t->hashes);
    mem_free(t->index);
    *t = (struct strtab){0};
}

void strtab_clear(struct strtab *t)
{
    t->count = 0;
    t->bytes = 0;
    if (t->index_size > 0) {
        ASSERT(t->index != NULL);
        memset(t->index, 0, t->index_size * sizeof *t->index);
    }
}

static void put_index(struct strtab *t, uint32_t number)
{
    ASSERT(t->count < t->index_size || number < t->index_size);
    size_t mask = t->index_size - 1;
    size_t at = t->hashes[number] & mask;
    while (t->index[at] != 0) {
        at = (at + 1) & mask;
    }
    t->index[at] = number + 1;
}

static void grow_index(struct strtab *t)
{
    ASSERT((t->index_size & (t->index_size - 1)) == 0);
    t->index_size = t->index_size == 0 ? INDEX_MIN : t->index_size * 2;
    mem_free(t->index);
    t->index = mem_new(t->index_size, sizeof *t->index);
    for (size_t i = 0; i < t->count; i++) {
        put_index(t, (uint32_t)i);
    }
}

uint32_t strtab_add(struct strtab *t, struct str s, uint64_t hash)
{
    ASSERT(s.p != NULL || s.n == 0);
    MUST(t->count < UINT32_MAX / 2);
    if (t->count * 2 >= t->index_size) {
        grow_index(t);
    }
    size_t mask = t->index_size - 1;
    for (size_t at = hash & mask; t->index[at] != 0; at = (at + 1) & mask) {
        uint32_t number = t->index[at] - 1;
        if (t->hashes[number] == hash && str_eq(t->strings[number], s)) {
            return number;
        }
    }
    size_t capacity = t->capacity;
    t->strings = mem_grow(t->strings, &capacity, t->count + 1, sizeof *t->strings);
    t->hashes = mem_grow(t->hashes, &t->capacity, t->count + 1, sizeof *t->hashes);
    MUST(capacity == t->capacity);
    t->strings[t->count] = s;
    t->hashes[t->count] = hash;
    t->bytes += s.n;
    put_index(t, (uint32_t)t->count);
    return (uint32_t)t->count++;
}
