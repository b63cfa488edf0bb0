// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/recount_points.h's part of alert/recount.h: of the same points, kept as
// series as model/point.h says, a dry run of a rule of a metric finds what the engine told as they
// came; gauges, counters that begin anew, and histograms.
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/point.h"
#include "query/crew.h"
#include "series/series.h"
#include "told.h"

#define START_MS ((uint64_t)1750000200000)
#define RANGE_MS ((uint64_t)600000)
#define SEEDS    30
#define SERIES   4 // two instances, each with two pools

static const char *const instances[] = {"a", "b"};
static const char *const pools[] = {"x", "y"};

// What a series has come to.
struct counted {
    double sent;        // of a counter
    double calls, took; // of a histogram
};

struct world {
    char dir[40];
    struct alert_set *set;
    struct series_store *store;
    struct budget budget;
    struct counted counted[SERIES];
    uint64_t turn_ms, seq;
};

static uint64_t wall_ns(void)
{
    return (START_MS + RANGE_MS) * NS_PER_MS;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void open_world(struct world *w, const char *rule)
{
    struct err_at at = {0};
    *w = (struct world){.dir = "/tmp/sonde-recount-XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
    budget_init(&w->budget, (size_t)256 << 20);
    const struct series_options o = {.fs = fs_real(),
                                     .dir = w->dir,
                                     .budget = &w->budget,
                                     .wall_ns = wall_ns,
                                     .mono_ns = wall_ns};
    assert_ok(series_open(&o, &w->store, &at));
    w->set = rules_of(rule);
}

static void close_world(struct world *w)
{
    series_close(w->store);
    alert_set_unref(w->set);
    assert_int_equal(nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

// ---- Points, and what is kept of them -----------------------------------------------------------

static void keep(struct world *w, const char *name, enum series_type type, size_t series,
                 uint64_t time_ms, double value)
{
    const struct series_label labels[] = {{POINT_NAME, str_of(name)},
                                          {POINT_INSTANCE, str_of(instances[series / 2])},
                                          {STR("pool"), str_of(pools[series % 2])},
                                          {POINT_SERVICE, STR("cart")}};
    uint32_t found;
    assert_ok(series_find(w->store, STR("shop"), type, labels, 4, &found));
    assert_true(series_takes(w->store, time_ms));
    series_add_number(w->store, found, time_ms, value);
}

static struct point *add_point(struct batch *b, uint32_t metric, size_t series, uint64_t time_ms)
{
    struct point *p = batch_add_point(b);
    *p = (struct point){.time_ns = time_ms * NS_PER_MS,
                        .metric = metric,
                        .resource = (uint32_t)(series / 2),
                        .attrs = {(uint32_t)b->attr_count, 0}};
    put_text_attr(b, &p->attrs, STR("pool"), pools[series % 2]);
    return p;
}

static void add_points(struct world *w, struct batch *b, size_t series, uint64_t time_ms)
{
    struct counted *c = &w->counted[series];
    bool is_burst = time_ms / 70000 % 3 == 0;
    double depth = (double)below(is_burst ? 40 : 12) + 0.5;
    uint64_t calls = below(is_burst ? 9 : 4);
    c->sent = below(200) == 0 ? 1 : c->sent + (double)below(is_burst ? 30 : 5); // begins anew
    c->calls += (double)calls;
    c->took += (double)(calls * below(is_burst ? 400 : 90));
    struct point *p = add_point(b, 0, series, time_ms);
    p->d = depth;
    p = add_point(b, 1, series, time_ms);
    p->d = c->sent;
    p = add_point(b, 2, series, time_ms);
    p->count = (uint64_t)c->calls;
    p->sum = c->took;
    p->says = POINT_SUM;
    keep(w, "depth", SERIES_GAUGE, series, time_ms, depth);
    keep(w, "sent", SERIES_COUNTER, series, time_ms, c->sent);
    keep(w, "took_count", SERIES_COUNTER, series, time_ms, c->calls);
    keep(w, "took_sum", SERIES_COUNTER, series, time_ms, c->took);
}

static void add_resources(struct batch *b)
{
    for (size_t i = 0; i < 2; i++) {
        uint32_t service = batch_intern(b, STR("cart"));
        struct attr_run run = {(uint32_t)b->attr_count, 0};
        put_text_attr(b, &run, SEM_SERVICE_NAME, "cart");
        put_text_attr(b, &run, SEM_SERVICE_INSTANCE_ID, instances[i]);
        *batch_add_resource(b) = (struct resource){.service = service, .attrs = run};
    }
}

static struct batch *next_batch(void *ctx, uint64_t at_ms)
{
    static const struct metric metrics[] = {
        {.kind = METRIC_GAUGE},
        {.kind = METRIC_SUM, .temporality = TEMPORALITY_CUMULATIVE, .monotonic = 1},
        {.kind = METRIC_HISTOGRAM, .temporality = TEMPORALITY_CUMULATIVE}};
    static const char *const names[] = {"depth", "sent", "took"};
    struct world *w = ctx;
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    add_resources(b);
    for (size_t i = 0; i < 3; i++) {
        uint32_t name = batch_intern(b, str_of(names[i]));
        struct metric *m = batch_add_metric(b);
        *m = metrics[i];
        m->name = name;
    }
    bool is_gap = at_ms / 110000 % 5 == 4;
    for (size_t i = 0; i < SERIES; i++) {
        if (!is_gap && below(3) > 0) {
            add_points(w, b, i, at_ms - 1 - below(w->turn_ms));
        }
    }
    batch_seal(b);
    b->seq = ++w->seq;
    return b;
}

// ---- The two ------------------------------------------------------------------------------------

static struct rehearsal *rehearse(struct world *w, struct crew *crew)
{
    const struct store_view none = {0};
    const struct rehearsal_query q = {.view = &none,
                                      .series = w->store,
                                      .rule = &alert_set_file(w->set)->rules[0],
                                      .from_ms = START_MS,
                                      .to_ms = START_MS + RANGE_MS};
    return told_rehearse(&q, crew, &w->budget);
}

static size_t check(const char *rule, uint64_t turn_ms, uint64_t seed, struct crew *crew)
{
    static struct world w;
    static struct events told, tried;
    told_seed(seed);
    open_world(&w, rule);
    w.turn_ms = turn_ms;
    struct rehearsal *empty = rehearse(&w, NULL); // says from when on it looks
    told_live(w.set, &w.budget, empty->scanned_from_ms, START_MS + RANGE_MS, turn_ms, next_batch,
              &w, &told);
    rehearsal_free(empty);
    told_leave_out_before(&told, START_MS);
    struct rehearsal *r = rehearse(&w, crew);
    told_events(r, &alert_set_file(w.set)->rules[0], &tried);
    assert_int_equal(r->lack_count, 0);
    told_compare(&told, &tried, turn_ms, rule);
    rehearsal_free(r);
    close_world(&w);
    return told.count;
}

// What a strategy asks of a metric.
static const struct {
    const char *metric, *measure, *op, *threshold;
} asked[] = {
    {"depth", "average", ">", "16"},
    {"depth", "max", ">=", "38"},
    {"depth", "min", "<", "1"},
    {"depth", "p90", ">", "30"},
    {"depth", "count", "<", "4"},
    {"depth", "sum", "rise", "60"},
    {"depth", "average", "above_average", "50"},
    {"depth", "distinct, field: .pool", "<", "2"},
    {"sent", "rate", ">", "8"},
    {"sent", "sum", ">=", "120"},
    {"sent", "max", ">", "28"},
    {"sent", "rate", "fall", "60"},
    {"sent", "average", "will_exceed", "40"},
    {"took", "average", ">", "160"},
    {"took", "rate", ">", "3"},
    {"took", "count", "<", "3"},
    {"took", "sum", "above_average", "80"},
};

static size_t check_seed(uint64_t seed, struct crew *crew)
{
    static const char *const everys[] = {"10s", "30s", "1m"};
    static const char *const groups[] = {"", "instance", ".pool", "instance, .pool"};
    struct buf rule;
    told_seed(seed + 1000);
    const char *every = everys[below(3)], *group_by = groups[below(4)];
    buf_init(&rule, 1 << 16);
    buf_printf(&rule, "rules: [{name: tried, match: %s, strategies: [",
               below(2) == 0 ? "any" : "all");
    for (size_t n = 1 + below(2); n > 0; n--) {
        size_t at = below(sizeof asked / sizeof asked[0]);
        bool foresees = strcmp(asked[at].op, "will_exceed") == 0;
        buf_printf(&rule,
                   "{metric: %s, measure: %s, filter: '%s', every: %s, operator: '%s', threshold: "
                   "%s, %s group_by: [%s]},",
                   asked[at].metric, asked[at].measure, below(3) == 0 ? "{ .pool = \"x\" }" : "{ }",
                   every, asked[at].op, asked[at].threshold, foresees ? "within: 10m," : "",
                   group_by);
    }
    buf_add_str(&rule, STR("]}]"));
    buf_add_byte(&rule, 0);
    size_t fired = check(rule.p, 1000, seed, crew);
    buf_done(&rule);
    return fired;
}

static void test_finds_what_the_engine_told_of_points(void **state)
{
    (void)state;
    check_seeds(SEEDS, check_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_the_engine_told_of_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
