// SPDX-License-Identifier: Apache-2.0
// Purpose: a task that runs in the context in which it was handed over (tasks.h), for plug-ins
// whose tasks are the objects that run.
#ifndef SONDE_JVM_PLUGINS_TASK_FRAME_H
#define SONDE_JVM_PLUGINS_TASK_FRAME_H

#include "agents/jvm/plugin.h"

// A callback `enter`: takes the object's context and puts it in force until the method ends. NULL
// when it has none, or that is in force already.
struct frame *task_frame_enter(struct call *c);

#endif
