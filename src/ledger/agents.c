// SPDX-License-Identifier: Apache-2.0
// Purpose: the table of agents.
#include "ledger/agents.h"

#include <pthread.h>

#include "core/mem.h"
#include "core/must.h"

struct agent {
    uint64_t hash, heard_ns;
    struct span_flow flow; // its texts point into `names`
    char names[3][AGENT_NAME_MAX];
    char reasons[FLOW_REASONS_MAX][FLOW_REASON_MAX];
};

struct agents {
    pthread_mutex_t lock;
    struct agent *list[AGENTS_MAX];
    size_t count;
    uint64_t forgotten;
};

struct agents *agents_new(void)
{
    struct agents *a = mem_new(1, sizeof *a);
    MUST(pthread_mutex_init(&a->lock, NULL) == 0);
    return a;
}

void agents_free(struct agents *a)
{
    if (a == NULL) {
        return;
    }
    ASSERT(a->count <= AGENTS_MAX);
    for (size_t i = 0; i < a->count; i++) {
        mem_free(a->list[i]);
    }
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

static uint64_t hash_of(const struct span_flow *f)
{
    ASSERT(f != NULL);
    return str_hash(f->service) * 31 + str_hash(f->instance);
}

// The agent's place; a new one, or that of the one heard longest ago.
static struct agent *place_of(struct agents *a, uint64_t hash)
{
    struct agent *oldest = NULL;
    ASSERT(a->count <= AGENTS_MAX);
    for (size_t i = 0; i < a->count; i++) {
        if (a->list[i]->hash == hash) {
            return a->list[i];
        }
        oldest = oldest == NULL || a->list[i]->heard_ns < oldest->heard_ns ? a->list[i] : oldest;
    }
    if (a->count < AGENTS_MAX) {
        a->list[a->count] = mem_new(1, sizeof *oldest);
        return a->list[a->count++];
    }
    a->forgotten++;
    *oldest = (struct agent){0};
    return oldest;
}

static struct str keep(char *to, size_t room, struct str text)
{
    ASSERT(room > 0);
    text = str_cut(text, room);
    if (text.n > 0) {
        memcpy(to, text.p, text.n);
    }
    return (struct str){to, text.n};
}

static void add_reason(struct agent *g, const struct flow_reason *r)
{
    unsigned n = g->flow.dropped_count++;
    ASSERT(n < FLOW_REASONS_MAX);
    g->flow.dropped[n] =
        (struct flow_reason){keep(g->reasons[n], FLOW_REASON_MAX, r->name), r->count, r->part};
}

// What was lost: of the parts that are told now, what is told; of the others, what was.
static void merge_reasons(struct agent *g, const struct span_flow *told)
{
    struct agent before = *g;
    g->flow.dropped_count = 0;
    for (unsigned i = 0; i < before.flow.dropped_count; i++) {
        struct flow_reason r = before.flow.dropped[i];
        r.name.p = before.reasons[i];
        if ((told->parts & r.part) == 0) {
            add_reason(g, &r);
        }
    }
    for (unsigned i = 0; i < told->dropped_count; i++) {
        add_reason(g, &told->dropped[i]);
    }
}

static void merge(struct span_flow *to, const struct span_flow *told)
{
    if ((told->parts & FLOW_STARTED) != 0) {
        to->sampled = told->sampled;
        to->not_sampled = told->not_sampled;
    }
    to->live = (told->parts & FLOW_LIVE) != 0 ? told->live : to->live;
    to->processed = (told->parts & FLOW_PROCESSED) != 0 ? told->processed : to->processed;
    to->exported = (told->parts & FLOW_EXPORTED) != 0 ? told->exported : to->exported;
    to->parts |= told->parts;
}

void agents_tell(struct agents *a, const struct span_flow *flow, uint64_t now_unix_ns)
{
    uint64_t hash = hash_of(flow);
    ASSERT(flow->dropped_count <= FLOW_REASONS_MAX);
    pthread_mutex_lock(&a->lock);
    struct agent *g = place_of(a, hash);
    g->hash = hash;
    g->heard_ns = now_unix_ns;
    merge(&g->flow, flow);
    merge_reasons(g, flow);
    g->flow.service = keep(g->names[0], AGENT_NAME_MAX, flow->service);
    g->flow.instance = keep(g->names[1], AGENT_NAME_MAX, flow->instance);
    g->flow.sdk = keep(g->names[2], AGENT_NAME_MAX, flow->sdk);
    pthread_mutex_unlock(&a->lock);
}

// Its flow, with one sum for each name of a reason.
static struct span_flow shown(const struct agent *g)
{
    struct span_flow f = g->flow;
    f.dropped_count = 0;
    for (unsigned i = 0; i < g->flow.dropped_count; i++) {
        unsigned same = 0;
        while (same < f.dropped_count && !str_eq(f.dropped[same].name, g->flow.dropped[i].name)) {
            same++;
        }
        if (same < f.dropped_count) {
            f.dropped[same].count += g->flow.dropped[i].count;
        } else {
            f.dropped[f.dropped_count++] = g->flow.dropped[i];
        }
    }
    ASSERT(f.dropped_count <= g->flow.dropped_count);
    return f;
}

void agents_each(struct agents *a,
                 void (*each)(void *ctx, const struct span_flow *flow, uint64_t heard_unix_ns),
                 void *ctx)
{
    ASSERT(each != NULL);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->count; i++) {
        struct span_flow f = shown(a->list[i]);
        each(ctx, &f, a->list[i]->heard_ns);
    }
    pthread_mutex_unlock(&a->lock);
}

uint64_t agents_forgotten(struct agents *a)
{
    ASSERT(a != NULL);
    pthread_mutex_lock(&a->lock);
    uint64_t n = a->forgotten;
    pthread_mutex_unlock(&a->lock);
    return n;
}
