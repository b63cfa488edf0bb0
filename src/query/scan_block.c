// SPDX-License-Identifier: Apache-2.0
// Purpose: the scan of one block: which pages, which rows of them, and what they are read for.
#include "core/mem.h"
#include "core/must.h"
#include "query/scan_state.h"

// So many rows of a page are few: their shapes are looked up one by one.
#define FEW_ROWS 128

// A page's values take so many times what they take in the file, and are asked for at most this
// part of the budget.
#define PAGE_COST_TIMES 6
#define PAGE_COST_SHARE 6

// Pays for what the block and its plans have grown by, and for `more` beside them.
static void pay(struct block_scan *b, size_t more)
{
    size_t held = block_used_bytes(b->block) + b->arena.held_bytes + more;
    if (b->error != ERR_OK || held <= b->paid_bytes) {
        return;
    }
    if (query_need(b->w->s->control, held - b->paid_bytes)) {
        b->paid_bytes = held;
        return;
    }
    b->error = scan_stopped(b->w->s); // out of turn: what was found so far is the answer
    b->error = b->error == ERR_OK ? ERR_MEMORY : b->error;
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

// What rows are read for besides attributes: enum span_field bits.
static unsigned fields_read(const struct filter *f)
{
    unsigned fields = FIELD_START | FIELD_DURATION;
    ASSERT(f != NULL);
    filter_each_test(f, note_field, &fields);
    return fields;
}

// What reading the values that the filter asks for may take, read, unpacked and as rows: a guess by
// what they take in the file, since only reading tells. Bounded, so that a server with little
// memory answers at all; what it is short of is paid afterwards.
static size_t page_cost(const struct block_scan *b)
{
    const struct scan *s = b->w->s;
    size_t stored = block_page_field_bytes(b->block, fields_read(s->filter), b->page);
    size_t most = SIZE_MAX;
    if (s->control != NULL && s->control->meter != NULL) {
        most = s->control->meter->budget->limit_bytes / PAGE_COST_SHARE;
    }
    bool all = s->rows && s->all_attributes;
    for (uint32_t c = 0; all && c < b->column_count; c++) {
        stored += block_page_stored_bytes(b->block, c, b->page);
    }
    for (uint32_t i = 0; !all && i < s->filter->test_count; i++) {
        for (size_t k = 0; k < b->plans[i].column_count; k++) {
            stored += block_page_stored_bytes(b->block, b->plans[i].columns[k], b->page);
        }
    }
    ASSERT(most > 0);
    return stored * PAGE_COST_TIMES < most ? stored * PAGE_COST_TIMES : most;
}

// The rows of the bitmap as a batch, with what the filter reads of them, or all attributes.
static struct batch *read_rows(struct block_scan *b, const uint64_t *rows)
{
    const struct filter *f = b->w->s->filter;
    struct page_request request = {
        .fields = fields_read(f), .all_columns = b->w->s->all_attributes, .rows = rows};
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
                                   .row = row,
                                   .resources = batch,
                                   .resource = s->resource};
    w->s->visit(w->ctx, &found);
}

// Reads the undecided rows, and all wanted ones where the visitor wants rows; decides, and visits
// in the latter case.
static void settle_rows(struct block_scan *b)
{
    struct scan_worker *w = b->w;
    uint64_t read[PAGE_WORDS];
    ASSERT(page_bits_any(w->wanted));
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        read[i] = w->s->rows ? w->wanted[i] : w->wanted[i] & ~w->sure[i];
    }
    if (!page_bits_any(read)) {
        return;
    }
    struct batch *batch = read_rows(b, read);
    if (batch == NULL) {
        return;
    }
    pay(b, batch_bytes(batch));
    uint32_t k = 0;
    for (size_t i = page_bit_next(read, 0); b->error == ERR_OK && i < b->rows;
         i = page_bit_next(read, i + 1), k++) {
        b->error = k % SCAN_TESTS_A_LOOK == 0 ? scan_stopped(w->s) : ERR_OK;
        struct row row = {batch, k};
        MUST(k < batch->span_count);
        if (!page_bit(w->sure, i) && !filter_match(w->s->filter, row)) {
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
    if (!page_bits_any(w->wanted) || !page_numbers(b, FIELD_START) ||
        (w->s->durations && !page_numbers(b, FIELD_DURATION))) {
        return;
    }
    b->error = block_traces(b->block);
    for (size_t i = page_bit_next(w->wanted, 0); b->error == ERR_OK && i < b->rows;
         i = page_bit_next(w->wanted, i + 1)) {
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
                                       .resources = b->resources,
                                       .resource = shape->resource,
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
    if (!page_shapes(b)) {
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
    for (size_t i = page_bit_next(w->wanted, 0); b->error == ERR_OK && i < b->rows;
         i = page_bit_next(w->wanted, i + 1)) {
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
    page_decide(b, w->s->filter->root, live, yes, maybe);
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
        page_keep_within(b, FIELD_DURATION, least, b->max_duration_ns);
    }
    keep_shapes(b);
    if (b->error == ERR_OK &&
        (floor.start_ns > range.min_start_ns || s->to_ns <= range.max_start_ns)) {
        page_keep_within(b, FIELD_START, floor.start_ns, s->to_ns - 1);
    }
    if (page_bits_any(b->w->wanted) && (b->undecided || s->rows)) {
        pay(b, page_cost(b));
    }
    if (b->error == ERR_OK && b->undecided) {
        decide_undecided(b);
    }
    if (b->error == ERR_OK && page_bits_any(b->w->wanted)) {
        settle_rows(b);
    }
    if (b->error == ERR_OK && !s->rows) {
        visit_rows(b, line);
    }
    pay(b, 0);
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
    pay(&b, 0);
    if (b.error == ERR_OK && plan_judge(&b)) {
        pay(&b, 0);
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
