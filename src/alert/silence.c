// SPDX-License-Identifier: Apache-2.0
// Purpose: incidents that silences cover.
#include "alert/desk_state.h"
#include "core/clock.h"
#include "core/must.h"

static void look(const struct roster *r, struct str rule, struct str service, uint64_t now_ms,
                 struct incident_silence *s)
{
    bool is_silenced = roster_silenced(r, rule, service, now_ms) != NULL;
    ASSERT(now_ms > 0);
    s->some = s->some || is_silenced;
    s->all = s->all && is_silenced;
}

struct incident_silence incident_silenced(const struct desk *d, const struct open_incident *i,
                                          uint64_t now_ns)
{
    struct incident_silence s = {.all = d->set != NULL && i->rules.count > 0};
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
