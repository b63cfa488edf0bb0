// SPDX-License-Identifier: Apache-2.0
// Purpose: a door over a real journal on a simulated disk whose syncs can be held back, and OTLP
// requests to send to it.
#ifndef SONDE_TESTS_UNIT_RECEIVE_FIXTURE_H
#define SONDE_TESTS_UNIT_RECEIVE_FIXTURE_H

#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/must.h"
#include "receive/receive.h"
#include "support/gatefs.h"
#include "support/http_client.h"
#include "support/simfs.h"
#include "wire/protobuf.h"

#define TRACES_PATH  "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define METRICS_PATH "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

static const char *const GRPC[] = {"content-type", "application/grpc", "te", "trailers", NULL};

struct fixture {
    struct simfs *disk;
    struct gatefs *gate;
    struct journal *journal;
    struct budget budget;
    struct ledger *ledger;
    struct receive *receive;
    // What became durable; of the journal's thread until it is closed.
    atomic_uint_fast64_t durable_spans, durable_points, durable_batches, durable_records;
    char lines[256]; // business lines, in order, each followed by ';'
    // Dead letters.
    pthread_mutex_t lock;
    int letters;
    uint64_t letter_offset;
    enum reason letter_reason;
    char letter_protocol[32], letter_message[200];
    atomic_bool is_full, is_troubled;
};

static inline void fx_on_durable(void *ctx, struct journal_entry *entry)
{
    struct fixture *f = ctx;
    const struct receive_group *g = entry->attachment;
    atomic_fetch_add(&f->durable_records, 1);
    for (size_t i = 0; i < g->count; i++) {
        assert_true(g->batches[i]->sealed);
        assert_true(g->batches[i]->span_count + g->batches[i]->point_count > 0);
        atomic_fetch_add(&f->durable_spans, g->batches[i]->span_count);
        atomic_fetch_add(&f->durable_points, g->batches[i]->point_count);
        atomic_fetch_add(&f->durable_batches, 1);
        size_t n = strlen(f->lines);
        (void)snprintf(f->lines + n, sizeof f->lines - n, "%.*s;", STR_FMT(g->batches[i]->line));
    }
}

static inline void fx_put_letter(void *ctx, const struct dead_letter *letter)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    f->letters++;
    f->letter_offset = letter->offset;
    f->letter_reason = letter->reason;
    (void)snprintf(f->letter_protocol, sizeof f->letter_protocol, "%.*s",
                   STR_FMT(letter->protocol));
    (void)snprintf(f->letter_message, sizeof f->letter_message, "%.*s", STR_FMT(letter->message));
    assert_true(letter->peer.n > 0 && letter->received_ns > 0);
    pthread_mutex_unlock(&f->lock);
}

static inline const char *fx_trouble(void *ctx)
{
    return atomic_load(&((struct fixture *)ctx)->is_troubled) ? "trouble" : NULL;
}

static inline bool fx_is_full(void *ctx)
{
    return atomic_load(&((struct fixture *)ctx)->is_full);
}

static inline void fx_open_journal(struct fixture *f)
{
    struct err_at at;
    struct journal_options o = {.fs = gatefs_fs(f->gate),
                                .dir = "journal",
                                .segment_bytes = (size_t)4 << 20,
                                .on_durable = fx_on_durable,
                                .ctx = f};
    assert_ok(journal_open(&o, &f->journal, &at));
}

// Fields of `o` that are not zero hold.
static inline struct fixture *fx_start(struct receive_options o)
{
    struct fixture *f = mem_new(1, sizeof *f);
    struct err_at at;
    pthread_mutex_init(&f->lock, NULL);
    f->disk = simfs_new(1);
    f->gate = gatefs_new(simfs_fs(f->disk));
    fx_open_journal(f);
    journal_start(f->journal);
    budget_init(&f->budget, (size_t)64 << 20);
    f->ledger = ledger_new();
    o.otlp_grpc_address = o.otlp_http_address = "127.0.0.1:0";
    o.shards = o.shards == 0 ? 1 : o.shards;
    o.shed_after_ms = o.shed_after_ms == 0 ? 3600000 : o.shed_after_ms;
    o.journal = f->journal;
    o.budget = &f->budget;
    o.ledger = f->ledger;
    o.dead_letters = (struct dead_letter_sink){fx_put_letter, f};
    o.is_full = fx_is_full;
    o.trouble = fx_trouble;
    o.ctx = f;
    assert_ok(receive_start(&o, &f->receive, &at));
    return f;
}

static inline void fx_free(struct fixture *f)
{
    for (int a = 0; a < ACCOUNT_COUNT; a++) {
        assert_int_equal(atomic_load(&f->budget.used[a]), 0); // everything was given back
    }
    ledger_free(f->ledger);
    gatefs_free(f->gate);
    simfs_free(f->disk);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

static inline void fx_end(struct fixture *f)
{
    receive_stop(f->receive);
    journal_close(f->journal);
    fx_free(f);
}

struct sum {
    enum signal signal;
    enum outcome outcome;
    enum reason reason;
    const char *service;
    uint64_t count;
};

static inline void fx_sum(void *ctx, const struct ledger_cell *cell)
{
    struct sum *s = ctx;
    if (cell->signal == s->signal && cell->outcome == s->outcome && cell->reason == s->reason &&
        str_eq(cell->service, str_of(s->service))) {
        s->count += cell->count;
    }
}

static inline uint64_t fx_count(struct fixture *f, enum signal signal, enum outcome o,
                                enum reason r, const char *service)
{
    struct sum s = {signal, o, r, service, 0};
    ledger_each(f->ledger, fx_sum, &s);
    return s.count;
}

static inline void assert_refused(struct fixture *f, enum reason r, uint64_t n)
{
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_DROPPED, r, ""), n);
    assert_int_equal(fx_count(f, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, ""), n);
}

// ---- Requests -----------------------------------------------------------------------------------

static inline void put_text_attr(struct buf *b, uint32_t number, const char *key, const char *value)
{
    size_t attr = pb_begin(b, number);
    pb_put_bytes(b, 1, str_of(key));
    size_t any = pb_begin(b, 2);
    pb_put_bytes(b, 1, str_of(value));
    pb_end(b, any);
    pb_end(b, attr);
}

// Appends one ResourceSpans with one span of the trace that `trace` begins the ID of.
static inline void put_span(struct buf *b, const char *service, char trace, uint64_t duration_ns,
                            bool error)
{
    char id[16];
    memset(id, trace, sizeof id);
    size_t rs = pb_begin(b, 1), resource = pb_begin(b, 1);
    put_text_attr(b, 1, "service.name", service);
    pb_end(b, resource);
    size_t ss = pb_begin(b, 2), span = pb_begin(b, 2);
    pb_put_bytes(b, 1, (struct str){id, sizeof id});
    pb_put_bytes(b, 2, STR("span-id."));
    pb_put_fixed64(b, 7, 1700000000000000000ULL);
    pb_put_fixed64(b, 8, 1700000000000000000ULL + duration_ns);
    if (error) {
        size_t status = pb_begin(b, 15);
        pb_put_varint(b, 3, 2);
        pb_end(b, status);
    }
    pb_end(b, span);
    pb_end(b, ss);
    pb_end(b, rs);
}

// Appends one ResourceSpans with `good` spans and `bad` ones that have no trace ID.
static inline void put_spans(struct buf *b, const char *service, const char *line, int good,
                             int bad)
{
    size_t rs = pb_begin(b, 1);
    size_t resource = pb_begin(b, 1);
    put_text_attr(b, 1, "service.name", service);
    if (line != NULL) {
        put_text_attr(b, 1, "service.namespace", line);
    }
    pb_end(b, resource);
    size_t ss = pb_begin(b, 2);
    for (int i = 0; i < good + bad; i++) {
        size_t span = pb_begin(b, 2);
        char id[17];
        (void)snprintf(id, sizeof id, "%016d", i + 1);
        if (i < good) {
            pb_put_bytes(b, 1, (struct str){id, 16});
        }
        pb_put_bytes(b, 2, (struct str){id + 8, 8});
        pb_put_bytes(b, 5, STR("GET /cart"));
        pb_put_fixed64(b, 7, 1700000000000000000ULL);
        pb_put_fixed64(b, 8, 1700000000001000000ULL);
        put_text_attr(b, 9, "http.request.method", "GET");
        pb_end(b, span);
    }
    pb_end(b, ss);
    pb_end(b, rs);
}

static inline void frame(struct buf *out, struct str message, bool compressed)
{
    uint8_t head[5] = {compressed, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16),
                       (uint8_t)(message.n >> 8), (uint8_t)message.n};
    buf_add(out, head, sizeof head);
    buf_add_str(out, message);
}

static inline struct client_h2 *fx_h2(struct fixture *f)
{
    return client_h2_new(client_open(receive_grpc_address(f->receive), NULL));
}

// Sends one gRPC call and waits for its end. The answer belongs to `h`.
static inline const struct client_answer *call(struct client_h2 *h, const char *path,
                                               struct str message)
{
    struct buf framed;
    buf_init(&framed, (size_t)64 << 20);
    frame(&framed, message, false);
    int32_t id = client_h2_request(h, "POST", path, GRPC, buf_str(&framed), false);
    buf_done(&framed);
    return client_h2_wait(h, id);
}

static inline void assert_grpc(const struct client_answer *a, const char *status)
{
    assert_int_equal(a->status, 200);
    assert_non_null(client_header(a, "grpc-status"));
    assert_string_equal(client_header(a, "grpc-status"), status);
}

// Posts over HTTP/1.1 on a connection of its own. `headers` are whole lines with their ends.
static inline struct client_answer post(struct fixture *f, const char *path, const char *headers,
                                        struct str body)
{
    struct client *c = client_open(receive_http_address(f->receive), NULL);
    struct client_answer a;
    struct buf b;
    buf_init(&b, (size_t)64 << 20);
    buf_printf(&b, "POST %s HTTP/1.1\r\nhost: x\r\n%scontent-length: %zu\r\n\r\n", path, headers,
               body.n);
    buf_add_str(&b, body);
    client_send(c, buf_str(&b));
    assert_true(client_h1_answer(c, false, &a));
    buf_done(&b);
    client_close(c);
    return a;
}

// The same where only the status matters.
static inline void assert_posted(struct fixture *f, const char *path, const char *headers,
                                 struct str body, int status)
{
    struct client_answer a = post(f, path, headers, body);
    assert_int_equal(a.status, status);
    client_answer_done(&a);
}

#define PROTOBUF "content-type: application/x-protobuf\r\n"
#define JSON     "content-type: application/json\r\n"

static inline bool body_has(const struct client_answer *a, const char *text)
{
    return a->body.n > 0 && memmem(a->body.p, a->body.n, text, strlen(text)) != NULL;
}

#endif
