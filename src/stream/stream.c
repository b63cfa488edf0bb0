// SPDX-License-Identifier: Apache-2.0
// Purpose: the stream's thread: takes queued records in, closes idle chains, hands what was counted
// to the sink, and seals.
#include "stream/stream.h"

#include <pthread.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/wake.h"
#include "stream/internal.h"
#include "stream/settled.h"

#define QUEUE_SHARE    32  // of the budget: what may wait uncharged, since the store has it too
#define KEPT_SHARE     16  // of the budget: names, statements, paths and subjects
#define TURN_MS        100 // the thread looks around at least so often
#define STATE_MAX      ((size_t)64 << 20)
#define REMEMBERED_MIN ((size_t)1 << 12)
#define REMEMBERED_MAX ((size_t)1 << 20)
#define CLOSED_A_TURN  4096 // chains, so that records do not wait for long
#define FORGET_MS      1000 // at least between two looks for what is to be forgotten
#define HURRY_MS       2000 // that the journal is filling before open chains must be what fills it
#define HELD_MS        500  // calls are held back for the sink's sake for about so long at most

// A journal record on its way to the thread.
struct record {
    struct record *next;
    uint64_t seq;
    size_t bytes;
    size_t count;
    struct batch *batches[];
};

struct stream {
    struct stream_sink sink;
    size_t open_bytes_max;
    uint64_t committed_seq; // at the start
    uint64_t replay_after;
    struct open_set was_open; // at the last seal, until the thread starts

    pthread_mutex_t lock; // over the next lines
    pthread_cond_t wake, idle;
    struct record *first, **last;
    bool stopping;
    uint64_t quiet_wanted, quiet; // times that all was to be taken in and sealed, and was
    struct keep_rules *rules;     // that are to be taken over; NULL: none
    struct stream_stats stats;

    pthread_t thread;
    bool started;
    struct meter queued, held; // what waits, beyond the allowance; what the analysis has
    struct meter closing;      // what it has beyond that while a chain closes
    size_t queued_bytes;       // all that waits; under the lock, as what is charged of it
    size_t queue_allowance;
    size_t held_bytes;

    struct analysis a;                  // the thread's alone, once started
    uint64_t seq;                       // the last record taken in
    uint64_t sealed_seq, sealed_chains; // as they were: chains that close tell counts as well
    uint64_t spilled_chains, points;
    const atomic_bool *hurry;
    uint64_t hurried_ms, hurried_seq; // since when the journal was seen filling; sealed by then
    uint64_t forgot_ms;               // when it was last looked for what is to be forgotten
    uint64_t flushed_ms;              // when the sink got all that was counted
    struct settled settled;
};

const char *node_kind_name(enum node_kind k)
{
    static const char *const names[NODE_KIND_COUNT] = {
        [NODE_SERVICE] = "service", [NODE_CLIENT] = "client", [NODE_DATABASE] = "database",
        [NODE_CACHE] = "cache",     [NODE_QUEUE] = "queue",   [NODE_EXTERNAL] = "external",
    };
    ASSERT(k < NODE_KIND_COUNT);
    return names[k];
}

static uint64_t now_ms(void)
{
    return clock_mono_ns() / NS_PER_MS;
}

// How many closed traces are remembered: what 1/32 of the budget holds.
static size_t remembered(size_t limit_bytes)
{
    size_t n = REMEMBERED_MIN;
    ASSERT(limit_bytes > 0);
    while (n < REMEMBERED_MAX && n * 2 * 32 <= limit_bytes / 32) {
        n *= 2;
    }
    return n;
}

// ---- Life ---------------------------------------------------------------------------------------

enum err stream_new(const struct stream_options *options, struct stream **ret_stream)
{
    struct open_set open;
    uint64_t after;
    enum err e = state_read(options->state, options->seq, &after, &open);
    if (e != ERR_OK) {
        return e;
    }
    struct stream *s = mem_new(1, sizeof *s);
    ASSERT(options->budget != NULL && options->sink.find != NULL);
    s->sink = options->sink;
    s->hurry = options->hurry;
    s->open_bytes_max = options->budget->limit_bytes / STREAM_SHARE;
    s->queue_allowance = options->budget->limit_bytes / QUEUE_SHARE;
    s->committed_seq = s->seq = s->sealed_seq = options->seq;
    s->replay_after = after;
    s->was_open = open;
    s->last = &s->first;
    MUST(pthread_mutex_init(&s->lock, NULL) == 0);
    wake_init(&s->wake);
    wake_init(&s->idle);
    meter_init(&s->queued, options->budget, ACCOUNT_STREAM);
    meter_init(&s->held, options->budget, ACCOUNT_STREAM);
    meter_init(&s->closing, options->budget, ACCOUNT_STREAM);
    analysis_init(&s->a, &options->sink, &options->history,
                  options->idle_ms > 0 ? options->idle_ms : STREAM_IDLE_MS,
                  remembered(options->budget->limit_bytes),
                  options->budget->limit_bytes / KEPT_SHARE);
    s->a.closing = &s->closing;
    settled_init(&s->settled, s->a.chains.idle_ms + CHAINS_BUCKET_MS);
    if (options->keeper.judged != NULL) {
        s->a.keeper = options->keeper;
        judge_init(&s->a.judge, options->keeper.key);
        judge_set_rules(&s->a.judge, keep_rules_copy(options->keeper.rules));
    }
    *ret_stream = s;
    return ERR_OK;
}

uint64_t stream_replay_after(const struct stream *s)
{
    ASSERT(s->replay_after <= s->committed_seq);
    return s->replay_after;
}

static void note_held(struct stream *s)
{
    size_t bytes = analysis_bytes(&s->a);
    if (bytes > s->held_bytes) {
        meter_force(&s->held, bytes - s->held_bytes);
    } else {
        meter_give(&s->held, s->held_bytes - bytes);
    }
    s->held_bytes = bytes;
}

// ---- On the thread ------------------------------------------------------------------------------

// Closes what is due, or more than there is room for. False where more is due.
static bool close_some(struct stream *s, uint64_t now, bool all)
{
    struct chains *c = &s->a.chains;
    ASSERT(c->idle_ms > 0);
    for (unsigned n = 0; all || n < CLOSED_A_TURN; n++) {
        struct chain *chain = chains_due(c, now, all);
        if (chain == NULL && c->bytes > s->open_bytes_max) {
            chain = chains_due(c, now, true);
            s->spilled_chains++;
        }
        if (chain == NULL) {
            ASSERT(!all || c->count == 0);
            return true;
        }
        analysis_close(&s->a, chain);
    }
    return false;
}

// Tells which records are settled. With `all`, no chain is open.
static void tell_settled(struct stream *s, uint64_t closed_ms, bool all)
{
    ASSERT(!all || s->a.chains.count == 0);
    if (s->a.keeper.settled != NULL) {
        settled_take(&s->settled, s->seq, now_ms());
        s->a.keeper.settled(s->a.keeper.ctx,
                            settled_up_to(&s->settled, all ? UINT64_MAX : closed_ms));
    }
}

static void seal(struct stream *s)
{
    struct buf state;
    buf_init(&state, STATE_MAX);
    red_flush(&s->a.red);
    state_write(&s->a.chains, s->seq, &state);
    MUST(!state.failed);
    s->sink.seal(s->sink.ctx, s->seq, chains_oldest_seq(&s->a.chains, s->seq + 1) - 1,
                 buf_str(&state));
    s->sealed_seq = s->seq;
    s->sealed_chains = s->a.closed_chains;
    buf_done(&state);
}

static void pass_points(struct stream *s, const struct batch *b)
{
    ASSERT(b->sealed);
    if (b->point_count > 0) {
        s->sink.points(s->sink.ctx, b);
        s->points += b->point_count;
    }
}

static void take_record(struct stream *s, const struct record *r)
{
    ASSERT(r->seq > s->seq);
    for (size_t i = 0; i < r->count; i++) {
        analysis_take(&s->a, r->batches[i], NULL, now_ms());
        pass_points(s, r->batches[i]);
    }
    s->seq = r->seq;
}

// A batch of spans that waits is in the store as well, which accounts for it until it has written
// it, and one of points is small: only what piles up here is charged. The lock is held.
static void note_queued(struct stream *s, size_t bytes)
{
    size_t charged = atomic_load(&s->queued.held_bytes);
    size_t due = bytes > s->queue_allowance ? bytes - s->queue_allowance : 0;
    ASSERT(bytes <= SIZE_MAX / 2);
    s->queued_bytes = bytes;
    if (due > charged) {
        meter_force(&s->queued, due - charged);
    } else {
        meter_give(&s->queued, charged - due);
    }
}

static void record_free(struct stream *s, struct record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        batch_unref(r->batches[i]);
    }
    pthread_mutex_lock(&s->lock);
    ASSERT(s->queued_bytes >= r->bytes);
    note_queued(s, s->queued_bytes - r->bytes);
    pthread_mutex_unlock(&s->lock);
    mem_free(r);
}

static void note_stats(struct stream *s)
{
    const struct analysis *a = &s->a;
    pthread_mutex_lock(&s->lock);
    s->stats = (struct stream_stats){
        .spans = a->spans,
        .duplicates = a->duplicates - a->chains.left_out,
        .left_out_spans = a->chains.left_out,
        .points = s->points,
        .open_chains = a->chains.count,
        .open_spans = a->chains.spans,
        .open_bytes = a->chains.bytes,
        .closed_chains = a->closed_chains,
        .spilled_chains = s->spilled_chains,
        .reopened_chains = a->reopened_chains,
        .unjoined_spans = a->unjoined_spans,
        .names = a->names.count - a->names.free_count,
        .other_names = a->names.others,
        .statements = a->statements.count - a->statements.free_count,
        .other_statements = (uint64_t)(a->red.other_statements > 0 ? a->red.other_statements : 0),
        .refused_calls = a->red.refused_calls,
        .paths = a->paths.count - a->paths.free_count,
        .other_paths = a->paths.others,
        .rootless_spans = a->entries.rootless_spans,
        .chooses = a->judge.is_on,
        .other_shapes = a->judge.other_shapes};
    memcpy(s->stats.verdicts, a->judge.verdicts, sizeof s->stats.verdicts);
    pthread_mutex_unlock(&s->lock);
}

static bool flush(struct stream *s, bool at_once)
{
    uint64_t now = now_ms();
    ASSERT(now >= s->flushed_ms);
    if (!at_once && now - s->flushed_ms < HELD_MS) {
        return false;
    }
    red_flush(&s->a.red);
    s->flushed_ms = now;
    return true;
}

// Whether open chains are to be closed since the journal is filling, and what was sealed since it
// began to has not ended that: the oldest of them was open by then.
static bool must_let_go(struct stream *s, uint64_t now)
{
    struct chains *c = &s->a.chains;
    if (s->hurry == NULL || !atomic_load(s->hurry)) {
        s->hurried_ms = 0;
        return false;
    }
    if (s->hurried_ms == 0) {
        s->hurried_ms = now;
        s->hurried_seq = s->seq;
    }
    if (now - s->hurried_ms < HURRY_MS || chains_oldest_seq(c, UINT64_MAX) > s->hurried_seq) {
        return false;
    }
    ASSERT(c->count > 0);
    s->spilled_chains += c->count;
    s->hurried_ms = now;
    s->hurried_seq = s->seq;
    return true;
}

// One round: the records that waited, then chains, the sink, and the seal.
static void turn(struct stream *s, struct record *records, bool all)
{
    bool is_idle = records == NULL;
    while (records != NULL) {
        struct record *next = records->next;
        take_record(s, records);
        record_free(s, records);
        records = next;
        (void)close_some(s, now_ms(), false);
        (void)flush(s, false);
    }
    const uint64_t now = now_ms();
    if (close_some(s, now, must_let_go(s, now) || all)) {
        tell_settled(s, now, all);
    }
    bool is_flushed = flush(s, all || is_idle);
    bool is_news = s->seq > s->sealed_seq || s->a.closed_chains > s->sealed_chains;
    if (all ? s->seq > 0 : is_news && s->sink.wants_seal(s->sink.ctx)) {
        seal(s);
    }
    note_held(s);
    if (is_flushed && now_ms() - s->forgot_ms >= FORGET_MS) {
        s->forgot_ms = now_ms();
        analysis_forget(&s->a, s->forgot_ms);
    }
    if (is_flushed) { // so that who sees that a chain closed finds its calls as well
        note_stats(s);
    }
}

// What waits, once there is something or a moment has passed. The lock is held.
static struct record *wait_for_records(struct stream *s)
{
    if (s->first == NULL && !s->stopping && s->quiet == s->quiet_wanted) {
        (void)wake_wait_for(&s->wake, &s->lock, TURN_MS * NS_PER_MS);
    }
    struct record *records = s->first;
    s->first = NULL;
    s->last = &s->first;
    if (s->rules != NULL) {
        judge_set_rules(&s->a.judge, s->rules);
        s->rules = NULL;
    }
    return records;
}

static void *run(void *ctx)
{
    struct stream *s = ctx;
    bool over = false;
    while (!over) {
        pthread_mutex_lock(&s->lock);
        struct record *records = wait_for_records(s);
        uint64_t wanted = s->quiet_wanted;
        over = s->stopping;
        bool all = over || s->quiet < wanted;
        pthread_mutex_unlock(&s->lock);
        turn(s, records, all);
        if (all) {
            pthread_mutex_lock(&s->lock);
            s->quiet = wanted;
            (void)pthread_cond_broadcast(&s->idle);
            pthread_mutex_unlock(&s->lock);
        }
    }
    return NULL;
}

// ---- From outside -------------------------------------------------------------------------------

void stream_replay(struct stream *s, struct batch *const *batches, size_t count)
{
    MUST(!s->started);
    for (size_t i = 0; i < count; i++) {
        bool known = batches[i]->seq <= s->committed_seq;
        analysis_take(&s->a, batches[i], known ? &s->was_open : NULL, now_ms());
        if (!known) {
            pass_points(s, batches[i]);
        }
        s->seq = batches[i]->seq > s->seq ? batches[i]->seq : s->seq;
    }
    (void)close_some(s, now_ms(), false);
    note_stats(s);
}

void stream_start(struct stream *s)
{
    MUST(!s->started);
    open_set_done(&s->was_open);
    s->a.judge.restart_seq = s->seq;
    note_held(s);
    s->started = true;
    MUST(pthread_create(&s->thread, NULL, run, s) == 0);
}

void stream_add_record(struct stream *s, struct batch *const *batches, size_t count)
{
    struct record *r = mem_alloc(sizeof *r + count * sizeof(struct batch *));
    ASSERT(count > 0);
    *r = (struct record){.seq = batches[0]->seq, .count = count};
    for (size_t i = 0; i < count; i++) {
        ASSERT(batches[i]->seq == r->seq);
        r->batches[i] = batch_ref(batches[i]);
        r->bytes += batch_bytes(batches[i]);
    }
    pthread_mutex_lock(&s->lock);
    note_queued(s, s->queued_bytes + r->bytes);
    *s->last = r;
    s->last = &r->next;
    (void)pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void stream_quiesce(struct stream *s)
{
    MUST(s->started);
    pthread_mutex_lock(&s->lock);
    uint64_t wanted = ++s->quiet_wanted;
    (void)pthread_cond_signal(&s->wake);
    while (s->quiet < wanted) {
        (void)pthread_cond_wait(&s->idle, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

void stream_set_keeping(struct stream *s, const struct keep_rules *rules)
{
    struct keep_rules *copy = keep_rules_copy(rules);
    MUST(s->a.keeper.judged != NULL);
    pthread_mutex_lock(&s->lock);
    mem_free(s->rules);
    s->rules = copy;
    (void)pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void stream_stats(struct stream *s, struct stream_stats *ret_stats)
{
    pthread_mutex_lock(&s->lock);
    *ret_stats = s->stats;
    ret_stats->queued_bytes = s->queued_bytes;
    pthread_mutex_unlock(&s->lock);
}

void stream_close(struct stream *s)
{
    if (s == NULL) {
        return;
    }
    if (s->started) {
        pthread_mutex_lock(&s->lock);
        s->stopping = true;
        (void)pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        MUST(pthread_join(s->thread, NULL) == 0);
    }
    ASSERT(s->first == NULL);
    open_set_done(&s->was_open);
    analysis_done(&s->a);
    mem_free(s->rules);
    meter_done(&s->queued);
    meter_done(&s->held);
    meter_done(&s->closing);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_cond_destroy(&s->idle);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
}
