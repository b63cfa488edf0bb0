// SPDX-License-Identifier: Apache-2.0
// Purpose: compiled matching: looking rows up. Making the tables is plan_build.c's.
#include "alert/plan.h"

#include <string.h>

#include "alert/plan_state.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/semconv.h"
#include "wire/otlp.h"

// A value of a field of the row or resource; most have one, an array has one for each element.
struct field_values {
    uint32_t stamp, first, count;
};

// A shape that the current resource's values lead into, and the hash so far.
struct live {
    uint32_t shape;
    uint64_t hash;
};

struct plan_walk {
    const struct plan *plan;
    uint64_t serial; // the plan's; 0: none yet
    const struct batch *batch;
    uint32_t *keys; // of each string of the batch: the plan's key + 2; 1: none; 0: not looked up
    size_t key_capacity;
    struct field_values *fields; // of the plan
    uint32_t *seen;              // of each item: the stamp of the row that it was told for
    uint32_t stamp, resource_stamp;
    uint64_t *values;
    size_t value_count, value_capacity, resource_values;
    struct live *live;
    size_t live_count, live_capacity;
    uint32_t resource; // of `live`; UINT32_MAX: none
    bool wants_attrs;  // a live shape asks for more than the resource has
    bool spares;       // what nothing is hashed of
    struct plan_memo memo;
};

struct plan_walk *plan_walk_new(void)
{
    return mem_new(1, sizeof(struct plan_walk));
}

void plan_walk_free(struct plan_walk *w)
{
    if (w == NULL) {
        return;
    }
    mem_free(w->keys);
    mem_free(w->fields);
    mem_free(w->seen);
    mem_free(w->values);
    mem_free(w->live);
    plan_memo_done(&w->memo);
    mem_free(w);
}

void plan_walk_spare(struct plan_walk *w, bool spare)
{
    w->spares = spare;
}

// ---- Values -------------------------------------------------------------------------------------

static void put_value(struct plan_walk *w, uint32_t field, uint64_t hash)
{
    struct field_values *f = &w->fields[field];
    ASSERT(f->stamp == w->stamp);
    w->values = mem_grow(w->values, &w->value_capacity, w->value_count + 1, sizeof *w->values);
    w->values[w->value_count++] = hash;
    f->count++;
}

// False where the field has its values already: the first attribute of a key is the one.
static bool begin_field(struct plan_walk *w, uint32_t field)
{
    struct field_values *f = &w->fields[field];
    ASSERT(field < w->plan->field_count);
    if (f->stamp == w->stamp) {
        return false;
    }
    *f = (struct field_values){.stamp = w->stamp, .first = (uint32_t)w->value_count};
    return true;
}

static void put_element(void *ctx, const struct otlp_value *value)
{
    struct plan_walk *w = ctx;
    ASSERT(ctx != NULL);
    // Of the field that was begun last.
    uint32_t field = w->plan->field_count;
    if (value->type == ATTR_STRING) {
        put_value(w, field, plan_hash_text(str_hash(value->text)));
    } else if (value->type == ATTR_INT) {
        put_value(w, field, plan_hash_number((double)value->i));
    } else if (value->type == ATTR_DOUBLE) {
        put_value(w, field, plan_hash_number(value->d));
    } else if (value->type == ATTR_BOOL) {
        put_value(w, field, plan_hash_bool(value->i != 0));
    }
}

// Elements go to a field of their own behind the plan's, since the callback knows no other.
static void put_array(struct plan_walk *w, uint32_t field, struct str bytes)
{
    struct field_values *spare = &w->fields[w->plan->field_count];
    *spare = (struct field_values){.stamp = w->stamp, .first = (uint32_t)w->value_count};
    otlp_each_element(bytes, put_element, w);
    w->fields[field].count = spare->count;
    ASSERT(w->fields[field].first == spare->first);
}

static void put_attr(struct plan_walk *w, uint32_t field, const struct attr *a)
{
    ASSERT(w->plan != NULL);
    if (field == PLAN_NO_FIELD || !begin_field(w, field)) {
        return;
    }
    switch (a->type) {
    case ATTR_STRING:
        put_value(w, field, plan_hash_text(w->batch->hashes[a->code]));
        break;
    case ATTR_INT:
        put_value(w, field, plan_hash_number((double)a->i));
        break;
    case ATTR_DOUBLE:
        put_value(w, field, plan_hash_number(a->d));
        break;
    case ATTR_BOOL:
        put_value(w, field, plan_hash_bool(a->i != 0));
        break;
    case ATTR_ARRAY:
        put_array(w, field, batch_str(w->batch, a->code));
        break;
    default:
        break; // equals nothing
    }
}

static const struct plan_key *key_of(struct plan_walk *w, uint32_t code)
{
    if (w->keys[code] == 0) {
        w->keys[code] = plan_find_key(w->plan, w->batch->hashes[code], batch_str(w->batch, code));
    }
    ASSERT(w->keys[code] - 2 < w->plan->key_count || w->keys[code] == 1);
    return w->keys[code] == 1 ? NULL : &w->plan->keys[w->keys[code] - 2];
}

// ---- Resources ----------------------------------------------------------------------------------

static void add_live(struct plan_walk *w, uint32_t shape, uint64_t hash)
{
    ASSERT(w->plan != NULL);
    w->live = mem_grow(w->live, &w->live_capacity, w->live_count + 1, sizeof *w->live);
    w->live[w->live_count++] = (struct live){shape, hash};
    w->wants_attrs = w->wants_attrs ||
                     w->plan->shapes[shape].field_count > w->plan->shapes[shape].resource_fields;
}

// Follows the resource's part of a shape through all values there are.
static void follow_resource(struct plan_walk *w, uint32_t number, uint32_t depth, uint64_t hash)
{
    const struct plan_shape *s = &w->plan->shapes[number];
    ASSERT(w->plan != NULL);
    if (depth == s->resource_fields) {
        if (plan_has_prefix(s, hash)) {
            add_live(w, number, hash);
        }
        return;
    }
    const struct field_values *f = &w->fields[s->fields[depth]];
    if (f->stamp != w->resource_stamp) {
        return;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        follow_resource(w, number, depth + 1, plan_hash_next(hash, w->values[f->first + i]));
    }
}

static void enter_resource(struct plan_walk *w, uint32_t resource)
{
    const struct batch *b = w->batch;
    const struct resource *r = &b->resources[resource];
    ASSERT(w->plan != NULL);
    w->stamp++;
    w->resource_stamp = w->stamp;
    w->value_count = 0;
    w->live_count = 0;
    w->wants_attrs = false;
    w->resource = resource;
    // Comparisons see the name under which the service is listed, also where there is none.
    const struct plan_key *service = plan_service_key(w->plan);
    if (service != NULL && service->resource != PLAN_NO_FIELD &&
        begin_field(w, service->resource)) {
        put_value(w, service->resource, plan_hash_text(b->hashes[r->service]));
    }
    for (uint32_t i = 0; i < r->attrs.count; i++) {
        const struct attr *a = &b->attrs[r->attrs.first + i];
        const struct plan_key *key = key_of(w, a->key);
        if (key != NULL) {
            put_attr(w, key->resource, a);
        }
    }
    w->resource_values = w->value_count;
    for (uint32_t i = 0; i < w->plan->shape_count; i++) {
        follow_resource(w, i, 0, plan_hash_seed(i));
    }
}

// ---- Rows ---------------------------------------------------------------------------------------

// What a row has, whichever kind it is of.
struct plan_row {
    uint32_t number, resource, name;
    struct attr_run attrs;
    const struct span *span; // NULL: a point
};

struct told {
    struct plan_walk *w;
    enum plan_rows rows;
    void (*each)(void *ctx, uint32_t item, uint32_t row);
    void *ctx;
};

static void try_item(const struct told *t, uint32_t item, uint32_t row)
{
    struct plan_walk *w = t->w;
    const struct plan_item *it = &w->plan->items[item];
    ASSERT(t != NULL);
    if (w->seen[item] == w->stamp) {
        return;
    }
    w->seen[item] = w->stamp;
    if (!it->any_line && !str_eq(it->line, w->batch->line)) {
        return;
    }
    bool yes = t->rows == PLAN_SPANS ? filter_match(it->filter, (struct row){w->batch, row})
                                     : filter_match_point(it->filter, w->batch, row);
    if (yes) {
        t->each(t->ctx, item, row);
    }
}

static void follow_row(const struct told *t, uint32_t number, uint32_t depth, uint64_t hash,
                       uint32_t row)
{
    struct plan_walk *w = t->w;
    const struct plan_shape *s = &w->plan->shapes[number];
    ASSERT(t != NULL);
    if (depth == s->field_count) {
        const struct plan_slot *found = plan_find(s, hash);
        for (uint32_t i = 0; found != NULL && i < found->count; i++) {
            try_item(t, s->items[found->first + i], row);
        }
        return;
    }
    const struct field_values *f = &w->fields[s->fields[depth]];
    if (f->stamp != w->stamp) {
        return;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        follow_row(t, number, depth + 1, plan_hash_next(hash, w->values[f->first + i]), row);
    }
}

static void put_row_values(struct plan_walk *w, const struct plan_row *row)
{
    const struct batch *b = w->batch;
    const struct plan *p = w->plan;
    ASSERT(w->plan != NULL);
    w->value_count = w->resource_values;
    for (uint32_t i = 0; i < row->attrs.count; i++) {
        const struct attr *a = &b->attrs[row->attrs.first + i];
        const struct plan_key *key = key_of(w, a->key);
        if (key != NULL) {
            put_attr(w, key->span, a);
            put_attr(w, key->any, a);
        }
    }
    // `.x` of a row without it is the resource's.
    const struct resource *r = &b->resources[row->resource];
    const struct plan_key *service = plan_service_key(p);
    if (service != NULL && service->any != PLAN_NO_FIELD && begin_field(w, service->any)) {
        put_value(w, service->any, plan_hash_text(b->hashes[r->service]));
    }
    for (uint32_t i = 0; p->has_any && i < r->attrs.count; i++) {
        const struct attr *a = &b->attrs[r->attrs.first + i];
        const struct plan_key *key = key_of(w, a->key);
        if (key != NULL) {
            put_attr(w, key->any, a);
        }
    }
    if (p->name_field != PLAN_NO_FIELD && begin_field(w, p->name_field)) {
        put_value(w, p->name_field, plan_hash_text(b->hashes[row->name]));
    }
    if (row->span != NULL && p->status_field != PLAN_NO_FIELD && begin_field(w, p->status_field)) {
        put_value(w, p->status_field, plan_hash_number(row->span->status));
    }
    if (row->span != NULL && p->kind_field != PLAN_NO_FIELD && begin_field(w, p->kind_field)) {
        put_value(w, p->kind_field, plan_hash_number(row->span->kind));
    }
}

static void try_unkeyed(const struct told *t, const struct plan_row *row)
{
    struct plan_walk *w = t->w;
    const uint32_t *items = w->plan->unkeyed;
    uint32_t count = (uint32_t)w->plan->unkeyed_count;
    ASSERT(t != NULL);
    if (w->spares || count == 0) {
        return;
    }
    if (row->span != NULL) {
        items = plan_memo_find(&w->memo, w->plan, w->batch, row->span, &count);
    }
    for (uint32_t i = 0; i < count; i++) {
        try_item(t, items[i], row->number);
    }
}

static void take_row(const struct told *t, const struct plan_row *row)
{
    struct plan_walk *w = t->w;
    ASSERT(t != NULL);
    if (row->resource != w->resource) {
        enter_resource(w, row->resource);
    }
    w->stamp++;
    if (w->wants_attrs) {
        put_row_values(w, row);
    }
    for (size_t i = 0; i < w->live_count; i++) {
        follow_row(t, w->live[i].shape, w->plan->shapes[w->live[i].shape].resource_fields,
                   w->live[i].hash, row->number);
    }
    try_unkeyed(t, row);
}

// ---- Batches ------------------------------------------------------------------------------------

static void enter_batch(struct plan_walk *w, const struct plan *p, const struct batch *b)
{
    ASSERT(p->item_count == 0 || p->items != NULL);
    if (w->serial != p->serial || w->stamp > UINT32_MAX - 2 * (uint32_t)BATCH_SPANS_MAX - 2) {
        mem_free(w->fields);
        mem_free(w->seen);
        w->fields = mem_new(p->field_count + 1, sizeof *w->fields);
        w->seen = mem_new(p->item_count + 1, sizeof *w->seen);
        plan_memo_done(&w->memo);
        w->serial = p->serial;
        w->stamp = 0;
    }
    w->plan = p;
    plan_memo_enter(&w->memo);
    w->batch = b;
    w->resource = UINT32_MAX;
    w->keys = mem_grow(w->keys, &w->key_capacity, b->string_count, sizeof *w->keys);
    memset(w->keys, 0, b->string_count * sizeof *w->keys);
}

void plan_each(const struct plan *p, struct plan_walk *w, const struct batch *b,
               enum plan_rows rows, void (*each)(void *ctx, uint32_t item, uint32_t row), void *ctx)
{
    const struct told t = {w, rows, each, ctx};
    size_t count = rows == PLAN_SPANS ? b->span_count : b->point_count;
    ASSERT(b->sealed && each != NULL);
    if (p->item_count == 0 || count == 0) {
        return;
    }
    enter_batch(w, p, b);
    for (uint32_t i = 0; i < count; i++) {
        struct plan_row row = {.number = i};
        if (rows == PLAN_SPANS) {
            const struct span *s = &b->spans[i];
            row = (struct plan_row){i, s->resource, s->name, s->attrs, s};
        } else {
            const struct point *pt = &b->points[i];
            row = (struct plan_row){i, pt->resource, b->metrics[pt->metric].name, pt->attrs, NULL};
        }
        take_row(&t, &row);
    }
}
