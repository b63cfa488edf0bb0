// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing remote write: any bytes are a request of both versions, or a block of snappy
// that holds one. What is taken in goes through the journal as it is.
#include "core/must.h"
#include "support/read_points.h"
#include "wire/compress.h"
#include "wire/prom_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct batch *batch_for(void *ctx, struct str line)
{
    struct batch **batch = ctx;
    if (*batch == NULL) {
        *batch = batch_new(line);
    }
    return *batch;
}

static void reject(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes)
{
    MUST(ctx != NULL && service.n > 0 && message != NULL && bytes.p != NULL);
    (void)offset;
}

static void decode(enum prom_version version, struct str request, struct buf *symbols)
{
    struct batch *batch = NULL;
    const struct otlp_sink sink = {batch_for, reject, &batch};
    struct prom_write_counts n = {0};
    struct err_at at = {0};
    enum err e = prom_write_decode(version, request, &sink, symbols, &n, &at);
    MUST(e == ERR_OK || (at.offset <= request.n && at.text[0] != 0));
    if (e == ERR_OK && batch != NULL) {
        MUST(batch->point_count == n.samples + n.histograms);
        read_points(batch);
    }
    batch_unref(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf request, plain, symbols;
    struct err_at at;
    buf_init(&request, size + 1);
    buf_init(&plain, (size_t)1 << 20);
    buf_init(&symbols, (size_t)1 << 20);
    buf_add(&request, data, size);
    bool room = buf_reserve(&request, 0);
    MUST(room);
    decode(PROM_WRITE_1, buf_str(&request), &symbols);
    decode(PROM_WRITE_2, buf_str(&request), &symbols);
    if (decompress(COMPRESSION_SNAPPY, buf_str(&request), &plain, &at) == ERR_OK) {
        decode(PROM_WRITE_1, buf_str(&plain), &symbols);
        decode(PROM_WRITE_2, buf_str(&plain), &symbols);
    }
    buf_done(&request);
    buf_done(&plain);
    buf_done(&symbols);
    return 0;
}
