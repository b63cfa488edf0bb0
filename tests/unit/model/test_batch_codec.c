// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of model/batch_codec.h.
#include "test.h"

#include "core/mem.h"
#include "model/batch_codec.h"
#include "support/random_batch.h"

#define ENCODING_MAX ((size_t)16 << 20)

static void assert_batches_equal(const struct batch *a, const struct batch *b)
{
    assert_true(str_eq(a->line, b->line));
    assert_int_equal(a->received_ns, b->received_ns);
    assert_int_equal(a->span_count, b->span_count);
    assert_int_equal(a->resource_count, b->resource_count);
    assert_int_equal(a->scope_count, b->scope_count);
    assert_int_equal(a->metric_count, b->metric_count);
    assert_int_equal(a->point_count, b->point_count);
    assert_int_equal(a->unique_strings, b->unique_strings);
    for (size_t i = 0; i < a->span_count; i++) {
        assert_true(spans_equal(a, i, b, i));
        assert_int_equal(a->spans[i].resource, b->spans[i].resource);
    }
    for (size_t i = 0; i < a->point_count; i++) {
        assert_true(points_equal(a, i, b, i));
        assert_int_equal(a->points[i].metric, b->points[i].metric);
    }
    for (size_t i = 0; i < b->string_count; i++) {
        assert_true(b->hashes[i] == str_hash(b->strings[i]));
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    struct random r = {4711};
    struct err_at at;
    for (size_t round = 0; round < 100; round++) {
        struct batch *b = random_batch(&r, round == 0 ? 0 : random_below(&r, 300));
        struct batch *back = NULL;
        struct buf out;
        random_points(&r, b, round % 3 == 0 ? random_below(&r, 300) : 0);
        if (round == 1) { // what part readers make
            batch_add_string(b, STR("again"), str_hash(STR("again")));
        }
        buf_init(&out, ENCODING_MAX);
        batch_encode(b, &out);
        assert_false(out.failed);
        assert_int_equal(out.p[0], b->point_count > 0 ? 2 : 1); // older servers read what they can
        assert_ok(batch_decode(buf_str(&out), &back, &at));
        assert_batches_equal(b, back);
        assert_true(back->sealed);
        batch_seal(b);
        assert_int_equal(b->min_start_ns, back->min_start_ns);
        batch_unref(back);
        batch_unref(b);
        buf_done(&out);
    }
}

static void test_only_used_strings(void **state)
{
    (void)state;
    struct batch *b = batch_new(STR("line")), *back = NULL;
    struct err_at at;
    struct buf out;
    (void)batch_intern(b, STR("left over by a rollback"));
    struct resource *r = batch_add_resource(b);
    r->service = batch_intern(b, STR("cart"));
    buf_init(&out, ENCODING_MAX);
    batch_encode(b, &out);
    assert_ok(batch_decode(buf_str(&out), &back, &at));
    assert_int_equal(back->string_count, 2);
    assert_str(batch_str(back, back->resources[0].service), "cart");
    assert_str(back->line, "line");
    assert_null(memmem(out.p, out.n, "left over", 9));
    batch_unref(back);
    batch_unref(b);
    buf_done(&out);
}

// More shapes than are counted, and far parents and traces.
static void test_many_shapes(void **state)
{
    (void)state;
    struct batch *b = batch_new(STR("")), *back = NULL;
    struct err_at at;
    struct buf out;
    batch_add_resource(b);
    batch_add_scope(b);
    for (uint32_t i = 0; i < 10000; i++) {
        struct span *s = batch_add_span(b);
        memcpy(s->trace.b, &(uint32_t){i % 3000 + 1}, 4);
        memcpy(s->id.b, &(uint32_t){i + 1}, 4);
        memcpy(s->parent.b, &(uint32_t){i / 2}, 4);
        s->attrs = (struct attr_run){(uint32_t)b->attr_count, 1};
        char key[2] = {(char)(i % 5000 / 100 + 1), (char)(i % 100 + 1)};
        uint32_t code = batch_intern(b, (struct str){key, 2});
        batch_add_attr(b)->key = code;
    }
    buf_init(&out, ENCODING_MAX);
    batch_encode(b, &out);
    assert_ok(batch_decode(buf_str(&out), &back, &at));
    assert_batches_equal(b, back);
    batch_unref(back);
    batch_unref(b);
    buf_done(&out);
}

static void test_maximum(void **state)
{
    (void)state;
    struct random r = {5};
    struct batch *b = random_batch(&r, 50);
    struct buf out;
    buf_init(&out, 1000);
    batch_encode(b, &out);
    assert_true(out.failed);
    buf_done(&out);
    batch_unref(b);
}

// Every cut and many changed bytes: refused with an offset, or read as another valid batch.
static void test_broken(void **state)
{
    (void)state;
    struct random r = {77};
    struct batch *b = random_batch(&r, 40), *back = NULL;
    struct err_at at;
    struct buf out;
    buf_init(&out, ENCODING_MAX);
    batch_encode(b, &out);
    for (size_t n = 0; n < out.n; n++) {
        char *copy = mem_alloc(n); // so that a read beyond the end is seen
        memcpy(copy, out.p, n);
        assert_err(batch_decode((struct str){copy, n}, &back, &at), ERR_CORRUPT);
        assert_true(at.offset <= n);
        mem_free(copy);
    }
    assert_err(batch_decode(STR_NONE, &back, &at), ERR_CORRUPT);
    size_t refused = 0;
    for (size_t round = 0; round < 20000; round++) {
        size_t where = random_below(&r, out.n);
        char before = out.p[where];
        out.p[where] = (char)random_u64(&r);
        if (batch_decode(buf_str(&out), &back, &at) == ERR_OK) {
            for (size_t i = 0; i < back->span_count; i++) {
                assert_true(spans_equal(back, i, back, i)); // every code leads somewhere
            }
            batch_unref(back);
        } else {
            refused++;
        }
        out.p[where] = before;
    }
    assert_true(refused > 1000);
    buf_add_byte(&out, 0);
    assert_err(batch_decode(buf_str(&out), &back, &at), ERR_CORRUPT);
    assert_string_equal(at.text, "batch: bytes follow the batch");
    assert_int_equal(at.offset, out.n - 1);
    buf_done(&out);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_only_used_strings),
        cmocka_unit_test(test_many_shapes), cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
