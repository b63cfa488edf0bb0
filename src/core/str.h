// SPDX-License-Identifier: Apache-2.0
// Purpose: a borrowed run of bytes, passed by value. It owns nothing, need not end in NUL and may
// hold any byte; whoever made it says how long the bytes live.
#ifndef SONDE_CORE_STR_H
#define SONDE_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/err.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
// For printf: printf("%.*s", STR_FMT(s)).
#define STR_FMT(s) (int)(s).n, (s).p

static inline struct str str_of(const char *c_string)
{
    return (struct str){c_string, strlen(c_string)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

static inline struct str str_skip(struct str s, size_t n)
{
    return n >= s.n ? (struct str){s.p + s.n, 0} : (struct str){s.p + n, s.n - n};
}

// Bytewise order, shorter first among equal prefixes: <0, 0, >0.
int str_cmp(struct str a, struct str b);

// ASCII letters compare without case; for HTTP header names.
bool str_eq_nocase(struct str a, struct str b);

// Splits at the first `separator`: *ret_head gets what stands before it (all of s when there is
// none), the result is what stands after it (empty, p == NULL, when there is none).
struct str str_split(struct str s, char separator, struct str *ret_head);

// Without ASCII blanks at both ends.
struct str str_trim(struct str s);

// The first `max` bytes at most, without a UTF-8 character that would be left half at the end.
struct str str_cut(struct str s, size_t max);

// For tables: XXH3-64 of the bytes, keyed with the secret of the process (core/secret.h), so that
// no peer can send strings whose hashes are equal. Another one in each process.
uint64_t str_hash(struct str s);

// XXH3-64 of the bytes; stable across runs and machines, so it may be stored and sent. Whoever
// wants to finds strings whose hashes are equal.
uint64_t str_hash_stable(struct str s);

// A whole decimal number without sign, blanks or rest; ERR_INVALID otherwise or on overflow.
MUST_CHECK enum err str_to_u64(struct str s, uint64_t *ret_value);

// The value of a hexadecimal digit of either case; -1 for what is none.
static inline int str_hex_digit(char c)
{
    char lower = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Whether the bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). On false,
// *ret_offset (which may be NULL) gets the offset of the first bad byte.
bool str_utf8_valid(struct str s, size_t *ret_offset);

#endif
