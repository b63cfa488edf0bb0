// SPDX-License-Identifier: Apache-2.0
// Purpose: the JDK's HttpURLConnection. getInputStream() sends the request and reads the answer's
// head: the client span.
#include <stdio.h>
#include <string.h>

#include "agents/jvm/plugins/plugins.h"

static struct java_method get_method = {"getRequestMethod", "()Ljava/lang/String;", {NULL}};
static struct java_method get_url = {"getURL", "()Ljava/net/URL;", {NULL}};
static struct java_method get_host = {"getHost", "()Ljava/lang/String;", {NULL}};
static struct java_method get_port = {"getPort", "()I", {NULL}};
static struct java_method get_default_port = {"getDefaultPort", "()I", {NULL}};
static struct java_method get_code = {"getResponseCode", "()I", {NULL}};
static struct java_method set_property = {
    "setRequestProperty", "(Ljava/lang/String;Ljava/lang/String;)V", {NULL}};

static void set_header(struct call *c, const char *name, const char *value)
{
    JNIEnv *env = c->env;
    jmethodID id = java_find(env, &set_property, c->self);
    jstring n = id != NULL ? (*env)->NewStringUTF(env, name) : NULL;
    jstring v = n != NULL ? (*env)->NewStringUTF(env, value) : NULL;
    if (v != NULL) {
        (*env)->CallVoidMethod(env, c->self, id, n, v);
    }
    (void)java_clear(env); // connected already: the request has gone without it
}

static struct frame *enter(struct call *c)
{
    struct thread_state *t = c->thread;
    char text[TEXT_VALUE_MAX], parent[TRACEPARENT_SIZE];
    if (t->depth > 0 && t->frames[t->depth - 1]->method == c->method) {
        return NULL; // one that delegates to another, as HTTPS does
    }
    struct frame *f = span_open(t, c->method, SPAN_CLIENT);
    if (f == NULL) {
        return NULL;
    }
    struct str m = java_text(c->env, &get_method, c->self, text, sizeof text);
    span_name(f, m);
    span_text(f, "http.request.method", m);
    jobject url = java_object(c->env, &get_url, c->self);
    span_text(f, "url.full", java_text(c->env, &get_url, c->self, text, sizeof text));
    span_text(f, "server.address", java_text(c->env, &get_host, url, text, sizeof text));
    jint port = java_int(c->env, &get_port, url, -1);
    span_int(f, "server.port", port > 0 ? port : java_int(c->env, &get_default_port, url, 80));
    context_traceparent(&f->context, parent);
    set_header(c, "traceparent", parent);
    f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->self);
    return f;
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    jint code = java_int(c->env, &get_code, f->globals[0], -1);
    if (code > 0) {
        span_int(f, "http.response.status_code", code);
        f->is_error = f->is_error || code >= 400;
    }
}

static struct plugin_method methods[] = {
    {.class_name = "sun/net/www/protocol/http/HttpURLConnection",
     .name = "getInputStream",
     .descriptor = "()Ljava/io/InputStream;",
     .probe = {.kind = PROBE_SPAN},
     .enter = enter,
     .exit = leave},
};

struct plugin plugin_http_url_connection = {"http-url-connection", methods, 1};
