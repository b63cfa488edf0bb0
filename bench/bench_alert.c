// SPDX-License-Identifier: Apache-2.0
// Purpose: what alert rules cost a span: nanoseconds of CPU for finding the rules that it belongs
// to and adding it to their windows, with 10 rules and with 10,000, of which the same 10 match. Of
// the others a third name other services, a third the same services and other endpoints, a third
// values of an attribute that each span has. The spans are those of gen.h, middle shape, in batches
// of 500. Usage: bench_alert [spans, 2000000].
#include <stdio.h>
#include <stdlib.h>

#include "alert/engine_state.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "gen.h"
#include "wire/otlp.h"

#define FEW  10
#define MANY 10000

static struct batch *open_batch; // the sink's

static struct batch *pick(void *ctx, struct str line)
{
    ASSERT(ctx != NULL);
    (void)ctx;
    (void)line;
    return open_batch;
}

static void reject(void *ctx, struct str service, uint64_t offset, const char *message,
                   struct str bytes)
{
    ASSERT(ctx != NULL);
    (void)ctx;
    (void)service;
    (void)offset;
    (void)message;
    (void)bytes;
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

static void add_rule(struct buf *out, size_t i, struct str service)
{
    ASSERT(out != NULL);
    buf_printf(out, "  - {name: r%zu, strategies: [{every: 1m, threshold: 1000000000, filter: '{ ",
               i);
    if (i < FEW && i % 3 == 0) {
        buf_printf(out, "resource.service.name = \"%.*s\" && status = error", STR_FMT(service));
    } else if (i % 3 == 0) {
        buf_printf(out, "resource.service.name = \"other-%zu\" && status = error", i);
    } else if (i % 3 == 1) {
        buf_printf(out, "resource.service.name = \"%.*s\" && name = \"GET /%zu\"", STR_FMT(service),
                   i);
    } else {
        buf_printf(out, "span.http.route = \"/v/%zu\" && duration > 1s", i);
    }
    buf_add_str(out, STR(" }'}]}\n"));
}

static struct alert_set *rules(struct gen *g, size_t count)
{
    struct str services[FEW];
    size_t found = 0;
    struct buf text;
    struct alert_file *file;
    struct err_at at;
    struct batch *b = decode(&g->requests[0], 1);
    buf_init(&text, ALERT_FILE_MAX);
    buf_add_str(&text, STR("rules:\n"));
    struct batch *kept[FEW];
    for (size_t r = 0; r < g->count && found < FEW; r++) { // each service sends its own requests
        struct batch *one = decode(&g->requests[r], 1);
        services[found] = batch_str(one, one->resources[0].service);
        kept[found++] = one;
    }
    for (size_t i = 0; i < count; i++) {
        add_rule(&text, i, services[i % found]);
    }
    MUST(alert_file_read(buf_str(&text), "bench", &file, &at) == ERR_OK);
    for (size_t i = 0; i < found; i++) {
        batch_unref(kept[i]);
    }
    batch_unref(b);
    buf_done(&text);
    return alert_set_new(file);
}

static double run(struct gen *g, size_t count, size_t spans)
{
    struct alert_set *set = rules(g, count);
    struct look l = {.bytes_max = SIZE_MAX, .walks = {plan_walk_new(), plan_walk_new()}};
    uint64_t took_ns = 0, seq = 1, base_ns = clock_wall_ns();
    size_t done = 0;
    ASSERT(g != NULL);
    l.time.now_ms = base_ns / NS_PER_MS + 3600000;
    program_init(&l.program, set, NULL, l.time.now_ms, &l.totals);
    for (size_t round = 0; done < spans; round++) {
        for (size_t i = 0; i < g->count && done < spans; i++) {
            gen_stamp(g, i, round, base_ns);
            struct batch *b = decode(&g->requests[i], ++seq);
            uint64_t begun = clock_cpu_ns();
            look_at(&l, b);
            took_ns += clock_cpu_ns() - begun;
            done += b->span_count;
            batch_unref(b);
        }
    }
    struct plan_stats stats;
    plan_stats(l.program.plans[PLAN_SPANS], &stats);
    printf("%5zu rules, %zu tables: %.1f ns a span, %.3f matches a span\n", count, stats.shapes,
           (double)took_ns / (double)done, (double)l.records / (double)done);
    program_done(&l.program);
    plan_walk_free(l.walks[PLAN_SPANS]);
    plan_walk_free(l.walks[PLAN_POINTS]);
    alert_set_unref(set);
    return (double)took_ns / (double)done;
}

int main(int argc, char **argv)
{
    size_t spans = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    const struct gen_options o = {.shape = GEN_MIDDLE,
                                  .spans = 500000,
                                  .spans_per_request = 500,
                                  .jitter_ns = 500 * NS_PER_MS,
                                  .spans_per_second = 100000,
                                  .seed = 1};
    struct gen *g = gen_new(&o);
    double few = run(g, FEW, spans), many = run(g, MANY, spans);
    gen_free(g);
    printf("%u rules cost %.2f times what %u cost\n", MANY, many / few, FEW);
    return 0;
}
