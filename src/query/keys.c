// SPDX-License-Identifier: Apache-2.0
// Purpose: the attribute keys in use, from the columns of blocks and the attributes of hot batches;
// no row of a part is read.

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "query/aggregate.h"

#define INDEX_SIZE (ATTRIBUTE_KEYS_MAX * 2) // a power of two

struct key_set {
    struct arena *arena;
    struct query_control *control;
    enum err error;
    struct str prefix;
    struct attribute_key *keys;
    size_t count;
    bool truncated;
    uint16_t *index; // by hash: number of the key, 0 for none
};

static void add_key(struct key_set *set, struct str key, bool of_resource, unsigned type)
{
    ASSERT(type < ATTR_TYPE_COUNT);
    if (!str_starts(key, set->prefix)) {
        return;
    }
    size_t at = (size_t)str_hash(key) & (INDEX_SIZE - 1);
    for (; set->index[at] != 0; at = (at + 1) & (INDEX_SIZE - 1)) {
        struct attribute_key *k = &set->keys[set->index[at] - 1];
        if (k->of_resource == of_resource && str_eq(k->key, key)) {
            k->types |= 1U << type;
            return;
        }
    }
    if (set->count == ATTRIBUTE_KEYS_MAX) {
        set->truncated = true;
    } else if (!query_take(set->control, arena_growth(set->arena, key.n + 1))) {
        set->error = ERR_MEMORY;
    } else {
        set->keys[set->count++] =
            (struct attribute_key){arena_str(set->arena, key), of_resource, 1U << type};
        set->index[at] = (uint16_t)set->count;
    }
}

static void add_resources(struct key_set *set, const struct batch *b)
{
    ASSERT(set->count <= ATTRIBUTE_KEYS_MAX);
    for (size_t r = 0; r < b->resource_count; r++) {
        struct attr_run run = b->resources[r].attrs;
        for (uint32_t i = run.first; i < run.first + run.count; i++) {
            add_key(set, batch_str(b, b->attrs[i].key), true, b->attrs[i].type);
        }
    }
}

// Adds each (key, type) of a hot batch once: codes repeat far more often than they differ.
static void add_hot(struct key_set *set, const struct batch *b)
{
    ASSERT(b->sealed);
    if (!query_take(set->control, b->string_count)) {
        set->error = ERR_MEMORY;
        return;
    }
    uint8_t *seen = mem_new(b->string_count, 1);
    add_resources(set, b);
    for (size_t s = 0; s < b->span_count; s++) {
        struct attr_run run = b->spans[s].attrs;
        for (uint32_t i = run.first; i < run.first + run.count; i++) {
            const struct attr *a = &b->attrs[i];
            if (!(seen[a->key] & 1U << a->type)) {
                seen[a->key] = (uint8_t)(seen[a->key] | 1U << a->type);
                add_key(set, batch_str(b, a->key), false, a->type);
            }
        }
    }
    mem_free(seen);
    query_give(set->control, b->string_count);
}

static enum err add_block(struct key_set *set, struct part *p, size_t index)
{
    struct block *block;
    const struct batch *resources;
    size_t count;
    enum err e = block_borrow(p, index, &block);
    if (e != ERR_OK) {
        return e;
    }
    const struct column *columns = block_columns(block, &count);
    for (size_t i = 0; i < count; i++) {
        add_key(set, columns[i].key, false, columns[i].type);
    }
    e = block_resources(block, &resources);
    if (e == ERR_OK) {
        add_resources(set, resources);
    }
    block_free(block);
    return e;
}

static int by_key(const void *a, const void *b)
{
    const struct attribute_key *x = a, *y = b;
    int c = str_cmp(x->key, y->key);
    return c != 0 ? c : (int)x->of_resource - (int)y->of_resource;
}

enum err aggregate_keys(const struct aggregate *a, struct str prefix, struct arena *arena,
                        struct attribute_key **ret_keys, size_t *ret_count, bool *ret_truncated)
{
    ASSERT(a->from_ns <= a->to_ns);
    struct key_set set = {.arena = arena, .control = a->control, .prefix = prefix};
    size_t tables = ATTRIBUTE_KEYS_MAX * sizeof *set.keys + INDEX_SIZE * sizeof *set.index;
    if (!query_take(a->control, tables + ARENA_CHUNK_MIN)) {
        return ERR_MEMORY;
    }
    set.keys = arena_new(arena, ATTRIBUTE_KEYS_MAX, sizeof *set.keys);
    set.index = arena_new(arena, INDEX_SIZE, sizeof *set.index);
    for (size_t i = 0; i < a->view->hot_count && set.error == ERR_OK; i++) {
        const struct batch *b = a->view->hot[i];
        if (b->max_start_ns >= a->from_ns && b->min_start_ns < a->to_ns) {
            add_hot(&set, b);
        }
    }
    for (size_t i = 0; i < a->view->part_count; i++) {
        struct part *p = a->view->parts[i];
        for (size_t k = 0; k < part_meta(p)->blocks && set.error == ERR_OK; k++) {
            const struct block_meta *m = part_block_meta(p, k);
            if (a->control != NULL && atomic_load(&a->control->cancelled)) {
                return ERR_CANCELLED;
            }
            if (a->control != NULL && atomic_load(&a->control->out_of_turn)) {
                atomic_store(&a->control->cut_short, true);
                break;
            }
            if (m->max_start_ns >= a->from_ns && m->min_start_ns < a->to_ns) {
                enum err e = add_block(&set, p, k);
                if (e != ERR_OK && !scan_passes_over(a->control, e)) {
                    return e;
                }
            }
        }
    }
    if (set.error != ERR_OK) {
        return set.error;
    }
    sort_array(set.keys, set.count, sizeof *set.keys, by_key);
    *ret_keys = set.keys;
    *ret_count = set.count;
    *ret_truncated = set.truncated;
    return ERR_OK;
}
