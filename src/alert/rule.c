// SPDX-License-Identifier: Apache-2.0
// Purpose: the words of rules, and when a strategy is judged.
#include "alert/rule.h"

#include "core/must.h"

const char *alert_level_name(enum alert_level l)
{
    static const char *const names[LEVEL_COUNT] = {"info", "warning", "error", "critical"};
    ASSERT(l < LEVEL_COUNT);
    return names[l];
}

bool alert_level_of_severity(struct str severity, enum alert_level *ret_level)
{
    static const struct {
        const char *word;
        enum alert_level level;
    } known[] = {
        {"critical", LEVEL_CRITICAL}, {"page", LEVEL_CRITICAL},     {"emergency", LEVEL_CRITICAL},
        {"fatal", LEVEL_CRITICAL},    {"disaster", LEVEL_CRITICAL}, {"p1", LEVEL_CRITICAL},
        {"error", LEVEL_ERROR},       {"major", LEVEL_ERROR},       {"high", LEVEL_ERROR},
        {"p2", LEVEL_ERROR},          {"warning", LEVEL_WARNING},   {"warn", LEVEL_WARNING},
        {"minor", LEVEL_WARNING},     {"ticket", LEVEL_WARNING},    {"p3", LEVEL_WARNING},
        {"info", LEVEL_INFO},         {"information", LEVEL_INFO},  {"informational", LEVEL_INFO},
        {"notice", LEVEL_INFO},       {"low", LEVEL_INFO},          {"none", LEVEL_INFO},
    };
    ASSERT(severity.p != NULL || severity.n == 0);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_eq_nocase(severity, str_of(known[i].word))) {
            *ret_level = known[i].level;
            return true;
        }
    }
    return false;
}

const char *alert_measure_name(enum alert_measure m)
{
    static const char *const names[MEASURE_COUNT_OF] = {
        [MEASURE_COUNT] = "count",
        [MEASURE_RATE] = "rate",
        [MEASURE_ERROR_RATE] = "error_rate",
        [MEASURE_AVERAGE] = "average",
        [MEASURE_SUM] = "sum",
        [MEASURE_MIN] = "min",
        [MEASURE_MAX] = "max",
        [MEASURE_QUANTILE] = "quantile",
        [MEASURE_DISTINCT] = "distinct",
        [MEASURE_ABSENCE] = "absence",
        [MEASURE_CAPACITY] = "capacity",
    };
    ASSERT(m < MEASURE_COUNT_OF);
    return names[m];
}

const char *alert_operator_name(enum alert_operator o)
{
    static const char *const names[COMPARE_COUNT] = {
        [COMPARE_GT] = ">",
        [COMPARE_GE] = ">=",
        [COMPARE_LT] = "<",
        [COMPARE_LE] = "<=",
        [COMPARE_ABOVE_AVERAGE] = "above_average",
        [COMPARE_BELOW_AVERAGE] = "below_average",
        [COMPARE_RISE] = "rise",
        [COMPARE_FALL] = "fall",
        [COMPARE_ABOVE_BASELINE] = "above_baseline",
        [COMPARE_BELOW_BASELINE] = "below_baseline",
        [COMPARE_OFF_BASELINE] = "off_baseline",
        [COMPARE_WILL_EXCEED] = "will_exceed",
        [COMPARE_WILL_FALL_BELOW] = "will_fall_below",
    };
    ASSERT(o < COMPARE_COUNT);
    return names[o];
}

bool alert_is_seasonal(enum alert_operator o)
{
    ASSERT(o < COMPARE_COUNT);
    return o >= COMPARE_ABOVE_BASELINE && o <= COMPARE_OFF_BASELINE;
}

bool alert_foresees(enum alert_operator o)
{
    ASSERT(o < COMPARE_COUNT);
    return o == COMPARE_WILL_EXCEED || o == COMPARE_WILL_FALL_BELOW;
}

bool alert_is_early(const struct alert_strategy *s)
{
    ASSERT(s->op < COMPARE_COUNT);
    bool is_upward = s->op == COMPARE_GT || s->op == COMPARE_GE || s->op == COMPARE_RISE ||
                     s->op == COMPARE_ABOVE_AVERAGE || s->op == COMPARE_ABOVE_BASELINE;
    bool is_by_bucket = s->measure == MEASURE_QUANTILE && s->metric.n > 0;
    return s->measure != MEASURE_ABSENCE && s->measure != MEASURE_CAPACITY &&
           s->measure != MEASURE_MIN && !is_by_bucket && is_upward;
}
