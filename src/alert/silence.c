// SPDX-License-Identifier: Apache-2.0
// Purpose: incidents that a silence covers.
#include "alert/desk_state.h"
#include "core/clock.h"
#include "core/must.h"

// Whether one covers the rule with each of the incident's services.
static const struct roster_silence *
covers_all(const struct roster *r, const struct open_incident *i, struct str rule, uint64_t now_ms)
{
    struct str rest = buf_str(&i->services.text), service;
    const struct roster_silence *found = roster_silenced(r, rule, STR(""), now_ms);
    bool is_first = found == NULL;
    ASSERT(i->firing <= i->alerts);
    while (is_first && name_list_next(&rest, &service)) {
        found = roster_silenced(r, rule, service, now_ms);
        is_first = found != NULL;
    }
    return found;
}

const struct roster_silence *incident_silenced(const struct desk *d, const struct open_incident *i,
                                               uint64_t now_ns)
{
    struct str rest = buf_str(&i->rules.text), rule;
    const struct roster_silence *found = NULL;
    bool is_covered = d->set != NULL;
    ASSERT(i->firing <= i->alerts);
    while (is_covered && name_list_next(&rest, &rule)) {
        found = covers_all(&alert_set_file(d->set)->roster, i, rule, now_ns / NS_PER_MS);
        is_covered = found != NULL;
    }
    return is_covered ? found : NULL;
}

void incident_unheard(const struct desk *d, const struct open_incident *i,
                      struct name_list *ret_channels)
{
    const struct alert_file *f = d->set != NULL ? alert_set_file(d->set) : NULL;
    ASSERT(i->firing <= i->alerts);
    for (size_t k = 0; f != NULL && k < f->rule_count; k++) {
        const struct alert_rule *r = &f->rules[k];
        for (size_t c = 0; name_list_have(&i->rules, r->name) && c < r->channel_count; c++) {
            if (!name_list_have(&i->channels, r->channels[c])) {
                (void)name_list_add(ret_channels, r->channels[c], DESK_LIST_MAX);
            }
        }
    }
}
