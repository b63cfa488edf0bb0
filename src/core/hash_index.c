// SPDX-License-Identifier: Apache-2.0
// Purpose: the index from hashes to numbers.
#include "core/hash_index.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"

void hash_index_done(struct hash_index *x)
{
    ASSERT(x != NULL);
    mem_free(x->slots);
    *x = (struct hash_index){0};
}

void hash_index_clear(struct hash_index *x)
{
    ASSERT((x->slots == NULL) == (x->size == 0));
    if (x->size > 0) {
        memset(x->slots, 0, x->size * sizeof *x->slots);
    }
}

void hash_index_put(struct hash_index *x, uint64_t hash, uint32_t number)
{
    ASSERT(x->size > 0 && number < UINT32_MAX);
    size_t mask = x->size - 1, at = secret_mix(hash) & mask;
    while (x->slots[at] != 0) {
        at = (at + 1) & mask;
    }
    x->slots[at] = number + 1;
}

void hash_index_remove(struct hash_index *x, const uint64_t *hashes, uint32_t number)
{
    size_t mask = x->size - 1, at = secret_mix(hashes[number]) & mask;
    ASSERT(x->size > 0);
    while (x->slots[at] != number + 1) {
        MUST(x->slots[at] != 0);
        at = (at + 1) & mask;
    }
    // Those behind it move up, but none to before the place that its hash says.
    for (size_t next = (at + 1) & mask; x->slots[next] != 0; next = (next + 1) & mask) {
        size_t home = secret_mix(hashes[x->slots[next] - 1]) & mask;
        if (((next - home) & mask) >= ((next - at) & mask)) {
            x->slots[at] = x->slots[next];
            at = next;
        }
    }
    x->slots[at] = 0;
}

void hash_index_resize(struct hash_index *x, const uint64_t *hashes, size_t least)
{
    struct hash_index old = *x;
    ASSERT(hashes != NULL || old.size == 0);
    *x = (struct hash_index){0};
    hash_index_reserve(x, NULL, 0, least);
    for (size_t i = 0; i < old.size; i++) {
        if (old.slots[i] != 0) {
            hash_index_put(x, hashes[old.slots[i] - 1], old.slots[i] - 1);
        }
    }
    mem_free(old.slots);
}

void hash_index_reserve(struct hash_index *x, const uint64_t *hashes, size_t count, size_t least)
{
    ASSERT((x->size & (x->size - 1)) == 0);
    MUST(count < UINT32_MAX / 2);
    if (count * 2 < x->size) {
        return;
    }
    size_t size = x->size == 0 ? 2 : x->size * 2;
    while (size < 2 * least) {
        size *= 2;
    }
    ASSERT(count * 2 < size && (hashes != NULL || count == 0));
    mem_free(x->slots);
    x->slots = mem_new(size, sizeof *x->slots);
    x->size = size;
    for (size_t i = 0; i < count; i++) {
        hash_index_put(x, hashes[i], (uint32_t)i);
    }
}
