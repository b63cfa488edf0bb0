// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts through java.util.concurrent's fork-join pools: the common pool, parallel
// streams, RecursiveTask, and the tasks of CompletableFuture, which are fork-join tasks too. Every
// task that is queued comes through WorkQueue.push (JDK 17 and earlier: lockedPush and
// ForkJoinPool.externalPush as well), every one that runs through doExec.
//
// A task that is run where it stands (invoke, one half of invokeAll) was never queued and goes on
// in the context in force. A thread that waits for a task helps with others meanwhile, whosever
// they are: the help methods put no context in force, and each task brings its own.
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/plugins/task_frame.h"
#include "agents/jvm/tasks.h"

static void on_push(struct call *c)
{
    task_put(c->a, &c->thread->current);
}

static struct frame *enter_help(struct call *c)
{
    bool is_set = context_is_set(&c->thread->current);
    return is_set ? frame_open(c->thread, c->method, &(struct context){0}) : NULL;
}

// A worker is started by whoever first needs it and serves everybody.
static void on_worker(struct call *c)
{
    context_replace(c->thread, (struct context){0});
}

#define POOL  "java/util/concurrent/ForkJoinPool"
#define QUEUE "java/util/concurrent/ForkJoinPool$WorkQueue"

#define PUSH(of, method)                                                                           \
    {                                                                                              \
        .class_name = of, .name = method, .probe = {.kind = PROBE_ENTER, .objects = {1}},          \
        .note = on_push                                                                            \
    }
#define HELP(of, method)                                                                           \
    {                                                                                              \
        .class_name = of, .name = method, .probe = {.kind = PROBE_SPAN}, .enter = enter_help       \
    }

static struct plugin_method methods[] = {
    PUSH(QUEUE, "push"),
    PUSH(QUEUE, "lockedPush"),
    PUSH(POOL, "externalPush"),
    {.class_name = "java/util/concurrent/ForkJoinTask",
     .name = "doExec",
     .probe = {.kind = PROBE_SPAN},
     .enter = task_frame_enter},
    {.class_name = POOL, .name = "runWorker", .probe = {.kind = PROBE_ENTER}, .note = on_worker},
    HELP(POOL, "helpJoin"),
    HELP(POOL, "helpComplete"),
    HELP(POOL, "helpQuiescePool"),
    HELP(POOL, "externalHelpQuiescePool"),
    HELP(POOL, "helpQuiesce"),
    HELP(POOL, "externalHelpQuiesce"),
    HELP(POOL, "helpAsyncBlocker"),
    HELP(QUEUE, "helpComplete"),
    HELP(QUEUE, "helpAsyncBlocker"),
};

struct plugin plugin_fork_join = {"fork-join", methods, sizeof methods / sizeof *methods};
