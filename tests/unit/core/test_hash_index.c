// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of core/hash_index.h: everything put is found, also with hashes that collide.
#include "test.h"

#include "core/hash_index.h"

#define ROWS 5000

static bool finds(const struct hash_index *x, const uint64_t *hashes, uint64_t hash, uint32_t row)
{
    struct hash_walk w = hash_index_walk(x, hash);
    uint32_t number;
    while (hash_index_next(&w, &number)) {
        if (number == row && hashes[number] == hash) {
            return true;
        }
    }
    return false;
}

static void test_everything_is_found(void **state)
{
    (void)state;
    static uint64_t hashes[ROWS];
    struct hash_index x = {0};
    uint32_t number;
    struct hash_walk none = hash_index_walk(&x, 7);
    assert_false(hash_index_next(&none, &number));
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            // A third of the rows collide in all bits, a third in the low ones.
            hashes[i] = i % 3 == 0   ? 42
                        : i % 3 == 1 ? (uint64_t)i << 40
                                     : i * 0x9E3779B97F4A7C15ULL;
            hash_index_reserve(&x, hashes, i, 8);
            hash_index_put(&x, hashes[i], i);
            assert_true(2 * ((size_t)i + 1) <= x.size + 1);
        }
        for (uint32_t i = 0; i < ROWS; i++) {
            assert_true(finds(&x, hashes, hashes[i], i));
        }
        assert_false(finds(&x, hashes, 43, 0));
        hash_index_clear(&x);
        assert_false(finds(&x, hashes, hashes[2], 2));
    }
    hash_index_done(&x);
}

static void test_what_is_taken_out_is_gone_and_the_rest_is_found(void **state)
{
    (void)state;
    static uint64_t hashes[ROWS];
    static bool in[ROWS];
    struct hash_index x = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        hashes[i] = i % 50 == 0 ? 42 : i * 0x9E3779B97F4A7C15ULL; // a hundred collide
        hash_index_reserve(&x, hashes, i, 8);
        hash_index_put(&x, hashes[i], i);
        in[i] = true;
    }
    uint32_t draw = 1;
    for (unsigned round = 0; round < 6 * ROWS; round++) {
        draw = draw * 1664525 + 1013904223;
        uint32_t i = (draw >> 8) % ROWS;
        if (in[i]) {
            hash_index_remove(&x, hashes, i);
        } else {
            hash_index_put(&x, hashes[i], i);
        }
        in[i] = !in[i];
        if (round == 3 * ROWS) {
            hash_index_resize(&x, hashes, ROWS);
        }
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_int_equal(finds(&x, hashes, hashes[i], i), in[i]);
        if (in[i] && i >= 100) {
            hash_index_remove(&x, hashes, i);
            in[i] = false;
        }
    }
    hash_index_resize(&x, hashes, 128);
    assert_int_equal(x.size, 256);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_int_equal(finds(&x, hashes, hashes[i], i), in[i]);
    }
    hash_index_done(&x);
}

static void test_hashes_that_are_alike_do_not_meet(void **state)
{
    (void)state;
    static uint64_t hashes[ROWS];
    struct hash_index x = {0};
    size_t steps = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        hashes[i] = (uint64_t)i << 40; // all the same in the bits of any table's size
        hash_index_reserve(&x, hashes, i, 8);
        hash_index_put(&x, hashes[i], i);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        struct hash_walk w = hash_index_walk(&x, hashes[i]);
        uint32_t number = UINT32_MAX;
        while (number != i) {
            assert_true(hash_index_next(&w, &number));
            steps++;
        }
    }
    assert_true(steps < 4 * ROWS);
    hash_index_done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_found),
        cmocka_unit_test(test_what_is_taken_out_is_gone_and_the_rest_is_found),
        cmocka_unit_test(test_hashes_that_are_alike_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
