// SPDX-License-Identifier: Apache-2.0
// Purpose: calls over time and between services: /api/v1/red and /api/v1/topology.
#include "api/job.h"
#include "api/numbers.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "query/red.h"
#include "query/topology.h"

// ---- Over time ----------------------------------------------------------------------------------

static void put_groups(struct json_writer *w, const struct red *r, struct hist_total *scratch)
{
    json_put_key(w, "groups");
    json_put_array(w);
    for (size_t i = 0; i < r->group_count; i++) {
        ASSERT(r->groups[i].calls.hist.n > 0);
        json_put_object(w);
        put_str(w, "name", r->groups[i].name);
        put_calls(w, &r->groups[i].calls, scratch);
        json_put_object_end(w);
    }
    json_put_array_end(w);
    put_u64(w, "left_out_groups", r->left_out_groups);
}

static void put_red(struct job *j, const struct red *r, enum red_by by)
{
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_range(&w, r->from_ms, r->to_ms, r->damaged_parts);
    put_u64(&w, "step_ms", r->step_ms);
    put_bool(&w, "counted_before_sampling", r->counted);
    json_put_key(&w, "total");
    json_put_object(&w);
    put_calls(&w, &r->total, scratch);
    json_put_object_end(&w);
    json_put_key(&w, "points");
    json_put_array(&w);
    for (size_t i = 0; i < r->count; i++) {
        json_put_object(&w);
        put_u64(&w, "time_unix_ms", r->points[i].time_ms);
        put_calls(&w, &r->points[i].calls, scratch);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    if (by != RED_BY_NOTHING) {
        put_groups(&w, r, scratch);
    }
    json_put_object_end(&w);
    mem_free(scratch);
}

// What the totals are to be by. False where that cannot be asked for: the answer is written then.
static bool read_by(struct job *j, enum red_by *ret_by)
{
    struct str by = j->params[PARAM_BY];
    bool some = by.p != NULL, one = j->params[PARAM_ENDPOINT].p != NULL;
    if (one && j->params[PARAM_INSTANCE].p != NULL) {
        job_error(j, 400, "endpoint and instance cannot be asked for together");
        return false;
    }
    one = one || j->params[PARAM_INSTANCE].p != NULL;
    if (some && !str_eq(by, STR("endpoint")) && !str_eq(by, STR("instance"))) {
        job_error(j, 400, "by must be endpoint or instance");
        return false;
    }
    if (some && one) {
        job_error(j, 400, "by cannot be asked for together with endpoint or instance");
        return false;
    }
    ASSERT(!some || by.n > 0);
    *ret_by = !some                         ? RED_BY_NOTHING
              : str_eq(by, STR("endpoint")) ? RED_BY_ENDPOINT
                                            : RED_BY_INSTANCE;
    return true;
}

void api_red(struct job *j)
{
    uint64_t from_ns, to_ns, step_ms;
    enum red_by by;
    struct str service = j->params[PARAM_SERVICE], line = j->params[PARAM_NAMESPACE];
    struct red *r;
    if (!job_range(j, &from_ns, &to_ns) || !job_number(j, PARAM_STEP, 0, 0, 86400000, &step_ms)) {
        return;
    }
    if (service.n == 0) {
        job_error(j, 400, "service is missing: whose calls are asked for?");
        return;
    }
    if (!read_by(j, &by)) {
        return;
    }
    const struct red_query q = {.store = j->api->o.series,
                                .any_line = line.p == NULL,
                                .line = line,
                                .service = service,
                                .endpoint = j->params[PARAM_ENDPOINT],
                                .instance = j->params[PARAM_INSTANCE],
                                .by = by,
                                .from_ms = from_ns / NS_PER_MS,
                                .to_ms = to_ns / NS_PER_MS,
                                .step_ms = step_ms,
                                .control = &j->control};
    enum err e = red_run(&q, &r);
    if (e == ERR_OK) {
        put_red(j, r, by);
        red_free(r);
    } else if (e == ERR_INVALID) {
        job_error(j, 400, "step must be a multiple of 10,000 milliseconds");
    } else {
        job_fail_sum(j, e);
    }
}

// ---- Between nodes ------------------------------------------------------------------------------

static void put_node(struct json_writer *w, const struct topology_node *n,
                     struct hist_total *scratch)
{
    ASSERT(n->id.n > 0);
    json_put_object(w);
    put_str(w, "id", n->id);
    put_node_names(w, &n->node);
    put_calls(w, &n->calls, scratch);
    put_bool(w, "counted_before_sampling", n->counted);
    put_bool(w, "sampled", n->sampled);
    put_health(w, &n->health);
    json_put_object_end(w);
}

static void put_edge(struct json_writer *w, const struct topology *t, const struct topology_edge *e,
                     struct hist_total *scratch)
{
    ASSERT(e->from < t->node_count && e->to < t->node_count);
    json_put_object(w);
    put_str(w, "from", t->nodes[e->from].id);
    put_str(w, "to", t->nodes[e->to].id);
    put_bool(w, "cross_dc", e->cross_dc_calls > 0);
    put_i64(w, "cross_dc_calls", e->cross_dc_calls);
    put_i64(w, "passed_on_errors", e->passed_on_errors);
    put_bool(w, "sampled", e->sampled);
    put_sides(w, &e->client, &e->server, scratch);
    json_put_object_end(w);
}

static void put_topology(struct job *j, const struct topology *t)
{
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_range(&w, t->from_ms, t->to_ms, t->damaged_parts);
    put_u64(&w, "left_out_measures", t->left_out_sources);
    json_put_key(&w, "nodes");
    json_put_array(&w);
    for (size_t i = 0; i < t->node_count; i++) {
        put_node(&w, &t->nodes[i], scratch);
    }
    json_put_array_end(&w);
    json_put_key(&w, "edges");
    json_put_array(&w);
    for (size_t i = 0; i < t->edge_count; i++) {
        put_edge(&w, t, &t->edges[i], scratch);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
    mem_free(scratch);
}

void api_topology(struct job *j)
{
    // Behind those of services, those of places.
    static const struct str levels[TOPOLOGY_LEVELS + PLACES_LEVELS] = {
        [TOPOLOGY_LINE] = {"line", 4},
        [TOPOLOGY_SERVICE] = {"service", 7},
        [TOPOLOGY_ENDPOINT] = {"endpoint", 8},
        [TOPOLOGY_LEVELS + PLACES_HOST] = {"host", 4},
        [TOPOLOGY_LEVELS + PLACES_RACK] = {"rack", 4},
        [TOPOLOGY_LEVELS + PLACES_CENTRE] = {"dc", 2},
    };
    const unsigned count = TOPOLOGY_LEVELS + PLACES_LEVELS;
    uint64_t from_ns, to_ns;
    struct str level = j->params[PARAM_LEVEL];
    struct topology *t;
    unsigned l = level.p == NULL ? TOPOLOGY_SERVICE : 0;
    if (!job_range(j, &from_ns, &to_ns)) {
        return;
    }
    while (level.p != NULL && l < count && !str_eq(level, levels[l])) {
        l++;
    }
    if (l == count) {
        job_error(j, 400, "level must be line, service or endpoint, or host, rack or dc");
        return;
    }
    if (l >= TOPOLOGY_LEVELS) {
        api_places(j, (enum places_level)(l - TOPOLOGY_LEVELS), from_ns / NS_PER_MS,
                   to_ns / NS_PER_MS);
        return;
    }
    const struct topology_query q = {.store = j->api->o.series,
                                     .level = (enum topology_level)l,
                                     .from_ms = from_ns / NS_PER_MS,
                                     .to_ms = to_ns / NS_PER_MS,
                                     .limits = &j->api->o.health,
                                     .control = &j->control};
    enum err e = topology_run(&q, &t);
    if (e == ERR_OK) {
        put_topology(j, t);
        topology_free(t);
    } else {
        job_fail_sum(j, e);
    }
}
