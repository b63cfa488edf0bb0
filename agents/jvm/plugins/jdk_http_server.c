// SPDX-License-Identifier: Apache-2.0
// Purpose: the JDK's own HTTP server (com.sun.net.httpserver). Filter.Chain.doFilter(exchange) runs
// the filters and at last the handler; the outermost of one exchange is the server span.
#include "agents/jvm/http_span.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/remote.h"
#include "core/must.h"

static struct java_method get_method = {"getRequestMethod", "()Ljava/lang/String;", {NULL}};
static struct java_method get_uri = {"getRequestURI", "()Ljava/net/URI;", {NULL}};
static struct java_method get_path = {"getPath", "()Ljava/lang/String;", {NULL}};
static struct java_method get_query = {"getQuery", "()Ljava/lang/String;", {NULL}};
static struct java_method get_headers = {
    "getRequestHeaders", "()Lcom/sun/net/httpserver/Headers;", {NULL}};
static struct java_method get_first = {
    "getFirst", "(Ljava/lang/String;)Ljava/lang/String;", {NULL}};
static struct java_method get_lines = {"get", "(Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
static struct java_method get_context = {
    "getHttpContext", "()Lcom/sun/net/httpserver/HttpContext;", {NULL}};
static struct java_method get_code = {"getResponseCode", "()I", {NULL}};

struct header_source {
    JNIEnv *env;
    jobject headers;
};

static struct str header(void *ctx, const char *name, char *out, size_t room)
{
    struct header_source *s = ctx;
    jstring key = (*s->env)->NewStringUTF(s->env, name);
    jobject lines = key != NULL ? java_object_of(s->env, &get_lines, s->headers, key) : NULL;
    struct str all = java_joined(s->env, lines, out, room);
    (*s->env)->DeleteLocalRef(s->env, lines);
    (*s->env)->DeleteLocalRef(s->env, key);
    return all;
}

static void describe(struct call *c, struct frame *f, jobject headers)
{
    char method[32], path[TEXT_VALUE_MAX], query[TEXT_VALUE_MAX], route[TEXT_VALUE_MAX];
    char agent[TEXT_VALUE_MAX];
    JNIEnv *env = c->env;
    jobject uri = java_object(env, &get_uri, c->a), context = java_object(env, &get_context, c->a);
    struct http_request r = {
        .method = java_text(env, &get_method, c->a, method, sizeof method),
        .scheme = STR("http"),
        .path = java_text(env, &get_path, uri, path, sizeof path),
        .route = java_text(env, &get_path, context, route, sizeof route),
    };
    if (span_has_details(f)) {
        r.query = java_text(env, &get_query, uri, query, sizeof query);
        r.user_agent = java_text_of(env, &get_first, headers, "User-Agent", agent, sizeof agent);
    }
    http_span_describe(f, &r);
}

static struct frame *enter(struct call *c)
{
    if (is_within(c)) {
        return NULL; // the next filter of the same exchange
    }
    jobject headers = java_object(c->env, &get_headers, c->a);
    struct header_source source = {c->env, headers};
    struct frame *f = span_open_entry(c->thread, c->method, SPAN_SERVER, header, &source);
    if (f != NULL) {
        describe(c, f, headers);
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->a);
    }
    return f;
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(f->is_span);
    http_span_status(f, java_int(c->env, &get_code, f->globals[0], 0));
}

static struct plugin_method methods[] = {
    {.class_name = "com/sun/net/httpserver/Filter$Chain",
     .name = "doFilter",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter,
     .exit = leave},
};

struct plugin plugin_jdk_http_server = {"jdk-http-server", methods, 1};
