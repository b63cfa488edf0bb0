// SPDX-License-Identifier: Apache-2.0
// Purpose: incidents that silences cover.
#include "alert/desk_state.h"
#include "core/clock.h"
#include "core/must.h"

static void look(const struct roster *r, struct str rule, struct str service, uint64_t now_ms,
                 struct incident_silence *s)
{
    const struct roster_silence *found = roster_silenced(r, rule, service, now_ms);
    ASSERT(now_ms > 0);
    s->by = found != NULL && !s->some ? found->name : s->by;
    s->some = s->some || found != NULL;
    s->all = s->all && found != NULL;
}

struct incident_silence incident_silenced(const struct desk *d, const struct open_incident *i,
                                          uint64_t now_ns)
{
    struct incident_silence s = {.all = d->set != NULL && i->rules.count > 0, .by = STR("")};
    struct str rules = buf_str(&i->rules.text), rule;
    ASSERT(i->firing <= i->alerts);
    while (d->set != NULL && name_list_next(&rules, &rule)) {
        const struct roster *r = &alert_set_file(d->set)->roster;
        struct str services = buf_str(&i->services.text), service = STR("");
        bool any = name_list_next(&services, &service);
        do {
            look(r, rule, service, now_ns / NS_PER_MS, &s);
            any = any && name_list_next(&services, &service);
        } while (any);
    }
    return s;
}

// Mostly none does, and no incident need be compared with them.
static bool any_holds(const struct desk *d, uint64_t now_ns)
{
    const struct roster *r = d->set != NULL ? &alert_set_file(d->set)->roster : NULL;
    bool any = false;
    ASSERT(now_ns > 0);
    for (size_t i = 0; r != NULL && i < r->silence_count && !any; i++) {
        any = roster_silence_holds(&r->silences[i], now_ns / NS_PER_MS);
    }
    return any;
}

void desk_each_silenced(struct desk *d, uint64_t now_ns,
                        void (*each)(void *ctx, const struct desk_silenced *s), void *ctx)
{
    ASSERT(each != NULL);
    pthread_mutex_lock(&d->lock);
    size_t count = any_holds(d, now_ns) ? d->open_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct incident_silence s = incident_silenced(d, d->open[i], now_ns);
        if (s.some) {
            const struct desk_silenced silenced = {d->open[i]->id, s.by, s.all};
            each(ctx, &silenced);
        }
    }
    pthread_mutex_unlock(&d->lock);
}
