// SPDX-License-Identifier: Apache-2.0
// Purpose: what a window says: the measure, what it is compared with, and whether it holds.
#include <math.h>

#include "alert/window_state.h"
#include "core/must.h"

struct totals {
    double count, errors, sum, min, max;
};

// Of `n` slots that lie side by side in the ring. Counts of 60 slots are exact as doubles.
static void add_slots(const struct window *w, size_t at, size_t n, bool has_sum, struct totals *t)
{
    const struct window_slot *s = &w->slots[at];
    uint64_t count = 0, errors = 0;
    ASSERT(n == 0 || w->slots != NULL);
    for (size_t i = 0; i < n; i++) {
        count += s[i].count;
        errors += s[i].errors;
    }
    t->count += (double)count;
    t->errors += (double)errors;
    for (size_t i = 0; has_sum && i < n; i++) {
        t->sum += s[i].sum;
    }
    for (size_t i = 0; w->extremes != NULL && i < n; i++) {
        if (s[i].count > 0) {
            t->min = fmin(t->min, w->extremes[at + i].min);
            t->max = fmax(t->max, w->extremes[at + i].max);
        }
    }
}

// Of the slots up to `end`; false where the ring does not have them all any more.
static bool add_up(const struct window *w, const struct window_shape *shape, uint64_t end,
                   struct totals *ret_totals)
{
    enum alert_measure m = shape->strategy->measure;
    bool has_sum = m == MEASURE_AVERAGE || m == MEASURE_SUM || m == MEASURE_RATE;
    struct totals t = {.min = INFINITY, .max = -INFINITY};
    ASSERT(shape->slots < shape->ring);
    if (end + 1 < shape->slots || end + 1 - shape->slots + shape->ring <= w->newest) {
        return false;
    }
    uint64_t first = end + 1 - shape->slots, last = end < w->newest ? end : w->newest;
    size_t n = last >= first ? (size_t)(last - first + 1) : 0, at = first % shape->ring;
    size_t straight = n < shape->ring - at ? n : shape->ring - at; // the rest begins anew
    add_slots(w, at, straight, has_sum, &t);
    add_slots(w, 0, n - straight, has_sum, &t);
    *ret_totals = t;
    return true;
}

static double quantile(const struct window *w, const struct window_shape *shape,
                       const struct alert_strategy *s, uint64_t end, struct hist_total *scratch)
{
    uint64_t value = 0;
    ASSERT(shape->slots < shape->ring);
    if (w->buckets != NULL) {
        double v = window_buckets_quantile(w, shape, end, s->quantile);
        if (!isnan(v)) {
            return v;
        }
    }
    hist_total_clear(scratch);
    for (uint64_t slot = end + 1 - shape->slots; slot <= end && slot <= w->newest; slot++) {
        const struct hist *h = &w->hists[slot % shape->ring];
        if (h->count > 0) {
            hist_total_add_kept(scratch, h);
        }
    }
    if (scratch->count <= 0) {
        return NAN;
    }
    hist_total_quantiles(scratch, &s->quantile, 1, &value);
    bool is_ns = s->field.field == ON_DURATION && s->metric.n == 0;
    return is_ns ? (double)value : (double)value / WINDOW_MILLION;
}

// Whether one is set from `from` to `to`.
static bool has_bit(const uint64_t *bits, size_t words, uint64_t from, uint64_t to)
{
    ASSERT(from <= to);
    for (uint64_t i = from / 64; i <= to / 64 && i < words; i++) {
        uint64_t mask = i == from / 64 ? UINT64_MAX << from % 64 : UINT64_MAX;
        mask &= i == to / 64 ? UINT64_MAX >> (63 - to % 64) : UINT64_MAX;
        if ((bits[i] & mask) != 0) {
            return true;
        }
    }
    return false;
}

// A value whose last slot is one of the window's is in it; of one that came again later its bits
// tell. Without a jump where values are many.
static double distinct(const struct window *w, const struct window_shape *shape, uint64_t end)
{
    uint64_t first = end + 1 - shape->slots, most = shape->slots - 1;
    size_t n = 0, words = window_words(shape);
    ASSERT(shape->slots < shape->ring && w->distinct_count <= w->distinct_size);
    for (size_t i = 0; i < w->distinct_size; i++) {
        const struct window_distinct *d = &w->distinct[i];
        n += (size_t)(d->hash != 0) & (size_t)(d->slot - first <= most);
    }
    for (size_t i = 0; end < w->newest && i < w->distinct_size; i++) {
        const struct window_distinct *d = &w->distinct[i];
        if (d->hash != 0 && d->slot > end) {
            n += has_bit(&w->seen[i * words], words, d->slot - end, d->slot - first);
        }
    }
    return (double)n;
}

// Of an instance, as a share of what one was seen to carry.
static double capacity(const struct window *w, const struct window_shape *shape,
                       const struct alert_strategy *s, uint64_t end, const struct totals *t)
{
    double instances = distinct(w, shape, end), minutes = (double)s->every_ms / 60000;
    ASSERT(s->measure == MEASURE_CAPACITY);
    return instances > 0 ? t->count / minutes / instances / w->carried : NAN;
}

// From totals alone; NAN where there is nothing.
static double of_totals(const struct totals *t, const struct alert_strategy *s)
{
    switch (s->measure) {
    case MEASURE_COUNT:
    case MEASURE_ABSENCE:
        return t->count;
    case MEASURE_RATE:
        return (s->metric.n > 0 ? t->sum : t->count) / ((double)s->every_ms / 1000);
    case MEASURE_ERROR_RATE:
        return t->count > 0 ? t->errors / t->count : NAN;
    case MEASURE_AVERAGE:
        return t->count > 0 ? t->sum / t->count : NAN;
    case MEASURE_SUM:
        return t->sum;
    case MEASURE_MIN:
        return t->count > 0 ? t->min : NAN;
    case MEASURE_MAX:
        return t->count > 0 ? t->max : NAN;
    default:
        ASSERT(s->measure == MEASURE_QUANTILE || s->measure == MEASURE_DISTINCT);
        return NAN;
    }
}

static double value_of(const struct window *w, const struct window_shape *shape,
                       const struct alert_strategy *s, uint64_t end, const struct totals *t,
                       struct hist_total *scratch)
{
    ASSERT(shape->slots < shape->ring);
    return s->measure == MEASURE_QUANTILE   ? quantile(w, shape, s, end, scratch)
           : s->measure == MEASURE_DISTINCT ? distinct(w, shape, end)
           : s->measure == MEASURE_CAPACITY ? capacity(w, shape, s, end, t)
                                            : of_totals(t, s);
}

double window_value(const struct window *w, const struct window_shape *shape, uint64_t end,
                    struct hist_total *scratch)
{
    struct totals t;
    ASSERT(shape->slots < shape->ring);
    return add_up(w, shape, end, &t) ? value_of(w, shape, shape->strategy, end, &t, scratch)
                                     : (double)NAN;
}

// Where the measure is going: what it will be, or what it is where that is further.
static double foreseen(const struct window *w, const struct alert_strategy *s, double value)
{
    double steps = (double)s->within_ms / (double)s->every_ms;
    ASSERT(alert_foresees(s->op));
    if (!w->trend.is_sure) {
        return value;
    }
    double then = w->trend.level + w->trend.slope * steps;
    return s->op == COMPARE_WILL_EXCEED ? fmax(then, value) : fmin(then, value);
}

// The end of what is usual, `threshold` percent further out. Of both ends it is the one that the
// value is nearer to, and *op becomes the operator for it.
static double usual(const struct window *w, const struct window_shape *shape,
                    const struct alert_strategy *s, uint64_t end, double value,
                    enum alert_operator *op)
{
    struct season_band b;
    double share = s->threshold / 100;
    uint64_t jitter = s->jitter_ms > s->every_ms ? s->jitter_ms : s->every_ms;
    ASSERT(w->season != NULL);
    if (!season_band(w->season, (end + 1) * shape->slot_ms - 1, jitter, &b)) {
        return NAN;
    }
    if (*op == COMPARE_OFF_BASELINE) {
        bool is_high = value - b.high > b.low - value;
        *op = is_high ? COMPARE_ABOVE_BASELINE : COMPARE_BELOW_BASELINE;
    }
    return *op == COMPARE_ABOVE_BASELINE ? b.high + share * fabs(b.high)
                                         : b.low - share * fabs(b.low);
}

// Of the windows that are over, from their totals.
static double average(const struct window *w, const struct alert_strategy *s)
{
    struct totals t = {0};
    uint64_t n = w->past_count < WINDOW_PAST ? w->past_count : WINDOW_PAST;
    ASSERT(s->op < COMPARE_COUNT);
    if (n < AVERAGE_MIN) {
        return NAN;
    }
    for (uint64_t i = 0; i < n; i++) {
        t.count += w->past[i].count;
        t.errors += w->past[i].errors;
        t.sum += w->past[i].sum;
    }
    bool adds_up =
        s->measure == MEASURE_COUNT || s->measure == MEASURE_RATE || s->measure == MEASURE_SUM;
    return of_totals(&t, s) / (adds_up ? (double)n : 1);
}

static double before(const struct window *w, const struct window_shape *shape,
                     const struct alert_strategy *s, uint64_t end, struct hist_total *scratch)
{
    struct totals t;
    bool is_whole = end >= 2 * (uint64_t)shape->slots && end + 1 - 2 * shape->slots >= w->began;
    ASSERT(shape->slots < shape->ring);
    return is_whole && add_up(w, shape, end - shape->slots, &t)
               ? value_of(w, shape, s, end - shape->slots, &t, scratch)
               : NAN;
}

static double limit_of(const struct window *w, const struct window_shape *shape,
                       const struct alert_strategy *s, uint64_t end, double value,
                       struct hist_total *scratch, enum alert_operator *op)
{
    double share = s->threshold / 100;
    ASSERT(shape->slots < shape->ring);
    switch (*op) {
    case COMPARE_ABOVE_AVERAGE:
        return average(w, s) * (1 + share);
    case COMPARE_BELOW_AVERAGE:
        return average(w, s) * (1 - share);
    case COMPARE_RISE:
        return before(w, shape, s, end, scratch) * (1 + share);
    case COMPARE_FALL:
        return before(w, shape, s, end, scratch) * (1 - share);
    case COMPARE_ABOVE_BASELINE:
    case COMPARE_BELOW_BASELINE:
    case COMPARE_OFF_BASELINE:
        return usual(w, shape, s, end, value, op);
    default:
        return s->threshold;
    }
}

static bool compare(enum alert_operator op, double value, double limit)
{
    if (isnan(value) || isnan(limit)) {
        return false;
    }
    switch (op) {
    case COMPARE_GT:
    case COMPARE_ABOVE_BASELINE:
        return value > limit;
    case COMPARE_GE:
    case COMPARE_WILL_EXCEED:
        return value >= limit;
    case COMPARE_LT:
    case COMPARE_BELOW_BASELINE:
        return value < limit;
    case COMPARE_LE:
    case COMPARE_WILL_FALL_BELOW:
        return value <= limit;
    case COMPARE_ABOVE_AVERAGE: // of nothing nothing is said
    case COMPARE_RISE:
        return value >= limit && limit > 0;
    default:
        ASSERT(op == COMPARE_BELOW_AVERAGE || op == COMPARE_FALL);
        return value <= limit;
    }
}

struct window_verdict window_judge(const struct window *w, const struct window_shape *shape,
                                   const struct alert_strategy *s, uint64_t end_ms,
                                   struct hist_total *scratch)
{
    struct totals t;
    uint64_t end = end_ms / shape->slot_ms;
    struct window_verdict v = {.value = NAN, .limit = NAN};
    ASSERT(shape->slots < shape->ring);
    if (!add_up(w, shape, end, &t)) {
        return v;
    }
    bool is_whole = end + 1 >= shape->slots && end + 1 - shape->slots >= w->began;
    v.is_whole = is_whole;
    v.count = (uint64_t)t.count;
    v.value = value_of(w, shape, s, end, &t, scratch);
    if (s->measure == MEASURE_ABSENCE) {
        v.limit = 0;
        v.holds = is_whole && v.count == 0;
        return v;
    }
    enum alert_operator op = s->op;
    v.value = alert_foresees(op) ? foreseen(w, s, v.value) : v.value;
    v.limit = limit_of(w, shape, s, end, v.value, scratch, &op);
    // What counts is told of also where there is nothing.
    bool counts = s->measure == MEASURE_COUNT || s->measure == MEASURE_RATE ||
                  s->measure == MEASURE_DISTINCT || s->measure == MEASURE_SUM;
    bool is_enough = v.count >= s->at_least || (counts && s->at_least == 1);
    v.holds = is_enough && (is_whole || alert_is_early(s)) && compare(op, v.value, v.limit);
    return v;
}
