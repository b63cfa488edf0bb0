// SPDX-License-Identifier: Apache-2.0
// Purpose: the trace in an application's own logs, with Logback and with Log4j 2: what layouts find
// as %X{trace_id}, %X{span_id} and %X{baggage} in an event that is logged within a trace; and the
// events themselves as log records, where the options want them (log_records.h). What the
// application has put there under these names stays.
//
// Nothing is ever put on the thread: the event's own copy of the diagnostic context gets the
// values, so that nothing is left behind and an event that another thread writes has its own.
// - Logback's event copies the context when it is asked for it the first time: only what is shown
//   costs something.
// - Log4j's event is given its copy when it is made. It may be one that others share or that is
//   frozen; it is replaced by a new one of its kind.
#include "agents/jvm/bridge.h"
#include "agents/jvm/log_event.h"
#include "agents/jvm/plugins/plugins.h"
#include "core/must.h"

static struct java_constant TRACE_ID = {"trace_id", NULL};
static struct java_constant SPAN_ID = {"span_id", NULL};
static struct java_constant BAGGAGE = {"baggage", NULL};

// `how` puts a value into a map that has none under that key.
static void put(JNIEnv *env, jobject map,
                void (*how)(JNIEnv *env, jobject map, jstring key, jstring value),
                struct java_constant *name, struct str text)
{
    jstring key = java_constant(env, name);
    jstring value = key != NULL && text.n > 0 ? java_new_string(env, text) : NULL;
    if (value != NULL) {
        how(env, map, key, value);
        (*env)->DeleteLocalRef(env, value);
    }
}

static void put_context(struct call *c, jobject map,
                        void (*how)(JNIEnv *env, jobject map, jstring key, jstring value))
{
    const struct context *in_force = &c->thread->current;
    char trace[TRACE_ID_HEX + 1], span[SPAN_ID_HEX + 1];
    ASSERT(context_is_set(in_force));
    trace_id_hex(in_force->trace, trace);
    span_id_hex(in_force->span, span);
    put(c->env, map, how, &TRACE_ID, (struct str){trace, TRACE_ID_HEX});
    put(c->env, map, how, &SPAN_ID, (struct str){span, SPAN_ID_HEX});
    put(c->env, map, how, &BAGGAGE, context_baggage(in_force));
}

// ---- Logback ---------------------------------------------------------------------------------

static void put_in_map(JNIEnv *env, jobject map, jstring key, jstring value)
{
    static struct java_method put_if_absent = {
        "putIfAbsent", "(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;", {NULL}};
    jmethodID id = java_find(env, &put_if_absent, map);
    if (id != NULL) {
        (*env)->DeleteLocalRef(env, (*env)->CallObjectMethod(env, map, id, key, value));
    }
    (void)java_clear(env);
}

// At the beginning of getMDCPropertyMap(), which keeps what it finds in the field.
static void on_properties(struct call *c)
{
    static struct java_method get_properties = {"getMDCPropertyMap", "()Ljava/util/Map;", {NULL}};
    static const char field[] = "mdcPropertyMap", type[] = "Ljava/util/Map;";
    if (!context_is_set(&c->thread->current) || java_field(c->env, c->self, field, type) != NULL) {
        return;
    }
    // Never null, unless the application's own context has thrown.
    jobject own = java_object(c->env, &get_properties, c->self);
    jobject map = own != NULL ? java_copied_map(c->env, own) : NULL;
    if (map != NULL) {
        put_context(c, map, put_in_map);
        java_set_field(c->env, c->self, field, type, map);
    }
}

// Logback's levels are numbers from 5000 for TRACE to 40000 for ERROR.
static enum severity logback_severity(jint level)
{
    return level >= 40000   ? SEVERITY_ERROR
           : level >= 30000 ? SEVERITY_WARN
           : level >= 20000 ? SEVERITY_INFO
           : level >= 10000 ? SEVERITY_DEBUG
                            : SEVERITY_TRACE;
}

// At the beginning of callAppenders(event), once for an event that is to be written. The event
// keeps the text that is formatted here for whoever asks next: what arguments log or call
// meanwhile, they log and call but once.
static void on_append(struct call *c)
{
    static struct log_library logback = {
        .level = {"getLevel", "()Lch/qos/logback/classic/Level;", {NULL}},
        .number = {"toInt", "()I", {NULL}},
        .logger = {"getLoggerName", "()Ljava/lang/String;", {NULL}},
        .time = {"getTimeStamp", "()J", {NULL}},
        .severity_of = logback_severity,
    };
    static struct java_method get_message = {"getFormattedMessage", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_thread = {"getThreadName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_proxy = {
        "getThrowableProxy", "()Lch/qos/logback/classic/spi/IThrowableProxy;", {NULL}};
    static struct java_method get_thrown = {"getThrowable", "()Ljava/lang/Throwable;", {NULL}};
    struct log_event e;
    if (log_event_begin(c, &logback, c->a, &e)) {
        e.message = bridge_ask_outside(c, &get_message, c->a);
        e.thread = java_object(c->env, &get_thread, c->a);
        e.thrown = java_object(c->env, &get_thrown, java_object(c->env, &get_proxy, c->a));
        log_event_add(c, &e);
    }
}

static struct plugin_method logback_methods[] = {
    {.class_name = "ch/qos/logback/classic/Logger",
     .name = "callAppenders",
     .probe = {.kind = PROBE_ENTER, .objects = {1}},
     .is_wanted = log_records_are_wanted,
     .note = on_append},
    {.class_name = "ch/qos/logback/classic/spi/LoggingEvent",
     .name = "getMDCPropertyMap",
     .probe = {.kind = PROBE_ENTER},
     .note = on_properties},
};

struct plugin plugin_logback = {"logback", logback_methods,
                                sizeof logback_methods / sizeof *logback_methods};

// ---- Log4j 2 ---------------------------------------------------------------------------------

#define LOG4J      "org/apache/logging/log4j/"
#define STRING_MAP "L" LOG4J "util/StringMap;"

static void put_in_string_map(JNIEnv *env, jobject map, jstring key, jstring value)
{
    static struct java_method contains = {"containsKey", "(Ljava/lang/String;)Z", {NULL}};
    static struct java_method put_value = {
        "putValue", "(Ljava/lang/String;Ljava/lang/Object;)V", {NULL}};
    if (!java_bool_of(env, &contains, map, key)) {
        java_void_of(env, &put_value, map, key, value);
    }
}

// A new one of the same class with the same in it; NULL when its class has none that is empty.
static jobject copied_string_map(JNIEnv *env, jobject map)
{
    static struct java_method empty = {"<init>", "()V", {NULL}};
    static struct java_method put_all = {"putAll", "(L" LOG4J "util/ReadOnlyStringMap;)V", {NULL}};
    jmethodID make = java_find(env, &empty, map);
    jmethodID fill = make != NULL ? java_find(env, &put_all, map) : NULL;
    if (fill == NULL) {
        return NULL;
    }
    jobject copy = (*env)->NewObject(env, (*env)->GetObjectClass(env, map), make);
    if (copy != NULL) {
        (*env)->CallVoidMethod(env, copy, fill, map);
    }
    return java_clear(env) ? NULL : copy;
}

// When the event has its copy.
static void on_event(struct call *c)
{
    static const char field[] = "contextData";
    if (!context_is_set(&c->thread->current)) {
        return;
    }
    jobject map = java_field(c->env, c->self, field, STRING_MAP);
    jobject copy = map != NULL ? copied_string_map(c->env, map) : NULL;
    if (copy != NULL) {
        put_context(c, copy, put_in_string_map);
        java_set_field(c->env, c->self, field, STRING_MAP, copy);
    }
}

// Log4j's levels are numbers from 100 for FATAL to 600 for TRACE; an application may have others
// between them.
static enum severity log4j_severity(jint level)
{
    return level <= 100   ? SEVERITY_FATAL
           : level <= 200 ? SEVERITY_ERROR
           : level <= 300 ? SEVERITY_WARN
           : level <= 400 ? SEVERITY_INFO
           : level <= 500 ? SEVERITY_DEBUG
                          : SEVERITY_TRACE;
}

static void collect(struct call *c, jobject event)
{
    static struct log_library log4j = {
        .level = {"getLevel", "()L" LOG4J "Level;", {NULL}},
        .number = {"intLevel", "()I", {NULL}},
        .logger = {"getLoggerName", "()Ljava/lang/String;", {NULL}},
        .time = {"getTimeMillis", "()J", {NULL}},
        .severity_of = log4j_severity,
    };
    static struct java_method get_message = {"getMessage", "()L" LOG4J "message/Message;", {NULL}};
    static struct java_method get_text = {"getFormattedMessage", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_thread = {"getThreadName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_thrown = {"getThrown", "()Ljava/lang/Throwable;", {NULL}};
    struct log_event e;
    if (log_event_begin(c, &log4j, event, &e)) {
        e.message = bridge_ask_outside(c, &get_text, java_object(c->env, &get_message, event));
        e.thread = java_object(c->env, &get_thread, event);
        e.thrown = java_object(c->env, &get_thrown, event);
        log_event_add(c, &e);
    }
}

// One that is used again and again, by its thread or in a ring: it is filled once for each event.
static void on_reused_event(struct call *c)
{
    on_event(c);
    if (log_records_are_wanted()) {
        collect(c, c->self);
    }
}

// One that was made for an event, not as another's copy.
static void on_new_event(struct call *c)
{
    collect(c, c->a);
}

#define EVENT(of, method, of_type, then)                                                           \
    {                                                                                              \
        .class_name = LOG4J "core/" of, .name = method, .descriptor = of_type,                     \
        .probe = {.kind = PROBE_LEAVE}, .note = then                                               \
    }

static struct plugin_method log4j_methods[] = {
    // What its other constructors call.
    EVENT("impl/Log4jLogEvent", "<init>",
          "(Ljava/lang/String;L" LOG4J "Marker;Ljava/lang/String;L" LOG4J "Level;L" LOG4J
          "message/Message;Ljava/lang/Throwable;L" LOG4J "core/impl/ThrowableProxy;" STRING_MAP
          "L" LOG4J "ThreadContext$ContextStack;JLjava/lang/String;ILjava/lang/StackTraceElement;"
          "J)V",
          on_event),
    EVENT("impl/MutableLogEvent", "setContextData", "(" STRING_MAP ")V", on_reused_event),
    EVENT("async/RingBufferLogEvent", "setValues", NULL, on_reused_event),
    {.class_name = LOG4J "core/impl/DefaultLogEventFactory",
     .name = "createEvent",
     .probe = {.kind = PROBE_LEAVE},
     .is_wanted = log_records_are_wanted,
     .note = on_new_event},
};

struct plugin plugin_log4j = {"log4j", log4j_methods, sizeof log4j_methods / sizeof *log4j_methods};
