// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of stream/chains.h and of the state that a restart reads.
#include "test.h"

#include <string.h>

#include "core/mem.h"
#include "stream/internal.h"

#define IDLE_MS    1000u
#define REMEMBERED 4096u

static trace_id id_of(uint64_t n)
{
    trace_id id = {{7}};
    memcpy(id.b + 8, &n, sizeof n);
    return id;
}

static struct chain *open_chain(struct chains *c, uint64_t n, uint64_t seq, uint64_t now_ms)
{
    return chains_open(c, id_of(n), trace_id_hash(id_of(n)), seq, now_ms);
}

static bool add(struct chains *c, uint64_t trace, uint64_t span, uint64_t now_ms)
{
    struct chain_span s = {.id = span, .start_ns = 1000 + span, .service = 1, .copies = 1};
    return chains_add(c, open_chain(c, trace, now_ms, now_ms), &s, now_ms);
}

static void test_each_span_once(void **state)
{
    (void)state;
    struct chains c;
    chains_init(&c, IDLE_MS, REMEMBERED, 0, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t span = 1; span <= 300; span++) { // beyond the marks as well
            assert_int_equal(add(&c, 1, span, 5), round == 0);
        }
    }
    assert_int_equal(c.count, 1);
    assert_int_equal(c.spans, 300);
    const struct chain *chain = open_chain(&c, 1, 9, 5);
    assert_int_equal(chain->count, 300);
    assert_int_equal(chain->first->spans[0].copies, 3);
    assert_int_equal(chain->last->spans[299 % CHAIN_BLOCK].copies, 3);
    assert_int_equal(chain->min_start_ns, 1001);
    // What differs in anything that tells spans apart is another span.
    struct chain_span s = {.id = 1, .start_ns = 1001, .service = 2, .copies = 1};
    assert_true(chains_add(&c, open_chain(&c, 1, 9, 5), &s, 5));
    chains_done(&c);
}

static void test_a_chain_of_many_spans_is_quick(void **state)
{
    (void)state;
    struct chains c;
    chains_init(&c, IDLE_MS, REMEMBERED, 0, 0);
    for (uint64_t span = 1; span <= 100000; span++) {
        assert_true(add(&c, 1, span, 5));
    }
    assert_false(add(&c, 1, 50000, 5));
    struct chain *chain = chains_due(&c, 5 + 2 * IDLE_MS, false);
    assert_non_null(chain);
    chains_close(&c, chain, 1, 0);
    assert_int_equal(c.spans, 0);
    assert_int_equal(c.bytes, 0);
    chains_done(&c);
}

static void test_spans_beyond_the_limit_are_left_out(void **state)
{
    (void)state;
    struct chains c;
    chains_init(&c, IDLE_MS, REMEMBERED, 0, 0);
    for (uint64_t span = 1; span <= CHAIN_SPANS_MAX; span++) {
        assert_true(add(&c, 1, span, 5));
    }
    assert_false(add(&c, 1, 7, 5)); // a copy
    assert_int_equal(c.left_out, 0);
    assert_false(add(&c, 1, CHAIN_SPANS_MAX + 1, 5));
    assert_false(add(&c, 1, CHAIN_SPANS_MAX + 2, 5));
    assert_int_equal(c.left_out, 2);
    assert_int_equal(c.spans, CHAIN_SPANS_MAX);
    chains_done(&c);
}

static void test_due_after_the_last_span(void **state)
{
    (void)state;
    struct chains c;
    uint64_t now = 123456;
    chains_init(&c, IDLE_MS, REMEMBERED, now, 0);
    (void)add(&c, 1, 1, now);
    (void)add(&c, 2, 1, now);
    (void)add(&c, 2, 2, now + 800); // goes on
    assert_null(chains_due(&c, now + IDLE_MS - 1, false));
    struct chain *chain = chains_due(&c, now + IDLE_MS + 2 * CHAINS_BUCKET_MS, false);
    assert_non_null(chain);
    assert_int_equal(chain->count, 1);
    chains_close(&c, chain, 1, 0);
    assert_null(chains_due(&c, now + IDLE_MS + 2 * CHAINS_BUCKET_MS, false));
    chain = chains_due(&c, now + 800 + IDLE_MS + 2 * CHAINS_BUCKET_MS, false);
    assert_non_null(chain);
    assert_int_equal(chain->count, 2);
    chains_close(&c, chain, 1, 0);
    assert_null(chains_due(&c, now + 100000, true));
    chains_done(&c);
}

// Whatever the pace of the clock, every chain comes, and early ones when asked for.
static void test_the_wheel_forgets_nobody(void **state)
{
    (void)state;
    struct chains c;
    uint64_t now = 1000000, opened = 0, closed = 0, seed = 1;
    chains_init(&c, IDLE_MS, REMEMBERED, now, 0);
    for (unsigned turn = 0; turn < 3000; turn++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        now += (seed >> 33) % 40 == 0 ? 30000 : (seed >> 40) % 50;
        (void)add(&c, ++opened, 1, now);
        (void)add(&c, 1 + (seed >> 20) % opened, 1000 + turn, now); // may open a closed one again
        opened = opened > c.count + closed ? opened : c.count + closed;
        bool early = (seed >> 50) % 16 == 0;
        struct chain *chain;
        while ((chain = chains_due(&c, now, early)) != NULL) {
            assert_true(early || now - chain->last_ms >= IDLE_MS);
            chains_close(&c, chain, now, 0);
            closed++;
            early = false;
        }
    }
    struct chain *chain;
    while ((chain = chains_due(&c, now, true)) != NULL) {
        chains_close(&c, chain, now, 0);
    }
    assert_int_equal(c.count, 0);
    assert_int_equal(c.bytes, 0);
    chains_done(&c);
}

static void test_closed_traces_are_remembered(void **state)
{
    (void)state;
    struct chains c;
    chains_init(&c, IDLE_MS, REMEMBERED, 0, 500);
    for (uint64_t n = 1; n <= REMEMBERED + 10; n++) {
        (void)add(&c, n, 1, 1);
        chains_close(&c, chains_due(&c, 1, true), 10000 + n, 0);
    }
    (void)add(&c, REMEMBERED, 600, 2); // began at 1600
    assert_true(open_chain(&c, REMEMBERED, 1, 2)->was_closed);
    assert_true(chains_may_be_old(&c, open_chain(&c, REMEMBERED, 1, 2)));
    // The first ten are forgotten, and the horizon says so.
    assert_int_equal(c.horizon_ns, 10010);
    (void)add(&c, 5, 600, 2);
    assert_false(open_chain(&c, 5, 1, 2)->was_closed);
    assert_true(chains_may_be_old(&c, open_chain(&c, 5, 1, 2)));
    (void)add(&c, REMEMBERED + 99, 20000, 2); // began after it
    assert_false(chains_may_be_old(&c, open_chain(&c, REMEMBERED + 99, 1, 2)));
    chains_done(&c);
}

static void test_state_comes_back(void **state)
{
    (void)state;
    struct chains c;
    struct buf out;
    struct open_set open;
    uint64_t after;
    buf_init(&out, 1 << 20);
    chains_init(&c, IDLE_MS, REMEMBERED, 0, 0);
    for (uint64_t n = 1; n <= 500; n++) {
        (void)add(&c, n, 1, n); // first_seq is n as well
    }
    open_chain(&c, 500, 500, 500)->was_closed = true;
    state_write(&c, 700, &out);
    assert_int_equal(state_read(buf_str(&out), 700, &after, &open), ERR_OK);
    assert_int_equal(after, 0);
    assert_int_equal(open.count, 500);
    for (uint64_t n = 1; n <= 600; n++) {
        const struct open_chain *found = open_set_find(&open, trace_id_hash(id_of(n)));
        assert_int_equal(found != NULL, n <= 500);
        assert_int_equal(found != NULL && found->may_be_old, n == 500);
        assert_true(found == NULL || found->first_seq == n);
    }
    open_set_done(&open);
    // None of its beginnings is a state; nor is one of a later time than its metrics.
    for (size_t n = 1; n < out.n; n++) {
        assert_int_equal(state_read((struct str){out.p, n}, 700, &after, &open), ERR_CORRUPT);
    }
    assert_int_equal(state_read(STR(""), 700, &after, &open), ERR_OK);
    assert_int_equal(after, 700);
    open_set_done(&open);
    assert_int_equal(state_read(STR("\x05\x00"), 4, &after, &open), ERR_CORRUPT);
    chains_done(&c);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_span_once),
        cmocka_unit_test(test_a_chain_of_many_spans_is_quick),
        cmocka_unit_test(test_spans_beyond_the_limit_are_left_out),
        cmocka_unit_test(test_due_after_the_last_span),
        cmocka_unit_test(test_the_wheel_forgets_nobody),
        cmocka_unit_test(test_closed_traces_are_remembered),
        cmocka_unit_test(test_state_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
