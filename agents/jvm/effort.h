// SPDX-License-Identifier: Apache-2.0
// Purpose: the overhead contract. The agent was promised to take at most so many percent of one
// CPU; it measures itself and does less before it takes more, and says so in the log and in its
// metrics (sonde.agent.effort, sonde.agent.cpu.utilization).
//
//   EFFORT_FULL     everything
//   EFFORT_LEAN     spans without details: no query strings, user agents, statement texts
//   EFFORT_HALF     and only half of the traces that begin here, of those that would be kept
//   EFFORT_TENTH    and only a tenth
//   EFFORT_PAUSED   no probe acts but such as end what has begun, for EFFORT_PAUSE_S; then a tenth
//                   again
//
// One step at a time: down at once when a second took more than was promised, up when
// EFFORT_CALM_S seconds in a row took less than half of it.
//
// What probes cost is measured at one call in EFFORT_SAMPLE and multiplied, by the thread's CPU
// clock: a thread that waits for a CPU within a probe costs nothing. What the agent's own threads
// cost, by their CPU clocks too.
#ifndef SONDE_JVM_EFFORT_H
#define SONDE_JVM_EFFORT_H

#include <stdbool.h>
#include <stdint.h>

#define EFFORT_SAMPLE   256 // the clock is a system call
#define EFFORT_JUDGE_MS 900
#define EFFORT_CALM_S   10
#define EFFORT_PAUSE_S  10

enum effort { EFFORT_FULL, EFFORT_LEAN, EFFORT_HALF, EFFORT_TENTH, EFFORT_PAUSED };

void effort_init(double max_cpu_percent);

enum effort effort_now(void);
static inline bool effort_rests(void)
{
    return effort_now() == EFFORT_PAUSED;
}
// Whether details are wanted.
static inline bool effort_has_details(void)
{
    return effort_now() == EFFORT_FULL;
}
// Of 2^32: the share of new traces to keep, of those that sampling keeps.
uint64_t effort_keep_below(void);

// The calling thread's CPU time; 0 when it cannot be told.
uint64_t effort_clock_ns(void);
// A probe has taken so long, as a sample of EFFORT_SAMPLE calls.
void effort_probe(uint64_t sampled_ns);
// The calling thread, one of the agent's own, has worked: call it now and then.
void effort_thread(void);

// Judges the time since it was last judged, at least EFFORT_JUDGE_MS. The reporting thread calls it
// every second, and whatever thread of the agent's waits for a server.
void effort_judge(uint64_t now_mono_ns);
// For tests: so much was taken in the last second. What judge() does with it.
void effort_step(double percent);

double effort_percent(void); // of those CPUs, in the last second
double effort_spent_s(void); // CPU seconds since the start

#endif
