// SPDX-License-Identifier: Apache-2.0
// Purpose: where services run: hosts, racks and data centres, added up from series of instances.
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/calls.h"
#include "query/counted.h"
#include "query/machine_sources.h"
#include "query/machine_states.h"
#include "query/node.h"
#include "query/places_state.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

bool places_charge(struct places_run *r, size_t bytes)
{
    ASSERT(bytes > 0);
    if (!query_need(r->q->control, bytes)) {
        return false;
    }
    r->adder.charged_bytes += bytes;
    return true;
}

uint64_t places_hash(uint64_t number, const struct str *texts, size_t count)
{
    uint64_t h = number * 0xc2b2ae3d27d4eb4fu;
    ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        h = (h ^ str_hash(texts[i])) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}

void places_index_add(struct places_index *x, uint64_t hash)
{
    ASSERT(x->count < UINT32_MAX);
    x->hashes = mem_grow(x->hashes, &x->capacity, x->count + 1, sizeof *x->hashes);
    hash_index_reserve(&x->slots, x->hashes, x->count, 64);
    x->hashes[x->count] = hash;
    hash_index_put(&x->slots, hash, (uint32_t)x->count++);
}

// ---- Rows ---------------------------------------------------------------------------------------

static bool is_place(const struct place *a, const struct place *b)
{
    return str_eq(a->host, b->host) && str_eq(a->rack, b->rack) && str_eq(a->centre, b->centre);
}

static struct place place_copy(struct arena *arena, const struct place *p)
{
    ASSERT(arena != NULL);
    return (struct place){arena_str(arena, p->centre), arena_str(arena, p->rack),
                          arena_str(arena, p->host)};
}

static uint64_t hash_of_place(const struct place *p)
{
    const struct str texts[] = {p->centre, p->rack, p->host};
    return places_hash(0, texts, 3);
}

// What the level does not tell apart is left out.
static struct place at_level(struct place p, enum places_level level)
{
    ASSERT(level < PLACES_LEVELS);
    p.host = level == PLACES_HOST ? p.host : STR("");
    p.rack = level == PLACES_CENTRE ? STR("") : p.rack;
    return p;
}

static struct str id_of(struct arena *arena, const struct place *p, enum places_level level)
{
    struct str centre = node_id_part(arena, p->centre), rack = node_id_part(arena, p->rack);
    ASSERT(level < PLACES_LEVELS);
    return level == PLACES_CENTRE ? arena_printf(arena, "dc/%.*s", STR_FMT(centre))
           : level == PLACES_RACK
               ? arena_printf(arena, "rack/%.*s/%.*s", STR_FMT(centre), STR_FMT(rack))
               : arena_printf(arena, "host/%.*s/%.*s/%.*s", STR_FMT(centre), STR_FMT(rack),
                              STR_FMT(p->host));
}

static bool find_node(const struct places_run *r, const struct place *p, uint32_t *ret_node)
{
    uint64_t hash = hash_of_place(p);
    struct hash_walk walk = hash_index_walk(&r->node_index.slots, hash);
    while (hash_index_next(&walk, ret_node)) {
        ASSERT(*ret_node < r->node_index.count);
        if (is_place(&r->nodes[*ret_node].node.place, p)) {
            return true;
        }
    }
    return false;
}

enum err places_node_of(struct places_run *r, struct place p, uint32_t *ret_node)
{
    size_t n = r->node_index.count;
    p = at_level(p, r->q->level);
    if (find_node(r, &p, ret_node)) {
        return ERR_OK;
    }
    if (n == PLACES_HOSTS_MAX) {
        return ERR_LIMIT;
    }
    if (!places_charge(r, 2 * sizeof *r->nodes + 8 * (p.centre.n + p.rack.n + p.host.n) + 64)) {
        return ERR_MEMORY;
    }
    r->nodes = mem_grow(r->nodes, &r->node_capacity, n + 1, sizeof *r->nodes);
    p = place_copy(&r->out->arena, &p);
    r->nodes[n] =
        (struct places_sum){.node = {.place = p, .id = id_of(&r->out->arena, &p, r->q->level)}};
    places_index_add(&r->node_index, hash_of_place(&p));
    ASSERT(r->node_index.count == n + 1);
    *ret_node = (uint32_t)n;
    return ERR_OK;
}

static enum err host_of(struct places_run *r, const struct place *p, uint32_t *ret_host)
{
    uint64_t hash = hash_of_place(p);
    size_t n = r->host_index.count;
    struct hash_walk walk = hash_index_walk(&r->host_index.slots, hash);
    while (hash_index_next(&walk, ret_host)) {
        if (is_place(&r->hosts[*ret_host].place, p)) {
            return ERR_OK;
        }
    }
    if (n == PLACES_HOSTS_MAX) {
        return ERR_LIMIT;
    }
    if (!places_charge(r, 2 * sizeof *r->hosts + 4 * (p->centre.n + p->rack.n + p->host.n) + 64)) {
        return ERR_MEMORY;
    }
    uint32_t node;
    enum err e = places_node_of(r, *p, &node);
    if (e == ERR_OK) {
        r->hosts = mem_grow(r->hosts, &r->host_capacity, n + 1, sizeof *r->hosts);
        r->hosts[n] = (struct places_host){.place = place_copy(&r->out->arena, p), .node = node};
        r->nodes[node].node.hosts += p->host.n > 0 ? 1 : 0;
        places_index_add(&r->host_index, hash);
        *ret_host = (uint32_t)n;
    }
    ASSERT(r->host_index.count <= PLACES_HOSTS_MAX);
    return e;
}

static enum err member_of(struct places_run *r, uint32_t node, struct str line, struct str service,
                          uint32_t *ret_member)
{
    const struct str texts[] = {line, service};
    uint64_t hash = places_hash(node + 1, texts, 2);
    size_t n = r->member_index.count;
    struct hash_walk walk = hash_index_walk(&r->member_index.slots, hash);
    while (hash_index_next(&walk, ret_member)) {
        const struct places_member *m = &r->members[*ret_member];
        if (m->node == node && str_eq(m->service.service, service) &&
            str_eq(m->service.line, line)) {
            return ERR_OK;
        }
    }
    if (n == PLACES_SERVICES_MAX) {
        return ERR_LIMIT;
    }
    if (!places_charge(r, 2 * sizeof *r->members + 2 * (line.n + service.n) + 64)) {
        return ERR_MEMORY;
    }
    r->members = mem_grow(r->members, &r->member_capacity, n + 1, sizeof *r->members);
    r->members[n] =
        (struct places_member){.node = node,
                               .service = {.line = arena_str(&r->out->arena, line),
                                           .service = arena_str(&r->out->arena, service)}};
    r->nodes[node].services++;
    places_index_add(&r->member_index, hash);
    ASSERT(r->member_index.count == n + 1);
    *ret_member = (uint32_t)n;
    return ERR_OK;
}

// Counts an instance that was not heard of yet, on its node and of its service there.
static enum err note_instance(struct places_run *r, const struct places_instance *x,
                              uint32_t member)
{
    const struct str texts[] = {x->line, x->service, x->name};
    uint64_t hash = places_hash(x->host + 1, texts, 3);
    size_t n = r->instance_index.count;
    struct hash_walk walk = hash_index_walk(&r->instance_index.slots, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        const struct places_instance *y = &r->instances[at];
        if (y->host == x->host && str_eq(y->name, x->name) && str_eq(y->service, x->service) &&
            str_eq(y->line, x->line)) {
            return ERR_OK;
        }
    }
    if (n == PLACES_INSTANCES_MAX) {
        r->out->left_out_instances++;
        return ERR_OK;
    }
    if (!places_charge(r, 2 * sizeof *r->instances + 2 * x->name.n + 64)) {
        return ERR_MEMORY;
    }
    struct places_member *m = &r->members[member];
    r->instances = mem_grow(r->instances, &r->instance_capacity, n + 1, sizeof *r->instances);
    r->instances[n] = (struct places_instance){.line = m->service.line,
                                               .service = m->service.service,
                                               .name = arena_str(&r->out->arena, x->name),
                                               .host = x->host};
    places_index_add(&r->instance_index, hash);
    m->service.instances++;
    r->nodes[m->node].node.instances++;
    ASSERT(r->instance_index.count == n + 1);
    return ERR_OK;
}

// ---- Series -------------------------------------------------------------------------------------

enum err places_add_all(struct places_run *r, struct calls_sum *sum,
                        const struct series_found *found)
{
    bool error = str_eq(series_label(found, CALLS_ERROR), CALLS_TRUE);
    enum err e = ERR_OK;
    ASSERT(found->hists != NULL);
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        e = calls_sum_add(&r->adder, sum, &found->hists[i], error);
    }
    return e;
}

static enum err on_instance(struct places_run *r, const struct series_found *found,
                            const struct place *place)
{
    struct places_instance x = {.line = found->line,
                                .service = series_label(found, CALLS_SERVICE),
                                .name = series_label(found, CALLS_INSTANCE)};
    uint32_t member = 0;
    enum err e = host_of(r, place, &x.host);
    e = e == ERR_OK ? member_of(r, r->hosts[x.host].node, x.line, x.service, &member) : e;
    e = e == ERR_OK ? note_instance(r, &x, member) : e;
    ASSERT(e != ERR_OK || member < r->member_index.count);
    return e == ERR_OK ? places_add_all(r, &r->members[member].calls, found) : e;
}

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct places_run *r = ctx;
    const struct place place = {series_label(found, CALLS_DC), series_label(found, CALLS_RACK),
                                series_label(found, CALLS_HOST)};
    if (r->usual == USUAL_COUNT) {
        return on_instance(r, found, &place);
    }
    uint32_t node;
    const struct place known = at_level(place, r->q->level);
    ASSERT(r->usual < USUAL_COUNT);
    return find_node(r, &known, &node) ? places_add_all(r, &r->nodes[node].usual[r->usual], found)
                                       : ERR_OK;
}

// Reads instances of the range, or of the one that lies so long before it.
static enum err ask_instances(struct places_run *r, uint64_t before_ms)
{
    struct places *out = r->out;
    bool counted = false;
    if (before_ms > out->from_ms) {
        return ERR_OK;
    }
    const struct counted_query q = {.store = r->q->store,
                                    .any_line = true,
                                    .service = STR_NONE,
                                    .endpoint = STR_NONE,
                                    .instance = STR_NONE,
                                    .instances = true,
                                    .from_ms = out->from_ms - before_ms,
                                    .to_ms = out->to_ms - before_ms,
                                    .step_ms = senders_step_ms(out->from_ms, out->to_ms),
                                    .is_sum = true,
                                    .control = r->q->control};
    enum err e = counted_run(&q, on_series, r, &out->damaged_parts, &counted);
    ASSERT(r->usual <= USUAL_COUNT);
    out->counted |= counted && before_ms == 0;
    return e;
}

static enum err ask_all(struct places_run *r)
{
    static const uint64_t before_ms[USUAL_COUNT] = {DAY_MS, 7 * DAY_MS};
    r->usual = USUAL_COUNT;
    enum err e = ask_instances(r, 0);
    e = e == ERR_OK ? places_read_edges(r) : e;
    for (unsigned i = 0; i < USUAL_COUNT && e == ERR_OK; i++) {
        r->usual = (enum health_usual)i;
        e = ask_instances(r, before_ms[i]);
    }
    ASSERT(r->node_index.count <= PLACES_HOSTS_MAX);
    return e == ERR_OK ? places_read_machines(r) : e;
}

// ---- The answer ---------------------------------------------------------------------------------

// A node's calls are those of its services.
static enum err add_members(struct places_run *r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->member_index.count && e == ERR_OK; i++) {
        const struct places_member *m = &r->members[i];
        struct calls_sum *own = &r->nodes[m->node].own;
        const struct series_hist all = {.count = m->calls.calls, .bytes = buf_str(&m->calls.hist)};
        ASSERT(m->node < r->node_index.count);
        e = all.bytes.n > 0 ? calls_sum_add(&r->adder, own, &all, false) : ERR_OK;
        own->errors += m->calls.errors;
    }
    return e;
}

static int by_calls(const void *a, const void *b)
{
    const struct places_service *x = a, *y = b;
    if (x->calls.calls != y->calls.calls) {
        return x->calls.calls > y->calls.calls ? -1 : 1;
    }
    int order = str_cmp(x->line, y->line);
    return order != 0 ? order : str_cmp(x->service, y->service);
}

static void read_services(struct places_run *r)
{
    struct arena *arena = &r->out->arena;
    for (size_t i = 0; i < r->node_index.count; i++) {
        struct places_sum *s = &r->nodes[i];
        s->node.services = arena_new(arena, s->services + 1, sizeof *s->node.services);
    }
    for (size_t i = 0; i < r->member_index.count; i++) {
        const struct places_member *m = &r->members[i];
        struct places_node *node = &r->nodes[m->node].node;
        ASSERT(node->service_count < r->nodes[m->node].services);
        struct places_service *service = &node->services[node->service_count++];
        *service = m->service;
        service->calls = calls_sum_read(&m->calls, arena);
    }
    for (size_t i = 0; i < r->node_index.count; i++) {
        struct places_node *node = &r->nodes[i].node;
        sort_array(node->services, node->service_count, sizeof *node->services, by_calls);
    }
}

// The host itself tells its numbers; above it each host is one that tells.
static void read_machines(struct places_run *r)
{
    for (unsigned m = 0; m < MACHINE_MEASURES; m++) {
        for (size_t i = 0; i < r->host_index.count; i++) {
            const struct machine_number *n = &r->hosts[i].numbers[m];
            struct places_node *node = &r->nodes[r->hosts[i].node].node;
            size_t count = node->number_count;
            bool again = count > 0 && node->numbers[count - 1].measure == m;
            if (n->instances == 0) {
                continue;
            }
            struct machine_number *to = &node->numbers[again ? count - 1 : count];
            ASSERT(count < MACHINE_MEASURES || again);
            if (!again) {
                *to = (struct machine_number){.measure = (enum machine_measure)m,
                                              .metric = n->metric};
                node->number_count++;
            }
            if (r->q->level == PLACES_HOST) {
                *to = *n;
            } else {
                const struct machine_value v = {r->hosts[i].place.host, n->mean, n->worst_max,
                                                n->worst_ms};
                machine_number_add(to, &r->out->arena, &v);
            }
        }
    }
}

static void judge_machines(const struct places_run *r, struct places_node *node)
{
    for (size_t i = 0; i < node->number_count && r->q->limits != NULL; i++) {
        const struct machine_number *n = &node->numbers[i];
        enum health_measure m = machine_judged(n->measure);
        ASSERT(n->instances > 0);
        if (m != HEALTH_MEASURES) {
            health_add_machine(&node->health, r->q->limits, m, n->most_mean, n->most);
        }
    }
}

static int by_id(const void *a, const void *b)
{
    const struct places_sum *const *x = a, *const *y = b;
    return str_cmp((*x)->node.id, (*y)->node.id);
}

static int by_ends(const void *a, const void *b)
{
    const struct places_edge *x = a, *y = b;
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return x->to < y->to ? -1 : x->to > y->to;
}

static void read_nodes(struct places_run *r)
{
    struct places *out = r->out;
    size_t n = r->node_index.count;
    struct places_sum **order = mem_new(n + 1, sizeof(struct places_sum *));
    uint32_t *went = mem_new(n + 1, sizeof *went);
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    for (size_t i = 0; i < n; i++) {
        order[i] = &r->nodes[i];
    }
    sort_array(order, n, sizeof(struct places_sum *), by_id);
    out->nodes = arena_new(&out->arena, n + 1, sizeof *out->nodes);
    out->node_count = n;
    for (size_t i = 0; i < n; i++) {
        out->nodes[i] = order[i]->node;
        out->nodes[i].calls = calls_sum_read(&order[i]->own, &out->arena);
        out->nodes[i].health = health_of_sums(&order[i]->own, order[i]->usual, false,
                                              out->to_ms - out->from_ms, scratch);
        judge_machines(r, &out->nodes[i]);
        went[order[i] - r->nodes] = (uint32_t)i;
    }
    out->edge_count = r->edge_index.count;
    out->edges = arena_new(&out->arena, out->edge_count + 1, sizeof *out->edges);
    for (size_t i = 0; i < out->edge_count; i++) {
        const struct places_cut *e = &r->edges[i];
        ASSERT(e->from < n && e->to < n);
        const struct str centres[] = {r->nodes[e->from].node.place.centre,
                                      r->nodes[e->to].node.place.centre};
        out->edges[i] = (struct places_edge){.cross_dc = centres[0].n > 0 && centres[1].n > 0 &&
                                                         !str_eq(centres[0], centres[1]),
                                             .sampled = e->sampled,
                                             .from = went[e->from],
                                             .to = went[e->to],
                                             .client = calls_sum_read(&e->client, &out->arena),
                                             .server = calls_sum_read(&e->server, &out->arena)};
    }
    sort_array(out->edges, out->edge_count, sizeof *out->edges, by_ends);
    mem_free(scratch);
    mem_free(went);
    mem_free(order);
}

static void index_done(struct places_index *x)
{
    ASSERT(x->count <= x->capacity);
    mem_free(x->hashes);
    hash_index_done(&x->slots);
}

static void run_done(struct places_run *r)
{
    for (size_t i = 0; i < r->node_index.count; i++) {
        calls_sum_done(&r->nodes[i].own);
        for (unsigned k = 0; k < USUAL_COUNT; k++) {
            calls_sum_done(&r->nodes[i].usual[k]);
        }
    }
    for (size_t i = 0; i < r->member_index.count; i++) {
        calls_sum_done(&r->members[i].calls);
    }
    for (size_t i = 0; i < r->edge_index.count; i++) {
        calls_sum_done(&r->edges[i].client);
        calls_sum_done(&r->edges[i].server);
    }
    ASSERT(r->edge_index.count <= r->edge_capacity);
    mem_free(r->hosts);
    mem_free(r->nodes);
    mem_free(r->members);
    mem_free(r->instances);
    mem_free(r->tellers);
    mem_free(r->edges);
    index_done(&r->host_index);
    index_done(&r->node_index);
    index_done(&r->member_index);
    index_done(&r->instance_index);
    index_done(&r->teller_index);
    index_done(&r->edge_index);
    calls_adder_done(&r->adder);
}

enum err places_run(const struct places_query *query, struct places **ret)
{
    struct places *out = mem_new(1, sizeof *out);
    struct places_run r = {.q = query, .out = out};
    ASSERT(query->level < PLACES_LEVELS);
    out->control = query->control;
    calls_cut_range(query->store, query->from_ms, query->to_ms, 0, &out->from_ms, &out->to_ms);
    calls_adder_init(&r.adder, query->control);
    enum err e = out->from_ms < out->to_ms ? ask_all(&r) : ERR_OK;
    e = e == ERR_OK ? add_members(&r) : e;
    if (e == ERR_OK) {
        read_services(&r);
        read_machines(&r);
        read_nodes(&r);
    }
    run_done(&r);
    out->charged_bytes = r.adder.charged_bytes;
    if (e != ERR_OK) {
        places_free(out);
        return e;
    }
    *ret = out;
    return ERR_OK;
}

void places_free(struct places *p)
{
    if (p != NULL) {
        arena_done(&p->arena);
        query_give(p->control, p->charged_bytes);
        mem_free(p);
    }
}
