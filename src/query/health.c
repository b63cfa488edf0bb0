// SPDX-License-Identifier: Apache-2.0
// Purpose: the state of what calls are known of.
#include "query/health.h"

#include <stdbool.h>

#include "core/clock.h"
#include "core/must.h"

const char *health_name(enum health h)
{
    static const char *const names[] = {"unknown", "ok", "warn", "error"};
    ASSERT(h <= HEALTH_ERROR);
    return names[h];
}

const char *health_measure_name(enum health_measure m)
{
    static const char *const names[HEALTH_MEASURES] = {"error_share", "p99_ns",        "calls",
                                                       "cpu",         "heap_after_gc", "host_cpu",
                                                       "host_memory", "host_disk"};
    ASSERT(m < HEALTH_MEASURES);
    return names[m];
}

static void add(struct health_verdict *v, enum health_measure measure, enum health level,
                double value, double limit)
{
    ASSERT(v->count < HEALTH_MEASURES);
    v->reasons[v->count++] = (struct health_reason){measure, level, value, limit, {NULL, 0}};
    v->state = level > v->state ? level : v->state;
}

// A share that would be an error, of too few failed calls to be one, leaves the state unknown.
static void judge_errors(struct health_verdict *v, const struct health_numbers *now)
{
    static const double warn = 0.01, error = 0.05;
    double share = (double)now->errors / (double)now->calls;
    bool bad = share >= error;
    ASSERT(now->calls > 0);
    v->state = bad && now->errors < HEALTH_ERRORS_MIN ? HEALTH_UNKNOWN : HEALTH_OK;
    if (now->errors >= HEALTH_ERRORS_MIN && share >= warn) {
        add(v, HEALTH_ERROR_SHARE, bad ? HEALTH_ERROR : HEALTH_WARN, share, bad ? error : warn);
    }
}

// The slowest and the quietest of the stretches that count; false where none does.
static bool find_usual(const struct health_numbers usual[USUAL_COUNT], double *ret_p99_ns,
                       double *ret_calls)
{
    bool found = false;
    ASSERT(ret_p99_ns != NULL && ret_calls != NULL);
    for (unsigned i = 0; i < USUAL_COUNT; i++) {
        double p99_ns = (double)usual[i].p99_ns, calls = (double)usual[i].calls;
        if (usual[i].calls < HEALTH_CALLS_MIN) {
            continue;
        }
        *ret_p99_ns = !found || p99_ns > *ret_p99_ns ? p99_ns : *ret_p99_ns;
        *ret_calls = !found || calls < *ret_calls ? calls : *ret_calls;
        found = true;
    }
    return found;
}

static bool is_slower(double now_ns, double usual_ns, double times, double more_ms)
{
    ASSERT(times > 1);
    return now_ns >= times * usual_ns && now_ns >= usual_ns + more_ms * (double)NS_PER_MS;
}

static void judge_unusual(struct health_verdict *v, const struct health_numbers *now,
                          double usual_p99_ns, double usual_calls, uint64_t range_ms)
{
    double p99_ns = (double)now->p99_ns, calls = (double)now->calls;
    ASSERT(usual_calls >= HEALTH_CALLS_MIN);
    if (now->calls >= HEALTH_CALLS_MIN && is_slower(p99_ns, usual_p99_ns, 5, 50)) {
        add(v, HEALTH_P99, HEALTH_ERROR, p99_ns, 5 * usual_p99_ns);
    } else if (now->calls >= HEALTH_CALLS_MIN && is_slower(p99_ns, usual_p99_ns, 2, 5)) {
        add(v, HEALTH_P99, HEALTH_WARN, p99_ns, 2 * usual_p99_ns);
    }
    bool comparable = range_ms >= HEALTH_RANGE_MIN_MS && !now->is_sample;
    if (comparable && calls < usual_calls / 10) {
        add(v, HEALTH_CALLS, HEALTH_ERROR, calls, usual_calls / 10);
    } else if (comparable && calls < usual_calls / 2) {
        add(v, HEALTH_CALLS, HEALTH_WARN, calls, usual_calls / 2);
    }
}

struct health_verdict health_judge(const struct health_numbers *now,
                                   const struct health_numbers usual[USUAL_COUNT],
                                   uint64_t range_ms)
{
    struct health_verdict v = {.state = HEALTH_UNKNOWN};
    double usual_p99_ns = 0, usual_calls = 0;
    if (now->calls <= 0) {
        return v;
    }
    judge_errors(&v, now);
    if (find_usual(usual, &usual_p99_ns, &usual_calls)) {
        judge_unusual(&v, now, usual_p99_ns, usual_calls, range_ms);
    }
    ASSERT((v.count == 0) == (v.state <= HEALTH_OK));
    return v;
}

void health_add_machine(struct health_verdict *v, const struct health_limits *limits,
                        enum health_measure measure, double share, struct str who)
{
    const struct health_limit *l = &limits->of[measure];
    bool bad = l->error > 0 && share >= l->error;
    ASSERT(measure >= HEALTH_MACHINE && measure < HEALTH_MEASURES);
    if (bad || (l->warn > 0 && share >= l->warn)) {
        add(v, measure, bad ? HEALTH_ERROR : HEALTH_WARN, share, bad ? l->error : l->warn);
        v->reasons[v->count - 1].who = who;
    }
}

static struct health_numbers numbers_of(const struct calls_sum *s, struct hist_total *scratch)
{
    static const double share[] = {0.99};
    struct calls c = {.hist = buf_str(&s->hist)};
    struct health_numbers n = {.calls = s->calls, .errors = s->errors};
    ASSERT(scratch != NULL);
    calls_quantiles(&c, scratch, share, 1, &n.p99_ns);
    return n;
}

struct health_verdict health_of_sums(const struct calls_sum *now,
                                     const struct calls_sum usual[USUAL_COUNT], bool is_sample,
                                     uint64_t range_ms, struct hist_total *scratch)
{
    struct health_numbers n = numbers_of(now, scratch), before[USUAL_COUNT];
    ASSERT(range_ms > 0);
    n.is_sample = is_sample;
    for (unsigned i = 0; i < USUAL_COUNT; i++) {
        before[i] = numbers_of(&usual[i], scratch);
    }
    return health_judge(&n, before, range_ms);
}
