// SPDX-License-Identifier: Apache-2.0
// Purpose: finding the rows of a trace in hot batches and parts.
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

enum err trace_load(const struct store_view *view, trace_id id, enum trace_detail detail,
                    struct trace **ret_trace)
{
    bool whole = detail == TRACE_WHOLE;
    unsigned fields = whole ? FIELD_ALL : FIELD_START | FIELD_DURATION | FIELD_ID | FIELD_PARENT;
    struct batch_list l = {0};
    enum err e = ERR_OK;
    ASSERT(view != NULL && ret_trace != NULL);
    for (size_t i = 0; i < view->hot_count; i++) {
        if (has_trace(view->hot[i], id)) {
            list_add(&l, batch_ref(view->hot[i]));
        }
    }
    for (size_t i = 0; i < view->part_count && e == ERR_OK; i++) {
        struct batch *b;
        e = part_find_trace(view->parts[i], id, fields, whole, &b);
        if (e == ERR_OK) {
            list_add(&l, b);
        } else if (e == ERR_NOT_FOUND) {
            e = ERR_OK;
        }
    }
    if (e == ERR_OK && l.count == 0) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        *ret_trace = trace_assemble(id, l.items, l.count);
    }
    for (size_t i = 0; i < l.count; i++) {
        batch_unref(l.items[i]);
    }
    mem_free(l.items);
    return e;
}
