// SPDX-License-Identifier: Apache-2.0
// Purpose: the JDK's HttpURLConnection, with TLS and without. Headers can be set until it connects,
// and it connects in connect(), getOutputStream() or getInputStream(), whichever comes first: there
// the client span begins. It ends with getInputStream(), which reads the answer's head, or when one
// of them throws:
//
//     connect, getOutputStream ---> pending, the connection tagged ---getInputStream---> written
//
// A connection whose answer is never asked for is written by pending_sweep(). Later calls of
// getInputStream() return what is there and are nothing new.
#include "agents/jvm/effort.h"
#include "agents/jvm/http_span.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/tags.h"
#include "core/must.h"

static struct java_method get_method = {"getRequestMethod", "()Ljava/lang/String;", {NULL}};
static struct java_method get_url = {"getURL", "()Ljava/net/URL;", {NULL}};
static struct java_method get_code = {"getResponseCode", "()I", {NULL}};
static struct java_method set_property = {
    "setRequestProperty", "(Ljava/lang/String;Ljava/lang/String;)V", {NULL}};

static void describe(struct call *c, struct frame *f)
{
    char method[32], url[TEXT_VALUE_MAX];
    struct str m = java_text(c->env, &get_method, c->self, method, sizeof method);
    struct str u = STR_NONE;
    if (span_is_kept(f)) {
        u = java_text(c->env, &get_url, c->self, url, sizeof url);
    }
    http_span_call(f, m, u);
}

static bool is_answered(struct call *c)
{
    return java_field(c->env, c->self, "inputStream", "Ljava/io/InputStream;") != NULL ||
           java_field(c->env, c->self, "rememberedException", "Ljava/lang/Exception;") != NULL;
}

// The span that an earlier call began.
static struct frame *go_on(struct call *c, uint64_t handle)
{
    struct context in_force;
    if (!pending_context(handle, &in_force)) {
        return NULL;
    }
    struct frame *f = frame_open_in(c->thread, c->method, in_force);
    if (f != NULL) {
        f->note = handle;
    }
    return f;
}

static struct frame *begin(struct call *c)
{
    struct frame *f =
        effort_rests() || is_answered(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        describe(c, f);
        http_span_send(c->env, f, &set_property, c->self);
    }
    return f;
}

static struct frame *enter(struct call *c)
{
    uint64_t tag;
    if (is_within(c)) {
        return NULL; // they call one another, and HTTPS delegates
    }
    struct frame *f = tag_get(c->self, TAG_CALL, &tag) ? go_on(c, tag) : begin(c);
    if (f != NULL) {
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->self);
    }
    return f;
}

// After a failure the connection must not be asked: getResponseCode() would try the request again.
// What it has learned before stands in its field.
static jint code_of(JNIEnv *env, jobject connection, bool has_failed)
{
    if (!has_failed) {
        return java_int(env, &get_code, connection, 0);
    }
    jclass class = (*env)->GetObjectClass(env, connection);
    jfieldID field = (*env)->GetFieldID(env, class, "responseCode", "I");
    jint code = java_clear(env) ? 0 : (*env)->GetIntField(env, connection, field);
    (*env)->DeleteLocalRef(env, class);
    return code > 0 ? code : 0;
}

static void conclude(struct call *c, struct frame *f, jobject connection)
{
    http_span_end_call(c->env, f, code_of(c->env, connection, c->thrown != NULL), c->thrown);
}

static void end(struct call *c, struct frame *f, jobject result, jlong number)
{
    jobject connection = f->globals[0];
    (void)result, (void)number;
    ASSERT(f->is_span || f->note != 0);
    if (f->is_span) {
        conclude(c, f, connection);
        return;
    }
    struct frame *waiting = pending_take(f->note);
    tag_clear(connection, TAG_CALL);
    if (waiting != NULL) {
        conclude(c, waiting, connection);
        pending_end(waiting);
    }
}

static void leave_connected(struct call *c, struct frame *f, jobject result, jlong number)
{
    jobject connection = f->globals[0];
    ASSERT(f->is_span || f->note != 0);
    if (c->thrown != NULL) {
        end(c, f, result, number);
    } else if (f->is_span) {
        uint64_t handle = pending_put(c->thread);
        if (handle != 0) {
            tag_set(connection, TAG_CALL, handle);
        }
    }
}

#define METHOD(of, method, of_type, at_exit)                                                       \
    {                                                                                              \
        .class_name = "sun/net/www/protocol/" of, .name = method, .descriptor = of_type,           \
        .probe = {.kind = PROBE_SPAN}, .enter = enter, .exit = at_exit, .ends = true               \
    }

static struct plugin_method methods[] = {
    METHOD("http/HttpURLConnection", "connect", "()V", leave_connected),
    METHOD("https/AbstractDelegateHttpsURLConnection", "connect", "()V", leave_connected),
    METHOD("http/HttpURLConnection", "getOutputStream", "()Ljava/io/OutputStream;",
           leave_connected),
    METHOD("http/HttpURLConnection", "getInputStream", "()Ljava/io/InputStream;", end),
};

struct plugin plugin_http_url_connection = {"http-url-connection", methods,
                                            sizeof methods / sizeof *methods};
