// SPDX-License-Identifier: Apache-2.0
// Purpose: a set of distinct strings.
#include "store/strtab.h"

#include "core/mem.h"
#include "core/must.h"

#define INDEX_MIN ((size_t)1024)

void strtab_done(struct strtab *t)
{
    ASSERT(t->count <= t->capacity);
    ASSERT(t->count == 0 || t->strings != NULL);
    mem_free(t->strings);
    mem_free(t->hashes);
    hash_index_done(&t->index);
    *t = (struct strtab){0};
}

void strtab_clear(struct strtab *t)
{
    ASSERT(t->count <= t->capacity);
    t->count = 0;
    t->bytes = 0;
    ASSERT(t->strings != NULL || t->capacity == 0);
    hash_index_clear(&t->index);
}

uint32_t strtab_add(struct strtab *t, struct str s, uint64_t hash)
{
    ASSERT(s.p != NULL || s.n == 0);
    uint32_t number;
    struct hash_walk walk = hash_index_walk(&t->index, hash);
    while (hash_index_next(&walk, &number)) {
        if (t->hashes[number] == hash && str_eq(t->strings[number], s)) {
            return number;
        }
    }
    hash_index_reserve(&t->index, t->hashes, t->count, INDEX_MIN / 2);
    size_t capacity = t->capacity;
    t->strings = mem_grow(t->strings, &capacity, t->count + 1, sizeof *t->strings);
    t->hashes = mem_grow(t->hashes, &t->capacity, t->count + 1, sizeof *t->hashes);
    MUST(capacity == t->capacity);
    t->strings[t->count] = s;
    t->hashes[t->count] = hash;
    t->bytes += s.n;
    hash_index_put(&t->index, hash, (uint32_t)t->count);
    return (uint32_t)t->count++;
}
