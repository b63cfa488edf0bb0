// SPDX-License-Identifier: Apache-2.0
// Purpose: the event loop. Tasks from other threads form a lock-free stack (pushed with one
// compare-and-swap, taken whole with one exchange and turned round), so order of posting is kept
// and only the first post onto an empty stack pays for a wake-up. The end of a turn is libuv's
// "prepare" phase: input, closed handles and timers of the turn are behind it, the sleep ahead.
#include "os/loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "core/mem.h"
#include "core/must.h"

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t turn_end;
    _Atomic(struct loop_task *) posted; // the newest first
    atomic_bool stop;
    void (*hook)(void *ctx);
    void *hook_ctx;
    struct loop_task *deferred_first, *deferred_last;
};

static void run_posted(struct loop *l)
{
    struct loop_task *newest = atomic_exchange_explicit(&l->posted, NULL, memory_order_acquire);
    struct loop_task *oldest = NULL;
    while (newest != NULL) {
        struct loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_task *next = oldest->next; // run() may free or post the task again
        ASSERT(oldest->run != NULL);
        oldest->run(oldest);
        oldest = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct loop *l = wake->data;
    ASSERT(l != NULL);
    run_posted(l);
    if (atomic_load(&l->stop)) {
        uv_stop(&l->uv);
    }
}

static void run_deferred(struct loop *l)
{
    while (l->deferred_first != NULL) {
        struct loop_task *task = l->deferred_first;
        l->deferred_first = task->next;
        if (l->deferred_first == NULL) {
            l->deferred_last = NULL;
        }
        ASSERT(task->run != NULL);
        task->run(task);
    }
}

static void on_turn_end(uv_prepare_t *turn_end)
{
    struct loop *l = turn_end->data;
    ASSERT(l != NULL);
    if (l->hook != NULL) {
        l->hook(l->hook_ctx);
    }
    run_deferred(l);
}

struct loop *loop_new(void)
{
    struct loop *l = mem_new(1, sizeof *l);
    MUST(uv_loop_init(&l->uv) == 0);
    MUST(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
    MUST(uv_prepare_init(&l->uv, &l->turn_end) == 0);
    MUST(uv_prepare_start(&l->turn_end, on_turn_end) == 0);
    l->wake.data = l;
    l->turn_end.data = l;
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL) {
        return;
    }
    while (atomic_load(&l->posted) != NULL || l->deferred_first != NULL) {
        run_posted(l);
        run_deferred(l);
    }
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    while (uv_run(&l->uv, UV_RUN_NOWAIT) != 0) {
    }
    MUST(uv_loop_close(&l->uv) == 0); // otherwise an owner left a handle open
    mem_free(l);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    ASSERT(l != NULL);
    return &l->uv;
}

void loop_run(struct loop *l)
{
    sigset_t pipe;
    ASSERT(l != NULL);
    // A write to a socket that the peer has closed fails instead of killing the process.
    MUST(sigemptyset(&pipe) == 0 && sigaddset(&pipe, SIGPIPE) == 0);
    MUST(pthread_sigmask(SIG_BLOCK, &pipe, NULL) == 0);
    if (!atomic_load(&l->stop)) {
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l)
{
    ASSERT(l != NULL);
    atomic_store(&l->stop, true);
    MUST(uv_async_send(&l->wake) == 0);
}

void loop_post(struct loop *l, struct loop_task *task)
{
    ASSERT(task->run != NULL);
    struct loop_task *head = atomic_load_explicit(&l->posted, memory_order_relaxed);
    do {
        task->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->posted, &head, task, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (head == NULL) {
        MUST(uv_async_send(&l->wake) == 0);
    }
}

void loop_defer(struct loop *l, struct loop_task *task)
{
    ASSERT(task->run != NULL);
    task->next = NULL;
    if (l->deferred_last == NULL) {
        l->deferred_first = task;
    } else {
        l->deferred_last->next = task;
    }
    l->deferred_last = task;
}

void loop_on_turn_end(struct loop *l, void (*hook)(void *ctx), void *ctx)
{
    ASSERT(hook == NULL || l->hook == NULL);
    l->hook = hook;
    l->hook_ctx = ctx;
}

uint64_t loop_now_ms(const struct loop *l)
{
    ASSERT(l != NULL);
    return uv_now(&l->uv);
}
