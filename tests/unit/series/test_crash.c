// SPDX-License-Identifier: Apache-2.0
// Purpose: parts and catalog of series on one simulated disk: seeded lives with power cuts, torn
// and failing writes. After each cut the store says up to which seal everything is in it, and has
// exactly that, at every width: nothing committed is lost and nothing is there twice.
#include "unit/series/world.h"

#define SEALS_MAX 400

// What was added between two seals, to be added again from the journal: the series are a function
// of the seed.
struct life {
    struct world w;
    uint64_t seeds[SEALS_MAX]; // of what each seal has
    unsigned slots[SEALS_MAX];
    unsigned sealed; // ever, by number; seq = number
    uint64_t failed, kept;
};

// What seal number n (from 1 on) holds. Given again it is the same.
static void add_seal(struct life *l, struct model *model, unsigned n)
{
    struct random saved = l->w.random;
    l->w.random.state = l->seeds[n];
    add_some(&l->w, model, l->slots[n], 20);
    l->w.random = saved;
}

// The model of everything up to a seal.
static void build_model(struct life *l, uint64_t seq)
{
    struct world *w = &l->w;
    memset(w->model, 0, sizeof *w->model);
    struct series_store *store = w->store;
    w->store = NULL;
    for (unsigned n = 1; n <= seq; n++) {
        add_seal(l, w->model, n);
    }
    w->store = store;
}

static void check(struct life *l)
{
    (void)assert_model(&l->w, 1);
    (void)assert_model(&l->w, 6);
    (void)assert_model(&l->w, 360);
}

static void start(struct life *l)
{
    struct world *w = &l->w;
    if (w->store == NULL) {
        world_start(w);
    }
    uint64_t seq = series_seq(w->store);
    assert_true(seq >= w->committed && seq <= l->sealed); // what was told is there
    char text[32];
    (void)snprintf(text, sizeof text, "state %llu", (unsigned long long)seq);
    assert_true(str_eq(series_state(w->store), seq > 0 ? str_of(text) : STR("")));
    build_model(l, seq);
    check(l);
    l->kept += seq;
    // The rest comes from the journal.
    for (unsigned n = (unsigned)seq + 1; n <= l->sealed; n++) {
        add_seal(l, w->model, n);
        w->seq = n - 1;
        seal(w);
    }
    w->seq = l->sealed;
    check(l);
}

static void act(struct life *l)
{
    struct world *w = &l->w;
    uint64_t what = simfs_random(w->sim, 12);
    enum err e = ERR_OK;
    if (what == 0) {
        e = series_quiesce(w->store);
    } else if (what < 4) {
        e = series_flush(w->store);
    } else if (l->sealed + 1 < SEALS_MAX) {
        unsigned n = ++l->sealed;
        l->seeds[n] = 1 + simfs_random(w->sim, (uint64_t)1 << 40);
        l->slots[n] = 400 + n * 4;
        world_now_ms = slot_ms(l->slots[n]);
        add_seal(l, w->model, n);
        seal(w);
    }
    l->failed += e != ERR_OK;
}

static void live(uint64_t seed, uint64_t *failed, uint64_t *kept)
{
    struct life *l = mem_new(1, sizeof *l);
    struct world *w = &l->w;
    world_open(w, seed);
    for (unsigned round = 0; round < 6; round++) {
        start(l);
        simfs_set_faults(w->sim, seed % 3 == 1 ? 15 : 0, seed % 3 == 2 ? 15 : 0);
        simfs_power_off_after(w->sim, 1 + simfs_random(w->sim, 1500));
        for (unsigned i = 0; i < 40; i++) {
            act(l);
        }
        simfs_set_faults(w->sim, 0, 0);
        if (round % 2 == 0) { // the disk answers again before the end
            simfs_power_off_after(w->sim, 0);
            check(l);
        }
        if (simfs_random(w->sim, 4) != 0) {
            simfs_power_off_after(w->sim, 1);
        }
        world_stop(w);
        simfs_crash(w->sim);
    }
    start(l);
    assert_ok(series_quiesce(w->store));
    assert_int_equal(series_seq(w->store), l->sealed);
    check(l);
    world_now_ms += (uint64_t)5 * 3600000;
    assert_ok(series_quiesce(w->store));
    check(l);
    *failed += l->failed;
    *kept += l->kept;
    world_done(w);
    mem_free(l);
}

// Sanitizers look for other faults than those of the rules, and take ten times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIVES 9
#else
#define LIVES 90
#endif

static void test_power_cuts(void **state)
{
    (void)state;
    uint64_t failed = 0, kept = 0;
    const char *one = getenv("SONDE_TEST_SEED");
    for (uint64_t seed = 1; seed <= LIVES && one == NULL; seed++) {
        live(seed, &failed, &kept);
    }
    if (one != NULL) {
        live(strtoull(one, NULL, 10), &failed, &kept);
    } else {
        assert_true(failed > LIVES / 2 && kept > LIVES * 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power_cuts)};
    log_set_level(LOG_SILENT); // failing disks are the point here
    return cmocka_run_group_tests(tests, NULL, NULL);
}
