// SPDX-License-Identifier: Apache-2.0
// Purpose: the agent's own messages: few, on standard error or in a file, the same one at most once
// in two minutes. Any thread; never from a probe's fast path.
#ifndef SONDE_JVM_LOG_H
#define SONDE_JVM_LOG_H

// `where` is a file's path, "" for standard error, "off".
void agent_log_to(const char *where);

void agent_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
