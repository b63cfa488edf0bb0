// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde server`: puts the parts together, runs until it is told to stop, takes them
// apart.
//
// Start: store (catalog and parts) -> series and stream -> alerting -> journal -> API (not ready
// yet) -> replay of what the store, the stream or alerting does not have -> receivers. Stop:
// receivers answer what they have, the API goes, alerting judges what it has, the stream closes its
// chains, series and store flush, the journal is closed.
// A second signal ends at once; nothing acknowledged is lost by that either.
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/descriptors.h"
#include "server_state.h"
#include "version.h"

#define LIST_TEXT_MAX ((size_t)4 << 20) // of a list as it is shown

// ---- Settings -----------------------------------------------------------------------------------

// In the configuration shares are millionths.
static struct health_limits health_limits_of(const struct config *c)
{
    static const struct {
        enum health_measure measure;
        enum setting warn, error;
    } limits[] = {
        {HEALTH_CPU, SETTING_HEALTH_CPU_WARN, SETTING_HEALTH_CPU_ERROR},
        {HEALTH_HEAP, SETTING_HEALTH_HEAP_WARN, SETTING_HEALTH_HEAP_ERROR},
        {HEALTH_HOST_CPU, SETTING_HEALTH_CPU_WARN, SETTING_HEALTH_CPU_ERROR},
        {HEALTH_HOST_MEMORY, SETTING_HEALTH_MEMORY_WARN, SETTING_HEALTH_MEMORY_ERROR},
        {HEALTH_HOST_DISK, SETTING_HEALTH_DISK_WARN, SETTING_HEALTH_DISK_ERROR},
    };
    struct health_limits h = {0};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        ASSERT(limits[i].measure >= HEALTH_MACHINE);
        h.of[limits[i].measure] = (struct health_limit){(double)c->number[limits[i].warn] / 1e6,
                                                        (double)c->number[limits[i].error] / 1e6};
    }
    return h;
}

// Whether a list of this configuration reads otherwise than `before`. Then *ret_text, where it is
// asked for, gets a copy; one that reads the same takes no room.
static bool print_list(struct server *s, const struct config *c,
                       void (*print)(const struct config *c, struct buf *out), const char *before,
                       const char **ret_text)
{
    struct buf text;
    buf_init(&text, LIST_TEXT_MAX);
    print(c, &text);
    bool is_other = !str_eq(buf_str(&text), str_of(before));
    if (is_other && ret_text != NULL) {
        *ret_text = arena_str(&s->config.arena, buf_str(&text)).p;
    }
    buf_done(&text);
    return is_other;
}

// The texts stay valid: a reload keeps what it replaces until the end.
static size_t settings_of(void *ctx, struct api_setting *out, size_t max)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    struct server *s = ctx;
    size_t n = 0;
    pthread_mutex_lock(&s->config_lock);
    for (; n < SETTING_COUNT && n < max; n++) {
        const struct setting_info *info = setting_info((enum setting)n);
        const char *value = s->config.text[n];
        bool secret = info->kind == KIND_OF_SECRET && value[0] != 0;
        out[n] = (struct api_setting){.key = info->key,
                                      .value = secret ? "(set)" : value,
                                      .standard = info->standard,
                                      .source = sources[s->config.source[n]],
                                      .reloadable = info->reloadable};
    }
    if (n < max) {
        out[n++] = (struct api_setting){.key = "store.lines",
                                        .value = s->lines_text,
                                        .standard = "",
                                        .source = sources[s->config.line_count > 0],
                                        .reloadable = true};
    }
    if (n < max) {
        out[n++] = (struct api_setting){.key = "scrape.jobs",
                                        .value = s->jobs_text,
                                        .standard = "",
                                        .source = sources[s->config.job_count > 0]};
    }
    pthread_mutex_unlock(&s->config_lock);
    return n;
}

// ---- Start --------------------------------------------------------------------------------------

static enum err load_config(const struct server_flags *flags, struct config *c,
                            struct err_at *ret_at)
{
    const struct {
        const char *text, *flag;
        enum setting setting;
    } overrides[] = {
        {flags->data, "--data", SETTING_DATA},
        {flags->http, "--http", SETTING_HTTP_ADDRESS},
        {flags->otlp_grpc, "--otlp-grpc", SETTING_OTLP_GRPC},
        {flags->otlp_http, "--otlp-http", SETTING_OTLP_HTTP},
    };
    enum err e = config_load(c, flags->config, ret_at);
    for (size_t i = 0; e == ERR_OK && i < sizeof overrides / sizeof overrides[0]; i++) {
        if (overrides[i].text != NULL) {
            e = config_set(c, overrides[i].setting, overrides[i].text, SOURCE_FLAG,
                           overrides[i].flag, ret_at);
        }
    }
    return e == ERR_OK ? config_check(c, ret_at) : e;
}

static const char *unless_off(const char *address)
{
    return strcmp(address, "off") == 0 ? NULL : address;
}

// Below the least the start would end halfway, wherever the last descriptor was taken.
static enum err share_files(struct server *s, struct err_at *ret_at)
{
    const struct config *c = &s->config;
    size_t limit = descriptors_raise();
    size_t shards = receive_shard_count((size_t)c->number[SETTING_OTLP_SHARDS]), doors = 0;
    doors += unless_off(c->text[SETTING_OTLP_GRPC]) != NULL;
    doors += unless_off(c->text[SETTING_OTLP_HTTP]) != NULL;
    size_t loops = 1 + shards, listeners = 1 + doors * shards, addresses = 1 + doors;
    size_t least = descriptors_least(loops, listeners, addresses);
    if (limit < least) {
        return err_at_set(
            ret_at, ERR_LIMIT, 0,
            "the process may open %zu files and needs %zu at least: raise `ulimit -n` "
            "(LimitNOFILE of systemd)",
            limit, least);
    }
    s->connections_max = descriptors_for_connections(limit, loops, listeners, addresses);
    log_write(LOG_DEBUG, "server", "descriptors are shared out", "limit=%zu connections=%zu", limit,
              s->connections_max);
    return ERR_OK;
}

static enum err take_folder(struct server *s, struct err_at *ret_at)
{
    const char *dir = s->config.text[SETTING_DATA];
    enum err e = fs_real()->ops->make_dir(fs_real(), dir);
    if (e != ERR_OK) {
        return err_at_set(ret_at, e, 0, "data folder %s: %s", dir, strerror(errno));
    }
    return folder_take(&s->folder, dir, ret_at);
}

static enum err open_store(struct server *s, struct err_at *ret_at)
{
    const struct config *c = &s->config;
    char dir[FS_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/store", c->text[SETTING_DATA]);
    const struct store_options o = {
        .fs = fs_real(),
        .dir = dir,
        .budget = &s->budget,
        .ledger = s->ledger,
        .flush_rows = (size_t)c->number[SETTING_STORE_FLUSH_ROWS],
        .flush_age_ms = (uint32_t)c->number[SETTING_STORE_FLUSH_AGE],
        .hurry = &s->journal_is_filling,
        .free_bytes_min = c->number[SETTING_STORE_FREE_MIN],
        .keep_wait_ms = (uint32_t)c->number[SETTING_KEEP_WAIT],
        .retention_default = server_fallback_of(c),
        .retention = c->lines,
        .retention_count = c->line_count,
        .on_committed = server_on_committed,
        .ctx = s,
    };
    enum err e = store_open(&o, &s->store, ret_at);
    s->catalog_is_bad = e == ERR_CORRUPT;
    return e;
}

// Exemplars are samples: a file that cannot be read is set aside, and another one begun.
static enum err open_exemplars(struct server *s, const char *dir, struct err_at *ret_at)
{
    char path[FS_PATH_MAX + 16], bad[FS_PATH_MAX + 24];
    (void)snprintf(path, sizeof path, "%s/exemplars.db", dir);
    (void)snprintf(bad, sizeof bad, "%s.bad", path);
    const struct exemplars_options o = {.path = path,
                                        .budget = &s->budget,
                                        .bytes_max = s->budget.limit_bytes / 64,
                                        .keep_ms = EXEMPLARS_KEEP_MS};
    enum err e = exemplars_open(&o, &s->exemplars, ret_at);
    if (e == ERR_CORRUPT && rename(path, bad) == 0) {
        log_write(LOG_ERROR, "series", "the exemplars cannot be read and are set aside", "file=%s",
                  bad);
        e = exemplars_open(&o, &s->exemplars, ret_at);
    }
    ASSERT((e == ERR_OK) == (s->exemplars != NULL));
    return e;
}

static enum err open_series(struct server *s, struct err_at *ret_at)
{
    char dir[FS_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/series", s->config.text[SETTING_DATA]);
    const struct series_options o = {
        .fs = fs_real(),
        .dir = dir,
        .budget = &s->budget,
        .flush_age_ms = (uint32_t)s->config.number[SETTING_SERIES_FLUSH_AGE],
        .hurry = &s->journal_is_filling,
        .before_commit = server_before_series_commit,
        .on_committed = server_on_series_committed,
        .ctx = s,
    };
    enum err e = series_open(&o, &s->series, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    e = open_exemplars(s, dir, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    struct str state = series_state(s->series);
    s->families = families_new();
    point_sink_init(&s->points, s->series, s->exemplars, s->ledger, &s->budget);
    call_sink_init(&s->sink, s->series, &s->points);
    e = point_sink_restore(&s->points, &state);
    if (e != ERR_OK) {
        return err_at_set(ret_at, e, 0, "%s: the counts of points cannot be read", dir);
    }
    struct keep_line lines[KEEP_LINES_MAX];
    const struct keep_rules rules = config_keep_rules(&s->config, lines);
    const struct stream_options stream = {
        .budget = &s->budget,
        .sink = call_sink_of(&s->sink),
        .history = {server_history_of, s},
        .keeper = {server_judged, server_reopened, server_judged_up_to, s, store_keep_key(s->store),
                   &rules},
        .seq = series_seq(s->series),
        .state = state,
        .hurry = &s->journal_is_filling,
    };
    e = stream_new(&stream, &s->stream);
    return e == ERR_OK
               ? e
               : err_at_set(ret_at, e, 0, "%s: the state of open chains cannot be read", dir);
}

static enum err open_alerting(struct server *s, struct err_at *ret_at)
{
    const struct config *c = &s->config;
    char dir[FS_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/alerts", c->text[SETTING_DATA]);
    const struct alerting_options o = {
        .dir = dir,
        .version = SONDE_VERSION,
        .budget = &s->budget,
        .store = s->store,
        .series = s->series,
        .received_channels = str_of(c->text[SETTING_ALERTS_CHANNELS]),
        .received_receivers = str_of(c->text[SETTING_ALERTS_RECEIVERS]),
        .hurry = &s->journal_is_filling,
        .on_done = server_on_alerts_done,
        .ctx = s,
    };
    return alerting_open(&o, &s->alerting, ret_at);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// The journal forgets what is in parts alone: where it begins behind what a folder has, that folder
// was lost, or replaced by an older one. Records count once each, as in on_missing().
static void tell_of_gap(struct server *s, const char *folder, uint64_t has, uint64_t first_seq)
{
    ASSERT(folder != NULL);
    if (first_seq <= has + 1) {
        return;
    }
    uint64_t first = has + 1, last = first_seq - 1, n = last - has;
    log_write(
        LOG_ERROR, "server",
        "a folder lacks records that the journal has forgotten since it had them: it was lost, "
        "or is an older one",
        "folder=%s/%s first=%llu last=%llu", s->config.text[SETTING_DATA], folder,
        (unsigned long long)first, (unsigned long long)last);
    if (strcmp(folder, "store") == 0) {
        ledger_add(s->ledger, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, STR(""), n);
        ledger_add(s->ledger, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_CORRUPT, STR(""), n);
    }
}

// The newest number that any consumer has committed.
static uint64_t newest_committed(const struct server *s)
{
    uint64_t alerts = alerting_replay_after(s->alerting);
    ASSERT(s->store != NULL && s->series != NULL);
    return greater(greater(store_last_seq(s->store), series_seq(s->series)),
                   alerts != UINT64_MAX ? alerts : 0); // else it needs none
}

static enum err open_journal(struct server *s, struct err_at *ret_at)
{
    const struct config *c = &s->config;
    char dir[FS_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/journal", c->text[SETTING_DATA]);
    const struct journal_options o = {
        .fs = fs_real(),
        .dir = dir,
        .sync = (enum journal_sync)c->number[SETTING_JOURNAL_SYNC],
        .sync_interval_ms = (uint32_t)c->number[SETTING_JOURNAL_SYNC_INTERVAL],
        .segment_bytes = (size_t)c->number[SETTING_JOURNAL_SEGMENT],
        .disk_bytes_max = (size_t)c->number[SETTING_JOURNAL_MAX],
        .filling = &s->journal_is_filling,
        .seq_floor = newest_committed(s),
        .on_missing = server_on_missing,
        .on_durable = server_on_durable,
        .ctx = s,
    };
    enum err e = journal_open(&o, &s->journal, ret_at);
    if (e == ERR_OK) {
        struct journal_stats stats;
        journal_stats(s->journal, &stats);
        if (stats.torn_bytes > 0) {
            // A crash leaves this, and so does damage to the very last record: a person should
            // know.
            log_write(LOG_WARN, "server", "the journal's end was torn and has been cut",
                      "bytes=%llu last_record=%llu", (unsigned long long)stats.torn_bytes,
                      (unsigned long long)stats.last_seq);
        }
        tell_of_gap(s, "store", store_last_seq(s->store), stats.first_seq);
        tell_of_gap(s, "series", series_seq(s->series), stats.first_seq);
    }
    return e;
}

// The folders themselves must survive a power cut like what is in them.
static enum err sync_folders(struct server *s, struct err_at *ret_at)
{
    char above[FS_PATH_MAX];
    const char *dir = s->config.text[SETTING_DATA];
    (void)snprintf(above, sizeof above, "%s/..", dir);
    enum err e = fs_real()->ops->sync_dir(fs_real(), dir);
    e = e == ERR_OK ? fs_real()->ops->sync_dir(fs_real(), above) : e;
    return e == ERR_OK ? e : err_at_set(ret_at, e, 0, "data folder %s: %s", dir, err_text(e));
}

// Links of alerts lead to where people reach the UI.
static void set_url(struct server *s)
{
    char url[FS_PATH_MAX];
    const char *own = s->config.text[SETTING_HTTP_URL];
    (void)snprintf(url, sizeof url, "%s://%s", s->api_tls != NULL ? "https" : "http",
                   api_address(s->api));
    alerting_set_url(s->alerting, own[0] != 0 ? own : url);
}

static enum err replay(struct server *s, struct err_at *ret_at)
{
    set_url(s);
    uint64_t store = store_replay_after(s->store), stream = stream_replay_after(s->stream);
    uint64_t alert = alerting_replay_after(s->alerting);
    atomic_store(&s->store_done, store);
    atomic_store(&s->stream_done, stream);
    atomic_store(&s->alert_done, alert == UINT64_MAX ? 0 : alert);
    enum err e = journal_replay(s->journal, server_less(server_less(store, stream), alert),
                                server_on_replay, s);
    if (e != ERR_OK) {
        return err_at_set(ret_at, e, 0, "the journal cannot be replayed: %s", err_text(e));
    }
    if (s->replayed > 0) {
        log_write(LOG_INFO, "server", "the journal was replayed", "spans=%llu",
                  (unsigned long long)s->replayed);
    }
    store_start(s->store);
    series_start(s->series);
    stream_start(s->stream);
    alerting_start(s->alerting);
    journal_start(s->journal);
    return ERR_OK;
}

static enum err make_tls(const struct config *c, enum setting certificate, enum setting key,
                         struct http_tls **ret_tls, struct err_at *ret_at)
{
    if (c->text[certificate][0] == 0) {
        return ERR_OK;
    }
    return http_tls_new(c->text[certificate], c->text[key], ret_tls, ret_at);
}

static enum err start_api(struct server *s, struct err_at *ret_at)
{
    const struct config *c = &s->config;
    enum err e =
        make_tls(c, SETTING_HTTP_TLS_CERTIFICATE, SETTING_HTTP_TLS_KEY, &s->api_tls, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    const struct api_options o = {
        .address = c->text[SETTING_HTTP_ADDRESS],
        .tls = s->api_tls,
        .connections_max = s->connections_max,
        .token = str_of(c->text[SETTING_HTTP_TOKEN]),
        .ingest_token = str_of(c->text[SETTING_OTLP_TOKEN]),
        .version = SONDE_VERSION,
        .commit = SONDE_COMMIT,
        .store = s->store,
        .series = s->series,
        .exemplars = s->exemplars,
        .families = s->families,
        .stream = s->stream,
        .alerting = s->alerting,
        .journal = s->journal,
        .ledger = s->ledger,
        .budget = &s->budget,
        .journal_sync = c->text[SETTING_JOURNAL_SYNC],
        .config_file = c->file,
        .settings = settings_of,
        .retention = server_retention_of,
        .scrape_stats = s->config.job_count > 0 ? server_scrape_stats_of : NULL,
        .scrape_targets = s->config.job_count > 0 ? server_scrape_targets_of : NULL,
        .agent_counts_refused = server_agent_counts_refused,
        .health = health_limits_of(c),
        .trouble = server_trouble,
        .ctx = s,
    };
    return api_start(&o, &s->api, ret_at);
}

static enum err start_receive(struct server *s, struct err_at *ret_at)
{
    const struct config *c = &s->config;
    enum err e =
        make_tls(c, SETTING_OTLP_TLS_CERTIFICATE, SETTING_OTLP_TLS_KEY, &s->otlp_tls, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    const struct receive_options o = {
        .otlp_grpc_address = unless_off(c->text[SETTING_OTLP_GRPC]),
        .otlp_http_address = unless_off(c->text[SETTING_OTLP_HTTP]),
        .shards = (size_t)c->number[SETTING_OTLP_SHARDS],
        .tls = s->otlp_tls,
        .connections_max = s->connections_max,
        .token = str_of(c->text[SETTING_OTLP_TOKEN]),
        .body_bytes_max = (size_t)c->number[SETTING_OTLP_BODY_MAX],
        .shed_after_ms = c->number[SETTING_OVERLOAD_SHED_AFTER],
        .slow_trace_ms = c->number[SETTING_OVERLOAD_SLOW_TRACE],
        .journal = s->journal,
        .budget = &s->budget,
        .ledger = s->ledger,
        .dead_letters = store_dead_letter_sink(s->store),
        .families = s->families,
        .is_full = server_is_full,
        .trouble = server_trouble,
        .ctx = s,
    };
    return receive_start(&o, &s->receive, ret_at);
}

static enum err start_scrape(struct server *s, struct err_at *ret_at)
{
    const struct scrape_options o = {
        .jobs = s->config.jobs,
        .job_count = s->config.job_count,
        .version = SONDE_VERSION,
        .budget = &s->budget,
        .ledger = s->ledger,
        .put = server_put_scraped,
        .ctx = s,
    };
    struct scrape *scrape = NULL;
    enum err e = s->config.job_count > 0 ? scrape_start(&o, &scrape) : ERR_OK;
    server_set_scrape(s, scrape);
    return e == ERR_OK ? e : err_at_set(ret_at, e, 0, "the scraper cannot be started");
}

static void log_unknown(void *ctx, const char *name, const char *meant)
{
    (void)ctx;
    log_write(LOG_WARN, "server", "a name in the environment is no setting", "name=%s meant=%s",
              name, meant != NULL ? meant : "-");
}

static enum err start(struct server *s, struct err_at *ret_at)
{
    enum err e = load_config(s->flags, &s->config, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    log_set_level((enum log_level)s->config.number[SETTING_LOG_LEVEL]);
    config_each_unknown(log_unknown, NULL);
    s->lines_text = s->jobs_text = "";
    (void)print_list(s, &s->config, config_print_lines, "", &s->lines_text);
    (void)print_list(s, &s->config, config_print_jobs, "", &s->jobs_text);
    mem_limit((size_t)s->config.number[SETTING_MEMORY_LIMIT]);
    budget_init_process(&s->budget, (size_t)s->config.number[SETTING_MEMORY_LIMIT]);
    s->ledger = ledger_new();
    e = share_files(s, ret_at);
    e = e == ERR_OK ? take_folder(s, ret_at) : e;
    e = e == ERR_OK ? open_store(s, ret_at) : e;
    e = e == ERR_OK ? open_series(s, ret_at) : e;
    e = e == ERR_OK ? open_alerting(s, ret_at) : e;
    e = e == ERR_OK ? open_journal(s, ret_at) : e;
    e = e == ERR_OK ? sync_folders(s, ret_at) : e;
    e = e == ERR_OK ? start_api(s, ret_at) : e;
    e = e == ERR_OK ? replay(s, ret_at) : e;
    e = e == ERR_OK ? start_receive(s, ret_at) : e;
    e = e == ERR_OK ? start_scrape(s, ret_at) : e;
    if (e == ERR_OK) {
        api_set_ready(s->api, s->receive);
    }
    return e;
}

static void stop(struct server *s)
{
    if (s->api != NULL) {
        api_set_ready(s->api, NULL);
    }
    struct scrape *scrape = s->scrape;
    server_set_scrape(s, NULL);
    scrape_stop(scrape);
    receive_stop(s->receive);
    api_stop(s->api);
    alerting_close(s->alerting);
    stream_close(s->stream);
    series_close(s->series);
    exemplars_close(s->exemplars);
    families_free(s->families);
    call_sink_done(&s->sink);
    point_sink_done(&s->points);
    store_close(s->store);
    journal_close(s->journal);
    ledger_free(s->ledger);
    http_tls_free(s->api_tls);
    http_tls_free(s->otlp_tls);
    folder_done(&s->folder);
    config_done(&s->config);
    pthread_mutex_destroy(&s->config_lock);
}

// ---- Running ------------------------------------------------------------------------------------

// Names that are there already take no room.
static void take_lines(struct server *s, const struct config *fresh)
{
    struct store_retention before[STORE_LINES_MAX];
    size_t count = s->config.line_count;
    ASSERT(count <= STORE_LINES_MAX && fresh->line_count <= STORE_LINES_MAX);
    memcpy(before, s->config.lines, count * sizeof *before);
    s->config.line_count = fresh->line_count;
    for (size_t i = 0; i < fresh->line_count; i++) {
        size_t known = 0;
        while (known < count && !str_eq(before[known].line, fresh->lines[i].line)) {
            known++;
        }
        s->config.lines[i] = fresh->lines[i];
        s->config.lines[i].line =
            known < count ? before[known].line : arena_str(&s->config.arena, fresh->lines[i].line);
    }
}

// Takes over what may change while running, and says what may not.
static void apply(struct server *s, const struct config *fresh)
{
    struct err_at at;
    pthread_mutex_lock(&s->config_lock);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = setting_info((enum setting)i);
        if (strcmp(s->config.text[i], fresh->text[i]) == 0) {
            continue;
        }
        if (!info->reloadable) {
            log_write(LOG_WARN, "server", "a setting changed that needs a restart", "key=%s",
                      info->key);
            continue;
        }
        enum err e = config_set(&s->config, (enum setting)i, fresh->text[i], fresh->source[i],
                                "reload", &at);
        MUST(e == ERR_OK); // it was valid a moment ago
    }
    if (print_list(s, fresh, config_print_jobs, s->jobs_text, NULL)) {
        log_write(LOG_WARN, "server", "a setting changed that needs a restart", "key=scrape.jobs");
    }
    take_lines(s, fresh);
    (void)print_list(s, &s->config, config_print_lines, s->lines_text, &s->lines_text);
    pthread_mutex_unlock(&s->config_lock);
    log_set_level((enum log_level)s->config.number[SETTING_LOG_LEVEL]);
    store_set_retention(s->store, server_fallback_of(&s->config), s->config.lines,
                        s->config.line_count);
    store_set_keep_wait(s->store, s->config.number[SETTING_KEEP_WAIT]);
    struct keep_line lines[KEEP_LINES_MAX];
    const struct keep_rules rules = config_keep_rules(&s->config, lines);
    stream_set_keeping(s->stream, &rules);
}

static void reload(struct server *s)
{
    struct config *fresh = mem_new(1, sizeof *fresh);
    struct err_at at = {0};
    enum err e = load_config(s->flags, fresh, &at);
    if (e == ERR_OK) {
        apply(s, fresh);
        log_write(LOG_INFO, "server", "the configuration was reloaded", "file=%s", fresh->file);
    } else {
        log_write(LOG_ERROR, "server", "the configuration was not reloaded", "reason=\"%s\"",
                  at.text);
    }
    config_done(fresh);
    mem_free(fresh);
}

static void announce(const struct server *s)
{
    const char *scheme = s->api_tls != NULL ? "https" : "http";
    printf("sonde server %s is ready\n", SONDE_VERSION);
    printf("  http       %s   %s://%s/\n", api_address(s->api), scheme, api_address(s->api));
    if (receive_grpc_address(s->receive) != NULL) {
        printf("  otlp-grpc  %s\n", receive_grpc_address(s->receive));
    }
    if (receive_http_address(s->receive) != NULL) {
        printf("  otlp-http  %s\n", receive_http_address(s->receive));
    }
    printf("  data       %s\n", s->config.text[SETTING_DATA]);
    (void)fflush(stdout);
}

static void run(struct server *s, const sigset_t *signals)
{
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number) != 0) {
            continue;
        }
        if (number == SIGHUP) {
            reload(s);
            continue;
        }
        // From here on the default action of a second signal ends the process at once.
        MUST(pthread_sigmask(SIG_UNBLOCK, signals, NULL) == 0);
        log_write(LOG_INFO, "server", "stopping", "signal=%d", number);
        return;
    }
}

int server_run(const struct server_flags *flags)
{
    struct server *s = mem_new(1, sizeof *s);
    struct err_at at = {0};
    sigset_t signals;
    s->flags = flags;
    s->folder = FOLDER_NONE;
    MUST(pthread_mutex_init(&s->config_lock, NULL) == 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    MUST(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    enum err e = start(s, &at);
    if (e == ERR_OK) {
        announce(s);
        run(s, &signals);
    } else {
        fprintf(stderr, "sonde: %s\n", at.text[0] != 0 ? at.text : err_text(e));
        if (s->catalog_is_bad) {
            fprintf(stderr,
                    "sonde: `sonde store rebuild --data %s` makes a new catalog.db from the "
                    "parts\n",
                    s->config.text[SETTING_DATA]);
        }
    }
    stop(s);
    mem_free(s);
    return e == ERR_OK ? EXIT_DONE : e == ERR_INVALID || e == ERR_DENIED ? EXIT_USAGE : EXIT_FAILED;
}
