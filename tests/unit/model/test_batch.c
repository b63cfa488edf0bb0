// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of model/batch.h.
#include "test.h"

#include <stdio.h>

#include "model/batch.h"

static void test_intern(void **state)
{
    (void)state;
    struct batch *b = batch_new(STR("shop"));
    char text[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            (void)snprintf(text, sizeof text, "value-%d", i);
            assert_int_equal(batch_intern(b, str_of(text)), i + 1);
        }
    }
    assert_int_equal(b->string_count, 5001);
    assert_int_equal(batch_intern(b, STR("")), 0);
    assert_str(batch_str(b, 5000), "value-4999");
    assert_true(batch_bytes(b) > 5000 * 24);
    batch_unref(b);
}

static void test_intern_text(void **state)
{
    (void)state;
    struct batch *b = batch_new(STR(""));
    uint32_t code = 77;
    // Bytes that are not text are not text either because they are in the batch already.
    uint32_t bytes = batch_intern(b, STR("\xff"));
    assert_false(batch_intern_text(b, STR("\xff"), &code));
    assert_false(batch_intern_text(b, STR("\xfe"), &code));
    assert_int_equal(code, 77);
    assert_int_equal(b->string_count, 2);
    uint32_t plain = batch_intern(b, STR("plain"));
    assert_true(batch_intern_text(b, STR("plain"), &code));
    assert_int_equal(code, plain);
    char text[32];
    for (int i = 0; i < 2000; i++) { // what is known survives the growing of the index
        (void)snprintf(text, sizeof text, "value-%d", i);
        assert_true(batch_intern_text(b, str_of(text), &code));
        assert_int_equal(batch_intern(b, str_of(text)), code);
    }
    assert_false(batch_intern_text(b, STR("\xff"), &code));
    assert_int_equal(batch_intern(b, STR("\xff")), bytes);
    batch_unref(b);
}

static void test_rollback_and_seal(void **state)
{
    (void)state;
    struct batch *b = batch_new(STR(""));
    batch_add_span(b)->start_ns = 50;
    struct batch_mark mark = batch_mark(b);
    batch_add_span(b)->start_ns = 10;
    batch_add_attr(b)->key = batch_intern(b, STR("k"));
    batch_add_resource(b);
    batch_rollback(b, mark);
    batch_add_span(b)->start_ns = 70;
    batch_seal(b);
    assert_int_equal(b->span_count, 2);
    assert_int_equal(b->attr_count, 0);
    assert_int_equal(b->min_start_ns, 50);
    assert_int_equal(b->max_start_ns, 70);
    struct row first = {b, 0}, second = {b, 1};
    assert_true(row_cmp(first, second) < 0);
    assert_int_equal(row_cmp(first, first), 0);
    batch_ref(b);
    batch_unref(b);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intern),
        cmocka_unit_test(test_intern_text),
        cmocka_unit_test(test_rollback_and_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
