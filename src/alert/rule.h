// SPDX-License-Identifier: Apache-2.0
// Purpose: alert rules: what a person writes down, checked and ready to be looked for.
//
// A rule names what it watches (business line, services, environment), one or more strategies, and
// who is told. A strategy picks records by a filter, divides them into groups by up to three
// fields, measures each group over the last `every`, and compares. A rule fires for a group when
// ANY, or ALL, of its strategies hold there; so these have one group_by.
//
// The file (YAML; JSON is YAML too), also what the API takes and `sonde alert export` prints:
//
//   rules:
//     - name: slow checkout                  # unique; 200 bytes at most
//       line: shop                           # business line; absent: any
//       service: checkout                    # or a list; absent: any
//       environment: prod                    # deployment.environment.name; absent: any
//       level: error                         # info | warning | error | critical; warning
//       suppress: 10m                        # no further message of an incident for so long; 10m
//       match: all                           # all | any; any
//       enabled: true
//       remedy: "Roll back the last release." # what usually helps; told with the alert
//       channels: [ops]
//       receivers: [anna, on-call]
//       strategies:
//         - filter: '{ name = "POST /checkout" }'   # filter/filter.h; absent: everything
//           measure: p99
//           field: duration
//           every: 1m
//           operator: ">"
//           threshold: 500ms
//           group_by: [resource.service.instance.id]
//           at_least: 20                     # records in the window before it is judged; 1
//   people, groups, silences                 # alert/roster.h
//   channels:                                # notify/channel.h
//     - { name: ops, type: webhook, url: "http://127.0.0.1:9000/hook" }
//
// Records are spans; with `metric: NAME` they are the points of that metric, where `.x` in the
// filter and the fields is an attribute of the point, else of its resource.
//
// Measures (m of the records in the window)
//   count         how many
//   rate          how many a second; of a metric that counts: how much it grew a second
//   error_rate    the share of spans whose status is error, 0 to 1
//   average, sum, min, max      of `field`; average of a metric with buckets: sum by count
//   p50 ... p99.9, quantile     of `field` (`quantile: 0.99` beside it), within 1 %; of a metric
//   with
//                               buckets (also NAME_bucket{le} of Prometheus, by `metric: NAME`)
//                               from how much each grew, as a query reckons it (model/buckets.h)
//   distinct      how many values of `field`; beyond DISTINCT_MAX (alert/window.h) that many
//   absence       holds when there is no record; takes neither operator nor threshold
//   capacity      calls of an instance a minute, on average of the instances in the window, as a
//   share
//                 of the most that any instance of the service was seen to carry (capacity.h). Of
//                 spans of kind server and consumer whose instance is told; group_by has `service`,
//                 or the rule one service
// `field` is `duration` unless it is given; of metrics it is `value`.
//
// Operators
//   > >= < <=                   m and the threshold
//   above_average, below_average  m is `threshold` percent and more above, or below, the average of
//                               the last 60 windows that closed (AVERAGE_MIN of them at least),
//                               made from their totals. Not of min, max, quantile and distinct,
//                               which have none
//   rise, fall                  m is `threshold` percent and more above, or below, the window
//   before
//   above_baseline, below_baseline, off_baseline   m is more than `threshold` percent above, below,
//                               or either, what is usual at this time of the day (season.h), give
//                               or take `jitter` (15m; 6h at most). `every` is 1h at most
//   will_exceed, will_fall_below   m goes, by the trend of the last 60 windows that closed
//                               (trend.h), to the threshold and beyond `within` (from `every` to
//                               720h), or is there already
// A threshold is a number; a duration with a unit (500ms) is its nanoseconds, as `duration` is; 5%
// is 0.05 for shares, and 5 for percentages.
//
// Whether more records can only make it hold decides when it is judged. `>`, `>=`, rise,
// above_average and above_baseline are judged as records come, within a moment; the others, for
// which a record that is still on its way is one too few, when the window is over and
// ALERT_GRACE_MS have passed. So are quantiles of metrics: the buckets of one histogram may come
// one by one, and those above alone would look like slow requests.
//
// Ownership: an alert_rule and all it points to lives in the arena of its set. Immutable once read.
#ifndef SONDE_ALERT_RULE_H
#define SONDE_ALERT_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/roster.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "filter/filter.h"

#define ALERT_RULES_MAX           ((size_t)20000)
#define ALERT_STRATEGIES_MAX      8 // of a rule
#define ALERT_GROUP_BY_MAX        3
#define ALERT_SERVICES_MAX        64 // of a rule
#define ALERT_NAMES_MAX           32 // channels, or receivers, of a rule
#define ALERT_NAME_MAX            ((size_t)200)
#define ALERT_TEXT_MAX            ((size_t)4000) // of a remedy
#define ALERT_EVERY_MIN_MS        ((uint64_t)1000)
#define ALERT_EVERY_MAX_MS        ((uint64_t)24 * 3600 * 1000)
#define ALERT_SEASON_EVERY_MAX_MS ((uint64_t)3600 * 1000)
#define ALERT_WITHIN_MAX_MS       ((uint64_t)30 * 24 * 3600 * 1000)
#define ALERT_GRACE_MS            ((uint64_t)10000)

enum alert_level { LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_CRITICAL, LEVEL_COUNT };
const char *alert_level_name(enum alert_level l); // "warning"; static
// What the word of others for a level (Prometheus' label severity, in any case) is here. False, and
// nothing in *ret_level, where it is not known.
bool alert_level_of_severity(struct str severity, enum alert_level *ret_level);

enum alert_measure {
    MEASURE_COUNT,
    MEASURE_RATE,
    MEASURE_ERROR_RATE,
    MEASURE_AVERAGE,
    MEASURE_SUM,
    MEASURE_MIN,
    MEASURE_MAX,
    MEASURE_QUANTILE,
    MEASURE_DISTINCT,
    MEASURE_ABSENCE,
    MEASURE_CAPACITY,
    MEASURE_COUNT_OF
};
const char *alert_measure_name(enum alert_measure m); // "error_rate"; static

enum alert_operator {
    COMPARE_GT,
    COMPARE_GE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_ABOVE_AVERAGE,
    COMPARE_BELOW_AVERAGE,
    COMPARE_RISE,
    COMPARE_FALL,
    COMPARE_ABOVE_BASELINE,
    COMPARE_BELOW_BASELINE,
    COMPARE_OFF_BASELINE,
    COMPARE_WILL_EXCEED,
    COMPARE_WILL_FALL_BELOW,
    COMPARE_COUNT
};
const char *alert_operator_name(enum alert_operator o); // ">", "above_average"; static
// Compares with what is usual at this time; with what is to come.
bool alert_is_seasonal(enum alert_operator o);
bool alert_foresees(enum alert_operator o);

// A field of a record, as the filter language names it.
struct alert_field {
    enum filter_field field;
    struct str key;  // of attributes
    struct str text; // as it was given
};

struct alert_strategy {
    struct str filter_text; // as given; "" for everything
    struct str metric;      // "": spans
    struct filter *filter;  // with the rule's services and environment, and the metric's name
    enum alert_measure measure;
    double quantile;          // of MEASURE_QUANTILE, above 0 and below 1
    struct alert_field field; // ON_DURATION: the duration, or of metrics the value
    uint64_t every_ms;        // whole seconds
    enum alert_operator op;
    double threshold;
    struct str threshold_text; // as given
    uint64_t at_least;         // records
    uint64_t jitter_ms;        // of what compares with the usual; else 0
    uint64_t within_ms;        // of what foresees; else 0
    struct alert_field group_by[ALERT_GROUP_BY_MAX];
    size_t group_by_count;
};

// Whether it is judged as records come.
bool alert_is_early(const struct alert_strategy *s);

struct alert_rule {
    struct str name, line, environment, remedy;
    bool any_line, enabled;
    struct str *services;
    size_t service_count; // 0: any
    enum alert_level level;
    uint64_t suppress_ms;
    bool match_all;
    struct str *channels, *receivers;
    size_t channel_count, receiver_count;
    struct alert_place *channel_places; // of each
    struct alert_strategy *strategies;
    size_t strategy_count;
    struct str identity; // equal where what is watched and measured is: windows then go on
};

// What a file holds. `channels` are left to whoever knows them (notify/channel.h): each a mapping
// of keys to texts, or lists of texts.
struct alert_pair {
    struct str key;
    struct str *values;
    size_t count;
    bool is_list;
    struct alert_place place;
};
struct alert_channel_text {
    struct alert_pair *pairs;
    size_t count;
    struct alert_place place;
};
struct alert_file {
    struct arena arena;
    struct alert_rule *rules;
    size_t rule_count;
    struct alert_channel_text *channels;
    size_t channel_count;
    struct roster roster; // its lists people, groups and silences (alert/roster.h)
};

// Reads a file. ERR_INVALID with line, column and what was expected there; ERR_LIMIT for one of
// more than `bytes_max` bytes, too deep, or with more than ALERT_RULES_MAX rules. `name` is what
// the text is called in errors. Any thread; alert_file_free() frees what was read.
#define ALERT_FILE_MAX ((size_t)16 << 20)
MUST_CHECK enum err alert_file_read(struct str text, const char *name, struct alert_file **ret_file,
                                    struct err_at *ret_at);
void alert_file_free(struct alert_file *f);
// Heap bytes that its rules take, with what looks for them: about.
size_t alert_file_bytes(const struct alert_file *f);

// A rule as such a file has it, alone, with all that differs from what is meant when it is absent.
void alert_rule_print(const struct alert_rule *r, struct buf *out);
// The same as JSON, complete.
void alert_rule_print_json(const struct alert_rule *r, struct buf *out);

#endif
