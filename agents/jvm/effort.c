// SPDX-License-Identifier: Apache-2.0
// Purpose: measuring the agent and stepping down.
#include "agents/jvm/effort.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agents/jvm/log.h"
#include "core/clock.h"
#include "core/must.h"

static double max_percent, processors;
static atomic_int effort;
static atomic_ullong spent_ns;
static atomic_ullong percent_milli; // of the last second

// Under the lock.
static pthread_mutex_t judging = PTHREAD_MUTEX_INITIALIZER;
static uint64_t judged_at_ns, judged_spent_ns;
static unsigned calm_s, paused_s;

static __thread uint64_t thread_cpu_ns;

// What a container may use of them: "quota period" in microseconds, of cgroup v2 or v1; 0 when it
// is not limited.
static double quota(void)
{
    double part = 0;
    char text[64] = "";
    FILE *v2 = fopen("/sys/fs/cgroup/cpu.max", "re");
    FILE *v1 = v2 == NULL ? fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re") : NULL;
    FILE *f = v2 != NULL ? v2 : v1;
    if (f != NULL && fgets(text, sizeof text, f) != NULL) {
        char *end;
        double used = (double)strtoll(text, &end, 10), period = (double)strtoll(end, NULL, 10);
        part = used > 0 ? used / (period > 0 ? period : 100000) : 0;
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return part;
}

static double usable_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    double all = n > 0 ? n : 1, part = quota();
    return part > 0 && part < all ? part : all;
}

void effort_init(double percent)
{
    ASSERT(percent > 0);
    max_percent = percent;
    processors = usable_processors();
    atomic_store(&effort, EFFORT_FULL);
    atomic_store(&spent_ns, 0);
    judged_at_ns = judged_spent_ns = 0;
    calm_s = paused_s = 0;
}

enum effort effort_now(void)
{
    return (enum effort)atomic_load_explicit(&effort, memory_order_relaxed);
}

uint64_t effort_keep_below(void)
{
    static const uint64_t below[] = {1ULL << 32, 1ULL << 32, 1ULL << 31, (1ULL << 32) / 10,
                                     (1ULL << 32) / 10};
    return below[effort_now()];
}

void effort_probe(uint64_t sampled_ns)
{
    atomic_fetch_add_explicit(&spent_ns, sampled_ns * EFFORT_SAMPLE, memory_order_relaxed);
}

uint64_t effort_clock_ns(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0
               ? (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec
               : 0;
}

void effort_thread(void)
{
    uint64_t now = effort_clock_ns();
    atomic_fetch_add_explicit(&spent_ns, now - thread_cpu_ns, memory_order_relaxed);
    thread_cpu_ns = now;
}

static void set(enum effort next, double percent)
{
    static const char *const names[] = {"everything again", "spans without details",
                                        "half of the traces", "a tenth of the traces",
                                        "nothing for a while"};
    enum effort before = effort_now();
    atomic_store(&effort, (int)next);
    calm_s = paused_s = 0;
    if (next > before) {
        agent_log("tracing took %.1f %% of the CPUs, %.1f are allowed: %s from here on", percent,
                  max_percent, names[next]);
    } else {
        agent_note("tracing took %.1f %% of the CPUs, %.1f are allowed: %s", percent, max_percent,
                   names[next]);
    }
}

void effort_step(double percent)
{
    enum effort now = effort_now();
    atomic_store(&percent_milli, (unsigned long long)(percent * 1000));
    if (now == EFFORT_PAUSED) {
        if (++paused_s >= EFFORT_PAUSE_S) {
            set(EFFORT_TENTH, percent);
        }
    } else if (percent > max_percent) {
        set(now + 1, percent);
    } else if (now > EFFORT_FULL && percent < max_percent / 2) {
        if (++calm_s >= EFFORT_CALM_S) {
            set(now - 1, percent);
        }
    } else {
        calm_s = 0;
    }
}

static void judge(uint64_t now)
{
    uint64_t spent = atomic_load(&spent_ns), passed = now - judged_at_ns;
    if (judged_at_ns != 0 && (now < judged_at_ns || passed < EFFORT_JUDGE_MS * NS_PER_MS)) {
        return;
    }
    if (judged_at_ns != 0) {
        effort_step((double)(spent - judged_spent_ns) * 100 / (double)passed / processors);
    }
    judged_at_ns = now;
    judged_spent_ns = spent;
}

void effort_judge(uint64_t now)
{
    if (pthread_mutex_trylock(&judging) == 0) {
        judge(now);
        pthread_mutex_unlock(&judging);
    }
}

double effort_percent(void)
{
    return (double)atomic_load(&percent_milli) / 1000;
}

double effort_spent_s(void)
{
    return (double)atomic_load(&spent_ns) / NS_PER_S;
}
