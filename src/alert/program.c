// SPDX-License-Identifier: Apache-2.0
// Purpose: a set of rules as it is looked for.
#include <stdatomic.h>

#include "alert/engine_state.h"
#include "core/mem.h"
#include "core/must.h"

struct alert_set *alert_set_new(struct alert_file *file)
{
    struct alert_set *s = mem_new(1, sizeof *s);
    ASSERT(file != NULL);
    s->refs = 1;
    s->file = file;
    s->bytes = alert_file_bytes(file);
    return s;
}

struct alert_set *alert_set_ref(struct alert_set *s)
{
    int before = atomic_fetch_add(&s->refs, 1);
    ASSERT(before > 0);
    (void)before;
    return s;
}

void alert_set_unref(struct alert_set *s)
{
    ASSERT(s == NULL || s->refs > 0);
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        alert_file_free(s->file);
        mem_free(s);
    }
}

const struct alert_file *alert_set_file(const struct alert_set *s)
{
    ASSERT(s->file != NULL);
    return s->file;
}

size_t alert_set_bytes(const struct alert_set *s)
{
    ASSERT(s->file != NULL);
    return s->bytes;
}

static void plan_of(struct program *p, enum plan_rows rows)
{
    size_t count = 0, capacity = 0, item_capacity = 0;
    struct plan_item *items = NULL;
    ASSERT(p->groups != NULL);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct alert_rule *r = p->groups[i].rule;
        for (uint32_t k = 0; k < r->strategy_count; k++) {
            const struct alert_strategy *s = &r->strategies[k];
            if ((s->metric.n > 0) != (rows == PLAN_POINTS)) {
                continue;
            }
            items = mem_grow(items, &capacity, count + 1, sizeof *items);
            p->items[rows] =
                mem_grow(p->items[rows], &item_capacity, count + 1, sizeof *p->items[rows]);
            items[count] = (struct plan_item){s->filter, r->line, r->any_line};
            p->items[rows][count++] = (struct program_item){i, k};
        }
    }
    p->plans[rows] = plan_new(items, count);
    p->strategy_count += count;
    mem_free(items);
}

// The groups of the rule of this identity, looked for where it most likely is first.
static struct groups *find(struct program *p, const struct alert_rule *rule, size_t likely)
{
    ASSERT(rule->strategy_count <= ALERT_STRATEGIES_MAX);
    for (size_t i = 0; p != NULL && i < p->count; i++) {
        struct groups *g = &p->groups[(likely + i) % p->count];
        if (g->rule != NULL && str_eq(g->rule->identity, rule->identity)) {
            return g;
        }
    }
    return NULL;
}

void program_init(struct program *p, struct alert_set *set, struct program *old, uint64_t now_ms,
                  struct group_totals *totals)
{
    const struct alert_file *f = set->file;
    ASSERT(set->refs > 0 && old != p);
    *p = (struct program){.set = alert_set_ref(set)};
    p->groups = mem_new(f->rule_count + 1, sizeof *p->groups);
    for (size_t i = 0; i < f->rule_count; i++) {
        if (!f->rules[i].enabled) {
            continue;
        }
        struct groups *g = &p->groups[p->count++];
        struct groups *before = find(old, &f->rules[i], p->count - 1);
        if (before != NULL) {
            groups_take(g, before, &f->rules[i]);
        } else {
            groups_init(g, &f->rules[i], totals);
        }
        groups_begin(g, now_ms);
    }
    plan_of(p, PLAN_SPANS);
    plan_of(p, PLAN_POINTS);
}

void program_done(struct program *p)
{
    ASSERT(p->groups != NULL);
    for (size_t i = 0; i < p->count; i++) {
        if (p->groups[i].rule != NULL) { // else it has moved
            groups_done(&p->groups[i]);
        }
    }
    for (unsigned rows = PLAN_SPANS; rows <= PLAN_POINTS; rows++) {
        plan_free(p->plans[rows]);
        mem_free(p->items[rows]);
    }
    mem_free(p->groups);
    alert_set_unref(p->set);
    *p = (struct program){0};
}
