// SPDX-License-Identifier: Apache-2.0
// Purpose: what stream analysis costs: nanoseconds of CPU a span for taking spans into chains and
// counting them, for closing chains and their edges, and bytes an open trace. The spans are those
// of gen.h, middle shape, in batches of 500. Usage: bench_stream [spans, 2000000] [system | random
// | many].
//
// Which graph says what. "system" is what a stream meets: programs call what they call, so that a
// trace is much like one before it, and what it counts for lies in the caches. The goal is judged
// by it. "random" is the worst that one may meet: hardly a trace is like another, and subjects are
// many times more than names.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "gen.h"
#include "series/head.h"
#include "stream/internal.h"
#include "wire/otlp.h"

#define OPEN_TRACES ((size_t)100000)
#define HEAD_SPANS  3000000 // that a head of the series store has at 100,000/s
#define HELD_SPANS  50000   // that come at that rate while calls are held back (stream.c)

static struct batch *open_batch; // the sink's

static struct batch *pick(void *ctx, struct str line)
{
    (void)ctx;
    (void)line;
    return open_batch;
}

static void reject(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes)
{
    (void)ctx;
    (void)service;
    (void)bytes;
    fprintf(stderr, "bench_stream: a span was rejected at %llu: %s\n", (unsigned long long)offset,
            message);
    abort();
}

static struct batch *decode(const struct gen_request *r, uint64_t seq)
{
    const struct otlp_sink sink = {.batch_for = pick, .reject = reject};
    struct otlp_counts counts;
    struct err_at at;
    open_batch = batch_new(STR(""));
    MUST(otlp_decode_traces((struct str){r->bytes, r->size}, &sink, &counts, &at) == ERR_OK);
    batch_seal(open_batch);
    open_batch->seq = seq;
    return open_batch;
}

static enum err no_history(void *ctx, trace_id id, size_t rows_max, struct meter *meter,
                           void (*each)(void *rows_ctx, const struct row *rows, size_t count),
                           void *rows_ctx)
{
    (void)ctx;
    (void)id;
    (void)rows_max;
    (void)meter;
    (void)each;
    (void)rows_ctx;
    return ERR_NOT_FOUND;
}

struct bench_sink {
    struct budget budget;
    struct series_head *head;
    uint32_t subjects;
    struct series_run runs[RED_RUNS];
};

static enum err find(void *ctx, const struct stream_subject *subject, uint32_t *ret_number)
{
    struct bench_sink *s = ctx;
    (void)subject;
    *ret_number = s->subjects++;
    return ERR_OK;
}

// Counts are the series store's: its head takes them, and is new every 30 s, as in the server.
static void count(void *ctx, const struct stream_count *counts, size_t n)
{
    struct bench_sink *s = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct stream_count *c = &counts[i];
        s->runs[i] =
            (struct series_run){c->number, c->times, c->slot_ms, c->sum_ns, c->buckets, c->count};
    }
    MUST(series_head_add_runs(s->head, s->runs, n, UINT64_MAX) == 0);
}

struct cost {
    uint64_t taking_ns, closing_ns, spans;
    size_t peak_bytes, peak_chains;
};

static void close_beyond(struct analysis *a, size_t open, struct cost *cost)
{
    uint64_t begun = clock_cpu_ns();
    while (a->chains.count > open) {
        analysis_close(a, chains_due(&a->chains, clock_mono_ns() / NS_PER_MS, true));
    }
    cost->closing_ns += clock_cpu_ns() - begun;
}

static void run(struct gen *g, size_t rounds, size_t open, struct cost *cost)
{
    static struct analysis a;
    static struct bench_sink counted;
    const struct stream_history history = {no_history, NULL};
    const struct stream_sink sink = {.find = find, .count = count, .ctx = &counted};
    uint64_t seq = 0, base_ns = clock_wall_ns() + NS_PER_S;
    budget_init(&counted.budget, (size_t)1 << 30);
    counted.head = series_head_new(&counted.budget, 1);
    counted.subjects = 0;
    analysis_init(&a, &sink, &history, STREAM_IDLE_MS, (size_t)1 << 18, (size_t)1 << 27);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < g->count; i++) {
            gen_stamp(g, i, round, base_ns);
            struct batch *b = decode(&g->requests[i], ++seq);
            uint64_t begun = clock_cpu_ns();
            analysis_take(&a, b, NULL, clock_mono_ns() / NS_PER_MS);
            cost->taking_ns += clock_cpu_ns() - begun;
            cost->spans += b->span_count;
            batch_unref(b);
            close_beyond(&a, open, cost);
            if (cost->spans % HELD_SPANS == 0) {
                begun = clock_cpu_ns();
                red_flush(&a.red);
                cost->closing_ns += clock_cpu_ns() - begun;
            }
            if (a.chains.bytes > cost->peak_bytes) {
                cost->peak_bytes = a.chains.bytes;
                cost->peak_chains = a.chains.count;
            }
            if (cost->spans % HEAD_SPANS == 0) {
                series_head_unref(counted.head);
                counted.head = series_head_new(&counted.budget, begun);
            }
        }
    }
    close_beyond(&a, 0, cost);
    red_flush(&a.red);
    printf("%zu names, %u subjects, %.1f MiB in the head\n", a.names.count, counted.subjects,
           (double)counted.head->meter.held_bytes / (1 << 20));
    analysis_done(&a);
    series_head_unref(counted.head);
}

static void report(const char *what, const struct cost *c)
{
    double n = (double)c->spans;
    printf("%-28s taking %5.1f  closing %5.1f  all %5.1f ns a span; %zu open: %.1f MiB, %.0f B "
           "each\n",
           what, (double)c->taking_ns / n, (double)c->closing_ns / n,
           (double)(c->taking_ns + c->closing_ns) / n, c->peak_chains,
           (double)c->peak_bytes / (1 << 20), (double)c->peak_bytes / (double)c->peak_chains);
}

struct bench_row {
    const char *name, *text;
    enum gen_graph graph;
    size_t open, pool; // traces that are open; spans that are made, so that as many traces begin
};

int main(int argc, char **argv)
{
    static const struct bench_row rows[] = {
        {"system", "a system, 5,000 open", GEN_SYSTEM, 5000, 500000},
        {"random", "random, 5,000 open", GEN_RANDOM, 5000, 500000},
        {"many", "random, 100,000 open", GEN_RANDOM, OPEN_TRACES, 4000000},
    };
    size_t spans = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct bench_row *r = &rows[i];
        if (argc > 2 && strcmp(argv[2], r->name) != 0) {
            continue;
        }
        const struct gen_options o = {.shape = GEN_MIDDLE,
                                      .graph = r->graph,
                                      .spans = r->pool,
                                      .spans_per_request = 500,
                                      .jitter_ns = 500 * NS_PER_MS,
                                      .spans_per_second = 100000,
                                      .seed = 1};
        struct gen *g = gen_new(&o);
        struct cost cost = {0};
        run(g, (spans + r->pool - 1) / r->pool, r->open, &cost);
        report(r->text, &cost);
        gen_free(g);
    }
    return 0;
}
