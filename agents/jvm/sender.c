// SPDX-License-Identifier: Apache-2.0
// Purpose: the sending thread. The message: ExportTraceServiceRequest of
// opentelemetry/proto/collector/trace/v1, with one resource and one scope.
#include "agents/jvm/sender.h"

#include <libdeflate.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/log.h"
#include "agents/jvm/memory.h"
#include "agents/jvm/retry.h"
#include "agents/jvm/ring.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/varint.h"

#define GZIP_LEVEL   1
#define MESSAGE_HEAD 64 // room for the tags and lengths around the spans

static struct {
    pthread_t thread;
    bool is_running;
    atomic_bool is_stopping;
    atomic_ullong stop_by_ns; // set before is_stopping
    struct post_connection connection;
    char headers[POST_HEADERS_MAX];
    uint8_t resource[RESOURCE_MAX];
    size_t resource_n;
    uint8_t *batch;  // BATCH_BYTES_MAX of `spans` fields, MESSAGE_HEAD + resource free before them
    uint8_t *packed; // the same gzip'd
    size_t packed_max;
    size_t batch_n;
    uint64_t batch_spans;
    struct libdeflate_compressor *gzip;
    struct retry retry;
    atomic_ullong sent, refused, unsent, posts, failures;
} s = {.connection = {.fd = -1}};

static size_t put_bytes_field(uint8_t *to, unsigned field, struct str v)
{
    size_t n = varint_put(to, (uint64_t)field << 3 | 2);
    n += varint_put(to + n, v.n);
    memcpy(to + n, v.p, v.n);
    return n + v.n;
}

// ---- The batch -------------------------------------------------------------------------------

static uint8_t *spans_at(void)
{
    return s.batch + MESSAGE_HEAD + RESOURCE_MAX;
}

// ScopeSpans.spans = 2. False when the batch is full.
static bool add_span(void *ctx, struct str record)
{
    ASSERT(ctx == NULL);
    (void)ctx;
    if (s.batch_n + record.n + 2 * VARINT_MAX > BATCH_BYTES_MAX) {
        return false;
    }
    s.batch_n += put_bytes_field(spans_at() + s.batch_n, 2, record);
    s.batch_spans++;
    return true;
}

// Writes tags and lengths before the spans, which stay where they are.
static struct str finish_message(void)
{
    enum { RESOURCE_SPANS = 1, RESOURCE = 1, SCOPE_SPANS = 2, SCOPE = 1 };
    static const char scope[] = "\x0a\x09sonde-jvm"; // InstrumentationScope.name
    uint8_t head[RESOURCE_MAX + MESSAGE_HEAD], scope_head[MESSAGE_HEAD];
    size_t scope_n = put_bytes_field(scope_head, SCOPE, (struct str){scope, sizeof scope - 1});
    size_t n = put_bytes_field(head, RESOURCE, (struct str){(char *)s.resource, s.resource_n});
    head[n++] = SCOPE_SPANS << 3 | 2;
    n += varint_put(head + n, scope_n + s.batch_n);
    memcpy(head + n, scope_head, scope_n);
    n += scope_n;
    uint8_t top[1 + VARINT_MAX] = {RESOURCE_SPANS << 3 | 2};
    size_t top_n = 1 + varint_put(top + 1, n + s.batch_n);
    ASSERT(top_n + n <= MESSAGE_HEAD + RESOURCE_MAX);
    uint8_t *start = spans_at() - n - top_n;
    memcpy(start, top, top_n);
    memcpy(start + top_n, head, n);
    return (struct str){(char *)start, top_n + n + s.batch_n};
}

static void empty_batch(void)
{
    s.batch_n = 0;
    s.batch_spans = 0;
    s.retry = (struct retry){0};
}

static bool may_retry(int status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

// Posts the batch; it is empty afterwards, or waits for another try.
static void send_batch(void)
{
    struct post_answer a;
    struct str message = finish_message();
    size_t n = libdeflate_gzip_compress(s.gzip, message.p, message.n, s.packed, s.packed_max);
    ASSERT(n > 0);
    post(&s.connection, "/v1/traces", s.headers, (struct str){(char *)s.packed, n}, &a);
    atomic_fetch_add_explicit(&s.posts, 1, memory_order_relaxed);
    if (a.status >= 200 && a.status < 300) {
        atomic_fetch_add_explicit(&s.sent, s.batch_spans, memory_order_relaxed);
        empty_batch();
        return;
    }
    atomic_fetch_add_explicit(&s.failures, 1, memory_order_relaxed);
    if (a.status != 0) {
        agent_log("%s:%s answered %d", s.connection.target.host, s.connection.target.port,
                  a.status);
    } else {
        agent_log("%s:%s: %s", s.connection.target.host, s.connection.target.port, a.error);
    }
    if (!may_retry(a.status)) {
        atomic_fetch_add_explicit(&s.refused, s.batch_spans, memory_order_relaxed);
        empty_batch();
        return;
    }
    retry_failed(&s.retry, a.retry_after_s);
}

// ---- The thread ------------------------------------------------------------------------------

// Until there is something to do: with a batch that waits for another try, rings that fill are
// nothing new. Whether the sender is to stop.
static bool pause_now(void)
{
    uint64_t until = clock_mono_ns() + s.retry.wait_ms * NS_PER_MS;
    do {
        rings_wait(SEND_INTERVAL_MS);
    } while (s.retry.wait_ms > 0 && clock_mono_ns() < until && !atomic_load(&s.is_stopping));
    return atomic_load(&s.is_stopping);
}

static bool throw_away(void *ctx, struct str record)
{
    (void)ctx, (void)record;
    atomic_fetch_add_explicit(&s.unsent, 1, memory_order_relaxed);
    return true;
}

static void *run(void *ctx)
{
    bool stopping = false;
    while (!stopping) {
        stopping = pause_now();
        bool more = true;
        while (more && (!stopping || clock_mono_ns() < atomic_load(&s.stop_by_ns))) {
            // A batch that waits for another try is not added to: the rings bound what is kept.
            more = s.batch_n == 0 && rings_drain(add_span, NULL);
            if (s.batch_n > 0) {
                send_batch();
            }
            more = more && s.batch_n == 0;
        }
        effort_thread();
    }
    atomic_fetch_add_explicit(&s.unsent, s.batch_spans, memory_order_relaxed);
    (void)rings_drain(throw_away, NULL);
    post_close(&s.connection);
    return ctx;
}

static bool allocate(void)
{
    s.packed_max = BATCH_BYTES_MAX + RESOURCE_MAX + 4096;
    s.batch = memory_get(MESSAGE_HEAD + RESOURCE_MAX + BATCH_BYTES_MAX);
    s.packed = memory_get(s.packed_max);
    s.gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
    return s.batch != NULL && s.packed != NULL && s.gzip != NULL;
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
    n = (size_t)snprintf(out, POST_HEADERS_MAX,
                         "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n");
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
    libdeflate_free_compressor(s.gzip);
    memory_free(s.batch);
    memory_free(s.packed);
    s.gzip = NULL;
    s.batch = s.packed = NULL;
}

bool sender_start(const struct options *o, const struct java_facts *java)
{
    sigset_t all, before;
    ASSERT(!s.is_running);
    s.connection.target = o->target;
    s.resource_n = resource_write(s.resource, o, java);
    sender_headers(s.headers, o);
    empty_batch();
    (void)rings_drain(throw_away, NULL);
    if (!allocate()) {
        release();
        return false;
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

void sender_counts(struct sender_counts *ret)
{
    *ret = (struct sender_counts){atomic_load(&s.sent), atomic_load(&s.refused),
                                  atomic_load(&s.unsent), atomic_load(&s.posts),
                                  atomic_load(&s.failures)};
}
