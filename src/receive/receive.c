// SPDX-License-Identifier: Apache-2.0
// Purpose: starting and stopping the door: shards, their threads and listeners, and the statistics.
#include "receive/receive.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "receive/internal.h"

// ---- A shard's thread ---------------------------------------------------------------------------

void shard_maybe_end(struct shard *s)
{
    ASSERT(s->servers_open >= 0);
    if (s->stopping && s->servers_open == 0 && shard_is_idle(s)) {
        loop_stop(s->loop);
    }
}

static void on_server_stopped(void *ctx)
{
    struct shard *s = ctx;
    ASSERT(s->servers_open > 0);
    s->servers_open--;
    shard_maybe_end(s);
}

static void stop_shard(struct loop_task *task)
{
    struct shard *s = (struct shard *)((char *)task - offsetof(struct shard, stop));
    ASSERT(!s->stopping);
    s->stopping = true;
    health_done(s);
    if (s->grpc != NULL) {
        http_server_stop(s->grpc, STOP_GRACE_MS, on_server_stopped, s);
    }
    if (s->http != NULL) {
        http_server_stop(s->http, STOP_GRACE_MS, on_server_stopped, s);
    }
}

static void *run_shard(void *arg)
{
    struct shard *s = arg;
    ASSERT(s->loop != NULL);
    loop_run(s->loop);
    return NULL;
}

// ---- Starting -----------------------------------------------------------------------------------

static size_t connections_of_listener(const struct receive *r)
{
    size_t all = r->options.connections_max;
    ASSERT(r->shard_count > 0);
    return all == 0 ? 0 : all < r->shard_count ? 1 : all / r->shard_count;
}

static enum err open_server(struct shard *s, const char *address, struct http_server **ret_server,
                            struct err_at *ret_at)
{
    const struct receive_options *o = &s->receive->options;
    struct http_server_options options = {
        .loop = s->loop,
        .address = address,
        .reuse_port = s->receive->shard_count > 1,
        .tls = o->tls,
        .handler = receive_handler,
        .budget = o->budget,
        .body_bytes_max = o->body_bytes_max,
        .connections_max = connections_of_listener(s->receive),
    };
    ASSERT(address != NULL);
    options.handler.ctx = s;
    enum err e = http_server_new(&options, ret_server, ret_at);
    if (e == ERR_OK) {
        s->servers_open++;
    }
    return e;
}

static char *copy_string(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = mem_alloc(n);
    memcpy(copy, text, n);
    return copy;
}

// What decompressing and translating take for the request at hand.
static bool scratch_take(struct mem_source *source, size_t bytes)
{
    struct shard *s = (struct shard *)((char *)source - offsetof(struct shard, scratch_room));
    s->is_too_large = s->body_has + s->scratch.held_bytes + bytes > s->receive->request_memory_max;
    ASSERT(s->receive->request_memory_max > 0);
    return !s->is_too_large && meter_take(&s->scratch, bytes);
}

static void scratch_give(struct mem_source *source, size_t bytes)
{
    struct shard *s = (struct shard *)((char *)source - offsetof(struct shard, scratch_room));
    ASSERT(bytes <= s->scratch.held_bytes);
    meter_give(&s->scratch, bytes);
}

// Opens one shard's listeners; the first shard finds the ports, the others share them.
static enum err open_shard(struct receive *r, struct shard *s, struct err_at *ret_at)
{
    const struct receive_options *o = &r->options;
    enum err e = ERR_OK;
    s->receive = r;
    s->loop = loop_new();
    health_init(s);
    s->stop.run = stop_shard;
    s->latency_from_ns = clock_mono_ns();
    meter_init(&s->scratch, o->budget, ACCOUNT_BODIES);
    s->scratch_room = (struct mem_source){scratch_take, scratch_give};
    buf_init_from(&s->plain, o->body_bytes_max, &s->scratch_room);
    buf_init_from(&s->protobuf, o->body_bytes_max, &s->scratch_room);
    buf_init_from(&s->offsets, 4 * o->body_bytes_max, &s->scratch_room); // "{}," has three bytes
    MUST(pthread_mutex_init(&s->latency_lock, NULL) == 0);
    loop_on_turn_end(s->loop, shard_turn_end, s);
    if (o->otlp_grpc_address != NULL) {
        const char *at = r->grpc_address != NULL ? r->grpc_address : o->otlp_grpc_address;
        e = open_server(s, at, &s->grpc, ret_at);
        if (e == ERR_OK && r->grpc_address == NULL) {
            r->grpc_address = copy_string(http_server_address(s->grpc));
        }
    }
    if (e == ERR_OK && o->otlp_http_address != NULL) {
        const char *at = r->http_address != NULL ? r->http_address : o->otlp_http_address;
        e = open_server(s, at, &s->http, ret_at);
        if (e == ERR_OK && r->http_address == NULL) {
            r->http_address = copy_string(http_server_address(s->http));
        }
    }
    ASSERT(e != ERR_OK || s->servers_open > 0);
    return e;
}

static void close_shard(struct shard *s)
{
    ASSERT(s->servers_open == 0);
    loop_free(s->loop);
    http_server_free(s->grpc);
    http_server_free(s->http);
    shard_done(s);
}

static void receive_free(struct receive *r)
{
    for (size_t i = 0; i < r->shard_count; i++) {
        if (r->shards[i].loop != NULL) {
            close_shard(&r->shards[i]);
        }
    }
    ASSERT(r->shards != NULL);
    mem_free(r->shards);
    mem_free(r->overload);
    mem_free(r->token);
    mem_free(r->grpc_address);
    mem_free(r->http_address);
    mem_free(r);
}

size_t receive_shard_count(size_t wanted)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = wanted > 0 ? wanted : cores > 0 ? (size_t)cores : 1;
    ASSERT(count > 0);
    return count < SHARDS_MAX ? count : SHARDS_MAX;
}

static uint64_t to_ns(uint64_t ms)
{
    const uint64_t most_ms = UINT64_MAX / 2 / NS_PER_MS; // as good as never
    return (ms < most_ms ? ms : most_ms) * NS_PER_MS;
}

static struct receive *receive_new(const struct receive_options *options)
{
    struct receive *r = mem_new(1, sizeof *r);
    ASSERT(options->token.n == 0 || options->token.p != NULL);
    r->options = *options;
    if (r->options.body_bytes_max == 0) {
        r->options.body_bytes_max = (size_t)64 << 20;
    }
    if (r->options.record_bytes_max == 0) {
        r->options.record_bytes_max = JOURNAL_RECORD_MAX;
    }
    MUST(r->options.record_bytes_max <= JOURNAL_RECORD_MAX);
    // A body that cannot fit even an idle server must not be told to come back.
    size_t most = options->budget->limit_bytes / BODY_SHARE;
    if (r->options.body_bytes_max > most) {
        r->options.body_bytes_max = most;
    }
    // As much is free now and then: above soft_bytes no request is let in, and the others end.
    r->request_memory_max = options->budget->soft_bytes;
    r->overload = mem_new(1, sizeof *r->overload);
    overload_init(r->overload, options->budget->limit_bytes, options->budget->soft_bytes,
                  to_ns(options->shed_after_ms), to_ns(options->slow_trace_ms));
    r->token = mem_new(options->token.n + 1, 1);
    if (options->token.n > 0) {
        memcpy(r->token, options->token.p, options->token.n);
    }
    r->options.token = (struct str){r->token, options->token.n};
    r->shard_count = receive_shard_count(options->shards);
    r->shards = mem_new(r->shard_count, sizeof *r->shards);
    return r;
}

// Ends loops that no thread has run: their servers are stopped in place.
static void unwind(struct receive *r)
{
    for (size_t i = 0; i < r->shard_count; i++) {
        struct shard *s = &r->shards[i];
        ASSERT(s->in_flight == 0);
        if (s->loop != NULL && s->servers_open > 0) {
            loop_post(s->loop, &s->stop);
            loop_run(s->loop);
        }
    }
    receive_free(r);
}

enum err receive_start(const struct receive_options *options, struct receive **ret_receive,
                       struct err_at *ret_at)
{
    MUST(options->journal != NULL && options->budget != NULL && options->ledger != NULL);
    MUST(options->otlp_grpc_address != NULL || options->otlp_http_address != NULL);
    struct receive *r = receive_new(options);
    for (size_t i = 0; i < r->shard_count; i++) {
        enum err e = open_shard(r, &r->shards[i], ret_at);
        if (e != ERR_OK) {
            unwind(r);
            return e;
        }
    }
    for (size_t i = 0; i < r->shard_count; i++) {
        struct shard *s = &r->shards[i];
        MUST(pthread_create(&s->thread, NULL, run_shard, s) == 0);
    }
    *ret_receive = r;
    return ERR_OK;
}

const char *receive_grpc_address(const struct receive *r)
{
    ASSERT(r != NULL);
    return r->grpc_address;
}

const char *receive_http_address(const struct receive *r)
{
    ASSERT(r != NULL);
    return r->http_address;
}

void receive_stop(struct receive *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->shard_count; i++) {
        loop_post(r->shards[i].loop, &r->shards[i].stop);
    }
    for (size_t i = 0; i < r->shard_count; i++) {
        MUST(pthread_join(r->shards[i].thread, NULL) == 0);
    }
    receive_free(r);
}

static void take_put(struct loop_task *task)
{
    struct put *p = (struct put *)((char *)task - offsetof(struct put, task));
    ASSERT(p->batch != NULL && !p->batch->sealed);
    shard_put(p);
}

void receive_put(struct receive *r, struct batch *b, void (*done)(void *ctx, enum err result),
                 void *ctx)
{
    struct put *p = mem_new(1, sizeof *p);
    ASSERT(b->point_count > 0 || b->span_count > 0);
    *p = (struct put){
        .task = {.run = take_put}, .shard = &r->shards[0], .batch = b, .done = done, .ctx = ctx};
    loop_post(p->shard->loop, &p->task);
}

// ---- Statistics ---------------------------------------------------------------------------------

static void add_connections(struct receive_stats *stats, const struct http_server *s)
{
    ASSERT(stats != NULL);
    if (s != NULL) {
        stats->open_connections += atomic_load(&http_server_stats(s)->open_connections);
        stats->refused_connections += atomic_load(&http_server_stats(s)->refused_connections);
    }
}

static void merge_latency(struct shard *s, struct sketch *into)
{
    MUST(pthread_mutex_lock(&s->latency_lock) == 0);
    uint64_t age_ns = clock_mono_ns() - s->latency_from_ns;
    if (age_ns <= 2 * LATENCY_WINDOW_NS) {
        sketch_merge(into, &s->latency[0]);
    }
    if (age_ns <= LATENCY_WINDOW_NS) {
        sketch_merge(into, &s->latency[1]);
    }
    MUST(pthread_mutex_unlock(&s->latency_lock) == 0);
}

static void put_overload(const struct receive *r, struct receive_stats *stats)
{
    struct overload *o = r->overload;
    uint64_t since_ns, now_ns = clock_mono_ns();
    ASSERT(o != NULL);
    enum overload_state state = overload_state(o, &since_ns);
    stats->overload = overload_state_name(state);
    stats->overload_ms = since_ns == 0 || now_ns < since_ns ? 0 : (now_ns - since_ns) / NS_PER_MS;
    stats->slowed = atomic_load(&o->entered[OVERLOAD_SLOW]);
    stats->shed = atomic_load(&o->entered[OVERLOAD_SHED]);
    stats->spans_shed = atomic_load(&o->shed_spans);
}

void receive_stats(const struct receive *r, struct receive_stats *ret_stats)
{
    struct receive_stats stats = {0};
    struct sketch *latency = mem_new(1, sizeof *latency);
    ASSERT(ret_stats != NULL);
    for (size_t i = 0; i < r->shard_count; i++) {
        struct shard *s = &r->shards[i];
        stats.requests += atomic_load(&s->requests);
        stats.requests_refused += atomic_load(&s->refused);
        stats.spans += atomic_load(&s->spans);
        stats.points += atomic_load(&s->points);
        stats.bytes += atomic_load(&s->bytes);
        add_connections(&stats, s->grpc);
        add_connections(&stats, s->http);
        merge_latency(s, latency);
    }
    stats.ack_p50_ns = sketch_quantile(latency, 0.5);
    stats.ack_p99_ns = sketch_quantile(latency, 0.99);
    mem_free(latency);
    put_overload(r, &stats);
    *ret_stats = stats;
}
