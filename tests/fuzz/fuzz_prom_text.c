// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the text formats of targets: any bytes are an answer of both, and what is read
// of them becomes points that go through the journal as they are.
#include "core/must.h"
#include "support/read_points.h"
#include "wire/prom_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct batch *batch;
    struct prom_rows rows;
};

static struct batch *batch_for(void *ctx, struct str line)
{
    struct reading *r = ctx;
    if (r->batch == NULL) {
        r->batch = batch_new(line);
    }
    return r->batch;
}

static void reject(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes)
{
    MUST(ctx != NULL && service.n > 0 && message != NULL && bytes.p != NULL);
    (void)offset;
}

static enum err take(void *ctx, const struct prom_text_sample *x)
{
    struct reading *r = ctx;
    struct err_at at;
    const struct prom_sample sample = {
        .time_ms = x->has_time ? x->time_ms : 1, .value = x->value, .exemplars = x->exemplars};
    MUST(x->series->label_count > 0 && !point_is_stale(x->value));
    enum err e = prom_rows_series(&r->rows, x->series, &at);
    MUST(e == ERR_OK); // the parser looks after UTF-8
    return prom_rows_sample(&r->rows, &sample, &at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    for (int format = PROM_TEXT; format <= PROM_OPENMETRICS; format++) {
        struct reading r = {.batch = NULL};
        struct err_at at = {0};
        const struct otlp_sink sink = {batch_for, reject, &r};
        prom_rows_init(&r.rows, &sink);
        enum err e = prom_text_parse((enum prom_format)format, text, take, &r, &at);
        MUST(e == ERR_OK || (e == ERR_INVALID && at.offset <= size && at.text[0] != 0));
        if (r.batch != NULL) {
            read_points(r.batch);
        }
        batch_unref(r.batch);
    }
    return 0;
}
