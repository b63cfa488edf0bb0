// SPDX-License-Identifier: Apache-2.0
// Purpose: the boards of stores: series of statements, sorted, are added up by what they have in
// common.
#include "query/stores.h"

#include <stdlib.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/calls.h"

#define MATCHERS_MAX 12

// One series, over the range.
struct piece {
    struct node node;
    struct str system, text, line, service;
    bool is_error, is_before, is_repeats;
    struct series_hist hist;
};

struct stores_run {
    const struct stores_query *query;
    struct stores *out;
    struct calls_adder adder;
    struct hist_total *scratch;
    bool is_before; // the range that is read
    struct piece *pieces;
    size_t count, capacity;
    struct stores_statement *statements;
    size_t statement_count, statement_capacity;
    size_t store_capacity;
};

const char *stores_order_name(enum stores_order o)
{
    static const char *const names[STORES_ORDERS] = {"total", "mean", "calls", "errors", "p99"};
    ASSERT(o < STORES_ORDERS);
    return names[o];
}

const char *stores_kind_name(enum statement_kind kind)
{
    static const char *const names[STATEMENT_KINDS] = {
        [STATEMENT_DATABASE] = "db",
        [STATEMENT_CACHE] = "cache",
        [STATEMENT_QUEUE] = "mq",
        [STATEMENT_RPC] = "rpc",
    };
    ASSERT(kind < STATEMENT_KINDS);
    return names[kind];
}

// What the nodes are called that have statements of a kind; of RPC whatever is left.
static const struct str node_kinds[STATEMENT_KINDS] = {
    [STATEMENT_DATABASE] = {"database", 8},
    [STATEMENT_CACHE] = {"cache", 5},
    [STATEMENT_QUEUE] = {"queue", 5},
};

static enum statement_kind kind_of(const struct node *n)
{
    enum statement_kind k = STATEMENT_DATABASE;
    ASSERT(n->kind.n > 0);
    while (k < STATEMENT_RPC && !str_eq(n->kind, node_kinds[k])) {
        k++;
    }
    return k;
}

// ---- Reading ------------------------------------------------------------------------------------

static bool take(struct stores_run *run, size_t bytes)
{
    ASSERT(bytes < SIZE_MAX / 2);
    if (!query_need(run->query->control, bytes)) {
        return false;
    }
    run->adder.charged_bytes += bytes;
    return true;
}

// All steps of a series as one, in the arena.
static enum err add_steps(struct stores_run *run, const struct series_found *found,
                          struct series_hist *ret_hist)
{
    struct calls_sum sum = {.calls = 0};
    enum err e = ERR_OK;
    for (size_t i = 0; i < found->count && e == ERR_OK; i++) {
        e = calls_sum_add(&run->adder, &sum, &found->hists[i], false);
    }
    struct calls c = calls_sum_read(&sum, &run->out->arena);
    ASSERT(c.calls == sum.calls);
    *ret_hist = (struct series_hist){c.calls, c.sum_ns, c.hist};
    calls_sum_done(&sum);
    return e;
}

static enum err on_series(void *ctx, const struct series_found *found)
{
    struct stores_run *run = ctx;
    struct arena *arena = &run->out->arena;
    struct node node = node_of_series(found, false);
    size_t bytes = 2 * sizeof *run->pieces + STATEMENT_MAX + 1024;
    ASSERT(found->hists != NULL);
    if (run->count == STORES_SERIES_MAX) {
        return ERR_LIMIT;
    }
    if (!take(run, bytes)) {
        return ERR_MEMORY;
    }
    run->pieces = mem_grow(run->pieces, &run->capacity, run->count + 1, sizeof *run->pieces);
    struct piece *p = &run->pieces[run->count++];
    *p = (struct piece){.node = node_copy(arena, &node),
                        .system = arena_str(arena, series_label(found, CALLS_SYSTEM)),
                        .text = arena_str(arena, series_label(found, CALLS_STATEMENT)),
                        .line = arena_str(arena, series_label(found, CALLS_FROM_LINE)),
                        .service = arena_str(arena, series_label(found, CALLS_FROM_SERVICE)),
                        .is_error = str_eq(series_label(found, CALLS_ERROR), CALLS_TRUE),
                        .is_before = run->is_before,
                        .is_repeats =
                            str_eq(series_label(found, CALLS_MEASURE), CALLS_MEASURE_REPEATS)};
    return add_steps(run, found, &p->hist);
}

static size_t put_matchers(const struct stores_query *q, struct series_matcher *m)
{
    size_t n = 0;
    m[n++] = (struct series_matcher){CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME};
    m[n++] = (struct series_matcher){CALLS_OF, MATCH_EQUAL, CALLS_STATEMENT};
    for (enum statement_kind k = 0; !q->any_kind && k < STATEMENT_RPC; k++) {
        if (q->kind == STATEMENT_RPC || q->kind == k) {
            enum series_match how = q->kind == k ? MATCH_EQUAL : MATCH_NOT_EQUAL;
            m[n++] = (struct series_matcher){CALLS_TO_KIND, how, node_kinds[k]};
        }
    }
    if (q->service.p != NULL) {
        m[n++] = (struct series_matcher){CALLS_FROM_SERVICE, MATCH_EQUAL, q->service};
    }
    if (q->node != NULL) {
        m[n++] = (struct series_matcher){CALLS_TO_KIND, MATCH_EQUAL, q->node->kind};
        m[n++] = (struct series_matcher){CALLS_TO_LINE, MATCH_EQUAL, q->node->line};
        m[n++] = (struct series_matcher){CALLS_TO_SERVICE, MATCH_EQUAL, q->node->service};
        m[n++] = (struct series_matcher){CALLS_TO_NAME, MATCH_EQUAL, q->node->name};
    }
    ASSERT(n <= MATCHERS_MAX);
    return n;
}

static enum err read_range(struct stores_run *run, uint64_t earlier_ms)
{
    const struct stores_query *q = run->query;
    struct series_matcher matchers[MATCHERS_MAX];
    struct stores *out = run->out;
    const struct series_query series = {.any_line = q->any_line,
                                        .line = q->line,
                                        .matchers = matchers,
                                        .matcher_count = put_matchers(q, matchers),
                                        .from_ms = out->from_ms - earlier_ms,
                                        .to_ms = out->to_ms - earlier_ms,
                                        .step_ms = calls_whole_step_ms(out->to_ms - earlier_ms)};
    ASSERT(out->from_ms < out->to_ms && earlier_ms <= out->from_ms);
    run->is_before = earlier_ms > 0;
    return calls_run(q->store, series, q->control, on_series, run, &out->damaged_parts);
}

// ---- Adding up ----------------------------------------------------------------------------------

static int by_statement(const struct piece *x, const struct piece *y)
{
    int order = node_cmp(&x->node, &y->node);
    order = order != 0 ? order : str_cmp(x->text, y->text);
    return order != 0 ? order : str_cmp(x->system, y->system);
}

static int by_caller(const struct piece *x, const struct piece *y)
{
    int order = str_cmp(x->line, y->line);
    return order != 0 ? order : str_cmp(x->service, y->service);
}

static int by_all(const void *a, const void *b)
{
    int order = by_statement(a, b);
    ASSERT(a != NULL && b != NULL);
    return order != 0 ? order : by_caller(a, b);
}

// Sums in the making of a statement or a store.
struct sums {
    struct calls_sum now, before, repeats;
};

static void sums_done(struct sums *s)
{
    calls_sum_done(&s->now);
    calls_sum_done(&s->before);
    calls_sum_done(&s->repeats);
    *s = (struct sums){.now = {.calls = 0}};
}

// Repeats of the earlier range are not asked for.
static enum err sums_add(struct stores_run *run, struct sums *s, const struct piece *p)
{
    struct calls_sum *to = p->is_repeats ? &s->repeats : p->is_before ? &s->before : &s->now;
    bool none = (p->is_repeats && p->is_before) || p->hist.bytes.n == 0;
    ASSERT(s != NULL);
    return none ? ERR_OK : calls_sum_add(&run->adder, to, &p->hist, p->is_error);
}

// Chains that have it once are not told of: they are the calls that repeats do not have.
static struct stores_of_chain of_chain(struct stores_run *run, const struct sums *s)
{
    int64_t repeated = s->repeats.calls > 0 ? s->repeats.calls : 0;
    int64_t single = s->now.calls - (repeated > 0 ? calls_sum_ns(&s->repeats) : 0);
    single = single > 0 ? single : 0;
    struct stores_of_chain o = {.chains = single + repeated, .repeated = repeated};
    o.p99 = o.max = o.chains > 0 ? 1 : 0;
    if (repeated > 0) {
        uint64_t found[2];
        struct calls c = calls_sum_read(&s->repeats, &run->out->arena);
        double rank = 0.99 * (double)o.chains - (double)single;
        const double q[] = {rank > 0 ? rank / (double)repeated : 0, 1};
        calls_quantiles(&c, run->scratch, q, 2, found);
        o.p99 = rank > 0 ? found[0] : 1;
        o.max = found[1];
    }
    ASSERT(o.repeated <= o.chains);
    return o;
}

static int by_time(const void *a, const void *b)
{
    const struct stores_caller *x = a, *y = b;
    if (x->sum.sum_ns != y->sum.sum_ns) {
        return x->sum.sum_ns > y->sum.sum_ns ? -1 : 1;
    }
    int order = str_cmp(x->line, y->line);
    return order != 0 ? order : str_cmp(x->service, y->service);
}

// The callers of the pieces [first, end) of one statement.
static void find_callers(struct stores_run *run, size_t first, size_t end,
                         struct stores_statement *to)
{
    struct stores_caller *callers = arena_new(&run->out->arena, end - first, sizeof *callers);
    size_t count = 0;
    for (size_t i = first; i < end; i++) {
        const struct piece *p = &run->pieces[i];
        if (p->is_before || p->is_repeats) {
            continue;
        }
        struct stores_caller *c = count > 0 ? &callers[count - 1] : NULL;
        if (c == NULL || !str_eq(c->line, p->line) || !str_eq(c->service, p->service)) {
            c = &callers[count++];
            *c = (struct stores_caller){.line = p->line, .service = p->service};
        }
        c->sum.calls += p->hist.count;
        c->sum.errors += p->is_error ? p->hist.count : 0;
        c->sum.sum_ns = calls_ns_add(c->sum.sum_ns, p->hist.sum_ns);
    }
    sort_array(callers, count, sizeof *callers, by_time);
    ASSERT(count <= end - first);
    to->callers = callers;
    to->caller_count = count < STORES_CALLERS_MAX ? count : STORES_CALLERS_MAX;
    to->left_out_callers = count - to->caller_count;
}

// The pieces [first, end) of one statement.
static enum err add_statement(struct stores_run *run, size_t first, size_t end,
                              struct stores_store *store)
{
    struct sums sums = {.now = {.calls = 0}};
    enum err e = ERR_OK;
    for (size_t i = first; i < end && e == ERR_OK; i++) {
        e = sums_add(run, &sums, &run->pieces[i]);
    }
    if (e == ERR_OK && sums.now.calls <= 0) {
        run->out->gone += sums.before.calls > 0 ? 1 : 0;
    } else if (e == ERR_OK) {
        struct arena *arena = &run->out->arena;
        struct stores_statement made = {.store = store,
                                        .text = run->pieces[first].text,
                                        .system = run->pieces[first].system,
                                        .calls = calls_sum_read(&sums.now, arena),
                                        .before = calls_sum_read(&sums.before, arena),
                                        .of_chain = of_chain(run, &sums)};
        find_callers(run, first, end, &made);
        run->statements = mem_grow(run->statements, &run->statement_capacity,
                                   run->statement_count + 1, sizeof *run->statements);
        run->statements[run->statement_count++] = made;
        store->statements++;
    }
    ASSERT(first < end);
    sums_done(&sums);
    return e;
}

// How many services send something in the pieces [first, end) of one store.
static size_t count_callers(const struct stores_run *run, size_t first, size_t end)
{
    size_t count = 0, room = end - first;
    struct piece *by = mem_new(room, sizeof *by);
    for (size_t i = first; i < end; i++) {
        const struct piece *p = &run->pieces[i];
        by[i - first] = (struct piece){.node = p->node,
                                       .system = STR(""),
                                       .text = STR(""),
                                       .line = p->line,
                                       .service = p->service};
        by[i - first].is_before = p->is_before;
    }
    sort_array(by, room, sizeof *by, by_all);
    for (size_t i = 0, next; i < room; i = next) {
        bool is_now = false;
        for (next = i; next < room && by_caller(&by[i], &by[next]) == 0; next++) {
            is_now = is_now || !by[next].is_before;
        }
        count += is_now ? 1 : 0;
    }
    ASSERT(count <= room);
    mem_free(by);
    return count;
}

// The pieces [first, end) of one store.
static enum err add_store(struct stores_run *run, size_t first, size_t end)
{
    struct stores *out = run->out;
    struct stores_store *store = arena_new(&out->arena, 1, sizeof *store);
    struct sums sums = {.now = {.calls = 0}};
    enum err e = ERR_OK;
    store->node = run->pieces[first].node;
    store->system = run->pieces[first].system;
    store->kind = kind_of(&store->node);
    for (size_t i = first; i < end && e == ERR_OK; i++) {
        e = sums_add(run, &sums, &run->pieces[i]);
    }
    for (size_t i = first, next; i < end && e == ERR_OK; i = next) {
        for (next = i + 1; next < end && by_statement(&run->pieces[i], &run->pieces[next]) == 0;) {
            next++;
        }
        e = add_statement(run, i, next, store);
    }
    if (e == ERR_OK) {
        store->calls = calls_sum_read(&sums.now, &out->arena);
        store->before = calls_sum_read(&sums.before, &out->arena);
        store->callers = count_callers(run, first, end);
        out->stores = mem_grow(out->stores, &run->store_capacity, out->store_count + 1,
                               sizeof(struct stores_store *));
        out->stores[out->store_count++] = store;
    }
    ASSERT(first < end);
    sums_done(&sums);
    return e;
}

static enum err add_up(struct stores_run *run)
{
    enum err e = ERR_OK;
    sort_array(run->pieces, run->count, sizeof *run->pieces, by_all);
    for (size_t i = 0, next; i < run->count && e == ERR_OK; i = next) {
        for (next = i + 1;
             next < run->count && node_cmp(&run->pieces[i].node, &run->pieces[next].node) == 0;) {
            next++;
        }
        e = add_store(run, i, next);
    }
    ASSERT(run->statement_count <= run->count);
    return e;
}

// ---- The answer ---------------------------------------------------------------------------------

struct ranked {
    double by;
    const struct stores_statement *statement;
};

static double rank_of(const struct stores_run *run, const struct stores_statement *s)
{
    static const double q[] = {0.99};
    double total = (double)s->calls.sum_ns;
    uint64_t p99_ns;
    ASSERT(s->calls.calls > 0);
    switch (run->query->order) {
    case STORES_BY_MEAN:
        return total / (double)s->calls.calls;
    case STORES_BY_CALLS:
        return (double)s->calls.calls;
    case STORES_BY_ERRORS:
        return (double)s->calls.errors;
    case STORES_BY_P99:
        calls_quantiles(&s->calls, run->scratch, q, 1, &p99_ns);
        return (double)p99_ns;
    case STORES_BY_TOTAL:
    case STORES_ORDERS:
        break;
    }
    return total;
}

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->by != y->by) {
        return x->by > y->by ? -1 : 1;
    }
    int order = node_cmp(&x->statement->store->node, &y->statement->store->node);
    order = order != 0 ? order : str_cmp(x->statement->text, y->statement->text);
    return order != 0 ? order : str_cmp(x->statement->system, y->statement->system);
}

static void choose(struct stores_run *run)
{
    size_t n = run->statement_count, limit = run->query->limit;
    struct stores *out = run->out;
    struct ranked *ranked = mem_new(n + 1, sizeof *ranked);
    for (size_t i = 0; i < n; i++) {
        const struct stores_statement *s = &run->statements[i];
        ranked[i] = (struct ranked){rank_of(run, s), s};
    }
    sort_array(ranked, n, sizeof *ranked, by_rank);
    out->statement_count = n < limit ? n : limit;
    out->left_out = n - out->statement_count;
    out->statements = arena_new(&out->arena, out->statement_count + 1, sizeof *out->statements);
    for (size_t i = 0; i < out->statement_count; i++) {
        out->statements[i] = *ranked[i].statement;
    }
    ASSERT(out->left_out <= n);
    mem_free(ranked);
}

static int by_time_of_stores(const void *a, const void *b)
{
    const struct stores_store *const *x = a, *const *y = b;
    if ((*x)->calls.sum_ns != (*y)->calls.sum_ns) {
        return (*x)->calls.sum_ns > (*y)->calls.sum_ns ? -1 : 1;
    }
    return node_cmp(&(*x)->node, &(*y)->node);
}

enum err stores_run(const struct stores_query *q, struct stores **ret_stores)
{
    struct stores *out = mem_new(1, sizeof *out);
    struct stores_run run = {.query = q, .out = out};
    enum err e = ERR_OK;
    ASSERT(q->store != NULL && q->limit <= STORES_LIMIT_MAX && q->order < STORES_ORDERS);
    out->control = q->control;
    calls_cut_range(q->store, q->from_ms, q->to_ms, q->before_ms, &out->from_ms, &out->to_ms);
    calls_adder_init(&run.adder, q->control);
    run.scratch = mem_new(1, sizeof *run.scratch);
    if (out->from_ms < out->to_ms) {
        e = read_range(&run, 0);
        bool compares = q->before_ms > 0 && q->before_ms <= out->from_ms;
        e = e == ERR_OK && compares ? read_range(&run, q->before_ms) : e;
    }
    e = e == ERR_OK ? add_up(&run) : e;
    if (e == ERR_OK) {
        choose(&run);
        sort_array(out->stores, out->store_count, sizeof(struct stores_store *), by_time_of_stores);
    }
    calls_adder_done(&run.adder);
    mem_free(run.scratch);
    mem_free(run.pieces);
    mem_free(run.statements);
    out->charged_bytes = run.adder.charged_bytes;
    if (e != ERR_OK) {
        stores_free(out);
        return e;
    }
    *ret_stores = out;
    return ERR_OK;
}

void stores_free(struct stores *s)
{
    if (s != NULL) {
        mem_free(s->stores);
        arena_done(&s->arena);
        query_give(s->control, s->charged_bytes);
        mem_free(s);
    }
}
