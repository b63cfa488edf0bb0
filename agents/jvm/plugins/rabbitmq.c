// SPDX-License-Identifier: Apache-2.0
// Purpose: RabbitMQ by its Java client. A message that is published is a producer span and takes
// the context along in its headers; one that is delivered to a consumer is a span that continues
// it, for as long as the consumer works on it.
//
// The properties that an application publishes with may be shared, and may be none: the command
// made from them gets a copy with the headers (on_command), and the application's stay as they are.
#include <stdio.h>

#include "agents/jvm/headers.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/remote.h"
#include "core/must.h"

#define CLIENT     "com/rabbitmq/client/"
#define HEADER     "L" CLIENT "impl/AMQContentHeader;"
#define PROPERTIES "L" CLIENT "AMQP$BasicProperties;"
#define MAP        "Ljava/util/Map;"

enum { NOT_SENT, IN_COMMAND }; // in a producer's frame: whether the context is in a command

static struct java_method get_headers = {"getHeaders", "()" MAP, {NULL}};

// ---- What both say ---------------------------------------------------------------------------

// "exchange:key", as the conventions name a destination. The names of queues that the server makes
// up are many: they are not shown as such.
static void describe(struct call *c, struct frame *f, const char *operation, jobject exchange,
                     jobject key)
{
    char e[128], k[128], destination[264], name[288];
    struct str x = java_string(c->env, exchange, e, sizeof e);
    struct str routing = java_string(c->env, key, k, sizeof k);
    bool temporary = str_starts(routing, STR("amq.gen-"));
    struct str shown = temporary ? STR("(temporary)") : routing;
    int n = snprintf(destination, sizeof destination, "%.*s%s%.*s", STR_FMT(x),
                     x.n > 0 && shown.n > 0 ? ":" : "", STR_FMT(shown));
    struct str d = {destination, (size_t)n};
    ASSERT(n >= 0 && (size_t)n < sizeof destination);
    n = snprintf(name, sizeof name, "%s %s", operation, destination);
    ASSERT(f->is_span && (size_t)n < sizeof name);
    span_name(f, (struct str){name, (size_t)n});
    if (span_is_kept(f)) {
        span_text(f, "messaging.system", STR("rabbitmq"));
        span_text(f, "messaging.operation.name", str_of(operation));
        span_text(f, "messaging.destination.name", d);
        if (temporary) {
            span_bool(f, "messaging.destination.temporary", true);
        }
        if (routing.n > 0) {
            span_text(f, "messaging.rabbitmq.destination.routing_key", routing);
        }
    }
}

static void describe_message(struct call *c, struct frame *f, jobject properties)
{
    static struct java_method get_id = {"getMessageId", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_other = {"getCorrelationId", "()Ljava/lang/String;", {NULL}};
    char id[256];
    struct str s = java_text(c->env, &get_id, properties, id, sizeof id);
    if (s.n > 0) {
        span_text(f, "messaging.message.id", s);
    }
    s = java_text(c->env, &get_other, properties, id, sizeof id);
    if (s.n > 0) {
        span_text(f, "messaging.message.conversation_id", s);
    }
}

// ---- Producer --------------------------------------------------------------------------------

static void describe_server(struct call *c, struct frame *f)
{
    static struct java_method get_connection = {
        "getConnection", "()L" CLIENT "Connection;", {NULL}};
    static struct java_method get_address = {"getAddress", "()Ljava/net/InetAddress;", {NULL}};
    static struct java_method get_host = {"getHostAddress", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_port = {"getPort", "()I", {NULL}};
    char host[64];
    jobject connection = java_object(c->env, &get_connection, c->self);
    jobject address = java_object(c->env, &get_address, connection);
    struct str h = java_text(c->env, &get_host, address, host, sizeof host);
    if (h.n > 0) {
        span_text(f, "server.address", h);
        span_int(f, "server.port", java_int(c->env, &get_port, connection, 0));
    }
}

static struct frame *enter_publish(struct call *c)
{
    struct frame *f = span_open(c->thread, c->method, SPAN_PRODUCER);
    if (f == NULL) {
        return NULL;
    }
    describe(c, f, "publish", c->a, c->b);
    span_text(f, "messaging.operation.type", STR("send"));
    if (span_is_kept(f)) {
        describe_server(c, f);
        describe_message(c, f, c->c);
    }
    f->note = NOT_SENT;
    return f;
}

struct target {
    JNIEnv *env;
    jobject map;
};

static void put_header(void *ctx, const char *name, const char *value)
{
    static struct java_method put = {
        "put", "(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
    struct target *t = ctx;
    JNIEnv *env = t->env;
    ASSERT(t->map != NULL);
    jmethodID id = java_find(env, &put, t->map);
    jstring key = (*env)->NewStringUTF(env, name);
    jstring text = key != NULL ? (*env)->NewStringUTF(env, value) : NULL;
    if (id != NULL && text != NULL) {
        (void)(*env)->CallObjectMethod(env, t->map, id, key, text);
    }
    (void)java_clear(env);
}

// A command was made; if it publishes, with a copy of the properties that has the context too.
static void on_command(struct call *c)
{
    static struct java_method clone = {"clone", "()Ljava/lang/Object;", {NULL}};
    JNIEnv *env = c->env;
    struct frame *f = span_current(c->thread);
    if (f == NULL || f->method->enter != enter_publish || f->note != NOT_SENT) {
        return;
    }
    jobject assembler = java_field(env, c->self, "assembler", "L" CLIENT "impl/CommandAssembler;");
    jobject properties = java_field(env, assembler, "contentHeader", HEADER);
    jobject copy = java_object(env, &clone, properties);
    // The field: an application's getHeaders() may throw.
    struct target t = {env, java_copied_map(env, java_field(env, properties, "headers", MAP))};
    if (copy != NULL && t.map != NULL) {
        context_inject(&f->context, put_header, &t);
        java_set_field(env, copy, "headers", MAP, t.map);
        java_set_field(env, assembler, "contentHeader", HEADER, copy);
        f->note = IN_COMMAND;
    }
}

// ---- Consumer --------------------------------------------------------------------------------

static struct str header(void *ctx, const char *name, char *out, size_t room)
{
    static struct java_method get = {"get", "(Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
    struct target *t = ctx;
    jstring key = t->map != NULL ? (*t->env)->NewStringUTF(t->env, name) : NULL;
    jobject value = key != NULL ? java_object_of(t->env, &get, t->map, key) : NULL;
    struct str text = java_to_text(t->env, value, out, room);
    (*t->env)->DeleteLocalRef(t->env, value);
    (*t->env)->DeleteLocalRef(t->env, key);
    return text;
}

static struct frame *enter_delivery(struct call *c)
{
    static struct java_method get_exchange = {"getExchange", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_key = {"getRoutingKey", "()Ljava/lang/String;", {NULL}};
    if (is_within(c)) {
        return NULL; // a consumer around another one
    }
    struct target t = {c->env, java_object(c->env, &get_headers, c->b)};
    struct frame *f = span_open_entry(c->thread, c->method, SPAN_CONSUMER, header, &t);
    if (f != NULL) {
        describe(c, f, "process", java_object(c->env, &get_exchange, c->a),
                 java_object(c->env, &get_key, c->a));
        span_text(f, "messaging.operation.type", STR("process"));
        if (span_is_kept(f)) {
            describe_message(c, f, c->b);
        }
    }
    return f;
}

static struct plugin_method methods[] = {
    {.class_name = CLIENT "impl/ChannelN",
     .name = "basicPublish",
     .descriptor = "(Ljava/lang/String;Ljava/lang/String;ZZ" PROPERTIES "[B)V",
     .probe = {.kind = PROBE_SPAN, .objects = {1, 2, 5}},
     .enter = enter_publish},
    {.class_name = CLIENT "impl/AMQCommand",
     .name = "<init>",
     .probe = {.kind = PROBE_LEAVE},
     .note = on_command},
    {.class_name = CLIENT "Consumer",
     .is_interface = true,
     .name = "handleDelivery",
     .descriptor = "(Ljava/lang/String;L" CLIENT "Envelope;" PROPERTIES "[B)V",
     .probe = {.kind = PROBE_SPAN, .objects = {2, 3}},
     .enter = enter_delivery},
};

struct plugin plugin_rabbitmq = {"rabbitmq", methods, sizeof methods / sizeof *methods};
