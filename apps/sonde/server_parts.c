// SPDX-License-Identifier: Apache-2.0
// Purpose: between the parts of the server: what they tell one another and ask of one another.
#include "server_state.h"

#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "query/trace.h"

// The store has a record before the others, which ask it for what is older.
static void hand_on(struct server *s, struct batch *const *batches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)batch_ref(batches[i]);
    }
    store_add_record(s->store, batches, count); // takes one reference of each
    stream_add_record(s->stream, batches, count);
    alerting_add_record(s->alerting, batches, count);
}

static void unref_all(struct batch *const *batches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        batch_unref(batches[i]);
    }
}

void server_on_durable(void *ctx, struct journal_entry *entry)
{
    struct server *s = ctx;
    struct receive_group *g = entry->attachment;
    for (size_t i = 0; i < g->count; i++) {
        g->batches[i]->seq = entry->seq;
        (void)batch_ref(g->batches[i]);
    }
    receive_hand_over(g);
    hand_on(s, g->batches, g->count);
    unref_all(g->batches, g->count);
}

static void release(struct server *s)
{
    uint64_t done = server_less(atomic_load(&s->store_done), atomic_load(&s->stream_done));
    if (s->journal != NULL) {
        journal_release(s->journal, server_less(done, atomic_load(&s->alert_done)));
    }
}

void server_on_committed(void *ctx, uint64_t seq)
{
    struct server *s = ctx;
    atomic_store(&s->store_done, seq);
    release(s);
}

void server_on_series_committed(void *ctx, uint64_t seq)
{
    struct server *s = ctx;
    atomic_store(&s->stream_done, call_sink_committed(&s->sink, seq));
    release(s);
}

void server_on_alerts_done(void *ctx, uint64_t seq)
{
    struct server *s = ctx;
    if (seq > atomic_load(&s->alert_done)) {
        atomic_store(&s->alert_done, seq);
        release(s);
    }
}

enum err server_before_series_commit(void *ctx, uint64_t seq, uint64_t believed_ms)
{
    struct server *s = ctx;
    ASSERT(s->exemplars != NULL);
    return exemplars_write(s->exemplars, seq, believed_ms);
}

enum err server_history_of(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                           void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                           void *rows_ctx)
{
    struct server *s = ctx;
    struct store_view *view = store_view(s->store);
    bool is_whole = store_view_fate(view, id) == TRACE_IS_WHOLE;
    enum err e =
        is_whole ? trace_each_row(view, id, rows_max, meter, each, rows_ctx) : ERR_LEFT_OUT;
    store_view_free(view);
    return e;
}

void server_judged(void *ctx, trace_id id, enum keep_why why)
{
    store_judge(((struct server *)ctx)->store, id, why);
}

void server_reopened(void *ctx, trace_id id)
{
    store_judge_again(((struct server *)ctx)->store, id);
}

void server_judged_up_to(void *ctx, uint64_t seq)
{
    store_judged_up_to(((struct server *)ctx)->store, seq);
}

// Gives the store those batches that it has not yet, and the others all of them.
static void replay_record(struct server *s, uint64_t seq, struct batch **batches, size_t count)
{
    struct batch **fresh = mem_new(count + 1, sizeof(struct batch *));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (seq > store_line_seq(s->store, batches[i]->line)) {
            s->replayed += batches[i]->span_count;
            fresh[n++] = batch_ref(batches[i]);
        }
    }
    if (n > 0) {
        store_add_record(s->store, fresh, n);
    }
    if (seq > stream_replay_after(s->stream)) {
        stream_replay(s->stream, batches, count);
    }
    if (seq > alerting_replay_after(s->alerting)) {
        alerting_replay(s->alerting, batches, count);
    }
    mem_free(fresh);
}

enum err server_on_replay(void *ctx, uint64_t seq, struct str payload)
{
    struct server *s = ctx;
    struct batch **batches;
    size_t count;
    struct err_at at = {0};
    enum err e = receive_decode_record(payload, seq, &batches, &count, &at);
    if (e != ERR_OK) {
        log_write(LOG_ERROR, "server", "a journal record cannot be read",
                  "seq=%llu offset=%llu reason=\"%s\"", (unsigned long long)seq,
                  (unsigned long long)at.offset, at.text);
        return e;
    }
    replay_record(s, seq, batches, count);
    unref_all(batches, count);
    mem_free(batches);
    store_note_seq(s->store, seq + 1);
    return ERR_OK;
}

// Lost records count once each: nobody knows how many spans they held. What the store has already
// is not lost.
void server_on_missing(void *ctx, const struct journal_missing *missing)
{
    struct server *s = ctx;
    uint64_t after = store_replay_after(s->store), n = missing->last_seq;
    ASSERT(missing->first_seq > 0 && missing->first_seq <= n);
    if (!missing->acknowledged || n <= after) {
        return;
    }
    n -= missing->first_seq - 1 > after ? missing->first_seq - 1 : after;
    ledger_add(s->ledger, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, STR(""), n);
    ledger_add(s->ledger, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_CORRUPT, STR(""), n);
}

void server_put_scraped(void *ctx, struct batch *b, void (*done)(void *done_ctx, enum err result),
                        void *done_ctx)
{
    receive_put(((struct server *)ctx)->receive, b, done, done_ctx);
}

void server_scrape_stats_of(void *ctx, struct scrape_stats *ret_stats)
{
    struct server *s = ctx;
    pthread_mutex_lock(&s->config_lock);
    scrape_stats(s->scrape, ret_stats);
    pthread_mutex_unlock(&s->config_lock);
}

void server_scrape_targets_of(void *ctx,
                              void (*each)(void *each_ctx, const struct scrape_target *target),
                              void *each_ctx)
{
    struct server *s = ctx;
    pthread_mutex_lock(&s->config_lock);
    scrape_each_target(s->scrape, each, each_ctx);
    pthread_mutex_unlock(&s->config_lock);
}

void server_set_scrape(struct server *s, struct scrape *scrape)
{
    pthread_mutex_lock(&s->config_lock);
    s->scrape = scrape;
    pthread_mutex_unlock(&s->config_lock);
}

bool server_is_full(void *ctx)
{
    struct store_stats stats;
    store_stats(((struct server *)ctx)->store, &stats);
    return stats.full;
}

uint64_t server_agent_counts_refused(void *ctx)
{
    struct server *s = ctx;
    ASSERT(s->points.series != NULL);
    return atomic_load(&s->points.agents.refused);
}

const char *server_trouble(void *ctx)
{
    struct server *s = ctx;
    struct store_stats store;
    struct journal_stats journal;
    store_stats(s->store, &store);
    journal_stats(s->journal, &journal);
    return !folder_is_there(&s->folder, s->config.text[SETTING_DATA])
               ? "the data folder was removed or replaced"
           : journal.at_limit ? "the journal has reached journal.max: see the log"
           : journal.failing  ? "the journal cannot be written: see the log"
           : store.full       ? "the disk is full"
           : store.failing    ? "parts cannot be written: see the log"
                              : NULL;
}

struct store_retention server_fallback_of(const struct config *c)
{
    return (struct store_retention){.age_ms = c->number[SETTING_RETENTION_AGE],
                                    .errors_age_ms = c->number[SETTING_RETENTION_ERRORS_AGE],
                                    .bytes = c->number[SETTING_RETENTION_SIZE],
                                    .is_chosen = c->number[SETTING_KEEP_TRACES]};
}

struct store_retention server_retention_of(void *ctx, struct str line)
{
    struct server *s = ctx;
    pthread_mutex_lock(&s->config_lock);
    struct store_retention found = server_fallback_of(&s->config);
    for (size_t i = 0; i < s->config.line_count; i++) {
        if (str_eq(s->config.lines[i].line, line)) {
            found = s->config.lines[i];
        }
    }
    found.line = line;
    pthread_mutex_unlock(&s->config_lock);
    return found;
}
