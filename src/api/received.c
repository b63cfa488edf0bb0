// SPDX-License-Identifier: Apache-2.0
// Purpose: /api/v2: as much of Alertmanager's API as Prometheus and amtool need to send alerts here
// and to look at those that were sent.
//
// github.com/prometheus/alertmanager, api/v2/openapi.yaml. POST alerts takes a list; where one of
// them is wrong the others are taken and the answer is 400. GET alerts lists those that fire or are
// to, with `filter` (matchers: name="value", also != =~ !~; several hold together), `active` and
// `silenced`; what else may stand there is ignored. Rules' own alerts are incidents, and not here.
#include <jansson.h>

#include "alert/alerting.h"
#include "alert/received.h"
#include "api/job.h"
#include "api/put.h"
#include "core/clock.h"
#include "core/must.h"
#include "filter/pattern.h"
#include "notify/card.h"

#define MATCHERS_MAX METRIC_LABELS_MAX

void api_received_put(struct job *j)
{
    struct received_taken taken = {0};
    struct err_at at = {0};
    enum err e =
        received_put(alerting_received(j->api->o.alerting), j->body, clock_wall_ns(), &taken, &at);
    ASSERT(j->api != NULL);
    if (e == ERR_INVALID) {
        job_error(j, 400, "%s", at.text);
    } else if (e != ERR_OK) {
        job_fail(j, e);
    } else if (taken.refused > 0) {
        job_error(j, 400, "%zu of %zu alerts are refused; %s", taken.refused,
                  taken.taken + taken.refused, at.text);
    } else {
        struct json_writer w;
        json_writer_init(&w, &j->out);
        json_put_object(&w);
        json_put_object_end(&w);
    }
}

// ---- Which --------------------------------------------------------------------------------------

struct matcher {
    struct str name, value;
    bool negates;
    struct pattern *pattern; // NULL: it is compared
};

// name="value"; the quotes may be missing. False after answering 400.
static bool read_matcher(struct job *j, struct str text, struct matcher *m)
{
    static const char *const signs[] = {"!=", "!~", "=~", "="};
    struct err_at at = {0};
    size_t i = 0, n = 0;
    text = str_trim(text);
    ASSERT(m->pattern == NULL);
    while (n < text.n && text.p[n] != '=' && text.p[n] != '!') {
        n++;
    }
    struct str rest = str_skip(text, n);
    while (i < 4 && !str_starts(rest, str_of(signs[i]))) {
        i++;
    }
    m->name = str_trim((struct str){text.p, n});
    if (i == 4 || m->name.n == 0) {
        job_error(j, 400, "filter: expected name=\"value\", or with != =~ !~, not %.*s",
                  STR_FMT(str_cut(text, 100)));
        return false;
    }
    m->value = str_trim(str_skip(rest, strlen(signs[i])));
    if (m->value.n >= 2 && m->value.p[0] == '"' && m->value.p[m->value.n - 1] == '"') {
        m->value = (struct str){m->value.p + 1, m->value.n - 2};
    }
    m->negates = signs[i][0] == '!';
    if (signs[i][1] == '~' && pattern_new(m->value, &m->pattern, &at) != ERR_OK) {
        job_error(j, 400, "filter: %s", at.text);
        return false;
    }
    return true;
}

struct listing {
    struct job *j;
    struct json_writer w;
    struct matcher matchers[MATCHERS_MAX];
    size_t count;
    bool active, silenced; // are wanted
    const struct roster *roster;
    uint64_t now_ns;
};

static bool matches(const struct matcher *m, const json_t *labels)
{
    char name[RECEIVED_NAME_MAX + 1];
    ASSERT(m->name.n > 0);
    (void)snprintf(name, sizeof name, "%.*s", STR_FMT(m->name));
    const json_t *v = m->name.n < sizeof name ? json_object_get(labels, name) : NULL;
    struct str value =
        v != NULL ? (struct str){json_string_value(v), json_string_length(v)} : STR("");
    bool equal = m->pattern != NULL ? pattern_match(m->pattern, value) == PATTERN_YES
                                    : str_eq(value, m->value);
    return equal != m->negates;
}

static bool is_wanted(const struct listing *l, const struct received_alert *a, bool is_silenced)
{
    bool wanted = is_silenced ? l->silenced : l->active;
    json_t *labels = wanted && l->count > 0 ? json_loadb(a->key.p, a->key.n, 0, NULL) : NULL;
    ASSERT(l->count <= MATCHERS_MAX);
    for (size_t i = 0; i < l->count && wanted; i++) {
        wanted = matches(&l->matchers[i], labels);
    }
    json_decref(labels);
    return wanted;
}

// ---- The list -----------------------------------------------------------------------------------

static void put_time(struct listing *l, const char *key, uint64_t ns)
{
    ASSERT(l->now_ns > 0);
    put_str(&l->w, key, card_time_utc(&l->j->arena, ns));
}

static void put_names(struct json_writer *w, const char *key, struct str name)
{
    ASSERT(w->out != NULL);
    json_put_key(w, key);
    json_put_array(w);
    if (name.n > 0) {
        json_put_str(w, name);
    }
    json_put_array_end(w);
}

static void put_status(struct json_writer *w, const struct roster_silence *silence, bool begins)
{
    ASSERT(w->out != NULL);
    json_put_key(w, "status");
    json_put_object(w);
    put_str(w, "state",
            silence != NULL ? STR("suppressed")
            : begins        ? STR("unprocessed")
                            : STR("active"));
    put_names(w, "silencedBy", silence != NULL ? silence->name : STR(""));
    put_names(w, "inhibitedBy", STR(""));
    put_names(w, "mutedBy", STR(""));
    json_put_object_end(w);
}

static void put_alert(void *ctx, const struct received_alert *a)
{
    struct listing *l = ctx;
    struct json_writer *w = &l->w;
    const struct roster_silence *silence =
        roster_silenced(l->roster, a->rule, a->service, l->now_ns / NS_PER_MS);
    ASSERT(ctx != NULL);
    if (a->ends_ns <= l->now_ns || !is_wanted(l, a, silence != NULL)) {
        return;
    }
    json_put_object(w);
    json_put_key(w, "labels");
    buf_add_str(json_put_raw(w), a->key);
    json_put_key(w, "annotations");
    buf_add_str(json_put_raw(w), a->annotations);
    put_str(w, "generatorURL", a->generator_url);
    put_time(l, "startsAt", a->starts_ns);
    put_time(l, "endsAt", a->ends_ns);
    put_time(l, "updatedAt", a->updated_ns);
    put_str(w, "fingerprint",
            arena_printf(&l->j->arena, "%016llx", (unsigned long long)a->fingerprint));
    json_put_key(w, "receivers");
    json_put_array(w);
    json_put_object(w);
    put_str(w, "name", STR("sonde"));
    json_put_object_end(w);
    json_put_array_end(w);
    put_status(w, silence, a->starts_ns > l->now_ns);
    json_put_object_end(w);
}

static bool is_false(struct str given)
{
    ASSERT(given.p != NULL || given.n == 0);
    return str_eq(given, STR("false"));
}

void api_received(struct job *j)
{
    struct listing l = {.j = j, .now_ns = clock_wall_ns()};
    bool ok = true;
    ASSERT(j->label_count <= MATCHERS_MAX);
    l.active = !is_false(j->params[PARAM_ACTIVE]);
    l.silenced = !is_false(j->params[PARAM_SILENCED]);
    for (size_t i = 0; i < j->label_count && ok; i++) {
        if (str_eq(j->labels[i].key, str_of(param_name(PARAM_FILTER)))) {
            ok = read_matcher(j, j->labels[i].value, &l.matchers[l.count++]);
        }
    }
    if (ok) {
        struct alert_set *set = alerting_rules(j->api->o.alerting);
        l.roster = &alert_set_file(set)->roster;
        json_writer_init(&l.w, &j->out);
        json_put_array(&l.w);
        received_each(alerting_received(j->api->o.alerting), put_alert, &l);
        json_put_array_end(&l.w);
        alert_set_unref(set);
    }
    for (size_t i = 0; i < l.count; i++) {
        pattern_free(l.matchers[i].pattern);
    }
}

void api_received_status(struct job *j)
{
    static const char *const empty[] = {"branch", "buildDate", "buildUser", "goVersion"};
    struct json_writer w;
    ASSERT(j->api != NULL);
    json_writer_init(&w, &j->out);
    json_put_object(&w);
    json_put_key(&w, "cluster");
    json_put_object(&w);
    put_str(&w, "status", STR("disabled"));
    json_put_object_end(&w);
    json_put_key(&w, "config");
    json_put_object(&w);
    put_str(&w, "original", STR(""));
    json_put_object_end(&w);
    put_str(&w, "uptime", card_time_utc(&j->arena, j->api->started_ns));
    json_put_key(&w, "versionInfo");
    json_put_object(&w);
    put_str(&w, "version", str_of(j->api->o.version));
    put_str(&w, "revision", str_of(j->api->o.commit));
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        put_str(&w, empty[i], STR(""));
    }
    json_put_object_end(&w);
    json_put_object_end(&w);
}
