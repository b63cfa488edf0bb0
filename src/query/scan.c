// SPDX-License-Identifier: Apache-2.0
// Purpose: the scan over hot batches and parts.
#include "query/scan.h"

#include "core/mem.h"
#include "core/must.h"
#include "store/part.h"

// What a test on an attribute is known to say of a column's dictionary.
struct column_fact {
    const struct filter_node *test;
    uint32_t column;
    bool any, all; // of the distinct values satisfy the test
};

// One block while it is scanned.
struct block_scan {
    const struct scan *s;
    struct block *block;
    const struct shape *shapes;
    const struct column *columns;
    size_t column_count;
    const struct shape *shape; // the one that a verdict is being asked for
    struct column_fact *facts;
    size_t fact_count, fact_capacity;
    uint32_t *needed; // attribute columns that tests read
    size_t needed_count, needed_capacity;
    uint8_t *verdicts;                         // by shape
    uint64_t min_duration_ns, max_duration_ns; // that a match can have
    enum err error;
};

// The rows of one page that may match.
struct page_rows {
    uint32_t shapes[PAGE_ROWS]; // of every row; then of the candidates alone
    uint64_t bitmap[PAGE_ROWS / 64];
    size_t rows, candidates;
};

static uint64_t floor_of(const struct scan *s)
{
    uint64_t floor = s->floor_ns != NULL ? s->floor_ns(s->ctx) : 0;
    return floor > s->from_ns ? floor : s->from_ns;
}

static bool is_cancelled(const struct scan *s)
{
    return s->control != NULL && atomic_load(&s->control->cancelled);
}

static void count_scanned(const struct scan *s, uint64_t rows)
{
    if (s->control != NULL) {
        atomic_fetch_add(&s->control->scanned_spans, rows);
    }
}

bool scan_passes_over(struct query_control *control, enum err e)
{
    if (e != ERR_CORRUPT || control == NULL) {
        return false;
    }
    atomic_fetch_add(&control->damaged_blocks, 1);
    return true;
}

// ---- Hot batches
// ----------------------------------------------------------------------------------

static bool scan_batch(const struct scan *s, const struct batch *b)
{
    ASSERT(b->sealed);
    uint64_t floor = floor_of(s);
    count_scanned(s, b->span_count);
    if (b->max_start_ns < floor || b->min_start_ns >= s->to_ns) {
        return true;
    }
    for (size_t i = 0; i < b->span_count; i++) {
        uint64_t start = b->spans[i].start_ns;
        struct row row = {b, (uint32_t)i};
        if (start >= floor && start < s->to_ns && filter_match(s->filter, row) &&
            !s->visit(s->ctx, row)) {
            return false;
        }
    }
    return true;
}

// ---- Blocks of parts
// ------------------------------------------------------------------------------

static bool is_on_span_attr(const struct filter_node *test)
{
    return test->field == ON_SPAN_ATTR || test->field == ON_ANY_ATTR;
}

// Learns what a test says of each dictionary that holds values of its key.
static void learn(void *ctx, const struct filter_node *test)
{
    struct block_scan *b = ctx;
    if (!is_on_span_attr(test) || b->error != ERR_OK) {
        return;
    }
    for (uint32_t c = 0; c < b->column_count; c++) {
        if (!str_eq(b->columns[c].key, test->key)) {
            continue;
        }
        b->needed = mem_grow(b->needed, &b->needed_capacity, b->needed_count + 1, sizeof c);
        b->needed[b->needed_count++] = c;
        struct column_fact fact = {.test = test, .column = c, .any = true};
        const struct str *strings;
        size_t count;
        if (b->columns[c].has_dictionary && attr_type_is_text(b->columns[c].type)) {
            b->error = block_dictionary(b->block, c, &strings, &count);
            if (b->error != ERR_OK) {
                return;
            }
            fact.any = false;
            fact.all = true;
            for (size_t i = 0; i < count; i++) {
                bool yes = filter_test_attr(test, b->columns[c].type, 0, strings[i]);
                fact.any = fact.any || yes;
                fact.all = fact.all && yes;
            }
        }
        b->facts = mem_grow(b->facts, &b->fact_capacity, b->fact_count + 1, sizeof fact);
        b->facts[b->fact_count++] = fact;
    }
}

// The verdict of a test on a span attribute for the rows of b->shape.
static enum verdict attr_verdict(void *ctx, const struct filter_node *test)
{
    ASSERT(test->type == NODE_TEST && test->key.n > 0);
    const struct block_scan *b = ctx;
    for (uint32_t i = 0; i < b->shape->column_count; i++) {
        uint32_t c = b->shape->columns[i];
        if (!str_eq(b->columns[c].key, test->key)) {
            continue;
        }
        if (test->op == OP_EXISTS || test->op == OP_ABSENT) {
            return test->op == OP_EXISTS ? VERDICT_YES : VERDICT_NO;
        }
        for (size_t f = 0; f < b->fact_count; f++) {
            if (b->facts[f].test == test && b->facts[f].column == c) {
                return !b->facts[f].any  ? VERDICT_NO
                       : b->facts[f].all ? VERDICT_YES
                                         : VERDICT_MAYBE;
            }
        }
        return VERDICT_MAYBE;
    }
    return test->op == OP_ABSENT ? VERDICT_YES : VERDICT_NO;
}

// Decides for each shape of the block; false when none can match.
static bool judge_shapes(struct block_scan *b, const struct block_meta *meta)
{
    ASSERT(b->verdicts == NULL && b->fact_count == 0);
    const struct batch *resources;
    size_t count;
    bool some = false;
    b->shapes = block_shapes(b->block, &count);
    b->columns = block_columns(b->block, &b->column_count);
    b->error = block_resources(b->block, &resources);
    if (b->error == ERR_OK) {
        filter_each_test(b->s->filter, learn, b);
    }
    if (b->error != ERR_OK) {
        return false;
    }
    b->verdicts = mem_new(count, 1);
    struct filter_known known = {.batch = resources,
                                 .attr = attr_verdict,
                                 .ctx = b,
                                 .min_duration_ns = meta->min_duration_ns,
                                 .max_duration_ns = meta->max_duration_ns};
    for (size_t i = 0; i < count; i++) {
        b->shape = &b->shapes[i];
        known.resource = b->shape->resource;
        known.scope = b->shape->scope;
        known.name = b->shape->name;
        known.kind = b->shape->kind;
        known.status = b->shape->status;
        b->verdicts[i] = (uint8_t)filter_verdict(b->s->filter, &known);
        some = some || b->verdicts[i] != VERDICT_NO;
    }
    return some;
}

static void note_field(void *ctx, const struct filter_node *test)
{
    unsigned *fields = ctx;
    switch (test->field) {
    case ON_DURATION:
        *fields |= FIELD_DURATION;
        break;
    case ON_STATUS_MESSAGE:
        *fields |= FIELD_STATUS_MESSAGE;
        break;
    case ON_SPAN_ID:
        *fields |= FIELD_ID;
        break;
    case ON_PARENT_ID:
        *fields |= FIELD_PARENT | FIELD_ID;
        break;
    case ON_EVENT_ATTR:
    case ON_EVENT_NAME:
        *fields |= FIELD_EVENTS;
        break;
    case ON_LINK_ATTR:
        *fields |= FIELD_LINKS;
        break;
    default:
        break;
    }
}

// Keeps the candidates whose number (start or duration) lies within [min, max].
static void keep_within(struct block_scan *b, size_t page, enum span_field field, uint64_t min,
                        uint64_t max, struct page_rows *p)
{
    ASSERT(field == FIELD_DURATION || field == FIELD_START);
    uint64_t numbers[PAGE_ROWS];
    size_t rows;
    if (b->error != ERR_OK || p->candidates == 0) {
        return;
    }
    b->error = block_page_numbers(b->block, page, field, numbers, &rows);
    if (b->error != ERR_OK) {
        return;
    }
    MUST(rows == p->rows);
    for (size_t i = 0; i < rows; i++) {
        uint64_t bit = (uint64_t)1 << i % 64;
        if ((p->bitmap[i / 64] & bit) && (numbers[i] < min || numbers[i] > max)) {
            p->bitmap[i / 64] &= ~bit;
            p->candidates--;
        }
    }
}

// Finds the candidates of a page by what costs least: shape, then duration, then start.
static void find_candidates(struct block_scan *b, size_t page, const struct block_meta *meta,
                            uint64_t floor, struct page_rows *p)
{
    memset(p->bitmap, 0, sizeof p->bitmap);
    p->candidates = 0;
    b->error = block_page_shapes(b->block, page, p->shapes, &p->rows);
    if (b->error != ERR_OK) {
        return;
    }
    for (size_t i = 0; i < p->rows; i++) {
        uint64_t yes = b->verdicts[p->shapes[i]] != VERDICT_NO;
        p->bitmap[i / 64] |= yes << i % 64;
        p->candidates += yes;
    }
    if (b->min_duration_ns > meta->min_duration_ns || b->max_duration_ns < meta->max_duration_ns) {
        keep_within(b, page, FIELD_DURATION, b->min_duration_ns, b->max_duration_ns, p);
    }
    if (floor > meta->min_start_ns || b->s->to_ns <= meta->max_start_ns) {
        keep_within(b, page, FIELD_START, floor, b->s->to_ns - 1, p);
    }
    ASSERT(p->candidates <= p->rows);
    size_t kept = 0;
    for (size_t i = 0; i < p->rows && kept < p->candidates; i++) {
        if (p->bitmap[i / 64] & (uint64_t)1 << i % 64) {
            p->shapes[kept++] = p->shapes[i];
        }
    }
}

// Visits the rows of one page; `floor` prunes.
static bool scan_page(struct block_scan *b, size_t page, const struct block_meta *meta,
                      uint64_t floor)
{
    ASSERT(b->verdicts != NULL && page < meta->pages);
    const struct scan *s = b->s;
    struct page_rows p;
    find_candidates(b, page, meta, floor, &p);
    count_scanned(s, p.rows);
    if (b->error != ERR_OK || p.candidates == 0) {
        return b->error == ERR_OK;
    }
    struct page_request request = {.fields = FIELD_START | s->fields,
                                   .all_columns = s->all_attributes,
                                   .columns = b->needed,
                                   .column_count = b->needed_count,
                                   .rows = p.bitmap};
    struct batch *batch;
    filter_each_test(s->filter, note_field, &request.fields);
    b->error = block_read_page(b->block, page, &request, &batch);
    if (b->error != ERR_OK) {
        return false;
    }
    MUST(batch->span_count == p.candidates);
    bool go_on = true;
    for (size_t i = 0; i < p.candidates && go_on; i++) {
        uint64_t start = batch->spans[i].start_ns;
        struct row row = {batch, (uint32_t)i};
        if (start >= floor && start < s->to_ns &&
            (b->verdicts[p.shapes[i]] == VERDICT_YES || filter_match(s->filter, row))) {
            go_on = s->visit(s->ctx, row);
        }
    }
    batch_unref(batch);
    return go_on;
}

static enum err scan_block(const struct scan *s, struct part *p, size_t index, bool *ret_go_on)
{
    const struct block_meta *meta = part_block_meta(p, index);
    uint64_t floor = floor_of(s);
    if (meta->max_start_ns < floor || meta->min_start_ns >= s->to_ns) {
        count_scanned(s, meta->rows);
        return ERR_OK;
    }
    struct block_scan b = {.s = s};
    enum err e = block_borrow(p, index, &b.block);
    if (e != ERR_OK) {
        return e;
    }
    bool go_on = true;
    filter_duration_bounds(s->filter, &b.min_duration_ns, &b.max_duration_ns);
    if (b.min_duration_ns <= meta->max_duration_ns && b.max_duration_ns >= meta->min_duration_ns &&
        judge_shapes(&b, meta)) {
        for (size_t page = 0; page < meta->pages && go_on && b.error == ERR_OK; page++) {
            if (is_cancelled(s)) {
                b.error = ERR_CANCELLED;
                break;
            }
            go_on = scan_page(&b, page, meta, floor);
        }
    } else {
        count_scanned(s, meta->rows);
    }
    *ret_go_on = go_on || b.error != ERR_OK; // an error is not the visitor's wish to end
    block_free(b.block);
    mem_free(b.facts);
    mem_free(b.needed);
    mem_free(b.verdicts);
    return b.error;
}

static enum err scan_part(const struct scan *s, struct part *p, bool *ret_go_on)
{
    ASSERT(*ret_go_on);
    const struct part_meta *meta = part_meta(p);
    if (meta->max_start_ns < floor_of(s) || meta->min_start_ns >= s->to_ns) {
        count_scanned(s, meta->rows);
        return ERR_OK;
    }
    for (size_t i = 0; i < meta->blocks && *ret_go_on; i++) {
        enum err e = is_cancelled(s) ? ERR_CANCELLED : scan_block(s, p, i, ret_go_on);
        if (scan_passes_over(s->control, e)) {
            continue;
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

enum err scan_run(const struct scan *s)
{
    const struct store_view *v = s->view;
    uint64_t total = 0;
    bool go_on = true;
    ASSERT(s->filter != NULL && s->visit != NULL && s->from_ns <= s->to_ns);
    for (size_t i = 0; i < v->hot_count; i++) {
        total += v->hot[i]->span_count;
    }
    for (size_t i = 0; i < v->part_count; i++) {
        total += part_meta(v->parts[i])->rows;
    }
    if (s->control != NULL) {
        atomic_store(&s->control->total_spans, total);
    }
    for (size_t i = 0; i < v->hot_count && go_on; i++) {
        if (is_cancelled(s)) {
            return ERR_CANCELLED;
        }
        go_on = scan_batch(s, v->hot[i]);
    }
    for (size_t i = 0; i < v->part_count && go_on; i++) {
        enum err e = scan_part(s, v->parts[i], &go_on);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}
