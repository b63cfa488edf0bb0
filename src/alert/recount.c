// SPDX-License-Identifier: Apache-2.0
// Purpose: what a rule would have seen of what is stored: cells, groups and examples.
#include "alert/recount.h"

#include <math.h>
#include <string.h>

#include "alert/engine_state.h"
#include "core/mem.h"
#include "core/must.h"

#define CELLS_FIRST ((size_t)4096)
#define GROUP_BYTES ((size_t)128) // of a group without its texts and examples, about

// ---- Keys ---------------------------------------------------------------------------------------

// Group and 1, slot of 24 bits, strategy of 3, bucket of 12.
static uint64_t key_of(uint32_t group, uint64_t slot, size_t strategy, unsigned bucket)
{
    ASSERT(slot < RECOUNT_SLOTS_MAX && strategy < ALERT_STRATEGIES_MAX && bucket < HIST_BUCKETS);
    return ((uint64_t)group + 1) << 39 | slot << 15 | (uint64_t)strategy << 12 | bucket;
}

static size_t key_group(uint64_t key)
{
    return (size_t)(key >> 39) - 1;
}

static uint64_t key_slot(uint64_t key)
{
    return key >> 15 & (RECOUNT_SLOTS_MAX - 1);
}

// ---- Life ---------------------------------------------------------------------------------------

enum err recount_init(struct recount *t, const struct alert_rule *rule, uint64_t from_ms,
                      uint64_t to_ms, struct query_control *control)
{
    *t = (struct recount){.rule = rule,
                          .from_ms = from_ms,
                          .to_ms = to_ms,
                          .memory = {.control = control},
                          .first_ms = UINT64_MAX};
    ASSERT(from_ms <= to_ms);
    for (size_t i = 0; i < rule->strategy_count; i++) {
        t->shapes[i] = window_shape_of(&rule->strategies[i]);
        MUST(t->shapes[i].slot_ms > 0);
        t->bases[i] = from_ms / t->shapes[i].slot_ms;
        if (to_ms / t->shapes[i].slot_ms - t->bases[i] >= RECOUNT_SLOTS_MAX) {
            return ERR_LIMIT;
        }
    }
    return ERR_OK;
}

static void drop_cells(struct recount *t)
{
    ASSERT(t->cells != NULL || t->cell_size == 0);
    query_give(t->memory.control, t->cell_size * sizeof *t->cells);
    t->memory.bytes -= t->cell_size * sizeof *t->cells;
    mem_free(t->cells);
    t->cells = NULL;
    t->cell_size = t->cell_count = 0;
}

void recount_done(struct recount *t)
{
    ASSERT(t->rule != NULL);
    for (size_t i = 0; i < t->group_count; i++) {
        mem_free(t->groups[i].examples);
    }
    mem_free(t->groups);
    mem_free(t->hashes);
    mem_free(t->cells);
    mem_free(t->sorted);
    mem_free(t->begins);
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

// Cells of slots side by side lie near one another: records come about in order of time.
static size_t place(const struct recount *t, uint64_t key, uint64_t hash)
{
    const uint64_t near = (uint64_t)7 << 15;
    bool is_distinct = hash != 0;
    uint64_t h = ((key & ~near) ^ hash) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)((h >> 20 & ~(uint64_t)7) | (key >> 15 & 7)) & (t->cell_size - 1);
    ASSERT(t->cell_count < t->cell_size);
    while (t->cells[at].key != 0 &&
           (t->cells[at].key != key || (is_distinct && t->cells[at].hash != hash))) {
        at = (at + 1) & (t->cell_size - 1);
    }
    return at;
}

static bool is_distinct(const struct recount *t, uint64_t key)
{
    return t->rule->strategies[key >> 12 & 7].measure == MEASURE_DISTINCT;
}

// False where there is no memory.
static bool make_room(struct recount *t)
{
    struct recount_cell *old = t->cells;
    size_t old_size = t->cell_size, size = old_size > 0 ? old_size * 2 : CELLS_FIRST;
    ASSERT(t->cell_count <= t->cell_size);
    if (t->cell_count * 3 < old_size * 2) {
        return true;
    }
    if (!query_memory_need(&t->memory, size * sizeof *old)) {
        t->error = ERR_MEMORY;
        return false;
    }
    t->cells = mem_new(size, sizeof *t->cells);
    t->cell_size = size;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].key != 0) {
            t->cells[place(t, old[i].key, is_distinct(t, old[i].key) ? old[i].hash : 0)] = old[i];
        }
    }
    mem_free(old);
    query_give(t->memory.control, old_size * sizeof *old);
    t->memory.bytes -= old_size * sizeof *old;
    return true;
}

static uint32_t saturated(uint32_t a, uint32_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + b;
}

static void add_example(struct recount *t, size_t strategy, uint32_t group,
                        const struct recount_record *r)
{
    struct recount_example *all = t->groups[group].examples;
    ASSERT(r->time_ms >= t->from_ms && r->time_ms < t->to_ms);
    if (all == NULL || r->trace == NULL) {
        return;
    }
    uint64_t piece_ms = (t->to_ms - t->from_ms + RECOUNT_EXAMPLES - 1) / RECOUNT_EXAMPLES;
    struct recount_example *e =
        &all[strategy * RECOUNT_EXAMPLES + (r->time_ms - t->from_ms) / piece_ms];
    if (e->time_ms == 0 || r->score > e->score ||
        (r->score >= e->score && memcmp(r->trace, &e->trace, sizeof e->trace) > 0)) {
        *e = (struct recount_example){*r->trace, r->time_ms, r->score};
    }
}

void recount_add(struct recount *t, size_t strategy, uint32_t group, const struct recount_record *r)
{
    const struct alert_strategy *s = &t->rule->strategies[strategy];
    bool is_ns = s->field.field == ON_DURATION && s->metric.n == 0;
    unsigned bucket =
        s->measure == MEASURE_QUANTILE ? hist_bucket(window_hist(r->value, is_ns)) : 0;
    uint64_t slot = r->time_ms / t->shapes[strategy].slot_ms - t->bases[strategy];
    uint64_t key = key_of(group, slot, strategy, bucket);
    uint64_t hash = s->measure == MEASURE_DISTINCT ? (r->hash != 0 ? r->hash : 1) : 0;
    if (t->error != ERR_OK || !make_room(t)) {
        return;
    }
    struct recount_cell *c = &t->cells[place(t, key, hash)];
    bool is_new = c->key == 0;
    t->cell_count += is_new;
    c->key = key;
    c->count = saturated(c->count, r->count);
    c->errors = saturated(c->errors, r->errors);
    if (hash != 0) {
        c->hash = hash;
    } else if (s->measure == MEASURE_MIN || s->measure == MEASURE_MAX) {
        bool is_further = s->measure == MEASURE_MIN ? r->value < c->number : r->value > c->number;
        c->number = is_new || is_further ? r->value : c->number;
    } else {
        c->number += r->value;
    }
    t->records += r->count;
    t->first_ms = r->time_ms < t->first_ms ? r->time_ms : t->first_ms;
    add_example(t, strategy, group, r);
}

struct window_record recount_cell_record(const struct recount *t, const struct recount_cell *c)
{
    size_t i = recount_cell_strategy(c);
    const struct alert_strategy *s = &t->rule->strategies[i];
    uint64_t slot = key_slot(c->key) + t->bases[i];
    bool has_number = s->measure != MEASURE_DISTINCT && s->measure != MEASURE_QUANTILE;
    struct window_record r = {
        .time_ms = slot * t->shapes[i].slot_ms, .count = c->count, .errors = c->errors};
    ASSERT(i < t->rule->strategy_count);
    r.sum = r.min = r.max = has_number ? c->number : 0;
    r.hist = s->measure == MEASURE_QUANTILE ? hist_value(c->key & (HIST_BUCKETS - 1)) : 0;
    r.distinct = s->measure == MEASURE_DISTINCT ? c->hash : 0;
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

// Adds a cell of another recount.
static void join_cell(struct recount *t, uint32_t group, const struct recount_cell *c)
{
    uint64_t key = (c->key & (((uint64_t)1 << 39) - 1)) | ((uint64_t)group + 1) << 39;
    bool distinct = is_distinct(t, key);
    enum alert_measure m = t->rule->strategies[key >> 12 & 7].measure;
    ASSERT(group < t->group_count);
    if (t->error != ERR_OK || !make_room(t)) {
        return;
    }
    struct recount_cell *to = &t->cells[place(t, key, distinct ? c->hash : 0)];
    if (to->key == 0) {
        *to = *c;
        to->key = key;
        t->cell_count++;
        return;
    }
    to->count = saturated(to->count, c->count);
    to->errors = saturated(to->errors, c->errors);
    if (m == MEASURE_MIN || m == MEASURE_MAX) {
        bool is_further = m == MEASURE_MIN ? c->number < to->number : c->number > to->number;
        to->number = is_further ? c->number : to->number;
    } else if (!distinct) {
        to->number += c->number;
    }
}

void recount_join(struct recount *t, struct recount *from)
{
    uint32_t *groups = mem_new(from->group_count + 1, sizeof *groups);
    ASSERT(t->rule == from->rule);
    for (size_t i = 0; i < from->group_count; i++) {
        groups[i] = recount_group(t, from->groups[i].values);
        if (groups[i] != UINT32_MAX) {
            join_examples(t, groups[i], &from->groups[i]);
        }
    }
    t->records += from->records;
    t->refused += from->refused;
    for (size_t i = 0; i < from->cell_size; i++) {
        const struct recount_cell *c = &from->cells[i];
        uint32_t group = c->key != 0 ? groups[key_group(c->key)] : UINT32_MAX;
        if (group != UINT32_MAX) {
            join_cell(t, group, c);
        } else if (c->key != 0) {
            t->refused += c->count;
            ASSERT(c->count <= t->records);
            t->records -= c->count;
        }
    }
    t->unfit += from->unfit;
    t->first_ms = from->first_ms < t->first_ms ? from->first_ms : t->first_ms;
    t->error = t->error == ERR_OK ? from->error : t->error;
    mem_free(groups);
    recount_done(from);
    mem_free(from);
}

enum err recount_sort(struct recount *t)
{
    size_t bytes = t->cell_count * sizeof *t->sorted + (t->group_count + 2) * sizeof *t->begins;
    ASSERT(t->sorted == NULL);
    if (!query_memory_need(&t->memory, bytes)) {
        return ERR_MEMORY;
    }
    t->sorted = mem_new(t->cell_count + 1, sizeof *t->sorted);
    t->begins = mem_new(t->group_count + 2, sizeof *t->begins);
    for (size_t i = 0; i < t->cell_size; i++) {
        if (t->cells[i].key != 0) {
            t->begins[key_group(t->cells[i].key) + 2]++;
        }
    }
    for (size_t g = 2; g < t->group_count + 2; g++) {
        t->begins[g] += t->begins[g - 1];
    }
    for (size_t i = 0; i < t->cell_size; i++) { // begins[g + 1] moves on from where g begins
        if (t->cells[i].key != 0) {
            t->sorted[t->begins[key_group(t->cells[i].key) + 1]++] = t->cells[i];
        }
    }
    drop_cells(t);
    return ERR_OK;
}

size_t recount_cells_max(const struct recount *t)
{
    size_t most = 0;
    ASSERT(t->sorted != NULL);
    for (size_t g = 0; g < t->group_count; g++) {
        size_t cells = t->begins[g + 1] - t->begins[g];
        most = cells > most ? cells : most;
    }
    return most;
}
