// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/told.h: of any set of marks the part that makes up a sum is found.
#include "test.h"

#include "stream/told.h"

#define MANY 200

static uint64_t draw(uint64_t *seed)
{
    uint64_t h = (*seed += 0x9e3779b97f4a7c15u);
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static void check_part(uint64_t *seed, size_t count, bool all)
{
    uint64_t marks[MANY], wanted = 0;
    bool part[MANY], told[MANY];
    for (size_t i = 0; i < count; i++) {
        marks[i] = draw(seed);
        part[i] = all || draw(seed) % 3 == 0;
        wanted ^= part[i] ? marks[i] : 0;
    }
    assert_true(told_find(marks, count, wanted, told));
    assert_memory_equal(told, part, count * sizeof *part);
}

static void test_the_part_that_makes_up_a_sum_is_found(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned turn = 0; turn < 2000; turn++) {
        check_part(&seed, 1 + turn % TOLD_DOUBTFUL_MAX, false);
    }
    check_part(&seed, MANY, true);
}

static void test_a_sum_that_no_part_makes_up_is_refused(void **state)
{
    (void)state;
    uint64_t seed = 2, marks[MANY];
    bool told[MANY] = {false}, none[MANY] = {false};
    for (size_t i = 0; i < MANY; i++) {
        marks[i] = draw(&seed);
    }
    assert_false(told_find(marks, 0, 1, NULL));
    assert_true(told_find(marks, 0, 0, NULL));
    assert_false(told_find(marks, TOLD_DOUBTFUL_MAX, draw(&seed), told));
    assert_false(told_find(marks, MANY, marks[3], told)); // too many to tell
    assert_memory_equal(told, none, sizeof none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_part_that_makes_up_a_sum_is_found),
        cmocka_unit_test(test_a_sum_that_no_part_makes_up_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
