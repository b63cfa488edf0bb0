// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of query/scan.h, search.h and aggregate.h: over random spans, some hot and some in
// parts, every query gives what a plain walk over all rows gives.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/sketch.h"
#include "query/aggregate.h"
#include "query/search.h"
#include "store/part.h"

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

static void add_span(struct batch *b, trace_id trace)
{
    static const char *const names[] = {"GET /a", "GET /b", "SELECT", "publish"};
    char text[32];
    uint32_t first = (uint32_t)b->attr_count;
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

// ---- The view: two parts and two hot batches
// -----------------------------------------------------

struct world {
    char dir[64];
    struct batch *all[4]; // what the rows were, also of the parts
    struct part *parts[2];
    struct batch *hot[2];
    struct store_view view;
};

static int by_row(const void *a, const void *b)
{
    struct row x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return row_cmp(x, y);
}

static struct part *write_part(const char *path, struct batch *b)
{
    struct part_writer *w;
    struct part *p;
    const struct part_writer_options o = {
        .fs = fs_real(), .path = path, .line = b->line, .zstd_level = 1};
    struct row *rows = mem_new(b->span_count, sizeof *rows);
    for (size_t i = 0; i < b->span_count; i++) {
        rows[i] = (struct row){b, (uint32_t)i};
    }
    qsort(rows, b->span_count, sizeof *rows, by_row);
    assert_ok(part_writer_new(&o, &w));
    for (size_t i = 0; i < b->span_count; i++) {
        assert_ok(part_writer_add(w, rows[i]));
    }
    assert_ok(part_writer_finish(w));
    part_writer_free(w);
    mem_free(rows);
    assert_ok(part_open(fs_real(), path, &p, NULL));
    return p;
}

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
        w->parts[i] = write_part(path, w->all[i]);
        assert_int_equal(unlink(path), 0);
        w->hot[i] = w->all[2 + i];
    }
    assert_int_equal(rmdir(w->dir), 0);
    w->view = (struct store_view){w->parts, 2, w->hot, 2};
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
};

static const uint64_t ranges[][2] = {
    {0, UINT64_MAX},
    {BASE + 1000 * NS_PER_S, BASE + 1100 * NS_PER_S},
    {BASE + 3500 * NS_PER_S, BASE + 4000 * NS_PER_S},
    {BASE - 10, BASE - 5},
};

struct sum {
    uint64_t rows, check; // an order-free checksum of what was visited
};

static void add_to_sum(struct sum *s, const struct span *span)
{
    uint64_t id;
    memcpy(&id, span->id.b, sizeof id);
    s->rows++;
    s->check += (id ^ span->start_ns) * 0x9e3779b97f4a7c15U;
}

static bool visit(void *ctx, struct row row)
{
    add_to_sum(ctx, row_span(row));
    return true;
}

static void test_scan_equals_a_plain_walk(void **state)
{
    struct world *w = *state;
    uint64_t found = 0;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct filter *f;
        assert_ok(filter_parse(str_of(filters[i]), &f, NULL));
        for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
            struct sum plain = {0}, got = {0};
            for (int b = 0; b < 4; b++) {
                for (uint32_t k = 0; k < w->all[b]->span_count; k++) {
                    const struct span *s = &w->all[b]->spans[k];
                    if (s->start_ns >= ranges[r][0] && s->start_ns < ranges[r][1] &&
                        filter_match(f, (struct row){w->all[b], k})) {
                        add_to_sum(&plain, s);
                    }
                }
            }
            struct query_control control = {0};
            const struct scan scan = {.view = &w->view,
                                      .filter = f,
                                      .from_ns = ranges[r][0],
                                      .to_ns = ranges[r][1],
                                      .fields = FIELD_ID,
                                      .control = &control,
                                      .visit = visit,
                                      .ctx = &got};
            assert_ok(scan_run(&scan));
            if (plain.rows != got.rows || plain.check != got.check) {
                fail_msg("%s, range %zu: %d rows, expected %d", filters[i], r, (int)got.rows,
                         (int)plain.rows);
            }
            assert_int_equal(control.scanned_spans, control.total_spans);
            found += got.rows;
        }
        filter_free(f);
    }
    assert_true(found > 100000); // the filters do find something
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

static void test_services_equal_a_plain_count(void **state)
{
    struct world *w = *state;
    const struct aggregate a = {.view = &w->view, .to_ns = UINT64_MAX};
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
    assert_ok(aggregate_values(&a, false, STR("url.path"), STR("/item/39"), &g));
    assert_int_equal(g->count, 11); // 39 and 390 to 399
    groups_free(g);
}

static void test_keys(void **state)
{
    struct world *w = *state;
    const struct aggregate a = {.view = &w->view, .to_ns = UINT64_MAX};
    struct arena arena = {0};
    struct attribute_key *keys;
    size_t count;
    assert_ok(aggregate_keys(&a, STR(""), &arena, &keys, &count));
    assert_int_equal(count, 7);
    assert_str(keys[0].key, "cached");
    assert_int_equal(keys[0].types, 1U << ATTR_BOOL);
    assert_ok(aggregate_keys(&a, STR("host"), &arena, &keys, &count));
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
                              .visit = visit,
                              .ctx = &got};
    assert_err(scan_run(&scan), ERR_CANCELLED);
    assert_int_equal(got.rows, 0);
    filter_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_equals_a_plain_walk),
        cmocka_unit_test(test_search_is_newest_first),
        cmocka_unit_test(test_services_equal_a_plain_count),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_scatter_counts_everything),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
