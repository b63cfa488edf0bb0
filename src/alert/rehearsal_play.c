// SPDX-License-Identifier: Apache-2.0
// Purpose: the cells of one group after the other, in order of time, through the windows and the
// judgement of the engine.
//
// A turn is over at its end: what lies in it is added, what is judged as it comes is judged, and so
// is what is over, as the engine does at each tick. Turns in which nothing can happen are passed
// over: nothing of the group fires or holds, no strategy waits for the end of windows, and nothing
// came. Where something came, and none of it can hold (rehearsal_gate.h), nothing is judged: with
// one length of slots for all strategies, a turn is a slot, and its windows are those that end with
// the slots that something came in, and between.
#include <math.h>

#include "alert/engine_state.h"
#include "alert/rehearsal_gate.h"
#include "alert/rehearsal_state.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

#define PLAYER_BYTES ((size_t)1 << 20) // of one group's windows, about
#define TURNS_A_LOOK 1024              // between two looks whether to go on

// What is to come of the cells of a strategy.
struct cursor_of_cells {
    const struct recount_cell *next, *end;
    uint64_t turn; // of the next; UINT64_MAX: there is none in the range
};

// One thread's.
struct player {
    struct rehearsal_play *play;
    struct look look;
    struct groups groups; // of the one rule; one group at a time
    size_t group;         // that is played
    struct group *made;   // it, once there is something of it
    struct gate gate;
    bool has_gate;
    struct cursor_of_cells cells[ALERT_STRATEGIES_MAX];
    uint64_t turns;
    uint64_t turn_base; // turns since 1970 at the beginning
    bool has_late;
};

bool rehearsal_has_late(const struct alert_rule *r)
{
    bool has = false;
    ASSERT(r->strategy_count > 0);
    for (size_t i = 0; i < r->strategy_count; i++) {
        has = has || !alert_is_early(&r->strategies[i]);
    }
    return has;
}

// ---- Stretches ----------------------------------------------------------------------------------

static bool is_worse(const struct alert_strategy *s, double value, double worst, double limit)
{
    switch (s->op) {
    case COMPARE_LT:
    case COMPARE_LE:
    case COMPARE_FALL:
    case COMPARE_BELOW_AVERAGE:
    case COMPARE_BELOW_BASELINE:
    case COMPARE_WILL_FALL_BELOW:
        return value < worst;
    case COMPARE_OFF_BASELINE:
        return fabs(value - limit) > fabs(worst - limit);
    default:
        return value > worst;
    }
}

static void begin_stretch(struct player *p, const struct alert_event *e)
{
    struct rehearsal_group *to = &p->play->results[p->group];
    uint64_t begin_ms = e->event_ns / NS_PER_MS;
    ASSERT(e->fires);
    to->fired++;
    if (to->count == REHEARSAL_STRETCHES_MAX) {
        return;
    }
    if (to->stretches == NULL) {
        size_t bytes = REHEARSAL_STRETCHES_MAX * sizeof *to->stretches;
        if (!query_need(p->play->control, bytes)) {
            atomic_store(&p->play->error, ERR_MEMORY);
            return;
        }
        atomic_fetch_add(&p->play->bytes, bytes);
        to->stretches = mem_new(REHEARSAL_STRETCHES_MAX, sizeof *to->stretches);
    }
    to->stretches[to->count++] =
        (struct rehearsal_stretch){.begin_ms = begin_ms,
                                   .strategy = (size_t)(e->strategy - e->rule->strategies),
                                   .value = e->value,
                                   .limit = e->limit,
                                   .worst = e->value};
}

// The stretch that is open, where it is one of those that are given.
static struct rehearsal_stretch *open_stretch(const struct player *p)
{
    struct rehearsal_group *g = &p->play->results[p->group];
    ASSERT(g->count <= g->fired);
    struct rehearsal_stretch *last = g->count > 0 ? &g->stretches[g->count - 1] : NULL;
    return last != NULL && last->end_ms == 0 ? last : NULL;
}

static enum err tell(void *ctx, const struct alert_event *events, size_t count)
{
    struct player *p = ctx;
    ASSERT(p->play != NULL);
    for (size_t i = 0; i < count; i++) {
        struct rehearsal_stretch *open = open_stretch(p);
        if (events[i].fires) {
            begin_stretch(p, &events[i]);
        } else if (open != NULL) {
            open->end_ms = events[i].event_ns / NS_PER_MS;
        }
        if (!events[i].fires && events[i].event_ns / NS_PER_MS <= p->play->from_ms) {
            // Over before the range began.
            struct rehearsal_group *g = &p->play->results[p->group];
            g->fired = g->count = 0;
        }
    }
    return ERR_OK;
}

static void note_worst(struct player *p, const struct group *g)
{
    struct rehearsal_stretch *open = open_stretch(p);
    ASSERT(g->fires);
    if (open == NULL) {
        return;
    }
    const struct alert_strategy *s = &p->play->recount->rule->strategies[open->strategy];
    const struct group_verdict *v = &g->verdicts[open->strategy];
    if (v->holds && is_worse(s, v->value, open->worst, v->limit)) {
        open->worst = v->value;
    }
}

// ---- Cells by turn ------------------------------------------------------------------------------

// In which turn the slot of a strategy's next cell is over.
static void find_turn(struct player *p, size_t strategy)
{
    struct cursor_of_cells *c = &p->cells[strategy];
    const struct recount_way *w = &p->play->recount->ways[strategy];
    uint64_t ms = p->play->turn_ms, turn = UINT64_MAX;
    ASSERT(ms > 0);
    if (c->next != c->end) {
        uint64_t end_ms = (c->next->slot + w->base + 1) * w->shape.slot_ms;
        turn = (end_ms + ms - 1) / ms - 1 - p->turn_base;
    }
    c->turn = turn < p->turns ? turn : UINT64_MAX; // it is over only behind the range
}

static void begin_cells(struct player *p)
{
    const struct recount *t = p->play->recount;
    ASSERT(p->group < t->group_count);
    for (size_t i = 0; i < t->rule->strategy_count; i++) {
        size_t count;
        p->cells[i].next = recount_cells(t, p->group, i, &count);
        p->cells[i].end = count > 0 ? p->cells[i].next + count : p->cells[i].next;
        find_turn(p, i);
    }
}

// The first turn from now on that has any; `turns` where there is none.
static uint64_t next_turn_with_cells(const struct player *p)
{
    uint64_t turn = p->turns;
    ASSERT(p->groups.rule != NULL);
    for (size_t i = 0; i < p->groups.rule->strategy_count; i++) {
        turn = p->cells[i].turn < turn ? p->cells[i].turn : turn;
    }
    return turn;
}

// Those of turns up to `last`; the last turn that had any, or `none`.
static uint64_t add_cells(struct player *p, struct group *g, size_t strategy, uint64_t last,
                          uint64_t none)
{
    const struct recount *t = p->play->recount;
    struct cursor_of_cells *c = &p->cells[strategy];
    ASSERT(g != NULL && last < p->turns);
    uint64_t newest = none;
    while (c->turn <= last) {
        newest = c->turn;
        uint32_t slot = c->next->slot;
        for (; c->next != c->end && c->next->slot == slot; c->next++) {
            const struct window_record r = recount_cell_record(t, strategy, c->next);
            bool is_taken = look_add(&p->look, 0, (uint32_t)strategy, g, &r);
            ASSERT(is_taken || p->look.late > 0);
            (void)is_taken;
        }
        find_turn(p, strategy);
    }
    return newest;
}

// ---- Turns --------------------------------------------------------------------------------------

static void set_time(struct player *p, uint64_t ms)
{
    struct engine_time *t = &p->look.time;
    ASSERT(ms >= t->now_ms);
    t->now_ms = ms;
    t->watermark_ms = ms > ALERT_GRACE_MS ? ms - ALERT_GRACE_MS : 0;
}

static void judge(struct player *p)
{
    const struct alert_sink sink = {.tell = tell, .ctx = p};
    ASSERT(p->look.program.count == 1);
    judge_all(&p->look, &sink, true);
    p->made = p->groups.count > 0 ? p->made : NULL; // it was over
}

static bool is_busy(const struct player *p, const struct group *g)
{
    bool busy = p->has_late || (g != NULL && (g->fires || g->owes));
    for (size_t i = 0; g != NULL && !busy && i < p->groups.rule->strategy_count; i++) {
        busy = g->verdicts[i].holds;
    }
    return busy;
}

// What came is not judged after all.
static void forget_touched(struct player *p)
{
    ASSERT(p->made != NULL && p->made->is_dirty);
    p->made->is_dirty = false;
    p->groups.dirty_count = 0;
    p->look.dirty_count = 0;
}

// What came in the turns from `first` to `last`. Whether it is to be judged.
static bool take_cells(struct player *p, uint64_t first, uint64_t last)
{
    bool is_judged = !p->has_gate || is_busy(p, p->made);
    uint64_t newest = first;
    ASSERT(first <= last && last < p->turns);
    if (p->made == NULL) {
        const struct str *values = p->play->recount->groups[p->group].values;
        p->made = groups_get(&p->groups, values, p->look.time.now_ms);
    }
    for (size_t i = 0; i < p->groups.rule->strategy_count; i++) {
        uint64_t own = add_cells(p, p->made, i, last, first);
        newest = own > newest ? own : newest;
    }
    is_judged = is_judged || gate_may_hold(&p->gate, first, newest);
    if (!is_judged) {
        forget_touched(p);
    }
    return is_judged;
}

// The turns up to `last`: what came in them, and the judgement at the end.
static void take_turns(struct player *p, uint64_t last)
{
    uint64_t first = next_turn_with_cells(p);
    bool is_judged = true;
    set_time(p, (p->turn_base + last + 1) * p->play->turn_ms);
    if (first <= last) {
        is_judged = take_cells(p, first, last);
    }
    if (is_judged) {
        judge(p);
    }
    if (p->made != NULL && p->made->fires) {
        note_worst(p, p->made);
    }
}

static void play_turns(struct player *p, uint64_t turn)
{
    uint64_t looks = 0;
    ASSERT(p->groups.rule != NULL);
    while (turn < p->turns && atomic_load(&p->play->error) == ERR_OK) {
        uint64_t last = turn + p->play->stride - 1;
        last = last < p->turns ? last : p->turns - 1;
        take_turns(p, last);
        turn = last + 1;
        if (!is_busy(p, p->made) && turn < p->turns) {
            uint64_t next = next_turn_with_cells(p);
            if (next > turn && next < p->turns) { // what is over by then goes
                set_time(p, (p->turn_base + next) * p->play->turn_ms);
                judge(p);
            }
            turn = next;
        }
        if (++looks % TURNS_A_LOOK == 0 && query_must_end(p->play->control)) {
            int none = ERR_OK;
            (void)atomic_compare_exchange_strong(&p->play->error, &none, ERR_CANCELLED);
        }
    }
}

// What was seen of the stretches by now: how long of the range they are, and what speaks for them.
static void finish_group(struct player *p)
{
    struct rehearsal_group *g = &p->play->results[p->group];
    const struct recount *t = p->play->recount;
    ASSERT(g->count <= REHEARSAL_STRETCHES_MAX);
    for (size_t i = 0; i < g->count; i++) {
        struct rehearsal_stretch *s = &g->stretches[i];
        uint64_t every = t->rule->strategies[s->strategy].every_ms;
        uint64_t begin = s->begin_ms > p->play->from_ms ? s->begin_ms : p->play->from_ms;
        uint64_t end = s->end_ms > 0 ? s->end_ms : p->play->to_ms;
        g->firing_ms += end > begin ? end - begin : 0;
        s->has_trace =
            recount_example(t, p->group, s->strategy, s->begin_ms > every ? s->begin_ms - every : 0,
                            end, &s->trace);
    }
}

static void play_group(struct player *p)
{
    const struct recount *t = p->play->recount;
    bool is_alone = p->has_late && t->rule->strategies[0].group_by_count == 0;
    ASSERT(p->group < t->group_count);
    p->look.time = (struct engine_time){0};
    groups_init(&p->groups, t->rule, &p->look.totals);
    begin_cells(p);
    if (p->has_gate) {
        gate_begin(&p->gate, p->group);
    }
    uint64_t first = next_turn_with_cells(p);
    if (first < p->turns || is_alone) {
        p->look.program = (struct program){.groups = &p->groups, .count = 1};
        groups_begin(&p->groups, t->from_ms);
        p->made = groups_find(&p->groups, t->groups[p->group].values);
        play_turns(p, is_alone ? 0 : first);
        p->look.dirty_count = 0;
        finish_group(p);
    }
    groups_done(&p->groups);
}

static void player_init(struct player *p, struct rehearsal_play *play)
{
    *p = (struct player){.play = play, .has_late = rehearsal_has_late(play->recount->rule)};
    p->turn_base = play->recount->from_ms / play->turn_ms;
    p->turns = play->recount->to_ms / play->turn_ms - p->turn_base;
    p->has_gate = gate_is_for(play->recount);
    if (p->has_gate) {
        gate_init(&p->gate, play->recount);
    }
    p->look.walks[PLAN_SPANS] = plan_walk_new();
    p->look.walks[PLAN_POINTS] = plan_walk_new();
    p->look.scratch = mem_new(1, sizeof *p->look.scratch);
    p->look.bytes_max = SIZE_MAX;
    ASSERT(p->turns < RECOUNT_SLOTS_MAX);
}

static void player_done(struct player *p)
{
    ASSERT(p->look.event_count == 0);
    if (p->has_gate) {
        gate_done(&p->gate);
    }
    mem_free(p->look.dirty);
    mem_free(p->look.events);
    mem_free(p->look.event_groups);
    mem_free(p->look.scratch);
    plan_walk_free(p->look.walks[PLAN_SPANS]);
    plan_walk_free(p->look.walks[PLAN_POINTS]);
}

void rehearsal_play_groups(void *ctx, size_t who)
{
    struct rehearsal_play *play = ctx;
    size_t bytes = PLAYER_BYTES + gate_bytes(play->recount);
    struct player p;
    // The first waits for memory, the others leave the work to it.
    if (!(who == 0 ? query_need(play->control, bytes) : query_take(play->control, bytes))) {
        if (who == 0) {
            atomic_store(&play->error, ERR_MEMORY);
        }
        return;
    }
    player_init(&p, play);
    while (atomic_load(&play->error) == ERR_OK) {
        p.group = atomic_fetch_add(&play->next, 1);
        if (p.group >= play->recount->group_count) {
            break;
        }
        play_group(&p);
    }
    player_done(&p);
    query_give(play->control, bytes);
}
