// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the OTLP decoder: any bytes are a request of each signal. What decodes is
// encoded again, in protobuf and JSON, and must decode to the same number of spans.
#include "core/mem.h"
#include "core/must.h"
#include "support/read_points.h"
#include "wire/otlp.h"

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
    MUST(ctx != NULL && service.p != NULL && message != NULL && bytes.p != NULL);
    (void)offset;
}

static uint64_t decode(struct str request, struct batch **batch)
{
    const struct otlp_sink sink = {batch_for, reject, batch};
    struct otlp_counts counts = {0};
    struct err_at at = {0};
    enum err e = otlp_decode_traces(request, &sink, &counts, &at);
    MUST(e == ERR_OK || (at.offset <= request.n && at.text[0] != 0));
    return e == ERR_OK ? counts.accepted : UINT64_MAX;
}

static void decode_metrics(struct str request)
{
    struct batch *batch = NULL;
    const struct otlp_sink sink = {batch_for, reject, &batch};
    struct otlp_counts counts = {0};
    struct err_at at = {0};
    enum err e = otlp_decode_metrics(request, &sink, &counts, &at);
    MUST(e == ERR_OK || (at.offset <= request.n && at.text[0] != 0));
    if (e == ERR_OK && batch != NULL) {
        read_points(batch);
    }
    batch_unref(batch);
}

static void on_key_value(void *ctx, struct str key, const struct otlp_value *value)
{
    (void)ctx;
    MUST(key.n == 0 || key.p != NULL);
    MUST(value->type < ATTR_TYPE_COUNT);
}

static void on_event(void *ctx, const struct otlp_event *event)
{
    otlp_each_key_value(event->attributes, on_key_value, ctx);
}

static void on_link(void *ctx, const struct otlp_link *link)
{
    otlp_each_key_value(link->attributes, on_key_value, ctx);
}

static void round_trip(const struct batch *b)
{
    struct row *rows = mem_new(b->span_count, sizeof *rows);
    struct buf out, json, back;
    struct err_at at;
    struct batch *again = NULL;
    for (size_t i = 0; i < b->span_count; i++) {
        rows[i] = (struct row){b, (uint32_t)i};
        otlp_each_event(batch_str(b, b->spans[i].events), on_event, NULL);
        otlp_each_link(batch_str(b, b->spans[i].links), on_link, NULL);
    }
    buf_init(&out, (size_t)64 << 20);
    buf_init(&json, (size_t)64 << 20);
    buf_init(&back, (size_t)64 << 20);
    otlp_encode_traces(rows, b->span_count, &out);
    otlp_encode_traces_json(rows, b->span_count, &json);
    if (!out.failed && !json.failed && b->span_count > 0) {
        MUST(decode(buf_str(&out), &again) == b->span_count);
        enum err e = otlp_json_to_protobuf(OTLP_TRACES, buf_str(&json), &back, NULL, &at);
        MUST(e == ERR_OK);
        MUST(decode(buf_str(&back), &again) == b->span_count);
    }
    for (size_t i = 0; i < b->attr_count; i++) {
        buf_clear(&out);
        otlp_attr_json(b, &b->attrs[i], &out);
    }
    batch_unref(again);
    buf_done(&out);
    buf_done(&json);
    buf_done(&back);
    mem_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf request;
    struct batch *batch = NULL;
    struct err_at at;
    uint64_t records = 0;
    buf_init(&request, size + 1);
    buf_add(&request, data, size);
    bool room = buf_reserve(&request, 0);
    MUST(room);
    if (decode(buf_str(&request), &batch) != UINT64_MAX && batch != NULL) {
        round_trip(batch);
    }
    batch_unref(batch);
    decode_metrics(buf_str(&request));
    enum err e = otlp_count_records(OTLP_METRICS, buf_str(&request), &records, &at);
    MUST(e == ERR_OK || e == ERR_INVALID);
    e = otlp_count_records(OTLP_LOGS, buf_str(&request), &records, &at);
    MUST(e == ERR_OK || e == ERR_INVALID);
    buf_clear(&request);
    otlp_value_json((struct str){(const char *)data, size}, &request);
    buf_done(&request);
    return 0;
}
