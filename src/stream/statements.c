// SPDX-License-Identifier: Apache-2.0
// Purpose: statements as numbers.
#include "stream/statements.h"

#include <string.h>

#include "core/mem.h"
#include "core/must.h"

#define INDEX_LEAST 256

static uint32_t add(struct statements *s, const struct statement_item *wanted, uint64_t hash);

void statements_init(struct statements *s, size_t bytes_max)
{
    const struct statement_item other = {.system = STR(""), .text = STR("(other)")};
    *s = (struct statements){.bytes_max = bytes_max};
    s->known = mem_new(STATEMENTS_KNOWN, sizeof *s->known);
    (void)add(s, &other, 0);
    ASSERT(s->count == STATEMENT_OTHER && bytes_max > 0);
}

void statements_done(struct statements *s)
{
    ASSERT(s->count <= s->capacity && s->group_count <= s->group_capacity);
    for (size_t i = 0; i < s->count; i++) {
        mem_free((char *)s->items[i].system.p);
    }
    mem_free(s->items);
    mem_free(s->hashes);
    hash_index_done(&s->index);
    mem_free(s->groups);
    mem_free(s->group_hashes);
    hash_index_done(&s->group_index);
    mem_free(s->known);
    *s = (struct statements){0};
}

static uint64_t mix(uint64_t h, uint64_t more)
{
    h = (h ^ more) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

// ---- The table ----------------------------------------------------------------------------------

static uint32_t find(const struct statements *s, const struct statement_item *wanted, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&s->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        const struct statement_item *i = &s->items[at];
        ASSERT(at < s->count);
        if (s->hashes[at] == hash && i->service == wanted->service &&
            str_eq(i->text, wanted->text) && str_eq(i->system, wanted->system)) {
            return at + 1;
        }
    }
    return 0;
}

// The number of a statement that is forgotten, or one more.
static uint32_t new_number(struct statements *s)
{
    uint32_t number = s->first_free;
    if (number != 0) {
        s->first_free = statements_at(s, number)->next_free;
        s->free_count--;
        return number;
    }
    s->items = mem_grow(s->items, &s->capacity, s->count + 1, sizeof *s->items);
    s->hashes = mem_grow(s->hashes, &s->hash_capacity, s->count + 1, sizeof *s->hashes);
    hash_index_reserve(&s->index, s->hashes, s->count, INDEX_LEAST);
    ASSERT(s->count <= STATEMENTS_MAX);
    return (uint32_t)++s->count;
}

static uint32_t add(struct statements *s, const struct statement_item *wanted, uint64_t hash)
{
    const uint32_t number = new_number(s);
    struct statement_item *made = &s->items[number - 1];
    char *own = mem_alloc(wanted->system.n + wanted->text.n);
    ASSERT(wanted->text.n > 0);
    memcpy(own, wanted->system.n > 0 ? wanted->system.p : "", wanted->system.n);
    memcpy(own + wanted->system.n, wanted->text.p, wanted->text.n);
    *made = *wanted;
    made->touched = s->minute;
    made->system.p = own;
    made->text.p = own + wanted->system.n;
    s->text_bytes += wanted->system.n + wanted->text.n;
    s->hashes[number - 1] = hash;
    hash_index_put(&s->index, hash, number - 1);
    return number;
}

// How many of a group there are. It lives until the next one is asked for.
static uint32_t *count_of(struct statements *s, uint32_t service, uint32_t peer)
{
    uint64_t hash = mix((uint64_t)service << 32 | peer, 0xc2b2ae3d27d4eb4fu);
    struct hash_walk walk = hash_index_walk(&s->group_index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < s->group_count);
        if (s->groups[at].service == service && s->groups[at].peer == peer) {
            return &s->groups[at].count;
        }
    }
    s->groups = mem_grow(s->groups, &s->group_capacity, s->group_count + 1, sizeof *s->groups);
    s->group_hashes = mem_grow(s->group_hashes, &s->group_hash_capacity, s->group_count + 1,
                               sizeof *s->group_hashes);
    hash_index_reserve(&s->group_index, s->group_hashes, s->group_count, INDEX_LEAST);
    s->group_hashes[s->group_count] = hash;
    s->groups[s->group_count] = (struct statement_group){service, peer, 0};
    hash_index_put(&s->group_index, hash, (uint32_t)s->group_count);
    return &s->groups[s->group_count++].count;
}

static uint32_t intern(struct statements *s, const struct statement_item *wanted, uint32_t peer)
{
    uint64_t hash = mix(str_hash(wanted->text), str_hash(wanted->system));
    hash = mix(hash, wanted->service);
    uint32_t found = find(s, wanted, hash);
    if (found != 0) {
        return found;
    }
    if (s->count - s->free_count >= STATEMENTS_MAX || statements_bytes(s) >= s->bytes_max ||
        *count_of(s, wanted->service, 0) >= STATEMENTS_OF_SERVICE_MAX ||
        *count_of(s, wanted->service, peer) >= STATEMENTS_OF_NODE_MAX) {
        return STATEMENT_OTHER;
    }
    ASSERT(wanted->service > 0 && peer > 0);
    (*count_of(s, wanted->service, 0))++;
    (*count_of(s, wanted->service, peer))++;
    return add(s, wanted, hash);
}

// ---- What is known ------------------------------------------------------------------------------

// Of all that the fingerprint is made of, and no more; never 0.
static uint64_t hash_of(uint32_t service, uint32_t peer, const struct statement_facts *f)
{
    uint64_t h = mix((uint64_t)service << 32 | peer, (uint64_t)f->kind + 1);
    h = mix(h, str_hash(f->system));
    h = mix(h, str_hash(f->text));
    if (f->text.n == 0) {
        h = mix(h, str_hash(f->summary));
        h = mix(h, str_hash(f->operation));
        h = mix(h, str_hash(f->collection));
        h = mix(h, str_hash(f->name));
    }
    ASSERT(f->kind < STATEMENT_KINDS);
    return h != 0 ? h : 1;
}

uint32_t statements_number(struct statements *s, uint32_t service, uint32_t peer,
                           const struct statement_facts *facts)
{
    uint64_t hash = hash_of(service, peer, facts);
    size_t at = hash >> 13 & (STATEMENTS_KNOWN - 1);
    ASSERT(service > 0 && peer > 0);
    if (s->known[at].hash != hash) {
        struct statement_text t;
        statement_fingerprint(facts, &t);
        const struct statement_item wanted = {.service = service,
                                              .peer = peer,
                                              .system = str_cut(facts->system, 64),
                                              .text = {t.bytes, t.n}};
        s->known[at].hash = hash;
        s->known[at].number = t.n > 0 ? intern(s, &wanted, peer) : 0;
    }
    const uint32_t number = s->known[at].number;
    if (number != 0) {
        s->items[number - 1].touched = s->minute;
    }
    return number;
}

// ---- Forgetting ---------------------------------------------------------------------------------

static void forget(struct statements *s, uint32_t number)
{
    struct statement_item *i = &s->items[number - 1];
    MUST(number != STATEMENT_OTHER && i->text.n > 0);
    hash_index_remove(&s->index, s->hashes, number - 1);
    s->text_bytes -= i->system.n + i->text.n;
    mem_free((char *)i->system.p);
    *i = (struct statement_item){.next_free = s->first_free};
    s->first_free = number;
    s->free_count++;
}

// Counted anew. What was refused is asked for again.
static void count_groups(struct statements *s)
{
    hash_index_clear(&s->group_index);
    s->group_count = 0;
    for (size_t i = STATEMENT_OTHER; i < s->count; i++) {
        const struct statement_item *item = &s->items[i];
        if (item->text.n > 0) {
            (*count_of(s, item->service, 0))++;
            (*count_of(s, item->service, item->peer))++;
        }
    }
    ASSERT(s->group_count <= 2 * STATEMENTS_MAX);
    memset(s->known, 0, STATEMENTS_KNOWN * sizeof *s->known);
}

void statements_forget(struct statements *s, struct used *used, uint32_t minutes)
{
    const size_t before = s->free_count;
    for (uint32_t number = STATEMENT_OTHER + 1; number <= s->count; number++) {
        const struct statement_item *i = statements_at(s, number);
        if (i->text.n > 0 && s->minute - i->touched >= minutes &&
            !marks_has(&used->statements, number)) {
            forget(s, number);
        } else {
            marks_set(&used->names, i->service);
            marks_set(&used->names, i->peer);
        }
    }
    if (s->free_count > before) {
        count_groups(s);
    }
    ASSERT(s->free_count < s->count);
}

size_t statements_bytes(const struct statements *s)
{
    ASSERT(s->count <= s->capacity);
    return s->text_bytes + s->capacity * sizeof *s->items + s->hash_capacity * sizeof *s->hashes +
           s->group_capacity * sizeof *s->groups +
           s->group_hash_capacity * sizeof *s->group_hashes +
           (s->index.size + s->group_index.size) * sizeof(uint32_t) +
           STATEMENTS_KNOWN * sizeof *s->known;
}
