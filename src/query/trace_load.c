// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the rows of a trace, or of many, in hot batches and parts.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
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
    struct rows rows;
    struct batch **batches; // from parts, by reference
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
    unsigned fields = whole ? FIELD_ALL : FIELD_START | FIELD_DURATION | FIELD_ID | FIELD_PARENT;
    enum err e = ERR_OK;
    ASSERT(l->batches == NULL);
    l->batches = mem_new(l->view->part_count, sizeof(struct batch *));
    for (size_t i = 0; i < l->view->part_count && e == ERR_OK; i++) {
        struct batch *b;
        l->stopped = l->stopped || query_must_end(l->control);
        e = l->stopped ? ERR_CANCELLED
                       : part_find_trace(l->view->parts[i], l->id, l->rows_max - l->rows.count,
                                         fields, whole, &l->source, &b);
        if (e == ERR_OK) {
            l->charged += l->meter != NULL ? batch_bytes(b) : 0;
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
