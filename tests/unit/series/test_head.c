// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of series/head.h: slots come back in order, in whatever order they came.
#include "test.h"

#include "core/mem.h"
#include "series/head.h"

static struct budget budget;

static uint64_t slot_of(uint32_t n)
{
    return (uint64_t)(n + 1) * SERIES_SLOT_MS;
}

static void add(struct series_head *h, uint32_t slot)
{
    const uint16_t bucket = (uint16_t)hist_bucket(slot + 1);
    const struct series_run r = {.series = 3,
                                 .times = 1,
                                 .time_ms = slot_of(slot) + 7,
                                 .sum_ns = slot + 1,
                                 .buckets = &bucket,
                                 .count = 1};
    assert_int_equal(series_head_add_runs(h, &r, 1, UINT64_MAX), 0);
}

// Slots [first, end), and of each as many calls as given.
static void assert_slots(const struct series_head *h, uint32_t first, uint32_t end, int64_t calls)
{
    struct samples got = {0};
    struct arena arena = {0};
    struct buf scratch;
    buf_init(&scratch, HIST_BYTES_MAX);
    series_head_samples(h, 3, slot_of(first), slot_of(end), &got, &arena, &scratch);
    assert_int_equal(got.count, end - first);
    for (uint32_t i = first; i < end; i++) {
        const struct sample *s = &got.at[i - first];
        struct hist_head head = hist_head_of(s->hist);
        assert_int_equal(s->time_ms, slot_of(i));
        assert_int_equal(head.count, calls);
        assert_int_equal(head.sum_ns, calls * (i + 1));
    }
    buf_done(&scratch);
    arena_done(&arena);
    samples_done(&got);
}

enum order { FORWARD, BACKWARD, FROM_THE_MIDDLE, ANY, ORDERS };

// The n-th of `count` slots; `count` is a power of two.
static uint32_t place(enum order order, uint32_t n, uint32_t count)
{
    uint32_t half = count / 2;
    switch (order) {
    case FORWARD:
        return n;
    case BACKWARD:
        return count - 1 - n;
    case FROM_THE_MIDDLE:
        return n % 2 == 0 ? half + n / 2 : half - 1 - n / 2;
    case ANY:
    case ORDERS:
        break;
    }
    return n * 2654435761u % count;
}

static void test_slots_ascend_in_whatever_order_they_came(void **state)
{
    (void)state;
    const uint32_t count = 4096;
    for (enum order order = FORWARD; order < ORDERS; order++) {
        struct series_head *h = series_head_new(&budget, 0);
        for (int64_t round = 1; round <= 2; round++) {
            for (uint32_t i = 0; i < count; i++) {
                add(h, place(order, i, count));
            }
            assert_int_equal(h->samples, count);
            assert_slots(h, 0, count, round);
            for (uint32_t at = 0; at < count; at += 61) {
                assert_slots(h, at, at + 1, round);
                assert_slots(h, at, count, round);
                assert_slots(h, 0, at, round);
            }
        }
        series_head_unref(h);
    }
}

// While one list had all slots, each of these moved all others: no test has the time for that.
static void test_many_slots_from_the_newest_to_the_oldest(void **state)
{
    (void)state;
    const uint32_t count = 1 << 19;
    struct series_head *h = series_head_new(&budget, 0);
    for (uint32_t i = 0; i < count; i++) {
        add(h, place(BACKWARD, i, count));
    }
    assert_slots(h, 0, count, 1);
    series_head_unref(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_ascend_in_whatever_order_they_came),
        cmocka_unit_test(test_many_slots_from_the_newest_to_the_oldest),
    };
    budget_init(&budget, (size_t)1 << 30);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
