// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers of machines and processes, from the metrics that there are.
#include "query/machine.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "model/point.h"
#include "query/machine_sources.h"

#define STEP_LEAST_MS ((uint64_t)10000)

// ---- One source ---------------------------------------------------------------------------------

static enum err ask(const struct machine_reading *r, const struct machine_source *s,
                    struct str name, enum points_as as, struct points **ret_points)
{
    const struct points_query q = {.store = r->store,
                                   .any_line = r->any_line,
                                   .line = r->line,
                                   .name = name,
                                   .service = r->service,
                                   .labels = &s->only,
                                   .label_count = s->only.key.n > 0 ? 1 : 0,
                                   .by = POINT_INSTANCE,
                                   .groups_max = r->instances_max,
                                   .from_ms = r->from_ms,
                                   .to_ms = r->to_ms,
                                   .step_ms = r->step_ms,
                                   .as = as,
                                   .control = r->control};
    ASSERT(name.n > 0 && r->instances_max > 0);
    return points_run(&q, ret_points);
}

static bool is_growth(const struct machine_source *s)
{
    return s->how == SOURCE_RATE || s->how == SOURCE_IDLE_RATE;
}

// The steps whose growth is known in full.
static void whole_steps(const struct points *p, const struct points_group *g, size_t *ret_first,
                        size_t *ret_end)
{
    bool begins = g->count > 0 && g->steps[0].time_ms > p->from_ms;
    size_t first = begins ? 1 : 0, end = g->count > 0 ? g->count - 1 : 0;
    bool any = first < end;
    *ret_first = any ? first : 0;
    *ret_end = any ? end : g->count;
    ASSERT(*ret_end <= g->count);
}

static double value_of(const struct machine_source *s, const struct points_group *g,
                       const struct points_step *step)
{
    double unit = s->unit > 0 ? s->unit : 1;
    ASSERT(g->series > 0);
    switch (s->how) {
    case SOURCE_RATE:
        return step->rate * unit;
    case SOURCE_IDLE:
        return 1 - step->mean;
    case SOURCE_IDLE_RATE:
        return 1 - step->rate / (double)g->series;
    case SOURCE_MOST:
        return step->max * unit;
    case SOURCE_SUM:
    case SOURCE_FREE:
    default:
        return step->sum * unit;
    }
}

// What the whole is at that time; NAN where it is not known. `*at` goes on from step to step.
static double whole_at(const struct points_group *whole, uint64_t time_ms, size_t *at)
{
    while (whole != NULL && *at < whole->count && whole->steps[*at].time_ms < time_ms) {
        (*at)++;
    }
    bool known = whole != NULL && *at < whole->count && whole->steps[*at].time_ms == time_ms;
    return known && whole->steps[*at].sum > 0 ? whole->steps[*at].sum : NAN;
}

// False where it has none.
static bool read_instance(const struct machine_source *s, const struct points *p,
                          const struct points_group *g, const struct points_group *whole,
                          struct machine_value *ret_value)
{
    struct machine_value x = {.instance = g->value};
    size_t first = 0, end = g->count, at = 0, steps = 0;
    if (is_growth(s)) {
        whole_steps(p, g, &first, &end);
    }
    for (size_t i = first; i < end; i++) {
        double v = value_of(s, g, &g->steps[i]);
        if (s->whole.n > 0) {
            v /= whole_at(whole, g->steps[i].time_ms, &at);
            v = s->how == SOURCE_FREE ? 1 - v : v;
        }
        if (!isfinite(v)) {
            continue;
        }
        if (steps == 0 || v > x.max) {
            x.max = v;
            x.max_ms = g->steps[i].time_ms;
        }
        x.mean += v;
        steps++;
    }
    ASSERT(steps <= g->count);
    x.mean /= steps > 0 ? (double)steps : 1;
    *ret_value = x;
    return steps > 0;
}

// The group of a value; NULL where there is none. Both go in order of value: `*at` goes on.
static const struct points_group *group_at(const struct points *p, struct str value, size_t *at)
{
    while (p != NULL && *at < p->count && str_cmp(p->groups[*at].value, value) < 0) {
        (*at)++;
    }
    bool found = p != NULL && *at < p->count && str_eq(p->groups[*at].value, value);
    return found ? &p->groups[*at] : NULL;
}

enum err machine_read(const struct machine_reading *r, const struct machine_source *s,
                      void (*each)(void *ctx, const struct machine_value *value), void *ctx,
                      uint64_t *damaged_parts)
{
    struct points *p = NULL, *whole = NULL;
    size_t at = 0;
    enum err e = ask(r, s, s->name, is_growth(s) ? POINTS_RATE : POINTS_VALUE, &p);
    if (e == ERR_OK && s->whole.n > 0) {
        e = ask(r, s, s->whole, POINTS_VALUE, &whole);
    }
    for (size_t i = 0; e == ERR_OK && i < p->count; i++) {
        const struct points_group *g = &p->groups[i];
        struct machine_value value;
        if (read_instance(s, p, g, group_at(whole, g->value, &at), &value)) {
            each(ctx, &value);
        }
    }
    if (e == ERR_OK) {
        ASSERT(p != NULL);
        *damaged_parts += p->damaged_parts + (whole != NULL ? whole->damaged_parts : 0);
    }
    points_free(whole);
    points_free(p);
    return e == ERR_INVALID ? ERR_OK : e;
}

// ---- Of a service -------------------------------------------------------------------------------

struct machine_run {
    const struct machine_query *q;
    struct machine *out;
    struct machine_number number; // of the measure at hand
};

void machine_number_add(struct machine_number *n, struct arena *arena,
                        const struct machine_value *v)
{
    ASSERT(v->instance.p != NULL || v->instance.n == 0);
    if (n->instances == 0 || v->max > n->worst_max) {
        n->worst = arena_str(arena, v->instance);
        n->worst_mean = v->mean;
        n->worst_max = v->max;
        n->worst_ms = v->max_ms;
    }
    if (n->instances == 0 || v->mean > n->most_mean) {
        n->most = arena_str(arena, v->instance);
        n->most_mean = v->mean;
    }
    n->instances++;
    n->mean += (v->mean - n->mean) / (double)n->instances;
}

static void on_value(void *ctx, const struct machine_value *value)
{
    struct machine_run *r = ctx;
    ASSERT(r->out->count < MACHINE_MEASURES);
    machine_number_add(&r->number, &r->out->arena, value);
}

// *ret_done: the measure has its number, or is left out.
static enum err read_source(struct machine_run *r, const struct machine_source *s, bool *ret_done)
{
    const struct machine_reading reading = {.store = r->q->store,
                                            .line = r->out->line,
                                            .service = r->q->service,
                                            .instances_max = MACHINE_INSTANCES_MAX,
                                            .from_ms = r->q->from_ms,
                                            .to_ms = r->q->to_ms,
                                            .step_ms = r->out->step_ms,
                                            .control = r->q->control};
    r->number = (struct machine_number){.measure = s->measure, .metric = s->name};
    enum err e = machine_read(&reading, s, on_value, r, &r->out->damaged_parts);
    r->out->left_out += e == ERR_LIMIT ? 1 : 0;
    *ret_done = e == ERR_LIMIT || r->number.instances > 0;
    ASSERT(e == ERR_OK || r->number.instances == 0);
    if (r->number.instances > 0) {
        r->out->numbers[r->out->count++] = r->number;
    }
    return e == ERR_LIMIT ? ERR_OK : e;
}

static bool has_name(const struct points_names *names, struct str name)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(names->names[middle].name, name);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    ASSERT(low == high);
    return false;
}

// Whether there may be series of this name; the sum of a histogram is listed as that.
static bool is_sent(const struct points_names *names, struct str name)
{
    bool sums = str_ends(name, POINT_SUFFIX_SUM);
    const struct str whole = {name.p, name.n - (sums ? POINT_SUFFIX_SUM.n : 0)};
    ASSERT(whole.n > 0);
    return names->more || has_name(names, name) || (sums && has_name(names, whole));
}

static enum err list(struct machine_run *r)
{
    const struct points_query q = {.store = r->q->store,
                                   .line = r->out->line,
                                   .service = r->q->service,
                                   .from_ms = r->q->from_ms,
                                   .to_ms = r->q->to_ms,
                                   .control = r->q->control};
    points_names_free(r->out->names);
    r->out->names = NULL;
    ASSERT(r->q->service.n > 0);
    return points_list(&q, &r->out->names);
}

static enum err read_measures(struct machine_run *r)
{
    enum err e = ERR_OK;
    bool done = false;
    for (size_t i = 0; i < machine_source_count && e == ERR_OK; i++) {
        const struct machine_source *s = &machine_sources[i];
        done = done && i > 0 && machine_sources[i - 1].measure == s->measure;
        if (!done && is_sent(r->out->names, s->name)) {
            e = read_source(r, s, &done);
        }
    }
    ASSERT(r->out->count <= MACHINE_MEASURES);
    return e;
}

// Leaves those in the list that are the business's own.
static void choose_metrics(struct machine *out)
{
    struct points_names *names = out->names;
    out->metrics = names->names;
    out->more_names = names->more;
    for (size_t i = 0; i < names->count; i++) {
        if (machine_is_common(names->names[i].name)) {
            out->other_metrics++;
        } else if (out->metric_count == MACHINE_METRICS_MAX) {
            out->more_metrics++;
        } else {
            out->metrics[out->metric_count++] = names->names[i];
        }
    }
    ASSERT(out->metric_count <= names->count);
}

enum err machine_run(const struct machine_query *query, struct machine **ret)
{
    struct machine *out = mem_new(1, sizeof *out);
    struct machine_run r = {.q = query, .out = out};
    uint64_t range_ms = query->to_ms > query->from_ms ? query->to_ms - query->from_ms : 0;
    uint64_t step_ms = (range_ms / MACHINE_STEPS + 999) / 1000 * 1000;
    out->step_ms = step_ms > STEP_LEAST_MS ? step_ms : STEP_LEAST_MS;
    out->line = arena_str(&out->arena, query->line);
    out->from_ms = query->from_ms;
    out->to_ms = query->to_ms;
    enum err e = list(&r);
    if (e == ERR_OK && out->names->count == 0 && query->line.n > 0) {
        out->line = STR("");
        e = list(&r);
    }
    e = e == ERR_OK ? read_measures(&r) : e;
    if (e != ERR_OK) {
        machine_free(out);
        return e;
    }
    choose_metrics(out); // the list is whole until then
    ASSERT(out->step_ms >= STEP_LEAST_MS);
    *ret = out;
    return ERR_OK;
}

void machine_free(struct machine *m)
{
    if (m != NULL) {
        points_names_free(m->names);
        arena_done(&m->arena);
        mem_free(m);
    }
}
