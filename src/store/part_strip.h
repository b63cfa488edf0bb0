// SPDX-License-Identifier: Apache-2.0
// Purpose: a part without its error-free traces: those none of whose spans in this part has the
// status error. Reads the part twice, block by block: first which traces have errors (16 bytes of
// memory each), then the rows of these. Blocks without any are not read.
#ifndef SONDE_STORE_PART_STRIP_H
#define SONDE_STORE_PART_STRIP_H

#include <stdatomic.h>

#include "store/part.h"

enum part_strip_result {
    STRIP_ALL_KEPT, // every trace has errors: no file was made
    STRIP_NONE_KEPT,
    STRIP_WRITTEN
};

struct part_strip {
    struct part *input;
    struct part_writer_options out;
    const atomic_bool *stop; // ends it with ERR_CANCELLED when it turns true; may be NULL
};

// ERR_CORRUPT is about the input. On failure the file, if any, is worthless.
MUST_CHECK enum err part_strip(const struct part_strip *s, enum part_strip_result *ret_result);

#endif
