// SPDX-License-Identifier: Apache-2.0
// Purpose: what the shapes of a block say of a filter.
#include "core/mem.h"
#include "core/must.h"
#include "query/scan_state.h"

// Plans are made for at most so many (test, shape) pairs; beyond them tests stay unknown and rows
// are read.
#define PLAN_CELLS_MAX ((size_t)1 << 20)

static bool is_on_span_attr(const struct filter_node *test)
{
    return test->field == ON_SPAN_ATTR || test->field == ON_ANY_ATTR;
}

// Tries the test on each distinct value of a dictionary.
static void try_dictionary(struct block_scan *b, struct plan *p, size_t k)
{
    const struct str *strings;
    size_t count;
    uint32_t column = p->columns[k];
    ASSERT(b->columns[column].has_dictionary);
    b->error = block_dictionary(b->block, column, &strings, &count);
    if (b->error != ERR_OK) {
        return;
    }
    p->passes[k] = arena_new(&b->arena, count + 1, 1);
    p->any[k] = false;
    p->all[k] = true;
    for (size_t i = 0; i < count && b->error == ERR_OK; i++) {
        b->error = i % SCAN_TESTS_A_LOOK == 0 ? scan_stopped(b->w->s) : ERR_OK;
        bool yes = filter_test_attr(p->test, b->columns[column].type, 0, strings[i]);
        p->passes[k][i] = yes ? 1 : 0;
        p->any[k] = p->any[k] || yes;
        p->all[k] = p->all[k] && yes;
    }
}

// Finds the columns of the test's key.
static void begin_plan(void *ctx, const struct filter_node *test)
{
    struct block_scan *b = ctx;
    struct plan *p = &b->plans[test->index];
    ASSERT(test->index < b->w->s->filter->test_count && p->test == NULL);
    p->test = test;
    for (uint32_t c = 0; is_on_span_attr(test) && c < b->column_count; c++) {
        if (str_eq(b->columns[c].key, test->key) && p->column_count < ATTR_TYPE_COUNT) {
            p->columns[p->column_count] = c;
            p->any[p->column_count++] = true;
        }
    }
}

// Learns what the dictionaries of its columns say of the test.
static void learn(void *ctx, const struct filter_node *test)
{
    struct block_scan *b = ctx;
    struct plan *p = &b->plans[test->index];
    bool values = test->op != OP_EXISTS && test->op != OP_ABSENT;
    ASSERT(p->test == test);
    for (size_t k = 0; values && k < p->column_count && b->error == ERR_OK; k++) {
        if (b->columns[p->columns[k]].has_dictionary) {
            try_dictionary(b, p, k);
        }
    }
}

// The first column of the shape that has the test's key, or -1; as an index into p->columns, or
// PLAN_UNKNOWN where the plan has too few.
static int find_column(const struct block_scan *b, const struct plan *p, const struct shape *shape)
{
    ASSERT(p->test != NULL && p->column_count <= ATTR_TYPE_COUNT);
    if (p->column_count == 0) {
        return -1;
    }
    for (uint32_t i = 0; i < shape->column_count; i++) {
        for (size_t k = 0; k < p->column_count; k++) {
            if (p->columns[k] == shape->columns[i]) {
                return (int)k;
            }
        }
        if (p->column_count == ATTR_TYPE_COUNT &&
            str_eq(b->columns[shape->columns[i]].key, p->test->key)) {
            return PLAN_UNKNOWN;
        }
    }
    return -1;
}

// The verdict of a test on a span attribute for the rows of b->shape.
static enum verdict attr_verdict(void *ctx, const struct filter_node *test)
{
    const struct block_scan *b = ctx;
    const struct plan *p = &b->plans[test->index];
    ASSERT(test->type == NODE_TEST && test->key.n > 0);
    int k = find_column(b, p, b->shape);
    if (k == -1) {
        return test->op == OP_ABSENT ? VERDICT_YES : VERDICT_NO;
    }
    if (test->op == OP_EXISTS || test->op == OP_ABSENT) {
        return test->op == OP_EXISTS ? VERDICT_YES : VERDICT_NO;
    }
    return k < 0        ? VERDICT_MAYBE
           : !p->any[k] ? VERDICT_NO
           : p->all[k]  ? VERDICT_YES
                        : VERDICT_MAYBE;
}

static struct filter_known known_of(struct block_scan *b, size_t shape)
{
    ASSERT(shape < b->shape_count);
    b->shape = &b->shapes[shape];
    return (struct filter_known){.batch = b->resources,
                                 .attr = attr_verdict,
                                 .ctx = b,
                                 .min_duration_ns = b->meta->min_duration_ns,
                                 .max_duration_ns = b->meta->max_duration_ns,
                                 .resource = b->shape->resource,
                                 .scope = b->shape->scope,
                                 .name = b->shape->name,
                                 .kind = b->shape->kind,
                                 .status = b->shape->status};
}

// Decides for each shape of the block; false when none can match.
static bool judge_shapes(struct block_scan *b)
{
    bool some = false;
    ASSERT(b->verdicts != NULL);
    b->undecided = false;
    for (size_t i = 0; i < b->shape_count; i++) {
        struct filter_known known = known_of(b, i);
        b->verdicts[i] = (uint8_t)filter_verdict(b->w->s->filter, &known);
        some = some || b->verdicts[i] != VERDICT_NO;
        b->undecided = b->undecided || b->verdicts[i] == VERDICT_MAYBE;
    }
    return some;
}

bool plan_judge(struct block_scan *b)
{
    const struct filter *f = b->w->s->filter;
    ASSERT(b->verdicts == NULL && b->plans == NULL);
    b->shapes = block_shapes(b->block, &b->shape_count);
    b->columns = block_columns(b->block, &b->column_count);
    b->plans = arena_new(&b->arena, f->test_count + (size_t)1, sizeof *b->plans);
    b->error = block_resources(b->block, &b->resources);
    if (b->error != ERR_OK) {
        return false;
    }
    filter_each_test(f, begin_plan, b);
    b->verdicts = arena_new(&b->arena, b->shape_count + 1, 1);
    b->notes = arena_new(&b->arena, b->shape_count + 1, sizeof *b->notes);
    b->shape_rows = arena_new(&b->arena, b->shape_count + 1, sizeof *b->shape_rows);
    bool some = judge_shapes(b);
    if (b->undecided) {
        filter_each_test(f, learn, b);
        some = b->error == ERR_OK && judge_shapes(b);
    }
    return some;
}

// What the plan says of one shape; counts what its rows take of the plan's columns.
static int plan_shape(struct block_scan *b, struct plan *p, size_t shape)
{
    struct filter_known known = known_of(b, shape);
    ASSERT(p->by_shape != NULL);
    for (uint32_t i = 0; i < b->shape->column_count; i++) {
        for (size_t k = 0; k < p->column_count; k++) {
            if (p->columns[k] == b->shape->columns[i]) {
                p->takes[shape * ATTR_TYPE_COUNT + k]++;
            }
        }
    }
    enum verdict v = filter_test_verdict(p->test, &known);
    if (v != VERDICT_MAYBE) {
        return v == VERDICT_YES ? PLAN_YES : PLAN_NO;
    }
    int k = is_on_span_attr(p->test) ? find_column(b, p, b->shape) : PLAN_UNKNOWN;
    return k >= 0 ? k : PLAN_UNKNOWN;
}

bool plan_complete(struct block_scan *b, struct plan *p)
{
    size_t cells = b->shape_count * b->w->s->filter->test_count;
    ASSERT(p->test != NULL);
    if (p->by_shape != NULL) {
        return true;
    }
    if (cells > PLAN_CELLS_MAX) {
        return false;
    }
    p->by_shape = arena_new(&b->arena, b->shape_count + 1, sizeof *p->by_shape);
    p->takes = arena_new(&b->arena, b->shape_count * ATTR_TYPE_COUNT + 1, sizeof *p->takes);
    for (size_t i = 0; i < b->shape_count; i++) {
        p->by_shape[i] = (int16_t)plan_shape(b, p, i);
    }
    return true;
}
