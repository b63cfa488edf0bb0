// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/retry: pauses grow to a limit and stay there, however long a server is away.
#include "agents/jvm/retry.h"
#include "test.h"

static void test_pauses_double_up_to_a_limit(void **state)
{
    static const uint32_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    struct retry r = {0};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        retry_failed(&r, 0);
        assert_int_equal(r.wait_ms, expected[i]);
    }
}

// Hours of failures on a clock of this test's own: after the first minute each hour is like the one
// before, and a server that comes back at any moment is asked within half a minute.
static void test_hours_without_a_server(void **state)
{
    enum { HOURS = 48, HOUR_MS = 3600 * 1000 };
    struct retry r = {0};
    uint64_t now_ms = 0;
    (void)state;
    for (unsigned hour = 0; hour < HOURS; hour++) {
        unsigned tries = 0;
        for (; now_ms < (uint64_t)(hour + 1) * HOUR_MS; now_ms += r.wait_ms, tries++) {
            retry_failed(&r, 0);
            assert_in_range(r.wait_ms, RETRY_MIN_MS, RETRY_MAX_MS);
        }
        assert_in_range(tries, 119, 125);
        assert_int_equal(r.wait_ms, RETRY_MAX_MS);
    }
    r = (struct retry){0}; // it is back: what fails next is a new beginning
    retry_failed(&r, 0);
    assert_int_equal(r.wait_ms, RETRY_MIN_MS);
}

static void test_a_server_may_ask_for_a_time_within_limits(void **state)
{
    struct retry r = {0};
    (void)state;
    retry_failed(&r, 7);
    assert_int_equal(r.wait_ms, 7000);
    retry_failed(&r, 1);
    assert_int_equal(r.wait_ms, 1000);
    for (unsigned i = 0; i < 100; i++) {
        retry_failed(&r, 3600);
        assert_int_equal(r.wait_ms, RETRY_ASKED_MS);
    }
    retry_failed(&r, UINT32_MAX);
    assert_int_equal(r.wait_ms, RETRY_ASKED_MS);
    retry_failed(&r, 0);
    assert_int_equal(r.wait_ms, RETRY_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_double_up_to_a_limit),
        cmocka_unit_test(test_hours_without_a_server),
        cmocka_unit_test(test_a_server_may_ask_for_a_time_within_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
