// SPDX-License-Identifier: Apache-2.0
// Purpose: gRPC-Java, whatever it sends by: netty, its shaded twin, OkHttp, or within the process.
//
// A client's span lasts from ClientCall.start() until the listener is told the end. From its begin
// on it waits in pending.h, so that an end on another thread finds it; the call object is tagged
// with its handle. Callbacks run in the context of the caller, as those of futures do.
//
//   start ---> pending, the call tagged ---closeObserver---> written; onClose() in the caller's
//                     |
//                     +--- headers, messages, ready: in the caller's context
//
// The first calls of a channel wait for its name to be resolved (DelayedClientCall): their span
// begins there, and the Metadata, which takes the context along, hands its handle on to the real
// call. A call that is cancelled, or whose deadline comes, while it waits, ends there too. Its
// listener keeps the caller's context for what it is told late.
//
// A server's span lasts from the request's head until the handler closes the call or the transport
// gives it up. The Metadata is tagged for startWrappedCall(), the stream for its end, and the
// call's listener keeps the span's context until it has been told the end: it is in force in all
// callbacks, which run on any thread of an executor.
#include <string.h>
#include <strings.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/remote.h"
#include "agents/jvm/rpc_span.h"
#include "agents/jvm/shortfall.h"
#include "agents/jvm/tags.h"
#include "agents/jvm/tasks.h"
#include "core/must.h"

#define GRPC          "io/grpc/"
#define INTERNAL      GRPC "internal/"
#define LISTENER_TYPE "L" GRPC "ClientCall$Listener;"
#define START         "(" LISTENER_TYPE "L" GRPC "Metadata;)V"
#define KEY           "L" GRPC "Metadata$Key;"
#define MARSHALLER    "L" GRPC "Metadata$AsciiMarshaller;"

// ---- Metadata --------------------------------------------------------------------------------
//
// Its keys are objects that its own class loader must make, and would keep that alive if they were
// kept here. Its field needs none: it has names and values by turns. A value is bytes, or an object
// of the application's that becomes a stream when it is asked, perhaps but once: nobody asks it
// here, as serialize() would. A Metadata made of bytes is merged into another.
//
// In a version that has no such field Metadata is asked by keys, which are made each time; that is
// counted.

#define ENTRIES_MAX 64 // of one request that are looked at

struct carrier {
    JNIEnv *env;
    jobject headers;
    jobjectArray entries; // names and values; more than are in use
    bool is_closed;       // there are some, but not in the field: keys are needed
    unsigned n;
    jsize name_n[ENTRIES_MAX];
};

static void read_entries(struct carrier *c)
{
    static struct java_method count = {"headerCount", "()I", {NULL}};
    JNIEnv *env = c->env;
    jint n = java_int(env, &count, c->headers, 0);
    c->entries =
        n > 0 ? java_field(env, c->headers, "namesAndValues", "[Ljava/lang/Object;") : NULL;
    c->is_closed = n > 0 && c->entries == NULL;
    if (c->is_closed) {
        shortfall_count(SHORTFALL_GRPC_METADATA);
    }
    jsize room = c->entries != NULL ? (*env)->GetArrayLength(env, c->entries) / 2 : 0;
    n = n < room ? n : room;
    c->n = n < ENTRIES_MAX ? (unsigned)n : ENTRIES_MAX;
    for (unsigned i = 0; i < c->n; i++) {
        jobject name = (*env)->GetObjectArrayElement(env, c->entries, 2 * (jsize)i);
        c->name_n[i] = name != NULL ? (*env)->GetArrayLength(env, name) : 0;
        (*env)->DeleteLocalRef(env, name);
    }
}

// Names are in lower case there.
static bool is_named(struct carrier *c, unsigned i, const char *name, size_t n)
{
    char text[32];
    ASSERT(i < c->n);
    if ((size_t)c->name_n[i] != n || n > sizeof text) {
        return false;
    }
    jbyteArray bytes = (*c->env)->GetObjectArrayElement(c->env, c->entries, 2 * (jsize)i);
    struct str got = java_bytes(c->env, bytes, text, sizeof text);
    (*c->env)->DeleteLocalRef(c->env, bytes);
    return got.n == n && strncasecmp(text, name, n) == 0;
}

// The bytes; NULL when it is something else.
static jbyteArray value_of(struct carrier *c, unsigned i)
{
    static struct java_class bytes = {"[B", NULL};
    ASSERT(i < c->n);
    jobject value = (*c->env)->GetObjectArrayElement(c->env, c->entries, 2 * (jsize)i + 1);
    if (!java_is(c->env, &bytes, value)) {
        (*c->env)->DeleteLocalRef(c->env, value);
        return NULL;
    }
    return value;
}

// ---- By keys -------------------------------------------------------------------------------

// Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), by the loader of this Metadata; NULL
// when that cannot be had.
static jobject make_key(JNIEnv *env, jobject headers, const char *name)
{
    static struct java_method get_loader = {"getClassLoader", "()Ljava/lang/ClassLoader;", {NULL}};
    static struct java_method load = {"loadClass", "(Ljava/lang/String;)Ljava/lang/Class;", {NULL}};
    jclass class = (*env)->GetObjectClass(env, headers);
    jobject loader = java_object(env, &get_loader, class);
    jstring wanted = (*env)->NewStringUTF(env, "io.grpc.Metadata$Key");
    jclass key_class = wanted != NULL ? java_object_of(env, &load, loader, wanted) : NULL;
    jstring text = key_class != NULL ? (*env)->NewStringUTF(env, name) : NULL;
    jfieldID field =
        text != NULL ? (*env)->GetStaticFieldID(env, class, "ASCII_STRING_MARSHALLER", MARSHALLER)
                     : NULL;
    jmethodID of = field != NULL
                       ? (*env)->GetStaticMethodID(env, key_class, "of",
                                                   "(Ljava/lang/String;" MARSHALLER ")" KEY)
                       : NULL;
    jobject key = NULL;
    if (of != NULL) {
        jobject marshaller = (*env)->GetStaticObjectField(env, class, field);
        key = (*env)->CallStaticObjectMethod(env, key_class, of, text, marshaller);
    }
    return java_clear(env) ? NULL : key;
}

static struct str header_by_key(struct carrier *c, const char *name, char *out, size_t room)
{
    static struct java_method get_all = {"getAll", "(" KEY ")Ljava/lang/Iterable;", {NULL}};
    static struct java_method get_iterator = {"iterator", "()Ljava/util/Iterator;", {NULL}};
    static struct java_method has_next = {"hasNext", "()Z", {NULL}};
    static struct java_method next = {"next", "()Ljava/lang/Object;", {NULL}};
    struct java_joining j = {.out = out, .room = room};
    JNIEnv *env = c->env;
    ASSERT(c->is_closed && c->n == 0);
    if ((*env)->PushLocalFrame(env, 16) != 0) {
        (void)java_clear(env);
        return STR_NONE;
    }
    jobject key = make_key(env, c->headers, name);
    jobject values = key != NULL ? java_object_of(env, &get_all, c->headers, key) : NULL;
    jobject at = java_object(env, &get_iterator, values);
    while (java_bool(env, &has_next, at) && java_join(env, &j, java_object(env, &next, at))) {
    }
    (void)(*env)->PopLocalFrame(env, NULL);
    return (struct str){out, j.n};
}

// Takes away what an application has put there itself, without looking at it. That is rare.
static void take_away(JNIEnv *env, jobject headers, const char *name)
{
    static struct java_method discard_all = {"discardAll", "(" KEY ")V", {NULL}};
    jobject key = make_key(env, headers, name);
    jmethodID id = key != NULL ? java_find(env, &discard_all, headers) : NULL;
    if (id != NULL) {
        (*env)->CallVoidMethod(env, headers, id, key);
    }
    (void)java_clear(env);
}

// ---- Reading and writing ---------------------------------------------------------------------

static struct str header(void *ctx, const char *name, char *out, size_t room)
{
    struct carrier *c = ctx;
    JNIEnv *env = c->env;
    size_t n = 0, name_n = strlen(name);
    if (c->is_closed) {
        return header_by_key(c, name, out, room);
    }
    for (unsigned i = 0; i < c->n; i++) {
        if (!is_named(c, i, name, name_n)) {
            continue;
        }
        size_t comma = n > 0;
        jbyteArray bytes = value_of(c, i);
        jsize value_n = bytes != NULL ? (*env)->GetArrayLength(env, bytes) : 0;
        if ((size_t)value_n + comma > room - n) {
            (*env)->DeleteLocalRef(env, bytes);
            return STR_NONE;
        }
        if (comma != 0) {
            out[n++] = ',';
        }
        n += java_bytes(env, bytes, out + n, room - n).n;
        (*env)->DeleteLocalRef(env, bytes);
    }
    return (struct str){out, n};
}

static jbyteArray bytes_of(JNIEnv *env, const char *text)
{
    jsize n = (jsize)strlen(text);
    jbyteArray bytes = (*env)->NewByteArray(env, n);
    if (bytes != NULL) {
        (*env)->SetByteArrayRegion(env, bytes, 0, n, (const jbyte *)text);
    }
    return bytes;
}

static void put_entry(struct carrier *to, const char *name, const char *value)
{
    static struct java_method make = {"<init>", "([[B)V", {NULL}};
    static struct java_method merge = {"merge", "(L" GRPC "Metadata;)V", {NULL}};
    JNIEnv *env = to->env;
    jmethodID make_id = java_find(env, &make, to->headers);
    jmethodID merge_id = java_find(env, &merge, to->headers);
    jbyteArray n = make_id != NULL && merge_id != NULL ? bytes_of(env, name) : NULL;
    jbyteArray v = n != NULL ? bytes_of(env, value) : NULL;
    jobjectArray both =
        v != NULL ? (*env)->NewObjectArray(env, 2, (*env)->GetObjectClass(env, n), n) : NULL;
    if (both != NULL) {
        (*env)->SetObjectArrayElement(env, both, 1, v);
        jclass class = (*env)->GetObjectClass(env, to->headers);
        jobject made = (*env)->NewObject(env, class, make_id, both);
        if (made != NULL) {
            (*env)->CallVoidMethod(env, to->headers, merge_id, made);
        }
    }
    (void)java_clear(env);
}

static void put_header(void *ctx, const char *name, const char *value)
{
    struct carrier *to = ctx;
    if ((*to->env)->PushLocalFrame(to->env, 16) != 0) {
        (void)java_clear(to->env);
        return;
    }
    bool may_be_there = to->is_closed;
    for (unsigned i = 0; i < to->n && !may_be_there; i++) {
        may_be_there = is_named(to, i, name, strlen(name));
    }
    if (may_be_there) {
        take_away(to->env, to->headers, name);
    }
    put_entry(to, name, value);
    (void)(*to->env)->PopLocalFrame(to->env, NULL);
}

static void inject(JNIEnv *env, const struct frame *f, jobject headers)
{
    struct carrier to = {.env = env, .headers = headers};
    read_entries(&to);
    context_inject(&f->context, put_header, &to);
}

// ---- How it ended ----------------------------------------------------------------------------

enum { CODE_OK = 0, CODE_UNKNOWN = 2, CODE_UNIMPLEMENTED = 12 };

static const char *const CODES[] = {
    [0] = "OK",
    [1] = "CANCELLED",
    [2] = "UNKNOWN",
    [3] = "INVALID_ARGUMENT",
    [4] = "DEADLINE_EXCEEDED",
    [5] = "NOT_FOUND",
    [6] = "ALREADY_EXISTS",
    [7] = "PERMISSION_DENIED",
    [8] = "RESOURCE_EXHAUSTED",
    [9] = "FAILED_PRECONDITION",
    [10] = "ABORTED",
    [11] = "OUT_OF_RANGE",
    [12] = "UNIMPLEMENTED",
    [13] = "INTERNAL",
    [14] = "UNAVAILABLE",
    [15] = "DATA_LOSS",
    [16] = "UNAUTHENTICATED",
};

// A client's call fails with all but OK; by the conventions these are a server's fault: UNKNOWN,
// DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
static bool is_fault(const struct frame *f, jint code)
{
    const unsigned server_faults = 1U << 2 | 1U << 4 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 15;
    return f->kind == SPAN_SERVER ? (server_faults >> code & 1) != 0 : code != CODE_OK;
}

static void describe_fault(JNIEnv *env, struct frame *f, jobject status, jint code)
{
    static struct java_method get_cause = {"getCause", "()Ljava/lang/Throwable;", {NULL}};
    static struct java_method get_text = {"getDescription", "()Ljava/lang/String;", {NULL}};
    char text[TEXT_VALUE_MAX + 4];
    ASSERT(code > CODE_OK && (size_t)code < sizeof CODES / sizeof *CODES);
    jthrowable cause = java_object(env, &get_cause, status);
    struct str message = java_text(env, &get_text, status, text, sizeof text);
    f->is_error = true;
    if (cause != NULL) {
        bridge_exception(env, f, cause);
    }
    if (message.n > 0) {
        span_text(f, "error.message", message);
    }
    span_text(f, "error.type", str_of(CODES[code]));
    // Whoever calls chooses the name of a method that is not there: there may be any number of
    // them, and they must not fill the tables of names.
    if (f->kind == SPAN_SERVER && code == CODE_UNIMPLEMENTED &&
        str_starts(message, STR("Method not found: "))) {
        span_name(f, STR("grpc"));
    }
}

static void describe_end(JNIEnv *env, struct frame *f, jobject status)
{
    static struct java_method get_code = {"getCode", "()L" GRPC "Status$Code;", {NULL}};
    static struct java_method get_value = {"value", "()I", {NULL}};
    jint code = java_int(env, &get_value, java_object(env, &get_code, status), CODE_UNKNOWN);
    if (code < 0 || (size_t)code >= sizeof CODES / sizeof *CODES) {
        code = CODE_UNKNOWN;
    }
    span_int(f, "rpc.grpc.status_code", code);
    if (is_fault(f, code)) {
        describe_fault(env, f, status, code);
    }
}

// Ends the span that this object is tagged with, if it waits still.
static bool conclude(JNIEnv *env, jobject tagged, jobject status, struct context *ret_outer)
{
    uint64_t handle;
    struct frame *f = tag_get(tagged, TAG_CALL, &handle) ? pending_take(handle) : NULL;
    if (f == NULL) {
        return false;
    }
    tag_clear(tagged, TAG_CALL);
    describe_end(env, f, status);
    if (ret_outer != NULL) {
        *ret_outer = frame_outer(f);
    }
    pending_end(f);
    return true;
}

// ---- Client ----------------------------------------------------------------------------------

static struct java_method get_authority = {"authority", "()Ljava/lang/String;", {NULL}};

// What its method is called, and where its channel leads to.
static void describe_call(JNIEnv *env, struct frame *f, jobject call, jobject channel)
{
    static struct java_method get_name = {"getFullMethodName", "()Ljava/lang/String;", {NULL}};
    char text[TEXT_VALUE_MAX];
    jobject method = java_field(env, call, "method", "L" GRPC "MethodDescriptor;");
    rpc_span_describe(f, "grpc", java_text(env, &get_name, method, text, sizeof text));
    if (span_is_kept(f)) {
        rpc_span_server(f, java_text(env, &get_authority, channel, text, sizeof text));
    }
}

static jobject channel_of(JNIEnv *env, jobject call)
{
    jobject provider = java_field(env, call, "clientStreamProvider",
                                  "L" INTERNAL "ClientCallImpl$ClientStreamProvider;");
    return java_field(env, provider, "this$0", "L" INTERNAL "ManagedChannelImpl;");
}

// Has the span of a call wait, and tags what its end is found by. `note` of the frame that is left
// on the stack, with the span's context in force, is its handle.
static struct frame *let_wait(struct call *c, struct frame *f, jobject tagged, jobject other)
{
    struct context in_force = context_copy(&f->context);
    ASSERT(f == frame_top(c->thread));
    uint64_t handle = pending_put(c->thread);
    if (handle != 0) {
        tag_set(tagged, TAG_CALL, handle);
        tag_set(other, TAG_CALL, handle);
    }
    struct frame *left = frame_open_in(c->thread, c->method, in_force);
    if (left != NULL) {
        left->note = handle;
    }
    return left;
}

static struct frame *enter_start(struct call *c)
{
    uint64_t handle;
    struct context in_force;
    if (tag_get(c->a, TAG_CALL, &handle) && pending_context(handle, &in_force)) {
        tag_clear(c->a, TAG_CALL); // its span has begun while the channel's name was resolved
        tag_set(c->self, TAG_CALL, handle);
        return frame_open_in(c->thread, c->method, in_force);
    }
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f == NULL) {
        return NULL;
    }
    describe_call(c->env, f, c->self, span_is_kept(f) ? channel_of(c->env, c->self) : NULL);
    inject(c->env, f, c->a);
    return let_wait(c, f, c->self, NULL);
}

static struct frame *enter_delayed(struct call *c)
{
    JNIEnv *env = c->env;
    struct context outer = context_copy(&c->thread->current);
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        describe_call(
            env, f, c->self,
            java_field(env, c->self, "this$1", "L" INTERNAL "ManagedChannelImpl$RealChannel;"));
        inject(env, f, c->a);
        task_put(c->b, &outer);
        f = let_wait(c, f, c->a, c->self);
    }
    context_drop(&outer);
    return f;
}

// Only what was thrown matters: the call has not begun.
static void leave_start(struct call *c, struct frame *f, jobject result, jlong number)
{
    struct frame *span = c->thrown != NULL ? pending_take(f->note) : NULL;
    (void)result, (void)number;
    if (span != NULL) {
        bridge_exception(c->env, span, c->thrown);
        pending_end(span);
    }
}

static struct frame *enter_close(struct call *c)
{
    struct context outer = {0};
    return conclude(c->env, c->self, c->a, &outer) ? frame_open_in(c->thread, c->method, outer)
                                                   : NULL;
}

// cancel(Status, boolean) of a call that waits for its channel.
static void on_cancel_delayed(struct call *c)
{
    if (java_field(c->env, c->self, "realCall", "L" GRPC "ClientCall;") == NULL) {
        (void)conclude(c->env, c->self, c->a, NULL);
    }
}

// What a call that had to wait for its channel tells its listener, which has kept the context.
static struct frame *tell(struct call *c, jobject listener)
{
    struct context outer = {0};
    (void)task_take(listener, &outer);
    return frame_open_in(c->thread, c->method, outer);
}

static struct frame *enter_delayed_close(struct call *c)
{
    return tell(c, java_field(c->env, c->self, "listener", LISTENER_TYPE));
}

static struct frame *enter_delayed_callbacks(struct call *c)
{
    jobject listener = java_field(c->env, c->self, "val$listener",
                                  "L" INTERNAL "DelayedClientCall$DelayedListener;");
    return tell(c, java_field(c->env, listener, "realListener", LISTENER_TYPE));
}

static struct frame *enter_callback(struct call *c)
{
    static const char listener_type[] = "L" INTERNAL "ClientCallImpl$ClientStreamListenerImpl;";
    uint64_t handle;
    struct context outer;
    jobject listener = java_field(c->env, c->self, "this$1", listener_type);
    jobject call = java_field(c->env, listener, "this$0", "L" INTERNAL "ClientCallImpl;");
    bool found = tag_get(call, TAG_CALL, &handle) && pending_outer(handle, &outer);
    return found ? frame_open_in(c->thread, c->method, outer) : NULL;
}

// ---- Server ----------------------------------------------------------------------------------

static void on_stream(struct call *c)
{
    static struct java_method get_stream_authority = {
        "getAuthority", "()Ljava/lang/String;", {NULL}};
    char name[TEXT_VALUE_MAX + 1], text[TEXT_VALUE_MAX];
    JNIEnv *env = c->env;
    struct carrier from = {.env = env, .headers = c->c};
    read_entries(&from);
    struct frame *f = span_open_entry(c->thread, c->method, SPAN_SERVER, header, &from);
    if (f == NULL) {
        return;
    }
    name[0] = '/';
    struct str full = java_string(env, c->b, name + 1, sizeof name - 1);
    span_entry(c->thread, f, STR("POST"), (struct str){name, 1 + full.n}); // as it is in HTTP
    rpc_span_describe(f, "grpc", full);
    if (span_is_kept(f)) {
        rpc_span_server(f, java_text(env, &get_stream_authority, c->a, text, sizeof text));
    }
    uint64_t handle = pending_put(c->thread);
    if (handle != 0) {
        tag_set(c->a, TAG_CALL, handle);
        tag_set(c->c, TAG_CALL, handle);
    }
}

// Interceptors, and the method itself when its requests are a stream.
static struct frame *enter_started(struct call *c)
{
    uint64_t handle;
    struct context in_force;
    if (!tag_get(c->a, TAG_CALL, &handle)) {
        return NULL;
    }
    tag_clear(c->a, TAG_CALL);
    return pending_context(handle, &in_force) ? frame_open_in(c->thread, c->method, in_force)
                                              : NULL;
}

static void on_listener(struct call *c)
{
    const struct frame *top = frame_top(c->thread);
    if (top != NULL && top->method->enter == enter_started) {
        task_put(c->self, &c->thread->current);
    }
}

static struct frame *enter_handler(struct call *c)
{
    struct context in_force;
    return task_peek(c->self, &in_force) ? frame_open_in(c->thread, c->method, in_force) : NULL;
}

static struct frame *enter_last_handler(struct call *c)
{
    struct context in_force;
    return task_take(c->self, &in_force) ? frame_open_in(c->thread, c->method, in_force) : NULL;
}

static void on_close(struct call *c)
{
    (void)conclude(c->env, c->self, c->a, NULL);
}

// The transport tells the end: OK when the handler has closed the call before.
static void on_closed(struct call *c)
{
    static struct java_method is_ok = {"isOk", "()Z", {NULL}};
    if (!java_bool(c->env, &is_ok, c->a)) {
        jobject stream = java_field(c->env, c->self, "stream", "L" INTERNAL "ServerStream;");
        (void)conclude(c->env, stream, c->a, NULL);
    }
}

// ---- The table -------------------------------------------------------------------------------

#define FRAME(of, method, of_type, enter_it, ...)                                                  \
    {                                                                                              \
        .class_name = of, .name = method, .descriptor = of_type,                                   \
        .probe = {.kind = PROBE_SPAN, __VA_ARGS__}, .enter = enter_it                              \
    }

#define NOTE(of, method, of_type, of_kind, what, ...)                                              \
    {                                                                                              \
        .class_name = of, .name = method, .descriptor = of_type,                                   \
        .probe = {.kind = of_kind, __VA_ARGS__}, .note = what                                      \
    }

// The same of a method with which a span ends.
#define END_FRAME(of, method, of_type, enter_it, ...)                                              \
    {                                                                                              \
        .class_name = of, .name = method, .descriptor = of_type,                                   \
        .probe = {.kind = PROBE_SPAN, __VA_ARGS__}, .enter = enter_it, .ends = true                \
    }

#define END_NOTE(of, method, of_type, what)                                                        \
    {                                                                                              \
        .class_name = of, .name = method, .descriptor = of_type,                                   \
        .probe = {.kind = PROBE_ENTER, .objects = {1}}, .note = what, .ends = true                 \
    }

#define LISTENER       INTERNAL "ClientCallImpl$ClientStreamListenerImpl"
#define TRANSPORT      INTERNAL "ServerImpl$ServerTransportListenerImpl"
#define SERVER_HANDLER INTERNAL "ServerCallImpl$ServerStreamListenerImpl"
#define CLOSE          "(L" GRPC "Status;L" GRPC "Metadata;)V"

static struct plugin_method methods[] = {
    {.class_name = INTERNAL "ClientCallImpl",
     .name = "start",
     .descriptor = START,
     .probe = {.kind = PROBE_SPAN, .objects = {2}},
     .enter = enter_start,
     .exit = leave_start},
    {.class_name = INTERNAL "DelayedClientCall",
     .name = "start",
     .descriptor = START,
     .probe = {.kind = PROBE_SPAN, .objects = {2, 1}},
     .enter = enter_delayed,
     .exit = leave_start},
    END_NOTE(INTERNAL "DelayedClientCall", "cancel", "(L" GRPC "Status;Z)V", on_cancel_delayed),
    FRAME(INTERNAL "DelayedClientCall$CloseListenerRunnable", "runInContext", "()V",
          enter_delayed_close),
    FRAME(INTERNAL "DelayedClientCall$1DrainListenerRunnable", "runInContext", "()V",
          enter_delayed_callbacks),
    END_FRAME(INTERNAL "ClientCallImpl", "closeObserver", NULL, enter_close, .objects = {2}),
    FRAME(LISTENER "$1HeadersRead", "runInContext", "()V", enter_callback),
    FRAME(LISTENER "$1MessagesAvailable", "runInContext", "()V", enter_callback),
    FRAME(LISTENER "$1StreamOnReady", "runInContext", "()V", enter_callback),
    NOTE(TRANSPORT, "streamCreated", NULL, PROBE_ENTER, on_stream, .objects = {1, 2, 3}),
    FRAME(TRANSPORT, "startWrappedCall",
          "(Ljava/lang/String;L" TRANSPORT "$ServerCallParameters;L" GRPC "Metadata;)L" INTERNAL
          "ServerStreamListener;",
          enter_started, .objects = {3}),
    FRAME(TRANSPORT, "startWrappedCall", // of 1.38, say
          "(Ljava/lang/String;L" GRPC "ServerMethodDefinition;L" INTERNAL "ServerStream;L" GRPC
          "Metadata;L" GRPC "Context$CancellableContext;Lio/perfmark/Tag;)L" INTERNAL
          "ServerStreamListener;",
          enter_started, .objects = {4}),
    NOTE(SERVER_HANDLER, "<init>", NULL, PROBE_LEAVE, on_listener),
    FRAME(SERVER_HANDLER, "messagesAvailable", NULL, enter_handler),
    FRAME(SERVER_HANDLER, "halfClosed", "()V", enter_handler),
    FRAME(SERVER_HANDLER, "onReady", "()V", enter_handler),
    FRAME(SERVER_HANDLER, "closed", NULL, enter_last_handler),
    END_NOTE(INTERNAL "AbstractServerStream", "close", CLOSE, on_close),
    END_NOTE(GRPC "inprocess/InProcessTransport$InProcessStream$InProcessServerStream", "close",
             CLOSE, on_close),
    END_NOTE(INTERNAL "ServerImpl$JumpToApplicationThreadServerStreamListener", "closed", NULL,
             on_closed),
};

struct plugin plugin_grpc = {"grpc", methods, sizeof methods / sizeof *methods};
