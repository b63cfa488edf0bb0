// SPDX-License-Identifier: Apache-2.0
// Purpose: what a rule would have seen of what is stored: cells, groups and examples.
#include "alert/recount.h"

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#include "alert/engine_state.h"
#include "core/mem.h"
#include "core/must.h"
#include "query/crew.h"

#define GROUP_BYTES ((size_t)512) // of a group without its texts, cells and examples, about

// ---- Life ---------------------------------------------------------------------------------------

static enum lane_kind kind_of(enum alert_measure m)
{
    ASSERT(m < MEASURE_COUNT_OF);
    switch (m) {
    case MEASURE_ERROR_RATE:
        return LANE_ERRORS;
    case MEASURE_MIN:
        return LANE_LEAST;
    case MEASURE_MAX:
        return LANE_GREATEST;
    case MEASURE_QUANTILE:
    case MEASURE_DISTINCT:
        return LANE_KEYED;
    default:
        return LANE_SUM;
    }
}

enum err recount_init(struct recount *t, const struct alert_rule *rule, uint64_t from_ms,
                      uint64_t to_ms, struct query_control *control)
{
    *t = (struct recount){.rule = rule,
                          .from_ms = from_ms,
                          .to_ms = to_ms,
                          .piece_ms = (to_ms - from_ms + RECOUNT_EXAMPLES - 1) / RECOUNT_EXAMPLES,
                          .memory = {.control = control},
                          .first_ms = UINT64_MAX};
    ASSERT(from_ms <= to_ms);
    for (size_t i = 0; i < rule->strategy_count; i++) {
        const struct alert_strategy *s = &rule->strategies[i];
        struct recount_way *w = &t->ways[i];
        *w = (struct recount_way){.shape = window_shape_of(s),
                                  .kind = kind_of(s->measure),
                                  .is_ns = s->field.field == ON_DURATION && s->metric.n == 0};
        MUST(w->shape.slot_ms > 0);
        w->base = from_ms / w->shape.slot_ms;
        uint64_t slots = to_ms / w->shape.slot_ms - w->base;
        if (slots >= RECOUNT_SLOTS_MAX) {
            return ERR_LIMIT;
        }
        w->slots = (uint32_t)slots + 1;
    }
    return ERR_OK;
}

void recount_done(struct recount *t)
{
    ASSERT(t->rule != NULL);
    for (size_t i = 0; i < t->group_count; i++) {
        mem_free(t->groups[i].examples);
        for (size_t k = 0; k < t->rule->strategy_count; k++) {
            lane_clear(&t->groups[i].lanes[k], &t->memory);
        }
    }
    mem_free(t->groups);
    mem_free(t->hashes);
    lane_scratch_done(&t->scratch);
    hash_index_done(&t->index);
    arena_done(&t->arena);
    query_memory_give(&t->memory);
}

struct recount *recount_fork(const struct recount *t)
{
    struct recount *made = mem_new(1, sizeof *made);
    enum err e = recount_init(made, t->rule, t->from_ms, t->to_ms, t->memory.control);
    ASSERT(e == ERR_OK);
    (void)e;
    return made;
}

// ---- Groups -------------------------------------------------------------------------------------

static size_t fields_of(const struct recount *t)
{
    ASSERT(t->rule != NULL);
    return t->rule->strategies[0].group_by_count;
}

static size_t example_bytes(const struct recount *t)
{
    ASSERT(t->rule != NULL);
    return t->group_count < RECOUNT_EXAMPLED
               ? t->rule->strategy_count * RECOUNT_EXAMPLES * sizeof(struct recount_example)
               : 0;
}

static uint32_t make_group(struct recount *t, const struct str *values, uint64_t hash)
{
    size_t n = t->group_count, text = 0, examples = example_bytes(t);
    ASSERT(n < ALERT_GROUPS_MAX);
    for (size_t i = 0; i < fields_of(t); i++) {
        text += values[i].n + 1;
    }
    if (!query_memory_need(&t->memory, GROUP_BYTES + text + examples)) {
        t->error = ERR_MEMORY;
        return UINT32_MAX;
    }
    t->groups = mem_grow(t->groups, &t->group_capacity, n + 1, sizeof *t->groups);
    t->hashes = mem_grow(t->hashes, &t->hash_capacity, n + 1, sizeof *t->hashes);
    hash_index_reserve(&t->index, t->hashes, n, 16);
    t->groups[n] = (struct recount_group){0};
    for (size_t i = 0; i < fields_of(t); i++) {
        t->groups[n].values[i] = arena_str(&t->arena, values[i]);
    }
    t->groups[n].examples = examples > 0 ? mem_new(1, examples) : NULL;
    t->hashes[n] = hash;
    hash_index_put(&t->index, hash, (uint32_t)n);
    t->group_count++;
    return (uint32_t)n;
}

uint32_t recount_group(struct recount *t, const struct str *values)
{
    uint64_t hash = group_values_hash(values, fields_of(t));
    struct hash_walk walk = hash_index_walk(&t->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        if (t->hashes[at] == hash &&
            group_values_equal(t->groups[at].values, values, fields_of(t))) {
            return at;
        }
    }
    ASSERT(t->group_count <= ALERT_GROUPS_MAX);
    return t->group_count == ALERT_GROUPS_MAX ? UINT32_MAX : make_group(t, values, hash);
}

// ---- Cells --------------------------------------------------------------------------------------

static struct recount_example *example_of(const struct recount *t, size_t strategy, uint32_t group,
                                          uint64_t time_ms)
{
    ASSERT(time_ms >= t->from_ms && time_ms < t->to_ms);
    return &t->groups[group]
                .examples[strategy * RECOUNT_EXAMPLES + (time_ms - t->from_ms) / t->piece_ms];
}

// As trace_id_cmp(), which calls: this is asked for each record.
static bool is_greater(const trace_id *a, const trace_id *b)
{
    uint64_t x[2], y[2];
    ASSERT(a != b);
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return x[0] != y[0] ? be64toh(x[0]) > be64toh(y[0]) : be64toh(x[1]) > be64toh(y[1]);
}

static void add_example(struct recount *t, size_t strategy, uint32_t group,
                        const struct recount_record *r)
{
    if (t->groups[group].examples == NULL || r->trace == NULL) {
        return;
    }
    struct recount_example *e = example_of(t, strategy, group, r->time_ms);
    ASSERT(e->time_ms < t->to_ms);
    if (e->time_ms == 0 || r->score > e->score ||
        (r->score >= e->score && is_greater(r->trace, &e->trace))) {
        *e = (struct recount_example){*r->trace, r->time_ms, r->score};
    }
}

static struct recount_cell cell_of(const struct recount *t, size_t strategy,
                                   const struct recount_record *r)
{
    const struct recount_way *w = &t->ways[strategy];
    struct recount_cell c = {.slot = (uint32_t)(r->time_ms / w->shape.slot_ms - w->base),
                             .count = r->count};
    ASSERT(r->time_ms >= t->from_ms && r->time_ms < t->to_ms);
    if (w->kind == LANE_ERRORS) {
        c.errors = r->errors;
    } else if (w->kind != LANE_KEYED) {
        c.number = r->value;
    } else if (t->rule->strategies[strategy].measure == MEASURE_QUANTILE) {
        c.key = hist_bucket(window_hist(r->value, w->is_ns));
    } else {
        c.key = r->hash != 0 ? r->hash : 1;
    }
    return c;
}

void recount_add(struct recount *t, size_t strategy, uint32_t group, const struct recount_record *r)
{
    const struct recount_way *w = &t->ways[strategy];
    struct recount_cell c = cell_of(t, strategy, r);
    ASSERT(group < t->group_count);
    if (t->error != ERR_OK) {
        return;
    }
    if (t->groups[group].examples != NULL) { // hardly ever near: there are many groups
        __builtin_prefetch(example_of(t, strategy, group, r->time_ms), 1);
    }
    if (!lane_add(&t->groups[group].lanes[strategy], w->kind, w->slots, &c, &t->scratch,
                  &t->memory)) {
        t->error = ERR_MEMORY;
        return;
    }
    t->records += r->count;
    t->first_ms = r->time_ms < t->first_ms ? r->time_ms : t->first_ms;
    add_example(t, strategy, group, r);
}

const struct recount_cell *recount_cells(const struct recount *t, size_t group, size_t strategy,
                                         size_t *ret_count)
{
    const struct recount_lane *l = &t->groups[group].lanes[strategy];
    ASSERT(group < t->group_count && strategy < t->rule->strategy_count);
    *ret_count = lane_count(l);
    return lane_cells(l);
}

struct window_record recount_cell_record(const struct recount *t, size_t strategy,
                                         const struct recount_cell *c)
{
    const struct recount_way *w = &t->ways[strategy];
    struct window_record r = {.time_ms = (c->slot + w->base) * w->shape.slot_ms, .count = c->count};
    ASSERT(strategy < t->rule->strategy_count);
    if (w->kind == LANE_ERRORS) {
        r.errors = c->errors;
    } else if (w->kind != LANE_KEYED) {
        r.sum = r.min = r.max = c->number;
    } else if (t->rule->strategies[strategy].measure == MEASURE_QUANTILE) {
        r.hist = hist_value((unsigned)c->key);
    } else {
        r.distinct = c->key;
    }
    return r;
}

bool recount_example(const struct recount *t, size_t group, size_t strategy, uint64_t from_ms,
                     uint64_t to_ms, trace_id *ret_trace)
{
    const struct recount_example *all = t->groups[group].examples, *best = NULL;
    ASSERT(strategy < t->rule->strategy_count);
    for (size_t i = 0; all != NULL && i < RECOUNT_EXAMPLES; i++) {
        const struct recount_example *e = &all[strategy * RECOUNT_EXAMPLES + i];
        bool is_in = e->time_ms > 0 && e->time_ms >= from_ms && e->time_ms <= to_ms;
        best = is_in && (best == NULL || e->score > best->score) ? e : best;
    }
    if (best != NULL) {
        *ret_trace = best->trace;
    }
    return best != NULL;
}

// ---- At the end ---------------------------------------------------------------------------------

static void join_examples(struct recount *t, uint32_t to, const struct recount_group *from)
{
    size_t n = t->rule->strategy_count * RECOUNT_EXAMPLES;
    ASSERT(to < t->group_count);
    for (size_t i = 0; from->examples != NULL && i < n; i++) {
        const struct recount_example *e = &from->examples[i];
        const struct recount_record r = {
            .time_ms = e->time_ms, .score = e->score, .trace = &e->trace};
        if (e->time_ms > 0) {
            add_example(t, i / RECOUNT_EXAMPLES, to, &r);
        }
    }
}

// Takes over what a group of another recount has counted, or counts it as refused.
static void join_group(struct recount *t, uint32_t to, struct recount *from, size_t group)
{
    ASSERT(group < from->group_count);
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        struct recount_lane *l = &from->groups[group].lanes[i];
        if (to != UINT32_MAX) {
            lane_join(&t->groups[to].lanes[i], l, &t->memory, &from->memory);
        } else {
            uint64_t records = lane_records(l);
            t->refused += records;
            ASSERT(records <= t->records);
            t->records -= records;
        }
    }
    if (to != UINT32_MAX) {
        join_examples(t, to, &from->groups[group]);
    }
}

void recount_join(struct recount *t, struct recount *from)
{
    ASSERT(t->rule == from->rule);
    t->records += from->records;
    t->refused += from->refused;
    for (size_t i = 0; i < from->group_count; i++) {
        join_group(t, recount_group(t, from->groups[i].values), from, i);
    }
    t->unfit += from->unfit;
    t->first_ms = from->first_ms < t->first_ms ? from->first_ms : t->first_ms;
    t->error = t->error == ERR_OK ? from->error : t->error;
    recount_done(from);
    mem_free(from);
}

// What all threads share that fold.
struct folding {
    struct recount *t;
    atomic_size_t next, cells;   // group to be folded; cells of those that are
    atomic_size_t before, after; // bytes of their lanes
    atomic_int error;
};

// One thread's.
struct folder {
    struct lane_scratch scratch;
    struct query_memory memory; // of the lanes that it has folded
    size_t cells, before;
};

static enum err fold_group(struct recount *t, size_t group, struct folder *f)
{
    enum err e = ERR_OK;
    ASSERT(group < t->group_count);
    for (size_t i = 0; i < t->rule->strategy_count && e == ERR_OK; i++) {
        struct recount_lane *l = &t->groups[group].lanes[i];
        size_t bytes = lane_bytes(l);
        f->before += bytes;
        f->memory.bytes += bytes;
        e = lane_fold(l, t->ways[i].kind, t->ways[i].slots, &f->scratch, &f->memory);
        f->cells += lane_count(l);
    }
    return e;
}

static void fold_groups(void *ctx, size_t who)
{
    struct folding *all = ctx;
    struct recount *t = all->t;
    struct query_control *control = t->memory.control;
    struct folder own = {.memory = {.control = control}};
    enum err e = ERR_OK;
    ASSERT(who <= CREW_HELPERS_MAX);
    (void)who;
    while (e == ERR_OK && atomic_load(&all->error) == ERR_OK) {
        size_t group = atomic_fetch_add(&all->next, 1);
        if (group >= t->group_count) {
            break;
        }
        bool is_cancelled = control != NULL && atomic_load(&control->cancelled);
        e = is_cancelled ? ERR_CANCELLED : fold_group(t, group, &own);
    }
    if (e != ERR_OK) {
        atomic_store(&all->error, e);
    }
    lane_scratch_done(&own.scratch);
    atomic_fetch_add(&all->cells, own.cells);
    atomic_fetch_add(&all->before, own.before);
    atomic_fetch_add(&all->after, own.memory.bytes);
}

enum err recount_fold(struct recount *t)
{
    struct folding f = {.t = t};
    struct crew *crew = t->memory.control != NULL ? t->memory.control->crew : NULL;
    size_t most = t->group_count > 1 ? t->group_count - 1 : 0;
    ASSERT(t->error == ERR_OK);
    lane_scratch_done(&t->scratch);
    crew_run(crew, most < CREW_HELPERS_MAX ? most : CREW_HELPERS_MAX, fold_groups, &f);
    t->memory.bytes += atomic_load(&f.after);
    t->memory.bytes -= atomic_load(&f.before);
    t->cell_count = atomic_load(&f.cells);
    return (enum err)atomic_load(&f.error);
}
