// SPDX-License-Identifier: Apache-2.0
// Purpose: Redis by Lettuce 5 and 6, asynchronous and, on top of that, synchronous commands. The
// command that dispatch() gives back is a future: the client span lasts until it ends. Reactive
// commands go another way and are not followed.
#include "agents/jvm/future.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/redis_span.h"

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

static struct frame *enter(struct call *c)
{
    static struct java_method get_type = {
        "getType", "()L" LETTUCE "protocol/ProtocolKeyword;", {NULL}};
    static struct java_method get_bytes = {"getBytes", "()[B", {NULL}};
    static struct java_method get_arguments = {
        "getArgs", "()L" LETTUCE "protocol/CommandArgs;", {NULL}};
    static struct java_method get_count = {"count", "()I", {NULL}};
    struct frame *f = is_within(c) ? NULL : span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        char text[REDIS_COMMAND_MAX];
        jobject raw = java_object(c->env, &get_bytes, java_object(c->env, &get_type, c->a));
        jobject arguments = java_object(c->env, &get_arguments, c->a);
        redis_span_command(f, redis_command_name(c->env, raw, text),
                           java_int(c->env, &get_count, arguments, 0));
        if (span_is_kept(f)) {
            describe_server(c, f);
        }
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
    if (c->thrown != NULL) {
        ended(c, f, NULL);
    } else {
        future_watch(c, future);
    }
}

static struct plugin_method methods[] = {
    {.class_name = LETTUCE "AbstractRedisAsyncCommands",
     .name = "dispatch",
     .descriptor = "(L" LETTUCE "protocol/RedisCommand;)L" LETTUCE "protocol/AsyncCommand;",
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter,
     .exit = leave,
     .ended = ended},
};

struct plugin plugin_lettuce = {"lettuce", methods, sizeof methods / sizeof *methods};
