// SPDX-License-Identifier: Apache-2.0
// Purpose: one event loop on one thread (libuv), and the way other threads hand it work.
#ifndef SONDE_OS_LOOP_H
#define SONDE_OS_LOOP_H

#include <stdint.h>

struct loop;
struct uv_loop_s;

// A unit of work for the loop's thread, embedded in what it concerns (no allocation). It belongs to
// the loop from loop_post() until `run` is called; `run` may free or post it again.
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next;
};

struct loop *loop_new(void);
void loop_free(struct loop *l); // after loop_run() has returned; runs what was still posted

// libuv's own loop, for whoever opens handles on it; only from the loop's thread (or before it
// runs).
struct uv_loop_s *loop_uv(struct loop *l);

// Runs until loop_stop(); the calling thread becomes the loop's thread.
void loop_run(struct loop *l);

// Ask for the end, from any thread. Handles that are still open are closed by their owners first.
void loop_stop(struct loop *l);

// Runs the task on the loop's thread soon, in order of posting per posting thread. Any thread; one
// compare-and-swap and, when nothing was waiting yet, one wake-up.
void loop_post(struct loop *l, struct loop_task *task);

// Runs the task once at the end of this turn, after the hook and before the loop sleeps, in order:
// this is where what the turn produced is written out in one go. Only on the loop's thread. The
// task belongs to the loop until it runs.
void loop_defer(struct loop *l, struct loop_task *task);

// Called at the end of every turn in which something happened, on the loop's thread: this is where
// a shard seals the batch that the turn filled. One hook a loop; NULL takes it off.
void loop_on_turn_end(struct loop *l, void (*hook)(void *ctx), void *ctx);

// Monotonic milliseconds, read once a turn.
uint64_t loop_now_ms(const struct loop *l);

#endif
