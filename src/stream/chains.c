// SPDX-License-Identifier: Apache-2.0
// Purpose: the chains that are open.
#include "stream/chains.h"

#include "core/mem.h"
#include "core/must.h"

#define SLOTS_LEAST     ((size_t)1 << 12)
#define FREE_BYTES_MAX  ((size_t)1 << 20) // of chains and blocks kept for the next ones
#define CLOSED_SET_SIZE (CHAINS_REMEMBERED * 2)

_Static_assert((CLOSED_SET_SIZE & (CLOSED_SET_SIZE - 1)) == 0, "a power of two");

void chains_init(struct chains *c, uint64_t horizon_ns)
{
    *c = (struct chains){.slot_count = SLOTS_LEAST, .horizon_ns = horizon_ns};
    c->slots = mem_new(c->slot_count, sizeof *c->slots);
    c->closed = mem_new(CHAINS_REMEMBERED, sizeof *c->closed);
    c->closed_set = mem_new(CLOSED_SET_SIZE, sizeof *c->closed_set);
}

// ---- Blocks and chains --------------------------------------------------------------------------

static struct chain_block *block_new(struct chains *c)
{
    struct chain_block *b = c->free_blocks;
    if (b != NULL) {
        ASSERT(c->free_bytes >= sizeof *b);
        c->free_blocks = b->next;
        c->free_bytes -= sizeof *b;
    } else {
        b = mem_alloc(sizeof *b);
    }
    c->bytes += sizeof *b;
    b->next = NULL;
    return b;
}

static void block_free(struct chains *c, struct chain_block *b)
{
    ASSERT(c->bytes >= sizeof *b);
    c->bytes -= sizeof *b;
    if (c->free_bytes + sizeof *b > FREE_BYTES_MAX) {
        mem_free(b);
        return;
    }
    b->next = c->free_blocks;
    c->free_blocks = b;
    c->free_bytes += sizeof *b;
}

static struct chain *chain_new(struct chains *c)
{
    struct chain *chain = c->free_chains;
    if (chain != NULL) {
        ASSERT(c->free_bytes >= sizeof *chain);
        c->free_chains = chain->next;
        c->free_bytes -= sizeof *chain;
    } else {
        chain = mem_alloc(sizeof *chain);
    }
    c->bytes += sizeof *chain;
    *chain = (struct chain){.min_start_ns = UINT64_MAX};
    return chain;
}

static size_t index_bytes(const struct chain *chain)
{
    return chain->index_capacity * sizeof *chain->index_hashes +
           chain->index_spans_capacity * sizeof *chain->index_spans +
           chain->index.size * sizeof *chain->index.slots;
}

static void chain_free(struct chains *c, struct chain *chain)
{
    ASSERT(c->bytes >= sizeof *chain);
    for (struct chain_block *b = chain->first; b != NULL;) {
        struct chain_block *next = b->next;
        block_free(c, b);
        b = next;
    }
    c->bytes -= sizeof *chain + index_bytes(chain);
    hash_index_done(&chain->index);
    mem_free(chain->index_hashes);
    mem_free(chain->index_spans);
    if (c->free_bytes + sizeof *chain > FREE_BYTES_MAX) {
        mem_free(chain);
        return;
    }
    chain->next = c->free_chains;
    c->free_chains = chain;
    c->free_bytes += sizeof *chain;
}

void chains_done(struct chains *c)
{
    for (struct chain *chain = c->oldest; chain != NULL;) {
        struct chain *newer = chain->newer;
        chain_free(c, chain);
        chain = newer;
    }
    ASSERT(c->bytes == 0);
    for (struct chain_block *b = c->free_blocks; b != NULL;) {
        struct chain_block *next = b->next;
        mem_free(b);
        b = next;
    }
    for (struct chain *chain = c->free_chains; chain != NULL;) {
        struct chain *next = chain->next;
        mem_free(chain);
        chain = next;
    }
    mem_free(c->slots);
    mem_free(c->closed);
    mem_free(c->closed_set);
    *c = (struct chains){0};
}

// ---- The list by last_ms ------------------------------------------------------------------------

static void unlist(struct chains *c, struct chain *chain)
{
    ASSERT(c->oldest != NULL && c->newest != NULL);
    *(chain->older != NULL ? &chain->older->newer : &c->oldest) = chain->newer;
    *(chain->newer != NULL ? &chain->newer->older : &c->newest) = chain->older;
}

static void list_newest(struct chains *c, struct chain *chain)
{
    ASSERT(chain != c->newest);
    chain->newer = NULL;
    chain->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = chain;
    c->newest = chain;
}

// ---- The table ----------------------------------------------------------------------------------

static void grow_slots(struct chains *c)
{
    size_t size = c->slot_count * 2;
    struct chain **slots = mem_new(size, sizeof *slots);
    for (struct chain *chain = c->oldest; chain != NULL; chain = chain->newer) {
        struct chain **slot = &slots[chain->hash & (size - 1)];
        chain->next = *slot;
        *slot = chain;
    }
    ASSERT(size > c->count);
    mem_free(c->slots);
    c->slots = slots;
    c->slot_count = size;
}

struct chain *chains_find(const struct chains *c, trace_id id, uint64_t hash)
{
    struct chain *chain = c->slots[hash & (c->slot_count - 1)];
    while (chain != NULL && (chain->hash != hash || trace_id_cmp(&chain->id, &id) != 0)) {
        chain = chain->next;
    }
    ASSERT(chain == NULL || c->count > 0);
    return chain;
}

// The place of a hash among those closed, or of the first free one where it would be.
static size_t closed_slot(const struct chains *c, uint64_t hash)
{
    size_t at = (hash >> 20) & (CLOSED_SET_SIZE - 1);
    while (c->closed_set[at] != 0 && c->closed_set[at] != hash) {
        at = (at + 1) & (CLOSED_SET_SIZE - 1);
    }
    return at;
}

// 0 stands for a free place of the set.
static uint64_t closed_hash(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

struct chain *chains_open(struct chains *c, trace_id id, uint64_t hash, uint64_t seq)
{
    struct chain *chain = chains_find(c, id, hash);
    if (chain != NULL) {
        return chain;
    }
    chain = chain_new(c);
    chain->id = id;
    chain->hash = hash;
    chain->first_seq = seq;
    chain->was_closed = c->closed_set[closed_slot(c, closed_hash(hash))] != 0;
    list_newest(c, chain);
    c->count++;
    struct chain **slot = &c->slots[hash & (c->slot_count - 1)];
    chain->next = *slot;
    *slot = chain;
    if (c->count > c->slot_count) {
        grow_slots(c);
    }
    return chain;
}

// ---- Spans --------------------------------------------------------------------------------------

// The span that is the same, or NULL.
static struct chain_span *find_by_walk(const struct chain *chain, const struct chain_span *s)
{
    uint32_t left = chain->count;
    ASSERT(left <= CHAIN_INDEXED);
    for (struct chain_block *b = chain->first; left > 0; b = b->next) {
        uint32_t n = left < CHAIN_BLOCK ? left : CHAIN_BLOCK;
        for (uint32_t i = 0; i < n; i++) {
            if (b->spans[i].id == s->id && chain_span_is_same(&b->spans[i], s)) {
                return &b->spans[i];
            }
        }
        left -= n;
    }
    return NULL;
}

static uint64_t mix(uint64_t v)
{
    uint64_t h = v * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32);
}

static uint64_t span_hash(const struct chain_span *s)
{
    return mix(mix(mix(mix(s->id) ^ s->start_ns) ^ s->duration_ns) ^
               ((uint64_t)s->service << 8 | s->kind));
}

static struct chain_span *find_by_index(const struct chain *chain, const struct chain_span *s)
{
    uint64_t hash = span_hash(s);
    struct hash_walk walk = hash_index_walk(&chain->index, hash);
    uint32_t n;
    while (hash_index_next(&walk, &n)) {
        ASSERT(n < chain->count);
        if (chain->index_hashes[n] == hash && chain_span_is_same(chain->index_spans[n], s)) {
            return chain->index_spans[n];
        }
    }
    return NULL;
}

static void index_span(struct chains *c, struct chain *chain, uint32_t n, struct chain_span *s)
{
    size_t before = index_bytes(chain);
    uint64_t hash = span_hash(s);
    chain->index_hashes =
        mem_grow(chain->index_hashes, &chain->index_capacity, n + 1u, sizeof *chain->index_hashes);
    chain->index_spans = mem_grow(chain->index_spans, &chain->index_spans_capacity, n + 1u,
                                  sizeof *chain->index_spans);
    hash_index_reserve(&chain->index, chain->index_hashes, n, 2 * CHAIN_INDEXED);
    c->bytes += index_bytes(chain) - before;
    chain->index_hashes[n] = hash;
    chain->index_spans[n] = s;
    hash_index_put(&chain->index, hash, n);
    ASSERT(chain->index.size > n);
}

static void index_all(struct chains *c, struct chain *chain)
{
    uint32_t n = 0;
    ASSERT(chain->count == CHAIN_INDEXED);
    for (struct chain_block *b = chain->first; b != NULL; b = b->next) {
        for (uint32_t i = 0; i < CHAIN_BLOCK; i++) {
            index_span(c, chain, n++, &b->spans[i]);
        }
    }
}

static struct chain_span *find_span(struct chains *c, struct chain *chain,
                                    const struct chain_span *s)
{
    if (chain->count < CHAIN_INDEXED) {
        return find_by_walk(chain, s);
    }
    if (chain->index_capacity == 0) {
        index_all(c, chain);
    }
    return find_by_index(chain, s);
}

bool chains_add(struct chains *c, struct chain *chain, const struct chain_span *s, uint64_t now_ms)
{
    ASSERT(now_ms >= chain->last_ms);
    chain->last_ms = now_ms;
    if (chain != c->newest) {
        unlist(c, chain);
        list_newest(c, chain);
    }
    struct chain_span *known = find_span(c, chain, s);
    if (known != NULL) {
        known->copies = (uint8_t)(known->copies + (known->copies < UINT8_MAX));
        return false;
    }
    if (chain->count == CHAIN_SPANS_MAX) {
        c->left_out++;
        return false;
    }
    if (chain->count % CHAIN_BLOCK == 0) {
        struct chain_block *b = block_new(c);
        *(chain->last != NULL ? &chain->last->next : &chain->first) = b;
        chain->last = b;
    }
    struct chain_span *to = &chain->last->spans[chain->count % CHAIN_BLOCK];
    *to = *s;
    if (chain->count >= CHAIN_INDEXED) {
        index_span(c, chain, chain->count, to);
    }
    chain->count++;
    chain->min_start_ns = s->start_ns < chain->min_start_ns ? s->start_ns : chain->min_start_ns;
    c->spans++;
    return true;
}

bool chains_may_be_old(const struct chains *c, const struct chain *chain)
{
    ASSERT(chain->count > 0);
    return !chain->is_whole && (chain->was_closed || chain->min_start_ns < c->horizon_ns);
}

// ---- Closing ------------------------------------------------------------------------------------

// Takes a hash out of the set: those behind it that it kept from their places move up.
static void forget(struct chains *c, uint64_t hash)
{
    size_t mask = CLOSED_SET_SIZE - 1, hole = closed_slot(c, hash);
    ASSERT(c->closed_set[hole] == hash);
    for (size_t at = (hole + 1) & mask; c->closed_set[at] != 0; at = (at + 1) & mask) {
        size_t home = (c->closed_set[at] >> 20) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            c->closed_set[hole] = c->closed_set[at];
            hole = at;
        }
    }
    c->closed_set[hole] = 0;
}

static void remember(struct chains *c, uint64_t hash, uint64_t now_ns)
{
    size_t at = closed_slot(c, hash);
    if (c->closed_set[at] != 0) {
        return; // its older place in the ring stands
    }
    if (c->closed_count == CHAINS_REMEMBERED) {
        forget(c, c->closed[c->closed_next].hash);
        c->horizon_ns = c->closed[c->closed_next].at_ns;
        c->closed_count--;
        at = closed_slot(c, hash);
    }
    c->closed_set[at] = hash;
    c->closed[c->closed_next] = (struct closed){hash, now_ns};
    c->closed_next = (c->closed_next + 1) % CHAINS_REMEMBERED;
    c->closed_count++;
    ASSERT(c->closed_count <= CHAINS_REMEMBERED);
}

void chains_close(struct chains *c, struct chain *chain, uint64_t now_ns)
{
    struct chain **at = &c->slots[chain->hash & (c->slot_count - 1)];
    while (*at != chain) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = chain->next;
    unlist(c, chain);
    remember(c, closed_hash(chain->hash), now_ns);
    c->count--;
    c->spans -= chain->count;
    chain_free(c, chain);
}

uint64_t chains_oldest_seq(const struct chains *c, uint64_t none)
{
    uint64_t least = none;
    for (const struct chain *chain = c->oldest; chain != NULL; chain = chain->newer) {
        least = chain->first_seq < least ? chain->first_seq : least;
    }
    return least;
}
