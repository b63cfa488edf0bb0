// SPDX-License-Identifier: Apache-2.0
// Purpose: from a record to the windows it counts in.
#include <math.h>
#include <stdio.h>

#include "alert/engine_state.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/semconv.h"
#include "wire/otlp.h"

struct looking {
    struct look *l;
    const struct batch *b;
    enum plan_rows rows;
};

struct seen seen_of(const struct batch *b, enum plan_rows rows, uint32_t row)
{
    ASSERT(b->sealed);
    if (rows == PLAN_SPANS) {
        const struct span *s = &b->spans[row];
        return (struct seen){b,           s,        NULL,     row,
                             s->resource, s->scope, s->attrs, s->start_ns + s->duration_ns};
    }
    const struct point *p = &b->points[row];
    return (struct seen){b, NULL, p, row, p->resource, p->scope, p->attrs, p->time_ns};
}

// ---- Fields -------------------------------------------------------------------------------------

static const struct attr *attr_of(const struct seen *s, const struct alert_field *f)
{
    const struct attr *a = NULL;
    ASSERT(s->b->sealed);
    if (f->field == ON_SPAN_ATTR || f->field == ON_ANY_ATTR) {
        a = batch_find_attr(s->b, s->attrs, f->key);
    }
    if (f->field == ON_RESOURCE_ATTR || (f->field == ON_ANY_ATTR && a == NULL)) {
        a = batch_find_attr(s->b, s->b->resources[s->resource].attrs, f->key);
    }
    if (f->field == ON_SCOPE_ATTR) {
        a = batch_find_attr(s->b, s->b->scopes[s->scope].attrs, f->key);
    }
    return a;
}

static struct str attr_text(const struct batch *b, const struct attr *a, char room[SEEN_ROOM])
{
    int n = 0;
    ASSERT(b->sealed);
    switch (a->type) {
    case ATTR_STRING:
        return batch_str(b, a->code);
    case ATTR_BOOL:
        return a->i != 0 ? STR("true") : STR("false");
    case ATTR_INT:
        n = snprintf(room, SEEN_ROOM, "%lld", (long long)a->i);
        return (struct str){room, (size_t)n};
    case ATTR_DOUBLE:
        n = snprintf(room, SEEN_ROOM, "%.15g", a->d);
        return (struct str){room, (size_t)n};
    default:
        return STR(""); // arrays and lists
    }
}

static struct str intrinsic_text(const struct seen *s, const struct alert_field *f,
                                 char room[SEEN_ROOM])
{
    const struct batch *b = s->b;
    const struct span *span = s->span;
    ASSERT(s->b->sealed);
    switch (f->field) {
    case ON_NAME:
        return batch_str(b, span != NULL ? span->name : b->metrics[s->point->metric].name);
    case ON_SCOPE_NAME:
        return batch_str(b, b->scopes[s->scope].name);
    case ON_SCOPE_VERSION:
        return batch_str(b, b->scopes[s->scope].version);
    case ON_STATUS:
        return span != NULL ? str_of(span_status_name(span->status)) : STR("");
    case ON_KIND:
        return span != NULL ? str_of(span_kind_name(span->kind)) : STR("");
    case ON_STATUS_MESSAGE:
        return span != NULL ? batch_str(b, span->status_message) : STR("");
    case ON_TRACE_ID:
        if (span != NULL) {
            trace_id_hex(span->trace, room);
            return (struct str){room, TRACE_ID_HEX};
        }
        return STR("");
    default:
        return STR("");
    }
}

struct str seen_text(const struct seen *s, const struct alert_field *f, char room[SEEN_ROOM])
{
    ASSERT(s->b->sealed);
    bool is_attr = f->field == ON_SPAN_ATTR || f->field == ON_ANY_ATTR ||
                   f->field == ON_RESOURCE_ATTR || f->field == ON_SCOPE_ATTR;
    if (!is_attr) {
        return intrinsic_text(s, f, room);
    }
    const struct attr *a = attr_of(s, f);
    bool is_service = f->field != ON_SPAN_ATTR && str_eq(f->key, SEM_SERVICE_NAME);
    return a != NULL    ? attr_text(s->b, a, room)
           : is_service ? batch_str(s->b, s->b->resources[s->resource].service)
                        : STR("");
}

double seen_number(const struct seen *s, const struct alert_field *f)
{
    const struct attr *a;
    ASSERT(s->b->sealed);
    if (f->field == ON_DURATION) {
        return (double)s->span->duration_ns;
    }
    a = attr_of(s, f);
    return a == NULL                ? (double)NAN
           : a->type == ATTR_INT    ? (double)a->i
           : a->type == ATTR_DOUBLE ? a->d
                                    : (double)NAN;
}

static struct str instance_of(const struct seen *s, char room[SEEN_ROOM])
{
    const struct attr *a =
        batch_find_attr(s->b, s->b->resources[s->resource].attrs, SEM_SERVICE_INSTANCE_ID);
    ASSERT(s->b->sealed);
    return a != NULL ? attr_text(s->b, a, room) : STR("");
}

// ---- Into windows -------------------------------------------------------------------------------

// False where the record has nothing that can be measured.
static bool measure(struct look *l, const struct seen *s, const struct alert_strategy *st,
                    struct window_record *r)
{
    char room[SEEN_ROOM];
    bool needs_value = st->measure >= MEASURE_AVERAGE && st->measure <= MEASURE_QUANTILE;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    if (st->measure == MEASURE_DISTINCT) {
        struct str text = seen_text(s, &st->field, room);
        r->count = 1;
        r->distinct = str_hash_stable(text);
        return text.n > 0;
    }
    if (st->measure == MEASURE_CAPACITY) {
        struct str instance = instance_of(s, room);
        r->count = 1;
        r->distinct = str_hash_stable(instance);
        return instance.n > 0;
    }
    if (s->point != NULL && st->field.field == ON_DURATION) {
        enum growth_verdict v = growth_of(&l->growth, s->b, s->number, st->measure, r);
        l->unfit += v == GROWTH_UNFIT;
        return v == GROWTH_TAKEN;
    }
    r->count = 1;
    r->errors = s->span != NULL && s->span->status == STATUS_ERROR;
    if (!needs_value) {
        return true;
    }
    double v = seen_number(s, &st->field);
    l->unfit += isnan(v) ? 1 : 0;
    r->sum = r->min = r->max = v;
    r->hist = window_hist(v, st->field.field == ON_DURATION);
    return !isnan(v);
}

static void take_first(void *ctx, const struct otlp_value *value)
{
    struct str *first = ctx;
    ASSERT(ctx != NULL);
    *first = first->n == 0 && value->type == ATTR_STRING ? value->text : *first;
}

// Where something runs, as far as it says.
static struct str address_of(const struct batch *b, const struct resource *r, char room[SEEN_ROOM])
{
    ASSERT(b->sealed);
    static const char *const keys[] = {"k8s.pod.ip", "container.ip", "host.ip", "host.name",
                                       "container.id"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct attr *a = batch_find_attr(b, r->attrs, str_of(keys[i]));
        struct str text = a == NULL ? STR("") : attr_text(b, a, room);
        if (a != NULL && a->type == ATTR_ARRAY) {
            otlp_each_element(batch_str(b, a->code), take_first, &text);
        }
        if (text.n > 0) {
            return text;
        }
    }
    return STR("");
}

static void note_origin(struct group *g, const struct seen *s)
{
    char room[SEEN_ROOM];
    const struct batch *b = s->b;
    ASSERT(g->trace_count <= ALERT_TRACES_MAX);
    if (s->span != NULL) {
        group_add_trace(g, s->span->trace, s->span->status == STATUS_ERROR);
    }
    if (g->noted_batch == b && g->noted_seq == b->seq && g->noted_resource == s->resource) {
        return;
    }
    g->noted_batch = b;
    g->noted_seq = b->seq;
    g->noted_resource = s->resource;
    const struct resource *r = &b->resources[s->resource];
    const struct attr *instance = batch_find_attr(b, r->attrs, SEM_SERVICE_INSTANCE_ID);
    const struct attr *environment = batch_find_attr(b, r->attrs, SEM_ENVIRONMENT);
    group_set_origin(g, ORIGIN_LINE, b->line);
    group_set_origin(g, ORIGIN_SERVICE, batch_str(b, r->service));
    group_set_origin(g, ORIGIN_INSTANCE, instance != NULL ? attr_text(b, instance, room) : STR(""));
    group_set_origin(g, ORIGIN_ENVIRONMENT,
                     environment != NULL ? attr_text(b, environment, room) : STR(""));
    group_set_origin(g, ORIGIN_ADDRESS, address_of(b, r, room));
}

static struct group *group_for(struct look *l, struct groups *gs, const struct seen *s,
                               const struct alert_strategy *st, uint64_t event_ms)
{
    struct str values[ALERT_GROUP_BY_MAX];
    char room[ALERT_GROUP_BY_MAX][SEEN_ROOM];
    ASSERT(gs->rule != NULL);
    for (size_t i = 0; i < st->group_by_count; i++) {
        values[i] = str_cut(seen_text(s, &st->group_by[i], room[i]), ALERT_VALUE_MAX);
    }
    struct group *found = groups_find(gs, values);
    // The first of each rule is always there: no other rule can blind it.
    if (found == NULL && (l->totals.bytes < l->bytes_max || gs->count == 0)) {
        bool is_past = !l->is_live && event_ms < l->time.now_ms;
        found = groups_get(gs, values, is_past ? event_ms : l->time.now_ms);
    }
    l->refused += found == NULL;
    return found;
}

// When it counts. While the wall clock is set back, what says so too counts when it came.
static uint64_t event_time(struct look *l, uint64_t time_ms)
{
    uint64_t now = l->time.now_ms;
    int64_t leap = l->time.leap_ms;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    if (time_ms > now + ALERT_FUTURE_MS) {
        l->future++;
        return now;
    }
    return leap < 0 && (int64_t)time_ms - (int64_t)now < leap / 2 ? now : time_ms;
}

bool look_add(struct look *l, uint32_t rule, uint32_t strategy, struct group *g,
              const struct window_record *r)
{
    struct groups *gs = &l->program.groups[rule];
    ASSERT(strategy < gs->rule->strategy_count);
    if (!window_has_room(g->windows[strategy], &gs->shapes[strategy], r)) {
        l->unfit++;
        return false;
    }
    if (!window_add(g->windows[strategy], &gs->shapes[strategy], r)) {
        l->late++;
        return false;
    }
    g->seen_ms = l->time.now_ms;
    if (gs->dirty_count == 0) {
        l->dirty = mem_grow(l->dirty, &l->dirty_capacity, l->dirty_count + 1, sizeof *l->dirty);
        l->dirty[l->dirty_count++] = rule;
    }
    groups_touch(gs, g, r->time_ms);
    return true;
}

static void see(void *ctx, uint32_t item, uint32_t row)
{
    const struct looking *k = ctx;
    struct look *l = k->l;
    const struct program_item *it = &l->program.items[k->rows][item];
    struct groups *gs = &l->program.groups[it->rule];
    const struct alert_strategy *st = &gs->rule->strategies[it->strategy];
    const struct seen s = seen_of(k->b, k->rows, row);
    struct window_record r = {.time_ms = s.time_ns / NS_PER_MS};
    ASSERT(ctx != NULL);
    l->records++;
    r.time_ms = event_time(l, r.time_ms);
    if (!measure(l, &s, st, &r)) {
        return;
    }
    struct group *g = group_for(l, gs, &s, st, r.time_ms);
    if (g == NULL) {
        return;
    }
    if (look_add(l, it->rule, it->strategy, g, &r)) {
        note_origin(g, &s);
    }
}

void look_at(struct look *l, const struct batch *b)
{
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (unsigned rows = PLAN_SPANS; rows <= PLAN_POINTS; rows++) {
        struct looking k = {l, b, (enum plan_rows)rows};
        plan_each(l->program.plans[rows], l->walks[rows], b, (enum plan_rows)rows, see, &k);
    }
}
