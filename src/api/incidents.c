// SPDX-License-Identifier: Apache-2.0
// Purpose: incidents: /api/v1/incidents.
#include "alert/alerting.h"

#include <inttypes.h>
#include <jansson.h>

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     1000

static void put_lines(struct json_writer *w, const char *key, struct str lines)
{
    struct str rest = lines, each;
    ASSERT(w->out != NULL);
    json_put_key(w, key);
    json_put_array(w);
    while (rest.n > 0) {
        rest = str_split(rest, '\n', &each);
        json_put_str(w, each);
    }
    json_put_array_end(w);
}

// What silences cover is asked before the book is read.
struct listing {
    struct json_writer w;
    struct arena *arena;
    struct desk_silenced *silenced; // DESK_OPEN_MAX
    size_t count;
};

static void note_silenced(void *ctx, const struct desk_silenced *s)
{
    struct listing *l = ctx;
    ASSERT(l->count <= DESK_OPEN_MAX);
    if (l->count < DESK_OPEN_MAX) {
        l->silenced[l->count++] =
            (struct desk_silenced){s->incident, arena_str(l->arena, s->by), s->all};
    }
}

static void listing_begin(struct listing *l, struct job *j)
{
    ASSERT(j->api != NULL);
    l->arena = &j->arena;
    l->count = 0;
    l->silenced = arena_new(l->arena, DESK_OPEN_MAX, sizeof *l->silenced);
    desk_each_silenced(alerting_desk(j->api->o.alerting), clock_wall_ns(), note_silenced, l);
    json_writer_init(&l->w, &j->out);
}

static void put_silenced(struct listing *l, uint64_t incident)
{
    static const struct desk_silenced none = {.by = {"", 0}};
    const struct desk_silenced *s = &none;
    ASSERT(l->count <= DESK_OPEN_MAX);
    for (size_t i = 0; i < l->count && s == &none; i++) {
        s = l->silenced[i].incident == incident ? &l->silenced[i] : s;
    }
    put_str(&l->w, "silenced_by", s->by);
    put_bool(&l->w, "silenced_all", s->all);
}

static void put_members(struct listing *l, const struct book_incident *i)
{
    struct json_writer *w = &l->w;
    ASSERT(w->out != NULL);
    put_u64(w, "id", i->id);
    put_str(w, "state", str_of(incident_state_name(i->state)));
    put_str(w, "level", str_of(alert_level_name(i->level)));
    put_str(w, "title", i->title);
    put_str(w, "namespace", i->line);
    put_lines(w, "services", i->services);
    put_str(w, "suspect", i->suspect);
    put_lines(w, "entries", i->entries);
    put_lines(w, "users", i->users);
    put_str(w, "remedy", i->remedy);
    put_lines(w, "channels", i->channels);
    put_u64(w, "opened_unix_nano", i->opened_ns);
    put_u64(w, "last_unix_nano", i->last_ns);
    put_u64(w, "ended_unix_nano", i->ended_ns);
    put_u64(w, "alerts", i->alerts);
    put_u64(w, "firing", i->firing);
    put_u64(w, "silent", i->silent);
    put_silenced(l, i->id);
}

static void put_incident(void *ctx, const struct book_incident *i)
{
    struct listing *l = ctx;
    ASSERT(ctx != NULL);
    json_put_object(&l->w);
    put_members(l, i);
    json_put_object_end(&l->w);
}

void api_incidents(struct job *j)
{
    struct listing l;
    uint64_t limit, before;
    struct str state = j->params[PARAM_STATE];
    bool is_open = state.n > 0 && str_eq(state, STR("open"));
    ASSERT(j->api != NULL);
    if (state.n > 0 && !is_open && !str_eq(state, STR("all"))) {
        job_error(j, 400, "state must be open or all");
        return;
    }
    if (!job_number(j, PARAM_LIMIT, LIMIT_DEFAULT, 1, LIMIT_MAX, &limit) ||
        !job_number(j, PARAM_BEFORE, 0, 0, INT64_MAX, &before)) {
        return;
    }
    listing_begin(&l, j);
    json_put_object(&l.w);
    json_put_key(&l.w, "incidents");
    json_put_array(&l.w);
    enum err e = book_each_incident(alerting_book(j->api->o.alerting), is_open, before, limit,
                                    put_incident, &l);
    json_put_array_end(&l.w);
    json_put_object_end(&l.w);
    if (e != ERR_OK) {
        job_fail(j, e);
    }
}

// ---- One ----------------------------------------------------------------------------------------

static void put_alert(void *ctx, const struct book_alert *a)
{
    struct json_writer *w = ctx;
    ASSERT(ctx != NULL);
    json_put_object(w);
    put_str(w, "rule", a->rule);
    put_str(w, "level", str_of(alert_level_name(a->level)));
    json_put_key(w, "group");
    json_put_object(w);
    for (size_t i = 0; i < a->group_count; i++) {
        json_put_key_str(w, a->fields[i]);
        json_put_str(w, a->group[i]);
    }
    json_put_object_end(w);
    put_str(w, "measure", a->measure);
    put_str(w, "operator", a->op);
    put_number(w, "value", a->value);
    put_number(w, "threshold", a->limit);
    put_str(w, "service", a->service);
    put_str(w, "instance", a->instance);
    put_str(w, "address", a->address);
    put_str(w, "environment", a->environment);
    put_lines(w, "trace_ids", a->traces);
    put_u64(w, "event_unix_nano", a->event_ns);
    put_u64(w, "fired_unix_nano", a->fired_ns);
    put_u64(w, "ended_unix_nano", a->ended_ns);
    json_put_object_end(w);
}

static void put_entry(void *ctx, const struct book_entry *e)
{
    struct json_writer *w = ctx;
    ASSERT(ctx != NULL);
    json_put_object(w);
    put_u64(w, "at_unix_nano", e->at_ns);
    put_str(w, "kind", e->kind);
    put_str(w, "text", e->text);
    put_str(w, "by", e->by);
    json_put_object_end(w);
}

// What became of a message: the timeline says when it was made.
static void put_delivery(void *ctx, const struct outbox_of_incident *d)
{
    static const char *const states[] = {[OUTBOX_IS_WAITING] = "waiting",
                                         [OUTBOX_IS_SENT] = "sent",
                                         [OUTBOX_IS_GIVEN_UP] = "given_up"};
    struct json_writer *w = ctx;
    ASSERT(d->state <= OUTBOX_IS_GIVEN_UP);
    json_put_object(w);
    put_str(w, "channel", d->channel);
    put_str(w, "status", d->ending ? STR("resolved") : STR("firing"));
    put_str(w, "state", str_of(states[d->state]));
    put_u64(w, "attempts", d->attempts);
    put_u64(w, "made_unix_nano", d->created_ms * NS_PER_MS);
    put_u64(w, "ended_unix_nano", d->ended_ms * NS_PER_MS);
    put_str(w, "error", d->error);
    json_put_object_end(w);
}

static void put_one(void *ctx, const struct book_incident *i)
{
    struct listing *l = ctx;
    ASSERT(ctx != NULL);
    json_put_object(&l->w);
    put_members(l, i);
}

// The number in the path; false after answering 404.
static bool incident_number(struct job *j, uint64_t *ret_id)
{
    ASSERT(j->api != NULL);
    if (str_to_u64(j->path_param, ret_id) == ERR_OK && *ret_id <= INT64_MAX) {
        return true;
    }
    job_error(j, 404, "there is no incident %.*s", STR_FMT(j->path_param));
    return false;
}

static void fail(struct job *j, enum err e)
{
    ASSERT(j->api != NULL);
    if (e == ERR_NOT_FOUND) {
        job_error(j, 404, "there is no incident %.*s", STR_FMT(j->path_param));
    } else {
        job_fail(j, e);
    }
}

void api_incident(struct job *j)
{
    struct listing l;
    struct book *b = alerting_book(j->api->o.alerting);
    uint64_t id;
    ASSERT(j->api != NULL);
    if (!incident_number(j, &id)) {
        return;
    }
    listing_begin(&l, j);
    enum err e = book_incident(b, id, put_one, &l);
    if (e == ERR_OK) {
        json_put_key(&l.w, "alert_list");
        json_put_array(&l.w);
        e = book_each_alert(b, id, put_alert, &l.w);
        json_put_array_end(&l.w);
        json_put_key(&l.w, "timeline");
        json_put_array(&l.w);
        e = e == ERR_OK ? book_each_entry(b, id, put_entry, &l.w) : e;
        json_put_array_end(&l.w);
        json_put_key(&l.w, "deliveries");
        json_put_array(&l.w);
        e = e == ERR_OK ? notify_each_of_incident(alerting_notify(j->api->o.alerting),
                                                  arena_printf(&j->arena, "%" PRIu64, id),
                                                  put_delivery, &l.w)
                        : e;
        json_put_array_end(&l.w);
        json_put_object_end(&l.w);
    }
    if (e != ERR_OK) {
        buf_clear(&j->out);
        fail(j, e);
    }
}

static void done(struct job *j, enum err e)
{
    struct json_writer w;
    ASSERT(j->api != NULL);
    if (e != ERR_OK) {
        fail(j, e);
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_object_end(&w);
}

void api_incident_acknowledge(struct job *j)
{
    uint64_t id;
    ASSERT(j->api != NULL);
    if (!incident_number(j, &id)) {
        return;
    }
    enum err e = desk_acknowledge(alerting_desk(j->api->o.alerting), id, j->by, clock_wall_ns());
    if (e == ERR_INVALID) {
        job_error(j, 409, "incident %.*s is resolved", STR_FMT(j->path_param));
    } else {
        done(j, e);
    }
}

// {"text": "..."}
void api_incident_comment(struct job *j)
{
    uint64_t id;
    json_error_t why;
    ASSERT(j->api != NULL);
    if (!incident_number(j, &id)) {
        return;
    }
    json_t *root = json_loadb(j->body.p, j->body.n, 0, &why);
    const json_t *text = json_object_get(root, "text");
    struct str words = {json_string_value(text), json_string_length(text)};
    if (words.n == 0) {
        job_error(j, 400, "expected {\"text\": \"...\"}");
    } else {
        enum err e =
            desk_comment(alerting_desk(j->api->o.alerting), id, words, j->by, clock_wall_ns());
        if (e == ERR_LIMIT) {
            job_error(j, 400, "a comment has %zu bytes at most, an incident %u comments",
                      BOOK_COMMENT_MAX, BOOK_COMMENTS_MAX);
        } else {
            done(j, e);
        }
    }
    json_decref(root);
}
