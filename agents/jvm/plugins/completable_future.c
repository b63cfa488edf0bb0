// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts of CompletableFuture's dependent actions (thenApply, thenCompose, handle ...).
// Each is an object made where the action is registered, and runs on whatever thread completes the
// source, which may work for another trace. tryFire(mode) tries to run it:
//
//   mode <= 0  on the completing thread. The registrant's context is put in force, none if there
//              was none; an asynchronous action hands itself to its executor here, which carries
//              the context in force (executors.c, fork_join.c, threads.c). The context is kept
//              until the action has run.
//   mode 1     on the executor's thread, which has put it in force already.
//
// What supplyAsync and runAsync make is carried by the executor alone.
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/tasks.h"

static struct java_method is_live = {"isLive", "()Z", {NULL}};

static void on_register(struct call *c)
{
    task_put(c->self, &c->thread->current);
}

static struct frame *enter_fire(struct call *c)
{
    struct context kept = {0};
    if (c->n > 0) {
        return NULL;
    }
    bool found = task_peek(c->self, &kept);
    if (!found && !context_is_set(&c->thread->current)) {
        return NULL;
    }
    struct frame *f = context_open(c->thread, c->method, kept);
    if (f != NULL && found) {
        f->global = (*c->env)->NewGlobalRef(c->env, c->self);
    }
    return f;
}

static void exit_fire(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    jmethodID id = java_find(c->env, &is_live, f->global);
    if (id != NULL && !(*c->env)->CallBooleanMethod(c->env, f->global, id)) {
        task_forget_first(f->global);
    }
}

#define ACTION(of)                                                                                 \
    {.class_name = "java/util/concurrent/CompletableFuture$" of,                                   \
     .name = "<init>",                                                                             \
     .probe = {.kind = PROBE_LEAVE},                                                               \
     .note = on_register},                                                                         \
    {                                                                                              \
        .class_name = "java/util/concurrent/CompletableFuture$" of, .name = "tryFire",             \
        .probe = {.kind = PROBE_SPAN, .number = 1}, .enter = enter_fire, .exit = exit_fire         \
    }

static struct plugin_method methods[] = {
    ACTION("UniApply"),
    ACTION("UniAccept"),
    ACTION("UniRun"),
    ACTION("UniHandle"),
    ACTION("UniWhenComplete"),
    ACTION("UniCompose"),
    ACTION("UniExceptionally"),
    ACTION("UniComposeExceptionally"),
    ACTION("BiApply"),
    ACTION("BiAccept"),
    ACTION("BiRun"),
    ACTION("OrApply"),
    ACTION("OrAccept"),
    ACTION("OrRun"),
};

struct plugin plugin_completable_future = {"completable-future", methods,
                                           sizeof methods / sizeof *methods};
