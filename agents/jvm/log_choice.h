// SPDX-License-Identifier: Apache-2.0
// Purpose: which of an application's log records are collected: those from a severity on, of all
// loggers, and by rules other ones of loggers by their names. Severities are numbers of
// OpenTelemetry's log data model, 1 to 24. Pure.
#ifndef SONDE_JVM_LOG_CHOICE_H
#define SONDE_JVM_LOG_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define LOG_RULES_MAX      32
#define LOG_RULES_TEXT_MAX 1024

enum severity {
    SEVERITY_TRACE = 1,
    SEVERITY_DEBUG = 5,
    SEVERITY_DEBUG2 = 6,
    SEVERITY_DEBUG3 = 7,
    SEVERITY_INFO = 9,
    SEVERITY_WARN = 13,
    SEVERITY_ERROR = 17,
    SEVERITY_FATAL = 21,
    SEVERITY_NONE = 25, // above all: nothing is collected
};

// By a level's name as the options have it: trace, debug, info, warn, error, fatal, off. False for
// any other.
bool log_level_parse(struct str name, enum severity *ret);

struct log_choice {
    enum severity least; // of loggers without a rule
    enum severity least_of_all;
    unsigned rule_count;
    struct log_rule {
        struct str logger; // without the star
        bool any_rest;     // it had a star at its end: any rest fits
        enum severity least;
    } rules[LOG_RULES_MAX];
};

// "com.shop.pay.*=debug;com.shop.Cart": rules, of which the first that fits a logger's name counts;
// without a level all of the logger's records are chosen. What is wrong with them, or NULL.
// Borrows the text.
const char *log_choice_set(struct log_choice *c, enum severity least, struct str rules);

// Whether any logger's record of this severity is.
static inline bool log_choice_may_take(const struct log_choice *c, enum severity severity)
{
    return severity >= c->least_of_all;
}
bool log_choice_takes(const struct log_choice *c, enum severity severity, struct str logger);

#endif
