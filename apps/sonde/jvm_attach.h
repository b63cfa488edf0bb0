// SPDX-License-Identifier: Apache-2.0
// Purpose: loading a library into a running HotSpot JVM, as the JDK's own tools do it.
//
// The JVM listens on a Unix socket, .java_pid<PID>, in its /tmp. Where there is none yet, a file
// .attach_pid<PID> in its /tmp (or its working folder) and SIGQUIT make it: a JVM catches that
// signal, any other process would die of it, and a JVM would print its threads if attaching is
// forbidden. So both are looked at before. <PID> is that of the JVM's own PID namespace, and its
// /tmp that of its own root.
//
//   request   "1" NUL "load" NUL path NUL "true" NUL options NUL
//   answer    a number, a line end, text; 0: "return code: N" of Agent_OnAttach, or why not loaded
//
// The JVM takes requests of its own user and group and of root alone, and looks whose the files
// are: a root process acts as the JVM's user meanwhile.
//
// The library must be readable by the JVM in its own root. Where it is not (a container, a private
// folder), or where the JVM still has an older file of the same path mapped, a copy is put into its
// /tmp and removed once it is loaded.
//
// Files that are made are removed by a child process when this one ends, however it ends.
#ifndef SONDE_APPS_JVM_ATTACH_H
#define SONDE_APPS_JVM_ATTACH_H

#include "jvm_process.h"

#define ATTACH_TEXT_MAX   1024  // of a path and of options: the protocol's limit
#define ATTACH_TIMEOUT_MS 10000 // for the socket to appear, and for the answer

// Whether the process may be attached to; ERR_OK, or why not in *ret_at.
MUST_CHECK enum err jvm_check(const struct jvm_process *p, struct err_at *ret_at);

// Loads the library and gives what its Agent_OnAttach returned. `is_there`: it is loaded already
// under this very path, which need not exist any more.
MUST_CHECK enum err jvm_load(const struct jvm_process *p, const char *library, bool is_there,
                             const char *options, int *ret_code, struct err_at *ret_at);

#endif
