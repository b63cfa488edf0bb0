// SPDX-License-Identifier: Apache-2.0
// Purpose: the engine's thread: takes queued records in, judges, tells, commits.
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "alert/engine_state.h"
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "journal/journal.h"
#include "os/wake.h"

#define QUEUE_SHARE     32 // of the budget: what may wait uncharged, since the store has it too
#define TURN_MS         100
#define TICK_MS         1000
#define COMMIT_MS       10000
#define LEAP_MIN_MS     5000
#define GAP_MS          30000 // nothing was taken in for so long: windows are no longer whole
#define WARN_MS         60000
#define STATE_BYTES_MAX ((size_t)1 << 30)

// A journal record on its way to the thread.
struct record {
    struct record *next;
    uint64_t seq;
    size_t bytes, count;
    struct batch *batches[];
};

struct alert_engine {
    struct alert_sink sink;
    struct alert_clock clock;
    uint32_t commit_every_ms;
    const atomic_bool *hurry;
    uint64_t replay_after, restored_ms; // when the windows were committed

    atomic_bool watches;             // there are rules: else records are passed over
    atomic_uint_fast64_t passed_seq; // up to which they were

    pthread_mutex_t lock; // over the next lines
    pthread_cond_t wake, idle;
    struct record *first, **last;
    struct alert_set *next_set; // that is to be taken over; NULL: none
    bool stopping;
    uint64_t quiet_wanted, quiet;
    size_t queued_bytes;
    struct alert_stats stats;
    struct meter queued;
    size_t queue_allowance, behind_bytes;

    pthread_t thread;
    bool started;
    uint64_t spared, passed;         // records, since the server was behind
    uint64_t warned_ns, replayed_ns; // monotonic; how long it took
    struct meter held;
    size_t held_bytes;
    struct look look;                 // the thread's alone, once started
    uint64_t seq, committed_seq;      // taken in; given to the sink
    uint64_t committed_ns, ticked_ns; // monotonic
};

// ---- Time ---------------------------------------------------------------------------------------

static void set_time(struct look *l, uint64_t ms)
{
    struct engine_time *t = &l->time;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    t->now_ms = ms > t->now_ms ? ms : t->now_ms;
    uint64_t over = t->now_ms > ALERT_GRACE_MS ? t->now_ms - ALERT_GRACE_MS : 0;
    t->watermark_ms = over > t->watermark_ms ? over : t->watermark_ms;
}

static void shift_groups(struct look *l, int64_t by_ms)
{
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (size_t i = 0; i < l->program.count; i++) {
        groups_shift(&l->program.groups[i], by_ms);
    }
}

static void rebase(struct alert_engine *a)
{
    struct engine_time *t = &a->look.time;
    ASSERT(a->sink.tell != NULL);
    t->base_ms = a->clock.wall_ns() / NS_PER_MS;
    t->base_mono_ns = a->clock.mono_ns();
    t->leaping_since_ns = 0;
    t->leap_ms = 0;
    t->now_ms = t->base_ms;
    t->watermark_ms = t->base_ms > ALERT_GRACE_MS ? t->base_ms - ALERT_GRACE_MS : 0;
}

// Goes on with the monotonic clock; a wall clock that keeps away from it is believed in the end.
static void step_time(struct alert_engine *a)
{
    struct engine_time *t = &a->look.time;
    uint64_t mono = a->clock.mono_ns(), wall = a->clock.wall_ns() / NS_PER_MS;
    uint64_t steady = t->base_ms + (mono - t->base_mono_ns) / NS_PER_MS;
    uint64_t apart = wall > steady ? wall - steady : steady - wall;
    ASSERT(a->sink.tell != NULL);
    t->leap_ms = apart < LEAP_MIN_MS ? 0 : (int64_t)(wall - steady);
    if (apart < LEAP_MIN_MS) {
        t->leaping_since_ns = 0;
    } else if (t->leaping_since_ns == 0) {
        t->leaping_since_ns = mono;
        a->look.leaps++;
        log_write(LOG_WARN, "alert", "the wall clock leapt: alerts go on with the time there was",
                  "ms=%llu", (unsigned long long)apart);
    } else if (mono - t->leaping_since_ns >= ALERT_LEAP_MS * NS_PER_MS) {
        rebase(a);
        shift_groups(&a->look, (int64_t)(wall - steady));
        return;
    }
    set_time(&a->look, steady);
}

// ---- Taking in ----------------------------------------------------------------------------------

// Now and then while it lasts.
static void warn(struct alert_engine *a)
{
    uint64_t now = a->clock.mono_ns();
    ASSERT(a->sink.tell != NULL);
    if (a->warned_ns == 0 || now - a->warned_ns >= WARN_MS * NS_PER_MS) {
        a->warned_ns = now;
        log_write(LOG_WARN, "alert",
                  "rules cost more than there is time for: some were passed over",
                  "spared=%llu passed=%llu unkeyed=%llu", (unsigned long long)a->spared,
                  (unsigned long long)a->passed, (unsigned long long)a->stats.unkeyed);
    }
}

// False where nothing is looked for in these. `level` is 0 for one that is not behind.
static bool choose(struct alert_engine *a, struct batch *const *batches, size_t count,
                   unsigned level)
{
    uint64_t rows = 0;
    ASSERT(a->sink.tell != NULL);
    plan_walk_spare(a->look.walks[PLAN_SPANS], level > 0);
    plan_walk_spare(a->look.walks[PLAN_POINTS], level > 0);
    for (size_t i = 0; level > 0 && i < count; i++) {
        rows += batches[i]->span_count + batches[i]->point_count;
    }
    if (level > 1) {
        a->passed += rows;
        warn(a);
    } else if (level > 0 && a->stats.unkeyed > 0) {
        a->spared += rows;
        warn(a);
    }
    return level < 2;
}

static unsigned how_far_behind(const struct alert_engine *a)
{
    size_t waits = atomic_load(&a->queued.held_bytes), most = a->behind_bytes;
    ASSERT(most > 0);
    return waits > 2 * most ? 2 : waits > most ? 1 : 0;
}

static void take_record(struct alert_engine *a, struct batch *const *batches, size_t count,
                        unsigned level)
{
    bool is_looked_for = choose(a, batches, count, level);
    ASSERT(a->sink.tell != NULL);
    for (size_t i = 0; i < count && !is_looked_for; i++) {
        a->seq = batches[i]->seq > a->seq ? batches[i]->seq : a->seq;
    }
    for (size_t i = 0; i < count && is_looked_for; i++) {
        look_at(&a->look, batches[i]);
        a->seq = batches[i]->seq > a->seq ? batches[i]->seq : a->seq;
    }
}

// The lock is held.
static void note_queued(struct alert_engine *a, size_t bytes)
{
    size_t charged = atomic_load(&a->queued.held_bytes);
    size_t due = bytes > a->queue_allowance ? bytes - a->queue_allowance : 0;
    ASSERT(a->sink.tell != NULL);
    a->queued_bytes = bytes;
    if (due > charged) {
        meter_force(&a->queued, due - charged);
    } else {
        meter_give(&a->queued, charged - due);
    }
}

static void record_free(struct alert_engine *a, struct record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        batch_unref(r->batches[i]);
    }
    pthread_mutex_lock(&a->lock);
    ASSERT(a->queued_bytes >= r->bytes);
    note_queued(a, a->queued_bytes - r->bytes);
    pthread_mutex_unlock(&a->lock);
    mem_free(r);
}

static void note_held(struct alert_engine *a)
{
    size_t bytes =
        a->look.totals.bytes + growth_bytes(&a->look.growth) + a->look.program.set->bytes;
    ASSERT(a->sink.tell != NULL);
    if (bytes > a->held_bytes) {
        meter_force(&a->held, bytes - a->held_bytes);
    } else {
        meter_give(&a->held, a->held_bytes - bytes);
    }
    a->held_bytes = bytes;
}

static void note_stats(struct alert_engine *a)
{
    const struct look *l = &a->look;
    struct plan_stats spans, points;
    ASSERT(a->sink.tell != NULL);
    plan_stats(l->program.plans[PLAN_SPANS], &spans);
    plan_stats(l->program.plans[PLAN_POINTS], &points);
    pthread_mutex_lock(&a->lock);
    a->stats = (struct alert_stats){.rules = l->program.count,
                                    .strategies = l->program.strategy_count,
                                    .shapes = spans.shapes + points.shapes,
                                    .unkeyed = spans.unkeyed + points.unkeyed,
                                    .records = l->records,
                                    .late = l->late,
                                    .future = l->future,
                                    .refused = l->refused,
                                    .unfit = l->unfit,
                                    .spared = a->spared,
                                    .passed = a->passed,
                                    .groups = l->totals.count,
                                    .firing = l->firing,
                                    .bytes = a->held_bytes,
                                    .fired = l->fired,
                                    .ended = l->ended,
                                    .leaps = l->leaps,
                                    .tell_failures = l->tell_failures};
    pthread_mutex_unlock(&a->lock);
}

// ---- Committing ---------------------------------------------------------------------------------

static void commit(struct alert_engine *a)
{
    struct buf state;
    buf_init(&state, STATE_BYTES_MAX);
    state_encode(&a->look, &state);
    MUST(!state.failed);
    a->sink.commit(a->sink.ctx, a->seq, buf_str(&state));
    buf_done(&state);
    a->committed_seq = a->seq;
    a->committed_ns = a->clock.mono_ns();
}

static void commit_when_due(struct alert_engine *a, bool at_once)
{
    bool is_news = a->seq > a->committed_seq && a->look.program.count > 0;
    uint64_t every = (uint64_t)a->commit_every_ms * NS_PER_MS;
    ASSERT(a->sink.tell != NULL);
    // What is large is written half as often: what is replayed after a crash is still little.
    every *= a->look.totals.bytes > ((size_t)8 << 20) ? 2 : 1;
    if (a->hurry != NULL && atomic_load(a->hurry) && every > JOURNAL_HURRY_MS * NS_PER_MS) {
        every = JOURNAL_HURRY_MS * NS_PER_MS;
    }
    if (at_once || (is_news && a->clock.mono_ns() - a->committed_ns >= every)) {
        commit(a);
    }
}

// ---- The thread ---------------------------------------------------------------------------------

static void take_rules(struct alert_engine *a, struct alert_set *set)
{
    struct program old = a->look.program;
    ASSERT(a->sink.tell != NULL);
    program_init(&a->look.program, set, &old, a->look.time.now_ms, &a->look.totals);
    atomic_store(&a->watches, a->look.program.count > 0);
    judge_leave(&a->look, &a->sink, &old);
    program_done(&old);
    alert_set_unref(set);
    commit(a); // or a restart would not know the groups of new rules
}

static void turn(struct alert_engine *a, struct record *records, bool all)
{
    uint64_t passed = atomic_load(&a->passed_seq);
    ASSERT(a->sink.tell != NULL);
    a->seq = passed > a->seq ? passed : a->seq;
    while (records != NULL) {
        struct record *next = records->next;
        step_time(a);
        take_record(a, records->batches, records->count, how_far_behind(a));
        judge_all(&a->look, &a->sink, false);
        record_free(a, records);
        records = next;
    }
    step_time(a);
    bool tick = all || a->clock.mono_ns() - a->ticked_ns >= TICK_MS * NS_PER_MS;
    if (tick) {
        a->ticked_ns = a->clock.mono_ns();
        judge_all(&a->look, &a->sink, true);
        a->sink.tick(a->sink.ctx, a->look.time.now_ms * NS_PER_MS);
        note_held(a);
    }
    commit_when_due(a, all);
    note_stats(a);
    if (a->look.program.count == 0) {
        a->sink.done(a->sink.ctx, a->seq);
    }
}

// What waits, once there is something or a moment has passed. The lock is held.
static struct record *wait_for_records(struct alert_engine *a, struct alert_set **ret_set)
{
    ASSERT(a->sink.tell != NULL);
    if (a->first == NULL && !a->stopping && a->quiet == a->quiet_wanted && a->next_set == NULL) {
        (void)wake_wait_for(&a->wake, &a->lock, TURN_MS * NS_PER_MS);
    }
    struct record *records = a->first;
    a->first = NULL;
    a->last = &a->first;
    *ret_set = a->next_set;
    a->next_set = NULL;
    return records;
}

static void *run(void *ctx)
{
    struct alert_engine *a = ctx;
    bool over = false;
    ASSERT(ctx != NULL);
    while (!over) {
        struct alert_set *set;
        pthread_mutex_lock(&a->lock);
        struct record *records = wait_for_records(a, &set);
        uint64_t wanted = a->quiet_wanted;
        over = a->stopping;
        bool all = over || a->quiet < wanted;
        pthread_mutex_unlock(&a->lock);
        if (set != NULL) {
            take_rules(a, set);
        }
        turn(a, records, all);
        if (all) {
            pthread_mutex_lock(&a->lock);
            a->quiet = wanted;
            (void)pthread_cond_broadcast(&a->idle);
            pthread_mutex_unlock(&a->lock);
        }
    }
    return NULL;
}

// ---- From outside -------------------------------------------------------------------------------

// False where its rule is not there any more.
static bool take_told(struct alert_engine *a, const struct alert_told *t)
{
    struct look *l = &a->look;
    ASSERT(a->sink.tell != NULL);
    for (size_t i = 0; i < l->program.count; i++) {
        struct groups *gs = &l->program.groups[i];
        if (!str_eq(gs->rule->name, t->rule) ||
            gs->rule->strategies[0].group_by_count != t->group_count) {
            continue;
        }
        // A clock that was set back in between must not keep what is new from being told.
        uint64_t until = t->event_ns / NS_PER_MS, now = l->time.now_ms;
        until = until < now + ALERT_FUTURE_MS ? until : now + ALERT_FUTURE_MS;
        struct group *g = groups_get(gs, t->group, until < now ? until : now);
        if (g != NULL && until >= g->told_until_ms) { // what was told is newer than the windows
            l->firing += (uint64_t)t->fires - (uint64_t)g->fires;
            for (size_t s = 0; t->fires && !g->fires && s < gs->rule->strategy_count; s++) {
                g->verdicts[s].holds = true; // until windows say otherwise
            }
            g->fires = t->fires;
            g->told_until_ms = until;
        }
        return true;
    }
    return false;
}

static void restore(struct alert_engine *a, const struct alert_options *o)
{
    uint64_t time_ms = 0;
    enum err e = o->state.n > 0 ? state_decode(&a->look, o->state, &time_ms) : ERR_OK;
    ASSERT(a->sink.tell != NULL);
    if (e != ERR_OK) {
        log_write(LOG_ERROR, "alert", "the windows of alerts cannot be read and begin anew",
                  "reason=\"%s\"", err_text(e));
    }
    if (time_ms > a->look.time.now_ms + LEAP_MIN_MS) { // the clock was set back meanwhile
        shift_groups(&a->look, (int64_t)(a->look.time.now_ms - time_ms));
        time_ms = 0; // for how long nothing was taken in is not known
    }
    for (size_t i = 0; i < o->told_count; i++) {
        if (!take_told(a, &o->told[i]) && o->told[i].fires) {
            // The server stopped before it could be told that this is over, since its rule went.
            struct alert_told t = o->told[i];
            t.event_ns = a->look.time.now_ms * NS_PER_MS;
            judge_keep_left(&a->look, &t);
            a->look.firing++;
        }
    }
    judge_tell_left(&a->look, &a->sink);
    a->restored_ms = time_ms;
}

// Where nothing was taken in for a while, windows that began before are no longer whole.
static void close_gap(struct alert_engine *a)
{
    uint64_t now = a->look.time.now_ms;
    bool is_gap = now > a->restored_ms + GAP_MS;
    ASSERT(a->sink.tell != NULL);
    for (size_t i = 0; is_gap && i < a->look.program.count; i++) {
        struct groups *gs = &a->look.program.groups[i];
        for (size_t k = 0; k < gs->size; k++) {
            struct group *g = gs->slots[k];
            for (size_t s = 0; g != NULL && s < gs->rule->strategy_count; s++) {
                window_resume(g->windows[s], &gs->shapes[s], now);
            }
        }
    }
}

struct alert_engine *alert_new(const struct alert_options *o)
{
    struct alert_engine *a = mem_new(1, sizeof *a);
    ASSERT(o->budget != NULL && o->sink.tell != NULL && o->set != NULL);
    a->sink = o->sink;
    a->clock =
        o->clock.wall_ns != NULL ? o->clock : (struct alert_clock){clock_wall_ns, clock_mono_ns};
    a->commit_every_ms = o->commit_every_ms > 0 ? o->commit_every_ms : COMMIT_MS;
    a->hurry = o->hurry;
    a->look.carried = o->carried;
    a->last = &a->first;
    MUST(pthread_mutex_init(&a->lock, NULL) == 0);
    wake_init(&a->wake);
    wake_init(&a->idle);
    meter_init(&a->queued, o->budget, ACCOUNT_STREAM);
    meter_init(&a->held, o->budget, ACCOUNT_STREAM);
    a->queue_allowance = o->budget->limit_bytes / QUEUE_SHARE;
    a->behind_bytes = o->budget->limit_bytes / ALERT_BEHIND_SHARE;
    a->look.bytes_max = o->budget->limit_bytes / ALERT_SHARE;
    a->look.walks[PLAN_SPANS] = plan_walk_new();
    a->look.walks[PLAN_POINTS] = plan_walk_new();
    a->look.scratch = mem_new(1, sizeof *a->look.scratch);
    rebase(a);
    program_init(&a->look.program, o->set, NULL, a->look.time.now_ms, &a->look.totals);
    atomic_store(&a->watches, a->look.program.count > 0);
    a->seq = a->committed_seq = o->seq;
    a->committed_ns = a->ticked_ns = a->clock.mono_ns();
    a->replay_after = a->look.program.count > 0 ? o->seq : UINT64_MAX;
    restore(a, o);
    note_stats(a);
    return a;
}

uint64_t alert_replay_after(const struct alert_engine *a)
{
    ASSERT(a->sink.tell != NULL);
    return a->replay_after;
}

void alert_replay(struct alert_engine *a, struct batch *const *batches, size_t count)
{
    MUST(!a->started);
    if (count > 0 && batches[0]->seq > a->replay_after) {
        uint64_t begun = a->clock.mono_ns(), most = ALERT_REPLAY_MS * NS_PER_MS;
        take_record(a, batches, count, a->replayed_ns > most ? 2 : a->replayed_ns > most / 2);
        judge_all(&a->look, &a->sink, false);
        a->replayed_ns += a->clock.mono_ns() - begun;
    }
}

void alert_start(struct alert_engine *a)
{
    MUST(!a->started);
    close_gap(a);
    a->started = a->look.is_live = true;
    MUST(pthread_create(&a->thread, NULL, run, a) == 0);
}

void alert_add_record(struct alert_engine *a, struct batch *const *batches, size_t count)
{
    if (!atomic_load(&a->watches)) {
        atomic_store(&a->passed_seq, batches[0]->seq);
        return;
    }
    struct record *r = mem_alloc(sizeof *r + count * sizeof(struct batch *));
    ASSERT(count > 0);
    *r = (struct record){.seq = batches[0]->seq, .count = count};
    for (size_t i = 0; i < count; i++) {
        r->batches[i] = batch_ref(batches[i]);
        r->bytes += batch_bytes(batches[i]);
    }
    pthread_mutex_lock(&a->lock);
    note_queued(a, a->queued_bytes + r->bytes);
    *a->last = r;
    a->last = &r->next;
    (void)pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

void alert_set_rules(struct alert_engine *a, struct alert_set *set)
{
    ASSERT(a->sink.tell != NULL);
    pthread_mutex_lock(&a->lock);
    struct alert_set *before = a->next_set;
    a->next_set = alert_set_ref(set);
    (void)pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    alert_set_unref(before);
}

void alert_quiesce(struct alert_engine *a)
{
    MUST(a->started);
    pthread_mutex_lock(&a->lock);
    uint64_t wanted = ++a->quiet_wanted;
    (void)pthread_cond_signal(&a->wake);
    while (a->quiet < wanted) {
        (void)pthread_cond_wait(&a->idle, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}

void alert_close(struct alert_engine *a)
{
    if (a == NULL) {
        return;
    }
    if (a->started) {
        pthread_mutex_lock(&a->lock);
        a->stopping = true;
        (void)pthread_cond_signal(&a->wake);
        pthread_mutex_unlock(&a->lock);
        MUST(pthread_join(a->thread, NULL) == 0);
    }
    ASSERT(a->first == NULL);
    program_done(&a->look.program);
    growth_done(&a->look.growth);
    plan_walk_free(a->look.walks[PLAN_SPANS]);
    plan_walk_free(a->look.walks[PLAN_POINTS]);
    mem_free(a->look.scratch);
    mem_free(a->look.events);
    mem_free(a->look.dirty);
    mem_free(a->look.event_groups);
    mem_free(a->look.left);
    arena_done(&a->look.left_arena);
    alert_set_unref(a->next_set);
    meter_done(&a->queued);
    meter_done(&a->held);
    (void)pthread_cond_destroy(&a->wake);
    (void)pthread_cond_destroy(&a->idle);
    (void)pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

void alert_stats(struct alert_engine *a, struct alert_stats *ret_stats)
{
    ASSERT(a->sink.tell != NULL);
    pthread_mutex_lock(&a->lock);
    *ret_stats = a->stats;
    ret_stats->queued_bytes = a->queued_bytes;
    pthread_mutex_unlock(&a->lock);
}
