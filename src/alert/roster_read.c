// SPDX-License-Identifier: Apache-2.0
// Purpose: people, groups and silences of a file.
#include <stdio.h>
#include <string.h>

#include "alert/roster_read.h"
#include "core/must.h"

static enum err read_time(struct reader *r, const char *name, const yaml_node_t *v,
                          uint64_t *ret_ms)
{
    struct str text = STR("");
    enum err e = reader_text(r, name, v, ALERT_NAME_MAX, &text);
    ASSERT(r->f != NULL);
    return e != ERR_OK || roster_time(text, ret_ms)
               ? e
               : yaml_doc_wrong(&r->y, v, "expected a time such as 2026-12-01T22:00+01:00 for",
                                name);
}

// ---- People -------------------------------------------------------------------------------------

// All keys of a person are texts.
static enum err person_text(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_person *p = to;
    const struct {
        const char *key;
        struct str *text;
    } texts[] = {{"name", &p->name},   {"mail", &p->mail},         {"phone", &p->phone},
                 {"wecom", &p->wecom}, {"dingtalk", &p->dingtalk}, {"feishu", &p->feishu},
                 {"slack", &p->slack}};
    size_t i = 0;
    ASSERT(r->f != NULL);
    while (strcmp(texts[i].key, name) != 0) {
        i++;
    }
    return reader_text(r, name, v, ALERT_NAME_MAX, texts[i].text);
}

static const struct reader_key person_keys[] = {{"name", person_text},     {"mail", person_text},
                                                {"phone", person_text},    {"wecom", person_text},
                                                {"dingtalk", person_text}, {"feishu", person_text},
                                                {"slack", person_text}};

// ---- Groups -------------------------------------------------------------------------------------

static enum err team_name(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return reader_text(r, name, v, ALERT_NAME_MAX, &((struct roster_team *)to)->name);
}

static enum err team_members(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_team *t = to;
    ASSERT(r->f != NULL);
    return reader_texts(r, name, v, ROSTER_MEMBERS_MAX, &t->members, &t->member_count);
}

static enum err team_rotation(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_team *t = to;
    ASSERT(r->f != NULL);
    return reader_texts(r, name, v, ROSTER_MEMBERS_MAX, &t->rotation, &t->rotation_count);
}

static enum err team_every(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return reader_duration(r, name, v, 60000, ROSTER_EVERY_MAX_MS,
                           &((struct roster_team *)to)->every_ms);
}

static enum err team_since(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return read_time(r, name, v, &((struct roster_team *)to)->since_ms);
}

static enum err override_who(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return reader_text(r, name, v, ALERT_NAME_MAX, &((struct roster_override *)to)->who);
}

static enum err override_from(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return read_time(r, name, v, &((struct roster_override *)to)->from_ms);
}

static enum err override_until(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return read_time(r, name, v, &((struct roster_override *)to)->until_ms);
}

static enum err team_overrides(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    static const struct reader_key keys[] = {
        {"who", override_who}, {"from", override_from}, {"until", override_until}};
    struct roster_team *t = to;
    ASSERT(r->f != NULL);
    size_t count = v->type == YAML_SEQUENCE_NODE
                       ? (size_t)(v->data.sequence.items.top - v->data.sequence.items.start)
                       : ROSTER_MEMBERS_MAX + 1;
    if (count > ROSTER_MEMBERS_MAX) {
        return yaml_doc_wrong(&r->y, v, "expected a list of 64 at most for", name);
    }
    t->overrides = arena_new(&r->f->arena, count + 1, sizeof *t->overrides);
    for (; t->override_count < count; t->override_count++) {
        const yaml_node_t *item =
            yaml_doc_node(&r->y, v->data.sequence.items.start[t->override_count]);
        struct roster_override *o = &t->overrides[t->override_count];
        enum err e = reader_keys(r, item, keys, 3, "who, from, until", o);
        if (e != ERR_OK) {
            return e;
        }
        if (o->who.n == 0 || o->until_ms <= o->from_ms) {
            return yaml_doc_wrong(&r->y, item, "expected who, from, and an until after it", NULL);
        }
    }
    return ERR_OK;
}

static const struct reader_key team_keys[] = {
    {"name", team_name},   {"members", team_members}, {"rotation", team_rotation},
    {"every", team_every}, {"since", team_since},     {"overrides", team_overrides}};

// ---- Silences -----------------------------------------------------------------------------------

static enum err silence_name(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return reader_text(r, name, v, ALERT_NAME_MAX, &((struct roster_silence *)to)->name);
}

static enum err silence_reason(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return reader_text(r, name, v, ALERT_TEXT_MAX, &((struct roster_silence *)to)->reason);
}

static enum err silence_rules(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_silence *s = to;
    ASSERT(r->f != NULL);
    return reader_texts(r, name, v, ROSTER_MATCH_MAX, &s->rules, &s->rule_count);
}

static enum err silence_services(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_silence *s = to;
    ASSERT(r->f != NULL);
    return reader_texts(r, name, v, ROSTER_MATCH_MAX, &s->services, &s->service_count);
}

static enum err silence_from(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return read_time(r, name, v, &((struct roster_silence *)to)->from_ms);
}

static enum err silence_until(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    ASSERT(r->f != NULL);
    return read_time(r, name, v, &((struct roster_silence *)to)->until_ms);
}

static enum err silence_days(struct reader *r, const char *name, const yaml_node_t *v, void *to)
{
    struct roster_silence *s = to;
    struct str *days = NULL;
    size_t count = 0;
    enum err e = reader_texts(r, name, v, 7, &days, &count);
    ASSERT(r->f != NULL);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        unsigned d = 0;
        while (d < 7 && !str_eq(days[i], str_of(roster_days[d]))) {
            d++;
        }
        if (d == 7) {
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
    {"name", silence_name},       {"rules", silence_rules},   {"services", silence_services},
    {"from", silence_from},       {"until", silence_until},   {"days", silence_days},
    {"between", silence_between}, {"offset", silence_offset}, {"reason", silence_reason}};

// ---- The lists ----------------------------------------------------------------------------------

// The nodes of a list of `max` at most.
static enum err list_of(struct reader *r, const char *name, const yaml_node_t *v, size_t max,
                        size_t *ret_count)
{
    ASSERT(r->f != NULL);
    if (v->type != YAML_SEQUENCE_NODE) {
        return yaml_doc_wrong(&r->y, v, "expected a list for", name);
    }
    *ret_count = (size_t)(v->data.sequence.items.top - v->data.sequence.items.start);
    return *ret_count <= max ? ERR_OK : yaml_doc_wrong(&r->y, v, "too many of", name);
}

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
    enum err e = list_of(r, name, v, ROSTER_PEOPLE_MAX, &count);
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
    enum err e = list_of(r, name, v, ROSTER_TEAMS_MAX, &count);
    ASSERT(r->f != NULL);
    l->teams = arena_new(&r->f->arena, count + 1, sizeof *l->teams);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const yaml_node_t *item = yaml_doc_node(&r->y, v->data.sequence.items.start[i]);
        struct roster_team *t = &l->teams[i];
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
    enum err e = list_of(r, name, v, ROSTER_SILENCES_MAX, &count);
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
