// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of decoding trace requests: what is refused and where, what is rejected, and that
// encoding gives back what was decoded.
#include "test.h"

#include "unit/wire/sink.h"

#include "core/mem.h"
#include "support/random_batch.h"

#define REQUEST_MAX ((size_t)16 << 20)

static enum err decode(struct sink *sink, const struct buf *request, struct otlp_counts *counts,
                       struct err_at *at)
{
    const struct otlp_sink table = sink_table(sink);
    enum err e = otlp_decode_traces(buf_str(request), &table, counts, at);
    sink_check(sink);
    return e;
}

// A request of one span whose fields `fill` writes after its IDs and start.
static void one_span(struct buf *out, void (*fill)(struct buf *out, unsigned variant),
                     unsigned variant)
{
    size_t resource_spans = pb_begin(out, 1);
    size_t scope_spans = pb_begin(out, 2);
    size_t span = pb_begin(out, 2);
    pb_put_bytes(out, 1, STR("0123456789abcdef"));
    pb_put_bytes(out, 2, STR("01234567"));
    pb_put_fixed64(out, 7, 1);
    fill(out, variant);
    pb_end(out, span);
    pb_end(out, scope_spans);
    // The resource follows its spans.
    size_t resource = pb_begin(out, 1);
    size_t pair = pb_begin(out, 1);
    pb_put_bytes(out, 1, STR("service.name"));
    size_t value = pb_begin(out, 2);
    pb_put_bytes(out, 1, STR("cart"));
    pb_end(out, value);
    pb_end(out, pair);
    pb_end(out, resource);
    pb_put_bytes(out, 3, STR("https://schema"));
    pb_end(out, resource_spans);
}

static void fill_unusual(struct buf *out, unsigned variant)
{
    (void)variant;
    pb_put_bytes(out, 5, STR("first name"));
    pb_put_bytes(out, 5, STR("last name"));
    pb_put_varint(out, 6, 77); // no such kind
    pb_put_fixed64(out, 7, 1000);
    pb_put_fixed64(out, 8, 999); // before the start
    pb_put_varint(out, 99, 1);   // unknown, as are the next three
    pb_put_fixed64(out, 100, 1);
    pb_put_fixed32(out, 101, 1);
    pb_put_bytes(out, 102, STR("\xff"));
    size_t status = pb_begin(out, 15);
    pb_put_varint(out, 3, 9); // no such code
    pb_end(out, status);
    size_t pair = pb_begin(out, 9); // value before key
    size_t value = pb_begin(out, 2);
    pb_put_varint(out, 3, (uint64_t)-5);
    pb_end(out, value);
    pb_put_bytes(out, 1, STR("n"));
    pb_end(out, pair);
    pb_end(out, pb_begin(out, 9)); // no key, no value
    pb_put_fixed32(out, 16, 257);
}

static void test_unusual(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, 4096);
    one_span(&out, fill_unusual, 0);
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(counts.accepted, 1);
    assert_int_equal(counts.rejected, 0);
    const struct batch *b = sink.batch;
    const struct span *s = &b->spans[0];
    assert_str(batch_str(b, s->name), "last name");
    assert_int_equal(s->kind, KIND_UNSPECIFIED);
    assert_int_equal(s->status, STATUS_UNSET);
    assert_int_equal(s->duration_ns, 0);
    assert_int_equal(s->end_before_start, 1);
    assert_int_equal(s->flags, 257);
    assert_int_equal(s->attrs.count, 2);
    assert_int_equal(b->attrs[s->attrs.first].i, -5);
    assert_str(batch_str(b, b->attrs[s->attrs.first].key), "n");
    assert_int_equal(b->attrs[s->attrs.first + 1].type, ATTR_EMPTY);
    assert_str(batch_str(b, batch_resource(b, s)->service), "cart");
    assert_str(batch_str(b, batch_resource(b, s)->schema_url), "https://schema");
    assert_string_equal(sink.line, "");
    // The same again shares resource and scope.
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(b->span_count, 2);
    assert_int_equal(b->resource_count, 1);
    assert_int_equal(b->scope_count, 1);
    batch_unref(sink.batch);
    buf_done(&out);
}

static void put_pair(struct buf *out, struct str key, uint32_t field, struct str value_bytes)
{
    size_t pair = pb_begin(out, 9);
    pb_put_bytes(out, 1, key);
    size_t value = pb_begin(out, 2);
    pb_put_bytes(out, field, value_bytes);
    pb_end(out, value);
    pb_end(out, pair);
}

static void put_nested(struct buf *out, unsigned levels)
{
    size_t begin[2 * OTLP_DEPTH_MAX + 2];
    size_t pair = pb_begin(out, 9);
    size_t value = pb_begin(out, 2);
    for (unsigned i = 0; i < levels; i++) { // the value itself is the first level
        begin[2 * i] = pb_begin(out, 5);
        begin[2 * i + 1] = pb_begin(out, 1);
    }
    for (unsigned i = levels; i > 0; i--) {
        pb_end(out, begin[2 * i - 1]);
        pb_end(out, begin[2 * i - 2]);
    }
    pb_end(out, value);
    pb_end(out, pair);
}

static void put_bad_event(struct buf *out)
{
    pb_end(out, pb_begin(out, 11));
    size_t event = pb_begin(out, 11);
    size_t pair = pb_begin(out, 3);
    pb_put_bytes(out, 1, STR("good"));
    pb_end(out, pair);
    pair = pb_begin(out, 3);
    pb_put_bytes(out, 1, STR("bad\xc0"));
    pb_end(out, pair);
    pb_end(out, event);
}

static void fill_bad(struct buf *out, unsigned variant)
{
    switch (variant) {
    case 0:
        pb_put_bytes(out, 5, STR("GET \xff"));
        break;
    case 1:
        pb_put_varint(out, 5, 1);
        break;
    case 2:
        put_pair(out, STR("good"), 1, STR("x"));
        put_pair(out, STR("b\x80"), 1, STR("x"));
        break;
    case 3:
        // The same bytes are in the batch already, but as bytes.
        put_pair(out, STR("good"), 7, STR("\xed\xa0\x80"));
        put_pair(out, STR("good"), 1, STR("\xed\xa0\x80"));
        break;
    case 4:
        put_nested(out, OTLP_DEPTH_MAX);
        break;
    case 5:
        put_bad_event(out);
        break;
    case 6:
        buf_add_byte(out, 0x4b); // a group
        break;
    case 7:
        pb_put_fixed64(out, 16, 1);
        break;
    case 8:
        buf_add(out,
                "\x7a\x05\x12\x04"
                "abc",
                7); // status, cut short
        break;
    default:
        pb_put_bytes(out, 1, STR("0123456789abcdef"));
        buf_add(out, "\x4a\x7f", 2); // longer than the span
        break;
    }
}

static void test_bad(void **state)
{
    (void)state;
#define IN_SPAN "resource_spans[0].scope_spans[0].spans[0]"
    static const char *const texts[] = {
        IN_SPAN ".name: invalid UTF-8",
        IN_SPAN ".name: wrong wire type",
        IN_SPAN ".attributes[1].key: invalid UTF-8",
        IN_SPAN ".attributes[1].value.string_value: invalid UTF-8",
        NULL,
        IN_SPAN ".events[1].attributes[1].key: invalid UTF-8",
        IN_SPAN ": broken or cut short field",
        IN_SPAN ".flags: wrong wire type",
        IN_SPAN ".status: broken or cut short field",
        IN_SPAN ": broken or cut short field",
    };
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sink sink = {0};
        struct otlp_counts counts = {7, 7};
        struct err_at at = {0};
        struct buf out;
        buf_init(&out, 4096);
        one_span(&out, fill_bad, i);
        assert_err(decode(&sink, &out, &counts, &at), ERR_INVALID);
        assert_int_equal(counts.accepted, 7);
        if (texts[i] != NULL) {
            assert_string_equal(at.text, texts[i]);
        } else {
            assert_cut_path(at.text);
        }
        assert_true(at.offset > 26 && at.offset < out.n);
        if (i == 0) {
            assert_int_equal((uint8_t)out.p[at.offset], 0xff);
        }
        batch_unref(sink.batch);
        buf_done(&out);
    }
}

static void fill_deep(struct buf *out, unsigned levels)
{
    put_nested(out, levels);
}

static void test_depth(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, 4096);
    one_span(&out, fill_deep, OTLP_DEPTH_MAX - 1);
    assert_ok(decode(&sink, &out, &counts, &at));
    struct buf json;
    buf_init(&json, 1 << 20);
    struct row row = {sink.batch, 0};
    otlp_encode_traces_json(&row, 1, &json); // as deep as the writer must go
    assert_false(json.failed);
    buf_done(&json);
    batch_unref(sink.batch);
    buf_done(&out);
}

static void fill_rejected(struct buf *out, unsigned variant)
{
    static const struct {
        uint32_t number;
        const char *bytes;
        size_t n;
    } ids[] = {
        {1, "0123456789abcde", 15},
        {1, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
        {1, "", 0},
        {2, "0123456", 7},
        {2, "\0\0\0\0\0\0\0\0", 8},
        {4, "012345678", 9},
    };
    put_pair(out, STR("k"), 1, STR("v"));
    if (variant < 6) {
        pb_put_bytes(out, ids[variant].number, (struct str){ids[variant].bytes, ids[variant].n});
        return;
    }
    if (variant == 6) {
        pb_put_fixed64(out, 7, 0);
        return;
    }
    for (size_t i = 0; i < SPAN_ATTRS_MAX; i++) {
        put_pair(out, STR("k"), 1, STR("v"));
    }
}

static void test_rejected(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "trace_id is not 16 bytes long",           "trace_id is missing or all zero",
        "trace_id is not 16 bytes long",           "span_id is not 8 bytes long",
        "span_id is missing or all zero",          "parent_span_id is not 8 bytes long",
        "start_time_unix_nano is missing or zero", "too many attributes"};
    for (unsigned i = 0; i < 8; i++) {
        struct sink sink = {0};
        struct otlp_counts counts;
        struct err_at at;
        struct buf out;
        buf_init(&out, 1 << 20);
        one_span(&out, fill_rejected, i);
        one_span(&out, fill_unusual, 0);
        assert_ok(decode(&sink, &out, &counts, &at));
        assert_int_equal(counts.accepted, 1);
        assert_int_equal(counts.rejected, 1);
        assert_int_equal(sink.rejected, 1);
        assert_int_equal(sink.asked, 2);
        assert_string_equal(sink.message, messages[i]);
        assert_string_equal(sink.service, "cart");
        assert_int_equal(sink.batch->span_count, 1);
        assert_int_equal(sink.batch->spans[0].attrs.count, 2);
        batch_unref(sink.batch);
        buf_done(&out);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, 1 << 20);
    one_span(&out, fill_unusual, 0);
    sink.batch = batch_new(STR(""));
    sink.batch->span_count = BATCH_SPANS_MAX; // as if it were full: nothing may touch its rows
    assert_err(decode(&sink, &out, &counts, &at), ERR_LIMIT);
    assert_non_null(strstr(at.text, "the batch is full"));
    sink.batch->span_count = 0;
    buf_clear(&out);
    size_t resource_spans = pb_begin(&out, 1);
    size_t resource = pb_begin(&out, 1);
    for (size_t i = 0; i <= SPAN_ATTRS_MAX; i++) {
        size_t pair = pb_begin(&out, 1);
        pb_put_bytes(&out, 1, STR("k"));
        pb_end(&out, pair);
    }
    pb_end(&out, resource);
    pb_end(&out, resource_spans);
    assert_err(decode(&sink, &out, &counts, &at), ERR_LIMIT);
    assert_string_equal(at.text, "resource_spans[0].resource: too many attributes");
    batch_unref(sink.batch);
    buf_done(&out);
}

// A scope may stand behind its spans, twice even; two requests may differ in it.
static void test_scope_order(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, 4096);
    for (int i = 0; i < 3; i++) {
        size_t resource_spans = pb_begin(&out, 1);
        size_t scope_spans = pb_begin(&out, 2);
        size_t span = pb_begin(&out, 2);
        pb_put_bytes(&out, 1, STR("0123456789abcdef"));
        pb_put_bytes(&out, 2, STR("01234567"));
        pb_put_fixed64(&out, 7, 1);
        put_pair(&out, STR("of the span"), 1, STR("v"));
        pb_end(&out, span);
        pb_put_bytes(&out, 3, STR("url"));
        for (int k = 0; k < 2; k++) {
            size_t scope = pb_begin(&out, 1);
            pb_put_bytes(&out, 1, k == 0 ? STR("first") : i < 2 ? STR("last") : STR("other"));
            size_t pair = pb_begin(&out, 3);
            pb_put_bytes(&out, 1, STR("of the scope"));
            pb_end(&out, pair);
            pb_end(&out, scope);
        }
        pb_end(&out, scope_spans);
        pb_end(&out, resource_spans);
    }
    assert_ok(decode(&sink, &out, &counts, &at));
    const struct batch *b = sink.batch;
    assert_int_equal(b->span_count, 3);
    assert_int_equal(b->scope_count, 2);
    for (size_t i = 0; i < 3; i++) {
        const struct scope *scope = &b->scopes[b->spans[i].scope];
        struct str name = batch_str(b, scope->name);
        assert_true(str_eq(name, i < 2 ? STR("last") : STR("other")));
        assert_str(batch_str(b, scope->schema_url), "url");
        assert_int_equal(scope->attrs.count, 1);
        assert_str(batch_str(b, b->attrs[scope->attrs.first].key), "of the scope");
        assert_str(batch_str(b, b->attrs[b->spans[i].attrs.first].key), "of the span");
    }
    batch_unref(sink.batch);
    buf_done(&out);
}

static void test_empty(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct otlp_counts counts;
    struct err_at at;
    struct buf out;
    buf_init(&out, 64);
    assert_true(buf_reserve(&out, 1));
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(sink.asked, 0);
    pb_end(&out, pb_begin(&out, 1)); // ResourceSpans without anything
    assert_ok(decode(&sink, &out, &counts, &at));
    assert_int_equal(counts.accepted, 0);
    assert_str(batch_str(sink.batch, sink.batch->resources[0].service), "unknown_service");
    batch_unref(sink.batch);
    buf_done(&out);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct random r = {20240607};
    for (size_t round = 0; round < 60; round++) {
        struct batch *b = random_batch(&r, random_below(&r, 200) + 1);
        struct row *rows = mem_new(b->span_count, sizeof *rows);
        struct sink sink = {0};
        struct otlp_counts counts;
        struct err_at at = {0};
        struct buf out, json, back;
        for (size_t i = 0; i < b->span_count; i++) {
            rows[i] = (struct row){b, (uint32_t)i};
        }
        buf_init(&out, REQUEST_MAX);
        otlp_encode_traces(rows, b->span_count, &out);
        assert_false(out.failed);
        assert_ok(decode(&sink, &out, &counts, &at));
        assert_string_equal(sink.line, "shop");
        assert_int_equal(counts.accepted, b->span_count);
        for (size_t i = 0; i < b->span_count; i++) {
            assert_true(spans_equal(b, i, sink.batch, i));
        }
        uint64_t records = 0;
        assert_ok(otlp_count_records(OTLP_TRACES, buf_str(&out), &records, &at));
        assert_int_equal(records, b->span_count);
        buf_init(&json, REQUEST_MAX);
        buf_init(&back, REQUEST_MAX);
        otlp_encode_traces_json(rows, b->span_count, &json);
        assert_ok(otlp_json_to_protobuf(OTLP_TRACES, buf_str(&json), &back, NULL, &at));
        assert_ok(decode(&sink, &back, &counts, &at));
        for (size_t i = 0; i < b->span_count; i++) {
            assert_true(spans_equal(b, i, sink.batch, b->span_count + i));
        }
        buf_done(&json);
        buf_done(&back);
        buf_done(&out);
        mem_free(rows);
        batch_unref(sink.batch);
        batch_unref(b);
    }
}

// Bytes changed at random: any answer is right, but it must be one.
static void test_mutated(void **state)
{
    (void)state;
    struct random r = {99};
    struct batch *b = random_batch(&r, 20);
    struct row rows[20];
    struct buf out;
    for (uint32_t i = 0; i < 20; i++) {
        rows[i] = (struct row){b, i};
    }
    buf_init(&out, REQUEST_MAX);
    otlp_encode_traces(rows, 20, &out);
    size_t bad = 0;
    for (size_t round = 0; round < 3000; round++) {
        struct sink sink = {0};
        struct otlp_counts counts;
        struct err_at at = {0};
        size_t where = random_below(&r, out.n);
        char before = out.p[where];
        out.p[where] = (char)random_u64(&r);
        enum err e = decode(&sink, &out, &counts, &at);
        if (e != ERR_OK) {
            assert_err(e, ERR_INVALID);
            assert_true(at.offset <= out.n && at.text[0] != 0);
            bad++;
        }
        out.p[where] = before;
        batch_unref(sink.batch);
    }
    assert_true(bad > 100 && bad < 3000);
    buf_done(&out);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unusual),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_depth),       cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_empty),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_scope_order), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mutated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
