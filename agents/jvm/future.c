// SPDX-License-Identifier: Apache-2.0
// Purpose: the native side of sonde/Waiter.
#include "agents/jvm/future.h"

#include "agents/jvm/bridge.h"
#include "agents/jvm/emit.h"
#include "agents/jvm/log.h"
#include "agents/jvm/pending.h"

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

static void JNICALL native_accept(JNIEnv *env, jobject self, jobject result, jobject thrown)
{
    struct thread_state *t = bridge_enter(env);
    if (t != NULL) {
        end(env, t, (uint64_t)(*env)->GetLongField(env, self, waiter_handle), result, thrown);
        bridge_leave(env, t);
    }
}

// What has ended before it was watched called accept() on this very thread, which is inside. What
// cannot be watched, or does not say whether it is done, ends here too: nobody else might do it.
static void end_if_done(struct call *c, jobject future, uint64_t handle, bool is_watched)
{
    static struct java_method is_done = {"isDone", "()Z", {NULL}};
    static struct java_method get_now = {
        "getNow", "(Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
    JNIEnv *env = c->env;
    jmethodID ask = java_find(env, &is_done, future);
    bool done = ask != NULL && (*env)->CallBooleanMethod(env, future, ask);
    bool knows = !java_clear(env) && ask != NULL;
    jmethodID id = knows && done ? java_find(env, &get_now, future) : NULL;
    if (id != NULL) {
        jobject result = (*env)->CallObjectMethod(env, future, id, NULL);
        jthrowable thrown = (*env)->ExceptionOccurred(env);
        (void)java_clear(env);
        end(env, c->thread, handle, thrown != NULL ? NULL : result, thrown);
    } else if (!knows || done || !is_watched) {
        end(env, c->thread, handle, NULL, NULL);
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
    uint64_t handle = pending_put(c->thread);
    (*env)->SetLongField(env, waiter, waiter_handle, (jlong)handle);
    (void)(*env)->CallObjectMethod(env, future, watch, waiter);
    bool is_watched = !java_clear(env);
    end_if_done(c, future, handle, is_watched);
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
