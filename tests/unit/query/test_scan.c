// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/scan.h, search.h, aggregate.h and the list of trace.h: over random spans,
// some hot and some in parts, every query gives what a plain walk over all rows gives.
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/sketch.h"
#include "core/sort.h"
#include "part_file.h"
#include "query/aggregate.h"
#include "query/search.h"
#include "query/trace.h"
#include "store/block_cache.h"

#define TRACES 3000
#define BASE   (NS_PER_S * (uint64_t)1700000000)

static uint64_t state_of_dice = 99;

static uint64_t roll(uint64_t n)
{
    state_of_dice ^= state_of_dice << 13;
    state_of_dice ^= state_of_dice >> 7;
    state_of_dice ^= state_of_dice << 17;
    return (state_of_dice >> 11) % n;
}

static uint32_t text_attr(struct batch *b, const char *key, const char *value)
{
    uint32_t k = batch_intern(b, str_of(key)), v = batch_intern(b, str_of(value));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
    return k;
}

static void number_attr(struct batch *b, const char *key, enum attr_type type, int64_t i, double d)
{
    uint32_t k = batch_intern(b, str_of(key));
    struct attr *a = batch_add_attr(b);
    *a = (struct attr){.key = k, .type = type, .i = i};
    if (type == ATTR_DOUBLE) {
        a->d = d;
    }
}

// AnyValue { array_value { a text of one letter, a number } }.
static void array_attr(struct batch *b, const char *key)
{
    char bytes[] = "\x2a\x09\x0a\x03\x0a\x01?\x0a\x02\x18?";
    bytes[6] = (char)('a' + roll(26));
    bytes[10] = (char)(1 + roll(100));
    uint32_t k = batch_intern(b, str_of(key));
    uint32_t v = batch_intern(b, (struct str){bytes, 11});
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_ARRAY, .code = v};
}

static void add_rare_attrs(struct batch *b)
{
    char text[32];
    if (roll(3) > 0) { // most are distinct, so that this column gets no dictionary
        (void)snprintf(text, sizeof text, "%08x", (unsigned)roll(1U << 30));
        (void)text_attr(b, "id", text);
    }
    if (roll(4) == 0) {
        array_attr(b, "tags");
    }
    if (roll(7) == 0) { // one key with two types, sometimes both in one span
        number_attr(b, "mixed", ATTR_INT, (int64_t)roll(9), 0);
    }
    if (roll(7) == 0) {
        (void)text_attr(b, "mixed", roll(2) ? "five" : "six");
    }
}

static void add_span(struct batch *b, trace_id trace)
{
    static const char *const names[] = {"GET /a", "GET /b", "SELECT", "publish"};
    char text[32];
    uint32_t first = (uint32_t)b->attr_count;
    add_rare_attrs(b);
    if (roll(2) == 0) {
        number_attr(b, "http.response.status_code", ATTR_INT, 200 + 100 * (int64_t)roll(4), 0);
    }
    if (roll(3) == 0) {
        (void)snprintf(text, sizeof text, "/item/%d", (int)roll(400));
        (void)text_attr(b, "url.path", text);
    }
    if (roll(4) == 0) {
        number_attr(b, "ratio", ATTR_DOUBLE, 0, (double)roll(100) / 10);
    }
    if (roll(5) == 0) {
        number_attr(b, "cached", ATTR_BOOL, (int64_t)roll(2), 0);
    }
    if (roll(6) == 0) {
        (void)text_attr(b, "host.name", roll(2) ? "h1" : "h9"); // also a resource attribute
    }
    if (roll(50) == 0) {
        (void)text_attr(b, "url.path", "/twice"); // a key that may stand twice
    }
    uint32_t name = batch_intern(b, str_of(names[roll(4)]));
    uint32_t message = roll(9) == 0 ? batch_intern(b, STR("it broke")) : 0;
    struct span *s = batch_add_span(b);
    s->trace = trace;
    for (size_t i = 0; i < sizeof s->id.b; i++) {
        s->id.b[i] = (uint8_t)(1 + roll(255));
    }
    s->start_ns = BASE + roll(3600) * NS_PER_S + roll(NS_PER_S);
    s->duration_ns = (uint64_t)1 << roll(32);
    s->resource = (uint32_t)roll(b->resource_count);
    s->name = name;
    s->status_message = message;
    s->kind = (uint8_t)roll(KIND_COUNT);
    s->status = (uint8_t)roll(STATUS_COUNT);
    s->attrs = (struct attr_run){first, (uint32_t)b->attr_count - first};
}

static struct batch *random_spans(const char *line)
{
    static const char *const services[] = {"cart", "orders", "stock"};
    struct batch *b = batch_new(str_of(line));
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t first = (uint32_t)b->attr_count;
        (void)text_attr(b, "service.name", services[i]);
        (void)text_attr(b, "host.name", i == 1 ? "h1" : "h2");
        uint32_t code = batch_intern(b, str_of(services[i]));
        *batch_add_resource(b) = (struct resource){.attrs = {first, 2}, .service = code};
    }
    uint32_t scope = batch_intern(b, STR("lib"));
    batch_add_scope(b)->name = scope;
    for (int t = 0; t < TRACES; t++) {
        trace_id trace;
        for (size_t i = 0; i < sizeof trace.b; i++) {
            trace.b[i] = (uint8_t)(1 + roll(255));
        }
        for (uint64_t n = 1 + roll(12); n > 0; n--) {
            add_span(b, trace);
        }
    }
    batch_seal(b);
    return b;
}

// ---- The view: two parts and two hot batches ----------------------------------------------------

struct world {
    char dir[64];
    struct batch *all[4]; // what the rows were, also of the parts
    struct part *parts[2];
    struct batch *hot[2];
    struct store_view view;
    struct budget budget;
    struct block_cache *cache;
    struct crew *crew;
};

static int set_up(void **state)
{
    struct world *w = mem_new(1, sizeof *w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/sonde-scan-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    for (int i = 0; i < 4; i++) {
        w->all[i] = random_spans(i % 2 ? "shop" : "bank");
    }
    for (int i = 0; i < 2; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%d.part", w->dir, i);
        w->parts[i] = write_part(path, w->all[i], (unsigned)i + 1);
        assert_int_equal(unlink(path), 0);
        w->hot[i] = w->all[2 + i];
    }
    assert_int_equal(rmdir(w->dir), 0);
    assert_null(part_block_meta(w->parts[0], 0)->page); // version 1
    assert_non_null(part_block_meta(w->parts[1], 0)->page);
    w->view = (struct store_view){w->parts, 2, w->hot, 2};
    budget_init(&w->budget, (size_t)1 << 30);
    w->cache = block_cache_new(&w->budget, (size_t)64 << 20);
    part_use_cache(w->parts[0], w->cache);
    part_use_cache(w->parts[1], w->cache);
    w->crew = crew_new(3);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++) {
        batch_unref(w->all[i]);
    }
    part_unref(w->parts[0]);
    part_unref(w->parts[1]);
    block_cache_unref(w->cache);
    crew_free(w->crew);
    assert_int_equal(atomic_load(&w->budget.total), 0);
    mem_free(w);
    return 0;
}

// ---- Queries ------------------------------------------------------------------------------------

static const char *const filters[] = {
    "{}",
    "{ resource.service.name = \"cart\" }",
    "{ resource.service.name = \"cart\" && duration > 100ms }",
    "{ resource.service.name != \"cart\" && duration <= 1us }",
    "{ span.http.response.status_code >= 400 }",
    "{ span.http.response.status_code = 300 || span.cached = true }",
    "{ span.url.path = \"/item/77\" }",
    "{ span.url.path = \"/twice\" }",
    "{ span.url.path =~ \"/item/1.*\" && status = error }",
    "{ span.url.path !~ \"/item/1.*\" }",
    "{ !(span.url.path != nil) && kind = server }",
    "{ span.nothing = 1 }",
    "{ span.nothing = nil && duration > 2s }",
    "{ .host.name = \"h1\" }",
    "{ .host.name != \"h1\" && name = \"SELECT\" }",
    "{ span.ratio > 5.5 && span.ratio <= 9 }",
    "{ statusMessage = \"it broke\" && status != ok }",
    "{ duration > 1ms && duration < 10ms || duration = 1ns }",
    "{ name =~ \"GET.*\" && !(resource.host.name = \"h2\") }",
    "{ instrumentation:name = \"lib\" && kind = producer }",
    "{ .service.name = \"orders\" && (status = ok || span.cached) }",
    "{ span.tags = \"q\" }",
    "{ span.tags != \"q\" && span.tags < 30 || span.tags =~ \"[a-c]\" }",
    "{ !(span.tags >= 3) && span.tags != nil }",
    "{ span.id =~ \"0000.*\" || span.id < \"001\" }",
    "{ span.id =~ \".*[abc][0-9]\" && duration > 1ms && span.mixed = nil }",
    "{ span.mixed = 5 || span.mixed = \"six\" }",
    "{ span.mixed != \"six\" && !(span.mixed < 3 || span.cached = false) }",
    "{ .host.name = \"h9\" || .host.name = \"h2\" && duration < 10us }",
    "{ statusMessage = \"it broke\" || span.http.response.status_code = 500 && span.cached }",
    "{ duration > 2s && span.url.path != nil || duration > 3s }",
    "{ duration > 10s }",
};

static const uint64_t ranges[][2] = {
    {0, UINT64_MAX},
    {BASE + 1000 * NS_PER_S, BASE + 1100 * NS_PER_S},
    {BASE + 3500 * NS_PER_S, BASE + 4000 * NS_PER_S},
    {BASE - 10, BASE - 5},
};

struct sum {
    uint64_t rows, check; // an order-free checksum of what was visited
    bool attributes;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ b) * 0x9e3779b97f4a7c15U + (a << 7);
}

static uint64_t sum_attrs(const struct batch *b, struct attr_run run)
{
    uint64_t check = run.count;
    for (uint32_t i = run.first; i < run.first + run.count; i++) {
        const struct attr *a = &b->attrs[i];
        uint64_t v = attr_type_is_text(a->type) ? str_hash(batch_str(b, a->code)) : a->bits;
        check = mix(check, mix(str_hash(batch_str(b, a->key)) + a->type, v));
    }
    return check;
}

static void add_to_sum(void *ctx, const struct scan_row *r)
{
    struct sum *s = ctx;
    uint64_t id;
    memcpy(&id, r->trace.b + 8, sizeof id);
    uint64_t check = mix(id, mix(r->start_ns, r->duration_ns));
    check = mix(check, str_hash(r->line) + str_hash(r->service));
    check = mix(check, str_hash(r->name) + (uint64_t)r->kind * 8 + r->status);
    if (s->attributes) {
        check = mix(check, sum_attrs(r->row.batch, row_span(r->row)->attrs));
    }
    s->rows++;
    s->check += check;
}

static void *fork_sum(const void *ctx)
{
    struct sum *made = mem_new(1, sizeof *made);
    made->attributes = ((const struct sum *)ctx)->attributes;
    return made;
}

static void join_sum(void *ctx, void *forked)
{
    struct sum *s = ctx, *from = forked;
    s->rows += from->rows;
    s->check += from->check;
    mem_free(from);
}

static struct sum plain_walk(const struct world *w, const struct filter *f, const uint64_t *range,
                             bool attributes)
{
    struct sum plain = {.attributes = attributes};
    for (int b = 0; b < 4; b++) {
        const struct batch *batch = w->all[b];
        for (uint32_t k = 0; k < batch->span_count; k++) {
            const struct span *s = &batch->spans[k];
            struct row row = {batch, k};
            if (s->start_ns < range[0] || s->start_ns >= range[1] || !filter_match(f, row)) {
                continue;
            }
            const struct scan_row r = {.trace = s->trace,
                                       .start_ns = s->start_ns,
                                       .duration_ns = s->duration_ns,
                                       .line = batch->line,
                                       .service =
                                           batch_str(batch, batch_resource(batch, s)->service),
                                       .name = batch_str(batch, s->name),
                                       .kind = s->kind,
                                       .status = s->status,
                                       .row = row};
            add_to_sum(&plain, &r);
        }
    }
    return plain;
}

// Of the filters, ThreadSanitizer sees every third: each of its runs takes ten times as long.
#ifdef __SANITIZE_THREAD__
#define FILTER_STEP 3
#else
#define FILTER_STEP 1
#endif

// Rows as shapes and columns tell them, and rows with their attributes; on one thread and on four;
// over a part of each version of the format, and hot batches.
static void test_scan_equals_a_plain_walk(void **state)
{
    struct world *w = *state;
    uint64_t found = 0;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i += FILTER_STEP) {
        struct filter *f;
        assert_ok(filter_parse(str_of(filters[i]), &f, NULL));
        for (size_t r = 0; r < 4 * sizeof ranges / sizeof ranges[0]; r++) {
            const uint64_t *range = ranges[r / 4];
            bool rows = (r & 1) != 0;
            struct sum plain = plain_walk(w, f, range, rows), got = {.attributes = rows};
            struct query_control control = {.crew = (r & 2) != 0 ? w->crew : NULL};
            const struct scan scan = {.view = &w->view,
                                      .filter = f,
                                      .from_ns = range[0],
                                      .to_ns = range[1],
                                      .durations = true,
                                      .rows = rows,
                                      .all_attributes = rows,
                                      .control = &control,
                                      .visit = add_to_sum,
                                      .ctx = &got,
                                      .fork = fork_sum,
                                      .join = join_sum};
            assert_ok(scan_run(&scan));
            if (plain.rows != got.rows || plain.check != got.check) {
                fail_msg("%s, case %zu: %d rows, expected %d", filters[i], r, (int)got.rows,
                         (int)plain.rows);
            }
            assert_int_equal(control.scanned_spans, control.total_spans);
            assert_int_equal(control.given_up_values, 0);
            found += got.rows;
        }
        filter_free(f);
    }
    assert_true(found > 400000 / (2 * FILTER_STEP - 1)); // the filters do find something
}

// What threads find together, each with a floor of its own, is what one finds.
static void test_search_is_the_same_on_many_threads(void **state)
{
    struct world *w = *state;
    static const size_t limits[] = {1, 20, SEARCH_LIMIT_MAX};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i += FILTER_STEP) {
        struct filter *f;
        assert_ok(filter_parse(str_of(filters[i]), &f, NULL));
        for (size_t k = 0; k < sizeof limits / sizeof limits[0]; k++) {
            for (unsigned order = 0; order < SEARCH_ORDER_COUNT; order++) {
                struct query_control control = {0};
                struct search search = {.view = &w->view,
                                        .filter = f,
                                        .to_ns = UINT64_MAX,
                                        .order = (enum search_order)order,
                                        .limit = limits[k],
                                        .control = &control};
                struct search_hit *one, *many;
                size_t one_count, many_count;
                assert_ok(search_run(&search, &one, &one_count));
                control.crew = w->crew;
                assert_ok(search_run(&search, &many, &many_count));
                assert_int_equal(one_count, many_count);
                for (size_t n = 0; n < one_count; n++) {
                    assert_int_equal(one[n].rank, many[n].rank);
                    assert_int_equal(one[n].start_ns, many[n].start_ns);
                    assert_int_equal(trace_id_cmp(&one[n].trace, &many[n].trace), 0);
                }
                mem_free(one);
                mem_free(many);
            }
        }
        filter_free(f);
    }
}

static void test_search_is_newest_first(void **state)
{
    struct world *w = *state;
    struct filter *f;
    assert_ok(filter_parse(STR("{ status = error && kind = client }"), &f, NULL));
    struct search search = {
        .view = &w->view, .filter = f, .to_ns = UINT64_MAX, .limit = SEARCH_LIMIT_MAX};
    struct search_hit *many, *few;
    size_t many_count, few_count;
    assert_ok(search_run(&search, &many, &many_count));
    search.limit = 7;
    assert_ok(search_run(&search, &few, &few_count));
    assert_int_equal(few_count, 7);
    assert_true(many_count > 100);
    for (size_t i = 0; i < many_count; i++) {
        assert_true(i == 0 || many[i - 1].start_ns >= many[i].start_ns);
        for (size_t k = 0; k < i; k++) {
            assert_true(trace_id_cmp(&many[i].trace, &many[k].trace) != 0);
        }
    }
    for (size_t i = 0; i < few_count; i++) {
        assert_int_equal(few[i].start_ns, many[i].start_ns);
    }
    mem_free(many);
    mem_free(few);
    filter_free(f);
}

// Every trace's rank, from a walk over all rows: what the best of them are is then plain.
static int by_hit_trace(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    return trace_id_cmp(&x->trace, &y->trace);
}

static int by_hit_rank(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;
    if (x->rank != y->rank) {
        return x->rank > y->rank ? -1 : 1;
    }
    if (x->start_ns != y->start_ns) {
        return x->start_ns > y->start_ns ? -1 : 1;
    }
    return trace_id_cmp(&x->trace, &y->trace);
}

static uint64_t rank_of(enum search_order order, const struct span *s)
{
    return order == BY_NEWEST          ? s->start_ns
           : order == BY_SLOWEST       ? s->duration_ns
           : s->status == STATUS_ERROR ? 1
                                       : 0;
}

static size_t plain_search(const struct world *w, const struct filter *f, enum search_order order,
                           struct search_hit **ret_hits)
{
    size_t count = 0, traces = 0, all = 0;
    for (int b = 0; b < 4; b++) {
        all += w->all[b]->span_count;
    }
    struct search_hit *hits = mem_new(all, sizeof *hits);
    for (int b = 0; b < 4; b++) {
        for (uint32_t k = 0; k < w->all[b]->span_count; k++) {
            const struct span *s = &w->all[b]->spans[k];
            uint64_t rank = rank_of(order, s);
            if (rank > 0 && filter_match(f, (struct row){w->all[b], k})) {
                hits[count++] = (struct search_hit){s->trace, rank, s->start_ns};
            }
        }
    }
    sort_array(hits, count, sizeof *hits, by_hit_trace);
    for (size_t i = 0; i < count; i++) {
        struct search_hit *last = traces > 0 ? &hits[traces - 1] : NULL;
        if (last == NULL || trace_id_cmp(&last->trace, &hits[i].trace) != 0) {
            hits[traces++] = hits[i];
        } else if (order == BY_ERRORS) {
            last->rank += hits[i].rank;
            last->start_ns = last->start_ns > hits[i].start_ns ? last->start_ns : hits[i].start_ns;
        } else if (by_hit_rank(&hits[i], last) < 0) {
            *last = hits[i];
        }
    }
    sort_array(hits, traces, sizeof *hits, by_hit_rank);
    *ret_hits = hits;
    return traces;
}

static void test_orders_equal_a_plain_walk(void **state)
{
    struct world *w = *state;
    size_t found = 0;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct filter *f;
        assert_ok(filter_parse(str_of(filters[i]), &f, NULL));
        for (unsigned order = 0; order < SEARCH_ORDER_COUNT; order++) {
            struct search_hit *plain, *got;
            struct query_control control = {0};
            const struct search search = {.view = &w->view,
                                          .filter = f,
                                          .to_ns = UINT64_MAX,
                                          .order = (enum search_order)order,
                                          .limit = 50,
                                          .control = &control};
            size_t count = plain_search(w, f, search.order, &plain), got_count;
            assert_ok(search_run(&search, &got, &got_count));
            assert_int_equal(got_count, count < 50 ? count : 50);
            for (size_t n = 0; n < got_count; n++) {
                assert_int_equal(got[n].rank, plain[n].rank);
                assert_int_equal(trace_id_cmp(&got[n].trace, &plain[n].trace), 0);
            }
            assert_false(control.unsure_order);
            found += got_count;
            mem_free(plain);
            mem_free(got);
        }
        filter_free(f);
    }
    assert_true(found > 2000);
}

// Where there is memory for the search and not for all counts, the answer says that it may lack
// something.
static void test_errors_say_when_counts_were_forgotten(void **state)
{
    struct world *w = *state;
    struct filter *f;
    struct search_hit *plain, *got;
    struct search s = {.view = &w->view, .to_ns = UINT64_MAX, .order = BY_ERRORS, .limit = 5};
    size_t count;
    enum err e = ERR_MEMORY;
    assert_ok(filter_parse(STR("{}"), &f, NULL));
    s.filter = f;
    for (size_t kib = 300; e == ERR_MEMORY; kib += 100) { // the least that a search gets along with
        struct budget budget;
        struct meter meter;
        budget_init(&budget, kib << 10);
        meter_init(&meter, &budget, ACCOUNT_QUERY);
        // Nobody will give anything back: it need not wait.
        struct query_control control = {.meter = &meter,
                                        .waited_ns = QUERY_PATIENCE_MS * NS_PER_MS};
        s.control = &control;
        e = search_run(&s, &got, &count);
        assert_int_equal(control.short_of_memory, e == ERR_MEMORY);
        assert_true(e == ERR_MEMORY || control.unsure_order);
        assert_int_equal(meter.held_bytes, 0);
    }
    assert_ok(e);
    assert_int_equal(count, 5);
    assert_true(plain_search(w, f, BY_ERRORS, &plain) > 8192);
    for (size_t i = 0; i < 5; i++) { // counted too few at most
        assert_true(got[i].rank <= plain[i].rank && got[i].rank > 0);
    }
    mem_free(plain);
    mem_free(got);
    filter_free(f);
}

static uint64_t sum_trace(const struct trace *t)
{
    uint64_t check = t->count;
    for (size_t i = 0; i < t->count; i++) {
        const struct span *s = row_span(t->spans[i].row);
        check = mix(check, mix(s->start_ns, s->duration_ns) + s->id.b[0]);
    }
    return check;
}

// A list loads what single look-ups load, hot traces and those of parts.
static void test_list_equals_single_loads(void **state)
{
    struct world *w = *state;
    trace_id ids[40];
    struct trace *traces[40];
    size_t spans = 0;
    for (size_t i = 0; i < 40; i++) {
        const struct batch *b = w->all[i % 4];
        ids[i] = b->spans[i * 100].trace;
    }
    struct query_control control = {.crew = w->crew};
    struct trace_list *l = trace_list_new(&w->view, ids, 40);
    assert_ok(trace_list_load(l, 0, 15, TRACE_OUTLINE, &control, traces));
    assert_ok(trace_list_load(l, 15, 25, TRACE_OUTLINE, &control, traces + 15));
    for (size_t i = 0; i < 40; i++) {
        struct trace *one;
        assert_ok(trace_load(&w->view, ids[i], TRACE_OUTLINE, NULL, &one));
        assert_non_null(traces[i]);
        assert_int_equal(sum_trace(one), sum_trace(traces[i]));
        spans += one->count;
        trace_free(one);
        trace_free(traces[i]);
    }
    assert_true(spans > 100);
    trace_list_free(l);
    atomic_store(&control.cancelled, true);
    l = trace_list_new(&w->view, ids, 40);
    assert_err(trace_list_load(l, 0, 40, TRACE_OUTLINE, &control, traces), ERR_CANCELLED);
    assert_null(traces[0]);
    trace_list_free(l);
}

static void test_services_equal_a_plain_count(void **state)
{
    struct world *w = *state;
    struct query_control control = {.crew = w->crew};
    const struct aggregate a = {.view = &w->view, .to_ns = UINT64_MAX, .control = &control};
    struct groups *g;
    uint64_t spans = 0, errors = 0, all = 0, bad = 0;
    assert_ok(aggregate_services(&a, &g));
    assert_int_equal(g->count, 6); // three services in two lines
    for (size_t i = 0; i < g->count; i++) {
        spans += g->items[i].spans;
        errors += g->items[i].errors;
        assert_int_equal(g->items[i].durations->count, g->items[i].spans);
    }
    for (int b = 0; b < 4; b++) {
        all += w->all[b]->span_count;
        for (size_t k = 0; k < w->all[b]->span_count; k++) {
            bad += w->all[b]->spans[k].status == STATUS_ERROR ? 1 : 0;
        }
    }
    assert_int_equal(spans, all);
    assert_int_equal(errors, bad);
    groups_free(g);
    assert_ok(aggregate_operations(&a, STR("cart"), STR("shop"), false, &g));
    assert_int_equal(g->count, 4 * KIND_COUNT);
    groups_free(g);
    assert_ok(aggregate_values(&a, OF_SPAN, STR("url.path"), STR("/item/39"), &g));
    assert_int_equal(g->count, 11); // 39 and 390 to 399
    for (size_t i = 1; i < g->count; i++) {
        assert_true(g->items[i - 1].spans >= g->items[i].spans);
    }
    groups_free(g);
    // Without a scope the span's own value counts, else its resource's.
    assert_ok(aggregate_values(&a, OF_ANY, STR("host.name"), STR(""), &g));
    assert_int_equal(g->count, 3);
    spans = 0;
    for (size_t i = 0; i < g->count; i++) {
        spans += g->items[i].spans;
    }
    assert_int_equal(spans, all);
    groups_free(g);
    assert_ok(aggregate_values(&a, OF_RESOURCE, STR("service.name"), STR("ca"), &g));
    assert_int_equal(g->count, 1);
    groups_free(g);
    char *odd = mem_new(1, FILTER_TEXT_MAX);
    memset(odd, 1, FILTER_TEXT_MAX);
    assert_err(aggregate_values(&a, OF_ANY, (struct str){odd, FILTER_TEXT_MAX}, STR(""), &g),
               ERR_LIMIT);
    assert_err(aggregate_operations(&a, (struct str){odd, FILTER_TEXT_MAX}, STR(""), true, &g),
               ERR_LIMIT);
    mem_free(odd);
}

static void test_keys(void **state)
{
    struct world *w = *state;
    const struct aggregate a = {.view = &w->view, .to_ns = UINT64_MAX};
    struct arena arena = {0};
    struct attribute_key *keys;
    size_t count;
    bool truncated;
    assert_ok(aggregate_keys(&a, STR(""), &arena, &keys, &count, &truncated));
    assert_int_equal(count, 10);
    assert_str(keys[0].key, "cached");
    assert_int_equal(keys[0].types, 1U << ATTR_BOOL);
    assert_ok(aggregate_keys(&a, STR("host"), &arena, &keys, &count, &truncated));
    assert_int_equal(count, 2); // of spans and of resources
    assert_true(keys[1].of_resource && !keys[0].of_resource);
    arena_done(&arena);
}

static void test_scatter_counts_everything(void **state)
{
    struct world *w = *state;
    const struct aggregate a = {.view = &w->view, .from_ns = BASE, .to_ns = BASE + 3601 * NS_PER_S};
    struct filter *f;
    struct scatter s;
    uint64_t spans = 0, all = 0;
    assert_ok(filter_parse(STR("{}"), &f, NULL));
    assert_ok(aggregate_scatter(&a, f, 60, 20, &s));
    for (size_t i = 0; i < s.count; i++) {
        assert_true(s.cells[i].column < s.columns && s.cells[i].row < s.rows);
        assert_false(trace_id_is_zero(s.cells[i].example));
        spans += s.cells[i].spans;
    }
    for (int b = 0; b < 4; b++) {
        all += w->all[b]->span_count;
    }
    assert_int_equal(spans, all);
    assert_true(s.rows <= 20);
    scatter_done(&s);
    filter_free(f);
}

static enum err run_aggregate(const struct aggregate *a, int which, const struct filter *f)
{
    struct groups *g = NULL;
    struct scatter s = {0};
    struct arena arena = {0};
    struct attribute_key *keys;
    size_t count;
    bool truncated;
    enum err e = which == 0   ? aggregate_services(a, &g)
                 : which == 1 ? aggregate_values(a, OF_SPAN, STR("id"), STR(""), &g)
                 : which == 2 ? aggregate_scatter(a, f, SCATTER_COLUMNS_MAX, 40, &s)
                              : aggregate_keys(a, STR(""), &arena, &keys, &count, &truncated);
    groups_free(g);
    if (s.cells != NULL) {
        scatter_done(&s);
    }
    if (which == 3) {
        query_give(a->control, a->control != NULL ? a->control->meter->held_bytes : 0);
    }
    arena_done(&arena);
    return e;
}

// What aggregates need is taken from the budget: at any limit they either have it or end with
// ERR_MEMORY, never hold more, and give everything back.
static void test_aggregates_stay_within_the_budget(void **state)
{
    struct world *w = *state;
    struct filter *f;
    unsigned refused = 0, done = 0;
    assert_ok(filter_parse(STR("{}"), &f, NULL));
    for (int which = 0; which < 4; which++) {
        for (size_t limit = (size_t)16 << 10; limit <= (size_t)256 << 20; limit *= 2) {
            struct budget budget;
            struct meter meter;
            budget_init(&budget, limit);
            meter_init(&meter, &budget, ACCOUNT_QUERY);
            struct query_control control = {.crew = w->crew, .meter = &meter};
            const struct aggregate a = {.view = &w->view,
                                        .from_ns = BASE,
                                        .to_ns = BASE + 3601 * NS_PER_S,
                                        .control = &control};
            enum err e = run_aggregate(&a, which, f);
            assert_true(e == ERR_OK || e == ERR_MEMORY);
            assert_true(e == ERR_OK || limit <= (size_t)32 << 20); // half of it for queries
            assert_true(atomic_load(&budget.peak) <= limit);
            assert_int_equal(meter.held_bytes, 0);
            refused += e == ERR_MEMORY ? 1 : 0;
            done += e == ERR_OK ? 1 : 0;
            // What it had it has paid for.
            assert_true(e != ERR_OK || which == 3 || atomic_load(&budget.peak) > 50000);
        }
    }
    assert_true(refused > 8 && done > 20);
    filter_free(f);
}

static void test_cancel(void **state)
{
    struct world *w = *state;
    struct filter *f;
    struct sum got = {0};
    struct query_control control = {.cancelled = true};
    assert_ok(filter_parse(STR("{}"), &f, NULL));
    const struct scan scan = {.view = &w->view,
                              .filter = f,
                              .to_ns = UINT64_MAX,
                              .control = &control,
                              .visit = add_to_sum,
                              .ctx = &got};
    assert_err(scan_run(&scan), ERR_CANCELLED);
    assert_int_equal(got.rows, 0);
    assert_false(control.cut_short);
    // Out of turn: what was found is the answer, and it is said that there may be more.
    control.cancelled = false;
    control.out_of_turn = true;
    assert_ok(scan_run(&scan));
    assert_true(control.cut_short);
    control.out_of_turn = control.cut_short = false;
    assert_ok(scan_run(&scan));
    assert_true(got.rows > 0 && !control.cut_short);
    filter_free(f);
}

#define WAITED_BYTES ((size_t)16 << 20) // enough for a block, while its sixteenth is not

static void *give_back_late(void *budget)
{
    usleep(100000);
    budget_give(budget, ACCOUNT_BATCHES, WAITED_BYTES);
    return NULL;
}

// Under overload memory comes and goes: a query waits for a moment before it gives up.
static void test_a_search_waits_for_memory(void **state)
{
    struct world *w = *state;
    struct budget budget;
    struct meter meter;
    struct filter *f;
    struct search_hit *got;
    size_t count;
    pthread_t other;
    budget_init(&budget, WAITED_BYTES);
    meter_init(&meter, &budget, ACCOUNT_QUERY);
    assert_ok(filter_parse(STR("{}"), &f, NULL));
    struct query_control short_of = {.meter = &meter}, patient = {.meter = &meter};
    struct search s = {
        .view = &w->view, .to_ns = UINT64_MAX, .limit = 5, .filter = f, .control = &short_of};
    budget_force(&budget, ACCOUNT_BATCHES, WAITED_BYTES);
    assert_int_equal(search_run(&s, &got, &count), ERR_MEMORY);
    assert_true(short_of.waited_ns >= QUERY_PATIENCE_MS * NS_PER_MS);
    pthread_create(&other, NULL, give_back_late, &budget);
    s.control = &patient;
    assert_ok(search_run(&s, &got, &count));
    pthread_join(other, NULL);
    assert_int_equal(count, 5);
    assert_true(patient.waited_ns > 0 && !patient.short_of_memory);
    mem_free(got);
    assert_int_equal(meter.held_bytes, 0);
    filter_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_equals_a_plain_walk),
        cmocka_unit_test(test_search_is_the_same_on_many_threads),
        cmocka_unit_test(test_search_is_newest_first),
        cmocka_unit_test(test_orders_equal_a_plain_walk),
        cmocka_unit_test(test_errors_say_when_counts_were_forgotten),
        cmocka_unit_test(test_list_equals_single_loads),
        cmocka_unit_test(test_services_equal_a_plain_count),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_scatter_counts_everything),
        cmocka_unit_test(test_aggregates_stay_within_the_budget),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_a_search_waits_for_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
