// SPDX-License-Identifier: Apache-2.0
// Purpose: entries whose services left traces out, and how often these were called in all.
#include <stdlib.h>

#include "core/must.h"
#include "model/calls.h"
#include "query/counted.h"
#include "query/entries.h"

struct counting {
    struct entries *entries;
    struct entry_counted *items;
    size_t count;
};

static int by_entry(const void *a, const void *b)
{
    const struct entry_counted *x = a, *y = b;
    ASSERT(x->entry != NULL && y->entry != NULL);
    return node_cmp(x->entry, y->entry);
}

static enum err on_endpoint(void *ctx, const struct series_found *found)
{
    struct counting *c = ctx;
    const struct node node = {.kind = STR("service"),
                              .line = found->line,
                              .service = series_label(found, CALLS_SERVICE),
                              .name = series_label(found, CALLS_ENDPOINT)};
    const struct entry_counted like = {.entry = &node};
    struct entry_counted *e = NULL;
    if (counted_is(found) && c->count > 0) {
        e = bsearch(&like, c->items, c->count, sizeof like, by_entry);
    }
    for (size_t i = 0; i < found->count && e != NULL; i++) {
        ASSERT(e->sampled);
        e->counted = true;
        e->calls += found->hists[i].count;
    }
    return ERR_OK;
}

// The entries, in the order of the paths, which is that of node_cmp().
static enum err gather(struct counting *c, const struct senders *senders)
{
    struct entries *e = c->entries;
    size_t bytes = (e->count + 1) * sizeof *c->items;
    if (!query_need(e->control, bytes)) {
        return ERR_MEMORY;
    }
    e->charged_bytes += bytes;
    c->items = arena_new(&e->arena, e->count + 1, sizeof *c->items);
    for (size_t i = 0; i < e->count; i++) {
        const struct node *entry = &e->paths[i].entry;
        const struct entry_counted *last = c->count > 0 ? &c->items[c->count - 1] : NULL;
        ASSERT(last == NULL || node_cmp(last->entry, entry) <= 0);
        if (last == NULL || node_cmp(last->entry, entry) != 0) {
            c->items[c->count++] = (struct entry_counted){
                .entry = entry,
                .sampled = senders_has_sampled(senders, entry->line, entry->service)};
        }
    }
    return ERR_OK;
}

static enum err ask(struct counting *c, struct series_store *store)
{
    struct entries *e = c->entries;
    bool any;
    const struct counted_query q = {.store = store,
                                    .any_line = true,
                                    .service = STR_NONE,
                                    .endpoint = STR_NONE,
                                    .instance = STR_NONE,
                                    .from_ms = e->from_ms,
                                    .to_ms = e->to_ms,
                                    .step_ms = senders_step_ms(e->from_ms, e->to_ms),
                                    .is_sum = true,
                                    .control = e->control};
    ASSERT(c->count > 0);
    return counted_run(&q, on_endpoint, c, &e->damaged_parts, &any);
}

enum err entries_counted(struct entries *e, struct series_store *store,
                         struct entry_counted **ret_items, size_t *ret_count)
{
    struct counting c = {.entries = e};
    struct senders senders;
    enum err err =
        senders_of_range(&senders, store, e->from_ms, e->to_ms, e->control, &e->damaged_parts);
    err = err == ERR_OK ? gather(&c, &senders) : err;
    if (err == ERR_OK && c.count > 0 && senders_sample(&senders)) {
        err = ask(&c, store);
    }
    senders_done(&senders);
    if (err == ERR_OK) {
        ASSERT(c.items != NULL);
        *ret_items = c.items;
        *ret_count = c.count;
    }
    return err;
}
