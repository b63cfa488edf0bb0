// SPDX-License-Identifier: Apache-2.0
// Purpose: a dry run: what is read, for how long, and what the answer is made of.
#include "alert/rehearsal.h"

#include "alert/rehearsal_state.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "query/crew.h"

#define QUANTILE_COST 8 // judgements of others that one of a quantile takes as long as

// ---- How far back -------------------------------------------------------------------------------

// What the windows of a strategy need to be whole.
static uint64_t lead_ms(const struct alert_strategy *s)
{
    uint64_t windows =
        s->op == COMPARE_ABOVE_AVERAGE || s->op == COMPARE_BELOW_AVERAGE || alert_foresees(s->op)
            ? WINDOW_PAST + 1
            : 2;
    uint64_t lead = windows * s->every_ms + WINDOW_LATE_MS + ALERT_GRACE_MS;
    uint64_t week = (SEASON_DAYS + 1) * (uint64_t)24 * 3600 * 1000;
    ASSERT(s->every_ms > 0);
    return alert_is_seasonal(s->op) ? week : lead < week ? lead : week;
}

static uint64_t begin_of(const struct rehearsal_query *q)
{
    uint64_t most = 0;
    ASSERT(q->rule->strategy_count > 0);
    for (size_t i = 0; i < q->rule->strategy_count; i++) {
        uint64_t own = lead_ms(&q->rule->strategies[i]);
        most = own > most ? own : most;
    }
    return q->from_ms > most ? q->from_ms - most : 0;
}

// ---- Reading ------------------------------------------------------------------------------------

static enum err read_all(const struct rehearsal_query *q, struct recount *t)
{
    static const struct str none[ALERT_GROUP_BY_MAX];
    enum err e = ERR_OK;
    ASSERT(q->rule == t->rule);
    for (size_t i = 0; i < q->rule->strategy_count && e == ERR_OK; i++) {
        e = q->rule->strategies[i].metric.n > 0 ? recount_points(t, i, q->series)
                                                : recount_spans(t, i, q->view);
    }
    // What is absent from the start is absent too.
    if (e == ERR_OK && rehearsal_has_late(q->rule) && q->rule->strategies[0].group_by_count == 0) {
        (void)recount_group(t, none);
        e = t->error;
    }
    return e == ERR_OK ? recount_fold(t) : e;
}

// ---- Playing ------------------------------------------------------------------------------------

// The least slot is a turn.
static uint64_t turn_of(const struct recount *t)
{
    uint64_t least = t->ways[0].shape.slot_ms;
    for (size_t i = 1; i < t->rule->strategy_count; i++) {
        least = t->ways[i].shape.slot_ms < least ? t->ways[i].shape.slot_ms : least;
    }
    ASSERT(least > 0);
    return least;
}

// How many turns at once, so that there are not too many judgements.
static uint64_t stride_of(const struct recount *t, uint64_t turns)
{
    uint64_t cost = 0;
    size_t cells = t->cell_count;
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        bool is_costly = t->rule->strategies[i].measure == MEASURE_QUANTILE ||
                         t->rule->strategies[i].measure == MEASURE_DISTINCT;
        cost += is_costly ? QUANTILE_COST : 1;
    }
    // Of what is judged as it comes there are as many as there are cells, at most.
    uint64_t judged = turns * t->group_count;
    judged = !rehearsal_has_late(t->rule) && cells < judged ? cells : judged;
    ASSERT(turns < RECOUNT_SLOTS_MAX);
    return judged * cost / REHEARSAL_LOOKS_MAX + 1;
}

static enum err play_all(const struct rehearsal_query *q, struct recount *t, struct rehearsal *r,
                         struct rehearsal_group *results)
{
    struct rehearsal_play play = {.recount = t,
                                  .from_ms = q->from_ms,
                                  .to_ms = q->to_ms,
                                  .turn_ms = turn_of(t),
                                  .results = results,
                                  .control = q->control};
    play.stride = stride_of(t, (t->to_ms - t->from_ms) / play.turn_ms);
    r->step_ms = play.turn_ms * play.stride;
    size_t most = t->group_count > 1 ? t->group_count - 1 : 0;
    ASSERT(play.turn_ms > 0);
    crew_run(q->control != NULL ? q->control->crew : NULL,
             most < CREW_HELPERS_MAX ? most : CREW_HELPERS_MAX, rehearsal_play_groups, &play);
    r->memory.bytes += atomic_load(&play.bytes);
    enum err e = (enum err)atomic_load(&play.error);
    if (e == ERR_CANCELLED && q->control != NULL && !atomic_load(&q->control->cancelled)) {
        atomic_store(&q->control->cut_short, true);
        e = ERR_OK;
    }
    return e;
}

// ---- The answer ---------------------------------------------------------------------------------

static int most_often_first(const void *a, const void *b)
{
    const struct rehearsal_group *x = a, *y = b;
    if (x->fired != y->fired) {
        return x->fired > y->fired ? -1 : 1;
    }
    if (x->firing_ms != y->firing_ms) {
        return x->firing_ms > y->firing_ms ? -1 : 1;
    }
    for (size_t i = 0; i < ALERT_GROUP_BY_MAX; i++) {
        int c = str_cmp(x->values[i], y->values[i]);
        if (c != 0) {
            return c;
        }
    }
    return 0;
}

// Takes the results over, of which those that did not fire go.
static void collect(const struct recount *t, struct rehearsal_group *results, struct rehearsal *r)
{
    ASSERT(r->groups == NULL);
    r->groups = results;
    for (size_t i = 0; i < t->group_count; i++) {
        struct rehearsal_group g = results[i];
        if (g.fired == 0) {
            mem_free(g.stretches);
            continue;
        }
        for (size_t k = 0; k < t->rule->strategies[0].group_by_count; k++) {
            g.values[k] = arena_str(&r->arena, t->groups[i].values[k]);
        }
        r->fired += g.fired;
        r->firing_ms += g.firing_ms;
        results[r->count++] = g;
    }
    sort_array(results, r->count, sizeof *results, most_often_first);
    r->groups_fired = r->count;
    r->groups_seen = t->group_count;
    for (; r->count > REHEARSAL_GROUPS_MAX; r->count--) {
        mem_free(results[r->count - 1].stretches);
    }
    r->records = t->records;
    r->refused = t->refused;
    r->unfit = t->unfit;
    r->data_from_ms = t->first_ms == UINT64_MAX ? 0 : t->first_ms;
    for (; r->lack_count < t->lack_count; r->lack_count++) {
        r->lacks[r->lack_count] = arena_str(&r->arena, t->lacks[r->lack_count]);
    }
}

enum err rehearsal_run(const struct rehearsal_query *q, struct rehearsal **ret_rehearsal)
{
    struct recount t;
    struct rehearsal *r = mem_new(1, sizeof *r);
    ASSERT(q->from_ms <= q->to_ms);
    r->memory.control = q->control;
    r->from_ms = q->from_ms;
    r->to_ms = q->to_ms;
    r->scanned_from_ms = begin_of(q);
    enum err e = recount_init(&t, q->rule, r->scanned_from_ms, q->to_ms, q->control);
    e = e == ERR_OK ? read_all(q, &t) : e;
    if (e == ERR_OK) {
        size_t bytes = (t.group_count + 1) * sizeof *r->groups;
        e = query_memory_need(&r->memory, bytes) ? ERR_OK : ERR_MEMORY;
    }
    if (e == ERR_OK) {
        struct rehearsal_group *results = mem_new(t.group_count + 1, sizeof *results);
        e = play_all(q, &t, r, results);
        collect(&t, results, r);
    }
    recount_done(&t);
    if (e != ERR_OK) {
        rehearsal_free(r);
        return e;
    }
    *ret_rehearsal = r;
    return ERR_OK;
}

void rehearsal_free(struct rehearsal *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->groups[i].stretches);
    }
    mem_free(r->groups);
    arena_done(&r->arena);
    query_memory_give(&r->memory);
    mem_free(r);
}
