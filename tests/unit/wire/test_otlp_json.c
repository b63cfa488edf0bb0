// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the OTLP/JSON transcoder: the mapping, and what is refused and where.
#include "test.h"

#include "unit/wire/sink.h"

#include "ledger/budget.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"

static enum err transcode(enum otlp_signal signal, const char *json, struct buf *out,
                          struct err_at *at)
{
    buf_init(out, 1 << 16);
    return otlp_json_to_protobuf(signal, str_of(json), out, NULL, at);
}

static void test_metrics(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceMetrics\":[{\"resource\":null,\"unknown\":[1,{\"a\":\"\\u00e9\"},true,null],"
        "\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\",\"sum\":{\"aggregationTemporality\":"
        "\"AGGREGATION_TEMPORALITY_CUMULATIVE\",\"isMonotonic\":true,\"dataPoints\":["
        "{\"asInt\":\"-3\",\"time_unix_nano\":18446744073709551615},{\"asDouble\":\"NaN\"},"
        "{\"asDouble\":1e2}]}},{\"exponentialHistogram\":{\"dataPoints\":[{\"scale\":-2,"
        "\"positive\":{\"offset\":1,\"bucketCounts\":[\"1\",2]}}]}},{\"histogram\":{\"dataPoints\":"
        "[{\"count\":2.0,\"bucketCounts\":[1,\"2\"],\"explicitBounds\":[0.5]}]}}]}]}]} \n";
    struct buf out;
    struct err_at at = {0};
    uint64_t records = 0;
    assert_ok(transcode(OTLP_METRICS, json, &out, &at));
    assert_ok(otlp_count_records(OTLP_METRICS, buf_str(&out), &records, &at));
    assert_int_equal(records, 5);
    // The sum's first point: as_int -3 as sfixed64, then the time.
    static const char point[] = "\x31\xfd\xff\xff\xff\xff\xff\xff\xff\x19\xff\xff\xff\xff\xff\xff"
                                "\xff\xff";
    assert_non_null(memmem(out.p, out.n, point, sizeof point - 1));
    static const char buckets[] = "\x08\x02\x10\x01\x10\x02"; // zigzag 1, then 1 and 2
    assert_non_null(memmem(out.p, out.n, buckets, sizeof buckets - 1));
    buf_done(&out);
}

static void test_logs(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"severityNumber\":"
        "\"SEVERITY_NUMBER_INFO2\",\"body\":{\"stringValue\":\"\\ud83d\\ude00\\n\"},\"traceId\":"
        "\"5B8EFFF798038103D269B633813FC60C\",\"attributes\":[{\"key\":\"b\",\"value\":"
        "{\"bytesValue\":\"_-8\"}},{\"key\":\"s\",\"value\":{\"stringValue\":\"\"}}]},{}]}]}]}";
    struct buf out;
    struct err_at at = {0};
    uint64_t records = 0;
    assert_ok(transcode(OTLP_LOGS, json, &out, &at));
    assert_ok(otlp_count_records(OTLP_LOGS, buf_str(&out), &records, &at));
    assert_int_equal(records, 2);
    static const char body[] = "\x10\x0a\x2a\x07\x0a\x05\xf0\x9f\x98\x80\n\x4a\x10\x5b\x8e\xff";
    assert_non_null(memmem(out.p, out.n, body, sizeof body - 1));
    static const char attributes[] = "\x0a\x01\x62\x12\x04\x3a\x02\xff\xef\x32\x07\x0a\x01s\x12\x02"
                                     "\x0a\x00";
    assert_non_null(memmem(out.p, out.n, attributes, sizeof attributes - 1));
    buf_done(&out);
}

// SDKs cut texts by UTF-16 units, and through a pair when it falls so.
static void test_lone_surrogates(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":"
        "\"\\ud83d|\\udc00|\\ud83d\\u0041|\\ud83d\\ud83d\\ude00|\\ud83d\"}]}]}]}";
    struct buf out;
    struct err_at at = {0};
    assert_ok(transcode(OTLP_TRACES, json, &out, &at));
    static const char name[] = "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd"
                               "A|\xef\xbf\xbd\xf0\x9f\x98\x80|\xef\xbf\xbd";
    assert_non_null(memmem(out.p, out.n, name, sizeof name - 1));
    buf_done(&out);
}

// A bare number that is no 64-bit integer is kept as a double; the limits themselves are integers.
static void test_integers_that_are_none(void **state)
{
    (void)state;
    static const char json[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"attributes\":["
                               "{\"value\":{\"intValue\":9223372036854775808}},"
                               "{\"value\":{\"intValue\":1.5}},"
                               "{\"value\":{\"intValue\":-9223372036854775808}}]}]}]}]}";
    struct buf out;
    struct err_at at = {0};
    assert_ok(transcode(OTLP_TRACES, json, &out, &at));
    static const char attributes[] = "\x4a\x0b\x12\x09\x21\0\0\0\0\0\0\xe0\x43"
                                     "\x4a\x0b\x12\x09\x21\0\0\0\0\0\0\xf8\x3f"
                                     "\x4a\x0d\x12\x0b\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01";
    assert_non_null(memmem(out.p, out.n, attributes, sizeof attributes - 1));
    buf_done(&out);
}

static void test_bad(void **state)
{
    (void)state;
#define SPAN(fields) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" fields "}]}]}]}"
#define PATH         "resourceSpans[0].scopeSpans[0].spans[0]"
    static const struct {
        const char *json, *text;
        size_t offset;
    } cases[] = {
        {"", "the text ends too early", 0},
        {"[]", "an object is expected", 0},
        {"{} x", "something follows the request", 3},
        {"{\"a\":01}", "a number is expected", 5},
        {"{\"a\":[1,]}", "a number is expected", 8},
        {"{\"a\":1,}", "a string is expected", 7},
        {"{\"a\" 1}", "a colon is expected", 5},
        {"{\"a\":\"\\x\"}", "no such escape", 7},
        {"{\"a\":\"\\ud800\\u00\"}", "not a hexadecimal digit", 16},
        {"{\"a\":\"\x80\"}", "invalid UTF-8", 6},
        {"{\"a\":\"\t\"}", "a control character in a string", 6},
        {"{\"a\":tru}", "no such literal", 5},
        {"{\"a\":1.}", "a number is expected", 5},
        {"{\"a\":+1}", "a number is expected", 5},
        {"{\"a\":\"", "the text ends too early", 6},
        {"{\"resourceSpans\":{}}", "resourceSpans: an array is expected", 17},
        {"{\"resourceSpans\":[null]}", "resourceSpans[0]: an object is expected", 18},
        {SPAN("\"kind\":\"SERVER\""), PATH ".kind: no such name", 51},
        {SPAN("\"traceId\":\"xyz\""), PATH ".traceId: not hexadecimal", 54},
        {SPAN("\"name\":5"), PATH ".name: a string is expected", 51},
        {SPAN("\"flags\":4294967296"), PATH ".flags: not a whole number in the field's range", 52},
        {SPAN("\"flags\":-1"), PATH ".flags: not a whole number in the field's range", 52},
        {SPAN("\"flags\":1.5"), PATH ".flags: not a whole number in the field's range", 52},
        {SPAN("\"attributes\":[{},{\"value\":{\"bytesValue\":\"A\"}}]"),
         PATH ".attributes[1].value.bytesValue: not base64", 84},
        {SPAN("\"attributes\":[{\"value\":{\"boolValue\":1}}]"),
         PATH ".attributes[0].value.boolValue: true or false is expected", 80},
        {SPAN("\"attributes\":[{\"value\":{\"doubleValue\":1e999}}]"),
         PATH ".attributes[0].value.doubleValue: not a number that fits a double", 82},
        {SPAN("\"attributes\":[{\"value\":{\"intValue\":1e999}}]"),
         PATH ".attributes[0].value.intValue: not a number that fits a double", 79},
        {SPAN("\"attributes\":[{},{\"value\":{\"intValue\": \"9223372036854775808\"}}]"),
         PATH ".attributes[1].value.intValue: not a whole number in the field's range", 83},
        {SPAN("\"attributes\":[{\"value\":{\"intValue\":\"-9223372036854775809\"}}]"),
         PATH ".attributes[0].value.intValue: not a whole number in the field's range", 79},
        {SPAN("\"attributes\":[{\"value\":{\"intValue\":\"1.5\"}}]"),
         PATH ".attributes[0].value.intValue: not a whole number in the field's range", 79},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        struct err_at at = {0};
        assert_err(transcode(OTLP_TRACES, cases[i].json, &out, &at), ERR_INVALID);
        assert_string_equal(at.text, cases[i].text);
        if (at.offset != cases[i].offset) {
            print_error("case %zu: offset %d\n", i, (int)at.offset);
        }
        assert_int_equal(at.offset, cases[i].offset);
        buf_done(&out);
    }
}

// Of two things wrong in one request the first in its text is told, with the place of that one.
static void test_the_first_of_two_errors_is_told(void **state)
{
    (void)state;
    static const struct {
        struct str json;
        const char *text;
        size_t offset;
    } cases[] = {
        {STR(SPAN("\"attributes\":[{\"key\":\"a\0b\",\"value\":{\"doubleValue\":1e999}}]")),
         PATH ".attributes[0].key: a control character in a string", 67},
        {STR(SPAN("\"attributes\":[{\"value\":{\"doubleValue\":1e999},\"key\":\"a\0b\"}]")),
         PATH ".attributes[0].value.doubleValue: not a number that fits a double", 82},
        {STR(SPAN("\"flags\":4294967296,\"a\0b\":1")),
         PATH ".flags: not a whole number in the field's range", 52},
        {STR(SPAN("\"a\0b\":1,\"flags\":4294967296")), PATH ": a control character in a string",
         46},
        // A NUL that is escaped is no error, and moves no place behind it.
        {STR(SPAN("\"attributes\":[{\"key\":\"\\u0000\",\"value\":{\"doubleValue\":\"1e999\"}}]")),
         PATH ".attributes[0].value.doubleValue: not a number that fits a double", 97},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        struct err_at at = {0};
        buf_init(&out, 1 << 16);
        assert_err(otlp_json_to_protobuf(OTLP_TRACES, cases[i].json, &out, NULL, &at), ERR_INVALID);
        assert_string_equal(at.text, cases[i].text);
        assert_int_equal(at.offset, cases[i].offset);
        buf_done(&out);
    }
}

static enum err nested(const char *open, const char *close, const char *before, const char *after,
                       size_t levels, struct err_at *at)
{
    struct buf json, out;
    buf_init(&json, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_add_str(&json, str_of(before));
    for (size_t i = 0; i < levels; i++) {
        buf_add_str(&json, str_of(open));
    }
    for (size_t i = 0; i < levels; i++) {
        buf_add_str(&json, str_of(close));
    }
    buf_add_str(&json, str_of(after));
    enum err e = otlp_json_to_protobuf(OTLP_LOGS, buf_str(&json), &out, NULL, at);
    buf_done(&json);
    buf_done(&out);
    return e;
}

static void test_depth(void **state)
{
    (void)state;
    struct err_at at = {0};
    static const char before[] = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{";
    static const char after[] = "}}]}]}]}";
    static const char open[] = "\"arrayValue\":{\"values\":[{";
    assert_ok(nested(open, "}]}", before, after, OTLP_DEPTH_MAX - 1, &at));
    assert_err(nested(open, "}]}", before, after, OTLP_DEPTH_MAX, &at), ERR_INVALID);
    assert_cut_path(at.text);
    assert_ok(nested("[", "]", "{\"x\":", "}", 100, &at));
    assert_err(nested("[", "]", "{\"x\":", "}", 100000, &at), ERR_INVALID);
    assert_string_equal(at.text, "nested too deeply");
}

static void test_offsets_of_records(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[ {}, {\"name\":\"a\",\"events\":[{}]},"
        "null]},{\"spans\":[{\"name\":\"last\"}]}]}]}";
    struct buf out, offsets;
    struct err_at at = {0};
    buf_init(&out, 1 << 16);
    buf_init(&offsets, 1 << 16);
    assert_err(otlp_json_to_protobuf(OTLP_TRACES, str_of(json), &out, &offsets, &at), ERR_INVALID);
    buf_clear(&out);
    buf_clear(&offsets);
    struct buf good;
    buf_init(&good, 1 << 16);
    buf_printf(&good, "%.*s]}]}]}", (int)(strstr(json, ",null") - json), json);
    assert_ok(otlp_json_to_protobuf(OTLP_TRACES, buf_str(&good), &out, &offsets, &at));
    assert_int_equal(offsets.n, 16);
    uint64_t first, second;
    memcpy(&first, offsets.p, 8);
    memcpy(&second, offsets.p + 8, 8);
    assert_int_equal(first, strstr(json, "[ {}") + 2 - json);
    assert_int_equal(second, strstr(json, "{\"name\":\"a\"") - json);
    buf_done(&good);
    buf_done(&out);
    buf_done(&offsets);
}

static void test_memory_is_asked_for(void **state)
{
    (void)state;
    struct buf json, out;
    struct err_at at = {0};
    struct budget budget;
    struct meter meter;
    buf_init(&json, 1 << 20);
    buf_add_str(&json, STR("{\"resourceSpans\":[{\"schemaUrl\":\"\\n"));
    for (int i = 0; i < 100000; i++) {
        buf_add_byte(&json, 'x');
    }
    buf_add_str(&json, STR("\"}]}"));
    for (size_t limit = 1; limit < (size_t)1 << 20; limit *= 2) {
        budget_init(&budget, limit);
        meter_init(&meter, &budget, ACCOUNT_BODIES);
        buf_init_from(&out, 1 << 20, &meter.source);
        enum err e = otlp_json_to_protobuf(OTLP_TRACES, buf_str(&json), &out, NULL, &at);
        assert_true(e == ERR_MEMORY ? limit < (size_t)512 << 10 : e == ERR_OK && limit >= 200000);
        assert_true(atomic_load(&budget.peak) <= limit);
        buf_done(&out);
        assert_int_equal(atomic_load(&budget.total), 0);
    }
    buf_done(&json);
}

static void test_limit(void **state)
{
    (void)state;
    struct buf out;
    struct err_at at = {0};
    buf_init(&out, 10);
    assert_err(otlp_json_to_protobuf(OTLP_LOGS, STR_NONE, &out, NULL, &at), ERR_INVALID);
    assert_int_equal(at.offset, 0);
    struct str json = STR("{\"resourceLogs\":[{\"schemaUrl\":\"longer than ten\"}]}");
    assert_err(otlp_json_to_protobuf(OTLP_LOGS, json, &out, NULL, &at), ERR_LIMIT);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_lone_surrogates),
        cmocka_unit_test(test_integers_that_are_none),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_the_first_of_two_errors_is_told),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_offsets_of_records),
        cmocka_unit_test(test_memory_is_asked_for),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
