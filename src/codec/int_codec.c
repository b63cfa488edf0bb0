// SPDX-License-Identifier: Apache-2.0
// Purpose: integers as bytes: choosing the smallest of four encodings by trial.
#include "codec/int_codec.h"

#include "core/mem.h"
#include "core/must.h"

enum { TAG_CONST, TAG_BITPACK, TAG_PLANES, TAG_TABLE };

#define WIDTH_MAX 56u

struct frame {
    uint64_t base, scale;
    unsigned width; // bits of (value - base) / scale
};

static unsigned bits_of(uint64_t v)
{
    _Static_assert(sizeof(unsigned long long) == sizeof(uint64_t), "the builtin counts 64 bits");
    return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

static bool all_divisible(const uint64_t *v, size_t n, uint64_t base, uint64_t by)
{
    ASSERT(v != NULL && n > 0);
    ASSERT(by > 0);
    for (size_t i = 0; i < n; i++) {
        if ((v[i] - base) % by != 0) {
            return false;
        }
    }
    return true;
}

static struct frame frame_of(const uint64_t *v, size_t n)
{
    ASSERT(v != NULL || n == 0);
    ASSERT(n > 0);
    int64_t low = (int64_t)v[0], high = (int64_t)v[0];
    for (size_t i = 1; i < n; i++) {
        int64_t x = (int64_t)v[i];
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    struct frame f = {.base = (uint64_t)low, .scale = 1};
    uint64_t range = (uint64_t)high - (uint64_t)low;
    // Clocks of microseconds and milliseconds are common among times in nanoseconds.
    if (range >= 1000000 && all_divisible(v, n, f.base, 1000000)) {
        f.scale = 1000000;
    } else if (range >= 1000 && all_divisible(v, n, f.base, 1000)) {
        f.scale = 1000;
    }
    f.width = bits_of(range / f.scale);
    return f;
}

static void put_frame(uint8_t tag, struct frame f, struct buf *out)
{
    ASSERT(out != NULL);
    ASSERT(tag <= TAG_TABLE);
    buf_add_byte(out, tag);
    buf_add_varint(out, zigzag((int64_t)f.base));
    buf_add_varint(out, f.scale);
}

static uint64_t reduce(uint64_t v, struct frame f)
{
    ASSERT((v - f.base) % f.scale == 0);
    ASSERT(f.scale > 0);
    return f.scale == 1 ? v - f.base : (v - f.base) / f.scale;
}

static size_t bitpack_bytes(size_t n, unsigned width)
{
    ASSERT(n <= SIZE_MAX / 64);
    ASSERT(width <= 64);
    return (n * width + 7) / 8;
}

static void put_bitpack(const uint64_t *v, size_t n, struct frame f, struct buf *out)
{
    ASSERT(f.width >= 1 && f.width <= WIDTH_MAX);
    put_frame(TAG_BITPACK, f, out);
    buf_add_byte(out, (uint8_t)f.width);
    size_t bytes = bitpack_bytes(n, f.width);
    MUST(buf_reserve(out, bytes + sizeof(uint64_t)));
    uint8_t *p = (uint8_t *)out->p + out->n;
    memset(p, 0, bytes + sizeof(uint64_t));
    size_t bit = 0;
    for (size_t i = 0; i < n; i++, bit += f.width) {
        uint64_t word = load_u64(p + bit / 8) | reduce(v[i], f) << (bit & 7);
        memcpy(p + bit / 8, &word, sizeof word);
    }
    out->n += bytes;
}

static void put_planes(struct zpack *z, const uint64_t *v, size_t n, struct frame f,
                       struct buf *out)
{
    ASSERT(n > 0 && n <= REGION_MAX);
    unsigned planes = (f.width + 7) / 8;
    ASSERT(planes >= 1 && planes <= 8);
    buf_clear(&z->planes);
    buf_clear(&z->bytes);
    MUST(buf_reserve(&z->bytes, n * planes));
    uint8_t *bytes = (uint8_t *)z->bytes.p;
    for (unsigned k = 0; k < planes; k++) {
        for (size_t i = 0; i < n; i++) {
            bytes[k * n + i] = (uint8_t)(reduce(v[i], f) >> (8 * k));
        }
    }
    put_frame(TAG_PLANES, f, out);
    buf_add_byte(out, (uint8_t)planes);
    for (unsigned k = 0; k < planes; k++) {
        size_t before = z->planes.n;
        bool smaller = zpack_frame(z, bytes + k * n, n, &z->planes);
        if (!smaller) {
            buf_add(&z->planes, bytes + k * n, n);
        }
        buf_add_varint(out, (uint64_t)(z->planes.n - before) << 1 | (smaller ? 1 : 0));
    }
    buf_add_str(out, buf_str(&z->planes));
}

// The distinct values, when they are at most INTS_TABLE_MAX, and the index of each value.
static size_t find_table(const uint64_t *v, size_t n, uint64_t *table, uint64_t *codes)
{
    ASSERT(n > 0);
    enum { SLOTS = 1024 };
    uint16_t slots[SLOTS] = {0};
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = (v[i] * 0x9E3779B97F4A7C15ULL) >> 54;
        ASSERT(at < SLOTS);
        while (slots[at] != 0 && table[slots[at] - 1] != v[i]) {
            at = (at + 1) % SLOTS;
        }
        if (slots[at] == 0) {
            if (count == INTS_TABLE_MAX) {
                return 0;
            }
            table[count++] = v[i];
            slots[at] = (uint16_t)count;
        }
        codes[i] = slots[at] - 1u;
    }
    return count;
}

static bool put_table(struct zpack *z, const uint64_t *v, size_t n, struct buf *out)
{
    ASSERT(out != NULL && z != NULL);
    ASSERT(n > 0);
    uint64_t table[INTS_TABLE_MAX];
    uint64_t *codes = mem_alloc(n * sizeof *codes);
    size_t count = find_table(v, n, table, codes);
    if (count >= 2) {
        buf_add_byte(out, TAG_TABLE);
        buf_add_varint(out, count);
        for (size_t i = 0; i < count; i++) {
            buf_add_varint(out, zigzag((int64_t)table[i]));
        }
        ints_encode(z, codes, n, INTS_COLD, out);
    }
    mem_free(codes);
    return count >= 2;
}

// Planes, unless bit-packing is about as small.
static void put_smaller(struct zpack *z, const uint64_t *v, size_t n, struct frame f,
                        enum ints_use use, struct buf *out)
{
    ASSERT(out != NULL && n > 0);
    ASSERT(f.width > 0 && f.width <= 64);
    size_t before = out->n;
    put_planes(z, v, n, f, out);
    size_t packed = bitpack_bytes(n, f.width);
    size_t bar = use == INTS_HOT ? packed - packed / 10 : packed;
    if (f.width <= WIDTH_MAX && out->n - before > bar) {
        out->n = before;
        put_bitpack(v, n, f, out);
    }
}

void ints_encode(struct zpack *z, const uint64_t *values, size_t n, enum ints_use use,
                 struct buf *out)
{
    ASSERT(z != NULL && n > 0);
    struct frame f = frame_of(values, n);
    if (f.width == 0) {
        buf_add_byte(out, TAG_CONST);
        buf_add_varint(out, zigzag((int64_t)f.base));
    } else if (use == INTS_CODES && f.width <= WIDTH_MAX) {
        put_bitpack(values, n, f, out);
    } else if (use == INTS_COLD && f.width > 8 && n >= 64 && put_table(z, values, n, out)) {
        ASSERT(!out->failed);
    } else {
        put_smaller(z, values, n, f, use, out);
    }
}

static struct frame get_frame(struct cursor *c)
{
    ASSERT(c != NULL);
    struct frame f = {0};
    f.base = (uint64_t)unzigzag(cursor_varint(c));
    f.scale = cursor_varint(c);
    return f;
}

// The values that a read asks for: [first, first + count) of n.
struct stretch {
    size_t n, first, count;
};

static enum err get_bitpack(struct cursor *c, struct stretch s, uint64_t *out)
{
    ASSERT(s.first + s.count <= s.n);
    ASSERT(out != NULL && s.n > 0);
    struct frame f = get_frame(c);
    f.width = cursor_byte(c);
    if (c->failed || f.width < 1 || f.width > WIDTH_MAX) {
        return ERR_CORRUPT;
    }
    const uint8_t *p = cursor_bytes(c, bitpack_bytes(s.n, f.width));
    if (p == NULL) {
        return ERR_CORRUPT;
    }
    const uint64_t mask = ((uint64_t)1 << f.width) - 1;
    size_t bit = s.first * f.width;
    for (size_t i = 0; i < s.count; i++, bit += f.width) {
        out[i] = f.base + f.scale * (load_u64(p + bit / 8) >> (bit & 7) & mask);
    }
    return ERR_OK;
}

static void add_plane(const uint8_t *plane, size_t n, unsigned shift, uint64_t *out)
{
    ASSERT(out != NULL || n == 0);
    ASSERT(shift < 64);
    if (shift == 0) {
        for (size_t i = 0; i < n; i++) {
            out[i] = plane[i];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] |= (uint64_t)plane[i] << shift;
    }
}

static enum err get_planes(struct cursor *c, struct stretch s, uint64_t *out)
{
    ASSERT(s.first + s.count <= s.n);
    ASSERT(out != NULL && s.n > 0);
    uint64_t heads[8];
    struct frame f = get_frame(c);
    unsigned planes = cursor_byte(c);
    if (c->failed || planes < 1 || planes > 8) {
        return ERR_CORRUPT;
    }
    for (unsigned k = 0; k < planes; k++) {
        heads[k] = cursor_varint(c);
    }
    uint8_t *scratch = NULL;
    enum err e = ERR_OK;
    for (unsigned k = 0; k < planes && e == ERR_OK; k++) {
        size_t stored = (size_t)(heads[k] >> 1);
        const uint8_t *p = cursor_bytes(c, stored);
        if (p == NULL || ((heads[k] & 1) == 0 && stored != s.n)) {
            e = ERR_CORRUPT;
        } else if ((heads[k] & 1) != 0) {
            scratch = scratch != NULL ? scratch : mem_alloc(s.n);
            e = zpack_decode(p, stored, scratch, s.n);
            p = scratch;
        }
        if (e == ERR_OK) {
            add_plane(p + s.first, s.count, 8 * k, out);
        }
    }
    mem_free(scratch);
    for (size_t i = 0; i < s.count && e == ERR_OK; i++) {
        out[i] = f.base + f.scale * out[i];
    }
    return e;
}

static enum err decode_at(struct cursor *c, struct stretch s, uint64_t *out, bool nested);

static enum err get_table(struct cursor *c, struct stretch s, uint64_t *out)
{
    ASSERT(s.first + s.count <= s.n);
    ASSERT(out != NULL && s.n > 0);
    uint64_t table[INTS_TABLE_MAX];
    size_t count = cursor_below(c, INTS_TABLE_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        table[i] = (uint64_t)unzigzag(cursor_varint(c));
    }
    if (c->failed || decode_at(c, s, out, true) != ERR_OK) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < s.count; i++) {
        if (out[i] >= count) {
            return ERR_CORRUPT;
        }
        out[i] = table[out[i]];
    }
    return ERR_OK;
}

static enum err decode_at(struct cursor *c, struct stretch s, uint64_t *out, bool nested)
{
    ASSERT(out != NULL || s.n == 0);
    ASSERT(s.n > 0 && s.first + s.count <= s.n);
    uint8_t tag = cursor_byte(c);
    if (c->failed) {
        return ERR_CORRUPT;
    }
    switch (tag) {
    case TAG_CONST: {
        uint64_t base = (uint64_t)unzigzag(cursor_varint(c));
        for (size_t i = 0; i < s.count; i++) {
            out[i] = base;
        }
        return c->failed ? ERR_CORRUPT : ERR_OK;
    }
    case TAG_BITPACK:
        return get_bitpack(c, s, out);
    case TAG_PLANES:
        return get_planes(c, s, out);
    case TAG_TABLE:
        return nested ? ERR_CORRUPT : get_table(c, s, out);
    default:
        return ERR_CORRUPT;
    }
}

enum err ints_decode(struct cursor *c, size_t n, uint64_t *out)
{
    ASSERT(c != NULL);
    ASSERT(n > 0 && out != NULL);
    return decode_at(c, (struct stretch){n, 0, n}, out, false);
}

enum err ints_decode_some(struct cursor *c, size_t n, size_t first, size_t count, uint64_t *out)
{
    ASSERT(n > 0 && first <= n && count <= n - first);
    ASSERT(out != NULL || count == 0);
    return decode_at(c, (struct stretch){n, first, count}, out, false);
}
