// SPDX-License-Identifier: Apache-2.0
// Purpose: Kafka's Java client.
//
// A producer span lasts from send() until the broker has acknowledged the record, and takes its
// context along in the record's headers. The client makes a callback object for each record:
//
//     doSend ---AppendCallbacks made---> pending, the object tagged ---onCompletion---> written
//
// A record that is not even queued is a failed future (or an exception) of send() instead.
//
// A consumer gets records in batches and works on them one by one: the span of a record begins when
// a loop over the batch comes to it and ends when the loop goes on, or at the next poll() or
// close(). Its context is in force meanwhile, on a thread that is in no other probed call: within
// one, and for records that are not taken by such a loop (records(partition)), there is no span.
#include <stdio.h>
#include <string.h>

#include "agents/jvm/bridge.h"
#include "agents/jvm/effort.h"
#include "agents/jvm/headers.h"
#include "agents/jvm/pending.h"
#include "agents/jvm/plugins/plugins.h"
#include "agents/jvm/remote.h"
#include "agents/jvm/tags.h"
#include "core/must.h"

#define KAFKA    "org/apache/kafka/"
#define PRODUCER KAFKA "clients/producer/KafkaProducer"
#define SEND                                                                                       \
    "(L" KAFKA "clients/producer/ProducerRecord;L" KAFKA "clients/producer/Callback;)"             \
    "Ljava/util/concurrent/Future;"

static struct java_method get_topic = {"topic", "()Ljava/lang/String;", {NULL}};
static struct java_method get_headers = {"headers", "()L" KAFKA "common/header/Headers;", {NULL}};

// ---- What both say ---------------------------------------------------------------------------

static void describe(JNIEnv *env, struct frame *f, const char *operation, jobject record)
{
    char text[256], name[272];
    struct str topic = java_text(env, &get_topic, record, text, sizeof text);
    int n = snprintf(name, sizeof name, "%s %.*s", operation, STR_FMT(topic));
    ASSERT(f->is_span && n > 0 && (size_t)n < sizeof name);
    span_name(f, (struct str){name, (size_t)n});
    if (span_is_kept(f)) {
        span_text(f, "messaging.system", STR("kafka"));
        span_text(f, "messaging.operation.name", str_of(operation));
        span_text(f, "messaging.operation.type", str_of(operation));
        span_text(f, "messaging.destination.name", topic);
    }
}

// Of a record that is read, or of what the broker says of one that is written.
static void describe_place(JNIEnv *env, struct frame *f, jobject record)
{
    static struct java_method get_partition = {"partition", "()I", {NULL}};
    static struct java_method get_offset = {"offset", "()J", {NULL}};
    char text[16];
    jint partition = java_int(env, &get_partition, record, -1);
    jmethodID id = java_find(env, &get_offset, record);
    jlong offset = id != NULL ? (*env)->CallLongMethod(env, record, id) : -1;
    if (partition >= 0) {
        int n = snprintf(text, sizeof text, "%d", (int)partition);
        span_text(f, "messaging.destination.partition.id", (struct str){text, (size_t)n});
    }
    if (!java_clear(env) && offset >= 0) {
        span_int(f, "messaging.kafka.offset", offset);
    }
}

struct carrier {
    JNIEnv *env;
    jobject headers;
};

// ---- Producer --------------------------------------------------------------------------------

// Headers of a record that was sent before may be read-only: then they stay.
static void put_header(void *ctx, const char *name, const char *value)
{
    static struct java_method take_away = {
        "remove", "(Ljava/lang/String;)L" KAFKA "common/header/Headers;", {NULL}};
    static struct java_method add = {
        "add", "(Ljava/lang/String;[B)L" KAFKA "common/header/Headers;", {NULL}};
    struct carrier *to = ctx;
    JNIEnv *env = to->env;
    jsize n = (jsize)strlen(value);
    jmethodID id = java_find(env, &add, to->headers);
    jstring key = id != NULL ? (*env)->NewStringUTF(env, name) : NULL;
    jbyteArray bytes = key != NULL ? (*env)->NewByteArray(env, n) : NULL;
    if (bytes != NULL) {
        (*env)->SetByteArrayRegion(env, bytes, 0, n, (const jbyte *)value);
        (void)java_object_of(env, &take_away, to->headers, key);
        (void)(*env)->CallObjectMethod(env, to->headers, id, key, bytes);
    }
    (void)java_clear(env);
}

// send() itself: `note` is the handle of its span once that waits.
static struct frame *enter_send(struct call *c)
{
    return frame_open(c->thread, c->method, NULL);
}

// What send() sends in the end: interceptors may have made another record.
static struct frame *enter_do_send(struct call *c)
{
    struct frame *f = span_open(c->thread, c->method, SPAN_PRODUCER);
    if (f != NULL) {
        struct carrier to = {c->env, java_object(c->env, &get_headers, c->a)};
        describe(c->env, f, "send", c->a);
        context_inject(&f->context, put_header, &to);
    }
    return f;
}

static void on_callbacks(struct call *c)
{
    struct thread_state *t = c->thread;
    struct frame *send = t->depth > 1 ? t->frames[t->depth - 2] : NULL;
    if (send == NULL || send->method->enter != enter_send ||
        t->frames[t->depth - 1]->method->enter != enter_do_send) {
        return;
    }
    send->note = pending_put(t);
    if (send->note != 0) {
        tag_set(c->self, TAG_CALL, send->note);
    }
}

// Ends a span that waits, if it still does.
static void conclude(JNIEnv *env, uint64_t handle, jobject metadata, jthrowable failure)
{
    struct frame *f = pending_take(handle);
    if (f == NULL) {
        return;
    }
    if (failure != NULL) {
        bridge_exception(env, f, failure);
    } else if (span_is_kept(f)) {
        describe_place(env, f, metadata);
    }
    pending_end(f);
}

static void on_completion(struct call *c)
{
    uint64_t tag;
    if (tag_get(c->self, TAG_CALL, &tag)) {
        tag_clear(c->self, TAG_CALL);
        conclude(c->env, tag, c->a, c->b);
    }
}

static void on_failed_future(struct call *c)
{
    struct frame *send = frame_top(c->thread);
    if (send != NULL && send->method->enter == enter_send) {
        conclude(c->env, send->note, NULL, c->a);
    }
}

static void leave_send(struct call *c, struct frame *f, jobject result, jlong number)
{
    (void)result, (void)number;
    ASSERT(!f->is_span);
    if (c->thrown != NULL) {
        conclude(c->env, f->note, NULL, c->thrown);
    }
}

// ---- Consumer --------------------------------------------------------------------------------

static struct str header(void *ctx, const char *name, char *out, size_t room)
{
    static struct java_method get_last = {
        "lastHeader", "(Ljava/lang/String;)L" KAFKA "common/header/Header;", {NULL}};
    static struct java_method get_value = {"value", "()[B", {NULL}};
    struct carrier *from = ctx;
    JNIEnv *env = from->env;
    jstring key = (*env)->NewStringUTF(env, name);
    jobject last = key != NULL ? java_object_of(env, &get_last, from->headers, key) : NULL;
    jobject value = java_object(env, &get_value, last);
    struct str text = java_bytes(env, value, out, room);
    (*env)->DeleteLocalRef(env, value);
    (*env)->DeleteLocalRef(env, last);
    (*env)->DeleteLocalRef(env, key);
    return text;
}

static void on_end(struct call *c)
{
    struct thread_state *t = c->thread;
    if (t->message == 0 || t->depth > 0) {
        return;
    }
    struct frame *f = pending_take(t->message);
    if (f != NULL) {
        pending_end(f);
    }
    t->message = 0;
    context_replace(t, (struct context){0});
}

static void begin(struct call *c)
{
    struct carrier from = {c->env, java_object(c->env, &get_headers, c->a)};
    ASSERT(c->thread->depth == 0 && c->thread->message == 0);
    struct frame *f = span_open_entry(c->thread, c->method, SPAN_CONSUMER, header, &from);
    if (f == NULL) {
        return;
    }
    describe(c->env, f, "process", c->a);
    if (span_is_kept(f)) {
        describe_place(c->env, f, c->a);
    }
    struct context in_force = context_copy(&f->context);
    c->thread->message = pending_put(c->thread);
    if (c->thread->message != 0) {
        context_replace(c->thread, in_force);
    } else {
        context_drop(&in_force);
    }
}

// A loop comes to its next record, or to its end: null.
static void on_next(struct call *c)
{
    on_end(c);
    if (c->a != NULL && c->thread->depth == 0 && !effort_rests()) {
        begin(c);
    }
}

// ---- The table -------------------------------------------------------------------------------

#define NOTE(of, method, of_type, of_kind, what, ...)                                              \
    {                                                                                              \
        .class_name = of, .name = method, .descriptor = of_type, .probe = {.kind = of_kind},       \
        .note = what, __VA_ARGS__                                                                  \
    }

static struct plugin_method methods[] = {
    {.class_name = PRODUCER,
     .name = "send",
     .descriptor = SEND,
     .probe = {.kind = PROBE_SPAN},
     .enter = enter_send,
     .exit = leave_send},
    {.class_name = PRODUCER,
     .name = "doSend",
     .descriptor = SEND,
     .probe = {.kind = PROBE_SPAN, .objects = {1}},
     .enter = enter_do_send},
    NOTE(PRODUCER "$AppendCallbacks", "<init>", NULL, PROBE_LEAVE, on_callbacks),
    NOTE(PRODUCER "$AppendCallbacks", "onCompletion", NULL, PROBE_ENTER, on_completion,
         .probe.objects = {1, 2}, .ends = true),
    NOTE(PRODUCER "$FutureFailure", "<init>", NULL, PROBE_ENTER, on_failed_future,
         .probe.objects = {1}, .ends = true),
    NOTE(KAFKA "clients/consumer/ConsumerRecords$ConcatenatedIterable$1", "makeNext",
         "()L" KAFKA "clients/consumer/ConsumerRecord;", PROBE_LEAVE, on_next, .ends = true),
    NOTE(KAFKA "clients/consumer/KafkaConsumer", "poll", NULL, PROBE_ENTER, on_end, .ends = true),
    NOTE(KAFKA "clients/consumer/KafkaConsumer", "close", NULL, PROBE_ENTER, on_end, .ends = true),
};

struct plugin plugin_kafka = {"kafka", methods, sizeof methods / sizeof *methods};
