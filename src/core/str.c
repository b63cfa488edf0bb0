// SPDX-License-Identifier: Apache-2.0
// Purpose: comparing, splitting, hashing and checking runs of bytes.
#include "core/str.h"

// Strings are short: the call into the library would cost as much as the hash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/must.h"
#include "core/secret.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
    if (c != 0) {
        return c;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

struct str str_split(struct str s, char separator, struct str *ret_head)
{
    ASSERT(ret_head != NULL);
    const char *at = s.n > 0 ? memchr(s.p, separator, s.n) : NULL;
    if (at == NULL) {
        *ret_head = s;
        return STR_NONE;
    }
    size_t n = (size_t)(at - s.p);
    *ret_head = (struct str){s.p, n};
    return (struct str){at + 1, s.n - n - 1};
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = str_skip(s, 1);
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

uint64_t str_hash(struct str s)
{
    return XXH3_64bits_withSeed(s.p, s.n, secret_word());
}

uint64_t str_hash_stable(struct str s)
{
    return XXH3_64bits(s.p, s.n);
}

enum err str_to_u64(struct str s, uint64_t *ret_value)
{
    uint64_t v = 0;
    if (s.n == 0) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return ERR_INVALID;
        }
        if (__builtin_mul_overflow(v, 10U, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
            return ERR_INVALID;
        }
    }
    *ret_value = v;
    return ERR_OK;
}

// Length of the well-formed sequence at u (n bytes are there), or 0; the table is Unicode 15,
// table 3-7.
static size_t utf8_sequence(const unsigned char *u, size_t n)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t length;
    if (u[0] >= 0xc2 && u[0] <= 0xdf) {
        length = 2;
    } else if ((u[0] & 0xf0) == 0xe0) {
        length = 3;
        lo = u[0] == 0xe0 ? 0xa0 : 0x80;
        hi = u[0] == 0xed ? 0x9f : 0xbf;
    } else if (u[0] >= 0xf0 && u[0] <= 0xf4) {
        length = 4;
        lo = u[0] == 0xf0 ? 0x90 : 0x80;
        hi = u[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (n < length || u[1] < lo || u[1] > hi) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool str_utf8_valid(struct str s, size_t *ret_offset)
{
    const unsigned char *u = (const unsigned char *)s.p;
    size_t i = 0;
    while (i < s.n) {
        uint64_t eight;
        while (i + 8 <= s.n) {
            memcpy(&eight, u + i, 8);
            if (eight & 0x8080808080808080U) {
                break;
            }
            i += 8;
        }
        if (i >= s.n) {
            break;
        }
        if (u[i] < 0x80) {
            i++;
            continue;
        }
        size_t length = utf8_sequence(u + i, s.n - i);
        if (length == 0) {
            if (ret_offset != NULL) {
                *ret_offset = i;
            }
            return false;
        }
        i += length;
    }
    return true;
}

struct str str_cut(struct str s, size_t max)
{
    s.n = s.n < max ? s.n : max;
    size_t tail = 0; // bytes behind the last one that begins a character
    while (tail < 3 && tail < s.n && ((unsigned char)s.p[s.n - 1 - tail] & 0xC0) == 0x80) {
        tail++;
    }
    if (tail < s.n) {
        unsigned char lead = (unsigned char)s.p[s.n - 1 - tail];
        size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : tail;
        s.n -= wanted > tail ? tail + 1 : 0;
    }
    return s;
}
