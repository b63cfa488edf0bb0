// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/thread: frames whose ends were not seen let go of what they hold, and are
// counted.
#include "agents/jvm/thread.h"

#include "agents/jvm/effort.h"
#include "agents/jvm/identity.h"
#include "agents/jvm/plugin.h"
#include "agents/jvm/sample.h"
#include "support/fake_jvm.h"
#include "test.h"

static struct fake_jvm jvm;
static const struct plugin_method method;

static struct frame *open_with_reference(struct thread_state *t)
{
    static int object;
    struct frame *f = span_open(t, &method, SPAN_CLIENT);
    assert_non_null(f);
    f->globals[FRAME_GLOBALS - 1] = (*(JNIEnv *)&jvm.env)->NewGlobalRef(&jvm.env, (jobject)&object);
    return f;
}

static uint64_t abandoned(void)
{
    struct span_counts counts;
    span_counts(&counts);
    return counts.abandoned;
}

static int begin(void **state)
{
    (void)state;
    fake_jvm_init(&jvm);
    effort_init(100);
    identity_init(0);
    sample_init(&(struct sample_settings){.ratio = 1});
    threads_init(&jvm.jvmti);
    return 0;
}

static void test_lost_frames_hold_nothing(void **state)
{
    (void)state;
    struct thread_state *t = thread_mine(&jvm.env);
    assert_non_null(t);
    struct frame *kept = open_with_reference(t);
    int64_t token = frame_token(t);
    (void)open_with_reference(t);
    (void)open_with_reference(t);
    uint64_t before = abandoned();
    assert_int_equal(frame_find(t, token), 1);
    thread_drop_frames(&jvm.env, t, 1);
    assert_ptr_equal(t->frames[0], kept);
    assert_int_equal(t->depth, 1);
    assert_int_equal(fake_references, 1);
    assert_int_equal(abandoned() - before, 2);
    assert_true(context_is_same(&t->current, &kept->context));
    assert_int_equal(frame_find(t, token + (1 << 8)), 0);
    threads_done(&jvm.env);
    assert_int_equal(fake_references, 0);
    assert_int_equal(abandoned() - before, 3);
}

// The agent could not leave in quiet and comes again: a callback of before is still at work, and
// what it works on stays until it has come back.
static void test_frames_end_with_the_agents_life(void **state)
{
    (void)state;
    struct thread_state *t = thread_mine(&jvm.env);
    (void)open_with_reference(t);
    int64_t token = frame_token(t);
    uint64_t before = abandoned();
    t->is_inside = true;
    threads_init(&jvm.jvmti);
    assert_ptr_equal(thread_mine(&jvm.env), t);
    assert_int_equal(t->depth, 1);
    t->is_inside = false;
    assert_ptr_equal(thread_mine(&jvm.env), t);
    assert_int_equal(frame_find(t, token), 0);
    assert_false(context_is_set(&t->current));
    assert_int_equal(fake_references, 0);
    assert_int_equal(abandoned() - before, 1);
    (void)open_with_reference(t);
    assert_ptr_equal(thread_mine(&jvm.env), t);
    assert_int_equal(t->depth, 1);
    threads_done(&jvm.env);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lost_frames_hold_nothing, begin),
        cmocka_unit_test_setup(test_frames_end_with_the_agents_life, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
