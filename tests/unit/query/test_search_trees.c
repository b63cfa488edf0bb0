// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/search.h by places in trees: over random trees, of which some spans are
// hot and some in a part, the search gives what a walk over all traces put together gives.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/sort.h"
#include "part_file.h"
#include "query/search.h"
#include "query/trace.h"

#define TRACES    700u // more than are looked up at a time
#define SPANS_MAX 9u
#define BASE      (NS_PER_S * (uint64_t)1700000000)

static uint64_t dice = 77;

static uint64_t roll(uint64_t n)
{
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
    return (dice >> 11) % n;
}

// ---- The world ----------------------------------------------------------------------------------

struct world {
    struct part *part;
    struct batch *hot, *stored;
    trace_id ids[TRACES];
    struct trace *traces[TRACES]; // put together, one by one
    struct store_view view;
    struct crew *crew;
};

static trace_id trace_of(uint32_t number)
{
    trace_id id = {{0}};
    for (size_t i = 0; i < 4; i++) { // the last bytes, by which they are told apart first
        id.b[i] = id.b[12 + i] = (uint8_t)(number >> 8 * i);
    }
    id.b[8] = 1;
    return id;
}

static struct batch *new_batch(void)
{
    struct batch *b = batch_new(STR("shop"));
    uint32_t service = batch_intern(b, STR("cart"));
    *batch_add_resource(b) = (struct resource){.service = service};
    (void)batch_add_scope(b);
    return b;
}

static struct span *add_span(struct batch *b, trace_id trace, unsigned number, unsigned parent)
{
    static const char *const names[] = {"GET /a", "SELECT"};
    uint32_t key = batch_intern(b, STR("x")), name = batch_intern(b, str_of(names[roll(2)]));
    uint32_t first = (uint32_t)b->attr_count;
    *batch_add_attr(b) = (struct attr){.key = key, .type = ATTR_INT, .i = (int64_t)roll(5)};
    struct span *s = batch_add_span(b);
    s->trace = trace;
    s->id.b[0] = (uint8_t)(number + 1);
    s->parent.b[0] = (uint8_t)(number > 0 ? parent + 1 : 0);
    s->start_ns = BASE + roll(3600) * NS_PER_S + number;
    s->duration_ns = (uint64_t)1 << roll(32);
    s->name = name;
    s->status = (uint8_t)roll(STATUS_COUNT);
    s->attrs = (struct attr_run){first, 1};
    return s;
}

static int set_up(void **state)
{
    struct world *w = mem_new(1, sizeof *w);
    char dir[] = "/tmp/sonde-search-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    w->hot = new_batch();
    w->stored = new_batch();
    for (uint32_t t = 0; t < TRACES; t++) {
        w->ids[t] = trace_of(t * 40503);
        for (unsigned n = 0, count = 1 + (unsigned)roll(SPANS_MAX); n < count; n++) {
            (void)add_span(roll(2) ? w->hot : w->stored, w->ids[t], n,
                           n > 0 ? (unsigned)roll(n) : 0);
        }
    }
    batch_seal(w->hot);
    batch_seal(w->stored);
    (void)snprintf(path, sizeof path, "%s/0.part", dir);
    w->part = write_part(path, w->stored, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    w->view = (struct store_view){&w->part, 1, &w->hot, 1};
    for (size_t t = 0; t < TRACES; t++) {
        assert_ok(trace_load(&w->view, w->ids[t], TRACE_WHOLE, NULL, &w->traces[t]));
    }
    w->crew = crew_new(3);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (size_t t = 0; t < TRACES; t++) {
        trace_free(w->traces[t]);
    }
    batch_unref(w->hot);
    batch_unref(w->stored);
    part_unref(w->part);
    crew_free(w->crew);
    mem_free(w);
    return 0;
}

// ---- The plain way ------------------------------------------------------------------------------

static bool rank_span(enum search_order order, const struct span *s, struct search_hit *hit)
{
    struct search_hit one = {hit->trace, order == BY_SLOWEST ? s->duration_ns : s->start_ns,
                             s->start_ns};
    if (order == BY_ERRORS) {
        bool error = s->status == STATUS_ERROR;
        hit->rank += error ? 1 : 0;
        hit->start_ns = error && s->start_ns > hit->start_ns ? s->start_ns : hit->start_ns;
        return error;
    }
    if (one.rank > hit->rank || (one.rank == hit->rank && one.start_ns > hit->start_ns)) {
        *hit = one;
    }
    return true;
}

static size_t walk(const struct world *w, const struct search *s, struct search_hit *hits)
{
    size_t count = 0;
    for (size_t i = 0; i < TRACES; i++) {
        const struct trace *t = w->traces[i];
        struct search_hit hit = {.trace = w->ids[i]};
        bool found = false;
        for (uint32_t k = 0; k < t->count; k++) {
            char room[TRACE_RPC_ROOM];
            struct row row = t->spans[k].row;
            uint64_t start_ns = row_span(row)->start_ns;
            if (start_ns >= s->from_ns && start_ns < s->to_ns &&
                filter_match_in_tree(s->filter, row, trace_rpc_id(t, k, room))) {
                found |= rank_span(s->order, row_span(row), &hit);
            }
        }
        if (found) {
            hits[count++] = hit;
        }
    }
    sort_array(hits, count, sizeof *hits, search_best_first);
    return count;
}

// ---- Tests --------------------------------------------------------------------------------------

static const char *const filters[] = {
    "{ rpcID = \"0\" }",
    "{ rpcID = \"0.1\" }",
    "{ rpcID = \"0.1.2\" }",
    "{ rpcID =~ \"0(\\.1){3}\" }",
    "{ span:rpcID != \"0\" && status = error }",
    "{ rpcID = \"0.2\" && span.x = 3 }",
    "{ rpcID = \"0.2\" || span.x = 3 && duration > 1s }",
    "{ !(rpcID !~ \"0.2.*\" || name = \"SELECT\") }",
    "{ .x = 1 && (rpcID = \"0.3\" || rpcID = \"0.1.1\") && resource.service.name = \"cart\" }",
    "{ rpcID = \"0.9.9\" }",
};

// Of the filters, ThreadSanitizer sees every fourth: each of its runs takes ten times as long.
#ifdef __SANITIZE_THREAD__
#define FILTER_STEP 4
#else
#define FILTER_STEP 1
#endif

// With all traces wanted, a few, and one; in the whole time and in a part of it, on one thread and
// on four.
static void test_search_equals_a_walk(void **state)
{
    struct world *w = *state;
    static const size_t limits[] = {SEARCH_LIMIT_MAX, 20, 1};
    struct search_hit *plain = mem_new(TRACES, sizeof *plain), *got;
    size_t found = 0, got_count;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i += FILTER_STEP) {
        struct filter *f;
        assert_ok(filter_parse_for(FILTER_OF_TREES, str_of(filters[i]), &f, NULL));
        for (unsigned n = 0; n < 6 * SEARCH_ORDER_COUNT; n++) {
            struct query_control control = {.crew = n % 2 == 0 ? NULL : w->crew};
            const struct search s = {.view = &w->view,
                                     .filter = f,
                                     .from_ns = n % 2 == 0 ? 0 : BASE + 1200 * NS_PER_S,
                                     .to_ns = n % 2 == 0 ? UINT64_MAX : BASE + 2400 * NS_PER_S,
                                     .order = (enum search_order)(n / 6),
                                     .limit = limits[n / 2 % 3],
                                     .control = &control};
            size_t count = walk(w, &s, plain);
            assert_ok(search_run(&s, &got, &got_count));
            assert_int_equal(got_count, count < s.limit ? count : s.limit);
            for (size_t k = 0; k < got_count; k++) {
                assert_memory_equal(&got[k], &plain[k], sizeof got[k]);
            }
            assert_false(control.unsure_candidates || control.cut_short);
            found += got_count;
            mem_free(got);
        }
        filter_free(f);
    }
    assert_true(found > 10000 / FILTER_STEP);
    mem_free(plain);
}

// The best are found without all candidates being put together.
static void test_search_ends_with_the_best(void **state)
{
    struct world *w = *state;
    struct filter *f;
    struct search_hit *got;
    size_t count;
    struct budget budget;
    struct meter meter;
    budget_init(&budget, (size_t)1 << 30);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    struct query_control control = {.meter = &meter};
    assert_ok(filter_parse_for(FILTER_OF_TREES, STR("{ rpcID =~ \"0.*\" }"), &f, NULL));
    const struct search s = {
        .view = &w->view, .filter = f, .to_ns = UINT64_MAX, .limit = 3, .control = &control};
    assert_ok(search_run(&s, &got, &count));
    assert_int_equal(count, 3);
    assert_int_equal(meter.held_bytes, 0);
    mem_free(got);
    control.out_of_turn = true;
    assert_ok(search_run(&s, &got, &count));
    assert_int_equal(count, 0);
    assert_true(control.cut_short);
    mem_free(got);
    control.cancelled = true;
    assert_err(search_run(&s, &got, &count), ERR_CANCELLED);
    assert_int_equal(meter.held_bytes, 0);
    meter_done(&meter);
    filter_free(f);
}

// More traces than are put together, of which only the oldest match: the answer says what it lacks.
static void test_candidates_are_limited(void **state)
{
    struct filter *f;
    struct search_hit *got;
    size_t count;
    struct query_control control = {0};
    struct batch *b = new_batch();
    (void)state;
    for (uint32_t t = 0; t < SEARCH_CANDIDATES_MAX + 1; t++) {
        struct span *s = add_span(b, trace_of(t), 0, 0);
        s->start_ns = BASE + (uint64_t)t * NS_PER_S;
        if (t < 2) {
            add_span(b, trace_of(t), 1, 0)->start_ns = s->start_ns + 1;
        }
    }
    batch_seal(b);
    struct store_view view = {.hot = &b, .hot_count = 1};
    assert_ok(filter_parse_for(FILTER_OF_TREES, STR("{ rpcID = \"0.1\" }"), &f, NULL));
    struct search s = {
        .view = &view, .filter = f, .to_ns = UINT64_MAX, .limit = 2, .control = &control};
    assert_ok(search_run(&s, &got, &count));
    assert_int_equal(count, 1); // the other one is the oldest
    assert_int_equal(got[0].start_ns, BASE + NS_PER_S + 1);
    assert_true(control.unsure_candidates);
    mem_free(got);
    s.to_ns = BASE + 100 * NS_PER_S;
    atomic_store(&control.unsure_candidates, false);
    assert_ok(search_run(&s, &got, &count));
    assert_int_equal(count, 2);
    assert_false(control.unsure_candidates);
    mem_free(got);
    filter_free(f);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_search_equals_a_walk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_search_ends_with_the_best, set_up, tear_down),
        cmocka_unit_test(test_candidates_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
