// SPDX-License-Identifier: Apache-2.0
// Purpose: the boards of databases, caches, RPC and queues: /api/v1/stores and
// /api/v1/stores/statements.
#include "query/stores.h"

#include <string.h>

#include "api/job.h"
#include "api/numbers.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "query/senders.h"

#define COMPARE_MAX_DAYS 366u

// ---- What is asked for --------------------------------------------------------------------------

// "90m", "1h", "24h", "7d" as milliseconds.
static bool read_span(struct str text, uint64_t *ret_ms)
{
    const uint64_t minute_ms = 60000, day_ms = 24 * 60 * minute_ms;
    char unit = text.n > 1 ? text.p[text.n - 1] : 0;
    uint64_t unit_ms = unit == 'm'   ? minute_ms
                       : unit == 'h' ? 60 * minute_ms
                       : unit == 'd' ? day_ms
                                     : 0;
    uint64_t n;
    if (unit_ms == 0 || str_to_u64((struct str){text.p, text.n - 1}, &n) != ERR_OK || n == 0 ||
        n > COMPARE_MAX_DAYS * day_ms / unit_ms) {
        return false;
    }
    ASSERT(n * unit_ms / unit_ms == n);
    *ret_ms = n * unit_ms;
    return true;
}

static bool read_kind(struct job *j, struct stores_query *q)
{
    struct str kind = j->params[PARAM_KIND];
    q->any_kind = kind.p == NULL;
    for (q->kind = 0; !q->any_kind && q->kind < STATEMENT_KINDS; q->kind++) {
        if (str_eq(kind, str_of(stores_kind_name(q->kind)))) {
            break;
        }
    }
    if (q->kind == STATEMENT_KINDS) {
        job_error(j, 400, "kind must be db, cache, rpc or mq");
        return false;
    }
    ASSERT(q->kind < STATEMENT_KINDS);
    return true;
}

static bool read_order(struct job *j, struct stores_query *q)
{
    struct str by = j->params[PARAM_BY];
    q->order = STORES_BY_TOTAL;
    while (by.p != NULL && q->order < STORES_ORDERS &&
           !str_eq(by, str_of(stores_order_name(q->order)))) {
        q->order++;
    }
    if (q->order == STORES_ORDERS) {
        job_error(j, 400, "by must be total, mean, calls, errors or p99");
        return false;
    }
    ASSERT(q->order < STORES_ORDERS);
    return true;
}

// False after answering 400. *node is what the query asks for, where it does.
static bool read_query(struct job *j, struct stores_query *q, struct node *node)
{
    uint64_t from_ns, to_ns, limit;
    *q = (struct stores_query){.store = j->api->o.series,
                               .any_line = j->params[PARAM_NAMESPACE].p == NULL,
                               .line = j->params[PARAM_NAMESPACE],
                               .service = j->params[PARAM_SERVICE],
                               .control = &j->control};
    if (!job_range(j, &from_ns, &to_ns) || !read_kind(j, q) || !read_order(j, q) ||
        !job_number(j, PARAM_LIMIT, STORES_LIMIT, 1, STORES_LIMIT_MAX, &limit)) {
        return false;
    }
    if (j->params[PARAM_COMPARE].p != NULL && !read_span(j->params[PARAM_COMPARE], &q->before_ms)) {
        job_error(j, 400, "compare must say how long before, such as 1h, 24h or 7d");
        return false;
    }
    if (j->params[PARAM_NODE].p != NULL) {
        if (!node_parse(&j->arena, j->params[PARAM_NODE], node)) {
            job_error(j, 400,
                      "node must be the ID of a store of /api/v1/stores, such as "
                      "database//postgresql/shop");
            return false;
        }
        q->node = node;
    }
    ASSERT(limit <= STORES_LIMIT_MAX);
    q->limit = limit;
    q->from_ms = from_ns / NS_PER_MS;
    q->to_ms = to_ns / NS_PER_MS;
    return true;
}

// ---- Answers ------------------------------------------------------------------------------------

static void put_sums(struct json_writer *w, const struct numbers *n)
{
    put_numbers(w, n);
    ASSERT(n->calls != NULL);
    put_ns(w, "max_ns", n->quantiles[NUMBER_MAX]);
    put_i64(w, "total_ns", n->calls->sum_ns);
}

static void put_share(struct json_writer *w, const char *key, int64_t part, int64_t all)
{
    ASSERT(key != NULL);
    put_double(w, key, all > 0 ? (double)part / (double)all : 0);
}

static int64_t difference(uint64_t now, uint64_t before)
{
    ASSERT(INT64_MAX > 0);
    now = now < INT64_MAX ? now : INT64_MAX;
    before = before < INT64_MAX ? before : INT64_MAX;
    return (int64_t)now - (int64_t)before;
}

// The numbers, those of before, and what is between them.
static void put_compared(struct json_writer *w, const struct calls *now, const struct calls *before,
                         bool compares, struct hist_total *scratch)
{
    struct numbers n = numbers_of(now, scratch), b = numbers_of(before, scratch);
    put_sums(w, &n);
    if (!compares) {
        return;
    }
    json_put_key(w, "before");
    json_put_object(w);
    put_sums(w, &b);
    json_put_object_end(w);
    json_put_key(w, "change");
    json_put_object(w);
    put_i64(w, "calls", now->calls - before->calls);
    put_i64(w, "errors", now->errors - before->errors);
    put_i64(w, "mean_ns", numbers_mean_ns(&n) - numbers_mean_ns(&b));
    put_i64(w, "p99_ns", difference(n.quantiles[NUMBER_P99], b.quantiles[NUMBER_P99]));
    put_i64(w, "total_ns", calls_ns_add(now->sum_ns, -before->sum_ns));
    json_put_object_end(w);
    ASSERT(n.calls == now);
}

static void put_caller(struct json_writer *w, const struct stores_caller *c, int64_t all_ns,
                       const struct senders *senders)
{
    ASSERT(c->sum.errors <= c->sum.calls);
    json_put_object(w);
    put_str(w, "namespace", c->line);
    put_str(w, "service", c->service);
    put_i64(w, "calls", c->sum.calls);
    put_i64(w, "errors", c->sum.errors);
    put_i64(w, "total_ns", c->sum.sum_ns);
    put_share(w, "share", c->sum.sum_ns, all_ns);
    put_bool(w, "sampled", senders_has_sampled(senders, c->line, c->service));
    json_put_object_end(w);
}

static void put_of_chain(struct json_writer *w, const struct stores_statement *s)
{
    const struct stores_of_chain *o = &s->of_chain;
    ASSERT(o->repeated <= o->chains);
    put_i64(w, "chains", o->chains);
    put_i64(w, "repeated_chains", o->repeated);
    put_share(w, "calls_per_chain", s->calls.calls, o->chains);
    put_u64(w, "p99_calls", o->p99);
    put_u64(w, "max_calls", o->max);
}

static void put_statement(struct json_writer *w, const struct stores_statement *s, int64_t all_ns,
                          bool compares, const struct senders *senders, struct hist_total *scratch)
{
    json_put_object(w);
    put_str(w, "statement", s->text);
    put_str(w, "board", str_of(stores_kind_name(s->store->kind)));
    put_str(w, "system", s->system);
    json_put_key(w, "node");
    json_put_object(w);
    put_node_identity(w, &s->store->node);
    json_put_object_end(w);
    put_compared(w, &s->calls, &s->before, compares, scratch);
    put_share(w, "share", s->calls.sum_ns, all_ns);
    put_share(w, "node_share", s->calls.sum_ns, s->store->calls.sum_ns);
    put_of_chain(w, s);
    json_put_key(w, "callers");
    json_put_array(w);
    for (size_t i = 0; i < s->caller_count; i++) {
        ASSERT(i < STORES_CALLERS_MAX);
        put_caller(w, &s->callers[i], s->calls.sum_ns, senders);
    }
    json_put_array_end(w);
    put_u64(w, "left_out_callers", s->left_out_callers);
    json_put_object_end(w);
}

static void put_store(struct json_writer *w, const struct stores_store *s, int64_t all_ns,
                      bool compares, struct hist_total *scratch)
{
    ASSERT(s->kind < STATEMENT_KINDS);
    json_put_object(w);
    put_node_identity(w, &s->node);
    put_str(w, "board", str_of(stores_kind_name(s->kind)));
    put_str(w, "system", s->system);
    put_compared(w, &s->calls, &s->before, compares, scratch);
    put_share(w, "share", s->calls.sum_ns, all_ns);
    put_u64(w, "statements", s->statements);
    put_u64(w, "callers", s->callers);
    json_put_object_end(w);
}

// Time of all stores of each board.
static void board_times(const struct stores *s, int64_t ret_ns[STATEMENT_KINDS])
{
    memset(ret_ns, 0, STATEMENT_KINDS * sizeof *ret_ns);
    for (size_t i = 0; i < s->store_count; i++) {
        int64_t *ns = &ret_ns[s->stores[i]->kind];
        ASSERT(s->stores[i]->kind < STATEMENT_KINDS);
        *ns = calls_ns_add(*ns, s->stores[i]->calls.sum_ns);
    }
}

static void put_stores(struct json_writer *w, const struct stores *s, bool compares,
                       const struct senders *senders, struct hist_total *scratch)
{
    ASSERT(senders != NULL);
    int64_t all_ns[STATEMENT_KINDS];
    board_times(s, all_ns);
    json_put_key(w, "stores");
    json_put_array(w);
    for (size_t i = 0; i < s->store_count; i++) {
        ASSERT(s->stores[i] != NULL);
        put_store(w, s->stores[i], all_ns[s->stores[i]->kind], compares, scratch);
    }
    json_put_array_end(w);
}

static void put_statements(struct json_writer *w, const struct stores *s, bool compares,
                           const struct senders *senders, struct hist_total *scratch)
{
    int64_t all_ns[STATEMENT_KINDS];
    board_times(s, all_ns);
    json_put_key(w, "statements");
    json_put_array(w);
    for (size_t i = 0; i < s->statement_count; i++) {
        const struct stores_statement *one = &s->statements[i];
        ASSERT(one->store != NULL);
        put_statement(w, one, all_ns[one->store->kind], compares, senders, scratch);
    }
    json_put_array_end(w);
    put_u64(w, "left_out", s->left_out);
    put_u64(w, "gone", s->gone);
}

// Whether a service that is asked about left traces out.
static bool is_sample(const struct stores_query *q, const struct senders *senders)
{
    bool any = false;
    ASSERT(q->control != NULL);
    for (size_t i = 0; i < senders->count; i++) {
        const struct sender *s = &senders->items[i];
        any |= s->samples && (q->any_line || str_eq(s->line, q->line)) &&
               (q->service.p == NULL || str_eq(s->service, q->service));
    }
    return any;
}

typedef void putting(struct json_writer *w, const struct stores *s, bool compares,
                     const struct senders *senders, struct hist_total *scratch);

static void put_answer(struct job *j, const struct stores_query *q, const struct stores *s,
                       const struct senders *senders, putting *put)
{
    struct hist_total *scratch = mem_new(1, sizeof *scratch);
    struct json_writer w;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_range(&w, s->from_ms, s->to_ms, s->damaged_parts);
    put_u64(&w, "compare_ms", q->before_ms);
    put_bool(&w, "sampled", is_sample(q, senders));
    put(&w, s, q->before_ms > 0, senders, scratch);
    json_put_object_end(&w);
    mem_free(scratch);
    ASSERT(s->statement_count <= q->limit);
}

static void answer(struct job *j, putting *put)
{
    struct stores_query q;
    struct node node;
    struct stores *s;
    struct senders senders;
    if (!read_query(j, &q, &node)) {
        return;
    }
    enum err e = stores_run(&q, &s);
    if (e == ERR_OK) {
        e = senders_of_range(&senders, j->api->o.series, s->from_ms, s->to_ms, &j->control,
                             &s->damaged_parts);
        if (e == ERR_OK) {
            put_answer(j, &q, s, &senders, put);
        }
        senders_done(&senders);
        stores_free(s);
    }
    if (e != ERR_OK) {
        job_fail_sum(j, e);
    }
}

void api_stores(struct job *j)
{
    ASSERT(j->api != NULL);
    answer(j, put_stores);
}

void api_stores_statements(struct job *j)
{
    ASSERT(j->api != NULL);
    answer(j, put_statements);
}
