// SPDX-License-Identifier: Apache-2.0
// Purpose: exceptions that nobody catches and that end their thread: a span with the exception, in
// the trace that the thread works for. The same one, by its type and the place it comes from, at
// most once in UNCAUGHT_QUIET_S; how many were left out stands in the next that is not.
#include <pthread.h>
#include <string.h>

#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/throttle.h"
#include "core/clock.h"
#include "core/str.h"

#define UNCAUGHT_QUIET_S 120
#define STACK_MAX        1536 // bytes of a stack trace; whole lines
#define STACK_LINES_MAX  32

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

// "\tat shop.Cart.add(Cart.java:12)" a line, the first of them with the exception's own text, as
// Java prints it. *ret_place is the first place, in `out`.
static struct str stack_of(JNIEnv *env, jthrowable thrown, char out[STACK_MAX],
                           struct str *ret_place)
{
    static struct java_method get_stack = {
        "getStackTrace", "()[Ljava/lang/StackTraceElement;", {NULL}};
    jobjectArray stack = java_object(env, &get_stack, thrown);
    jsize lines = stack != NULL ? (*env)->GetArrayLength(env, stack) : 0;
    size_t n = java_to_text(env, thrown, out, STACK_MAX / 3).n;
    *ret_place = STR_NONE;
    for (jsize i = 0; i < lines && i < STACK_LINES_MAX; i++) {
        char text[512];
        jobject element = (*env)->GetObjectArrayElement(env, stack, i);
        struct str line = java_to_text(env, element, text, sizeof text);
        (*env)->DeleteLocalRef(env, element);
        if (n + line.n + 5 > STACK_MAX) {
            break;
        }
        memcpy(out + n, "\n\tat ", 5);
        memcpy(out + n + 5, line.p, line.n);
        if (i == 0) {
            *ret_place = (struct str){out + n + 5, line.n};
        }
        n += 5 + line.n;
    }
    return (struct str){out, n};
}

static struct frame *on_uncaught(struct call *c)
{
    static struct java_method get_class = {"getClass", "()Ljava/lang/Class;", {NULL}};
    static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};
    char type_text[256], message_text[TEXT_VALUE_MAX], stack_text[STACK_MAX];
    struct str place;
    unsigned left_out = 0;
    jobject class = java_object(c->env, &get_class, c->a);
    struct str type = java_text(c->env, &get_name, class, type_text, sizeof type_text);
    struct str stack = stack_of(c->env, c->a, stack_text, &place);
    struct frame *f =
        is_due(type, place, &left_out) ? span_open(c->thread, c->method, SPAN_INTERNAL) : NULL;
    if (f != NULL) {
        struct str message =
            java_text(c->env, &get_message, c->a, message_text, sizeof message_text);
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
