// SPDX-License-Identifier: Apache-2.0
// Purpose: dry runs of rules: POST /api/v1/alerts/test. What limits the answer is said with it, as
// remarks of these kinds:
//   sampled        traces were left out by choice: what is stored is fewer than what came
//   stored_since   spans are stored since then, later than the rule looks back
//   points_since   the same of the metric's points
//   season_short   too few days are stored to know what is usual
//   not_kept       attributes of resources that points are stored without
//   step           judged less often than each slot, since there would be too much to judge
//   refused        records of groups that are too many
//   unfit          records without the value that is measured
#include <jansson.h>

#include "alert/alerting.h"
#include "alert/rehearsal.h"
#include "alert/window.h"
#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/part.h"

#define DAY_MS        ((uint64_t)24 * 3600 * 1000)
#define STORED_FAR_MS ((uint64_t)60000) // what begins so little late is not worth a remark

// ---- What is asked for --------------------------------------------------------------------------

struct asked {
    struct alert_set *set; // that has the rule
    const struct alert_rule *rule;
    uint64_t from_ms, to_ms;
};

static bool read_time(struct job *j, const json_t *root, const char *key, uint64_t fallback,
                      uint64_t *ret_ms)
{
    const json_t *v = json_object_get(root, key);
    ASSERT(j->api != NULL);
    if (v != NULL && (!json_is_integer(v) || json_integer_value(v) < 0)) {
        job_error(j, 400, "%s must be milliseconds since 1970", key);
        return false;
    }
    *ret_ms = v != NULL ? (uint64_t)json_integer_value(v) : fallback;
    return true;
}

static bool read_range(struct job *j, const json_t *root, struct asked *a)
{
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    ASSERT(a->set == NULL);
    if (!read_time(j, root, "to", now_ms, &a->to_ms) ||
        !read_time(j, root, "from", a->to_ms > DAY_MS ? a->to_ms - DAY_MS : 0, &a->from_ms)) {
        return false;
    }
    if (a->from_ms >= a->to_ms || a->to_ms - a->from_ms > REHEARSAL_RANGE_MAX_MS) {
        job_error(j, 400, "from must lie before to, by %llu days at most",
                  (unsigned long long)(REHEARSAL_RANGE_MAX_MS / DAY_MS));
        return false;
    }
    if (a->to_ms > now_ms + DAY_MS) {
        job_error(j, 400, "to lies in the future");
        return false;
    }
    return true;
}

// The rule of this name, or where `name` is empty the first.
static bool pick_rule(struct job *j, struct asked *a, struct str name)
{
    const struct alert_file *f = alert_set_file(a->set);
    for (size_t i = 0; i < f->rule_count && a->rule == NULL; i++) {
        a->rule = name.n == 0 || str_eq(f->rules[i].name, name) ? &f->rules[i] : NULL;
    }
    if (a->rule == NULL) {
        job_error(j, 404, "there is no rule %.*s", STR_FMT(name));
        return false;
    }
    for (size_t i = 0; i < a->rule->strategy_count; i++) {
        if (a->rule->strategies[i].measure == MEASURE_CAPACITY) {
            job_error(j, 400, "capacity cannot be tried: what was known of it then is not kept");
            return false;
        }
    }
    return true;
}

static bool read_text(struct job *j, struct asked *a, struct str text, struct str name)
{
    struct alert_file *file;
    struct err_at at = {0};
    ASSERT(a->set == NULL);
    enum err e = alert_file_read(text, "rules", &file, &at);
    if (e != ERR_OK) {
        job_error(j, 400, "%s", at.text[0] != 0 ? at.text : err_text(e));
        return false;
    }
    a->set = alert_set_new(file);
    return pick_rule(j, a, name);
}

// `rule` as the object that a file has of it.
static bool read_object(struct job *j, struct asked *a, const json_t *rule)
{
    json_t *file = json_pack("{s:[O]}", "rules", rule);
    size_t n = file != NULL ? json_dumpb(file, NULL, 0, 0) : 0;
    char *text = arena_alloc(&j->arena, n + 1);
    ASSERT(json_is_object(rule));
    bool is_dumped = n > 0 && json_dumpb(file, text, n, 0) == n;
    json_decref(file);
    if (!is_dumped) {
        job_error(j, 400, "the rule cannot be read");
        return false;
    }
    return read_text(j, a, (struct str){text, n}, STR(""));
}

// False after answering.
static bool read_asked(struct job *j, struct asked *a)
{
    json_t *root = json_loadb(j->body.p, j->body.n, 0, NULL);
    const json_t *rule = json_object_get(root, "rule"), *text = json_object_get(root, "text");
    struct str name = {json_string_value(rule), json_string_length(rule)};
    bool is_read = false;
    ASSERT(a->rule == NULL);
    if (!json_is_object(root) || !read_range(j, root, a)) {
        if (!json_is_object(root)) {
            job_error(j, 400, "expected {\"rule\": name or rule, \"from\": ..., \"to\": ...}");
        }
    } else if (json_is_string(text)) {
        is_read =
            read_text(j, a, (struct str){json_string_value(text), json_string_length(text)}, name);
    } else if (json_is_object(rule)) {
        is_read = read_object(j, a, rule);
    } else if (name.n > 0) {
        a->set = alerting_rules(j->api->o.alerting);
        is_read = pick_rule(j, a, name);
    } else {
        job_error(j, 400, "expected a rule, or the name of one, in \"rule\"");
    }
    json_decref(root);
    return is_read;
}

// ---- What limits the answer ---------------------------------------------------------------------

// The first span of the view; 0 where there is none.
static uint64_t stored_since(const struct store_view *v)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < v->part_count; i++) {
        uint64_t own = part_meta(v->parts[i])->min_start_ns;
        first_ns = own < first_ns ? own : first_ns;
    }
    for (size_t i = 0; i < v->hot_count; i++) {
        bool has_spans = v->hot[i]->span_count > 0;
        first_ns =
            has_spans && v->hot[i]->min_start_ns < first_ns ? v->hot[i]->min_start_ns : first_ns;
    }
    ASSERT(first_ns > 0);
    return first_ns == UINT64_MAX ? 0 : first_ns / NS_PER_MS;
}

static void put_remark(struct json_writer *w, const char *kind, const char *key, uint64_t value)
{
    ASSERT(w->depth > 0);
    json_put_object(w);
    put_str(w, "kind", str_of(kind));
    if (key != NULL) {
        put_u64(w, key, value);
    }
    json_put_object_end(w);
}

static void put_lacks(struct json_writer *w, const struct rehearsal *r)
{
    ASSERT(r->lack_count > 0);
    json_put_object(w);
    put_str(w, "kind", STR("not_kept"));
    json_put_key(w, "names");
    json_put_array(w);
    for (size_t i = 0; i < r->lack_count; i++) {
        json_put_str(w, r->lacks[i]);
    }
    json_put_array_end(w);
    json_put_object_end(w);
}

static void put_since(struct json_writer *w, const char *kind, uint64_t since_ms,
                      const struct rehearsal *r, bool is_seasonal)
{
    uint64_t needed =
        r->from_ms > SEASON_DAYS_MIN * DAY_MS ? r->from_ms - SEASON_DAYS_MIN * DAY_MS : 0;
    ASSERT(w->depth > 0);
    if (since_ms == 0 || since_ms > r->scanned_from_ms + STORED_FAR_MS) {
        put_remark(w, kind, "since_unix_ms", since_ms > 0 ? since_ms : r->to_ms);
    }
    if (is_seasonal && (since_ms == 0 || since_ms > needed)) {
        put_remark(w, "season_short", "since_unix_ms", since_ms > 0 ? since_ms : r->to_ms);
    }
}

static void put_remarks(struct json_writer *w, const struct alert_rule *rule,
                        const struct rehearsal *r, const struct store_view *v)
{
    bool of_spans = false, of_points = false, is_seasonal = false;
    uint64_t least_ms = UINT64_MAX;
    for (size_t i = 0; i < rule->strategy_count; i++) {
        const struct alert_strategy *s = &rule->strategies[i];
        of_points = of_points || s->metric.n > 0;
        of_spans = of_spans || s->metric.n == 0;
        is_seasonal = is_seasonal || alert_is_seasonal(s->op);
        uint64_t slot_ms = window_shape_of(s).slot_ms;
        least_ms = slot_ms < least_ms ? slot_ms : least_ms;
    }
    json_put_key(w, "remarks");
    json_put_array(w);
    if (of_spans && v->is_sampled) {
        put_remark(w, "sampled", NULL, 0);
    }
    if (of_spans) {
        put_since(w, "stored_since", stored_since(v), r, is_seasonal);
    }
    if (of_points && !of_spans) {
        put_since(w, "points_since", r->data_from_ms, r, is_seasonal);
    }
    if (r->lack_count > 0) {
        put_lacks(w, r);
    }
    if (r->step_ms > least_ms) {
        put_remark(w, "step", "step_ms", r->step_ms);
    }
    if (r->refused > 0) {
        put_remark(w, "refused", "records", r->refused);
    }
    if (r->unfit > 0) {
        put_remark(w, "unfit", "records", r->unfit);
    }
    json_put_array_end(w);
    ASSERT(of_spans || of_points);
}

// ---- The answer ---------------------------------------------------------------------------------

static void put_stretch(struct json_writer *w, const struct rehearsal_stretch *s)
{
    ASSERT(s->strategy < ALERT_STRATEGIES_MAX);
    json_put_object(w);
    put_u64(w, "begin_unix_ms", s->begin_ms);
    json_put_key(w, "end_unix_ms");
    if (s->end_ms > 0) {
        json_put_u64(w, s->end_ms);
    } else {
        json_put_null(w);
    }
    put_u64(w, "strategy", s->strategy);
    put_number(w, "value", s->value);
    put_number(w, "limit", s->limit);
    put_number(w, "worst", s->worst);
    if (s->has_trace) {
        put_trace_id(w, "trace_id", s->trace);
    } else {
        json_put_key(w, "trace_id");
        json_put_null(w);
    }
    json_put_object_end(w);
}

static void put_group(struct json_writer *w, const struct alert_rule *rule,
                      const struct rehearsal_group *g)
{
    ASSERT(g->count <= g->fired);
    json_put_object(w);
    json_put_key(w, "values");
    json_put_array(w);
    for (size_t i = 0; i < rule->strategies[0].group_by_count; i++) {
        json_put_str(w, g->values[i]);
    }
    json_put_array_end(w);
    put_u64(w, "fired", g->fired);
    put_u64(w, "firing_ms", g->firing_ms);
    json_put_key(w, "stretches");
    json_put_array(w);
    for (size_t i = 0; i < g->count; i++) {
        put_stretch(w, &g->stretches[i]);
    }
    json_put_array_end(w);
    json_put_object_end(w);
}

static void put_rehearsal(struct job *j, const struct alert_rule *rule, const struct rehearsal *r,
                          const struct store_view *v)
{
    struct json_writer w;
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"from_unix_ms", r->from_ms},
                   {"to_unix_ms", r->to_ms},
                   {"scanned_from_unix_ms", r->scanned_from_ms},
                   {"step_ms", r->step_ms},
                   {"fired", r->fired},
                   {"firing_ms", r->firing_ms},
                   {"groups_fired", r->groups_fired},
                   {"groups_seen", r->groups_seen},
                   {"records", r->records}};
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "rule");
    alert_rule_print_json(rule, json_put_raw(&w));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        put_u64(&w, numbers[i].key, numbers[i].value);
    }
    json_put_key(&w, "groups");
    json_put_array(&w);
    for (size_t i = 0; i < r->count; i++) {
        put_group(&w, rule, &r->groups[i]);
    }
    json_put_array_end(&w);
    put_remarks(&w, rule, r, v);
    job_stats(j, &w, v);
    json_put_object_end(&w);
    ASSERT(w.depth == 0);
}

void api_alert_test(struct job *j)
{
    struct asked a = {0};
    ASSERT(j->api != NULL);
    if (read_asked(j, &a)) {
        struct rehearsal *r = NULL;
        struct store_view *view = store_view(j->api->o.store);
        const struct rehearsal_query q = {.view = view,
                                          .series = j->api->o.series,
                                          .rule = a.rule,
                                          .from_ms = a.from_ms,
                                          .to_ms = a.to_ms,
                                          .control = &j->control};
        enum err e = rehearsal_run(&q, &r);
        if (e == ERR_OK) {
            put_rehearsal(j, a.rule, r, view);
        } else if (e == ERR_LIMIT) {
            job_error(j, 400,
                      "the range has too many moments for this rule; ask for a shorter one");
        } else {
            job_fail(j, e);
        }
        rehearsal_free(r);
        store_view_free(view);
    }
    alert_set_unref(a.set);
}
