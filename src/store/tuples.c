// SPDX-License-Identifier: Apache-2.0
// Purpose: a set of distinct lists of numbers.
#include "store/tuples.h"

#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"

#define INDEX_MIN ((size_t)256)

void tuples_done(struct tuples *t)
{
    ASSERT(t->count <= t->end_capacity);
    ASSERT(t->count == 0 || t->ends != NULL);
    mem_free(t->items);
    mem_free(t->ends);
    mem_free(t->hashes);
    hash_index_done(&t->index);
    *t = (struct tuples){0};
}

void tuples_clear(struct tuples *t)
{
    ASSERT(t->count <= t->end_capacity);
    t->count = 0;
    t->item_count = 0;
    ASSERT(t->ends != NULL || t->end_capacity == 0);
    hash_index_clear(&t->index);
}

const uint32_t *tuples_get(const struct tuples *t, size_t number, size_t *ret_n)
{
    ASSERT(ret_n != NULL);
    ASSERT(number < t->count);
    size_t first = number == 0 ? 0 : t->ends[number - 1];
    *ret_n = t->ends[number] - first;
    return t->items + first;
}

static uint32_t append(struct tuples *t, const uint32_t *items, size_t n, uint64_t hash)
{
    ASSERT(items != NULL || n == 0);
    ASSERT(n <= UINT32_MAX);
    t->items = mem_grow(t->items, &t->item_capacity, t->item_count + n, sizeof *t->items);
    t->ends = mem_grow(t->ends, &t->end_capacity, t->count + 1, sizeof *t->ends);
    t->hashes = mem_grow(t->hashes, &t->hash_capacity, t->count + 1, sizeof *t->hashes);
    if (n > 0) {
        memcpy(t->items + t->item_count, items, n * sizeof *items);
    }
    t->item_count += n;
    t->ends[t->count] = t->item_count;
    t->hashes[t->count] = hash;
    hash_index_put(&t->index, hash, (uint32_t)t->count);
    return (uint32_t)t->count++;
}

static bool same(const uint32_t *a, const uint32_t *b, size_t n)
{
    ASSERT(n <= UINT32_MAX);
    ASSERT((a != NULL && b != NULL) || n == 0);
    uint32_t different = 0;
    for (size_t i = 0; i < n; i++) {
        different |= a[i] ^ b[i];
    }
    return different == 0;
}

static uint32_t add_hashed(struct tuples *t, const uint32_t *items, size_t n, uint64_t hash)
{
    ASSERT(n <= UINT32_MAX);
    ASSERT(items != NULL || n == 0);
    uint32_t number;
    struct hash_walk walk = hash_index_walk(&t->index, hash);
    while (hash_index_next(&walk, &number)) {
        size_t m;
        const uint32_t *have = tuples_get(t, number, &m);
        if (t->hashes[number] == hash && m == n && same(have, items, n)) {
            return number;
        }
    }
    hash_index_reserve(&t->index, t->hashes, t->count, INDEX_MIN / 2);
    return append(t, items, n, hash);
}

uint32_t tuples_add(struct tuples *t, const uint32_t *items, size_t n)
{
    ASSERT(t->items != NULL || t->item_count == 0);
    ASSERT(items != NULL || n == 0);
    return add_hashed(t, items, n, XXH3_64bits_withSeed(items, n * sizeof *items, secret_word()));
}

uint32_t tuples_add_own(struct tuples *t, const uint32_t *items, size_t n)
{
    ASSERT(n <= UINT32_MAX);
    ASSERT(items != NULL || n == 0);
    // They are independent of one another, and so are computed side by side.
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++) {
        hash += secret_mix((uint64_t)i << 32 | items[i]);
    }
    return add_hashed(t, items, n, hash);
}
