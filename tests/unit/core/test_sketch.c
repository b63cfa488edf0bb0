// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/sketch.h.
#include "test.h"

#include <math.h>

#include "core/mem.h"
#include "core/sketch.h"

static void test_error_is_bounded(void **state)
{
    (void)state;
    struct sketch *s = mem_new(1, sizeof *s), *half = mem_new(1, sizeof *half);
    assert_int_equal(sketch_quantile(s, 0.5), 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        sketch_add(i % 2 ? s : half, i * 1000);
    }
    sketch_merge(s, half);
    assert_int_equal(s->count, 100000);
    for (int p = 1; p <= 100; p++) {
        double exact = 1000.0 * (double)(1 + (uint64_t)(p / 100.0 * 99999));
        double got = (double)sketch_quantile(s, p / 100.0);
        assert_true(fabs(got - exact) <= 0.0101 * exact);
    }
    mem_free(half);
    mem_free(s);
}

static void test_extremes(void **state)
{
    (void)state;
    struct sketch *s = mem_new(1, sizeof *s);
    sketch_add(s, 0);
    assert_int_equal(sketch_quantile(s, 1), 1);
    sketch_add(s, UINT64_MAX);
    assert_true(sketch_quantile(s, 1) > (uint64_t)1 << 62);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_is_bounded),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
