// SPDX-License-Identifier: Apache-2.0
// Purpose: what is told of an incident: the notice of its latest alert.
#include <stdio.h>
#include <string.h>

#include "alert/desk_state.h"
#include "core/clock.h"
#include "core/must.h"

#define URL_MAX 1200

static enum notice_level level_of(enum alert_level l)
{
    static const enum notice_level levels[LEVEL_COUNT] = {NOTICE_INFO, NOTICE_WARNING, NOTICE_ERROR,
                                                          NOTICE_CRITICAL};
    ASSERT(l < LEVEL_COUNT);
    return levels[l];
}

static const char *unit_of(const struct alert_strategy *s)
{
    bool of_field = s->measure >= MEASURE_AVERAGE && s->measure <= MEASURE_QUANTILE;
    ASSERT(s->op < COMPARE_COUNT);
    if (s->measure == MEASURE_RATE) {
        return "1/s";
    }
    return of_field && s->metric.n == 0 && s->field.field == ON_DURATION ? "ns" : "";
}

static struct notice_number number(double v)
{
    return (struct notice_number){v == v && v - v == 0, v};
}

// ---- Who is told --------------------------------------------------------------------------------

static void add_person(struct notice *n, const struct notice_person *p)
{
    bool is_there = n->people_count == NOTICE_PEOPLE_MAX;
    ASSERT(n->people_count <= NOTICE_PEOPLE_MAX);
    for (size_t i = 0; i < n->people_count && !is_there; i++) {
        is_there = str_eq(n->people[i].name, p->name);
    }
    if (!is_there) {
        n->people[n->people_count++] = *p;
    }
}

// A person of the roster, else an address, a phone, or just a name.
static void add_named(const struct roster *r, struct str who, struct notice *n)
{
    const struct roster_person *known = r != NULL ? roster_person(r, who) : NULL;
    bool is_mail = memchr(who.p, '@', who.n) != NULL;
    bool is_phone = !is_mail && (who.p[0] == '+' || (who.p[0] >= '0' && who.p[0] <= '9'));
    ASSERT(who.n > 0);
    const struct notice_person p =
        known != NULL
            ? (struct notice_person){known->name,     known->mail,   known->phone, known->wecom,
                                     known->dingtalk, known->feishu, known->slack}
            : (struct notice_person){
                  .name = who, .mail = is_mail ? who : STR(""), .phone = is_phone ? who : STR("")};
    add_person(n, &p);
}

static void add_receiver(const struct desk *d, struct str who, uint64_t at_ns, struct notice *n)
{
    const struct roster *r = d->set != NULL ? &alert_set_file(d->set)->roster : NULL;
    const struct roster_team *team = r != NULL ? roster_team(r, who) : NULL;
    ASSERT(who.n > 0);
    if (team == NULL) {
        add_named(r, who, n);
        return;
    }
    struct str on_call = roster_on_call(team, at_ns / NS_PER_MS);
    if (on_call.n > 0) {
        add_named(r, on_call, n);
    }
    for (size_t i = 0; on_call.n == 0 && i < team->member_count; i++) {
        add_named(r, team->members[i], n);
    }
}

// ---- The notice ---------------------------------------------------------------------------------

static void add_traces(const struct alert_event *e, char rooms[][TRACE_ID_HEX + 1],
                       struct notice *n)
{
    ASSERT(e != NULL);
    for (size_t i = 0; i < e->trace_count && i < NOTICE_TRACES_MAX; i++) {
        trace_id_hex(e->traces[i], rooms[i]);
        n->trace_ids[n->trace_count++] = (struct str){rooms[i], TRACE_ID_HEX};
    }
}

void message_of(const struct desk *d, const struct open_incident *i, const struct alert_event *e,
                const struct inquiry *inquiry, struct buf *out)
{
    char url[URL_MAX], id[24], traces[ALERT_TRACES_MAX][TRACE_ID_HEX + 1];
    const struct alert_strategy *s = e->strategy;
    bool is_compared = !e->outside && s->measure != MEASURE_ABSENCE;
    ASSERT(i->firing <= i->alerts);
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)i->id);
    (void)snprintf(url, sizeof url, "%s/incidents/%s", d->url, id);
    struct notice n = {
        .status = NOTICE_FIRING,
        .level = level_of(e->rule->level),
        .rule = e->rule->name,
        .line = e->origin.line,
        .environment = e->origin.environment,
        .service = e->origin.service,
        .instance = e->origin.instance,
        .address = e->origin.address,
        .measure = e->outside ? STR("") : str_of(alert_measure_name(s->measure)),
        .operator= is_compared ? str_of(alert_operator_name(s->op)) : STR(""),
        .unit = e->outside ? STR("") : str_of(unit_of(s)),
        .value = number(e->value),
        .threshold = number(e->limit),
        .process_cpu = inquiry->process_cpu,
        .host_cpu = inquiry->host_cpu,
        .event_unix_nano = e->event_ns,
        .fired_unix_nano = e->at_ns,
        .incident = str_of(id),
        .incident_url = d->url[0] != 0 ? str_of(url) : STR(""),
        .snapshot_url = STR(""),
        .remedy = e->rule->remedy,
        .suspect = str_of(i->suspect),
    };
    for (size_t k = 0; k < s->group_by_count; k++) {
        n.group[n.group_count++] = (struct notice_pair){s->group_by[k].text, e->group[k]};
    }
    for (size_t k = 0; k < inquiry->entry_count && k < NOTICE_ENTRIES_MAX; k++) {
        n.entries[n.entry_count++] = inquiry->entries[k];
    }
    add_traces(e, traces, &n);
    for (size_t k = 0; k < e->rule->receiver_count; k++) {
        add_receiver(d, e->rule->receivers[k], e->at_ns, &n);
    }
    notice_to_json(&n, true, out);
}

// Of an incident whose last notice is lost: what the incident itself says.
static struct notice plain(const struct desk *d, const struct open_incident *i, char id[24],
                           char url[URL_MAX])
{
    ASSERT(i->firing <= i->alerts);
    (void)snprintf(id, 24, "%llu", (unsigned long long)i->id);
    (void)snprintf(url, URL_MAX, "%s/incidents/%s", d->url, id);
    return (struct notice){.level = level_of(i->level),
                           .rule = str_of(i->title),
                           .line = str_of(i->line),
                           .fired_unix_nano = i->opened_ns,
                           .incident = str_of(id),
                           .incident_url = d->url[0] != 0 ? str_of(url) : STR(""),
                           .remedy = str_of(i->remedy)};
}

void message_again(const struct desk *d, const struct open_incident *i, uint64_t now_ns,
                   enum notice_status status, uint64_t more, struct buf *out)
{
    struct arena arena = {0};
    struct notice n;
    struct err_at at;
    char url[URL_MAX], id[24];
    if (i->body == NULL ||
        notice_from_json((struct str){i->body, i->body_n}, &arena, &n, &at) != ERR_OK) {
        n = plain(d, i, id, url);
    }
    n.status = status;
    n.suspect = str_of(i->suspect);
    n.more = more;
    n.people_count = 0;
    struct str rest = buf_str(&i->receivers.text), who;
    while (name_list_next(&rest, &who)) {
        add_receiver(d, who, now_ns, &n);
    }
    notice_to_json(&n, true, out);
    arena_done(&arena);
}
