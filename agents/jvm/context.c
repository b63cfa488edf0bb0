// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts: luggage, the table of kept ones, the headers.
#include "agents/jvm/context.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/must.h"

struct luggage {
    atomic_uint references;
    uint16_t tracestate_n, baggage_n;
    char bytes[]; // tracestate, then baggage
};

struct context context_copy(const struct context *c)
{
    if (c->luggage != NULL) {
        atomic_fetch_add_explicit(&c->luggage->references, 1, memory_order_relaxed);
    }
    return *c;
}

void context_drop(struct context *c)
{
    struct luggage *l = c->luggage;
    if (l != NULL && atomic_fetch_sub_explicit(&l->references, 1, memory_order_acq_rel) == 1) {
        free(l);
    }
    *c = (struct context){0};
}

// ---- Kept for tasks --------------------------------------------------------------------------

// A handle is generation << 16 | slot; a slot's generation is odd while it is taken. The lock is
// held for a few instructions; tasks are not submitted often enough to meet on it.
static struct {
    pthread_mutex_t lock;
    struct {
        struct context context;
        uint64_t generation;
        uint32_t next_free; // 1 + slot
    } * slots;
    uint32_t count;     // of slots ever used
    uint32_t free_head; // 1 + slot; 0: none
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool take_slot(uint32_t *ret_slot)
{
    if (table.slots == NULL) {
        // Address space only: pages come with their first use.
        table.slots = calloc(CONTEXTS_MAX, sizeof *table.slots);
    }
    if (table.slots == NULL || (table.free_head == 0 && table.count == CONTEXTS_MAX)) {
        return false;
    }
    if (table.free_head != 0) {
        *ret_slot = table.free_head - 1;
        table.free_head = table.slots[*ret_slot].next_free;
    } else {
        *ret_slot = table.count++;
    }
    return true;
}

uint64_t context_keep(const struct context *c)
{
    uint64_t handle = 0;
    uint32_t slot;
    ASSERT(context_is_set(c));
    pthread_mutex_lock(&table.lock);
    if (take_slot(&slot)) {
        table.slots[slot].context = context_copy(c);
        table.slots[slot].generation++;
        handle = table.slots[slot].generation << 16 | slot;
    }
    pthread_mutex_unlock(&table.lock);
    return handle;
}

static bool is_live(uint64_t handle)
{
    uint64_t slot = handle & 0xFFFF;
    return handle != 0 && slot < table.count && table.slots[slot].generation == handle >> 16 &&
           (handle >> 16 & 1) == 1;
}

struct context context_take(uint64_t handle)
{
    struct context c = {0};
    pthread_mutex_lock(&table.lock);
    if (is_live(handle)) {
        uint64_t slot = handle & 0xFFFF;
        c = table.slots[slot].context;
        table.slots[slot].context = (struct context){0};
        table.slots[slot].generation++;
        table.slots[slot].next_free = table.free_head;
        table.free_head = (uint32_t)slot + 1;
    }
    pthread_mutex_unlock(&table.lock);
    return c;
}

struct context context_peek(uint64_t handle)
{
    struct context c = {0};
    pthread_mutex_lock(&table.lock);
    if (is_live(handle)) {
        c = context_copy(&table.slots[handle & 0xFFFF].context);
    }
    pthread_mutex_unlock(&table.lock);
    return c;
}

// ---- Headers ---------------------------------------------------------------------------------

static bool hex_byte(struct str s, uint8_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    const char *high = s.n == 2 ? memchr(digits, s.p[0], 16) : NULL;
    const char *low = s.n == 2 ? memchr(digits, s.p[1], 16) : NULL;
    if (high == NULL || low == NULL) {
        return false;
    }
    *ret = (uint8_t)((high - digits) << 4 | (low - digits));
    return true;
}

// Both IDs, neither zero, into the context.
static bool set_ids(struct context *c, struct str trace, struct str span, uint8_t flags)
{
    trace_id t;
    span_id s;
    if (trace_id_parse(trace, &t) != ERR_OK || span_id_parse(span, &s) != ERR_OK ||
        trace_id_is_zero(t) || span_id_is_zero(s)) {
        return false;
    }
    c->trace = t;
    c->span = s;
    c->flags = flags;
    return true;
}

// version "-" trace-id "-" parent-id "-" flags; later versions may have more behind.
bool context_from_traceparent(struct context *c, struct str header)
{
    struct str version, trace, span, flags;
    struct str rest = str_split(str_trim(header), '-', &version);
    uint8_t v, f;
    rest = str_split(rest, '-', &trace);
    rest = str_split(rest, '-', &span);
    rest = str_split(rest, '-', &flags);
    if (!hex_byte(version, &v) || v == 0xFF || (v == 0 && rest.p != NULL) || trace.n != 32 ||
        !hex_byte(flags, &f)) {
        return false;
    }
    return set_ids(c, trace, span, CONTEXT_REMOTE | (f & CONTEXT_SAMPLED));
}

static uint8_t b3_flags(struct str sampled)
{
    bool no = str_eq(sampled, STR("0")) || str_eq(sampled, STR("false"));
    return no ? CONTEXT_REMOTE : CONTEXT_REMOTE | CONTEXT_SAMPLED;
}

// trace "-" span [ "-" sampled [ "-" parent ] ]
bool context_from_b3(struct context *c, struct str single)
{
    struct str trace, span, sampled;
    struct str rest = str_split(str_trim(single), '-', &trace);
    rest = str_split(rest, '-', &span);
    (void)str_split(rest, '-', &sampled);
    return set_ids(c, trace, span, b3_flags(sampled));
}

bool context_from_b3_multiple(struct context *c, struct str trace, struct str span,
                              struct str sampled)
{
    return set_ids(c, str_trim(trace), str_trim(span), b3_flags(str_trim(sampled)));
}

struct str context_tracestate(const struct context *c)
{
    return c->luggage != NULL ? (struct str){c->luggage->bytes, c->luggage->tracestate_n}
                              : STR_NONE;
}

struct str context_baggage(const struct context *c)
{
    const struct luggage *l = c->luggage;
    return l != NULL ? (struct str){l->bytes + l->tracestate_n, l->baggage_n} : STR_NONE;
}

void context_add_luggage(struct context *c, struct str tracestate, struct str baggage)
{
    ASSERT(c->luggage == NULL);
    tracestate.n = tracestate.n <= TRACESTATE_MAX ? tracestate.n : 0;
    baggage.n = baggage.n <= BAGGAGE_MAX ? baggage.n : 0;
    if (tracestate.n + baggage.n == 0) {
        return;
    }
    struct luggage *l = malloc(sizeof *l + tracestate.n + baggage.n);
    if (l == NULL) {
        return;
    }
    atomic_init(&l->references, 1);
    l->tracestate_n = (uint16_t)tracestate.n;
    l->baggage_n = (uint16_t)baggage.n;
    if (tracestate.n > 0) {
        memcpy(l->bytes, tracestate.p, tracestate.n);
    }
    if (baggage.n > 0) {
        memcpy(l->bytes + tracestate.n, baggage.p, baggage.n);
    }
    c->luggage = l;
}

void context_traceparent(const struct context *c, char out[TRACEPARENT_SIZE])
{
    enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };
    ASSERT(context_is_set(c));
    memcpy(out, "00-", 3);
    trace_id_hex(c->trace, out + TRACE_AT);
    out[SPAN_AT - 1] = '-';
    span_id_hex(c->span, out + SPAN_AT);
    out[FLAGS_AT - 1] = '-';
    memcpy(out + FLAGS_AT, (c->flags & CONTEXT_SAMPLED) != 0 ? "01" : "00", 3);
}
