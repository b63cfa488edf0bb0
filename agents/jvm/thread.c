// SPDX-License-Identifier: Apache-2.0
// Purpose: thread states.
#include "agents/jvm/thread.h"

#include <stdlib.h>

#include "core/must.h"

static jvmtiEnv *jvmti;
static bool use_jvmti_storage;
static __thread struct thread_state *mine;

void threads_init(jvmtiEnv *env, bool has_virtual)
{
    ASSERT(env != NULL);
    jvmti = env;
    use_jvmti_storage = has_virtual;
}

struct thread_state *thread_mine(void)
{
    struct thread_state *t = mine;
    if (use_jvmti_storage) {
        void *stored = NULL;
        if ((*jvmti)->GetThreadLocalStorage(jvmti, NULL, &stored) != JVMTI_ERROR_NONE) {
            return NULL;
        }
        t = stored;
    }
    if (t != NULL) {
        return t;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    if (!use_jvmti_storage) {
        mine = t;
    } else if ((*jvmti)->SetThreadLocalStorage(jvmti, NULL, t) != JVMTI_ERROR_NONE) {
        free(t);
        return NULL;
    }
    return t;
}

void thread_end(void)
{
    struct thread_state *t = mine;
    if (use_jvmti_storage) {
        void *stored = NULL;
        (void)(*jvmti)->GetThreadLocalStorage(jvmti, NULL, &stored);
        (void)(*jvmti)->SetThreadLocalStorage(jvmti, NULL, NULL);
        t = stored;
    }
    mine = NULL;
    if (t == NULL) {
        return;
    }
    frames_drop(t);
    for (int i = 0; i < FRAMES_MAX; i++) {
        free(t->frames[i]);
    }
    free(t);
}
