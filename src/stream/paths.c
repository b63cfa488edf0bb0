// SPDX-License-Identifier: Apache-2.0
// Purpose: paths as numbers.
#include "stream/paths.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define INDEX_LEAST 256
#define ID_OTHER    0x6f74686572u

void paths_init(struct paths *p, const struct names *names, size_t bytes_max)
{
    ASSERT(names != NULL && bytes_max > 0);
    *p = (struct paths){.names = names, .bytes_max = bytes_max};
    p->memos = mem_new(PATHS_MEMOS, sizeof *p->memos);
}

void paths_done(struct paths *p)
{
    ASSERT(p->count <= p->capacity);
    mem_free(p->items);
    mem_free(p->ids);
    hash_index_done(&p->by_id);
    mem_free(p->keys);
    mem_free(p->hashes);
    hash_index_done(&p->by_key);
    mem_free(p->memos);
    *p = (struct paths){0};
}

static uint64_t mix(uint64_t h, uint64_t more)
{
    h = (h ^ more) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t hash_of(uint32_t parent, uint32_t node)
{
    return mix((uint64_t)parent << 32 | node, 0xc2b2ae3d27d4eb4fu);
}

// The same in each process: of names alone, not of their numbers.
static uint64_t id_of(const struct paths *p, uint32_t parent, uint32_t node)
{
    uint64_t h = parent > 0 ? paths_at(p, parent)->id : 1;
    if (node == 0) {
        return mix(h, ID_OTHER);
    }
    const struct name *n = names_at(p->names, node);
    ASSERT(n->node.kind < NODE_KIND_COUNT);
    h = mix(h, (uint64_t)n->node.kind);
    h = mix(h, str_hash_stable(n->node.line));
    h = mix(h, str_hash_stable(n->node.service));
    return mix(h, str_hash_stable(n->node.name));
}

static uint32_t find_key(const struct paths *p, uint32_t parent, uint32_t node, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&p->by_key, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < p->key_count);
        if (p->keys[at].parent == parent && p->keys[at].node == node) {
            return p->keys[at].path;
        }
    }
    return 0;
}

static uint32_t find_id(const struct paths *p, uint64_t id)
{
    struct hash_walk walk = hash_index_walk(&p->by_id, id);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < p->count);
        if (p->ids[at] == id) {
            return at + 1;
        }
    }
    return 0;
}

// The number of a path that is forgotten, or one more.
static uint32_t new_number(struct paths *p)
{
    uint32_t number = p->first_free;
    if (number != 0) {
        p->first_free = paths_at(p, number)->next_free;
        p->free_count--;
        return number;
    }
    p->items = mem_grow(p->items, &p->capacity, p->count + 1, sizeof *p->items);
    p->ids = mem_grow(p->ids, &p->id_capacity, p->count + 1, sizeof *p->ids);
    hash_index_reserve(&p->by_id, p->ids, p->count, INDEX_LEAST);
    ASSERT(p->count < 2 * PATHS_MAX);
    return (uint32_t)++p->count;
}

static uint32_t add_path(struct paths *p, uint64_t id, uint32_t parent, uint32_t node)
{
    uint32_t number = new_number(p);
    struct path made = {.id = id,
                        .parent = parent,
                        .entry = parent > 0 ? paths_at(p, parent)->entry : number,
                        .node = node,
                        .depth = parent > 0 ? paths_at(p, parent)->depth + 1 : 1};
    if (parent > 0) {
        p->items[made.entry - 1].below++;
    }
    p->ids[number - 1] = id;
    p->items[number - 1] = made;
    hash_index_put(&p->by_id, id, number - 1);
    ASSERT(p->free_count < p->count);
    return number;
}

static uint32_t add_key(struct paths *p, uint64_t hash, struct path_key key)
{
    p->keys = mem_grow(p->keys, &p->key_capacity, p->key_count + 1, sizeof *p->keys);
    p->hashes = mem_grow(p->hashes, &p->hash_capacity, p->key_count + 1, sizeof *p->hashes);
    hash_index_reserve(&p->by_key, p->hashes, p->key_count, INDEX_LEAST);
    p->hashes[p->key_count] = hash;
    p->keys[p->key_count] = key;
    hash_index_put(&p->by_key, hash, (uint32_t)p->key_count++);
    ASSERT(key.path > 0 && p->key_count <= 3 * PATHS_MAX);
    return key.path;
}

static size_t table_bytes(const struct paths *p)
{
    return p->capacity * sizeof *p->items + p->id_capacity * sizeof *p->ids +
           p->key_capacity * sizeof *p->keys + p->hash_capacity * sizeof *p->hashes +
           (p->by_id.size + p->by_key.size) * sizeof(uint32_t);
}

size_t paths_bytes(const struct paths *p)
{
    ASSERT(p->count <= p->capacity);
    return table_bytes(p) + PATHS_MEMOS * sizeof *p->memos;
}

static bool is_full(const struct paths *p, uint32_t parent)
{
    const bool has_room = p->first_free != 0 && p->key_count < p->key_capacity;
    return p->count - p->free_count >= PATHS_MAX || p->key_count >= 2 * PATHS_MAX ||
           (!has_room && table_bytes(p) >= p->bytes_max) ||
           (parent > 0 && (paths_at(p, parent)->depth >= PATHS_DEPTH_MAX ||
                           paths_at(p, paths_at(p, parent)->entry)->below >= PATHS_OF_ENTRY_MAX));
}

// The path of a key that is new.
static uint32_t make(struct paths *p, uint32_t parent, uint32_t node, uint64_t hash)
{
    uint64_t id = id_of(p, parent, node);
    uint32_t path = find_id(p, id);
    ASSERT(p->key_count < 3 * PATHS_MAX);
    path = path != 0 ? path : add_path(p, id, parent, node);
    return add_key(p, hash, (struct path_key){parent, node, path});
}

static uint32_t look_below(struct paths *p, uint32_t parent, uint32_t node)
{
    if (parent > 0 && paths_at(p, parent)->node == 0) {
        return parent; // what lies below "(other)" is there as well
    }
    uint64_t hash = hash_of(parent, node);
    uint32_t found = find_key(p, parent, node, hash);
    if (found != 0 || !is_full(p, parent)) {
        return found != 0 ? found : make(p, parent, node, hash);
    }
    p->others++;
    if (parent == 0) {
        return 0;
    }
    uint32_t entry = paths_at(p, parent)->entry;
    ASSERT(entry > 0);
    hash = hash_of(entry, 0);
    found = find_key(p, entry, 0, hash);
    return found != 0 ? found : make(p, entry, 0, hash);
}

uint32_t paths_look_below(struct paths *p, uint32_t parent, uint32_t node, struct path_memo *memo)
{
    uint64_t others = p->others;
    ASSERT(node > 0 && parent <= p->count);
    uint32_t path = look_below(p, parent, node);
    *memo = (struct path_memo){
        .parent = parent, .node = node, .path = path & INT32_MAX, .is_other = p->others > others};
    return path;
}

// ---- Forgetting ---------------------------------------------------------------------------------

static void forget(struct paths *p, uint32_t number)
{
    struct path *path = &p->items[number - 1];
    MUST(path->depth > 0 && p->ids[number - 1] == path->id);
    if (path->parent > 0) {
        struct path *entry = &p->items[path->entry - 1];
        entry->below -= entry->depth > 0 ? 1 : 0; // it may have gone before
    }
    hash_index_remove(&p->by_id, p->ids, number - 1);
    *path = (struct path){.next_free = p->first_free};
    p->first_free = number;
    p->free_count++;
}

// Keys of paths that are forgotten go, the others move up.
static void forget_keys(struct paths *p, struct used *used)
{
    size_t kept = 0;
    hash_index_clear(&p->by_key);
    for (size_t i = 0; i < p->key_count; i++) {
        const struct path_key key = p->keys[i];
        if (paths_at(p, key.path)->depth == 0) {
            continue;
        }
        marks_set(&used->names, key.node);
        p->keys[kept] = key;
        p->hashes[kept] = p->hashes[i];
        hash_index_put(&p->by_key, p->hashes[kept], (uint32_t)kept);
        kept++;
    }
    ASSERT(kept <= p->key_count);
    p->key_count = kept;
}

void paths_forget(struct paths *p, struct used *used)
{
    const size_t before = p->free_count;
    for (uint32_t number = 1; number <= p->count; number++) {
        uint32_t above = marks_has(&used->paths, number) ? paths_at(p, number)->parent : 0;
        for (; above != 0 && !marks_has(&used->paths, above); above = paths_at(p, above)->parent) {
            marks_set(&used->paths, above);
        }
    }
    for (uint32_t number = 1; number <= p->count; number++) {
        const struct path *path = paths_at(p, number);
        if (path->depth > 0 && !marks_has(&used->paths, number)) {
            forget(p, number);
        } else {
            marks_set(&used->names, path->node);
        }
    }
    forget_keys(p, used);
    if (p->free_count > before) {
        memset(p->memos, 0, PATHS_MEMOS * sizeof *p->memos);
    }
    ASSERT(p->free_count <= p->count);
}
