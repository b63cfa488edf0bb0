// SPDX-License-Identifier: Apache-2.0
// Purpose: several parts into one, in order and without copies, page by page: what is in memory is
// one page of each input and the block being written.
#ifndef SONDE_STORE_PART_MERGE_H
#define SONDE_STORE_PART_MERGE_H

#include <stdatomic.h>

#include "store/part.h"

#define MERGE_INPUTS_MAX 16

struct part_merge {
    struct part **inputs;
    size_t input_count;
    struct part_writer_options out;
    const atomic_bool *stop; // ends the merge with ERR_CANCELLED when it turns true; may be NULL
};

// Writes and syncs the merged part. On failure the file, if any, is worthless. ERR_CORRUPT is about
// an input, whose index is then in *ret_bad.
MUST_CHECK enum err part_merge(const struct part_merge *m, size_t *ret_bad);

#endif
