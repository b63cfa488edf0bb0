// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers over time as bytes.
//   numbers = varint n; varint first time; from 2 on varint distance to the second, from 3 on the
//             n - 2 changes of the distance as ints (codec/int_codec.h): regular times take no more
//             than a few bytes; then the values:
//   byte 0    XOR: the bits of the first double (8 bytes), n - 1 ints, each XOR the one before
//   byte 1 + d + 3 e   decimals with e digits behind the point: value = integer / 10^e. d = 0: the
//             integers as n ints; 1: the first as zigzag varint, n - 1 ints of the distances; 2:
//             the first and the first distance, n - 2 ints of the changes of the distance
// The writer takes the smallest by trial; decimals only where every double comes back bit by bit.
#ifndef SONDE_SERIES_NUMBER_CODEC_H
#define SONDE_SERIES_NUMBER_CODEC_H

#include "codec/zpack.h"
#include "series/samples.h"

#define NUMBERS_MAX ((size_t)1 << 23) // of a chunk: one a millisecond of a part's span is less

// Times ascend and differ.
void numbers_encode(const struct sample *s, size_t n, struct zpack *z, struct buf *out);

// REGION_PAD readable bytes follow. ERR_CORRUPT for bytes that are no numbers.
MUST_CHECK enum err numbers_decode(struct str bytes, struct samples *into);

#endif
