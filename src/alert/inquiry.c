// SPDX-License-Identifier: Apache-2.0
// Purpose: what stands behind an alert.
#include "alert/inquiry.h"

#include "core/clock.h"
#include "core/hash_index.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/semconv.h"
#include "query/topology.h"
#include "query/trace.h"

#define RANGE_MS ((uint64_t)3600000)

struct inquirer {
    struct store *store;
    struct series_store *series;
    struct budget *budget;
    struct topology *topology; // NULL: not known
    uint64_t looked_ns;        // monotonic
    // Of its edges between two services of one line: looked up by both, in either order.
    uint32_t *pairs;
    uint64_t *pair_hashes;
    size_t pair_count;
    struct hash_index pair_index;
};

struct inquirer *inquirer_new(struct store *store, struct series_store *series,
                              struct budget *budget)
{
    struct inquirer *q = mem_new(1, sizeof *q);
    ASSERT(store != NULL && series != NULL);
    q->store = store;
    q->series = series;
    q->budget = budget;
    return q;
}

static void forget_pairs(struct inquirer *q)
{
    ASSERT(q->store != NULL);
    hash_index_done(&q->pair_index);
    mem_free(q->pairs);
    mem_free(q->pair_hashes);
    q->pair_index = (struct hash_index){0};
    q->pairs = NULL;
    q->pair_hashes = NULL;
    q->pair_count = 0;
}

void inquirer_free(struct inquirer *q)
{
    if (q == NULL) {
        return;
    }
    forget_pairs(q);
    topology_free(q->topology);
    mem_free(q);
}

// ---- Traces -------------------------------------------------------------------------------------

static const struct span *span_at(const struct trace *t, uint32_t i)
{
    ASSERT(t != NULL);
    return row_span(t->spans[i].row);
}

static struct str service_of(const struct trace *t, uint32_t i)
{
    const struct batch *b = t->spans[i].row.batch;
    ASSERT(t != NULL);
    return batch_str(b, batch_resource(b, span_at(t, i))->service);
}

static struct str text_of(const struct batch *b, struct attr_run run, struct str key)
{
    const struct attr *a = batch_find_attr(b, run, key);
    ASSERT(b->sealed);
    return a != NULL && a->type == ATTR_STRING ? batch_str(b, a->code) : STR("");
}

// The first of these keys that the span has.
static struct str first_of(const struct trace *t, uint32_t i, const char *const *keys)
{
    const struct batch *b = t->spans[i].row.batch;
    const struct span *s = span_at(t, i);
    ASSERT(t != NULL);
    for (; *keys != NULL; keys++) {
        struct str text = text_of(b, s->attrs, str_of(*keys));
        text = text.n > 0 ? text : text_of(b, batch_resource(b, s)->attrs, str_of(*keys));
        if (text.n > 0) {
            return text;
        }
    }
    return STR("");
}

static bool has_failed_below(const struct trace *t, uint32_t i)
{
    ASSERT(t != NULL);
    for (uint32_t c = t->spans[i].first_child; c != TRACE_NONE; c = t->spans[c].next_sibling) {
        if (span_at(t, c)->status == STATUS_ERROR) {
            return true;
        }
    }
    return false;
}

// What each trace says, and how many say so.
struct votes {
    struct str names[DESK_AGAIN];
    size_t counts[DESK_AGAIN], count;
};

static void vote(struct votes *v, struct str name)
{
    size_t i = 0;
    ASSERT(v->count <= DESK_AGAIN);
    while (i < v->count && !str_eq(v->names[i], name)) {
        i++;
    }
    if (i == v->count) {
        v->names[v->count++] = name;
    }
    v->counts[i]++;
}

// The first of those that most name.
static struct str elected(const struct votes *v)
{
    size_t best = 0;
    ASSERT(v->count <= DESK_AGAIN);
    for (size_t i = 1; i < v->count; i++) {
        best = v->counts[i] > v->counts[best] ? i : best;
    }
    return v->count > 0 ? v->names[best] : STR("");
}

// Whom a call is to: what it is, else where, with the port.
static struct str peer_of(const struct trace *t, uint32_t i, struct arena *a)
{
    static const char *const names[] = {"peer.service", "db.system.name", "db.system",
                                        "messaging.system", NULL};
    static const char *const addresses[] = {"server.address", NULL};
    const struct batch *b = t->spans[i].row.batch;
    struct str name = first_of(t, i, names), address = first_of(t, i, addresses);
    const struct attr *port = batch_find_attr(b, span_at(t, i)->attrs, STR("server.port"));
    ASSERT(a != NULL);
    if (name.n > 0 || address.n == 0 || port == NULL || port->type != ATTR_INT) {
        return name.n > 0 ? name : address;
    }
    return arena_printf(a, "%.*s:%lld", STR_FMT(address), (long long)port->i);
}

static void suspect_of(const struct trace *t, struct arena *a, struct votes *v)
{
    uint32_t found = TRACE_NONE;
    ASSERT(t != NULL);
    for (uint32_t i = 0; i < t->count; i++) {
        bool is_deepest = span_at(t, i)->status == STATUS_ERROR && !has_failed_below(t, i);
        if (is_deepest &&
            (found == TRACE_NONE || t->spans[i].start_ns < t->spans[found].start_ns)) {
            found = i;
        }
    }
    if (found == TRACE_NONE) {
        return;
    }
    const struct span *s = span_at(t, found);
    bool is_call = s->kind == KIND_CLIENT || s->kind == KIND_PRODUCER;
    struct str peer =
        is_call && t->spans[found].peer == TRACE_NONE ? peer_of(t, found, a) : STR("");
    struct str service = service_of(t, found);
    vote(v, peer.n > 0 ? arena_printf(a, "%.*s -> %.*s", STR_FMT(service), STR_FMT(peer))
                       : arena_str(a, service));
}

static void add_once(struct str *items, size_t *count, struct str text)
{
    ASSERT(items != NULL);
    for (size_t i = 0; i < *count; i++) {
        if (str_eq(items[i], text)) {
            return;
        }
    }
    if (text.n > 0) {
        items[(*count)++] = text;
    }
}

static void look_at_trace(const struct trace *t, struct inquiry *q, struct votes *votes)
{
    static const char *const users[] = {"user.id", "enduser.id", "device.id", "session.id", NULL};
    ASSERT(q->entry_count <= DESK_AGAIN);
    if (t->count == 0 || t->count > INQUIRY_SPANS_MAX) {
        return;
    }
    if (q->is_late || span_id_is_zero(span_at(t, 0)->parent)) {
        struct str name = batch_str(t->spans[0].row.batch, span_at(t, 0)->name);
        add_once(q->entries, &q->entry_count,
                 arena_printf(&q->arena, "%.*s %.*s", STR_FMT(service_of(t, 0)), STR_FMT(name)));
    }
    add_once(q->users, &q->user_count, arena_str(&q->arena, first_of(t, 0, users)));
    suspect_of(t, &q->arena, votes);
}

void inquirer_inquire(struct inquirer *q, const trace_id *traces, size_t count,
                      struct inquiry *ret_inquiry)
{
    struct store_view *view = store_view(q->store);
    struct votes votes = {.count = 0};
    struct meter meter;
    struct query_control control = {.meter = &meter};
    ASSERT(count <= DESK_AGAIN);
    meter_init(&meter, q->budget, ACCOUNT_QUERY);
    for (size_t i = 0; i < count; i++) {
        struct trace *t;
        if (trace_load(view, traces[i], TRACE_WHOLE, &control, &t) == ERR_OK) {
            look_at_trace(t, ret_inquiry, &votes);
            trace_free(t);
        }
    }
    meter_done(&meter);
    store_view_free(view);
    ret_inquiry->suspect = elected(&votes);
}

// ---- Neighbours ---------------------------------------------------------------------------------

// The same for either order.
static uint64_t hash_pair(struct str line, struct str a, struct str b)
{
    ASSERT(line.p != NULL || line.n == 0);
    return secret_fold(str_hash(line), str_hash(a) + str_hash(b));
}

static void index_pairs(struct inquirer *q)
{
    const struct topology *t = q->topology;
    ASSERT(q->pair_count == 0);
    q->pairs = mem_new(t->edge_count + 1, sizeof *q->pairs);
    q->pair_hashes = mem_new(t->edge_count + 1, sizeof *q->pair_hashes);
    for (size_t i = 0; i < t->edge_count; i++) {
        const struct node *from = &t->nodes[t->edges[i].from].node;
        const struct node *to = &t->nodes[t->edges[i].to].node;
        if (!str_eq(from->kind, STR("service")) || !str_eq(to->kind, STR("service")) ||
            !str_eq(from->line, to->line)) {
            continue;
        }
        size_t n = q->pair_count++;
        q->pairs[n] = (uint32_t)i;
        q->pair_hashes[n] = hash_pair(from->line, from->service, to->service);
        hash_index_reserve(&q->pair_index, q->pair_hashes, n, 16);
        hash_index_put(&q->pair_index, q->pair_hashes[n], (uint32_t)n);
    }
}

static void look_again(struct inquirer *q)
{
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    ASSERT(q->store != NULL);
    const struct topology_query query = {.store = q->series,
                                         .level = TOPOLOGY_SERVICE,
                                         .from_ms = now_ms > RANGE_MS ? now_ms - RANGE_MS : 0,
                                         .to_ms = now_ms};
    struct topology *t;
    if (q->looked_ns > 0 && clock_mono_ns() - q->looked_ns < NEIGHBOURS_MS * NS_PER_MS) {
        return;
    }
    q->looked_ns = clock_mono_ns();
    if (topology_run(&query, &t) == ERR_OK) {
        forget_pairs(q);
        topology_free(q->topology);
        q->topology = t;
        index_pairs(q);
    }
}

static bool is_node(const struct topology_node *n, struct str line, struct str service)
{
    ASSERT(n != NULL);
    return str_eq(n->node.kind, STR("service")) && str_eq(n->node.line, line) &&
           str_eq(n->node.service, service);
}

bool inquirer_are_neighbours(struct inquirer *q, struct str line, struct str a, struct str b)
{
    ASSERT(q->store != NULL);
    look_again(q);
    const struct topology *t = q->topology;
    uint64_t hash = hash_pair(line, a, b);
    struct hash_walk walk = hash_index_walk(&q->pair_index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        if (q->pair_hashes[at] != hash) {
            continue;
        }
        const struct topology_edge *edge = &t->edges[q->pairs[at]];
        const struct topology_node *from = &t->nodes[edge->from], *to = &t->nodes[edge->to];
        if ((is_node(from, line, a) && is_node(to, line, b)) ||
            (is_node(from, line, b) && is_node(to, line, a))) {
            return true;
        }
    }
    return false;
}
