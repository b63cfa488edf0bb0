// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/pending: what has waited too long is written outside of the table's lock,
// once, and is freed by nobody meanwhile.
#include "agents/jvm/pending.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/plugin.h"
#include "agents/jvm/sample.h"
#include "test.h"

enum { SPANS = FRAMES_MAX + 8 };

static const struct plugin_method method;
static uint64_t handles[SPANS];
static unsigned written;
static bool does_end; // the agent stops while the first span is written
static pthread_t ending;

void __real_frame_end(struct frame *f);
void __wrap_frame_end(struct frame *f);

static void *end_all(void *ctx)
{
    pending_done(0);
    return ctx;
}

// Starts pending_done() and gives it time to do what it must not.
static void begin_to_end(void)
{
    struct timespec until;
    assert_int_equal(pthread_create(&ending, NULL, end_all, NULL), 0);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    assert_int_equal(pthread_timedjoin_np(ending, NULL, &until), ETIMEDOUT);
}

// A thread of the application's may need the table while a span is written.
void __wrap_frame_end(struct frame *f)
{
    struct context c;
    if (does_end) {
        if (written++ == 0) {
            begin_to_end();
        }
        __real_frame_end(f);
        return;
    }
    assert_null(pending_take(handles[written]));
    if (written + 1 < SPANS && pending_context(handles[SPANS - 1], &c)) {
        context_drop(&c);
    }
    written++;
    __real_frame_end(f);
}

static int begin(void **state)
{
    (void)state;
    effort_init(100);
    identity_init(0);
    sample_init(&(struct sample_settings){.ratio = 1});
    written = 0;
    return 0;
}

static void put_spans(struct thread_state *t)
{
    for (unsigned i = 0; i < SPANS; i++) {
        assert_non_null(span_open(t, &method, SPAN_CLIENT));
        handles[i] = pending_put(t);
        assert_int_not_equal(handles[i], 0);
    }
}

static void free_frames(struct thread_state *t)
{
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        memory_free(t->frames[i]);
    }
}

static void test_a_sweep_leaves_the_table_free(void **state)
{
    struct thread_state t = {.depth = 0};
    struct pending_counts counts;
    (void)state;
    put_spans(&t);
    struct frame *taken = pending_take(handles[SPANS - 1]); // its end has come: it is not swept
    assert_non_null(taken);
    pending_sweep(3600);
    assert_int_equal(written, 0);
    pending_sweep(0);
    assert_int_equal(written, SPANS - 1);
    pending_counts(&counts);
    assert_int_equal(counts.waiting, 1);
    assert_int_equal(counts.ended_early, SPANS - 1);
    pending_end(taken);
    pending_counts(&counts);
    assert_int_equal(counts.waiting, 0);
    pending_done(0);
    free_frames(&t);
}

static void test_nothing_is_freed_under_a_sweep(void **state)
{
    struct thread_state t = {.depth = 0};
    struct pending_counts counts;
    (void)state;
    put_spans(&t);
    does_end = true;
    pending_sweep(0);
    assert_int_equal(pthread_join(ending, NULL), 0);
    does_end = false;
    assert_int_equal(written, SPANS);
    pending_counts(&counts);
    assert_int_equal(counts.waiting, 0);
    free_frames(&t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_sweep_leaves_the_table_free, begin),
        cmocka_unit_test_setup(test_nothing_is_freed_under_a_sweep, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
