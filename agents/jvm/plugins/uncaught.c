// SPDX-License-Identifier: Apache-2.0
// Purpose: exceptions that nobody catches and that end their thread: a span with the exception, in
// the trace that the thread works for. The same one, by its type and the place it comes from, at
// most once in UNCAUGHT_QUIET_S; how many were left out stands in the next that is not.
#include <pthread.h>

#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/throttle.h"
#include "agents/jvm/thrown.h"
#include "core/clock.h"
#include "core/str.h"

#define UNCAUGHT_QUIET_S 120
#define STACK_MAX        1536 // bytes of a stack trace

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct throttle exceptions;

static bool is_due(struct str type, struct str place, unsigned *ret_left_out)
{
    uint64_t hash = str_hash(type) * 31 + str_hash(place);
    pthread_mutex_lock(&lock);
    bool due = throttle_is_due(&exceptions, hash, clock_mono_ns(), UNCAUGHT_QUIET_S * NS_PER_S,
                               ret_left_out);
    pthread_mutex_unlock(&lock);
    return due;
}

static struct frame *on_uncaught(struct call *c)
{
    char type_text[THROWN_TYPE_MAX], message_text[TEXT_VALUE_MAX], stack_text[STACK_MAX];
    struct str place;
    unsigned left_out = 0;
    struct str type = thrown_type(c->env, c->a, type_text, sizeof type_text);
    struct str stack = thrown_stack(c->env, c->a, stack_text, sizeof stack_text, &place);
    struct frame *f =
        is_due(type, place, &left_out) ? span_open(c->thread, c->method, SPAN_INTERNAL) : NULL;
    if (f != NULL) {
        struct str message = thrown_message(c->env, c->a, message_text, sizeof message_text);
        span_name(f, STR("uncaught exception"));
        span_text(f, "error.type", type);
        if (left_out > 0) {
            span_int(f, "sonde.exceptions.left_out", left_out);
        }
        span_exception(f, type, message, stack);
    }
    return f;
}

static struct plugin_method methods[] = {
    {.class_name = "java/lang/Thread",
     .name = "dispatchUncaughtException",
     .descriptor = "(Ljava/lang/Throwable;)V",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = on_uncaught},
};

struct plugin plugin_uncaught = {"uncaught", methods, sizeof methods / sizeof *methods};
