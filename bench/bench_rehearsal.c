// SPDX-License-Identifier: Apache-2.0
// Purpose: how long a dry run of a rule takes over spans of a day in parts: for rules of several
// kinds the time, with so many helpers, and what it found. Each rule is tried three times, the best
// counts; what is read lies in the page cache. Usage: bench_rehearsal [millions of spans, 10]
// [helpers, 1] [folder, /tmp].
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alert/rehearsal.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "model/semconv.h"
#include "query/crew.h"
#include "store/part.h"

#define BATCH_SPANS 50000u
#define PART_SPANS  1000000u
#define TRACE_SPANS 10u
#define SERVICES    12u
#define INSTANCES   4u // of each
#define PARTS_MAX   1024u
#define DAY_MS      ((uint64_t)24 * 3600 * 1000)
#define END_MS      ((uint64_t)1750000200000)

static uint64_t random_state = 42;

static uint64_t below(uint64_t n)
{
    random_state += 0x9E3779B97F4A7C15ULL;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return (z ^ (z >> 31)) % n;
}

static void put_attr(struct batch *b, struct attr_run *run, struct str key, const char *value)
{
    uint32_t k = batch_intern(b, key), v = batch_intern(b, str_of(value));
    *batch_add_attr(b) = (struct attr){.key = k, .type = ATTR_STRING, .code = v};
    run->count++;
}

static void put_resources(struct batch *b)
{
    char text[64];
    for (uint32_t i = 0; i < SERVICES * INSTANCES; i++) {
        struct attr_run run = {(uint32_t)b->attr_count, 0};
        (void)snprintf(text, sizeof text, "service-%u", i / INSTANCES);
        put_attr(b, &run, SEM_SERVICE_NAME, text);
        uint32_t service = batch_intern(b, str_of(text));
        (void)snprintf(text, sizeof text, "pod-%u-%u", i / INSTANCES, i % INSTANCES);
        put_attr(b, &run, SEM_SERVICE_INSTANCE_ID, text);
        struct resource *r = batch_add_resource(b);
        r->attrs = run;
        r->service = service;
    }
    (void)batch_add_scope(b);
}

static void put_span(struct batch *b, uint64_t trace, uint64_t start_ns)
{
    char text[64];
    uint32_t service = (uint32_t)below(SERVICES);
    (void)snprintf(text, sizeof text, "GET /api/op-%u", (unsigned)below(8));
    uint32_t name = batch_intern(b, str_of(text));
    struct attr_run run = {(uint32_t)b->attr_count, 0};
    (void)snprintf(text, sizeof text, "user-%" PRIu64, below(1000));
    put_attr(b, &run, STR("enduser.id"), text);
    put_attr(b, &run, STR("shop.region"), below(3) == 0 ? "north" : "south");
    struct span *s = batch_add_span(b);
    uint64_t id = below(UINT64_MAX);
    memcpy(&s->trace, &trace, sizeof trace);
    memcpy(&s->id, &id, sizeof id);
    s->start_ns = start_ns;
    s->duration_ns = (uint64_t)100000 << below(12);
    s->resource = service * INSTANCES + (uint32_t)below(INSTANCES);
    s->name = name;
    s->kind = KIND_SERVER;
    s->status = below(40) == 0 ? STATUS_ERROR : STATUS_UNSET;
    s->attrs = run;
}

static int by_row(const void *a, const void *b)
{
    struct row x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return row_cmp(x, y);
}

// A part of PART_SPANS spans that begin between two times.
static struct part *make_part(const char *folder, size_t number, uint64_t from_ns, uint64_t to_ns)
{
    char path[512];
    struct batch *batches[PART_SPANS / BATCH_SPANS];
    struct part_writer *w;
    struct part *p;
    struct row *rows = mem_new(PART_SPANS, sizeof *rows);
    size_t n = 0, trace = 0;
    for (size_t i = 0; i < PART_SPANS / BATCH_SPANS; i++) {
        batches[i] = batch_new(STR("shop"));
        put_resources(batches[i]);
        for (size_t k = 0; k < BATCH_SPANS; k++) {
            trace += k % TRACE_SPANS == 0;
            uint64_t share = (to_ns - from_ns) / (PART_SPANS / TRACE_SPANS) * trace;
            put_span(batches[i], number << 32 | trace, from_ns + share + below(50000000));
        }
        batch_seal(batches[i]);
        for (uint32_t k = 0; k < BATCH_SPANS; k++) {
            rows[n++] = (struct row){batches[i], k};
        }
    }
    sort_array(rows, n, sizeof *rows, by_row);
    (void)snprintf(path, sizeof path, "%s/bench-%d-%zu.part", folder, (int)getpid(), number);
    const struct part_writer_options o = {
        .fs = fs_real(), .path = path, .line = STR("shop"), .zstd_level = 1};
    MUST(part_writer_new(&o, &w) == ERR_OK);
    for (size_t i = 0; i < n; i++) {
        MUST(part_writer_add(w, rows[i]) == ERR_OK);
    }
    MUST(part_writer_finish(w) == ERR_OK);
    part_writer_free(w);
    MUST(part_open(fs_real(), path, &p, NULL) == ERR_OK);
    MUST(unlink(path) == 0);
    for (size_t i = 0; i < PART_SPANS / BATCH_SPANS; i++) {
        batch_unref(batches[i]);
    }
    mem_free(rows);
    return p;
}

static void try_rule(const char *rule, const struct store_view *view, struct crew *crew)
{
    struct alert_file *f;
    struct budget budget;
    uint64_t best_ns = UINT64_MAX;
    struct rehearsal *r = NULL;
    budget_init(&budget, (size_t)2 << 30);
    MUST(alert_file_read(str_of(rule), "bench", &f, NULL) == ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        struct meter meter;
        meter_init(&meter, &budget, ACCOUNT_QUERY);
        struct query_control control = {.crew = crew, .meter = &meter};
        const struct rehearsal_query q = {.view = view,
                                          .rule = &f->rules[0],
                                          .from_ms = END_MS - DAY_MS,
                                          .to_ms = END_MS,
                                          .control = &control};
        uint64_t begun_ns = clock_mono_ns();
        MUST(rehearsal_run(&q, &r) == ERR_OK);
        uint64_t took_ns = clock_mono_ns() - begun_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
        if (i == 0) {
            printf("%-44.*s %9" PRIu64 " records %6" PRIu64 " groups %7" PRIu64
                   " alerts  step %5" PRIu64 " ms",
                   STR_FMT(f->rules[0].name), r->records, r->groups_seen, r->fired, r->step_ms);
        }
        rehearsal_free(r);
        meter_done(&meter);
    }
    printf("  %7.0f ms  %5zu MiB at most\n", (double)best_ns / 1e6,
           atomic_load(&budget.peak) >> 20);
    alert_file_free(f);
}

int main(int argc, char **argv)
{
    static const char *const rules[] = {
        "rules: [{name: error rate by service, strategies: [{measure: error_rate, every: 1m,"
        " operator: '>', threshold: 8%, at_least: 20, group_by: [service]}]}]",
        "rules: [{name: mean duration by endpoint, strategies: [{measure: average, every: 5m,"
        " operator: above_average, threshold: 20, group_by: [service, name]}]}]",
        "rules: [{name: p99 of one service by instance, service: service-3, strategies: [{measure: "
        "p99,"
        " every: 1m, operator: '>', threshold: 300ms, group_by: [instance]}]}]",
        "rules: [{name: p99 by service, strategies: [{measure: p99,"
        " every: 5m, operator: '>', threshold: 200ms, group_by: [service]}]}]",
        "rules: [{name: too few of a service, strategies: [{measure: count, every: 1m,"
        " operator: '<', threshold: 380, group_by: [service]}]}]",
        "rules: [{name: errors by region (an attribute), strategies: [{measure: error_rate, every: "
        "1m,"
        " operator: '>', threshold: 5%, at_least: 20, group_by: [span.shop.region]}]}]",
        "rules: [{name: calls by user (an attribute), strategies: [{measure: count, every: 1m,"
        " operator: '>', threshold: 25, group_by: [span.enduser.id]}]}]",
        "rules: [{name: users by service, strategies: [{measure: distinct, field: span.enduser.id,"
        " every: 5m, operator: '>', threshold: 950, group_by: [service]}]}]"};
    size_t millions = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    size_t helpers = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    static struct part *parts[PARTS_MAX];
    size_t count = millions < PARTS_MAX ? millions : PARTS_MAX;
    uint64_t from_ns = (END_MS - DAY_MS) * NS_PER_MS, each_ns = DAY_MS * NS_PER_MS / count;
    for (size_t i = 0; i < count; i++) {
        parts[i] = make_part(argc > 3 ? argv[3] : "/tmp", i + 1, from_ns + i * each_ns,
                             from_ns + (i + 1) * each_ns);
    }
    const struct store_view view = {.parts = parts, .part_count = count};
    struct crew *crew = crew_new(helpers);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        try_rule(rules[i], &view, crew);
    }
    crew_free(crew);
    for (size_t i = 0; i < count; i++) {
        part_unref(parts[i]);
    }
    return 0;
}
