// SPDX-License-Identifier: Apache-2.0
// Purpose: thread states.
#include "agents/jvm/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/log.h"
#include "agents/jvm/tasks.h"
#include "core/must.h"

enum {
    VIRTUAL_THREADS_BIT = 44, // of jvmtiCapabilities
    EVENT_VIRTUAL_THREAD_START = 87,
    EVENT_VIRTUAL_THREAD_END = 88,
    EVENT_SLOTS = EVENT_VIRTUAL_THREAD_END - JVMTI_MIN_EVENT_TYPE_VAL + 1,
};

// What an operating-system thread is; an unknown one is looked at once.
enum kind { KIND_UNKNOWN, KIND_PLATFORM, KIND_CARRIER };

static jvmtiEnv *jvmti;
static bool has_virtual;
static atomic_uint epoch; // odd: between threads_init() and threads_done()

static __thread struct thread_state *mine; // a platform thread's
static __thread enum kind kind;
static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// ---- Capabilities and events -----------------------------------------------------------------

static uint8_t *virtual_byte(jvmtiCapabilities *c)
{
    _Static_assert(sizeof *c * 8 > VIRTUAL_THREADS_BIT, "reserved bits stand behind the known");
    return (uint8_t *)c + VIRTUAL_THREADS_BIT / 8;
}

void threads_capabilities(jvmtiEnv *ti, jvmtiCapabilities *can)
{
    const uint8_t bit = 1U << VIRTUAL_THREADS_BIT % 8;
    jvmtiCapabilities potential = {0};
    can->can_tag_objects = 1;
    can->can_generate_object_free_events = 1;
    if ((*ti)->GetPotentialCapabilities(ti, &potential) == JVMTI_ERROR_NONE &&
        (*virtual_byte(&potential) & bit) != 0) {
        *virtual_byte(can) |= bit;
    }
}

static void drop_state(void *p)
{
    struct thread_state *t = p;
    frames_drop(t);
    for (int i = 0; i < FRAMES_MAX; i++) {
        free(t->frames[i]);
    }
    free(t);
}

static void JNICALL on_start(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    struct context c;
    (void)ti;
    if (task_take(thread, &c)) {
        struct thread_state *t = thread_mine(env);
        if (t != NULL) {
            context_replace(t, c);
        } else {
            context_drop(&c);
        }
    }
}

static void JNICALL on_virtual_end(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    void *stored = NULL;
    (void)env, (void)thread;
    if ((*ti)->GetThreadLocalStorage(ti, NULL, &stored) == JVMTI_ERROR_NONE && stored != NULL) {
        (void)(*ti)->SetThreadLocalStorage(ti, NULL, NULL);
        drop_state(stored);
    }
}

static bool can_virtual(jvmtiEnv *ti)
{
    jvmtiCapabilities c = {0};
    return (*ti)->GetCapabilities(ti, &c) == JVMTI_ERROR_NONE &&
           (*virtual_byte(&c) & 1U << VIRTUAL_THREADS_BIT % 8) != 0;
}

jvmtiError threads_callbacks(jvmtiEnv *ti, const jvmtiEventCallbacks *others)
{
    // One pointer an event, in the order of their numbers: longer than an older header's struct.
    void *slots[EVENT_SLOTS] = {NULL};
    jvmtiEventCallbacks c = *others;
    _Static_assert(sizeof c <= sizeof slots, "the header knows no later events");
    c.ThreadStart = on_start;
    c.ObjectFree = tasks_on_object_free;
    memcpy(slots, &c, sizeof c);
    bool more = can_virtual(ti);
    if (more) {
        slots[EVENT_VIRTUAL_THREAD_START - JVMTI_MIN_EVENT_TYPE_VAL] = (void *)on_start;
        slots[EVENT_VIRTUAL_THREAD_END - JVMTI_MIN_EVENT_TYPE_VAL] = (void *)on_virtual_end;
    }
    return (*ti)->SetEventCallbacks(ti, (const jvmtiEventCallbacks *)slots,
                                    more ? (jint)sizeof slots : (jint)sizeof c);
}

void threads_events(jvmtiEnv *ti, bool enable)
{
    const int events[] = {JVMTI_EVENT_THREAD_START, JVMTI_EVENT_OBJECT_FREE,
                          EVENT_VIRTUAL_THREAD_START, EVENT_VIRTUAL_THREAD_END};
    const size_t n = can_virtual(ti) ? 4 : 2;
    for (size_t i = 0; i < n; i++) {
        (void)(*ti)->SetEventNotificationMode(ti, enable ? JVMTI_ENABLE : JVMTI_DISABLE,
                                              (jvmtiEvent)events[i], NULL);
    }
}

// ---- States ----------------------------------------------------------------------------------

static void make_key(void)
{
    // Platform threads end here whether or not the agent is there to hear of it.
    MUST(pthread_key_create(&at_end, drop_state) == 0);
}

void threads_init(jvmtiEnv *env)
{
    ASSERT(env != NULL && atomic_load(&epoch) % 2 == 0);
    jvmti = env;
    has_virtual = can_virtual(env);
    (void)pthread_once(&once, make_key);
    tasks_init();
    atomic_fetch_add(&epoch, 1);
}

void threads_done(void)
{
    struct tasks_counts n;
    ASSERT(atomic_load(&epoch) % 2 == 1);
    atomic_fetch_add(&epoch, 1);
    tasks_counts(&n);
    agent_log("contexts: %llu handed over, %u kept at the end, %llu found no room",
              (unsigned long long)n.put, n.kept, (unsigned long long)n.dropped);
    tasks_done();
}

// Whether the Java thread that runs is a carrier, or one that a carrier carries.
static enum kind look(JNIEnv *env)
{
    jthread thread = NULL;
    char *name = NULL;
    enum kind found = KIND_UNKNOWN;
    if ((*jvmti)->GetCurrentThread(jvmti, &thread) != JVMTI_ERROR_NONE || thread == NULL) {
        return KIND_UNKNOWN;
    }
    jclass class = (*env)->GetObjectClass(env, thread);
    if ((*jvmti)->GetClassSignature(jvmti, class, &name, NULL) == JVMTI_ERROR_NONE) {
        bool carrier = strcmp(name, "Ljdk/internal/misc/CarrierThread;") == 0 ||
                       strcmp(name, "Ljava/lang/VirtualThread;") == 0;
        found = carrier ? KIND_CARRIER : KIND_PLATFORM;
        (void)(*jvmti)->Deallocate(jvmti, (unsigned char *)name);
    }
    (*env)->DeleteLocalRef(env, class);
    (*env)->DeleteLocalRef(env, thread);
    return found;
}

static struct thread_state *state_new(unsigned now)
{
    struct thread_state *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->epoch = now;
    }
    return t;
}

static struct thread_state *virtual_mine(unsigned now)
{
    void *stored = NULL;
    if ((*jvmti)->GetThreadLocalStorage(jvmti, NULL, &stored) != JVMTI_ERROR_NONE) {
        return NULL;
    }
    if (stored == NULL) {
        stored = state_new(now);
        if (stored != NULL &&
            (*jvmti)->SetThreadLocalStorage(jvmti, NULL, stored) != JVMTI_ERROR_NONE) {
            free(stored);
            stored = NULL;
        }
    }
    return stored;
}

static struct thread_state *platform_mine(unsigned now)
{
    if (mine == NULL) {
        struct thread_state *t = state_new(now);
        if (t == NULL || pthread_setspecific(at_end, t) != 0) {
            free(t);
            return NULL;
        }
        mine = t;
    }
    return mine;
}

// A state from before the agent was detached: what was open then will not be closed.
static void renew(JNIEnv *env, struct thread_state *t, unsigned now)
{
    for (unsigned i = 0; i < t->depth; i++) {
        for (int k = 0; k < FRAME_GLOBALS; k++) {
            (*env)->DeleteGlobalRef(env, t->frames[i]->globals[k]); // NULL is fine
        }
    }
    frames_drop(t);
    t->is_inside = false;
    t->epoch = now;
}

struct thread_state *thread_mine(JNIEnv *env)
{
    unsigned now = atomic_load_explicit(&epoch, memory_order_acquire);
    if (now % 2 == 0) {
        return NULL;
    }
    if (kind == KIND_UNKNOWN) {
        kind = has_virtual ? look(env) : KIND_PLATFORM;
    }
    struct thread_state *t = kind == KIND_CARRIER ? virtual_mine(now) : platform_mine(now);
    if (t != NULL && t->epoch != now) {
        renew(env, t, now);
    }
    return t;
}
