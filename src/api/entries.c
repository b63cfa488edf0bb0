// SPDX-License-Identifier: Apache-2.0
// Purpose: the trees of entries, and which entries load a node: /api/v1/entries.
#include "query/entries.h"

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"

// What the paths [first, end) of one entry add up to.
struct totals {
    int64_t calls, errors, self_ns; // calls and errors of the paths that are counted
    size_t paths;
};

static size_t end_of_entry(const struct entries *e, size_t first)
{
    size_t end = first + 1;
    while (end < e->count && node_cmp(&e->paths[end].entry, &e->paths[first].entry) == 0) {
        end++;
    }
    ASSERT(end <= e->count);
    return end;
}

// Of an entry alone its root's calls, of what loads a node all of them.
static struct totals add_up(const struct entries *e, size_t first, size_t end, bool all)
{
    struct totals t = {.paths = end - first};
    ASSERT(first < end);
    for (size_t i = first; i < end; i++) {
        const struct entry_path *p = &e->paths[i];
        t.calls += all || p->parent.n == 0 ? p->calls : 0;
        t.errors += all || p->parent.n == 0 ? p->errors : 0;
        t.self_ns = calls_ns_add(t.self_ns, p->self_ns);
    }
    return t;
}

static void put_entry(struct json_writer *w, const struct node *n, const struct totals *t,
                      int64_t all_ns)
{
    ASSERT(n->kind.n > 0);
    put_node_identity(w, n);
    put_i64(w, "calls", t->calls);
    put_i64(w, "errors", t->errors);
    put_i64(w, "self_ns", t->self_ns);
    put_double(w, "share", all_ns > 0 ? (double)t->self_ns / (double)all_ns : 0);
}

struct entry_row {
    size_t first, end;
    struct totals totals;
    const struct entry_counted *counted;
};

static void put_counted(struct json_writer *w, const struct entry_counted *c)
{
    put_bool(w, "sampled", c != NULL && c->sampled);
    if (c != NULL && c->counted) {
        ASSERT(c->sampled);
        put_i64(w, "all_calls", c->calls);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct entry_row *x = a, *y = b;
    if (x->totals.self_ns != y->totals.self_ns) {
        return x->totals.self_ns > y->totals.self_ns ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

// Entries with what they spent, the most first.
static void put_list(struct json_writer *w, const struct entries *e,
                     const struct entry_counted *counted, bool all)
{
    struct entry_row *rows = mem_new(e->count + 1, sizeof *rows);
    size_t count = 0;
    int64_t all_ns = 0;
    for (size_t first = 0, end; first < e->count; first = end) {
        end = end_of_entry(e, first);
        rows[count] = (struct entry_row){first, end, add_up(e, first, end, all), &counted[count]};
        all_ns = calls_ns_add(all_ns, rows[count++].totals.self_ns);
    }
    sort_array(rows, count, sizeof *rows, by_time);
    json_put_key(w, "entries");
    json_put_array(w);
    for (size_t i = 0; i < count; i++) {
        ASSERT(rows[i].first < rows[i].end);
        json_put_object(w);
        put_entry(w, &e->paths[rows[i].first].entry, &rows[i].totals, all_ns);
        put_u64(w, "paths", rows[i].totals.paths);
        put_counted(w, rows[i].counted);
        json_put_object_end(w);
    }
    json_put_array_end(w);
    mem_free(rows);
}

// ---- The tree of one entry ----------------------------------------------------------------------

static void put_path(struct json_writer *w, const struct entry_path *p, const struct totals *entry,
                     struct hist_total *scratch)
{
    static const double shares[] = {0.5, 0.99, 1};
    uint64_t of_chain[3];
    double calls = entry->calls > 0 ? (double)entry->calls : 1;
    ASSERT(p->path.n > 0);
    calls_quantiles(&p->calls_of_chain, scratch, shares, 3, of_chain);
    json_put_object(w);
    put_str(w, "path", p->path);
    put_str(w, "parent", p->parent);
    put_node_names(w, &p->node);
    put_i64(w, "calls", p->calls);
    put_i64(w, "errors", p->errors);
    put_double(w, "calls_per_entry", (double)p->calls / calls);
    put_double(w, "presence", (double)p->chains / calls);
    put_u64(w, "p50_calls", of_chain[0]);
    put_u64(w, "p99_calls", of_chain[1]);
    put_u64(w, "max_calls", of_chain[2]);
    put_i64(w, "self_ns", p->self_ns);
    put_double(w, "share", entry->self_ns > 0 ? (double)p->self_ns / (double)entry->self_ns : 0);
    json_put_object_end(w);
}

static void put_need(struct json_writer *w, const struct entry_need *n)
{
    ASSERT(n->node.kind.n > 0);
    json_put_object(w);
    put_str(w, "namespace", n->node.line);
    put_str(w, "service", n->node.service);
    put_double(w, "calls_per_s", n->calls_per_s);
    put_double(w, "added_per_s", n->added_per_s);
    put_double(w, "busiest_per_s", (double)n->busiest_calls / 60);
    put_double(w, "busiest_instance_per_s", (double)n->busiest_instance_calls / 60);
    put_u64(w, "instances", n->instances);
    put_u64(w, "instances_needed", n->instances_needed);
    json_put_object_end(w);
}

static enum err put_tree(struct job *j, struct json_writer *w, struct entries *e,
                         const struct entry_counted *counted, uint64_t times)
{
    struct entry_need *needs;
    size_t need_count;
    struct totals t = e->count > 0 ? add_up(e, 0, e->count, false) : (struct totals){0};
    enum err err = entries_times(e, j->api->o.series, times, &needs, &need_count);
    if (err != ERR_OK) {
        return err;
    }
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    put_i64(w, "calls", t.calls);
    put_i64(w, "errors", t.errors);
    put_i64(w, "self_ns", t.self_ns);
    put_counted(w, e->count > 0 ? counted : NULL);
    json_put_key(w, "nodes");
    json_put_array(w);
    for (size_t i = 0; i < e->count; i++) {
        put_path(w, &e->paths[i], &t, scratch);
    }
    json_put_array_end(w);
    put_u64(w, "times", times);
    json_put_key(w, "needs");
    json_put_array(w);
    for (size_t i = 0; i < need_count; i++) {
        put_need(w, &needs[i]);
    }
    json_put_array_end(w);
    ASSERT(need_count <= ENTRIES_NEEDS_MAX);
    mem_free(scratch);
    return ERR_OK;
}

// ---- Routes -------------------------------------------------------------------------------------

static void answer(struct job *j, const struct entries_query *q, uint64_t times)
{
    struct entries *e;
    struct entry_counted *counted;
    struct json_writer w;
    size_t count;
    enum err err = entries_run(q, &e);
    if (err != ERR_OK) {
        job_fail_sum(j, err);
        return;
    }
    ASSERT(e->count <= ENTRIES_PATHS_MAX);
    if (q->endpoint.p != NULL && e->count > 0 && end_of_entry(e, 0) < e->count) {
        job_error(j, 400, "several business lines have that entry: name one with namespace");
        entries_free(e);
        return;
    }
    err = entries_counted(e, q->store, &counted, &count);
    if (err != ERR_OK) {
        entries_free(e);
        job_fail_sum(j, err);
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    if (q->endpoint.p != NULL) {
        err = put_tree(j, &w, e, counted, times);
    } else {
        put_list(&w, e, counted, q->load != NULL);
    }
    put_range(&w, e->from_ms, e->to_ms, e->damaged_parts); // what the needs lack included
    json_put_object_end(&w);
    entries_free(e);
    if (err != ERR_OK) {
        job_fail_sum(j, err);
    }
}

void api_entries(struct job *j)
{
    uint64_t from_ns, to_ns, times;
    struct str service = j->params[PARAM_SERVICE], endpoint = j->params[PARAM_ENDPOINT];
    struct str line = j->params[PARAM_NAMESPACE];
    if (!job_range(j, &from_ns, &to_ns) ||
        !job_number(j, PARAM_TIMES, 1, 1, ENTRY_TIMES_MAX, &times)) {
        return;
    }
    if (endpoint.p != NULL && service.n == 0) {
        job_error(j, 400, "service is missing: of which service is the endpoint?");
        return;
    }
    const struct entries_query q = {.store = j->api->o.series,
                                    .any_line = line.p == NULL,
                                    .line = line,
                                    .service = service,
                                    .endpoint = endpoint,
                                    .from_ms = from_ns / NS_PER_MS,
                                    .to_ms = to_ns / NS_PER_MS,
                                    .now_ms = clock_wall_ns() / NS_PER_MS,
                                    .control = &j->control};
    answer(j, &q, times);
}

void api_entries_load(struct job *j)
{
    uint64_t from_ns, to_ns;
    struct node node;
    if (!job_range(j, &from_ns, &to_ns)) {
        return;
    }
    if (!node_parse(&j->arena, j->params[PARAM_NODE], &node)) {
        job_error(j, 400,
                  "node must be the ID of a node of /api/v1/topology, such as "
                  "database//postgresql/shop");
        return;
    }
    const struct entries_query q = {.store = j->api->o.series,
                                    .any_line = true,
                                    .load = &node,
                                    .from_ms = from_ns / NS_PER_MS,
                                    .to_ms = to_ns / NS_PER_MS,
                                    .now_ms = clock_wall_ns() / NS_PER_MS,
                                    .control = &j->control};
    answer(j, &q, 1);
}
