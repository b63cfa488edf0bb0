// SPDX-License-Identifier: Apache-2.0
// Purpose: whether a window of a group can hold at all.
#include "alert/rehearsal_gate.h"

#include <string.h>

#include "core/hist.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/rank.h"

#define KEYS_FIRST ((size_t)64)
#define EXACT_SUM  9007199254740992.0 // 2^53

static bool is_gated(const struct alert_strategy *s)
{
    bool is_whole = s->metric.n == 0 && s->field.field == ON_DURATION;
    ASSERT(s->every_ms > 0);
    if (!alert_is_early(s) || (s->op != COMPARE_GT && s->op != COMPARE_GE)) {
        return false;
    }
    switch (s->measure) {
    case MEASURE_RATE:
        return s->metric.n == 0;
    case MEASURE_AVERAGE:
    case MEASURE_SUM:
        return is_whole;
    case MEASURE_ABSENCE:
        return false;
    default:
        return true;
    }
}

bool gate_is_for(const struct recount *t)
{
    bool is_for = true;
    ASSERT(t->rule->strategy_count > 0);
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        is_for = is_for && is_gated(&t->rule->strategies[i]) &&
                 t->ways[i].shape.slot_ms == t->ways[0].shape.slot_ms;
    }
    return is_for;
}

size_t gate_bytes(const struct recount *t)
{
    size_t bytes = 0;
    ASSERT(t->rule->strategy_count > 0);
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        bool has_keys = t->rule->strategies[i].measure == MEASURE_DISTINCT;
        bytes += has_keys ? 2 * GATE_KEYS_MAX * sizeof(struct gate_key) : 0;
    }
    return bytes;
}

static bool compares(const struct alert_strategy *s, double value)
{
    ASSERT(s->op == COMPARE_GT || s->op == COMPARE_GE);
    return s->op == COMPARE_GT ? value > s->threshold : value >= s->threshold;
}

// The first bucket whose value compares; HIST_BUCKETS where none does.
static uint64_t least_bucket(const struct alert_strategy *s, bool is_ns)
{
    unsigned low = 0, high = HIST_BUCKETS;
    ASSERT(s->measure == MEASURE_QUANTILE);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        double value = (double)hist_value(middle);
        if (compares(s, is_ns ? value : value / WINDOW_MILLION)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void gate_init(struct gate *g, const struct recount *t)
{
    *g = (struct gate){.recount = t};
    ASSERT(gate_is_for(t));
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        const struct alert_strategy *s = &t->rule->strategies[i];
        if (s->measure == MEASURE_QUANTILE) {
            g->windows[i].least_key = least_bucket(s, t->ways[i].is_ns);
        }
    }
}

void gate_done(struct gate *g)
{
    ASSERT(g->recount != NULL);
    for (size_t i = 0; i < ALERT_STRATEGIES_MAX; i++) {
        mem_free(g->windows[i].keys);
    }
}

void gate_begin(struct gate *g, size_t group)
{
    const struct recount *t = g->recount;
    ASSERT(group < t->group_count);
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        struct gate_window *w = &g->windows[i];
        size_t count;
        const struct recount_cell *cells = recount_cells(t, group, i, &count);
        mem_free(w->keys);
        *w = (struct gate_window){.head = cells,
                                  .tail = cells,
                                  .end = count > 0 ? cells + count : cells,
                                  .least_key = w->least_key};
    }
}

// ---- Distinct values ----------------------------------------------------------------------------

static struct gate_key *find_key(const struct gate_window *w, uint64_t key)
{
    size_t mask = w->key_size - 1, at = (key * 0x9e3779b97f4a7c15u >> 32) & mask;
    ASSERT(key != 0 && w->key_count < w->key_size);
    while (w->keys[at].key != 0 && w->keys[at].key != key) {
        at = (at + 1) & mask;
    }
    return &w->keys[at];
}

static void make_room(struct gate_window *w)
{
    struct gate_key *old = w->keys;
    size_t old_size = w->key_size;
    ASSERT(w->key_count <= GATE_KEYS_MAX);
    w->key_size = old_size > 0 ? old_size * 2 : KEYS_FIRST;
    w->keys = mem_new(w->key_size, sizeof *w->keys);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].key != 0) {
            *find_key(w, old[i].key) = old[i];
        }
    }
    mem_free(old);
}

static void take_key(struct gate_window *w, uint64_t key)
{
    if (w->key_count == GATE_KEYS_MAX) {
        w->is_open = true;
        return;
    }
    if (w->key_count * 2 >= w->key_size) {
        make_room(w);
    }
    struct gate_key *k = find_key(w, key);
    w->key_count += k->key == 0;
    w->distinct += k->cells == 0;
    k->key = key;
    k->cells++;
    ASSERT(w->distinct <= w->key_count);
}

static void drop_key(struct gate_window *w, uint64_t key)
{
    struct gate_key *k = find_key(w, key);
    MUST(k->cells > 0 && w->distinct > 0);
    k->cells--;
    w->distinct -= k->cells == 0;
}

// ---- From slot to slot --------------------------------------------------------------------------

// A cell comes in, or (`sign` -1) leaves.
static void move_cell(struct gate_window *w, const struct alert_strategy *s,
                      const struct recount_cell *c, int sign)
{
    uint64_t n = sign > 0 ? c->count : 0 - (uint64_t)c->count, one = sign > 0 ? 1 : UINT64_MAX;
    bool passes = false;
    ASSERT(sign == 1 || sign == -1);
    w->count += n;
    switch (s->measure) {
    case MEASURE_ERROR_RATE:
        w->errors += sign > 0 ? c->errors : 0 - c->errors;
        break;
    case MEASURE_AVERAGE:
    case MEASURE_SUM:
        w->sum += sign * c->number;
        w->is_open = w->is_open || w->sum >= EXACT_SUM;
        break;
    case MEASURE_MIN:
    case MEASURE_MAX:
        passes = compares(s, c->number);
        w->passing += passes ? one : 0;
        w->failing += passes ? 0 : one;
        break;
    case MEASURE_QUANTILE:
        w->passing += c->key >= w->least_key ? n : 0;
        break;
    case MEASURE_DISTINCT:
        if (sign > 0) {
            take_key(w, c->key);
        } else {
            drop_key(w, c->key);
        }
        break;
    default:
        break;
    }
}

static void move_to(struct gate_window *w, const struct alert_strategy *s, uint64_t slot,
                    uint32_t slots)
{
    ASSERT(w->tail <= w->head);
    for (; w->head != w->end && w->head->slot <= slot && !w->is_open; w->head++) {
        move_cell(w, s, w->head, 1);
    }
    for (; w->tail != w->head && w->tail->slot + slots <= slot && !w->is_open; w->tail++) {
        move_cell(w, s, w->tail, -1);
    }
}

// As window_judge() says it, of what it says it of.
static bool may_hold(const struct gate_window *w, const struct alert_strategy *s)
{
    double count = (double)w->count;
    ASSERT(w->tail <= w->head);
    bool counts = s->measure == MEASURE_COUNT || s->measure == MEASURE_RATE ||
                  s->measure == MEASURE_DISTINCT || s->measure == MEASURE_SUM;
    if (w->is_open) {
        return true;
    }
    if (w->count < s->at_least && !(counts && s->at_least == 1)) {
        return false;
    }
    switch (s->measure) {
    case MEASURE_COUNT:
        return compares(s, count);
    case MEASURE_RATE:
        return compares(s, count / ((double)s->every_ms / 1000));
    case MEASURE_ERROR_RATE:
        return w->count > 0 && compares(s, (double)w->errors / count);
    case MEASURE_AVERAGE:
        return w->count > 0 && compares(s, w->sum / count);
    case MEASURE_SUM:
        return compares(s, w->sum);
    case MEASURE_MIN:
        return w->passing > 0 && w->failing == 0;
    case MEASURE_MAX:
        return w->passing > 0;
    case MEASURE_QUANTILE:
        return w->count > 0 && quantile_rank(s->quantile, w->count) >= w->count - w->passing;
    default:
        ASSERT(s->measure == MEASURE_DISTINCT);
        return compares(s, (double)w->distinct);
    }
}

bool gate_may_hold(struct gate *g, uint64_t from, uint64_t to)
{
    const struct recount *t = g->recount;
    bool may = false;
    ASSERT(from <= to);
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        const struct alert_strategy *s = &t->rule->strategies[i];
        for (uint64_t slot = from; slot <= to && !may; slot++) {
            move_to(&g->windows[i], s, slot, t->ways[i].shape.slots);
            may = may_hold(&g->windows[i], s);
        }
    }
    return may;
}
