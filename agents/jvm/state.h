// SPDX-License-Identifier: Apache-2.0
// Purpose: what the agent lets others know of itself without talking to them: a file in memory that
// appears among the process's open files, /proc/PID/fd, so that whoever may look there (the same
// user, root) sees it across containers; it is gone with the process and needs no cleaning up.
//
// Its link is STATE_LINK. It holds lines of key=value, rewritten as a whole at each change: read it
// until two readings are the same. Control characters in values are replaced by '?'.
//
//   state     starting | running | stopping | stopped | failed
//   changed   nanoseconds of CLOCK_MONOTONIC: several agents may have been here one after the other
//             (upgrades); the newest file counts
//   library   this agent's path as it was loaded: by it the JVM finds it again
//   version   of the agent
//   service, endpoint   what it traces and to where; while running
//   reason    one sentence; when failed, or when something was left behind, or when running and an
//             option was not heeded
//
// Agent_OnAttach answers at once with an ATTACH_ code and works on in a thread of its own, because
// the JVM has one attach listener for everybody; the state file tells how that ended.
#ifndef SONDE_JVM_STATE_H
#define SONDE_JVM_STATE_H

#include <stdbool.h>

#define STATE_NAME      "sonde-jvm"
#define STATE_LINK      "/memfd:sonde-jvm (deleted)"
#define STATE_BYTES_MAX 4096

#define DETACH_OPTION "detach" // as the whole option text: leave the JVM

enum attach_answer {
    ATTACH_TAKEN = 0,
    ATTACH_BUSY = 101,          // an agent is in this JVM already, or has not left yet
    ATTACH_NOBODY = 102,        // detach: there is no agent
    ATTACH_OTHER_LIBRARY = 103, // detach: it is of another library
    ATTACH_FAILED = 104,        // no thread, or the JVM ends
};

// ---- The agent's side ------------------------------------------------------------------------

// Makes the file at its first call. `library` is kept. Without one (an old kernel) the agent works
// all the same and `sonde attach` cannot tell how it went.
void state_open(const char *library);
// Whether another library's agent is in this process and has not left.
bool state_is_other_active(void);
void state_say(const char *state, const char *service, const char *endpoint, const char *reason);

#endif
