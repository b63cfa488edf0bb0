// SPDX-License-Identifier: Apache-2.0
// Purpose: what an expression of Prometheus asks, as strategies of a rule. Where there is no
// counterpart it says of which part of the expression, and why; nothing is guessed.
//
//   m > N, m < N           all of the last `for` (1m without it): min > N, max < N. N on the left,
//                          and m with constants added or multiplied, are brought into this form
//   m == N                 both at once
//   rate, irate, increase  rate, sum, over the range
//   X_over_time            average, min, max, sum, count, quantile, absence over the range
//   histogram_quantile     quantile, of x where that is of x_bucket; le is no label to group by
//   predict_linear         will_exceed, will_fall_below
//   absent                 absence over `for` (5m without it, as long as Prometheus looks back)
//   sum by (l) (rate(m))   the same, grouped by l; so avg, min, max by (l) of m itself
//   a and b, a or b        strategies, all or any
//
// `for`. A rule of ours has one window and no count of them. What must be so all of the time is min
// or max over the longer window, which is the same; an average, sum or rate is taken over the
// longer of range and `for`, which is close, and is told.
//
// Groups. Prometheus judges each series by itself. Of these we know the labels that are aggregated
// by, or that the annotations name ($labels.x); without any, it is `instance`. Series that differ
// in further labels only are judged together.
#ifndef SONDE_ALERT_PROM_MAP_H
#define SONDE_ALERT_PROM_MAP_H

#include "alert/promql.h"
#include "alert/rule.h"

struct prom_asked {
    uint64_t for_ms;
    struct str labels[ALERT_GROUP_BY_MAX]; // that annotations name
    size_t label_count;
};

struct prom_strategy {
    struct str metric, filter;
    const char *measure, *op; // op NULL: none (absence)
    double quantile;          // 0: none
    double threshold;
    uint64_t every_ms, within_ms;
    struct str group_by[ALERT_GROUP_BY_MAX];
    size_t group_by_count;
};

// What is close but not the same, for people.
#define PROM_REMARKS_MAX 8
struct prom_remark {
    size_t offset; // in the expression
    const char *text;
};

struct prom_mapping {
    struct prom_strategy strategies[ALERT_STRATEGIES_MAX];
    size_t count;
    bool match_all;
    struct prom_remark remarks[PROM_REMARKS_MAX]; // each text once
    size_t remark_count;
};

// ERR_INVALID with the place in the expression and why there is no counterpart.
MUST_CHECK enum err prom_map(const struct promql_node *n, const struct prom_asked *asked,
                             struct arena *arena, struct prom_mapping *ret_mapping,
                             struct err_at *ret_at);

#endif
