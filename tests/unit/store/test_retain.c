// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of store/retain.h: what goes by age and by size, error-free traces first, and the
// ledger by service.
#include "test.h"

#include "unit/store/world.h"

static void test_retention(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    uint64_t now = clock_wall_ns();
    for (uint64_t age_h = 5; age_h > 0; age_h--) {
        w.gen.time_base = now - age_h * 3600 * NS_PER_S;
        add(&w, STR("shop"), 100);
        add(&w, STR("other"), 100);
        assert_ok(store_flush(w.store));
    }
    const struct store_retention by_age = {.line = STR("shop"), .age_ms = 2 * 3600 * 1000 + 60000};
    store_set_retention(w.store, (struct store_retention){0}, &by_age, 1);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(balance(&w).expired, 300);
    struct store_stats stats;
    store_stats(w.store, &stats);
    assert_int_equal(stats.expired_parts, 3);
    struct batch *left[] = {w.all[1], w.all[3], w.all[5], w.all[6], w.all[7], w.all[8], w.all[9]};
    assert_has(&w, left, 7);
    close_store(&w);
    open_store(&w);
    assert_has(&w, left, 7);
    assert_int_equal(balance(&w).expired, 300);
    world_done(&w);
}

static void test_rows_from_the_future_expire_by_commit(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, false);
    w.gen.time_base = clock_wall_ns() + 1000000 * NS_PER_S;
    add(&w, STR("shop"), 10);
    assert_ok(store_flush(w.store));
    w.store->lines[0].parts[0]->committed_ns -= 3600 * NS_PER_S;
    store_set_retention(w.store, (struct store_retention){.age_ms = 60000}, NULL, 0);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(balance(&w).expired, 10);
    world_done(&w);
}

static uint64_t fake_wall_ns;

static uint64_t read_fake_wall(void)
{
    return fake_wall_ns;
}

// A wall clock that is days ahead expires nothing, also not after a restart; one that stays there
// does; and one that comes back was never ahead.
static void test_a_leap_of_the_clock_expires_nothing(void **state)
{
    (void)state;
    struct world w;
    const uint64_t now_ns = 1700000000 * NS_PER_S, day_ns = 86400 * NS_PER_S;
    const struct store_retention limit = {.age_ms = day_ns / NS_PER_MS};
    fake_wall_ns = now_ns;
    world_open_at(&w, read_fake_wall);
    store_set_retention(w.store, limit, NULL, 0);
    w.options.retention_default = limit;
    w.gen.time_base = now_ns;
    add(&w, STR("shop"), 100);
    assert_ok(store_flush(w.store));
    for (int round = 0; round < 3; round++) {
        fake_wall_ns = now_ns + 30 * day_ns;
        assert_ok(store_quiesce(w.store));
        assert_int_equal(balance(&w).expired, 0);
        if (round == 1) {
            fake_wall_ns = now_ns;
            assert_ok(store_quiesce(w.store));
        }
        close_store(&w);
        open_store(&w);
    }
    assert_int_equal(balance(&w).expired, 0);
    w.store->clock.borne_ns = RETAIN_BORNE_NS; // as if it had been running for so long
    assert_ok(store_quiesce(w.store));
    assert_int_equal(balance(&w).expired, 100);
    world_done(&w);
}

// ---- Error-free data goes first ----------------------------------------------------------------

static bool trace_has_error(const struct batch *b, const trace_id *trace)
{
    for (size_t i = 0; i < b->span_count; i++) {
        if (b->spans[i].status == STATUS_ERROR && trace_id_cmp(&b->spans[i].trace, trace) == 0) {
            return true;
        }
    }
    return false;
}

// What stripping leaves of a part that one batch became.
static void add_errors(struct rows *rows, const struct batch *b)
{
    struct rows all = {0};
    rows_add(&all, b);
    for (size_t i = 0; i < all.count; i++) {
        if (trace_has_error(b, &row_span(all.rows[i])->trace)) {
            rows->rows = mem_grow(rows->rows, &rows->capacity, rows->count + 1, sizeof(struct row));
            rows->rows[rows->count++] = all.rows[i];
        }
    }
    mem_free(all.rows);
}

// Batches before `gone` are gone, those before `stripped` have only traces with errors.
static struct rows what_stays(const struct world *w, size_t gone, size_t stripped)
{
    struct rows want = {0};
    for (size_t i = gone; i < w->count; i++) {
        if (i < stripped) {
            add_errors(&want, w->all[i]);
        } else {
            rows_add(&want, w->all[i]);
        }
    }
    return want;
}

static void add_aged_parts(struct world *w, size_t parts)
{
    uint64_t now = clock_wall_ns();
    w->gen.traces = 60;
    for (size_t i = 0; i < parts; i++) {
        w->gen.time_base = now - (parts - i) * 3600 * NS_PER_S;
        struct batch *b = make(w, STR("shop"), 100);
        for (size_t k = 0; k < b->span_count; k++) {
            b->spans[k].status = k % 12 == 0 ? STATUS_ERROR : STATUS_OK;
        }
        store_add(w->store, b);
        assert_ok(store_flush(w->store));
    }
}

// Expired spans by service, from the ledger.
struct by_service {
    struct str service;
    uint64_t expired, stored;
};

static void take_service(void *ctx, const struct ledger_cell *cell)
{
    struct by_service *x = ctx;
    if (str_eq(cell->service, x->service)) {
        x->expired += cell->outcome == OUTCOME_EXPIRED ? cell->count : 0;
        x->stored += cell->outcome == OUTCOME_STORED ? cell->count : 0;
    }
}

static uint64_t rows_of_service(const struct rows *rows, struct str service)
{
    uint64_t n = 0;
    for (size_t i = 0; i < rows->count; i++) {
        struct row r = rows->rows[i];
        n += str_eq(batch_str(r.batch, batch_resource(r.batch, row_span(r))->service), service);
    }
    return n;
}

// The view has what stays, and the ledger says so of each service.
static void assert_stays(struct world *w, size_t gone, size_t stripped)
{
    char name[32];
    struct rows all = what_stays(w, 0, 0), stays = what_stays(w, gone, stripped);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "service-%d", i);
        struct by_service x = {.service = str_of(name)};
        ledger_each(w->ledger, take_service, &x);
        assert_int_equal(x.stored, rows_of_service(&stays, x.service));
        assert_int_equal(x.stored + x.expired, rows_of_service(&all, x.service));
    }
    (void)balance(w);
    mem_free(all.rows);
    assert_rows(w, stays);
}

static void test_errors_may_live_longer(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    world_open(&w, false);
    add_aged_parts(&w, 6);
    const struct store_retention limit = {
        .line = STR("shop"), .age_ms = 2 * 3600000 + 60000, .errors_age_ms = 4 * 3600000 + 60000};
    store_set_retention(w.store, (struct store_retention){0}, &limit, 1);
    assert_ok(store_quiesce(w.store));
    assert_stays(&w, 2, 4);
    store_stats(w.store, &stats);
    assert_int_equal(stats.expired_parts, 2);
    assert_int_equal(stats.stripped_parts, 2);
    assert_ok(store_quiesce(w.store)); // once
    kill_store(&w);
    open_store(&w);
    store_set_retention(w.store, (struct store_retention){0}, &limit, 1);
    assert_ok(store_quiesce(w.store));
    store_stats(w.store, &stats);
    assert_int_equal(stats.stripped_parts, 0);
    assert_stays(&w, 2, 4);
    world_done(&w);
}

static uint64_t part_bytes_of(struct world *w)
{
    struct store_stats stats;
    store_stats(w->store, &stats);
    return stats.part_bytes;
}

static void test_error_free_data_goes_first(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    world_open(&w, false);
    add_aged_parts(&w, 7);
    uint64_t all = part_bytes_of(&w), before = UINT64_MAX;
    size_t stripped = 0;
    // The smaller the limit, the more parts are stripped, oldest first.
    for (unsigned percent = 95; percent >= 75; percent -= 10) {
        store_set_retention(w.store, (struct store_retention){.bytes = all * percent / 100}, NULL,
                            0);
        assert_ok(store_quiesce(w.store));
        assert_true(part_bytes_of(&w) <= all * percent / 100 && part_bytes_of(&w) <= before);
        before = part_bytes_of(&w);
        store_stats(w.store, &stats);
        assert_int_equal(stats.expired_parts, 0);
        assert_true(stats.stripped_parts > stripped);
        stripped = (size_t)stats.stripped_parts;
        assert_stays(&w, 0, stripped);
    }
    // When errors alone hold half of it, the oldest of them go, and what is new keeps the rest.
    store_set_retention(w.store, (struct store_retention){.bytes = all / 3}, NULL, 0);
    assert_ok(store_quiesce(w.store));
    assert_true(part_bytes_of(&w) <= all / 3);
    store_stats(w.store, &stats);
    size_t gone = (size_t)stats.expired_parts;
    assert_true(gone > 0 && gone < 7);
    stripped = (size_t)stats.stripped_parts;
    assert_stays(&w, gone, stripped);
    kill_store(&w);
    open_store(&w);
    assert_stays(&w, gone, stripped);
    store_set_retention(w.store, (struct store_retention){.bytes = 1}, NULL, 0);
    assert_ok(store_quiesce(w.store));
    assert_int_equal(part_bytes_of(&w), 0);
    assert_int_equal(balance(&w).expired, 700);
    world_done(&w);
}

// Without errors, or with errors everywhere, nothing is written anew.
static void test_stripping_writes_only_what_it_must(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct world w;
        struct store_stats stats;
        world_open(&w, false);
        struct batch *b = gen_batch(&w.gen, STR("shop"), 50);
        for (size_t i = 0; i < b->span_count; i++) {
            b->spans[i].status = kind == 0 ? STATUS_OK : STATUS_ERROR;
        }
        b->seq = ++w.seq;
        store_add(w.store, b);
        assert_ok(store_flush(w.store));
        const struct store_retention limit = {.age_ms = 1000, .errors_age_ms = UINT64_MAX};
        store_set_retention(w.store, limit, NULL, 0);
        assert_ok(store_quiesce(w.store));
        store_stats(w.store, &stats);
        assert_int_equal(stats.stripped_parts, 0);
        assert_int_equal(stats.parts, kind == 1 ? 1 : 0);
        assert_int_equal(balance(&w).expired, kind == 1 ? 0 : 50);
        world_done(&w);
    }
}

// What is to stay whole needs no room of its own: that the catalog has none takes nothing away.
static void test_a_catalog_without_room_expires_nothing(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    world_open(&w, true);
    struct batch *b = make(&w, STR("shop"), 50);
    for (size_t i = 0; i < b->span_count; i++) {
        b->spans[i].status = STATUS_ERROR;
    }
    store_add(w.store, b);
    assert_ok(store_flush(w.store));
    simfs_set_full(w.sim, true);
    const struct store_retention limit = {.age_ms = 1000, .errors_age_ms = UINT64_MAX};
    store_set_retention(w.store, limit, NULL, 0);
    assert_err(store_quiesce(w.store), ERR_IO); // of marking alone: it went no further
    store_stats(w.store, &stats);
    assert_int_equal(stats.merge_failures, 1);
    simfs_set_full(w.sim, false);
    assert_ok(store_quiesce(w.store));
    assert_has(&w, w.all, w.count);
    assert_int_equal(balance(&w).expired, 0);
    world_done(&w);
}

// ---- Turns --------------------------------------------------------------------------------------

// A part of a line, half of whose traces have an error.
static void add_mixed_part(struct world *w, struct str line)
{
    struct batch *b = make(w, line, 40);
    for (size_t i = 0; i < b->span_count; i++) {
        b->spans[i].status = b->spans[i].trace.b[0] % 2 ? STATUS_ERROR : STATUS_OK;
    }
    store_add(w->store, b);
    assert_ok(store_flush(w->store));
}

static void fill_memory(struct world *w, size_t *ret_bytes)
{
    *ret_bytes = w->budget.limit_bytes - atomic_load(&w->budget.total);
    budget_force(&w->budget, ACCOUNT_SERIES, *ret_bytes);
}

// A part for which there is no memory holds back none of its line, and none of another.
static void test_parts_without_room_take_turns(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    size_t bytes;
    bool did;
    world_open(&w, false);
    add_mixed_part(&w, STR("bank"));
    add_mixed_part(&w, STR("bank"));
    add_mixed_part(&w, STR("shop"));
    fill_memory(&w, &bytes);
    store_set_retention(w.store, (struct store_retention){.age_ms = 1, .errors_age_ms = UINT64_MAX},
                        NULL, 0);
    for (uint32_t i = 0; i < 9; i++) {
        assert_ok(maintain_step(w.store, true, &did));
        assert_false(did);
    }
    const struct store_line *lines = w.store->lines;
    assert_int_equal(lines[0].parts[0]->rewrite_failures, 3);
    assert_int_equal(lines[0].parts[1]->rewrite_failures, 3);
    assert_int_equal(lines[1].parts[0]->rewrite_failures, 3);
    // What goes whole needs none, in whatever line it is.
    const struct store_retention whole = {.line = STR("shop"), .age_ms = 1};
    store_set_retention(w.store, (struct store_retention){.age_ms = 1, .errors_age_ms = UINT64_MAX},
                        &whole, 1);
    assert_ok(maintain_step(w.store, true, &did));
    assert_true(did);
    assert_int_equal(lines[1].part_count, 0);
    budget_give(&w.budget, ACCOUNT_SERIES, bytes);
    assert_ok(store_quiesce(w.store));
    store_stats(w.store, &stats);
    assert_int_equal(stats.stripped_parts, 2);
    world_done(&w);
}

// One that failed lets merges go first; of two that fail both are tried.
static void test_a_part_that_failed_lets_merges_go_first(void **state)
{
    (void)state;
    struct world w;
    struct store_stats stats;
    size_t bytes;
    bool did;
    const struct store_retention bank = {
        .line = STR("bank"), .age_ms = 1, .errors_age_ms = UINT64_MAX};
    world_open(&w, false);
    add_mixed_part(&w, STR("bank"));
    add_parts(&w, 8, 30);
    fill_memory(&w, &bytes);
    store_set_retention(w.store, (struct store_retention){0}, &bank, 1);
    for (uint32_t i = 0; i < 6; i++) { // strip, merge, strip ...
        assert_ok(maintain_step(w.store, true, &did));
        assert_false(did);
        assert_int_equal(w.store->lines[0].parts[0]->rewrite_failures, i / 2 + 1);
    }
    w.store->strips_again = false;
    budget_give(&w.budget, ACCOUNT_SERIES, bytes);
    assert_ok(maintain_step(w.store, true, &did));
    store_stats(w.store, &stats);
    assert_int_equal(stats.merges, 1);
    assert_int_equal(stats.stripped_parts, 0);
    assert_ok(store_quiesce(w.store));
    store_stats(w.store, &stats);
    assert_int_equal(stats.stripped_parts, 1);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retention),
        cmocka_unit_test(test_errors_may_live_longer),
        cmocka_unit_test(test_error_free_data_goes_first),
        cmocka_unit_test(test_stripping_writes_only_what_it_must),
        cmocka_unit_test(test_a_catalog_without_room_expires_nothing),
        cmocka_unit_test(test_parts_without_room_take_turns),
        cmocka_unit_test(test_a_part_that_failed_lets_merges_go_first),
        cmocka_unit_test(test_rows_from_the_future_expire_by_commit),
        cmocka_unit_test(test_a_leap_of_the_clock_expires_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
