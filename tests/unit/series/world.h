// SPDX-License-Identifier: Apache-2.0
// Purpose: what tests of the series store share: a store in a folder of its own on the real or a
// simulated disk, a plain model of everything that was ever added, and the comparison of the two.
#ifndef SONDE_TESTS_SERIES_WORLD_H
#define SONDE_TESTS_SERIES_WORLD_H

#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "series/series.h"
#include "support/random_batch.h"
#include "support/simfs.h"
#include "support/sqlite_fs.h"

#define T0_MS      ((uint64_t)1700006400000) // at the begin of a day
#define SLOTS      2160u                     // 6 h from T0_MS on: three spans of the first tier
#define SERIES_MAX 48u                       // histograms; as many numbers
#define WEIGHTS    1000003

// What one series has in one slot. `weight` tells one set of buckets from another.
struct model_slot {
    int64_t count, sum_ns, weight;
};

struct model {
    struct model_slot hists[SERIES_MAX][SLOTS];
    double numbers[SERIES_MAX][SLOTS]; // 0: none
};

struct world {
    char dir[64];
    struct fs *fs;
    struct simfs *sim;
    struct budget budget;
    struct series_store *store;
    struct series_options options;
    struct model *model;
    struct random random;
    uint64_t seq, committed;
};

static _Atomic uint64_t world_now_ms = T0_MS + 3600000; // read by the store's threads

static inline uint64_t world_wall_ns(void)
{
    return world_now_ms * NS_PER_MS;
}

// No leap unless a test wants one.
static _Atomic uint64_t world_leap_ms;

static inline uint64_t world_mono_ns(void)
{
    return (world_now_ms - world_leap_ms) * NS_PER_MS;
}

static inline uint64_t draw(struct world *w, uint64_t n)
{
    uint64_t *v = &w->random.state;
    *v ^= *v << 13, *v ^= *v >> 7, *v ^= *v << 17;
    return *v % n;
}

static inline void world_committed(void *ctx, uint64_t seq)
{
    ((struct world *)ctx)->committed = seq;
}

static inline void world_start(struct world *w)
{
    struct err_at at = {0};
    budget_init(&w->budget, (size_t)256 << 20);
    w->options.fs = w->fs;
    w->options.dir = w->dir;
    w->options.budget = &w->budget;
    w->options.wall_ns = world_wall_ns;
    w->options.mono_ns = world_mono_ns;
    w->options.on_committed = world_committed;
    w->options.ctx = w;
    enum err e = series_open(&w->options, &w->store, &at);
    if (e != ERR_OK) {
        print_error("%s\n", at.text);
    }
    assert_ok(e);
}

static inline void world_stop(struct world *w)
{
    series_close(w->store);
    w->store = NULL;
    assert_int_equal(atomic_load(&w->budget.total), 0);
}

static inline void world_open(struct world *w, uint64_t sim_seed)
{
    *w = (struct world){.dir = "/tmp/sonde-test-series-XXXXXX",
                        .random = {sim_seed + 88172645463325252u}};
    world_now_ms = T0_MS + 3600000;
    world_leap_ms = 0;
    w->model = mem_new(1, sizeof *w->model);
    if (sim_seed > 0) {
        (void)snprintf(w->dir, sizeof w->dir, "series");
        w->sim = simfs_new(sim_seed);
        w->fs = simfs_fs(w->sim);
        sqlite_fs_register("simulated", w->fs);
        w->options.catalog_vfs = "simulated";
    } else {
        assert_non_null(mkdtemp(w->dir));
        w->fs = fs_real();
    }
    world_start(w);
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void world_done(struct world *w)
{
    if (w->store != NULL) {
        world_stop(w);
    }
    mem_free(w->model);
    if (w->sim != NULL) {
        sqlite_fs_register("simulated", NULL);
        simfs_free(w->sim);
    } else {
        assert_int_equal(nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    }
}

// ---- Adding -------------------------------------------------------------------------------------

// The number of a series stands in its labels; even ones are of the line "shop", others of "play".
static inline enum err find_series(struct world *w, unsigned number, bool hist,
                                   uint32_t *ret_series)
{
    char name[16], group[16];
    (void)snprintf(name, sizeof name, "%u", number);
    (void)snprintf(group, sizeof group, "g%u", number % 5);
    const struct series_label labels[] = {
        {STR("__name__"), hist ? STR("calls") : STR("load")},
        {STR("group"), str_of(group)},
        {STR("number"), str_of(name)},
    };
    return series_find(w->store, number % 2 == 0 ? STR("shop") : STR("play"),
                       hist ? SERIES_HIST : SERIES_GAUGE, labels, 3, ret_series);
}

static inline uint64_t slot_ms(unsigned slot)
{
    return T0_MS + (uint64_t)slot * SERIES_SLOT_MS;
}

static inline int64_t weight_of(unsigned bucket)
{
    return (int64_t)((uint64_t)bucket * bucket * 7919 % WEIGHTS);
}

static inline void add_duration(struct series_store *store, uint32_t series, int32_t times,
                                uint64_t time_ms, uint64_t ns)
{
    const uint16_t bucket = (uint16_t)hist_bucket(ns);
    const struct series_run run = {series, times, time_ms, ns, &bucket, 1};
    series_add_runs(store, &run, 1);
}

// Adds calls of one duration, or takes them back; to the model alone where there is no store.
static inline void add_calls_to(struct world *w, struct model *model, unsigned number,
                                unsigned slot, uint64_t ns, int32_t times)
{
    if (w->store != NULL) {
        uint32_t series;
        assert_ok(find_series(w, number, true, &series));
        add_duration(w->store, series, times, slot_ms(slot) + ns % SERIES_SLOT_MS, ns);
    }
    struct model_slot *m = &model->hists[number][slot];
    m->count += times;
    m->sum_ns += (int64_t)ns * times;
    m->weight += weight_of(hist_bucket(ns)) * times;
}

static inline void add_calls(struct world *w, unsigned number, unsigned slot, uint64_t ns,
                             int32_t times)
{
    add_calls_to(w, w->model, number, slot, ns, times);
}

static inline void add_number_to(struct world *w, struct model *model, unsigned number,
                                 unsigned slot, double value)
{
    if (w->store != NULL) {
        uint32_t series;
        assert_ok(find_series(w, number, false, &series));
        series_add_number(w->store, series, slot_ms(slot) + number, value);
    }
    model->numbers[number][slot] = value;
}

// Some random additions around a slot.
static inline void add_some(struct world *w, struct model *model, unsigned slot, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned number = (unsigned)draw(w, SERIES_MAX);
        unsigned at = slot >= 40 && draw(w, 8) == 0 ? slot - (unsigned)draw(w, 40) : slot;
        if (draw(w, 3) == 0) {
            add_number_to(w, model, number, at, 1 + (double)draw(w, 10000) / 100);
        } else {
            add_calls_to(w, model, number, at, 1 + draw(w, 1000000000) % (1 + draw(w, 1000000000)),
                         draw(w, 10) == 0 ? -1 : 1 + (int32_t)draw(w, 3));
        }
    }
}

static inline void seal(struct world *w)
{
    char state[32];
    (void)snprintf(state, sizeof state, "state %llu", (unsigned long long)++w->seq);
    series_seal(w->store, w->seq, str_of(state));
}

static inline void seal_and_flush(struct world *w)
{
    seal(w);
    assert_ok(series_flush(w->store));
}

// ---- What must hold -----------------------------------------------------------------------------

struct comparing {
    struct world *w;
    struct model *left; // what is not found yet
    unsigned step;      // in slots
    char last[128];
};

static inline struct str label_of(const struct series_found *f, struct str key)
{
    for (size_t i = 0; i < f->label_count; i++) {
        if (str_eq(f->labels[i].key, key)) {
            return f->labels[i].value;
        }
    }
    return STR("");
}

static inline void compare_hist(struct comparing *c, unsigned number, unsigned slot,
                                const struct series_hist *h)
{
    static struct hist_total total;
    struct model_slot sum = {0};
    int64_t weight = 0;
    hist_total_clear(&total);
    hist_total_add(&total, h->bytes);
    // Through the marks of the total: of its 4,096 buckets few are in use, and this is done often.
    for (uint64_t words = total.words; words != 0; words &= words - 1) {
        const unsigned word = (unsigned)__builtin_ctzll(words);
        for (uint64_t bits = total.added[word]; bits != 0; bits &= bits - 1) {
            const unsigned bucket = word * 64 + (unsigned)__builtin_ctzll(bits);
            weight += total.buckets[bucket] * weight_of(bucket);
        }
    }
    assert_int_equal(total.count, h->count);
    assert_int_equal(total.sum_ns, h->sum_ns);
    for (unsigned i = slot; i < slot + c->step; i++) {
        struct model_slot *m = &c->left->hists[number][i];
        sum.count += m->count;
        sum.sum_ns += m->sum_ns;
        sum.weight += m->weight;
        *m = (struct model_slot){0};
    }
    assert_int_equal(sum.count, h->count);
    assert_int_equal(sum.sum_ns, h->sum_ns);
    assert_int_equal(sum.weight, weight);
}

static inline enum err compare_series(void *ctx, const struct series_found *f)
{
    struct comparing *c = ctx;
    uint64_t value = SERIES_MAX;
    bool hist = f->type == SERIES_HIST;
    assert_int_equal(str_to_u64(label_of(f, STR("number")), &value), ERR_OK);
    assert_true(value < SERIES_MAX);
    unsigned number = (unsigned)value;
    assert_true(str_eq(f->line, number % 2 == 0 ? STR("shop") : STR("play")));
    assert_true(f->count > 0);
    for (size_t i = 0; i < f->count; i++) {
        unsigned slot = (unsigned)((f->times_ms[i] - T0_MS) / SERIES_SLOT_MS);
        assert_true(i == 0 || f->times_ms[i] > f->times_ms[i - 1]);
        assert_true(f->times_ms[i] >= T0_MS && slot < SLOTS);
        if (hist) {
            compare_hist(c, number, slot, &f->hists[i]);
        } else {
            assert_true(f->numbers[i] == c->left->numbers[number][slot]);
            c->left->numbers[number][slot] = 0;
        }
    }
    return ERR_OK;
}

// A query finds exactly what the model has, at this step.
static inline enum series_tier assert_model(struct world *w, unsigned step)
{
    struct comparing c = {.w = w, .left = mem_alloc(sizeof *c.left), .step = step};
    struct meter meter;
    struct series_answer answer;
    meter_init(&meter, &w->budget, ACCOUNT_QUERY);
    const struct series_query q = {.any_line = true,
                                   .from_ms = T0_MS,
                                   .to_ms = slot_ms(SLOTS),
                                   .step_ms = (uint64_t)step * SERIES_SLOT_MS,
                                   .meter = &meter};
    memcpy(c.left, w->model, sizeof *c.left);
    assert_ok(series_run(w->store, &q, compare_series, &c, &answer));
    assert_int_equal(atomic_load(&meter.held_bytes), 0);
    for (unsigned k = 0; k < SERIES_MAX; k++) {
        struct model_slot sum = {0};
        for (unsigned i = 0; i < SLOTS; i++) {
            sum.count += c.left->hists[k][i].count;
            sum.sum_ns += c.left->hists[k][i].sum_ns;
            sum.weight += c.left->hists[k][i].weight;
            if ((i + 1) % step == 0) { // what adds up to nothing need not be found
                assert_true(sum.count == 0 && sum.sum_ns == 0 && sum.weight == 0);
            }
            assert_true(c.left->numbers[k][i] == 0);
        }
    }
    mem_free(c.left);
    return answer.tier;
}

#endif
