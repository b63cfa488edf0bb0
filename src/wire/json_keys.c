// SPDX-License-Identifier: Apache-2.0
// Purpose: the keys of an object that is being written.
#include "wire/json_keys.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

// Of each key that there is room for: itself, its hash, and two slots of the index.
#define KEY_BYTES (sizeof(struct str) + sizeof(uint64_t) + 2 * sizeof(uint32_t))

void json_keys_init(struct json_keys *k, struct buf *out)
{
    ASSERT(out != NULL);
    k->out = out;
    k->count = k->capacity = 0;
    k->keys = NULL;
    k->hashes = NULL;
    k->index = (struct hash_index){0};
}

void json_keys_done(struct json_keys *k)
{
    ASSERT(k->capacity > 0 || k->keys == NULL);
    mem_free(k->keys);
    mem_free(k->hashes);
    hash_index_done(&k->index);
    if (k->out->source != NULL && k->capacity > 0) {
        k->out->source->give(k->out->source, k->capacity * KEY_BYTES);
    }
}

// Room for one key more, by their hashes.
static bool make_room(struct json_keys *k)
{
    size_t capacity = k->capacity > 0 ? 2 * k->capacity : 4 * (size_t)JSON_KEYS_FEW;
    struct mem_source *source = k->out->source;
    ASSERT(k->count == k->capacity || k->capacity == 0);
    if (source != NULL && !source->take(source, capacity * KEY_BYTES)) {
        k->out->failed = k->out->denied = true;
        return false;
    }
    k->keys = mem_resize(k->keys, capacity, sizeof *k->keys);
    k->hashes = mem_resize(k->hashes, capacity, sizeof *k->hashes);
    if (k->capacity == 0) {
        memcpy(k->keys, k->few, k->count * sizeof *k->keys);
        for (size_t i = 0; i < k->count; i++) {
            k->hashes[i] = str_hash(k->keys[i]);
        }
    } else if (source != NULL) {
        source->give(source, k->capacity * KEY_BYTES);
    }
    k->capacity = capacity;
    hash_index_done(&k->index);
    hash_index_reserve(&k->index, k->hashes, k->count, capacity);
    return true;
}

static bool is_of_few(const struct json_keys *k, struct str key)
{
    ASSERT(k->capacity == 0 && k->count <= JSON_KEYS_FEW);
    for (size_t i = 0; i < k->count; i++) {
        if (str_eq(k->few[i], key)) {
            return true;
        }
    }
    return false;
}

bool json_keys_add(struct json_keys *k, struct str key)
{
    if (k->capacity == 0) {
        if (is_of_few(k, key)) {
            return false;
        }
        if (k->count < JSON_KEYS_FEW) {
            k->few[k->count++] = key;
            return true;
        }
    }
    if (k->count >= k->capacity && !make_room(k)) {
        return false;
    }
    uint64_t hash = str_hash(key);
    struct hash_walk w = hash_index_walk(&k->index, hash);
    for (uint32_t i; hash_index_next(&w, &i);) {
        if (k->hashes[i] == hash && str_eq(k->keys[i], key)) {
            return false;
        }
    }
    ASSERT(k->count < k->capacity);
    k->keys[k->count] = key;
    k->hashes[k->count] = hash;
    hash_index_put(&k->index, hash, (uint32_t)k->count++);
    return true;
}
