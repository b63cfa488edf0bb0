// SPDX-License-Identifier: Apache-2.0
// Purpose: the memory budget's counters.
#include "ledger/budget.h"

#include <stdint.h>

#include "core/must.h"
#include "os/process.h"

void budget_init(struct budget *b, size_t limit_bytes)
{
    ASSERT(limit_bytes > 0);
    b->process_bytes = limit_bytes;
    b->crowded_bytes = SIZE_MAX;
    b->limit_bytes = limit_bytes;
    b->flush_bytes = limit_bytes / 2;
    b->calm_bytes = limit_bytes - limit_bytes / 4 - limit_bytes / 8;
    b->soft_bytes = limit_bytes - limit_bytes / 4;
    b->query_bytes = limit_bytes / 16;
    b->query_bytes_max = limit_bytes / 2;
    b->unread_bytes_max = limit_bytes / 8;
    for (int a = 0; a < ACCOUNT_COUNT; a++) {
        atomic_init(&b->used[a], 0);
    }
    atomic_init(&b->unread, 0);
    atomic_init(&b->http_servers, 0);
    atomic_init(&b->total, 0);
    atomic_init(&b->peak, 0);
    atomic_init(&b->resident, 0);
    atomic_init(&b->limit_now, limit_bytes);
    atomic_init(&b->look_next_ms, 0);
}

void budget_init_process(struct budget *b, size_t process_bytes)
{
    MUST(process_bytes >= 2 * BUDGET_RESERVE_BYTES);
    budget_init(b, process_bytes - BUDGET_RESERVE_BYTES - process_bytes / BUDGET_RESERVE_SHARE);
    b->process_bytes = process_bytes;
    if (mem_is_given_back()) {
        b->crowded_bytes = process_bytes - process_bytes / BUDGET_CROWDED_SHARE;
    }
}

// What the accounts may hold, with what they hold now and what is resident.
static size_t limit_beside(struct budget *b, size_t resident)
{
    size_t total = atomic_load_explicit(&b->total, memory_order_relaxed);
    size_t most = b->process_bytes - b->process_bytes / BUDGET_SPARE_SHARE + total;
    size_t limit = most > resident ? most - resident : 0;
    ASSERT(b->calm_bytes < b->limit_bytes);
    return limit < b->calm_bytes ? b->calm_bytes : limit < b->limit_bytes ? limit : b->limit_bytes;
}

void budget_look(struct budget *b, uint64_t now_ms)
{
    uint64_t next_ms = atomic_load_explicit(&b->look_next_ms, memory_order_relaxed);
    ASSERT(b->crowded_bytes > b->calm_bytes);
    if (b->crowded_bytes == SIZE_MAX || now_ms < next_ms ||
        !atomic_compare_exchange_strong_explicit(&b->look_next_ms, &next_ms,
                                                 now_ms + BUDGET_LOOK_MS, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        return; // not yet, or another thread looks
    }
    size_t resident = process_resident_bytes();
    atomic_store_explicit(&b->resident, resident, memory_order_relaxed);
    atomic_store_explicit(&b->limit_now, limit_beside(b, resident), memory_order_relaxed);
}

bool budget_is_crowded(struct budget *b)
{
    ASSERT(b->calm_bytes < b->crowded_bytes);
    return atomic_load_explicit(&b->resident, memory_order_relaxed) > b->crowded_bytes &&
           atomic_load_explicit(&b->total, memory_order_relaxed) > b->calm_bytes;
}

static void note_peak(struct budget *b, size_t total)
{
    size_t peak = atomic_load_explicit(&b->peak, memory_order_relaxed);
    ASSERT(total <= SIZE_MAX / 2); // more was given back than taken
    while (peak < total &&
           !atomic_compare_exchange_weak_explicit(&b->peak, &peak, total, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

// Adds to a sum unless that would pass `most`.
static bool add_within(atomic_size_t *sum, size_t bytes, size_t most, size_t *ret_sum)
{
    size_t now = atomic_load_explicit(sum, memory_order_relaxed);
    ASSERT(ret_sum != NULL && most <= SIZE_MAX / 2); // so that no sum overflows
    do {
        if (now > most || bytes > most - now) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(sum, &now, now + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    *ret_sum = now + bytes;
    return true;
}

static size_t limit_now(struct budget *b)
{
    size_t limit = atomic_load_explicit(&b->limit_now, memory_order_relaxed);
    ASSERT(b->calm_bytes <= limit && limit <= b->limit_bytes);
    return limit;
}

// Queries get what their share still has in any case; beyond it what is free, up to their most.
static bool take_for_query(struct budget *b, size_t bytes)
{
    atomic_size_t *used = &b->used[ACCOUNT_QUERY];
    size_t sum, total;
    ASSERT(b->query_bytes <= b->query_bytes_max && b->query_bytes_max <= b->limit_bytes);
    if (add_within(used, bytes, b->query_bytes, &sum)) {
        total = atomic_fetch_add_explicit(&b->total, bytes, memory_order_relaxed) + bytes;
    } else if (!add_within(used, bytes, b->query_bytes_max, &sum)) {
        return false;
    } else if (!add_within(&b->total, bytes, limit_now(b), &total)) {
        atomic_fetch_sub_explicit(used, bytes, memory_order_relaxed);
        return false;
    }
    note_peak(b, total);
    return true;
}

// What all together may have: the limit without what the queries' share has left.
static size_t limit_of_all(struct budget *b)
{
    size_t used = atomic_load_explicit(&b->used[ACCOUNT_QUERY], memory_order_relaxed);
    ASSERT(b->query_bytes <= b->calm_bytes);
    return limit_now(b) - (used < b->query_bytes ? b->query_bytes - used : 0);
}

bool budget_take(struct budget *b, enum account a, size_t bytes)
{
    size_t total;
    ASSERT(a < ACCOUNT_COUNT);
    if (a == ACCOUNT_QUERY) {
        return take_for_query(b, bytes);
    }
    if (!add_within(&b->total, bytes, limit_of_all(b), &total)) {
        return false;
    }
    atomic_fetch_add_explicit(&b->used[a], bytes, memory_order_relaxed);
    note_peak(b, total);
    return true;
}

void budget_force(struct budget *b, enum account a, size_t bytes)
{
    ASSERT(a < ACCOUNT_COUNT);
    size_t before = atomic_fetch_add_explicit(&b->total, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->used[a], bytes, memory_order_relaxed);
    note_peak(b, before + bytes);
}

void budget_give(struct budget *b, enum account a, size_t bytes)
{
    ASSERT(a < ACCOUNT_COUNT);
    size_t before = atomic_fetch_sub_explicit(&b->used[a], bytes, memory_order_relaxed);
    MUST(before >= bytes);
    atomic_fetch_sub_explicit(&b->total, bytes, memory_order_relaxed);
}

bool budget_is_filling(struct budget *b)
{
    ASSERT(b->flush_bytes <= b->soft_bytes);
    return atomic_load_explicit(&b->total, memory_order_relaxed) > b->flush_bytes;
}

bool budget_is_tight(struct budget *b)
{
    ASSERT(b->soft_bytes <= b->limit_bytes);
    return atomic_load_explicit(&b->total, memory_order_relaxed) > b->soft_bytes ||
           budget_is_crowded(b);
}

const char *account_name(enum account a)
{
    static const char *const names[ACCOUNT_COUNT] = {
        [ACCOUNT_BODIES] = "bodies", [ACCOUNT_BATCHES] = "batches", [ACCOUNT_STORE] = "store",
        [ACCOUNT_STREAM] = "stream", [ACCOUNT_CACHE] = "cache",     [ACCOUNT_QUERY] = "query",
        [ACCOUNT_SERIES] = "series", [ACCOUNT_NOTIFY] = "notify",
    };
    ASSERT(a < ACCOUNT_COUNT);
    return names[a];
}

// ---- Meters -------------------------------------------------------------------------------------

static struct meter *meter_of(struct mem_source *s)
{
    ASSERT(offsetof(struct meter, source) == 0);
    return (struct meter *)s;
}

static bool source_take(struct mem_source *s, size_t bytes)
{
    return meter_take(meter_of(s), bytes);
}

static void source_give(struct mem_source *s, size_t bytes)
{
    meter_give(meter_of(s), bytes);
}

void meter_init(struct meter *m, struct budget *b, enum account a)
{
    ASSERT(b != NULL && a < ACCOUNT_COUNT);
    *m = (struct meter){.source = {source_take, source_give}, .budget = b, .account = a};
    atomic_init(&m->held_bytes, 0);
}

bool meter_take(struct meter *m, size_t bytes)
{
    ASSERT(m->budget != NULL && m->account < ACCOUNT_COUNT);
    if (m->forced) {
        meter_force(m, bytes);
        return true;
    }
    if (!budget_take(m->budget, m->account, bytes)) {
        return false;
    }
    atomic_fetch_add_explicit(&m->held_bytes, bytes, memory_order_relaxed);
    return true;
}

void meter_force(struct meter *m, size_t bytes)
{
    ASSERT(bytes <= SIZE_MAX / 2);
    budget_force(m->budget, m->account, bytes);
    atomic_fetch_add_explicit(&m->held_bytes, bytes, memory_order_relaxed);
}

void meter_give(struct meter *m, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&m->held_bytes, bytes, memory_order_relaxed);
    MUST(bytes <= before);
    budget_give(m->budget, m->account, bytes);
}

void meter_done(struct meter *m)
{
    if (m->budget != NULL) {
        meter_give(m, m->held_bytes);
    }
    ASSERT(m->held_bytes == 0);
}
