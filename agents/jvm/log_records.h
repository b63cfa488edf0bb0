// SPDX-License-Identifier: Apache-2.0
// Purpose: log records of the application on their way to the server: which are taken, how many a
// second, and the place where they wait for the sender.
//
// A record is written at once as a ScopeLogs message with one LogRecord in it, its logger being the
// scope, into one of two buffers of LOG_BUFFER_BYTES. The sender takes the one that fills when it
// has sent the other. What finds no room, or is more than the rate allows, is dropped and counted:
// the application waits for nothing but the lock, which is held while one record is written.
//
// Any thread but where it is said otherwise.
#ifndef SONDE_JVM_LOG_RECORDS_H
#define SONDE_JVM_LOG_RECORDS_H

#include "agents/jvm/context.h"
#include "agents/jvm/log_choice.h"

#define LOG_BUFFER_BYTES ((size_t)256 << 10)
#define LOG_BODY_MAX     4096 // bytes; longer texts are cut at a character
#define LOG_STACK_MAX    4096
#define LOG_NAME_MAX     256  // of a logger, a thread, a level, an exception's type
#define LOG_MESSAGE_MAX  1024 // of an exception
#define LOG_RATE         200  // records a second, unless the options say otherwise

struct log_settings {
    enum severity least;
    struct str rules; // log_choice_set() finds nothing wrong with them
    double rate;      // records a second; more than 0
};

// At start, before any probe acts. Copies.
void log_records_init(const struct log_settings *s);
// Whether any can be chosen.
bool log_records_are_wanted(void);

// ---- The application's threads ---------------------------------------------------------------

// Whether there is a use in asking on: a record of this severity may be chosen.
bool log_records_may_take(enum severity severity);
// Whether this one is to be added: it is chosen, and within the rate. Counts it.
bool log_records_begin(enum severity severity, struct str logger);

// Texts that are empty are left out.
struct log_record {
    uint64_t time_ns, observed_ns; // of the wall clock
    enum severity severity;
    struct str level; // as the library calls it
    struct str logger, thread, body;
    struct str exception_type, exception_message, exception_stack;
    const struct context *context; // in force where it was logged
};
void log_records_add(const struct log_record *r);

// ---- The sender ------------------------------------------------------------------------------

// Makes the buffers, with so many bytes free before each one's records, if any are wanted. False:
// memory is out, and what is added is counted as dropped.
bool log_records_open(size_t room_before);
void log_records_close(void);

// What has been added since, as fields scope_logs of a ResourceLogs message; the sender's until it
// calls again. NULL when there is nothing.
uint8_t *log_records_take(size_t *ret_n, uint64_t *ret_count);

struct log_record_counts {
    uint64_t created; // chosen
    uint64_t queued, dropped_rate, dropped_full, dropped_memory;
};
void log_records_counts(struct log_record_counts *ret);

#endif
