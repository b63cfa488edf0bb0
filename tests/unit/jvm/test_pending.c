// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/pending: what has waited too long is written outside of the table's lock,
// once.
#include "agents/jvm/pending.h"

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

void __real_frame_end(struct frame *f);
void __wrap_frame_end(struct frame *f);

// A thread of the application's may need the table while a span is written.
void __wrap_frame_end(struct frame *f)
{
    struct context c;
    assert_null(pending_take(handles[written]));
    if (written + 1 < SPANS && pending_context(handles[SPANS - 1], &c)) {
        context_drop(&c);
    }
    written++;
    __real_frame_end(f);
}

static void test_a_sweep_leaves_the_table_free(void **state)
{
    struct thread_state t = {.depth = 0};
    struct pending_counts counts;
    (void)state;
    effort_init(100);
    identity_init(0);
    sample_init(&(struct sample_settings){.ratio = 1});
    for (unsigned i = 0; i < SPANS; i++) {
        assert_non_null(span_open(&t, &method, SPAN_CLIENT));
        handles[i] = pending_put(&t);
        assert_int_not_equal(handles[i], 0);
    }
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
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        memory_free(t.frames[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sweep_leaves_the_table_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
