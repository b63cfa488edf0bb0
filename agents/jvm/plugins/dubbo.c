// SPDX-License-Identifier: Apache-2.0
// Purpose: Apache Dubbo 3, whatever its protocol: an attempt of a call is what an AbstractInvoker
// does, and what is served goes through the ContextFilter first. Both give an AsyncRpcResult, whose
// future ends the span. The context travels in the invocation's attachments.
//
// A retry is another attempt, and another span. A call that came to no attempt, because there is no
// provider, leaves the cluster's invoker with an exception: then that is a span.
#include <stdio.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/future.h"
#include "agents/jvm/http_span.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/remote.h"
#include "agents/jvm/rpc_span.h"
#include "core/must.h"

#define DUBBO      "org/apache/dubbo/"
#define INVOCATION "L" DUBBO "rpc/Invocation;"
#define RESULT     "L" DUBBO "rpc/Result;"

enum { INVOKER, CALLED }; // in the globals of a cluster's frame; its `note`: attempts were made

static struct java_method get_exception = {"getException", "()Ljava/lang/Throwable;", {NULL}};

// ---- What both say ---------------------------------------------------------------------------

// A generic call names its method in its first argument.
static struct str method_of(JNIEnv *env, jobject invocation, char *out, size_t room)
{
    static struct java_method get_name = {"getMethodName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_arguments = {"getArguments", "()[Ljava/lang/Object;", {NULL}};
    struct str name = java_text(env, &get_name, invocation, out, room);
    if (str_eq(name, STR("$invoke")) || str_eq(name, STR("$invokeAsync"))) {
        jobjectArray arguments = java_object(env, &get_arguments, invocation);
        if (arguments != NULL && (*env)->GetArrayLength(env, arguments) > 0) {
            jobject first = (*env)->GetObjectArrayElement(env, arguments, 0);
            name = java_to_text(env, first, out, room);
        }
    }
    return name;
}

// "package.Service/method" and the server, as the invoker's URL has them.
static void describe(JNIEnv *env, struct thread_state *t, struct frame *f, jobject invoker,
                     jobject invocation)
{
    static struct java_method get_url = {"getUrl", "()L" DUBBO "common/URL;", {NULL}};
    static struct java_method get_service = {"getServiceInterface", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_address = {"getAddress", "()Ljava/lang/String;", {NULL}};
    char service[TEXT_VALUE_MAX / 2], method[TEXT_VALUE_MAX / 2], path[TEXT_VALUE_MAX + 2];
    jobject url = java_object(env, &get_url, invoker);
    struct str s = java_text(env, &get_service, url, service, sizeof service);
    struct str m = method_of(env, invocation, method, sizeof method);
    int n = snprintf(path, sizeof path, "/%.*s/%.*s", STR_FMT(s), STR_FMT(m));
    ASSERT(f->is_span && n > 0 && (size_t)n < sizeof path);
    struct str p = {path, (size_t)n};
    if (f->kind == SPAN_SERVER) {
        span_entry(t, f, STR("POST"), p); // as triple has it, and gRPC
    }
    rpc_span_describe(f, "apache_dubbo", str_skip(p, 1));
    if (span_is_kept(f)) {
        rpc_span_server(f, java_text(env, &get_address, url, service, sizeof service));
    }
}

// `response` is an AppResponse, or another Result.
static void conclude(JNIEnv *env, struct frame *f, jobject response)
{
    jthrowable failure = java_object(env, &get_exception, response);
    if (failure != NULL) {
        bridge_exception(env, f, failure);
        http_span_end_call(env, f, 0, failure);
    }
}

static void ended(struct call *c, struct frame *f, jobject response)
{
    if (c->thrown != NULL) {
        http_span_end_call(c->env, f, 0, c->thrown);
    } else {
        conclude(c->env, f, response);
    }
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    static struct java_method get_future = {
        "getResponseFuture", "()Ljava/util/concurrent/CompletableFuture;", {NULL}};
    static struct java_method is_done = {"isDone", "()Z", {NULL}};
    static struct java_method has_failed = {"isCompletedExceptionally", "()Z", {NULL}};
    static struct java_method get_now = {
        "getNow", "(Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
    JNIEnv *env = c->env;
    jobject future = c->thrown == NULL ? java_object(env, &get_future, result) : NULL;
    (void)number;
    ASSERT(f->is_span && f == frame_top(c->thread));
    if (future == NULL) {
        ended(c, f, result);
    } else if (java_bool(env, &is_done, future) && !java_bool(env, &has_failed, future)) {
        conclude(env, f, java_object_of(env, &get_now, future, NULL));
    } else {
        future_watch(c, future);
    }
}

// ---- Consumer --------------------------------------------------------------------------------

static struct frame *enter_cluster(struct call *c)
{
    struct frame *f = is_within(c) ? NULL : frame_open(c->thread, c->method, NULL);
    if (f != NULL) {
        f->globals[INVOKER] = (*c->env)->NewGlobalRef(c->env, c->self);
        f->globals[CALLED] = (*c->env)->NewGlobalRef(c->env, c->a);
    }
    return f;
}

static void leave_cluster(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(!f->is_span);
    if (c->thrown == NULL || f->note != 0) {
        return;
    }
    struct frame *span = span_open(c->thread, c->method, SPAN_CLIENT);
    if (span != NULL) {
        describe(c->env, c->thread, span, f->globals[INVOKER], f->globals[CALLED]);
        bridge_exception(c->env, span, c->thrown);
        http_span_end_call(c->env, span, 0, c->thrown);
        frame_close(c->thread);
    }
}

static void note_attempt(struct thread_state *t)
{
    for (unsigned i = t->depth; i > 0; i--) {
        if (t->frames[i - 1]->method->enter == enter_cluster) {
            t->frames[i - 1]->note = 1;
            return;
        }
    }
}

static struct frame *enter_attempt(struct call *c)
{
    static struct java_method set = {
        "setAttachment", "(Ljava/lang/String;Ljava/lang/String;)V", {NULL}};
    note_attempt(c->thread);
    struct frame *f = is_within(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        describe(c->env, c->thread, f, c->self, c->a);
        http_span_send(c->env, f, &set, c->a);
    }
    return f;
}

// ---- Provider --------------------------------------------------------------------------------

// Triple's are in lower case: getObjectAttachment() looks for that too.
static struct str attachment(void *ctx, const char *name, char *out, size_t room)
{
    static struct java_method get = {
        "getObjectAttachment", "(Ljava/lang/String;)Ljava/lang/Object;", {NULL}};
    struct call *c = ctx;
    JNIEnv *env = c->env;
    jstring key = (*env)->NewStringUTF(env, name);
    jobject value = key != NULL ? java_object_of(env, &get, c->b, key) : NULL;
    struct str text = java_to_text(env, value, out, room);
    (*env)->DeleteLocalRef(env, value);
    (*env)->DeleteLocalRef(env, key);
    return text;
}

static struct frame *enter_provider(struct call *c)
{
    struct frame *f = span_open_entry(c->thread, c->method, SPAN_SERVER, attachment, c);
    if (f != NULL) {
        describe(c->env, c->thread, f, c->a, c->b);
    }
    return f;
}

// ---- The table -------------------------------------------------------------------------------

static struct plugin_method methods[] = {
    {.class_name = DUBBO "rpc/cluster/support/AbstractClusterInvoker",
     .name = "invoke",
     .descriptor = "(" INVOCATION ")" RESULT,
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter_cluster,
     .exit = leave_cluster},
    {.class_name = DUBBO "rpc/protocol/AbstractInvoker",
     .name = "invoke",
     .descriptor = "(" INVOCATION ")" RESULT,
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter_attempt,
     .exit = leave,
     .ended = ended},
    {.class_name = DUBBO "rpc/filter/ContextFilter",
     .name = "invoke",
     .descriptor = "(L" DUBBO "rpc/Invoker;" INVOCATION ")" RESULT,
     .probe = {.kind = PROBE_SPAN, .objects = {1, 2}},
     .enter = enter_provider,
     .exit = leave,
     .ended = ended},
};

struct plugin plugin_dubbo = {"dubbo", methods, sizeof methods / sizeof *methods};
