// SPDX-License-Identifier: Apache-2.0
// Purpose: compiled matching: what the rows of one resource and name leave open of filters that
// nothing can be hashed of.
#include <string.h>

#include "alert/plan_state.h"
#include "core/mem.h"
#include "core/must.h"

#define SLOTS ((size_t)2 * PLAN_MEMO_MAX)

void plan_memo_done(struct plan_memo *m)
{
    mem_free(m->slots);
    mem_free(m->items);
    *m = (struct plan_memo){0};
}

void plan_memo_enter(struct plan_memo *m)
{
    m->resource = m->scope = UINT32_MAX;
}

// ---- What rows have in common -------------------------------------------------------------------

static uint64_t hash_attrs(const struct batch *b, struct attr_run run, uint64_t h)
{
    ASSERT(run.first + run.count <= b->attr_count);
    for (uint32_t i = 0; i < run.count; i++) {
        const struct attr *a = &b->attrs[run.first + i];
        bool is_text = a->type != ATTR_BOOL && a->type != ATTR_INT && a->type != ATTR_DOUBLE;
        uint64_t bits = 0;
        memcpy(&bits, &a->i, sizeof bits); // or the double
        h = secret_fold(h, b->hashes[a->key]);
        h = secret_fold(h, (uint64_t)a->type + 1);
        h = secret_fold(h, is_text ? b->hashes[a->code] : bits);
    }
    return secret_fold(h, run.count);
}

static uint64_t key_of(struct plan_memo *m, const struct batch *b, const struct span *s)
{
    if (s->resource != m->resource) {
        const struct resource *r = &b->resources[s->resource];
        m->resource = s->resource;
        m->resource_hash = hash_attrs(b, r->attrs, secret_fold(b->hashes[r->service], 5));
    }
    if (s->scope != m->scope) {
        const struct scope *c = &b->scopes[s->scope];
        m->scope = s->scope;
        m->scope_hash = secret_fold(b->hashes[c->name], b->hashes[c->version]);
        m->scope_hash = hash_attrs(b, c->attrs, m->scope_hash);
    }
    uint64_t h = secret_fold(secret_fold(m->resource_hash, m->scope_hash), b->hashes[s->name]);
    h = secret_fold(h, (uint64_t)s->kind << 8 | s->status);
    ASSERT(s->resource < b->resource_count && s->scope < b->scope_count);
    return h != 0 ? h : 1;
}

// ---- Remembering --------------------------------------------------------------------------------

static enum verdict left_open(void *ctx, const struct filter_node *test)
{
    ASSERT(test != NULL);
    (void)ctx;
    return VERDICT_MAYBE;
}

static void fill(struct plan_memo *m, const struct plan *p, const struct batch *b,
                 const struct span *s, struct memo_slot *slot)
{
    const struct filter_known known = {.batch = b,
                                       .resource = s->resource,
                                       .scope = s->scope,
                                       .name = batch_str(b, s->name),
                                       .kind = s->kind,
                                       .status = s->status,
                                       .attr = left_open,
                                       .max_duration_ns = UINT64_MAX};
    slot->first = (uint32_t)m->item_count;
    m->items =
        mem_grow(m->items, &m->item_capacity, m->item_count + p->unkeyed_count, sizeof *m->items);
    ASSERT(p->unkeyed_count > 0);
    for (size_t i = 0; i < p->unkeyed_count; i++) {
        uint32_t item = p->unkeyed[i];
        if (filter_verdict(p->items[item].filter, &known) != VERDICT_NO) {
            m->items[m->item_count++] = item;
        }
    }
    slot->count = (uint32_t)m->item_count - slot->first;
}

static void forget_all(struct plan_memo *m)
{
    ASSERT(m->slots != NULL);
    memset(m->slots, 0, SLOTS * sizeof *m->slots);
    m->count = m->item_count = 0;
}

const uint32_t *plan_memo_find(struct plan_memo *m, const struct plan *p, const struct batch *b,
                               const struct span *s, uint32_t *ret_count)
{
    uint64_t key = key_of(m, b, s);
    size_t at = key & (SLOTS - 1);
    if (m->slots == NULL) {
        m->slots = mem_new(SLOTS, sizeof *m->slots);
    }
    while (m->slots[at].key != 0 && m->slots[at].key != key) {
        at = (at + 1) & (SLOTS - 1);
    }
    if (m->slots[at].key == 0) {
        if (m->count == PLAN_MEMO_MAX || m->item_count > PLAN_MEMO_ITEMS_MAX) {
            forget_all(m);
            at = key & (SLOTS - 1);
        }
        m->count++;
        m->slots[at].key = key;
        fill(m, p, b, s, &m->slots[at]);
    }
    ASSERT(m->count <= PLAN_MEMO_MAX);
    *ret_count = m->slots[at].count;
    return m->items + m->slots[at].first;
}
