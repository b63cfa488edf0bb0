// SPDX-License-Identifier: Apache-2.0
// Purpose: a plan as its own files see it.
#ifndef SONDE_ALERT_PLAN_STATE_H
#define SONDE_ALERT_PLAN_STATE_H

#include "alert/plan.h"
#include "core/secret.h"

#define PLAN_NO_FIELD UINT32_MAX

// A key of attributes that filters name, and the fields it is of.
struct plan_key {
    struct str key; // the filter's
    uint64_t hash;
    uint32_t span, any, resource; // field or PLAN_NO_FIELD
};

// Items whose key has this hash: items[first] and on.
struct plan_slot {
    uint64_t hash;
    uint32_t first, count; // count 0: free
};

// The tables of terms with the same fields, those of resources first.
struct plan_shape {
    uint32_t fields[PLAN_KEY_MAX];
    uint32_t field_count, resource_fields;
    struct plan_slot *slots; // open addressing
    size_t size;             // power of two
    uint32_t *items;
    uint64_t *prefixes; // hashes of resource parts, open addressing; 0: free
    size_t prefix_size;
};

// What is left open of the items that nothing is hashed of, by what rows have in common.
struct memo_slot {
    uint64_t key; // 0: free
    uint32_t first, count;
};
struct plan_memo {
    struct memo_slot *slots; // open addressing, of 2 * PLAN_MEMO_MAX
    size_t count;
    uint32_t *items;
    size_t item_count, item_capacity;
    uint64_t resource_hash, scope_hash; // of the batch's resource and scope that were asked last
    uint32_t resource, scope;           // UINT32_MAX: none
};

// plan_memo.c: forgets all, and gives its memory back.
void plan_memo_done(struct plan_memo *m);
// Another batch: its resources and scopes are others.
void plan_memo_enter(struct plan_memo *m);
struct plan;
// The items that a span's resource, scope, name, kind and status leave open; until the next call.
const uint32_t *plan_memo_find(struct plan_memo *m, const struct plan *p, const struct batch *b,
                               const struct span *s, uint32_t *ret_count);

struct plan {
    uint64_t serial; // of no other plan: one that is freed may have another in its place
    struct plan_item *items;
    size_t item_count;
    struct plan_key *keys;
    size_t key_count, key_capacity;
    uint32_t *key_slots; // open addressing: key + 1
    size_t key_size;
    uint32_t field_count;
    uint32_t name_field, status_field, kind_field;
    bool has_any; // a field `.x`
    struct plan_shape *shapes;
    uint32_t shape_count;
    size_t shape_capacity;
    uint32_t *unkeyed;
    size_t unkeyed_count, unkeyed_capacity, term_count;
};

static inline uint64_t plan_hash_text(uint64_t str_hash)
{
    return secret_fold(str_hash, 1);
}
static inline uint64_t plan_hash_bool(bool v)
{
    return secret_fold(v, 2);
}
// Integers and doubles are equal by value; integers that meet as doubles are told apart by the
// filter.
static inline uint64_t plan_hash_number(double v)
{
    uint64_t bits;
    double positive = v == 0 ? 0 : v;
    memcpy(&bits, &positive, sizeof bits);
    return secret_fold(bits, 3);
}
static inline uint64_t plan_hash_seed(uint32_t shape)
{
    return secret_fold(shape, 4);
}
static inline uint64_t plan_hash_next(uint64_t hash, uint64_t value)
{
    return secret_fold(hash, value);
}
static inline uint64_t plan_hash_end(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

// The key's place + 2; 1: the plan has none.
uint32_t plan_find_key(const struct plan *p, uint64_t str_hash, struct str key);
// That of service.name; NULL where no filter names it.
const struct plan_key *plan_service_key(const struct plan *p);

const struct plan_slot *plan_find(const struct plan_shape *s, uint64_t hash); // NULL: none
bool plan_has_prefix(const struct plan_shape *s, uint64_t hash);

#endif
