// SPDX-License-Identifier: Apache-2.0
// Purpose: services, operations and attribute values: spans counted by group.
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "query/aggregate.h"

// NULL where there is no memory for it.
static struct groups *groups_new(struct query_control *control, size_t max, bool with_durations)
{
    size_t index_size = max * 4, bytes = sizeof(struct groups) + index_size * sizeof(uint32_t);
    ASSERT(max > 0 && (max & (max - 1)) == 0);
    if (!query_take(control, bytes)) {
        return NULL;
    }
    struct groups *g = mem_new(1, sizeof *g);
    g->control = control;
    g->charged_bytes = bytes;
    g->max = max;
    g->with_durations = with_durations;
    g->index_size = index_size;
    g->index = mem_new(g->index_size, sizeof *g->index);
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
    query_give(g->control, g->charged_bytes);
    mem_free(g);
}

static bool is_half_used(const struct query_control *control, size_t bytes)
{
    if (control == NULL || control->meter == NULL) {
        return false;
    }
    size_t held = atomic_load(&control->meter->held_bytes);
    ASSERT(control->meter->budget != NULL);
    return held + bytes > control->meter->budget->query_bytes_max / 2;
}

// Takes what one more group with so many bytes of text will make the tables grow by.
static bool take_group(struct groups *g, size_t text_bytes)
{
    size_t bytes = arena_growth(&g->arena, text_bytes);
    ASSERT(g->count < g->max);
    bytes += g->with_durations ? sizeof(struct sketch) : 0;
    if (g->count == g->capacity) { // mem_grow() doubles
        bytes += (g->capacity < 16 ? 16 : g->capacity) * sizeof *g->items;
    }
    if (g->count < GROUPS_NEEDED) {
        if (!query_need(g->control, bytes)) {
            return false;
        }
    } else if (is_half_used(g->control, bytes) || !query_take(g->control, bytes)) {
        atomic_store(&g->control->left_for_memory, true); // a control that refuses is one
        return false;
    }
    g->charged_bytes += bytes;
    return true;
}

// Both texts in one piece of the arena, whose growth is then known.
static void name_group(struct groups *g, struct group *made, struct str line, struct str name)
{
    char *text = arena_alloc(&g->arena, line.n + name.n + 1);
    ASSERT(line.n == 0 || line.p != NULL);
    made->line = (struct str){text, line.n};
    made->name = (struct str){text + line.n, name.n};
    memcpy(text, line.p != NULL ? line.p : "", line.n);
    memcpy(text + line.n, name.p != NULL ? name.p : "", name.n);
    text[line.n + name.n] = 0;
}

// The group with this key, made when it is new; NULL when there are too many, or no memory.
static struct group *group_of(struct groups *g, struct str line, struct str name, uint8_t kind)
{
    uint64_t hash = XXH3_64bits_withSeed(name.p, name.n, str_hash(line) + kind);
    size_t at = hash & (g->index_size - 1);
    for (; g->index[at] != 0; at = (at + 1) & (g->index_size - 1)) {
        struct group *found = &g->items[g->index[at] - 1];
        if (found->hash == hash && found->kind == kind && str_eq(found->name, name) &&
            str_eq(found->line, line)) {
            return found;
        }
    }
    ASSERT(g->count <= g->max);
    if (g->count == g->max || g->arena.held_bytes + name.n > VALUES_BYTES_MAX ||
        !take_group(g, line.n + name.n + 1)) {
        return NULL;
    }
    g->items = mem_grow(g->items, &g->capacity, g->count + 1, sizeof *g->items);
    struct group *made = &g->items[g->count++];
    *made = (struct group){.kind = kind, .hash = hash};
    name_group(g, made, line, name);
    made->durations = g->with_durations ? mem_new(1, sizeof *made->durations) : NULL;
    g->index[at] = (uint32_t)g->count;
    return made;
}

static void count_row(struct groups *g, struct group *group, const struct scan_row *r)
{
    if (group == NULL) {
        g->left_out++;
        return;
    }
    ASSERT(group >= g->items && group < g->items + g->count);
    group->spans++;
    group->errors += r->status == STATUS_ERROR ? 1 : 0;
    group->last_start_ns = r->start_ns > group->last_start_ns ? r->start_ns : group->last_start_ns;
    if (group->durations != NULL) {
        sketch_add(group->durations, r->duration_ns);
    }
}

// Counts a row in the group of (line, name, kind), which the row's note remembers.
static void count_noted(struct groups *g, const struct scan_row *r, struct str line,
                        struct str name, uint8_t kind)
{
    struct group *group = NULL;
    if (r->note != NULL && *r->note > 0) {
        ASSERT(*r->note <= g->count);
        group = &g->items[*r->note - 1];
    } else {
        group = group_of(g, line, name, kind);
    }
    if (r->note != NULL && group != NULL) {
        *r->note = (uint32_t)(group - g->items) + 1;
    }
    count_row(g, group, r);
}

// Puts what one thread has counted into the whole.
static void groups_join(struct groups *g, struct groups *from)
{
    ASSERT(g->with_durations == from->with_durations);
    g->left_out += from->left_out;
    for (size_t i = 0; i < from->count; i++) {
        const struct group *one = &from->items[i];
        struct group *group = group_of(g, one->line, one->name, one->kind);
        if (group == NULL) {
            g->left_out += one->spans;
            continue;
        }
        group->spans += one->spans;
        group->errors += one->errors;
        group->last_start_ns =
            one->last_start_ns > group->last_start_ns ? one->last_start_ns : group->last_start_ns;
        if (group->durations != NULL) {
            sketch_merge(group->durations, one->durations);
        }
    }
    groups_free(from);
}

static int largest_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->spans != y->spans) {
        return x->spans > y->spans ? -1 : 1;
    }
    return str_cmp(x->name, y->name);
}

// What a scan that fills groups counts by.
struct counting {
    struct groups *g;
    struct str line; // operations: of this line, unless any_line
    bool any_line;
    enum attribute_scope scope; // values
    struct str key, prefix;
    bool of_rows; // reads attributes
};

static void *fork_counting(const void *ctx)
{
    const struct counting *c = ctx;
    struct groups *g = groups_new(c->g->control, c->g->max, c->g->with_durations);
    if (g == NULL) {
        return NULL;
    }
    struct counting *made = mem_new(1, sizeof *made);
    *made = *c;
    made->g = g;
    return made;
}

static void join_counting(void *ctx, void *forked)
{
    struct counting *c = ctx, *from = forked;
    ASSERT(c->g != from->g);
    groups_join(c->g, from->g);
    mem_free(from);
}

// Runs the scan, whose groups it frees on failure; ends `text`, the filter.
static enum err run(const struct aggregate *a, struct buf *text, struct counting *c,
                    void (*visit)(void *ctx, const struct scan_row *row),
                    struct groups **ret_groups)
{
    struct filter *filter;
    struct groups *g = c->g;
    ASSERT((g == NULL || g->count == 0) && a->view != NULL);
    enum err e = text->failed ? ERR_LIMIT
                 : g == NULL  ? ERR_MEMORY
                              : filter_parse(buf_str(text), &filter, NULL);
    buf_done(text);
    if (e == ERR_OK) {
        const struct scan scan = {.view = a->view,
                                  .filter = filter,
                                  .from_ns = a->from_ns,
                                  .to_ns = a->to_ns,
                                  .durations = g->with_durations,
                                  .rows = c->of_rows,
                                  .control = a->control,
                                  .visit = visit,
                                  .ctx = c,
                                  .fork = fork_counting,
                                  .join = join_counting};
        e = scan_run(&scan);
        filter_free(filter);
    }
    if (e != ERR_OK) {
        groups_free(g);
        return e;
    }
    sort_array(g->items, g->count, sizeof *g->items, largest_first);
    *ret_groups = g;
    return ERR_OK;
}

static void see_service(void *ctx, const struct scan_row *row)
{
    struct counting *c = ctx;
    count_noted(c->g, row, row->line, row->service, 0);
}

enum err aggregate_services(const struct aggregate *a, struct groups **ret_groups)
{
    struct counting c = {.g = groups_new(a->control, GROUPS_MAX, true)};
    struct buf text;
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, STR("{}"));
    return run(a, &text, &c, see_service, ret_groups);
}

static void see_operation(void *ctx, const struct scan_row *row)
{
    struct counting *c = ctx;
    if (c->any_line || str_eq(row->line, c->line)) {
        count_noted(c->g, row, STR(""), row->name, row->kind);
    }
}

enum err aggregate_operations(const struct aggregate *a, struct str service, struct str line,
                              bool any_line, struct groups **ret_groups)
{
    struct counting c = {
        .g = groups_new(a->control, GROUPS_MAX, true), .line = line, .any_line = any_line};
    struct buf text;
    ASSERT(any_line || line.p != NULL);
    buf_init(&text, FILTER_TEXT_MAX);
    buf_add_str(&text, STR("{ resource.service.name = "));
    filter_print_text(service, &text);
    buf_add_str(&text, STR(" }"));
    return run(a, &text, &c, see_operation, ret_groups);
}

static const struct attr *find_value(const struct counting *c, const struct batch *b,
                                     const struct span *s)
{
    const struct attr *found = NULL;
    ASSERT(c->key.n > 0);
    if (c->scope != OF_RESOURCE) {
        found = batch_find_attr(b, s->attrs, c->key);
    }
    if (found == NULL && c->scope != OF_SPAN) {
        found = batch_find_attr(b, batch_resource(b, s)->attrs, c->key);
    }
    return found;
}

static void see_value(void *ctx, const struct scan_row *row)
{
    struct counting *c = ctx;
    const struct batch *b = row->row.batch;
    const struct attr *found = find_value(c, b, row_span(row->row));
    char number[40];
    struct str text;
    if (found == NULL) {
        return;
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
        return;
    }
    if (str_starts(text, c->prefix)) {
        count_row(c->g, group_of(c->g, STR(""), text, 0), row);
    }
}

// The intrinsics that have few enough values to be suggested.
static const struct str intrinsics[] = {{"name", 4}, {"kind", 4}, {"status", 6}};

static void see_intrinsic(void *ctx, const struct scan_row *row)
{
    struct counting *c = ctx;
    struct str text = row->name;
    ASSERT(c->key.n == 4 || c->key.n == 6);
    if (!str_eq(c->key, intrinsics[0])) {
        text = str_of(str_eq(c->key, intrinsics[1]) ? span_kind_name(row->kind)
                                                    : span_status_name(row->status));
    }
    if (str_starts(text, c->prefix)) {
        count_noted(c->g, row, STR(""), text, 0);
    }
}

static bool is_intrinsic(struct str key)
{
    bool is = false;
    for (size_t i = 0; i < sizeof intrinsics / sizeof intrinsics[0]; i++) {
        is = is || str_eq(key, intrinsics[i]);
    }
    return is;
}

enum err aggregate_values(const struct aggregate *a, enum attribute_scope scope, struct str key,
                          struct str prefix, struct groups **ret_groups)
{
    static const struct str heads[] = {
        [OF_ANY] = {"{ .", 3}, [OF_SPAN] = {"{ span.", 7}, [OF_RESOURCE] = {"{ resource.", 11}};
    struct counting c = {.g = groups_new(a->control, VALUES_MAX, false),
                         .scope = scope,
                         .key = key,
                         .prefix = prefix};
    struct buf text;
    ASSERT(scope <= OF_RESOURCE && key.n > 0);
    buf_init(&text, FILTER_TEXT_MAX);
    if (scope != OF_RESOURCE && is_intrinsic(key)) {
        buf_add_str(&text, STR("{}"));
        return run(a, &text, &c, see_intrinsic, ret_groups);
    }
    c.of_rows = true;
    buf_add_str(&text, heads[scope]);
    filter_print_text(key, &text);
    buf_add_str(&text, STR(" != nil }"));
    return run(a, &text, &c, see_value, ret_groups);
}
