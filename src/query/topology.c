// SPDX-License-Identifier: Apache-2.0
// Purpose: the topology of a range.
#include "query/topology.h"

#include <string.h>

#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/calls.h"
#include "query/counted.h"
#include "query/machine_states.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

// A node while series are read. Its own calls are those of its endpoints, or, of what sends no
// spans, those of the edges to it.
struct node_sum {
    struct topology_node node; // `calls` is read at the end
    struct calls_sum own;
    struct calls_sum usual[USUAL_COUNT]; // the same, of the stretches that it is compared with
    // Of machines, the greatest of its instances; nobody's where none told.
    struct {
        double share;
        struct str who;
    } machines[HEALTH_MEASURES];
};

struct edge_sum {
    uint32_t from, to;
    struct calls_sum client, server;
    // Calls from one data centre to another, and failed ones whose callers failed too.
    int64_t cross_client, cross_server, passed_client, passed_server;
    bool sampled;
};

struct topology_run {
    const struct topology_query *query;
    struct topology *out;
    struct calls_adder adder;
    struct node_sum *nodes;
    uint64_t *node_hashes;
    size_t node_count, node_capacity, node_hash_capacity;
    struct hash_index node_index;
    struct edge_sum *edges;
    uint64_t *edge_hashes;
    size_t edge_count, edge_capacity, edge_hash_capacity;
    struct hash_index edge_index;
    struct senders senders;
    enum health_usual usual; // USUAL_COUNT: it is the range itself that is read
};

// ---- Nodes --------------------------------------------------------------------------------------

// Leaves of an end what the level tells apart.
static struct node at_level(struct node e, enum topology_level level)
{
    bool is_service = str_eq(e.kind, STR("service"));
    if (is_service && level == TOPOLOGY_LINE) {
        e.kind = STR("line");
        e.service = STR("");
    }
    if (is_service && level != TOPOLOGY_ENDPOINT) {
        e.name = STR("");
    }
    ASSERT(e.kind.n > 0);
    return e;
}

static bool is_node(const struct topology_node *n, const struct node *e)
{
    ASSERT(n->node.kind.n > 0);
    return node_cmp(&n->node, e) == 0;
}

static bool take_for_node(struct topology_run *run, const struct node *e)
{
    size_t text = e->kind.n + e->line.n + e->service.n + e->name.n;
    size_t bytes = 2 * (sizeof *run->nodes + sizeof *run->node_hashes + 8) + 8 * text + 64;
    ASSERT(text < SIZE_MAX / 4);
    if (!query_need(run->query->control, bytes)) {
        return false;
    }
    run->adder.charged_bytes += bytes;
    return true;
}

static bool find_node(const struct topology_run *run, const struct node *e, uint64_t hash,
                      uint32_t *ret_node)
{
    struct hash_walk walk = hash_index_walk(&run->node_index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < run->node_count);
        if (run->node_hashes[at] == hash && is_node(&run->nodes[at].node, e)) {
            *ret_node = at;
            return true;
        }
    }
    return false;
}

static enum err node_of(struct topology_run *run, struct node e, uint32_t *ret_node)
{
    uint64_t hash = node_hash(&e);
    if (find_node(run, &e, hash, ret_node)) {
        return ERR_OK;
    }
    if (run->node_count == TOPOLOGY_NODES_MAX) {
        return ERR_LIMIT;
    }
    if (!take_for_node(run, &e)) {
        return ERR_MEMORY;
    }
    size_t n = run->node_count;
    run->nodes = mem_grow(run->nodes, &run->node_capacity, n + 1, sizeof *run->nodes);
    run->node_hashes =
        mem_grow(run->node_hashes, &run->node_hash_capacity, n + 1, sizeof *run->node_hashes);
    hash_index_reserve(&run->node_index, run->node_hashes, n, 64);
    struct node copy = node_copy(&run->out->arena, &e);
    run->nodes[n] =
        (struct node_sum){.node = {.id = node_id(&run->out->arena, &copy), .node = copy}};
    run->node_hashes[n] = hash;
    hash_index_put(&run->node_index, hash, (uint32_t)n);
    *ret_node = (uint32_t)run->node_count++;
    return ERR_OK;
}

// ---- Edges --------------------------------------------------------------------------------------

static enum err edge_of(struct topology_run *run, uint32_t from, uint32_t to, uint32_t *ret_edge)
{
    uint64_t hash = ((uint64_t)from << 32 | to) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    struct hash_walk walk = hash_index_walk(&run->edge_index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        if (run->edges[at].from == from && run->edges[at].to == to) {
            *ret_edge = at;
            return ERR_OK;
        }
    }
    if (run->edge_count == TOPOLOGY_EDGES_MAX) {
        return ERR_LIMIT;
    }
    size_t n = run->edge_count, bytes = 2 * (sizeof *run->edges + sizeof *run->edge_hashes + 8);
    ASSERT(from < run->node_count && to < run->node_count);
    if (!query_need(run->query->control, bytes)) {
        return ERR_MEMORY;
    }
    run->adder.charged_bytes += bytes;
    run->edges = mem_grow(run->edges, &run->edge_capacity, n + 1, sizeof *run->edges);
    run->edge_hashes =
        mem_grow(run->edge_hashes, &run->edge_hash_capacity, n + 1, sizeof *run->edge_hashes);
    hash_index_reserve(&run->edge_index, run->edge_hashes, n, 64);
    run->edges[n] = (struct edge_sum){.from = from, .to = to};
    run->edge_hashes[n] = hash;
    hash_index_put(&run->edge_index, hash, (uint32_t)n);
    *ret_edge = (uint32_t)run->edge_count++;
    return ERR_OK;
}

// ---- Series -------------------------------------------------------------------------------------

static enum err add_all(struct topology_run *run, struct calls_sum *sum,
                        const struct series_found *found)
{
    bool error = str_eq(series_label(found, CALLS_ERROR), CALLS_TRUE);
    enum err e = ERR_OK;
    ASSERT(found->hists != NULL);
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        e = calls_sum_add(&run->adder, sum, &found->hists[i], error);
    }
    return e;
}

static struct node end_of_endpoint(const struct series_found *found)
{
    ASSERT(found->label_count > 0);
    return (struct node){.kind = STR("service"),
                         .line = found->line,
                         .service = series_label(found, CALLS_SERVICE),
                         .name = series_label(found, CALLS_ENDPOINT)};
}

static enum err on_endpoint(struct topology_run *run, const struct series_found *found)
{
    struct node end = end_of_endpoint(found);
    bool sampled = str_eq(series_label(found, CALLS_COUNTED), CALLS_TRUE) &&
                   senders_has_sampled(&run->senders, end.line, end.service);
    uint32_t at;
    enum err e = node_of(run, at_level(end, run->query->level), &at);
    if (e == ERR_OK) {
        struct node_sum *n = &run->nodes[at];
        n->node.counted |= counted_is(found);
        n->node.sampled |= sampled;
        e = add_all(run, &n->own, found);
    }
    return e;
}

// Whether the one who measured an edge left traces out.
static bool is_sample(const struct topology_run *run, const struct node ends[2], bool at_client)
{
    const struct node *teller = &ends[at_client ? 0 : 1];
    ASSERT(teller->kind.n > 0);
    return str_eq(teller->kind, STR("service")) &&
           senders_has_sampled(&run->senders, teller->line, teller->service);
}

static void note_labels(struct edge_sum *edge, bool at_client, const struct series_found *found)
{
    bool crosses = str_eq(series_label(found, CALLS_CROSS), CALLS_TRUE);
    bool is_passed_on = str_eq(series_label(found, CALLS_PASSED_ON), CALLS_TRUE);
    int64_t calls = 0;
    ASSERT(found->hists != NULL);
    for (size_t i = 0; i < found->count && (crosses || is_passed_on); i++) {
        calls += found->hists[i].count;
    }
    *(at_client ? &edge->cross_client : &edge->cross_server) += crosses ? calls : 0;
    *(at_client ? &edge->passed_client : &edge->passed_server) += is_passed_on ? calls : 0;
}

static enum err on_edge(struct topology_run *run, const struct series_found *found)
{
    bool at_client = str_eq(series_label(found, CALLS_SIDE), CALLS_CLIENT);
    struct node ends[2] = {node_of_series(found, true), node_of_series(found, false)};
    uint32_t nodes[2], edge;
    enum err e = ERR_OK;
    for (unsigned i = 0; i < 2 && e == ERR_OK; i++) {
        if (ends[i].kind.n == 0) {
            return ERR_OK; // nobody's: a series of another maker with this name
        }
        e = node_of(run, at_level(ends[i], run->query->level), &nodes[i]);
    }
    e = e == ERR_OK ? edge_of(run, nodes[0], nodes[1], &edge) : e;
    if (e == ERR_OK) {
        struct edge_sum *sum = &run->edges[edge];
        e = add_all(run, at_client ? &sum->client : &sum->server, found);
        note_labels(sum, at_client, found);
        sum->sampled |= is_sample(run, ends, at_client);
    }
    if (e == ERR_OK && at_client && !str_eq(ends[1].kind, STR("service"))) {
        struct node_sum *peer = &run->nodes[nodes[1]];
        peer->node.sampled |= is_sample(run, ends, at_client);
        e = add_all(run, &peer->own, found);
    }
    return e;
}

// Of a stretch to compare with: what the nodes had that there are now.
static enum err on_usual(struct topology_run *run, const struct series_found *found)
{
    bool is_peer = str_eq(series_label(found, CALLS_OF), CALLS_EDGE);
    struct node end = is_peer ? node_of_series(found, false) : end_of_endpoint(found);
    uint32_t node;
    ASSERT(run->usual < USUAL_COUNT);
    if (end.kind.n == 0) {
        return ERR_OK;
    }
    end = at_level(end, run->query->level);
    return find_node(run, &end, node_hash(&end), &node)
               ? add_all(run, &run->nodes[node].usual[run->usual], found)
               : ERR_OK;
}

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct topology_run *run = ctx;
    struct str of = series_label(found, CALLS_OF);
    ASSERT(run->out != NULL);
    return run->usual < USUAL_COUNT ? on_usual(run, found)
           : str_eq(of, CALLS_EDGE) ? on_edge(run, found)
                                    : on_endpoint(run, found);
}

// ---- Machines -----------------------------------------------------------------------------------

static void note_machine(struct topology_run *run, struct node_sum *n,
                         const struct machine_state *state)
{
    struct str *who = &n->machines[state->measure].who;
    double *share = &n->machines[state->measure].share;
    ASSERT(state->measure >= HEALTH_MACHINE && state->measure < HEALTH_MEASURES);
    if (who->p == NULL || state->share > *share) {
        *share = state->share;
        *who = arena_str(&run->out->arena, state->instance);
    }
}

// What is scraped often tells no line: it is of each service of its name, where none has that line.
static void on_machine(void *ctx, const struct machine_state *state)
{
    struct topology_run *run = ctx;
    const struct node full = {
        .kind = STR("service"), .line = state->line, .service = state->service, .name = STR("")};
    const struct node end = at_level(full, run->query->level);
    uint32_t at;
    ASSERT(state->service.n > 0);
    if (find_node(run, &end, node_hash(&end), &at)) {
        note_machine(run, &run->nodes[at], state);
        return;
    }
    for (size_t i = 0; i < run->node_count && state->line.n == 0; i++) {
        if (str_eq(run->nodes[i].node.node.service, state->service)) {
            note_machine(run, &run->nodes[i], state);
        }
    }
}

static enum err ask_machines(struct topology_run *run)
{
    const struct machine_states_query q = {.store = run->query->store,
                                           .from_ms = run->out->from_ms,
                                           .to_ms = run->out->to_ms,
                                           .control = run->query->control};
    ASSERT(run->node_count <= TOPOLOGY_NODES_MAX);
    return run->query->limits == NULL || run->query->level == TOPOLOGY_ENDPOINT
               ? ERR_OK
               : machine_states(&q, on_machine, run, &run->out->damaged_parts,
                                &run->out->left_out_sources);
}

static void judge_machines(const struct topology_run *run, const struct node_sum *n,
                           struct health_verdict *verdict)
{
    for (unsigned m = HEALTH_MACHINE; m < HEALTH_MEASURES && run->query->limits != NULL; m++) {
        ASSERT(n->node.node.kind.n > 0);
        if (n->machines[m].who.p != NULL) {
            health_add_machine(verdict, run->query->limits, (enum health_measure)m,
                               n->machines[m].share, n->machines[m].who);
        }
    }
}

// ---- Asking -------------------------------------------------------------------------------------

// Reads edges of the range, or of the one that lies so long before it.
static enum err ask_edges(struct topology_run *run, const struct series_matcher *matchers,
                          size_t count, uint64_t before_ms)
{
    const struct topology *out = run->out;
    const struct series_query q = {.any_line = true,
                                   .matchers = matchers,
                                   .matcher_count = count,
                                   .from_ms = out->from_ms - before_ms,
                                   .to_ms = out->to_ms - before_ms,
                                   .step_ms = calls_whole_step_ms(out->to_ms - before_ms)};
    ASSERT(out->from_ms >= before_ms);
    return calls_run(run->query->store, q, run->query->control, on_series, run,
                     &run->out->damaged_parts);
}

// The same of endpoints.
static enum err ask_endpoints(struct topology_run *run, uint64_t before_ms)
{
    const struct topology *out = run->out;
    const struct counted_query q = {.store = run->query->store,
                                    .any_line = true,
                                    .service = STR_NONE,
                                    .endpoint = STR_NONE,
                                    .instance = STR_NONE,
                                    .from_ms = out->from_ms - before_ms,
                                    .to_ms = out->to_ms - before_ms,
                                    .step_ms = senders_step_ms(out->from_ms, out->to_ms),
                                    .is_sum = true,
                                    .control = run->query->control};
    bool counted;
    ASSERT(out->from_ms >= before_ms);
    return counted_run(&q, on_series, run, &run->out->damaged_parts, &counted);
}

static enum err ask_all(struct topology_run *run)
{
    static const uint64_t before_ms[USUAL_COUNT] = {DAY_MS, 7 * DAY_MS};
    const struct series_matcher edges[] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                           {CALLS_OF, MATCH_EQUAL, CALLS_EDGE},
                                           {CALLS_SIDE, MATCH_EQUAL, CALLS_CLIENT},
                                           {CALLS_TO_KIND, MATCH_NOT_EQUAL, STR("service")}};
    run->usual = USUAL_COUNT;
    enum err e = senders_of_range(&run->senders, run->query->store, run->out->from_ms,
                                  run->out->to_ms, run->query->control, &run->out->damaged_parts);
    e = e == ERR_OK ? ask_endpoints(run, 0) : e;
    e = e == ERR_OK ? ask_edges(run, edges, 2, 0) : e;
    for (unsigned i = 0; i < USUAL_COUNT && e == ERR_OK; i++) {
        if (before_ms[i] <= run->out->from_ms) {
            run->usual = (enum health_usual)i;
            e = ask_endpoints(run, before_ms[i]);
            e = e == ERR_OK ? ask_edges(run, edges, 4, before_ms[i]) : e;
        }
    }
    ASSERT(run->node_count <= TOPOLOGY_NODES_MAX);
    return e == ERR_OK ? ask_machines(run) : e;
}

// ---- The answer ---------------------------------------------------------------------------------

static int by_id(const void *a, const void *b)
{
    const struct node_sum *const *x = a, *const *y = b;
    return str_cmp((*x)->node.id, (*y)->node.id);
}

static int by_ends(const void *a, const void *b)
{
    const struct topology_edge *x = a, *y = b;
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return x->to < y->to ? -1 : x->to > y->to;
}

// Nodes in the order of their IDs; `places` gets where each went.
static void read_nodes(struct topology_run *run, uint32_t *places)
{
    struct topology *out = run->out;
    struct node_sum **order = mem_new(run->node_count + 1, sizeof(struct node_sum *));
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    for (size_t i = 0; i < run->node_count; i++) {
        order[i] = &run->nodes[i];
    }
    sort_array(order, run->node_count, sizeof(struct node_sum *), by_id);
    out->nodes = arena_new(&out->arena, run->node_count + 1, sizeof *out->nodes);
    out->node_count = run->node_count;
    for (size_t i = 0; i < run->node_count; i++) {
        out->nodes[i] = order[i]->node;
        out->nodes[i].calls = calls_sum_read(&order[i]->own, &out->arena);
        out->nodes[i].sampled &= !out->nodes[i].counted;
        out->nodes[i].health =
            health_of_sums(&order[i]->own, order[i]->usual, out->nodes[i].sampled,
                           out->to_ms - out->from_ms, scratch);
        judge_machines(run, order[i], &out->nodes[i].health);
        places[order[i] - run->nodes] = (uint32_t)i;
    }
    ASSERT(run->node_count == 0 || out->nodes[0].id.n > 0);
    mem_free(scratch);
    mem_free(order);
}

static void read_edges(struct topology_run *run, const uint32_t *places)
{
    struct topology *out = run->out;
    out->edges = arena_new(&out->arena, run->edge_count + 1, sizeof *out->edges);
    out->edge_count = run->edge_count;
    for (size_t i = 0; i < run->edge_count; i++) {
        const struct edge_sum *e = &run->edges[i];
        ASSERT(e->from < run->node_count && e->to < run->node_count);
        out->edges[i] = (struct topology_edge){
            .from = places[e->from],
            .to = places[e->to],
            .client = calls_sum_read(&e->client, &out->arena),
            .server = calls_sum_read(&e->server, &out->arena),
            .cross_dc_calls = e->server.hist.n > 0 ? e->cross_server : e->cross_client,
            .passed_on_errors = e->client.hist.n > 0 ? e->passed_client : e->passed_server,
            .sampled = e->sampled};
    }
    sort_array(out->edges, out->edge_count, sizeof *out->edges, by_ends);
}

static void run_done(struct topology_run *run)
{
    for (size_t i = 0; i < run->node_count; i++) {
        calls_sum_done(&run->nodes[i].own);
        for (unsigned k = 0; k < USUAL_COUNT; k++) {
            calls_sum_done(&run->nodes[i].usual[k]);
        }
    }
    for (size_t i = 0; i < run->edge_count; i++) {
        calls_sum_done(&run->edges[i].client);
        calls_sum_done(&run->edges[i].server);
    }
    ASSERT(run->node_count <= run->node_capacity);
    mem_free(run->nodes);
    mem_free(run->node_hashes);
    mem_free(run->edges);
    mem_free(run->edge_hashes);
    hash_index_done(&run->node_index);
    hash_index_done(&run->edge_index);
    calls_adder_done(&run->adder);
    senders_done(&run->senders);
}

enum err topology_run(const struct topology_query *query, struct topology **ret)
{
    struct topology *out = mem_new(1, sizeof *out);
    struct topology_run run = {.query = query, .out = out};
    ASSERT(query->level < TOPOLOGY_LEVELS);
    out->control = query->control;
    calls_cut_range(query->store, query->from_ms, query->to_ms, 0, &out->from_ms, &out->to_ms);
    calls_adder_init(&run.adder, query->control);
    senders_init(&run.senders, query->control);
    enum err e = out->from_ms < out->to_ms ? ask_all(&run) : ERR_OK;
    if (e == ERR_OK) {
        uint32_t *places = mem_new(run.node_count + 1, sizeof *places);
        read_nodes(&run, places);
        read_edges(&run, places);
        mem_free(places);
    }
    run_done(&run);
    out->charged_bytes = run.adder.charged_bytes;
    if (e != ERR_OK) {
        topology_free(out);
        return e;
    }
    *ret = out;
    return ERR_OK;
}

void topology_free(struct topology *t)
{
    if (t != NULL) {
        arena_done(&t->arena);
        query_give(t->control, t->charged_bytes);
        mem_free(t);
    }
}
