// SPDX-License-Identifier: Apache-2.0
// Purpose: thread states.
#include "agents/jvm/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "agents/jvm/identity.h"
#include "agents/jvm/inside.h"
#include "agents/jvm/memory.h"
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

static jvmtiEnv *jvmti; // NULL: there are no states. Set and cleared under the lock
static bool has_virtual;

// All that there are, for threads_done(). What a thread remembers of an earlier epoch is freed, and
// the epoch ends under the lock. What has stayed, because the agent could not leave in quiet, is of
// an earlier life.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread_state *all;
static atomic_uint epoch, life;
static __thread struct {
    struct thread_state *state; // a platform thread's
    unsigned epoch;
    enum kind kind;
} mine;

// ---- Where a state is kept -------------------------------------------------------------------

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

static bool is_carrier(JNIEnv *env)
{
    if (mine.kind == KIND_UNKNOWN) {
        mine.kind = has_virtual ? look(env) : KIND_PLATFORM;
    }
    return mine.kind == KIND_CARRIER;
}

static struct thread_state *stored(JNIEnv *env)
{
    if (is_carrier(env)) {
        void *state = NULL;
        return (*jvmti)->GetThreadLocalStorage(jvmti, NULL, &state) == JVMTI_ERROR_NONE ? state
                                                                                        : NULL;
    }
    return mine.epoch == atomic_load_explicit(&epoch, memory_order_relaxed) ? mine.state : NULL;
}

static bool store(JNIEnv *env, struct thread_state *t)
{
    if (is_carrier(env)) {
        return (*jvmti)->SetThreadLocalStorage(jvmti, NULL, t) == JVMTI_ERROR_NONE;
    }
    mine.state = t;
    mine.epoch = atomic_load(&epoch);
    return true;
}

// ---- States ----------------------------------------------------------------------------------

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

static struct thread_state *state_new(JNIEnv *env)
{
    struct thread_state *t = memory_zeroed(sizeof *t);
    if (t == NULL || !store(env, t)) {
        memory_free(t);
        return NULL;
    }
    // Threads that make few calls are measured as often as others.
    span_id random = identity_span();
    t->calls = random.b[0];
    memcpy(&t->serial, random.b, sizeof t->serial);
    t->life = atomic_load(&life);
    enlist(t);
    return t;
}

void thread_stop_reading(struct thread_state *t)
{
    ASSERT(t->is_inside && t->is_reading);
    t->is_reading = t->is_inside = false;
    inside_end_at(t->place);
}

// The ends of frames of an earlier life were not told, and what they put in force is over. A
// callback of that life may be at work on them still: then they wait for its end.
static void begin_anew(JNIEnv *env, struct thread_state *t, unsigned now)
{
    if (t->is_reading) { // which comes back to another life
        thread_stop_reading(t);
    }
    if (!t->is_inside) {
        thread_drop_frames(env, t, 0);
        context_drop(&t->current);
        t->has_task = false;
        t->life = now;
    }
}

struct thread_state *thread_mine(JNIEnv *env)
{
    struct thread_state *t = stored(env);
    unsigned now = atomic_load_explicit(&life, memory_order_relaxed);
    if (t == NULL) {
        return state_new(env);
    }
    if (t->life != now) {
        begin_anew(env, t, now);
    }
    return t;
}

// Under the lock.
static bool is_listed(const struct thread_state *t)
{
    const struct thread_state *at = all;
    while (at != NULL && at != t) {
        at = at->next;
    }
    return at != NULL;
}

struct thread_state *thread_reading(JNIEnv *env)
{
    pthread_mutex_lock(&lock);
    struct thread_state *t = jvmti != NULL ? stored(env) : NULL;
    bool is_reading = t != NULL && is_listed(t) && t->is_reading;
    pthread_mutex_unlock(&lock);
    if (is_reading && t->life != atomic_load(&life)) { // counted, so it stays; but it has come late
        thread_stop_reading(t);
        is_reading = false;
    }
    return is_reading ? t : NULL;
}

void thread_drop_frames(JNIEnv *env, struct thread_state *t, unsigned depth)
{
    for (unsigned i = depth; i < t->depth; i++) {
        for (int g = 0; g < FRAME_GLOBALS; g++) {
            (*env)->DeleteGlobalRef(env, t->frames[i]->globals[g]); // NULL is fine
        }
    }
    frames_drop(t, depth);
}

static void state_free(JNIEnv *env, struct thread_state *t)
{
    thread_drop_frames(env, t, 0);
    context_drop(&t->current);
    for (int i = 0; i < THREAD_CONNECTIONS; i++) {
        if (t->connections[i] != NULL) {
            (*env)->DeleteWeakGlobalRef(env, t->connections[i]);
        }
    }
    for (int i = 0; i < FRAMES_MAX; i++) {
        memory_free(t->frames[i]);
    }
    memory_free(t);
}

// ---- Capabilities and events -----------------------------------------------------------------

static bool has_virtual_bit(const jvmtiCapabilities *c)
{
    _Static_assert(sizeof *c * 8 > VIRTUAL_THREADS_BIT, "reserved bits stand behind the known");
    return (((const uint8_t *)c)[VIRTUAL_THREADS_BIT / 8] >> VIRTUAL_THREADS_BIT % 8 & 1) != 0;
}

void threads_capabilities(jvmtiEnv *ti, jvmtiCapabilities *can)
{
    jvmtiCapabilities potential = {0};
    can->can_tag_objects = 1;
    can->can_generate_object_free_events = 1;
    if ((*ti)->GetPotentialCapabilities(ti, &potential) == JVMTI_ERROR_NONE &&
        has_virtual_bit(&potential)) {
        ((uint8_t *)can)[VIRTUAL_THREADS_BIT / 8] |= 1U << VIRTUAL_THREADS_BIT % 8;
    }
}

static bool can_virtual(jvmtiEnv *ti)
{
    jvmtiCapabilities c = {0};
    return (*ti)->GetCapabilities(ti, &c) == JVMTI_ERROR_NONE && has_virtual_bit(&c);
}

static void JNICALL on_start(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    struct context c;
    (void)ti;
    if (!inside_begin()) {
        return;
    }
    if (task_take(thread, &c)) {
        struct thread_state *t = thread_mine(env);
        if (t != NULL) {
            context_replace(t, c);
        } else {
            context_drop(&c);
        }
    }
    inside_end();
}

static void JNICALL on_end(jvmtiEnv *ti, JNIEnv *env, jthread thread)
{
    (void)ti, (void)thread;
    if (!inside_begin()) {
        return;
    }
    struct thread_state *t = stored(env);
    if (t != NULL) {
        if (t->is_reading) {
            thread_stop_reading(t);
        }
        (void)store(env, NULL);
        strike_off(t);
        state_free(env, t);
    }
    inside_end();
}

static void JNICALL on_free(jvmtiEnv *ti, jlong tag)
{
    (void)ti;
    if (inside_begin()) {
        tasks_freed(tag);
        inside_end();
    }
}

jvmtiError threads_callbacks(jvmtiEnv *ti, const jvmtiEventCallbacks *others)
{
    // One pointer an event, in the order of their numbers: longer than an older header's struct.
    void *slots[EVENT_SLOTS] = {NULL};
    jvmtiEventCallbacks c = *others;
    _Static_assert(sizeof c <= sizeof slots, "the header knows no later events");
    c.ThreadStart = on_start;
    c.ThreadEnd = on_end;
    c.ObjectFree = on_free;
    memcpy(slots, &c, sizeof c);
    bool more = can_virtual(ti);
    if (more) {
        slots[EVENT_VIRTUAL_THREAD_START - JVMTI_MIN_EVENT_TYPE_VAL] = (void *)on_start;
        slots[EVENT_VIRTUAL_THREAD_END - JVMTI_MIN_EVENT_TYPE_VAL] = (void *)on_end;
    }
    return (*ti)->SetEventCallbacks(ti, (const jvmtiEventCallbacks *)slots,
                                    more ? (jint)sizeof slots : (jint)sizeof c);
}

void threads_events(jvmtiEnv *ti, bool enable)
{
    const int events[] = {JVMTI_EVENT_THREAD_START, JVMTI_EVENT_THREAD_END, JVMTI_EVENT_OBJECT_FREE,
                          EVENT_VIRTUAL_THREAD_START, EVENT_VIRTUAL_THREAD_END};
    const size_t n = can_virtual(ti) ? 5 : 3;
    for (size_t i = 0; i < n; i++) {
        (void)(*ti)->SetEventNotificationMode(ti, enable ? JVMTI_ENABLE : JVMTI_DISABLE,
                                              (jvmtiEvent)events[i], NULL);
    }
}

// ---- Life ------------------------------------------------------------------------------------

void threads_init(jvmtiEnv *env)
{
    ASSERT(env != NULL);
    pthread_mutex_lock(&lock);
    jvmti = env;
    has_virtual = can_virtual(env);
    atomic_fetch_add(&life, 1);
    pthread_mutex_unlock(&lock);
    tasks_init();
}

void threads_done(JNIEnv *env)
{
    pthread_mutex_lock(&lock);
    struct thread_state *left = all;
    all = NULL;
    jvmti = NULL;
    atomic_fetch_add(&epoch, 1);
    pthread_mutex_unlock(&lock);
    while (left != NULL) {
        struct thread_state *next = left->next;
        state_free(env, left);
        left = next;
    }
    tasks_report();
    tasks_clear();
}
