// SPDX-License-Identifier: Apache-2.0
// Purpose: a sink of decoded records for tests: it keeps one batch and the last rejection, and
// whatever is decoded, the batch must never grow beyond what was asked for.
#ifndef SONDE_TESTS_UNIT_WIRE_SINK_H
#define SONDE_TESTS_UNIT_WIRE_SINK_H

#include <stdio.h>
#include <string.h>

#include "test.h"

#include "wire/otlp.h"
#include "wire/protobuf.h"

struct sink {
    struct batch *batch; // the test's to give back
    unsigned asked, rejected;
    uint64_t offset;
    size_t allowed; // heap bytes that the batch may have by what was asked for
    char line[64], service[64], message[128];
};

static inline struct batch *sink_batch_for(void *ctx, struct str line)
{
    struct sink *sink = ctx;
    int n = snprintf(sink->line, sizeof sink->line, "%.*s", STR_FMT(line));
    assert_true(n >= 0 && (size_t)n < sizeof sink->line);
    sink->asked++;
    if (sink->batch == NULL) {
        sink->batch = batch_new(line);
    }
    assert_true(sink->allowed == 0 || batch_bytes(sink->batch) <= sink->allowed);
    sink->allowed = batch_bytes(sink->batch);
    return sink->batch;
}

static inline bool sink_admit(void *ctx, struct batch *b, size_t bytes)
{
    struct sink *sink = ctx;
    assert_true(b == sink->batch && bytes > 0);
    assert_true(batch_bytes(b) <= sink->allowed);
    sink->allowed = batch_bytes(b) + bytes;
    return true;
}

static inline void sink_reject(void *ctx, struct str service, uint64_t offset, const char *message,
                               struct str bytes)
{
    struct sink *sink = ctx;
    assert_true(bytes.n > 0 && strlen(message) < sizeof sink->message);
    assert_true(service.n < sizeof sink->service);
    (void)snprintf(sink->service, sizeof sink->service, "%.*s", STR_FMT(service));
    (void)snprintf(sink->message, sizeof sink->message, "%s", message);
    sink->offset = offset;
    sink->rejected++;
}

// The path of what is nested too deeply is longer than is kept: its inner end is there, nothing
// else.
static inline void assert_cut_path(const char *text)
{
    assert_memory_equal(text, "...", 3);
    assert_true(strcspn(text, ":") > 100);
    assert_non_null(strstr(text, "nested too deeply"));
    for (const char *p = text; *p != '\0'; p++) {
        assert_in_range(*p, ' ', '~');
    }
}

static inline struct otlp_sink sink_table(struct sink *sink)
{
    return (struct otlp_sink){
        .batch_for = sink_batch_for, .reject = sink_reject, .ctx = sink, .admit = sink_admit};
}

static inline void sink_check(const struct sink *sink)
{
    assert_true(sink->batch == NULL || batch_bytes(sink->batch) <= sink->allowed);
}

#endif
