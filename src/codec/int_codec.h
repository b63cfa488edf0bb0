// SPDX-License-Identifier: Apache-2.0
// Purpose: a run of 64-bit integers as bytes. The reader knows how many there are.
//
//   ints   = tag, then by tag
//   CONST    zigzag varint base: every value
//   BITPACK  zigzag varint base, varint scale, width (1 to 56), then the bits of each number,
//   lowest
//            first: value = base + scale * number
//   PLANES   zigzag varint base, varint scale, number of planes (1 to 8); per plane varint (length
//            << 1 | compressed); then the planes: byte 0 of every number, byte 1 of every number...
//            A plane that zstd does not shrink is kept as it is, which costs nothing to read.
//   TABLE    varint entries (2 to 256), each a zigzag varint; then the ints of the indices
//
// Arithmetic is modulo 2^64 and base is the least value read as signed, so any 64 bits go through.
#ifndef SONDE_CODEC_INT_CODEC_H
#define SONDE_CODEC_INT_CODEC_H

#include "codec/cursor.h"
#include "codec/zpack.h"
#include "core/buf.h"
#include "core/err.h"

#define INTS_TABLE_MAX 256u

enum ints_use {
    INTS_COLD, // smallest
    INTS_HOT,  // scanned: compressed only where that saves a tenth
    INTS_CODES // scanned on every read: bit-packed
};

void ints_encode(struct zpack *z, const uint64_t *values, size_t n, enum ints_use use,
                 struct buf *out);

// Reads values [first, first + count) of n into `out`: what lies before and behind them costs
// little where it is not compressed. The cursor's bytes are followed by REGION_PAD readable ones;
// where it stands afterwards is not told. `out` may be part written on failure.
MUST_CHECK enum err ints_decode_some(struct cursor *c, size_t n, size_t first, size_t count,
                                     uint64_t *out);

// Reads n values into `out`. The cursor's bytes are followed by REGION_PAD readable ones.
// `out` may be part written on failure.
MUST_CHECK enum err ints_decode(struct cursor *c, size_t n, uint64_t *out);

#endif
