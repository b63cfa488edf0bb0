// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts into threads that are started, virtual ones included, and into the tasks of
// java.util.Timer. The thread itself carries the context (thread.h puts it in force); threads of
// the JDK that serve everybody and are started by whoever comes first are left without.
//
// A timer's thread has no context while it waits. It takes a task's when it takes the task off its
// queue to run it; a periodic task has it in its first run alone, as in executors.c.
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/tasks.h"

static struct java_class innocuous = {"jdk/internal/misc/InnocuousThread", NULL};

static void on_start(struct call *c)
{
    if (context_is_set(&c->thread->current) && !java_is(c->env, &innocuous, c->self)) {
        task_put(c->self, &c->thread->current);
    }
}

static void on_nothing(struct call *c)
{
    context_replace(c->thread, (struct context){0});
}

static void on_timer(struct call *c)
{
    task_put(c->a, &c->thread->current);
}

// The queue is a heap that begins at index 1: the task that is due.
static void on_timer_due(struct call *c)
{
    struct context taken = {0};
    jobjectArray heap = java_field(c->env, c->self, "queue", "[Ljava/util/TimerTask;");
    if (heap != NULL && (*c->env)->GetArrayLength(c->env, heap) > 1) {
        (void)task_take((*c->env)->GetObjectArrayElement(c->env, heap, 1), &taken);
    }
    context_replace(c->thread, taken);
}

#define NOTE(of, method, what, ...)                                                                \
    {                                                                                              \
        .class_name = of, .name = method, .probe = {.kind = PROBE_ENTER, __VA_ARGS__},             \
        .note = what                                                                               \
    }

static struct plugin_method methods[] = {
    NOTE("java/lang/Thread", "start", on_start),
    NOTE("java/lang/VirtualThread", "start", on_start),
    NOTE("jdk/internal/net/http/HttpClientImpl$SelectorManager", "run", on_nothing),
    NOTE("java/util/Timer", "sched", on_timer, .objects = {1}),
    NOTE("java/util/TaskQueue", "getMin", on_nothing),
    NOTE("java/util/TaskQueue", "removeMin", on_timer_due),
    NOTE("java/util/TaskQueue", "rescheduleMin", on_timer_due),
};

struct plugin plugin_threads = {"threads", methods, sizeof methods / sizeof *methods};
