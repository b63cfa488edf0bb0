// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts of CompletableFuture's dependent actions (thenApply, thenCompose, handle ...).
// Each is an object made where the action is registered, and runs on whatever thread completes the
// source, which may work for another trace. tryFire(mode) tries to run it:
//
//   mode <= 0  on the completing thread. The registrant's context is put in force, none if there
//              was none; an asynchronous action hands itself to its executor here, which carries
//              the context in force (executors.c, fork_join.c, threads.c). The context is kept
//              until the action has run.
//   mode 1     on the executor's thread, which has put it in force already, unless it is an
//              executor that nobody knows here: then the action's own is taken now.
//
// What supplyAsync and runAsync make is carried by the executor alone.
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/plugins/task_frame.h"
#include "agents/jvm/tasks.h"
#include "core/must.h"

static struct java_method is_live = {"isLive", "()Z", {NULL}};

static void on_register(struct call *c)
{
    task_put(c->self, &c->thread->current);
}

static struct frame *enter_fire(struct call *c)
{
    struct context kept = {0};
    if (c->n > 0) {
        return task_frame_enter(c);
    }
    bool found = task_peek(c->self, &kept);
    if (!found && !context_is_set(&c->thread->current)) {
        return NULL;
    }
    struct frame *f = frame_open_in(c->thread, c->method, kept);
    if (f != NULL && found) {
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->self);
    }
    return f;
}

static void exit_fire(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(!f->is_span);
    if (f->globals[0] != NULL && !java_bool(c->env, &is_live, f->globals[0])) {
        task_forget_first(f->globals[0]);
    }
}

// thenCompose's action is live until the future that it gave completes. One without an executor has
// run when it is claimed.
static void exit_compose(struct call *c, struct frame *f, jobject result, jlong number)
{
    static struct java_method is_claimed = {"getForkJoinTaskTag", "()S", {NULL}};
    ASSERT(!f->is_span && f->globals[0] != NULL);
    jmethodID id = java_find(c->env, &is_claimed, f->globals[0]);
    jshort tag = id != NULL ? (*c->env)->CallShortMethod(c->env, f->globals[0], id) : 0;
    if (!java_clear(c->env) && tag != 0) {
        task_forget_first(f->globals[0]);
    } else {
        exit_fire(c, f, result, number);
    }
}

static struct frame *enter_compose(struct call *c)
{
    static const struct plugin_method compose = {.exit = exit_compose};
    struct frame *f = enter_fire(c);
    if (f != NULL && f->globals[0] != NULL &&
        java_field(c->env, c->self, "executor", "Ljava/util/concurrent/Executor;") == NULL) {
        f->method = &compose;
    }
    return f;
}

#define ACTION(of, enter_it)                                                                       \
    {.class_name = "java/util/concurrent/CompletableFuture$" of,                                   \
     .name = "<init>",                                                                             \
     .probe = {.kind = PROBE_LEAVE},                                                               \
     .note = on_register},                                                                         \
    {                                                                                              \
        .class_name = "java/util/concurrent/CompletableFuture$" of, .name = "tryFire",             \
        .probe = {.kind = PROBE_SPAN, .number = 1}, .enter = enter_it, .exit = exit_fire           \
    }

static struct plugin_method methods[] = {
    ACTION("UniApply", enter_fire),
    ACTION("UniAccept", enter_fire),
    ACTION("UniRun", enter_fire),
    ACTION("UniHandle", enter_fire),
    ACTION("UniWhenComplete", enter_fire),
    ACTION("UniCompose", enter_compose),
    ACTION("UniExceptionally", enter_fire),
    ACTION("UniComposeExceptionally", enter_compose),
    ACTION("BiApply", enter_fire),
    ACTION("BiAccept", enter_fire),
    ACTION("BiRun", enter_fire),
    ACTION("OrApply", enter_fire),
    ACTION("OrAccept", enter_fire),
    ACTION("OrRun", enter_fire),
};

struct plugin plugin_completable_future = {"completable-future", methods,
                                           sizeof methods / sizeof *methods};
