// SPDX-License-Identifier: Apache-2.0
// Purpose: Java virtual machines among the processes of this machine, as /proc shows them: whose,
// which JDK, what it runs, and whether Sonde's agent is in it (agents/jvm/state.h). Nothing here
// disturbs the process. Its texts come from strangers: they are cut, and printed through table.h or
// as JSON.
#ifndef SONDE_APPS_JVM_PROCESS_H
#define SONDE_APPS_JVM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct agent_state {
    char state[16]; // "running" ...; "" none has been here; "unknown": it cannot be looked at
    char library[512], version[32], service[256], endpoint[600], reason[160];
    unsigned long long changed;
};

struct jvm_process {
    pid_t pid, inner_pid; // here, and in its own PID namespace
    uid_t uid;            // effective
    gid_t gid;
    char user[64];
    bool is_java;      // it has HotSpot, or, where that cannot be seen, is called java
    bool is_visible;   // its memory map and files can be looked at
    bool catches_quit; // SIGQUIT would not end it
    bool is_stopped;   // by SIGSTOP or a debugger
    bool forbids_attach;
    char jvm_library[512]; // libjvm.so, in its own root; "" when not visible
    char version[64];      // of the JDK: "17.0.15"; "" unknown
    char main[256];        // main class, jar or module
    struct agent_state agent;
};

// ERR_NOT_FOUND: there is no such process. What cannot be seen is left empty.
MUST_CHECK enum err jvm_process_read(pid_t pid, struct jvm_process *ret);

// The newest state that an agent in the process has told.
void jvm_agent_read(pid_t pid, struct agent_state *ret);

// Whether the process has mapped a file of this path that is not the one with this inode: replaced
// by an upgrade since.
bool jvm_has_mapped_other(pid_t pid, const char *path, ino_t inode);

// Calls `each` for every JVM in the order of PIDs, until PROCESSES_MAX.
#define PROCESSES_MAX 65536
void jvm_process_each(void (*each)(void *ctx, const struct jvm_process *p), void *ctx);

#endif
