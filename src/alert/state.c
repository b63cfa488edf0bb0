// SPDX-License-Identifier: Apache-2.0
// Purpose: the groups of all rules as bytes, and back.
#include "alert/engine_state.h"
#include "codec/cursor.h"
#include "core/must.h"

#define VERSION   3
#define BYTES_MAX ((size_t)512 << 20)

void state_encode(const struct look *l, struct buf *out)
{
    struct buf groups;
    buf_init(&groups, BYTES_MAX);
    buf_add_varint(out, VERSION);
    buf_add_varint(out, l->time.now_ms);
    buf_add_varint(out, l->program.count);
    for (size_t i = 0; i < l->program.count; i++) {
        const struct groups *g = &l->program.groups[i];
        buf_clear(&groups);
        groups_encode(g, &groups);
        buf_add_varint(out, g->rule->identity.n);
        buf_add_str(out, g->rule->identity);
        buf_add_varint(out, groups.n);
        buf_add_str(out, buf_str(&groups));
    }
    MUST(!groups.failed);
    buf_done(&groups);
}

static struct str get_bytes(struct cursor *c)
{
    uint64_t n = cursor_varint(c);
    const uint8_t *p = n <= BYTES_MAX ? cursor_bytes(c, n) : NULL;
    ASSERT(c->p <= c->end);
    c->failed = c->failed || p == NULL;
    return p != NULL ? (struct str){(const char *)p, n} : STR("");
}

static struct groups *find(struct look *l, struct str identity, size_t hint)
{
    size_t n = l->program.count;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (size_t i = 0; i < n; i++) { // mostly in the order in which they were written
        struct groups *g = &l->program.groups[(hint + i) % n];
        if (str_eq(g->rule->identity, identity)) {
            return g;
        }
    }
    return NULL;
}

static uint64_t count_firing(const struct groups *g)
{
    uint64_t n = 0;
    ASSERT(g->rule != NULL);
    for (size_t i = 0; i < g->size; i++) {
        n += g->slots[i] != NULL && g->slots[i]->fires;
    }
    return n;
}

enum err state_decode(struct look *l, struct str bytes, uint64_t *ret_time_ms)
{
    struct cursor c = cursor_of(bytes);
    uint64_t version = cursor_varint(&c), time_ms = cursor_varint(&c), count = cursor_varint(&c);
    enum err e = c.failed || version != VERSION || count > ALERT_RULES_MAX ? ERR_CORRUPT : ERR_OK;
    ASSERT(l->walks[PLAN_SPANS] != NULL);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct str identity = get_bytes(&c), groups = get_bytes(&c);
        struct groups *g = c.failed ? NULL : find(l, identity, i);
        e = c.failed ? ERR_CORRUPT : ERR_OK;
        if (g != NULL) { // what it had from the start gives way
            const struct alert_rule *rule = g->rule;
            struct group_totals *total = g->totals;
            groups_done(g);
            groups_init(g, rule, total);
            e = groups_decode(g, &groups);
            groups_begin(g, l->time.now_ms);
            l->firing += count_firing(g);
        }
    }
    if (e == ERR_OK) {
        *ret_time_ms = time_ms;
    }
    return e;
}
