// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/pace.h and stream/judge.h: what is slow, against a count over all
// chains; which reason keeps a chain, by line, error, pace, shape and share; the limits.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/hist.h"
#include "core/mem.h"
#include "stream/judge.h"

static uint64_t random_u64(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 29;
}

// Among so few that nothing is halved, the slow buckets hold the share at most, and one more would
// be too many.
static void test_slow_is_the_share_of_the_slowest(void **state)
{
    (void)state;
    static const uint32_t shares[] = {0, 1000, 10000, 250000, KEEP_PPM};
    static uint64_t values[PACE_CHAINS_MAX];
    for (size_t k = 0; k < sizeof shares / sizeof shares[0]; k++) {
        struct pace p = {0};
        uint64_t seed = 9 + k;
        for (uint32_t n = 1; n <= 4000; n++) {
            values[n - 1] = random_u64(&seed) >> (20 + random_u64(&seed) % 40);
            pace_add(&p, values[n - 1], shares[k]);
            assert_int_equal(pace_is_known(&p), n >= PACE_LEAST);
            if (n % 371 != 0) {
                continue;
            }
            uint32_t slow = 0, next = 0, most = (uint32_t)((uint64_t)n * shares[k] / KEEP_PPM);
            for (uint32_t i = 0; i < n; i++) {
                slow += pace_is_slow(&p, values[i]) ? 1 : 0;
                next += hist_bucket(values[i]) / 4 == p.limit ? 1 : 0;
            }
            assert_true(slow <= most);
            assert_true(p.limit == 0 || slow + next > most);
        }
    }
}

static void test_pace_follows_what_changes(void **state)
{
    (void)state;
    struct pace p = {0};
    for (int i = 0; i < 20000; i++) {
        pace_add(&p, 1000000, 10000);
    }
    assert_true(pace_is_slow(&p, 50000000));
    for (int i = 0; i < 20000; i++) {
        pace_add(&p, 50000000, 10000);
    }
    assert_false(pace_is_slow(&p, 50000000));
    assert_true(pace_is_slow(&p, 100000000));
    assert_true(p.count <= PACE_CHAINS_MAX);
}

// ---- The judge ----------------------------------------------------------------------------------

struct court {
    struct names names;
    struct paths paths;
    struct judge judge;
    uint32_t shop, bank; // services
    uint64_t now_ms;
    uint8_t next;
};

static void court_open(struct court *c, struct keep_rules rules)
{
    *c = (struct court){.now_ms = 50};
    paths_init(&c->paths, &c->names, SIZE_MAX);
    c->shop = names_service(&c->names, STR("shop"), STR("web"));
    c->bank = names_service(&c->names, STR("bank"), STR("pay"));
    judge_init(&c->judge, 77);
    judge_set_rules(&c->judge, keep_rules_copy(&rules));
    c->judge.restart_seq = 10;
}

static void court_close(struct court *c)
{
    assert_true(judge_bytes(&c->judge) > 0);
    judge_done(&c->judge);
    paths_done(&c->paths);
    names_done(&c->names);
}

// A chain of an endpoint with a span of another service below.
struct made {
    const char *endpoint;
    uint64_t duration_ns, seq;
    uint32_t below; // 0: none
    bool error, again;
};

static enum keep_why judge(struct court *c, struct made m)
{
    uint32_t name = names_below(&c->names, c->shop, str_of(m.endpoint), KIND_SERVER);
    const struct chain_span spans[] = {
        {.id = 2,
         .parent = 1,
         .start_ns = 5,
         .service = SPAN_NAME(m.below != 0 ? m.below : c->shop),
         .kind = KIND_INTERNAL,
         .error = m.error},
        {.id = 1,
         .start_ns = 9,
         .duration_ns = m.duration_ns,
         .service = SPAN_NAME(c->shop),
         .endpoint = SPAN_NAME(name),
         .kind = KIND_SERVER},
    };
    struct entry_sum sum = {.path = paths_below(&c->paths, 0, name), .calls = 1};
    const struct judged_chain chain = {.id = {{++c->next, 1}},
                                       .first_seq = m.seq != 0 ? m.seq : 11,
                                       .spans = spans,
                                       .count = 2,
                                       .sums = &sum,
                                       .sum_count = 1,
                                       .is_again = m.again};
    return judge_chain(&c->judge, &c->names, &c->paths, &chain, c->now_ms);
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct keep_line lines[] = {{{"bank", 4}, false}};
    struct court c;
    court_open(
        &c, (struct keep_rules){
                .is_chosen = true, .slow_ppm = 10000, .rare = 3, .lines = lines, .line_count = 1});
    for (unsigned i = 0; i < PACE_LEAST; i++) {
        assert_int_equal(judge(&c, (struct made){"a", 1000}), KEEP_NEW);
    }
    assert_int_equal(judge(&c, (struct made){"a", 1000}), KEEP_NOT);
    assert_int_equal(judge(&c, (struct made){"a", 1000, .error = true}), KEEP_ERROR);
    assert_int_equal(judge(&c, (struct made){"a", 3000}), KEEP_SLOW);
    assert_int_equal(judge(&c, (struct made){"a", 3000, .again = true}), KEEP_SLOW);
    assert_int_equal(judge(&c, (struct made){"a", 1000, .below = c.bank, .error = true}),
                     KEEP_LINE);
    assert_int_equal(judge(&c, (struct made){"a", 1000, .seq = 10}), KEEP_RESTART);
    c.now_ms += JUDGE_HOUR_MS; // the first of each shape
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(judge(&c, (struct made){"a", 1000}), KEEP_RARE);
    }
    assert_int_equal(judge(&c, (struct made){"a", 1000}), KEEP_NOT);
    assert_int_equal(judge(&c, (struct made){"b", 1000}), KEEP_NEW);
    assert_int_equal(c.judge.verdicts[KEEP_RARE], 3);
    const struct keep_rules rules = {.is_chosen = true, .share_ppm = KEEP_PPM};
    judge_set_rules(&c.judge, keep_rules_copy(&rules));
    assert_int_equal(judge(&c, (struct made){"b", 1000, .below = c.bank}), KEEP_SHARE);
    const struct keep_rules none = {.share_ppm = KEEP_PPM};
    judge_set_rules(&c.judge, keep_rules_copy(&none));
    assert_false(c.judge.is_on);
    court_close(&c);
}

// Each chain has another shape: a path below the entry that nobody else has.
static void test_an_entry_of_many_shapes_is_not_all_rare(void **state)
{
    (void)state;
    enum { CHAINS = 5000 };
    struct court c;
    court_open(&c, (struct keep_rules){.is_chosen = true, .rare = 2});
    uint32_t name = names_below(&c.names, c.shop, STR("a"), KIND_SERVER);
    uint32_t entry = paths_below(&c.paths, 0, name);
    const struct chain_span span = {
        .id = 1, .service = SPAN_NAME(c.shop), .endpoint = SPAN_NAME(name), .kind = KIND_SERVER};
    size_t rare = 0;
    for (uint32_t i = 0; i < CHAINS; i++) {
        // Thirteen paths, there or not: one shape for each number.
        struct entry_sum sums[14];
        size_t count = 0;
        for (uint32_t bit = 0; bit < 13; bit++) {
            char text[8];
            (void)snprintf(text, sizeof text, "x%u", bit);
            uint32_t below = names_below(&c.names, c.bank, str_of(text), KIND_SERVER);
            if ((i >> bit & 1) != 0) {
                sums[count++] =
                    (struct entry_sum){.path = paths_below(&c.paths, entry, below), .calls = 1};
            }
        }
        sums[count++] = (struct entry_sum){.path = entry, .calls = 1};
        const struct judged_chain chain = {.id = {{1}},
                                           .first_seq = 11,
                                           .spans = &span,
                                           .count = 1,
                                           .sums = sums,
                                           .sum_count = count};
        rare += judge_chain(&c.judge, &c.names, &c.paths, &chain, c.now_ms) == KEEP_RARE ? 1 : 0;
    }
    assert_in_range(rare, JUDGE_RARE_SHAPES * 2, JUDGE_RARE_SHAPES * 2 + CHAINS / JUDGE_RARE_SHARE);
    court_close(&c);
}

static void test_the_share_is_drawn_by_the_key(void **state)
{
    (void)state;
    enum { N = 100000 };
    int drawn = 0, both = 0;
    for (uint64_t i = 0; i < N; i++) {
        trace_id id = {{0}};
        memcpy(id.b, &i, sizeof i); // IDs that count
        bool one = keep_is_drawn(keep_hash(1, id), 10000);
        drawn += one ? 1 : 0;
        both += one && keep_is_drawn(keep_hash(2, id), 10000) ? 1 : 0;
    }
    assert_in_range(drawn, 850, 1150); // 1 % with five standard deviations
    assert_in_range(both, 0, 30);
    assert_true(keep_is_drawn(UINT64_MAX, KEEP_PPM) && keep_is_drawn(0, 1));
    assert_false(keep_is_drawn(0, 0) || keep_is_drawn(UINT64_MAX, KEEP_PPM - 1));
}

static void test_shapes_have_a_limit(void **state)
{
    (void)state;
    struct court c;
    court_open(&c, (struct keep_rules){.is_chosen = true, .rare = 1});
    assert_int_equal(judge(&c, (struct made){"a", 1}), KEEP_RARE);
    // As if all others had been seen.
    c.judge.shapes =
        mem_grow(c.judge.shapes, &c.judge.shape_capacity, JUDGE_SHAPES_MAX, sizeof *c.judge.shapes);
    c.judge.shape_count = JUDGE_SHAPES_MAX;
    assert_int_equal(judge(&c, (struct made){"b", 1}), KEEP_NOT);
    assert_int_equal(c.judge.other_shapes, 1);
    c.now_ms += JUDGE_HOUR_MS;
    assert_int_equal(judge(&c, (struct made){"b", 1}), KEEP_RARE);
    court_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_is_the_share_of_the_slowest),
        cmocka_unit_test(test_pace_follows_what_changes),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_an_entry_of_many_shapes_is_not_all_rare),
        cmocka_unit_test(test_the_share_is_drawn_by_the_key),
        cmocka_unit_test(test_shapes_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
