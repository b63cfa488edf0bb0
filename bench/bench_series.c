// SPDX-License-Identifier: Apache-2.0
// Purpose: what the series store costs: nanoseconds to find and add, bytes a sample and a series,
// seconds to flush, merge and open, milliseconds to query. Half of the numbers are gauges like the
// load of a CPU in percent with two digits, half are counters; beside
// them there may be histograms of 20 calls a slot.
// Usage: bench_series [thousands of series, 100] [minutes, 120] [seconds between samples, 30]
//     [histograms, 0]
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "series/series.h"

#define T0_MS   ((uint64_t)1700006400000)
#define CALLS   20u
#define LABELS  7u
#define QUERIES 50u

static uint64_t random_state = 42;
static uint64_t now_ms;

static uint64_t rnd(void)
{
    random_state += 0x9E3779B97F4A7C15ULL;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static uint64_t wall_ns(void)
{
    return now_ms * NS_PER_MS;
}

struct bench {
    struct series_options options;
    struct series_store *store;
    struct budget budget;
    unsigned count, hist_count;
    uint32_t *series, *hists; // references
    double *values;
    uint64_t samples, slots; // added
    uint64_t find_ns, add_ns, flush_ns;
};

static void find(struct bench *b, unsigned number, enum series_type type, uint32_t *ret_series)
{
    char texts[LABELS][32];
    const unsigned of[LABELS] = {number % 50, number / 1000, number % 7, number % 20, 0, 0, number};
    static const char *const names[LABELS] = {"__name__", "host", "job",    "metric",
                                              "region",   "zone", "zone_id"};
    struct series_label labels[LABELS];
    for (unsigned i = 0; i < LABELS; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%s-%u", names[i], of[i]);
        labels[i] = (struct series_label){str_of(names[i]), str_of(texts[i])};
    }
    labels[0].value = type == SERIES_HIST ? STR("calls") : labels[0].value;
    enum err e = series_find(b->store, STR("shop"), type, labels, LABELS, ret_series);
    MUST(e == ERR_OK);
    series_hold(b->store, *ret_series);
}

static void find_all(struct bench *b)
{
    uint64_t from = clock_mono_ns();
    for (unsigned i = 0; i < b->count; i++) {
        find(b, i, i % 2 == 0 ? SERIES_GAUGE : SERIES_COUNTER, &b->series[i]);
    }
    for (unsigned i = 0; i < b->hist_count; i++) {
        find(b, i, SERIES_HIST, &b->hists[i]);
    }
    b->find_ns = clock_mono_ns() - from;
}

static void add_numbers(struct bench *b, uint64_t time_ms)
{
    uint64_t from = clock_mono_ns();
    for (unsigned i = 0; i < b->count; i++) {
        double *v = &b->values[i];
        if (i % 2 == 0) {
            *v += (double)(rnd() % 101) / 100 - 0.5;
            *v = *v < 0 ? -*v : *v > 100 ? 200 - *v : *v;
        } else {
            *v += (double)(1000 + rnd() % 64);
        }
        series_add_number(b->store, b->series[i], time_ms, floor(*v * 100 + 0.5) / 100);
    }
    b->samples += b->count;
    b->add_ns += clock_mono_ns() - from;
}

static void add_hists(struct bench *b, uint64_t time_ms)
{
    for (unsigned i = 0; i < b->hist_count; i++) {
        uint16_t buckets[CALLS];
        struct series_run run = {b->hists[i], 1, time_ms, 0, buckets, CALLS};
        for (unsigned k = 0; k < CALLS; k++) {
            double u = (double)(rnd() % 1000000 + 1) / 1000001;
            uint64_t ns = (uint64_t)(5e6 * exp(-log(u) * 0.7));
            buckets[k] = (uint16_t)hist_bucket(ns);
            run.sum_ns += ns;
        }
        series_add_runs(b->store, &run, 1);
    }
    b->slots += b->hist_count;
}

static void flush(struct bench *b)
{
    static uint64_t seq;
    series_seal(b->store, ++seq, STR(""));
    uint64_t from = clock_mono_ns();
    enum err e = series_flush(b->store);
    MUST(e == ERR_OK);
    b->flush_ns += clock_mono_ns() - from;
}

static void print_bytes(struct bench *b, const char *when)
{
    struct series_stats s;
    series_stats(b->store, &s);
    uint64_t all = 0;
    for (int t = 0; t < TIER_COUNT; t++) {
        printf("  %s, width %d: %" PRIu64 " parts, %" PRIu64 " samples, %.1f MB, %.3f B a sample\n",
               when, t, s.parts[t], s.part_samples[t], (double)s.part_bytes[t] / 1e6,
               (double)s.part_bytes[t] / (double)(s.part_samples[t] > 0 ? s.part_samples[t] : 1));
        all += s.part_bytes[t];
    }
    printf("  %s: %.1f MB in all; the index has %.0f B a series\n", when, (double)all / 1e6,
           (double)s.index_bytes / (double)s.series);
}

static enum err count_found(void *ctx, const struct series_found *f)
{
    *(uint64_t *)ctx += f->count;
    return ERR_OK;
}

static void query(struct bench *b, const char *what, const struct series_matcher *m, size_t n,
                  uint64_t minutes)
{
    const struct series_query q = {.line = STR("shop"),
                                   .matchers = m,
                                   .matcher_count = n,
                                   .from_ms = now_ms - now_ms % 60000 - minutes * 60000,
                                   .to_ms = now_ms + 60000,
                                   .step_ms = 10000};
    struct series_answer answer = {0};
    uint64_t samples = 0, from = clock_mono_ns();
    unsigned times = n > 1 ? QUERIES : 1;
    for (unsigned i = 0; i < times; i++) {
        enum err e = series_run(b->store, &q, count_found, &samples, &answer);
        MUST(e == ERR_OK);
    }
    printf("  %s, %" PRIu64 " min: %.2f ms, %" PRIu64 " series, %" PRIu64 " samples\n", what,
           minutes, (double)(clock_mono_ns() - from) / 1e6 / times, answer.series, answer.samples);
}

static void query_all(struct bench *b)
{
    const struct series_matcher one[] = {{STR("zone_id"), MATCH_EQUAL, STR("zone_id-4242")},
                                         {STR("job"), MATCH_EQUAL, STR("job-0")}};
    const struct series_matcher host[] = {{STR("host"), MATCH_EQUAL, STR("host-7")}};
    const struct series_matcher calls[] = {{STR("__name__"), MATCH_EQUAL, STR("calls")}};
    for (uint64_t minutes = 15; minutes <= 120; minutes *= 8) {
        query(b, "one series", one, 2, minutes);
        query(b, "one host", host, 1, minutes);
        query(b, "all histograms", calls, 1, minutes);
        query(b, "everything", NULL, 0, minutes);
    }
}

static void open_store(struct bench *b)
{
    struct err_at at = {0};
    uint64_t from = clock_mono_ns();
    enum err e = series_open(&b->options, &b->store, &at);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "%s\n", at.text);
    }
    MUST(e == ERR_OK);
    printf("  open: %.2f s\n", (double)(clock_mono_ns() - from) / 1e9);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/sonde-bench-series-XXXXXX";
    struct bench *b = mem_new(1, sizeof *b);
    uint64_t minutes = argc > 2 ? strtoull(argv[2], NULL, 10) : 120;
    uint64_t every_ms = 1000 * (argc > 3 ? strtoull(argv[3], NULL, 10) : 30);
    b->count = 1000 * (unsigned)(argc > 1 ? strtoul(argv[1], NULL, 10) : 100);
    b->hist_count = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    MUST(mkdtemp(dir) != NULL && b->count > 0 && b->hist_count <= b->count && every_ms > 0);
    budget_init(&b->budget, (size_t)32 << 30);
    b->series = mem_new(b->count, sizeof *b->series);
    b->hists = mem_new(b->hist_count + 1, sizeof *b->hists);
    b->values = mem_new(b->count, sizeof *b->values);
    b->options = (struct series_options){.fs = fs_real(),
                                         .dir = dir,
                                         .budget = &b->budget,
                                         .series_max = 4u << 20,
                                         .wall_ns = wall_ns,
                                         .mono_ns = wall_ns};
    now_ms = T0_MS;
    open_store(b);
    find_all(b);
    printf("  find, new: %.0f ns\n", (double)b->find_ns / (b->count + b->hist_count));
    uint64_t merge_from = 0, merge_ns = 0;
    for (uint64_t at = 0, flushed = 0; at < minutes * 60000; at += 10000) {
        now_ms = T0_MS + at;
        if (at % every_ms == 0) {
            add_numbers(b, now_ms);
        }
        add_hists(b, now_ms);
        if (at - flushed >= 20000) {
            flush(b);
            flushed = at + 10000;
            merge_from = clock_mono_ns();
            MUST(series_quiesce(b->store) == ERR_OK);
            merge_ns += clock_mono_ns() - merge_from;
        }
    }
    find_all(b);
    printf("  find, known: %.0f ns; add: %.0f ns a number (with making it)\n",
           (double)b->find_ns / (b->count + b->hist_count), (double)b->add_ns / (double)b->samples);
    printf("  flush: %.0f ns a sample; merge: %.0f ns a sample\n",
           (double)b->flush_ns / (double)(b->samples + b->slots),
           (double)merge_ns / (double)(b->samples + b->slots));
    print_bytes(b, "before the last merge");
    query_all(b);
    uint64_t last = now_ms;
    now_ms += (uint64_t)26 * 3600000;
    merge_from = clock_mono_ns();
    MUST(series_quiesce(b->store) == ERR_OK);
    printf("  last merge: %.2f s\n", (double)(clock_mono_ns() - merge_from) / 1e9);
    print_bytes(b, "merged");
    now_ms = last;
    query_all(b);
    series_close(b->store);
    open_store(b);
    series_close(b->store);
    MUST(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
    mem_free(b->series);
    mem_free(b->hists);
    mem_free(b->values);
    mem_free(b);
    return 0;
}
