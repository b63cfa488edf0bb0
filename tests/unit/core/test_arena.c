// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/arena.h.
#include "test.h"

#include "core/arena.h"

static void test_grow_and_clear(void **state)
{
    (void)state;
    struct arena a = {0};
    char *first = arena_alloc(&a, 3);
    memcpy(first, "abc", 3);
    for (size_t i = 0; i < 10000; i++) {
        uint64_t *p = arena_new(&a, 5, sizeof *p);
        assert_true(((uintptr_t)p & 7) == 0);
        assert_true(p[0] == 0 && p[4] == 0);
        p[4] = i;
    }
    assert_memory_equal(first, "abc", 3);
    assert_true(a.held_bytes >= 400000);
    char *large = arena_alloc(&a, (size_t)5 << 20);
    large[((size_t)5 << 20) - 1] = 1;
    arena_clear(&a);
    assert_str(arena_printf(&a, "%d-%s", 12, "x"), "12-x");
    assert_str(arena_str(&a, STR("copy")), "copy");
    arena_done(&a);
    assert_int_equal(a.held_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_grow_and_clear)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
