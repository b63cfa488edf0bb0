// SPDX-License-Identifier: Apache-2.0
// Purpose: contexts and their luggage.
#include "agents/jvm/context.h"

#include <stdatomic.h>

#include "agents/jvm/baggage.h"
#include "agents/jvm/memory.h"
#include "core/must.h"

struct luggage {
    atomic_uint references;
    uint16_t tracestate_n, baggage_n;
    char bytes[]; // tracestate, then baggage
};

bool context_is_same(const struct context *a, const struct context *b)
{
    return trace_id_cmp(&a->trace, &b->trace) == 0 && span_id_eq(a->span, b->span) &&
           a->luggage == b->luggage;
}

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

// ---- Luggage ---------------------------------------------------------------------------------

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

static struct luggage *luggage_new(struct str tracestate, struct str baggage)
{
    if (tracestate.n + baggage.n == 0) {
        return NULL;
    }
    struct luggage *l = memory_get(sizeof *l + tracestate.n + baggage.n);
    if (l == NULL) {
        return NULL;
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
    return l;
}

void context_set_luggage(struct context *c, struct str tracestate, struct str baggage)
{
    struct context old = *c; // holds what the texts may lie in
    tracestate.n = tracestate.n <= TRACESTATE_MAX ? tracestate.n : 0;
    baggage.n = baggage.n <= BAGGAGE_MAX ? baggage.n : 0;
    c->luggage = luggage_new(tracestate, baggage);
    context_drop(&old);
}

struct str context_baggage_get(const struct context *c, struct str key, char *out, size_t room)
{
    return baggage_get(context_baggage(c), key, out, room);
}

bool context_baggage_set(struct context *c, struct str key, struct str value)
{
    char text[BAGGAGE_MAX];
    size_t n;
    if (!baggage_set(context_baggage(c), key, value, text, &n)) {
        return false;
    }
    context_set_luggage(c, context_tracestate(c), (struct str){text, n});
    return true;
}
