// SPDX-License-Identifier: Apache-2.0
// Purpose: which groups fire, and which no longer do.
#include <math.h>
#include <string.h>

#include "alert/engine_state.h"
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"

#define TOLD_AT_ONCE ((size_t)1024)
#define LEFT_AT_ONCE ((size_t)64)
#define HOLD_MAX_MS  ((uint64_t)1800000)
#define FLAPS_MAX    16u
#define CALM_MS      ((uint64_t)3600000) // after which flapping is forgotten

// ---- Verdicts -----------------------------------------------------------------------------------

static void note(struct group_verdict *v, const struct window_verdict *w, uint64_t end_ms)
{
    ASSERT(end_ms > 0);
    v->value = w->value;
    v->limit = w->limit;
    v->end_ms = end_ms;
    v->holds = w->holds;
}

// As records come: whether it holds at the end of any window that got one. It does not end here.
static void judge_early(struct look *l, struct groups *gs, struct group *g, size_t i)
{
    const struct alert_strategy *s = &gs->rule->strategies[i];
    const struct window_shape *shape = &gs->shapes[i];
    uint64_t newest = window_newest_ms(g->windows[i], shape), whole = shape->slot_ms * shape->slots;
    bool is_last = g->touched_max_ms >= newest; // nothing newer had come
    uint64_t end = is_last ? g->touched_max_ms : newest;
    struct window_verdict w = window_judge(g->windows[i], shape, s, end, l->scratch);
    bool is_costly = s->measure == MEASURE_QUANTILE || s->measure == MEASURE_DISTINCT;
    uint64_t step = is_costly ? whole : shape->slot_ms;
    uint64_t last = g->touched_max_ms + whole < newest ? g->touched_max_ms + whole : newest;
    ASSERT(gs->rule != NULL);
    if (!w.holds && !is_last) {
        end = g->touched_max_ms;
        w = window_judge(g->windows[i], shape, s, end, l->scratch);
    }
    for (uint64_t at = g->touched_min_ms; !w.holds && at < last; at += step) {
        end = at;
        w = window_judge(g->windows[i], shape, s, at, l->scratch);
    }
    if (w.holds) {
        note(&g->verdicts[i], &w, end);
    }
}

// When windows are over: what is judged only then, and whether the others still hold.
static void judge_over(struct look *l, struct groups *gs, struct group *g, size_t i)
{
    const struct alert_strategy *s = &gs->rule->strategies[i];
    const struct window_shape *shape = &gs->shapes[i];
    struct group_verdict *v = &g->verdicts[i];
    // With the last slot that is over: one that has only begun would be one too few.
    uint64_t end = l->time.watermark_ms - l->time.watermark_ms % shape->slot_ms;
    bool is_early = alert_is_early(s);
    ASSERT(gs->rule != NULL);
    if (end == 0 || (is_early && !v->holds && !g->fires)) {
        return;
    }
    end--;
    if (is_early && v->holds && v->end_ms > end) {
        return; // what was told before its window was over stays until that is over
    }
    window_advance(g->windows[i], shape, end);
    uint64_t newest = window_newest_ms(g->windows[i], shape);
    struct window_verdict w = window_judge(g->windows[i], shape, s, end, l->scratch);
    if (!is_early && v->holds && g->fires && !w.is_whole) {
        return; // the server was away: what was told stays until a whole window says otherwise
    }
    if (is_early && !w.holds && newest > end) {
        struct window_verdict later = window_judge(g->windows[i], shape, s, newest, l->scratch);
        end = later.holds ? newest : end;
        w = later.holds ? later : w;
    }
    note(v, &w, end);
}

// What is known by now of what its instances carry.
static void ask_capacity(const struct look *l, const struct groups *gs, const struct group *g)
{
    ASSERT(gs->rule != NULL);
    for (size_t i = 0; i < gs->rule->strategy_count && l->carried.of != NULL; i++) {
        if (gs->rule->strategies[i].measure == MEASURE_CAPACITY) {
            struct alert_origin o = group_origin(g);
            window_set_carried(g->windows[i], l->carried.of(l->carried.ctx, o.line, o.service));
        }
    }
}

static size_t count_holding(const struct groups *gs, const struct group *g)
{
    size_t n = 0;
    ASSERT(gs->rule != NULL);
    for (size_t i = 0; i < gs->rule->strategy_count; i++) {
        n += g->verdicts[i].holds;
    }
    return n;
}

static bool holds(const struct groups *gs, const struct group *g)
{
    size_t n = count_holding(gs, g);
    ASSERT(gs->rule != NULL);
    return gs->rule->match_all ? n == gs->rule->strategy_count : n > 0;
}

// ---- Events -------------------------------------------------------------------------------------

static void add_event(struct look *l, struct groups *gs, struct group *g, bool fires)
{
    size_t i = 0;
    ASSERT(gs->rule != NULL);
    while (fires && i + 1 < gs->rule->strategy_count && !g->verdicts[i].holds) {
        i++;
    }
    const struct group_verdict *v = &g->verdicts[i];
    l->events = mem_grow(l->events, &l->event_capacity, l->event_count + 1, sizeof *l->events);
    l->event_groups = mem_grow(l->event_groups, &l->event_group_capacity, l->event_count + 1,
                               sizeof *l->event_groups);
    struct alert_event *e = &l->events[l->event_count];
    *e = (struct alert_event){
        .rule = gs->rule,
        .strategy = &gs->rule->strategies[i],
        .fires = fires,
        .value = v->value,
        .limit = v->limit,
        .event_ns = (v->end_ms > 0 ? v->end_ms : l->time.now_ms) * NS_PER_MS,
        .at_ns = l->time.now_ms * NS_PER_MS,
        .origin = group_origin(g),
    };
    for (size_t k = 0; k < gs->rule->strategies[0].group_by_count; k++) {
        e->group[k] = g->values[k];
    }
    e->trace_count = group_traces(g, e->traces);
    l->event_groups[l->event_count++] = g;
}

// For how long it must be quiet before it ends.
static uint64_t hold_ms(const struct groups *gs, const struct group *g)
{
    uint64_t every = gs->rule->strategies[0].every_ms;
    ASSERT(gs->rule != NULL);
    if (g->flaps == 0) {
        return 0;
    }
    uint64_t hold = every << (g->flaps < FLAPS_MAX ? g->flaps - 1 : FLAPS_MAX - 1);
    return hold < HOLD_MAX_MS ? hold : HOLD_MAX_MS;
}

static void decide(struct look *l, struct groups *gs, struct group *g, bool tick)
{
    // One of many that has been away for so long does not come back.
    bool is_gone =
        gs->rule->strategies[0].group_by_count > 0 && l->time.now_ms > g->seen_ms + ALERT_GONE_MS;
    bool yes = holds(gs, g) && !is_gone;
    ASSERT(gs->rule != NULL);
    if (g->owes) {
        add_event(l, gs, g, true);
    } else if (yes) {
        g->quiet_ms = 0;
        uint64_t end = 0;
        for (size_t i = 0; i < gs->rule->strategy_count; i++) {
            const struct group_verdict *v = &g->verdicts[i];
            end = v->holds && v->end_ms > end ? v->end_ms : end;
        }
        if (!g->fires && end > g->told_until_ms) {
            add_event(l, gs, g, true);
        }
    } else if (g->fires && tick) {
        g->quiet_ms = g->quiet_ms == 0 ? l->time.now_ms : g->quiet_ms;
        if (is_gone || l->time.now_ms >= g->quiet_ms + hold_ms(gs, g)) {
            add_event(l, gs, g, false);
        }
    }
}

static void apply(struct look *l, const struct alert_event *e, struct group *g)
{
    uint64_t now = l->time.now_ms;
    ASSERT(g->trace_count <= ALERT_TRACES_MAX);
    if (e->fires) {
        bool again =
            g->changed_ms > 0 && now < g->changed_ms + ALERT_FLAP_MS && g->told_until_ms > 0;
        g->flaps = again ? (g->flaps < FLAPS_MAX ? g->flaps + 1 : g->flaps)
                   : now > g->changed_ms + CALM_MS ? 0
                                                   : g->flaps;
        l->fired++;
        l->firing++;
    } else {
        l->ended++;
        l->firing--;
    }
    g->fires = e->fires;
    g->owes = false;
    g->quiet_ms = 0;
    g->changed_ms = now;
    uint64_t until = e->event_ns / NS_PER_MS;
    g->told_until_ms = until > g->told_until_ms ? until : g->told_until_ms;
}

static void note_failure(struct look *l, size_t count, enum err e)
{
    ASSERT(e != ERR_OK && count > 0);
    l->tell_failures++;
    log_write(LOG_ERROR, "alert", "alerts cannot be written down: they are tried again",
              "count=%zu reason=\"%s\"", count, err_text(e));
}

// How many could be told, from the first on; none while ends of before wait, which come first.
static size_t tell_some(struct look *l, const struct alert_sink *sink)
{
    size_t at = 0;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    while (at < l->event_count && l->left_count == 0) {
        size_t n = l->event_count - at < TOLD_AT_ONCE ? l->event_count - at : TOLD_AT_ONCE;
        enum err e = sink->tell(sink->ctx, l->events + at, n);
        if (e != ERR_OK) {
            note_failure(l, l->event_count - at, e);
            break;
        }
        for (size_t i = at; i < at + n; i++) {
            apply(l, &l->events[i], l->event_groups[i]);
        }
        at += n;
    }
    return at;
}

// What could not be told stays as it is, and is told at a later tick; what fired also where that is
// over by then.
static void tell(struct look *l, const struct alert_sink *sink)
{
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (size_t i = tell_some(l, sink); i < l->event_count; i++) {
        l->event_groups[i]->owes = l->events[i].fires;
    }
    l->event_count = 0;
}

// ---- What is left of groups that are gone -------------------------------------------------------

void judge_keep_left(struct look *l, const struct alert_told *t)
{
    ASSERT(t->fires && t->group_count <= ALERT_GROUP_BY_MAX);
    l->left = mem_grow(l->left, &l->left_capacity, l->left_count + 1, sizeof *l->left);
    struct alert_told *kept = &l->left[l->left_count++];
    *kept = *t;
    kept->rule = arena_str(&l->left_arena, t->rule);
    for (size_t i = 0; i < t->group_count; i++) {
        kept->group[i] = arena_str(&l->left_arena, t->group[i]);
    }
}

// Some of what is left as ends of now.
static enum err tell_ends(const struct look *l, const struct alert_sink *sink,
                          const struct alert_told *left, size_t count)
{
    struct alert_event *events = mem_new(count, sizeof *events);
    struct alert_rule *rules = mem_new(count, sizeof *rules);
    struct alert_strategy *strategies = mem_new(count, sizeof *strategies);
    ASSERT(count > 0 && count <= LEFT_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        strategies[i].group_by_count = left[i].group_count;
        rules[i] = (struct alert_rule){
            .name = left[i].rule, .strategies = &strategies[i], .strategy_count = 1};
        events[i] = (struct alert_event){.rule = &rules[i],
                                         .strategy = &strategies[i],
                                         .event_ns = left[i].event_ns,
                                         .at_ns = l->time.now_ms * NS_PER_MS};
        memcpy(events[i].group, left[i].group, left[i].group_count * sizeof(struct str));
    }
    enum err e = sink->tell(sink->ctx, events, count);
    mem_free(events);
    mem_free(rules);
    mem_free(strategies);
    return e;
}

void judge_tell_left(struct look *l, const struct alert_sink *sink)
{
    size_t at = 0;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    while (at < l->left_count) {
        size_t n = l->left_count - at < LEFT_AT_ONCE ? l->left_count - at : LEFT_AT_ONCE;
        enum err e = tell_ends(l, sink, l->left + at, n);
        if (e != ERR_OK) {
            note_failure(l, l->left_count - at, e);
            break;
        }
        at += n;
        l->ended += n;
        l->firing -= n;
    }
    l->left_count -= at;
    if (l->left_count == 0) {
        arena_clear(&l->left_arena);
    } else if (at > 0) {
        memmove(l->left, l->left + at, l->left_count * sizeof *l->left);
    }
}

// ---- Groups -------------------------------------------------------------------------------------

static void judge_dirty(struct look *l, struct groups *gs)
{
    ASSERT(gs->rule != NULL);
    for (size_t k = 0; k < gs->dirty_count; k++) {
        struct group *g = gs->dirty[k];
        for (size_t i = 0; i < gs->rule->strategy_count; i++) {
            if (alert_is_early(&gs->rule->strategies[i])) {
                judge_early(l, gs, g, i);
            }
        }
        g->is_dirty = false;
        groups_weigh(gs, g);
        decide(l, gs, g, false);
    }
    gs->dirty_count = 0;
}

// Nothing of it is in any window, and nobody waits to hear more of it.
static bool is_over(const struct look *l, const struct groups *gs, const struct group *g)
{
    uint64_t keep = 2 * gs->rule->strategies[0].every_ms + WINDOW_LATE_MS + ALERT_FLAP_MS;
    ASSERT(gs->rule != NULL);
    for (size_t i = 1; i < gs->rule->strategy_count; i++) {
        uint64_t own = 2 * gs->rule->strategies[i].every_ms + WINDOW_LATE_MS + ALERT_FLAP_MS;
        keep = own > keep ? own : keep;
    }
    keep = gs->has_late ? ALERT_GONE_MS + keep : keep;
    keep = gs->is_seasonal ? SEASON_DAYS * ALERT_GONE_MS + keep : keep; // what it has learnt
    bool is_alone = gs->has_late && gs->rule->strategies[0].group_by_count == 0;
    uint64_t calm = g->changed_ms + (g->flaps > 0 ? CALM_MS : ALERT_FLAP_MS);
    return !g->fires && !g->owes && !is_alone && l->time.now_ms > g->seen_ms + keep &&
           l->time.now_ms > calm;
}

static void judge_groups(struct look *l, struct groups *gs)
{
    ASSERT(gs->rule != NULL);
    for (size_t at = 0; at < gs->size; at++) {
        struct group *g = gs->slots[at];
        // One strategy of several that held must not hold for ever.
        if (g == NULL || !(g->fires || g->owes || gs->has_late || count_holding(gs, g) > 0)) {
            continue;
        }
        ask_capacity(l, gs, g);
        for (size_t i = 0; i < gs->rule->strategy_count && !g->owes; i++) {
            judge_over(l, gs, g, i);
        }
        decide(l, gs, g, true);
    }
}

// Apart from judging: a removal moves others, which would be judged twice.
static void remove_over(const struct look *l, struct groups *gs)
{
    ASSERT(gs->rule != NULL);
    for (size_t at = 0; at < gs->size;) {
        struct group *g = gs->slots[at];
        if (g != NULL && is_over(l, gs, g)) {
            groups_remove(gs, g); // another may have moved here
        } else {
            at++;
        }
    }
}

void judge_all(struct look *l, const struct alert_sink *sink, bool tick)
{
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (size_t i = 0; i < l->dirty_count;
         i++) { // not all rules: a record costs those that it is of
        judge_dirty(l, &l->program.groups[l->dirty[i]]);
    }
    l->dirty_count = 0;
    if (tick) {
        judge_tell_left(l, sink);
    }
    tell(l, sink);
    for (size_t i = 0; tick && i < l->program.count; i++) {
        judge_groups(l, &l->program.groups[i]);
    }
    tell(l, sink);
    for (size_t i = 0; tick && i < l->program.count; i++) {
        remove_over(l, &l->program.groups[i]);
    }
}

void judge_leave(struct look *l, const struct alert_sink *sink, struct program *old)
{
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (size_t i = 0; i < old->count; i++) {
        struct groups *gs = &old->groups[i];
        for (size_t k = 0; gs->rule != NULL && k < gs->size; k++) {
            if (gs->slots[k] != NULL && gs->slots[k]->fires) {
                add_event(l, gs, gs->slots[k], false);
            }
        }
    }
    for (size_t i = tell_some(l, sink); i < l->event_count; i++) {
        const struct alert_event *e = &l->events[i];
        struct alert_told t = {.rule = e->rule->name,
                               .group_count = e->strategy->group_by_count,
                               .fires = true,
                               .event_ns = e->event_ns};
        memcpy(t.group, e->group, sizeof t.group);
        judge_keep_left(l, &t);
    }
    l->event_count = 0;
}
