// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's own log: one line of key=value pairs (logfmt) to standard error. Any
// thread; lines never interleave. Whoever can act on an error logs it; libraries return it.
#ifndef SONDE_CORE_LOGGER_H
#define SONDE_CORE_LOGGER_H

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_SILENT };

// Messages below `level` are not written; LOG_INFO until set; LOG_SILENT (never a
// message's own level) keeps all back.
void log_set_level(enum log_level level);

// Writes `ts=... level=... component=... msg="..." ` and what the format adds after the message.
// `message` is a constant sentence; `format` adds `key=value` pairs and may be "".
void log_write(enum log_level level, const char *component, const char *message, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

// Lets one event through per `period_ns` and counts the rest, for errors that could flood the log.
// A zeroed gate is ready for use, by any thread. Returns 0 when the event must not be logged,
// otherwise 1 plus the number kept back since the last: over time every event is counted once.
struct log_gate {
    atomic_uint_fast64_t next_ns;
    atomic_uint_fast64_t held_back;
};
uint64_t log_gate_pass(struct log_gate *gate, uint64_t period_ns);

#endif
