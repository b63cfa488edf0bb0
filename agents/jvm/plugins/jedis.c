// SPDX-License-Identifier: Apache-2.0
// Purpose: Redis by Jedis 4 and later. Every command of every kind of client comes by
// Connection.executeCommand(), which writes it and waits for the answer: the client span (but for
// Jedis.sendCommand() with a command of the application's own, which is not followed). Commands
// of a pipeline or a transaction are only gathered; the span is the call that waits for all
// answers, sync() or exec(), as one batch.
#include <string.h>

#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/redis_span.h"

#define CONNECTION "redis/clients/jedis/Connection"
#define RESPONSES  "pipelinedResponses" // Pipeline and Transaction both have the field

static struct java_method get_arguments = {
    "getArguments", "()Lredis/clients/jedis/CommandArguments;", {NULL}};
static struct java_method get_command = {
    "getCommand", "()Lredis/clients/jedis/commands/ProtocolCommand;", {NULL}};
static struct java_method get_raw = {"getRaw", "()[B", {NULL}};
static struct java_method get_size = {"size", "()I", {NULL}};
static struct java_method get_place = {
    "getHostAndPort", "()Lredis/clients/jedis/HostAndPort;", {NULL}};
static struct java_method get_host = {"getHost", "()Ljava/lang/String;", {NULL}};
static struct java_method get_port = {"getPort", "()I", {NULL}};

static void describe_server(JNIEnv *env, struct frame *f, jobject connection)
{
    char host[256];
    jobject place = java_object(env, &get_place, connection);
    struct str h = java_text(env, &get_host, place, host, sizeof host);
    jint port = java_int(env, &get_port, place, 0);
    if (h.n > 0) {
        span_text(f, "server.address", h);
    }
    if (port > 0) {
        span_int(f, "server.port", port);
    }
}

static struct frame *enter_command(struct call *c)
{
    if (is_within(c)) {
        return NULL;
    }
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f == NULL) {
        return NULL;
    }
    jobject inner = java_object(c->env, &get_arguments, c->a); // a CommandObject's
    jobject arguments = inner != NULL ? inner : c->a;
    jobject raw = java_object(c->env, &get_raw, java_object(c->env, &get_command, arguments));
    redis_span_command(c->env, f, raw, java_int(c->env, &get_size, arguments, 1) - 1);
    if (span_is_kept(f)) {
        describe_server(c->env, f, c->self);
    }
    return f;
}

static struct frame *enter_batch(struct call *c)
{
    jobject responses = java_field(c->env, c->self, RESPONSES, "Ljava/util/Queue;");
    jint commands = java_int(c->env, &get_size, responses, 0);
    if (is_within(c) || commands == 0) {
        return NULL;
    }
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        struct str name = strcmp(c->method->name, "exec") == 0 ? STR("MULTI") : STR("PIPELINE");
        span_name(f, name);
        span_text(f, "db.system.name", STR("redis"));
        span_text(f, "db.operation.name", name);
        span_int(f, "db.operation.batch.size", commands);
        describe_server(c->env, f, java_field(c->env, c->self, "connection", "L" CONNECTION ";"));
    }
    return f;
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    if (c->thrown != NULL) {
        redis_span_error(c->env, f, c->thrown);
    }
    redis_span_end(f);
}

#define COMMAND(argument)                                                                          \
    {                                                                                              \
        .class_name = CONNECTION, .name = "executeCommand",                                        \
        .descriptor = "(Lredis/clients/jedis/" argument ";)Ljava/lang/Object;",                    \
        .probe = {.kind = PROBE_SPAN, .objects = {1}}, .enter = enter_command, .exit = leave       \
    }
#define BATCH(of, method)                                                                          \
    {                                                                                              \
        .class_name = "redis/clients/jedis/" of, .name = method, .probe = {.kind = PROBE_SPAN},    \
        .enter = enter_batch, .exit = leave                                                        \
    }

static struct plugin_method methods[] = {
    COMMAND("CommandObject"),     COMMAND("CommandArguments"),
    BATCH("Pipeline", "sync"),    BATCH("Pipeline", "syncAndReturnAll"),
    BATCH("Transaction", "exec"),
};

struct plugin plugin_jedis = {"jedis", methods, sizeof methods / sizeof *methods};
