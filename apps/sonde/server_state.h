// SPDX-License-Identifier: Apache-2.0
// Purpose: the parts of a running server, and what they tell one another and ask of one another;
// private to server.c and server_parts.c.
//
// The parts do not know one another: each gets functions of server_parts.c with its options, and
// the server as their `ctx`. They are called on threads of the part that calls. A part that is not
// there yet, or no longer, is not asked for: server.c starts and stops them in that order.
#ifndef SONDE_APPS_SERVER_STATE_H
#define SONDE_APPS_SERVER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "alert/alerting.h"
#include "api/api.h"
#include "call_sink.h"
#include "config.h"
#include "folder.h"
#include "journal/journal.h"
#include "ledger/budget.h"
#include "ledger/ledger.h"
#include "receive/families.h"
#include "receive/receive.h"
#include "series/exemplars.h"
#include "series/series.h"
#include "server.h"
#include "store/store.h"
#include "stream/stream.h"

struct server {
    struct config config;
    const struct server_flags *flags;
    // store.lines and scrape.jobs as texts, in the arena of config.
    const char *lines_text, *jobs_text;
    pthread_mutex_t config_lock; // over these, once running
    struct folder folder;
    bool catalog_is_bad;    // missing or damaged, so that the start failed
    size_t connections_max; // of each address
    struct budget budget;
    struct ledger *ledger;
    struct store *store;
    struct series_store *series;
    struct exemplars *exemplars;
    struct families *families;
    struct call_sink sink;
    struct point_sink points;
    struct stream *stream;
    struct alerting *alerting;
    struct journal *journal;
    atomic_bool journal_is_filling; // set by it, looked at by who holds its segments
    // What each consumer of the journal needs no more: everything up to here.
    atomic_uint_fast64_t store_done, stream_done, alert_done;
    struct api *api;
    struct receive *receive;
    struct scrape *scrape; // NULL without jobs; under config_lock
    struct http_tls *api_tls, *otlp_tls;
    uint64_t replayed;
};

static inline uint64_t server_less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// ---- The journal --------------------------------------------------------------------------------

// A record is durable: the store, the stream and alerting get it.
void server_on_durable(void *ctx, struct journal_entry *entry);
// At the start: one that one of them does not have.
MUST_CHECK enum err server_on_replay(void *ctx, uint64_t seq, struct str payload);
void server_on_missing(void *ctx, const struct journal_missing *missing);

// What each of them needs no more.
void server_on_committed(void *ctx, uint64_t seq);
void server_on_series_committed(void *ctx, uint64_t seq);
void server_on_alerts_done(void *ctx, uint64_t seq);

// ---- Series and stream --------------------------------------------------------------------------

MUST_CHECK enum err server_before_series_commit(void *ctx, uint64_t seq, uint64_t believed_ms);
// The rows that the store has of a trace.
MUST_CHECK enum err server_history_of(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                                      void (*each)(void *rows_ctx, const struct row *rows,
                                                   size_t count),
                                      void *rows_ctx);
void server_judged(void *ctx, trace_id id, enum keep_why why);
void server_reopened(void *ctx, trace_id id);
void server_judged_up_to(void *ctx, uint64_t seq);

// ---- The scraper --------------------------------------------------------------------------------

void server_put_scraped(void *ctx, struct batch *b, void (*done)(void *done_ctx, enum err result),
                        void *done_ctx);
void server_scrape_stats_of(void *ctx, struct scrape_stats *ret_stats);
void server_scrape_targets_of(void *ctx,
                              void (*each)(void *each_ctx, const struct scrape_target *target),
                              void *each_ctx);
// Takes `config_lock`, as those who ask the scraper do.
void server_set_scrape(struct server *s, struct scrape *scrape);

// ---- The API and the receivers ------------------------------------------------------------------

bool server_is_full(void *ctx);
uint64_t server_agent_counts_refused(void *ctx);
// What a person should know of; NULL: nothing.
const char *server_trouble(void *ctx);
struct store_retention server_fallback_of(const struct config *c);
struct store_retention server_retention_of(void *ctx, struct str line);

#endif
