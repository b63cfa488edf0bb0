// SPDX-License-Identifier: Apache-2.0
// Purpose: runs of strings as bytes.
//   strings = ints of the lengths (absent when there are no strings), then packed bytes
// For a dictionary the number of strings stands before it as a varint.
#ifndef SONDE_STORE_TEXT_CODEC_H
#define SONDE_STORE_TEXT_CODEC_H

#include "codec/int_codec.h"

// `n` strings.
void texts_encode(struct zpack *z, const struct str *texts, size_t n, struct buf *out);

// Reads `n` strings whose bytes are put in `a`, into `out`.
MUST_CHECK enum err texts_decode(struct cursor *c, size_t n, struct arena *a, struct str *out);

// The same for strings [first, first + count) of n alone.
MUST_CHECK enum err texts_decode_some(struct cursor *c, size_t n, size_t first, size_t count,
                                      struct arena *a, struct str *out);

// With their number: at most `max` strings, the array in `a` too.
void dictionary_encode(struct zpack *z, const struct str *texts, size_t n, struct buf *out);
MUST_CHECK enum err dictionary_decode(struct cursor *c, size_t max, struct arena *a,
                                      const struct str **ret_texts, size_t *ret_n);

#endif
