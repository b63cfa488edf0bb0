// SPDX-License-Identifier: Apache-2.0
// Purpose: Apache HttpClient 4 and 5: doExecute() of the clients that there are, which every
// execute() comes to. Redirects and retries happen inside it, with copies of the request as it went
// in. A blocking call ends with the answer's head.
//
// The asynchronous client of version 5 makes its request inside doExecute(), and then a Scope with
// it: there the span learns what it is about. It ends with the future that doExecute() gives, which
// is tagged with the span's handle. A future that ends on another thread meanwhile is looked at by
// both: once it has its tag, and once it is done.
//
// The asynchronous client of version 4.1 prepares its request on the caller's thread, before it
// asks for a connection: there the span begins, and the future of the exchange is tagged. That
// future ends like one of version 5.
#include <stdio.h>
#include <string.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/http_span.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/tags.h"
#include "core/must.h"

#define FUTURE_5 "org/apache/hc/core5/concurrent/BasicFuture"
#define FUTURE_4 "org/apache/http/concurrent/BasicFuture"

// Of version 5, and of 4 under that.
static struct java_method get_method = {"getMethod", "()Ljava/lang/String;", {NULL}};
static struct java_method get_uri = {"getUri", "()Ljava/net/URI;", {NULL}};
static struct java_method set_header = {
    "setHeader", "(Ljava/lang/String;Ljava/lang/Object;)V", {NULL}};
static struct java_method get_code = {"getCode", "()I", {NULL}};
static struct java_method get_line = {"getRequestLine", "()Lorg/apache/http/RequestLine;", {NULL}};
static struct java_method get_line_uri = {"getUri", "()Ljava/lang/String;", {NULL}};
static struct java_method set_header_4 = {
    "setHeader", "(Ljava/lang/String;Ljava/lang/String;)V", {NULL}};
static struct java_method get_status_line = {
    "getStatusLine", "()Lorg/apache/http/StatusLine;", {NULL}};
static struct java_method get_status_code = {"getStatusCode", "()I", {NULL}};
static struct java_method to_uri = {"toURI", "()Ljava/lang/String;", {NULL}};

// The URL of a request that may be no more than a path, for a target host.
static struct str url_of(JNIEnv *env, jobject request_or_line, bool is_4, jobject target, char *out,
                         size_t room)
{
    char path[TEXT_VALUE_MAX], host[256];
    struct java_method *get = is_4 ? &get_line_uri : &get_uri;
    struct str p = java_text(env, get, request_or_line, path, sizeof path), h = STR_NONE;
    if (p.n == 0 || p.p[0] == '/') {
        h = java_text(env, &to_uri, target, host, sizeof host);
    }
    int n = snprintf(out, room, "%.*s%.*s", STR_FMT(h), STR_FMT(p));
    return n > 0 && (size_t)n < room ? (struct str){out, (size_t)n} : STR_NONE;
}

static void describe(JNIEnv *env, struct frame *f, jobject request, jobject target)
{
    char method[32], url[TEXT_VALUE_MAX + 256];
    jobject line = java_object(env, &get_line, request);
    bool is_4 = line != NULL;
    ASSERT(f->is_span);
    jobject from = is_4 ? line : request;
    struct str m = java_text(env, &get_method, from, method, sizeof method);
    struct str u = STR_NONE;
    if (span_is_kept(f)) {
        u = url_of(env, from, is_4, target, url, sizeof url);
    }
    http_span_call(f, m, u);
    http_span_send(env, f, is_4 ? &set_header_4 : &set_header, request);
}

static jint code_of(JNIEnv *env, jobject response)
{
    static struct java_method get_head = {"getHead", "()Ljava/lang/Object;", {NULL}};
    jobject line = java_object(env, &get_status_line, response);
    if (line != NULL) {
        return java_int(env, &get_status_code, line, 0);
    }
    jobject head = java_object(env, &get_head, response); // of a Message
    return java_int(env, &get_code, head != NULL ? head : response, 0);
}

static struct frame *enter(struct call *c)
{
    struct frame *f = is_within(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        describe(c->env, f, c->b, c->a);
    }
    return f;
}

static void leave(struct call *c, struct frame *f, jobject response, jlong number)
{
    (void)number;
    ASSERT(f->is_span);
    http_span_end_call(c->env, f, code_of(c->env, response), c->thrown);
}

// ---- Asynchronous ----------------------------------------------------------------------------

static struct frame *enter_async(struct call *c)
{
    struct frame *f = is_within(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        span_name(f, STR("HTTP")); // until it is known
    }
    return f;
}

static void on_scope(struct call *c)
{
    static struct java_method get_target = {
        "getTargetHost", "()Lorg/apache/hc/core5/http/HttpHost;", {NULL}};
    struct frame *f = frame_top(c->thread);
    if (f != NULL && f->method->enter == enter_async) {
        describe(c->env, f, c->b, java_object(c->env, &get_target, c->a));
    }
}

static void end(struct call *c, jobject future, jobject response, jthrowable thrown)
{
    uint64_t handle;
    struct frame *f = tag_get(future, TAG_CALL, &handle) ? pending_take(handle) : NULL;
    if (f != NULL) {
        tag_clear(future, TAG_CALL);
        if (thrown != NULL) {
            bridge_exception(c->env, f, thrown);
        }
        http_span_end_call(c->env, f, code_of(c->env, response), thrown);
        pending_end(f);
    }
}

static void end_done(struct call *c, jobject future)
{
    static struct java_method get = {"get", "()Ljava/lang/Object;", {NULL}};
    static struct java_method get_cause = {"getCause", "()Ljava/lang/Throwable;", {NULL}};
    uint64_t handle;
    jmethodID id = tag_get(future, TAG_CALL, &handle) ? java_find(c->env, &get, future) : NULL;
    if (id != NULL) {
        jobject response = (*c->env)->CallObjectMethod(c->env, future, id);
        jthrowable thrown = (*c->env)->ExceptionOccurred(c->env);
        (void)java_clear(c->env);
        jthrowable cause = java_object(c->env, &get_cause, thrown);
        end(c, future, thrown != NULL ? NULL : response, cause != NULL ? cause : thrown);
    }
}

static void leave_async(struct call *c, struct frame *f, jobject future, jlong number)
{
    static struct java_method is_done = {"isDone", "()Z", {NULL}};
    (void)number;
    ASSERT(f->is_span && f == frame_top(c->thread));
    if (c->thrown != NULL) {
        http_span_end_call(c->env, f, 0, c->thrown);
        return;
    }
    uint64_t handle = pending_put(c->thread);
    tag_set(future, TAG_CALL, handle);
    if (java_bool(c->env, &is_done, future)) {
        end_done(c, future);
    }
}

// At the beginning of MainClientExec.prepare(target, request, state, handler).
static void on_prepare(struct call *c)
{
    jobject future = java_field(c->env, c->c, "resultFuture", "L" FUTURE_4 ";");
    struct frame *f = future != NULL ? span_open(c->thread, c->method, SPAN_CLIENT) : NULL;
    if (f != NULL) {
        describe(c->env, f, c->b, c->a);
        tag_set(future, TAG_CALL, pending_put(c->thread));
    }
}

// It may get its tag while it is being completed: looked for again then.
static struct frame *look_again(struct call *c)
{
    struct frame *f = frame_open(c->thread, c->method, NULL);
    if (f != NULL) {
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->self);
    }
    return f;
}

static struct frame *enter_completed(struct call *c)
{
    end(c, c->self, c->a, NULL);
    return look_again(c);
}

static struct frame *enter_failed(struct call *c)
{
    end(c, c->self, NULL, c->a);
    return look_again(c);
}

static void leave_done(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(!f->is_span);
    end_done(c, f->globals[0]);
}

#define CLIENT(of)                                                                                 \
    {                                                                                              \
        .class_name = "org/apache/" of, .name = "doExecute",                                       \
        .probe = {.kind = PROBE_SPAN, .objects = {1, 2}}, .enter = enter, .exit = leave            \
    }

#define FUTURE(of, method, of_type, enter_it)                                                      \
    {                                                                                              \
        .class_name = of, .name = method, .descriptor = of_type,                                   \
        .probe = {.kind = PROBE_SPAN, .objects = {1}}, .enter = enter_it, .exit = leave_done,      \
        .ends = true                                                                               \
    }

#define FUTURES(of)                                                                                \
    FUTURE(of, "completed", "(Ljava/lang/Object;)Z", enter_completed),                             \
        FUTURE(of, "failed", "(Ljava/lang/Exception;)Z", enter_failed),                            \
        FUTURE(of, "cancel", "(Z)Z", look_again)

static struct plugin_method methods[] = {
    CLIENT("hc/client5/http/impl/classic/InternalHttpClient"),
    CLIENT("hc/client5/http/impl/classic/MinimalHttpClient"),
    CLIENT("http/impl/client/InternalHttpClient"),
    CLIENT("http/impl/client/MinimalHttpClient"),
    CLIENT("http/impl/client/AbstractHttpClient"),
    {.class_name = "org/apache/hc/client5/http/impl/async/InternalAbstractHttpAsyncClient",
     .name = "doExecute",
     .probe = {.kind = PROBE_SPAN},
     .enter = enter_async,
     .exit = leave_async},
    {.class_name = "org/apache/hc/client5/http/async/AsyncExecChain$Scope",
     .name = "<init>",
     .probe = {.kind = PROBE_ENTER, .objects = {2, 3}},
     .note = on_scope},
    FUTURES(FUTURE_5),
    {.class_name = "org/apache/http/impl/nio/client/MainClientExec",
     .name = "prepare",
     .descriptor = "(Lorg/apache/http/HttpHost;Lorg/apache/http/HttpRequest;"
                   "Lorg/apache/http/impl/nio/client/InternalState;"
                   "Lorg/apache/http/impl/nio/client/AbstractClientExchangeHandler;)V",
     .probe = {.kind = PROBE_ENTER, .objects = {1, 2, 4}},
     .note = on_prepare},
    FUTURES(FUTURE_4),
};

struct plugin plugin_apache_http_client = {"apache-http-client", methods,
                                           sizeof methods / sizeof *methods};
