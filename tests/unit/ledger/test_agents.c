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
    f.dropped[0] = (struct flow_reason){STR("queue_full"), 1};
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
        cmocka_unit_test(test_space_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
