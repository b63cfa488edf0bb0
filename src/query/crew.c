// SPDX-License-Identifier: Apache-2.0
// Purpose: the helper threads: a list of runs that take helpers, under one mutex.
#include "query/crew.h"

#include <pthread.h>
#include <stdbool.h>

#include "core/mem.h"
#include "core/must.h"

// One call of crew_run(), on its caller's stack. It is in the list until as many helpers as it
// wants have joined, or one of them is done: then nothing is left to begin.
struct run {
    struct run *next;
    void (*work)(void *ctx, size_t who);
    void *ctx;
    size_t most, joined, busy;
};

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
    struct run *runs; // that more helpers may join
    bool stop;
    size_t count;
    pthread_t threads[CREW_HELPERS_MAX];
};

// Under the lock; it may be out already.
static void take_out(struct crew *c, const struct run *r)
{
    ASSERT(r != NULL);
    for (struct run **at = &c->runs; *at != NULL; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            return;
        }
    }
}

static void *help(void *arg)
{
    struct crew *c = arg;
    (void)pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        struct run *r = c->runs;
        if (r == NULL) {
            (void)pthread_cond_wait(&c->wanted, &c->lock);
            continue;
        }
        size_t who = ++r->joined;
        ASSERT(who <= r->most);
        r->busy++;
        if (r->joined == r->most) {
            take_out(c, r);
        }
        (void)pthread_mutex_unlock(&c->lock);
        r->work(r->ctx, who);
        (void)pthread_mutex_lock(&c->lock);
        take_out(c, r);
        r->busy--;
        if (r->busy == 0) {
            (void)pthread_cond_broadcast(&c->done);
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct crew *crew_new(size_t helpers)
{
    struct crew *c = mem_new(1, sizeof *c);
    ASSERT(helpers <= CREW_HELPERS_MAX);
    MUST(pthread_mutex_init(&c->lock, NULL) == 0);
    MUST(pthread_cond_init(&c->wanted, NULL) == 0 && pthread_cond_init(&c->done, NULL) == 0);
    for (; c->count < helpers; c->count++) {
        MUST(pthread_create(&c->threads[c->count], NULL, help, c) == 0);
    }
    return c;
}

void crew_free(struct crew *c)
{
    if (c == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    ASSERT(c->runs == NULL);
    c->stop = true;
    (void)pthread_cond_broadcast(&c->wanted);
    (void)pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < c->count; i++) {
        MUST(pthread_join(c->threads[i], NULL) == 0);
    }
    (void)pthread_cond_destroy(&c->wanted);
    (void)pthread_cond_destroy(&c->done);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

void crew_run(struct crew *c, size_t most, void (*work)(void *ctx, size_t who), void *ctx)
{
    struct run r = {.work = work, .ctx = ctx, .most = most};
    ASSERT(work != NULL);
    if (c == NULL || c->count == 0 || most == 0) {
        work(ctx, 0);
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    // Behind the others: who began first has its helpers first.
    struct run **end = &c->runs;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = &r;
    (void)pthread_cond_broadcast(&c->wanted);
    (void)pthread_mutex_unlock(&c->lock);
    work(ctx, 0);
    (void)pthread_mutex_lock(&c->lock);
    take_out(c, &r);
    while (r.busy > 0) {
        (void)pthread_cond_wait(&c->done, &c->lock);
    }
    (void)pthread_mutex_unlock(&c->lock);
    ASSERT(r.busy == 0 && r.joined <= most);
}
