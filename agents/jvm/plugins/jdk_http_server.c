// SPDX-License-Identifier: Apache-2.0
// Purpose: the JDK's own HTTP server (com.sun.net.httpserver). Filter.Chain.doFilter(exchange) runs
// the filters and at last the handler; the outermost of one exchange is the server span.
#include <string.h>

#include "agents/jvm/plugins/plugins.h"

static struct java_method get_method = {"getRequestMethod", "()Ljava/lang/String;", {NULL}};
static struct java_method get_uri = {"getRequestURI", "()Ljava/net/URI;", {NULL}};
static struct java_method get_path = {"getPath", "()Ljava/lang/String;", {NULL}};
static struct java_method get_query = {"getQuery", "()Ljava/lang/String;", {NULL}};
static struct java_method get_headers = {
    "getRequestHeaders", "()Lcom/sun/net/httpserver/Headers;", {NULL}};
static struct java_method get_first = {
    "getFirst", "(Ljava/lang/String;)Ljava/lang/String;", {NULL}};
static struct java_method get_context = {
    "getHttpContext", "()Lcom/sun/net/httpserver/HttpContext;", {NULL}};
static struct java_method get_code = {"getResponseCode", "()I", {NULL}};

static void continue_trace(struct call *c, jobject headers, struct context *ret)
{
    char parent[128], state[TRACESTATE_MAX + 4], baggage[BAGGAGE_MAX + 4];
    struct str p = java_text_of(c->env, &get_first, headers, "traceparent", parent, sizeof parent);
    if (p.n > 0 && context_from_traceparent(ret, p)) {
        context_add_luggage(
            ret, java_text_of(c->env, &get_first, headers, "tracestate", state, sizeof state),
            java_text_of(c->env, &get_first, headers, "baggage", baggage, sizeof baggage));
    }
}

static void describe(struct call *c, struct frame *f, jobject headers)
{
    char method[32], path[TEXT_VALUE_MAX], text[TEXT_VALUE_MAX], name[SPAN_NAME_MAX];
    struct str m = java_text(c->env, &get_method, c->a, method, sizeof method);
    jobject uri = java_object(c->env, &get_uri, c->a);
    struct str p = java_text(c->env, &get_path, uri, path, sizeof path);
    struct str query = java_text(c->env, &get_query, uri, text, sizeof text);
    span_text(f, "http.request.method", m);
    span_text(f, "url.scheme", STR("http"));
    span_text(f, "url.path", p);
    if (query.n > 0) {
        span_text(f, "url.query", query);
    }
    struct str route =
        java_text(c->env, &get_path, java_object(c->env, &get_context, c->a), text, sizeof text);
    span_text(f, "http.route", route);
    struct str agent = java_text_of(c->env, &get_first, headers, "User-Agent", path, sizeof path);
    if (agent.n > 0) {
        span_text(f, "user_agent.original", agent);
    }
    size_t n = m.n + 1 + route.n < sizeof name ? m.n + 1 + route.n : 0;
    if (n > 0) {
        memcpy(name, m.p, m.n);
        name[m.n] = ' ';
        memcpy(name + m.n + 1, route.p, route.n);
        span_name(f, (struct str){name, n});
    } else {
        span_name(f, m);
    }
}

static struct frame *enter(struct call *c)
{
    struct thread_state *t = c->thread;
    if (t->depth > 0 && t->frames[t->depth - 1]->method == c->method) {
        return NULL; // the next filter of the same exchange
    }
    struct context remote = {0};
    jobject headers = java_object(c->env, &get_headers, c->a);
    continue_trace(c, headers, &remote);
    struct frame *f = context_is_set(&remote) ? span_open_remote(t, c->method, SPAN_SERVER, &remote)
                                              : span_open(t, c->method, SPAN_SERVER);
    context_drop(&remote);
    if (f != NULL) {
        describe(c, f, headers);
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->a);
    }
    return f;
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    jint code = java_int(c->env, &get_code, f->globals[0], -1);
    if (code > 0) {
        span_int(f, "http.response.status_code", code);
        f->is_error = f->is_error || code >= 500;
    }
}

static struct plugin_method methods[] = {
    {.class_name = "com/sun/net/httpserver/Filter$Chain",
     .name = "doFilter",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter,
     .exit = leave},
};

struct plugin plugin_jdk_http_server = {"jdk-http-server", methods, 1};
