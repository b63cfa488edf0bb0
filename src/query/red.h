// SPDX-License-Identifier: Apache-2.0
// Purpose: RED over time of a service, one of its endpoints, or one of its instances: calls, errors
// and durations by step; and, where it is asked for, of each endpoint or each instance in all.
//
// A service's calls are those of its endpoints: its entries (stream/spans.h); of senders that
// sample, as far as these counted them before (query/counted.h). The range is cut to whole steps,
// so that the first step begins at or before `from_ms` and the last ends at or after `to_ms`; the
// answer says which.
//
// ERR_LIMIT for more than RED_POINTS_MAX steps or RED_GROUPS_MAX groups, ERR_INVALID for a step
// that is no multiple of 10 s; ERR_MEMORY where the control's meter refuses, ERR_CANCELLED; else an
// error of the storage.
#ifndef SONDE_QUERY_RED_H
#define SONDE_QUERY_RED_H

#include "query/calls.h"

#define RED_POINTS_MAX 2000u
#define RED_POINTS     240u // at most so many where no step is asked for
#define RED_GROUPS_MAX 20000u
#define RED_GROUPS     1000u // that are given, those with the most calls; the others are counted

enum red_by { RED_BY_NOTHING, RED_BY_ENDPOINT, RED_BY_INSTANCE };

// The step that a chart of so long a range is drawn in.
uint64_t red_step_ms(uint64_t range_ms);

struct red_query {
    struct series_store *store;
    bool any_line;
    struct str line, service;
    struct str endpoint, instance; // p == NULL: all; at most one of them is given
    enum red_by by;                // whose totals are given too; of all, then: neither is given
    uint64_t from_ms, to_ms;
    uint64_t step_ms; // 0: the least of 10 s, 30 s, 1 min, 5 min ... that gives RED_POINTS or fewer
    struct query_control *control;
};

struct red_point {
    uint64_t time_ms; // its begin
    struct calls calls;
};

// An endpoint or an instance, over the whole range. One of its name in several business lines is
// one where no line is asked for.
struct red_group {
    struct str name;
    struct calls calls;
};

// The control lives until it is freed.
struct red {
    struct red_point *points; // ascending; steps without a call are absent
    size_t count;
    struct calls total;
    struct red_group *groups; // most calls first, then by name
    size_t group_count, left_out_groups;
    uint64_t from_ms, to_ms, step_ms;
    uint64_t damaged_parts; // that had to be left out
    bool counted;           // there are calls that their senders counted before they sampled
    struct arena arena;
    struct query_control *control;
    size_t charged_bytes;
};

MUST_CHECK enum err red_run(const struct red_query *query, struct red **ret_red);
void red_free(struct red *r);

#endif
