// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of the memory budget.
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "ledger/budget.h"

static void test_takes_up_to_the_limit_and_not_a_byte_more(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 1600); // 100 of them for queries alone
    assert_true(budget_take(&b, ACCOUNT_BODIES, 1100));
    assert_false(budget_is_tight(&b));
    assert_false(budget_take(&b, ACCOUNT_STORE, 401));
    assert_true(budget_take(&b, ACCOUNT_STORE, 400));
    assert_true(budget_is_tight(&b));
    assert_false(budget_take(&b, ACCOUNT_CACHE, 1));
    assert_int_equal(atomic_load(&b.used[ACCOUNT_CACHE]), 0);
    budget_give(&b, ACCOUNT_BODIES, 1100);
    assert_false(budget_is_tight(&b));
    assert_false(budget_take(&b, ACCOUNT_QUERY, SIZE_MAX)); // no overflow
    assert_false(budget_take(&b, ACCOUNT_QUERY, 801));      // half at most
    assert_true(budget_take(&b, ACCOUNT_QUERY, 800));
    assert_false(budget_take(&b, ACCOUNT_QUERY, 1));
    assert_true(budget_take(&b, ACCOUNT_STORE, 400));
    assert_false(budget_take(&b, ACCOUNT_STORE, 1));
    assert_int_equal(atomic_load(&b.peak), 1600);
}

static void test_queries_have_a_share_of_their_own(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 1600);
    assert_true(budget_take(&b, ACCOUNT_QUERY, 30));
    assert_false(budget_take(&b, ACCOUNT_STORE, 1501)); // 70 are still theirs
    assert_true(budget_take(&b, ACCOUNT_STORE, 1500));
    budget_force(&b, ACCOUNT_STORE, 1000);
    assert_true(budget_take(&b, ACCOUNT_QUERY, 70)); // even so
    assert_false(budget_take(&b, ACCOUNT_QUERY, 1));
    assert_int_equal(atomic_load(&b.total), 2600);
    assert_int_equal(atomic_load(&b.peak), 2600);
    budget_give(&b, ACCOUNT_STORE, 2500);
    assert_true(budget_take(&b, ACCOUNT_STORE, 1500)); // the share is spent: nothing is kept back
    assert_false(budget_take(&b, ACCOUNT_STORE, 1));
    assert_false(budget_take(&b, ACCOUNT_QUERY, 1));
}

static void test_a_process_keeps_a_reserve(void **state)
{
    (void)state;
    struct budget b;
    budget_init_process(&b, (size_t)64 << 20);
    assert_int_equal(b.process_bytes, (size_t)64 << 20);
    assert_int_equal(b.limit_bytes, (size_t)24 << 20); // without 32 MiB and an eighth
    assert_int_equal(b.soft_bytes, (size_t)18 << 20);
    assert_true(budget_take(&b, ACCOUNT_STORE, b.limit_bytes - b.query_bytes));
    assert_false(budget_take(&b, ACCOUNT_STORE, 1));
    budget_init_process(&b, (size_t)1 << 30);
    assert_int_equal(b.limit_bytes, (size_t)864 << 20);
}

// Pages that are in use, beside whatever else this process has.
static void *pages_in_use(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    memset(p, 1, bytes);
    return p;
}

static void test_a_crowded_process_lets_nothing_more_in(void **state)
{
    (void)state;
    const size_t bytes = (size_t)64 << 20;
    struct budget b;
    budget_init_process(&b, bytes);
    void *pages = pages_in_use(bytes);
    budget_look(&b, 1000);
    assert_false(budget_is_crowded(&b)); // the accounts are empty: nothing to wait for
    if (mem_is_given_back()) {
        assert_false(budget_take(&b, ACCOUNT_STORE, b.calm_bytes));
    }
    const size_t calm = b.calm_bytes - b.query_bytes; // what is free memory is given all the same
    assert_true(budget_take(&b, ACCOUNT_STORE, calm));
    budget_force(&b, ACCOUNT_STORE, b.calm_bytes + 1 - calm);
    assert_int_equal(budget_is_crowded(&b), mem_is_given_back());
    assert_int_equal(budget_is_tight(&b), mem_is_given_back());
    assert_int_equal(budget_take(&b, ACCOUNT_STORE, 1), !mem_is_given_back());
    assert_true(budget_take(&b, ACCOUNT_QUERY, 1)); // of their share
    munmap(pages, bytes);
    budget_look(&b, 1000 + BUDGET_LOOK_MS - 1); // too soon
    assert_int_equal(budget_is_crowded(&b), mem_is_given_back());
    budget_look(&b, 1000 + BUDGET_LOOK_MS);
    assert_false(budget_is_crowded(&b));
    assert_false(budget_is_tight(&b));
    assert_true(budget_take(&b, ACCOUNT_STORE, 1));
}

static void test_force_passes_the_limit(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 100);
    budget_force(&b, ACCOUNT_BATCHES, 250);
    assert_int_equal(atomic_load(&b.total), 250);
    assert_int_equal(atomic_load(&b.peak), 250);
    assert_true(budget_is_tight(&b));
    assert_false(budget_take(&b, ACCOUNT_BATCHES, 0 + 1));
    budget_give(&b, ACCOUNT_BATCHES, 250);
    assert_int_equal(atomic_load(&b.total), 0);
    assert_string_equal(account_name(ACCOUNT_BATCHES), "batches");
}

static void test_meters(void **state)
{
    (void)state;
    struct budget b;
    struct meter m;
    budget_init(&b, 1066); // 66 of them for queries alone
    meter_init(&m, &b, ACCOUNT_STORE);
    assert_true(meter_take(&m, 600));
    assert_false(m.source.take(&m.source, 401));
    assert_true(m.source.take(&m.source, 400));
    assert_int_equal(m.held_bytes, 1000);
    m.source.give(&m.source, 500);
    assert_int_equal(atomic_load(&b.used[ACCOUNT_STORE]), 500);
    m.forced = true;
    assert_true(m.source.take(&m.source, 700));
    assert_int_equal(atomic_load(&b.total), 1200);
    meter_done(&m);
    assert_int_equal(atomic_load(&b.total), 0);
}

static void *take_and_give(void *arg)
{
    struct budget *b = arg;
    for (int i = 0; i < 100000; i++) {
        if (budget_take(b, ACCOUNT_STORE, 40)) {
            budget_give(b, ACCOUNT_STORE, 40);
        }
    }
    return NULL;
}

static void test_threads_never_pass_the_limit(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 100); // room for two of the three
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &b), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&b.total), 0);
    assert_in_range(atomic_load(&b.peak), 40, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_up_to_the_limit_and_not_a_byte_more),
        cmocka_unit_test(test_queries_have_a_share_of_their_own),
        cmocka_unit_test(test_a_process_keeps_a_reserve),
        cmocka_unit_test(test_a_crowded_process_lets_nothing_more_in),
        cmocka_unit_test(test_force_passes_the_limit),
        cmocka_unit_test(test_meters),
        cmocka_unit_test(test_threads_never_pass_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
