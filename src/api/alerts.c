// SPDX-License-Identifier: Apache-2.0
// Purpose: rules and channels of alerts: /api/v1/alerts. Secrets go in and never come out.
#include "alert/alerting.h"

#include <math.h>

#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

#define CHANGES_DEFAULT 50
#define CHANGES_MAX     1000

// ---- Rules --------------------------------------------------------------------------------------

// Versions come in order of name, like the rules.
struct rule_list {
    struct json_writer *w;
    const struct alert_file *file;
    size_t next;
};

static void put_rule(void *ctx, const struct book_rule *r)
{
    struct rule_list *l = ctx;
    const struct alert_file *f = l->file;
    ASSERT(ctx != NULL);
    while (l->next < f->rule_count && str_cmp(f->rules[l->next].name, r->name) < 0) {
        l->next++;
    }
    if (l->next == f->rule_count || !str_eq(f->rules[l->next].name, r->name)) {
        return; // made a moment ago
    }
    json_put_object(l->w);
    put_u64(l->w, "version", r->version);
    put_u64(l->w, "changed_unix_nano", r->changed_ns);
    put_str(l->w, "changed_by", r->by);
    json_put_key(l->w, "rule");
    alert_rule_print_json(&f->rules[l->next], json_put_raw(l->w));
    json_put_object_end(l->w);
}

static void put_engine(struct job *j, struct json_writer *w)
{
    struct alert_stats s;
    struct desk_stats d;
    ASSERT(j->api != NULL);
    alerting_stats(j->api->o.alerting, &s);
    desk_stats(alerting_desk(j->api->o.alerting), &d);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"rules", s.rules},           {"strategies", s.strategies},
                   {"shapes", s.shapes},         {"unkeyed", s.unkeyed},
                   {"records", s.records},       {"late_records", s.late},
                   {"future_records", s.future}, {"refused_records", s.refused},
                   {"unfit_points", s.unfit},    {"spared_records", s.spared},
                   {"passed_records", s.passed}, {"groups", s.groups},
                   {"firing", s.firing},         {"fired", s.fired},
                   {"ended", s.ended},           {"clock_leaps", s.leaps},
                   {"bytes", s.bytes},           {"write_failures", s.tell_failures},
                   {"open_incidents", d.open},   {"crowded_alerts", d.crowded}};
    json_put_key(w, "engine");
    json_put_object(w);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        put_u64(w, numbers[i].key, numbers[i].value);
    }
    json_put_object_end(w);
}

void api_alert_rules(struct job *j)
{
    struct json_writer w;
    struct alert_set *set = alerting_rules(j->api->o.alerting);
    struct rule_list l = {&w, alert_set_file(set), 0};
    ASSERT(j->api != NULL);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "rules");
    json_put_array(&w);
    enum err e = book_each_rule(alerting_book(j->api->o.alerting), put_rule, &l);
    json_put_array_end(&w);
    put_engine(j, &w);
    json_put_object_end(&w);
    alert_set_unref(set);
    if (e != ERR_OK) {
        job_fail(j, e);
    }
}

static void put_change(void *ctx, const struct book_change *c)
{
    struct json_writer *w = ctx;
    ASSERT(ctx != NULL);
    json_put_object(w);
    put_str(w, "rule", c->rule);
    put_u64(w, "version", c->version);
    put_str(w, "action", c->action);
    put_u64(w, "at_unix_nano", c->at_ns);
    put_str(w, "by", c->by);
    put_str(w, "body", c->body);
    json_put_object_end(w);
}

void api_alert_rule_changes(struct job *j)
{
    struct json_writer w;
    uint64_t limit;
    ASSERT(j->api != NULL);
    if (!job_number(j, PARAM_LIMIT, CHANGES_DEFAULT, 1, CHANGES_MAX, &limit)) {
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "changes");
    json_put_array(&w);
    enum err e =
        book_each_change(alerting_book(j->api->o.alerting), j->path_param, limit, put_change, &w);
    json_put_array_end(&w);
    json_put_object_end(&w);
    if (e != ERR_OK) {
        job_fail(j, e);
    }
}

// What of a rule file of Prometheus has no counterpart, or only a close one, and where it stands.
static void put_prometheus(struct json_writer *w, const struct prom_rules *r)
{
    ASSERT(r->note_count <= PROM_NOTES_MAX);
    json_put_key(w, "prometheus");
    json_put_object(w);
    put_u64(w, "taken", r->taken);
    put_u64(w, "left_out", r->left_out);
    json_put_key(w, "notes");
    json_put_array(w);
    for (size_t i = 0; i < r->note_count; i++) {
        const struct prom_note *n = &r->notes[i];
        json_put_object(w);
        put_str(w, "rule", n->rule);
        put_u64(w, "line", n->line);
        put_u64(w, "column", n->column);
        put_bool(w, "leaves_out", n->leaves_out);
        put_str(w, "text", n->text);
        json_put_object_end(w);
    }
    json_put_array_end(w);
    put_u64(w, "more_notes", r->more_notes);
    json_put_object_end(w);
}

void api_alert_import(struct job *j)
{
    struct alerting_taken taken;
    struct err_at at = {0};
    struct json_writer w;
    enum err e = alerting_import(j->api->o.alerting, j->body, "rules", j->by, &taken, &at);
    ASSERT(j->api != NULL);
    if (e != ERR_OK) {
        bool is_theirs = e == ERR_INVALID || e == ERR_LIMIT || e == ERR_EXISTS;
        job_error(j, is_theirs ? 400 : 503, "%s", at.text[0] != 0 ? at.text : err_text(e));
        return;
    }
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    put_u64(&w, "rules", taken.rules);
    put_u64(&w, "channels", taken.channels);
    put_u64(&w, "people", taken.people);
    put_u64(&w, "groups", taken.groups);
    put_u64(&w, "silences", taken.silences);
    if (taken.prom != NULL) {
        put_prometheus(&w, taken.prom);
    }
    json_put_object_end(&w);
    prom_rules_free(taken.prom);
}

void api_alert_export(struct job *j)
{
    enum err e = alerting_export(j->api->o.alerting, &j->out);
    ASSERT(j->api != NULL);
    j->content_type = "application/yaml";
    if (e != ERR_OK) {
        buf_clear(&j->out);
        job_fail(j, e);
    }
}

void api_alert_changed(struct job *j, enum err e, const struct err_at *at)
{
    struct json_writer w;
    ASSERT(j->api != NULL);
    if (e == ERR_NOT_FOUND) {
        job_error(j, 404, "there is no %.*s", STR_FMT(j->path_param));
    } else if (e == ERR_BUSY || e == ERR_INVALID || e == ERR_LIMIT) {
        job_error(j, e == ERR_BUSY ? 409 : 400, "%s", at->text);
    } else if (e != ERR_OK) {
        job_fail(j, e);
    } else {
        json_writer_init(&w, &j->out);
        json_put_object(&w);
        json_put_object_end(&w);
    }
}

void api_alert_remove(struct job *j)
{
    struct err_at at = {0};
    ASSERT(j->api != NULL);
    api_alert_changed(j, alerting_remove_rule(j->api->o.alerting, j->path_param, j->by), &at);
}

// ---- Channels -----------------------------------------------------------------------------------

static void put_channel(void *ctx, const struct notify_channel *c)
{
    struct json_writer *w = ctx;
    ASSERT(ctx != NULL);
    json_put_object(w);
    put_str(w, "name", c->name);
    json_put_key(w, "settings");
    buf_add_str(json_put_raw(w), c->open);
    put_bool(w, "has_secret", c->has_secret);
    put_bool(w, "needs_secrets", c->needs_secrets);
    put_bool(w, "failing", c->failing);
    put_u64(w, "waiting", c->stats.waiting);
    put_u64(w, "sent", c->stats.sent);
    put_u64(w, "failed", c->stats.failed);
    put_u64(w, "given_up", c->stats.given_up);
    put_u64(w, "last_success_unix_ms", c->stats.last_success_ms);
    put_u64(w, "last_error_unix_ms", c->stats.last_error_ms);
    put_str(w, "last_error", str_of(c->stats.last_error));
    json_put_object_end(w);
}

void api_channels(struct job *j)
{
    struct json_writer w;
    ASSERT(j->api != NULL);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "channels");
    json_put_array(&w);
    notify_each_channel(alerting_notify(j->api->o.alerting), put_channel, &w);
    json_put_array_end(&w);
    json_put_object_end(&w);
}

void api_channel_remove(struct job *j)
{
    struct err_at at = {0};
    enum err e = alerting_remove_channel(j->api->o.alerting, j->path_param, &at);
    ASSERT(j->api != NULL);
    api_alert_changed(j, e, &at);
}

void api_channel_test(struct job *j)
{
    struct json_writer w;
    struct notify_answer *a = mem_new(1, sizeof *a);
    enum err e = notify_test(alerting_notify(j->api->o.alerting), j->path_param, NULL, a);
    ASSERT(j->api != NULL);
    if (e == ERR_OK) {
        json_writer_init(&w, &j->out);
        json_put_object(&w);
        put_bool(&w, "taken", a->taken);
        put_i64(&w, "status", a->status);
        put_u64(&w, "duration_ms", a->duration_ms);
        put_str(&w, "error", str_of(a->error));
        put_str(&w, "body", str_of(a->body));
        json_put_object_end(&w);
    } else if (e == ERR_NOT_FOUND) {
        job_error(j, 404, "there is no channel %.*s", STR_FMT(j->path_param));
    } else {
        bool is_busy = e == ERR_BUSY;
        job_error(j, is_busy ? 429 : 503, "%s",
                  is_busy ? "another test is being sent" : err_text(e));
    }
    mem_free(a);
}
