// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts through java.util.concurrent's thread pools, and Tomcat's copy of them. A task
// is given the context in force when it is handed over (execute, and delayedExecute of the
// scheduled ones; submit, invokeAll and schedule come down to these). A worker takes it when it has
// got the task (getTask, or the first task of a new worker), in place of the one before.
//
// A periodic task has the context of who scheduled it in its first run alone: what it does an hour
// later is nobody's request any more.
//
// A worker that was waiting inside getTask when the agent came goes on in the code from before.
// What it calls there is the new code, beforeExecute first: there it takes what getTask has not.
// Where a pool of somebody's own overrides that, FutureTask.run does, for what submit() makes.
//
// A task that a policy of the JDK's drops, or that is removed, forgets its context. Other policies
// may put the task into the queue yet: then it is kept, and freed with the object.
#include <string.h>

#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/tasks.h"
#include "agents/jvm/thread.h"
#include "core/must.h"

static struct java_class future_task = {"java/util/concurrent/FutureTask", NULL};
static struct java_class fork_join_task = {"java/util/concurrent/ForkJoinTask", NULL};
static struct java_method get_queue = {
    "getQueue", "()Ljava/util/concurrent/BlockingQueue;", {NULL}};
static struct java_method peek = {"peek", "()Ljava/lang/Object;", {NULL}};
static struct java_method to_array = {"toArray", "()[Ljava/lang/Object;", {NULL}};

// A server's acceptor hands over every request so, outside of a trace.
static void on_execute(struct call *c)
{
    if (!context_is_set(&c->thread->current) && !tasks_are_kept()) {
        return;
    }
    if (java_is(c->env, &future_task, c->a) || java_is(c->env, &fork_join_task, c->a)) {
        task_put(c->a, &c->thread->current);
    } else {
        task_queue(c->a, &c->thread->current);
    }
}

static void on_schedule(struct call *c)
{
    task_put(c->a, &c->thread->current);
}

static void on_run_worker(struct call *c)
{
    struct context first = {0};
    jobject task = java_field(c->env, c->a, "firstTask", "Ljava/lang/Runnable;");
    (void)task_take(task, &first);
    context_replace(c->thread, first);
    c->thread->has_task = task != NULL;
}

static void on_before_execute(struct call *c)
{
    struct context taken;
    bool is_old = !c->thread->has_task;
    c->thread->has_task = false;
    if (is_old && task_take(c->b, &taken)) {
        context_replace(c->thread, taken);
    }
}

// The context of the task before was in force until now, which nothing has seen: waiting runs
// nobody's code. Frames that are open still have lost their ends, to a stack that has overflowed
// or a thread that was stopped: the tasks to come must not be inside them.
static void on_got_task(struct call *c)
{
    struct context taken = {0};
    (void)task_take(c->a, &taken);
    thread_drop_frames(c->env, c->thread, 0);
    ASSERT(c->thread->depth == 0); // else the context would be dropped
    context_replace(c->thread, taken);
    c->thread->has_task = c->a != NULL;
}

static struct frame *enter_future(struct call *c)
{
    struct context taken;
    if (context_is_set(&c->thread->current) || !task_take(c->self, &taken)) {
        return NULL;
    }
    return frame_open_in(c->thread, c->method, taken);
}

// ---- Tasks that will not run -----------------------------------------------------------------

static struct frame *enter_remove(struct call *c)
{
    struct frame *f = frame_open(c->thread, c->method, NULL);
    if (f != NULL) {
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->a);
    }
    return f;
}

static void exit_remove(struct call *c, struct frame *f, jobject result, jlong removed)
{
    (void)c, (void)result;
    ASSERT(!f->is_span);
    if (removed != 0) {
        task_forget_first(f->globals[0]);
    }
}

static void on_dropped(struct call *c)
{
    task_forget_last(c->a);
}

static void on_oldest_dropped(struct call *c)
{
    jobject queue = java_object(c->env, &get_queue, c->b);
    task_forget_last(c->a); // it is executed again
    task_forget_first(java_object(c->env, &peek, queue));
}

static void on_shut_down(struct call *c)
{
    jobjectArray tasks = java_object(c->env, &to_array, c->a);
    jsize n = tasks != NULL ? (*c->env)->GetArrayLength(c->env, tasks) : 0;
    for (jsize i = 0; i < n; i++) {
        jobject task = (*c->env)->GetObjectArrayElement(c->env, tasks, i);
        task_forget_first(task);
        (*c->env)->DeleteLocalRef(c->env, task);
    }
}

// ---- The table -------------------------------------------------------------------------------

#define POOL_METHODS(of)                                                                           \
    {.class_name = of,                                                                             \
     .name = "execute",                                                                            \
     .descriptor = "(Ljava/lang/Runnable;)V",                                                      \
     .probe = {.kind = PROBE_ENTER, .objects = {1}},                                               \
     .note = on_execute,                                                                           \
     .is_light = true},                                                                            \
        {.class_name = of,                                                                         \
         .name = "runWorker",                                                                      \
         .probe = {.kind = PROBE_ENTER, .objects = {1}},                                           \
         .note = on_run_worker,                                                                    \
         .is_light = true},                                                                        \
        {.class_name = of,                                                                         \
         .name = "getTask",                                                                        \
         .probe = {.kind = PROBE_LEAVE},                                                           \
         .note = on_got_task,                                                                      \
         .is_light = true},                                                                        \
        {.class_name = of,                                                                         \
         .late_only = true,                                                                        \
         .name = "beforeExecute",                                                                  \
         .probe = {.kind = PROBE_ENTER, .objects = {1, 2}},                                        \
         .note = on_before_execute},                                                               \
        {.class_name = of,                                                                         \
         .name = "remove",                                                                         \
         .descriptor = "(Ljava/lang/Runnable;)Z",                                                  \
         .probe = {.kind = PROBE_SPAN, .objects = {1}},                                            \
         .enter = enter_remove,                                                                    \
         .exit = exit_remove},                                                                     \
    {                                                                                              \
        .class_name = of, .name = "shutdownNow", .probe = {.kind = PROBE_LEAVE},                   \
        .note = on_shut_down                                                                       \
    }

#define POLICY(of, what)                                                                           \
    {                                                                                              \
        .class_name = "java/util/concurrent/ThreadPoolExecutor$" of, .name = "rejectedExecution",  \
        .probe = {.kind = PROBE_ENTER, .objects = {1, 2}}, .note = what                            \
    }

static struct plugin_method methods[] = {
    POOL_METHODS("java/util/concurrent/ThreadPoolExecutor"),
    POOL_METHODS("org/apache/tomcat/util/threads/ThreadPoolExecutor"),
    {.class_name = "java/util/concurrent/ScheduledThreadPoolExecutor",
     .name = "delayedExecute",
     .probe = {.kind = PROBE_ENTER, .objects = {1}},
     .note = on_schedule},
    {.class_name = "java/util/concurrent/FutureTask",
     .name = "run",
     .descriptor = "()V",
     .probe = {.kind = PROBE_SPAN},
     .enter = enter_future},
    POLICY("AbortPolicy", on_dropped),
    POLICY("DiscardPolicy", on_dropped),
    POLICY("CallerRunsPolicy", on_dropped),
    POLICY("DiscardOldestPolicy", on_oldest_dropped),
};

struct plugin plugin_executors = {"executors", methods, sizeof methods / sizeof *methods};
