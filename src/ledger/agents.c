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

void agents_tell(struct agents *a, const struct span_flow *flow, uint64_t now_unix_ns)
{
    uint64_t hash = hash_of(flow);
    ASSERT(flow->dropped_count <= FLOW_REASONS_MAX);
    pthread_mutex_lock(&a->lock);
    struct agent *g = place_of(a, hash);
    g->hash = hash;
    g->heard_ns = now_unix_ns;
    g->flow = *flow;
    g->flow.service = keep(g->names[0], AGENT_NAME_MAX, flow->service);
    g->flow.instance = keep(g->names[1], AGENT_NAME_MAX, flow->instance);
    g->flow.sdk = keep(g->names[2], AGENT_NAME_MAX, flow->sdk);
    for (unsigned i = 0; i < flow->dropped_count; i++) {
        g->flow.dropped[i].name = keep(g->reasons[i], FLOW_REASON_MAX, flow->dropped[i].name);
    }
    pthread_mutex_unlock(&a->lock);
}

void agents_each(struct agents *a,
                 void (*each)(void *ctx, const struct span_flow *flow, uint64_t heard_unix_ns),
                 void *ctx)
{
    ASSERT(each != NULL);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->count; i++) {
        each(ctx, &a->list[i]->flow, a->list[i]->heard_ns);
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
