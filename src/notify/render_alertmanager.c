// SPDX-License-Identifier: Apache-2.0
// Purpose: alerts for Prometheus' Alertmanager, by its API v2: POST /api/v2/alerts.
//
// github.com/prometheus/alertmanager, api/v2/openapi.yaml: a list of {labels, annotations,
// startsAt, endsAt, generatorURL}. The labels are the identity of an alert: those that are told
// when it fires are told when it is resolved. One that is not told of again ends at endsAt, or
// after the receiver's resolve_timeout (5 minutes) without it; Sonde tells once, so a firing alert
// is given an end far ahead. Names of labels are [a-zA-Z_][a-zA-Z0-9_]*.
//
// The annotation NOTIFY_MARK says which server it is from: this one's own receiver, to which such
// a channel may lead, passes over what has its mark (alert/received.h).
#include "core/clock.h"
#include "core/must.h"
#include "notify/card.h"
#include "notify/message.h"
#include "notify/notify.h"
#include "wire/json_writer.h"

#define BODY_BYTES_MAX ((size_t)256 << 10)
#define FIRING_S       ((uint64_t)7 * 24 * 3600)
#define TEST_S         ((uint64_t)60)
#define PATH           "/api/v2/alerts"

struct label {
    struct str name, value;
};
#define LABELS_MAX (7 + NOTICE_GROUP_MAX)

static struct str label_name(struct arena *a, struct str field)
{
    struct str name =
        arena_printf(a, "%s%.*s", field.n > 0 && field.p[0] <= '9' ? "_" : "", STR_FMT(field));
    char *p = (char *)(uintptr_t)name.p;
    ASSERT(name.n >= field.n);
    for (size_t i = 0; i < name.n; i++) {
        bool good = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
                    (p[i] >= '0' && p[i] <= '9') || p[i] == '_';
        p[i] = good ? p[i] : '_';
    }
    return name;
}

// What bears a name that is taken is left out: what it is stands in the summary.
static size_t add_label(struct label *labels, size_t count, struct str name, struct str value)
{
    ASSERT(count < LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(labels[i].name, name)) {
            return count;
        }
    }
    if (value.n == 0 || name.n == 0) {
        return count;
    }
    labels[count] = (struct label){name, value};
    return count + 1;
}

static void put_labels(struct json_writer *w, const struct notice *n, struct arena *a)
{
    struct label labels[LABELS_MAX];
    const struct label fixed[] = {
        {STR("alertname"), n->rule},   {STR("severity"), str_of(notice_level_name(n->level))},
        {STR("service"), n->service},  {STR("instance"), n->instance},
        {STR("namespace"), n->line},   {STR("environment"), n->environment},
        {STR("incident"), n->incident}};
    size_t count = 0;
    ASSERT(n->group_count <= NOTICE_GROUP_MAX);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        count = add_label(labels, count, fixed[i].name, fixed[i].value);
    }
    for (size_t i = 0; i < n->group_count; i++) {
        count = add_label(labels, count, label_name(a, n->group[i].field), n->group[i].value);
    }
    json_put_key(w, "labels");
    json_put_object(w);
    for (size_t i = 0; i < count; i++) {
        json_put_key_str(w, labels[i].name);
        json_put_str(w, labels[i].value);
    }
    json_put_object_end(w);
}

static void put_annotations(struct json_writer *w, const struct occasion *o, struct arena *a)
{
    struct card c;
    const struct notice *n = o->notice;
    card_make(n, o->channel->language, a, &c);
    json_put_key(w, "annotations");
    json_put_object(w);
    json_put_key(w, "summary");
    json_put_str(w, card_summary(n, o->channel->language, a));
    json_put_key(w, "description");
    struct buf b;
    buf_init(&b, CARD_LINES_MAX * 2 * CARD_VALUE_BYTES_MAX);
    for (size_t i = 0; i < c.line_count; i++) {
        buf_printf(&b, "%s%.*s: ", i > 0 ? "\n" : "", STR_FMT(c.lines[i].label));
        buf_add_str(&b, c.lines[i].value);
    }
    MUST(!b.failed);
    json_put_str(w, b.n > 0 ? buf_str(&b) : STR(""));
    buf_done(&b);
    if (o->mark.n > 0) {
        json_put_key(w, NOTIFY_MARK);
        json_put_str(w, o->mark);
    }
    if (n->snapshot_url.n > 0) {
        json_put_key(w, "snapshot_url");
        json_put_str(w, n->snapshot_url);
    }
    json_put_object_end(w);
}

static void put_times(struct json_writer *w, const struct occasion *o, struct arena *a)
{
    const struct notice *n = o->notice;
    uint64_t now = o->now_unix_nano;
    uint64_t start = n->event_unix_nano > 0   ? n->event_unix_nano
                     : n->fired_unix_nano > 0 ? n->fired_unix_nano
                                              : now;
    uint64_t end = n->status == NOTICE_FIRING ? now + FIRING_S * NS_PER_S
                   : n->status == NOTICE_TEST ? now + TEST_S * NS_PER_S
                                              : now;
    ASSERT(n->status < NOTICE_STATUS_COUNT);
    json_put_key(w, "startsAt");
    json_put_str(w, card_time_utc(a, start < end ? start : end)); // clocks differ
    json_put_key(w, "endsAt");
    json_put_str(w, card_time_utc(a, end));
}

static void set_request(const struct occasion *o, struct message *m)
{
    struct str url = channel_text(o->channel, KEY_URL);
    struct str token = channel_text(o->channel, KEY_TOKEN);
    ASSERT(url.n > 0);
    bool whole = str_ends(url, STR(PATH));
    while (url.n > 0 && url.p[url.n - 1] == '/') {
        url.n--;
    }
    m->url = arena_printf(m->arena, "%.*s%s", STR_FMT(url), whole ? "" : PATH);
    m->user = channel_text(o->channel, KEY_USER);
    m->password = channel_text(o->channel, KEY_PASSWORD);
    message_add_header(m, STR("Content-Type: application/json"));
    if (token.n > 0) {
        message_add_header(m, arena_printf(m->arena, "Authorization: Bearer %.*s", STR_FMT(token)));
    }
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct json_writer w;
    struct str incident = o->notice->incident_url;
    ASSERT(o->channel->type == CHANNEL_ALERTMANAGER);
    (void)ret_at;
    set_request(o, m);
    json_writer_init(&w, &m->body);
    json_put_array(&w);
    json_put_object(&w);
    put_labels(&w, o->notice, m->arena);
    put_annotations(&w, o, m->arena);
    put_times(&w, o, m->arena);
    // Anything but a URL would have the whole list refused.
    if (str_starts(incident, STR("http://")) || str_starts(incident, STR("https://"))) {
        json_put_key(&w, "generatorURL");
        json_put_str(&w, incident);
    }
    json_put_object_end(&w);
    json_put_array_end(&w);
    return ERR_OK;
}

const struct channel_ops alertmanager_ops = {.body_bytes_max = BODY_BYTES_MAX, .render = render};
