// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the journal encoding: what it reads can be encoded and read again as the same.
#include "core/must.h"
#include "model/batch_codec.h"
#include "support/random_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch *b = NULL, *again = NULL;
    struct err_at at = {0};
    struct buf out;
    enum err e = batch_decode((struct str){(const char *)data, size}, &b, &at);
    if (e != ERR_OK) {
        MUST(e == ERR_CORRUPT && at.offset <= size);
        return 0;
    }
    buf_init(&out, (size_t)64 << 20);
    batch_encode(b, &out);
    if (!out.failed) {
        e = batch_decode(buf_str(&out), &again, &at);
        MUST(e == ERR_OK && again->span_count == b->span_count);
        for (size_t i = 0; i < b->span_count; i++) {
            MUST(spans_equal(b, i, again, i));
        }
        MUST(again->point_count == b->point_count);
        for (size_t i = 0; i < b->point_count; i++) {
            MUST(points_equal(b, i, again, i));
        }
        batch_unref(again);
    }
    buf_done(&out);
    batch_unref(b);
    return 0;
}
