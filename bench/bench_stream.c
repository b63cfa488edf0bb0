// SPDX-License-Identifier: Apache-2.0
// Purpose: what stream analysis costs: nanoseconds of CPU a span for taking spans into chains and
// counting them, for closing chains and their edges, and bytes an open trace. The spans are those
// of gen.h, middle shape, in batches of 500. Usage: bench_stream [spans, 2000000] [system | random
// | many | forget].
//
// "forget" is how long batches wait for what is forgotten: 100,000 endpoints, each with its calls
// and its path below a root, of which half go, and as many come; the longest look at subjects and
// the longest sweep of all tables (stream/forget.c) of five such generations.
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

// ---- Forgetting ---------------------------------------------------------------------------------

#define FORGET_NAMES    100000u
#define FORGET_SERVICES 100u
#define FORGET_BATCH    1000u
#define GENERATIONS     5u

// Calls of endpoints [first, first + FORGET_BATCH), each of a chain of its own: a root calls them.
static struct batch *endpoints(uint32_t first, uint64_t seq)
{
    struct batch *b = batch_new(STR(""));
    char text[48];
    (void)batch_add_scope(b);
    for (uint32_t i = 0; i < FORGET_SERVICES; i++) {
        (void)snprintf(text, sizeof text, "service-%u", i);
        uint32_t code = batch_intern(b, str_of(text));
        *batch_add_resource(b) = (struct resource){.service = code};
    }
    for (uint32_t i = first; i < first + FORGET_BATCH; i++) {
        (void)snprintf(text, sizeof text, "GET /of/an/endpoint/%08u", i);
        uint32_t name = batch_intern(b, str_of(text));
        uint64_t trace = seq << 32 | (i + 1), root = 1, entry = 2;
        for (unsigned k = 0; k < 2; k++) { // the root, whose endpoint is one of few; the endpoint
            struct span *s = batch_add_span(b);
            *s = (struct span){.start_ns = clock_wall_ns(),
                               .duration_ns = 1000000,
                               .resource = (i + (k == 0 ? 1 : 0)) % FORGET_SERVICES,
                               .name = k == 0 ? batch_intern(b, STR("GET /")) : name,
                               .kind = KIND_SERVER};
            s = &b->spans[b->span_count - 1];
            memcpy(s->trace.b, &trace, sizeof trace);
            memcpy(s->id.b, k == 0 ? &root : &entry, sizeof root);
            if (k == 1) {
                memcpy(s->parent.b, &root, sizeof root);
            }
        }
    }
    batch_seal(b);
    b->seq = seq;
    return b;
}

struct waits {
    uint64_t look_ns, sweep_ns; // the longest
    uint64_t forgotten;
};

static void call_endpoints(struct analysis *a, uint32_t first, uint32_t count, uint64_t now_ms)
{
    static uint64_t seq;
    for (uint32_t i = 0; i < count; i += FORGET_BATCH) {
        struct batch *b = endpoints(first + i, ++seq);
        analysis_take(a, b, NULL, now_ms);
        batch_unref(b);
        while (a->chains.count > 0) {
            analysis_close(a, chains_due(&a->chains, now_ms, true));
        }
        red_flush(&a->red);
    }
}

// Until what is old is forgotten.
static void look(struct analysis *a, uint64_t now_ms, struct waits *w)
{
    for (uint64_t sweeps = a->sweeps + 2; a->sweeps < sweeps; now_ms += 60000) {
        for (size_t i = 0; i <= a->red.count / FORGET_STEPS; i++) {
            uint64_t before = a->sweeps, begun = clock_cpu_ns();
            analysis_forget(a, now_ms);
            uint64_t took_ns = clock_cpu_ns() - begun;
            uint64_t *longest = a->sweeps > before ? &w->sweep_ns : &w->look_ns;
            *longest = took_ns > *longest ? took_ns : *longest;
        }
    }
}

static void forget_half(void)
{
    static struct analysis a;
    static struct bench_sink counted;
    const struct stream_history history = {no_history, NULL};
    const struct stream_sink sink = {.find = find, .count = count, .ctx = &counted};
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    struct waits w = {0};
    budget_init(&counted.budget, (size_t)1 << 32);
    counted.head = series_head_new(&counted.budget, 1);
    analysis_init(&a, &sink, &history, STREAM_IDLE_MS, (size_t)1 << 18, (size_t)1 << 28);
    call_endpoints(&a, 0, FORGET_NAMES, now_ms);
    for (uint32_t g = 1; g <= GENERATIONS; g++) { // half of those there are stay, as many come
        size_t before = a.names.count - a.names.free_count;
        now_ms += STREAM_FORGET_MS + 60000;
        a.names.minute = a.statements.minute = a.red.minute = (uint32_t)(now_ms / 60000);
        call_endpoints(&a, g * (FORGET_NAMES / 2), FORGET_NAMES / 2, now_ms);
        look(&a, now_ms, &w);
        w.forgotten += before - (a.names.count - a.names.free_count);
        call_endpoints(&a, (g + 1) * (FORGET_NAMES / 2), FORGET_NAMES / 2, now_ms);
    }
    printf("%-28s longest look %.2f, longest sweep %.2f ms of CPU; %llu names forgotten\n",
           "forgetting 50,000 of 100,000", (double)w.look_ns / 1e6, (double)w.sweep_ns / 1e6,
           (unsigned long long)w.forgotten);
    analysis_done(&a);
    series_head_unref(counted.head);
}

// ---- Rows ---------------------------------------------------------------------------------------

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
    if (argc <= 2 || strcmp(argv[2], "forget") == 0) {
        forget_half();
    }
    return 0;
}
