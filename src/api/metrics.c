// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's own metrics in the Prometheus text format (exposition format 0.0.4).

#include "api/job.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/sort.h"
#include "os/process.h"
#include "receive/families.h"

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    ASSERT(name != NULL && type != NULL && help != NULL);
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    ASSERT(value >= 0);
    head(out, name, type, help);
    buf_printf(out, "%s %.15g\n", name, value);
}

// A label value with the three characters escaped that the format wants escaped.
static void put_label(struct buf *out, struct str value)
{
    ASSERT(value.n == 0 || value.p != NULL);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\n') {
            buf_add_str(out, STR("\\n"));
            continue;
        }
        if (c == '"' || c == '\\') {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, (uint8_t)c);
    }
}

// Services named apart for each signal, those that sent the most; the others are summed as
// "(other)". With all 4,096 of the ledger an answer would have a megabyte.
#define NAMED_SERVICES_MAX 100

struct ledger_walk {
    struct buf *out;
    uint64_t sums[SIGNAL_COUNT][OUTCOME_COUNT][REASON_COUNT];
    uint64_t others[SIGNAL_COUNT][OUTCOME_COUNT][REASON_COUNT]; // of services not named
    uint64_t received[SIGNAL_COUNT][LEDGER_SERVICES_MAX + 2];   // of every service
    size_t services[SIGNAL_COUNT];
    uint64_t least[SIGNAL_COUNT]; // that a named service received
    size_t named[SIGNAL_COUNT];
    struct str name; // of the service whose cells are walked
    bool is_named;
};

static void add_cell(void *ctx, const struct ledger_cell *c)
{
    struct ledger_walk *l = ctx;
    ASSERT(c->signal < SIGNAL_COUNT && c->outcome < OUTCOME_COUNT && c->reason < REASON_COUNT);
    l->sums[c->signal][c->outcome][c->reason] += c->count;
    if (c->outcome == OUTCOME_RECEIVED && l->services[c->signal] <= LEDGER_SERVICES_MAX) {
        l->received[c->signal][l->services[c->signal]++] = c->count;
    }
}

static int by_count_down(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

// What a service must have received to be named.
static void find_least(struct ledger_walk *l)
{
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        size_t n = l->services[s];
        ASSERT(n <= LEDGER_SERVICES_MAX + 1);
        sort_array(l->received[s], n, sizeof l->received[s][0], by_count_down);
        l->least[s] = n > NAMED_SERVICES_MAX ? l->received[s][NAMED_SERVICES_MAX - 1] : 0;
    }
}

static void put_service_line(struct buf *out, unsigned signal, struct str service, unsigned outcome,
                             unsigned reason, uint64_t count)
{
    ASSERT(signal < SIGNAL_COUNT && outcome < OUTCOME_COUNT && reason < REASON_COUNT);
    buf_printf(out, "sonde_ledger_service_records_total{signal=\"%s\",service=\"",
               signal_name((enum signal)signal));
    put_label(out, service);
    buf_printf(out, "\",outcome=\"%s\",reason=\"%s\"} %llu\n", outcome_name((enum outcome)outcome),
               reason_name((enum reason)reason), (unsigned long long)count);
}

// The cells of a service follow one another, what it received first.
static void put_service_cell(void *ctx, const struct ledger_cell *c)
{
    struct ledger_walk *l = ctx;
    ASSERT(c->signal < SIGNAL_COUNT && c->outcome < OUTCOME_COUNT && c->reason < REASON_COUNT);
    if (c->outcome == OUTCOME_RECEIVED) {
        l->name = c->service;
        l->is_named = c->count >= l->least[c->signal] && l->named[c->signal] < NAMED_SERVICES_MAX &&
                      !str_eq(c->service, LEDGER_OTHER);
        l->named[c->signal] += l->is_named ? 1 : 0;
    }
    if (l->is_named && str_eq(l->name, c->service)) {
        put_service_line(l->out, c->signal, c->service, c->outcome, c->reason, c->count);
    } else {
        l->others[c->signal][c->outcome][c->reason] += c->count;
    }
}

static void put_services(struct job *j, struct ledger_walk *l)
{
    head(l->out, "sonde_ledger_service_records_total", "counter",
         "The same, by service: the 100 that sent the most, the others together as (other).");
    find_least(l);
    ledger_each(j->api->o.ledger, put_service_cell, l);
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
            for (unsigned r = 0; r < REASON_COUNT; r++) {
                if (l->others[s][o][r] > 0) {
                    put_service_line(l->out, s, LEDGER_OTHER, o, r, l->others[s][o][r]);
                }
            }
        }
    }
}

static uint64_t pending(const struct ledger_walk *l, unsigned signal)
{
    ASSERT(signal < SIGNAL_COUNT);
    uint64_t received = l->sums[signal][OUTCOME_RECEIVED][REASON_NONE], gone = 0;
    for (unsigned o = OUTCOME_STORED; o < OUTCOME_COUNT; o++) {
        for (unsigned r = 0; r < REASON_COUNT; r++) {
            gone += l->sums[signal][o][r];
        }
    }
    return received > gone ? received - gone : 0;
}

static void put_ledger(struct job *j)
{
    struct ledger_walk *l = arena_new(&j->arena, 1, sizeof *l);
    struct buf *out = l->out = &j->out;
    ledger_each(j->api->o.ledger, add_cell, l);
    head(out, "sonde_ledger_records_total", "counter",
         "Records by where they went. received = stored + sampled + expired + dropped + pending. "
         "stored falls when records expire.");
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
            for (unsigned r = 0; r < REASON_COUNT; r++) {
                // The plain outcomes are always there, so that dashboards find them at zero.
                if (l->sums[s][o][r] > 0 || (o != OUTCOME_DROPPED && r == REASON_NONE)) {
                    buf_printf(out,
                               "sonde_ledger_records_total{signal=\"%s\",outcome=\"%s\","
                               "reason=\"%s\"} %llu\n",
                               signal_name((enum signal)s), outcome_name((enum outcome)o),
                               reason_name((enum reason)r), (unsigned long long)l->sums[s][o][r]);
                }
            }
        }
    }
    head(out, "sonde_ledger_pending_records", "gauge",
         "Records that are durable in the journal and in no part yet.");
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        buf_printf(out, "sonde_ledger_pending_records{signal=\"%s\"} %llu\n",
                   signal_name((enum signal)s), (unsigned long long)pending(l, s));
    }
    put_services(j, l);
}

// What agents tell of all their spans together.
struct agent_sums {
    uint64_t agents, sampled, not_sampled, live, exported, dropped;
};

static void sum_agent(void *ctx, const struct span_flow *f, uint64_t heard_unix_ns)
{
    struct agent_sums *s = ctx;
    (void)heard_unix_ns;
    s->agents++;
    s->sampled += f->sampled;
    s->not_sampled += f->not_sampled;
    s->live += f->live;
    s->exported += f->exported;
    for (unsigned i = 0; i < f->dropped_count; i++) {
        s->dropped += f->dropped[i].count;
    }
}

static void put_agents(struct job *j)
{
    struct agents *agents = ledger_agents(j->api->o.ledger);
    struct agent_sums s = {0};
    struct buf *out = &j->out;
    agents_each(agents, sum_agent, &s);
    ASSERT(s.agents <= AGENTS_MAX);
    head(out, "sonde_agents", "gauge", "Agents and SDKs that tell of their spans.");
    buf_printf(out, "sonde_agents %llu\n", (unsigned long long)s.agents);
    head(out, "sonde_agents_forgotten_total", "counter",
         "Agents that made room for others in the ledger.");
    buf_printf(out, "sonde_agents_forgotten_total %llu\n",
               (unsigned long long)agents_forgotten(agents));
    head(out, "sonde_agent_spans", "gauge",
         "Spans that agents tell of since their starts, by what became of them there.");
    buf_printf(out,
               "sonde_agent_spans{outcome=\"sampled\"} %llu\n"
               "sonde_agent_spans{outcome=\"not_sampled\"} %llu\n"
               "sonde_agent_spans{outcome=\"live\"} %llu\n"
               "sonde_agent_spans{outcome=\"exported\"} %llu\n"
               "sonde_agent_spans{outcome=\"dropped\"} %llu\n",
               (unsigned long long)s.sampled, (unsigned long long)s.not_sampled,
               (unsigned long long)s.live, (unsigned long long)s.exported,
               (unsigned long long)s.dropped);
}

static void put_journal(struct job *j)
{
    ASSERT(j->api->o.journal != NULL);
    struct journal_stats s;
    struct buf *out = &j->out;
    journal_stats(j->api->o.journal, &s);
    one(out, "sonde_journal_records_total", "counter", "Records made durable since the start.",
        (double)s.records);
    one(out, "sonde_journal_bytes_total", "counter", "Bytes written.", (double)s.bytes);
    one(out, "sonde_journal_syncs_total", "counter", "Syncs: one per group of records.",
        (double)s.syncs);
    one(out, "sonde_journal_failures_total", "counter", "Groups that could not be made durable.",
        (double)s.failures);
    one(out, "sonde_journal_disk_bytes", "gauge", "Size of all segments, spare ones included.",
        (double)s.disk_bytes);
    one(out, "sonde_journal_damaged_segments", "gauge",
        "Segments in which something was missing at the last start.", (double)s.damaged_segments);
    one(out, "sonde_journal_lost_records", "gauge", "Acknowledged records that were lost to that.",
        (double)s.lost_records);
    one(out, "sonde_journal_segments", "gauge", "Segments in use.", (double)s.segments);
}

static void put_store(struct buf *out, const struct store_stats *s)
{
    ASSERT(out != NULL);
    one(out, "sonde_store_hot_spans", "gauge", "Spans in memory that no part holds.",
        (double)s->hot_rows);
    one(out, "sonde_store_hot_bytes", "gauge", "Memory of those spans.", (double)s->hot_bytes);
    one(out, "sonde_store_parts", "gauge", "Parts.", (double)s->parts);
    one(out, "sonde_store_part_spans", "gauge", "Spans in parts.", (double)s->part_rows);
    one(out, "sonde_store_part_bytes", "gauge", "Size of all parts.", (double)s->part_bytes);
    one(out, "sonde_store_flushes_total", "counter", "Parts written from memory.",
        (double)s->flushes);
    one(out, "sonde_store_flush_failures_total", "counter",
        "Flushes that failed and were tried again.", (double)s->flush_failures);
    one(out, "sonde_store_merges_total", "counter", "Merges of parts.", (double)s->merges);
    one(out, "sonde_store_merged_spans_total", "counter", "Spans rewritten by merges.",
        (double)s->merged_rows);
    one(out, "sonde_store_merge_failures_total", "counter", "Rewrites of parts that failed.",
        (double)s->merge_failures);
    one(out, "sonde_store_put_off_merges_total", "counter",
        "Times that writing parts from parts was put off for lack of memory.",
        (double)s->put_off_merges);
    one(out, "sonde_store_expired_parts_total", "counter", "Parts removed by retention.",
        (double)s->expired_parts);
    one(out, "sonde_store_stripped_parts_total", "counter",
        "Parts that retention wrote anew without their error-free traces.",
        (double)s->stripped_parts);
    one(out, "sonde_store_damaged_parts_total", "counter",
        "Parts set aside since they fail their checksums.", (double)s->damaged_parts);
    one(out, "sonde_store_dead_letters", "gauge", "Bad requests and records that are kept.",
        (double)s->dead_letters);
    one(out, "sonde_store_full", "gauge", "1 while the disk is full and requests are refused.",
        s->full ? 1 : 0);
}

static void put_stream(struct buf *out, const struct stream_stats *s)
{
    ASSERT(out != NULL);
    one(out, "sonde_stream_spans_total", "counter",
        "Spans that stream analysis took in, those of the replay included.", (double)s->spans);
    one(out, "sonde_stream_duplicate_spans_total", "counter",
        "Of them, those that their chain had already.", (double)s->duplicates);
    one(out, "sonde_stream_left_out_spans_total", "counter",
        "Of them, those of chains that had 1,048,576 others, which is all that are looked at.",
        (double)s->left_out_spans);
    one(out, "sonde_stream_points_total", "counter",
        "Metric points that passed to the series, those of the replay included.",
        (double)s->points);
    one(out, "sonde_stream_queued_bytes", "gauge", "Batches that wait for stream analysis.",
        (double)s->queued_bytes);
    one(out, "sonde_stream_open_chains", "gauge", "Chains of calls that are open.",
        (double)s->open_chains);
    one(out, "sonde_stream_open_spans", "gauge", "Spans in them.", (double)s->open_spans);
    one(out, "sonde_stream_open_bytes", "gauge", "Memory of them.", (double)s->open_bytes);
    one(out, "sonde_stream_closed_chains_total", "counter", "Chains closed.",
        (double)s->closed_chains);
    one(out, "sonde_stream_spilled_chains_total", "counter",
        "Of them, those closed early for lack of memory.", (double)s->spilled_chains);
    one(out, "sonde_stream_reopened_chains_total", "counter",
        "Of them, those that had been closed before.", (double)s->reopened_chains);
    one(out, "sonde_stream_unjoined_spans_total", "counter",
        "Spans of chains whose earlier spans could not be had, or were too many.",
        (double)s->unjoined_spans);
    one(out, "sonde_stream_names", "gauge", "Services, endpoints, instances and peers known.",
        (double)s->names);
    one(out, "sonde_stream_other_names_total", "counter",
        "Times that a name was one too many and counted as (other).", (double)s->other_names);
    one(out, "sonde_stream_statements", "gauge", "Statements that are kept apart.",
        (double)s->statements);
    one(out, "sonde_stream_other_statements_total", "counter",
        "Calls whose statement was one too many and counted as (other).",
        (double)s->other_statements);
    one(out, "sonde_stream_refused_calls_total", "counter", "Calls that no series had room for.",
        (double)s->refused_calls);
    one(out, "sonde_stream_paths", "gauge", "Paths of entry trees that are told apart.",
        (double)s->paths);
    one(out, "sonde_stream_other_paths_total", "counter",
        "Times that a path was one too many and counted as (other), or not at all.",
        (double)s->other_paths);
    one(out, "sonde_stream_rootless_spans_total", "counter",
        "Spans of chains without a root, which are in no entry's tree.", (double)s->rootless_spans);
}

static void put_keeping(struct buf *out, const struct store_stats *store,
                        const struct stream_stats *stream)
{
    one(out, "sonde_keep_chosen", "gauge",
        "1 while a business line keeps chosen traces alone: what searches find is then a part.",
        stream->chooses ? 1 : 0);
    head(out, "sonde_keep_verdicts_total", "counter",
         "Traces judged, by what keeps them; \"not\": nothing does.");
    for (unsigned i = 0; i < KEEP_WHY_COUNT; i++) {
        buf_printf(out, "sonde_keep_verdicts_total{why=\"%s\"} %llu\n",
                   keep_why_name((enum keep_why)i), (unsigned long long)stream->verdicts[i]);
    }
    one(out, "sonde_keep_other_shapes_total", "counter",
        "Traces of a shape that was one too many in its hour: not kept for being rare.",
        (double)stream->other_shapes);
    one(out, "sonde_store_fresh_parts", "gauge", "Parts out of which traces are yet to be left.",
        (double)store->fresh_parts);
    one(out, "sonde_store_sifted_parts_total", "counter", "Parts from which traces were left out.",
        (double)store->sifted_parts);
    one(out, "sonde_store_sifted_spans_total", "counter", "Spans that they had before.",
        (double)store->sifted_rows);
    one(out, "sonde_store_left_out_traces_total", "counter",
        "Traces left out, in each part that had spans of them.", (double)store->left_out_traces);
    one(out, "sonde_keep_known_fates", "gauge", "Traces of which is known whether they stay.",
        (double)store->fates);
    one(out, "sonde_keep_forgotten_verdicts_total", "counter",
        "Traces that stay since memory for their verdict was too small.",
        (double)store->forgotten_fates);
    one(out, "sonde_keep_partial_traces_total", "counter",
        "Traces that had an error, or were slow, by spans that came after others were left out.",
        (double)store->back_traces);
}

static void put_tiers(struct buf *out, const char *name, const char *help,
                      const uint64_t values[TIER_COUNT])
{
    static const char *const tiers[TIER_COUNT] = {
        [TIER_10S] = "10s", [TIER_1MIN] = "1m", [TIER_1H] = "1h"};
    head(out, name, "gauge", help);
    for (unsigned t = 0; t < TIER_COUNT; t++) {
        ASSERT(tiers[t] != NULL);
        buf_printf(out, "%s{tier=\"%s\"} %llu\n", name, tiers[t], (unsigned long long)values[t]);
    }
}

static void put_exemplars(struct job *j)
{
    struct buf *out = &j->out;
    struct exemplars_stats x;
    ASSERT(j->api->o.exemplars != NULL);
    exemplars_stats(j->api->o.exemplars, &x);
    one(out, "sonde_exemplars_taken_total", "counter",
        "Exemplars of metric points that were taken in, those of the replay included.",
        (double)x.added);
    one(out, "sonde_exemplars_left_out_total", "counter",
        "Exemplars that name no trace, have too much text, or that there was no room for.",
        (double)x.left_out);
    one(out, "sonde_exemplars_waiting", "gauge", "Exemplars in memory that are not written yet.",
        (double)x.waiting);
}

static void put_series(struct job *j)
{
    ASSERT(j->api->o.series != NULL);
    struct series_stats s;
    struct buf *out = &j->out;
    series_stats(j->api->o.series, &s);
    one(out, "sonde_series_indexed", "gauge", "Series in the index.", (double)s.series);
    one(out, "sonde_series_index_bytes", "gauge", "Memory of the index.", (double)s.index_bytes);
    one(out, "sonde_series_refused_total", "counter",
        "Times that a series was refused: a limit was met.", (double)s.refused_series);
    one(out, "sonde_series_forgotten_total", "counter",
        "Series that left the index, since nothing of them was kept any more.",
        (double)s.forgotten_series);
    one(out, "sonde_series_early_samples_total", "counter",
        "Samples left out that came from more than a day ahead.", (double)s.early_samples);
    one(out, "sonde_series_late_samples_total", "counter",
        "Samples too old for a tier, which went without them.", (double)s.late_samples);
    one(out, "sonde_series_head_samples", "gauge", "Samples in memory that no part holds.",
        (double)s.head_samples);
    one(out, "sonde_series_head_bytes", "gauge", "Memory of those samples.", (double)s.head_bytes);
    one(out, "sonde_series_sealed_heads", "gauge", "Heads that wait to be written.",
        (double)s.sealed_heads);
    put_tiers(out, "sonde_series_parts", "Parts, by the width of their slots.", s.parts);
    put_tiers(out, "sonde_series_part_samples", "Samples in parts.", s.part_samples);
    put_tiers(out, "sonde_series_part_bytes", "Size of all parts.", s.part_bytes);
    put_exemplars(j);
    if (j->api->o.families != NULL) {
        one(out, "sonde_metric_families_left_out_total", "counter",
            "Types, units and helps of metrics that there was no room for.",
            (double)families_left_out(j->api->o.families));
    }
    if (j->api->o.agent_counts_refused != NULL) {
        one(out, "sonde_agent_counts_refused_total", "counter",
            "Totals of calls that agents told, and that there was no room to count.",
            (double)j->api->o.agent_counts_refused(j->api->o.ctx));
    }
    one(out, "sonde_series_flushes_total", "counter", "Heads written to parts.", (double)s.flushes);
    one(out, "sonde_series_flush_failures_total", "counter",
        "Flushes that failed and were tried again.", (double)s.flush_failures);
    one(out, "sonde_series_failing", "gauge", "1 while the last flush failed.", s.failing ? 1 : 0);
    one(out, "sonde_series_merges_total", "counter", "Merges of parts.", (double)s.merges);
    one(out, "sonde_series_merge_failures_total", "counter", "Merges that failed.",
        (double)s.merge_failures);
    one(out, "sonde_series_expired_parts_total", "counter", "Parts removed by retention.",
        (double)s.expired_parts);
    one(out, "sonde_series_damaged_parts_total", "counter",
        "Parts set aside since they fail their checksums.", (double)s.damaged_parts);
}

static void put_receive(struct job *j)
{
    static const char *const states[] = {"open", "slow", "shed"};
    ASSERT(j->route->light);
    struct receive_stats s = {0};
    struct buf *out = &j->out;
    MUST(pthread_rwlock_rdlock(&j->api->receive_lock) == 0);
    if (j->api->receive != NULL) {
        receive_stats(j->api->receive, &s);
    }
    MUST(pthread_rwlock_unlock(&j->api->receive_lock) == 0);
    one(out, "sonde_receive_requests_total", "counter", "Requests at the door.",
        (double)s.requests);
    one(out, "sonde_receive_refused_total", "counter", "Requests refused.",
        (double)s.requests_refused);
    one(out, "sonde_receive_spans_total", "counter", "Spans accepted.", (double)s.spans);
    one(out, "sonde_receive_points_total", "counter", "Metric points accepted.", (double)s.points);
    one(out, "sonde_receive_bytes_total", "counter", "Bytes of bodies.", (double)s.bytes);
    one(out, "sonde_receive_open_connections", "gauge", "Connections.", (double)s.open_connections);
    one(out, "sonde_receive_refused_connections_total", "counter",
        "Connections refused: as many were open as may be, or there was no memory; or no file "
        "descriptor, for which one waits that is counted again at each try.",
        (double)s.refused_connections);
    one(out, "sonde_receive_shed_spans_total", "counter",
        "Spans left out because memory stayed short.", (double)s.spans_shed);
    head(out, "sonde_receive_overload_total", "counter",
         "Times that the door began to slow senders down, and to shed.");
    buf_printf(out,
               "sonde_receive_overload_total{state=\"slow\"} %llu\n"
               "sonde_receive_overload_total{state=\"shed\"} %llu\n",
               (unsigned long long)s.slowed, (unsigned long long)s.shed);
    head(out, "sonde_receive_overload", "gauge", "1 for the state that the door is in.");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        bool in = s.overload != NULL ? strcmp(s.overload, states[i]) == 0 : i == 0;
        buf_printf(out, "sonde_receive_overload{state=\"%s\"} %d\n", states[i], in ? 1 : 0);
    }
    head(out, "sonde_receive_ack_seconds", "summary",
         "Whole request to acknowledgement, over the last minute.");
    buf_printf(out, "sonde_receive_ack_seconds{quantile=\"0.5\"} %.9f\n",
               (double)s.ack_p50_ns / 1e9);
    buf_printf(out, "sonde_receive_ack_seconds{quantile=\"0.99\"} %.9f\n",
               (double)s.ack_p99_ns / 1e9);
}

static void put_scrape(struct job *j)
{
    struct scrape_stats s = {0};
    struct buf *out = &j->out;
    if (j->api->o.scrape_stats == NULL) {
        return;
    }
    j->api->o.scrape_stats(j->api->o.ctx, &s);
    ASSERT(s.targets <= SCRAPE_TARGETS_MAX);
    one(out, "sonde_scrape_targets", "gauge", "Targets that are scraped.", (double)s.targets);
    one(out, "sonde_scrape_targets_up", "gauge", "Of them, those whose last scrape did not fail.",
        (double)s.targets_up);
    one(out, "sonde_scrape_targets_left_out", "gauge", "Targets beyond the most that are taken.",
        (double)s.targets_left_out);
    one(out, "sonde_scrape_scrapes_total", "counter", "Scrapes that ended.", (double)s.scrapes);
    head(out, "sonde_scrape_failures_total", "counter", "Scrapes that failed.");
    for (unsigned i = 0; i < SCRAPE_FAILURE_COUNT; i++) {
        buf_printf(out, "sonde_scrape_failures_total{reason=\"%s\"} %llu\n",
                   scrape_failure_name((enum scrape_failure)i), (unsigned long long)s.failures[i]);
    }
    one(out, "sonde_scrape_samples_total", "counter", "Samples of targets.", (double)s.samples);
    one(out, "sonde_scrape_repeated_samples_total", "counter",
        "Samples left out, as the same answer had one of the same series.", (double)s.repeated);
    one(out, "sonde_scrape_late_total", "counter",
        "Scrapes left out, as the one before was not through.", (double)s.late);
    one(out, "sonde_scrape_files", "gauge", "Files of targets.", (double)s.files);
    one(out, "sonde_scrape_bad_files", "gauge", "Of them, those that are bad now.",
        (double)s.bad_files);
    one(out, "sonde_scrape_files_left_out", "gauge",
        "Files of targets beyond the 256 that are read.", (double)s.files_left_out);
    one(out, "sonde_scrape_file_errors_total", "counter", "Times that a changed file was bad.",
        (double)s.file_errors);
}

static void put_process(struct job *j)
{
    struct budget *b = j->api->o.budget;
    struct buf *out = &j->out;
    ASSERT(b != NULL);
    one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
        (double)process_resident_bytes());
    one(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
        (double)clock_cpu_ns() / 1e9);
    one(out, "process_start_time_seconds", "gauge", "Start, seconds since 1970.",
        (double)j->api->started_ns / 1e9);
    one(out, "sonde_memory_process_limit_bytes", "gauge", "memory.limit.",
        (double)b->process_bytes);
    one(out, "sonde_memory_limit_bytes", "gauge", "Of it, what the budget may hold.",
        (double)b->limit_bytes);
    one(out, "sonde_memory_peak_bytes", "gauge", "Most that the budget ever held.",
        (double)atomic_load(&b->peak));
    head(out, "sonde_memory_used_bytes", "gauge", "What the budget holds, by account.");
    for (unsigned i = 0; i < ACCOUNT_COUNT; i++) {
        buf_printf(out, "sonde_memory_used_bytes{account=\"%s\"} %zu\n",
                   account_name((enum account)i), (size_t)atomic_load(&b->used[i]));
    }
    one(out, "sonde_api_refused_connections_total", "counter",
        "Connections to the API refused, for the same reasons as those to receivers.",
        (double)atomic_load(&http_server_stats(j->api->server)->refused_connections));
    one(out, "sonde_api_queries_total", "counter", "API requests that ran.",
        (double)atomic_load(&j->api->queries));
    one(out, "sonde_api_query_failures_total", "counter", "API requests that failed.",
        (double)atomic_load(&j->api->query_failures));
    one(out, "sonde_api_query_cancels_total", "counter", "API requests whose client went away.",
        (double)atomic_load(&j->api->query_cancels));
}

void api_metrics(struct job *j)
{
    struct store_stats store;
    struct stream_stats stream;
    ASSERT(j->out.n == 0); // the exposition is the whole answer
    j->content_type = "text/plain; version=0.0.4; charset=utf-8";
    head(&j->out, "sonde_build_info", "gauge", "Version.");
    buf_printf(&j->out, "sonde_build_info{version=\"%s\",commit=\"%s\"} 1\n", j->api->o.version,
               j->api->o.commit);
    put_ledger(j);
    put_agents(j);
    put_journal(j);
    store_stats(j->api->o.store, &store);
    stream_stats(j->api->o.stream, &stream);
    put_store(&j->out, &store);
    put_stream(&j->out, &stream);
    put_keeping(&j->out, &store, &stream);
    put_series(j);
    put_receive(j);
    put_scrape(j);
    put_process(j);
}
