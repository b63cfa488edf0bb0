// SPDX-License-Identifier: Apache-2.0
// Purpose: adding up histograms as bytes (core/hist.h, hist_encode), without a struct hist between:
// sums of a month may have counts that no cell of 32 bits holds.
#ifndef SONDE_SERIES_HIST_SUM_H
#define SONDE_SERIES_HIST_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

// What stands before the cells.
struct hist_head {
    int64_t count, sum_ns;
    uint64_t used; // cells that are not 0
};

// Cuts the histogram at the head of `bytes` off; every cell is checked. ERR_CORRUPT, and nothing
// cut, for bytes that are none.
MUST_CHECK enum err hist_cut(struct str *bytes, struct str *ret_hist, struct hist_head *ret_head);

// Appends a + b to `out`; numbers wrap. Both are whole histograms that hist_cut() gave. `cells` is
// scratch.
void hist_sum(struct str a, struct str b, struct buf *cells, struct buf *out);

#endif
