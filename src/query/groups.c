// SPDX-License-Identifier: Apache-2.0
// Purpose: services, operations and attribute values: spans counted by group.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "core/mem.h"
#include "core/must.h"
#include "query/aggregate.h"

#define INDEX_SIZE ((size_t)GROUPS_MAX * 4)

static struct groups *groups_new(void)
{
    struct groups *g = mem_new(1, sizeof *g);
    g->index = mem_new(INDEX_SIZE, sizeof *g->index);
    return g;
}

void groups_free(struct groups *g)
{
    if (g == NULL) {
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        mem_free(g->items[i].durations);
    }
    mem_free(g->items);
    mem_free(g->index);
    arena_done(&g->arena);
    mem_free(g);
}

// The group with this key, made when it is new; NULL when there are too many.
static struct group *group_of(struct groups *g, struct str line, struct str name, uint8_t kind,
                              bool with_durations)
{
    uint64_t hash = XXH3_64bits_withSeed(name.p, name.n, str_hash(line) + kind);
    size_t at = hash & (INDEX_SIZE - 1);
    for (; g->index[at] != 0; at = (at + 1) & (INDEX_SIZE - 1)) {
        struct group *found = &g->items[g->index[at] - 1];
        if (found->hash == hash && found->kind == kind && str_eq(found->name, name) &&
            str_eq(found->line, line)) {
            return found;
        }
    }
    ASSERT(g->count <= GROUPS_MAX);
    if (g->count == GROUPS_MAX) {
        return NULL;
    }
    g->items = mem_grow(g->items, &g->capacity, g->count + 1, sizeof *g->items);
    struct group *made = &g->items[g->count++];
    *made = (struct group){.line = arena_str(&g->arena, line),
                           .name = arena_str(&g->arena, name),
                           .kind = kind,
                           .hash = hash};
    made->durations = with_durations ? mem_new(1, sizeof *made->durations) : NULL;
    g->index[at] = (uint32_t)g->count;
    return made;
}

static void count_span(struct groups *g, struct group *group, const struct span *s)
{
    if (group == NULL) {
        ASSERT(g->count == GROUPS_MAX);
        g->left_out++;
        return;
    }
    group->spans++;
    group->errors += s->status == STATUS_ERROR ? 1 : 0;
    group->last_start_ns = s->start_ns > group->last_start_ns ? s->start_ns : group->last_start_ns;
    if (group->durations != NULL) {
        sketch_add(group->durations, s->duration_ns);
    }
}

static int largest_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->spans != y->spans) {
        return x->spans > y->spans ? -1 : 1;
    }
    return str_cmp(x->name, y->name);
}

// Runs a scan that fills groups, which it frees on failure; ends `text`, the filter.
static enum err run(const struct aggregate *a, struct buf *text,
                    bool (*visit)(void *ctx, struct row row), void *ctx, struct groups *g,
                    struct groups **ret_groups)
{
    struct filter *filter;
    ASSERT(g->count == 0 && a->view != NULL);
    enum err e = text->failed ? ERR_LIMIT : filter_parse(buf_str(text), &filter, NULL);
    buf_done(text);
    if (e == ERR_OK) {
        const struct scan scan = {.view = a->view,
                                  .filter = filter,
                                  .from_ns = a->from_ns,
                                  .to_ns = a->to_ns,
                                  .fields = FIELD_DURATION,
                                  .control = a->control,
                                  .visit = visit,
                                  .ctx = ctx};
        e = scan_run(&scan);
        filter_free(filter);
    }
    if (e != ERR_OK) {
        groups_free(g);
        return e;
    }
    if (g->count > 0) {
        qsort(g->items, g->count, sizeof *g->items, largest_first);
    }
    *ret_groups = g;
    return ERR_OK;
}

static bool see_service(void *ctx, struct row row)
{
    struct groups *g = ctx;
    const struct span *s = row_span(row);
    struct str name = batch_str(row.batch, batch_resource(row.batch, s)->service);
    count_span(g, group_of(g, row.batch->line, name, 0, true), s);
    return true;
}

enum err aggregate_services(const struct aggregate *a, struct groups **ret_groups)
{
    struct groups *g = groups_new();
    struct buf text;
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, STR("{}"));
    return run(a, &text, see_service, g, g, ret_groups);
}

struct operations {
    struct groups *g;
    struct str line;
    bool any_line;
};

static bool see_operation(void *ctx, struct row row)
{
    struct operations *o = ctx;
    const struct span *s = row_span(row);
    if (o->any_line || str_eq(row.batch->line, o->line)) {
        struct str name = batch_str(row.batch, s->name);
        count_span(o->g, group_of(o->g, STR(""), name, s->kind, true), s);
    }
    return true;
}

enum err aggregate_operations(const struct aggregate *a, struct str service, struct str line,
                              bool any_line, struct groups **ret_groups)
{
    struct operations o = {groups_new(), line, any_line};
    // Spans without service.name belong to "unknown_service" (model/semconv.h).
    bool unknown = str_eq(service, STR("unknown_service"));
    struct buf text;
    ASSERT(any_line || line.p != NULL);
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, STR("{ resource.service.name = "));
    filter_print_text(service, &text);
    buf_add_str(&text, unknown ? STR(" || resource.service.name = nil }") : STR(" }"));
    return run(a, &text, see_operation, &o, o.g, ret_groups);
}

struct values {
    struct groups *g;
    bool of_resource;
    struct str key, prefix;
};

static bool see_value(void *ctx, struct row row)
{
    struct values *v = ctx;
    const struct batch *b = row.batch;
    const struct span *s = row_span(row);
    struct attr_run run = v->of_resource ? batch_resource(b, s)->attrs : s->attrs;
    const struct attr *found = batch_find_attr(b, run, v->key);
    ASSERT(v->key.n > 0);
    char number[40];
    struct str text;
    if (found == NULL) {
        return true;
    }
    switch (found->type) {
    case ATTR_STRING:
        text = batch_str(b, found->code);
        break;
    case ATTR_INT:
        (void)snprintf(number, sizeof number, "%" PRId64, found->i);
        text = str_of(number);
        break;
    case ATTR_DOUBLE:
        (void)snprintf(number, sizeof number, "%.17g", found->d);
        text = str_of(number);
        break;
    case ATTR_BOOL:
        text = found->i != 0 ? STR("true") : STR("false");
        break;
    default:
        return true;
    }
    if (str_starts(text, v->prefix)) {
        count_span(v->g, group_of(v->g, STR(""), text, 0, false), s);
    }
    return true;
}

enum err aggregate_values(const struct aggregate *a, bool of_resource, struct str key,
                          struct str prefix, struct groups **ret_groups)
{
    struct values v = {groups_new(), of_resource, key, prefix};
    struct buf text;
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, of_resource ? STR("{ resource.") : STR("{ span."));
    filter_print_text(key, &text);
    buf_add_str(&text, STR(" != nil }"));
    return run(a, &text, see_value, &v, v.g, ret_groups);
}
