// SPDX-License-Identifier: Apache-2.0
// Purpose: records are settled when their chains have closed, however far behind the stream is.
#include "test.h"

#include <unistd.h>

#include "model/keep.h"
#include "stream/settled.h"
#include "stream/stream.h"
#include "unit/stream/no_history.h"
#include "unit/stream/plain.h"

static void test_marks_wait_for_the_last_of_their_records(void **state)
{
    (void)state;
    struct settled s;
    settled_init(&s, 6400);
    assert_int_equal(settled_up_to(&s, 7000), 0);
    settled_take(&s, 3, 10000);
    settled_take(&s, 3, 12000); // nothing new
    settled_take(&s, 5, 12000);
    assert_int_equal(settled_up_to(&s, 16399), 0);
    assert_int_equal(settled_up_to(&s, 16400), 3);
    assert_int_equal(settled_up_to(&s, 18399), 3);
    settled_take(&s, 6, 18399);
    assert_int_equal(settled_up_to(&s, UINT64_MAX), 6);
    assert_int_equal(settled_up_to(&s, 20000), 6);
}

// A record each millisecond, closed at once; and then closing falls behind.
static void test_what_is_settled_keeps_up(void **state)
{
    (void)state;
    struct settled s;
    settled_init(&s, 5064);
    for (uint64_t ms = 10000; ms < 60000; ms++) {
        settled_take(&s, ms, ms);
        uint64_t up_to = settled_up_to(&s, ms), due = ms - 5064;
        assert_true(up_to <= due);
        assert_true(due < 10100 || up_to + 100 >= due);
    }
    for (uint64_t ms = 60000; ms < 200000; ms++) {
        settled_take(&s, ms, ms);
    }
    assert_int_equal(s.count, SETTLED_MARKS);
    assert_in_range(settled_up_to(&s, 200000), 60000, 194936);
    assert_int_equal(settled_up_to(&s, 300000), 199999);
}

// ---- In a stream --------------------------------------------------------------------------------

struct keeping {
    atomic_uint judged, settled;
    atomic_uint_fast64_t seq;
};

static void judged(void *ctx, trace_id id, enum keep_why why)
{
    struct keeping *k = ctx;
    (void)id;
    (void)why;
    atomic_fetch_add(&k->judged, 1);
}

static void reopened(void *ctx, trace_id id)
{
    (void)ctx;
    (void)id;
}

// Of each record up to `seq` the one chain is judged.
static void settled(void *ctx, uint64_t seq)
{
    struct keeping *k = ctx;
    assert_true(seq >= atomic_load(&k->seq) && atomic_load(&k->judged) >= seq);
    atomic_store(&k->seq, seq);
    atomic_fetch_add(&k->settled, 1);
}

static bool wants_seal(void *ctx)
{
    (void)ctx;
    return false;
}

static void seal(void *ctx, uint64_t seq, uint64_t oldest, struct str state)
{
    (void)ctx;
    (void)seq;
    (void)oldest;
    (void)state;
}

static void test_chains_are_judged_before_their_records_are_settled(void **state)
{
    (void)state;
    const uint64_t records = 200;
    struct budget budget;
    struct keeping keeping = {0};
    struct stream *s;
    const struct keep_rules rules = {.is_chosen = true};
    budget_init(&budget, (size_t)64 << 20);
    const struct stream_options o = {
        .budget = &budget,
        .sink = {find_any, NULL, count_nothing, NULL, wants_seal, seal, &keeping},
        .history = {no_history, NULL, 1},
        .keeper = {judged, reopened, settled, &keeping, 1, &rules},
        .idle_ms = 300};
    assert_ok(stream_new(&o, &s));
    stream_start(s);
    for (uint64_t seq = 1; seq <= records; seq++) {
        add_entry(s, seq, (trace_id){{(uint8_t)seq, (uint8_t)(seq >> 8)}}, (span_id){{1}});
        (void)usleep(1000);
    }
    for (int i = 0; i < 2000 && atomic_load(&keeping.seq) < records; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(atomic_load(&keeping.seq), records);
    assert_true(atomic_load(&keeping.settled) > 1);
    stream_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_wait_for_the_last_of_their_records),
        cmocka_unit_test(test_what_is_settled_keeps_up),
        cmocka_unit_test(test_chains_are_judged_before_their_records_are_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
