// SPDX-License-Identifier: Apache-2.0
// Purpose: sifting: a fresh part is written anew without the traces that are going (model/keep.h),
// once its traces have had the time to be judged.
//
// A part is fresh when its line keeps chosen chains at its flush. It is sifted once: `wait` after
// the flush, when whoever judges is done with all that it holds, but for chains that go on. Parts
// that a restart finds fresh wait anew. Only what is sifted is merged, so that what is left out is
// rewritten at most once.
//
// A sift asks for the fate of each trace, which by that is settled: going is gone, not known is
// kept. Where writing the part then fails, readers hide the traces that are gone already, and the
// next try finds them so; a crash in between forgets them, and all their spans are there.
#ifndef SONDE_STORE_SIFT_H
#define SONDE_STORE_SIFT_H

#include "store/store_state.h"

// One part; under `maintaining`, which keeps the entry in memory.
struct sift {
    struct store *s;
    size_t line;
    struct part_entry *entry;
};

// Under `lock`: of the parts of all lines that are due the one that failed least often, and of
// those the oldest, if any. Without `patient` none waits.
bool sift_choose(struct sift *x, uint64_t mono_ns, bool patient);
// Under `lock`: whether the chosen one failed before, which by that each that is due has.
bool sift_failed_before(const struct sift *x);

// Does it. With `patient` it may be left for later where memory is short: *ret_did tells.
MUST_CHECK enum err sift_run(struct sift *x, bool patient, bool *ret_did);

// At start, before any thread: draws the key where there is none, and restores what is gone.
MUST_CHECK enum err sift_load(struct store *s);

#endif
