// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of struct query_control: what a query may take of memory and of time, how long it
// waits for either, and what it has when its turn is over.
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "part_file.h"
#include "query/aggregate.h"
#include "query/scan.h"
#include "query/trace.h"

#define BASE         (NS_PER_S * (uint64_t)1700000000)
#define BUDGET_BYTES ((size_t)16 << 20)
#define TRACES       2
#define SPANS        100 // of each

static trace_id trace_of(size_t n)
{
    return (trace_id){{1, (uint8_t)n}};
}

static struct batch *new_batch(void)
{
    struct batch *b = batch_new(STR("shop"));
    uint32_t service = batch_intern(b, STR("cart"));
    batch_add_resource(b)->service = service;
    (void)batch_add_scope(b);
    return b;
}

static struct part *part_of(struct batch *b)
{
    char path[] = "/tmp/sonde-control-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
    struct part *p = write_part(path, b, 0);
    assert_int_equal(unlink(path), 0);
    return p;
}

// Two traces in a part, and the first of them in a hot batch too.
struct world {
    struct batch *batches[2];
    struct part *part;
    struct store_view view;
};

static int set_up(void **state)
{
    struct world *w = mem_new(1, sizeof *w);
    for (size_t i = 0; i < 2; i++) {
        struct batch *b = w->batches[i] = new_batch();
        for (size_t k = 0; k < SPANS * (i == 0 ? TRACES : 1); k++) {
            struct span *s = batch_add_span(b);
            s->trace = trace_of(k / SPANS);
            s->id = (span_id){{(uint8_t)(1 + k % SPANS), (uint8_t)i}};
            s->start_ns = BASE + k;
        }
        batch_seal(b);
    }
    w->part = part_of(w->batches[0]);
    w->view = (struct store_view){&w->part, 1, &w->batches[1], 1};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    batch_unref(w->batches[0]);
    batch_unref(w->batches[1]);
    part_unref(w->part);
    mem_free(w);
    return 0;
}

static void test_traces_obey_turns(void **state)
{
    struct world *w = *state;
    struct trace *t, *traces[TRACES] = {0};
    trace_id ids[TRACES] = {trace_of(0), trace_of(1)};
    struct query_control control = {0};
    assert_ok(trace_load(&w->view, ids[0], TRACE_WHOLE, &control, &t));
    assert_int_equal(t->count, 2 * SPANS);
    trace_free(t);
    assert_false(control.cut_short);
    // Out of turn it has what is hot: the part would have to be read.
    control.out_of_turn = true;
    assert_ok(trace_load(&w->view, ids[0], TRACE_WHOLE, &control, &t));
    assert_int_equal(t->count, SPANS);
    assert_true(control.cut_short);
    trace_free(t);
    assert_err(trace_load(&w->view, ids[1], TRACE_WHOLE, &control, &t), ERR_CANCELLED);
    // Of a list each trace is whole, or left out.
    control.cut_short = false;
    struct trace_list *l = trace_list_new(&w->view, ids, TRACES);
    assert_ok(trace_list_load(l, 0, TRACES, TRACE_OUTLINE, &control, traces));
    assert_true(traces[0] == NULL && traces[1] == NULL && control.cut_short);
    trace_list_free(l);
    control.cancelled = true;
    assert_err(trace_load(&w->view, ids[0], TRACE_WHOLE, &control, &t), ERR_CANCELLED);
}

static void count_rows(void *ctx, const struct row *rows, size_t count)
{
    assert_non_null(rows);
    *(size_t *)ctx += count;
}

// Rows of a trace that is too large are not given at all, nor read.
static void test_rows_of_a_trace_are_limited(void **state)
{
    struct world *w = *state;
    struct budget budget;
    struct meter meter;
    size_t rows = 0;
    const trace_id id = trace_of(0);
    budget_init(&budget, BUDGET_BYTES);
    meter_init(&meter, &budget, ACCOUNT_STREAM);
    assert_ok(trace_each_row(&w->view, id, 2 * SPANS, &meter, count_rows, &rows));
    assert_int_equal(rows, 2 * SPANS);
    assert_true(atomic_load(&budget.peak) > 0);
    assert_int_equal(meter.held_bytes, 0);
    rows = 0;
    assert_err(trace_each_row(&w->view, id, 2 * SPANS - 1, NULL, count_rows, &rows), ERR_LIMIT);
    assert_err(trace_each_row(&w->view, id, SPANS - 1, NULL, count_rows, &rows), ERR_LIMIT);
    assert_true(meter_take(&meter, BUDGET_BYTES - BUDGET_BYTES / 16)); // all but the queries' share
    assert_err(trace_each_row(&w->view, id, 2 * SPANS, &meter, count_rows, &rows), ERR_MEMORY);
    assert_int_equal(meter.held_bytes, BUDGET_BYTES - BUDGET_BYTES / 16);
    assert_int_equal(rows, 0);
    meter_done(&meter);
}

#define MANY_SPANS 20000

// One that no query has the memory for does not keep a list of others from being shown.
static void test_a_list_leaves_out_what_is_too_large(void **state)
{
    struct budget budget;
    struct meter meter;
    struct batch *b = new_batch();
    struct trace *traces[TRACES];
    const trace_id ids[TRACES] = {trace_of(0), trace_of(1)};
    (void)state;
    for (size_t i = 0; i < MANY_SPANS + SPANS; i++) {
        struct span *s = batch_add_span(b);
        s->trace = trace_of(i < MANY_SPANS ? 0 : 1);
        s->id = (span_id){{(uint8_t)(i >> 8), (uint8_t)i, 1}};
        s->start_ns = BASE + i;
    }
    batch_seal(b);
    struct part *p = part_of(b);
    budget_init(&budget, (size_t)6 << 20);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    struct query_control control = {.meter = &meter};
    const struct store_view view = {.parts = &p, .part_count = 1};
    struct trace_list *l = trace_list_new(&view, ids, TRACES);
    assert_ok(trace_list_load(l, 1, 1, TRACE_OUTLINE, &control, traces));
    assert_false(control.left_for_memory);
    trace_free(traces[0]);
    trace_list_free(l);
    l = trace_list_new(&view, ids, TRACES);
    assert_ok(trace_list_load(l, 0, TRACES, TRACE_OUTLINE, &control, traces));
    assert_true(control.left_for_memory && traces[0] == NULL);
    assert_int_equal(traces[1]->count, SPANS);
    trace_free(traces[1]);
    trace_list_free(l);
    assert_int_equal(meter.held_bytes, 0);
    part_unref(p);
    batch_unref(b);
}

#define SERVICES 1000

// More services than there is memory for are cut off, and the answer has room left.
static void test_groups_are_cut_off_where_memory_ends(void **state)
{
    struct budget budget;
    struct meter meter;
    struct groups *g;
    struct batch *b = batch_new(STR("shop"));
    (void)state;
    (void)batch_add_scope(b);
    for (uint32_t i = 0; i < SERVICES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "s%u", i);
        uint32_t service = batch_intern(b, str_of(name));
        batch_add_resource(b)->service = service;
        *batch_add_span(b) = (struct span){.trace = {{1, (uint8_t)(i >> 8), (uint8_t)i}},
                                           .id = {{1}},
                                           .start_ns = BASE,
                                           .resource = i};
    }
    batch_seal(b);
    budget_init(&budget, BUDGET_BYTES);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    struct query_control control = {.meter = &meter};
    const struct store_view view = {.hot = &b, .hot_count = 1};
    const struct aggregate a = {.view = &view, .to_ns = UINT64_MAX, .control = &control};
    assert_ok(aggregate_services(&a, &g));
    assert_true(control.left_for_memory && !control.short_of_memory);
    assert_true(g->count >= GROUPS_NEEDED && g->count < SERVICES);
    assert_int_equal(g->left_out, SERVICES - g->count); // a span each
    assert_true(meter.held_bytes <= budget.query_bytes_max / 2);
    groups_free(g);
    assert_int_equal(meter.held_bytes, 0);
    batch_unref(b);
}

#define NAME_BYTES ((size_t)400000)

// A span with one event whose name does not compress.
static struct batch *span_with_a_large_event(void)
{
    struct batch *b = new_batch();
    struct buf events;
    uint64_t dice = 99;
    buf_init(&events, NAME_BYTES + 16);
    buf_add_varint(&events, 1 + 3 + NAME_BYTES); // tag, length, name
    buf_add_byte(&events, 0x12);
    buf_add_varint(&events, NAME_BYTES);
    for (size_t i = 0; i < NAME_BYTES; i++) {
        dice = dice * 6364136223846793005U + 1442695040888963407U;
        buf_add_byte(&events, (uint8_t)(dice >> 56));
    }
    uint32_t code = batch_intern(b, buf_str(&events));
    struct span *s = batch_add_span(b);
    s->trace = trace_of(0);
    s->id.b[0] = 1;
    s->start_ns = BASE;
    s->events = code;
    buf_done(&events);
    batch_seal(b);
    return b;
}

static void look_at_paid(void *ctx, const struct scan_row *r)
{
    struct budget *budget = ctx;
    assert_true(r->row.batch != NULL);
    assert_true(atomic_load(&budget->total) >= 6 * NAME_BYTES);
}

// What a page may cost is taken before it is read: as many times its events as its attributes.
static void test_events_are_paid_for_before_they_are_read(void **state)
{
    struct budget budget;
    struct meter meter;
    struct filter *f;
    struct batch *b = span_with_a_large_event();
    struct part *p = part_of(b);
    (void)state;
    budget_init(&budget, (size_t)64 << 20);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    assert_ok(filter_parse(STR("{ event:name != \"x\" }"), &f, NULL));
    struct query_control control = {.meter = &meter};
    const struct store_view view = {.parts = &p, .part_count = 1};
    const struct scan scan = {.view = &view,
                              .filter = f,
                              .to_ns = UINT64_MAX,
                              .rows = true,
                              .control = &control,
                              .visit = look_at_paid,
                              .ctx = &budget};
    assert_ok(scan_run(&scan));
    assert_true(atomic_load(&budget.peak) >= 6 * NAME_BYTES);
    assert_int_equal(meter.held_bytes, 0);
    filter_free(f);
    part_unref(p);
    batch_unref(b);
}

#define WAITERS 4

static void *need_in_vain(void *control)
{
    return query_need(control, 1 << 20) ? control : NULL;
}

// Threads that wait at the same time use up the patience of their query together, not each.
static void test_threads_of_a_query_have_one_patience(void **state)
{
    struct budget budget;
    struct meter meter;
    pthread_t threads[WAITERS];
    (void)state;
    budget_init(&budget, BUDGET_BYTES);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    struct query_control control = {.meter = &meter};
    assert_true(meter_take(&meter, BUDGET_BYTES / 2));
    uint64_t begun_ns = clock_mono_ns();
    for (int i = 0; i < WAITERS; i++) {
        pthread_create(&threads[i], NULL, need_in_vain, &control);
    }
    for (int i = 0; i < WAITERS; i++) {
        void *got = &threads;
        pthread_join(threads[i], &got);
        assert_null(got);
    }
    assert_true(clock_mono_ns() - begun_ns >= QUERY_PATIENCE_MS * NS_PER_MS);
    assert_true(control.waited_ns <= clock_mono_ns() - begun_ns);
    assert_true(control.short_of_memory);
    meter_done(&meter);
}

struct late {
    struct query_control *control;
    struct meter *meter;
    uint64_t rows;
};

// Asked before each piece: the turn ends, and somebody takes what memory there is.
static uint64_t end_turn(void *ctx)
{
    struct late *l = ctx;
    while (meter_take(l->meter, 4096)) {
    }
    atomic_store(&l->control->out_of_turn, true);
    return 0;
}

static void count_late_row(void *ctx, const struct scan_row *r)
{
    struct late *l = ctx;
    l->rows += r->start_ns > 0 ? 1 : 0;
}

static void test_a_query_out_of_turn_does_not_wait_for_memory(void **state)
{
    struct world *w = *state;
    struct budget budget;
    struct meter meter, others;
    struct filter *f;
    budget_init(&budget, BUDGET_BYTES);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    meter_init(&others, &budget, ACCOUNT_QUERY);
    struct query_control control = {.meter = &meter};
    struct late late = {.control = &control, .meter = &others};
    const struct store_view view = {.parts = &w->part, .part_count = 1};
    assert_ok(filter_parse(STR("{}"), &f, NULL));
    const struct scan scan = {.view = &view,
                              .filter = f,
                              .to_ns = UINT64_MAX,
                              .control = &control,
                              .visit = count_late_row,
                              .floor_ns = end_turn,
                              .ctx = &late};
    assert_ok(scan_run(&scan)); // what was found is the answer
    assert_int_equal(late.rows, 0);
    assert_true(control.cut_short && !control.short_of_memory);
    assert_int_equal(control.waited_ns, 0);
    meter_done(&others);
    assert_int_equal(meter.held_bytes, 0);
    filter_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_obey_turns),
        cmocka_unit_test(test_rows_of_a_trace_are_limited),
        cmocka_unit_test(test_a_list_leaves_out_what_is_too_large),
        cmocka_unit_test(test_groups_are_cut_off_where_memory_ends),
        cmocka_unit_test(test_events_are_paid_for_before_they_are_read),
        cmocka_unit_test(test_threads_of_a_query_have_one_patience),
        cmocka_unit_test(test_a_query_out_of_turn_does_not_wait_for_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
