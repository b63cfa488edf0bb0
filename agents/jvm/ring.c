// SPDX-License-Identifier: Apache-2.0
// Purpose: the rings between application threads and the sender.
#include "agents/jvm/ring.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "agents/jvm/memory.h"
#include "core/clock.h"
#include "core/must.h"

#define RECORD_HEAD 8 // u32 length, padding
#define WRAP        0 // a length that means: go on at the front

static _Atomic(struct ring *) rings[RINGS_MAX]; // the last one is shared
static atomic_uint ring_count;
static atomic_ullong dropped_full, dropped_busy;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

static __thread struct ring *mine;

// At the thread's end. What comes to it even later, as where another library takes the thread out
// of the JVM only now, gets another ring: this one may have another thread's hands on it.
static void give_back(void *p)
{
    struct ring *r = p;
    mine = NULL;
    atomic_store_explicit(&r->is_over, true, memory_order_release);
}

// What the sender sleeps on; posted once until it has woken.
static sem_t wake;
static atomic_bool is_woken;

static void make_key(void)
{
    MUST(sem_init(&wake, 0, 0) == 0);
    has_key = pthread_key_create(&thread_end, give_back) == 0;
}

static struct ring *ring_new(void)
{
    struct ring *r = memory_lines(sizeof *r);
    if (r != NULL) {
        memset(r, 0, offsetof(struct ring, bytes));
        atomic_flag_clear(&r->is_busy);
        atomic_store(&r->is_taken, true);
    }
    return r;
}

// One that a thread has left and the sender has emptied.
static struct ring *reuse(unsigned count)
{
    for (unsigned i = 0; i < count && i < RINGS_MAX - 1; i++) {
        struct ring *r = atomic_load_explicit(&rings[i], memory_order_acquire);
        bool taken = false;
        if (r != NULL && atomic_compare_exchange_strong(&r->is_taken, &taken, true)) {
            return r;
        }
    }
    return NULL;
}

static struct ring *shared_ring(void)
{
    struct ring *r = atomic_load_explicit(&rings[RINGS_MAX - 1], memory_order_acquire);
    if (r == NULL) {
        struct ring *made = ring_new();
        if (made != NULL && atomic_compare_exchange_strong(&rings[RINGS_MAX - 1], &r, made)) {
            return made;
        }
        memory_free(made);
    }
    return r;
}

static struct ring *acquire(void)
{
    unsigned count = atomic_load(&ring_count);
    struct ring *r = reuse(count);
    if (r != NULL) {
        return r;
    }
    r = ring_new();
    do {
        if (r == NULL || count >= RINGS_MAX - 1) {
            memory_free(r);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&ring_count, &count, count + 1));
    atomic_store_explicit(&rings[count], r, memory_order_release);
    return r;
}

struct ring *ring_mine(void)
{
    if (mine == NULL) {
        pthread_once(&once, make_key);
        struct ring *r = has_key ? acquire() : NULL;
        if (r == NULL) {
            return shared_ring();
        }
        if (pthread_setspecific(thread_end, r) != 0) {
            give_back(r);
            return shared_ring();
        }
        mine = r;
    }
    ASSERT(atomic_load(&mine->is_taken));
    return mine;
}

// ---- Writing ---------------------------------------------------------------------------------

static void put_length(struct ring *r, size_t at, uint32_t length)
{
    memcpy(r->bytes + (at & (RING_BYTES - 1)), &length, sizeof length);
}

#define LINE        64
#define FETCH_LINES 6 // a span of the usual length

void ring_fetch(const struct ring *r)
{
    size_t at = atomic_load_explicit(&r->head, memory_order_relaxed);
    for (size_t i = 0; i < FETCH_LINES; i++) {
        __builtin_prefetch(r->bytes + ((at + i * LINE) & (RING_BYTES - 1)), 1);
    }
}

static bool push(struct ring *r, struct str head, struct str body)
{
    size_t n = head.n + body.n;
    size_t need = RECORD_HEAD + ((n + 7) & ~(size_t)7);
    size_t at = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t left = RING_BYTES - (at - atomic_load_explicit(&r->tail, memory_order_acquire));
    size_t to_end = RING_BYTES - (at & (RING_BYTES - 1));
    size_t skip = need > to_end ? to_end : 0;
    ASSERT(n > 0 && n <= RECORD_MAX);
    if (need + skip > left) {
        atomic_fetch_add_explicit(&dropped_full, 1, memory_order_relaxed);
        return false;
    }
    if (skip > 0) {
        put_length(r, at, WRAP);
        at += skip;
    }
    put_length(r, at, (uint32_t)n);
    unsigned char *to = r->bytes + (at & (RING_BYTES - 1)) + RECORD_HEAD;
    memcpy(to, head.p, head.n);
    if (body.n > 0) {
        memcpy(to + head.n, body.p, body.n);
    }
    atomic_store_explicit(&r->head, at + need, memory_order_release);
    // Nobody else writes it, and what all threads write goes from CPU to CPU.
    uint64_t before = atomic_load_explicit(&r->queued, memory_order_relaxed);
    atomic_store_explicit(&r->queued, before + 1, memory_order_relaxed);
    size_t used = RING_BYTES - left + skip + need;
    if (used >= RING_BYTES / 2 && used - skip - need < RING_BYTES / 2) {
        rings_wake();
    }
    return true;
}

bool ring_push(struct ring *r, struct str head, struct str body)
{
    bool is_shared = r == atomic_load_explicit(&rings[RINGS_MAX - 1], memory_order_relaxed);
    if (is_shared && atomic_flag_test_and_set_explicit(&r->is_busy, memory_order_acquire)) {
        atomic_fetch_add_explicit(&dropped_busy, 1, memory_order_relaxed);
        return false;
    }
    bool ok = push(r, head, body);
    if (is_shared) {
        atomic_flag_clear_explicit(&r->is_busy, memory_order_release);
    }
    return ok;
}

bool ring_wait_room(struct ring *r, unsigned limit_ms)
{
    uint64_t until_ns = clock_mono_ns() + limit_ms * NS_PER_MS;
    while (atomic_load(&r->head) - atomic_load_explicit(&r->tail, memory_order_acquire) >
           RING_BYTES / 2) {
        if (clock_mono_ns() > until_ns) {
            return false;
        }
        rings_wake();
        (void)usleep(1000);
    }
    return true;
}

// ---- Reading ---------------------------------------------------------------------------------

// Places of one ring that the sender is emptying.
static size_t drain_records(struct ring *r, size_t at, size_t head,
                            bool (*each)(void *ctx, struct str record), void *ctx)
{
    while (at < head) {
        uint32_t n;
        const unsigned char *record = r->bytes + (at & (RING_BYTES - 1));
        memcpy(&n, record, sizeof n);
        if (n == WRAP) {
            at += RING_BYTES - (at & (RING_BYTES - 1));
            continue;
        }
        if (!each(ctx, (struct str){(const char *)record + RECORD_HEAD, n})) {
            break;
        }
        at += RECORD_HEAD + ((n + 7) & ~(size_t)7);
        atomic_store_explicit(&r->tail, at, memory_order_release);
    }
    return at;
}

static bool drain(struct ring *r, bool (*each)(void *ctx, struct str record), void *ctx)
{
    bool is_over = atomic_load_explicit(&r->is_over, memory_order_acquire);
    size_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t at = drain_records(r, tail, head, each, ctx);
    ASSERT(at <= head);
    atomic_store_explicit(&r->tail, at, memory_order_release);
    if (is_over && at == head) { // is_over was read before the head: nothing has come since
        atomic_store_explicit(&r->is_over, false, memory_order_relaxed);
        atomic_store_explicit(&r->is_taken, false, memory_order_release);
    }
    return at < head || head - tail > RING_BYTES / 2;
}

bool rings_drain(bool (*each)(void *ctx, struct str record), void *ctx)
{
    bool again = false;
    for (unsigned i = 0; i < RINGS_MAX; i++) {
        struct ring *r = atomic_load_explicit(&rings[i], memory_order_acquire);
        if (r != NULL) {
            again = drain(r, each, ctx) || again;
        }
    }
    return again;
}

void rings_wake(void)
{
    if (!atomic_exchange(&is_woken, true)) {
        (void)sem_post(&wake);
    }
}

void rings_wait(unsigned limit_ms)
{
    uint64_t until_ns = clock_mono_ns() + limit_ms * NS_PER_MS;
    struct timespec until = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S)};
    pthread_once(&once, make_key);
    while (sem_clockwait(&wake, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
    }
    atomic_store(&is_woken, false);
}

void rings_counts(struct ring_counts *ret)
{
    *ret = (struct ring_counts){.dropped_full = atomic_load(&dropped_full),
                                .dropped_busy = atomic_load(&dropped_busy)};
    for (unsigned i = 0; i < RINGS_MAX; i++) {
        struct ring *r = atomic_load_explicit(&rings[i], memory_order_acquire);
        ret->queued += r != NULL ? atomic_load(&r->queued) : 0;
    }
}
