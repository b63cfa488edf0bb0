// SPDX-License-Identifier: Apache-2.0
// Purpose: the chains that are open.
#include "stream/chains.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/secret.h"
#include "core/varint.h"

#define SLOTS_LEAST    ((size_t)1 << 12)
#define FREE_BYTES_MAX ((size_t)1 << 20) // of chains and blocks kept for the next ones

void chains_init(struct chains *c, uint32_t idle_ms, size_t remembered, uint64_t now_ms,
                 uint64_t horizon_ns)
{
    const uint32_t most = (CHAINS_BUCKETS - 2) * CHAINS_BUCKET_MS;
    *c = (struct chains){.slot_count = SLOTS_LEAST,
                         .idle_ms = idle_ms < most ? idle_ms : most,
                         .remembered = remembered,
                         .bucket = now_ms / CHAINS_BUCKET_MS,
                         .horizon_ns = horizon_ns};
    ASSERT(idle_ms > 0 && (remembered & (remembered - 1)) == 0);
    c->slots = mem_new(c->slot_count, sizeof *c->slots);
    c->closed = mem_new(remembered, sizeof *c->closed);
    c->closed_set = mem_new(remembered * 2, sizeof *c->closed_set);
}

uint64_t chains_hash(trace_id id)
{
    _Static_assert(sizeof id.b == 16, "all of it");
    uint64_t low = load_u64(id.b), high = load_u64(id.b + 8);
    return secret_fold(secret_fold(low, high), low);
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

static size_t index_bytes(const struct chain_index *x)
{
    return sizeof *x + x->capacity * sizeof *x->hashes + x->spans_capacity * sizeof *x->spans +
           x->index.size * sizeof *x->index.slots;
}

static void index_free(struct chains *c, struct chain_index *x)
{
    if (x != NULL) {
        ASSERT(c->bytes >= index_bytes(x));
        c->bytes -= index_bytes(x);
        hash_index_done(&x->index);
        mem_free(x->hashes);
        mem_free(x->spans);
        mem_free(x);
    }
}

static void chain_free(struct chains *c, struct chain *chain)
{
    ASSERT(c->bytes >= sizeof *chain);
    for (struct chain_block *b = chain->first; b != NULL;) {
        struct chain_block *next = b->next;
        block_free(c, b);
        b = next;
    }
    index_free(c, chain->index);
    c->bytes -= sizeof *chain;
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
    for (size_t i = 0; i < c->slot_count; i++) {
        for (struct chain *chain = c->slots[i]; chain != NULL;) {
            struct chain *next = chain->next;
            chain_free(c, chain);
            chain = next;
        }
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

// ---- The wheel ----------------------------------------------------------------------------------

static void hang(struct chains *c, struct chain *chain)
{
    uint64_t due = (chain->last_ms + c->idle_ms) / CHAINS_BUCKET_MS + 1;
    uint64_t last = c->bucket + CHAINS_BUCKETS - 1; // looked at sooner, where the wheel lags
    due = due > c->bucket ? due : c->bucket;
    due = due < last ? due : last;
    ASSERT(due >= c->bucket);
    struct chain **bucket = &c->buckets[due % CHAINS_BUCKETS];
    chain->next_due = *bucket;
    *bucket = chain;
}

// For the closing of the chain behind this one, which is due next, about: what that will touch of
// it, and the beginning of the one behind.
static void bring_near(const struct chains *c, const struct chain *next)
{
    const char *block = (const char *)next->first, *behind = (const char *)next->next_due;
    ASSERT(next->count > 0);
    for (size_t at = 0; at < sizeof *next->first; at += 64) {
        __builtin_prefetch(block + at);
    }
    for (size_t at = 0; at < sizeof *next && behind != NULL; at += 64) {
        __builtin_prefetch(behind + at);
    }
    __builtin_prefetch(&c->slots[next->hash & (c->slot_count - 1)]);
    __builtin_prefetch(&c->closed_set[next->hash >> 20 & (c->remembered * 2 - 1)]);
}

struct chain *chains_due(struct chains *c, uint64_t now_ms, bool early)
{
    uint64_t now = now_ms / CHAINS_BUCKET_MS;
    unsigned passed = 0; // once around, every chain was looked at
    ASSERT(c->idle_ms > 0);
    while (c->count > 0 && passed < CHAINS_BUCKETS && (early || c->bucket <= now)) {
        struct chain **bucket = &c->buckets[c->bucket % CHAINS_BUCKETS], *chain = *bucket;
        if (chain == NULL) {
            c->bucket++;
            passed += early ? 1 : 0;
            continue;
        }
        *bucket = chain->next_due;
        if (early || now_ms - chain->last_ms >= c->idle_ms) {
            if (chain->next_due != NULL) {
                bring_near(c, chain->next_due);
            }
            return chain;
        }
        hang(c, chain);
    }
    return NULL;
}

// ---- The table ----------------------------------------------------------------------------------

static void grow_slots(struct chains *c)
{
    size_t size = c->slot_count * 2;
    struct chain **slots = mem_new(size, sizeof *slots);
    for (size_t i = 0; i < c->slot_count; i++) {
        for (struct chain *chain = c->slots[i]; chain != NULL;) {
            struct chain *next = chain->next, **slot = &slots[chain->hash & (size - 1)];
            chain->next = *slot;
            *slot = chain;
            chain = next;
        }
    }
    ASSERT(size > c->count);
    mem_free(c->slots);
    c->slots = slots;
    c->slot_count = size;
}

// The closed trace that a slot of the set, which is not free, stands for.
static struct closed *closed_at(const struct chains *c, size_t slot)
{
    ASSERT(c->closed_set[slot] > 0 && c->closed_set[slot] <= c->remembered);
    return &c->closed[c->closed_set[slot] - 1];
}

// The slot of a hash among those closed, or the first free one where it would be.
static size_t closed_slot(const struct chains *c, uint64_t hash)
{
    size_t mask = c->remembered * 2 - 1, at = (hash >> 20) & mask;
    while (c->closed_set[at] != 0 && closed_at(c, at)->hash != hash) {
        at = (at + 1) & mask;
    }
    return at;
}

struct chain *chains_open(struct chains *c, trace_id id, uint64_t hash, uint64_t seq,
                          uint64_t now_ms)
{
    struct chain *chain = c->slots[hash & (c->slot_count - 1)];
    while (chain != NULL && (chain->hash != hash || trace_id_cmp(&chain->id, &id) != 0)) {
        chain = chain->next;
    }
    if (chain != NULL) {
        return chain;
    }
    chain = chain_new(c);
    chain->id = id;
    chain->hash = hash;
    chain->first_seq = seq;
    chain->last_ms = chain->opened_ms = now_ms;
    size_t closed = closed_slot(c, hash);
    chain->was_closed = c->closed_set[closed] != 0;
    chain->told = chain->was_closed ? closed_at(c, closed)->told : 0;
    hang(c, chain);
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

// Of all that tells spans apart, and of what no sender knows: a trace of spans that meet in one
// place would take time by the square of their number.
static uint64_t span_hash(const struct chain_span *s)
{
    ASSERT(s->service != 0);
    uint64_t when = secret_fold(s->start_ns, s->duration_ns);
    uint64_t what = secret_fold(s->id, (uint64_t)s->service << 8 | s->kind);
    return secret_fold(when, what);
}

uint64_t chain_span_mark(const struct chain_span *s)
{
    return span_hash(s);
}

// In the word that the highest bit of the hash names.
static uint64_t seen_bit(uint64_t hash)
{
    return (uint64_t)1 << (hash >> 57 & 63);
}

static struct chain_span *span_at(struct chain *chain, uint32_t n)
{
    struct chain_block *b = chain->first;
    for (uint32_t skip = n / CHAIN_BLOCK; skip > 0; skip--) {
        b = b->next;
    }
    ASSERT(n < chain->count && b != NULL);
    return &b->spans[n % CHAIN_BLOCK];
}

static void index_span(struct chains *c, struct chain_index *x, uint32_t n, struct chain_span *s,
                       uint64_t hash)
{
    size_t before = index_bytes(x);
    x->hashes = mem_grow(x->hashes, &x->capacity, n + 1u, sizeof *x->hashes);
    x->spans = mem_grow(x->spans, &x->spans_capacity, n + 1u, sizeof *x->spans);
    hash_index_reserve(&x->index, x->hashes, n, 2 * CHAIN_MARKS);
    c->bytes += index_bytes(x) - before;
    x->hashes[n] = hash;
    x->spans[n] = s;
    hash_index_put(&x->index, hash, n);
    ASSERT(x->index.size > n);
}

static void begin_index(struct chains *c, struct chain *chain)
{
    ASSERT(chain->index == NULL && chain->count == CHAIN_MARKS);
    chain->index = mem_new(1, sizeof *chain->index);
    c->bytes += index_bytes(chain->index);
    for (uint32_t i = 0; i < CHAIN_MARKS; i++) {
        struct chain_span *s = span_at(chain, i);
        index_span(c, chain->index, i, s, span_hash(s));
    }
}

static struct chain_span *find_by_marks(struct chain *chain, const struct chain_span *s,
                                        uint64_t hash)
{
    ASSERT(chain->count <= CHAIN_MARKS);
    if ((chain->seen[hash >> 63] & seen_bit(hash)) == 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < chain->count; i++) {
        if (chain->marks[i] == (uint32_t)hash && chain_span_is_same(span_at(chain, i), s)) {
            return span_at(chain, i);
        }
    }
    return NULL;
}

static struct chain_span *find_by_index(const struct chain *chain, const struct chain_span *s,
                                        uint64_t hash)
{
    const struct chain_index *x = chain->index;
    struct hash_walk walk = hash_index_walk(&x->index, hash);
    uint32_t n;
    while (hash_index_next(&walk, &n)) {
        ASSERT(n < chain->count);
        if (x->hashes[n] == hash && chain_span_is_same(x->spans[n], s)) {
            return x->spans[n];
        }
    }
    return NULL;
}

static void append(struct chains *c, struct chain *chain, const struct chain_span *s, uint64_t hash)
{
    if (chain->count % CHAIN_BLOCK == 0) {
        struct chain_block *b = block_new(c);
        *(chain->last != NULL ? &chain->last->next : &chain->first) = b;
        chain->last = b;
    }
    struct chain_span *to = &chain->last->spans[chain->count % CHAIN_BLOCK];
    *to = *s;
    if (chain->count < CHAIN_MARKS) {
        chain->marks[chain->count] = (uint32_t)hash;
    } else {
        MUST(chain->index != NULL); // chains_add() began it
        index_span(c, chain->index, chain->count, to, hash);
    }
    chain->seen[hash >> 63] |= seen_bit(hash);
    chain->sum ^= hash;
    chain->count++;
    chain->min_start_ns = s->start_ns < chain->min_start_ns ? s->start_ns : chain->min_start_ns;
    c->spans++;
    ASSERT(chain->count <= CHAIN_SPANS_MAX);
}

bool chains_add(struct chains *c, struct chain *chain, const struct chain_span *s, uint64_t now_ms)
{
    uint64_t hash = span_hash(s);
    ASSERT(now_ms >= chain->last_ms);
    chain->last_ms = now_ms;
    if (chain->count == CHAIN_MARKS && chain->index == NULL) {
        begin_index(c, chain);
    }
    struct chain_span *known =
        chain->index == NULL ? find_by_marks(chain, s, hash) : find_by_index(chain, s, hash);
    if (known != NULL) {
        known->copies = (uint8_t)(known->copies + (known->copies < UINT8_MAX));
        return false;
    }
    if (chain->count == CHAIN_SPANS_MAX) {
        c->left_out++;
        return false;
    }
    append(c, chain, s, hash);
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
    size_t mask = c->remembered * 2 - 1, hole = closed_slot(c, hash);
    ASSERT(closed_at(c, hole)->hash == hash);
    for (size_t at = (hole + 1) & mask; c->closed_set[at] != 0; at = (at + 1) & mask) {
        size_t home = (closed_at(c, at)->hash >> 20) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            c->closed_set[hole] = c->closed_set[at];
            hole = at;
        }
    }
    c->closed_set[hole] = 0;
}

static void remember(struct chains *c, uint64_t hash, uint64_t now_ns, uint64_t told)
{
    size_t at = closed_slot(c, hash);
    if (c->closed_set[at] != 0) {
        closed_at(c, at)->told = told;
        return; // its older place in the ring stands
    }
    if (c->closed_count == c->remembered) {
        c->horizon_ns = c->closed[c->closed_next].at_ns;
        forget(c, c->closed[c->closed_next].hash);
        c->closed_count--;
        at = closed_slot(c, hash);
    }
    c->closed_set[at] = (uint32_t)c->closed_next + 1;
    c->closed[c->closed_next] = (struct closed){hash, now_ns, told};
    c->closed_next = (c->closed_next + 1) & (c->remembered - 1);
    c->closed_count++;
    ASSERT(c->closed_count <= c->remembered);
}

void chains_close(struct chains *c, struct chain *chain, uint64_t now_ns, uint64_t told)
{
    struct chain **at = &c->slots[chain->hash & (c->slot_count - 1)];
    while (*at != chain) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = chain->next;
    remember(c, chain->hash, now_ns, told);
    c->count--;
    c->spans -= chain->count;
    chain_free(c, chain);
}

void chains_each(const struct chains *c, void (*each)(void *ctx, const struct chain *chain),
                 void *ctx)
{
    ASSERT(each != NULL);
    for (size_t i = 0; i < c->slot_count; i++) {
        for (const struct chain *chain = c->slots[i]; chain != NULL; chain = chain->next) {
            each(ctx, chain);
        }
    }
}

static void note_seq(void *ctx, const struct chain *chain)
{
    uint64_t *least = ctx;
    *least = chain->first_seq < *least ? chain->first_seq : *least;
}

uint64_t chains_oldest_seq(const struct chains *c, uint64_t none)
{
    uint64_t least = none;
    chains_each(c, note_seq, &least);
    return least;
}
