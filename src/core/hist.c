// SPDX-License-Identifier: Apache-2.0
// Purpose: histograms of durations that add up.
#include "core/hist.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/rank.h"
#include "core/varint.h"

#define HIST_WORDS (HIST_BUCKETS / HIST_BLOCK / 64u) // a bit for each block
#define FEW_LEAST  ((size_t)8)                       // room that a list begins with

// ceil(2^(63 + i/64)): the least value, shifted until its highest bit is set, that lies in bucket i
// of its octave.
static const uint64_t bounds[HIST_OCTAVE] = {
    0x8000000000000000u, 0x8164d1f3bc030774u, 0x82cd8698ac2ba1d8u, 0x843a28c3acde4047u,
    0x85aac367cc487b15u, 0x871f61969e8d1011u, 0x88980e8092da8528u, 0x8a14d575496efd9bu,
    0x8b95c1e3ea8bd6e7u, 0x8d1adf5b7e5ba9e6u, 0x8ea4398b45cd53c1u, 0x9031dc431466b1ddu,
    0x91c3d373ab11c337u, 0x935a2b2f13e6e92cu, 0x94f4efa8fef70962u, 0x96942d3720185a01u,
    0x9837f0518db8a970u, 0x99e0459320b7fa65u, 0x9b8d39b9d54e5539u, 0x9d3ed9a72cffb751u,
    0x9ef5326091a111aeu, 0xa0b0510fb9714fc3u, 0xa27043030c496819u, 0xa43515ae09e6809fu,
    0xa5fed6a9b15138ebu, 0xa7cd93b4e965356au, 0xa9a15ab4ea7c0ef9u, 0xab7a39b5a93ed338u,
    0xad583eea42a14ac7u, 0xaf3b78ad690a4375u, 0xb123f581d2ac2590u, 0xb311c412a911248au,
    0xb504f333f9de6485u, 0xb6fd91e328d17792u, 0xb8fbaf4762fb9eeau, 0xbaff5ab2133e45fcu,
    0xbd08a39f580c36bfu, 0xbf1799b67a731083u, 0xc12c4cca66709457u, 0xc346ccda24976408u,
    0xc5672a115506dadeu, 0xc78d74c8abb9b15du, 0xc9b9bd866e2f27a3u, 0xcbec14fef2727c5du,
    0xce248c151f8480e4u, 0xd06333daef2b2595u, 0xd2a81d91f12ae45bu, 0xd4f35aabcfedfa20u,
    0xd744fccad69d6af5u, 0xd99d15c278afd7b6u, 0xdbfbb797daf23756u, 0xde60f4825e0e9124u,
    0xe0ccdeec2a94e112u, 0xe33f8972be8a5a52u, 0xe5b906e77c8348a9u, 0xe8396a503c4bdc69u,
    0xeac0c6e7dd24392fu, 0xed4f301ed9942b85u, 0xefe4b99bdcdaf5ccu, 0xf281773c59ffb13au,
    0xf5257d152486cc2du, 0xf7d0df730ad13bb9u, 0xfa83b2db722a033bu, 0xfd3e0c0cf486c175u,
};

// The bucket that the least value with these eight bits behind its highest one lies in. Buckets are
// wider than such a step, so that at most one bound lies inside.
static const uint8_t guesses[256] = {
    0,  0,  0,  1,  1,  1,  2,  2,  2,  3,  3,  3,  4,  4,  4,  5,  5,  5,  6,  6,  6,  7,  7,  7,
    8,  8,  8,  9,  9,  9,  10, 10, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 14, 15, 15,
    15, 16, 16, 16, 17, 17, 17, 17, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 21, 21, 21, 22, 22, 22,
    22, 23, 23, 23, 24, 24, 24, 24, 25, 25, 25, 25, 26, 26, 26, 27, 27, 27, 27, 28, 28, 28, 28, 29,
    29, 29, 29, 30, 30, 30, 30, 31, 31, 31, 31, 32, 32, 32, 33, 33, 33, 33, 34, 34, 34, 34, 35, 35,
    35, 35, 35, 36, 36, 36, 36, 37, 37, 37, 37, 38, 38, 38, 38, 39, 39, 39, 39, 40, 40, 40, 40, 40,
    41, 41, 41, 41, 42, 42, 42, 42, 43, 43, 43, 43, 43, 44, 44, 44, 44, 45, 45, 45, 45, 45, 46, 46,
    46, 46, 47, 47, 47, 47, 47, 48, 48, 48, 48, 48, 49, 49, 49, 49, 50, 50, 50, 50, 50, 51, 51, 51,
    51, 51, 52, 52, 52, 52, 52, 53, 53, 53, 53, 53, 54, 54, 54, 54, 54, 55, 55, 55, 55, 55, 56, 56,
    56, 56, 56, 57, 57, 57, 57, 57, 58, 58, 58, 58, 58, 58, 59, 59, 59, 59, 59, 60, 60, 60, 60, 60,
    61, 61, 61, 61, 61, 61, 62, 62, 62, 62, 62, 63, 63, 63, 63, 63,
};

unsigned hist_bucket(uint64_t value_ns)
{
    uint64_t v = value_ns > 0 ? value_ns : 1;
    unsigned zeros = (unsigned)__builtin_clzll(v);
    uint64_t shifted = v << zeros;
    unsigned i = guesses[(shifted >> 55) & 0xff];
    i += i + 1 < HIST_OCTAVE && shifted >= bounds[i + 1] ? 1 : 0;
    ASSERT(i < HIST_OCTAVE);
    return (63 - zeros) * HIST_OCTAVE + i;
}

uint64_t hist_value(unsigned bucket)
{
    ASSERT(bucket < HIST_BUCKETS);
    // 2ab / (a + b) is off by the same ratio from both bounds.
    double from = exp2((double)bucket / HIST_OCTAVE), ratio = exp2(1.0 / HIST_OCTAVE);
    return (uint64_t)(2 * from * ratio / (1 + ratio) + 0.5);
}

// ---- Many calls ---------------------------------------------------------------------------------

// `blocks` has a bit for each block that is there, `cells` has HIST_BLOCK counts for each bit, the
// lowest block first.
struct hist_many {
    uint64_t blocks[HIST_WORDS];
    uint8_t before[HIST_WORDS]; // how many bits the words below have
    int32_t cells[];
};

// A processor that is not known to count bits would be asked by a call.
static size_t bits_of(uint64_t v)
{
    v -= v >> 1 & 0x5555555555555555u;
    v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (size_t)(v * 0x0101010101010101u >> 56);
}

static size_t block_count(const struct hist_many *m)
{
    const unsigned last = HIST_WORDS - 1;
    return m->before[last] + bits_of(m->blocks[last]);
}

static size_t cell_count(const struct hist_many *m)
{
    return block_count(m) * HIST_BLOCK;
}

static size_t many_bytes(size_t blocks)
{
    ASSERT(blocks <= HIST_BUCKETS / HIST_BLOCK);
    return sizeof(struct hist_many) + blocks * HIST_BLOCK * sizeof(int32_t);
}

// How many blocks lie below this one, and whether it is there.
static size_t rank_of(const struct hist_many *m, unsigned block, bool *ret_is_there)
{
    unsigned word = block / 64;
    uint64_t bit = (uint64_t)1 << block % 64;
    ASSERT(word < HIST_WORDS);
    *ret_is_there = (m->blocks[word] & bit) != 0;
    return m->before[word] + bits_of(m->blocks[word] & (bit - 1));
}

// The cell of a bucket. Its block is made where it is new, which may move `*m`.
static int32_t *cell_of(struct hist_many **m, unsigned bucket)
{
    unsigned block = bucket / HIST_BLOCK;
    bool is_there;
    size_t at = rank_of(*m, block, &is_there);
    if (!is_there) {
        size_t n = block_count(*m), bytes = HIST_BLOCK * sizeof(int32_t);
        ASSERT(at <= n);
        *m = mem_resize(*m, 1, many_bytes(n + 1));
        int32_t *to = (*m)->cells + at * HIST_BLOCK;
        memmove(to + HIST_BLOCK, to, (n - at) * bytes);
        memset(to, 0, bytes);
        (*m)->blocks[block / 64] |= (uint64_t)1 << block % 64;
        for (unsigned w = block / 64 + 1; w < HIST_WORDS; w++) {
            (*m)->before[w]++;
        }
    }
    return (*m)->cells + at * HIST_BLOCK + bucket % HIST_BLOCK;
}

static void add_many(struct hist_many **m, unsigned bucket, int32_t times)
{
    int32_t *cell = cell_of(m, bucket);
    MUST(!__builtin_add_overflow(*cell, times, cell));
}

// ---- Few calls ----------------------------------------------------------------------------------

static bool append(struct hist *h, const uint16_t *buckets, size_t count)
{
    size_t n = h->few_count + count, room = h->few_room > 0 ? h->few_room : FEW_LEAST;
    if (n > HIST_FEW_MAX) {
        return false;
    }
    while (room < n) {
        room *= 2;
    }
    if (room > h->few_room) {
        h->few_room = (uint16_t)room;
        h->few = mem_resize(h->few, room, sizeof *h->few);
    }
    ASSERT(n <= h->few_room);
    memcpy(h->few + h->few_count, buckets, count * sizeof *buckets);
    h->few_count = (uint16_t)n;
    return true;
}

static bool take_back(struct hist *h, unsigned bucket)
{
    uint16_t i = h->few_count;
    while (i > 0 && h->few[i - 1] != bucket) {
        i--;
    }
    if (i > 0) {
        ASSERT(i <= h->few_count);
        h->few[i - 1] = h->few[--h->few_count];
    }
    return i > 0;
}

static void become_many(struct hist *h)
{
    struct hist_many *m = mem_new(1, sizeof *m);
    ASSERT(!h->is_many && h->few_count <= h->few_room);
    for (uint16_t i = 0; i < h->few_count; i++) {
        add_many(&m, h->few[i], 1);
    }
    mem_free(h->few);
    h->few_count = h->few_room = 0;
    h->is_many = true;
    h->many = m;
}

// ---- One histogram ------------------------------------------------------------------------------

void hist_add_run(struct hist *h, const uint16_t *buckets, size_t count, uint64_t sum_ns,
                  int32_t times)
{
    bool is_done = !h->is_many && times == 1 && append(h, buckets, count);
    for (size_t i = 0; !is_done && i < count; i++) {
        ASSERT(buckets[i] < HIST_BUCKETS);
        if (!h->is_many && times == -1 && take_back(h, buckets[i])) {
            continue;
        }
        if (!h->is_many) {
            become_many(h);
        }
        add_many(&h->many, buckets[i], times);
    }
    h->count += times * (int64_t)count;
    h->sum_ns = (int64_t)((uint64_t)h->sum_ns + sum_ns * (uint64_t)times);
    ASSERT(h->is_many || (size_t)h->count == h->few_count);
}

void hist_add(struct hist *h, uint64_t value_ns, int32_t times)
{
    const uint16_t bucket = (uint16_t)hist_bucket(value_ns);
    hist_add_run(h, &bucket, 1, value_ns, times);
}

void hist_prefetch(const struct hist *h)
{
    ASSERT(h->few_count <= HIST_FEW_MAX);
    if (h->is_many) {
        __builtin_prefetch(h->many);
    } else if (h->few_count < h->few_room) {
        __builtin_prefetch(h->few + h->few_count, 1);
    }
}

void hist_clear(struct hist *h)
{
    ASSERT(!h->is_many || h->few_room == 0);
    mem_free(h->is_many ? (void *)h->many : (void *)h->few);
    *h = (struct hist){0};
}

bool hist_is_nothing(const struct hist *h)
{
    bool nothing = h->count == 0 && h->sum_ns == 0;
    size_t n = nothing && h->is_many ? cell_count(h->many) : 0;
    for (size_t i = 0; nothing && i < n; i++) {
        nothing = h->many->cells[i] == 0;
    }
    return nothing;
}

size_t hist_bytes(const struct hist *h)
{
    ASSERT(!h->is_many || h->many != NULL);
    return h->is_many ? many_bytes(block_count(h->many)) : h->few_room * sizeof *h->few;
}

// ---- As bytes -----------------------------------------------------------------------------------

// Walks the blocks that are there: their first buckets, in order.
struct block_walk {
    const uint64_t *blocks;
    uint64_t left;
    unsigned word;
};

static bool next_block(struct block_walk *walk, unsigned *ret_first)
{
    while (walk->left == 0) {
        if (walk->word == HIST_WORDS) {
            return false;
        }
        walk->left = walk->blocks[walk->word++];
    }
    ASSERT(walk->word > 0);
    unsigned block = (walk->word - 1) * 64 + (unsigned)__builtin_ctzll(walk->left);
    walk->left &= walk->left - 1;
    *ret_first = block * HIST_BLOCK;
    return true;
}

// Bytes on their way into a buffer that has room for all of them; NULL where it could not grow.
static uint8_t *encode_head(struct buf *out, int64_t count, int64_t sum_ns, uint64_t used)
{
    ASSERT(used <= HIST_BUCKETS);
    if (!buf_reserve(out, (size_t)(3 + 2 * used) * VARINT_MAX)) {
        return NULL;
    }
    uint8_t *p = (uint8_t *)out->p + out->n;
    p += varint_put(p, zigzag(count));
    p += varint_put(p, zigzag(sum_ns));
    return p + varint_put(p, used);
}

// *next is the bucket after the last one written.
static uint8_t *encode_cell(uint8_t *p, unsigned bucket, int64_t times, unsigned *next)
{
    ASSERT(bucket >= *next && times != 0);
    p += varint_put(p, bucket - *next + 1);
    *next = bucket + 1;
    return p + varint_put(p, zigzag(times));
}

static void encode_end(struct buf *out, const uint8_t *p)
{
    out->n = (size_t)(p - (const uint8_t *)out->p);
    ASSERT(out->n <= out->capacity);
}

static void encode_many(const struct hist *h, struct buf *out)
{
    uint64_t used = 0;
    const int32_t *cells = h->many->cells;
    for (size_t i = 0, n = cell_count(h->many); i < n; i++) {
        used += cells[i] != 0 ? 1 : 0;
    }
    uint8_t *p = encode_head(out, h->count, h->sum_ns, used);
    struct block_walk walk = {.blocks = h->many->blocks};
    unsigned next = 0;
    ASSERT(h->is_many);
    if (p == NULL) {
        return;
    }
    for (unsigned first; next_block(&walk, &first); cells += HIST_BLOCK) {
        for (unsigned i = 0; i < HIST_BLOCK; i++) {
            p = cells[i] != 0 ? encode_cell(p, first + i, cells[i], &next) : p;
        }
    }
    encode_end(out, p);
}

// By insertion: they are few, and most often very few.
static void sort_few(uint16_t *list, unsigned count)
{
    ASSERT(count <= HIST_FEW_MAX);
    for (unsigned i = 1; i < count; i++) {
        uint16_t bucket = list[i];
        unsigned to = i;
        for (; to > 0 && list[to - 1] > bucket; to--) {
            list[to] = list[to - 1];
        }
        list[to] = bucket;
    }
}

static void encode_few(const struct hist *h, struct buf *out)
{
    uint16_t list[HIST_FEW_MAX];
    unsigned count = h->few_count, next = 0;
    uint64_t used = 0;
    ASSERT(!h->is_many && count <= HIST_FEW_MAX);
    memcpy(list, count > 0 ? h->few : list, count * sizeof *list);
    sort_few(list, count);
    for (unsigned i = 0; i < count; i++) {
        used += i == 0 || list[i] != list[i - 1] ? 1 : 0;
    }
    uint8_t *p = encode_head(out, h->count, h->sum_ns, used);
    if (p == NULL) {
        return;
    }
    for (unsigned i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && list[i + same] == list[i]; same++) {
        }
        p = encode_cell(p, list[i], same, &next);
    }
    encode_end(out, p);
}

void hist_encode(const struct hist *h, struct buf *out)
{
    if (h->is_many) {
        encode_many(h, out);
    } else {
        encode_few(h, out);
    }
}

// The first cell, or NULL for bytes that are no histogram.
static const uint8_t *read_head(struct str bytes, struct hist_head *ret_head)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    uint64_t count, sum_ns, used;
    ASSERT(bytes.p != NULL || bytes.n == 0);
    p = bytes.n > 0 ? varint_get(p, end, &count) : NULL;
    p = p != NULL ? varint_get(p, end, &sum_ns) : NULL;
    p = p != NULL ? varint_get(p, end, &used) : NULL;
    if (p == NULL || used > HIST_BUCKETS) {
        return NULL;
    }
    *ret_head = (struct hist_head){unzigzag(count), unzigzag(sum_ns), used};
    return p;
}

// Reads a cell; *next is the bucket after the one before, and then after this one. NULL for bytes
// that are none.
static inline const uint8_t *read_cell(const uint8_t *p, const uint8_t *end, uint64_t *next,
                                       int64_t *ret_times)
{
    uint64_t distance, times;
    p = varint_get(p, end, &distance);
    p = p != NULL ? varint_get(p, end, &times) : NULL;
    if (p == NULL || distance == 0 || distance > HIST_BUCKETS - *next) {
        return NULL;
    }
    *next += distance;
    *ret_times = unzigzag(times);
    return p;
}

enum err hist_cut(struct str *bytes, struct str *ret_hist, struct hist_head *ret_head)
{
    struct hist_head head;
    const uint8_t *end = (const uint8_t *)bytes->p + bytes->n;
    const uint8_t *p = read_head(*bytes, &head);
    uint64_t next = 0;
    int64_t times;
    for (uint64_t i = 0; p != NULL && i < head.used; i++) {
        p = read_cell(p, end, &next, &times);
    }
    if (p == NULL) {
        return ERR_CORRUPT;
    }
    size_t n = (size_t)(p - (const uint8_t *)bytes->p);
    ASSERT(n <= bytes->n);
    *ret_hist = (struct str){bytes->p, n};
    *ret_head = head;
    *bytes = str_skip(*bytes, n);
    return ERR_OK;
}

struct hist_head hist_head_of(struct str hist)
{
    struct hist_head head;
    const uint8_t *p = read_head(hist, &head);
    MUST(p != NULL);
    return head;
}

bool hist_fits(struct str hist)
{
    struct hist_head head;
    const uint8_t *end = (const uint8_t *)hist.p + hist.n;
    const uint8_t *p = read_head(hist, &head);
    uint64_t next = 0;
    bool fits = true;
    MUST(p != NULL);
    for (uint64_t i = 0; i < head.used; i++) {
        int64_t times;
        p = read_cell(p, end, &next, &times);
        MUST(p != NULL);
        fits = fits && times >= INT32_MIN && times <= INT32_MAX;
    }
    return fits;
}

void hist_add_encoded(struct hist *h, struct str hist)
{
    struct hist_head head;
    const uint8_t *end = (const uint8_t *)hist.p + hist.n;
    const uint8_t *p = read_head(hist, &head);
    uint64_t next = 0;
    MUST(p != NULL);
    for (uint64_t i = 0; i < head.used; i++) {
        int64_t times;
        p = read_cell(p, end, &next, &times);
        MUST(p != NULL && times >= INT32_MIN && times <= INT32_MAX);
        uint16_t bucket = (uint16_t)(next - 1);
        hist_add_run(h, &bucket, 1, 0, (int32_t)times);
    }
    h->sum_ns = (int64_t)((uint64_t)h->sum_ns + (uint64_t)head.sum_ns);
}

int64_t hist_sum_ns(struct str hist)
{
    struct hist_head head;
    const uint8_t *end = (const uint8_t *)hist.p + hist.n;
    const uint8_t *first = read_head(hist, &head), *p = first;
    uint64_t next = 0;
    double most = 0, sum = 0;
    int64_t times = 0;
    MUST(p != NULL);
    for (uint64_t i = 0; i < head.used; i++) {
        p = read_cell(p, end, &next, &times);
        MUST(p != NULL);
        most += fabs((double)times);
    }
    if (most * exp2((double)next / HIST_OCTAVE) < 0x1p62) { // all in the highest bucket
        return head.sum_ns;
    }
    next = 0;
    for (uint64_t i = 0; i < head.used; i++) {
        first = read_cell(first, end, &next, &times);
        sum += (double)times * (double)hist_value((unsigned)next - 1);
    }
    return fabs(sum) < 0x1p62 ? head.sum_ns
           : sum >= 0x1p63    ? INT64_MAX
           : sum <= -0x1p63   ? INT64_MIN
                              : (int64_t)sum;
}

// ---- Totals -------------------------------------------------------------------------------------

static int64_t add_wrapping(int64_t a, int64_t b)
{
    _Static_assert(sizeof(int64_t) == sizeof(uint64_t), "two's complement");
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

// Where something was added to a total, ascending. All zero but for `of` is a begin.
struct added_walk {
    const struct hist_total *of;
    uint64_t left;
    unsigned word, begun;
};

static inline bool next_added(struct added_walk *walk, unsigned *ret_bucket)
{
    if (walk->left == 0) {
        uint64_t words = walk->begun < 64 ? walk->of->words >> walk->begun : 0;
        if (words == 0) {
            return false;
        }
        walk->word = walk->begun + (unsigned)__builtin_ctzll(words);
        walk->begun = walk->word + 1;
        walk->left = walk->of->added[walk->word];
    }
    ASSERT(walk->left != 0);
    *ret_bucket = walk->word * 64 + (unsigned)__builtin_ctzll(walk->left);
    walk->left &= walk->left - 1;
    return true;
}

void hist_total_clear(struct hist_total *t)
{
    struct added_walk walk = {.of = t};
    for (unsigned bucket; next_added(&walk, &bucket);) {
        t->buckets[bucket] = 0;
        t->added[bucket / 64] = 0;
    }
    t->words = 0;
    t->count = t->sum_ns = 0;
    ASSERT(t->buckets[0] == 0);
}

static inline void add_to_bucket(struct hist_total *t, uint64_t bucket, int64_t times)
{
    _Static_assert(HIST_BUCKETS == 64 * 64, "one word has a bit for each word of buckets");
    ASSERT(bucket < HIST_BUCKETS);
    t->buckets[bucket] = add_wrapping(t->buckets[bucket], times);
    t->added[bucket / 64] |= (uint64_t)1 << bucket % 64;
    t->words |= (uint64_t)1 << bucket / 64;
}

enum err hist_total_cut(struct hist_total *t, struct str *bytes)
{
    struct hist_head head;
    const uint8_t *end = (const uint8_t *)bytes->p + bytes->n;
    const uint8_t *p = read_head(*bytes, &head);
    uint64_t next = 0;
    for (uint64_t i = 0; p != NULL && i < head.used; i++) {
        int64_t times;
        p = read_cell(p, end, &next, &times);
        if (p != NULL) {
            add_to_bucket(t, next - 1, times);
        }
    }
    if (p == NULL) {
        return ERR_CORRUPT;
    }
    t->count = add_wrapping(t->count, head.count);
    t->sum_ns = add_wrapping(t->sum_ns, head.sum_ns);
    ASSERT(p <= end);
    *bytes = str_skip(*bytes, (size_t)(p - (const uint8_t *)bytes->p));
    return ERR_OK;
}

void hist_total_add(struct hist_total *t, struct str hist)
{
    enum err e = hist_total_cut(t, &hist);
    MUST(e == ERR_OK);
}

void hist_total_add_kept(struct hist_total *t, const struct hist *h)
{
    ASSERT(h->is_many || h->few_count <= HIST_FEW_MAX);
    for (unsigned i = 0; !h->is_many && i < h->few_count; i++) {
        add_to_bucket(t, h->few[i], 1);
    }
    if (h->is_many) {
        const int32_t *cells = h->many->cells;
        struct block_walk walk = {.blocks = h->many->blocks};
        for (unsigned first; next_block(&walk, &first); cells += HIST_BLOCK) {
            for (unsigned i = 0; i < HIST_BLOCK; i++) {
                if (cells[i] != 0) {
                    add_to_bucket(t, first + i, cells[i]);
                }
            }
        }
    }
    t->count = add_wrapping(t->count, h->count);
    t->sum_ns = add_wrapping(t->sum_ns, h->sum_ns);
}

void hist_total_encode(const struct hist_total *t, struct buf *out)
{
    uint64_t used = 0;
    unsigned next = 0;
    struct added_walk count = {.of = t}, write = count;
    for (unsigned bucket; next_added(&count, &bucket);) {
        used += t->buckets[bucket] != 0 ? 1 : 0;
    }
    uint8_t *p = encode_head(out, t->count, t->sum_ns, used);
    if (p == NULL) {
        return;
    }
    for (unsigned bucket; next_added(&write, &bucket);) {
        if (t->buckets[bucket] != 0) {
            p = encode_cell(p, bucket, t->buckets[bucket], &next);
        }
    }
    encode_end(out, p);
}

static uint64_t rank_of_share(const double *q, size_t i, uint64_t all)
{
    ASSERT(q[i] >= 0 && q[i] <= 1 && (i == 0 || q[i - 1] <= q[i]));
    return quantile_rank(q[i], all);
}

void hist_total_quantiles(const struct hist_total *t, const double *q, size_t count,
                          uint64_t *ret_ns)
{
    uint64_t all = 0, seen = 0;
    struct added_walk sum = {.of = t}, find = sum;
    for (unsigned bucket; next_added(&sum, &bucket);) {
        all += t->buckets[bucket] > 0 ? (uint64_t)t->buckets[bucket] : 0;
    }
    size_t done = 0;
    uint64_t rank = rank_of_share(q, 0, all);
    for (unsigned bucket; done < count && all > 0 && next_added(&find, &bucket);) {
        seen += t->buckets[bucket] > 0 ? (uint64_t)t->buckets[bucket] : 0;
        while (done < count && seen > rank) {
            ret_ns[done++] = hist_value(bucket);
            rank = done < count ? rank_of_share(q, done, all) : rank;
        }
    }
    ASSERT(all == 0 || done == count);
    while (done < count) {
        ret_ns[done++] = 0;
    }
}
