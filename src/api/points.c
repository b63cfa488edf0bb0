// SPDX-License-Identifier: Apache-2.0
// Purpose: metrics: /api/v1/metrics, and below it services and query.
#include <math.h>

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"
#include "query/points.h"
#include "receive/families.h"

static const char *const quantile_names[POINTS_QUANTILES] = {"p50", "p90", "p95", "p99", "p999"};

static struct points_query query_of(struct job *j, uint64_t from_ns, uint64_t to_ns)
{
    struct str line = j->params[PARAM_NAMESPACE];
    ASSERT(from_ns <= to_ns);
    return (struct points_query){.store = j->api->o.series,
                                 .any_line = line.p == NULL,
                                 .line = line,
                                 .name = j->params[PARAM_NAME],
                                 .service = j->params[PARAM_SERVICE],
                                 .labels = j->labels,
                                 .label_count = j->label_count,
                                 .by = j->params[PARAM_BY],
                                 .from_ms = from_ns / NS_PER_MS,
                                 .to_ms = to_ns / NS_PER_MS,
                                 .control = &j->control};
}

struct metric_said job_metric_said(struct job *j, struct str name)
{
    struct metric_said said = {POINTS_NONE, STR(""), STR("")};
    struct prom_family family;
    ASSERT(name.p != NULL);
    if (j->api->o.families != NULL && families_find(j->api->o.families, name, &j->arena, &family)) {
        said = (struct metric_said){family.type == PROM_COUNTER ? POINTS_COUNTER
                                    : family.type == PROM_GAUGE ? POINTS_GAUGE
                                                                : POINTS_NONE,
                                    family.unit, family.help};
    }
    return said;
}

// ---- Which there are ----------------------------------------------------------------------------

void api_points_names(struct job *j)
{
    uint64_t from_ns, to_ns;
    struct points_names *names;
    struct json_writer w;
    if (!job_range(j, &from_ns, &to_ns)) {
        return;
    }
    const struct points_query q = query_of(j, from_ns, to_ns);
    enum err e = points_list(&q, &names);
    if (e != ERR_OK) {
        job_fail(j, e);
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_bool(&w, "more", names->more);
    json_put_key(&w, "metrics");
    json_put_array(&w);
    for (size_t i = 0; i < names->count; i++) {
        ASSERT(names->names[i].series > 0);
        const struct metric_said said = job_metric_said(j, names->names[i].name);
        put_metric_name(&w, &names->names[i], &said);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
    points_names_free(names);
}

void api_points_services(struct job *j)
{
    uint64_t from_ns, to_ns;
    struct points_services *services;
    struct json_writer w;
    if (!job_range(j, &from_ns, &to_ns)) {
        return;
    }
    const struct points_query q = query_of(j, from_ns, to_ns);
    enum err e = points_list_services(&q, &services);
    if (e != ERR_OK) {
        job_fail(j, e);
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_bool(&w, "more", services->more);
    json_put_key(&w, "services");
    json_put_array(&w);
    for (size_t i = 0; i < services->count; i++) {
        ASSERT(services->items[i].name.n > 0);
        json_put_object(&w);
        put_str(&w, "name", services->items[i].name);
        put_str(&w, "namespace", services->items[i].line);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
    points_services_free(services);
}

// ---- Over time ----------------------------------------------------------------------------------

static void put_step(struct json_writer *w, const struct points *p, const struct points_step *s)
{
    json_put_object(w);
    put_u64(w, "time_unix_ms", s->time_ms);
    if (p->as == POINTS_VALUE) {
        ASSERT(s->samples > 0);
        put_u64(w, "samples", s->samples);
        put_number(w, "last", s->last);
        put_number(w, "mean", s->mean);
        put_number(w, "min", s->min);
        put_number(w, "max", s->max);
        put_number(w, "sum", s->sum);
    } else {
        put_number(w, "increase", s->increase);
        put_number(w, "rate", s->rate);
    }
    if (p->kind == POINTS_HISTOGRAM) {
        put_number(w, "sum", s->total);
        put_number(w, "mean", s->increase > 0 ? s->total / s->increase : NAN);
        for (size_t i = 0; i < POINTS_QUANTILES; i++) {
            put_number(w, quantile_names[i], s->quantiles[i]);
        }
    }
    json_put_object_end(w);
}

static void put_points(struct job *j, const struct points *p, const struct metric_said *said)
{
    struct json_writer w;
    struct str by = j->params[PARAM_BY];
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_str(&w, "name", j->params[PARAM_NAME]);
    put_metric_said(&w, p->kind, p->unit.p != NULL ? p->unit : STR(""), said);
    put_str(&w, "as", p->as == POINTS_VALUE ? STR("value") : STR("rate"));
    put_u64(&w, "from_unix_ms", p->from_ms);
    put_u64(&w, "to_unix_ms", p->to_ms);
    put_u64(&w, "step_ms", p->step_ms);
    put_u64(&w, "left_out_series", p->left_out);
    put_bool(&w, "partial", p->damaged_parts > 0);
    put_str(&w, "by", by.p != NULL ? by : STR(""));
    json_put_key(&w, "labels");
    json_put_array(&w);
    for (size_t i = 0; i < p->label_count; i++) {
        json_put_str(&w, p->labels[i]);
    }
    json_put_array_end(&w);
    json_put_key(&w, "groups");
    json_put_array(&w);
    for (size_t i = 0; i < p->count; i++) {
        ASSERT(p->groups[i].series > 0);
        json_put_object(&w);
        put_str(&w, "value", p->groups[i].value);
        put_u64(&w, "series", p->groups[i].series);
        json_put_key(&w, "points");
        json_put_array(&w);
        for (size_t k = 0; k < p->groups[i].count; k++) {
            put_step(&w, p, &p->groups[i].steps[k]);
        }
        json_put_array_end(&w);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
}

// False after answering 400.
static bool read_as(struct job *j, enum points_as *ret_as)
{
    struct str as = j->params[PARAM_AS];
    ASSERT(ret_as != NULL);
    if (as.n == 0) {
        *ret_as = POINTS_AUTO;
    } else if (str_eq(as, STR("value"))) {
        *ret_as = POINTS_VALUE;
    } else if (str_eq(as, STR("rate"))) {
        *ret_as = POINTS_RATE;
    } else {
        job_error(j, 400, "as must be value or rate");
        return false;
    }
    return true;
}

static void fail(struct job *j, enum err e)
{
    ASSERT(e != ERR_OK);
    if (e == ERR_LIMIT) {
        job_error(
            j, 400,
            "that is more than one answer shows: ask for a shorter range, a longer step, or a "
            "label with fewer values");
    } else if (e == ERR_INVALID) {
        job_error(j, 400, "a gauge has no rate, and a histogram is no value: leave `as` out");
    } else {
        job_fail(j, e);
    }
}

void api_points(struct job *j)
{
    uint64_t from_ns, to_ns, step_ms;
    enum points_as as;
    struct points *p;
    if (!job_range(j, &from_ns, &to_ns) || !job_number(j, PARAM_STEP, 0, 0, 86400000, &step_ms) ||
        !read_as(j, &as)) {
        return;
    }
    if (j->params[PARAM_NAME].n == 0) {
        job_error(j, 400, "name is missing: which metric is asked for?");
        return;
    }
    if (step_ms > 0 && step_ms < POINTS_STEP_MS) {
        job_error(j, 400, "step must be 1,000 milliseconds or more");
        return;
    }
    struct points_query q = query_of(j, from_ns, to_ns);
    q.step_ms = step_ms;
    q.as = as;
    const struct metric_said said = job_metric_said(j, q.name);
    q.said = said.kind;
    enum err e = points_run(&q, &p);
    if (e == ERR_OK) {
        put_points(j, p, &said);
        points_free(p);
    } else {
        fail(j, e);
    }
}
