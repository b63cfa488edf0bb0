// SPDX-License-Identifier: Apache-2.0
// Purpose: coordination within one server: who subscribes hears of a change as it is announced.
#include "alert/coordination.h"

#include "core/mem.h"
#include "core/must.h"

struct subscriber {
    void (*take)(void *ctx, struct alert_set *set);
    void *ctx;
};

struct coordination {
    struct coordination_options o;
    struct subscriber subscribers[COORDINATION_SUBSCRIBERS_MAX];
    size_t count;
    bool is_announced; // there is a version
    uint64_t version;  // in force
};

struct coordination *coordination_new(const struct coordination_options *o)
{
    struct coordination *c = mem_new(1, sizeof *c);
    ASSERT(o->read != NULL);
    c->o = *o;
    return c;
}

void coordination_free(struct coordination *c)
{
    ASSERT(c == NULL || c->count <= COORDINATION_SUBSCRIBERS_MAX);
    mem_free(c);
}

void coordination_subscribe(struct coordination *c, void (*take)(void *ctx, struct alert_set *set),
                            void *ctx)
{
    MUST(c->count < COORDINATION_SUBSCRIBERS_MAX);
    c->subscribers[c->count++] = (struct subscriber){take, ctx};
}

enum err coordination_announce(struct coordination *c, uint64_t version, struct err_at *ret_at)
{
    struct alert_set *set = NULL;
    ASSERT(!c->is_announced || version >= c->version);
    if (c->is_announced && version == c->version) {
        return ERR_OK;
    }
    enum err e = c->o.read(c->o.ctx, &set, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < c->count; i++) {
        c->subscribers[i].take(c->subscribers[i].ctx, set);
    }
    alert_set_unref(set);
    c->version = version;
    c->is_announced = true;
    return ERR_OK;
}
