// SPDX-License-Identifier: Apache-2.0
// Purpose: records of java.util.logging as log records (log_records.h): those that a Handler of the
// Logger's, or of its parents', would take by its level. What is handed on to another library by
// one of the known bridges is left to that library's plug-in.
//
// The text is asked of the Handler's own Formatter. The library keeps none: a record with
// parameters is formatted once more than it has Handlers.
#include "agents/jvm/log_event.h"
#include "agents/jvm/plugins/plugins.h"

#define PARENTS_MAX  32
#define HANDLERS_MAX 16 // of one Logger that are looked at

#define LOGGING "java/util/logging/"

// The library's numbers go from 300 for FINEST to 1000 for SEVERE.
static enum severity severity_of(jint level)
{
    return level >= 1000  ? SEVERITY_ERROR
           : level >= 900 ? SEVERITY_WARN
           : level >= 800 ? SEVERITY_INFO
           : level >= 700 ? SEVERITY_DEBUG3 // CONFIG
           : level >= 500 ? SEVERITY_DEBUG2 // FINE
           : level >= 400 ? SEVERITY_DEBUG  // FINER
                          : SEVERITY_TRACE;
}

static bool is_bridge(JNIEnv *env, jobject handler)
{
    static struct java_method get_class = {"getClass", "()Ljava/lang/Class;", {NULL}};
    static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
    char text[128];
    jobject class = java_object(env, &get_class, handler);
    struct str name = java_text(env, &get_name, class, text, sizeof text);
    (*env)->DeleteLocalRef(env, class);
    return str_eq(name, STR("org.slf4j.bridge.SLF4JBridgeHandler")) ||
           str_eq(name, STR("org.apache.logging.log4j.jul.Log4jBridgeHandler"));
}

static struct java_method GET_LEVEL = {"getLevel", "()L" LOGGING "Level;", {NULL}};
static struct java_method INT_VALUE = {"intValue", "()I", {NULL}};

static bool takes(JNIEnv *env, jobject handler, jint level)
{
    jobject least = java_object(env, &GET_LEVEL, handler);
    bool is_enough = least != NULL && level >= java_int(env, &INT_VALUE, least, 0);
    (*env)->DeleteLocalRef(env, least);
    return is_enough && !is_bridge(env, handler);
}

// One of this Logger's own that takes the level; NULL when there is none.
static jobject handler_of(JNIEnv *env, jobject logger, jint level)
{
    static struct java_method get_handlers = {"getHandlers", "()[L" LOGGING "Handler;", {NULL}};
    jobjectArray handlers = java_object(env, &get_handlers, logger);
    jsize n = handlers != NULL ? (*env)->GetArrayLength(env, handlers) : 0;
    jobject found = NULL;
    for (jsize i = 0; found == NULL && i < n && i < HANDLERS_MAX; i++) {
        jobject handler = (*env)->GetObjectArrayElement(env, handlers, i);
        if (takes(env, handler, level)) {
            found = handler;
        } else {
            (*env)->DeleteLocalRef(env, handler);
        }
    }
    (*env)->DeleteLocalRef(env, handlers);
    return found;
}

// The first that the record comes to.
static jobject find_handler(JNIEnv *env, jobject logger, jint level)
{
    static struct java_method use_parents = {"getUseParentHandlers", "()Z", {NULL}};
    static struct java_method get_parent = {"getParent", "()L" LOGGING "Logger;", {NULL}};
    jobject handler = NULL, at = (*env)->NewLocalRef(env, logger);
    for (unsigned i = 0; at != NULL && i < PARENTS_MAX; i++) {
        handler = handler_of(env, at, level);
        jobject parent = handler == NULL && java_bool(env, &use_parents, at)
                             ? java_object(env, &get_parent, at)
                             : NULL;
        (*env)->DeleteLocalRef(env, at);
        at = parent;
    }
    (*env)->DeleteLocalRef(env, at);
    return handler;
}

static jstring text_of(JNIEnv *env, jobject handler, jobject record)
{
    static struct java_method get_formatter = {"getFormatter", "()L" LOGGING "Formatter;", {NULL}};
    static struct java_method format = {
        "formatMessage", "(L" LOGGING "LogRecord;)Ljava/lang/String;", {NULL}};
    static struct java_method get_message = {"getMessage", "()Ljava/lang/String;", {NULL}};
    jobject formatter = java_object(env, &get_formatter, handler);
    return formatter != NULL ? java_object_of(env, &format, formatter, record)
                             : java_object(env, &get_message, record);
}

// At the beginning of Logger.log(LogRecord), by which every record goes.
static void on_log(struct call *c)
{
    static struct log_library library = {
        .level = {"getLevel", "()L" LOGGING "Level;", {NULL}},
        .number = {"intValue", "()I", {NULL}},
        .logger = {"getLoggerName", "()Ljava/lang/String;", {NULL}},
        .time = {"getMillis", "()J", {NULL}},
        .severity_of = severity_of,
    };
    static struct java_method is_loggable = {"isLoggable", "(L" LOGGING "Level;)Z", {NULL}};
    static struct java_method get_name = {"getName", "()Ljava/lang/String;", {NULL}};
    static struct java_method get_thrown = {"getThrown", "()Ljava/lang/Throwable;", {NULL}};
    struct log_event e;
    jobject level = java_object(c->env, &GET_LEVEL, c->a);
    jint number = java_int(c->env, &INT_VALUE, level, 0);
    if (!log_records_may_take(severity_of(number)) ||
        !java_bool_of(c->env, &is_loggable, c->self, level)) {
        return;
    }
    jobject handler = find_handler(c->env, c->self, number);
    if (handler != NULL && log_event_begin(c, &library, c->a, &e)) {
        e.message = text_of(c->env, handler, c->a);
        e.thread = java_object(c->env, &get_name, java_current_thread(c->env));
        e.thrown = java_object(c->env, &get_thrown, c->a);
        log_event_add(c, &e);
    }
}

static struct plugin_method methods[] = {
    {.class_name = LOGGING "Logger",
     .name = "log",
     .descriptor = "(L" LOGGING "LogRecord;)V",
     .probe = {.kind = PROBE_ENTER, .objects = {1}},
     .is_wanted = log_records_are_wanted,
     .note = on_log},
};

struct plugin plugin_java_util_logging = {"java-util-logging", methods,
                                          sizeof methods / sizeof *methods};
