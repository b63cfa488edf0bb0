// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts: luggage, the headers.
#include "agents/jvm/context.h"

#include <stdatomic.h>

#include "agents/jvm/memory.h"
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
        memory_free(l);
    }
    *c = (struct context){0};
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
    struct luggage *l = memory_get(sizeof *l + tracestate.n + baggage.n);
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
