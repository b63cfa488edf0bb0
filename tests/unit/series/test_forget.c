// SPDX-License-Identifier: Apache-2.0
// Purpose: series that nothing is kept of leave the index while it is used, and lines share it.
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include "series/state.h"
#include "unit/series/world.h"

#define DAY_MS ((uint64_t)24 * 3600000)

static struct series_stats stats_of(struct world *w)
{
    struct series_stats s;
    series_stats(w->store, &s);
    return s;
}

// A look, the adder's turn, and the rest of it.
static void forget(struct world *w)
{
    world_now_ms += SERIES_FORGET_MS;
    assert_ok(series_quiesce(w->store));
    seal(w);
    assert_ok(series_quiesce(w->store));
}

static void assert_all_steps(struct world *w)
{
    assert_int_equal(assert_model(w, 1), TIER_10S);
    assert_int_equal(assert_model(w, 6), TIER_1MIN);
    assert_int_equal(assert_model(w, 360), TIER_1H);
}

struct found {
    unsigned count, numbers[2 * SERIES_MAX];
};

static enum err note_found(void *ctx, const struct series_found *f)
{
    struct found *x = ctx;
    assert_true(x->count < 2 * SERIES_MAX);
    x->numbers[x->count++] = (unsigned)strtoul(label_of(f, STR("number")).p, NULL, 10);
    return ERR_OK;
}

// Asking for a value, which goes by the lists of labels, finds what looking at all series does.
static void assert_lists(struct world *w)
{
    for (unsigned g = 0; g < 5; g++) {
        char group[8];
        struct found x = {0}, y = {0};
        struct series_answer answer;
        (void)snprintf(group, sizeof group, "g%u", g);
        struct series_matcher m = {STR("group"), MATCH_EQUAL, str_of(group)};
        const struct series_query q = {.any_line = true,
                                       .matchers = &m,
                                       .matcher_count = 1,
                                       .from_ms = T0_MS,
                                       .to_ms = T0_MS + 1000 * DAY_MS,
                                       .step_ms = SERIES_SLOT_MS};
        assert_ok(series_run(w->store, &q, note_found, &x, &answer));
        m.how = MATCH_PREFIX;
        assert_ok(series_run(w->store, &q, note_found, &y, &answer));
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.numbers, y.numbers, sizeof x.numbers);
    }
}

// ---- Pods ---------------------------------------------------------------------------------------

#define BORN     40u // series of a generation
#define BORN_GAP (6 * 3600000u)

static enum err find_born(struct world *w, unsigned generation, unsigned number, unsigned line,
                          uint32_t *ret_series)
{
    char texts[3][24];
    (void)snprintf(texts[0], sizeof texts[0], "line-%u", line);
    (void)snprintf(texts[1], sizeof texts[1], "pod-%u", generation);
    (void)snprintf(texts[2], sizeof texts[2], "%u", number);
    const struct series_label labels[] = {{STR("__name__"), STR("load")},
                                          {STR("number"), str_of(texts[2])},
                                          {STR("pod"), str_of(texts[1])}};
    return series_find(w->store, str_of(texts[0]), SERIES_GAUGE, labels, 3, ret_series);
}

static double born_value(unsigned generation, unsigned number)
{
    return 1 + generation * 100000.0 + number;
}

// ---- Leaving ------------------------------------------------------------------------------------

static void test_series_go_with_their_last_part(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < 40; i++) {
        add_calls(&w, i, 5, 1000 + i, 1);
        add_number_to(&w, w.model, i, 5, 7);
    }
    seal_and_flush(&w);
    forget(&w);
    assert_int_equal(stats_of(&w).series, 80);
    assert_int_equal(stats_of(&w).forgotten_series, 0);
    assert_all_steps(&w);
    world_now_ms += 3 * DAY_MS; // numbers are not kept that long
    forget(&w);
    memset(w.model->numbers, 0, sizeof w.model->numbers);
    assert_int_equal(stats_of(&w).series, 40);
    assert_int_equal(stats_of(&w).forgotten_series, 40);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    assert_lists(&w);
    size_t before = stats_of(&w).index_bytes;
    world_now_ms += 500 * DAY_MS;
    forget(&w);
    struct series_stats s = stats_of(&w);
    assert_int_equal(s.series, 0);
    assert_int_equal(s.forgotten_series, 80);
    assert_true(s.index_bytes < before);
    assert_lists(&w);
    world_done(&w);
}

static void test_series_go_that_merges_leave_nothing_of(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < 8; i++) {
        add_calls(&w, 4, 3, 1000000, 5);
        add_calls(&w, 6, 3, 1000000, 1);
        seal_and_flush(&w);
    }
    add_calls(&w, 4, 3, 1000000, -40);
    seal_and_flush(&w);
    world_now_ms += 40 * DAY_MS; // all spans lie behind, and the widest is kept
    assert_ok(series_quiesce(w.store));
    forget(&w);
    assert_int_equal(stats_of(&w).series, 1);
    assert_int_equal(stats_of(&w).forgotten_series, 1);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    world_done(&w);
}

static void test_series_without_a_sample_go(void **state)
{
    (void)state;
    struct world w;
    uint32_t series;
    world_open(&w, 0);
    assert_ok(find_series(&w, 1, true, &series));
    add_calls(&w, 2, 1, 1000, 1);
    seal_and_flush(&w);
    forget(&w);
    assert_int_equal(stats_of(&w).series, 1);
    assert_all_steps(&w);
    world_done(&w);
}

static void maintain(struct world *w)
{
    bool did = true;
    while (did) {
        assert_ok(series_maintain_step(w->store, &did));
    }
}

static void test_series_of_heads_that_wait_stay(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    add_calls(&w, 1, 1, 1000, 1);
    seal_and_flush(&w);
    add_calls(&w, 2, 2, 1000, 1);
    seal(&w);
    add_calls(&w, 3, 3, 1000, 1);
    world_now_ms += SERIES_FORGET_MS;
    maintain(&w); // one is in a part, one is sealed, one in the head
    seal(&w);
    maintain(&w);
    assert_int_equal(stats_of(&w).series, 3);
    assert_all_steps(&w);
    assert_ok(series_flush(w.store));
    assert_all_steps(&w);
    world_done(&w);
}

static void test_held_series_stay(void **state)
{
    (void)state;
    struct world w;
    uint32_t held, series;
    world_open(&w, 0);
    assert_ok(find_series(&w, 2, true, &held));
    series_hold(w.store, held);
    add_calls(&w, 3, 1, 1000, 1);
    seal_and_flush(&w);
    world_now_ms += 500 * DAY_MS;
    forget(&w);
    assert_int_equal(stats_of(&w).series, 1);
    add_duration(w.store, held, 1, world_now_ms, 1000);
    assert_ok(find_series(&w, 2, true, &series));
    assert_int_equal(series, held);
    world_done(&w);
}

static void test_released_series_go(void **state)
{
    (void)state;
    struct world w;
    uint32_t held, series;
    world_open(&w, 0);
    assert_ok(find_series(&w, 2, true, &held));
    series_hold(w.store, held);
    add_calls(&w, 3, 1, 1000, 1);
    seal_and_flush(&w);
    series_release(w.store, held);
    forget(&w);
    assert_int_equal(stats_of(&w).series, 1); // the one that is in a part
    assert_ok(find_series(&w, 2, true, &series));
    series_hold(w.store, series);
    add_duration(w.store, series, 1, world_now_ms, 1000);
    world_now_ms += SERIES_FORGET_MS;
    forget(&w);
    assert_int_equal(stats_of(&w).series, 2);
    world_done(&w);
}

// ---- Coming back --------------------------------------------------------------------------------

struct expecting {
    double base;
    unsigned count;
};

static enum err check_again(void *ctx, const struct series_found *f)
{
    struct expecting *x = ctx;
    assert_int_equal(f->count, 1);
    assert_true(f->numbers[0] == x->base + strtod(label_of(f, STR("number")).p, NULL));
    x->count++;
    return ERR_OK;
}

static void test_series_that_comes_again_is_new(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned round = 0; round < 9; round++) {
        // Pods come in turn, more or less of them, so that references are given to others.
        struct expecting x = {.base = 1000 * round};
        struct series_answer answer;
        const struct series_query q = {.any_line = true,
                                       .from_ms = T0_MS,
                                       .to_ms = T0_MS + 1000 * DAY_MS,
                                       .step_ms = SERIES_SLOT_MS};
        for (unsigned i = 0; i < BORN + round % 4; i++) {
            uint32_t series;
            assert_ok(find_born(&w, i % (1 + round % 3), i, i % 2, &series));
            series_add_number(w.store, series, world_now_ms, x.base + i);
        }
        assert_ok(series_run(w.store, &q, check_again, &x, &answer));
        seal_and_flush(&w);
        assert_ok(series_run(w.store, &q, check_again, &x, &answer));
        assert_int_equal(x.count, 2 * (BORN + round % 4));
        if (round == 5) {
            world_stop(&w);
            world_start(&w);
            assert_ok(series_run(w.store, &q, check_again, &x, &answer));
            assert_int_equal(x.count, 3 * (BORN + round % 4));
        }
        world_now_ms += 3 * DAY_MS;
        forget(&w);
        assert_int_equal(stats_of(&w).series, 0);
    }
    world_done(&w);
}

// What is kept at a wider width keeps its series, with what it had before and after.
static void test_series_that_lives_on_keeps_all_it_has(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned round = 0; round < 5; round++) {
        unsigned slot = 370 + round * 360;
        world_now_ms = slot_ms(slot);
        for (unsigned i = round; i < SERIES_MAX; i += 2) {
            add_calls(&w, i, slot, 1000 + i, 1);
        }
        for (unsigned i = 0; i < 10; i++) {
            add_number_to(&w, w.model, 7 * i % SERIES_MAX, slot, 1 + i);
        }
        seal_and_flush(&w);
        forget(&w);
        assert_all_steps(&w);
        assert_lists(&w);
    }
    world_now_ms += 3 * DAY_MS;
    forget(&w);
    memset(w.model->numbers, 0, sizeof w.model->numbers);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    world_stop(&w);
    world_start(&w);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    world_done(&w);
}

static void test_series_found_again_before_the_seal_stays(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    add_calls(&w, 0, 5, 1000, 1);
    add_calls(&w, 2, 5, 1000, 1);
    seal_and_flush(&w);
    memset(w.model, 0, sizeof *w.model);
    world_now_ms += 500 * DAY_MS;
    assert_ok(series_quiesce(w.store)); // both are listed
    uint32_t series;
    assert_ok(find_series(&w, 2, true, &series));
    add_duration(w.store, series, 3, world_now_ms, 1000);
    seal(&w);
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).series, 1);
    assert_int_equal(stats_of(&w).forgotten_series, 1);
    struct found x = {0};
    struct series_answer answer;
    const struct series_query q = {.any_line = true,
                                   .from_ms = T0_MS,
                                   .to_ms = T0_MS + 1000 * DAY_MS,
                                   .step_ms = SERIES_SLOT_MS};
    assert_ok(series_run(w.store, &q, note_found, &x, &answer));
    assert_int_equal(x.count, 1);
    assert_int_equal(x.numbers[0], 2);
    world_done(&w);
}

// ---- Beside queries -----------------------------------------------------------------------------

struct slow_query {
    struct world *w;
    unsigned count;
};

// While the first series is looked at, all of them expire and are forgotten as far as can be.
static enum err look_slowly(void *ctx, const struct series_found *f)
{
    struct slow_query *x = ctx;
    uint64_t number = 0;
    assert_ok(str_to_u64(label_of(f, STR("number")), &number));
    if (x->count++ == 0) {
        world_now_ms += 500 * DAY_MS;
        forget(x->w);
        assert_int_equal(stats_of(x->w).parts[TIER_10S], 0);
        assert_int_equal(stats_of(x->w).forgotten_series, 0); // one who may know them is there
        uint32_t series;
        assert_ok(find_series(x->w, 1, true, &series)); // comes again meanwhile
        series_hold(x->w->store, series);
    }
    assert_int_equal(f->count, 1);
    assert_int_equal(f->hists[0].sum_ns, 1000 + number);
    return ERR_OK;
}

static void test_query_sees_to_its_end_what_is_forgotten_meanwhile(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < SERIES_MAX; i++) {
        add_calls(&w, i, 5, 1000 + i, 1);
    }
    seal_and_flush(&w);
    struct slow_query x = {.w = &w};
    struct series_answer answer;
    const struct series_query q = {
        .any_line = true, .from_ms = T0_MS, .to_ms = slot_ms(SLOTS), .step_ms = SERIES_SLOT_MS};
    assert_ok(series_run(w.store, &q, look_slowly, &x, &answer));
    assert_int_equal(x.count, SERIES_MAX);
    x.count = 1;
    assert_ok(series_run(w.store, &q, look_slowly, &x, &answer));
    assert_int_equal(x.count, 1);
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).forgotten_series, SERIES_MAX);
    assert_int_equal(stats_of(&w).series, 1);
    world_done(&w);
}

struct reader {
    struct world *w;
    atomic_bool stop;
    atomic_uint rounds;
};

static enum err check_born(void *ctx, const struct series_found *f)
{
    unsigned generation = (unsigned)strtoul(label_of(f, STR("pod")).p + 4, NULL, 10);
    unsigned number = (unsigned)strtoul(label_of(f, STR("number")).p, NULL, 10);
    (void)ctx;
    for (size_t i = 0; i < f->count; i++) {
        if (f->numbers[i] != born_value(generation, number)) {
            return ERR_CORRUPT;
        }
    }
    return ERR_OK;
}

static void check_value(void *ctx, struct str value)
{
    *(bool *)ctx &= str_starts(value, STR("pod-"));
}

static void check_listed(void *ctx, const struct series_found *f)
{
    *(bool *)ctx &= str_starts(label_of(f, STR("pod")), STR("pod-"));
}

static void *read_on(void *ctx)
{
    struct reader *r = ctx;
    bool good = true;
    while (!atomic_load(&r->stop) && good) {
        struct series_answer answer;
        const struct series_matcher number = {STR("number"), MATCH_EQUAL, STR("7")};
        struct series_query q = {.any_line = true,
                                 .matchers = &number,
                                 .matcher_count = atomic_load(&r->rounds) % 2,
                                 .from_ms = T0_MS,
                                 .to_ms = T0_MS + 1000 * DAY_MS,
                                 .step_ms = SERIES_SLOT_MS};
        good = series_run(r->w->store, &q, check_born, NULL, &answer) == ERR_OK &&
               series_values(r->w->store, &q, STR("pod"), 1000, check_value, &good) == ERR_OK &&
               series_list(r->w->store, &q, check_listed, &good) == ERR_OK && good;
        atomic_fetch_add(&r->rounds, 1);
    }
    return good ? r : NULL;
}

static void test_reading_beside_forgetting(void **state)
{
    (void)state;
    struct world w;
    pthread_t threads[2];
    struct reader readers[2];
    world_open(&w, 0);
    series_start(w.store);
    for (int i = 0; i < 2; i++) {
        readers[i] = (struct reader){.w = &w};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    for (unsigned g = 0; g < 60; g++) {
        for (unsigned i = 0; i < BORN; i++) {
            uint32_t series;
            assert_ok(find_born(&w, g, i, i % 3, &series));
            series_add_number(w.store, series, world_now_ms, born_value(g, i));
        }
        unsigned seen = atomic_load(&readers[0].rounds);
        seal(&w);
        assert_ok(series_quiesce(w.store));
        world_now_ms += BORN_GAP;
        while (g % 10 == 9 && atomic_load(&readers[0].rounds) < seen + 2) {
            sched_yield(); // so that readers are not left behind
        }
    }
    for (int i = 0; i < 2; i++) {
        void *ret;
        atomic_store(&readers[i].stop, true);
        assert_int_equal(pthread_join(threads[i], &ret), 0);
        assert_ptr_equal(ret, &readers[i]);
    }
    forget(&w);
    struct series_stats s = stats_of(&w);
    assert_true(s.forgotten_series >= 30 * BORN);
    assert_true(s.series <= 20 * BORN);
    world_done(&w);
}

// ---- Memory -------------------------------------------------------------------------------------

#define MANY 20000u

// Pods that come and go, a generation a day, of which numbers are kept for two to three days.
static void test_index_stays_level_over_many_generations(void **state)
{
    (void)state;
    struct world w;
    size_t level = 0;
    uint64_t forgotten = 0;
    world_open(&w, 0);
    for (unsigned g = 0; g < 50; g++) {
        for (unsigned i = 0; i < MANY; i++) {
            uint32_t series;
            assert_ok(find_born(&w, g, i, 0, &series));
            series_add_number(w.store, series, world_now_ms, born_value(g, i));
        }
        seal_and_flush(&w);
        world_now_ms += DAY_MS;
        forget(&w);
        struct series_stats s = stats_of(&w);
        assert_int_equal(s.refused_series, 0);
        assert_true(s.series <= 4 * MANY);
        level = g == 10 ? s.index_bytes + s.index_bytes / 10 : level;
        assert_true(g <= 10 || s.index_bytes <= level);
        if (g == 30) {
            forgotten = s.forgotten_series;
            world_stop(&w);
            world_start(&w);
            assert_true(stats_of(&w).series <= 4 * MANY);
        }
    }
    forgotten += stats_of(&w).forgotten_series;
    assert_true(forgotten >= (uint64_t)46 * MANY && forgotten <= (uint64_t)50 * MANY);
    world_now_ms += 4 * DAY_MS;
    forget(&w);
    seal(&w);
    assert_int_equal(stats_of(&w).series, 0);
    assert_true(stats_of(&w).index_bytes < level / 8);
    world_done(&w);
}

// What was on its way out at a power cut is gone after it, and what had something is there.
static void test_power_cut_between_the_steps(void **state)
{
    (void)state;
    struct world w;
    log_set_level(LOG_SILENT);
    world_open(&w, 5);
    for (unsigned step = 0; step < 3; step++) {
        for (unsigned i = 0; i < BORN; i++) {
            uint32_t series;
            assert_ok(find_born(&w, step, i, 0, &series));
            series_add_number(w.store, series, world_now_ms, born_value(step, i));
        }
        seal_and_flush(&w);
        world_now_ms += 3 * DAY_MS; // all of it expires
        if (step > 0) {
            assert_ok(series_quiesce(w.store)); // found
        }
        uint32_t series;
        assert_ok(find_born(&w, 9, step, 0, &series));
        series_add_number(w.store, series, world_now_ms, born_value(9, step));
        seal(&w); // unlinked
        assert_ok(series_flush(w.store));
        simfs_power_off_after(w.sim, 1);
        world_stop(&w);
        simfs_crash(w.sim);
        world_start(&w);
        forget(&w);
        assert_int_equal(stats_of(&w).series, 1);
        struct reader r = {.w = &w};
        struct series_answer answer;
        const struct series_query q = {.any_line = true,
                                       .from_ms = T0_MS,
                                       .to_ms = T0_MS + 1000 * DAY_MS,
                                       .step_ms = SERIES_SLOT_MS};
        assert_ok(series_run(w.store, &q, check_born, &r, &answer));
        assert_int_equal(answer.series, 1);
    }
    log_set_level(LOG_INFO);
    world_done(&w);
}

// ---- Shares -------------------------------------------------------------------------------------

// How many new series a line gets, `max` at most, from number `from` on.
static unsigned fill(struct world *w, unsigned line, unsigned from, unsigned max)
{
    unsigned n = 0;
    uint32_t series;
    while (n < max && find_born(w, 0, from + n, line, &series) == ERR_OK) {
        series_add_number(w->store, series, world_now_ms, 1);
        n++;
    }
    return n;
}

static void test_line_that_fills_the_index_leaves_room_for_others(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    size_t quarter = w.budget.limit_bytes / 4;
    unsigned all = fill(&w, 0, 0, UINT32_MAX);
    assert_true(all < 1u << 20); // not its number, but memory
    assert_true(stats_of(&w).index_bytes > quarter);
    assert_int_equal(stats_of(&w).refused_series, 1);
    unsigned second = fill(&w, 1, 0, UINT32_MAX);
    assert_true(second > all / 10 && second < all / 3);
    assert_true(fill(&w, 2, 0, 1000) == 1000);
    assert_int_equal(fill(&w, 0, all, 1), 0);
    assert_int_equal(fill(&w, 1, second, 1), 0);
    assert_true(stats_of(&w).index_bytes < quarter + quarter / 4);
    // What it has is written, gets too old, and is forgotten.
    seal_and_flush(&w);
    world_now_ms += 3 * DAY_MS;
    for (unsigned i = 0; i < 8; i++) {
        forget(&w); // there is more than one list has room for
    }
    assert_int_equal(stats_of(&w).series, 0);
    assert_int_equal(fill(&w, 1, 0, 2 * second), 2 * second);
    world_done(&w);
}

static void test_lines_that_want_all_get_the_same(void **state)
{
    (void)state;
    struct world w;
    unsigned had[2] = {0, 0}, got = 1;
    world_open(&w, 0);
    while (got > 0) {
        got = 0;
        for (unsigned line = 0; line < 2; line++) {
            unsigned n = fill(&w, line, had[line], 100);
            had[line] += n;
            got += n;
        }
    }
    unsigned least = had[0] < had[1] ? had[0] : had[1], most = had[0] + had[1] - least;
    assert_true(most - least <= most / 10);
    assert_true(fill(&w, 2, 0, 1000) == 1000);
    world_done(&w);
}

// ---- Lines --------------------------------------------------------------------------------------

static enum err note_line(void *ctx, const struct series_found *f)
{
    char *last = ctx;
    (void)snprintf(last, 32, "%.*s=%.*s", (int)f->line.n, f->line.p,
                   (int)label_of(f, STR("number")).n, label_of(f, STR("number")).p);
    return ERR_OK;
}

// How many series a line has, and its name and the number of the last one.
static uint64_t look_at_line(struct world *w, struct str line, char last[32])
{
    struct series_answer answer;
    const struct series_query q = {
        .line = line, .from_ms = T0_MS, .to_ms = T0_MS + 1000 * DAY_MS, .step_ms = SERIES_SLOT_MS};
    last[0] = 0;
    assert_ok(series_run(w->store, &q, note_line, last, &answer));
    return answer.series;
}

static void test_line_with_nothing_left_makes_room(void **state)
{
    (void)state;
    struct world w;
    char last[32];
    uint32_t series;
    world_open(&w, 0);
    for (unsigned i = 0; i < SERIES_LINES_MAX; i++) {
        assert_int_equal(fill(&w, i, i, 1), 1);
    }
    assert_err(find_born(&w, 0, 0, 64, &series), ERR_LIMIT);
    seal_and_flush(&w);
    world_now_ms += 3 * DAY_MS;
    assert_int_equal(fill(&w, 7, 1007, 1), 1); // the only one that something is left of
    seal_and_flush(&w);
    forget(&w);
    assert_int_equal(stats_of(&w).series, 1);
    for (unsigned i = 64; i < 63 + SERIES_LINES_MAX; i++) {
        assert_int_equal(fill(&w, i, i, 1), 1);
    }
    assert_err(find_born(&w, 0, 0, 0, &series), ERR_LIMIT);
    for (unsigned round = 0; round < 2; round++) { // from the head, from parts
        assert_int_equal(look_at_line(&w, STR("line-7"), last), 1);
        assert_string_equal(last, "line-7=1007");
        assert_int_equal(look_at_line(&w, STR("line-64"), last), 1);
        assert_string_equal(last, "line-64=64");
        assert_int_equal(look_at_line(&w, STR("line-0"), last), 0);
        seal_and_flush(&w);
    }
    world_stop(&w);
    world_start(&w);
    assert_int_equal(look_at_line(&w, STR("line-126"), last), 1);
    assert_string_equal(last, "line-126=126");
    assert_int_equal(look_at_line(&w, STR("line-63"), last), 0);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_with_nothing_left_makes_room),
        cmocka_unit_test(test_series_go_with_their_last_part),
        cmocka_unit_test(test_series_go_that_merges_leave_nothing_of),
        cmocka_unit_test(test_series_without_a_sample_go),
        cmocka_unit_test(test_series_of_heads_that_wait_stay),
        cmocka_unit_test(test_held_series_stay),
        cmocka_unit_test(test_released_series_go),
        cmocka_unit_test(test_series_that_comes_again_is_new),
        cmocka_unit_test(test_series_that_lives_on_keeps_all_it_has),
        cmocka_unit_test(test_series_found_again_before_the_seal_stays),
        cmocka_unit_test(test_query_sees_to_its_end_what_is_forgotten_meanwhile),
        cmocka_unit_test(test_reading_beside_forgetting),
        one_thread_test(test_index_stays_level_over_many_generations),
        cmocka_unit_test(test_power_cut_between_the_steps),
        one_thread_test(test_line_that_fills_the_index_leaves_room_for_others),
        one_thread_test(test_lines_that_want_all_get_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
