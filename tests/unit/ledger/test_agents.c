// SPDX-License-Identifier: Apache-2.0
// Purpose: ledger/agents: the newest word of each agent counts, in bounded space.
#include <stdio.h>

#include "ledger/agents.h"
#include "test.h"

struct sums {
    unsigned count;
    uint64_t exported, heard_ns;
    size_t longest;
};

static void add(void *ctx, const struct span_flow *f, uint64_t heard_unix_ns)
{
    struct sums *s = ctx;
    s->count++;
    s->exported += f->exported;
    s->heard_ns = heard_unix_ns;
    s->longest = f->service.n > s->longest ? f->service.n : s->longest;
    assert_int_equal(f->dropped_count, 1);
    assert_true(str_eq(f->dropped[0].name, STR("queue_full")));
}

static struct span_flow flow_of(struct str service, uint64_t exported)
{
    struct span_flow f = {.service = service, .instance = STR("i"), .exported = exported};
    f.parts = FLOW_EXPORTED | FLOW_PROCESSED;
    f.dropped[0] = (struct flow_reason){STR("queue_full"), 1, FLOW_PROCESSED};
    f.dropped_count = 1;
    return f;
}

static void test_the_newest_word_counts(void **state)
{
    struct agents *a = agents_new();
    struct sums s = {0};
    (void)state;
    struct span_flow f = flow_of(STR("cart"), 5);
    agents_tell(a, &f, 1);
    f.exported = 9;
    agents_tell(a, &f, 2);
    agents_each(a, add, &s);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.exported, 9);
    assert_int_equal(s.heard_ns, 2);
    agents_free(a);
}

static void copy(void *ctx, const struct span_flow *f, uint64_t heard_unix_ns)
{
    struct span_flow *to = ctx;
    (void)heard_unix_ns;
    *to = *f;
}

static uint64_t lost(const struct span_flow *f, const char *reason)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < f->dropped_count; i++) {
        n += str_eq(f->dropped[i].name, str_of(reason)) ? f->dropped[i].count : 0;
    }
    return n;
}

// A message about the processor says nothing about the exporter, and the other way round.
static void test_halves_are_put_together(void **state)
{
    struct agents *a = agents_new();
    struct span_flow seen = {0};
    struct span_flow one = {.service = STR("cart"), .parts = FLOW_STARTED | FLOW_PROCESSED};
    struct span_flow other = {.service = STR("cart"), .parts = FLOW_LIVE | FLOW_EXPORTED};
    (void)state;
    one.sampled = 10, one.not_sampled = 4, one.processed = 8, one.dropped_count = 2;
    one.dropped[0] = (struct flow_reason){STR("queue_full"), 2, FLOW_PROCESSED};
    one.dropped[1] = (struct flow_reason){STR("timeout"), 1, FLOW_PROCESSED};
    other.live = 3, other.exported = 5, other.dropped_count = 1;
    other.dropped[0] = (struct flow_reason){STR("timeout"), 6, FLOW_EXPORTED};
    agents_tell(a, &one, 1);
    agents_tell(a, &other, 2);
    agents_each(a, copy, &seen);
    assert_true(seen.sampled == 10 && seen.not_sampled == 4 && seen.processed == 8);
    assert_true(seen.live == 3 && seen.exported == 5);
    assert_int_equal(seen.dropped_count, 2); // one row a name
    assert_true(lost(&seen, "queue_full") == 2 && lost(&seen, "timeout") == 7);
    one.processed = 9, one.dropped_count = 1; // what is told again replaces its own half alone
    agents_tell(a, &one, 3);
    agents_tell(a, &one, 4);
    agents_each(a, copy, &seen);
    assert_true(seen.processed == 9 && seen.exported == 5 && seen.live == 3);
    assert_true(lost(&seen, "queue_full") == 2 && lost(&seen, "timeout") == 6);
    agents_free(a);
}

// As many reasons of each half as a message may have.
static void test_every_reason_of_both_halves_has_room(void **state)
{
    static const char names[] = "abcdefghijklmnop";
    struct agents *a = agents_new();
    struct span_flow seen = {0};
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned half = 0; half < 2; half++) {
            struct span_flow f = {.service = STR("cart")};
            f.parts = half == 0 ? FLOW_PROCESSED : FLOW_EXPORTED;
            for (; f.dropped_count < FLOW_PART_REASONS_MAX; f.dropped_count++) {
                struct str name = {names + half * FLOW_PART_REASONS_MAX + f.dropped_count, 1};
                f.dropped[f.dropped_count] =
                    (struct flow_reason){name, 1 + round, (enum flow_part)f.parts};
            }
            agents_tell(a, &f, round);
        }
    }
    agents_each(a, copy, &seen);
    assert_int_equal(seen.dropped_count, FLOW_REASONS_MAX);
    for (unsigned i = 0; i < FLOW_REASONS_MAX; i++) {
        assert_int_equal(seen.dropped[i].count, 3);
    }
    agents_free(a);
}

static void test_space_is_bounded(void **state)
{
    struct agents *a = agents_new();
    struct sums s = {0};
    char name[1000];
    (void)state;
    for (unsigned i = 0; i < AGENTS_MAX + 100; i++) {
        memset(name, 'n', sizeof name);
        int n = snprintf(name, sizeof name, "%u", i);
        name[n] = 'x';
        struct span_flow f = flow_of((struct str){name, sizeof name}, 1);
        agents_tell(a, &f, i);
    }
    agents_each(a, add, &s);
    assert_int_equal(s.count, AGENTS_MAX);
    assert_int_equal(agents_forgotten(a), 100);
    assert_int_equal(s.longest, AGENT_NAME_MAX);
    agents_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_word_counts),
        cmocka_unit_test(test_halves_are_put_together),
        cmocka_unit_test(test_every_reason_of_both_halves_has_room),
        cmocka_unit_test(test_space_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
