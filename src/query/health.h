// SPDX-License-Identifier: Apache-2.0
// Purpose: what the calls of something say of its state, by limits and by what was usual at the
// same time a day and a week before. Pure.
//
// By limits, of at least HEALTH_ERRORS_MIN failed calls:
//     share of errors >= 1 %   warn           >= 5 %   error
// By what was usual. A stretch counts as usual with at least HEALTH_CALLS_MIN calls; a measure is
// unusual where it is so against every stretch that counts, so that a Saturday is not unusual for
// being no Friday, where there was a Saturday before:
//     P99 >= 2 times and 5 ms more      warn      >= 5 times and 50 ms more   error
//     calls < half                      warn      < a tenth                   error
// P99 needs HEALTH_CALLS_MIN calls now. Calls are compared over HEALTH_RANGE_MIN_MS and more, since
// a range ends with a minute that is not over; those of a sample are not, since how large it is may
// change.
#ifndef SONDE_QUERY_HEALTH_H
#define SONDE_QUERY_HEALTH_H

#include "query/calls.h"

#define HEALTH_ERRORS_MIN   3
#define HEALTH_CALLS_MIN    100
#define HEALTH_RANGE_MIN_MS 600000
#define HEALTH_REASONS_MAX  3

enum health { HEALTH_UNKNOWN, HEALTH_OK, HEALTH_WARN, HEALTH_ERROR }; // unknown: without a call

enum health_measure { HEALTH_ERROR_SHARE, HEALTH_P99, HEALTH_CALLS };

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
};

struct health_verdict {
    enum health state; // the worst of the reasons
    struct health_reason reasons[HEALTH_REASONS_MAX];
    size_t count;
};

const char *health_name(enum health h);                 // "unknown", "ok", "warn", "error"; static
const char *health_measure_name(enum health_measure m); // "error_share", "p99_ns", "calls"

struct health_verdict health_judge(const struct health_numbers *now,
                                   const struct health_numbers usual[USUAL_COUNT],
                                   uint64_t range_ms);

// The same of sums of calls; `scratch` as of calls_quantiles().
struct health_verdict health_of_sums(const struct calls_sum *now,
                                     const struct calls_sum usual[USUAL_COUNT], bool is_sample,
                                     uint64_t range_ms, struct hist_total *scratch);

#endif
