// SPDX-License-Identifier: Apache-2.0
// Purpose: a part with some of its traces: those that are asked for, or those with errors, which
// have a span in this part with the status error. Reads the part twice, block by block: first which
// traces stay (16 bytes of memory each), then the rows of these. Blocks without any are not read.
#ifndef SONDE_STORE_PART_STRIP_H
#define SONDE_STORE_PART_STRIP_H

#include <stdatomic.h>

#include "store/part.h"

enum part_strip_result {
    STRIP_ALL_KEPT, // every trace stays: no file was made
    STRIP_NONE_KEPT,
    STRIP_WRITTEN
};

struct part_strip {
    struct part *input;
    // Whether a trace stays; asked once for each, in order. NULL: traces with errors stay.
    bool (*keeps)(void *ctx, const trace_id *trace);
    void *ctx;
    struct part_writer_options out;
    const atomic_bool *stop; // ends it with ERR_CANCELLED when it turns true; may be NULL
};

// ERR_CORRUPT is about the input. On failure the file, if any, is worthless.
MUST_CHECK enum err part_strip(const struct part_strip *s, enum part_strip_result *ret_result);

#endif
