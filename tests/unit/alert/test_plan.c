// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of alert/plan.h: whatever the filters and the records, what a plan finds is what
// trying every filter on every record finds; and how much is looked up does not grow with filters
// that do not match.
#include <stdio.h>
#include <stdlib.h>

#include "alert/plan.h"
#include "core/mem.h"
#include "support/random_batch.h"
#include "world.h"

#define ITEMS 60
#define ROWS  80

static const char *const names[] = {"GET /a", "GET /b", "pay", "SELECT"};
static const char *const services[] = {"cart", "shop", "stock", "unknown_service"};
static const char *const words[] = {"x", "y", "z", "5", "true"};

// ---- Records ------------------------------------------------------------------------------------

static void add_value(struct random *r, struct batch *b, struct attr *a)
{
    a->type =
        (uint32_t[]){ATTR_STRING, ATTR_INT, ATTR_DOUBLE, ATTR_BOOL, ATTR_ARRAY}[random_below(r, 5)];
    if (a->type == ATTR_STRING) {
        a->code = batch_intern(b, str_of(words[random_below(r, 5)]));
    } else if (a->type == ATTR_INT) {
        a->i = (int64_t)random_below(r, 6);
    } else if (a->type == ATTR_DOUBLE) {
        a->d = (double)random_below(r, 12) / 2;
    } else if (a->type == ATTR_BOOL) {
        a->i = (int64_t)random_below(r, 2);
    } else { // AnyValue { array_value { "x", "y" or "z" } }
        char one = "xyz"[random_below(r, 3)], two = "xyz"[random_below(r, 3)];
        const char bytes[] = {0x2a, 10, 0x0a, 3, 0x0a, 1, one, 0x0a, 3, 0x0a, 1, two};
        a->code = batch_intern(b, (struct str){bytes, sizeof bytes});
    }
}

static struct attr_run add_attrs(struct random *r, struct batch *b, const char *const *keys,
                                 size_t count)
{
    struct attr_run run = {(uint32_t)b->attr_count, 0};
    for (size_t i = 0; i < count; i++) {
        if (random_below(r, 2) == 0) {
            struct attr a = {.key = batch_intern(b, str_of(keys[i]))};
            add_value(r, b, &a);
            *batch_add_attr(b) = a;
            run.count++;
        }
    }
    return run;
}

static struct batch *random_rows(struct random *r)
{
    static const char *const resource_keys[] = {"env", "both"}, *const span_keys[] = {"k", "both",
                                                                                      "n"};
    struct batch *b = batch_new(random_below(r, 2) == 0 ? STR("shop") : STR(""));
    (void)batch_add_scope(b);
    for (size_t i = 0; i < 6; i++) {
        const char *service = services[random_below(r, 4)];
        struct attr_run run = add_attrs(r, b, resource_keys, 2);
        uint32_t code = batch_intern(b, str_of(service));
        if (random_below(r, 3) > 0) {
            *batch_add_attr(b) = (struct attr){
                .key = batch_intern(b, SEM_SERVICE_NAME), .type = ATTR_STRING, .code = code};
            run.count++;
        }
        *batch_add_resource(b) = (struct resource){.attrs = run, .service = code};
    }
    for (size_t i = 0; i < ROWS; i++) {
        struct attr_run run = add_attrs(r, b, span_keys, 3);
        uint32_t name = batch_intern(b, str_of(names[random_below(r, 4)]));
        *batch_add_span(b) = (struct span){.resource = (uint32_t)random_below(r, 6),
                                           .name = name,
                                           .attrs = run,
                                           .duration_ns = random_below(r, 100),
                                           .kind = (uint8_t)random_below(r, KIND_COUNT),
                                           .status = (uint8_t)random_below(r, STATUS_COUNT)};
    }
    *batch_add_metric(b) =
        (struct metric){.name = batch_intern(b, STR("pay")), .kind = METRIC_GAUGE};
    for (size_t i = 0; i < ROWS; i++) {
        struct attr_run run = add_attrs(r, b, span_keys, 3);
        *batch_add_point(b) =
            (struct point){.resource = (uint32_t)random_below(r, 6), .attrs = run};
    }
    batch_seal(b);
    b->seq = 1;
    return b;
}

// ---- Filters ------------------------------------------------------------------------------------

static void add_test(struct random *r, struct buf *out)
{
    static const char *const fields[] = {
        "resource.env", "resource.both",         "span.k",       "span.both", ".both", ".n",
        ".env",         "resource.service.name", ".service.name"};
    static const char *const values[] = {
        "\"x\"", "\"y\"", "5", "2.5", "true", "false", "0", "\"cart\"", "\"unknown_service\""};
    switch (random_below(r, 8)) {
    case 0:
        buf_printf(out, "name = \"%s\"", names[random_below(r, 4)]);
        break;
    case 1:
        buf_printf(out, "status = %s", random_below(r, 2) == 0 ? "error" : "unset");
        break;
    case 2:
        buf_printf(out, "kind = %s", random_below(r, 2) == 0 ? "server" : "client");
        break;
    case 3:
        buf_printf(out, "duration > %zuns", random_below(r, 100));
        break;
    case 4:
        buf_printf(out, "%s != nil", fields[random_below(r, 9)]);
        break;
    default:
        buf_printf(out, "%s = %s", fields[random_below(r, 9)], values[random_below(r, 9)]);
    }
}

static void add_expr(struct random *r, struct buf *out, unsigned depth)
{
    size_t what = depth == 0 ? 0 : random_below(r, 6);
    if (what < 2) {
        add_test(r, out);
    } else if (what == 5) {
        buf_add_str(out, STR("!("));
        add_expr(r, out, depth - 1);
        buf_add_str(out, STR(")"));
    } else {
        buf_add_str(out, STR("("));
        add_expr(r, out, depth - 1);
        buf_add_str(out, what < 4 ? STR(" && ") : STR(" || "));
        add_expr(r, out, depth - 1);
        buf_add_str(out, STR(")"));
    }
}

static struct filter *random_filter(struct random *r)
{
    struct buf text;
    struct filter *f;
    struct err_at at;
    buf_init(&text, (size_t)1 << 16);
    buf_add_str(&text, STR("{ "));
    if (random_below(r, 20) > 0) {
        add_expr(r, &text, 4);
    }
    buf_add_str(&text, STR(" }"));
    if (filter_parse(buf_str(&text), &f, &at) != ERR_OK) {
        print_error("%.*s: %s\n", STR_FMT(buf_str(&text)), at.text);
        fail();
    }
    buf_done(&text);
    return f;
}

// ---- Tests --------------------------------------------------------------------------------------

struct found {
    uint8_t seen[ITEMS][ROWS];
};

static void note(void *ctx, uint32_t item, uint32_t row)
{
    struct found *f = ctx;
    assert_true(item < ITEMS && row < ROWS);
    f->seen[item][row]++;
}

static void compare(const struct plan *p, struct plan_walk *w, const struct batch *b,
                    const struct plan_item *items, enum plan_rows rows)
{
    static struct found found;
    memset(&found, 0, sizeof found);
    plan_each(p, w, b, rows, note, &found);
    for (uint32_t i = 0; i < ITEMS; i++) {
        for (uint32_t k = 0; k < ROWS; k++) {
            bool yes = rows == PLAN_SPANS ? filter_match(items[i].filter, (struct row){b, k})
                                          : filter_match_point(items[i].filter, b, k);
            yes = yes && (items[i].any_line || str_eq(items[i].line, b->line));
            assert_int_equal(found.seen[i][k], yes);
        }
    }
}

static void test_a_plan_finds_what_trying_finds(void **state)
{
    struct random r = {20261130};
    struct plan_walk *w = plan_walk_new();
    size_t keyed = 0;
    (void)state;
    for (size_t round = 0; round < 300; round++) {
        struct plan_item items[ITEMS];
        for (size_t i = 0; i < ITEMS; i++) {
            items[i] = (struct plan_item){random_filter(&r), STR("shop"), random_below(&r, 3) > 0};
        }
        struct plan *p = plan_new(items, ITEMS);
        struct plan_stats stats;
        plan_stats(p, &stats);
        keyed += ITEMS - stats.unkeyed;
        for (size_t k = 0; k < 3; k++) {
            struct batch *b = random_rows(&r);
            compare(p, w, b, items, PLAN_SPANS);
            compare(p, w, b, items, PLAN_POINTS);
            batch_unref(b);
        }
        plan_free(p);
        for (size_t i = 0; i < ITEMS; i++) {
            filter_free((struct filter *)items[i].filter);
        }
    }
    assert_true(keyed > 300 * ITEMS / 3); // most have something to be hashed by
    plan_walk_free(w);
}

static void count_row(void *ctx, uint32_t item, uint32_t row)
{
    size_t *count = ctx;
    assert_true(item < 3 && row < 4);
    ++*count;
}

// More names than are remembered, each several times: what was remembered is what it was for.
static void test_what_nothing_is_hashed_of_is_found_among_many_names(void **state)
{
    static const char *const texts[] = {"{ name =~ \"GET /.*7\" }", "{ duration > 4ms }",
                                        "{ name =~ \"GET /.*\" && span.k = nil && status != ok }"};
    struct plan_item items[3];
    struct plan_walk *w = plan_walk_new();
    size_t found = 0, expected = 0, spared = 0;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct filter *f;
        struct err_at at;
        assert_int_equal(filter_parse(str_of(texts[i]), &f, &at), ERR_OK);
        items[i] = (struct plan_item){f, STR(""), true};
    }
    struct plan *p = plan_new(items, 3);
    for (size_t round = 0; round < 3 * PLAN_MEMO_MAX; round++) {
        char name[40];
        struct made spans[4];
        size_t number = round % (PLAN_MEMO_MAX + PLAN_MEMO_MAX / 2);
        (void)snprintf(name, sizeof name, "GET /%zu", number);
        for (size_t i = 0; i < 4; i++) {
            spans[i] = (struct made){i % 2 == 0 ? "a" : "b", "i", name, 1000, 3 + i, false,
                                     i == 3 ? "k" : NULL,    "v", 1};
        }
        struct batch *b = batch_of(spans, 4, 1);
        plan_each(p, w, b, PLAN_SPANS, count_row, &found);
        expected += (size_t)(number % 10 == 7 ? 4 : 0) + 2 + 3;
        batch_unref(b);
    }
    assert_int_equal(found, expected);
    struct made span = {"a", "i", "GET /7", 1000, 9, false, NULL, NULL, 1};
    struct batch *b = batch_of(&span, 1, 1);
    plan_walk_spare(w, true);
    plan_each(p, w, b, PLAN_SPANS, count_row, &spared);
    assert_int_equal(spared, 0);
    plan_walk_spare(w, false);
    plan_each(p, w, b, PLAN_SPANS, count_row, &spared);
    assert_int_equal(spared, 3);
    batch_unref(b);
    plan_free(p);
    plan_walk_free(w);
    for (size_t i = 0; i < 3; i++) {
        filter_free((struct filter *)items[i].filter);
    }
}

static void test_rules_of_one_kind_are_one_table(void **state)
{
    enum { COUNT = 2000 };
    struct plan_item items[COUNT];
    struct plan_stats stats;
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        char text[200];
        struct err_at at;
        (void)snprintf(text, sizeof text,
                       "{ (resource.service.name = \"s%zu\" || resource.service.name = \"t%zu\") &&"
                       " name = \"n\" && duration > 1s && status = error }",
                       i, i);
        struct filter *f;
        assert_int_equal(filter_parse(str_of(text), &f, &at), ERR_OK);
        items[i] = (struct plan_item){f, STR(""), true};
    }
    struct plan *p = plan_new(items, COUNT);
    plan_stats(p, &stats);
    assert_int_equal(stats.shapes, 1);
    assert_int_equal(stats.terms, COUNT);
    assert_int_equal(stats.unkeyed, 0);
    plan_free(p);
    for (size_t i = 0; i < COUNT; i++) {
        filter_free((struct filter *)items[i].filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plan_finds_what_trying_finds),
        cmocka_unit_test(test_what_nothing_is_hashed_of_is_found_among_many_names),
        cmocka_unit_test(test_rules_of_one_kind_are_one_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
