// SPDX-License-Identifier: Apache-2.0
// Purpose: wire/otlp_flow: what SDKs tell of their spans is found, and nothing else.
#include "test.h"

#include "wire/otlp.h"
#include "wire/otlp_flow.h"

#define POINT(value, attributes)                                                                   \
    "{\"asInt\":\"" value "\",\"timeUnixNano\":\"2\",\"attributes\":[" attributes "]}"
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define SUM(name, temporality, points)                                                             \
    "{\"name\":\"" name "\",\"sum\":{\"aggregationTemporality\":" temporality                      \
    ",\"isMonotonic\":true,\"dataPoints\":[" points "]}}"

static const char REQUEST[] =
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" TEXT("service.name", "cart") "," TEXT("service.instance.id", "one") "," TEXT(
        "telemetry.sdk.name",
        "sonde-jvm") "]},"
                     "\"scopeMetrics\":[{\"metrics\":[" SUM(
                         "otel.sdk.span.started", "2",
                         POINT("100", TEXT("otel.span.sampling_result", "RECORD_AND_SAMPLE")) "," POINT(
                             "900",
                             TEXT(
                                 "otel.span.sampling_result",
                                 "DROP"))) "," SUM("otel.sdk.span.live", "2",
                                                   POINT(
                                                       "3",
                                                       "")) "," SUM("otel.sdk.processor.span."
                                                                    "processed",
                                                                    "2",
                                                                    POINT("90", "") "," POINT(
                                                                        "7",
                                                                        TEXT(
                                                                            "error.type",
                                                                            "queue_full"))) "," SUM("otel.sdk.exporter.span.exported",
                                                                                                    "2",
                                                                                                    POINT("80", "") "," POINT(
                                                                                                        "1",
                                                                                                        TEXT(
                                                                                                            "error.type",
                                                                                                            "refused"))) "," SUM("otel.sdk.exporter.span.exported",
                                                                                                                                 "1",
                                                                                                                                 POINT(
                                                                                                                                     "5000",
                                                                                                                                     "")) "," SUM("something.else",
                                                                                                                                                  "2",
                                                                                                                                                  POINT(
                                                                                                                                                      "77",
                                                                                                                                                      "")) "]}]},{\"scopeMetrics\":[{\"metrics\":[" SUM("something.else",
                                                                                                                                                                                                        "2",
                                                                                                                                                                                                        POINT(
                                                                                                                                                                                                            "1",
                                                                                                                                                                                                            "")) "]}]}]}";

struct seen {
    unsigned count;
    struct span_flow flow;
};

static void see(void *ctx, const struct span_flow *flow)
{
    struct seen *s = ctx;
    s->count++;
    s->flow = *flow;
}

static void test_what_is_told_is_found(void **state)
{
    struct buf protobuf, offsets;
    struct err_at at = {0};
    struct seen s = {0};
    (void)state;
    buf_init(&protobuf, 1 << 20);
    buf_init(&offsets, 1 << 20);
    assert_int_equal(otlp_json_to_protobuf(OTLP_METRICS, str_of(REQUEST), &protobuf, &offsets, &at),
                     ERR_OK);
    otlp_read_flow(buf_str(&protobuf), see, &s);
    assert_int_equal(s.count, 1); // a resource that tells nothing is none
    assert_true(str_eq(s.flow.service, STR("cart")) && str_eq(s.flow.instance, STR("one")));
    assert_true(str_eq(s.flow.sdk, STR("sonde-jvm")));
    assert_int_equal(s.flow.sampled, 100);
    assert_int_equal(s.flow.not_sampled, 900);
    assert_int_equal(s.flow.live, 3);
    assert_int_equal(s.flow.processed, 90);
    assert_int_equal(s.flow.exported, 80); // the one of delta temporality is left out
    assert_int_equal(s.flow.parts, FLOW_STARTED | FLOW_LIVE | FLOW_PROCESSED | FLOW_EXPORTED);
    assert_int_equal(s.flow.dropped_count, 2);
    assert_int_equal(s.flow.dropped[0].part, FLOW_PROCESSED);
    assert_true(str_eq(s.flow.dropped[0].name, STR("queue_full")));
    assert_int_equal(s.flow.dropped[0].count, 7);
    assert_int_equal(s.flow.dropped[1].count, 1);
    // Cut short anywhere it is read within its bytes; the sanitizers watch.
    for (size_t n = 0; n < protobuf.n; n++) {
        otlp_read_flow((struct str){protobuf.p, n}, see, &s);
    }
    buf_done(&protobuf);
    buf_done(&offsets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_told_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
