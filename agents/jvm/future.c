// SPDX-License-Identifier: Apache-2.0
// Purpose: the native side of sonde/Waiter.
#include "agents/jvm/future.h"

#include "agents/jvm/bridge.h"
#include "agents/jvm/emit.h"
#include "agents/jvm/inside.h"
#include "agents/jvm/log.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/thread.h"
#include "core/must.h"

static jclass waiter_class; // global; NULL: it could not be defined
static jfieldID waiter_handle;

static struct java_class completion_exception = {"java/util/concurrent/CompletionException", NULL};

// What a stage of a future has failed with, not what it was wrapped in on its way.
static jthrowable cause_of(JNIEnv *env, jthrowable thrown)
{
    static struct java_method get_cause = {"getCause", "()Ljava/lang/Throwable;", {NULL}};
    jthrowable cause =
        java_is(env, &completion_exception, thrown) ? java_object(env, &get_cause, thrown) : NULL;
    return cause != NULL ? cause : thrown;
}

static void end(JNIEnv *env, struct thread_state *t, uint64_t handle, jobject result,
                jthrowable thrown)
{
    struct frame *f = pending_take(handle);
    if (f == NULL) {
        return;
    }
    struct call c = {.env = env, .thread = t, .method = f->method, .thrown = cause_of(env, thrown)};
    if (c.thrown != NULL) {
        bridge_exception(env, f, c.thrown);
    }
    f->method->ended(&c, f, result);
    pending_end(f);
}

// What has ended before it is watched tells so on this very thread, which is in future_watch().
static void accept_inside(JNIEnv *env, uint64_t handle, jobject result, jthrowable thrown)
{
    if (inside_begin()) {
        struct thread_state *t = thread_mine(env);
        if (t != NULL && t->is_inside && t->watching == handle) {
            end(env, t, handle, result, thrown);
            (void)java_clear(env);
        }
        inside_end();
    }
}

static void JNICALL native_accept(JNIEnv *env, jobject self, jobject result, jobject thrown)
{
    uint64_t handle = (uint64_t)(*env)->GetLongField(env, self, waiter_handle);
    struct thread_state *t = bridge_enter(env);
    if (t != NULL) {
        end(env, t, handle, result, thrown);
        bridge_leave(env, t);
    } else {
        accept_inside(env, handle, result, thrown);
    }
}

void future_watch(struct call *c, jobject future)
{
    static struct java_method when_complete = {
        "whenComplete",
        "(Ljava/util/function/BiConsumer;)Ljava/util/concurrent/CompletableFuture;",
        {NULL}};
    JNIEnv *env = c->env;
    jmethodID watch = waiter_class != NULL ? java_find(env, &when_complete, future) : NULL;
    jobject waiter = watch != NULL ? (*env)->AllocObject(env, waiter_class) : NULL;
    if (java_clear(env) || waiter == NULL) {
        return;
    }
    ASSERT(c->thread->is_inside && c->thread->watching == 0);
    uint64_t handle = pending_put(c->thread);
    if (handle == 0) {
        return; // it has been written
    }
    (*env)->SetLongField(env, waiter, waiter_handle, (jlong)handle);
    c->thread->watching = handle;
    (void)(*env)->CallObjectMethod(env, future, watch, waiter);
    c->thread->watching = 0;
    if (java_clear(env)) {
        end(env, c->thread, handle, NULL, NULL); // it is not watched: nobody else would
    }
}

void future_bind(JNIEnv *env)
{
    static const JNINativeMethod accept = {"accept", WAITER_ACCEPT_DESCRIPTOR,
                                           (void *)native_accept};
    jclass class = bridge_define(env, WAITER_CLASS, emit_waiter);
    if (class != NULL && (*env)->RegisterNatives(env, class, &accept, 1) == 0) {
        waiter_handle = (*env)->GetFieldID(env, class, WAITER_HANDLE, "J");
        waiter_class = waiter_handle != NULL ? (*env)->NewGlobalRef(env, class) : NULL;
    }
    if (java_clear(env) || waiter_class == NULL) {
        agent_log("the class sonde.Waiter could not be defined: asynchronous calls end too early");
    }
    (*env)->DeleteLocalRef(env, class);
}

void future_unbind(JNIEnv *env)
{
    (*env)->DeleteGlobalRef(env, waiter_class); // NULL is fine
    waiter_class = NULL;
}
