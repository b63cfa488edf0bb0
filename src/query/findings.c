// SPDX-License-Identifier: Apache-2.0
// Purpose: what is wrong with how calls are made.
#include "query/findings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/calls.h"
#include "query/filter.h"
#include "query/sample.h"
#include "query/search.h"
#include "stream/names.h"

#define REPEATED_CALLS  5
#define REPEATED_CHAINS 10
#define FAN_OUT_CALLS   50
#define UNUSUAL_CHAINS  1000
#define RARE_SHARE      0.01
#define DEAD_CALLS      10
#define DAY_MS          ((uint64_t)86400000)
#define DEAD_AFTER_MS   (7 * DAY_MS)

// A finding in the making.
struct candidate {
    struct finding finding;
    uint64_t path, caller_path; // IDs
    size_t entry;               // index of the entry's first path
};

struct findings_run {
    const struct findings_query *query;
    struct findings *out;
    struct candidate *items;
    size_t count, capacity;
    struct hist_total *scratch;
    size_t traces_left, deep_left; // that may be looked at, and such searches
};

const char *finding_name(enum finding_kind k)
{
    static const char *const names[FINDING_KIND_COUNT] = {
        [FINDING_N_PLUS_ONE] = "n_plus_one", [FINDING_REPEATED] = "repeated_calls",
        [FINDING_FAN_OUT] = "fan_out",       [FINDING_RARE] = "rare_path",
        [FINDING_MISSING] = "missing_path",  [FINDING_DEAD] = "dead_endpoint",
    };
    ASSERT(k < FINDING_KIND_COUNT);
    return names[k];
}

// ---- From trees ---------------------------------------------------------------------------------

static uint64_t path_id(struct str text)
{
    ASSERT(text.n == 16);
    char digits[17] = {0};
    memcpy(digits, text.p, text.n < 16 ? text.n : 16);
    return strtoull(digits, NULL, 16);
}

static void add(struct findings_run *run, enum finding_kind kind, const struct entry_path *p,
                size_t entry, double value, double limit)
{
    const struct entry_path *caller = &run->out->entries->paths[p->parent_at];
    struct candidate c = {.finding = {.kind = kind,
                                      .entry = p->entry,
                                      .caller = caller->node,
                                      .node = p->node,
                                      .value = value,
                                      .limit = limit,
                                      .chains = p->chains,
                                      .self_ns = p->self_ns,
                                      .statement = STR("")},
                          .path = path_id(p->path),
                          .caller_path = path_id(caller->path),
                          .entry = entry};
    ASSERT(p->parent_at != ENTRY_NO_PARENT);
    run->items = mem_grow(run->items, &run->capacity, run->count + 1, sizeof *run->items);
    run->items[run->count++] = c;
}

static void judge_calls(struct findings_run *run, const struct entry_path *p, size_t entry)
{
    static const double shares[] = {0.5, 0.99};
    const struct entry_path *caller = &run->out->entries->paths[p->parent_at];
    uint64_t calls[2];
    bool is_store = str_eq(p->node.kind, STR("database")) || str_eq(p->node.kind, STR("cache"));
    double each = (double)p->calls / (double)(caller->calls > 0 ? caller->calls : 1);
    calls_quantiles(&p->calls_of_chain, run->scratch, shares, 2, calls);
    ASSERT(calls[0] <= calls[1]);
    if (p->chains >= REPEATED_CHAINS && each >= REPEATED_CALLS && calls[0] >= REPEATED_CALLS) {
        add(run, is_store ? FINDING_N_PLUS_ONE : FINDING_REPEATED, p, entry, each, REPEATED_CALLS);
    }
    if (p->chains >= UNUSUAL_CHAINS / 10 && calls[1] >= FAN_OUT_CALLS && calls[1] >= 5 * calls[0]) {
        add(run, FINDING_FAN_OUT, p, entry, (double)calls[1], FAN_OUT_CALLS);
    }
}

// A span of a client within another of the same, as of a pool that opens a connection: no way that
// chains go.
static bool is_within(const struct entry_path *p, const struct entry_path *caller)
{
    return !str_eq(p->node.kind, STR("service")) && node_cmp(&p->node, &caller->node) == 0;
}

static void judge_presence(struct findings_run *run, const struct entry_path *p, size_t entry)
{
    const struct entries *e = run->out->entries;
    int64_t all = e->paths[entry].chains, callers = e->paths[p->parent_at].chains;
    double presence = (double)p->chains / (double)(all > 0 ? all : 1);
    ASSERT(e->paths[entry].parent.n == 0);
    if (all >= UNUSUAL_CHAINS && presence <= RARE_SHARE && 2 * callers >= all) {
        add(run, FINDING_RARE, p, entry, presence, RARE_SHARE);
    } else if (all >= UNUSUAL_CHAINS && presence >= 1 - RARE_SHARE && p->chains < callers) {
        add(run, FINDING_MISSING, p, entry, presence, 1);
        run->items[run->count - 1].finding.chains = callers - p->chains;
    }
}

static void judge_trees(struct findings_run *run)
{
    const struct entries *e = run->out->entries;
    size_t entry = 0;
    for (size_t i = 0; i < e->count; i++) {
        const struct entry_path *p = &e->paths[i];
        entry = p->parent.n == 0 ? i : entry;
        bool is_other = p->node.name.n == 0 && str_eq(p->node.service, STR("(other)"));
        ASSERT(entry <= i);
        if (p->parent_at != ENTRY_NO_PARENT && !is_other) {
            judge_calls(run, p, entry);
            if (!is_within(p, &e->paths[p->parent_at])) {
                judge_presence(run, p, entry);
            }
        }
    }
}

// ---- Dead endpoints -----------------------------------------------------------------------------

struct endpoint_calls {
    struct node node;
    int64_t before, now;
};

struct dead_run {
    struct findings_run *run;
    struct endpoint_calls *items; // by series, of which an endpoint has several
    size_t count, capacity;
    bool now;
};

static enum err on_endpoint(void *ctx, const struct series_found *found)
{
    struct dead_run *d = ctx;
    struct arena *arena = &d->run->out->arena;
    struct node node = {.kind = STR("service"),
                        .line = found->line,
                        .service = series_label(found, CALLS_SERVICE),
                        .name = series_label(found, CALLS_ENDPOINT)};
    int64_t calls = 0;
    ASSERT(found->hists != NULL);
    if (d->count == ENTRIES_PATHS_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < found->count; i++) {
        calls += found->hists[i].count;
    }
    d->items = mem_grow(d->items, &d->capacity, d->count + 1, sizeof *d->items);
    d->items[d->count++] =
        (struct endpoint_calls){node_copy(arena, &node), d->now ? 0 : calls, d->now ? calls : 0};
    return ERR_OK;
}

static int by_node(const void *a, const void *b)
{
    const struct endpoint_calls *x = a, *y = b;
    return node_cmp(&x->node, &y->node);
}

static enum err ask_endpoints(struct dead_run *d, uint64_t from_ms, uint64_t to_ms)
{
    const struct findings_query *q = d->run->query;
    const struct series_matcher matchers[] = {{CALLS_LABEL_NAME, MATCH_EQUAL, CALLS_NAME},
                                              {CALLS_OF, MATCH_EQUAL, CALLS_ENDPOINT}};
    const struct series_query series = {.any_line = true,
                                        .matchers = matchers,
                                        .matcher_count = 2,
                                        .from_ms = from_ms,
                                        .to_ms = to_ms,
                                        .step_ms = to_ms - from_ms};
    ASSERT(from_ms < to_ms);
    return calls_run(q->series, series, q->control, on_endpoint, d, &d->run->out->damaged_parts);
}

static void add_dead(struct findings_run *run, const struct endpoint_calls *c, double expected)
{
    struct candidate made = {.finding = {.kind = FINDING_DEAD,
                                         .node = c->node,
                                         .value = expected,
                                         .limit = DEAD_CALLS,
                                         .statement = STR("")},
                             .entry = SIZE_MAX}; // of none: 0 would be the first one's
    ASSERT(expected >= DEAD_CALLS);
    run->items = mem_grow(run->items, &run->capacity, run->count + 1, sizeof *run->items);
    run->items[run->count++] = made;
}

static void judge_dead(struct dead_run *d)
{
    const struct findings *out = d->run->out;
    double part = (double)(out->to_ms - out->from_ms) / (double)DEAD_AFTER_MS;
    if (d->count > 1) {
        qsort(d->items, d->count, sizeof *d->items, by_node);
    }
    for (size_t first = 0, end; first < d->count; first = end) {
        struct endpoint_calls sum = d->items[first];
        for (end = first + 1; end < d->count && by_node(&sum, &d->items[end]) == 0; end++) {
            sum.before += d->items[end].before;
            sum.now += d->items[end].now;
        }
        ASSERT(end > first);
        if (sum.now <= 0 && (double)sum.before * part >= DEAD_CALLS) {
            add_dead(d->run, &sum, (double)sum.before * part);
        }
    }
}

static enum err find_dead(struct findings_run *run)
{
    struct dead_run d = {.run = run, .now = true};
    const struct findings *out = run->out;
    uint64_t hour_ms = DAY_MS / 24, until_ms = out->from_ms / hour_ms * hour_ms;
    if (out->from_ms >= out->to_ms || until_ms < DEAD_AFTER_MS) {
        return ERR_OK;
    }
    enum err e = ask_endpoints(&d, out->from_ms, out->to_ms);
    d.now = false;
    e = e == ERR_OK ? ask_endpoints(&d, until_ms - DEAD_AFTER_MS, until_ms) : e;
    if (e == ERR_OK) {
        judge_dead(&d);
    }
    ASSERT(d.count <= ENTRIES_PATHS_MAX);
    mem_free(d.items);
    return e;
}

static int by_time(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->self_ns != y->self_ns) {
        return x->self_ns > y->self_ns ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return node_cmp(&x->node, &y->node);
}

static int by_time_of_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    ASSERT(x != NULL && y != NULL);
    return by_time(&x->finding, &y->finding);
}

// ---- Examples -----------------------------------------------------------------------------------

static void put_quoted(struct buf *out, struct str text)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\') {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, (uint8_t)text.p[i]);
    }
    buf_add_byte(out, '"');
}

// A regular expression for a text that begins so.
static void put_prefix(struct buf *out, struct str text)
{
    buf_printf(out, "\"(?s)");
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x80 || isalnum(c)) {
            buf_add_byte(out, c);
        } else {
            buf_printf(out, "\\x{%x}", c);
        }
    }
    buf_printf(out, ".*\"");
}

// Names of nodes are cut (stream/names.h): one that may have been stands for all that begin so.
static void put_test(struct buf *out, const char *field, struct str text)
{
    const size_t character_bytes_max = 4;
    ASSERT(text.n <= NAMES_TEXT_MAX);
    buf_printf(out, "%s ", field);
    if (text.n + character_bytes_max > NAMES_TEXT_MAX) {
        buf_printf(out, "=~ ");
        put_prefix(out, text);
    } else {
        buf_printf(out, "= ");
        put_quoted(out, text);
    }
}

static void put_filter(struct buf *out, const struct node *n)
{
    buf_printf(out, "{ ");
    if (n->line.n > 0) {
        put_test(out, "resource.service.namespace", n->line);
    } else {
        buf_printf(out, "(resource.service.namespace = nil || resource.service.namespace = \"\")");
    }
    buf_printf(out, " && ");
    put_test(out, "resource.service.name", n->service);
    buf_printf(out, " && ");
    put_test(out, "name", n->name);
    buf_printf(out, " }");
    ASSERT(out->n > 0);
}

// The newest traces that have a span of the node; none where no filter can ask for it.
static enum err search_traces(const struct findings_run *run, const struct node *n, size_t limit,
                              struct search_hit **ret_hits, size_t *ret_count)
{
    struct buf text;
    struct filter *filter;
    struct err_at at;
    buf_init(&text, FILTER_TEXT_MAX);
    put_filter(&text, n);
    enum err e = text.failed ? ERR_LIMIT : filter_parse(buf_str(&text), &filter, &at);
    buf_done(&text);
    if (e != ERR_OK) {
        *ret_hits = NULL;
        *ret_count = 0;
        return ERR_OK;
    }
    const struct search search = {.view = run->query->view,
                                  .filter = filter,
                                  .from_ns = run->out->from_ms * NS_PER_MS,
                                  .to_ns = run->out->to_ms * NS_PER_MS,
                                  .order = BY_NEWEST,
                                  .limit = limit,
                                  .control = run->query->control};
    e = search_run(&search, ret_hits, ret_count);
    filter_free(filter);
    ASSERT(e != ERR_OK || *ret_count <= limit);
    return e;
}

static const struct sample_path *path_in(const struct sample *s, uint64_t id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->paths[i].id == id) {
            return &s->paths[i];
        }
    }
    return NULL;
}

static bool shows(const struct candidate *c, const struct sample *s)
{
    const struct sample_path *p = path_in(s, c->path);
    switch (c->finding.kind) {
    case FINDING_N_PLUS_ONE:
        return p != NULL && p->same_calls >= REPEATED_CALLS;
    case FINDING_REPEATED:
        return p != NULL && p->calls >= REPEATED_CALLS;
    case FINDING_FAN_OUT:
        return p != NULL && p->calls >= FAN_OUT_CALLS;
    case FINDING_RARE:
        return p != NULL;
    case FINDING_MISSING:
        return p == NULL && path_in(s, c->caller_path) != NULL;
    case FINDING_DEAD:
    case FINDING_KIND_COUNT:
        break;
    }
    ASSERT(c->finding.kind == FINDING_DEAD);
    return false;
}

static void note_example(struct findings_run *run, struct candidate *c, const struct sample *s)
{
    struct finding *f = &c->finding;
    if (f->example_count == FINDING_EXAMPLES || !shows(c, s)) {
        return;
    }
    f->examples[f->example_count++] = s->trace;
    if (f->kind == FINDING_N_PLUS_ONE && f->statement.n == 0) {
        const struct sample_path *p = path_in(s, c->path);
        MUST(p != NULL);
        f->statement = arena_str(&run->out->arena, p->statement);
    }
}

static bool want_more(const struct findings_run *run, size_t first, size_t end)
{
    ASSERT(end <= run->count);
    for (size_t i = first; i < end; i++) {
        if (run->items[i].finding.example_count < FINDING_EXAMPLES) {
            return true;
        }
    }
    return false;
}

// Whether it is over with looking, since the turn of the query is: the answer has what was found.
static bool is_over(struct findings_run *run)
{
    bool over = query_must_end(run->query->control);
    if (over) {
        atomic_store(&run->query->control->cut_short, true);
    }
    ASSERT(run->traces_left <= FINDINGS_TRACES);
    return over || run->traces_left == 0;
}

// Looks at so many of the newest traces of a node for examples of candidates [first, end).
static enum err look_at(struct findings_run *run, struct sampler *sampler, const struct node *node,
                        size_t limit, size_t first, size_t end)
{
    struct search_hit *hits = NULL;
    size_t count = 0;
    limit = limit < run->traces_left ? limit : run->traces_left;
    ASSERT(first < end && limit > 0);
    enum err e = search_traces(run, node, limit, &hits, &count);
    for (size_t i = 0; i < count && e == ERR_OK && want_more(run, first, end) && !is_over(run);
         i++) {
        struct sample sample;
        enum err taken = sampler_take(sampler, run->query->view, hits[i].trace, &sample);
        run->traces_left--;
        for (size_t k = first; taken == ERR_OK && k < end; k++) {
            note_example(run, &run->items[k], &sample);
        }
    }
    mem_free(hits);
    return e;
}

static int by_entry(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

// Among the newest traces of each entry.
static enum err look_at_entries(struct findings_run *run, struct sampler *sampler)
{
    enum err e = ERR_OK;
    size_t looked_at = 0;
    qsort(run->items, run->count, sizeof *run->items, by_entry);
    for (size_t first = 0, end; first < run->count && e == ERR_OK; first = end) {
        const struct node *entry = &run->items[first].finding.entry;
        for (end = first + 1; end < run->count && run->items[end].entry == run->items[first].entry;
             end++) {
        }
        if (entry->kind.n > 0 && looked_at++ < FINDINGS_ENTRIES && !is_over(run)) {
            e = look_at(run, sampler, entry, FINDINGS_LOOKED_AT, first, end);
        }
    }
    ASSERT(looked_at <= run->count);
    return e;
}

// What few chains show has a search of its own, as long as there are some: what rarely happens is
// looked for where it happens, all else among traces of the entry.
static enum err look_deep(struct findings_run *run, struct sampler *sampler)
{
    enum err e = ERR_OK;
    qsort(run->items, run->count, sizeof *run->items, by_time_of_candidates);
    for (size_t i = 0; i < run->count && e == ERR_OK; i++) {
        const struct finding *f = &run->items[i].finding;
        bool rare = f->kind == FINDING_RARE && f->node.service.n > 0;
        bool hidden = f->kind >= FINDING_FAN_OUT && f->entry.kind.n > 0;
        if (run->deep_left == 0 || is_over(run)) {
            break;
        }
        if (f->example_count == 0 && hidden) {
            run->deep_left--;
            e = look_at(run, sampler, rare ? &f->node : &f->entry, FINDINGS_LOOKED_DEEP, i, i + 1);
        }
    }
    ASSERT(run->deep_left <= FINDINGS_SEARCHES);
    return e;
}

static enum err find_examples(struct findings_run *run)
{
    struct sampler *sampler = sampler_new();
    ASSERT(run->count > 0);
    run->traces_left = FINDINGS_TRACES;
    run->deep_left = FINDINGS_SEARCHES;
    enum err e = look_at_entries(run, sampler);
    e = e == ERR_OK ? look_deep(run, sampler) : e;
    sampler_free(sampler);
    return e;
}

// ---- The answer ---------------------------------------------------------------------------------

static void read_findings(struct findings_run *run)
{
    struct findings *out = run->out;
    out->items = arena_new(&out->arena, run->count + 1, sizeof *out->items);
    for (size_t i = 0; i < run->count; i++) {
        const struct finding *f = &run->items[i].finding;
        if (f->kind != FINDING_N_PLUS_ONE || f->example_count > 0) {
            out->items[out->count++] = *f;
        }
    }
    ASSERT(out->count <= run->count);
    if (out->count > 1) {
        qsort(out->items, out->count, sizeof *out->items, by_time);
    }
    out->count = out->count < FINDINGS_MAX ? out->count : FINDINGS_MAX;
}

enum err findings_run(const struct findings_query *q, struct findings **ret)
{
    struct findings *out = mem_new(1, sizeof *out);
    struct findings_run run = {.query = q, .out = out};
    const struct entries_query entries = {.store = q->series,
                                          .any_line = true,
                                          .from_ms = q->from_ms,
                                          .to_ms = q->to_ms,
                                          .control = q->control};
    ASSERT(q->series != NULL && q->view != NULL);
    enum err e = entries_run(&entries, &out->entries);
    if (e != ERR_OK) {
        mem_free(out);
        return e;
    }
    out->from_ms = out->entries->from_ms;
    out->to_ms = out->entries->to_ms;
    out->damaged_parts = out->entries->damaged_parts;
    run.scratch = mem_new(1, sizeof *run.scratch);
    judge_trees(&run);
    e = find_dead(&run);
    e = e == ERR_OK && run.count > 0 ? find_examples(&run) : e;
    if (e == ERR_OK) {
        read_findings(&run);
    }
    mem_free(run.items);
    mem_free(run.scratch);
    if (e != ERR_OK) {
        findings_free(out);
        return e;
    }
    *ret = out;
    return ERR_OK;
}

void findings_free(struct findings *f)
{
    if (f != NULL) {
        entries_free(f->entries);
        arena_done(&f->arena);
        mem_free(f);
    }
}
