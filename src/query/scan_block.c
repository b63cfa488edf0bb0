// SPDX-License-Identifier: Apache-2.0
// Purpose: the scan of one block: which shapes may match, then which rows of each page do.
#include "query/scan_block.h"

#include "core/mem.h"
#include "core/must.h"

// So many rows of a page are few: their shapes are looked up one by one.
#define FEW_ROWS 128

// Plans are made for at most so many (test, shape) pairs; beyond them tests stay unknown and rows
// are read.
#define PLAN_CELLS_MAX ((size_t)1 << 20)

// What a plan says of a shape: this, or the column (an index into its columns) that decides.
enum { PLAN_UNKNOWN = -3, PLAN_YES = -2, PLAN_NO = -1 };

// A test on an attribute meets columns of its key, one for each type.
struct plan {
    const struct filter_node *test;
    size_t column_count;
    uint32_t columns[ATTR_TYPE_COUNT];
    uint8_t *passes[ATTR_TYPE_COUNT];                // of a column with a dictionary: by code
    bool any[ATTR_TYPE_COUNT], all[ATTR_TYPE_COUNT]; // of its values pass
    int16_t *by_shape;                               // NULL until a page needs it
    uint16_t *takes; // by shape and column: how many values a row has there
};

struct block_scan {
    struct scan_worker *w;
    struct block *block;
    const struct block_meta *meta;
    const struct batch *resources;
    const struct shape *shapes;
    size_t shape_count;
    const struct column *columns;
    size_t column_count;
    const struct shape *shape; // the one that a verdict is being asked for
    struct arena arena;
    struct plan *plans;                        // by index of the test
    uint8_t *verdicts;                         // by shape
    uint32_t *notes;                           // by shape, the visitor's
    bool undecided;                            // some shape's verdict is MAYBE
    uint64_t min_duration_ns, max_duration_ns; // that a match can have
    uint32_t *shape_rows;                      // of the page at hand, by shape
    bool has_shape_rows;
    size_t page, rows; // at hand
    size_t trace_hint;
    size_t paid_bytes; // to the budget: the most that the block and its plans have held so far
    enum err error;
};

// Pays for what the block and its plans have grown by, and for a batch of its rows. How much a step
// takes is known after it alone: one page or dictionary of each thread is ahead of its payment.
static void pay(struct block_scan *b, const struct batch *batch)
{
    size_t held = block_used_bytes(b->block) + b->arena.held_bytes;
    held += batch != NULL ? batch_bytes(batch) : 0;
    if (b->error != ERR_OK || held <= b->paid_bytes) {
        return;
    }
    if (query_need(b->w->s->control, held - b->paid_bytes)) {
        b->paid_bytes = held;
    } else {
        b->error = ERR_MEMORY;
    }
}

static bool bit_of(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static bool has_any(const uint64_t *bits)
{
    uint64_t some = 0;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        some |= bits[i];
    }
    return some != 0;
}

// The first row from `from` on whose bit is set, or PAGE_ROWS.
static size_t next_bit(const uint64_t *bits, size_t from)
{
    ASSERT(from <= PAGE_ROWS);
    for (size_t word = from / 64; word < PAGE_WORDS; word++) {
        uint64_t left = bits[word];
        if (word == from / 64) {
            left &= ~(uint64_t)0 << (from % 64);
        }
        if (left != 0) {
            return word * 64 + (size_t)__builtin_ctzll(left);
        }
    }
    return PAGE_ROWS;
}

// ---- Plans --------------------------------------------------------------------------------------

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
    for (size_t i = 0; i < count; i++) {
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

// Makes the plans and decides for the shapes; dictionaries are opened only when values matter.
static bool judge_block(struct block_scan *b)
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

// Fills in what the plan says by shape; false when that would take too much.
static bool complete_plan(struct block_scan *b, struct plan *p)
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

// ---- Columns of the page at hand ----------------------------------------------------------------

static bool load_numbers(struct block_scan *b, enum span_field field)
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

// Keeps the wanted rows whose number lies within [min, max].
static void keep_within(struct block_scan *b, enum span_field field, uint64_t min, uint64_t max)
{
    struct scan_worker *w = b->w;
    ASSERT(min <= max);
    if (!has_any(w->wanted) || !load_numbers(b, field)) {
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

static bool load_shapes(struct block_scan *b)
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
    if (!load_shapes(b)) {
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
    for (size_t i = 0; i < b->rows; i++) {
        uint32_t shape = b->w->shapes[i];
        int says = p->by_shape[shape];
        if (bit_of(live, i) && says != PLAN_NO) {
            if (says == PLAN_UNKNOWN) {
                set_bit(maybe, i);
            } else if (says == PLAN_YES || passes(b, p, &v, (size_t)says, v.at[says])) {
                set_bit(yes, i);
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
    if (!load_numbers(b, FIELD_DURATION)) {
        return;
    }
    for (size_t i = next_bit(live, 0); i < b->rows; i = next_bit(live, i + 1)) {
        if (filter_test_duration(test, b->w->durations[i])) {
            set_bit(yes, i);
        }
    }
}

// ---- The filter over a page ---------------------------------------------------------------------

static void decide(struct block_scan *b, const struct filter_node *n, const uint64_t *live,
                   uint64_t *yes, uint64_t *maybe);

static void decide_test(struct block_scan *b, const struct filter_node *test, const uint64_t *live,
                        uint64_t *yes, uint64_t *maybe)
{
    struct plan *p = &b->plans[test->index];
    ASSERT(p->test == test);
    if (test->field == ON_DURATION) {
        test_durations(b, test, live, yes);
    } else if (complete_plan(b, p)) {
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
    decide(b, n->left, live, yes, maybe);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        rest[i] = both ? yes[i] | maybe[i] : live[i] & ~yes[i];
    }
    decide(b, n->right, rest, y, m);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t either = both ? (yes[i] | maybe[i]) & (y[i] | m[i]) : maybe[i] | m[i];
        yes[i] = both ? yes[i] & y[i] : yes[i] | y[i];
        maybe[i] = either & ~yes[i];
    }
}

// Of the rows of `live`: those that satisfy the node, and those that may.
static void decide(struct block_scan *b, const struct filter_node *n, const uint64_t *live,
                   uint64_t *yes, uint64_t *maybe)
{
    ASSERT(yes != maybe && live != yes);
    memset(yes, 0, PAGE_WORDS * sizeof *yes);
    memset(maybe, 0, PAGE_WORDS * sizeof *maybe);
    if (b->error != ERR_OK || !has_any(live)) {
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
        decide(b, n->left, live, yes, maybe);
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

// ---- Rows ---------------------------------------------------------------------------------------

static void note_field(void *ctx, const struct filter_node *test)
{
    unsigned *fields = ctx;
    static const unsigned read[ON_COUNT] = {
        [ON_DURATION] = FIELD_DURATION, [ON_STATUS_MESSAGE] = FIELD_STATUS_MESSAGE,
        [ON_SPAN_ID] = FIELD_ID,        [ON_PARENT_ID] = FIELD_PARENT | FIELD_ID,
        [ON_EVENT_ATTR] = FIELD_EVENTS, [ON_EVENT_NAME] = FIELD_EVENTS,
        [ON_LINK_ATTR] = FIELD_LINKS,
    };
    ASSERT(test->field < ON_COUNT);
    *fields |= read[test->field];
}

// The rows of the bitmap as a batch, with what the filter reads of them, or all attributes.
static struct batch *read_rows(struct block_scan *b, const uint64_t *rows)
{
    const struct filter *f = b->w->s->filter;
    struct page_request request = {.fields = FIELD_START | FIELD_DURATION,
                                   .all_columns = b->w->s->all_attributes,
                                   .rows = rows};
    struct batch *batch = NULL;
    size_t most = (size_t)f->test_count * ATTR_TYPE_COUNT;
    uint32_t *columns = arena_new(&b->arena, most + 1, sizeof *columns);
    ASSERT(b->error == ERR_OK);
    for (uint32_t i = 0; i < f->test_count; i++) {
        for (size_t k = 0; k < b->plans[i].column_count; k++) {
            columns[request.column_count++] = b->plans[i].columns[k];
        }
    }
    request.columns = columns;
    filter_each_test(f, note_field, &request.fields);
    b->error = block_read_page(b->block, b->page, &request, &batch);
    return b->error == ERR_OK ? batch : NULL;
}

static void visit_span(struct scan_worker *w, struct row row)
{
    const struct batch *batch = row.batch;
    const struct span *s = row_span(row);
    const struct scan_row found = {.trace = s->trace,
                                   .start_ns = s->start_ns,
                                   .duration_ns = s->duration_ns,
                                   .line = batch->line,
                                   .service = batch_str(batch, batch_resource(batch, s)->service),
                                   .name = batch_str(batch, s->name),
                                   .kind = s->kind,
                                   .status = s->status,
                                   .row = row};
    w->s->visit(w->ctx, &found);
}

// Reads the undecided rows, and all wanted ones where the visitor wants rows; decides, and visits
// in the latter case.
static void settle_rows(struct block_scan *b)
{
    struct scan_worker *w = b->w;
    uint64_t read[PAGE_WORDS];
    ASSERT(has_any(w->wanted));
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        read[i] = w->s->rows ? w->wanted[i] : w->wanted[i] & ~w->sure[i];
    }
    if (!has_any(read)) {
        return;
    }
    struct batch *batch = read_rows(b, read);
    if (batch == NULL) {
        return;
    }
    pay(b, batch);
    uint32_t k = 0;
    for (size_t i = next_bit(read, 0); b->error == ERR_OK && i < b->rows;
         i = next_bit(read, i + 1), k++) {
        struct row row = {batch, k};
        MUST(k < batch->span_count);
        if (!bit_of(w->sure, i) && !filter_match(w->s->filter, row)) {
            w->wanted[i / 64] &= ~((uint64_t)1 << (i % 64));
        } else if (w->s->rows) {
            visit_span(w, row);
        }
    }
    batch_unref(batch);
}

// Visits the wanted rows by what shapes, starts and durations say of them.
static void visit_rows(struct block_scan *b, struct str line)
{
    struct scan_worker *w = b->w;
    size_t first = b->page * PAGE_ROWS;
    if (!has_any(w->wanted) || !load_numbers(b, FIELD_START) ||
        (w->s->durations && !load_numbers(b, FIELD_DURATION))) {
        return;
    }
    b->error = block_traces(b->block);
    for (size_t i = next_bit(w->wanted, 0); b->error == ERR_OK && i < b->rows;
         i = next_bit(w->wanted, i + 1)) {
        uint32_t code = w->shapes[i];
        const struct shape *shape = &b->shapes[code];
        ASSERT(code < b->shape_count);
        const struct scan_row found = {.trace =
                                           block_row_trace(b->block, first + i, &b->trace_hint),
                                       .start_ns = w->starts[i],
                                       .duration_ns = w->has_durations ? w->durations[i] : 0,
                                       .line = line,
                                       .service = shape->service,
                                       .name = shape->name,
                                       .kind = shape->kind,
                                       .status = shape->status,
                                       .note = &b->notes[code]};
        w->s->visit(w->ctx, &found);
    }
}

// ---- Pages --------------------------------------------------------------------------------------

// All rows of the page are wanted at first.
static void begin_page(struct block_scan *b)
{
    struct scan_worker *w = b->w;
    size_t left = b->meta->rows - b->page * PAGE_ROWS;
    b->rows = left < PAGE_ROWS ? left : PAGE_ROWS;
    ASSERT(b->rows > 0);
    memset(w->sure, 0, sizeof w->sure);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        size_t first = i * 64, n = first >= b->rows ? 0 : b->rows - first;
        w->wanted[i] = n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
    }
    w->has_shapes = w->has_starts = w->has_durations = false;
    b->has_shape_rows = false;
}

static void keep_many_shapes(struct block_scan *b)
{
    struct scan_worker *w = b->w;
    if (!load_shapes(b)) {
        return;
    }
    for (size_t word = 0; word * 64 < b->rows; word++) {
        uint64_t some = 0, sure = 0;
        size_t n = b->rows - word * 64 < 64 ? b->rows - word * 64 : 64;
        for (size_t i = 0; i < n; i++) {
            uint8_t verdict = b->verdicts[w->shapes[word * 64 + i]];
            some |= (uint64_t)(verdict != VERDICT_NO) << i;
            sure |= (uint64_t)(verdict == VERDICT_YES) << i;
        }
        ASSERT((sure & ~some) == 0);
        w->wanted[word] &= some;
        w->sure[word] = sure & w->wanted[word];
    }
}

// Keeps the wanted rows whose shape may match; those whose shape does are sure.
static void keep_shapes(struct block_scan *b)
{
    struct scan_worker *w = b->w;
    size_t count = 0;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        count += (size_t)__builtin_popcountll(w->wanted[i]);
    }
    if (count == 0 || b->error != ERR_OK) {
        return;
    }
    if (count > FEW_ROWS) {
        keep_many_shapes(b);
        return;
    }
    b->error = block_pick_shapes(b->block, b->page, w->wanted, w->shapes);
    for (size_t i = next_bit(w->wanted, 0); b->error == ERR_OK && i < b->rows;
         i = next_bit(w->wanted, i + 1)) {
        uint64_t bit = (uint64_t)1 << (i % 64);
        uint8_t verdict = b->verdicts[w->shapes[i]];
        w->wanted[i / 64] &= verdict != VERDICT_NO ? ~(uint64_t)0 : ~bit;
        w->sure[i / 64] |= verdict == VERDICT_YES ? bit : 0;
    }
}

static void decide_undecided(struct block_scan *b)
{
    struct scan_worker *w = b->w;
    uint64_t live[PAGE_WORDS], yes[PAGE_WORDS], maybe[PAGE_WORDS];
    ASSERT(b->undecided);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        live[i] = w->wanted[i] & ~w->sure[i];
    }
    decide(b, w->s->filter->root, live, yes, maybe);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        w->sure[i] = (w->sure[i] & w->wanted[i]) | yes[i];
        w->wanted[i] = w->sure[i] | maybe[i];
    }
}

static void scan_page(struct block_scan *b, struct scan_floor floor, struct str line)
{
    const struct scan *s = b->w->s;
    const struct block_meta *m = b->meta;
    struct page_meta range = {m->min_start_ns, m->max_start_ns, m->min_duration_ns,
                              m->max_duration_ns};
    uint64_t least =
        b->min_duration_ns > floor.duration_ns ? b->min_duration_ns : floor.duration_ns;
    ASSERT(b->page < m->pages && b->verdicts != NULL);
    if (m->page != NULL) {
        range = m->page[b->page];
    }
    if (floor.start_ns >= s->to_ns || range.max_start_ns < floor.start_ns ||
        range.min_start_ns >= s->to_ns || least > b->max_duration_ns ||
        range.max_duration_ns < least || range.min_duration_ns > b->max_duration_ns) {
        return;
    }
    begin_page(b);
    if (b->error == ERR_OK &&
        (least > range.min_duration_ns || b->max_duration_ns < range.max_duration_ns)) {
        keep_within(b, FIELD_DURATION, least, b->max_duration_ns);
    }
    keep_shapes(b);
    if (b->error == ERR_OK &&
        (floor.start_ns > range.min_start_ns || s->to_ns <= range.max_start_ns)) {
        keep_within(b, FIELD_START, floor.start_ns, s->to_ns - 1);
    }
    if (b->error == ERR_OK && b->undecided) {
        decide_undecided(b);
    }
    if (b->error == ERR_OK && has_any(b->w->wanted)) {
        settle_rows(b);
    }
    if (b->error == ERR_OK && !s->rows) {
        visit_rows(b, line);
    }
    pay(b, NULL);
}

enum err scan_block(struct scan_worker *w, struct part *p, size_t index,
                    struct scan_floor (*floor_of)(void *run, struct scan_worker *w), void *run)
{
    const struct scan *s = w->s;
    struct block_scan b = {.w = w, .meta = part_block_meta(p, index)};
    const struct block_meta *m = b.meta;
    struct scan_floor floor = floor_of(run, w);
    uint64_t counted = 0;
    filter_duration_bounds(s->filter, &b.min_duration_ns, &b.max_duration_ns);
    if (floor.start_ns >= s->to_ns || m->max_start_ns < floor.start_ns ||
        m->min_start_ns >= s->to_ns || m->max_duration_ns < floor.duration_ns ||
        b.min_duration_ns > m->max_duration_ns || b.max_duration_ns < m->min_duration_ns ||
        b.min_duration_ns > b.max_duration_ns) {
        scan_count(s, m->rows);
        return ERR_OK;
    }
    b.error = block_borrow(p, index, &b.block);
    if (b.error != ERR_OK) {
        return b.error;
    }
    pay(&b, NULL);
    if (b.error == ERR_OK && judge_block(&b)) {
        pay(&b, NULL);
        for (; b.page < m->pages && b.error == ERR_OK; b.page++) {
            uint64_t rows = m->rows - counted < PAGE_ROWS ? m->rows - counted : PAGE_ROWS;
            b.error = scan_stopped(s);
            if (b.error != ERR_OK) {
                break;
            }
            scan_page(&b, floor_of(run, w), part_meta(p)->line);
            scan_count(s, rows);
            counted += rows;
        }
    } else if (b.error == ERR_OK) {
        scan_count(s, m->rows);
    }
    query_give(s->control, b.paid_bytes); // the cache pays for what it keeps
    block_free(b.block);
    arena_done(&b.arena);
    return b.error;
}
