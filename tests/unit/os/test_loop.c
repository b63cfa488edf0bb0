// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the event loop: posting from threads, order, deferred tasks, the turn's end.
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/mem.h"
#include "os/loop.h"

#define THREADS  4
#define PER_POST 20000

struct numbered {
    struct loop_task task;
    struct fixture *f;
    int thread, number;
};

struct fixture {
    struct loop *loop;
    int next[THREADS]; // the number that must come next from each thread
    int done;
    int turn_ends;
    struct numbered *posts;
    struct loop_task deferred;
    int turn_ends_at_deferral;
};

static void on_number(struct loop_task *task)
{
    struct numbered *n = (struct numbered *)task;
    assert_int_equal(n->number, n->f->next[n->thread]);
    n->f->next[n->thread]++;
    if (++n->f->done == THREADS * PER_POST) {
        loop_stop(n->f->loop);
    }
}

static void *post_all(void *arg)
{
    struct numbered *first = arg;
    for (int i = 0; i < PER_POST; i++) {
        loop_post(first->f->loop, &first[i].task);
    }
    return NULL;
}

static void test_posts_of_many_threads_keep_their_order(void **state)
{
    (void)state;
    struct fixture f = {.loop = loop_new()};
    f.posts = mem_new(THREADS * PER_POST, sizeof *f.posts);
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < PER_POST; i++) {
            f.posts[t * PER_POST + i] = (struct numbered){{on_number, NULL}, &f, t, i};
        }
        pthread_create(&threads[t], NULL, post_all, &f.posts[t * PER_POST]);
    }
    loop_run(f.loop);
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(f.next[t], PER_POST);
    }
    loop_free(f.loop);
    mem_free(f.posts);
}

static void count_turn_end(void *ctx)
{
    struct fixture *f = ctx;
    f->turn_ends++;
}

static void on_deferred(struct loop_task *task)
{
    struct fixture *f = (struct fixture *)((char *)task - offsetof(struct fixture, deferred));
    assert_int_equal(f->turn_ends, f->turn_ends_at_deferral + 1); // after this turn's hook
    f->done = 1;
    loop_stop(f->loop);
}

static void defer_one(struct loop_task *task)
{
    struct numbered *n = (struct numbered *)task;
    n->f->turn_ends_at_deferral = n->f->turn_ends;
    n->f->deferred.run = on_deferred;
    loop_defer(n->f->loop, &n->f->deferred);
}

static void test_deferred_task_runs_at_the_end_of_the_turn(void **state)
{
    (void)state;
    struct fixture f = {.loop = loop_new()};
    struct numbered n = {{defer_one, NULL}, &f, 0, 0};
    loop_on_turn_end(f.loop, count_turn_end, &f);
    loop_post(f.loop, &n.task);
    loop_run(f.loop);
    assert_int_equal(f.done, 1);
    loop_free(f.loop);
}

static void mark_done(struct loop_task *task)
{
    ((struct numbered *)task)->f->done++;
}

static void test_free_runs_what_was_still_posted(void **state)
{
    (void)state;
    struct fixture f = {.loop = loop_new()};
    struct numbered n = {{mark_done, NULL}, &f, 0, 0};
    loop_stop(f.loop);
    loop_run(f.loop); // ends at once: the stop came before
    loop_post(f.loop, &n.task);
    loop_free(f.loop);
    assert_int_equal(f.done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_of_many_threads_keep_their_order),
        cmocka_unit_test(test_deferred_task_runs_at_the_end_of_the_turn),
        cmocka_unit_test(test_free_runs_what_was_still_posted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
