// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts kept on Java objects: on a task from the moment it is handed over until it
// runs.
//
// The object gets a tag (tags.h) that names an entry of a table: the entry's index and generation,
// so that a tag whose entry is gone finds nothing. The table has TASKS_MAX entries; what finds no
// room is counted and runs without a context. An entry is freed when its context is taken, or when
// the JVM tells that the object is gone (ObjectFree): nothing is kept for ever.
//
// Most tasks are objects made for one submission: task_put(), task_take(). A plain Runnable may be
// handed over many times at once, as one lambda that captures nothing is by every request.
// task_queue() puts such contexts in line and task_take() gives them in that order, as queues
// mostly do: which of two runs of the same object belongs to which submission is nothing but their
// order. A submission without a context takes its place in the line when there is one; of an
// object that is shared by work with and without a trace, and first handed over without, the place
// is not known.
//
// Any thread. All but tasks_freed() call JVMTI: not from a callback where that is forbidden.
#ifndef SONDE_JVM_TASKS_H
#define SONDE_JVM_TASKS_H

#include <jvmti.h>

#include "agents/jvm/context.h"

#define TASKS_MAX 65536

struct tasks_counts {
    uint64_t put, dropped; // since tasks_init()
    unsigned kept;         // now
};

void tasks_init(void);
// Frees every entry. Tags that objects still have find nothing. At the end, and while the agent
// rests.
void tasks_clear(void);
void tasks_counts(struct tasks_counts *ret);
// The same as a note in the log.
void tasks_report(void);

// Whether any object has a context. Without one, handing over an unset context changes nothing.
bool tasks_are_kept(void);

// Keeps a context with an object, if it is set. An object that has one keeps that.
void task_put(jobject object, const struct context *c);
// The same for an object that may be there several times: the context goes to the end of the line.
void task_queue(jobject object, const struct context *c);

// Moves the object's (first) context out. False when it has none; what is taken may be unset.
bool task_take(jobject object, struct context *ret);
// A copy, which stays there.
bool task_peek(jobject object, struct context *ret);

// The object will not run: its first or last submission is forgotten.
void task_forget_first(jobject object);
void task_forget_last(jobject object);

// The event ObjectFree: the object with this tag is gone.
void tasks_freed(jlong tag);

#endif
