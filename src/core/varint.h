// SPDX-License-Identifier: Apache-2.0
// Purpose: integers as bytes: LEB128 variable-length (protobuf's varint), zigzag, and unaligned
// little-endian loads. All formats of the project are little-endian.
#ifndef SONDE_CORE_VARINT_H
#define SONDE_CORE_VARINT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_MAX 10

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are read as they lie in memory");

// Writes v at p, which has room for VARINT_MAX bytes; returns how many were written.
static inline size_t varint_put(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}

// Reads a varint from [p, end): returns the byte after it, or NULL when it is cut short or does not
// fit 64 bits; *ret_v is untouched then.
static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
{
    uint64_t v = 0;
    if (p < end && *p < 0x80) {
        *ret_v = *p;
        return p + 1;
    }
    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        uint64_t byte = *p++;
        if (shift == 63 && byte > 1) {
            return NULL;
        }
        v |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_v = v;
            return p;
        }
    }
    return NULL;
}

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

static inline uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
