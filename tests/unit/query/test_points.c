// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/points.h: what is read of exponential histograms is what was measured,
// whatever their senders do with buckets, scales and zeros, and explicit ones are read as they
// were.
#include "test.h"

#include <math.h>

#include "unit/series/world.h"

#include "core/sort.h"
#include "model/exponential.h"
#include "model/point.h"
#include "query/points.h"

#define VALUES_MAX  4000
#define BUCKETS_MAX 512
#define STEP_MS     10000

// A process that measures. What it tells is kept as the server's sink of points does.
struct sender {
    struct world *w;
    const char *instance;
    struct exponential_shape shape;
    enum series_type type;
    double values[VALUES_MAX]; // since its start, or what it told last
    size_t count;
};

struct numbered {
    struct exponential_bucket bucket;
    double count;
};

static void add_number(struct sender *s, const char *name, const struct exponential_bucket *bucket,
                       uint64_t time_ms, double value)
{
    char room[EXPONENTIAL_TEXT_MAX], scale[16], zero[32];
    struct series_label labels[5] = {{POINT_NAME, str_of(name)}};
    size_t n = 1;
    uint32_t series;
    (void)snprintf(scale, sizeof scale, "%d", s->shape.scale);
    (void)snprintf(zero, sizeof zero, "%.17g", s->shape.zero_threshold);
    if (bucket != NULL) {
        labels[n++] = (struct series_label){POINT_BUCKET_INDEX, exponential_text(*bucket, room)};
        labels[n++] = (struct series_label){POINT_BUCKET_SCALE, str_of(scale)};
        if (s->shape.zero_threshold > 0) {
            labels[n++] = (struct series_label){POINT_BUCKET_ZERO, str_of(zero)};
        }
    }
    labels[n++] = (struct series_label){POINT_INSTANCE, str_of(s->instance)};
    assert_ok(series_find(s->w->store, STR("shop"), s->type, labels, n, &series));
    series_add_number(s->w->store, series, time_ms, value);
}

static struct exponential_bucket bucket_of(const struct sender *s, double v)
{
    struct exponential_bucket b = {EXPONENTIAL_ZERO, 0};
    if (fabs(v) > s->shape.zero_threshold) {
        b.range = v > 0 ? EXPONENTIAL_POSITIVE : EXPONENTIAL_NEGATIVE;
        b.index = (int64_t)ceil(ldexp(log2(fabs(v)), s->shape.scale)) - 1;
    }
    return b;
}

static void tell(struct sender *s, uint64_t time_ms)
{
    struct numbered all[BUCKETS_MAX] = {{{EXPONENTIAL_ALL, 0}, 0}};
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct exponential_bucket b = bucket_of(s, s->values[i]);
        size_t k = 0;
        while (k < n && (all[k].bucket.range != b.range || all[k].bucket.index != b.index)) {
            k++;
        }
        assert_true(k < BUCKETS_MAX);
        if (k == n) {
            all[n++] = (struct numbered){b, 0};
        }
        all[k].count++;
    }
    add_number(s, "m_count", NULL, time_ms, (double)s->count);
    for (size_t i = 0; i < n; i++) {
        add_number(s, "m_bucket", &all[i].bucket, time_ms, all[i].count);
    }
    const struct exponential_bucket whole = {EXPONENTIAL_ALL, 0};
    add_number(s, "m_bucket", &whole, time_ms, (double)s->count);
    s->count = s->type == SERIES_DELTA ? 0 : s->count;
}

static void measure(struct sender *s, double value, size_t times)
{
    assert_true(s->count + times <= VALUES_MAX);
    while (times-- > 0) {
        s->values[s->count++] = value;
    }
}

static struct points *ask(struct world *w, uint64_t from_ms, uint64_t to_ms, uint64_t step_ms)
{
    struct points *p;
    const struct points_query q = {.store = w->store,
                                   .any_line = true,
                                   .name = STR("m"),
                                   .from_ms = from_ms,
                                   .to_ms = to_ms,
                                   .step_ms = step_ms};
    assert_ok(points_run(&q, &p));
    assert_int_equal(p->kind, POINTS_HISTOGRAM);
    assert_int_equal(p->left_out, 0);
    assert_int_equal(p->count, 1);
    return p;
}

// Of the time between two points, as one step.
static struct points_step step_of(struct world *w, uint64_t from_ms, uint64_t to_ms)
{
    struct points *p = ask(w, from_ms, to_ms, to_ms - from_ms);
    assert_int_equal(p->groups[0].count, 1);
    struct points_step s = p->groups[0].steps[0];
    points_free(p);
    return s;
}

static void assert_about(double v, double expected, int scale)
{
    double width = exp2(ldexp(1, -scale)); // of a bucket
    bool same = expected == 0  ? v == 0
                : expected > 0 ? v <= expected * width && v >= expected / width
                               : v >= expected * width && v <= expected / width;
    if (!same) {
        print_error("%.17g, and not about %.17g\n", v, expected);
    }
    assert_true(same);
}

static void begin(struct world *w, struct sender *s, int scale)
{
    world_open(w, 0);
    *s = (struct sender){.w = w, .instance = "i-1", .shape = {scale, 0}, .type = SERIES_COUNTER};
}

#define AT(n) (T0_MS + (n) * (uint64_t)STEP_MS)

// ---- Tests --------------------------------------------------------------------------------------

static void test_a_bucket_that_appears_later_counts_from_its_first_value(void **state)
{
    (void)state;
    struct world w;
    struct sender s;
    begin(&w, &s, 3);
    measure(&s, 8, 10);
    tell(&s, AT(0));
    measure(&s, 1.25, 100);
    tell(&s, AT(1));
    measure(&s, 1.25, 100);
    measure(&s, 1000, 100);
    tell(&s, AT(2));
    struct points_step p = step_of(&w, AT(0), AT(1));
    assert_true(p.increase == 100);
    assert_about(p.quantiles[0], 1.25, 3);
    assert_about(p.quantiles[4], 1.25, 3);
    p = step_of(&w, AT(1), AT(2));
    assert_true(p.increase == 200);
    assert_about(p.quantiles[0], 1.25, 3);
    assert_about(p.quantiles[1], 1000, 3);
    // What came between two points is spread over all steps there, as the count is.
    struct points *many = ask(&w, AT(1), AT(2), 1000);
    assert_int_equal(many->groups[0].count, STEP_MS / 1000);
    for (size_t i = 0; i < many->groups[0].count; i++) {
        assert_true(fabs(many->groups[0].steps[i].increase - 20) < 1e-9);
        assert_about(many->groups[0].steps[i].quantiles[1], 1000, 3);
    }
    points_free(many);
    world_done(&w);
}

static void test_nothing_is_lost_where_the_scale_becomes_coarser(void **state)
{
    (void)state;
    struct world w;
    struct sender s;
    begin(&w, &s, 6);
    for (int i = 0; i < 100; i++) {
        measure(&s, 1 + i / 50.0, 20);
    }
    tell(&s, AT(0));
    tell(&s, AT(1)); // nothing came
    measure(&s, 1.5, 90);
    measure(&s, 50000, 10);
    s.shape.scale = 2;
    tell(&s, AT(2));
    tell(&s, AT(3));
    measure(&s, 7, 10);
    s.shape.scale = -2;
    tell(&s, AT(4));
    struct points_step p = step_of(&w, AT(1), AT(2));
    assert_true(p.increase == 100);
    assert_about(p.quantiles[0], 1.5, 2);
    assert_about(p.quantiles[2], 50000, 2);
    p = step_of(&w, AT(3), AT(4));
    assert_true(p.increase == 10);
    assert_about(p.quantiles[0], 7, -2);
    for (uint64_t i = 0; i <= 2; i += 2) { // nothing grew there, whatever is left of fractions
        p = step_of(&w, AT(i), AT(i + 1));
        assert_true(p.increase == 0 && isnan(p.quantiles[0]));
    }
    world_done(&w);
}

static void test_a_sender_that_begins_again_counts_from_nothing(void **state)
{
    (void)state;
    struct world w;
    struct sender s;
    begin(&w, &s, 3);
    measure(&s, 100, 50);
    tell(&s, AT(0));
    s.count = 0;
    measure(&s, 2, 20); // fewer
    tell(&s, AT(1));
    s.count = 0;
    s.shape.scale = 6; // more, which the finer scale tells
    measure(&s, 30, 40);
    tell(&s, AT(2));
    s.count = 0; // more, which the bucket tells
    measure(&s, 30, 10);
    measure(&s, 4, 80);
    tell(&s, AT(3));
    struct points_step p = step_of(&w, AT(0), AT(1));
    assert_true(p.increase == 20);
    assert_about(p.quantiles[0], 2, 3);
    assert_about(p.quantiles[4], 2, 3);
    p = step_of(&w, AT(1), AT(2));
    assert_about(p.quantiles[0], 30, 6);
    p = step_of(&w, AT(2), AT(3));
    assert_about(p.quantiles[0], 4, 6);
    assert_about(p.quantiles[4], 30, 6);
    world_done(&w);
}

static void test_shapes_tell_that_a_sender_began_again(void **state)
{
    (void)state;
    static const struct exponential_shape shapes[][2] = {
        {{3, 0}, {6, 0}},   // finer
        {{3, 0.5}, {3, 0}}, // fewer zeros
        {{3, 0}, {2, 0}},   // coarser, which alone says nothing: the count does
    };
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        struct sender s;
        begin(&w, &s, 3);
        s.shape = shapes[i][0];
        measure(&s, 2, 20);
        measure(&s, 30, i == 2 ? 60 : 0);
        tell(&s, AT(0));
        s.count = 0;
        s.shape = shapes[i][1];
        measure(&s, 2, 25);
        measure(&s, 30, 15);
        tell(&s, AT(1));
        struct points_step p = step_of(&w, AT(0), AT(1));
        assert_about(p.quantiles[0], 2, 2);
        assert_about(p.quantiles[1], 30, 2);
        world_done(&w);
    }
}

static void test_the_start_of_a_process_is_no_time_of_values(void **state)
{
    (void)state;
    struct world w;
    struct sender s;
    begin(&w, &s, 3);
    measure(&s, 9, 5);
    tell(&s, AT(0));
    s.count = 0;
    s.shape.scale = 5;
    tell(&s, AT(1) - 1);
    measure(&s, 3, 50);
    tell(&s, AT(2));
    struct points_step p = step_of(&w, AT(1), AT(2));
    assert_true(fabs(p.increase - 50) < 0.01);
    assert_about(p.quantiles[0], 3, 5);
    p = step_of(&w, AT(0), AT(1));
    assert_true(p.increase < 0.01); // of the last millisecond
    world_done(&w);
}

static void test_zeros_and_what_lies_below(void **state)
{
    (void)state;
    struct world w;
    struct sender s;
    begin(&w, &s, 4);
    tell(&s, AT(0));
    measure(&s, -20, 10);
    measure(&s, -3, 45);
    measure(&s, 0, 40);
    measure(&s, 6, 5);
    tell(&s, AT(1));
    struct points_step p = step_of(&w, AT(0), AT(1));
    assert_about(p.quantiles[0], -3, 4);
    assert_about(p.quantiles[1], 0, 4);
    assert_about(p.quantiles[3], 6, 4);
    measure(&s, 0.01, 10);
    tell(&s, AT(2));
    s.shape.zero_threshold = 0.5; // takes the last ones in
    measure(&s, 0.25, 60);
    measure(&s, 6, 40);
    tell(&s, AT(3));
    p = step_of(&w, AT(2), AT(3));
    assert_true(p.increase == 100);
    assert_true(p.quantiles[0] >= 0 && p.quantiles[0] <= 0.5);
    assert_about(p.quantiles[1], 6, 4);
    world_done(&w);
}

static void test_sources_of_other_scales_and_deltas_add_up(void **state)
{
    (void)state;
    struct world w;
    struct sender fine, coarse, delta;
    begin(&w, &fine, 5);
    coarse =
        (struct sender){.w = &w, .instance = "i-2", .shape = {1, 1e-30}, .type = SERIES_COUNTER};
    delta = (struct sender){.w = &w, .instance = "i-3", .shape = {3, 0}, .type = SERIES_DELTA};
    tell(&fine, AT(0));
    tell(&coarse, AT(0));
    measure(&fine, 10, 30);
    measure(&coarse, 100, 30);
    measure(&delta, 1000, 40);
    tell(&fine, AT(1));
    tell(&coarse, AT(1));
    tell(&delta, AT(1) - 1);
    struct points_step p = step_of(&w, AT(0), AT(1));
    assert_true(p.increase == 100);
    assert_about(p.quantiles[0], 100, 1);
    assert_about(p.quantiles[1], 1000, 3);
    struct points *twice = ask(&w, AT(0), AT(1), STEP_MS);
    assert_int_equal(twice->groups[0].series, 3);
    points_free(twice);
    world_done(&w);
}

static void test_explicit_buckets_are_read_as_they_were(void **state)
{
    (void)state;
    struct world w;
    static const char *const bounds[] = {"1", "2", "4", "+Inf"};
    static const double first[] = {0, 0, 0, 0}, then[] = {10, 20, 80, 100};
    world_open(&w, 0);
    for (size_t i = 0; i < 5; i++) {
        const struct series_label labels[] = {
            {POINT_NAME, i < 4 ? STR("m_bucket") : STR("m_count")},
            {POINT_LE, str_of(bounds[i % 4])}};
        uint32_t series;
        assert_ok(
            series_find(w.store, STR("shop"), SERIES_COUNTER, labels, i < 4 ? 2 : 1, &series));
        series_add_number(w.store, series, AT(0), first[i % 4]);
        series_add_number(w.store, series, AT(1), i < 4 ? then[i] : 100);
    }
    struct points_step p = step_of(&w, AT(0), AT(1));
    assert_true(p.increase == 100 && p.quantiles[0] == 3 && p.quantiles[1] == 4);
    world_done(&w);
}

// ---- Whatever senders do ------------------------------------------------------------------------

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

static void restart(struct sender *s, uint64_t time_ms)
{
    s->count = 0;
    s->shape.scale = 6;
    if (s->type == SERIES_COUNTER) {
        tell(s, time_ms);
    }
}

static void test_quantiles_hold_whatever_senders_do(void **state)
{
    (void)state;
    struct world w;
    struct sender senders[3];
    double *values = mem_new(VALUES_MAX * 3, sizeof *values);
    begin(&w, &senders[0], 6);
    static const char *const instances[] = {"i-1", "i-2", "i-3"};
    for (size_t i = 0; i < 3; i++) {
        senders[i] = senders[0];
        senders[i].instance = instances[i];
        senders[i].type = i == 2 ? SERIES_DELTA : SERIES_COUNTER;
        tell(&senders[i], AT(0));
    }
    for (uint64_t turn = 1; turn <= 200; turn++) {
        size_t n = 0;
        int coarsest = 6;
        for (size_t i = 0; i < 3; i++) {
            struct sender *s = &senders[i];
            uint64_t event = draw(&w, 10);
            if (s->count > VALUES_MAX / 2 || (event == 0 && s->count > 0)) {
                restart(s, AT(turn - 1) + 1);
            } else if (event <= 2 && s->shape.scale > -1) {
                s->shape.scale -= 1 + (int)draw(&w, 2);
            }
            size_t grown = (size_t)draw(&w, 40);
            for (size_t k = 0; k < grown; k++) {
                double v = draw(&w, 20) == 0 ? 0 : exp2((double)draw(&w, 1000) / 50 - 10);
                v = draw(&w, 10) == 0 ? -v : v;
                measure(s, v, 1);
                values[n++] = v;
            }
            coarsest = s->shape.scale < coarsest ? s->shape.scale : coarsest;
            tell(s, s->type == SERIES_DELTA ? AT(turn) - 1 : AT(turn));
        }
        if (n == 0) {
            continue;
        }
        sort_array(values, n, sizeof *values, compare_doubles);
        struct points_step p = step_of(&w, AT(turn - 1), AT(turn));
        for (size_t q = 0; q < POINTS_QUANTILES; q++) {
            size_t rank = (size_t)ceil(points_quantiles[q] * (double)n);
            assert_about(p.quantiles[q], values[rank - 1], coarsest);
        }
    }
    mem_free(values);
    world_done(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_that_appears_later_counts_from_its_first_value),
        cmocka_unit_test(test_nothing_is_lost_where_the_scale_becomes_coarser),
        cmocka_unit_test(test_a_sender_that_begins_again_counts_from_nothing),
        cmocka_unit_test(test_shapes_tell_that_a_sender_began_again),
        cmocka_unit_test(test_the_start_of_a_process_is_no_time_of_values),
        cmocka_unit_test(test_zeros_and_what_lies_below),
        cmocka_unit_test(test_sources_of_other_scales_and_deltas_add_up),
        cmocka_unit_test(test_explicit_buckets_are_read_as_they_were),
        cmocka_unit_test(test_quantiles_hold_whatever_senders_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
