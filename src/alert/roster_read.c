// SPDX-License-Identifier: Apache-2.0
// Purpose: people, groups and silences of a file.
#include <stdio.h>
#include <string.h>

#include "alert/roster_read.h"
#include "core/must.h"

// ---- People -------------------------------------------------------------------------------------

static const struct reader_key person_keys[] = {
    {"name", KEY_TEXT(struct roster_person, name, ALERT_NAME_MAX)},
    {"mail", KEY_TEXT(struct roster_person, mail, ALERT_NAME_MAX)},
    {"phone", KEY_TEXT(struct roster_person, phone, ALERT_NAME_MAX)},
    {"wecom", KEY_TEXT(struct roster_person, wecom, ALERT_NAME_MAX)},
    {"dingtalk", KEY_TEXT(struct roster_person, dingtalk, ALERT_NAME_MAX)},
    {"feishu", KEY_TEXT(struct roster_person, feishu, ALERT_NAME_MAX)},
    {"slack", KEY_TEXT(struct roster_person, slack, ALERT_NAME_MAX)},
};

// ---- Groups -------------------------------------------------------------------------------------

static enum err team_overrides(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    static const struct reader_key keys[] = {
        {"who", KEY_TEXT(struct roster_override, who, ALERT_NAME_MAX)},
        {"from", KEY_TIME(struct roster_override, from_ms)},
        {"until", KEY_TIME(struct roster_override, until_ms)}};
    struct roster_team *t = to;
    ASSERT(r->f != NULL);
    size_t count = 0;
    enum err e = reader_list(r, name, v, ROSTER_MEMBERS_MAX, &count);
    t->overrides = arena_new(&r->f->arena, count + 1, sizeof *t->overrides);
    for (; t->override_count < count && e == ERR_OK; t->override_count++) {
        const yaml_node_t *item =
            yaml_doc_node(&r->y, v->data.sequence.items.start[t->override_count]);
        struct roster_override *o = &t->overrides[t->override_count];
        e = reader_keys(r, item, keys, 3, "who, from, until", o);
        if (e == ERR_OK && (o->who.n == 0 || o->until_ms <= o->from_ms)) {
            e = yaml_doc_wrong(&r->y, item, "expected who, from, and an until after it", NULL);
        }
    }
    return e;
}

static const struct reader_key team_keys[] = {
    {"name", KEY_TEXT(struct roster_team, name, ALERT_NAME_MAX)},
    {"members", KEY_TEXTS(struct roster_team, members, member_count, ROSTER_MEMBERS_MAX)},
    {"rotation", KEY_TEXTS(struct roster_team, rotation, rotation_count, ROSTER_MEMBERS_MAX)},
    {"every", KEY_DURATION(struct roster_team, every_ms, 60000, ROSTER_EVERY_MAX_MS)},
    {"since", KEY_TIME(struct roster_team, since_ms)},
    {"overrides", team_overrides},
};

// ---- Silences -----------------------------------------------------------------------------------

static enum err silence_days(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_silence *s = to;
    struct str *days = NULL;
    size_t count = 0;
    enum err e = reader_texts(r, name, v, ROSTER_DAYS, &days, &count);
    ASSERT(r->f != NULL);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        unsigned d = 0;
        while (d < ROSTER_DAYS && !str_eq(days[i], str_of(roster_days[d]))) {
            d++;
        }
        if (d == ROSTER_DAYS) {
            return yaml_doc_wrong(&r->y, v, "expected mon, tue, wed, thu, fri, sat or sun for",
                                  name);
        }
        s->days |= 1u << d;
    }
    return e;
}

// "22:00", of five characters; -1 for anything else.
static int minute_of(const char *text)
{
    unsigned hour, minute;
    ASSERT(text != NULL);
    for (size_t i = 0; i < 5; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (i == 2 ? text[i] != ':' : !is_digit) {
            return -1;
        }
    }
    hour = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    minute = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
    return hour < 24 && minute < 60 ? (int)(hour * 60 + minute) : -1;
}

static enum err silence_between(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_silence *s = to;
    const char *text = yaml_doc_text(v);
    ASSERT(r->f != NULL);
    bool is_right = text != NULL && strlen(text) == 11 && text[5] == '-';
    s->has_hours = true;
    s->begin_minute = is_right ? minute_of(text) : -1;
    s->end_minute = is_right ? minute_of(text + 6) : -1;
    return s->begin_minute >= 0 && s->end_minute >= 0
               ? ERR_OK
               : yaml_doc_wrong(&r->y, v, "expected hours such as 22:00-06:00 for", name);
}

static enum err silence_offset(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_silence *s = to;
    const char *text = yaml_doc_text(v);
    ASSERT(r->f != NULL);
    bool is_right = text != NULL && strlen(text) == 6 && (text[0] == '+' || text[0] == '-');
    int minutes = is_right ? minute_of(text + 1) : -1;
    if (minutes < 0 || minutes > 14 * 60) {
        return yaml_doc_wrong(&r->y, v, "expected a distance from UTC such as +08:00 for", name);
    }
    s->offset_minutes = text[0] == '-' ? -minutes : minutes;
    return ERR_OK;
}

static const struct reader_key silence_keys[] = {
    {"name", KEY_TEXT(struct roster_silence, name, ALERT_NAME_MAX)},
    {"rules", KEY_TEXTS(struct roster_silence, rules, rule_count, ROSTER_MATCH_MAX)},
    {"services", KEY_TEXTS(struct roster_silence, services, service_count, ROSTER_MATCH_MAX)},
    {"from", KEY_TIME(struct roster_silence, from_ms)},
    {"until", KEY_TIME(struct roster_silence, until_ms)},
    {"days", silence_days},
    {"between", silence_between},
    {"offset", silence_offset},
    {"reason", KEY_TEXT(struct roster_silence, reason, ALERT_TEXT_MAX)},
};

// ---- The lists ----------------------------------------------------------------------------------

// Whether another before it is called the same. `names` are `stride` bytes from one another.
static bool is_twice(const void *names, size_t stride, size_t at)
{
    const char *p = names;
    const struct str *own = (const struct str *)(const void *)(p + at * stride);
    ASSERT(stride >= sizeof *own);
    for (size_t i = 0; i < at; i++) {
        if (str_eq(*(const struct str *)(const void *)(p + i * stride), *own)) {
            return true;
        }
    }
    return false;
}

static enum err check_item(struct reader *r, const yaml_node_t *item, const void *names,
                           size_t stride, size_t at)
{
    const struct str *own = (const struct str *)(const void *)((const char *)names + at * stride);
    ASSERT(r->f != NULL);
    return own->n == 0                   ? yaml_doc_wrong(&r->y, item, "expected a name here", NULL)
           : is_twice(names, stride, at) ? yaml_doc_wrong(&r->y, item, "named twice:", own->p)
                                         : ERR_OK;
}

enum err roster_read_people(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster *l = &((struct alert_file *)to)->roster;
    size_t count = 0;
    enum err e = reader_list(r, name, v, ROSTER_PEOPLE_MAX, &count);
    ASSERT(r->f != NULL);
    l->people = arena_new(&r->f->arena, count + 1, sizeof *l->people);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, v->data.sequence.items.start[i]);
        e = reader_keys(r, item, person_keys, sizeof person_keys / sizeof person_keys[0],
                        "name, mail, phone, wecom, dingtalk, feishu, slack", &l->people[i]);
        e = e == ERR_OK ? check_item(r, item, l->people, sizeof *l->people, i) : e;
        l->person_count += e == ERR_OK;
    }
    return e;
}

enum err roster_read_teams(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster *l = &((struct alert_file *)to)->roster;
    size_t count = 0;
    enum err e = reader_list(r, name, v, ROSTER_TEAMS_MAX, &count);
    ASSERT(r->f != NULL);
    l->teams = arena_new(&r->f->arena, count + 1, sizeof *l->teams);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, v->data.sequence.items.start[i]);
        struct roster_team *t = &l->teams[i];
        t->place = reader_place(item);
        e = reader_keys(r, item, team_keys, sizeof team_keys / sizeof team_keys[0],
                        "name, members, rotation, every, since, overrides", t);
        e = e == ERR_OK ? check_item(r, item, l->teams, sizeof *l->teams, i) : e;
        bool is_whole = (t->rotation_count > 0) == (t->every_ms > 0 && t->since_ms > 0);
        if (e == ERR_OK && !is_whole) {
            e = yaml_doc_wrong(&r->y, item, "rotation, every and since go together", NULL);
        }
        if (e == ERR_OK && t->member_count + t->rotation_count == 0) {
            e = yaml_doc_wrong(&r->y, item, "expected members, or a rotation", NULL);
        }
        l->team_count += e == ERR_OK;
    }
    return e;
}

enum err roster_read_silences(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster *l = &((struct alert_file *)to)->roster;
    size_t count = 0;
    enum err e = reader_list(r, name, v, ROSTER_SILENCES_MAX, &count);
    ASSERT(r->f != NULL);
    l->silences = arena_new(&r->f->arena, count + 1, sizeof *l->silences);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, v->data.sequence.items.start[i]);
        struct roster_silence *s = &l->silences[i];
        s->until_ms = UINT64_MAX;
        e = reader_keys(r, item, silence_keys, sizeof silence_keys / sizeof silence_keys[0],
                        "name, rules, services, from, until, days, between, offset, reason", s);
        e = e == ERR_OK ? check_item(r, item, l->silences, sizeof *l->silences, i) : e;
        if (e == ERR_OK && s->until_ms <= s->from_ms) {
            e = yaml_doc_wrong(&r->y, item, "expected an until after the from", NULL);
        }
        l->silence_count += e == ERR_OK;
    }
    return e;
}
