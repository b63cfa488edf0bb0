// SPDX-License-Identifier: Apache-2.0
// Purpose: Redis by Lettuce 5 and 6.
// - Asynchronous and, on top of that, synchronous commands: the command that dispatch() gives back
//   is a future, and the client span lasts until it ends.
// - Reactive commands: the span begins when a subscription sends its command and ends when that is
//   complete, fails or is cancelled; the command is tagged with the span's handle before it is
//   sent. What is subscribed as the command completes continues the trace in which the command was
//   sent, on the thread that completes it.
#include "agents/jvm/bridge.h"
#include "agents/jvm/future.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/redis_span.h"
#include "agents/jvm/tags.h"
#include "core/must.h"

#define LETTUCE "io/lettuce/core/"

// A connection that is closed, or one to a cluster, does not tell its server: then it is not said.
static void describe_server(struct call *c, struct frame *f)
{
    static struct java_method get_writer = {
        "getChannelWriter", "()L" LETTUCE "RedisChannelWriter;", {NULL}};
    static struct java_method get_remote = {"remoteAddress", "()Ljava/net/SocketAddress;", {NULL}};
    static struct java_method get_host = {"getHostString", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_port = {"getPort", "()I", {NULL}};
    char host[256];
    JNIEnv *env = c->env;
    jobject connection =
        java_field(env, c->self, "connection", "L" LETTUCE "api/StatefulConnection;");
    jobject writer = java_object(env, &get_writer, connection);
    jobject channel = java_field(env, writer, "channel", "Lio/netty/channel/Channel;");
    jobject remote = java_object(env, &get_remote, channel);
    struct str h = java_text(env, &get_host, remote, host, sizeof host);
    if (h.n > 0) {
        span_text(f, "server.address", h);
        span_int(f, "server.port", java_int(env, &get_port, remote, 0));
    }
}

static void describe(struct call *c, struct frame *f, jobject command)
{
    static struct java_method get_type = {
        "getType", "()L" LETTUCE "protocol/ProtocolKeyword;", {NULL}};
    static struct java_method get_bytes = {"getBytes", "()[B", {NULL}};
    static struct java_method get_arguments = {
        "getArgs", "()L" LETTUCE "protocol/CommandArgs;", {NULL}};
    static struct java_method get_count = {"count", "()I", {NULL}};
    char text[REDIS_COMMAND_MAX];
    jobject raw = java_object(c->env, &get_bytes, java_object(c->env, &get_type, command));
    jobject arguments = java_object(c->env, &get_arguments, command);
    redis_span_command(f, redis_command_name(c->env, raw, text),
                       java_int(c->env, &get_count, arguments, 0));
    if (span_is_kept(f)) {
        describe_server(c, f);
    }
}

// ---- Asynchronous ----------------------------------------------------------------------------

static struct frame *enter(struct call *c)
{
    struct frame *f = is_within(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        describe(c, f, c->a);
    }
    return f;
}

static void ended(struct call *c, struct frame *f, jobject result)
{
    (void)result;
    if (c->thrown != NULL) {
        redis_span_error(c->env, f, c->thrown);
    }
    redis_span_end(f);
}

static void leave(struct call *c, struct frame *f, jobject future, jlong number)
{
    (void)number;
    ASSERT(f->is_span && f == frame_top(c->thread));
    if (c->thrown != NULL) {
        ended(c, f, NULL);
    } else {
        future_watch(c, future);
    }
}

// ---- Reactive --------------------------------------------------------------------------------

#define SUBSCRIPTION LETTUCE "RedisPublisher$RedisSubscription"
#define COMMAND      LETTUCE "RedisPublisher$SubscriptionCommand"

static jobject command_of(struct call *c)
{
    return java_field(c->env, c->self, "subscriptionCommand", "L" COMMAND ";");
}

// At the beginning of RedisSubscription.dispatchCommand().
static void on_dispatch(struct call *c)
{
    jobject command = command_of(c);
    struct frame *f = command != NULL ? span_open(c->thread, c->method, SPAN_CLIENT) : NULL;
    if (f != NULL) {
        describe(c, f, command);
        tag_set(command, TAG_CALL, pending_put(c->thread));
    }
}

// The command's span, if it has not ended.
static struct frame *take(jobject command)
{
    uint64_t handle;
    return command != NULL && tag_get(command, TAG_CALL, &handle) ? pending_take(handle) : NULL;
}

static void end(struct call *c, struct frame *f, jthrowable thrown)
{
    if (thrown != NULL) {
        bridge_exception(c->env, f, thrown);
        redis_span_error(c->env, f, thrown);
    }
    redis_span_end(f);
    pending_end(f);
}

// Whether it has failed: then onError() follows.
static bool has_error(struct call *c)
{
    static struct java_method get_output = {
        "getOutput", "()L" LETTUCE "output/CommandOutput;", {NULL}};
    static struct java_method has = {"hasError", "()Z", {NULL}};
    return java_bool(c->env, &has, java_object(c->env, &get_output, c->self));
}

// The context in which the span began is in force again while its end is told.
static struct frame *end_and_go_on(struct call *c, struct frame *f, jthrowable thrown)
{
    struct context outside = context_copy(&f->context);
    ASSERT(f->is_span);
    bool has_parent = !span_id_is_zero(f->parent);
    outside.span = f->parent;
    end(c, f, thrown);
    if (has_parent) {
        return frame_open_in(c->thread, c->method, outside);
    }
    context_drop(&outside);
    return NULL;
}

static struct frame *enter_complete(struct call *c)
{
    struct frame *f = has_error(c) ? NULL : take(c->self);
    return f != NULL ? end_and_go_on(c, f, NULL) : NULL;
}

static struct frame *enter_error(struct call *c)
{
    struct frame *f = take(c->self);
    return f != NULL ? end_and_go_on(c, f, c->a) : NULL;
}

static void on_cancel(struct call *c)
{
    struct frame *f = take(command_of(c));
    if (f != NULL) {
        end(c, f, NULL);
    }
}

// ---- The table -------------------------------------------------------------------------------

static struct plugin_method methods[] = {
    {.class_name = LETTUCE "AbstractRedisAsyncCommands",
     .name = "dispatch",
     .descriptor = "(L" LETTUCE "protocol/RedisCommand;)L" LETTUCE "protocol/AsyncCommand;",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter,
     .exit = leave,
     .ended = ended},
    {.class_name = SUBSCRIPTION,
     .name = "dispatchCommand",
     .probe = {.kind = PROBE_ENTER},
     .note = on_dispatch},
    {.class_name = SUBSCRIPTION,
     .name = "cancel",
     .probe = {.kind = PROBE_ENTER},
     .note = on_cancel,
     .ends = true},
    {.class_name = COMMAND,
     .name = "doOnComplete",
     .probe = {.kind = PROBE_SPAN},
     .enter = enter_complete,
     .ends = true},
    {.class_name = COMMAND,
     .name = "onError",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter_error,
     .ends = true},
};

struct plugin plugin_lettuce = {"lettuce", methods, sizeof methods / sizeof *methods};
