// SPDX-License-Identifier: Apache-2.0
// Purpose: what instances of services were seen to carry.
#include "alert/capacity.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/wake.h"
#include "query/entries.h"

#define NAME_MAX_BYTES ((size_t)256)
#define WARN_NS        (600 * NS_PER_S)

// A service that is asked for.
struct carrier {
    char line[NAME_MAX_BYTES], service[NAME_MAX_BYTES];
    size_t line_n, service_n;
    double carried;            // NAN: not known
    uint64_t asked_ns, due_ns; // of clock_mono_ns(); when it is measured next
};

struct capacity {
    struct series_store *series;
    struct budget *budget;
    struct query_control control; // of the measurement at hand
    pthread_t thread;
    pthread_mutex_t lock; // of the rest
    pthread_cond_t wake;
    struct carrier *carriers;
    size_t count, capacity;
    struct log_gate gate;
    bool stopping;
};

static bool is_carrier(const struct carrier *x, struct str line, struct str service)
{
    ASSERT(x->service_n > 0);
    return str_eq((struct str){x->line, x->line_n}, line) &&
           str_eq((struct str){x->service, x->service_n}, service);
}

// With the lock. NULL where there is no room.
static struct carrier *carrier_of(struct capacity *c, struct str line, struct str service)
{
    ASSERT(c->count <= CAPACITY_SERVICES_MAX);
    for (size_t i = 0; i < c->count; i++) {
        if (is_carrier(&c->carriers[i], line, service)) {
            return &c->carriers[i];
        }
    }
    if (c->count == CAPACITY_SERVICES_MAX || line.n > NAME_MAX_BYTES ||
        service.n > NAME_MAX_BYTES) {
        if (log_gate_pass(&c->gate, WARN_NS) > 0) {
            log_write(LOG_WARN, "alert", "of a service it is not known what its instances carry",
                      "services_max=%zu", CAPACITY_SERVICES_MAX);
        }
        return NULL;
    }
    c->carriers = mem_grow(c->carriers, &c->capacity, c->count + 1, sizeof *c->carriers);
    struct carrier *x = &c->carriers[c->count++];
    *x = (struct carrier){.line_n = line.n, .service_n = service.n, .carried = NAN};
    memcpy(x->line, line.n > 0 ? line.p : "", line.n);
    memcpy(x->service, service.p, service.n);
    (void)pthread_cond_signal(&c->wake);
    return x;
}

double capacity_of(struct capacity *c, struct str line, struct str service)
{
    double carried = NAN;
    if (service.n == 0) {
        return NAN;
    }
    pthread_mutex_lock(&c->lock);
    struct carrier *x = carrier_of(c, line, service);
    ASSERT(c->count <= CAPACITY_SERVICES_MAX);
    if (x != NULL) {
        x->asked_ns = clock_mono_ns();
        carried = x->carried;
    }
    pthread_mutex_unlock(&c->lock);
    return carried;
}

// ---- Measuring ----------------------------------------------------------------------------------

// The one that has been due for longest; NULL, and when one is, where none is. The lock is held.
static struct carrier *next_due(struct capacity *c, uint64_t now_ns, uint64_t *ret_due_ns)
{
    struct carrier *next = NULL;
    size_t kept = 0;
    ASSERT(c->count <= CAPACITY_SERVICES_MAX);
    for (size_t i = 0; i < c->count; i++) {
        if (now_ns < c->carriers[i].asked_ns + CAPACITY_FORGET_MS * NS_PER_MS) {
            c->carriers[kept++] = c->carriers[i];
        }
    }
    c->count = kept;
    for (size_t i = 0; i < c->count; i++) {
        struct carrier *x = &c->carriers[i];
        next = next == NULL || x->due_ns < next->due_ns ? x : next;
    }
    *ret_due_ns = next != NULL ? next->due_ns : now_ns + CAPACITY_EVERY_MS * NS_PER_MS;
    return next != NULL && next->due_ns <= now_ns ? next : NULL;
}

// Without the lock. False where it could not be read.
static bool measure(struct capacity *c, const struct carrier *x, double *ret_carried)
{
    struct meter meter;
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    int64_t calls = 0;
    ASSERT(now_ms > CAPACITY_RANGE_MS);
    meter_init(&meter, c->budget, ACCOUNT_QUERY);
    c->control.meter = &meter;
    const struct carried_query q = {.store = c->series,
                                    .line = {x->line, x->line_n},
                                    .service = {x->service, x->service_n},
                                    .from_ms = now_ms - CAPACITY_RANGE_MS,
                                    .to_ms = now_ms - CAPACITY_APART_MS,
                                    .control = &c->control};
    enum err e = entries_carried(&q, &calls);
    meter_done(&meter);
    if (e == ERR_OK) {
        *ret_carried = calls > 0 ? (double)calls : (double)NAN;
    }
    return e == ERR_OK;
}

static void *run(void *ctx)
{
    struct capacity *c = ctx;
    ASSERT(ctx != NULL);
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        uint64_t due_ns, now_ns = clock_mono_ns();
        struct carrier *next = next_due(c, now_ns, &due_ns);
        if (next == NULL) {
            (void)wake_wait_until(&c->wake, &c->lock, due_ns);
            continue;
        }
        struct carrier one = *next;
        pthread_mutex_unlock(&c->lock);
        bool is_known = measure(c, &one, &one.carried);
        pthread_mutex_lock(&c->lock);
        for (size_t i = 0; i < c->count; i++) { // it may have moved, or be gone
            struct carrier *x = &c->carriers[i];
            if (is_carrier(x, (struct str){one.line, one.line_n},
                           (struct str){one.service, one.service_n})) {
                x->carried = is_known ? one.carried : x->carried;
                x->due_ns = now_ns + CAPACITY_EVERY_MS * NS_PER_MS;
            }
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

// ---- Life ---------------------------------------------------------------------------------------

struct capacity *capacity_new(struct series_store *series, struct budget *budget)
{
    struct capacity *c = mem_new(1, sizeof *c);
    ASSERT(series != NULL && budget != NULL);
    c->series = series;
    c->budget = budget;
    wake_init(&c->wake);
    MUST(pthread_mutex_init(&c->lock, NULL) == 0);
    MUST(pthread_create(&c->thread, NULL, run, c) == 0);
    return c;
}

void capacity_free(struct capacity *c)
{
    if (c == NULL) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    atomic_store(&c->control.cancelled, true);
    (void)pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    MUST(pthread_join(c->thread, NULL) == 0);
    ASSERT(c->count <= CAPACITY_SERVICES_MAX);
    mem_free(c->carriers);
    (void)pthread_cond_destroy(&c->wake);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}
