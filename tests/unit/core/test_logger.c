// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the gate that keeps errors from flooding the log.
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

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

// A line is what it should be and no byte more, with pairs, without, and where it is cut.
static void test_lines_end_where_they_should(void **state)
{
    (void)state;
    char line[2048], long_text[1500];
    int ends[2], saved = dup(STDERR_FILENO);
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 3; i++) {
        static const char *const want[] = {"msg=\"m\" a=1\n", "msg=\"m\"\n", "xxxxx\n"};
        assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
        log_write(LOG_ERROR, "test", "m", "%s", i == 0 ? "a=1" : i == 1 ? "" : long_text);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        ssize_t n = read(ends[0], line, sizeof line - 1);
        assert_true(n > 0 && n <= 1024);
        line[n] = 0;
        assert_int_equal(strlen(line), n);
        assert_string_equal(line + n - strlen(want[i]), want[i]);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_end_where_they_should),
        cmocka_unit_test(test_one_a_period),
        cmocka_unit_test(test_threads_lose_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
