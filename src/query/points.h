// SPDX-License-Identifier: Apache-2.0
// Purpose: metrics over time, and which there are. How points are kept: model/point.h.
//
// Values of a step. What is asked for as a value is reckoned from the samples that lie in a step:
// the last one, their mean, the least and the greatest, over all series of the group; and `sum`:
// each series' mean, added up. A NaN is no sample.
//
// Rates. A counter grows between two samples by their difference, or, where it fell, by the later
// one: it began again from 0. That growth is spread evenly over the time between the two, so that
// what the steps have adds up to what was counted, however steps and samples lie. The samples that
// lie POINTS_LOOK_MS before and behind the range are read as well. What was counted before a
// series' first sample is not known, unless the point said when it began (model/point.h). A delta
// belongs to the step in which it was told. A rate is a step's growth by the step's whole length.
//
// Histograms. Asked for by the name as sent: count, sum, mean and quantiles of a step come from the
// growth of NAME_count, NAME_sum and of each bucket. Within a bucket values count as evenly spread;
// in the last one, which has no upper bound, they count as its lower bound. Of exponential
// histograms (model/exponential.h) growth is that of each bucket from one point of its sender to
// the next, whether the bucket was there before or not, and whether the scale stayed or became
// coarser.
//
// ERR_LIMIT for more steps than RED_POINTS_MAX or more groups than allowed; ERR_INVALID
// for the rate of a gauge, or a histogram asked for as values; ERR_MEMORY where the control's meter
// refuses, ERR_CANCELLED; else an error of the storage.
#ifndef SONDE_QUERY_POINTS_H
#define SONDE_QUERY_POINTS_H

#include "core/arena.h"
#include "core/err.h"
#include "query/metric.h"
#include "query/scan.h"
#include "series/series.h"

#define POINTS_GROUPS_MAX   ((size_t)200) // unless a query says another
#define POINTS_NAMES_MAX    ((size_t)10000)
#define POINTS_SERVICES_MAX ((size_t)10000)
#define POINTS_LABELS_MAX   ((size_t)64)
#define POINTS_LOOK_MS      ((uint64_t)10 * 60 * 1000)
#define POINTS_STEP_MS      ((uint64_t)1000) // the least

enum points_as { POINTS_AUTO, POINTS_VALUE, POINTS_RATE };
enum points_kind {
    POINTS_NONE, // there is no such metric in the range
    POINTS_GAUGE,
    POINTS_COUNTER,
    POINTS_DELTA,
    POINTS_HISTOGRAM,
    POINTS_SUMMARY, // in lists alone
    POINTS_KIND_COUNT
};
const char *points_kind_name(enum points_kind k); // "gauge"; static
// What numbers of a kind are where something else is said of them.
enum points_kind points_said(enum points_kind kind, enum points_kind said);

struct points_query {
    struct series_store *store;
    bool any_line;
    struct str line, name;
    struct str service; // p == NULL: of any
    const struct series_label *labels;
    size_t label_count; // METRIC_LABELS_MAX at most
    struct str by;      // a label's key; p == NULL: all together
    size_t groups_max;  // 0: POINTS_GROUPS_MAX
    uint64_t from_ms, to_ms;
    uint64_t step_ms; // 0: one that gives RED_POINTS or fewer
    enum points_as as;
    // What is said of the metric (receive/families.h), whose numbers may have been taken for others
    // as they came: POINTS_COUNTER or POINTS_GAUGE; else they are what they were taken for.
    enum points_kind said;
    struct query_control *control;
};

#define POINTS_QUANTILES 5
extern const double points_quantiles[POINTS_QUANTILES]; // 0.5, 0.9, 0.95, 0.99, 0.999

struct points_step {
    uint64_t time_ms; // its begin
    uint64_t samples; // of values
    double last, mean, min, max, sum;
    double increase, rate;
    // Of histograms; increase and rate are those of the count.
    double total, quantiles[POINTS_QUANTILES];
};

struct points_group {
    struct str value;          // of `by`; "" for series without that label
    struct points_step *steps; // ascending; those without anything are absent
    size_t count;
    uint64_t series;
};

// The control lives until it is freed.
struct points {
    enum points_kind kind;
    enum points_as as;           // never POINTS_AUTO
    struct str unit;             // of the first series
    struct points_group *groups; // in order of value
    size_t count;
    uint64_t from_ms, to_ms, step_ms;
    uint64_t series, samples; // read
    uint64_t left_out;        // series of another kind than the first
    uint64_t damaged_parts;
    struct str *labels; // keys by which it can be split, in order; the first POINTS_LABELS_MAX met
    size_t label_count;
    struct arena arena;
    struct query_memory memory;
};
MUST_CHECK enum err points_run(const struct points_query *query, struct points **ret_points);
void points_free(struct points *p);

// ---- Which there are ----------------------------------------------------------------------------

struct points_name {
    struct str name, unit; // a histogram's or summary's as it was sent
    enum points_kind kind;
    uint64_t series;
};
// The control lives until it is freed.
struct points_names {
    struct points_name *names; // in order of name
    size_t count;
    bool more; // than POINTS_NAMES_MAX
    struct arena arena;
    struct query_memory memory;
};
// Of query: store, line, service, labels, range, control.
MUST_CHECK enum err points_list(const struct points_query *query, struct points_names **ret_names);
void points_names_free(struct points_names *n);

// Who sends any.
struct points_service {
    struct str line, name;
};
// The control lives until it is freed.
struct points_services {
    struct points_service *items; // in order of line and name
    size_t count;
    bool more; // than POINTS_SERVICES_MAX
    struct arena arena;
    struct query_memory memory;
};
// Of query: store, line, range, control.
MUST_CHECK enum err points_list_services(const struct points_query *query,
                                         struct points_services **ret_services);
void points_services_free(struct points_services *s);

#endif
