// SPDX-License-Identifier: Apache-2.0
// Purpose: where services run: the levels host, rack and dc of /api/v1/topology.
#include "query/places.h"

#include "api/job.h"
#include "api/numbers.h"
#include "api/put.h"
#include "core/mem.h"
#include "core/must.h"

static void put_service(struct json_writer *w, const struct places_service *s,
                        struct hist_total *scratch)
{
    ASSERT(s->instances > 0 || s->calls.calls >= 0);
    json_put_object(w);
    put_str(w, "namespace", s->line);
    put_str(w, "service", s->service);
    put_u64(w, "instances", s->instances);
    put_calls(w, &s->calls, scratch);
    json_put_object_end(w);
}

static void put_node(struct json_writer *w, const struct places_node *n, enum places_level level,
                     struct hist_total *scratch)
{
    static const struct str kinds[PLACES_LEVELS] = {
        [PLACES_HOST] = {"host", 4}, [PLACES_RACK] = {"rack", 4}, [PLACES_CENTRE] = {"dc", 2}};
    const struct str name = level == PLACES_HOST   ? n->place.host
                            : level == PLACES_RACK ? n->place.rack
                                                   : n->place.centre;
    const struct node names = {
        .kind = kinds[level], .line = STR(""), .service = STR(""), .name = name};
    ASSERT(n->id.n > 0);
    json_put_object(w);
    put_str(w, "id", n->id);
    put_node_names(w, &names);
    put_calls(w, &n->calls, scratch);
    put_health(w, &n->health);
    json_put_key(w, "place");
    json_put_object(w);
    put_str(w, "dc", n->place.centre);
    put_str(w, "rack", n->place.rack);
    put_str(w, "host", n->place.host);
    put_u64(w, "hosts", n->hosts);
    put_u64(w, "instances", n->instances);
    put_measures(w, n->numbers, n->number_count);
    json_put_key(w, "services");
    json_put_array(w);
    for (size_t i = 0; i < n->service_count; i++) {
        put_service(w, &n->services[i], scratch);
    }
    json_put_array_end(w);
    json_put_object_end(w);
    json_put_object_end(w);
}

static void put_edge(struct json_writer *w, const struct places *p, const struct places_edge *e,
                     struct hist_total *scratch)
{
    const struct calls *calls = e->server.hist.n > 0 ? &e->server : &e->client;
    ASSERT(e->from < p->node_count && e->to < p->node_count);
    json_put_object(w);
    put_str(w, "from", p->nodes[e->from].id);
    put_str(w, "to", p->nodes[e->to].id);
    put_bool(w, "cross_dc", e->cross_dc && calls->calls > 0);
    put_i64(w, "cross_dc_calls", e->cross_dc ? calls->calls : 0);
    put_bool(w, "sampled", e->sampled);
    put_sides(w, &e->client, &e->server, scratch);
    json_put_object_end(w);
}

static void put_places(struct job *j, const struct places *p, enum places_level level)
{
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_range(&w, p->from_ms, p->to_ms, p->damaged_parts);
    put_bool(&w, "counted_before_sampling", p->counted);
    put_i64(&w, "unplaced_calls", p->unplaced_calls);
    put_u64(&w, "left_out_instances", p->left_out_instances);
    put_u64(&w, "left_out_measures", p->left_out_sources);
    json_put_key(&w, "nodes");
    json_put_array(&w);
    for (size_t i = 0; i < p->node_count; i++) {
        put_node(&w, &p->nodes[i], level, scratch);
    }
    json_put_array_end(&w);
    json_put_key(&w, "edges");
    json_put_array(&w);
    for (size_t i = 0; i < p->edge_count; i++) {
        put_edge(&w, p, &p->edges[i], scratch);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
    ASSERT(level < PLACES_LEVELS);
    mem_free(scratch);
}

void api_places(struct job *j, enum places_level level, uint64_t from_ms, uint64_t to_ms)
{
    struct places *p;
    const struct places_query q = {.store = j->api->o.series,
                                   .level = level,
                                   .from_ms = from_ms,
                                   .to_ms = to_ms,
                                   .limits = &j->api->o.health,
                                   .control = &j->control};
    ASSERT(from_ms <= to_ms);
    enum err e = places_run(&q, &p);
    if (e == ERR_OK) {
        put_places(j, p, level);
        places_free(p);
    } else {
        job_fail_sum(j, e);
    }
}
