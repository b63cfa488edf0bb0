// SPDX-License-Identifier: Apache-2.0
// Purpose: what the calls of something, and the machines that it runs on, say of its state, by
// limits and by what was usual at the same time a day and a week before. Pure.
//
// By limits, of at least HEALTH_ERRORS_MIN failed calls:
//     share of errors >= 1 %   warn           >= 5 %   error
// Fewer that are 5 % and more are of too few calls to judge: the state is unknown, unless something
// else is not well.
// By what was usual. A stretch counts as usual with at least HEALTH_CALLS_MIN calls; a measure is
// unusual where it is so against every stretch that counts, so that a Saturday is not unusual for
// being no Friday, where there was a Saturday before:
//     P99 >= 2 times and 5 ms more      warn      >= 5 times and 50 ms more   error
//     calls < half                      warn      < a tenth                   error
// P99 needs HEALTH_CALLS_MIN calls now. Calls are compared over HEALTH_RANGE_MIN_MS and more, since
// a range ends with a minute that is not over; those of a sample are not, since how large it is may
// change.
//
// By limits that are settings: the mean over the range of what a process takes of all CPUs of its
// machine, of what is left of its heap after garbage collection, of its host's CPUs, memory and
// fullest file system (query/machine.h); of the instance, or host, that has most of it.
#ifndef SONDE_QUERY_HEALTH_H
#define SONDE_QUERY_HEALTH_H

#include "query/calls.h"

#define HEALTH_ERRORS_MIN   3
#define HEALTH_CALLS_MIN    100
#define HEALTH_RANGE_MIN_MS 600000

// Unknown: without a call, or of too few.
enum health { HEALTH_UNKNOWN, HEALTH_OK, HEALTH_WARN, HEALTH_ERROR };

enum health_measure {
    HEALTH_ERROR_SHARE,
    HEALTH_P99,
    HEALTH_CALLS,
    HEALTH_CPU, // from here on of machines
    HEALTH_HEAP,
    HEALTH_HOST_CPU,
    HEALTH_HOST_MEMORY,
    HEALTH_HOST_DISK,
    HEALTH_MEASURES
};
#define HEALTH_MACHINE HEALTH_CPU

// Shares that are too much, of machines; 0: never.
struct health_limit {
    double warn, error;
};
struct health_limits {
    struct health_limit of[HEALTH_MEASURES];
};

// The stretches that are compared with: a day and a week before.
enum health_usual { USUAL_DAY, USUAL_WEEK, USUAL_COUNT };

struct health_numbers {
    int64_t calls, errors;
    uint64_t p99_ns;
    bool is_sample; // there were more of them
};

// Why it is not well.
struct health_reason {
    enum health_measure measure;
    enum health level;
    double value, limit; // a share, nanoseconds, or calls in the range
    struct str who;      // instance or host, of machines
};

struct health_verdict {
    enum health state; // the worst of the reasons
    struct health_reason reasons[HEALTH_MEASURES];
    size_t count;
};

const char *health_name(enum health h);                 // "unknown", "ok", "warn", "error"; static
const char *health_measure_name(enum health_measure m); // "error_share", "p99_ns", "heap_after_gc"

struct health_verdict health_judge(const struct health_numbers *now,
                                   const struct health_numbers usual[USUAL_COUNT],
                                   uint64_t range_ms);

// Adds what a machine's share says; the worst of who tells it is given. `who` is not copied.
void health_add_machine(struct health_verdict *v, const struct health_limits *limits,
                        enum health_measure measure, double share, struct str who);

// The same of sums of calls; `scratch` as of calls_quantiles().
struct health_verdict health_of_sums(const struct calls_sum *now,
                                     const struct calls_sum usual[USUAL_COUNT], bool is_sample,
                                     uint64_t range_ms, struct hist_total *scratch);

#endif
