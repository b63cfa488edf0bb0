// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/tuples.h: each list once, in the order in which they came, also where
// senders chose the lists.
#include "test.h"

#include "store/tuples.h"

#define LISTS 60000u

typedef uint32_t adding(struct tuples *t, const uint32_t *items, size_t n);

static void check_lists_that_are_alike(adding *add)
{
    struct tuples t = {0};
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < LISTS; i++) {
            // One and three and five times each number: the sum is the same.
            const uint32_t items[] = {3 * i, 5 * LISTS - i, 7};
            assert_int_equal(add(&t, items, 3), i);
        }
    }
    assert_int_equal(t.count, LISTS);
    for (uint32_t i = 0; i < LISTS; i++) {
        size_t n;
        assert_int_equal(tuples_get(&t, i, &n)[0], 3 * i);
        assert_int_equal(n, 3);
        assert_true(i == 0 || t.hashes[i] != t.hashes[i - 1]);
    }
    tuples_done(&t);
}

static void test_each_list_has_one_number(void **state)
{
    (void)state;
    struct tuples t = {0};
    const uint32_t items[] = {1, 2, 3};
    assert_int_equal(tuples_add(&t, items, 3), 0);
    assert_int_equal(tuples_add(&t, items, 2), 1);
    assert_int_equal(tuples_add(&t, NULL, 0), 2);
    assert_int_equal(tuples_add(&t, items, 3), 0);
    assert_int_equal(tuples_add(&t, items + 1, 2), 3);
    tuples_clear(&t);
    assert_int_equal(tuples_add(&t, items + 1, 2), 0);
    tuples_done(&t);
}

static void test_lists_that_are_alike_do_not_meet(void **state)
{
    (void)state;
    check_lists_that_are_alike(tuples_add);
    check_lists_that_are_alike(tuples_add_own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_list_has_one_number),
        cmocka_unit_test(test_lists_that_are_alike_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
