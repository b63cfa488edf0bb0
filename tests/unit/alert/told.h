// SPDX-License-Identifier: Apache-2.0
// Purpose: what tests share that hold a dry run against the engine: records that come turn by turn,
// what was told of them, and what a dry run would have told, in one form.
#ifndef SONDE_TESTS_ALERT_TOLD_H
#define SONDE_TESTS_ALERT_TOLD_H

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

#include "alert/rehearsal.h"
#include "core/sort.h"
#include "world.h"

#define TOLD_MAX 4000

static atomic_uint_fast64_t told_wall_ms;
static inline uint64_t told_now_ns(void)
{
    return atomic_load(&told_wall_ms) * NS_PER_MS;
}

static uint64_t told_random;
static inline uint64_t below(uint64_t n)
{
    told_random ^= told_random << 13;
    told_random ^= told_random >> 7;
    told_random ^= told_random << 17;
    return told_random % n;
}
static inline void told_seed(uint64_t seed)
{
    told_random = seed * 0x9e3779b97f4a7c15u + 1;
}

struct event {
    char group[64];
    uint64_t begin_ms, end_ms;
    double value, limit;
};
struct events {
    struct event all[TOLD_MAX];
    size_t count;
};

static inline void told_group(const struct str *values, size_t count, char group[64])
{
    group[0] = 0;
    for (size_t k = 0; k < count; k++) {
        size_t n = strlen(group);
        (void)snprintf(group + n, 64 - n, "%.*s/", STR_FMT(values[k]));
    }
}

// ---- As it comes --------------------------------------------------------------------------------

static inline enum err told_tell(void *ctx, const struct alert_event *events, size_t count)
{
    struct events *to = ctx;
    for (size_t i = 0; i < count; i++) {
        const struct alert_event *e = &events[i];
        char group[64];
        told_group(e->group, e->strategy->group_by_count, group);
        if (e->fires) {
            struct event *made = &to->all[to->count++];
            assert_true(to->count < TOLD_MAX);
            *made = (struct event){
                .begin_ms = e->event_ns / NS_PER_MS, .value = e->value, .limit = e->limit};
            memcpy(made->group, group, sizeof group);
            continue;
        }
        for (size_t k = to->count; k-- > 0;) {
            if (strcmp(to->all[k].group, group) == 0) {
                assert_int_equal(to->all[k].end_ms, 0);
                to->all[k].end_ms = e->event_ns / NS_PER_MS;
                break;
            }
        }
    }
    return ERR_OK;
}
static inline void told_tick(void *ctx, uint64_t ns)
{
    (void)ctx;
    (void)ns;
}
static inline void told_commit(void *ctx, uint64_t seq, struct str state)
{
    (void)ctx;
    (void)seq;
    (void)state;
}
static inline void told_done(void *ctx, uint64_t seq)
{
    (void)ctx;
    (void)seq;
}

// What the engine tells of what comes from `begin_ms` on, in turns up to `end_ms`. next() gives
// what came in the turn that ends at `at_ms`, sealed.
static inline void told_live(struct alert_set *set, struct budget *budget, uint64_t begin_ms,
                             uint64_t end_ms, uint64_t turn_ms,
                             struct batch *(*next)(void *ctx, uint64_t at_ms), void *ctx,
                             struct events *events)
{
    const struct alert_options o = {.budget = budget,
                                    .sink = {told_tell, told_tick, told_commit, told_done, events},
                                    .set = set,
                                    .clock = {told_now_ns, told_now_ns},
                                    .state = STR("")};
    atomic_store(&told_wall_ms, begin_ms);
    struct alert_engine *a = alert_new(&o);
    alert_start(a);
    events->count = 0;
    for (uint64_t at = begin_ms + turn_ms; at <= end_ms; at += turn_ms) {
        struct batch *b = next(ctx, at);
        atomic_store(&told_wall_ms, at);
        alert_add_record(a, &b, 1);
        alert_quiesce(a);
        batch_unref(b);
    }
    alert_close(a);
}

// ---- As a dry run gives it ----------------------------------------------------------------------

// Its memory is given back at once, which no meter here outlives.
static inline struct rehearsal *told_rehearse(const struct rehearsal_query *query,
                                              struct crew *crew, struct budget *budget)
{
    struct meter meter;
    struct query_control control = {.crew = crew, .meter = &meter};
    struct rehearsal_query q = *query;
    struct rehearsal *r;
    q.control = &control;
    meter_init(&meter, budget, ACCOUNT_QUERY);
    assert_ok(rehearsal_run(&q, &r));
    query_memory_give(&r->memory);
    assert_int_equal(meter.held_bytes, 0);
    meter_done(&meter);
    r->memory.control = NULL;
    return r;
}

static inline int told_by_event(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    int c = strcmp(x->group, y->group);
    return c != 0 ? c : x->begin_ms < y->begin_ms ? -1 : x->begin_ms > y->begin_ms;
}

static inline void told_events(const struct rehearsal *r, const struct alert_rule *rule,
                               struct events *to)
{
    to->count = 0;
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = 0; k < r->groups[i].count; k++) {
            const struct rehearsal_stretch *s = &r->groups[i].stretches[k];
            struct event *e = &to->all[to->count++];
            *e = (struct event){
                .begin_ms = s->begin_ms, .end_ms = s->end_ms, .value = s->value, .limit = s->limit};
            told_group(r->groups[i].values, rule->strategies[0].group_by_count, e->group);
        }
    }
    sort_array(to->all, to->count, sizeof to->all[0], told_by_event);
}

// ---- Side by side -------------------------------------------------------------------------------

static inline bool told_same_number(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * fabs(a) + 1e-9;
}

static inline void told_print(const char *what, const struct events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct event *e = &events->all[i];
        print_error("%s %s %llu %llu %g %g\n", what, e->group, (unsigned long long)e->begin_ms,
                    (unsigned long long)e->end_ms, e->value, e->limit);
    }
}

static inline void told_compare(const struct events *told, const struct events *tried,
                                uint64_t turn_ms, const char *rule)
{
    bool same = told->count == tried->count;
    for (size_t i = 0; same && i < told->count; i++) {
        const struct event *a = &told->all[i], *b = &tried->all[i];
        same = strcmp(a->group, b->group) == 0 && a->begin_ms / turn_ms == b->begin_ms / turn_ms &&
               a->end_ms / turn_ms == b->end_ms / turn_ms && told_same_number(a->value, b->value) &&
               told_same_number(a->limit, b->limit);
    }
    if (!same) {
        told_print("told ", told);
        told_print("tried", tried);
        print_error("%s\n", rule);
    }
    assert_true(same);
}

// Those that were over before the range began are not asked for.
static inline void told_leave_out_before(struct events *e, uint64_t from_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (e->all[i].end_ms == 0 || e->all[i].end_ms > from_ms) {
            e->all[n++] = e->all[i];
        }
    }
    e->count = n;
    sort_array(e->all, e->count, sizeof e->all[0], told_by_event);
}

// Rules by chance, as many as seeds, every other one with a crew. Most of them must have alerts.
// check_seed() compares, and says how many there were.
static inline void check_seeds(uint64_t seeds, size_t (*check_seed)(uint64_t, struct crew *))
{
    struct crew *crew = crew_new(2);
    size_t events = 0, seeds_with = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        size_t n = check_seed(seed, seed % 2 == 0 ? crew : NULL);
        events += n;
        seeds_with += n > 0;
    }
    crew_free(crew);
    print_message("%zu alerts of %zu rules\n", events, seeds_with);
    assert_true(events > 100 && seeds_with > seeds / 2);
}

#endif
