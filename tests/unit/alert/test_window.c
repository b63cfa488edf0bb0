// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/window.h: whatever comes in whatever order, windows say what counting all
// records again says, also when they went through their bytes or were moved; bytes that are none
// are refused.
#include <math.h>
#include <stdlib.h>

#include "alert/window.h"
#include "core/hist.h"
#include "core/must.h"
#include "core/sort.h"
#include "support/random_batch.h"
#include "test.h"

#define START_MS ((uint64_t)1750000000000)
#define TAKEN    1500
#define VALUES   40
#define CARRIED  7.0

// A record that counts, and where.
struct taken {
    uint64_t slot;
    struct window_record r;
};
struct sums {
    double count, errors, sum, min, max;
};

// What a window should be: everything that was ever taken in.
struct model {
    struct alert_strategy s;
    struct window_shape shape;
    struct window *w;
    struct taken taken[TAKEN];
    size_t count;
    uint64_t newest, began, next_past;
    struct sums past[TAKEN * 4];
    size_t past_count;
};

static struct hist_total scratch;

static struct sums sums_of(const struct model *m, uint64_t first, uint64_t last)
{
    struct sums t = {.min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < m->count; i++) {
        const struct taken *k = &m->taken[i];
        if (k->slot >= first && k->slot <= last) {
            t.count += (double)k->r.count;
            t.errors += (double)k->r.errors;
            t.sum += k->r.sum;
            t.min = k->r.count > 0 ? fmin(t.min, k->r.min) : t.min;
            t.max = k->r.count > 0 ? fmax(t.max, k->r.max) : t.max;
        }
    }
    return t;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// The values of the records, in order; how many.
static size_t values_of(const struct model *m, uint64_t first, uint64_t last, bool distinct,
                        uint64_t ret_values[TAKEN])
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct taken *k = &m->taken[i];
        for (uint64_t c = 0; c < k->r.count && k->slot >= first && k->slot <= last; c++) {
            assert_true(n < TAKEN);
            ret_values[n++] = distinct ? k->r.distinct : k->r.hist;
        }
    }
    sort_array(ret_values, n, sizeof *ret_values, compare_u64);
    for (size_t i = 0; distinct && i < n; i++) {
        kept += i == 0 || ret_values[i] != ret_values[i - 1];
    }
    return distinct ? kept : n;
}

static double of_sums(const struct model *m, const struct sums *t)
{
    switch (m->s.measure) {
    case MEASURE_RATE:
        return (m->s.metric.n > 0 ? t->sum : t->count) / ((double)m->s.every_ms / 1000);
    case MEASURE_ERROR_RATE:
        return t->count > 0 ? t->errors / t->count : (double)NAN;
    case MEASURE_AVERAGE:
        return t->count > 0 ? t->sum / t->count : (double)NAN;
    case MEASURE_SUM:
        return t->sum;
    case MEASURE_MIN:
        return t->count > 0 ? t->min : (double)NAN;
    case MEASURE_MAX:
        return t->count > 0 ? t->max : (double)NAN;
    default:
        return t->count;
    }
}

static bool is_kept(const struct model *m, uint64_t end)
{
    return end + 1 >= m->shape.slots && end + 1 - m->shape.slots + m->shape.ring > m->newest;
}

static double value_of(const struct model *m, uint64_t end)
{
    static uint64_t values[TAKEN];
    uint64_t first = end + 1 - m->shape.slots;
    if (m->s.measure == MEASURE_DISTINCT) {
        return (double)values_of(m, first, end, true, values);
    }
    if (m->s.measure == MEASURE_QUANTILE) {
        size_t n = values_of(m, first, end, false, values);
        double rank = ceil(m->s.quantile * (double)n);
        return n == 0 ? (double)NAN : (double)values[rank < 1 ? 0 : (size_t)rank - 1];
    }
    struct sums t = sums_of(m, first, end);
    if (m->s.measure == MEASURE_CAPACITY) {
        size_t instances = values_of(m, first, end, true, values);
        double minutes = (double)m->s.every_ms / 60000;
        return instances > 0 ? t.count / minutes / (double)instances / CARRIED : (double)NAN;
    }
    return of_sums(m, &t);
}

static double limit_of(const struct model *m, uint64_t end)
{
    double share = m->s.threshold / 100;
    uint64_t slots = m->shape.slots;
    if (m->s.op < COMPARE_ABOVE_AVERAGE) {
        return m->s.measure == MEASURE_ABSENCE ? 0 : m->s.threshold;
    }
    if (m->s.op == COMPARE_RISE || m->s.op == COMPARE_FALL) {
        bool is_there = end >= 2 * slots && end + 1 - 2 * slots >= m->began;
        double before =
            is_there && is_kept(m, end - slots) ? value_of(m, end - slots) : (double)NAN;
        return before * (m->s.op == COMPARE_RISE ? 1 + share : 1 - share);
    }
    struct sums t = {0};
    size_t n = m->past_count < WINDOW_PAST ? m->past_count : WINDOW_PAST;
    if (n < AVERAGE_MIN) {
        return (double)NAN;
    }
    for (size_t i = m->past_count - n; i < m->past_count; i++) {
        t.count += m->past[i].count;
        t.errors += m->past[i].errors;
        t.sum += m->past[i].sum;
    }
    bool adds_up = m->s.measure == MEASURE_COUNT || m->s.measure == MEASURE_RATE ||
                   m->s.measure == MEASURE_SUM;
    double average = of_sums(m, &t) / (adds_up ? (double)n : 1);
    return average * (m->s.op == COMPARE_ABOVE_AVERAGE ? 1 + share : 1 - share);
}

static bool compares(const struct model *m, double v, double limit)
{
    enum alert_operator op = m->s.op;
    if (isnan(v) || isnan(limit)) {
        return false;
    }
    bool up = op == COMPARE_ABOVE_AVERAGE || op == COMPARE_RISE;
    return op == COMPARE_GT   ? v > limit
           : op == COMPARE_GE ? v >= limit
           : op == COMPARE_LT ? v < limit
           : up               ? v >= limit && limit > 0
                              : v <= limit;
}

static void check_near(double got, double expected, bool exact)
{
    assert_int_equal(isnan(got), isnan(expected));
    double most = exact ? 1e-9 : 0.01;
    if (!isnan(expected) && !(fabs(got - expected) <= most * fabs(expected) + 1e-9)) {
        print_error("%.17g is not %.17g\n", got, expected);
        fail();
    }
}

static void check_verdict(const struct model *m, uint64_t end)
{
    struct window_verdict v = window_judge(m->w, &m->shape, &m->s,
                                           end * m->shape.slot_ms + m->shape.slot_ms / 2, &scratch);
    bool exact = m->s.measure != MEASURE_QUANTILE;
    if (!is_kept(m, end)) {
        assert_true(isnan(v.value) && !v.holds);
        return;
    }
    struct sums t = sums_of(m, end + 1 - m->shape.slots, end);
    bool is_whole = end + 1 - m->shape.slots >= m->began;
    assert_int_equal(v.count, (uint64_t)t.count);
    assert_int_equal(v.is_whole, is_whole);
    check_near(v.value, value_of(m, end), exact);
    check_near(v.limit, limit_of(m, end), exact);
    bool counts = m->s.measure == MEASURE_COUNT || m->s.measure == MEASURE_RATE ||
                  m->s.measure == MEASURE_DISTINCT || m->s.measure == MEASURE_SUM;
    bool enough = t.count >= (double)m->s.at_least || (counts && m->s.at_least == 1);
    bool holds = m->s.measure == MEASURE_ABSENCE ? is_whole && t.count == 0
                                                 : enough && (is_whole || alert_is_early(&m->s)) &&
                                                       compares(m, v.value, v.limit);
    assert_int_equal(v.holds, holds);
}

// ---- What happens to a window -------------------------------------------------------------------

static void model_move(struct model *m, uint64_t slot)
{
    uint64_t slots = m->shape.slots, late = m->shape.ring - slots;
    if (slot <= m->newest) {
        return;
    }
    bool is_long = slot > m->newest + 2 * (uint64_t)m->shape.ring + WINDOW_PAST * slots;
    m->newest = slot;
    if (is_long) {
        m->past_count = 0;
        m->next_past = slot / slots + 1;
    }
    while ((m->next_past + 1) * slots - 1 + late <= m->newest) {
        assert_true(m->past_count < TAKEN * 4);
        m->past[m->past_count++] = sums_of(m, m->next_past * slots, (m->next_past + 1) * slots - 1);
        m->next_past++;
    }
}

static void add(struct random *r, struct model *m)
{
    uint64_t slot_ms = m->shape.slot_ms, ahead = random_below(r, 40) == 0 ? m->shape.slots : 3;
    uint64_t back = random_below(r, 4) == 0 ? random_below(r, m->shape.ring + 5) : 0;
    uint64_t slot = m->newest + random_below(r, ahead) - back;
    double v = (double)random_below(r, 1000);
    bool is_empty = m->s.measure == MEASURE_SUM && random_below(r, 8) == 0; // grew without a record
    struct window_record x = {
        .time_ms = slot * slot_ms + random_below(r, slot_ms),
        .count = is_empty ? 0 : 1 + (random_below(r, 10) == 0 ? random_below(r, 3) : 0),
        .errors = random_below(r, 3) == 0,
        .sum = v,
        .min = v - 1,
        .max = v + 1,
        .hist = (uint64_t)v * 1000000 + 1,
        .distinct = random_below(r, VALUES)};
    model_move(m, slot);
    bool is_late = slot + m->shape.ring <= m->newest;
    assert_int_equal(window_add(m->w, &m->shape, &x), !is_late);
    if (!is_late) {
        x.distinct = x.distinct != 0 ? x.distinct : 1;
        m->taken[m->count++] = (struct taken){slot, x};
    }
}

static void go_through_bytes(struct model *m)
{
    struct buf b;
    buf_init(&b, (size_t)1 << 24);
    window_encode(m->w, &m->shape, &b);
    buf_add_str(&b, STR("rest"));
    struct str bytes = buf_str(&b);
    struct window *back;
    assert_int_equal(window_decode(&bytes, &m->shape, &back), ERR_OK);
    assert_str(bytes, "rest");
    window_free(m->w, &m->shape);
    window_set_carried(back, CARRIED);
    m->w = back;
    buf_done(&b);
}

static void shift(struct random *r, struct model *m)
{
    int64_t by = (int64_t)random_below(r, 20000) - 10000, slots = m->shape.slots;
    int64_t rest = (int64_t)random_below(r, m->shape.slot_ms / 2) - (int64_t)m->shape.slot_ms / 4;
    window_shift(m->w, &m->shape, by * (int64_t)m->shape.slot_ms + rest);
    for (size_t i = 0; i < m->count; i++) {
        m->taken[i].slot = (uint64_t)((int64_t)m->taken[i].slot + by);
    }
    m->newest = (uint64_t)((int64_t)m->newest + by);
    m->began = (uint64_t)((int64_t)m->began + by);
    m->next_past = (uint64_t)(((int64_t)m->next_past * slots + by + slots - 1) / slots);
}

static void step(struct random *r, struct model *m)
{
    size_t what = random_below(r, 100);
    if (what < 70) {
        add(r, m);
    } else if (what < 90) {
        uint64_t far = what == 89  ? 3 * m->shape.ring + 61 * (uint64_t)m->shape.slots
                       : what > 86 ? 2 * (uint64_t)m->shape.ring
                                   : 4;
        uint64_t slot = m->newest + random_below(r, far);
        window_advance(m->w, &m->shape, slot * m->shape.slot_ms);
        model_move(m, slot);
    } else if (what < 98) {
        go_through_bytes(m);
    } else if (what == 98) {
        shift(r, m);
    } else if (random_below(r, 4) == 0) {
        uint64_t slot = m->newest + random_below(r, 50);
        window_resume(m->w, &m->shape, slot * m->shape.slot_ms);
        model_move(m, slot);
        m->began = m->newest;
        m->past_count = 0;
        m->next_past = m->newest / m->shape.slots + 1;
    }
    assert_int_equal(window_newest_ms(m->w, &m->shape), m->newest * m->shape.slot_ms);
    for (size_t i = 0; i < 3; i++) {
        check_verdict(m, m->newest + random_below(r, 3) - random_below(r, i == 0 ? 1 : 20));
    }
    if (random_below(r, 4) == 0) {
        check_verdict(m, m->newest + 2 - random_below(r, m->shape.ring + 2));
    }
}

static void begin(struct model *m, enum alert_measure measure, enum alert_operator op,
                  uint64_t every_ms, double threshold, uint64_t at_least)
{
    *m = (struct model){.s = {.measure = measure,
                              .op = op,
                              .every_ms = every_ms,
                              .threshold = threshold,
                              .quantile = 0.9,
                              .at_least = at_least,
                              .field = {.field = ON_DURATION}}};
    m->shape = window_shape_of(&m->s);
    MUST(m->shape.slots > 0);
    m->w = window_new(&m->shape, START_MS);
    window_set_carried(m->w, CARRIED);
    m->newest = m->began = START_MS / m->shape.slot_ms;
    m->next_past = m->newest / m->shape.slots + 1;
}

static void test_windows_say_what_counting_again_says(void **state)
{
    static const uint64_t every[] = {1000, 7000, 10000, 60000, 90000, 119000, 600000, 86400000};
    static struct model m;
    struct random r = {77};
    size_t seen[2] = {0, 0};
    (void)state;
    for (size_t round = 0; round < 330; round++) {
        enum alert_measure measure = (enum alert_measure)(round % MEASURE_COUNT_OF);
        enum alert_operator op =
            (enum alert_operator)(round / MEASURE_COUNT_OF % COMPARE_ABOVE_BASELINE);
        bool is_average = op == COMPARE_ABOVE_AVERAGE || op == COMPARE_BELOW_AVERAGE;
        bool has_none = measure == MEASURE_QUANTILE || measure == MEASURE_DISTINCT ||
                        measure == MEASURE_CAPACITY;
        if ((is_average && has_none) || (measure == MEASURE_ABSENCE && op != COMPARE_GT)) {
            continue;
        }
        if (is_average && (measure == MEASURE_MIN || measure == MEASURE_MAX)) {
            continue;
        }
        begin(&m, measure, op, every[random_below(&r, 8)], (double)random_below(&r, 30),
              1 + random_below(&r, 2) * random_below(&r, 9));
        while (m.count < TAKEN / 4) {
            step(&r, &m);
        }
        struct window_verdict v =
            window_judge(m.w, &m.shape, &m.s, m.newest * m.shape.slot_ms, &scratch);
        seen[v.holds]++;
        window_free(m.w, &m.shape);
    }
    assert_true(seen[0] > 30 && seen[1] > 30); // both happen
}

// One minute after another, each with so many records more than the one before.
static void grow(struct model *m, uint64_t *at_ms, size_t minutes, size_t *each)
{
    for (size_t i = 0; i < minutes; i++, *at_ms += 60000, ++*each) {
        const struct window_record r = {.time_ms = *at_ms, .count = *each};
        assert_true(window_add(m->w, &m->shape, &r));
        go_through_bytes(m);
    }
}

static void test_what_goes_somewhere_is_foreseen(void **state)
{
    static struct model m;
    uint64_t at = START_MS - START_MS % 60000;
    size_t each = 1;
    (void)state;
    begin(&m, MEASURE_COUNT, COMPARE_WILL_EXCEED, 60000, 100, 1);
    m.s.within_ms = 3600000;
    grow(&m, &at, TREND_MIN, &each);
    struct window_verdict v = window_judge(m.w, &m.shape, &m.s, at - 1, &scratch);
    assert_true(v.value < 20 && v.limit == 100 && !v.holds); // too little is known
    grow(&m, &at, 20, &each);
    v = window_judge(m.w, &m.shape, &m.s, at - 1, &scratch);
    assert_true(v.value > 85 && v.value < 95 && !v.holds); // one minute is still open
    grow(&m, &at, 20, &each);
    v = window_judge(m.w, &m.shape, &m.s, at - 1, &scratch);
    assert_true(v.value > 105 && v.value < 115 && v.holds);
    window_resume(m.w, &m.shape, at + 300000); // what was before the gap tells nothing
    v = window_judge(m.w, &m.shape, &m.s, at + 300000, &scratch);
    assert_true(v.value == 0 && !v.holds);
    window_free(m.w, &m.shape);
}

// So many records at each hour of a day, a few more on some.
static void day(struct model *m, uint64_t day_ms, size_t bad)
{
    for (uint64_t h = 0; h < 24; h++) {
        uint64_t at = day_ms + h * 3600000;
        const struct window_record r = {.time_ms = at,
                                        .count = 10 * (h + 1) + day_ms / 86400000 % 3 + bad};
        assert_true(window_add(m->w, &m->shape, &r));
    }
    go_through_bytes(m);
}

static struct window_verdict at_hour(struct model *m, uint64_t hour_ms, size_t count)
{
    const struct window_record r = {.time_ms = hour_ms, .count = count};
    assert_true(window_add(m->w, &m->shape, &r));
    window_advance(m->w, &m->shape, hour_ms + 3540000);
    return window_judge(m->w, &m->shape, &m->s, hour_ms + 3540000, &scratch);
}

static void test_what_is_unusual_at_this_hour_is_told(void **state)
{
    static const struct {
        enum alert_operator op;
        size_t count;
        bool holds;
    } cases[] = {
        {COMPARE_ABOVE_BASELINE, 50, false}, {COMPARE_ABOVE_BASELINE, 130, true},
        {COMPARE_ABOVE_BASELINE, 5, false},  {COMPARE_BELOW_BASELINE, 130, false},
        {COMPARE_BELOW_BASELINE, 50, false}, {COMPARE_BELOW_BASELINE, 5, true},
        {COMPARE_OFF_BASELINE, 130, true},   {COMPARE_OFF_BASELINE, 5, true},
        {COMPARE_OFF_BASELINE, 50, false},   {COMPARE_OFF_BASELINE, 62, false},
    };
    uint64_t first = 86400000ull * 20300;
    static struct model m;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&m, MEASURE_COUNT, cases[i].op, 3600000, 50, 1);
        m.s.jitter_ms = SEASON_JITTER_MS;
        window_free(m.w, &m.shape);
        m.w = window_new(&m.shape, first);
        day(&m, first, 0);
        uint64_t then = first + 86400000 + 4 * 3600000; // the fifth hour: 50, 40 and 60 about it
        for (uint64_t d = 1; d < 8; d++) {
            day(&m, first + d * 86400000, d == 3 ? 1000 : 0);
            then += 86400000;
        }
        for (uint64_t h = 4; h > 0; h--) {
            (void)at_hour(&m, then - h * 3600000, 10 * (5 - h));
        }
        struct window_verdict v = at_hour(&m, then, cases[i].count);
        assert_int_equal(v.holds, cases[i].holds);
        assert_true(v.value == (double)cases[i].count && !isnan(v.limit));
        window_free(m.w, &m.shape);
    }
}

static bool add_at(struct model *m, uint64_t at_ms, uint64_t value)
{
    const struct window_record r = {.time_ms = at_ms, .count = 1, .distinct = value};
    return window_add(m->w, &m->shape, &r);
}

static double distinct_at(const struct model *m, uint64_t at_ms)
{
    return window_judge(m->w, &m->shape, &m->s, at_ms, &scratch).value;
}

static void test_a_value_counts_in_every_window_that_had_it(void **state)
{
    static struct model m;
    (void)state;
    begin(&m, MEASURE_DISTINCT, COMPARE_FALL, 60000, 10, 1);
    for (uint64_t s = 0; s < 300; s++) {
        for (uint64_t v = 1; v <= 5; v++) {
            assert_true(add_at(&m, START_MS + s * 1000, v));
        }
    }
    for (uint64_t back = 0; back < 60; back++) { // also those that are over since
        assert_true(distinct_at(&m, START_MS + (299 - back) * 1000) == 5);
    }
    struct window_verdict v = window_judge(m.w, &m.shape, &m.s, START_MS + 289000, &scratch);
    assert_true(v.limit > 4.4 && v.limit < 4.6 && !v.holds);
    window_free(m.w, &m.shape);
}

static void test_values_beyond_the_most_give_way_once_they_are_old(void **state)
{
    static struct model m;
    (void)state;
    begin(&m, MEASURE_DISTINCT, COMPARE_GT, 10000, 10, 1);
    for (uint64_t v = 1; v <= DISTINCT_MAX + 500; v++) {
        assert_true(add_at(&m, START_MS, v * 7919));
    }
    assert_true(distinct_at(&m, START_MS) == (double)DISTINCT_MAX);
    for (uint64_t v = 1; v <= 300; v++) {
        assert_true(add_at(&m, START_MS + 60000, v * 104729));
    }
    assert_true(distinct_at(&m, START_MS + 60000) == 300);
    window_free(m.w, &m.shape);
}

static void test_a_window_lives_on_through_its_bytes_for_long(void **state)
{
    static struct model m;
    (void)state;
    begin(&m, MEASURE_COUNT, COMPARE_GT, 10000, 3, 1);
    for (uint64_t s = 0; s < 3000; s += 5) {
        assert_true(add_at(&m, START_MS + s * 1000, 1));
        go_through_bytes(&m);
    }
    assert_true(distinct_at(&m, START_MS + 2995000) == 2);
    window_free(m.w, &m.shape);
}

// ---- Bytes that are none ------------------------------------------------------------------------

static void try_bytes(const struct model *m, struct str bytes)
{
    struct window *w;
    struct buf b;
    enum err e = window_decode(&bytes, &m->shape, &w);
    if (e != ERR_OK) {
        assert_int_equal(e, ERR_CORRUPT);
        return;
    }
    uint64_t newest = window_newest_ms(w, &m->shape);
    (void)window_judge(w, &m->shape, &m->s, newest, &scratch);
    buf_init(&b, (size_t)1 << 24);
    window_advance(w, &m->shape, newest + m->shape.slot_ms * 3);
    window_encode(w, &m->shape, &b);
    buf_done(&b);
    window_free(w, &m->shape);
}

static void test_bytes_that_are_none_are_refused(void **state)
{
    static const struct {
        enum alert_measure measure;
        enum alert_operator op;
    } kinds[] = {{MEASURE_COUNT, COMPARE_GT},
                 {MEASURE_MAX, COMPARE_RISE},
                 {MEASURE_SUM, COMPARE_ABOVE_AVERAGE},
                 {MEASURE_QUANTILE, COMPARE_GT},
                 {MEASURE_DISTINCT, COMPARE_GT}};
    static struct model m;
    struct random r = {5};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct buf b;
        begin(&m, kinds[k].measure, kinds[k].op, 10000, 1, 1);
        while (m.count < 60) {
            add(&r, &m);
        }
        buf_init(&b, (size_t)1 << 24);
        window_encode(m.w, &m.shape, &b);
        for (size_t n = 0; n < b.n; n++) {
            struct str cut = {b.p, n};
            struct window *w;
            assert_int_equal(window_decode(&cut, &m.shape, &w), ERR_CORRUPT);
        }
        for (size_t i = 0; i < 20000; i++) {
            size_t at = random_below(&r, b.n);
            char before = b.p[at];
            b.p[at] = (char)(random_below(&r, 2) == 0 ? before ^ (1 << random_below(&r, 8))
                                                      : (int)random_below(&r, 256));
            try_bytes(&m, buf_str(&b));
            b.p[at] = before;
        }
        buf_done(&b);
        window_free(m.w, &m.shape);
    }
}

static void test_a_cell_that_no_histogram_holds_is_refused(void **state)
{
    static struct model m;
    (void)state;
    begin(&m, MEASURE_QUANTILE, COMPARE_GT, 10000, 1, 1);
    for (uint64_t calls = 1; calls < UINT64_MAX / 4; calls *= 2) {
        const double sum = 0;
        struct buf b;
        struct window *w;
        buf_init(&b, 1000);
        buf_add_varint(&b, m.newest);
        buf_add_varint(&b, m.began);
        buf_add_varint(&b, 0); // the next to be added up
        buf_add_varint(&b, 1); // slots
        buf_add_varint(&b, 0); // its distance
        buf_add_varint(&b, 1); // records
        buf_add_varint(&b, 0); // that failed
        buf_add(&b, &sum, sizeof sum);
        buf_add_varint(&b, calls * 2); // zigzag
        buf_add_varint(&b, 0);
        buf_add_varint(&b, 1); // cells
        buf_add_varint(&b, 5); // a bucket
        buf_add_varint(&b, calls * 2);
        struct str bytes = buf_str(&b);
        enum err e = window_decode(&bytes, &m.shape, &w);
        assert_int_equal(e, calls <= INT32_MAX ? ERR_OK : ERR_CORRUPT);
        if (e == ERR_OK) {
            window_free(w, &m.shape);
        }
        buf_done(&b);
    }
    window_free(m.w, &m.shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_say_what_counting_again_says),
        cmocka_unit_test(test_what_goes_somewhere_is_foreseen),
        cmocka_unit_test(test_what_is_unusual_at_this_hour_is_told),
        cmocka_unit_test(test_a_value_counts_in_every_window_that_had_it),
        cmocka_unit_test(test_values_beyond_the_most_give_way_once_they_are_old),
        cmocka_unit_test(test_a_window_lives_on_through_its_bytes_for_long),
        cmocka_unit_test(test_bytes_that_are_none_are_refused),
        cmocka_unit_test(test_a_cell_that_no_histogram_holds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
