// SPDX-License-Identifier: Apache-2.0
// Purpose: Redis by Jedis 3 and later.
// - From version 4 on every command of every kind of client comes by Connection.executeCommand(),
//   which writes it and waits for the answer: the client span (but for Jedis.sendCommand() with a
//   command of the application's own, which is not followed).
// - Version 3 writes a command with Connection.sendCommand() and then waits in one of the methods
//   that read an answer of some type: that is the span. What was written last is remembered with
//   the connection (tags.h). What opens a connection, in the first sendCommand(), is no span.
// Commands of a pipeline or a transaction are only gathered; the span is the call that waits for
// all answers, sync() or exec(), as one batch.
#include <string.h>

#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/redis_span.h"
#include "agents/jvm/tags.h"
#include "core/must.h"

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

// Of a HostAndPort, or of a connection of version 3.
static void describe_place(JNIEnv *env, struct frame *f, jobject place)
{
    char host[256];
    struct str h = java_text(env, &get_host, place, host, sizeof host);
    jint port = java_int(env, &get_port, place, 0);
    if (h.n > 0) {
        span_text(f, "server.address", h);
    }
    if (port > 0) {
        span_int(f, "server.port", port);
    }
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(f->is_span);
    if (c->thrown != NULL) {
        redis_span_error(c->env, f, c->thrown);
    }
    redis_span_end(f);
}

// ---- Version 4 -------------------------------------------------------------------------------

static struct frame *enter_command(struct call *c)
{
    char text[REDIS_COMMAND_MAX];
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
    redis_span_command(f, redis_command_name(c->env, raw, text),
                       java_int(c->env, &get_size, arguments, 1) - 1);
    if (span_is_kept(f)) {
        describe_place(c->env, f, java_object(c->env, &get_place, c->self));
    }
    return f;
}

// ---- Version 3 -------------------------------------------------------------------------------

#define ARGUMENTS_BITS 16
#define ARGUMENTS_MAX  ((1 << ARGUMENTS_BITS) - 1)

// The number of the command's name, and how many arguments it has.
static struct frame *enter_send(struct call *c)
{
    char text[REDIS_COMMAND_MAX];
    struct frame *f = is_within(c) ? NULL : frame_open(c->thread, c->method, NULL);
    if (f != NULL) {
        struct str name = redis_command_name(c->env, java_object(c->env, &get_raw, c->a), text);
        jsize n = c->b != NULL ? (*c->env)->GetArrayLength(c->env, c->b) : 0;
        uint64_t id = redis_command_id(name);
        ASSERT(id <= REDIS_COMMANDS_MAX && n >= 0);
        f->note = id << ARGUMENTS_BITS | (uint64_t)(n < ARGUMENTS_MAX ? n : ARGUMENTS_MAX);
        f->globals[0] = (*c->env)->NewGlobalRef(c->env, c->self);
    }
    return f;
}

// Only now: what has opened the connection meanwhile was sent by it too.
static void leave_send(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(!f->is_span);
    if (c->thrown == NULL && f->globals[0] != NULL) {
        tag_set(f->globals[0], TAG_CALL, f->note);
    }
}

static struct frame *enter_batch(struct call *c);

// Whether the answer is read by a call of the plug-in's own that is open.
static bool is_part(const struct thread_state *t)
{
    const struct frame *f = frame_top(t);
    return f != NULL && (f->method->enter == enter_command || f->method->enter == enter_send ||
                         f->method->enter == enter_batch);
}

static struct frame *enter_answer(struct call *c)
{
    uint64_t what;
    if (is_within(c) || is_part(c->thread) || !tag_get(c->self, TAG_CALL, &what)) {
        return NULL;
    }
    tag_clear(c->self, TAG_CALL);
    struct str name = redis_command_get((uint32_t)(what >> ARGUMENTS_BITS));
    // Version 4 comes here as it opens a connection; of MULTI, the span is exec().
    if (java_find(c->env, &get_host, c->self) == NULL || str_eq(name, STR("MULTI"))) {
        return NULL;
    }
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f != NULL) {
        redis_span_command(f, name, (jint)(what & ARGUMENTS_MAX));
        if (span_is_kept(f)) {
            describe_place(c->env, f, c->self);
        }
    }
    return f;
}

// ---- Batches ---------------------------------------------------------------------------------

static void describe_connection(struct call *c, struct frame *f)
{
    jobject connection = java_field(c->env, c->self, "connection", "L" CONNECTION ";");
    describe_place(c->env, f,
                   connection != NULL
                       ? java_object(c->env, &get_place, connection)
                       : java_field(c->env, c->self, "client", "Lredis/clients/jedis/Client;"));
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
        describe_connection(c, f);
    }
    return f;
}

// ---- The table -------------------------------------------------------------------------------

#define COMMAND(argument)                                                                          \
    {                                                                                              \
        .class_name = CONNECTION, .name = "executeCommand",                                        \
        .descriptor = "(Lredis/clients/jedis/" argument ";)Ljava/lang/Object;",                    \
        .probe = {.kind = PROBE_SPAN, .objects = {1}}, .enter = enter_command, .exit = leave       \
    }
#define ANSWER(method)                                                                             \
    {                                                                                              \
        .class_name = CONNECTION, .name = method, .probe = {.kind = PROBE_SPAN},                   \
        .enter = enter_answer, .exit = leave                                                       \
    }
#define BATCH(of, method)                                                                          \
    {                                                                                              \
        .class_name = "redis/clients/jedis/" of, .name = method, .probe = {.kind = PROBE_SPAN},    \
        .enter = enter_batch, .exit = leave                                                        \
    }

static struct plugin_method methods[] = {
    COMMAND("CommandObject"),
    COMMAND("CommandArguments"),
    BATCH("Pipeline", "sync"),
    BATCH("Pipeline", "syncAndReturnAll"),
    BATCH("Transaction", "exec"),
    {.class_name = CONNECTION,
     .name = "sendCommand",
     .descriptor = "(Lredis/clients/jedis/commands/ProtocolCommand;[[B)V",
     .probe = {.kind = PROBE_SPAN, .objects = {1, 2}},
     .enter = enter_send,
     .exit = leave_send},
    ANSWER("getStatusCodeReply"),
    ANSWER("getBinaryBulkReply"),
    ANSWER("getIntegerReply"),
    ANSWER("getBinaryMultiBulkReply"),
    ANSWER("getRawObjectMultiBulkReply"),
    ANSWER("getObjectMultiBulkReply"),
    ANSWER("getIntegerMultiBulkReply"),
    ANSWER("getOne"),
};

struct plugin plugin_jedis = {"jedis", methods, sizeof methods / sizeof *methods};
