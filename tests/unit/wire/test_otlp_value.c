// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of reading what batches keep in wire form: values, events, links; and of the other
// signals' checks.
#include "test.h"

#include "wire/base64.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"

static void put_value(struct buf *out, uint32_t number, uint32_t type, struct str text)
{
    size_t value = pb_begin(out, number);
    pb_put_bytes(out, type, text);
    pb_end(out, value);
}

static void put_pair(struct buf *out, uint32_t number, struct str key, struct str text)
{
    size_t pair = pb_begin(out, number);
    pb_put_bytes(out, 1, key);
    put_value(out, 2, ATTR_STRING, text);
    pb_end(out, pair);
}

// [ "a", bytes, { "k": "v" }, null, 1.5, -7, true ]
static void put_array(struct buf *out)
{
    size_t array = pb_begin(out, ATTR_ARRAY);
    put_value(out, 1, ATTR_STRING, STR("a\""));
    put_value(out, 1, ATTR_BYTES, STR("\xff\xee"));
    size_t value = pb_begin(out, 1);
    size_t list = pb_begin(out, ATTR_KVLIST);
    put_pair(out, 1, STR("k"), STR("v"));
    pb_end(out, list);
    pb_end(out, value);
    pb_end(out, pb_begin(out, 1));
    value = pb_begin(out, 1);
    pb_put_double(out, ATTR_DOUBLE, 1.5);
    pb_end(out, value);
    value = pb_begin(out, 1);
    pb_put_varint(out, ATTR_INT, (uint64_t)-7);
    pb_end(out, value);
    value = pb_begin(out, 1);
    pb_put_varint(out, ATTR_BOOL, 1);
    pb_end(out, value);
    pb_end(out, array);
}

static void test_value_json(void **state)
{
    (void)state;
    struct buf value, out;
    buf_init(&value, 4096);
    buf_init(&out, 4096);
    put_array(&value);
    otlp_value_json(buf_str(&value), &out);
    assert_str(buf_str(&out),
               "[\"a\\\"\",{\"bytes_base64\":\"/+4=\"},{\"k\":\"v\"},null,1.5,-7,true]");
    buf_clear(&out);
    otlp_value_json(STR("\x0a\x7f"), &out); // cut short
    otlp_value_json(STR("\x08\x01"), &out); // a string as a number
    otlp_value_json(STR(""), &out);
    assert_str(buf_str(&out), "nullnullnull");
    // Deeper than what is let in: ends in null instead of running away.
    buf_clear(&value);
    for (int i = 0; i < 3 * OTLP_DEPTH_MAX; i++) {
        struct buf outer;
        buf_init(&outer, 4096);
        size_t array = pb_begin(&outer, ATTR_ARRAY);
        pb_put_bytes(&outer, 1, buf_str(&value));
        pb_end(&outer, array);
        buf_clear(&value);
        buf_add_str(&value, buf_str(&outer));
        buf_done(&outer);
    }
    buf_clear(&out);
    otlp_value_json(buf_str(&value), &out);
    assert_int_equal(out.n, 2 * OTLP_DEPTH_MAX + 4);
    assert_memory_equal(out.p + OTLP_DEPTH_MAX, "null", 4);
    buf_done(&value);
    buf_done(&out);
}

// {"k": "a", "l": "x", "k": "b"} as a list on the wire.
static void test_a_key_that_stands_twice(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    otlp_value_json(STR("\x32\x1e"
                        "\x0a\x08\x0a\x01k\x12\x03\x0a\x01"
                        "a"
                        "\x0a\x08\x0a\x01l\x12\x03\x0a\x01"
                        "x"
                        "\x0a\x08\x0a\x01k\x12\x03\x0a\x01"
                        "b"),
                    &out);
    assert_str(buf_str(&out), "{\"k\":\"a\",\"l\":\"x\"}");
    buf_done(&out);
}

static void test_attr_json(void **state)
{
    (void)state;
    struct batch *b = batch_new(STR(""));
    struct buf out, value;
    buf_init(&out, 4096);
    buf_init(&value, 4096);
    put_array(&value);
    const struct attr attrs[] = {
        {.type = ATTR_STRING, .code = batch_intern(b, STR("t"))},
        {.type = ATTR_BOOL, .i = 1},
        {.type = ATTR_INT, .i = INT64_MIN},
        {.type = ATTR_DOUBLE, .d = 0.25},
        {.type = ATTR_BYTES, .code = batch_intern(b, STR("abc"))},
        {.type = ATTR_EMPTY},
        {.type = ATTR_ARRAY, .code = batch_intern(b, buf_str(&value))},
    };
    for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++) {
        otlp_attr_json(b, &attrs[i], &out);
        buf_add_byte(&out, ' ');
    }
    assert_str(buf_str(&out),
               "\"t\" true -9223372036854775808 0.25 {\"bytes_base64\":\"YWJj\"} null "
               "[\"a\\\"\",{\"bytes_base64\":\"/+4=\"},{\"k\":\"v\"},null,1.5,-7,true] ");
    buf_done(&out);
    buf_done(&value);
    batch_unref(b);
}

static void on_key_value(void *ctx, struct str key, const struct otlp_value *value)
{
    assert_int_equal(value->type, ATTR_STRING);
    buf_printf(ctx, "%.*s=%.*s;", STR_FMT(key), STR_FMT(value->text));
}

static void on_event(void *ctx, const struct otlp_event *event)
{
    buf_printf(ctx, "event %llu %.*s %u ", (unsigned long long)event->time_ns, STR_FMT(event->name),
               event->dropped_attributes);
    otlp_each_key_value(event->attributes, on_key_value, ctx);
}

static void on_link(void *ctx, const struct otlp_link *link)
{
    buf_printf(ctx, "link %c%c %.*s %u %u ", link->trace.b[15], link->span.b[7],
               STR_FMT(link->trace_state), link->dropped_attributes, link->flags);
    otlp_each_key_value(link->attributes, on_key_value, ctx);
}

static void test_events_and_links(void **state)
{
    (void)state;
    struct buf one, all, out;
    buf_init(&one, 4096);
    buf_init(&all, 4096);
    buf_init(&out, 4096);
    pb_put_fixed64(&one, 1, 77);
    put_pair(&one, 3, STR("a"), STR("1"));
    pb_put_bytes(&one, 2, STR("thrown"));
    put_pair(&one, 3, STR("b"), STR("2"));
    pb_put_varint(&one, 4, 9);
    for (int i = 0; i < 2; i++) {
        buf_add_varint(&all, one.n);
        buf_add_str(&all, buf_str(&one));
    }
    otlp_each_event(buf_str(&all), on_event, &out);
    assert_str(buf_str(&out), "event 77 thrown 9 a=1;b=2;event 77 thrown 9 a=1;b=2;");
    buf_clear(&out);
    otlp_each_event((struct str){all.p, all.n - 1}, on_event, &out); // the second is cut short
    assert_str(buf_str(&out), "event 77 thrown 9 a=1;b=2;");
    buf_clear(&one);
    buf_clear(&all);
    buf_clear(&out);
    pb_put_bytes(&one, 1, STR("0123456789abcdeT"));
    pb_put_bytes(&one, 2, STR("0123456S"));
    pb_put_bytes(&one, 3, STR("k=v"));
    put_pair(&one, 4, STR("c"), STR("3"));
    pb_put_varint(&one, 5, 4);
    pb_put_fixed32(&one, 6, 257);
    buf_add_varint(&all, one.n);
    buf_add_str(&all, buf_str(&one));
    otlp_each_link(buf_str(&all), on_link, &out);
    assert_str(buf_str(&out), "link TS k=v 4 257 c=3;");
    buf_done(&one);
    buf_done(&all);
    buf_done(&out);
}

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } pairs[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buf_clear(&out);
        base64_encode(str_of(pairs[i].plain), &out);
        assert_true(str_eq(buf_str(&out), str_of(pairs[i].coded)));
        buf_clear(&out);
        assert_true(base64_decode(str_of(pairs[i].coded), &out));
        assert_true(str_eq(buf_str(&out), str_of(pairs[i].plain)));
    }
    buf_clear(&out);
    assert_true(base64_decode(STR("_-8"), &out));
    assert_str(buf_str(&out), "\xff\xef");
    assert_false(base64_decode(STR("A"), &out));
    assert_false(base64_decode(STR("Zg==="), &out));
    assert_false(base64_decode(STR("Z g="), &out));
    assert_false(hex_decode(STR("abc"), &out));
    assert_false(hex_decode(STR("ag"), &out));
    buf_done(&out);
}

// Other signals: a log record in a metrics request is an unknown field, a broken one is found.
static void test_count(void **state)
{
    (void)state;
    struct buf out;
    struct err_at at;
    uint64_t records = 5;
    buf_init(&out, 4096);
    size_t resource = pb_begin(&out, 1);
    size_t scope = pb_begin(&out, 2);
    pb_end(&out, pb_begin(&out, 2));
    size_t log = pb_begin(&out, 2);
    pb_put_bytes(&out, 3, STR("INFO\xff"));
    pb_end(&out, log);
    pb_end(&out, scope);
    pb_end(&out, resource);
    assert_err(otlp_count_records(OTLP_LOGS, buf_str(&out), &records, &at), ERR_INVALID);
    assert_string_equal(
        at.text, "resource_logs[0].scope_logs[0].log_records[1].severity_text: invalid UTF-8");
    assert_int_equal(at.offset, out.n - 1);
    assert_int_equal(records, 5);
    out.p[out.n - 1] = '!';
    assert_ok(otlp_count_records(OTLP_LOGS, buf_str(&out), &records, &at));
    assert_int_equal(records, 2);
    assert_ok(otlp_count_records(OTLP_METRICS, buf_str(&out), &records, &at));
    assert_int_equal(records, 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_json), cmocka_unit_test(test_a_key_that_stands_twice),
        cmocka_unit_test(test_attr_json),  cmocka_unit_test(test_events_and_links),
        cmocka_unit_test(test_base64),     cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
