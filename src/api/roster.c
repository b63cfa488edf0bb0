// SPDX-License-Identifier: Apache-2.0
// Purpose: /api/v1/alerts/roster: people, groups with who is on call, silences; and their removal.
// /api/v1/alerts/on-call: who is on call at a time.
#include "alert/alerting.h"
#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"

#define AT_MAX_MS ((uint64_t)253402300799999) // the end of the year 9999

static void put_texts(struct json_writer *w, const char *key, const struct str *items, size_t count)
{
    ASSERT(items != NULL || count == 0);
    json_put_key(w, key);
    json_put_array(w);
    for (size_t i = 0; i < count; i++) {
        json_put_str(w, items[i]);
    }
    json_put_array_end(w);
}

static void put_people(struct json_writer *w, const struct roster *r)
{
    ASSERT(r->person_count <= ROSTER_PEOPLE_MAX);
    json_put_key(w, "people");
    json_put_array(w);
    for (size_t i = 0; i < r->person_count; i++) {
        const struct roster_person *p = &r->people[i];
        json_put_object(w);
        put_str(w, "name", p->name);
        put_str(w, "mail", p->mail);
        put_str(w, "phone", p->phone);
        put_str(w, "wecom", p->wecom);
        put_str(w, "dingtalk", p->dingtalk);
        put_str(w, "feishu", p->feishu);
        put_str(w, "slack", p->slack);
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

// Of one, or of all (name.n 0).
static void put_groups(struct json_writer *w, const struct roster *r, struct str name,
                       uint64_t now_ms)
{
    ASSERT(r->team_count <= ROSTER_TEAMS_MAX);
    json_put_key(w, "groups");
    json_put_array(w);
    for (size_t i = 0; i < r->team_count; i++) {
        const struct roster_team *t = &r->teams[i];
        if (name.n > 0 && !str_eq(t->name, name)) {
            continue;
        }
        json_put_object(w);
        put_str(w, "name", t->name);
        put_texts(w, "members", t->members, t->member_count);
        put_texts(w, "rotation", t->rotation, t->rotation_count);
        uint64_t until_ms = roster_on_call_until(t, now_ms);
        put_str(w, "on_call", roster_on_call(t, now_ms));
        put_u64(w, "turn_ends_unix_ms", until_ms);
        put_str(w, "next", until_ms > 0 ? roster_on_call(t, until_ms) : STR(""));
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

static void put_days(struct json_writer *w, const struct roster_silence *s)
{
    ASSERT(s->days < 1U << ROSTER_DAYS);
    json_put_key(w, "days");
    json_put_array(w);
    for (unsigned d = 0; d < ROSTER_DAYS; d++) {
        if ((s->days >> d & 1) != 0) {
            json_put_str(w, str_of(roster_days[d]));
        }
    }
    json_put_array_end(w);
}

static void put_silences(struct json_writer *w, const struct roster *r, uint64_t now_ms)
{
    ASSERT(r->silence_count <= ROSTER_SILENCES_MAX);
    json_put_key(w, "silences");
    json_put_array(w);
    for (size_t i = 0; i < r->silence_count; i++) {
        const struct roster_silence *s = &r->silences[i];
        struct buf body;
        buf_init(&body, (size_t)64 << 10);
        roster_print_silence(s, &body);
        json_put_object(w);
        put_str(w, "name", s->name);
        put_str(w, "reason", s->reason);
        put_texts(w, "rules", s->rules, s->rule_count);
        put_texts(w, "services", s->services, s->service_count);
        put_u64(w, "from_unix_ms", s->from_ms);
        put_u64(w, "until_unix_ms", s->until_ms == UINT64_MAX ? 0 : s->until_ms);
        put_days(w, s);
        put_i64(w, "begin_minute", s->begin_minute);
        put_i64(w, "end_minute", s->end_minute);
        put_i64(w, "offset_minutes", s->offset_minutes);
        put_bool(w, "holds", roster_silence_holds(s, now_ms));
        put_bool(w, "is_over", s->until_ms <= now_ms);
        put_str(w, "body", buf_str(&body));
        json_put_object_end(w);
        buf_done(&body);
    }
    json_put_array_end(w);
}

void api_roster(struct job *j)
{
    struct json_writer w;
    struct alert_set *set = alerting_rules(j->api->o.alerting);
    const struct roster *r = &alert_set_file(set)->roster;
    uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
    ASSERT(j->api != NULL);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_people(&w, r);
    put_groups(&w, r, STR(""), now_ms);
    put_silences(&w, r, now_ms);
    json_put_object_end(&w);
    alert_set_unref(set);
}

void api_on_call(struct job *j)
{
    struct json_writer w;
    struct str name = j->params[PARAM_NAME];
    uint64_t at_ms = 0;
    ASSERT(j->api != NULL);
    if (!job_number(j, PARAM_AT, clock_wall_ns() / NS_PER_MS, 0, AT_MAX_MS, &at_ms)) {
        return;
    }
    struct alert_set *set = alerting_rules(j->api->o.alerting);
    const struct roster *r = &alert_set_file(set)->roster;
    if (name.n > 0 && roster_team(r, name) == NULL) {
        job_error(j, 404, "there is no group %.*s", STR_FMT(name));
    } else {
        json_writer_init(&w, &j->out);
        json_put_object(&w);
        put_u64(&w, "at_unix_ms", at_ms);
        put_groups(&w, r, name, at_ms);
        json_put_object_end(&w);
    }
    alert_set_unref(set);
}

static void remove_of(struct job *j, const char *kind)
{
    struct err_at at = {0};
    enum err e = alerting_remove_roster(j->api->o.alerting, str_of(kind), j->path_param, j->by);
    ASSERT(j->api != NULL);
    if (e == ERR_NOT_FOUND) {
        job_error(j, 404, "there is no %.*s among the %s", STR_FMT(j->path_param), kind);
    } else {
        api_alert_changed(j, e, &at);
    }
}

void api_person_remove(struct job *j)
{
    ASSERT(j->api != NULL);
    remove_of(j, "people");
}

void api_group_remove(struct job *j)
{
    ASSERT(j->api != NULL);
    remove_of(j, "groups");
}

void api_silence_remove(struct job *j)
{
    ASSERT(j->api != NULL);
    remove_of(j, "silences");
}
