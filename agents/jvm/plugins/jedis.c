// SPDX-License-Identifier: Apache-2.0
// Purpose: Redis by Jedis 4 and later. Every command of every kind of client comes by
// Connection.executeCommand(), which writes it and waits for the answer: the client span. Commands
// of a pipeline or a transaction are only gathered; the span is the call that waits for all
// answers, sync() or exec(), as one batch.
//
// Keys and values are an application's data: a command's name is shown, and one mark an argument.
#include <string.h>

#include "agents/jvm/plugins/plugins.h"
#include "core/clock.h"

#define COMMAND_MAX 32 // of a name
#define MARKS_MAX   16 // arguments that are shown, as marks; more are dots
#define CONNECTION  "redis/clients/jedis/Connection"
#define RESPONSES   "pipelinedResponses" // Pipeline and Transaction both have the field

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
static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};

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

static void describe_text(struct frame *f, struct str name, jint arguments)
{
    char text[COMMAND_MAX + 2 * MARKS_MAX + 4];
    size_t n = name.n;
    memcpy(text, name.p, n);
    for (jint i = 0; i < arguments && i < MARKS_MAX; i++, n += 2) {
        memcpy(text + n, " ?", 2);
    }
    if (arguments > MARKS_MAX) {
        memcpy(text + n, " ...", 4);
        n += 4;
    }
    span_text(f, "db.query.text", (struct str){text, n});
}

// A command's name: letters, and what modules have between theirs (JSON.SET). What else an
// application has sent as one is not shown.
static struct str command_name(JNIEnv *env, jobject arguments, char *out, size_t room)
{
    jobject raw = java_object(env, &get_raw, java_object(env, &get_command, arguments));
    struct str s = java_bytes(env, raw, out, room);
    for (size_t i = 0; i < s.n; i++) {
        char c = out[i];
        out[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        if (!(out[i] >= 'A' && out[i] <= 'Z') && strchr("._-0123456789", c) == NULL) {
            return STR_NONE;
        }
    }
    return s;
}

static struct frame *enter_command(struct call *c)
{
    char command[COMMAND_MAX];
    if (is_within(c)) {
        return NULL;
    }
    struct frame *f = span_open(c->thread, c->method, SPAN_CLIENT);
    if (f == NULL) {
        return NULL;
    }
    jobject inner = java_object(c->env, &get_arguments, c->a); // a CommandObject's
    jobject arguments = inner != NULL ? inner : c->a;
    struct str name = command_name(c->env, arguments, command, sizeof command);
    span_name(f, name.n > 0 ? name : STR("redis"));
    if (span_is_kept(f)) {
        span_text(f, "db.system.name", STR("redis"));
        describe_server(c->env, f, c->self);
        if (name.n > 0) {
            span_text(f, "db.operation.name", name);
        }
    }
    if (span_has_details(f) && name.n > 0) {
        describe_text(f, name, java_int(c->env, &get_size, arguments, 1) - 1);
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

// Redis begins the text of an error with its kind: "WRONGTYPE Operation against ...".
static void describe_error(struct call *c, struct frame *f)
{
    char message[128];
    struct str kind, m = java_text(c->env, &get_message, c->thrown, message, sizeof message);
    (void)str_split(m, ' ', &kind);
    for (size_t i = 0; i < kind.n; i++) {
        if (kind.p[i] < 'A' || kind.p[i] > 'Z') {
            return; // of the client's own
        }
    }
    if (kind.n > 0) {
        span_text(f, "db.response.status_code", kind);
    }
}

static void leave(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    if (c->thrown != NULL) {
        describe_error(c, f);
    }
    if (clock_mono_ns() - f->start_mono_ns >= plugin_slow_ns()) {
        span_bool(f, "sonde.slow", true);
    }
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
