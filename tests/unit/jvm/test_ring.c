// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/ring: a ring that a thread has given back at its end is not its own any more,
// whatever the thread still does.
#include "agents/jvm/ring.h"

#include <pthread.h>

#include "test.h"

static pthread_key_t late;
static struct ring *first, *second;

// Comes after the ring was given back: keys' destructors run in the order of their making.
static void ask_again(void *ctx)
{
    (void)ctx;
    assert_true(atomic_load(&first->is_over));
    second = ring_mine();
    assert_true(ring_push(second, STR("late"), STR("")));
}

static void *work(void *ctx)
{
    first = ring_mine();
    assert_int_equal(pthread_key_create(&late, ask_again), 0);
    assert_int_equal(pthread_setspecific(late, &late), 0);
    return ctx;
}

static bool take(void *ctx, struct str record)
{
    (void)record;
    ++*(unsigned *)ctx;
    return true;
}

static void test_a_ring_is_given_back_for_good(void **state)
{
    pthread_t thread;
    unsigned taken = 0;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_false(rings_drain(take, &taken));
    assert_int_equal(taken, 1);
    assert_false(atomic_load(&first->is_taken)); // both are free again
    assert_false(atomic_load(&second->is_taken));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ring_is_given_back_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
