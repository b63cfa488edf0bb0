// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of model/kin.h.
#include "test.h"

#include "core/mem.h"
#include "model/kin.h"

static void test_parents_come_by_id(void **state)
{
    (void)state;
    const struct kin spans[] = {{1, 0, true}, {2, 1, false}, {3, 2, true}, {4, 99, true}};
    uint32_t parents[4];
    assert_false(kin_link(spans, 4, parents));
    assert_int_equal(parents[0], KIN_NONE);
    assert_int_equal(parents[1], 0);
    assert_int_equal(parents[2], 1);
    assert_int_equal(parents[3], KIN_NONE); // its parent is not here
    assert_false(kin_link(spans, 0, parents));
}

static void test_halves_with_one_id(void **state)
{
    (void)state;
    // The client half, the server half, and what the server calls: all say "7" above them.
    const struct kin spans[] = {{7, 1, false}, {7, 1, true}, {8, 7, false}, {1, 0, true}};
    uint32_t parents[4];
    assert_true(kin_link(spans, 4, parents)); // the order of start decided
    assert_int_equal(parents[0], 3);
    assert_int_equal(parents[1], 0); // below its other half
    assert_int_equal(parents[2], 1); // below the server half
    assert_int_equal(parents[3], KIN_NONE);
}

static void test_cycles_are_cut(void **state)
{
    (void)state;
    const struct kin spans[] = {{1, 1, true}, {2, 4, false}, {3, 2, false}, {4, 3, false}};
    uint32_t parents[4];
    assert_true(kin_link(spans, 4, parents)); // the order of start decided
    assert_int_equal(parents[0], KIN_NONE);
    assert_int_equal(parents[1], KIN_NONE); // the circle of 2, 3 and 4 is open here
    assert_int_equal(parents[2], 1);
    assert_int_equal(parents[3], 2);
}

// Whatever the IDs: every walk up ends. Small and large traces go different ways.
static void check_random(uint32_t count, uint64_t ids, uint64_t seed)
{
    struct kin *spans = mem_new(count, sizeof *spans);
    uint32_t *parents = mem_new(count, sizeof *parents);
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        spans[i] = (struct kin){1 + (seed >> 33) % ids, (seed >> 13) % (ids + 1), seed >> 63};
    }
    (void)kin_link(spans, count, parents);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t steps = 0;
        for (uint32_t at = i; at != KIN_NONE; at = parents[at]) {
            assert_true(steps++ <= count);
        }
        uint32_t p = parents[i];
        assert_true(p == KIN_NONE || spans[p].id == spans[i].parent || spans[p].id == spans[i].id);
    }
    mem_free(parents);
    mem_free(spans);
}

static void test_any_ids(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        check_random((uint32_t)(seed % 40) + 1, seed % 30 + 1, seed);
    }
    check_random(5000, 4000, 1);
    check_random(5000, 3, 2);
}

// IDs that met in one slot while its place came from a number that everybody knows: 800,000 of them
// were 10^12 steps, for which no test has the time.
static void test_chosen_ids(void **state)
{
    (void)state;
    const uint32_t count = 800000;
    struct kin *spans = mem_new(count, sizeof *spans);
    uint32_t *parents = mem_new(count, sizeof *parents);
    for (uint64_t i = 0; i < count; i++) {
        // 0xf1de83e19937733d is the inverse of 0x9e3779b97f4a7c15.
        uint64_t id = (7ULL << 32 | (i + 1)) * 0xf1de83e19937733du;
        spans[i] = (struct kin){id, i > 0 ? spans[i - 1].id : 0, true};
        assert_int_equal(id * 0x9e3779b97f4a7c15u >> 32, 7);
    }
    assert_false(kin_link(spans, count, parents));
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(parents[i], i > 0 ? i - 1 : KIN_NONE);
    }
    mem_free(parents);
    mem_free(spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents_come_by_id), cmocka_unit_test(test_halves_with_one_id),
        cmocka_unit_test(test_cycles_are_cut),     cmocka_unit_test(test_any_ids),
        cmocka_unit_test(test_chosen_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
