// SPDX-License-Identifier: Apache-2.0
// Purpose: what the server says of itself in JSON: status, ledger, store, configuration, dead
// letters, health; and the decoding of trace IDs.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/process.h"
#include "wire/base64.h"

#define PARTS_LISTED 1000

// ---- Status -------------------------------------------------------------------------------------

static void put_memory(struct json_writer *w, struct budget *b)
{
    ASSERT(b->soft_bytes < b->limit_bytes);
    json_put_key(w, "memory");
    json_put_object(w);
    put_u64(w, "process_limit_bytes", b->process_bytes);
    put_u64(w, "limit_bytes", b->limit_bytes);
    put_u64(w, "soft_bytes", b->soft_bytes);
    put_u64(w, "used_bytes", atomic_load(&b->total));
    put_u64(w, "peak_bytes", atomic_load(&b->peak));
    put_u64(w, "rss_bytes", process_resident_bytes());
    json_put_key(w, "accounts");
    json_put_object(w);
    for (unsigned i = 0; i < ACCOUNT_COUNT; i++) {
        put_u64(w, account_name((enum account)i), atomic_load(&b->used[i]));
    }
    json_put_object_end(w);
    json_put_object_end(w);
}

static void put_journal(struct json_writer *w, const struct api *a)
{
    struct journal_stats s;
    journal_stats(a->o.journal, &s);
    json_put_key(w, "journal");
    json_put_object(w);
    put_str(w, "sync", str_of(a->o.journal_sync));
    put_u64(w, "records", s.records);
    put_u64(w, "bytes", s.bytes);
    put_u64(w, "syncs", s.syncs);
    put_u64(w, "first_seq", s.first_seq);
    put_u64(w, "last_seq", s.last_seq);
    put_u64(w, "segments", s.segments);
    put_u64(w, "disk_bytes", s.disk_bytes);
    put_u64(w, "disk_bytes_max", s.disk_bytes_max);
    put_u64(w, "torn_bytes", s.torn_bytes);
    put_u64(w, "damaged_segments", s.damaged_segments);
    put_u64(w, "lost_records", s.lost_records);
    put_u64(w, "doubtful_records", s.doubtful_records);
    put_u64(w, "failures", s.failures);
    json_put_object_end(w);
}

static void put_store(struct json_writer *w, const struct store_stats *s)
{
    json_put_key(w, "store");
    json_put_object(w);
    put_u64(w, "hot_rows", s->hot_rows);
    put_u64(w, "hot_bytes", s->hot_bytes);
    put_u64(w, "parts", s->parts);
    put_u64(w, "part_rows", s->part_rows);
    put_u64(w, "part_bytes", s->part_bytes);
    put_u64(w, "flushes", s->flushes);
    put_u64(w, "merges", s->merges);
    put_bool(w, "merging", s->merging);
    put_u64(w, "merged_rows", s->merged_rows);
    put_u64(w, "expired_parts", s->expired_parts);
    put_u64(w, "stripped_parts", s->stripped_parts);
    put_u64(w, "damaged_parts", s->damaged_parts);
    put_u64(w, "flush_failures", s->flush_failures);
    put_u64(w, "merge_failures", s->merge_failures);
    put_u64(w, "put_off_merges", s->put_off_merges);
    put_u64(w, "dead_letters", s->dead_letters);
    put_bool(w, "full", s->full);
    json_put_object_end(w);
}

static void put_stream(struct json_writer *w, const struct stream_stats *s)
{
    json_put_key(w, "stream");
    json_put_object(w);
    put_u64(w, "spans", s->spans);
    put_u64(w, "duplicate_spans", s->duplicates);
    put_u64(w, "left_out_spans", s->left_out_spans);
    put_u64(w, "points", s->points);
    put_u64(w, "queued_bytes", s->queued_bytes);
    put_u64(w, "open_chains", s->open_chains);
    put_u64(w, "open_spans", s->open_spans);
    put_u64(w, "open_bytes", s->open_bytes);
    put_u64(w, "closed_chains", s->closed_chains);
    put_u64(w, "spilled_chains", s->spilled_chains);
    put_u64(w, "reopened_chains", s->reopened_chains);
    put_u64(w, "unjoined_spans", s->unjoined_spans);
    put_u64(w, "names", s->names);
    put_u64(w, "other_names", s->other_names);
    put_u64(w, "statements", s->statements);
    put_u64(w, "other_statements", s->other_statements);
    put_u64(w, "refused_calls", s->refused_calls);
    put_u64(w, "paths", s->paths);
    put_u64(w, "other_paths", s->other_paths);
    put_u64(w, "rootless_spans", s->rootless_spans);
    json_put_object_end(w);
}

static void put_keeping(struct json_writer *w, const struct store_stats *store,
                        const struct stream_stats *stream)
{
    json_put_key(w, "keeping");
    json_put_object(w);
    put_bool(w, "chosen", stream->chooses);
    json_put_key(w, "verdicts");
    json_put_object(w);
    for (unsigned i = 0; i < KEEP_WHY_COUNT; i++) {
        put_u64(w, keep_why_name((enum keep_why)i), stream->verdicts[i]);
    }
    json_put_object_end(w);
    put_u64(w, "fresh_parts", store->fresh_parts);
    put_u64(w, "sifted_parts", store->sifted_parts);
    put_u64(w, "sifted_rows", store->sifted_rows);
    put_u64(w, "left_out_traces", store->left_out_traces);
    put_u64(w, "known_fates", store->fates);
    put_u64(w, "forgotten_verdicts", store->forgotten_fates);
    put_u64(w, "partial_traces", store->back_traces);
    put_u64(w, "other_shapes", stream->other_shapes);
    json_put_object_end(w);
}

static void put_series(struct json_writer *w, const struct api *a)
{
    struct series_stats s;
    series_stats(a->o.series, &s);
    uint64_t parts = 0, samples = 0, bytes = 0;
    for (unsigned t = 0; t < TIER_COUNT; t++) {
        parts += s.parts[t];
        samples += s.part_samples[t];
        bytes += s.part_bytes[t];
    }
    json_put_key(w, "series");
    json_put_object(w);
    put_u64(w, "series", s.series);
    put_u64(w, "index_bytes", s.index_bytes);
    put_u64(w, "refused_series", s.refused_series);
    put_u64(w, "forgotten_series", s.forgotten_series);
    put_u64(w, "early_samples", s.early_samples);
    put_u64(w, "late_samples", s.late_samples);
    put_u64(w, "head_samples", s.head_samples);
    put_u64(w, "head_bytes", s.head_bytes);
    put_u64(w, "sealed_heads", s.sealed_heads);
    put_u64(w, "parts", parts);
    put_u64(w, "part_samples", samples);
    put_u64(w, "part_bytes", bytes);
    put_u64(w, "flushes", s.flushes);
    put_u64(w, "flush_failures", s.flush_failures);
    put_u64(w, "merges", s.merges);
    put_u64(w, "merge_failures", s.merge_failures);
    put_u64(w, "expired_parts", s.expired_parts);
    put_u64(w, "damaged_parts", s.damaged_parts);
    put_u64(w, "last_seq", s.seq);
    put_bool(w, "failing", s.failing);
    json_put_object_end(w);
}

static void put_receive(struct json_writer *w, const struct receive *r)
{
    struct receive_stats s = {0};
    if (r != NULL) {
        receive_stats(r, &s);
        ASSERT(s.overload != NULL);
    }
    json_put_key(w, "receive");
    json_put_object(w);
    put_u64(w, "requests", s.requests);
    put_u64(w, "requests_refused", s.requests_refused);
    put_u64(w, "spans", s.spans);
    put_u64(w, "points", s.points);
    put_u64(w, "bytes", s.bytes);
    put_u64(w, "ack_p50_ns", s.ack_p50_ns);
    put_u64(w, "ack_p99_ns", s.ack_p99_ns);
    put_u64(w, "open_connections", s.open_connections);
    json_put_key(w, "overload");
    json_put_object(w);
    put_str(w, "state", str_of(s.overload != NULL ? s.overload : "open"));
    put_u64(w, "state_ms", s.overload_ms);
    put_u64(w, "slowed", s.slowed);
    put_u64(w, "shed", s.shed);
    put_u64(w, "spans_shed", s.spans_shed);
    json_put_object_end(w);
    json_put_object_end(w);
}

static void put_addresses(struct json_writer *w, const struct api *a, const struct receive *r)
{
    json_put_key(w, "addresses");
    json_put_object(w);
    put_str(w, "http", str_of(api_address(a)));
    if (r != NULL && receive_grpc_address(r) != NULL) {
        put_str(w, "otlp_grpc", str_of(receive_grpc_address(r)));
    }
    if (r != NULL && receive_http_address(r) != NULL) {
        put_str(w, "otlp_http", str_of(receive_http_address(r)));
    }
    json_put_object_end(w);
}

// With receive_lock held.
static const char *why_not_ready(const struct api *a)
{
    ASSERT(a->o.trouble != NULL);
    return a->receive == NULL ? "starting: the journal is being replayed" : a->o.trouble(a->o.ctx);
}

void api_status(struct job *j)
{
    struct api *a = j->api;
    struct store_stats store;
    struct stream_stats stream;
    struct json_writer w;
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_str(&w, "version", str_of(a->o.version));
    put_str(&w, "commit", str_of(a->o.commit));
    put_u64(&w, "started_unix_ms", a->started_ns / NS_PER_MS);
    put_u64(&w, "now_unix_ms", clock_wall_ns() / NS_PER_MS);
    json_put_key(&w, "timezone_offset_minutes");
    json_put_i64(&w, local.tm_gmtoff / 60);
    put_str(&w, "timezone", str_of(local.tm_zone));
    put_memory(&w, a->o.budget);
    put_journal(&w, a);
    store_stats(a->o.store, &store);
    stream_stats(a->o.stream, &stream);
    put_store(&w, &store);
    put_stream(&w, &stream);
    put_keeping(&w, &store, &stream);
    put_series(&w, a);
    MUST(pthread_rwlock_rdlock(&a->receive_lock) == 0);
    put_bool(&w, "ready", why_not_ready(a) == NULL);
    put_addresses(&w, a, a->receive);
    put_receive(&w, a->receive);
    MUST(pthread_rwlock_unlock(&a->receive_lock) == 0);
    json_put_object_end(&w);
}

void health_respond(struct http_request *r)
{
    const struct http_header headers[] = {
        {STR("content-type"), STR("text/plain; charset=utf-8")},
        {STR("cache-control"), STR("no-store")},
    };
    http_respond_lent(r, 200, headers, 2, STR("ok\n"));
}

void api_ready(struct job *j)
{
    MUST(pthread_rwlock_rdlock(&j->api->receive_lock) == 0);
    const char *why = why_not_ready(j->api);
    MUST(pthread_rwlock_unlock(&j->api->receive_lock) == 0);
    j->content_type = "text/plain; charset=utf-8";
    j->status = why == NULL ? 200 : 503;
    buf_add_str(&j->out, str_of(why == NULL ? "ready" : why));
    buf_add_byte(&j->out, '\n');
}

// ---- Ledger -------------------------------------------------------------------------------------

struct ledger_row {
    enum signal signal;
    struct str service;
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t reasons[REASON_COUNT];
};

struct ledger_rows {
    struct arena *arena;
    struct ledger_row *rows;
    size_t count, capacity;
};

// Cells come ordered by signal and service.
static void take_cell(void *ctx, const struct ledger_cell *cell)
{
    struct ledger_rows *l = ctx;
    struct ledger_row *row = l->count > 0 ? &l->rows[l->count - 1] : NULL;
    ASSERT(cell->outcome < OUTCOME_COUNT && cell->reason < REASON_COUNT);
    if (row == NULL || row->signal != cell->signal || !str_eq(row->service, cell->service)) {
        l->rows = mem_grow(l->rows, &l->capacity, l->count + 1, sizeof *l->rows);
        row = &l->rows[l->count++];
        *row = (struct ledger_row){.signal = cell->signal,
                                   .service = arena_str(l->arena, cell->service)};
    }
    row->outcomes[cell->outcome] += cell->count;
    row->reasons[cell->reason] += cell->outcome == OUTCOME_DROPPED ? cell->count : 0;
}

static void put_ledger_row(struct json_writer *w, const struct ledger_row *row)
{
    uint64_t gone = 0;
    for (unsigned o = OUTCOME_STORED; o < OUTCOME_COUNT; o++) {
        gone += row->outcomes[o];
    }
    uint64_t received = row->outcomes[OUTCOME_RECEIVED];
    json_put_object(w);
    put_str(w, "signal", str_of(signal_name(row->signal)));
    put_str(w, "service", row->service);
    put_u64(w, "received", received);
    put_u64(w, "stored", row->outcomes[OUTCOME_STORED]);
    put_u64(w, "pending", received >= gone ? received - gone : 0);
    put_u64(w, "sampled", row->outcomes[OUTCOME_SAMPLED]);
    put_u64(w, "expired", row->outcomes[OUTCOME_EXPIRED]);
    json_put_key(w, "dropped");
    json_put_object(w);
    for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        if (row->reasons[r] > 0) {
            put_u64(w, reason_name((enum reason)r), row->reasons[r]);
        }
    }
    json_put_object_end(w);
    put_bool(w, "balanced", received >= gone);
    json_put_object_end(w);
}

static void put_agent(void *ctx, const struct span_flow *f, uint64_t heard_unix_ns)
{
    struct json_writer *w = ctx;
    json_put_object(w);
    put_str(w, "service", f->service);
    put_str(w, "instance", f->instance);
    put_str(w, "sdk", f->sdk);
    put_u64(w, "started", f->sampled + f->not_sampled);
    put_u64(w, "not_sampled", f->not_sampled);
    put_u64(w, "live", f->live);
    put_u64(w, "exported", f->exported);
    json_put_key(w, "dropped");
    json_put_object(w);
    for (unsigned i = 0; i < f->dropped_count; i++) {
        if (f->dropped[i].count > 0) {
            json_put_key_str(w, f->dropped[i].name);
            json_put_u64(w, f->dropped[i].count);
        }
    }
    json_put_object_end(w);
    put_u64(w, "heard_unix_ms", heard_unix_ns / NS_PER_MS);
    json_put_object_end(w);
}

void api_ledger(struct job *j)
{
    struct ledger_rows l = {.arena = &j->arena};
    struct json_writer w;
    ledger_each(j->api->o.ledger, take_cell, &l);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "rows");
    json_put_array(&w);
    for (size_t i = 0; i < l.count; i++) {
        put_ledger_row(&w, &l.rows[i]);
    }
    json_put_array_end(&w);
    json_put_key(&w, "agents");
    json_put_array(&w);
    agents_each(ledger_agents(j->api->o.ledger), put_agent, &w);
    json_put_array_end(&w);
    json_put_object_end(&w);
    mem_free(l.rows);
}

// ---- Store --------------------------------------------------------------------------------------

struct line_sum {
    struct str line;
    uint64_t parts, rows, bytes, min_ns, max_ns;
};

struct part_walk {
    struct json_writer *w;
    struct arena *arena;
    struct line_sum lines[STORE_LINES_MAX];
    size_t line_count, listed;
};

static void take_part(void *ctx, const struct store_part_info *info)
{
    struct part_walk *p = ctx;
    const struct part_meta *m = info->meta;
    ASSERT(p->line_count <= STORE_LINES_MAX);
    size_t i = 0;
    while (i < p->line_count && !str_eq(p->lines[i].line, m->line)) {
        i++;
    }
    if (i == p->line_count && i < STORE_LINES_MAX) {
        p->lines[p->line_count++] =
            (struct line_sum){.line = arena_str(p->arena, m->line), .min_ns = UINT64_MAX};
    }
    if (i < STORE_LINES_MAX) {
        struct line_sum *l = &p->lines[i];
        l->parts++;
        l->rows += m->rows;
        l->bytes += m->file_bytes;
        l->min_ns = m->min_start_ns < l->min_ns ? m->min_start_ns : l->min_ns;
        l->max_ns = m->max_start_ns > l->max_ns ? m->max_start_ns : l->max_ns;
    }
    if (p->listed++ >= PARTS_LISTED) {
        return;
    }
    json_put_object(p->w);
    put_u64(p->w, "id", info->id);
    put_str(p->w, "line", m->line);
    put_u64(p->w, "level", info->level);
    put_bool(p->w, "stripped", info->stripped);
    put_bool(p->w, "fresh", info->fresh);
    put_u64(p->w, "rows", m->rows);
    put_u64(p->w, "bytes", m->file_bytes);
    put_ms(p->w, "min_time_unix_ms", m->min_start_ns);
    put_ms(p->w, "max_time_unix_ms", m->max_start_ns);
    json_put_object_end(p->w);
}

static void put_line(struct json_writer *w, const struct api *a, const struct line_sum *l)
{
    struct store_retention keep = {0};
    ASSERT(l->parts > 0);
    if (a->o.retention != NULL) {
        keep = a->o.retention(a->o.ctx, l->line);
    }
    json_put_object(w);
    put_str(w, "line", l->line);
    put_u64(w, "parts", l->parts);
    put_u64(w, "rows", l->rows);
    put_u64(w, "bytes", l->bytes);
    put_ms(w, "min_time_unix_ms", l->min_ns);
    put_ms(w, "max_time_unix_ms", l->max_ns);
    json_put_key(w, "retention");
    json_put_object(w);
    put_u64(w, "age_ms", keep.age_ms);
    put_u64(w, "errors_age_ms", keep.errors_age_ms);
    put_u64(w, "bytes", keep.bytes);
    json_put_object_end(w);
    json_put_object_end(w);
}

void api_store(struct job *j)
{
    struct json_writer w;
    struct part_walk *p = arena_new(&j->arena, 1, sizeof *p);
    p->w = &w;
    p->arena = &j->arena;
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "parts");
    json_put_array(&w);
    store_each_part(j->api->o.store, take_part, p);
    json_put_array_end(&w);
    json_put_key(&w, "lines");
    json_put_array(&w);
    for (size_t i = 0; i < p->line_count; i++) {
        put_line(&w, j->api, &p->lines[i]);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
}

// ---- Configuration, dead letters, trace IDs --------------------------------------------------

#define SETTINGS_MAX 128

void api_config(struct job *j)
{
    const struct api_options *o = &j->api->o;
    struct api_setting settings[SETTINGS_MAX];
    size_t count = o->settings != NULL ? o->settings(o->ctx, settings, SETTINGS_MAX) : 0;
    struct json_writer w;
    ASSERT(count <= SETTINGS_MAX);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_str(&w, "file", str_of(o->config_file));
    json_put_key(&w, "settings");
    json_put_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_put_object(&w);
        put_str(&w, "key", str_of(settings[i].key));
        put_str(&w, "value", str_of(settings[i].value));
        put_str(&w, "default", str_of(settings[i].standard));
        put_str(&w, "source", str_of(settings[i].source));
        put_bool(&w, "reloadable", settings[i].reloadable);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
}

static void put_letter(void *ctx, uint64_t id, const struct dead_letter *letter)
{
    struct json_writer *w = ctx;
    json_put_object(w);
    put_u64(w, "id", id);
    put_ms(w, "received_unix_ms", letter->received_ns);
    put_str(w, "signal", str_of(signal_name(letter->signal)));
    put_str(w, "reason", str_of(reason_name(letter->reason)));
    put_str(w, "protocol", letter->protocol);
    put_str(w, "peer", letter->peer);
    put_str(w, "message", letter->message);
    put_u64(w, "offset", letter->offset);
    put_u64(w, "records", letter->records);
    json_put_key(w, "body_base64");
    struct buf *out = json_put_raw(w);
    buf_add_byte(out, '"');
    base64_encode(letter->body, out);
    buf_add_byte(out, '"');
    put_u64(w, "body_bytes", letter->body.n);
    json_put_object_end(w);
}

void api_dead_letters(struct job *j)
{
    uint64_t limit;
    struct json_writer w;
    if (!job_number(j, PARAM_LIMIT, 50, 1, 1000, &limit)) {
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "letters");
    json_put_array(&w);
    enum err e = store_dead_letters(j->api->o.store, (size_t)limit, put_letter, &w);
    if (e != ERR_OK) {
        job_fail(j, e);
        return;
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
}

void api_trace_id(struct job *j)
{
    trace_id id;
    bool plausible;
    struct json_writer w;
    if (trace_id_parse(j->path_param, &id) != ERR_OK) {
        job_error(j, 400, "a trace ID has 32 hexadecimal digits");
        return;
    }
    struct trace_id_parts p = trace_id_decode(id, clock_wall_ns() / NS_PER_MS, &plausible);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_trace_id(&w, "trace_id", id);
    put_bool(&w, "plausible", plausible);
    put_u64(&w, "time_unix_ms", p.unix_ms);
    put_str(&w, "ipv4",
            arena_printf(&j->arena, "%u.%u.%u.%u", p.ipv4 >> 24, p.ipv4 >> 16 & 255,
                         p.ipv4 >> 8 & 255, p.ipv4 & 255));
    put_u64(&w, "pid", p.pid);
    put_u64(&w, "environment", p.environment);
    put_u64(&w, "counter", p.counter);
    json_put_object_end(&w);
}
