// SPDX-License-Identifier: Apache-2.0
// Purpose: the sending thread. The messages: ExportTraceServiceRequest and ExportLogsServiceRequest
// of opentelemetry/proto/collector, with one resource; spans have one scope, log records each the
// one of its logger.
#include "agents/jvm/sender.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/log.h"
#include "agents/jvm/log_records.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/packer.h"
#include "agents/jvm/partial.h"
#include "agents/jvm/retry.h"
#include "agents/jvm/ring.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/varint.h"

#define MESSAGE_HEAD 64 // room for the tags and lengths around the records
#define ROOM_BEFORE  (MESSAGE_HEAD + RESOURCE_MAX)

// What is to be sent of one signal.
struct outbox {
    const char *path, *what;
    uint8_t *records; // fields of the resource's message; ROOM_BEFORE free before them
    size_t n;         // 0: nothing waits
    uint64_t count;   // of the records
    struct retry retry;
    uint64_t not_before_ns; // the next try
    bool is_told;           // that not all is kept
    atomic_ullong taken, rejected, refused, unsent;
};

static struct {
    pthread_t thread;
    bool is_running;
    atomic_bool is_stopping;
    atomic_ullong stop_by_ns; // set before is_stopping
    struct post_connection connection;
    char headers[POST_HEADERS_MAX];
    uint8_t resource[RESOURCE_MAX];
    size_t resource_n;
    uint8_t *batch; // ROOM_BEFORE, and BATCH_BYTES_MAX of `spans` fields
    struct packer packer;
    struct outbox out[SENT_SIGNALS];
} s = {.connection = {.fd = -1},
       .out = {[SENT_SPANS] = {.path = "/v1/traces", .what = "spans"},
               [SENT_LOGS] = {.path = "/v1/logs", .what = "log records"}}};

static size_t put_bytes_field(uint8_t *to, unsigned field, struct str v)
{
    size_t n = varint_put(to, (uint64_t)field << 3 | 2);
    n += varint_put(to + n, v.n);
    memcpy(to + n, v.p, v.n);
    return n + v.n;
}

// ---- What is sent ----------------------------------------------------------------------------

// ScopeSpans.spans = 2. False when the batch is full.
static bool add_span(void *ctx, struct str record)
{
    struct outbox *o = ctx;
    if (o->n + record.n + 2 * VARINT_MAX > BATCH_BYTES_MAX) {
        return false;
    }
    o->n += put_bytes_field(o->records + o->n, 2, record);
    o->count++;
    return true;
}

// ResourceSpans.scope_spans, up to the spans.
static size_t put_scope(uint8_t *to, size_t spans_n)
{
    enum { SCOPE_SPANS = 2, SCOPE = 1 };
    static const char scope[] = "\x0a\x09sonde-jvm"; // InstrumentationScope.name
    uint8_t head[MESSAGE_HEAD];
    size_t head_n = put_bytes_field(head, SCOPE, (struct str){scope, sizeof scope - 1}), n = 0;
    to[n++] = SCOPE_SPANS << 3 | 2;
    n += varint_put(to + n, head_n + spans_n);
    memcpy(to + n, head, head_n);
    return n + head_n;
}

// Writes tags and lengths before the records, which stay where they are.
static struct str finish_message(struct outbox *o)
{
    enum { RESOURCE_RECORDS = 1, RESOURCE = 1 };
    uint8_t head[ROOM_BEFORE];
    size_t n = put_bytes_field(head, RESOURCE, (struct str){(char *)s.resource, s.resource_n});
    if (o == &s.out[SENT_SPANS]) {
        n += put_scope(head + n, o->n);
    }
    uint8_t top[1 + VARINT_MAX] = {RESOURCE_RECORDS << 3 | 2};
    size_t top_n = 1 + varint_put(top + 1, n + o->n);
    ASSERT(top_n + n <= ROOM_BEFORE);
    uint8_t *start = o->records - n - top_n;
    memcpy(start, top, top_n);
    memcpy(start + top_n, head, n);
    return (struct str){(char *)start, top_n + n + o->n};
}

// ---- Posting ---------------------------------------------------------------------------------

static void empty(struct outbox *o)
{
    o->n = 0;
    o->count = 0;
    o->retry = (struct retry){0};
}

static bool may_retry(int status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

static void count(atomic_ullong *what, uint64_t n)
{
    atomic_fetch_add_explicit(what, n, memory_order_relaxed);
}

static void on_taken(struct outbox *o, const struct post_answer *a)
{
    struct partial p = partial_success((struct str){(const char *)a->body, a->body_n});
    uint64_t rejected = p.rejected < o->count ? p.rejected : o->count;
    count(&o->taken, o->count - rejected);
    count(&o->rejected, rejected);
    if (rejected > 0 && !o->is_told) {
        agent_log("%s:%s has taken %s and not kept %" PRIu64 " of %" PRIu64 ": %.*s",
                  s.connection.target.host, s.connection.target.port, o->what, rejected, o->count,
                  STR_FMT(p.message));
    }
    o->is_told = rejected > 0;
    empty(o);
}

static void on_failed(struct outbox *o, const struct post_answer *a)
{
    if (a->status != 0) {
        agent_log("%s:%s%s answered %d", s.connection.target.host, s.connection.target.port,
                  o->path, a->status);
    } else {
        agent_log("%s:%s: %s", s.connection.target.host, s.connection.target.port, a->error);
    }
    if (!may_retry(a->status)) {
        count(&o->refused, o->count);
        empty(o);
        return;
    }
    retry_failed(&o->retry, a->retry_after_s);
    o->not_before_ns = clock_mono_ns() + o->retry.wait_ms * NS_PER_MS;
}

// Posts what waits; nothing waits afterwards, or it waits for another try.
static void send_out(struct outbox *o)
{
    struct post_answer a;
    struct str message = finish_message(o);
    ASSERT(o->n > 0);
    post(&s.connection, o->path, s.headers, packer_pack(&s.packer, message), &a);
    if (a.status >= 200 && a.status < 300) {
        on_taken(o, &a);
    } else {
        on_failed(o, &a);
    }
}

// ---- The thread ------------------------------------------------------------------------------

static bool fill_spans(struct outbox *o)
{
    o->records = s.batch + ROOM_BEFORE;
    return rings_drain(add_span, o);
}

static bool fill_logs(struct outbox *o)
{
    o->records = log_records_take(&o->n, &o->count);
    return false; // what comes meanwhile is little
}

static bool has_time(bool stopping)
{
    return !stopping || clock_mono_ns() < atomic_load(&s.stop_by_ns);
}

// What waits for another try is not added to: the rings and buffers bound what is kept.
static void serve(struct outbox *o, bool (*fill)(struct outbox *o), bool stopping)
{
    bool more = stopping || o->retry.wait_ms == 0 || clock_mono_ns() >= o->not_before_ns;
    while (more && has_time(stopping)) {
        more = o->n == 0 && fill(o);
        if (o->n > 0) {
            send_out(o);
        }
        more = more && o->n == 0;
    }
}

static bool throw_away(void *ctx, struct str record)
{
    (void)ctx, (void)record;
    count(&s.out[SENT_SPANS].unsent, 1);
    return true;
}

// What is left when the thread ends.
static void give_up(void)
{
    size_t n;
    uint64_t logs = 0;
    (void)rings_drain(throw_away, NULL);
    if (log_records_take(&n, &logs) != NULL) {
        count(&s.out[SENT_LOGS].unsent, logs);
    }
    for (int i = 0; i < SENT_SIGNALS; i++) {
        count(&s.out[i].unsent, s.out[i].count);
    }
}

static void *run(void *ctx)
{
    bool stopping = false;
    while (!stopping) {
        rings_wait(SEND_INTERVAL_MS);
        stopping = atomic_load(&s.is_stopping);
        serve(&s.out[SENT_SPANS], fill_spans, stopping);
        serve(&s.out[SENT_LOGS], fill_logs, stopping);
        effort_thread();
    }
    give_up();
    post_close(&s.connection);
    return ctx;
}

static bool allocate(void)
{
    s.batch = memory_get(ROOM_BEFORE + BATCH_BYTES_MAX);
    return packer_init(&s.packer, &s.connection.target, ROOM_BEFORE + BATCH_BYTES_MAX) &&
           s.batch != NULL;
}

// A name that cannot end its line early (RFC 9110, token).
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!letter && memchr("!#$%&'*+-.^_`|~", c, 15) == NULL) {
            return false;
        }
    }
    return name.n > 0;
}

void sender_headers(char out[POST_HEADERS_MAX], const struct options *o)
{
    size_t at = 0, n;
    struct str key, value;
    n = (size_t)snprintf(out, POST_HEADERS_MAX, "Content-Type: application/x-protobuf\r\n%s",
                         packer_is_needed(&o->target) ? "Content-Encoding: gzip\r\n" : "");
    if (o->token[0] != '\0') {
        n += (size_t)snprintf(out + n, POST_HEADERS_MAX - n, "Authorization: Bearer %s\r\n",
                              o->token);
    }
    while (option_pairs_next(&o->headers, &at, &key, &value)) {
        if (!is_header_name(key) || n + key.n + value.n + 5 > POST_HEADERS_MAX) {
            agent_log("header '%s' is no header's name or one too many, left out", key.p);
        } else {
            n += (size_t)snprintf(out + n, POST_HEADERS_MAX - n, "%s: %s\r\n", key.p, value.p);
        }
    }
    ASSERT(n < POST_HEADERS_MAX);
}

static void release(void)
{
    packer_done(&s.packer);
    memory_free(s.batch);
    log_records_close();
    s.batch = NULL;
}

bool sender_start(const struct options *o, const struct java_facts *java)
{
    sigset_t all, before;
    ASSERT(!s.is_running);
    s.connection.target = o->target;
    s.resource_n = resource_write(s.resource, o, java);
    sender_headers(s.headers, o);
    for (unsigned i = 0; i < SENT_SIGNALS; i++) {
        empty(&s.out[i]);
        s.out[i].is_told = false;
    }
    (void)rings_drain(throw_away, NULL);
    if (!allocate()) {
        release();
        return false;
    }
    if (!log_records_open(ROOM_BEFORE)) {
        agent_log("there is no memory for log records: none are sent");
    }
    // The JVM's signals are for its own threads.
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_store(&s.is_stopping, false);
    s.is_running = pthread_create(&s.thread, NULL, run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (s.is_running) {
        (void)pthread_setname_np(s.thread, "sonde-sender");
    } else {
        release();
    }
    return s.is_running;
}

bool sender_stop(unsigned limit_ms)
{
    if (!s.is_running) {
        return true;
    }
    atomic_store(&s.stop_by_ns, clock_mono_ns() + limit_ms * NS_PER_MS);
    atomic_store(&s.is_stopping, true);
    rings_wake();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(limit_ms / 1000 + 1);
    if (pthread_timedjoin_np(s.thread, NULL, &until) != 0) {
        return false;
    }
    s.is_running = false;
    release();
    return true;
}

void sender_counts(enum sent_signal signal, struct sent_counts *ret)
{
    const struct outbox *o = &s.out[signal];
    *ret = (struct sent_counts){atomic_load(&o->taken), atomic_load(&o->rejected),
                                atomic_load(&o->refused), atomic_load(&o->unsent)};
}
