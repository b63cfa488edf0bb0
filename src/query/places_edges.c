// SPDX-License-Identifier: Apache-2.0
// Purpose: calls from place to place.
#include "core/mem.h"
#include "core/must.h"
#include "model/calls.h"
#include "query/places_state.h"
#include "query/senders.h"

// ---- Edges --------------------------------------------------------------------------------------

static enum err edge_of(struct places_run *r, uint32_t from, uint32_t to, struct places_cut **ret)
{
    const struct str ends[] = {r->nodes[from].node.id, r->nodes[to].node.id};
    uint64_t hash = places_hash(0, ends, 2);
    size_t n = r->edge_index.count;
    struct hash_walk walk = hash_index_walk(&r->edge_index.slots, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < n);
        if (r->edges[at].from == from && r->edges[at].to == to) {
            *ret = &r->edges[at];
            return ERR_OK;
        }
    }
    if (!places_charge(r, 2 * sizeof *r->edges)) {
        return ERR_MEMORY;
    }
    r->edges = mem_grow(r->edges, &r->edge_capacity, n + 1, sizeof *r->edges);
    r->edges[n] = (struct places_cut){.from = from, .to = to};
    places_index_add(&r->edge_index, hash);
    *ret = &r->edges[n];
    return ERR_OK;
}

// ---- Between data centres -----------------------------------------------------------------------

static enum err on_centres(void *ctx, const struct series_found *found)
{
    struct places_run *r = ctx;
    const struct place ends[2] = {{series_label(found, CALLS_FROM_DC), STR(""), STR("")},
                                  {series_label(found, CALLS_TO_DC), STR(""), STR("")}};
    struct places_cut *edge = NULL;
    uint32_t nodes[2];
    enum err e = ERR_OK;
    for (unsigned i = 0; i < 2 && e == ERR_OK; i++) {
        e = places_node_of(r, ends[i], &nodes[i]);
    }
    e = e == ERR_OK ? edge_of(r, nodes[0], nodes[1], &edge) : e;
    if (e != ERR_OK) {
        return e;
    }
    ASSERT(edge != NULL);
    bool at_client = str_eq(series_label(found, CALLS_SIDE), CALLS_CLIENT);
    return places_add_all(r, at_client ? &edge->client : &edge->server, found);
}

// ---- Between hosts, and racks -------------------------------------------------------------------

// A service, and the node that all its instances run on; PLACES_NOBODY: on several, or not known.
struct home {
    struct str line, service;
    uint32_t node;
};

struct homes {
    struct places_run *run;
    struct home *items;
    size_t capacity;
    struct places_index index;
    struct senders senders;
};

static struct home *find_home(const struct homes *h, struct str line, struct str service)
{
    const struct str texts[] = {line, service};
    struct hash_walk walk = hash_index_walk(&h->index.slots, places_hash(0, texts, 2));
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < h->index.count);
        if (str_eq(h->items[at].service, service) && str_eq(h->items[at].line, line)) {
            return &h->items[at];
        }
    }
    return NULL;
}

// Whether the node is one place, and not all that tell no more.
static bool is_told(const struct places_run *r, uint32_t node)
{
    const struct place *p = &r->nodes[node].node.place;
    ASSERT(node < r->node_index.count);
    return (r->q->level == PLACES_HOST ? p->host : p->rack).n > 0;
}

static enum err gather_homes(struct homes *h)
{
    struct places_run *r = h->run;
    for (size_t i = 0; i < r->member_index.count; i++) {
        const struct places_member *m = &r->members[i];
        const struct str texts[] = {m->service.line, m->service.service};
        struct home *known = find_home(h, texts[0], texts[1]);
        uint32_t node = is_told(r, m->node) ? m->node : PLACES_NOBODY;
        size_t n = h->index.count;
        if (known != NULL) {
            known->node = PLACES_NOBODY;
            continue;
        }
        if (!places_charge(r, 2 * sizeof *h->items + 32)) {
            return ERR_MEMORY;
        }
        h->items = mem_grow(h->items, &h->capacity, n + 1, sizeof *h->items);
        h->items[n] = (struct home){texts[0], texts[1], node};
        places_index_add(&h->index, places_hash(0, texts, 2));
        ASSERT(h->index.count == n + 1);
    }
    return ERR_OK;
}

static enum err on_services(void *ctx, const struct series_found *found)
{
    struct homes *h = ctx;
    const struct str lines[2] = {series_label(found, CALLS_FROM_LINE),
                                 series_label(found, CALLS_TO_LINE)};
    const struct str services[2] = {series_label(found, CALLS_FROM_SERVICE),
                                    series_label(found, CALLS_TO_SERVICE)};
    bool at_client = str_eq(series_label(found, CALLS_SIDE), CALLS_CLIENT);
    uint32_t nodes[2];
    struct places_cut *edge = NULL;
    for (unsigned i = 0; i < 2; i++) {
        const struct home *home = find_home(h, lines[i], services[i]);
        nodes[i] = home != NULL ? home->node : PLACES_NOBODY;
    }
    if (nodes[0] == PLACES_NOBODY || nodes[1] == PLACES_NOBODY) {
        for (size_t i = 0; i < found->count && !at_client; i++) {
            h->run->out->unplaced_calls += found->hists[i].count;
        }
        return ERR_OK;
    }
    if (nodes[0] == nodes[1]) {
        return ERR_OK;
    }
    enum err e = edge_of(h->run, nodes[0], nodes[1], &edge);
    if (e == ERR_OK) {
        unsigned teller = at_client ? 0 : 1;
        ASSERT(edge != NULL);
        edge->sampled |= senders_has_sampled(&h->senders, lines[teller], services[teller]);
        e = places_add_all(h->run, at_client ? &edge->client : &edge->server, found);
    }
    return e;
}

// ---- Reading ------------------------------------------------------------------------------------

static enum err ask(struct places_run *r, const struct series_matcher *matchers, size_t count,
                    enum err (*each)(void *ctx, const struct series_found *found), void *ctx)
{
    struct places *out = r->out;
    const struct series_query q = {.any_line = true,
                                   .matchers = matchers,
                                   .matcher_count = count,
                                   .from_ms = out->from_ms,
                                   .to_ms = out->to_ms,
                                   .step_ms = calls_whole_step_ms(out->to_ms)};
    ASSERT(q.step_ms > 0);
    return calls_run(r->q->store, q, r->q->control, each, ctx, &out->damaged_parts);
}

static enum err read_homes(struct places_run *r)
{
    const struct series_matcher matchers[] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                              {CALLS_OF, MATCH_EQUAL, CALLS_EDGE},
                                              {CALLS_FROM_KIND, MATCH_EQUAL, STR("service")},
                                              {CALLS_TO_KIND, MATCH_EQUAL, STR("service")}};
    struct homes h = {.run = r};
    enum err e = senders_of_range(&h.senders, r->q->store, r->out->from_ms, r->out->to_ms,
                                  r->q->control, &r->out->damaged_parts);
    e = e == ERR_OK ? gather_homes(&h) : e;
    e = e == ERR_OK ? ask(r, matchers, 4, on_services, &h) : e;
    ASSERT(h.index.count <= h.index.capacity);
    senders_done(&h.senders);
    mem_free(h.items);
    mem_free(h.index.hashes);
    hash_index_done(&h.index.slots);
    return e;
}

enum err places_read_edges(struct places_run *r)
{
    const struct series_matcher centres[] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                             {CALLS_OF, MATCH_EQUAL, CALLS_DC}};
    ASSERT(r->usual == USUAL_COUNT);
    return r->q->level == PLACES_CENTRE ? ask(r, centres, 2, on_centres, r) : read_homes(r);
}
