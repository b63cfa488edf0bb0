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
    return s->measure != MEASURE_ABSENCE && s->measure != MEASURE_MIN && is_upward;
}
