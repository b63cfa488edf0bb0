// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/mem.h: large blocks keep what they hold while they grow and shrink, and no
// bytes of another block make one of it.
#include "test.h"

#include <string.h>

#include "core/mem.h"

static void fill(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 251) {
        p[i] = (unsigned char)(i * 7);
    }
}

static void assert_filled(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 251) {
        assert_int_equal(p[i], (unsigned char)(i * 7));
    }
}

static void test_blocks_grow_and_shrink(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 2 << 20, 9 << 20, 3 << 20, 50, 1 << 20, 7};
    unsigned char *p = mem_alloc(sizes[0]);
    fill(p, sizes[0]);
    for (size_t i = 1; i < sizeof sizes / sizeof *sizes; i++) {
        size_t kept = sizes[i] < sizes[i - 1] ? sizes[i] : sizes[i - 1];
        p = mem_resize(p, sizes[i], 1);
        assert_filled(p, kept);
        fill(p, sizes[i]);
    }
    mem_free(p);
    const unsigned char *zeroed = p = mem_new(3 << 20, 1);
    for (size_t i = 0; i < 3 << 20; i += 4096) {
        assert_int_equal(zeroed[i], 0);
    }
    mem_free(p);
}

// Blocks made under one limit are resized and freed under another.
static void test_a_smaller_limit_changes_no_block(void **state)
{
    (void)state;
    const size_t bytes = 300 << 10; // large only where the limit is small
    unsigned char *before = mem_alloc(bytes);
    fill(before, bytes);
    mem_limit((size_t)64 << 20);
    unsigned char *p = mem_alloc(bytes);
    fill(p, bytes);
    before = mem_resize(before, 2 * bytes, 1);
    assert_filled(before, bytes);
    mem_limit((size_t)1 << 30);
    p = mem_resize(p, bytes / 2, 1);
    assert_filled(p, bytes / 2);
    mem_free(p);
    mem_free(before);
}

// Small blocks lie at every offset of a page, also at the one that large blocks have; what stands
// before them is another block's, here a copy of what stands before a large one.
static void test_a_copied_head_makes_no_large_block(void **state)
{
    (void)state;
    enum { BLOCKS = 4096, BYTES = 64 };
    static unsigned char *blocks[BLOCKS];
    unsigned char head[BYTES], *large = mem_alloc(2 << 20);
    size_t like_large = 0;
    memset(head, 0, sizeof head);
    if (((uintptr_t)large & 4095) == BYTES) { // not under a sanitizer, which has its own allocator
        memcpy(head, large - BYTES, BYTES);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = mem_alloc(BYTES);
        memcpy(blocks[i], head, BYTES);
        like_large += ((uintptr_t)blocks[i] & 4095) == BYTES;
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = mem_resize(blocks[i], 2 * BYTES, 1);
        assert_memory_equal(blocks[i], head, BYTES);
        mem_free(blocks[i]);
    }
    assert_true(like_large > 0 || ((uintptr_t)large & 4095) != BYTES);
    mem_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_grow_and_shrink),
        cmocka_unit_test(test_a_smaller_limit_changes_no_block),
        cmocka_unit_test(test_a_copied_head_makes_no_large_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
