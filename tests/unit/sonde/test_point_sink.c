// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of apps/sonde/point_sink.h: what becomes of a point, that one is kept whole or not
// at all, and that the counts survive with the series and nothing else.
#include "test.h"

#include "unit/series/world.h"

#include "apps/sonde/point_sink.h"
#include "wire/protobuf.h"

struct rig {
    struct world w;
    struct ledger *ledger;
    struct exemplars *exemplars;
    struct point_sink sink;
};

static void open_sink(struct rig *rig)
{
    char path[80];
    struct err_at at;
    (void)snprintf(path, sizeof path, "%s/exemplars.db", rig->w.dir);
    const struct exemplars_options o = {
        .path = path, .budget = &rig->w.budget, .bytes_max = 1 << 20, .keep_ms = 86400000};
    assert_ok(exemplars_open(&o, &rig->exemplars, &at));
    rig->ledger = ledger_new();
    point_sink_init(&rig->sink, rig->w.store, rig->exemplars, rig->ledger, &rig->w.budget);
}

static void rig_open(struct rig *rig)
{
    world_open(&rig->w, 0);
    open_sink(rig);
}

static void rig_done(struct rig *rig)
{
    point_sink_done(&rig->sink);
    exemplars_close(rig->exemplars);
    ledger_free(rig->ledger);
    world_done(&rig->w);
}

static void add_text(struct batch *b, const char *key, const char *value)
{
    struct attr a = {.key = batch_intern(b, str_of(key)), .type = ATTR_STRING};
    a.code = batch_intern(b, str_of(value));
    *batch_add_attr(b) = a;
}

// A batch of the service "cart" with one metric.
static struct batch *begin(unsigned kind, unsigned temporality, bool monotonic)
{
    struct batch *b = batch_new(STR("shop"));
    struct resource r = {.service = batch_intern(b, STR("cart"))};
    add_text(b, "service.instance.id", "i-1");
    r.attrs.count = 1;
    *batch_add_resource(b) = r;
    batch_add_scope(b)->name = batch_intern(b, STR("lib"));
    struct metric m = {.kind = (uint8_t)kind,
                       .temporality = (uint8_t)temporality,
                       .monotonic = (uint8_t)monotonic};
    m.name = batch_intern(b, STR("m"));
    m.unit = batch_intern(b, STR("s"));
    *batch_add_metric(b) = m;
    return b;
}

static struct point *add_point(struct batch *b, uint64_t time_ms, uint64_t start_ms, double value)
{
    struct point *x = batch_add_point(b);
    *x = (struct point){
        .time_ns = time_ms * NS_PER_MS, .start_ns = start_ms * NS_PER_MS, .d = value};
    x->attrs.first = (uint32_t)b->attr_count;
    return x;
}

static void take(struct rig *rig, struct batch *b)
{
    batch_seal(b);
    b->seq = ++rig->w.seq;
    point_sink_take(&rig->sink, b);
    batch_unref(b);
}

// ---- What the store has -------------------------------------------------------------------------

struct expected {
    enum series_type type;
    const char *labels; // "key=value key=value"
    double values[4];
    size_t count;
};

struct looking {
    const struct expected *expected;
    size_t count, found;
};

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct looking *l = ctx;
    char text[512];
    size_t n = 0;
    for (size_t i = 0; i < found->label_count; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s=%.*s", i > 0 ? " " : "",
                              STR_FMT(found->labels[i].key), STR_FMT(found->labels[i].value));
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct expected *e = &l->expected[i];
        if (strcmp(e->labels, text) == 0) {
            assert_int_equal(found->type, e->type);
            assert_int_equal(found->count, e->count);
            for (size_t k = 0; k < e->count; k++) {
                assert_memory_equal(&found->numbers[k], &e->values[k], sizeof(double));
            }
            assert_str(found->line, "shop");
            l->found++;
            return ERR_OK;
        }
    }
    print_error("not expected: %s\n", text);
    return ERR_INVALID;
}

static void assert_series(struct rig *rig, const struct expected *expected, size_t count)
{
    struct looking l = {expected, count, 0};
    const struct series_query q = {
        .any_line = true, .from_ms = 0, .to_ms = T0_MS * 2, .step_ms = SERIES_SLOT_MS};
    struct series_answer answer;
    assert_ok(series_run(rig->w.store, &q, on_series, &l, &answer));
    assert_int_equal(l.found, count);
}

static uint64_t counted;

struct wanted {
    enum outcome outcome;
    enum reason reason;
};

static void on_cell(void *ctx, const struct ledger_cell *cell)
{
    const struct wanted *w = ctx;
    if (cell->signal == SIGNAL_METRICS && cell->outcome == w->outcome &&
        cell->reason == w->reason) {
        assert_str(cell->service, "cart");
        counted = cell->count;
    }
}

static uint64_t count_of(struct rig *rig, enum outcome outcome, enum reason reason)
{
    struct wanted w = {outcome, reason};
    counted = 0;
    ledger_each(rig->ledger, on_cell, &w);
    return counted;
}

// ---- Tests --------------------------------------------------------------------------------------

static void test_numbers(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    const uint64_t t = T0_MS + 60000;
    struct batch *b = begin(METRIC_SUM, TEMPORALITY_CUMULATIVE, true);
    struct point *x = add_point(b, t, t - 1000, 5); // young: it began from 0
    add_text(b, "unit", "other");
    x->attrs.count = 1;
    take(&rig, b);
    b = begin(METRIC_SUM, TEMPORALITY_CUMULATIVE, true);
    x = add_point(b, t + 1000, t - 1000 - POINT_YOUNG_MS, 7); // not young
    add_text(b, "unit", "other");
    x->attrs.count = 1;
    take(&rig, b);
    b = begin(METRIC_SUM, TEMPORALITY_DELTA, true);
    b->metrics[0].name = batch_intern(b, STR("d"));
    (void)add_point(b, t, t - 1000, 2);
    take(&rig, b);
    b = begin(METRIC_SUM, TEMPORALITY_CUMULATIVE, false);
    b->metrics[0].name = batch_intern(b, STR("u"));
    x = add_point(b, t, t - 1000, 0);
    x->says = POINT_INT;
    x->i = -3;
    x = add_point(b, t + 1, t - 1000, 0);
    x->says = POINT_NO_VALUE;
    take(&rig, b);
    struct expected expected[] = {
        {SERIES_COUNTER,
         "__name__=m attr.unit=other instance=i-1 scope=lib service=cart unit=s",
         {0, 5, 7},
         3},
        {SERIES_DELTA, "__name__=d instance=i-1 scope=lib service=cart unit=s", {2}, 1},
        {SERIES_GAUGE, "__name__=u instance=i-1 scope=lib service=cart unit=s", {-3}, 2},
    };
    expected[2].values[1] = point_stale();
    assert_series(&rig, expected, 3);
    assert_int_equal(count_of(&rig, OUTCOME_RECEIVED, REASON_NONE), 5);
    assert_int_equal(count_of(&rig, OUTCOME_STORED, REASON_NONE), 5);
    rig_done(&rig);
}

#define REST " scope=lib service=cart unit=s"

// A point of one series of Prometheus with one label.
static void take_series(struct rig *rig, uint64_t time_ms, const char *key, const char *value,
                        bool monotonic, double number)
{
    struct batch *b = begin(METRIC_SERIES, TEMPORALITY_CUMULATIVE, monotonic);
    b->metrics[0].name = batch_intern(b, STR("m_bucket"));
    struct point *x = add_point(b, time_ms, 0, number);
    add_text(b, key, value);
    x->attrs.count = 1;
    take(rig, b);
}

static void test_series_of_prometheus(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    take_series(&rig, T0_MS, "le", "1.0", true, 4);
    take_series(&rig, T0_MS + 1, "le", "1", false, 5); // known as a counter
    take_series(&rig, T0_MS, "le", "+Inf", true, 6);
    take_series(&rig, T0_MS, "quantile", "0.50", false, 7);
    take_series(&rig, T0_MS, "service", "x", false, 8);
    const struct expected expected[] = {
        {SERIES_COUNTER, "__name__=m_bucket instance=i-1 le=1" REST, {4, 5}, 2},
        {SERIES_COUNTER, "__name__=m_bucket instance=i-1 le=+Inf" REST, {6}, 1},
        {SERIES_GAUGE, "__name__=m_bucket instance=i-1 quantile=0.5" REST, {7}, 1},
        {SERIES_GAUGE, "__name__=m_bucket attr.service=x instance=i-1" REST, {8}, 1},
    };
    assert_series(&rig, expected, 4);
    assert_int_equal(count_of(&rig, OUTCOME_STORED, REASON_NONE), 5);
    rig_done(&rig);
}

static struct batch *histogram(uint64_t time_ms)
{
    struct batch *b = begin(METRIC_HISTOGRAM, TEMPORALITY_DELTA, false);
    struct point *x = add_point(b, time_ms, 0, 0);
    struct buf body;
    buf_init(&body, 256);
    pb_put_fixed64(&body, 6, 1);
    pb_put_fixed64(&body, 6, 2);
    pb_put_fixed64(&body, 7, 0x3fb999999999999a); // 0.1
    x->count = 3;
    x->sum = 0.5;
    x->max = 0.4;
    x->says = POINT_SUM | POINT_MAX;
    x->body = batch_intern(b, buf_str(&body));
    buf_done(&body);
    return b;
}

static void test_histogram(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    take(&rig, histogram(T0_MS));
    take(&rig, histogram(T0_MS)); // sent again
    const struct expected expected[] = {
        {SERIES_DELTA, "__name__=m_bucket instance=i-1 le=0.1" REST, {1}, 1},
        {SERIES_DELTA, "__name__=m_bucket instance=i-1 le=+Inf" REST, {3}, 1},
        {SERIES_DELTA, "__name__=m_count instance=i-1" REST, {3}, 1},
        {SERIES_DELTA, "__name__=m_sum instance=i-1" REST, {0.5}, 1},
        {SERIES_GAUGE, "__name__=m_max instance=i-1" REST, {0.4}, 1},
    };
    assert_series(&rig, expected, 5);
    assert_int_equal(count_of(&rig, OUTCOME_STORED, REASON_NONE), 2);
    rig_done(&rig);
}

// A point of an exponential histogram of scale 3: 2 zeros, 5 values in bucket -1, none in the next,
// 1 in bucket 1, and 4 in bucket 6 below zero.
static struct batch *exponential(unsigned temporality, uint64_t time_ms, uint64_t start_ms)
{
    struct batch *b = begin(METRIC_EXPONENTIAL, temporality, false);
    struct point *x = add_point(b, time_ms, start_ms, 0);
    struct buf body;
    buf_init(&body, 256);
    pb_put_varint(&body, 6, zigzag(3));
    pb_put_fixed64(&body, 7, 2);
    for (uint32_t field = 8; field <= 9; field++) {
        size_t run = pb_begin(&body, field);
        pb_put_varint(&body, 1, zigzag(field == 8 ? -1 : 6));
        for (uint64_t i = 0; i < (field == 8 ? 3 : 1); i++) {
            pb_put_varint(&body, 2, field == 9 ? 4 : i == 0 ? 5 : i - 1);
        }
        pb_end(&body, run);
    }
    pb_put_fixed64(&body, 14, 0x3fb999999999999a); // 0.1
    x->count = 12;
    x->body = batch_intern(b, buf_str(&body));
    buf_done(&body);
    return b;
}

#define SHAPE " bucket.scale=3 bucket.zero=0.1 instance=i-1" REST

static void test_exponential_histogram(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    take(&rig, exponential(TEMPORALITY_CUMULATIVE, T0_MS, T0_MS - 1000));
    take(&rig, exponential(TEMPORALITY_CUMULATIVE, T0_MS, T0_MS - 1000)); // sent again
    const struct expected expected[] = {
        {SERIES_COUNTER, "__name__=m_bucket bucket.index=zero" SHAPE, {2}, 1},
        {SERIES_COUNTER, "__name__=m_bucket bucket.index=-1" SHAPE, {5}, 1},
        {SERIES_COUNTER, "__name__=m_bucket bucket.index=1" SHAPE, {1}, 1},
        {SERIES_COUNTER, "__name__=m_bucket bucket.index=n6" SHAPE, {4}, 1},
        {SERIES_COUNTER, "__name__=m_bucket bucket.index=all" SHAPE, {0, 12}, 2},
        {SERIES_COUNTER, "__name__=m_count instance=i-1" REST, {0, 12}, 2},
    };
    assert_series(&rig, expected, 6);
    rig_done(&rig);
    rig_open(&rig);
    take(&rig, exponential(TEMPORALITY_DELTA, T0_MS, T0_MS - 1000));
    struct expected deltas[6];
    memcpy(deltas, expected, sizeof deltas);
    for (size_t i = 0; i < 6; i++) {
        deltas[i].type = SERIES_DELTA;
        deltas[i].values[0] = deltas[i].values[deltas[i].count - 1];
        deltas[i].count = 1;
    }
    assert_series(&rig, deltas, 6);
    rig_done(&rig);
}

static void test_a_point_is_kept_whole_or_not_at_all(void **state)
{
    (void)state;
    struct rig rig;
    world_open(&rig.w, 0);
    world_stop(&rig.w);
    rig.w.options.series_max = 3; // fewer than a histogram needs
    world_start(&rig.w);
    open_sink(&rig);
    take(&rig, histogram(T0_MS));
    assert_series(&rig, NULL, 0);
    struct batch *b = begin(METRIC_GAUGE, TEMPORALITY_UNSPECIFIED, false);
    (void)add_point(b, world_now_ms + (uint64_t)3 * 86400000, 0, 1); // too far ahead
    take(&rig, b);
    assert_series(&rig, NULL, 0);
    assert_int_equal(count_of(&rig, OUTCOME_RECEIVED, REASON_NONE), 2);
    assert_int_equal(count_of(&rig, OUTCOME_STORED, REASON_NONE), 0);
    assert_int_equal(count_of(&rig, OUTCOME_DROPPED, REASON_CARDINALITY), 1);
    assert_int_equal(count_of(&rig, OUTCOME_DROPPED, REASON_OUT_OF_RANGE), 1);
    rig_done(&rig);
}

static void test_counts_are_part_of_the_state(void **state)
{
    (void)state;
    struct rig rig, next;
    struct buf bytes;
    rig_open(&rig);
    take(&rig, histogram(T0_MS));
    buf_init(&bytes, 1 << 16);
    buf_add_str(&bytes, STR("of the stream"));
    point_sink_save(&rig.sink, &bytes);
    rig_done(&rig);
    rig_open(&next);
    struct str left = buf_str(&bytes);
    assert_ok(point_sink_restore(&next.sink, &left));
    assert_str(left, "of the stream");
    assert_int_equal(count_of(&next, OUTCOME_RECEIVED, REASON_NONE), 1);
    take(&next, histogram(T0_MS + 1));
    assert_int_equal(count_of(&next, OUTCOME_STORED, REASON_NONE), 2);
    left = STR("of an older version");
    assert_ok(point_sink_restore(&next.sink, &left));
    assert_str(left, "of an older version");
    for (size_t i = 0; i < bytes.n; i++) { // whatever a disk gives back: no reading beyond it
        bytes.p[i] = (char)(bytes.p[i] ^ 0x55);
        left = buf_str(&bytes);
        enum err e = point_sink_restore(&next.sink, &left);
        assert_true(e == ERR_OK || e == ERR_CORRUPT);
        bytes.p[i] = (char)(bytes.p[i] ^ 0x55);
    }
    buf_done(&bytes);
    rig_done(&next);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_series_of_prometheus),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_exponential_histogram),
        cmocka_unit_test(test_a_point_is_kept_whole_or_not_at_all),
        cmocka_unit_test(test_counts_are_part_of_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
