// SPDX-License-Identifier: Apache-2.0
// Purpose: compiled matching: filters become terms, terms become keys, keys become tables.
#include <stdatomic.h>
#include <string.h>

#include "alert/plan_state.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/semconv.h"

#define TERM_VALUES_MAX 256 // hashes of one term: products of the values of its fields

// A field and the values of which a record must have one.
struct choice {
    uint32_t field;
    bool is_resource;
    const struct filter_node *node; // an equality, or an OR of some on one field
    size_t values;
};

// One hash of one term on its way into a table.
struct entry {
    uint32_t shape, item;
    uint64_t hash, prefix;
};

struct builder {
    struct plan *p;
    struct entry *entries;
    size_t count, capacity;
};

// ---- Fields -------------------------------------------------------------------------------------

static bool is_keyable(const struct filter_node *n)
{
    ASSERT(n != NULL);
    if (n->type != NODE_TEST || n->op != OP_EQ) {
        return false;
    }
    switch (n->field) {
    case ON_RESOURCE_ATTR:
    case ON_SPAN_ATTR:
    case ON_ANY_ATTR:
        return n->value.type == VALUE_TEXT || n->value.type == VALUE_NUMBER ||
               n->value.type == VALUE_BOOL;
    case ON_NAME:
        return n->value.type == VALUE_TEXT;
    case ON_STATUS:
    case ON_KIND:
        return true;
    default:
        return false;
    }
}

static uint64_t value_hash(const struct filter_node *n)
{
    ASSERT(n != NULL);
    switch (n->value.type) {
    case VALUE_TEXT:
        return plan_hash_text(str_hash(n->value.text));
    case VALUE_BOOL:
        return plan_hash_bool(n->value.integer != 0);
    case VALUE_NUMBER:
        return plan_hash_number(n->value.is_integer ? (double)n->value.integer : n->value.number);
    default:
        return plan_hash_number((double)n->value.integer); // statuses and kinds
    }
}

uint32_t plan_find_key(const struct plan *p, uint64_t hash, struct str key)
{
    ASSERT(p->items != NULL);
    if (p->key_size == 0) {
        return 1;
    }
    for (size_t at = hash & (p->key_size - 1); p->key_slots[at] != 0;
         at = (at + 1) & (p->key_size - 1)) {
        const struct plan_key *k = &p->keys[p->key_slots[at] - 1];
        if (k->hash == hash && str_eq(k->key, key)) {
            return p->key_slots[at] + 1;
        }
    }
    return 1;
}

const struct plan_key *plan_service_key(const struct plan *p)
{
    uint32_t at = plan_find_key(p, str_hash(SEM_SERVICE_NAME), SEM_SERVICE_NAME);
    ASSERT(at >= 1);
    return at == 1 ? NULL : &p->keys[at - 2];
}

static void rehash_keys(struct plan *p)
{
    size_t size = p->key_size > 0 ? p->key_size * 2 : 16;
    ASSERT(p->items != NULL);
    mem_free(p->key_slots);
    p->key_slots = mem_new(size, sizeof *p->key_slots);
    p->key_size = size;
    for (uint32_t i = 0; i < p->key_count; i++) {
        size_t at = p->keys[i].hash & (size - 1);
        while (p->key_slots[at] != 0) {
            at = (at + 1) & (size - 1);
        }
        p->key_slots[at] = i + 1;
    }
}

static struct plan_key *add_key(struct plan *p, struct str key)
{
    uint64_t hash = str_hash(key);
    uint32_t at = plan_find_key(p, hash, key);
    ASSERT(p->items != NULL);
    if (at > 1) {
        return &p->keys[at - 2];
    }
    p->keys = mem_grow(p->keys, &p->key_capacity, p->key_count + 1, sizeof *p->keys);
    p->keys[p->key_count++] =
        (struct plan_key){key, hash, PLAN_NO_FIELD, PLAN_NO_FIELD, PLAN_NO_FIELD};
    if (p->key_count * 2 > p->key_size) {
        rehash_keys(p);
    } else {
        size_t slot = hash & (p->key_size - 1);
        while (p->key_slots[slot] != 0) {
            slot = (slot + 1) & (p->key_size - 1);
        }
        p->key_slots[slot] = (uint32_t)p->key_count;
    }
    return &p->keys[p->key_count - 1];
}

static uint32_t numbered(struct plan *p, uint32_t *field)
{
    ASSERT(p->items != NULL);
    if (*field == PLAN_NO_FIELD && p->field_count < PLAN_FIELDS_MAX) {
        *field = p->field_count++;
    }
    return *field;
}

// PLAN_NO_FIELD where there are too many.
static uint32_t field_of(struct plan *p, const struct filter_node *n)
{
    switch (n->field) {
    case ON_RESOURCE_ATTR:
        return numbered(p, &add_key(p, n->key)->resource);
    case ON_SPAN_ATTR:
        return numbered(p, &add_key(p, n->key)->span);
    case ON_ANY_ATTR:
        p->has_any = true;
        return numbered(p, &add_key(p, n->key)->any);
    case ON_NAME:
        return numbered(p, &p->name_field);
    case ON_STATUS:
        return numbered(p, &p->status_field);
    default:
        ASSERT(n->field == ON_KIND);
        return numbered(p, &p->kind_field);
    }
}

// ---- Terms --------------------------------------------------------------------------------------

static bool same_field(const struct filter_node *a, const struct filter_node *b)
{
    ASSERT(a != NULL);
    return a->field == b->field && str_eq(a->key, b->key);
}

// Counts the values of an OR of equalities on one field; 0 where it is no such thing.
static size_t count_values(const struct filter_node *n, const struct filter_node **first)
{
    ASSERT(n != NULL);
    if (n->type == NODE_OR) {
        size_t left = count_values(n->left, first);
        size_t right = left > 0 ? count_values(n->right, first) : 0;
        return right > 0 ? left + right : 0;
    }
    if (!is_keyable(n) || (*first != NULL && !same_field(*first, n))) {
        return 0;
    }
    *first = n;
    return 1;
}

static void add_choice(struct builder *b, const struct filter_node *n, struct choice *choices,
                       size_t *count, size_t *product)
{
    const struct filter_node *first = NULL;
    size_t values = count_values(n, &first);
    ASSERT(b->p != NULL);
    if (values == 0 || *count == PLAN_KEY_MAX || *product * values > TERM_VALUES_MAX) {
        return;
    }
    uint32_t field = field_of(b->p, first);
    for (size_t i = 0; i < *count; i++) {
        if (choices[i].field == field) {
            return; // an array may have both
        }
    }
    if (field == PLAN_NO_FIELD) {
        return;
    }
    bool is_resource = first->field == ON_RESOURCE_ATTR;
    choices[(*count)++] = (struct choice){field, is_resource, n, values};
    *product *= values;
}

static void gather(struct builder *b, const struct filter_node *n, struct choice *choices,
                   size_t *count, size_t *product)
{
    ASSERT(b->p != NULL);
    if (n->type == NODE_AND) {
        gather(b, n->left, choices, count, product);
        gather(b, n->right, choices, count, product);
    } else {
        add_choice(b, n, choices, count, product);
    }
}

static int choice_order(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->is_resource != y->is_resource) {
        return x->is_resource ? -1 : 1;
    }
    return x->field < y->field ? -1 : x->field > y->field;
}

// The shape of these fields, made when there is none; PLAN_NO_FIELD where there are too many.
static uint32_t shape_of(struct plan *p, const struct choice *choices, size_t count)
{
    struct plan_shape s = {.field_count = (uint32_t)count};
    ASSERT(p->items != NULL);
    for (size_t i = 0; i < count; i++) {
        s.fields[i] = choices[i].field;
        s.resource_fields += choices[i].is_resource;
    }
    for (uint32_t i = 0; i < p->shape_count; i++) {
        if (p->shapes[i].field_count == count &&
            memcmp(p->shapes[i].fields, s.fields, count * sizeof *s.fields) == 0) {
            return i;
        }
    }
    if (p->shape_count == PLAN_SHAPES_MAX) {
        return PLAN_NO_FIELD;
    }
    p->shapes = mem_grow(p->shapes, &p->shape_capacity, p->shape_count + 1, sizeof *p->shapes);
    p->shapes[p->shape_count] = s;
    return p->shape_count++;
}

// The n-th value of an OR of equalities.
static const struct filter_node *nth(const struct filter_node *n, size_t *at)
{
    ASSERT(n != NULL);
    if (n->type != NODE_OR) {
        return (*at)-- == 0 ? n : NULL;
    }
    const struct filter_node *found = nth(n->left, at);
    return found != NULL ? found : nth(n->right, at);
}

// Every combination of values is an entry.
static void add_entries(struct builder *b, uint32_t shape, uint32_t item,
                        const struct choice *choices, size_t count, size_t product)
{
    uint32_t resource_fields = b->p->shapes[shape].resource_fields;
    ASSERT(b->p != NULL);
    for (size_t c = 0; c < product; c++) {
        uint64_t hash = plan_hash_seed(shape), prefix = hash;
        size_t rest = c;
        for (size_t i = 0; i < count; i++) {
            size_t at = rest % choices[i].values;
            rest /= choices[i].values;
            hash = plan_hash_next(hash, value_hash(nth(choices[i].node, &at)));
            prefix = i + 1 <= resource_fields ? hash : prefix;
        }
        b->entries = mem_grow(b->entries, &b->capacity, b->count + 1, sizeof *b->entries);
        b->entries[b->count++] =
            (struct entry){shape, item, plan_hash_end(hash), plan_hash_end(prefix)};
    }
}

// False where the term has nothing to be hashed by.
static bool add_term(struct builder *b, uint32_t item, const struct filter_node *n)
{
    struct choice choices[PLAN_KEY_MAX];
    size_t count = 0, product = 1;
    ASSERT(b->p != NULL);
    gather(b, n, choices, &count, &product);
    if (count == 0) {
        return false;
    }
    sort_array(choices, count, sizeof choices[0], choice_order);
    uint32_t shape = shape_of(b->p, choices, count);
    if (shape == PLAN_NO_FIELD) {
        return false;
    }
    add_entries(b, shape, item, choices, count, product);
    b->p->term_count++;
    return true;
}

static size_t branches(const struct filter_node *n, const struct filter_node **out, size_t count)
{
    ASSERT(n != NULL);
    if (n->type == NODE_OR) {
        count = branches(n->left, out, count);
        return branches(n->right, out, count);
    }
    if (count < PLAN_TERMS_MAX) {
        out[count] = n;
    }
    return count + 1;
}

static void add_item(struct builder *b, uint32_t item)
{
    const struct filter_node *terms[PLAN_TERMS_MAX];
    struct plan *p = b->p;
    const struct filter_node *root = p->items[item].filter->root, *first = NULL;
    size_t before = b->count;
    ASSERT(b->p != NULL);
    // One field with many values is one term.
    size_t count = count_values(root, &first) > 0 ? 1 : branches(root, terms, 0);
    terms[0] = count == 1 ? root : terms[0];
    bool is_keyed = count <= PLAN_TERMS_MAX;
    for (size_t i = 0; i < count && is_keyed; i++) {
        is_keyed = add_term(b, item, terms[i]);
    }
    if (!is_keyed) {
        b->count = before;
        p->unkeyed =
            mem_grow(p->unkeyed, &p->unkeyed_capacity, p->unkeyed_count + 1, sizeof *p->unkeyed);
        p->unkeyed[p->unkeyed_count++] = item;
    }
}

// ---- Tables -------------------------------------------------------------------------------------

static int entry_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->shape != y->shape) {
        return x->shape < y->shape ? -1 : 1;
    }
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return x->item < y->item ? -1 : x->item > y->item;
}

static size_t table_size(size_t count)
{
    size_t size = 4;
    while (size < count * 2) {
        size *= 2;
    }
    return size;
}

const struct plan_slot *plan_find(const struct plan_shape *s, uint64_t hash)
{
    uint64_t h = plan_hash_end(hash);
    size_t at = h & (s->size - 1);
    ASSERT(s->resource_fields <= s->field_count);
    while (s->slots[at].count > 0 && s->slots[at].hash != h) {
        at = (at + 1) & (s->size - 1);
    }
    return s->slots[at].count > 0 ? &s->slots[at] : NULL;
}

bool plan_has_prefix(const struct plan_shape *s, uint64_t hash)
{
    uint64_t h = plan_hash_end(hash);
    size_t at = h & (s->prefix_size - 1);
    ASSERT(s->resource_fields <= s->field_count);
    while (s->prefixes[at] != 0 && s->prefixes[at] != h) {
        at = (at + 1) & (s->prefix_size - 1);
    }
    return s->prefixes[at] == h;
}

static void add_prefix(struct plan_shape *s, uint64_t h)
{
    size_t at = h & (s->prefix_size - 1);
    ASSERT(s->resource_fields <= s->field_count);
    while (s->prefixes[at] != 0 && s->prefixes[at] != h) {
        at = (at + 1) & (s->prefix_size - 1);
    }
    s->prefixes[at] = h;
}

static void put_entry(struct plan_shape *s, const struct entry *e, uint32_t place)
{
    size_t at = e->hash & (s->size - 1);
    ASSERT(s->resource_fields <= s->field_count);
    while (s->slots[at].count > 0 && s->slots[at].hash != e->hash) {
        at = (at + 1) & (s->size - 1);
    }
    if (s->slots[at].count == 0) {
        s->slots[at] = (struct plan_slot){e->hash, place, 0};
    }
    s->slots[at].count++;
    s->items[place] = e->item;
    add_prefix(s, e->prefix);
}

static void fill_shape(struct plan_shape *s, const struct entry *entries, size_t count)
{
    ASSERT(s->resource_fields <= s->field_count);
    s->size = table_size(count);
    s->slots = mem_new(s->size, sizeof *s->slots);
    s->items = mem_new(count + 1, sizeof *s->items);
    s->prefix_size = table_size(count);
    s->prefixes = mem_new(s->prefix_size, sizeof *s->prefixes);
    for (size_t i = 0; i < count; i++) {
        put_entry(s, &entries[i], (uint32_t)i);
    }
}

static void fill_shapes(struct builder *b)
{
    size_t at = 0;
    sort_array(b->entries, b->count, sizeof *b->entries, entry_order);
    for (uint32_t i = 0; i < b->p->shape_count; i++) {
        size_t first = at;
        while (at < b->count && b->entries[at].shape == i) {
            at++;
        }
        fill_shape(&b->p->shapes[i], b->entries + first, at - first);
    }
    ASSERT(at == b->count);
}

struct plan *plan_new(const struct plan_item *items, size_t count)
{
    static atomic_uint_fast64_t serials;
    struct plan *p = mem_new(1, sizeof *p);
    struct builder b = {.p = p};
    ASSERT(items != NULL || count == 0);
    p->serial = atomic_fetch_add(&serials, 1) + 1;
    p->name_field = p->status_field = p->kind_field = PLAN_NO_FIELD;
    p->items = mem_new(count + 1, sizeof *p->items);
    p->item_count = count;
    for (size_t i = 0; i < count; i++) {
        p->items[i] = items[i];
        add_item(&b, (uint32_t)i);
    }
    fill_shapes(&b);
    mem_free(b.entries);
    return p;
}

void plan_free(struct plan *p)
{
    if (p == NULL) {
        return;
    }
    for (uint32_t i = 0; i < p->shape_count; i++) {
        mem_free(p->shapes[i].slots);
        mem_free(p->shapes[i].items);
        mem_free(p->shapes[i].prefixes);
    }
    mem_free(p->shapes);
    mem_free(p->items);
    mem_free(p->keys);
    mem_free(p->key_slots);
    mem_free(p->unkeyed);
    mem_free(p);
}

void plan_stats(const struct plan *p, struct plan_stats *ret_stats)
{
    ASSERT(ret_stats != NULL);
    *ret_stats = (struct plan_stats){
        .shapes = p->shape_count, .terms = p->term_count, .unkeyed = p->unkeyed_count};
}
