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

static enum err load_parts(const struct store_view *view, trace_id id, bool whole,
                           struct batch_list *l, struct damage *d)
{
    unsigned fields = whole ? FIELD_ALL : FIELD_START | FIELD_DURATION | FIELD_ID | FIELD_PARENT;
    ASSERT(d->count == 0);
    for (size_t i = 0; i < view->part_count; i++) {
        struct batch *b;
        enum err e = part_find_trace(view->parts[i], id, fields, whole, &b);
        if (e == ERR_OK) {
            list_add(l, b);
        } else if (e == ERR_CORRUPT) {
            note_damage(d, view->parts[i]);
        } else if (e != ERR_NOT_FOUND) {
            return e;
        }
    }
    return ERR_OK;
}

enum err trace_load(const struct store_view *view, trace_id id, enum trace_detail detail,
                    struct trace **ret_trace)
{
    struct batch_list l = {0};
    struct damage d = {0};
    ASSERT(view != NULL && ret_trace != NULL);
    for (size_t i = 0; i < view->hot_count; i++) {
        if (has_trace(view->hot[i], id)) {
            list_add(&l, batch_ref(view->hot[i]));
        }
    }
    enum err e = load_parts(view, id, detail == TRACE_WHOLE, &l, &d);
    if (e == ERR_OK && l.count == 0) {
        e = d.count > 0 ? ERR_CORRUPT : ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        struct trace *t = trace_assemble(id, l.items, l.count);
        t->damaged_parts = d.count;
        memcpy(t->damaged_part, d.part, sizeof d.part);
        *ret_trace = t;
    }
    for (size_t i = 0; i < l.count; i++) {
        batch_unref(l.items[i]);
    }
    mem_free(l.items);
    return e;
}
