// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/trace.h: tree, RpcIds, half-spans, skew, exclusive time, critical path,
// and what broken tracers send.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "part_file.h"
#include "query/trace.h"

static const trace_id the_trace = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static span_id id_of(uint32_t n)
{
    // Counted in the last bytes, as some tracers do.
    return (span_id){
        {0, 0, 0, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct batch *new_batch(void)
{
    struct batch *b = batch_new(STR(""));
    uint32_t service = batch_intern(b, STR("shop"));
    batch_add_resource(b)->service = service;
    (void)batch_add_scope(b);
    return b;
}

// Times in microseconds; parent 0 is a root.
static void add(struct batch *b, uint32_t id, uint32_t parent, uint64_t from, uint64_t to,
                enum span_kind kind)
{
    char name[16];
    (void)snprintf(name, sizeof name, "op%u", id);
    uint32_t code = batch_intern(b, str_of(name));
    struct span *s = batch_add_span(b);
    s->trace = the_trace;
    s->id = id_of(id);
    s->parent = id_of(parent);
    s->start_ns = NS_PER_S + from * 1000;
    s->duration_ns = (to - from) * 1000;
    s->kind = (uint8_t)kind;
    s->name = code;
}

static struct trace *assemble(struct batch *b)
{
    batch_seal(b);
    struct row *rows = mem_new(b->span_count, sizeof *rows);
    for (size_t i = 0; i < b->span_count; i++) {
        rows[i] = (struct row){b, (uint32_t)i};
    }
    struct trace *t = trace_assemble(the_trace, rows, b->span_count);
    mem_free(rows);
    batch_unref(b);
    return t;
}

static uint32_t find(const struct trace *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (span_id_eq(row_span(t->spans[i].row)->id, id_of(id))) {
            return i;
        }
    }
    fail_msg("span %u is missing", id);
    return 0;
}

static void check_rpc(struct trace *t, uint32_t id, const char *rpc)
{
    char room[TRACE_RPC_ROOM];
    struct str got = trace_rpc_id(t, find(t, id), room);
    assert_int_equal(got.n, strlen(rpc));
    assert_memory_equal(got.p, rpc, got.n);
}

static void test_tree(void **state)
{
    (void)state;
    struct batch *b = new_batch();
    add(b, 3, 1, 50, 90, KIND_CLIENT);
    add(b, 1, 0, 0, 100, KIND_SERVER);
    add(b, 2, 1, 10, 30, KIND_INTERNAL);
    add(b, 4, 3, 55, 85, KIND_SERVER);
    add(b, 5, 77, 60, 70, KIND_SERVER); // its parent never came
    struct trace *t = assemble(b);
    assert_int_equal(t->count, 5);
    assert_int_equal(t->orphans, 1);
    check_rpc(t, 1, "0");
    check_rpc(t, 2, "0.1");
    check_rpc(t, 3, "0.2");
    check_rpc(t, 4, "0.2.1");
    check_rpc(t, 5, "1");
    assert_int_equal(find(t, 4), 3); // display order
    assert_int_equal(t->spans[3].depth, 2);
    assert_int_equal(t->spans[3].peer, 2);
    assert_int_equal(t->spans[2].peer, 3);
    assert_int_equal(t->spans[0].self_ns, 40000);
    assert_int_equal(t->spans[2].self_ns, 10000);
    struct trace_summary s = trace_summary(t);
    assert_false(s.complete);
    assert_str(s.root_service, "shop");
    assert_int_equal(s.duration_ns, 100000);
    trace_free(t);
}

static void test_critical_path(void **state)
{
    (void)state;
    struct batch *b = new_batch();
    add(b, 1, 0, 0, 100, KIND_SERVER);
    add(b, 2, 1, 10, 50, KIND_INTERNAL);
    add(b, 3, 1, 20, 60, KIND_INTERNAL); // beside 2, ends later: 2 is not on the path
    add(b, 4, 1, 70, 90, KIND_INTERNAL);
    add(b, 5, 4, 75, 80, KIND_INTERNAL);
    add(b, 6, 5, 79, 130, KIND_INTERNAL); // outlives its parent: counts only until 80
    struct trace *t = assemble(b);
    assert_int_equal(t->spans[find(t, 1)].critical_ns, 40000); // 0-20, 60-70, 90-100
    assert_int_equal(t->spans[find(t, 2)].critical_ns, 0);
    assert_int_equal(t->spans[find(t, 3)].critical_ns, 40000);
    assert_int_equal(t->spans[find(t, 4)].critical_ns, 15000);
    assert_int_equal(t->spans[find(t, 5)].critical_ns, 4000);
    assert_int_equal(t->spans[find(t, 6)].critical_ns, 1000);
    const struct trace_span *root = &t->spans[0];
    assert_int_equal(root->critical_count, 3);
    assert_int_equal(t->segments[root->critical_first].from_ns, 0);
    assert_int_equal(t->segments[root->critical_first].to_ns, 20000);
    assert_int_equal(t->segments[root->critical_first + 2].to_ns, 100000);
    assert_int_equal(t->segment_count, 8);
    trace_free(t);
}

// Calls one after the other whose clocks or roundings make them overlap a little are all on the
// path; those that a third one begins or ends between ran side by side.
static void test_critical_path_through_small_overlaps(void **state)
{
    (void)state;
    for (int crowded = 0; crowded < 4; crowded++) {
        struct batch *b = new_batch();
        add(b, 1, 0, 0, 1000, KIND_SERVER);
        add(b, 2, 1, 10, 210, KIND_CLIENT);
        add(b, 3, 1, 205, 305, KIND_CLIENT);
        add(b, 4, 1, 290, 1000, KIND_CLIENT); // too much of it
        if (crowded > 0) {
            static const uint64_t times[][2] = {{20, 207}, {207, 300}, {205, 400}};
            add(b, 5, 1, times[crowded - 1][0], times[crowded - 1][1], KIND_CLIENT);
        }
        struct trace *t = assemble(b);
        assert_int_equal(t->spans[find(t, 4)].critical_ns, 710000);
        assert_int_equal(t->spans[find(t, 3)].critical_ns, 0);
        assert_int_equal(t->spans[find(t, 2)].critical_ns, 200000);
        trace_free(t);
        b = new_batch();
        add(b, 1, 0, 0, 1000, KIND_SERVER);
        add(b, 2, 1, 10, 210, KIND_CLIENT);
        add(b, 3, 1, 205, 305, KIND_CLIENT);
        if (crowded > 0) {
            static const uint64_t times[][2] = {{20, 207}, {207, 300}, {205, 280}};
            add(b, 5, 1, times[crowded - 1][0], times[crowded - 1][1], KIND_CLIENT);
        }
        t = assemble(b);
        assert_int_equal(t->spans[find(t, 3)].critical_ns, 100000);
        assert_int_equal(t->spans[find(t, 2)].critical_ns, crowded == 0 ? 200000 : 0);
        trace_free(t);
    }
}

// Each span ends after, or begins before, the one it lies in: the path leads on through them, and
// no time is given away twice.
static void test_critical_path_through_spans_that_overrun(void **state)
{
    (void)state;
    struct batch *b = new_batch();
    add(b, 1, 0, 0, 1000, KIND_SERVER);
    add(b, 2, 1, 100, 990, KIND_INTERNAL);
    add(b, 3, 2, 90, 991, KIND_INTERNAL);
    add(b, 4, 3, 80, 992, KIND_INTERNAL);
    add(b, 5, 4, 110, 980, KIND_INTERNAL);
    struct trace *t = assemble(b);
    assert_int_equal(t->spans[find(t, 1)].critical_ns, 110000); // 0-100, 990-1000
    assert_int_equal(t->spans[find(t, 2)].critical_ns, 0);
    assert_int_equal(t->spans[find(t, 3)].critical_ns, 0);
    assert_int_equal(t->spans[find(t, 4)].critical_ns, 20000); // 100-110, 980-990
    assert_int_equal(t->spans[find(t, 5)].critical_ns, 870000);
    trace_free(t);
}

static void test_skew(void **state)
{
    (void)state;
    struct batch *b = new_batch();
    add(b, 1, 0, 1000, 1100, KIND_CLIENT);
    add(b, 2, 1, 400, 480, KIND_SERVER); // that host's clock is 610 behind
    add(b, 3, 2, 420, 430, KIND_INTERNAL);
    struct trace *t = assemble(b);
    assert_int_equal(t->spans[find(t, 2)].skew_ns, 610000);
    assert_int_equal(t->spans[find(t, 2)].start_ns, NS_PER_S + 1010000);
    assert_int_equal(t->spans[find(t, 3)].start_ns, NS_PER_S + 1030000);
    assert_int_equal(t->start_ns, NS_PER_S + 1000000);
    assert_int_equal(t->end_ns - t->start_ns, 100000);
    trace_free(t);
}

// One ID for both halves of a call, as some tracers do.
static void test_shared_id(void **state)
{
    (void)state;
    struct batch *b = new_batch();
    add(b, 1, 0, 0, 100, KIND_CLIENT);
    add(b, 1, 0, 10, 90, KIND_SERVER);
    add(b, 2, 1, 20, 30, KIND_INTERNAL);
    struct trace *t = assemble(b);
    assert_int_equal(t->spans[0].peer, 1);
    assert_int_equal(t->spans[1].parent, 0);
    assert_int_equal(t->spans[2].parent, 1); // callees hang below the server half
    trace_free(t);
}

static void test_broken_tracers(void **state)
{
    (void)state;
    struct batch *b = new_batch();
    add(b, 1, 2, 0, 100, KIND_SERVER); // a circle
    add(b, 2, 1, 10, 50, KIND_INTERNAL);
    add(b, 3, 3, 20, 60, KIND_INTERNAL); // its own parent
    add(b, 4, 3, 25, 30, KIND_INTERNAL);
    add(b, 4, 3, 25, 30, KIND_INTERNAL); // sent twice
    struct trace *t = assemble(b);
    assert_int_equal(t->count, 4);
    assert_int_equal(t->duplicates, 1);
    assert_true(t->orphans >= 1);
    trace_free(t);
}

static void test_deep_and_wide(void **state)
{
    (void)state;
    const uint32_t n = 100000;
    struct batch *b = new_batch();
    for (uint32_t i = 1; i <= n; i++) {
        add(b, i, i - 1, i, 2 * n + 10 - i, KIND_INTERNAL);
    }
    struct trace *t = assemble(b);
    assert_int_equal(t->count, n);
    assert_int_equal(t->spans[n - 1].depth, n - 1);
    char room[TRACE_RPC_ROOM];
    struct str rpc = trace_rpc_id(t, n - 1, room);
    assert_true(rpc.n < 200);
    assert_memory_equal(rpc.p, "...1.1", 6);
    trace_free(t);
    b = new_batch();
    for (uint32_t i = 0; i < n; i++) {
        add(b, 7, 0, i, i + 1, KIND_INTERNAL); // one ID for all
    }
    t = assemble(b);
    assert_int_equal(t->count, n);
    trace_free(t);
}

// ---- Large ones ---------------------------------------------------------------------------------

// A trace of a root and its children, one a microsecond, dealt out to two parts and a hot batch.
struct large {
    struct part *parts[2];
    struct batch *hot[1];
    struct store_view view;
};

static void large_open(struct large *w, uint32_t spans)
{
    struct batch *b[3];
    for (int i = 0; i < 3; i++) {
        b[i] = new_batch();
    }
    for (uint32_t i = 1; i <= spans; i++) {
        struct batch *to = b[i * 2654435761U >> 8 & 1 ? 2 : i * 2654435761U >> 9 & 1];
        uint32_t first = (uint32_t)to->attr_count, key = batch_intern(to, STR("n"));
        *batch_add_attr(to) = (struct attr){.key = key, .type = ATTR_INT, .i = i};
        add(to, i, i > 1 ? 1 : 0, i, i > 1 ? i + 1 : spans + 9, KIND_INTERNAL);
        to->spans[to->span_count - 1].attrs = (struct attr_run){first, 1};
    }
    for (int i = 0; i < 3; i++) {
        batch_seal(b[i]);
    }
    char folder[] = "/tmp/sonde-trace-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%d.part", folder, i + 1);
        w->parts[i] = write_part(path, b[i], 0);
        assert_int_equal(unlink(path), 0);
        batch_unref(b[i]);
    }
    assert_int_equal(rmdir(folder), 0);
    w->hot[0] = b[2];
    w->view =
        (struct store_view){.parts = w->parts, .part_count = 2, .hot = w->hot, .hot_count = 1};
}

static void large_close(struct large *w)
{
    part_unref(w->parts[0]);
    part_unref(w->parts[1]);
    batch_unref(w->hot[0]);
}

// The first so many spans and no others, in order, below their root.
static void assert_earliest(const struct trace *t, size_t count, size_t total)
{
    assert_int_equal(t->count, count);
    assert_int_equal(t->left_out, total - count);
    assert_int_equal(t->orphans, 0);
    for (uint32_t i = 0; i < count; i++) {
        span_id id = row_span(t->spans[i].row)->id;
        assert_true(span_id_eq(id, id_of(i + 1)));
    }
}

static void test_the_earliest_of_a_large_one(void **state)
{
    (void)state;
    const uint32_t n = 30000;
    struct large w;
    struct trace *t;
    large_open(&w, n);
    const size_t wanted[] = {1, 2, 777, 20000, n - 1, n, TRACE_SPANS_MAX};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_ok(trace_load_some(&w.view, the_trace, i % 2 ? TRACE_WHOLE : TRACE_OUTLINE,
                                  wanted[i], NULL, &t));
        assert_earliest(t, wanted[i] < n ? wanted[i] : n, n);
        trace_free(t);
    }
    large_close(&w);
}

static void test_as_much_as_there_is_memory_for(void **state)
{
    (void)state;
    const uint32_t n = 30000;
    struct large w;
    struct trace *t = NULL;
    struct budget budget;
    struct meter meter, other;
    struct query_control control = {.meter = &meter};
    large_open(&w, n);
    budget_init(&budget, (size_t)8 << 20);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    meter_init(&other, &budget, ACCOUNT_QUERY);
    assert_int_equal(trace_load(&w.view, the_trace, TRACE_WHOLE, &control, &t), ERR_MEMORY);
    for (int whole = 0; whole < 2; whole++) {
        assert_ok(trace_load_some(&w.view, the_trace, whole ? TRACE_WHOLE : TRACE_OUTLINE,
                                  TRACE_SPANS_MAX, &control, &t));
        assert_in_range(t->count, 1000, n / 2);
        assert_earliest(t, t->count, n);
        trace_free(t);
        assert_int_equal(meter.held_bytes, 0);
    }
    // What another query holds, it will give back: this one may be asked again.
    assert_true(meter_take(&other, budget.query_bytes_max - 4096));
    assert_true(trace_memory_is_elsewhere(&control));
    assert_int_equal(
        trace_load_some(&w.view, the_trace, TRACE_WHOLE, TRACE_SPANS_MAX, &control, &t),
        ERR_MEMORY);
    meter_done(&other);
    assert_false(trace_memory_is_elsewhere(&control));
    assert_int_equal(meter.held_bytes, 0);
    meter_done(&meter);
    large_close(&w);
}

static void test_one_span_of_an_outline_read_whole(void **state)
{
    (void)state;
    const uint32_t n = 20000; // of more than a page in a part
    struct large w;
    struct trace *t;
    size_t read_from_parts = 0;
    large_open(&w, n);
    assert_ok(trace_load_some(&w.view, the_trace, TRACE_OUTLINE, n - 5, NULL, &t));
    for (uint32_t i = 0; i < t->count; i += 97) {
        struct row row;
        struct batch *read;
        assert_ok(trace_whole_row(&w.view, t, i, NULL, &row, &read));
        const struct span *s = row_span(row);
        assert_true(span_id_eq(s->id, id_of(i + 1)));
        assert_int_equal(s->attrs.count, 1);
        assert_int_equal(row.batch->attrs[s->attrs.first].i, i + 1);
        read_from_parts += read != NULL ? read->span_count : 0;
        batch_unref(read);
    }
    assert_in_range(read_from_parts, 50, n / 97);
    trace_free(t);
    large_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_critical_path),
        cmocka_unit_test(test_critical_path_through_small_overlaps),
        cmocka_unit_test(test_critical_path_through_spans_that_overrun),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_shared_id),
        cmocka_unit_test(test_broken_tracers),
        cmocka_unit_test(test_deep_and_wide),
        cmocka_unit_test(test_the_earliest_of_a_large_one),
        cmocka_unit_test(test_as_much_as_there_is_memory_for),
        cmocka_unit_test(test_one_span_of_an_outline_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
