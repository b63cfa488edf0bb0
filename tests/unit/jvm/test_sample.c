// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/sample: the ratio, the caller's decision, rules for entries, the rate.
#include "agents/jvm/effort.h"
#include "agents/jvm/sample.h"
#include "core/clock.h"
#include "test.h"

static trace_id numbered(uint32_t i)
{
    trace_id t = {{0}};
    memcpy(t.b + 12, &i, sizeof i);
    return t;
}

static unsigned kept_of(uint32_t n)
{
    unsigned kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        kept += sample_new(numbered(i));
    }
    return kept;
}

static void test_ratio_and_caller(void **state)
{
    (void)state;
    sample_init(&(struct sample_settings){.ratio = 0.25, .by_parent = true});
    assert_in_range(kept_of(10000), 2300, 2700);
    assert_true(sample_remote(numbered(1), true) && !sample_remote(numbered(1), false));
    sample_init(&(struct sample_settings){.ratio = 1});
    assert_true(sample_new(numbered(1)) && sample_remote(numbered(1), false));
    sample_init(&(struct sample_settings){.by_parent = true});
    assert_false(sample_new(numbered(1)));
}

static void test_entries(void **state)
{
    bool keep = true;
    struct str get = STR("GET");
    (void)state;
    sample_init(&(struct sample_settings){
        .ratio = 1, .rules = STR("GET /health=0; GET /api/*=1 ;POST /a=b=1;HEAD *=0")});
    assert_true(sample_entry(numbered(1), get, STR("/health"), &keep) && !keep);
    assert_true(sample_entry(numbered(1), get, STR("/api/"), &keep) && keep);
    assert_true(sample_entry(numbered(1), get, STR("/api/x/y"), &keep) && keep);
    assert_true(sample_entry(numbered(1), STR("POST"), STR("/a=b"), &keep) && keep);
    assert_true(sample_entry(numbered(1), STR("HEAD"), STR("/any"), &keep) && !keep);
    assert_false(sample_entry(numbered(1), get, STR("/healthy"), &keep));
    assert_false(sample_entry(numbered(1), get, STR("/ap"), &keep));
    assert_false(sample_entry(numbered(1), STR(""), STR(""), &keep));
}

static void test_bad_rules(void **state)
{
    static const char *const bad[] = {"GET /a", "GET /a=", "=1", "GET /a=2", "GET /a=x", ";"};
    struct sample_rule rules[SAMPLE_RULES_MAX];
    unsigned n;
    char many[SAMPLE_RULES_MAX * 4 + 8] = "";
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(sample_rules_parse(str_of(bad[i]), rules, &n));
    }
    for (int i = 0; i < SAMPLE_RULES_MAX; i++) {
        memcpy(many + strlen(many), "a=1;", 5);
    }
    assert_null(sample_rules_parse(str_of(many), rules, &n));
    assert_int_equal(n, SAMPLE_RULES_MAX);
    memcpy(many + strlen(many), "a=1", 4);
    assert_non_null(sample_rules_parse(str_of(many), rules, &n));
}

// A second's worth at once, and then so many a second.
static void test_rate(void **state)
{
    (void)state;
    sample_init(&(struct sample_settings){.ratio = 1, .rate = 100});
    uint64_t begin = clock_mono_ns();
    unsigned kept = kept_of(100000);
    uint64_t passed_ms = (clock_mono_ns() - begin) / NS_PER_MS;
    assert_in_range(kept, 99, 102 + passed_ms / 10);
}

static void test_less_effort_keeps_less(void **state)
{
    (void)state;
    effort_init(1);
    sample_init(&(struct sample_settings){.ratio = 0.5});
    effort_step(5); // lean
    assert_in_range(kept_of(10000), 4700, 5300);
    effort_step(5); // half
    assert_in_range(kept_of(10000), 2300, 2700);
    effort_step(5); // a tenth
    assert_in_range(kept_of(10000), 420, 580);
    effort_init(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ratio_and_caller),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_less_effort_keeps_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
