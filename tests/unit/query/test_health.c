// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/health.h.
#include "test.h"

#include "core/clock.h"
#include "query/health.h"

#define HOUR_MS ((uint64_t)3600000)

static const struct health_numbers none[USUAL_COUNT];

static void check(const struct health_numbers *now, const struct health_numbers *usual,
                  uint64_t range_ms, enum health state, size_t reasons)
{
    struct health_verdict v = health_judge(now, usual, range_ms);
    assert_int_equal(v.state, state);
    assert_int_equal(v.count, reasons);
    enum health worst = now->calls > 0 ? HEALTH_OK : HEALTH_UNKNOWN;
    for (size_t i = 0; i < v.count; i++) {
        worst = v.reasons[i].level > worst ? v.reasons[i].level : worst;
    }
    assert_int_equal(worst, state);
}

static void test_without_calls_nothing_is_known(void **state)
{
    (void)state;
    const struct health_numbers usual[USUAL_COUNT] = {{1000, 0, 1}, {1000, 0, 1}};
    check(&(struct health_numbers){0, 0, 0}, none, HOUR_MS, HEALTH_UNKNOWN, 0);
    check(&(struct health_numbers){0, 0, 0}, usual, HOUR_MS, HEALTH_UNKNOWN, 0);
}

static void test_limits_of_errors(void **state)
{
    (void)state;
    check(&(struct health_numbers){10000, 99, 1}, none, HOUR_MS, HEALTH_OK, 0);
    check(&(struct health_numbers){10000, 100, 1}, none, HOUR_MS, HEALTH_WARN, 1);
    check(&(struct health_numbers){10000, 500, 1}, none, HOUR_MS, HEALTH_ERROR, 1);
    check(&(struct health_numbers){10000, 2, 1}, none, HOUR_MS, HEALTH_OK, 0);
    check(&(struct health_numbers){3, 3, 1}, none, HOUR_MS, HEALTH_ERROR, 1);
}

static void test_few_failed_calls_are_not_judged(void **state)
{
    (void)state;
    const struct health_numbers usual[USUAL_COUNT] = {{1000, 0, 1}, {0, 0, 0}};
    struct health_verdict few = health_judge(&(struct health_numbers){1, 1, 1}, none, HOUR_MS);
    assert_int_equal(few.state, HEALTH_UNKNOWN);
    assert_int_equal(few.count, 0);
    few = health_judge(&(struct health_numbers){40, 2, 1}, none, HOUR_MS);
    assert_int_equal(few.state, HEALTH_UNKNOWN);
    check(&(struct health_numbers){41, 2, 1}, none, HOUR_MS, HEALTH_OK, 0);
    check(&(struct health_numbers){40, 2, 1}, usual, HOUR_MS, HEALTH_ERROR, 1); // its few calls
}

static void test_slower_than_usual(void **state)
{
    (void)state;
    const uint64_t ms = NS_PER_MS;
    const struct health_numbers day[USUAL_COUNT] = {{200, 0, 20 * ms}, {0, 0, 0}};
    const struct health_numbers week[USUAL_COUNT] = {{200, 0, 20 * ms}, {200, 0, 90 * ms}};
    check(&(struct health_numbers){200, 0, 39 * ms}, day, HOUR_MS, HEALTH_OK, 0);
    check(&(struct health_numbers){200, 0, 40 * ms}, day, HOUR_MS, HEALTH_WARN, 1);
    check(&(struct health_numbers){200, 0, 100 * ms}, day, HOUR_MS, HEALTH_ERROR, 1);
    check(&(struct health_numbers){99, 0, 100 * ms}, day, HOUR_MS, HEALTH_WARN, 1); // the calls
    check(&(struct health_numbers){200, 0, 100 * ms}, week, HOUR_MS, HEALTH_OK, 0);
    check(&(struct health_numbers){200, 0, 180 * ms}, week, HOUR_MS, HEALTH_WARN, 1);
    const struct health_numbers quick[USUAL_COUNT] = {{200, 0, ms}, {0, 0, 0}};
    check(&(struct health_numbers){200, 0, 5 * ms}, quick, HOUR_MS, HEALTH_OK, 0); // 4 ms more
    check(&(struct health_numbers){200, 0, 6 * ms}, quick, HOUR_MS, HEALTH_WARN, 1);
}

static void test_fewer_calls_than_usual(void **state)
{
    (void)state;
    const struct health_numbers usual[USUAL_COUNT] = {{1000, 0, 1}, {400, 0, 1}};
    const struct health_numbers few[USUAL_COUNT] = {{99, 0, 1}, {0, 0, 0}};
    check(&(struct health_numbers){200, 0, 1}, usual, HOUR_MS, HEALTH_OK, 0);
    check(&(struct health_numbers){199, 0, 1}, usual, HOUR_MS, HEALTH_WARN, 1);
    check(&(struct health_numbers){39, 0, 1}, usual, HOUR_MS, HEALTH_ERROR, 1);
    check(&(struct health_numbers){39, 0, 1}, usual, HOUR_MS / 6 - 1, HEALTH_OK, 0);
    check(&(struct health_numbers){1, 0, 1}, few, HOUR_MS, HEALTH_OK, 0);
}

static void test_the_worst_counts(void **state)
{
    (void)state;
    const struct health_numbers usual[USUAL_COUNT] = {{1000, 0, 1}, {1000, 0, 1}};
    check(&(struct health_numbers){400, 8, NS_PER_S}, usual, HOUR_MS, HEALTH_ERROR, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_calls_nothing_is_known),
        cmocka_unit_test(test_limits_of_errors),
        cmocka_unit_test(test_few_failed_calls_are_not_judged),
        cmocka_unit_test(test_slower_than_usual),
        cmocka_unit_test(test_fewer_calls_than_usual),
        cmocka_unit_test(test_the_worst_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
