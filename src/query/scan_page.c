// SPDX-License-Identifier: Apache-2.0
// Purpose: what the columns of a page say of a filter.
#include "core/mem.h"
#include "core/must.h"
#include "query/scan_state.h"

bool page_numbers(struct block_scan *b, enum span_field field)
{
    struct scan_worker *w = b->w;
    bool starts = field == FIELD_START;
    bool *has = starts ? &w->has_starts : &w->has_durations;
    size_t rows;
    ASSERT(starts || field == FIELD_DURATION);
    if (!*has && b->error == ERR_OK) {
        b->error =
            block_page_numbers(b->block, b->page, field, starts ? w->starts : w->durations, &rows);
        MUST(b->error != ERR_OK || rows == b->rows);
        *has = b->error == ERR_OK;
    }
    return *has;
}

void page_keep_within(struct block_scan *b, enum span_field field, uint64_t min, uint64_t max)
{
    struct scan_worker *w = b->w;
    ASSERT(min <= max);
    if (!page_bits_any(w->wanted) || !page_numbers(b, field)) {
        return;
    }
    const uint64_t *numbers = field == FIELD_START ? w->starts : w->durations;
    for (size_t word = 0; word * 64 < b->rows; word++) {
        uint64_t keep = 0;
        size_t n = b->rows - word * 64 < 64 ? b->rows - word * 64 : 64;
        n = w->wanted[word] != 0 ? n : 0;
        for (size_t i = 0; i < n; i++) {
            keep |= (uint64_t)(numbers[word * 64 + i] - min <= max - min) << i;
        }
        w->wanted[word] &= keep;
    }
}

bool page_shapes(struct block_scan *b)
{
    size_t rows;
    if (!b->w->has_shapes && b->error == ERR_OK) {
        b->error = block_page_shapes(b->block, b->page, b->w->shapes, &rows);
        MUST(b->error != ERR_OK || rows == b->rows);
        b->w->has_shapes = b->error == ERR_OK;
    }
    return b->w->has_shapes;
}

// How many rows of the page have each shape.
static bool count_shapes(struct block_scan *b)
{
    ASSERT(b->shape_rows != NULL);
    if (!page_shapes(b)) {
        return false;
    }
    if (!b->has_shape_rows) {
        memset(b->shape_rows, 0, b->shape_count * sizeof *b->shape_rows);
        for (size_t i = 0; i < b->rows; i++) {
            b->shape_rows[b->w->shapes[i]]++;
        }
        b->has_shape_rows = true;
    }
    return true;
}

// The values of the plan's columns in the page, and where the next row's lie.
struct plan_values {
    struct page_values v[ATTR_TYPE_COUNT];
    size_t n[ATTR_TYPE_COUNT], at[ATTR_TYPE_COUNT];
};

static bool load_values(struct block_scan *b, const struct plan *p, struct plan_values *out)
{
    *out = (struct plan_values){0};
    ASSERT(p->takes != NULL);
    if (!count_shapes(b)) {
        return false;
    }
    for (size_t k = 0; k < p->column_count && b->error == ERR_OK; k++) {
        size_t n = 0;
        for (size_t i = 0; i < b->shape_count; i++) {
            n += (size_t)b->shape_rows[i] * p->takes[i * ATTR_TYPE_COUNT + k];
        }
        out->n[k] = n;
        if (n > 0) {
            b->error = block_page_values(b->block, b->page, p->columns[k], n, &out->v[k]);
        }
    }
    return b->error == ERR_OK;
}

static bool passes(const struct block_scan *b, const struct plan *p, const struct plan_values *v,
                   size_t k, size_t at)
{
    ASSERT(k < p->column_count && at < v->n[k]);
    if (p->passes[k] != NULL) {
        MUST(v->v[k].ints != NULL);
        return p->passes[k][v->v[k].ints[at]] != 0;
    }
    struct str text = v->v[k].texts != NULL ? v->v[k].texts[at] : STR_NONE;
    uint64_t bits = v->v[k].ints != NULL ? v->v[k].ints[at] : 0;
    return filter_test_attr(p->test, b->columns[p->columns[k]].type, bits, text);
}

// Whether no row of the page can satisfy the test: no value of its columns does.
static bool none_passes(const struct block_scan *b, const struct plan *p,
                        const struct plan_values *v)
{
    ASSERT(b->has_shape_rows);
    for (size_t i = 0; i < b->shape_count; i++) {
        if (b->shape_rows[i] > 0 &&
            (p->by_shape[i] == PLAN_YES || p->by_shape[i] == PLAN_UNKNOWN)) {
            return false;
        }
    }
    for (size_t k = 0; k < p->column_count; k++) {
        if (v->v[k].texts != NULL) {
            return false; // dear to try twice
        }
        for (size_t at = 0; at < v->n[k]; at++) {
            if (passes(b, p, v, k, at)) {
                return false;
            }
        }
    }
    return true;
}

// A test whose plan is complete: rows of `live` alone get bits.
static void test_rows(struct block_scan *b, const struct plan *p, const uint64_t *live,
                      uint64_t *yes, uint64_t *maybe)
{
    struct plan_values v;
    ASSERT(p->by_shape != NULL);
    if (!load_values(b, p, &v) || none_passes(b, p, &v)) {
        return;
    }
    for (size_t i = 0; i < b->rows && b->error == ERR_OK; i++) {
        b->error = i % SCAN_TESTS_A_LOOK == 0 ? scan_stopped(b->w->s) : ERR_OK;
        uint32_t shape = b->w->shapes[i];
        int says = p->by_shape[shape];
        if (page_bit(live, i) && says != PLAN_NO) {
            if (says == PLAN_UNKNOWN) {
                page_bit_set(maybe, i);
            } else if (says == PLAN_YES || passes(b, p, &v, (size_t)says, v.at[says])) {
                page_bit_set(yes, i);
            }
        }
        for (size_t k = 0; k < p->column_count; k++) {
            v.at[k] += p->takes[shape * ATTR_TYPE_COUNT + k];
        }
    }
}

static void test_durations(struct block_scan *b, const struct filter_node *test,
                           const uint64_t *live, uint64_t *yes)
{
    ASSERT(test->field == ON_DURATION);
    if (!page_numbers(b, FIELD_DURATION)) {
        return;
    }
    for (size_t i = page_bit_next(live, 0); i < b->rows; i = page_bit_next(live, i + 1)) {
        if (filter_test_duration(test, b->w->durations[i])) {
            page_bit_set(yes, i);
        }
    }
}

// ---- The filter over the page -------------------------------------------------------------------

static void decide_test(struct block_scan *b, const struct filter_node *test, const uint64_t *live,
                        uint64_t *yes, uint64_t *maybe)
{
    struct plan *p = &b->plans[test->index];
    ASSERT(p->test == test);
    if (test->field == ON_DURATION) {
        test_durations(b, test, live, yes);
    } else if (plan_complete(b, p)) {
        test_rows(b, p, live, yes, maybe);
    } else {
        memcpy(maybe, live, PAGE_WORDS * sizeof *live);
    }
}

static void decide_pair(struct block_scan *b, const struct filter_node *n, const uint64_t *live,
                        uint64_t *yes, uint64_t *maybe)
{
    uint64_t rest[PAGE_WORDS], y[PAGE_WORDS], m[PAGE_WORDS];
    bool both = n->type == NODE_AND;
    ASSERT(both || n->type == NODE_OR);
    page_decide(b, n->left, live, yes, maybe);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        rest[i] = both ? yes[i] | maybe[i] : live[i] & ~yes[i];
    }
    page_decide(b, n->right, rest, y, m);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t either = both ? (yes[i] | maybe[i]) & (y[i] | m[i]) : maybe[i] | m[i];
        yes[i] = both ? yes[i] & y[i] : yes[i] | y[i];
        maybe[i] = either & ~yes[i];
    }
}

// Of the rows of `live`: those that satisfy the node, and those that may.
void page_decide(struct block_scan *b, const struct filter_node *n, const uint64_t *live,
                 uint64_t *yes, uint64_t *maybe)
{
    ASSERT(yes != maybe && live != yes);
    memset(yes, 0, PAGE_WORDS * sizeof *yes);
    memset(maybe, 0, PAGE_WORDS * sizeof *maybe);
    if (b->error != ERR_OK || !page_bits_any(live)) {
        return;
    }
    switch (n->type) {
    case NODE_ALL:
        memcpy(yes, live, PAGE_WORDS * sizeof *yes);
        break;
    case NODE_TEST:
        decide_test(b, n, live, yes, maybe);
        break;
    case NODE_NOT:
        page_decide(b, n->left, live, yes, maybe);
        for (size_t i = 0; i < PAGE_WORDS; i++) {
            yes[i] = live[i] & ~(yes[i] | maybe[i]);
        }
        break;
    case NODE_AND:
    case NODE_OR:
        decide_pair(b, n, live, yes, maybe);
        break;
    }
}
