// SPDX-License-Identifier: Apache-2.0
// Purpose: the samples of one series in one part as bytes.
//   hists    varint n; varint first slot (time / width), n - 1 times varint (distance to the slot
//            before, at least 1); then the n histograms, see core/hist.h
//   numbers  see number_codec.h
#ifndef SONDE_SERIES_CHUNK_H
#define SONDE_SERIES_CHUNK_H

#include "codec/zpack.h"
#include "series/samples.h"

// Appends the samples, which are folded and not empty.
void chunk_encode(const struct samples *s, enum series_type type, uint64_t width_ms,
                  struct zpack *z, struct buf *out);

// Adds the samples in `bytes` to a list; histograms point into the bytes. ERR_CORRUPT, and some of
// them may have been added, for bytes that are no chunk.
MUST_CHECK enum err chunk_decode(struct str bytes, enum series_type type, uint64_t width_ms,
                                 struct samples *into);

// Of a chunk of histograms those of [from_ms, to_ms), added up in multiples of step_ms.
struct chunk_steps {
    uint64_t from_ms, to_ms, step_ms;
    struct arena *sums;
};
// Adds what each step has, at its begin, as samples_cut_hists() does, so that most histograms are
// gone through once. ERR_CORRUPT for bytes that are no chunk; into is good for samples_clear()
// alone then.
MUST_CHECK enum err chunk_sum(struct str bytes, uint64_t width_ms, const struct chunk_steps *steps,
                              struct samples *into);

#endif
