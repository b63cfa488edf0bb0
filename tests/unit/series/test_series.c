// SPDX-License-Identifier: Apache-2.0
// Purpose: the series store as its callers see it.
#include "test.h"

#include <pthread.h>
#include <unistd.h>

#include "journal/journal.h"
#include "unit/series/world.h"

static struct series_stats stats_of(struct world *w)
{
    struct series_stats s;
    series_stats(w->store, &s);
    return s;
}

static void assert_all_steps(struct world *w)
{
    assert_int_equal(assert_model(w, 1), TIER_10S);
    assert_int_equal(assert_model(w, 2), TIER_10S);
    assert_int_equal(assert_model(w, 6), TIER_1MIN);
    assert_int_equal(assert_model(w, 360), TIER_1H);
}

static void test_finds_what_was_added_wherever_it_is(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned round = 0; round < 30; round++) {
        add_some(&w, w.model, 400 + round * 55, 200);
        world_now_ms = slot_ms(400 + round * 55);
        if (round % 7 == 3) {
            assert_all_steps(&w); // head
        }
        seal(&w);
        if (round % 7 == 4) {
            assert_all_steps(&w); // sealed
        }
        if (round % 2 == 0) {
            assert_ok(series_flush(w.store));
            assert_int_equal(w.committed, w.seq);
        }
    }
    assert_all_steps(&w);
    world_stop(&w);
    world_start(&w);
    assert_int_equal(series_seq(w.store), w.seq);
    assert_str(series_state(w.store), "state 30");
    assert_all_steps(&w);
    assert_ok(series_quiesce(w.store));
    assert_true(stats_of(&w).merges > 0);
    assert_all_steps(&w);
    world_now_ms += (uint64_t)3600000 * 3; // all spans of the first tier lie behind
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).parts[TIER_10S], 6); // three spans of two lines
    assert_all_steps(&w);
    world_stop(&w);
    world_start(&w);
    assert_all_steps(&w);
    world_done(&w);
}

static void test_what_is_taken_back_is_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < 8; i++) {
        add_calls(&w, 4, 3, 1000000, 5);
        seal_and_flush(&w);
    }
    assert_all_steps(&w);
    add_calls(&w, 4, 3, 1000000, -40);
    assert_all_steps(&w);
    seal_and_flush(&w);
    assert_ok(series_quiesce(w.store));
    world_now_ms += (uint64_t)40 * 24 * 3600000;
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).part_samples[TIER_1H], 0);
    world_done(&w);
}

static void test_later_number_counts(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < 20; i++) {
        add_number_to(&w, w.model, 2, 7, 1 + i);
        add_number_to(&w, w.model, 2, 8 + i, i * 0.1 + 1);
        assert_all_steps(&w);
        seal_and_flush(&w);
        if (i % 9 == 8) {
            assert_ok(series_quiesce(w.store));
        }
    }
    assert_all_steps(&w);
    world_done(&w);
}

// ---- Matching -----------------------------------------------------------------------------------

struct found {
    unsigned count, numbers[2 * SERIES_MAX];
};

static enum err note_found(void *ctx, const struct series_found *f)
{
    struct found *x = ctx;
    x->numbers[x->count++] = (unsigned)strtoul(label_of(f, STR("number")).p, NULL, 10);
    return ERR_OK;
}

static struct found run(struct world *w, struct str line, const struct series_matcher *m, size_t n)
{
    struct found x = {0};
    struct series_answer answer;
    const struct series_query q = {.any_line = line.p == NULL,
                                   .line = line,
                                   .matchers = m,
                                   .matcher_count = n,
                                   .from_ms = T0_MS,
                                   .to_ms = slot_ms(SLOTS),
                                   .step_ms = SERIES_SLOT_MS};
    assert_ok(series_run(w->store, &q, note_found, &x, &answer));
    assert_int_equal(answer.series, x.count);
    return x;
}

static void note_value(void *ctx, struct str value)
{
    struct buf *b = ctx;
    buf_add_str(b, value);
    buf_add_byte(b, ' ');
}

static void assert_values(struct world *w, struct series_query *q, struct str key,
                          const char *expect)
{
    struct buf b;
    buf_init(&b, 4096);
    assert_ok(series_values(w->store, q, key, 4, note_value, &b));
    buf_add_byte(&b, 0);
    assert_string_equal(b.p, expect);
    buf_done(&b);
}

static void test_matchers(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    for (unsigned i = 0; i < SERIES_MAX; i++) {
        add_calls(&w, i, i, 1000, 1);
        if (i % 16 == 15) {
            seal_and_flush(&w);
        }
    }
    const struct series_matcher group[] = {{STR("group"), MATCH_EQUAL, STR("g3")},
                                           {STR("number"), MATCH_NOT_EQUAL, STR("13")}};
    struct found x = run(&w, STR_NONE, group, 1);
    assert_int_equal(x.count, 9); // 3, 8, 13, ... 43
    x = run(&w, STR("shop"), group, 1);
    assert_int_equal(x.count, 4); // 8, 18, 28, 38
    assert_int_equal(x.numbers[0], 18);
    assert_int_equal(x.numbers[3], 8); // in order of label
    x = run(&w, STR("play"), group, 2);
    assert_int_equal(x.count, 4); // 3, 23, 33, 43
    const struct series_matcher prefix[] = {{STR("number"), MATCH_PREFIX, STR("4")}};
    x = run(&w, STR_NONE, prefix, 1);
    assert_int_equal(x.count, 9); // 4, 40 to 47
    const struct series_matcher none[] = {{STR("group"), MATCH_EQUAL, STR("")}};
    assert_int_equal(run(&w, STR_NONE, none, 1).count, 0);
    const struct series_matcher any[] = {{STR("group"), MATCH_ANY, STR_NONE},
                                         {STR("colour"), MATCH_EQUAL, STR("")}};
    assert_int_equal(run(&w, STR_NONE, any, 2).count, SERIES_MAX);
    const struct series_matcher other[] = {{STR("group"), MATCH_EQUAL, STR("g9")}};
    assert_int_equal(run(&w, STR_NONE, other, 1).count, 0);
    assert_int_equal(run(&w, STR("none"), any, 1).count, 0);
    struct series_query q = {.any_line = true,
                             .matchers = prefix,
                             .matcher_count = 1,
                             .from_ms = T0_MS,
                             .to_ms = slot_ms(SLOTS),
                             .step_ms = SERIES_SLOT_MS};
    assert_values(&w, &q, STR("group"), "g0 g1 g2 g3 ");
    assert_values(&w, &q, STR("__name__"), "calls ");
    assert_values(&w, &q, STR("colour"), "");
    q.to_ms = slot_ms(16); // one flush alone: number 4
    assert_values(&w, &q, STR("group"), "g4 ");
    world_done(&w);
}

// ---- Limits -------------------------------------------------------------------------------------

static void test_labels_must_be_in_order(void **state)
{
    (void)state;
    struct world w;
    uint32_t series;
    world_open(&w, 0);
    static const struct series_label bad[][2] = {
        {{{"b", 1}, {"x", 1}}, {{"a", 1}, {"x", 1}}},    // not sorted
        {{{"a", 1}, {"x", 1}}, {{"a", 1}, {"x", 1}}},    // twice
        {{{"a", 1}, {"", 0}}, {{"b", 1}, {"x", 1}}},     // empty
        {{{"a", 1}, {"x\0y", 3}}, {{"b", 1}, {"x", 1}}}, // a NUL
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_err(series_find(w.store, STR("shop"), SERIES_HIST, bad[i], 2, &series), ERR_INVALID);
    }
    assert_err(series_find(w.store, STR("shop"), SERIES_HIST, NULL, 0, &series), ERR_INVALID);
    const struct series_label good[] = {{STR("a"), STR("x")}};
    assert_ok(series_find(w.store, STR("shop"), SERIES_HIST, good, 1, &series));
    assert_err(series_find(w.store, STR("shop"), SERIES_GAUGE, good, 1, &series), ERR_INVALID);
    assert_ok(series_find(w.store, STR("play"), SERIES_GAUGE, good, 1, &series));
    world_done(&w);
}

static void test_new_series_are_refused_at_the_limit(void **state)
{
    (void)state;
    struct world w = {0};
    uint32_t series;
    world_open(&w, 0);
    world_stop(&w);
    w.options.series_max = 10;
    world_start(&w);
    for (unsigned i = 0; i < 20; i += 2) {
        add_calls(&w, i, 1, 1000, 1);
    }
    assert_err(find_series(&w, 20, true, &series), ERR_LIMIT);
    assert_ok(find_series(&w, 21, true, &series)); // of the other line
    assert_ok(find_series(&w, 18, true, &series)); // known
    assert_int_equal(stats_of(&w).refused_series, 1);
    seal_and_flush(&w);
    assert_err(find_series(&w, 20, true, &series), ERR_LIMIT); // the head before counts
    add_calls(&w, 2, 1, 1000, 1);
    seal_and_flush(&w);
    for (unsigned i = 20; i < 38; i += 2) {
        add_calls(&w, i, 1, 1000, 1); // nine, beside the one that still counts
    }
    assert_err(find_series(&w, 38, true, &series), ERR_LIMIT);
    assert_err(find_series(&w, 4, true, &series), ERR_LIMIT); // known, and not counted any more
    assert_all_steps(&w);
    for (unsigned i = 0; i < SERIES_LINES_MAX; i++) {
        char line[16];
        (void)snprintf(line, sizeof line, "line %u", i);
        const struct series_label label = {STR("a"), STR("b")};
        enum err e = series_find(w.store, str_of(line), SERIES_HIST, &label, 1, &series);
        assert_err(e, i + 2 < SERIES_LINES_MAX ? ERR_OK : ERR_LIMIT);
    }
    world_done(&w);
}

static enum err refuse_series(void *ctx, const struct series_found *f)
{
    (void)ctx;
    (void)f;
    return ERR_CLOSED;
}

static void test_queries_stop(void **state)
{
    (void)state;
    struct world w;
    struct meter meter;
    struct series_answer answer;
    struct found x = {0};
    atomic_bool cancelled = true;
    world_open(&w, 0);
    add_some(&w, w.model, 100, 1000);
    seal_and_flush(&w);
    add_some(&w, w.model, 100, 1000);
    meter_init(&meter, &w.budget, ACCOUNT_QUERY);
    struct series_query q = {.any_line = true,
                             .from_ms = T0_MS,
                             .to_ms = slot_ms(SLOTS),
                             .step_ms = SERIES_SLOT_MS,
                             .meter = &meter};
    assert_err(series_run(w.store, &q, refuse_series, NULL, &answer), ERR_CLOSED);
    q.cancelled = &cancelled;
    assert_err(series_run(w.store, &q, note_found, &x, &answer), ERR_CANCELLED);
    cancelled = false;
    size_t rest = 0;
    while (budget_take(&w.budget, ACCOUNT_QUERY, 4096)) {
        rest += 4096;
    }
    assert_err(series_run(w.store, &q, note_found, &x, &answer), ERR_MEMORY);
    struct buf values;
    buf_init(&values, 4096);
    assert_err(series_values(w.store, &q, STR("group"), 4, note_value, &values), ERR_MEMORY);
    assert_int_equal(values.n, 0);
    budget_give(&w.budget, ACCOUNT_QUERY, rest);
    assert_ok(series_values(w.store, &q, STR("group"), 4, note_value, &values));
    assert_str(buf_str(&values), "g0 g1 g2 g3 "); // of five
    buf_done(&values);
    q.step_ms = 1000;
    assert_err(series_run(w.store, &q, note_found, &x, &answer), ERR_INVALID);
    assert_int_equal(atomic_load(&meter.held_bytes), 0);
    world_done(&w);
}

static void test_wants_seal(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    assert_false(series_wants_seal(w.store));
    size_t half = w.budget.limit_bytes / 2;
    add_calls(&w, 1, 1, 1, 1);
    budget_force(&w.budget, ACCOUNT_STORE, half);
    assert_false(series_wants_seal(w.store)); // it is not the head that fills it
    uint32_t series;
    assert_ok(find_series(&w, 1, true, &series));
    uint16_t buckets[HIST_BUCKETS / HIST_BLOCK];
    for (unsigned k = 0; k < HIST_BUCKETS / HIST_BLOCK; k++) {
        buckets[k] = (uint16_t)(k * HIST_BLOCK);
    }
    for (unsigned i = 0; i < 600; i++) {
        const struct series_run run = {series, 1,       slot_ms(i),
                                       0,      buckets, HIST_BUCKETS / HIST_BLOCK};
        series_add_runs(w.store, &run, 1);
    }
    assert_true(series_wants_seal(w.store));
    seal(&w);
    seal(&w);
    assert_false(series_wants_seal(w.store));
    budget_give(&w.budget, ACCOUNT_STORE, half);
    world_done(&w);
}

// A head that is young is sealed for the journal's sake, once JOURNAL_HURRY_MS are over.
static void test_wants_seal_while_the_journal_fills(void **state)
{
    (void)state;
    struct world w;
    atomic_bool hurry = false;
    world_open(&w, 0);
    series_close(w.store);
    w.options.hurry = &hurry;
    world_start(&w);
    add_calls(&w, 1, 1, 1, 1);
    (void)usleep((JOURNAL_HURRY_MS + 1) * 1000);
    assert_false(series_wants_seal(w.store));
    atomic_store(&hurry, true);
    assert_true(series_wants_seal(w.store));
    seal(&w);
    add_calls(&w, 1, 1, 1, 1);
    seal(&w); // two wait, which is enough
    (void)usleep((JOURNAL_HURRY_MS + 1) * 1000);
    assert_false(series_wants_seal(w.store));
    world_done(&w);
}

// ---- Time ---------------------------------------------------------------------------------------

static void test_old_parts_expire_tier_by_tier(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    add_calls(&w, 0, 0, 1000, 1);
    add_calls(&w, 0, 800, 1000, 1); // in the second span
    seal_and_flush(&w);
    struct series_stats s = stats_of(&w);
    assert_int_equal(s.parts[TIER_10S], 2);
    assert_int_equal(s.parts[TIER_1MIN], 1);
    assert_int_equal(s.parts[TIER_1H], 1);
    world_now_ms = T0_MS + (uint64_t)50 * 3600000; // two days and as long as the first span
    assert_ok(series_quiesce(w.store));
    s = stats_of(&w);
    assert_int_equal(s.parts[TIER_10S], 1);
    assert_int_equal(s.expired_parts, 1);
    assert_int_equal(assert_model(&w, 6), TIER_1MIN);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    world_now_ms = T0_MS + (uint64_t)20 * 24 * 3600000;
    assert_ok(series_quiesce(w.store));
    s = stats_of(&w);
    assert_int_equal(s.parts[TIER_10S] + s.parts[TIER_1MIN], 0);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    // The range is older than a step of 10 s is kept: the wider tier is read, and told.
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    world_now_ms = T0_MS + (uint64_t)500 * 24 * 3600000;
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).parts[TIER_1H], 0);
    memset(w.model, 0, sizeof *w.model);
    assert_int_equal(assert_model(&w, 360), TIER_1H);
    world_done(&w);
}

static void test_late_and_early_samples_are_counted(void **state)
{
    (void)state;
    struct world w;
    struct model *other = mem_new(1, sizeof *other);
    world_open(&w, 0);
    world_now_ms = T0_MS + (uint64_t)3 * 24 * 3600000;
    add_calls(&w, 0, 5, 1000, 1); // too old for the first tier alone
    seal_and_flush(&w);
    assert_int_equal(stats_of(&w).late_samples, 1);
    assert_int_equal(stats_of(&w).parts[TIER_10S], 0);
    assert_int_equal(assert_model(&w, 6), TIER_1MIN);
    world_stop(&w); // no clock goes back beneath a store
    world_now_ms = T0_MS - (uint64_t)25 * 3600000;
    world_start(&w);
    add_calls_to(&w, other, 0, 5, 1000, 1);
    assert_int_equal(stats_of(&w).early_samples, 1);
    assert_int_equal(stats_of(&w).head_samples, 0);
    mem_free(other);
    world_done(&w);
}

static void test_leap_of_the_clock_expires_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 0);
    add_calls(&w, 0, 5, 1000, 1);
    seal_and_flush(&w);
    world_leap_ms = (uint64_t)1000 * 24 * 3600000;
    world_now_ms += world_leap_ms;
    add_calls(&w, 0, 6, 1000, 1);
    seal_and_flush(&w);
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).expired_parts + stats_of(&w).late_samples, 0);
    world_stop(&w);
    world_start(&w); // nor after a restart
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).expired_parts, 0);
    assert_all_steps(&w);
    world_now_ms += (uint64_t)7 * 3600000; // borne out
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).part_samples[TIER_1H], 0);
    world_done(&w);
}

// ---- Damage -------------------------------------------------------------------------------------

static void part_path(const struct world *w, uint64_t id, const char *end, char *out)
{
    (void)snprintf(out, 160, "%s/parts/%016llx.part%s", w->dir, (unsigned long long)id, end);
}

static void flip(const char *path, uint64_t offset)
{
    struct file *f;
    char byte;
    assert_ok(fs_real()->ops->open(fs_real(), path, FS_WRITE, &f));
    assert_ok(f->ops->read_at(f, &byte, 1, offset));
    byte = (char)(byte ^ 16);
    assert_ok(f->ops->write_at(f, &byte, 1, offset));
    f->ops->close(f);
}

static void test_damaged_part_is_set_aside(void **state)
{
    (void)state;
    struct world w;
    struct found x = {0};
    struct series_answer answer;
    char path[160], bad[160];
    world_open(&w, 0);
    add_calls(&w, 0, 1, 1000, 1); // part 1, its wider tiers 2 and 3
    seal_and_flush(&w);
    add_calls(&w, 2, 1, 1000, 1); // part 4
    seal_and_flush(&w);
    part_path(&w, 1, "", path);
    part_path(&w, 1, ".bad", bad);
    flip(path, 20);
    log_set_level(LOG_SILENT);
    const struct series_query q = {
        .any_line = true, .from_ms = T0_MS, .to_ms = slot_ms(SLOTS), .step_ms = SERIES_SLOT_MS};
    assert_ok(series_run(w.store, &q, note_found, &x, &answer));
    assert_int_equal(answer.damaged_parts, 1);
    assert_int_equal(x.count, 1);
    assert_int_equal(x.numbers[0], 2);
    assert_ok(series_quiesce(w.store));
    assert_int_equal(stats_of(&w).damaged_parts, 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(bad, F_OK), 0);
    // Found at the start: a footer, and a table.
    part_path(&w, 4, "", path);
    world_stop(&w);
    struct file *f;
    uint64_t size;
    assert_ok(fs_real()->ops->open(fs_real(), path, FS_READ, &f));
    assert_ok(f->ops->size(f, &size));
    f->ops->close(f);
    flip(path, size - 30);
    world_start(&w);
    assert_int_equal(stats_of(&w).damaged_parts, 1);
    assert_int_equal(stats_of(&w).parts[TIER_10S], 0);
    assert_int_equal(assert_model(&w, 6), TIER_1MIN); // the other tiers have it all
    log_set_level(LOG_INFO);
    world_done(&w);
}

// Only names that the store gives are its own: others' files stay, and number nothing.
static void test_files_of_other_names_stay(void **state)
{
    (void)state;
    static const char *const names[] = {"1.part", "-1.part", "ffffffffffffffff.part"};
    struct world w;
    char path[160];
    world_open(&w, 0);
    add_calls(&w, 0, 1, 1000, 1);
    seal_and_flush(&w);
    world_stop(&w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/parts/%s", w.dir, names[i]);
        FILE *other = fopen(path, "w");
        assert_non_null(other);
        assert_int_equal(fclose(other), 0);
    }
    world_start(&w);
    add_calls(&w, 2, 1, 1000, 1);
    seal_and_flush(&w);
    (void)assert_model(&w, 6);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/parts/%s", w.dir, names[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    world_done(&w);
}

static void test_merge_sets_its_damaged_input_aside(void **state)
{
    (void)state;
    struct world w;
    char path[160];
    world_open(&w, 0);
    for (unsigned i = 0; i < 8; i++) {
        add_calls(&w, 0, 1 + i, 1000, 1); // parts 1, 4, 7 ...
        seal_and_flush(&w);
    }
    part_path(&w, 4, "", path);
    flip(path, 20);
    log_set_level(LOG_SILENT);
    assert_ok(series_quiesce(w.store));
    log_set_level(LOG_INFO);
    struct series_stats s = stats_of(&w);
    assert_int_equal(s.damaged_parts, 1);
    assert_int_equal(s.parts[TIER_10S], 7); // below the run
    assert_int_equal(s.parts[TIER_1MIN], 1);
    assert_int_equal(assert_model(&w, 6), TIER_1MIN);
    world_done(&w);
}

static void test_lost_catalog_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct err_at at;
    char path[160];
    world_open(&w, 0);
    add_calls(&w, 0, 1, 1000, 1);
    seal_and_flush(&w);
    world_stop(&w);
    (void)snprintf(path, sizeof path, "%s/series.db", w.dir);
    assert_int_equal(unlink(path), 0);
    assert_err(series_open(&w.options, &w.store, &at), ERR_CORRUPT);
    assert_non_null(strstr(at.text, "holds 3 parts"));
    part_path(&w, 1, "", path);
    assert_int_equal(access(path, F_OK), 0); // nothing was removed
    world_done(&w);
}

static void test_failed_flush_loses_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 7);
    add_some(&w, w.model, 400, 300);
    seal_and_flush(&w);
    add_some(&w, w.model, 410, 300);
    seal(&w);
    add_some(&w, w.model, 420, 300);
    seal(&w);
    simfs_set_full(w.sim, true);
    log_set_level(LOG_SILENT);
    for (unsigned i = 0; i < 3; i++) {
        assert_err(series_flush(w.store), ERR_FULL);
    }
    log_set_level(LOG_INFO);
    struct series_stats s = stats_of(&w);
    assert_int_equal(s.flush_failures, 3);
    assert_int_equal(s.sealed_heads, 2);
    assert_true(s.failing);
    assert_int_equal(w.committed, 1);
    assert_all_steps(&w);
    simfs_set_full(w.sim, false);
    assert_ok(series_flush(w.store));
    s = stats_of(&w);
    assert_false(s.failing);
    assert_int_equal(s.sealed_heads, 0);
    assert_int_equal(w.committed, 3);
    assert_all_steps(&w);
    world_done(&w);
}

// ---- Threads ------------------------------------------------------------------------------------

struct reader {
    struct world *w;
    atomic_bool stop;
    int64_t calls;
};

static enum err sum_calls(void *ctx, const struct series_found *f)
{
    struct reader *r = ctx;
    for (size_t i = 0; i < f->count; i++) {
        r->calls += f->hists[i].count;
    }
    return ERR_OK;
}

// Whatever happens to heads and parts meanwhile, what was seen stays.
static void *read_on(void *ctx)
{
    struct reader *r = ctx;
    int64_t before = 0;
    const struct series_matcher calls = {STR("__name__"), MATCH_EQUAL, STR("calls")};
    while (!atomic_load(&r->stop)) {
        struct series_answer answer;
        const struct series_query q = {.any_line = true,
                                       .matchers = &calls,
                                       .matcher_count = 1,
                                       .from_ms = T0_MS,
                                       .to_ms = slot_ms(SLOTS),
                                       .step_ms = before % 2 == 0 ? 10000 : 60000};
        r->calls = 0;
        if (series_run(r->w->store, &q, sum_calls, r, &answer) != ERR_OK || r->calls < before) {
            return NULL;
        }
        before = r->calls;
    }
    return r;
}

static void test_reading_beside_adding_flushing_and_merging(void **state)
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
    for (unsigned i = 0; i < 4000; i++) {
        add_calls(&w, i % SERIES_MAX, i / 4, 1000 + i, 1);
        if (i % 50 == 49) {
            seal(&w);
        }
        if (i % 500 == 499) {
            assert_ok(series_flush(w.store));
        }
    }
    assert_ok(series_quiesce(w.store));
    for (int i = 0; i < 2; i++) {
        void *ret;
        atomic_store(&readers[i].stop, true);
        assert_int_equal(pthread_join(threads[i], &ret), 0);
        assert_ptr_equal(ret, &readers[i]);
    }
    assert_all_steps(&w);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_added_wherever_it_is),
        cmocka_unit_test(test_what_is_taken_back_is_nothing),
        cmocka_unit_test(test_later_number_counts),
        cmocka_unit_test(test_matchers),
        cmocka_unit_test(test_labels_must_be_in_order),
        cmocka_unit_test(test_new_series_are_refused_at_the_limit),
        cmocka_unit_test(test_queries_stop),
        cmocka_unit_test(test_wants_seal),
        cmocka_unit_test(test_wants_seal_while_the_journal_fills),
        cmocka_unit_test(test_old_parts_expire_tier_by_tier),
        cmocka_unit_test(test_late_and_early_samples_are_counted),
        cmocka_unit_test(test_leap_of_the_clock_expires_nothing),
        cmocka_unit_test(test_damaged_part_is_set_aside),
        cmocka_unit_test(test_files_of_other_names_stay),
        cmocka_unit_test(test_merge_sets_its_damaged_input_aside),
        cmocka_unit_test(test_lost_catalog_is_refused),
        cmocka_unit_test(test_failed_flush_loses_nothing),
        cmocka_unit_test(test_reading_beside_adding_flushing_and_merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
