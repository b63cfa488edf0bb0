// SPDX-License-Identifier: Apache-2.0
// Purpose: the HTTP API under /api/v1, the server's own state (/api/status, /metrics, /healthz,
// /readyz) and the embedded UI, on one loop of its own. The contract is openapi.json, which the
// server serves. Queries run on worker threads and are cancelled when their client goes away.
#ifndef SONDE_API_API_H
#define SONDE_API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "http/server.h"
#include "journal/journal.h"
#include "ledger/budget.h"
#include "ledger/ledger.h"
#include "query/health.h"
#include "receive/receive.h"
#include "scrape/scrape.h"
#include "series/exemplars.h"
#include "series/series.h"
#include "store/store.h"
#include "stream/stream.h"

struct api;

// One line of the configuration in force. Secrets are redacted by whoever fills this in.
struct api_setting {
    const char *key, *value, *standard; // `standard` is the default
    const char *source;                 // "default", "file", "environment", "flag"
    bool reloadable;
};

struct api_options {
    const char *address;     // "127.0.0.1:7070"
    struct http_tls *tls;    // NULL: plain text
    size_t connections_max;  // 1024 when 0, and at most
    struct str token;        // the query token; empty: none demanded
    struct str ingest_token; // does for what sends alerts, in the place of the query token
    const char *version, *commit;
    struct store *store;
    struct series_store *series;
    struct exemplars *exemplars;
    struct families *families; // what is said of metrics
    struct stream *stream;
    struct alerting *alerting;
    struct journal *journal;
    struct ledger *ledger;
    struct budget *budget;
    const char *journal_sync; // "always" or "interval"
    const char *config_file;  // "" without one
    // Fills in at most `max` settings and returns how many there are. May be NULL.
    size_t (*settings)(void *ctx, struct api_setting *out, size_t max);
    // The retention in force of a business line.
    struct store_retention (*retention)(void *ctx, struct str line);
    // NULL where nothing is scraped.
    void (*scrape_stats)(void *ctx, struct scrape_stats *ret_stats);
    void (*scrape_targets)(void *ctx,
                           void (*each)(void *each_ctx, const struct scrape_target *target),
                           void *each_ctx);
    // Reports of agents that were not counted for want of room (apps/sonde/agent_counts.h). May be
    // NULL.
    uint64_t (*agent_counts_refused)(void *ctx);
    struct health_limits health; // that machines are judged by
    // Why data cannot be taken although everything runs, in words; NULL when it can. Any thread.
    const char *(*trouble)(void *ctx);
    void *ctx;
};

MUST_CHECK enum err api_start(const struct api_options *options, struct api **ret_api,
                              struct err_at *ret_at);
const char *api_address(const struct api *a);

// From now on /readyz says yes, unless there is trouble, and /api/status knows the receivers.
// `receive` outlives the API or is taken away with NULL: once that returns, no request uses it any
// more.
void api_set_ready(struct api *a, struct receive *receive);

void api_stop(struct api *a);

#endif
