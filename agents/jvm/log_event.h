// SPDX-License-Identifier: Apache-2.0
// Purpose: a logging library's event as a log record. A plug-in says by which methods an event
// tells what; log_event_begin() asks it no more than is needed to know whether the record is to be
// added, and only then is the rest read.
#ifndef SONDE_JVM_LOG_EVENT_H
#define SONDE_JVM_LOG_EVENT_H

#include "agents/jvm/log_records.h"
#include "agents/jvm/plugin.h"

struct log_library {
    struct java_method level;  // of the event; its toString() is the level's name
    struct java_method number; // int, of the level
    struct java_method logger; // String
    struct java_method time;   // long: milliseconds since 1970
    enum severity (*severity_of)(jint number);
};

// References are local, and NULL where there is nothing.
struct log_event {
    enum severity severity;
    char logger_text[LOG_NAME_MAX];
    struct str logger;
    jobject level;
    jlong time_ms;
    // For the plug-in to set.
    jstring message, thread;
    jthrowable thrown;
};

// Whether the record is to be added, by log_event_add().
bool log_event_begin(struct call *c, struct log_library *l, jobject event, struct log_event *ret);
// In the context that is in force on the calling thread.
void log_event_add(struct call *c, const struct log_event *e);

#endif
