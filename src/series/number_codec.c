// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers over time as bytes.
#include "series/number_codec.h"

#include <math.h>
#include <string.h>

#include "codec/int_codec.h"
#include "core/mem.h"
#include "core/must.h"

#define DIGITS_MAX  9u
#define DECIMAL_MAX 9007199254740992.0 // 2^53: below it a double holds every integer

enum { XOR_TAG, DECIMAL_TAG };

static const double powers[DIGITS_MAX + 1] = {1, 10, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

static uint64_t bits_of(double v)
{
    uint64_t bits;
    _Static_assert(sizeof bits == sizeof v, "IEEE 754");
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double v;
    _Static_assert(sizeof bits == sizeof v, "IEEE 754");
    memcpy(&v, &bits, sizeof v);
    return v;
}

// ---- Writing ------------------------------------------------------------------------------------

// The value as an integer with so many digits behind the point; false where it is none.
static bool to_decimal(double v, unsigned digits, int64_t *ret_integer)
{
    ASSERT(digits <= DIGITS_MAX);
    double scaled = v * powers[digits];
    if (!(fabs(scaled) < DECIMAL_MAX)) {
        return false; // NaN and infinities too
    }
    int64_t integer = llround(scaled);
    *ret_integer = integer;
    return bits_of((double)integer / powers[digits]) == bits_of(v);
}

// The least number of digits that all values have; DIGITS_MAX + 1 where there is none.
static unsigned find_digits(const struct sample *s, size_t n, int64_t *integers)
{
    unsigned digits = 0;
    ASSERT(n > 0);
    for (size_t i = 0; i < n && digits <= DIGITS_MAX; i++) {
        while (digits <= DIGITS_MAX && !to_decimal(s[i].number, digits, &integers[i])) {
            digits++;
        }
    }
    // Those before the one that had the most.
    for (size_t i = 0; i < n && digits <= DIGITS_MAX; i++) {
        if (!to_decimal(s[i].number, digits, &integers[i])) {
            return DIGITS_MAX + 1;
        }
    }
    return digits;
}

// The values with `order` differences taken; the first `order` of them are written as they are.
static void put_differences(const int64_t *v, size_t n, unsigned order, uint64_t *room,
                            struct zpack *z, struct buf *out)
{
    ASSERT(order <= 2 && n > order);
    for (size_t i = 0; i < n; i++) {
        room[i] = (uint64_t)v[i];
    }
    for (unsigned d = 0; d < order; d++) {
        for (size_t i = n - 1; i > d; i--) {
            room[i] -= room[i - 1];
        }
    }
    for (unsigned d = 0; d < order; d++) {
        buf_add_varint(out, zigzag((int64_t)room[d]));
    }
    ints_encode(z, room + order, n - order, INTS_COLD, out);
}

static void put_decimals(const int64_t *v, size_t n, unsigned digits, uint64_t *room,
                         struct zpack *z, struct buf *out)
{
    size_t best = out->n;
    ASSERT(digits <= DIGITS_MAX && n > 0);
    for (unsigned order = 0; order <= 2 && order < n; order++) {
        size_t from = out->n;
        buf_add_byte(out, (uint8_t)(DECIMAL_TAG + order + 3 * digits));
        put_differences(v, n, order, room, z, out);
        size_t bytes = out->n - from;
        if (order > 0 && bytes < from - best) {
            memmove(out->p + best, out->p + from, bytes);
            out->n = best + bytes;
        } else if (order > 0) {
            out->n = from;
        }
    }
}

static void put_xor(const struct sample *s, size_t n, uint64_t *room, struct zpack *z,
                    struct buf *out)
{
    ASSERT(n > 0);
    buf_add_byte(out, XOR_TAG);
    buf_add_u64(out, bits_of(s[0].number));
    for (size_t i = 1; i < n; i++) {
        room[i] = bits_of(s[i].number) ^ bits_of(s[i - 1].number);
    }
    if (n > 1) {
        ints_encode(z, room + 1, n - 1, INTS_COLD, out);
    }
}

static void put_times(const struct sample *s, size_t n, uint64_t *room, struct zpack *z,
                      struct buf *out)
{
    buf_add_varint(out, n);
    buf_add_varint(out, s[0].time_ms);
    for (size_t i = 1; i < n; i++) {
        MUST(s[i].time_ms > s[i - 1].time_ms);
        room[i] = s[i].time_ms - s[i - 1].time_ms;
    }
    if (n > 1) {
        buf_add_varint(out, room[1]);
    }
    for (size_t i = n - 1; i > 1; i--) {
        room[i] -= room[i - 1];
    }
    if (n > 2) {
        ints_encode(z, room + 2, n - 2, INTS_COLD, out);
    }
}

void numbers_encode(const struct sample *s, size_t n, struct zpack *z, struct buf *out)
{
    MUST(n > 0 && n <= NUMBERS_MAX);
    uint64_t *room = mem_alloc(n * sizeof *room);
    int64_t *integers = mem_alloc(n * sizeof *integers);
    put_times(s, n, room, z, out);
    unsigned digits = find_digits(s, n, integers);
    size_t from = out->n;
    if (digits <= DIGITS_MAX) {
        put_decimals(integers, n, digits, room, z, out);
    }
    // Decimals of two bytes a value are not worth another trial.
    if (digits > DIGITS_MAX || out->n - from > 4 * n) {
        size_t xor = out->n;
        put_xor(s, n, room, z, out);
        if (xor > from && out->n - xor < xor-from) {
            memmove(out->p + from, out->p + xor, out->n - xor);
            out->n -= xor-from;
        } else if (xor > from) {
            out->n = xor;
        }
    }
    mem_free(integers);
    mem_free(room);
}

// ---- Reading ------------------------------------------------------------------------------------

static enum err get_times(struct cursor *c, size_t n, uint64_t *room, struct samples *into)
{
    uint64_t time = cursor_varint(c), distance = n > 1 ? cursor_varint(c) : 0;
    ASSERT(n > 0);
    if (c->failed || (n > 2 && ints_decode(c, n - 2, room) != ERR_OK)) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            distance += i > 1 ? room[i - 2] : 0;
            if (distance == 0 || distance >= SAMPLE_TIME_MAX) {
                return ERR_CORRUPT;
            }
            time += distance;
        }
        if (time >= SAMPLE_TIME_MAX) {
            return ERR_CORRUPT;
        }
        samples_add(into, (struct sample){.time_ms = time});
    }
    return ERR_OK;
}

static enum err get_xor(struct cursor *c, size_t n, uint64_t *room, struct sample *out)
{
    uint64_t bits = cursor_u64(c);
    ASSERT(n > 0);
    if (c->failed || (n > 1 && ints_decode(c, n - 1, room) != ERR_OK)) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        bits ^= i > 0 ? room[i - 1] : 0;
        out[i].number = double_of(bits);
    }
    return ERR_OK;
}

static enum err get_decimals(struct cursor *c, size_t n, unsigned tag, uint64_t *room,
                             struct sample *out)
{
    unsigned order = (tag - DECIMAL_TAG) % 3, digits = (tag - DECIMAL_TAG) / 3;
    ASSERT(tag >= DECIMAL_TAG);
    if (digits > DIGITS_MAX || order >= n) {
        return ERR_CORRUPT;
    }
    for (unsigned d = 0; d < order; d++) {
        room[d] = (uint64_t)unzigzag(cursor_varint(c));
    }
    if (c->failed || ints_decode(c, n - order, room + order) != ERR_OK) {
        return ERR_CORRUPT;
    }
    for (unsigned d = order; d > 0; d--) {
        for (size_t i = d; i < n; i++) {
            room[i] += room[i - 1];
        }
    }
    for (size_t i = 0; i < n; i++) {
        out[i].number = (double)(int64_t)room[i] / powers[digits];
    }
    return ERR_OK;
}

enum err numbers_decode(struct str bytes, struct samples *into)
{
    struct cursor c = cursor_of(bytes);
    size_t n = (size_t)cursor_varint(&c), first = into->count;
    ASSERT(first <= into->capacity);
    if (c.failed || n == 0 || n > NUMBERS_MAX) {
        return ERR_CORRUPT;
    }
    uint64_t *room = mem_alloc(n * sizeof *room);
    enum err e = get_times(&c, n, room, into);
    unsigned tag = e == ERR_OK ? cursor_byte(&c) : 0;
    if (e == ERR_OK && tag == XOR_TAG) {
        e = get_xor(&c, n, room, into->at + first);
    } else if (e == ERR_OK) {
        e = get_decimals(&c, n, tag, room, into->at + first);
    }
    mem_free(room);
    return e == ERR_OK && !c.failed && cursor_left(&c) == 0 ? ERR_OK : ERR_CORRUPT;
}
