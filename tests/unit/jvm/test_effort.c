// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/effort and memory: steps down at once, up when it has been calm; what is kept
// stays within its limit.
#include <sched.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/memory.h"
#include "core/clock.h"
#include "test.h"

static void step(double percent, int times)
{
    for (int i = 0; i < times; i++) {
        effort_step(percent);
    }
}

static void test_steps(void **state)
{
    (void)state;
    effort_init(10);
    assert_int_equal(effort_now(), EFFORT_FULL);
    assert_true(effort_has_details());
    step(9, 100);
    assert_int_equal(effort_now(), EFFORT_FULL);
    step(11, 1);
    assert_int_equal(effort_now(), EFFORT_LEAN);
    assert_false(effort_has_details());
    step(11, 2);
    assert_int_equal(effort_now(), EFFORT_TENTH);
    step(11, 1);
    assert_int_equal(effort_now(), EFFORT_PAUSED);
    step(0, EFFORT_PAUSE_S - 1);
    assert_int_equal(effort_now(), EFFORT_PAUSED);
    step(0, 1);
    assert_int_equal(effort_now(), EFFORT_TENTH);
    // Calm must last: a second that is not begins the count anew.
    step(1, EFFORT_CALM_S - 1);
    step(8, 1);
    step(1, EFFORT_CALM_S - 1);
    assert_int_equal(effort_now(), EFFORT_TENTH);
    step(1, 1 + 2 * EFFORT_CALM_S);
    assert_int_equal(effort_now(), EFFORT_FULL);
}

static void test_seconds_are_judged(void **state)
{
    (void)state;
    effort_init(10);
    effort_judge(NS_PER_S);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    effort_probe((uint64_t)CPU_COUNT(&set) * 192 * NS_PER_MS / EFFORT_SAMPLE);
    effort_judge(NS_PER_S + NS_PER_S / 2);
    assert_int_equal(effort_now(), EFFORT_FULL);
    effort_judge(2 * NS_PER_S);
    assert_int_equal(effort_now(), EFFORT_LEAN);
    assert_true(effort_percent() > 19 && effort_percent() < 20);
    effort_judge(3 * NS_PER_S);
    assert_int_equal(effort_now(), EFFORT_LEAN);
    assert_true(effort_percent() < 1);
}

static void test_memory_is_bounded(void **state)
{
    struct memory_counts before, n;
    void *p[100] = {NULL};
    unsigned got = 0;
    (void)state;
    memory_counts(&before);
    memory_init(before.used + 100000);
    for (int i = 0; i < 100; i++) {
        p[i] = i % 2 == 0 ? memory_zeroed(4000) : memory_lines(4032);
        got += p[i] != NULL;
    }
    memory_counts(&n);
    assert_in_range(got, 20, 25);
    assert_true(n.used - before.used <= 100000);
    assert_int_equal(n.refused - before.refused, 100 - got);
    for (int i = 0; i < 100; i++) {
        memory_free(p[i]);
    }
    memory_counts(&n);
    assert_int_equal(n.used, before.used);
    assert_null(memory_get(SIZE_MAX));
    memory_init(SIZE_MAX);
    memory_fail_every(3);
    got = 0;
    for (int i = 0; i < 30; i++) {
        void *one = memory_get(8);
        got += one != NULL;
        memory_free(one);
    }
    assert_int_equal(got, 20);
    memory_init(SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_seconds_are_judged),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
