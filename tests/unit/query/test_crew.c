// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/crew.h: every piece of work is done once, by as many as are idle, and
// crew_run() returns only when all are done.
#include "test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "query/crew.h"

#define PIECES 2000

struct task {
    atomic_size_t next, done;
    atomic_uint numbers; // a bit for each number that was given
    atomic_bool twice;
    char pieces[PIECES];
};

static void work(void *ctx, size_t who)
{
    struct task *t = ctx;
    unsigned bit = 1U << who;
    if (atomic_fetch_or(&t->numbers, bit) & bit) {
        atomic_store(&t->twice, true);
    }
    for (size_t i = atomic_fetch_add(&t->next, 1); i < PIECES; i = atomic_fetch_add(&t->next, 1)) {
        t->pieces[i]++;
        atomic_fetch_add(&t->done, 1);
    }
}

static void run_once(struct crew *c, size_t most)
{
    static _Thread_local struct task t;
    memset(&t, 0, sizeof t);
    crew_run(c, most, work, &t);
    assert_int_equal(atomic_load(&t.done), PIECES);
    assert_false(atomic_load(&t.twice));
    assert_true(atomic_load(&t.numbers) < 2U << most);
    for (size_t i = 0; i < PIECES; i++) {
        assert_int_equal(t.pieces[i], 1);
    }
}

static void test_alone(void **state)
{
    (void)state;
    run_once(NULL, 3);
    struct crew *c = crew_new(0);
    run_once(c, 3);
    crew_free(c);
    c = crew_new(2);
    run_once(c, 0);
    crew_free(c);
    crew_free(NULL);
}

static void *run_many(void *crew)
{
    for (int i = 0; i < 200; i++) {
        run_once(crew, (size_t)i % 5);
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct crew *c = crew_new(3);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, c), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    crew_free(c);
}

struct meeting {
    struct crew *crew;
    struct meeting *other; // that is held while this one goes on
    atomic_size_t helpers;
    sem_t came;
};

static void *hold(void *meeting);

// Awaits a helper, and then one at the other meeting.
static void meet(void *ctx, size_t who)
{
    struct meeting *m = ctx;
    pthread_t thread;
    if (who > 0) {
        atomic_fetch_add(&m->helpers, 1);
        (void)sem_post(&m->came);
        return;
    }
    assert_int_equal(sem_wait(&m->came), 0);
    if (m->other != NULL) {
        assert_int_equal(pthread_create(&thread, NULL, hold, m->other), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

static void *hold(void *meeting)
{
    struct meeting *m = meeting;
    crew_run(m->crew, CREW_HELPERS_MAX, meet, m);
    return NULL;
}

// A helper that is done does not come back for more of the same: it is free for what comes next.
static void test_nobody_joins_what_is_done(void **state)
{
    (void)state;
    struct crew *c = crew_new(1);
    struct meeting second = {.crew = c}, first = {.crew = c, .other = &second};
    assert_int_equal(sem_init(&first.came, 0, 0), 0);
    assert_int_equal(sem_init(&second.came, 0, 0), 0);
    (void)hold(&first);
    assert_int_equal(atomic_load(&first.helpers), 1);
    assert_int_equal(atomic_load(&second.helpers), 1);
    assert_int_equal(sem_destroy(&first.came), 0);
    assert_int_equal(sem_destroy(&second.came), 0);
    crew_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_nobody_joins_what_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
