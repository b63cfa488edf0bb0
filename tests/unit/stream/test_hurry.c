// SPDX-License-Identifier: Apache-2.0
// Purpose: a chain that goes on and on while the journal is filling: it is closed, so that the
// journal need not keep what came since it opened.
#include "test.h"

#include <unistd.h>

#include "core/clock.h"
#include "stream/stream.h"
#include "unit/stream/no_history.h"

struct sealed {
    atomic_uint_fast64_t seq, oldest;
};

static enum err find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    (void)ctx;
    *ret_number = subject->kind;
    return ERR_OK;
}

static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    (void)ctx;
    (void)counts;
    (void)n;
}

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

static void add(struct stream *s, uint64_t seq)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    uint32_t text = batch_intern(b, STR("front"));
    batch_add_resource(b)->service = text;
    *batch_add_span(b) = (struct span){.trace = {{7}},
                                       .id = {{(uint8_t)seq}},
                                       .start_ns = clock_wall_ns(),
                                       .duration_ns = 1000,
                                       .name = text,
                                       .kind = KIND_SERVER};
    b->seq = seq;
    batch_seal(b);
    stream_add_record(s, &b, 1);
    batch_unref(b);
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
    atomic_bool hurry = false;
    budget_init(&budget, (size_t)64 << 20);
    const struct stream_options o = {.budget = &budget,
                                     .sink = {find, NULL, count, NULL, wants_seal, seal, &sealed},
                                     .history = {no_history, NULL, 1},
                                     .idle_ms = 15000,
                                     .hurry = &hurry};
    assert_ok(stream_new(&o, &s));
    stream_start(s);
    add(s, 1);
    add(s, 2);
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
