// SPDX-License-Identifier: Apache-2.0
// Purpose: spans of HTTP requests.
#include "agents/jvm/http_span.h"

#include <stdio.h>
#include <string.h>

#include "agents/jvm/authority.h"
#include "agents/jvm/headers.h"
#include "core/must.h"

static void put(struct frame *f, const char *key, struct str value)
{
    if (value.n > 0) {
        span_text(f, key, value);
    }
}

// Where the parts of "scheme://user:secret@host:port/path" are.
struct url_parts {
    size_t authority, host, end; // after "://"; after the credentials; of host and port
};

static bool find_parts(struct str url, struct url_parts *ret)
{
    size_t at = 0;
    while (at + 2 < url.n && memcmp(url.p + at, "://", 3) != 0) {
        at++;
    }
    if (at + 2 >= url.n) {
        return false;
    }
    *ret = (struct url_parts){at + 3, at + 3, at + 3};
    while (ret->end < url.n && memchr("/?#", url.p[ret->end], 3) == NULL) {
        ret->host = url.p[ret->end] == '@' ? ret->end + 1 : ret->host;
        ret->end++;
    }
    return true;
}

static void put_url(struct frame *f, struct str url)
{
    char clean[TEXT_VALUE_MAX];
    struct url_parts parts;
    if (!find_parts(url, &parts) || parts.host == parts.authority) {
        put(f, "url.full", url);
        return;
    }
    size_t tail = url.n - parts.host, head = parts.authority;
    if (head < sizeof clean) {
        tail = head + tail <= sizeof clean ? tail : sizeof clean - head;
        memcpy(clean, url.p, head);
        memcpy(clean + head, url.p + parts.host, tail);
        put(f, "url.full", (struct str){clean, head + tail});
    }
}

// The host and port as the URL has them, the scheme's port where it has none.
static void take_server(struct http_request *r)
{
    struct url_parts parts;
    if (!find_parts(r->url, &parts)) {
        return;
    }
    struct str authority = {r->url.p + parts.host, parts.end - parts.host};
    r->host = authority_split(authority, &r->port);
    if (r->port == 0) {
        bool is_tls = str_eq((struct str){r->url.p, parts.authority}, STR("https://"));
        r->port = is_tls ? 443 : 80;
    }
}

void http_span_route(struct frame *f, struct str method, struct str route)
{
    char name[2 * SPAN_NAME_MAX + 1]; // span_name() cuts it at a character
    ASSERT(method.n > 0);
    put(f, "http.route", route);
    if (route.n == 0) {
        span_name(f, method);
        return;
    }
    method = str_cut(method, SPAN_NAME_MAX);
    route.n = route.n < SPAN_NAME_MAX ? route.n : SPAN_NAME_MAX;
    memcpy(name, method.p, method.n);
    name[method.n] = ' ';
    memcpy(name + method.n + 1, route.p, route.n);
    span_name(f, (struct str){name, method.n + 1 + route.n});
}

void http_span_describe(struct frame *f, const struct http_request *r)
{
    struct str method = r->method.n > 0 ? r->method : STR("HTTP");
    put(f, "http.request.method", r->method);
    put(f, "url.scheme", r->scheme);
    put(f, "url.path", r->path);
    put_url(f, r->url);
    put(f, "server.address", r->host);
    if (r->port > 0) {
        span_int(f, "server.port", r->port);
    }
    if (span_has_details(f)) {
        put(f, "url.query", r->query);
        put(f, "client.address", r->client);
        put(f, "user_agent.original", r->user_agent);
    }
    http_span_route(f, method, r->route);
}

void http_span_call(struct frame *f, struct str method, struct str url)
{
    struct http_request r = {.method = method, .url = url};
    ASSERT(f->kind == SPAN_CLIENT);
    take_server(&r);
    http_span_describe(f, &r);
}

void http_span_end_call(JNIEnv *env, struct frame *f, int code, jthrowable thrown)
{
    static struct java_method get_class = {"getClass", "()Ljava/lang/Class;", {NULL}};
    static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
    char type[256];
    if (code > 0) {
        http_span_status(f, code);
    } else if (thrown != NULL && span_is_kept(f)) {
        jobject class = java_object(env, &get_class, thrown);
        span_text(f, "error.type", java_text(env, &get_name, class, type, sizeof type));
    }
    f->is_error = f->is_error || thrown != NULL;
}

struct sending {
    JNIEnv *env;
    struct java_method *set;
    jobject request;
};

static void set_header(void *ctx, const char *name, const char *value)
{
    struct sending *s = ctx;
    JNIEnv *env = s->env;
    jstring n = (*env)->NewStringUTF(env, name);
    jstring v = n != NULL ? (*env)->NewStringUTF(env, value) : NULL;
    jmethodID id = v != NULL ? java_find(env, s->set, s->request) : NULL;
    if (id != NULL && strchr(s->set->descriptor, ')')[1] == 'V') {
        (*env)->CallVoidMethod(env, s->request, id, n, v);
    } else if (id != NULL) {
        (*env)->DeleteLocalRef(env, (*env)->CallObjectMethod(env, s->request, id, n, v));
    }
    (void)java_clear(env);
    (*env)->DeleteLocalRef(env, v);
    (*env)->DeleteLocalRef(env, n);
}

void http_span_send(JNIEnv *env, const struct frame *f, struct java_method *set, jobject request)
{
    struct sending s = {env, set, request};
    context_inject(&f->context, set_header, &s);
}

void http_span_status(struct frame *f, int code)
{
    int error_from = f->kind == SPAN_SERVER ? 500 : 400;
    if (code < 100 || code > 999) {
        return;
    }
    span_int(f, "http.response.status_code", code);
    if (code >= error_from) {
        char text[4];
        snprintf(text, sizeof text, "%d", code);
        span_text(f, "error.type", str_of(text));
        f->is_error = true;
    }
}
