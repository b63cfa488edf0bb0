// SPDX-License-Identifier: Apache-2.0
// Purpose: what is wrong with how calls are made.
#include "query/findings.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "query/findings_state.h"

#define REPEATED_CHAINS 10
#define FAN_OUT_CHAINS  100
#define UNUSUAL_CHAINS  1000
#define RARE_SHARE      0.01

const char *finding_name(enum finding_kind k)
{
    static const char *const names[FINDING_KIND_COUNT] = {
        [FINDING_N_PLUS_ONE] = "n_plus_one", [FINDING_REPEATED] = "repeated_calls",
        [FINDING_SERIAL] = "serial_calls",   [FINDING_FAN_OUT] = "fan_out",
        [FINDING_RARE] = "rare_path",        [FINDING_MISSING] = "missing_path",
        [FINDING_DEAD] = "dead_endpoint",
    };
    ASSERT(k < FINDING_KIND_COUNT);
    return names[k];
}

// ---- From trees ---------------------------------------------------------------------------------

uint64_t findings_path_id(struct str text)
{
    ASSERT(text.n == 16);
    char digits[17] = {0};
    memcpy(digits, text.p, text.n < 16 ? text.n : 16);
    return strtoull(digits, NULL, 16);
}

struct candidate *findings_next(struct findings_run *run)
{
    if (!query_memory_need(&run->out->memory, 2 * sizeof *run->items)) { // the array doubles
        run->is_short = true;
        return NULL;
    }
    run->items = mem_grow(run->items, &run->capacity, run->count + 1, sizeof *run->items);
    run->items[run->count] = (struct candidate){0};
    ASSERT(run->count < run->capacity);
    return &run->items[run->count++];
}

// NULL where memory is short.
static struct candidate *add(struct findings_run *run, enum finding_kind kind,
                             const struct entry_path *p, size_t entry, double value, double limit)
{
    const struct entry_path *caller = &run->out->entries->paths[p->parent_at];
    struct candidate *c = findings_next(run);
    ASSERT(p->parent_at != ENTRY_NO_PARENT);
    if (c == NULL) {
        return NULL;
    }
    c->finding = (struct finding){.kind = kind,
                                  .entry = p->entry,
                                  .caller = caller->node,
                                  .node = p->node,
                                  .value = value,
                                  .limit = limit,
                                  .chains = p->chains,
                                  .self_ns = p->self_ns,
                                  .statement = STR("")};
    c->path = findings_path_id(p->path);
    c->caller_path = findings_path_id(caller->path);
    c->entry = entry;
    return c;
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
        (void)add(run, is_store ? FINDING_N_PLUS_ONE : FINDING_REPEATED, p, entry, each,
                  REPEATED_CALLS);
    }
    if (p->chains >= FAN_OUT_CHAINS && calls[1] >= FAN_OUT_CALLS && calls[1] >= 5 * calls[0]) {
        (void)add(run, FINDING_FAN_OUT, p, entry, (double)calls[1], FAN_OUT_CALLS);
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
        (void)add(run, FINDING_RARE, p, entry, presence, RARE_SHARE);
    } else if (all >= UNUSUAL_CHAINS && presence >= 1 - RARE_SHARE && p->chains < callers) {
        struct candidate *c = add(run, FINDING_MISSING, p, entry, presence, 1);
        if (c != NULL) {
            c->finding.chains = callers - p->chains;
        }
    }
}

// What a caller waits for, by its tree: where calls run at the same time that is more than it
// waits.
struct awaited {
    int64_t total_ns; // of the path, with all below it
    int64_t sum_ns, most_ns;
    size_t paths, longest; // of services and external ones, in half of the caller's chains
};

static void await_path(const struct entries *e, struct awaited *all, size_t i)
{
    const struct entry_path *p = &e->paths[i];
    struct awaited *caller = &all[p->parent_at];
    bool is_awaited = str_eq(p->node.kind, STR("service")) || str_eq(p->node.kind, STR("external"));
    ASSERT(p->parent_at < i);
    caller->total_ns = calls_ns_add(caller->total_ns, all[i].total_ns);
    if (is_awaited && all[i].total_ns > 0 && 2 * p->chains >= e->paths[p->parent_at].chains) {
        caller->sum_ns = calls_ns_add(caller->sum_ns, all[i].total_ns);
        caller->paths++;
        if (all[i].total_ns > caller->most_ns) {
            caller->most_ns = all[i].total_ns;
            caller->longest = i;
        }
    }
}

// Callers whose calls may be worth a look at how they lie in time.
static void judge_serial(struct findings_run *run, const struct awaited *a, size_t caller,
                         size_t entry)
{
    const struct entry_path *p = &run->out->entries->paths[caller];
    int64_t most_saved_ns = a->sum_ns - a->most_ns;
    ASSERT(most_saved_ns >= 0);
    if (a->paths > 1 && p->chains >= REPEATED_CHAINS &&
        most_saved_ns / p->chains >= (int64_t)SERIAL_MIN_NS) {
        const struct entry_path *longest = &run->out->entries->paths[a->longest];
        struct candidate *c = add(run, FINDING_SERIAL, longest, entry, 0, SERIAL_SHARE);
        if (c != NULL) {
            c->finding.chains = p->chains;
            c->finding.self_ns = most_saved_ns;
        }
    }
}

// NULL where memory is short.
static struct awaited *await_all(struct findings_run *run)
{
    const struct entries *e = run->out->entries;
    if (!query_memory_need(&run->out->memory, (e->count + 1) * sizeof(struct awaited))) {
        run->is_short = true;
        return NULL;
    }
    struct awaited *all = mem_new(e->count + 1, sizeof *all);
    for (size_t i = e->count; i-- > 0;) { // parents come before their children
        all[i].total_ns = calls_ns_add(all[i].total_ns, e->paths[i].self_ns);
        if (e->paths[i].parent_at != ENTRY_NO_PARENT) {
            await_path(e, all, i);
        }
    }
    ASSERT(e->count == 0 || e->paths[0].parent_at == ENTRY_NO_PARENT);
    return all;
}

static void judge_trees(struct findings_run *run)
{
    const struct entries *e = run->out->entries;
    struct awaited *awaited = await_all(run);
    size_t entry = 0;
    for (size_t i = 0; i < e->count && !run->is_short; i++) {
        const struct entry_path *p = &e->paths[i];
        entry = p->parent.n == 0 ? i : entry;
        bool is_other = p->node.name.n == 0 && str_eq(p->node.service, STR("(other)"));
        ASSERT(entry <= i);
        judge_serial(run, &awaited[i], i, entry);
        if (p->parent_at != ENTRY_NO_PARENT && !is_other) {
            judge_calls(run, p, entry);
            if (!is_within(p, &e->paths[p->parent_at])) {
                judge_presence(run, p, entry);
            }
        }
    }
    mem_free(awaited);
}

// ---- The answer ---------------------------------------------------------------------------------

int findings_by_time(const void *a, const void *b)
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

// Of statements, and of calls that wait for one another, only traces tell.
static bool is_proven(const struct candidate *c)
{
    ASSERT(c->shown <= c->looked_at);
    switch (c->finding.kind) {
    case FINDING_N_PLUS_ONE:
        return c->shown > 0;
    case FINDING_SERIAL:
        return c->shown > 0 && 2 * c->shown >= c->looked_at;
    default:
        return true;
    }
}

static void read_findings(struct findings_run *run)
{
    struct findings *out = run->out;
    out->items = arena_new(&out->arena, run->count + 1, sizeof *out->items);
    for (size_t i = 0; i < run->count; i++) {
        if (is_proven(&run->items[i])) {
            out->items[out->count++] = run->items[i].finding;
        }
    }
    ASSERT(out->count <= run->count);
    sort_array(out->items, out->count, sizeof *out->items, findings_by_time);
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
    out->memory.control = q->control;
    run.scratch = mem_new(1, sizeof *run.scratch);
    judge_trees(&run);
    e = findings_dead(&run);
    e = e == ERR_OK && run.is_short ? ERR_MEMORY : e;
    e = e == ERR_OK && run.count > 0 ? findings_examples(&run) : e;
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
        query_memory_give(&f->memory);
        mem_free(f);
    }
}
