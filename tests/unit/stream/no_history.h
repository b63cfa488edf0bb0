// SPDX-License-Identifier: Apache-2.0
// Purpose: a store that has no trace, for tests of the stream.
#ifndef SONDE_TESTS_UNIT_STREAM_NO_HISTORY_H
#define SONDE_TESTS_UNIT_STREAM_NO_HISTORY_H

#include "stream/stream.h"

static inline enum err
no_history(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
           void (*each)(void *rows_ctx, const struct row *rows, size_t count), void *rows_ctx)
{
    (void)ctx;
    (void)id;
    (void)rows_max;
    (void)meter;
    (void)each;
    (void)rows_ctx;
    return ERR_NOT_FOUND;
}

#endif
