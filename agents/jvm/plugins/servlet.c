// SPDX-License-Identifier: Apache-2.0
// Purpose: servlet containers, whichever they are: the outermost filter or servlet of a request is
// the server span. Found by interface (Filter, Servlet), in javax and jakarta.
//
// The request carries what is known of its span as attributes: MARK since it came by first, HANDLE
// once the span waits for an asynchronous answer. A request that has MARK and comes by again is an
// asynchronous dispatch (the span goes on), an include, a forward or an error page (they belong to
// the span, or come after it).
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

#include "agents/jvm/effort.h"
#include "agents/jvm/http_span.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/reader.h"
#include "agents/jvm/remote.h"
#include "core/must.h"

static struct java_method get_servlet = {"getServletPath", "()Ljava/lang/String;", {NULL}};
static struct java_method get_path_info = {"getPathInfo", "()Ljava/lang/String;", {NULL}};
static struct java_method get_attribute = {
    "getAttribute", "(Ljava/lang/String;)Ljava/lang/Object;", {NULL}};
static struct java_method set_attribute = {
    "setAttribute", "(Ljava/lang/String;Ljava/lang/Object;)V", {NULL}};
static struct java_method get_status = {"getStatus", "()I", {NULL}};

#define MARK_NAME   "sonde.span"
#define HANDLE_NAME "sonde.handle"
static struct java_constant HANDLE = {HANDLE_NAME, NULL};
static struct java_constant DONE = {"sonde.done", NULL};
static struct java_constant ONE = {"1", NULL};

// ---- What is read of a request ---------------------------------------------------------------

#define TEXT       "()Ljava/lang/String;"
#define NAMED_TEXT "(Ljava/lang/String;)Ljava/lang/String;"
#define NAMED      "(Ljava/lang/String;)Ljava/lang/Object;"
#define SET        "(Ljava/lang/String;Ljava/lang/Object;)V"

// When it comes. The headers are those that context_extract() asks for first; of what is there, all
// lines are read then.
enum at_first {
    IS_MARKED,
    METHOD,
    URI,
    SCHEME,
    HOST,
    PORT,
    QUERY,
    CLIENT,
    AGENT,
    HEADERS,
    MARK = HEADERS + 6, // last: a request that throws before is not marked
    AT_FIRST,
};
#define READ_FIRST(package)                                                                        \
    {                                                                                              \
        [IS_MARKED] = {package "HttpServletRequest", "getAttribute", NAMED, MARK_NAME},            \
        [METHOD] = {package "HttpServletRequest", "getMethod", TEXT},                              \
        [URI] = {package "HttpServletRequest", "getRequestURI", TEXT},                             \
        [SCHEME] = {package "HttpServletRequest", "getScheme", TEXT},                              \
        [HOST] = {package "HttpServletRequest", "getServerName", TEXT},                            \
        [PORT] = {package "HttpServletRequest", "getServerPort", "()I"},                           \
        [QUERY] = {package "HttpServletRequest", "getQueryString", TEXT},                          \
        [CLIENT] = {package "HttpServletRequest", "getRemoteAddr", TEXT},                          \
        [AGENT] = {package "HttpServletRequest", "getHeader", NAMED_TEXT, "User-Agent"},           \
        [HEADERS] = {package "HttpServletRequest", "getHeader", NAMED_TEXT, "traceparent"},        \
        {package "HttpServletRequest", "getHeader", NAMED_TEXT, "tracestate"},                     \
        {package "HttpServletRequest", "getHeader", NAMED_TEXT, "baggage"},                        \
        {package "HttpServletRequest", "getHeader", NAMED_TEXT, "b3"},                             \
        {package "HttpServletRequest", "getHeader", NAMED_TEXT, "X-B3-TraceId"},                   \
        {package "HttpServletRequest", "getHeader", NAMED_TEXT, "sw8"},                            \
        [MARK] = {package "HttpServletRequest", "setAttribute", SET, MARK_NAME, "1"},              \
    }

// When it goes. SPRING_ROUTE is where Spring MVC, 4 to 7, leaves the pattern that the request's
// path has matched; a mapping is there since Servlet 4.
#define SPRING_ROUTE "org.springframework.web.servlet.HandlerMapping.bestMatchingPattern"
enum at_last { IS_ASYNC, LAST_METHOD, SPRING, CONTEXT, MAPPING, PATTERN, STATUS, AT_LAST };
#define READ_LAST(package)                                                                         \
    {                                                                                              \
        [IS_ASYNC] = {package "HttpServletRequest", "isAsyncStarted", "()Z", .is_optional = true}, \
        [LAST_METHOD] = {package "HttpServletRequest", "getMethod", TEXT},                         \
        [SPRING] = {package "HttpServletRequest", "getAttribute", NAMED, SPRING_ROUTE},            \
        [CONTEXT] = {package "HttpServletRequest", "getContextPath", TEXT},                        \
        [MAPPING] = {package "HttpServletRequest", "getHttpServletMapping",                        \
                     "()L" package "HttpServletMapping;", .is_optional = true},                    \
        [PATTERN] = {package "HttpServletMapping", "getPattern", TEXT, .of = READER_LINK},         \
        [STATUS] = {package "HttpServletResponse", "getStatus", "()I", .of = READER_B},            \
    }

#define READER(package, list, n)                                                                   \
    {                                                                                              \
        .interface = package "HttpServletRequest", .steps = list,                                  \
        .count = sizeof list / sizeof *list, .place = n                                            \
    }
#define JAVAX   "javax/servlet/http/"
#define JAKARTA "jakarta/servlet/http/"

_Static_assert(AT_FIRST == MARK + 1, "a request is marked last");

static const struct reader_step javax_first[] = READ_FIRST(JAVAX),
                                jakarta_first[] = READ_FIRST(JAKARTA),
                                javax_last[] = READ_LAST(JAVAX),
                                jakarta_last[] = READ_LAST(JAKARTA);
static struct reader first_of[] = {READER(JAVAX, javax_first, 1),
                                   READER(JAKARTA, jakarta_first, 2)},
                     last_of[] = {READER(JAVAX, javax_last, 3), READER(JAKARTA, jakarta_last, 4)};

static int number(struct str text)
{
    uint64_t n;
    return str_to_u64(text, &n) == ERR_OK && n <= UINT16_MAX ? (int)n : 0;
}

// ---- Attributes and headers ------------------------------------------------------------------

static uint64_t handle_of(struct str digits)
{
    char text[32];
    size_t n = digits.n < sizeof text ? digits.n : 0;
    memcpy(text, digits.p, n);
    text[n] = '\0';
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

struct asking {
    struct call *call;
    const struct str *known; // by enum at_first
};

// Whether the reader has not found a header.
static bool is_absent(const struct asking *q, const char *name)
{
    for (int i = HEADERS; i < MARK; i++) {
        if (strcmp(jakarta_first[i].argument, name) == 0) {
            return q->known[i].n == 0;
        }
    }
    return false;
}

static bool has_headers(const struct str *known)
{
    size_t n = 0;
    for (int i = HEADERS; i < MARK; i++) {
        n += known[i].n;
    }
    return n > 0;
}

static struct str header(void *ctx, const char *name, char *out, size_t room)
{
    static struct java_method get_headers = {
        "getHeaders", "(Ljava/lang/String;)Ljava/util/Enumeration;", {NULL}};
    static struct java_method has_more = {"hasMoreElements", "()Z", {NULL}};
    static struct java_method next = {"nextElement", "()Ljava/lang/Object;", {NULL}};
    struct asking *q = ctx;
    JNIEnv *env = q->call->env;
    struct java_joining j = {.out = out, .room = room};
    if (is_absent(q, name)) {
        return STR("");
    }
    jstring key = (*env)->NewStringUTF(env, name);
    jobject lines = key != NULL ? java_object_of(env, &get_headers, q->call->a, key) : NULL;
    while (java_bool(env, &has_more, lines) && java_join(env, &j, java_object(env, &next, lines))) {
    }
    (void)java_clear(env);
    (*env)->DeleteLocalRef(env, lines);
    (*env)->DeleteLocalRef(env, key);
    return (struct str){out, j.n};
}

static void describe(struct call *c, struct frame *f, const struct str *known)
{
    struct http_request r = {
        .method = known[METHOD],
        .path = known[URI],
        .scheme = known[SCHEME],
        .host = known[HOST],
        .port = number(known[PORT]),
        .query = known[QUERY],
        .user_agent = known[AGENT],
        .client = known[CLIENT],
    };
    span_entry(c->thread, f, r.method, r.path);
    http_span_describe(f, &r);
}

// Of a request that has waited and comes by again; NULL for others.
static struct frame *go_on(struct call *c)
{
    char text[32];
    struct context in_force;
    jobject digits = attribute(c->env, c->a, &HANDLE); // none of a request that does not wait
    uint64_t handle = handle_of(java_to_text(c->env, digits, text, sizeof text));
    if (!pending_context(handle, &in_force)) {
        return NULL;
    }
    struct frame *f = frame_open_in(c->thread, c->method, in_force);
    if (f != NULL) {
        f->note = handle; // leave() needs it
    }
    return f;
}

static struct frame *enter(struct call *c)
{
    char text[READER_ROOM(AT_FIRST)];
    struct str known[AT_FIRST];
    if (effort_rests()) {
        return is_within(c) ? NULL : go_on(c); // its span may end with this
    }
    if (is_within(c) ||
        !reader_take(c->env, c->method->first, c->c, c->a, NULL, text, sizeof text, known)) {
        return NULL; // the next filter; or no HTTP request
    }
    if (known[IS_MARKED].n > 0) {
        return go_on(c);
    }
    struct asking q = {c, known};
    struct frame *f =
        span_open_entry(c->thread, c->method, SPAN_SERVER, has_headers(known) ? header : NULL, &q);
    if (f != NULL) {
        describe(c, f, known);
    }
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

// Servlet 3, or 4 over a container of 3: a path with a rest behind the servlet's own part shows
// which part that is.
static struct str path_pattern(JNIEnv *env, jobject request, char *out, size_t room)
{
    char info[8];
    jobject path = java_object(env, &get_servlet, request);
    bool has_rest = java_text(env, &get_path_info, request, info, sizeof info).n > 0;
    if (!has_rest && !is_mapped(env, request, path)) {
        return STR_NONE;
    }
    struct str p = java_string(env, path, out, room);
    if (has_rest && p.n > 0 && p.n + 2 < room) {
        memcpy(out + p.n, "/*", 2);
        p.n += 2;
    }
    return p;
}

// What the container's mapping says of a plain servlet, behind the context path: "/cart", "/api/*",
// "*.jsp". Empty for the default servlet, which takes any path.
static struct str servlet_route(JNIEnv *env, jobject request, const struct str *known, char *out,
                                size_t room)
{
    char pattern[256];
    struct str c = known[CONTEXT], p = known[PATTERN];
    p = p.n > 0 ? p : path_pattern(env, request, pattern, sizeof pattern);
    bool is_suffix = p.n > 0 && p.p[0] == '*';
    if (p.n == 0 || str_eq(p, STR("/")) || str_eq(p, STR("/*")) || c.n + is_suffix + p.n > room) {
        return STR_NONE;
    }
    if (c.n > 0) {
        memcpy(out, c.p, c.n);
    }
    out[c.n] = '/';
    memcpy(out + c.n + is_suffix, p.p, p.n);
    return (struct str){out, c.n + is_suffix + p.n};
}

// The route, which may be the framework's, and is known once the request has been dispatched.
static void route(JNIEnv *env, struct frame *f, jobject request, const struct str *known)
{
    char text[TEXT_VALUE_MAX];
    struct str r = known[SPRING];
    r = r.n > 0 ? r : servlet_route(env, request, known, text, sizeof text);
    if (r.n > 0 && known[LAST_METHOD].n > 0) {
        http_span_route(f, known[LAST_METHOD], r);
    }
}

static void conclude(struct frame *f, int status, bool threw)
{
    ASSERT(f->is_span);
    http_span_status(f, threw && status < 400 ? 500 : status);
}

static void conclude_pending(uint64_t handle, int status, bool threw)
{
    struct frame *f = pending_take(handle);
    if (f != NULL) {
        conclude(f, status, threw);
        pending_end(f);
    }
}

static void set_handle(JNIEnv *env, jobject request, uint64_t handle)
{
    char text[32];
    snprintf(text, sizeof text, "%llx", (unsigned long long)handle);
    set(env, request, &HANDLE, (*env)->NewStringUTF(env, text));
    (void)java_clear(env);
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number_given)
{
    char text[READER_ROOM(AT_LAST)];
    struct str known[AT_LAST] = {{NULL, 0}};
    JNIEnv *env = c->env;
    jobject request = c->a;
    uint64_t handle = f->note;
    (void)number_given;
    ASSERT(f->is_span || handle != 0);
    (void)reader_take(env, c->method->last, result, request, c->b, text, sizeof text, known);
    bool waits = str_eq(known[IS_ASYNC], STR("true"));
    int status = number(known[STATUS]);
    if (f->is_span) {
        route(env, f, request, known);
    }
    if (!waits && f->is_span) {
        conclude(f, status, c->thrown != NULL);
    } else if (!waits) {
        conclude_pending(handle, status, c->thrown != NULL);
    } else if (f->is_span) {
        handle = pending_put(c->thread);
        set_handle(env, request, handle);
        if (attribute(env, request, &DONE) != NULL) {
            conclude_pending(handle, status, false);
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
        char text[32];
        jobject handle = attribute(c->env, request, &HANDLE);
        struct str h = java_to_text(c->env, handle, text, sizeof text);
        conclude_pending(handle_of(h), java_int(c->env, &get_status, response, 0), false);
    }
}

#define SERVLET_METHODS(package, which)                                                            \
    {.class_name = package "/Filter",                                                              \
     .is_interface = true,                                                                         \
     .name = "doFilter",                                                                           \
     .descriptor =                                                                                 \
         "(L" package "/ServletRequest;L" package "/ServletResponse;L" package "/FilterChain;)V",  \
     .probe = {.kind = PROBE_SPAN, .objects = {1, 2}, .is_read = true},                            \
     .first = &first_of[which],                                                                    \
     .last = &last_of[which],                                                                      \
     .enter = enter,                                                                               \
     .exit = leave,                                                                                \
     .is_light = true,                                                                             \
     .ends = true},                                                                                \
        {.class_name = package "/Servlet",                                                         \
         .is_interface = true,                                                                     \
         .name = "service",                                                                        \
         .descriptor = "(L" package "/ServletRequest;L" package "/ServletResponse;)V",             \
         .probe = {.kind = PROBE_SPAN, .objects = {1, 2}, .is_read = true},                        \
         .first = &first_of[which],                                                                \
         .last = &last_of[which],                                                                  \
         .enter = enter,                                                                           \
         .exit = leave,                                                                            \
         .is_light = true,                                                                         \
         .ends = true},                                                                            \
    {                                                                                              \
        .class_name = package "/AsyncContext", .is_interface = true, .name = "complete",           \
        .descriptor = "()V", .probe = {.kind = PROBE_ENTER}, .note = complete, .ends = true        \
    }

static struct plugin_method methods[] = {
    SERVLET_METHODS("javax/servlet", 0),
    SERVLET_METHODS("jakarta/servlet", 1),
};

struct plugin plugin_servlet = {"servlet", methods, sizeof methods / sizeof *methods};
