// SPDX-License-Identifier: Apache-2.0
// Purpose: the JDK's java.net.http.HttpClient. send() ends with its answer or exception;
// sendAsync() when its future does. Both come down to the private sendAsync() of four arguments.
//
// Requests are immutable, but the client works on a copy of its own (HttpRequestImpl), which has
// headers that the client itself adds: ours go there once the exchange is made. Headers of the
// application have precedence over those, so ours are taken out of the copy of them. A redirect or
// an answer to an authentication makes another copy, without what the client has added: before each
// is sent (requestFilters), ours are carried over from the first.
#include "agents/jvm/future.h"
#include "agents/jvm/headers.h"
#include "agents/jvm/http_span.h"
#include "agents/jvm/plugins/plugins.h"
#include "core/must.h"

static struct java_method get_method = {"method", "()Ljava/lang/String;", {NULL}};
static struct java_method get_uri = {"uri", "()Ljava/net/URI;", {NULL}};
static struct java_method get_code = {"statusCode", "()I", {NULL}};
static struct java_method get_headers = {"headers", "()Ljava/net/http/HttpHeaders;", {NULL}};
static struct java_method get_own_headers = {
    "getSystemHeadersBuilder", "()Ljdk/internal/net/http/common/HttpHeadersBuilder;", {NULL}};
static struct java_method get_map = {"map", "()Ljava/util/Map;", {NULL}};
static struct java_method get = {"get", "(Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
static struct java_method is_empty = {"isEmpty", "()Z", {NULL}};
static struct java_method remove_key = {"remove", "(Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
static struct java_method set_header = {
    "setSystemHeader", "(Ljava/lang/String;Ljava/lang/String;)V", {NULL}};

static const char *const NAMES[] = {"traceparent", "tracestate", "baggage"};
enum { NAME_COUNT = sizeof NAMES / sizeof *NAMES };

#define REQUEST_TYPE "Ljdk/internal/net/http/HttpRequestImpl;"

static struct frame *enter(struct call *c)
{
    char method[32], url[TEXT_VALUE_MAX];
    struct frame *f = is_within(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        struct str m = java_text(c->env, &get_method, c->a, method, sizeof method);
        struct str u = STR_NONE;
        if (span_is_kept(f)) {
            u = java_text(c->env, &get_uri, c->a, url, sizeof url);
        }
        http_span_call(f, m, u);
    }
    return f;
}

static void ended(struct call *c, struct frame *f, jobject response)
{
    ASSERT(f->is_span);
    http_span_end_call(c->env, f, java_int(c->env, &get_code, response, 0), c->thrown);
}

static void leave(struct call *c, struct frame *f, jobject response, jlong number)
{
    (void)number;
    ended(c, f, response);
}

static void leave_async(struct call *c, struct frame *f, jobject future, jlong number)
{
    (void)number;
    ASSERT(f != NULL && f == frame_top(c->thread));
    if (c->thrown != NULL) {
        ended(c, f, NULL);
    } else {
        future_watch(c, future);
    }
}

// The client's copy of the application's headers is its own unless there are none, and so is the
// map that its unmodifiable one wraps.
static void take_out(JNIEnv *env, jobject request)
{
    jobject map = java_object(env, &get_map, java_object(env, &get_headers, request));
    jobject inner =
        java_bool(env, &is_empty, map) ? NULL : java_field(env, map, "m", "Ljava/util/Map;");
    for (int i = 0; i < NAME_COUNT && inner != NULL; i++) {
        jstring name = (*env)->NewStringUTF(env, NAMES[i]);
        (void)java_object_of(env, &remove_key, inner, name);
    }
}

// The exchange is made, on the thread of the call.
static void on_exchange(struct call *c)
{
    struct frame *f = frame_top(c->thread);
    jobject request = java_field(c->env, c->self, "request", REQUEST_TYPE);
    if (f != NULL && f->method->enter == enter && request != NULL) {
        take_out(c->env, request);
        http_span_send(c->env, f, &set_header, request);
    }
}

static void carry_over(JNIEnv *env, jobject from, jobject to)
{
    char text[HEADER_MAX];
    jobject map = java_object(env, &get_map, java_object(env, &get_own_headers, from));
    for (int i = 0; i < NAME_COUNT; i++) {
        jstring name = (*env)->NewStringUTF(env, NAMES[i]);
        jobject values = name != NULL ? java_object_of(env, &get, map, name) : NULL;
        struct str value = java_joined(env, values, text, sizeof text);
        jstring copy = value.n > 0 ? java_new_string(env, value) : NULL;
        if (copy != NULL) {
            java_void_of(env, &set_header, to, name, copy);
        }
        (void)java_clear(env);
    }
}

static void on_attempt(struct call *c)
{
    jobject first = java_field(c->env, c->self, "request", REQUEST_TYPE);
    if (first != NULL && c->a != NULL && !(*c->env)->IsSameObject(c->env, first, c->a)) {
        carry_over(c->env, first, c->a);
    }
}

static struct plugin_method methods[] = {
    {.class_name = "jdk/internal/net/http/HttpClientImpl",
     .name = "send",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter,
     .exit = leave},
    {.class_name = "jdk/internal/net/http/HttpClientImpl",
     .name = "sendAsync",
     .descriptor = "(Ljava/net/http/HttpRequest;Ljava/net/http/HttpResponse$BodyHandler;"
                   "Ljava/net/http/HttpResponse$PushPromiseHandler;"
                   "Ljava/util/concurrent/Executor;)Ljava/util/concurrent/CompletableFuture;",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter,
     .exit = leave_async,
     .ended = ended},
    {.class_name = "jdk/internal/net/http/MultiExchange",
     .name = "<init>",
     .probe = {.kind = PROBE_LEAVE},
     .note = on_exchange},
    {.class_name = "jdk/internal/net/http/MultiExchange",
     .name = "requestFilters",
     .probe = {.kind = PROBE_ENTER, .objects = {1}},
     .note = on_attempt},
};

struct plugin plugin_jdk_http_client = {"jdk-http-client", methods,
                                        sizeof methods / sizeof *methods};
