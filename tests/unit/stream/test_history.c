// SPDX-License-Identifier: Apache-2.0
// Purpose: what the store has of a trace, asked back when its chain closes again: how much of it is
// looked at, and what it may take of the memory budget.
#include "test.h"

#include "core/mem.h"
#include "stream/internal.h"
#include "unit/stream/plain.h"

#define SPANS ((size_t)4000) // of the trace, in each batch

static struct batch *batches[2];
static size_t asked_rows;
static enum err answer; // of the store, in place of rows

static enum err load(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                     void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                     void *rows_ctx)
{
    (void)ctx;
    (void)id;
    (void)meter;
    asked_rows = rows_max;
    for (size_t i = 0; i < 2 && answer == ERR_OK; i++) {
        struct row *rows = mem_new(SPANS, sizeof *rows);
        for (uint32_t k = 0; k < SPANS; k++) {
            rows[k] = (struct row){batches[i], k};
        }
        each(rows_ctx, rows, SPANS);
        mem_free(rows);
    }
    return answer;
}

static struct batch *batch_of(uint64_t seq)
{
    struct batch *b = batch_new(STR("shop"));
    (void)batch_add_scope(b);
    b->seq = seq;
    struct resource *r = batch_add_resource(b);
    *r = (struct resource){.service = batch_intern(b, STR("front"))};
    uint32_t name = batch_intern(b, STR("work"));
    for (uint32_t i = 0; i < SPANS; i++) {
        struct span *s = batch_add_span(b);
        *s = (struct span){.trace = {{7}},
                           .parent = {{1}},
                           .start_ns = (uint64_t)1700000000 * 1000000000 + i,
                           .duration_ns = 1000,
                           .name = name,
                           .kind = KIND_SERVER};
        uint64_t id = seq << 32 | (i + 1);
        memcpy(s->id.b, &id, sizeof id);
    }
    batch_seal(b);
    return b;
}

// Closes the trace's chain twice, the second time while the store says `then` of it.
static void close_twice(struct analysis *a, struct budget *budget, struct meter *closing,
                        enum err then)
{
    const struct stream_sink sink = {.find = find_any, .count = count_nothing};
    const struct stream_history history = {load, NULL, 1};
    analysis_init(a, &sink, &history, 1000, 64, 1 << 24);
    meter_init(closing, budget, ACCOUNT_STREAM);
    a->closing = closing;
    for (size_t i = 0; i < 2; i++) {
        batches[i] = batch_of(i + 1);
        analysis_take(a, batches[i], NULL, i + 1);
        answer = i == 0 ? ERR_NOT_FOUND : then;
        a->unjoined_spans = 0;
        analysis_close(a, chains_due(&a->chains, 1, true));
    }
    assert_int_equal(asked_rows, HISTORY_SPANS_MAX);
    assert_int_equal(closing->held_bytes, 0); // what closing took is given back
}

static void end(struct analysis *a, struct meter *closing)
{
    meter_done(closing);
    analysis_done(a);
    batch_unref(batches[0]);
    batch_unref(batches[1]);
}

static void test_history_is_taken_from_the_budget(void **state)
{
    (void)state;
    static struct analysis a;
    struct budget budget;
    struct meter closing;
    budget_init(&budget, (size_t)64 << 20);
    close_twice(&a, &budget, &closing, ERR_OK);
    assert_int_equal(a.unjoined_spans, 0);
    assert_int_equal(a.reopened_chains, 1);
    assert_int_equal(atomic_load(&budget.peak), 3 * SPANS * CLOSE_SPAN_BYTES);
    end(&a, &closing);
}

// The chain itself must close; what the store has of its trace is not joined, and that is counted.
static void test_history_that_there_is_no_memory_for_is_not_joined(void **state)
{
    (void)state;
    static struct analysis a;
    struct budget budget;
    struct meter closing;
    budget_init(&budget, 5 * SPANS * CLOSE_SPAN_BYTES / 2);
    close_twice(&a, &budget, &closing, ERR_OK);
    assert_int_equal(a.unjoined_spans, SPANS);
    assert_int_equal(a.reopened_chains, 0);
    assert_true(atomic_load(&budget.peak) <= budget.limit_bytes);
    end(&a, &closing);
    close_twice(&a, &budget, &closing, ERR_LIMIT); // of HISTORY_SPANS_MAX
    assert_int_equal(a.unjoined_spans, SPANS);
    assert_int_equal(a.closed_chains, 2);
    end(&a, &closing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_is_taken_from_the_budget),
        cmocka_unit_test(test_history_that_there_is_no_memory_for_is_not_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
