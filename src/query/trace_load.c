// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the rows of a trace in hot batches and parts.
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "query/trace.h"

struct batch_list {
    struct batch **items;
    size_t count, capacity;
};

static void list_add(struct batch_list *l, struct batch *b)
{
    ASSERT(b->sealed);
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof(struct batch *));
    l->items[l->count++] = b;
}

static bool has_trace(const struct batch *b, trace_id id)
{
    for (size_t i = 0; i < b->span_count; i++) {
        if (trace_id_cmp(&b->spans[i].trace, &id) == 0) {
            return true;
        }
    }
    return false;
}

// Heap bytes of putting a span together, everything at once: the spans in both orders while the
// first array doubles, index, marks, stacks, the critical path.
#define ASSEMBLY_SPAN_BYTES (4 * sizeof(struct trace_span) + 128)

static size_t count_rows(const struct batch_list *l, trace_id id)
{
    size_t rows = 0;
    ASSERT(l->count == 0 || l->items != NULL);
    for (size_t i = 0; i < l->count; i++) {
        for (size_t k = 0; k < l->items[i]->span_count; k++) {
            rows += trace_id_cmp(&l->items[i]->spans[k].trace, &id) == 0;
        }
    }
    return rows < TRACE_SPANS_MAX ? rows : TRACE_SPANS_MAX;
}

// Damaged parts on the way.
struct damage {
    size_t count;
    uint64_t part[TRACE_DAMAGED_MAX];
};

static void note_damage(struct damage *d, const struct part *p)
{
    ASSERT(p != NULL);
    if (d->count < TRACE_DAMAGED_MAX) {
        d->part[d->count] = part_number(p);
    }
    d->count++;
}

// Adds the rows of the parts; *charged grows by what was taken for them.
static enum err find_in_parts(const struct store_view *view, trace_id id, enum trace_detail detail,
                              struct meter *meter, struct batch_list *l, struct damage *d,
                              size_t *charged)
{
    bool whole = detail == TRACE_WHOLE;
    unsigned fields = whole ? FIELD_ALL : FIELD_START | FIELD_DURATION | FIELD_ID | FIELD_PARENT;
    struct mem_source *source = meter != NULL ? &meter->source : NULL;
    enum err e = ERR_OK;
    ASSERT(detail <= TRACE_WHOLE);
    for (size_t i = 0; i < view->part_count && e == ERR_OK; i++) {
        struct batch *b;
        e = part_find_trace_from(view->parts[i], id, fields, whole, source, &b);
        if (e == ERR_OK) {
            list_add(l, b);
            *charged += source != NULL ? batch_bytes(b) : 0;
        } else if (e == ERR_CORRUPT) {
            note_damage(d, view->parts[i]);
            e = ERR_OK;
        } else if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
        }
    }
    return e;
}

static enum err assemble(trace_id id, const struct batch_list *l, struct meter *meter,
                         size_t *charged, struct trace **ret_trace)
{
    size_t bytes = meter != NULL ? count_rows(l, id) * ASSEMBLY_SPAN_BYTES : 0;
    ASSERT(l->count > 0);
    if (meter != NULL && !meter_take(meter, bytes)) {
        return ERR_MEMORY;
    }
    *charged += bytes;
    struct trace *t = trace_assemble(id, l->items, l->count);
    if (meter != NULL && bytes > t->arena.held_bytes) { // the scratch is gone
        *charged -= bytes - t->arena.held_bytes;
        meter_give(meter, bytes - t->arena.held_bytes);
    }
    t->meter = meter;
    t->charged_bytes = *charged;
    *ret_trace = t;
    return ERR_OK;
}

enum err trace_load(const struct store_view *view, trace_id id, enum trace_detail detail,
                    struct meter *meter, struct trace **ret_trace)
{
    struct batch_list l = {0};
    struct damage d = {0};
    size_t charged = 0;
    ASSERT(view != NULL && ret_trace != NULL);
    for (size_t i = 0; i < view->hot_count; i++) {
        if (has_trace(view->hot[i], id)) {
            list_add(&l, batch_ref(view->hot[i]));
        }
    }
    enum err e = find_in_parts(view, id, detail, meter, &l, &d, &charged);
    if (e == ERR_OK && l.count == 0) {
        e = d.count > 0 ? ERR_CORRUPT : ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        e = assemble(id, &l, meter, &charged, ret_trace);
    }
    if (e == ERR_OK) {
        (*ret_trace)->damaged_parts = d.count;
        memcpy((*ret_trace)->damaged_part, d.part, sizeof d.part);
    }
    if (e != ERR_OK && meter != NULL) {
        meter_give(meter, charged);
    }
    for (size_t i = 0; i < l.count; i++) {
        batch_unref(l.items[i]);
    }
    mem_free(l.items);
    return e;
}
