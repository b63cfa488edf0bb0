// SPDX-License-Identifier: Apache-2.0
// Purpose: servlet containers, whichever they are: the outermost filter or servlet of a request is
// the server span. Found by interface (Filter, Servlet), in javax and jakarta.
//
// The request carries what is known of its span as an attribute, MARK: "1" while the span is on
// its thread's stack, its handle once it waits for an asynchronous answer. A request that has it
// and comes by again is an asynchronous dispatch (the span goes on), an include, a forward or an
// error page (they belong to the span, or come after it).
//
//   enter ---> on the stack ---leave---> written
//                    |leave, async was started
//                    v
//                 pending ---AsyncContext.complete(), or leave of the last dispatch---> written
//
// complete() may come before leave() on another thread. It says so in DONE before it looks for the
// handle, and leave() looks for DONE after it has left the handle: one of them sees the other.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/http_span.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/remote.h"

static struct java_method get_method = {"getMethod", "()Ljava/lang/String;", {NULL}};
static struct java_method get_uri = {"getRequestURI", "()Ljava/lang/String;", {NULL}};
static struct java_method get_query = {"getQueryString", "()Ljava/lang/String;", {NULL}};
static struct java_method get_scheme = {"getScheme", "()Ljava/lang/String;", {NULL}};
static struct java_method get_host = {"getServerName", "()Ljava/lang/String;", {NULL}};
static struct java_method get_port = {"getServerPort", "()I", {NULL}};
static struct java_method get_client = {"getRemoteAddr", "()Ljava/lang/String;", {NULL}};
static struct java_method get_context = {"getContextPath", "()Ljava/lang/String;", {NULL}};
static struct java_method get_servlet = {"getServletPath", "()Ljava/lang/String;", {NULL}};
static struct java_method get_path_info = {"getPathInfo", "()Ljava/lang/String;", {NULL}};
static struct java_method get_header = {
    "getHeader", "(Ljava/lang/String;)Ljava/lang/String;", {NULL}};
static struct java_method get_attribute = {
    "getAttribute", "(Ljava/lang/String;)Ljava/lang/Object;", {NULL}};
static struct java_method set_attribute = {
    "setAttribute", "(Ljava/lang/String;Ljava/lang/Object;)V", {NULL}};
static struct java_method is_async = {"isAsyncStarted", "()Z", {NULL}};
static struct java_method get_status = {"getStatus", "()I", {NULL}};

static struct java_constant MARK = {"sonde.span", NULL};
static struct java_constant DONE = {"sonde.done", NULL};
static struct java_constant ONE = {"1", NULL};
// Where Spring MVC, 4 to 7, leaves the pattern that the request's path has matched.
static struct java_constant SPRING_ROUTE = {
    "org.springframework.web.servlet.HandlerMapping.bestMatchingPattern", NULL};

enum { REQUEST, RESPONSE }; // in the frame's globals

static uint64_t handle_of(JNIEnv *env, jobject mark)
{
    char text[32];
    (void)java_to_text(env, mark, text, sizeof text);
    return strtoull(text, NULL, 16);
}

static jobject attribute(JNIEnv *env, jobject request, struct java_constant *name)
{
    jstring key = java_constant(env, name);
    return key != NULL ? java_object_of(env, &get_attribute, request, key) : NULL;
}

static void set(JNIEnv *env, jobject request, struct java_constant *name, jobject value)
{
    jstring key = java_constant(env, name);
    if (key != NULL && value != NULL) {
        java_void_of(env, &set_attribute, request, key, value);
    }
}

static struct str header(void *ctx, const char *name, char *out, size_t room)
{
    static struct java_method get_headers = {
        "getHeaders", "(Ljava/lang/String;)Ljava/util/Enumeration;", {NULL}};
    static struct java_method has_more = {"hasMoreElements", "()Z", {NULL}};
    static struct java_method next = {"nextElement", "()Ljava/lang/Object;", {NULL}};
    struct call *c = ctx;
    JNIEnv *env = c->env;
    struct java_joining j = {.out = out, .room = room};
    jstring key = (*env)->NewStringUTF(env, name);
    jobject lines = key != NULL ? java_object_of(env, &get_headers, c->a, key) : NULL;
    while (java_bool(env, &has_more, lines) && java_join(env, &j, java_object(env, &next, lines))) {
    }
    (*env)->DeleteLocalRef(env, lines);
    (*env)->DeleteLocalRef(env, key);
    return (struct str){out, j.n};
}

static void describe(struct call *c, struct frame *f)
{
    char method[32], scheme[16], host[256], client[64];
    char path[TEXT_VALUE_MAX], query[TEXT_VALUE_MAX], agent[TEXT_VALUE_MAX];
    JNIEnv *env = c->env;
    struct http_request r = {
        .method = java_text(env, &get_method, c->a, method, sizeof method),
        .path = java_text(env, &get_uri, c->a, path, sizeof path),
    };
    span_entry(c->thread, f, r.method, r.path);
    if (span_is_kept(f)) {
        r.scheme = java_text(env, &get_scheme, c->a, scheme, sizeof scheme);
        r.host = java_text(env, &get_host, c->a, host, sizeof host);
        r.port = java_int(env, &get_port, c->a, 0);
    }
    if (span_has_details(f)) {
        r.query = java_text(env, &get_query, c->a, query, sizeof query);
        r.user_agent = java_text_of(env, &get_header, c->a, "User-Agent", agent, sizeof agent);
        r.client = java_text(env, &get_client, c->a, client, sizeof client);
    }
    http_span_describe(f, &r);
}

// What leave() needs: the request, the response, and the handle when the span waits already.
static void keep(struct call *c, struct frame *f, uint64_t handle)
{
    if (f != NULL) {
        f->note = handle;
        f->globals[REQUEST] = (*c->env)->NewGlobalRef(c->env, c->a);
        f->globals[RESPONSE] = (*c->env)->NewGlobalRef(c->env, c->b);
    }
}

static struct frame *go_on(struct call *c, jobject mark)
{
    struct context in_force;
    uint64_t handle = handle_of(c->env, mark);
    if (!pending_context(handle, &in_force)) {
        return NULL;
    }
    struct frame *f = frame_open(c->thread, c->method, &in_force);
    context_drop(&in_force);
    keep(c, f, handle);
    return f;
}

static struct frame *enter(struct call *c)
{
    JNIEnv *env = c->env;
    if (is_within(c) || java_find(env, &get_uri, c->a) == NULL) {
        return NULL; // the next filter; or no HTTP request
    }
    jobject mark = attribute(env, c->a, &MARK);
    if (mark != NULL) {
        return go_on(c, mark);
    }
    struct frame *f = span_open_from(c->thread, c->method, SPAN_SERVER, header, c);
    if (f != NULL) {
        describe(c, f);
        set(env, c->a, &MARK, java_constant(env, &ONE));
    }
    keep(c, f, 0);
    return f;
}

// Before Servlet 4 a request does not tell its mapping. Jetty's tells the servlet's name, and the
// context which paths it is mapped to: whether this very path is one.
static bool is_mapped(JNIEnv *env, jobject request, jobject path)
{
    static struct java_method get_name = {"getServletName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_servlet_context = {
        "getServletContext", "()Ljavax/servlet/ServletContext;", {NULL}};
    static struct java_method get_registration = {
        "getServletRegistration",
        "(Ljava/lang/String;)Ljavax/servlet/ServletRegistration;",
        {NULL}};
    static struct java_method get_mappings = {"getMappings", "()Ljava/util/Collection;", {NULL}};
    static struct java_method contains = {"contains", "(Ljava/lang/Object;)Z", {NULL}};
    jobject name = java_object(env, &get_name, request);
    jobject in = name != NULL ? java_object(env, &get_servlet_context, request) : NULL;
    jobject registration = java_object_of(env, &get_registration, in, name);
    jobject mappings = java_object(env, &get_mappings, registration);
    return java_bool_of(env, &contains, mappings, path);
}

// What the container's mapping says of a plain servlet, behind the context path: "/cart", "/api/*",
// "*.jsp". Where it does not say, a path with a rest behind the servlet's own part shows which part
// that is. Empty for the default servlet, which takes any path.
static struct str servlet_route(JNIEnv *env, jobject request, char *out, size_t room)
{
    static struct java_method get_mapping[] = {
        {"getHttpServletMapping", "()Ljavax/servlet/http/HttpServletMapping;", {NULL}},
        {"getHttpServletMapping", "()Ljakarta/servlet/http/HttpServletMapping;", {NULL}},
    };
    static struct java_method get_pattern = {"getPattern", "()Ljava/lang/String;", {NULL}};
    char context[256], pattern[256], info[256];
    struct str c = java_text(env, &get_context, request, context, sizeof context);
    jobject mapping = java_object(env, &get_mapping[1], request);
    mapping = mapping != NULL ? mapping : java_object(env, &get_mapping[0], request);
    struct str p = java_text(env, &get_pattern, mapping, pattern, sizeof pattern);
    const char *rest = "";
    if (p.n == 0) { // Servlet 3, or 4 over a container of 3
        jobject path = java_object(env, &get_servlet, request);
        rest = java_text(env, &get_path_info, request, info, sizeof info).n > 0 ? "/*" : "";
        if (rest[0] != '\0' || is_mapped(env, request, path)) {
            p = java_string(env, path, pattern, sizeof pattern);
        }
    }
    if (p.n == 0 || str_eq(p, STR("/")) || str_eq(p, STR("/*"))) {
        return STR_NONE;
    }
    int n =
        snprintf(out, room, "%.*s%s%.*s%s", STR_FMT(c), p.p[0] == '*' ? "/" : "", STR_FMT(p), rest);
    return n > 0 && (size_t)n < room ? (struct str){out, (size_t)n} : STR_NONE;
}

// The route, which may be the framework's, and is known once the request has been dispatched.
static void route(JNIEnv *env, struct frame *f, jobject request)
{
    char method[32], text[TEXT_VALUE_MAX];
    jobject pattern = attribute(env, request, &SPRING_ROUTE);
    struct str m = java_text(env, &get_method, request, method, sizeof method);
    struct str r = pattern != NULL ? java_to_text(env, pattern, text, sizeof text)
                                   : servlet_route(env, request, text, sizeof text);
    if (r.n > 0 && m.n > 0) {
        http_span_route(f, m, r);
    }
}

static void conclude(JNIEnv *env, struct frame *f, jobject response, bool threw)
{
    jint status = java_int(env, &get_status, response, 0);
    http_span_status(f, threw && status < 400 ? 500 : status);
}

static void conclude_pending(JNIEnv *env, uint64_t handle, jobject response, bool threw)
{
    struct frame *f = pending_take(handle);
    if (f != NULL) {
        conclude(env, f, response, threw);
        pending_end(f);
    }
}

static void set_handle(JNIEnv *env, jobject request, uint64_t handle)
{
    char text[32];
    snprintf(text, sizeof text, "%llx", (unsigned long long)handle);
    set(env, request, &MARK, (*env)->NewStringUTF(env, text));
    (void)java_clear(env);
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    JNIEnv *env = c->env;
    jobject request = f->globals[REQUEST], response = f->globals[RESPONSE];
    bool waits = java_bool(env, &is_async, request);
    uint64_t handle = f->note;
    (void)result, (void)number;
    if (f->is_span) {
        route(env, f, request);
    }
    if (!waits && f->is_span) {
        conclude(env, f, response, c->thrown != NULL);
    } else if (!waits) {
        conclude_pending(env, handle, response, c->thrown != NULL);
    } else if (f->is_span) {
        handle = pending_put(c->thread);
        set_handle(env, request, handle);
        if (attribute(env, request, &DONE) != NULL) {
            conclude_pending(env, handle, response, false);
        }
    }
}

// AsyncContext.complete(), on any thread.
static void complete(struct call *c)
{
    static struct java_method of[2][2] = {
        {{"getRequest", "()Ljavax/servlet/ServletRequest;", {NULL}},
         {"getResponse", "()Ljavax/servlet/ServletResponse;", {NULL}}},
        {{"getRequest", "()Ljakarta/servlet/ServletRequest;", {NULL}},
         {"getResponse", "()Ljakarta/servlet/ServletResponse;", {NULL}}},
    };
    bool is_jakarta = java_find(c->env, &of[1][0], c->self) != NULL;
    jobject request = java_object(c->env, &of[is_jakarta][0], c->self);
    jobject response = java_object(c->env, &of[is_jakarta][1], c->self);
    if (request != NULL) {
        set(c->env, request, &DONE, java_constant(c->env, &ONE));
        jobject mark = attribute(c->env, request, &MARK);
        conclude_pending(c->env, handle_of(c->env, mark), response, false);
    }
}

#define SERVLET_METHODS(package)                                                                   \
    {.class_name = package "/Filter",                                                              \
     .is_interface = true,                                                                         \
     .name = "doFilter",                                                                           \
     .descriptor =                                                                                 \
         "(L" package "/ServletRequest;L" package "/ServletResponse;L" package "/FilterChain;)V",  \
     .probe = {.kind = PROBE_SPAN, .objects = {1, 2}},                                             \
     .enter = enter,                                                                               \
     .exit = leave},                                                                               \
        {.class_name = package "/Servlet",                                                         \
         .is_interface = true,                                                                     \
         .name = "service",                                                                        \
         .descriptor = "(L" package "/ServletRequest;L" package "/ServletResponse;)V",             \
         .probe = {.kind = PROBE_SPAN, .objects = {1, 2}},                                         \
         .enter = enter,                                                                           \
         .exit = leave},                                                                           \
    {                                                                                              \
        .class_name = package "/AsyncContext", .is_interface = true, .name = "complete",           \
        .descriptor = "()V", .probe = {.kind = PROBE_ENTER}, .note = complete                      \
    }

static struct plugin_method methods[] = {
    SERVLET_METHODS("javax/servlet"),
    SERVLET_METHODS("jakarta/servlet"),
};

struct plugin plugin_servlet = {"servlet", methods, sizeof methods / sizeof *methods};
