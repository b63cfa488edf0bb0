// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the rows of a trace, or of many, in hot batches and parts.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "query/trace.h"

struct rows {
    struct row *items;
    size_t count, capacity;
};

static void add_row(struct rows *r, const struct batch *b, size_t index)
{
    ASSERT(b->sealed && index < b->span_count);
    r->items = mem_grow(r->items, &r->capacity, r->count + 1, sizeof *r->items);
    r->items[r->count++] = (struct row){b, (uint32_t)index};
}

// Heap bytes of putting a span together, everything at once: the spans in both orders while the
// first array doubles, index, marks, stacks, the critical path.
#define ASSEMBLY_SPAN_BYTES (4 * sizeof(struct trace_span) + 128)

// The earliest rows of a trace that is too large, and where they lie: in parts, by their place in
// the view, or in hot batches (HOT).
struct early {
    uint64_t start_ns;
    size_t place;
};
#define HOT SIZE_MAX

struct cut {
    struct early *rows; // in order
    size_t count;
    size_t total;  // rows that the view has
    size_t *first; // of each part so many
    size_t hot;    // and so many of hot batches
    uint64_t hot_last_ns;
    size_t hot_last; // of them start then
};

// One trace while it is loaded. What the meter gave for it is in `charged`.
struct load {
    struct mem_source source; // asked before each page that is read: the meter, while it may go on
    const struct store_view *view;
    trace_id id;
    enum trace_detail detail;
    struct query_control *control; // may be NULL
    struct meter *meter;           // of the control; may be NULL
    size_t charged;
    bool stopped; // the query must end: parts that were not read may have more
    bool alone;   // then what was found is the answer
    size_t rows_max;
    const struct cut *cut; // what of it is wanted; NULL: all
    struct rows rows;
    struct batch **batches; // from parts, by reference
    size_t *places;         // of those parts in the view
    size_t batch_count;
    size_t damaged_parts; // that may have had more, and the first by number
    uint64_t damaged_part[TRACE_DAMAGED_MAX];
};

static bool take_if_it_may_go_on(struct mem_source *source, size_t bytes)
{
    struct load *l = (struct load *)((char *)source - offsetof(struct load, source));
    ASSERT(l->view != NULL);
    l->stopped = l->stopped || query_must_end(l->control);
    return !l->stopped && (l->meter == NULL || meter_take(l->meter, bytes));
}

static void give_back(struct mem_source *source, size_t bytes)
{
    struct load *l = (struct load *)((char *)source - offsetof(struct load, source));
    ASSERT(l->view != NULL);
    if (l->meter != NULL) {
        meter_give(l->meter, bytes);
    }
}

static struct load load_of(const struct store_view *view, trace_id id, enum trace_detail detail,
                           struct query_control *control)
{
    ASSERT(view != NULL && detail <= TRACE_WHOLE);
    return (struct load){.source = {take_if_it_may_go_on, give_back},
                         .view = view,
                         .id = id,
                         .detail = detail,
                         .rows_max = SIZE_MAX,
                         .control = control,
                         .meter = control != NULL ? control->meter : NULL};
}

static void note_damage(struct load *l, const struct part *p)
{
    ASSERT(p != NULL);
    if (l->damaged_parts < TRACE_DAMAGED_MAX) {
        l->damaged_part[l->damaged_parts] = part_number(p);
    }
    l->damaged_parts++;
}

static enum err add_parts(struct load *l)
{
    bool whole = l->detail == TRACE_WHOLE;
    struct trace_request request = {
        .fields = whole ? FIELD_ALL : FIELD_START | FIELD_DURATION | FIELD_ID | FIELD_PARENT,
        .attributes = whole,
        .first = SIZE_MAX,
        .source = &l->source};
    enum err e = ERR_OK;
    ASSERT(l->batches == NULL);
    l->batches = mem_new(l->view->part_count, sizeof(struct batch *));
    l->places = mem_new(l->view->part_count, sizeof *l->places);
    for (size_t i = 0; i < l->view->part_count && e == ERR_OK; i++) {
        struct batch *b;
        if (l->cut != NULL && l->cut->first[i] == 0) {
            continue;
        }
        l->stopped = l->stopped || query_must_end(l->control);
        request.rows_max = l->cut != NULL ? SIZE_MAX : l->rows_max - l->rows.count;
        request.first = l->cut != NULL ? l->cut->first[i] : SIZE_MAX;
        e = l->stopped ? ERR_CANCELLED : part_find_trace(l->view->parts[i], l->id, &request, &b);
        if (e == ERR_OK) {
            l->charged += l->meter != NULL ? batch_bytes(b) : 0;
            l->places[l->batch_count] = i;
            l->batches[l->batch_count++] = b;
            for (size_t k = 0; k < b->span_count; k++) {
                add_row(&l->rows, b, k);
            }
        } else if (e == ERR_CORRUPT) {
            note_damage(l, l->view->parts[i]);
            e = ERR_OK;
        } else if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
        }
    }
    return l->stopped ? ERR_CANCELLED : e;
}

// ERR_LIMIT where there are more than the load may have.
static enum err add_hot(struct load *l)
{
    ASSERT(l->rows.count == 0);
    for (size_t i = 0; i < l->view->hot_count; i++) {
        const struct batch *b = l->view->hot[i];
        for (size_t k = 0; k < b->span_count; k++) {
            if (trace_id_cmp(&b->spans[k].trace, &l->id) != 0) {
                continue;
            }
            if (l->rows.count == l->rows_max) {
                return ERR_LIMIT;
            }
            add_row(&l->rows, b, k);
        }
    }
    return ERR_OK;
}

static void note_places(const struct load *l, struct trace *t)
{
    ASSERT(t->part_batch == NULL);
    t->part_batch_count = l->batch_count;
    t->part_batch = arena_alloc(&t->arena, (l->batch_count + 1) * sizeof(struct batch *));
    t->part_place = arena_new(&t->arena, l->batch_count + 1, sizeof *t->part_place);
    for (size_t i = 0; i < l->batch_count; i++) {
        t->part_batch[i] = l->batches[i];
        t->part_place[i] = l->places[i];
    }
}

static enum err assemble(struct load *l, struct trace **ret_trace)
{
    size_t rows = l->rows.count < TRACE_SPANS_MAX ? l->rows.count : TRACE_SPANS_MAX;
    size_t bytes = l->meter != NULL ? rows * ASSEMBLY_SPAN_BYTES : 0;
    ASSERT(rows > 0);
    if (l->meter != NULL && !meter_take(l->meter, bytes)) {
        return ERR_MEMORY;
    }
    l->charged += bytes;
    struct trace *t = trace_assemble(l->id, l->rows.items, l->rows.count);
    if (l->meter != NULL && bytes > t->arena.held_bytes) { // the scratch is gone
        l->charged -= bytes - t->arena.held_bytes;
        meter_give(l->meter, bytes - t->arena.held_bytes);
    }
    t->meter = l->meter;
    t->charged_bytes = l->charged;
    t->damaged_parts = l->damaged_parts;
    t->is_partial = store_view_fate(l->view, l->id) == TRACE_IS_PARTIAL;
    memcpy(t->damaged_part, l->damaged_part, sizeof t->damaged_part);
    t->left_out += l->cut != NULL ? l->cut->total - l->rows.count : 0;
    note_places(l, t);
    *ret_trace = t;
    return ERR_OK;
}

static void load_done(struct load *l)
{
    for (size_t i = 0; i < l->batch_count; i++) {
        batch_unref(l->batches[i]);
    }
    ASSERT(l->rows.count <= l->rows.capacity);
    mem_free(l->batches);
    mem_free(l->places);
    mem_free(l->rows.items);
}

// Adds the rows that parts have to the hot ones, puts the trace together and ends the load.
static enum err load(struct load *l, struct trace **ret_trace)
{
    bool is_gone = store_view_fate(l->view, l->id) == TRACE_IS_LEFT_OUT;
    enum err e = is_gone ? ERR_LEFT_OUT : add_parts(l);
    if (l->stopped && l->alone && l->rows.count > 0 && !atomic_load(&l->control->cancelled)) {
        atomic_store(&l->control->cut_short, true);
        e = ERR_OK;
    }
    if (e == ERR_OK && l->rows.count == 0) {
        e = l->damaged_parts > 0 ? ERR_CORRUPT : ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        e = assemble(l, ret_trace);
    }
    if (e != ERR_OK && l->meter != NULL) {
        meter_give(l->meter, l->charged);
    }
    load_done(l);
    return e;
}

enum err trace_each_row(const struct store_view *view, trace_id id, size_t rows_max,
                        struct meter *meter,
                        void (*each)(void *ctx, const struct row *rows, size_t count), void *ctx)
{
    struct load l = load_of(view, id, TRACE_WHOLE, NULL);
    ASSERT(each != NULL);
    l.rows_max = rows_max;
    l.meter = meter;
    if (store_view_fate(view, id) == TRACE_IS_LEFT_OUT) {
        return ERR_LEFT_OUT;
    }
    enum err e = add_hot(&l);
    e = e == ERR_OK ? add_parts(&l) : e;
    if (e == ERR_OK && (l.rows.count == 0 || l.damaged_parts > 0)) {
        e = l.damaged_parts > 0 ? ERR_CORRUPT : ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        each(ctx, l.rows.items, l.rows.count);
    }
    load_done(&l);
    if (meter != NULL) {
        meter_give(meter, l.charged);
    }
    return e;
}

enum err trace_load(const struct store_view *view, trace_id id, enum trace_detail detail,
                    struct query_control *control, struct trace **ret_trace)
{
    struct load l = load_of(view, id, detail, control);
    ASSERT(ret_trace != NULL);
    l.alone = true;
    enum err e = add_hot(&l);
    MUST(e == ERR_OK); // there is no limit
    return load(&l, ret_trace);
}

// ---- One that is too large ----------------------------------------------------------------------

bool trace_memory_is_elsewhere(const struct query_control *control)
{
    struct meter *meter = control != NULL ? control->meter : NULL;
    if (meter == NULL) {
        return false;
    }
    size_t used = atomic_load(&meter->budget->used[ACCOUNT_QUERY]);
    size_t own = atomic_load(&meter->held_bytes);
    ASSERT(meter->account == ACCOUNT_QUERY);
    return used > own && used - own > meter->budget->query_bytes / 2;
}

static int by_early(const void *a, const void *b)
{
    const struct early *x = a, *y = b;
    if (x->start_ns != y->start_ns) {
        return x->start_ns < y->start_ns ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

// Keeps the earliest `most`.
static void keep_earliest(struct cut *c, size_t most)
{
    ASSERT(c->count <= 2 * most);
    sort_array(c->rows, c->count, sizeof *c->rows, by_early);
    c->count = c->count < most ? c->count : most;
}

// `rows` has room for twice `most`.
static void offer(struct cut *c, size_t most, uint64_t start_ns, size_t place)
{
    ASSERT(most > 0);
    if (c->count == 2 * most) {
        keep_earliest(c, most);
    }
    c->rows[c->count++] = (struct early){start_ns, place};
}

static void offer_hot(struct cut *c, const struct load *l, size_t most)
{
    ASSERT(c->total == 0);
    for (size_t i = 0; i < l->rows.count; i++) {
        offer(c, most, row_span(l->rows.items[i])->start_ns, HOT);
    }
    c->total = l->rows.count;
}

static enum err offer_parts(struct cut *c, struct load *l, size_t most)
{
    enum err e = ERR_OK;
    uint64_t *starts = mem_new(most, sizeof *starts);
    ASSERT(most > 0);
    for (size_t i = 0; i < l->view->part_count && e == ERR_OK; i++) {
        size_t rows = 0;
        e = query_must_end(l->control)
                ? ERR_CANCELLED
                : part_trace_starts(l->view->parts[i], l->id, most, starts, &rows);
        for (size_t k = 0; e == ERR_OK && k < rows && k < most; k++) {
            offer(c, most, starts[k], i);
        }
        c->total += e == ERR_OK ? rows : 0;
        if (e == ERR_CORRUPT) {
            note_damage(l, l->view->parts[i]);
        }
        e = e == ERR_NOT_FOUND || e == ERR_CORRUPT ? ERR_OK : e;
    }
    mem_free(starts);
    return e;
}

// How many of the earliest `count` lie where.
static void share_out(struct cut *c, const struct store_view *view, size_t count)
{
    ASSERT(count > 0 && count <= c->count);
    c->count = count;
    c->hot = c->hot_last = 0;
    memset(c->first, 0, (view->part_count + 1) * sizeof *c->first);
    for (size_t i = 0; i < count; i++) {
        if (c->rows[i].place != HOT) {
            c->first[c->rows[i].place]++;
            continue;
        }
        c->hot_last = c->hot > 0 && c->rows[i].start_ns == c->hot_last_ns ? c->hot_last + 1 : 1;
        c->hot_last_ns = c->rows[i].start_ns;
        c->hot++;
    }
}

// Of all hot rows of the trace those that are wanted.
static void drop_late_hot(struct load *l)
{
    const struct cut *c = l->cut;
    size_t kept = 0, last = 0;
    for (size_t i = 0; i < l->rows.count && c->hot > 0; i++) {
        uint64_t start = row_span(l->rows.items[i])->start_ns;
        if (start < c->hot_last_ns || (start == c->hot_last_ns && last++ < c->hot_last)) {
            l->rows.items[kept++] = l->rows.items[i];
        }
    }
    ASSERT(kept == c->hot);
    l->rows.count = kept;
}

static enum err load_early(struct cut *c, const struct load *l, struct trace **ret_trace)
{
    enum err e = ERR_MEMORY;
    ASSERT(c->count > 0);
    for (size_t count = c->count; count > 0 && e == ERR_MEMORY; count /= 2) {
        struct load one = load_of(l->view, l->id, l->detail, l->control);
        share_out(c, l->view, count);
        one.alone = true;
        one.cut = c;
        one.damaged_parts = l->damaged_parts;
        memcpy(one.damaged_part, l->damaged_part, sizeof one.damaged_part);
        enum err hot = add_hot(&one);
        MUST(hot == ERR_OK); // there is no limit
        drop_late_hot(&one);
        e = load(&one, ret_trace);
        if (trace_memory_is_elsewhere(l->control)) {
            break;
        }
    }
    return e;
}

// Rows that can be put together at most, whatever is in memory.
static size_t rows_at_most(const struct load *l, size_t rows_max)
{
    size_t most = l->meter != NULL ? l->meter->budget->query_bytes_max / ASSEMBLY_SPAN_BYTES
                                   : TRACE_SPANS_MAX;
    ASSERT(rows_max > 0);
    most = most < rows_max ? most : rows_max;
    return most > 0 ? most : 1;
}

// `l` says what is wanted; its rows are the hot ones.
static enum err load_cut(struct load *l, size_t rows_max, struct trace **ret_trace)
{
    struct cut c = {0};
    size_t most = rows_at_most(l, rows_max);
    size_t bytes = most * (2 * sizeof *c.rows + sizeof(uint64_t));
    ASSERT(l->cut == NULL);
    if (l->meter != NULL && !meter_take(l->meter, bytes)) {
        return ERR_MEMORY;
    }
    c.rows = mem_new(2 * most, sizeof *c.rows);
    c.first = mem_new(l->view->part_count + 1, sizeof *c.first);
    offer_hot(&c, l, most);
    enum err e = offer_parts(&c, l, most);
    keep_earliest(&c, most);
    if (e == ERR_OK) {
        e = c.count > 0            ? load_early(&c, l, ret_trace)
            : l->damaged_parts > 0 ? ERR_CORRUPT
                                   : ERR_NOT_FOUND;
    }
    mem_free(c.rows);
    mem_free(c.first);
    if (l->meter != NULL) {
        meter_give(l->meter, bytes);
    }
    return e;
}

enum err trace_load_some(const struct store_view *view, trace_id id, enum trace_detail detail,
                         size_t rows_max, struct query_control *control, struct trace **ret_trace)
{
    struct load l = load_of(view, id, detail, control);
    ASSERT(ret_trace != NULL && rows_max > 0 && rows_max <= TRACE_SPANS_MAX);
    l.alone = true;
    l.rows_max = rows_max;
    enum err e = add_hot(&l);
    if (e == ERR_OK) {
        e = load(&l, ret_trace);
    } else {
        load_done(&l);
    }
    if ((e != ERR_LIMIT && e != ERR_MEMORY) ||
        (e == ERR_MEMORY && trace_memory_is_elsewhere(control))) {
        return e;
    }
    struct load again = load_of(view, id, detail, control);
    e = add_hot(&again);
    MUST(e == ERR_OK); // there is no limit
    e = load_cut(&again, rows_max, ret_trace);
    load_done(&again);
    return e;
}

static bool is_hot(const struct store_view *view, const struct batch *b)
{
    ASSERT(b != NULL);
    for (size_t i = 0; i < view->hot_count; i++) {
        if (view->hot[i] == b) {
            return true;
        }
    }
    return false;
}

enum err trace_whole_row(const struct store_view *view, const struct trace *t, uint32_t span,
                         struct query_control *control, struct row *ret_row,
                         struct batch **ret_batch)
{
    struct row row = t->spans[span].row;
    struct load l = load_of(view, t->id, TRACE_WHOLE, control);
    const struct trace_request request = {.fields = FIELD_ALL,
                                          .attributes = true,
                                          .rows_max = SIZE_MAX,
                                          .skip = row.index,
                                          .first = 1,
                                          .source = &l.source};
    ASSERT(span < t->count);
    if (is_hot(view, row.batch)) {
        *ret_row = row;
        *ret_batch = NULL;
        return ERR_OK;
    }
    size_t i = 0;
    while (i < t->part_batch_count && t->part_batch[i] != row.batch) {
        i++;
    }
    MUST(i < t->part_batch_count && t->part_place[i] < view->part_count);
    enum err e = part_find_trace(view->parts[t->part_place[i]], t->id, &request, ret_batch);
    if (e == ERR_OK) {
        *ret_row = (struct row){*ret_batch, 0};
    }
    return e;
}

// ---- Many ---------------------------------------------------------------------------------------

struct trace_list {
    const struct store_view *view;
    const trace_id *ids;
    size_t count;
    struct rows *hot; // by trace
    uint32_t *index;  // open addressing by ID: trace + 1
    size_t index_size;
};

static size_t slot_of(const struct trace_list *l, trace_id id)
{
    ASSERT(l->index_size > l->count);
    size_t at = (size_t)trace_id_hash(id) & (l->index_size - 1);
    while (l->index[at] != 0 && trace_id_cmp(&l->ids[l->index[at] - 1], &id) != 0) {
        at = (at + 1) & (l->index_size - 1);
    }
    return at;
}

struct trace_list *trace_list_new(const struct store_view *view, const trace_id *ids, size_t count)
{
    struct trace_list *l = mem_new(1, sizeof *l);
    ASSERT(view != NULL && count < UINT32_MAX);
    l->view = view;
    l->ids = ids;
    l->count = count;
    l->hot = mem_new(count, sizeof *l->hot);
    for (l->index_size = 16; l->index_size < count * 4;) {
        l->index_size *= 2;
    }
    l->index = mem_new(l->index_size, sizeof *l->index);
    for (size_t i = 0; i < count; i++) {
        l->index[slot_of(l, ids[i])] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < view->hot_count && count > 0; i++) {
        const struct batch *b = view->hot[i];
        for (size_t k = 0; k < b->span_count; k++) {
            uint32_t found = l->index[slot_of(l, b->spans[k].trace)];
            if (found > 0) {
                add_row(&l->hot[found - 1], b, k);
            }
        }
    }
    return l;
}

void trace_list_free(struct trace_list *l)
{
    if (l == NULL) {
        return;
    }
    ASSERT(l->hot != NULL);
    for (size_t i = 0; i < l->count; i++) {
        mem_free(l->hot[i].items);
    }
    mem_free(l->hot);
    mem_free(l->index);
    mem_free(l);
}

struct list_load {
    struct trace_list *l;
    size_t first, count;
    enum trace_detail detail;
    struct query_control *control;
    struct trace **traces;
    bool *is_short; // there was no memory for it, beside the others
    atomic_size_t next;
    atomic_int error;
};

static void note_error(struct list_load *run, enum err e)
{
    int none = ERR_OK;
    ASSERT(run->count > 0);
    if (e != ERR_OK && e != ERR_LEFT_OUT && !scan_passes_over(run->control, e)) {
        (void)atomic_compare_exchange_strong(&run->error, &none, (int)e);
    }
}

// Loads one after the other, on one thread.
static void work(void *ctx, size_t who)
{
    struct list_load *run = ctx;
    struct trace_list *l = run->l;
    ASSERT(who <= CREW_HELPERS_MAX);
    while (atomic_load(&run->error) == ERR_OK) {
        size_t i = atomic_fetch_add(&run->next, 1);
        if (i >= run->count) {
            break;
        }
        size_t at = run->first + i;
        struct load one = load_of(l->view, l->ids[at], run->detail, run->control);
        one.rows = l->hot[at];
        l->hot[at] = (struct rows){0};
        enum err e = load(&one, &run->traces[i]);
        run->is_short[i] = e == ERR_MEMORY;
        note_error(run, e == ERR_MEMORY ? ERR_OK : e);
    }
}

// Once no other is being loaded: a large trace may have taken the memory of small ones beside it.
static void work_again(struct list_load *run)
{
    const struct trace_list *l = run->l;
    ASSERT(run->first + run->count <= l->count);
    for (size_t i = 0; i < run->count && atomic_load(&run->error) == ERR_OK; i++) {
        if (!run->is_short[i]) {
            continue;
        }
        struct load one = load_of(l->view, l->ids[run->first + i], run->detail, run->control);
        enum err e = add_hot(&one);
        MUST(e == ERR_OK); // there is no limit
        e = load(&one, &run->traces[i]);
        if (e == ERR_MEMORY) { // of a meter, which a control has
            atomic_store(&run->control->left_for_memory, true);
            e = ERR_OK;
        }
        note_error(run, e);
    }
}

enum err trace_list_load(struct trace_list *l, size_t first, size_t count, enum trace_detail detail,
                         struct query_control *control, struct trace **ret_traces)
{
    struct list_load run = {.l = l,
                            .first = first,
                            .count = count,
                            .detail = detail,
                            .control = control,
                            .traces = ret_traces,
                            .is_short = mem_new(count, sizeof *run.is_short)};
    MUST(first <= l->count && count <= l->count - first);
    for (size_t i = 0; i < count; i++) {
        ret_traces[i] = NULL;
    }
    size_t most = count > 1 ? count - 1 : 0;
    crew_run(control != NULL ? control->crew : NULL,
             most < CREW_HELPERS_MAX ? most : CREW_HELPERS_MAX, work, &run);
    work_again(&run);
    mem_free(run.is_short);
    enum err e = (enum err)atomic_load(&run.error);
    if (e == ERR_CANCELLED && !atomic_load(&control->cancelled)) {
        atomic_store(&control->cut_short, true);
        e = ERR_OK;
    }
    for (size_t i = 0; i < count && e != ERR_OK; i++) {
        trace_free(ret_traces[i]);
        ret_traces[i] = NULL;
    }
    return e;
}
