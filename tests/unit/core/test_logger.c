// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the gate that keeps errors from flooding the log.
#include "test.h"

#include <pthread.h>

#include "core/clock.h"
#include "core/logger.h"

#define EVENTS  20000
#define THREADS 4

static void test_one_a_period(void **state)
{
    (void)state;
    struct log_gate gate = {0};
    assert_int_equal(log_gate_pass(&gate, 3600 * NS_PER_S), 1);
    assert_int_equal(log_gate_pass(&gate, 3600 * NS_PER_S), 0);
    assert_int_equal(log_gate_pass(&gate, 3600 * NS_PER_S), 0);
    atomic_store(&gate.next_ns, 0); // an hour later
    assert_int_equal(log_gate_pass(&gate, 3600 * NS_PER_S), 3);
}

struct shared {
    struct log_gate gate;
    atomic_uint_fast64_t told;
};

static void *knock(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < EVENTS; i++) {
        atomic_fetch_add(&s->told, log_gate_pass(&s->gate, 1000));
    }
    return NULL;
}

static void test_threads_lose_no_event(void **state)
{
    (void)state;
    struct shared s = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, knock, &s), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.told + s.gate.held_back, (uint64_t)THREADS * EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_a_period),
        cmocka_unit_test(test_threads_lose_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
