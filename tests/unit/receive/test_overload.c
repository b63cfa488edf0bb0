// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the door's states under overload and of its table of traces that matter. Time
// is given.
#include "test.h"

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "receive/overload.h"

#define LIMIT      ((size_t)1000)
#define LOW        ((size_t)625)
#define SOFT       ((size_t)750)
#define UPPER      ((size_t)875)
#define SHED_AFTER (2 * NS_PER_S)
#define SLOW_TRACE (1 * NS_PER_S)
#define START      (1000 * NS_PER_S)

static struct overload *new_overload(void)
{
    struct overload *o = mem_new(1, sizeof *o);
    overload_init(o, LIMIT, SOFT, SHED_AFTER, SLOW_TRACE);
    return o;
}

static enum overload_state state(const struct overload *o)
{
    uint64_t since_ns;
    return overload_state(o, &since_ns);
}

static trace_id trace(uint64_t n)
{
    trace_id id = {{0}};
    memcpy(id.b, &n, sizeof n);
    id.b[15] = 1;
    return id;
}

static void test_slow_then_shed_then_open(void **unused)
{
    (void)unused;
    struct overload *o = new_overload();
    uint64_t t = START;
    assert_int_equal(overload_look(o, SOFT, t), TAKE_ALL);
    assert_int_equal(state(o), OVERLOAD_OPEN);
    assert_int_equal(overload_look(o, SOFT + 1, t), TAKE_NOTHING);
    assert_int_equal(state(o), OVERLOAD_SLOW);
    assert_int_equal(overload_look(o, SOFT, t + NS_PER_MS), TAKE_ALL); // for a moment
    assert_int_equal(state(o), OVERLOAD_SLOW);
    // Pressure again and again, each time before it counts as over.
    while (t < START + SHED_AFTER - OVERLOAD_CALM_SLOW_NS) {
        t += OVERLOAD_CALM_SLOW_NS - 1;
        assert_int_equal(overload_look(o, SOFT, t - 1), TAKE_ALL);
        assert_int_equal(overload_look(o, SOFT + 1, t), TAKE_NOTHING);
        assert_int_equal(state(o), OVERLOAD_SLOW);
    }
    t = START + SHED_AFTER;
    assert_int_equal(overload_look(o, SOFT, t), TAKE_ALL); // no pressure now: no reason to shed
    assert_int_equal(state(o), OVERLOAD_SLOW);
    assert_int_equal(overload_look(o, SOFT + 1, t), TAKE_ERRORS);
    assert_int_equal(state(o), OVERLOAD_SHED);
    // What is kept follows memory.
    assert_int_equal(overload_look(o, LOW, t), TAKE_ALL);
    assert_int_equal(overload_look(o, LOW + 1, t), TAKE_IMPORTANT);
    assert_int_equal(overload_look(o, SOFT, t), TAKE_IMPORTANT);
    assert_int_equal(overload_look(o, SOFT + 1, t), TAKE_ERRORS);
    assert_int_equal(overload_look(o, UPPER, t), TAKE_ERRORS);
    assert_int_equal(overload_look(o, UPPER + 1, t), TAKE_NOTHING);
    // It goes on until nothing has pressed for a while.
    assert_int_equal(overload_look(o, LOW + 1, t += NS_PER_S), TAKE_IMPORTANT);
    assert_int_equal(overload_look(o, LOW, t + OVERLOAD_CALM_SHED_NS - 1), TAKE_ALL);
    assert_int_equal(state(o), OVERLOAD_SHED);
    assert_int_equal(overload_look(o, LOW, t + OVERLOAD_CALM_SHED_NS), TAKE_ALL);
    assert_int_equal(state(o), OVERLOAD_OPEN);
    assert_int_equal(atomic_load(&o->entered[OVERLOAD_SLOW]), 1);
    assert_int_equal(atomic_load(&o->entered[OVERLOAD_SHED]), 1);
    assert_int_equal(atomic_load(&o->entered[OVERLOAD_OPEN]), 1);
    mem_free(o);
}

static void test_senders_who_wait_are_never_shed_from(void **unused)
{
    (void)unused;
    struct overload *o = new_overload();
    for (uint64_t t = START; t < START + 60 * NS_PER_S; t += NS_PER_S) { // as SDKs come back
        assert_int_equal(overload_look(o, LIMIT, t), TAKE_NOTHING);
        assert_int_equal(overload_look(o, SOFT, t + OVERLOAD_CALM_SLOW_NS), TAKE_ALL);
        assert_int_equal(state(o), OVERLOAD_OPEN);
    }
    assert_int_equal(atomic_load(&o->entered[OVERLOAD_SHED]), 0);
    mem_free(o);
}

static void test_clocks_of_threads_may_differ(void **unused)
{
    (void)unused;
    struct overload *o = new_overload();
    (void)overload_look(o, LIMIT, START);
    (void)overload_look(o, LIMIT, START - NS_PER_S); // a thread that read its clock before
    assert_int_equal(state(o), OVERLOAD_SLOW);
    (void)overload_look(o, 0, START - NS_PER_S);
    assert_int_equal(state(o), OVERLOAD_SLOW);
    // What another thread has seen a moment later, in the next second, is new.
    overload_note(o, trace(1), true, 0, START);
    assert_true(overload_wants(o, trace(1), TAKE_ERRORS, START - 1));
    mem_free(o);
}

static void test_traces_that_matter(void **unused)
{
    (void)unused;
    struct overload *o = new_overload();
    overload_note(o, trace(1), true, 0, START);
    overload_note(o, trace(2), false, SLOW_TRACE, START);
    overload_note(o, trace(3), false, SLOW_TRACE - 1, START);
    overload_note(o, (trace_id){{0}}, true, 0, START); // is none
    assert_true(overload_wants(o, trace(1), TAKE_IMPORTANT, START));
    assert_true(overload_wants(o, trace(1), TAKE_ERRORS, START));
    assert_true(overload_wants(o, trace(2), TAKE_IMPORTANT, START));
    assert_false(overload_wants(o, trace(2), TAKE_ERRORS, START));
    assert_false(overload_wants(o, trace(3), TAKE_IMPORTANT, START));
    assert_true(overload_wants(o, trace(3), TAKE_ALL, START));
    overload_note(o, trace(2), true, 0, START + NS_PER_S); // an error came later
    assert_true(overload_wants(o, trace(2), TAKE_ERRORS, START + NS_PER_S));
    overload_note(o, trace(2), false, SLOW_TRACE, START + 2 * NS_PER_S);
    assert_true(overload_wants(o, trace(2), TAKE_ERRORS, START + 2 * NS_PER_S));
    // Forgotten after a while, from when it was seen last.
    uint64_t later = START + OVERLOAD_REMEMBER_S * NS_PER_S;
    assert_true(overload_wants(o, trace(1), TAKE_ERRORS, later));
    assert_false(overload_wants(o, trace(1), TAKE_ERRORS, later + NS_PER_S));
    assert_true(overload_wants(o, trace(2), TAKE_ERRORS, later + NS_PER_S));
    mem_free(o);
}

static void test_a_full_table_keeps_the_newest(void **unused)
{
    (void)unused;
    struct overload *o = new_overload();
    const uint64_t old = 4 * (uint64_t)OVERLOAD_TRACES, fresh = OVERLOAD_TRACES / 16;
    for (uint64_t i = 0; i < old; i++) {
        overload_note(o, trace(i), true, 0, START);
    }
    for (uint64_t i = 0; i < fresh; i++) {
        overload_note(o, trace(old + i), true, 0, START + NS_PER_S);
    }
    uint64_t found = 0;
    for (uint64_t i = 0; i < fresh; i++) {
        found += overload_wants(o, trace(old + i), TAKE_ERRORS, START + NS_PER_S);
    }
    assert_in_range(found, fresh - fresh / 100, fresh);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        wrong += overload_wants(o, trace(2 * old + i), TAKE_ERRORS, START + NS_PER_S);
    }
    assert_int_equal(wrong, 0);
    mem_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_then_shed_then_open),
        cmocka_unit_test(test_senders_who_wait_are_never_shed_from),
        cmocka_unit_test(test_clocks_of_threads_may_differ),
        cmocka_unit_test(test_traces_that_matter),
        cmocka_unit_test(test_a_full_table_keeps_the_newest),
    };
    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
