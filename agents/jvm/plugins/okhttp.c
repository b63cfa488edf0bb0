// SPDX-License-Identifier: Apache-2.0
// Purpose: OkHttp 3 and 4. A call, execute()d or enqueue()d, goes through a chain of interceptors
// once, which is the span: redirects and retries are in it.
//
// Requests are immutable and may be shared. BridgeInterceptor, between what the application has
// added and the network, makes another from each by a Request.Builder: before it builds, our
// headers are set. It is passed again for each redirect.
//
// enqueue() keeps the context with the call until a thread of the dispatcher's runs it.
#include "agents/jvm/http_span.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/tasks.h"
#include "core/must.h"

static struct java_method get_request = {"request", "()Lokhttp3/Request;", {NULL}};
static struct java_method get_method = {"method", "()Ljava/lang/String;", {NULL}};
static struct java_method get_url = {"url", "()Lokhttp3/HttpUrl;", {NULL}};
static struct java_method get_code = {"code", "()I", {NULL}};
static struct java_method set_header = {
    "header", "(Ljava/lang/String;Ljava/lang/String;)Lokhttp3/Request$Builder;", {NULL}};

static struct frame *enter(struct call *c)
{
    char method[32], url[TEXT_VALUE_MAX];
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        jobject request = java_object(c->env, &get_request, c->self);
        struct str m = java_text(c->env, &get_method, request, method, sizeof method);
        struct str u = STR_NONE;
        if (span_is_kept(f)) {
            u = java_text(c->env, &get_url, request, url, sizeof url);
        }
        http_span_call(f, m, u);
    }
    return f;
}

static void leave(struct call *c, struct frame *f, jobject response, jlong number)
{
    (void)number;
    ASSERT(f->is_span);
    http_span_end_call(c->env, f, java_int(c->env, &get_code, response, 0), c->thrown);
}

static struct frame *enter_bridge(struct call *c)
{
    return frame_open(c->thread, c->method, NULL);
}

// The call's span: below the frame of the bridge that is on top.
static const struct frame *span_below(const struct thread_state *t)
{
    const struct frame *top = frame_top(t);
    bool in_bridge = top != NULL && top->method->enter == enter_bridge;
    const struct frame *f = in_bridge ? span_current(t) : NULL;
    return f != NULL && f->method->enter == enter ? f : NULL;
}

static void on_build(struct call *c)
{
    const struct frame *f = span_below(c->thread);
    if (f != NULL) {
        http_span_send(c->env, f, &set_header, c->self);
    }
}

static void on_enqueue(struct call *c)
{
    task_put(c->self, &c->thread->current);
}

static struct frame *enter_queued(struct call *c)
{
    struct context taken;
    jobject call = java_field(c->env, c->self, "this$0", "Lokhttp3/RealCall;");
    if (call == NULL) {
        call = java_field(c->env, c->self, "this$0", "Lokhttp3/internal/connection/RealCall;");
    }
    if (call == NULL || !task_take(call, &taken)) {
        return NULL;
    }
    return frame_open_in(c->thread, c->method, taken);
}

#define CALL_METHODS(of, chain, run)                                                               \
    {.class_name = of,                                                                             \
     .name = chain,                                                                                \
     .probe = {.kind = PROBE_SPAN},                                                                \
     .enter = enter,                                                                               \
     .exit = leave},                                                                               \
        {.class_name = of, .name = "enqueue", .probe = {.kind = PROBE_ENTER}, .note = on_enqueue}, \
    {                                                                                              \
        .class_name = of "$AsyncCall", .name = run, .descriptor = "()V",                           \
        .probe = {.kind = PROBE_SPAN}, .enter = enter_queued                                       \
    }

static struct plugin_method methods[] = {
    CALL_METHODS("okhttp3/RealCall", "getResponseWithInterceptorChain", "execute"),
    CALL_METHODS("okhttp3/internal/connection/RealCall", "getResponseWithInterceptorChain$okhttp",
                 "run"),
    {.class_name = "okhttp3/internal/http/BridgeInterceptor",
     .name = "intercept",
     .probe = {.kind = PROBE_SPAN},
     .enter = enter_bridge},
    {.class_name = "okhttp3/Request$Builder",
     .name = "build",
     .probe = {.kind = PROBE_ENTER},
     .note = on_build},
};

struct plugin plugin_okhttp = {"okhttp", methods, sizeof methods / sizeof *methods};
