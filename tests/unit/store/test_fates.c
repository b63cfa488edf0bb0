// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/fates.h: the transitions, and that the table forgets the oldest and
// nothing else.
#include "test.h"

#include "store/fates.h"

static void test_transitions(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, (size_t)64 << 20);
    struct fates *f = fates_new(&budget, 100);
    assert_int_equal(fates_of(f, 1), FATE_NONE);
    assert_int_equal(atomic_load(&budget.total), 0);
    fates_judge(f, 1, KEEP_NOT);
    assert_int_equal(fates_of(f, 1), FATE_GOING);
    fates_judge(f, 1, KEEP_RARE);
    assert_int_equal(fates_of(f, 1), FATE_KEPT);
    fates_judge(f, 1, KEEP_NOT);
    assert_int_equal(fates_sift(f, 1), FATE_KEPT);
    assert_int_equal(fates_sift(f, 2), FATE_KEPT); // nobody judged it
    assert_false(fates_any_gone(f));
    fates_judge(f, 3, KEEP_NOT);
    fates_reopen(f, 3);
    fates_judge(f, 3, KEEP_NOT);
    assert_int_equal(fates_sift(f, 3), FATE_GONE);
    assert_true(fates_any_gone(f));
    fates_judge(f, 3, KEEP_SHARE);
    fates_reopen(f, 3);
    assert_int_equal(fates_sift(f, 3), FATE_GONE);
    fates_judge(f, 3, KEEP_SLOW);
    assert_int_equal(fates_sift(f, 3), FATE_PARTIAL);
    fates_judge(f, 4, KEEP_NOT);
    fates_reopen(f, 4);
    assert_int_equal(fates_sift(f, 4), FATE_KEPT);
    fates_restore(f, 5, false);
    fates_restore(f, 6, true);
    assert_int_equal(fates_of(f, 5), FATE_GONE);
    assert_int_equal(fates_of(f, 6), FATE_PARTIAL);
    fates_free(f);
    assert_int_equal(atomic_load(&budget.total), 0);
}

// Against a list in order of change: hashes that meet in the table, and fates that move to its end.
static void test_the_oldest_are_forgotten(void **state)
{
    (void)state;
    enum { MAX = 64, HASHES = 400, STEPS = 20000 };
    struct budget budget;
    budget_init(&budget, (size_t)64 << 20);
    struct fates *f = fates_new(&budget, MAX);
    uint64_t at[HASHES] = {0}, now = 0, random = 7; // when each was put, 0: never
    enum fate fate[HASHES] = {FATE_NONE};
    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t i = (size_t)(random >> 33) % HASHES;
        uint64_t hash = (uint64_t)(i % 7) << 32 | i; // few slots, many of the same
        bool known = at[i] > 0 && at[i] + MAX > now;
        enum fate before = known ? fate[i] : FATE_NONE;
        assert_int_equal(fates_of(f, hash), before);
        if ((random >> 20 & 1) != 0) {
            fates_judge(f, hash, KEEP_NOT);
            fate[i] = before == FATE_NONE ? FATE_GOING : before;
            at[i] = before == FATE_NONE ? ++now : at[i];
        } else {
            fate[i] = before == FATE_NONE ? FATE_KEPT : before == FATE_GOING ? FATE_GONE : before;
            at[i] = fate[i] != before ? ++now : at[i];
            assert_int_equal(fates_sift(f, hash), fate[i]);
        }
    }
    struct fates_stats stats;
    fates_stats(f, &stats);
    assert_true(stats.known <= MAX && stats.forgotten > 0);
    fates_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transitions),
        cmocka_unit_test(test_the_oldest_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
