// SPDX-License-Identifier: Apache-2.0
// Purpose: a chain that goes on and on while the journal is filling: it is closed, so that the
// journal need not keep what came since it opened.
#include "test.h"

#include <unistd.h>

#include "stream/stream.h"
#include "unit/stream/no_history.h"
#include "unit/stream/plain.h"

struct sealed {
    atomic_uint_fast64_t seq, oldest;
};

static bool wants_seal(void *ctx)
{
    (void)ctx;
    return true;
}

static void seal(void *ctx, uint64_t seq, uint64_t oldest, struct str state)
{
    struct sealed *s = ctx;
    (void)state;
    atomic_store(&s->oldest, oldest);
    atomic_store(&s->seq, seq);
}

static void await(atomic_uint_fast64_t *number, uint64_t least)
{
    for (int i = 0; i < 2000 && atomic_load(number) < least; i++) {
        (void)usleep(10000);
    }
    assert_true(atomic_load(number) >= least);
}

static void test_a_long_chain_lets_the_journal_go(void **state)
{
    (void)state;
    struct budget budget;
    struct sealed sealed = {0};
    struct stream *s;
    struct stream_stats stats;
    const trace_id trace = {{7}};
    atomic_bool hurry = false;
    budget_init(&budget, (size_t)64 << 20);
    const struct stream_options o = {
        .budget = &budget,
        .sink = {find_any, NULL, count_nothing, NULL, wants_seal, seal, &sealed},
        .history = {no_history, NULL, 1},
        .idle_ms = 15000,
        .hurry = &hurry};
    assert_ok(stream_new(&o, &s));
    stream_start(s);
    add_entry(s, 1, trace, (span_id){{1}});
    add_entry(s, 2, trace, (span_id){{2}});
    await(&sealed.seq, 2);
    assert_int_equal(atomic_load(&sealed.oldest), 0); // the chain of the first record is open
    atomic_store(&hurry, true);
    await(&sealed.oldest, 2);
    stream_stats(s, &stats);
    assert_int_equal(stats.spilled_chains, 1);
    stream_close(s);
    assert_int_equal(atomic_load(&budget.total), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_chain_lets_the_journal_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
