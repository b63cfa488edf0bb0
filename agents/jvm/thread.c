// SPDX-License-Identifier: Apache-2.0
// Purpose: thread states.
#include "agents/jvm/thread.h"

#include <pthread.h>
#include <stdatomic.h>

#include "agents/jvm/identity.h"
#include "agents/jvm/memory.h"
#include "core/must.h"

static jvmtiEnv *jvmti;
static bool use_jvmti_storage;

// All that there are, for threads_done(). What a thread remembers of an earlier epoch is freed.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread_state *all;
static atomic_uint epoch;
static __thread struct {
    struct thread_state *state;
    unsigned epoch;
} mine;

void threads_init(jvmtiEnv *env, bool has_virtual)
{
    ASSERT(env != NULL);
    jvmti = env;
    use_jvmti_storage = has_virtual;
}

static struct thread_state *stored(void)
{
    if (use_jvmti_storage) {
        void *state = NULL;
        return (*jvmti)->GetThreadLocalStorage(jvmti, NULL, &state) == JVMTI_ERROR_NONE ? state
                                                                                        : NULL;
    }
    return mine.epoch == atomic_load_explicit(&epoch, memory_order_relaxed) ? mine.state : NULL;
}

static bool store(struct thread_state *t)
{
    if (use_jvmti_storage) {
        return (*jvmti)->SetThreadLocalStorage(jvmti, NULL, t) == JVMTI_ERROR_NONE;
    }
    mine.state = t;
    mine.epoch = atomic_load(&epoch);
    return true;
}

static void enlist(struct thread_state *t)
{
    pthread_mutex_lock(&lock);
    t->next = all;
    t->link = &all;
    if (all != NULL) {
        all->link = &t->next;
    }
    all = t;
    pthread_mutex_unlock(&lock);
}

static void strike_off(struct thread_state *t)
{
    pthread_mutex_lock(&lock);
    ASSERT(*t->link == t);
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
    pthread_mutex_unlock(&lock);
}

struct thread_state *thread_mine(void)
{
    struct thread_state *t = stored();
    if (t != NULL) {
        return t;
    }
    t = memory_zeroed(sizeof *t);
    if (t == NULL || !store(t)) {
        memory_free(t);
        return NULL;
    }
    span_id random = identity_span();
    memcpy(&t->serial, random.b, sizeof t->serial);
    enlist(t);
    return t;
}

static void state_free(JNIEnv *env, struct thread_state *t)
{
    for (unsigned i = 0; i < t->depth; i++) {
        for (int g = 0; g < FRAME_GLOBALS; g++) {
            (*env)->DeleteGlobalRef(env, t->frames[i]->globals[g]); // NULL is fine
        }
    }
    frames_drop(t);
    for (int i = 0; i < FRAMES_MAX; i++) {
        memory_free(t->frames[i]);
    }
    memory_free(t);
}

void thread_end(JNIEnv *env)
{
    struct thread_state *t = stored();
    if (t != NULL) {
        (void)store(NULL);
        strike_off(t);
        state_free(env, t);
    }
}

void threads_done(JNIEnv *env)
{
    while (all != NULL) {
        struct thread_state *t = all;
        strike_off(t);
        state_free(env, t);
    }
    atomic_fetch_add(&epoch, 1);
}
