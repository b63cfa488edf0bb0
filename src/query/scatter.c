// SPDX-License-Identifier: Apache-2.0
// Purpose: the duration-time scatter. The range of durations is not known before the scan, so spans
// are counted in fine rows (eight per doubling) over all durations, and those are put together to
// the rows asked for at the end.
#include <math.h>

#include "core/mem.h"
#include "core/must.h"
#include "query/aggregate.h"

#define FINE_PER_DOUBLING 8
#define FINE_ROWS         (64 * FINE_PER_DOUBLING)

struct cell {
    uint32_t spans, errors;
    trace_id example;
};

struct filling {
    uint64_t from_ns, column_ns;
    uint32_t columns;
    struct cell *cells; // FINE_ROWS for each column
    struct query_control *control;
};

static size_t filling_bytes(uint32_t columns)
{
    ASSERT(columns > 0 && columns <= SCATTER_COLUMNS_MAX);
    return (size_t)columns * FINE_ROWS * sizeof(struct cell);
}

// False where there is no memory for its cells.
static bool filling_init(struct filling *f)
{
    if (!query_take(f->control, filling_bytes(f->columns))) {
        return false;
    }
    f->cells = mem_new((size_t)f->columns * FINE_ROWS, sizeof *f->cells);
    return true;
}

static void filling_done(struct filling *f)
{
    ASSERT(f->cells != NULL);
    query_give(f->control, filling_bytes(f->columns));
    mem_free(f->cells);
}

static uint32_t fine_row(uint64_t duration_ns)
{
    double row = duration_ns <= 1 ? 0 : log2((double)duration_ns) * FINE_PER_DOUBLING;
    ASSERT(row >= 0);
    return row >= FINE_ROWS ? FINE_ROWS - 1 : (uint32_t)row;
}

// Where a fine row begins; the end of the last does not fit 64 bits.
static uint64_t fine_row_ns(uint32_t row)
{
    ASSERT(row <= 2 * FINE_ROWS);
    return row >= FINE_ROWS ? UINT64_MAX : (uint64_t)exp2((double)row / FINE_PER_DOUBLING);
}

// The example is a trace with an error where there is one, and of those the least ID: the same in
// whatever order spans come.
static void add_cell(struct cell *into, const struct cell *from)
{
    ASSERT(from->spans > 0 && from->errors <= from->spans);
    bool better = into->errors == 0 && from->errors > 0;
    bool equal = (into->errors > 0) == (from->errors > 0);
    if (into->spans == 0 || better || (equal && trace_id_cmp(&from->example, &into->example) < 0)) {
        into->example = from->example;
    }
    into->spans += from->spans;
    into->errors += from->errors;
}

static void see_span(void *ctx, const struct scan_row *s)
{
    struct filling *f = ctx;
    ASSERT(s->start_ns >= f->from_ns && f->column_ns > 0);
    uint64_t column = (s->start_ns - f->from_ns) / f->column_ns;
    column = column < f->columns ? column : f->columns - 1;
    struct cell *c = &f->cells[column * FINE_ROWS + fine_row(s->duration_ns)];
    struct cell one = {1, s->status == STATUS_ERROR ? 1 : 0, s->trace};
    add_cell(c, &one);
}

static void *fork_filling(const void *ctx)
{
    const struct filling *f = ctx;
    struct filling *made = mem_new(1, sizeof *made);
    *made = *f;
    if (!filling_init(made)) {
        mem_free(made);
        return NULL;
    }
    return made;
}

static void find_range(const struct filling *f, uint32_t *ret_low, uint32_t *ret_high)
{
    uint32_t low = FINE_ROWS, high = 0;
    for (size_t i = 0; i < (size_t)f->columns * FINE_ROWS; i++) {
        if (f->cells[i].spans > 0) {
            uint32_t row = (uint32_t)(i % FINE_ROWS);
            low = row < low ? row : low;
            high = row + 1 > high ? row + 1 : high;
        }
    }
    *ret_low = low < high ? low : 0;
    *ret_high = low < high ? high : 1;
}

static void join_filling(void *ctx, void *forked)
{
    struct filling *f = ctx, *from = forked;
    ASSERT(f->columns == from->columns);
    for (size_t i = 0; i < (size_t)f->columns * FINE_ROWS; i++) {
        if (from->cells[i].spans > 0) {
            add_cell(&f->cells[i], &from->cells[i]);
        }
    }
    filling_done(from);
    mem_free(from);
}

static void put_together(const struct filling *f, uint32_t rows, struct scatter *out)
{
    uint32_t low, high;
    find_range(f, &low, &high);
    ASSERT(low < high && high <= FINE_ROWS && rows > 0);
    uint32_t fine_per_row = (high - low + rows - 1) / rows;
    rows = (high - low + fine_per_row - 1) / fine_per_row;
    out->rows = rows;
    out->duration_min_ns = fine_row_ns(low);
    out->duration_max_ns = fine_row_ns(low + rows * fine_per_row);
    out->cells = mem_new((size_t)f->columns * rows, sizeof *out->cells);
    for (uint32_t c = 0; c < f->columns; c++) {
        for (uint32_t r = 0; r < rows; r++) {
            struct cell sum = {0};
            uint32_t first = low + r * fine_per_row;
            for (uint32_t i = first; i < first + fine_per_row && i < high; i++) {
                const struct cell *from = &f->cells[(size_t)c * FINE_ROWS + i];
                if (from->spans > 0) {
                    add_cell(&sum, from);
                }
            }
            if (sum.spans > 0) {
                out->cells[out->count++] =
                    (struct scatter_cell){c, r, sum.spans, sum.errors, sum.example};
            }
        }
    }
}

enum err aggregate_scatter(const struct aggregate *a, const struct filter *filter, uint32_t columns,
                           uint32_t rows, struct scatter *ret_scatter)
{
    ASSERT(a->from_ns <= a->to_ns);
    MUST(columns > 0 && columns <= SCATTER_COLUMNS_MAX && rows > 0 && rows <= SCATTER_ROWS_MAX);
    uint64_t range = a->to_ns - a->from_ns;
    struct scatter s = {.columns = columns, .control = a->control};
    s.charged_bytes = (size_t)columns * rows * sizeof *s.cells;
    struct filling f = {.from_ns = a->from_ns, .columns = columns, .control = a->control};
    s.column_ns = range == 0 ? 1 : range / columns + (range % columns != 0);
    f.column_ns = s.column_ns;
    if (!filling_init(&f)) {
        return ERR_MEMORY;
    }
    const struct scan scan = {.view = a->view,
                              .filter = filter,
                              .from_ns = a->from_ns,
                              .to_ns = a->to_ns,
                              .durations = true,
                              .control = a->control,
                              .visit = see_span,
                              .ctx = &f,
                              .fork = fork_filling,
                              .join = join_filling};
    enum err e = scan_run(&scan);
    if (e == ERR_OK && !query_take(a->control, s.charged_bytes)) {
        e = ERR_MEMORY;
    }
    if (e == ERR_OK) {
        put_together(&f, rows, &s);
        *ret_scatter = s;
    }
    filling_done(&f);
    return e;
}

void scatter_done(struct scatter *s)
{
    mem_free(s->cells);
    query_give(s->control, s->charged_bytes);
    *s = (struct scatter){0};
}
