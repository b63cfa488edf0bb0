// SPDX-License-Identifier: Apache-2.0
// Purpose: the door's states under overload, and the table of traces that matter.
#include "receive/overload.h"

#include "core/clock.h"
#include "core/logger.h"
#include "core/must.h"
#include "core/str.h"

#define STATE_MASK ((uint64_t)3)

// An entry of the table, from the high end: 40 bits of the trace ID's hash, one that says that it
// has an error, 23 bits of the second in which it was seen last.
#define SECOND_BITS 23
#define SECOND_MASK (((uint64_t)1 << SECOND_BITS) - 1)
#define ENTRY_ERROR ((uint64_t)1 << SECOND_BITS)
#define HASH_MASK   (~(uint64_t)0 << (SECOND_BITS + 1))

_Static_assert(OVERLOAD_STATE_COUNT <= STATE_MASK + 1, "a state fits its bits");
_Static_assert((OVERLOAD_TRACES & (OVERLOAD_TRACES - 1)) == 0, "buckets are found by a mask");

void overload_init(struct overload *o, size_t limit_bytes, size_t soft_bytes,
                   uint64_t shed_after_ns, uint64_t slow_trace_ns)
{
    size_t upper = limit_bytes - limit_bytes / 8, low = soft_bytes - limit_bytes / 8;
    MUST(low < soft_bytes && soft_bytes < upper && upper < limit_bytes);
    *o = (struct overload){.low_bytes = low,
                           .soft_bytes = soft_bytes,
                           .upper_bytes = upper,
                           .shed_after_ns = shed_after_ns,
                           .slow_trace_ns = slow_trace_ns};
}

const char *overload_state_name(enum overload_state s)
{
    static const char *const names[OVERLOAD_STATE_COUNT] = {"open", "slow", "shed"};
    MUST((unsigned)s < OVERLOAD_STATE_COUNT);
    return names[s];
}

// ---- States -------------------------------------------------------------------------------------

static enum overload_state state_of(uint64_t word)
{
    ASSERT((word & STATE_MASK) < OVERLOAD_STATE_COUNT);
    return (enum overload_state)(word & STATE_MASK);
}

enum overload_state overload_state(const struct overload *o, uint64_t *ret_since_ns)
{
    uint64_t word = atomic_load_explicit(&o->state, memory_order_relaxed);
    ASSERT(ret_since_ns != NULL);
    *ret_since_ns = word & ~STATE_MASK;
    return state_of(word);
}

// The state that follows from `word`, or the same.
static enum overload_state next_state(const struct overload *o, uint64_t word, bool pressed,
                                      uint64_t now_ns)
{
    uint64_t since_ns = word & ~STATE_MASK;
    uint64_t pressed_ns = atomic_load_explicit(&o->pressed_ns, memory_order_relaxed);
    uint64_t calm_ns = pressed || now_ns < pressed_ns ? 0 : now_ns - pressed_ns;
    uint64_t lasted_ns = now_ns < since_ns ? 0 : now_ns - since_ns; // another thread's later clock
    switch (state_of(word)) {
    case OVERLOAD_OPEN:
        return pressed ? OVERLOAD_SLOW : OVERLOAD_OPEN;
    case OVERLOAD_SLOW:
        if (calm_ns >= OVERLOAD_CALM_SLOW_NS) {
            return OVERLOAD_OPEN;
        }
        return pressed && lasted_ns >= o->shed_after_ns ? OVERLOAD_SHED : OVERLOAD_SLOW;
    default:
        ASSERT(state_of(word) == OVERLOAD_SHED);
        return calm_ns >= OVERLOAD_CALM_SHED_NS ? OVERLOAD_OPEN : OVERLOAD_SHED;
    }
}

static void tell(const struct overload *o, enum overload_state from, enum overload_state to,
                 uint64_t lasted_ns)
{
    static const char *const messages[OVERLOAD_STATE_COUNT] = {
        [OVERLOAD_OPEN] = "memory is no longer short: everything is taken",
        [OVERLOAD_SLOW] = "memory is short: senders are asked to come back later",
        [OVERLOAD_SHED] = "memory stays short: traces without errors that are not slow are shed",
    };
    ASSERT(from != to);
    log_write(to == OVERLOAD_SHED ? LOG_WARN : LOG_INFO, "receive", messages[to],
              "was=%s for_ms=%llu shed_spans=%llu", overload_state_name(from),
              (unsigned long long)(lasted_ns / NS_PER_MS),
              (unsigned long long)atomic_load(&o->shed_spans));
}

enum overload_take overload_look(struct overload *o, size_t used_bytes, uint64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&o->state, memory_order_relaxed);
    size_t mark = state_of(word) == OVERLOAD_SHED ? o->low_bytes : o->soft_bytes;
    bool pressed = used_bytes > mark;
    ASSERT(o->low_bytes < o->soft_bytes && o->soft_bytes < o->upper_bytes);
    if (!pressed && state_of(word) == OVERLOAD_OPEN) {
        return TAKE_ALL; // what nearly always is
    }
    if (pressed) {
        atomic_store_explicit(&o->pressed_ns, now_ns, memory_order_relaxed);
    }
    enum overload_state from = state_of(word), to = next_state(o, word, pressed, now_ns);
    if (to != from) {
        uint64_t fresh = (now_ns & ~STATE_MASK) | to;
        if (atomic_compare_exchange_strong(&o->state, &word, fresh)) {
            atomic_fetch_add_explicit(&o->entered[to], 1, memory_order_relaxed);
            uint64_t since_ns = word & ~STATE_MASK; // 0: always
            tell(o, from, to, since_ns == 0 ? 0 : now_ns - since_ns);
        } else {
            to = state_of(word); // somebody else was quicker
        }
    }
    if (to != OVERLOAD_SHED) {
        return used_bytes > o->soft_bytes ? TAKE_NOTHING : TAKE_ALL;
    }
    return used_bytes > o->upper_bytes  ? TAKE_NOTHING
           : used_bytes > o->soft_bytes ? TAKE_ERRORS
           : used_bytes > o->low_bytes  ? TAKE_IMPORTANT
                                        : TAKE_ALL;
}

// ---- Traces that matter -------------------------------------------------------------------------

static uint64_t hash_of(trace_id trace)
{
    ASSERT(!trace_id_is_zero(trace));
    return str_hash((struct str){(const char *)trace.b, sizeof trace.b});
}

// The number of a hash's first entry; its bucket follows from other bits than the entry keeps.
static size_t bucket_of(uint64_t hash)
{
    size_t at = (size_t)hash & (OVERLOAD_TRACES / OVERLOAD_WAYS - 1);
    ASSERT(at < OVERLOAD_TRACES / OVERLOAD_WAYS);
    return at * OVERLOAD_WAYS;
}

static uint64_t second_of(uint64_t now_ns)
{
    return now_ns / NS_PER_S & SECOND_MASK;
}

// Seconds count in a circle: what lies in the half ahead is another thread's later clock, and new.
static uint64_t age_s(uint64_t entry, uint64_t now_ns)
{
    ASSERT(entry != 0);
    uint64_t age = (second_of(now_ns) - (entry & SECOND_MASK)) & SECOND_MASK;
    return age > SECOND_MASK / 2 ? 0 : age;
}

void overload_note(struct overload *o, trace_id trace, bool error, uint64_t duration_ns,
                   uint64_t now_ns)
{
    if (trace_id_is_zero(trace) || (!error && duration_ns < o->slow_trace_ns)) {
        return;
    }
    uint64_t hash = hash_of(trace);
    uint64_t fresh = (hash & HASH_MASK) | (error ? ENTRY_ERROR : 0) | second_of(now_ns);
    atomic_uint_fast64_t *bucket = &o->traces[bucket_of(hash)], *place = &bucket[0];
    uint64_t oldest = 0;
    for (unsigned i = 0; i < OVERLOAD_WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        if (entry != 0 && ((entry ^ hash) & HASH_MASK) == 0) {
            place = &bucket[i];
            fresh |= entry & ENTRY_ERROR;
            break;
        }
        uint64_t age = entry == 0 ? SECOND_MASK + 1 : age_s(entry, now_ns);
        if (age > oldest) {
            oldest = age;
            place = &bucket[i];
        }
    }
    atomic_store_explicit(place, fresh, memory_order_relaxed);
}

bool overload_wants(const struct overload *o, trace_id trace, enum overload_take take,
                    uint64_t now_ns)
{
    if (take == TAKE_ALL) {
        return true;
    }
    ASSERT(take != TAKE_NOTHING);
    uint64_t hash = hash_of(trace);
    const atomic_uint_fast64_t *bucket = &o->traces[bucket_of(hash)];
    for (unsigned i = 0; i < OVERLOAD_WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        if (entry != 0 && ((entry ^ hash) & HASH_MASK) == 0) {
            return age_s(entry, now_ns) <= OVERLOAD_REMEMBER_S &&
                   (take == TAKE_IMPORTANT || (entry & ENTRY_ERROR) != 0);
        }
    }
    return false;
}
