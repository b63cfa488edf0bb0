// SPDX-License-Identifier: Apache-2.0
// Purpose: what becomes of a delivery after an attempt.
#include "notify/schedule.h"

#include "test.h"

#define NOW ((uint64_t)1000000)

static struct outbox_delivery delivery(uint64_t attempts)
{
    return (struct outbox_delivery){
        .id = 7, .channel = STR("c"), .key = STR("k"), .attempts = attempts, .created_ms = NOW};
}

static struct outbox_outcome after(const struct outbox_delivery *d, struct attempt a,
                                   uint64_t now_ms, uint64_t random)
{
    struct outbox_outcome x;
    a.steps = a.steps > 0 ? a.steps : 1;
    schedule_outcome(d, &a, now_ms, random, &x);
    assert_int_equal(x.id, 7);
    return x;
}

static void test_the_wait_doubles_up_to_five_minutes(void **state)
{
    static const uint64_t waits_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    (void)state;
    for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
        struct outbox_delivery d = delivery(i + 1);
        const struct attempt a = {.verdict = VERDICT_AGAIN, .error = STR("no")};
        struct outbox_outcome x = after(&d, a, NOW, 0);
        assert_int_equal(x.what, OUTBOX_AGAIN);
        assert_true(x.failed && !x.refused);
        assert_int_equal(x.due_ms - NOW, waits_s[i] * 1000);
        x = after(&d, a, NOW, UINT64_MAX);
        assert_in_range(x.due_ms - NOW, waits_s[i] * 1000, waits_s[i] * 1250 - 1);
    }
    struct outbox_delivery d = delivery(UINT64_MAX);
    assert_int_equal(after(&d, (struct attempt){.verdict = VERDICT_AGAIN}, NOW, 0).due_ms - NOW,
                     300000);
}

static void test_the_receiver_may_say_when(void **state)
{
    struct outbox_delivery d = delivery(1);
    struct attempt a = {.verdict = VERDICT_SLOWER};
    (void)state;
    assert_int_equal(after(&d, a, NOW, 0).due_ms - NOW, 60000);
    a.retry_after_ms = 3000;
    assert_int_equal(after(&d, a, NOW, 0).due_ms - NOW, 3000);
    a.verdict = VERDICT_AGAIN;
    a.retry_after_ms = 99999999;
    assert_int_equal(after(&d, a, NOW, 0).due_ms - NOW, 3600000);
}

static void test_refusals_and_age_end_it(void **state)
{
    struct outbox_delivery d = delivery(3);
    struct attempt a = {.verdict = VERDICT_REFUSED, .error = STR("go away")};
    (void)state;
    d.refusals = 1;
    assert_int_equal(after(&d, a, NOW, 0).what, OUTBOX_AGAIN);
    assert_true(after(&d, a, NOW, 0).refused);
    d.refusals = 2;
    struct outbox_outcome x = after(&d, a, NOW, 0);
    assert_int_equal(x.what, OUTBOX_GIVEN_UP);
    assert_string_equal(x.error, "go away");
    a.verdict = VERDICT_AGAIN;
    assert_int_equal(after(&d, a, NOW + SCHEDULE_GIVE_UP_MS - 1, 0).what, OUTBOX_AGAIN);
    assert_int_equal(after(&d, a, NOW + SCHEDULE_GIVE_UP_MS, 0).what, OUTBOX_GIVEN_UP);
    assert_int_equal(after(&d, a, NOW - 1, 0).what, OUTBOX_AGAIN); // it is from the future
    a.verdict = VERDICT_TAKEN;
    assert_int_equal(after(&d, a, NOW + 2 * SCHEDULE_GIVE_UP_MS, 0).what, OUTBOX_SENT);
}

static void test_steps_go_on_past_one_that_is_lost(void **state)
{
    struct outbox_delivery d = delivery(1);
    struct attempt a = {.verdict = VERDICT_TAKEN, .steps = 3};
    (void)state;
    assert_int_equal(after(&d, a, NOW, 0).what, OUTBOX_NEXT);
    assert_false(after(&d, a, NOW, 0).lost);
    d.refusals = 2;
    d.step = 1;
    a.verdict = VERDICT_REFUSED;
    struct outbox_outcome x = after(&d, a, NOW, 0);
    assert_int_equal(x.what, OUTBOX_NEXT);
    assert_true(x.lost && x.failed);
    d.step = 2;
    d.lost = 1;
    a.verdict = VERDICT_TAKEN;
    x = after(&d, a, NOW, 0);
    assert_int_equal(x.what, OUTBOX_GIVEN_UP);
    assert_string_equal(x.error, "1 of 3 receivers could not be told.");
}

static void test_what_may_be_delivered_is_a_repeat(void **state)
{
    struct outbox_delivery d = delivery(1);
    (void)state;
    assert_true(after(&d, (struct attempt){VERDICT_AGAIN, true, 0, 1, STR("")}, NOW, 0).repeat);
    assert_false(after(&d, (struct attempt){VERDICT_AGAIN, false, 0, 1, STR("")}, NOW, 0).repeat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_wait_doubles_up_to_five_minutes),
        cmocka_unit_test(test_the_receiver_may_say_when),
        cmocka_unit_test(test_refusals_and_age_end_it),
        cmocka_unit_test(test_steps_go_on_past_one_that_is_lost),
        cmocka_unit_test(test_what_may_be_delivered_is_a_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
