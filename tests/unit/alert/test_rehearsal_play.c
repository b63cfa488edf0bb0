// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/rehearsal_play.c over days: what is compared with the usual at a time of
// the day, and with where it is going, fires and ends in a dry run as it does in the engine.
#include <stdlib.h>
#include <unistd.h>

#include "told.h"

#define START_MS    ((uint64_t)1750032000000) // 2025-06-16T00:00Z: a day begins
#define HOUR_MS     ((uint64_t)3600000)
#define BATCHES_MAX 16000

struct days {
    struct alert_set *set;
    struct budget budget;
    struct batch *batches[BATCHES_MAX];
    size_t count;
    uint64_t turn_ms;
    size_t (*spans_of)(uint64_t at_ms, const char *instance); // how many of a turn
};

static struct batch *next_batch(void *ctx, uint64_t at_ms)
{
    static const char *const instances[] = {"a", "b"};
    struct days *w = ctx;
    struct made spans[128];
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = w->spans_of(at_ms, instances[i]); k > 0 && n < 128; k--) {
            n++;
            spans[n - 1] = (struct made){.service = "cart",
                                         .instance = instances[i],
                                         .name = "pay",
                                         .end_ms = at_ms - 1 - below(w->turn_ms),
                                         .duration_ms = 20 + below(60),
                                         .failed = below(20) == 0,
                                         .trace = w->count * 200 + n};
        }
    }
    assert_true(w->count < BATCHES_MAX);
    w->batches[w->count] = batch_of(spans, n, w->count + 1);
    return batch_ref(w->batches[w->count++]);
}

static struct rehearsal *rehearse(struct days *w, uint64_t to_ms)
{
    const struct store_view view = {.hot = w->batches, .hot_count = w->count};
    const struct rehearsal_query q = {.view = &view,
                                      .rule = &alert_set_file(w->set)->rules[0],
                                      .from_ms = START_MS,
                                      .to_ms = to_ms};
    return told_rehearse(&q, NULL, &w->budget);
}

// How many times it fired, in both.
static size_t check(const char *rule, uint64_t range_ms, uint64_t turn_ms,
                    size_t (*spans_of)(uint64_t at_ms, const char *instance))
{
    static struct days w;
    static struct events told, tried;
    told_seed(7);
    memset(&w, 0, sizeof w);
    budget_init(&w.budget, (size_t)256 << 20);
    w.set = rules_of(rule);
    w.turn_ms = turn_ms;
    w.spans_of = spans_of;
    struct rehearsal *empty = rehearse(&w, START_MS + range_ms); // says from when on it looks
    told_live(w.set, &w.budget, empty->scanned_from_ms / turn_ms * turn_ms, START_MS + range_ms,
              turn_ms, next_batch, &w, &told);
    rehearsal_free(empty);
    told_leave_out_before(&told, START_MS);
    struct rehearsal *r = rehearse(&w, START_MS + range_ms);
    told_events(r, &alert_set_file(w.set)->rules[0], &tried);
    told_compare(&told, &tried, turn_ms, rule);
    rehearsal_free(r);
    for (size_t i = 0; i < w.count; i++) {
        batch_unref(w.batches[i]);
    }
    alert_set_unref(w.set);
    return told.count;
}

// ---- What is usual ------------------------------------------------------------------------------

// Busy by day, quiet at night; on the day that is asked for, instance a is too busy from two to
// four, and b is away from six to eight and busy at nine.
static size_t of_a_day(uint64_t at_ms, const char *instance)
{
    uint64_t hour = at_ms / HOUR_MS % 24, usual = hour < 8 ? 3 : 12;
    bool is_odd = at_ms >= START_MS;
    if (is_odd && instance[0] == 'a' && hour >= 2 && hour < 4) {
        return 20 + below(4);
    }
    if (is_odd && instance[0] == 'b' && hour >= 6 && hour < 8) {
        return 0;
    }
    if (is_odd && instance[0] == 'b' && hour == 9) {
        return 40;
    }
    return usual + below(2);
}

#define SEASONAL(measure, op, threshold)                                                           \
    "rules: [{name: tried, strategies: [{measure: " measure ", every: 1h, operator: " op           \
    ", threshold: " threshold ", group_by: [instance]}]}]"

static void test_what_is_usual_is_the_same(void **state)
{
    (void)state;
    assert_true(check(SEASONAL("count", "above_baseline", "20"), 12 * HOUR_MS, 60000, of_a_day) >
                1);
    assert_true(check(SEASONAL("count", "below_baseline", "20"), 12 * HOUR_MS, 60000, of_a_day) >
                0);
    assert_true(check(SEASONAL("rate", "off_baseline", "30"), 12 * HOUR_MS, 60000, of_a_day) > 2);
    assert_true(check(SEASONAL("p90", "above_baseline", "0"), 12 * HOUR_MS, 60000, of_a_day) > 0);
}

// ---- Where it is going --------------------------------------------------------------------------

// More and more of a from half an hour before the range on, fewer and fewer of b; then as before.
static size_t growing(uint64_t at_ms, const char *instance)
{
    uint64_t begin = START_MS - HOUR_MS / 2, end = START_MS + HOUR_MS / 3;
    uint64_t minutes = at_ms > begin && at_ms < end ? (at_ms - begin) / 60000 : 0;
    return instance[0] == 'a' ? 2 + minutes / 4 + below(2)
                              : (minutes / 4 < 14 ? 14 - minutes / 4 : 0) + below(2);
}

#define FORESEEN(measure, op, threshold)                                                           \
    "rules: [{name: tried, strategies: [{measure: " measure ", every: 1m, operator: " op           \
    ", threshold: " threshold ", within: 30m, group_by: [instance]}]}]"

static void test_where_it_goes_is_the_same(void **state)
{
    (void)state;
    assert_true(check(FORESEEN("count", "will_exceed", "900"), HOUR_MS, 1000, growing) > 0);
    assert_true(check(FORESEEN("rate", "will_fall_below", "3"), HOUR_MS, 1000, growing) > 0);
    assert_true(check(FORESEEN("sum", "will_exceed", "50s"), HOUR_MS, 1000, growing) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_usual_is_the_same),
        cmocka_unit_test(test_where_it_goes_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
