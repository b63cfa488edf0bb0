// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's own messages: few, on standard error or in a file, the same one at most once
// in two minutes and THROTTLE_KINDS_MAX different ones in that time (throttle.h); how many were
// left out is said with the next one. Any thread; never from a probe's fast path.
//
// Standard error may be a pipe that nobody reads: what finds no room in it is left out and counted,
// and nobody waits longer than LOG_WAIT_MS for another thread's line.
#ifndef SONDE_JVM_LOG_H
#define SONDE_JVM_LOG_H

#ifndef LOG_QUIET_MS // a test has a shorter one
#define LOG_QUIET_MS 120000
#endif

#define LOG_WAIT_MS 100

// `where`: "" or "info": standard error; "warn": there, but not what is told by agent_note();
// "off"; else a file's path. A file that cannot be opened is said on standard error, which is used
// then.
void agent_log_to(const char *where);

// What somebody should look at.
void agent_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
// What is good to know: started, stopped.
void agent_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
